/* gradient.h - what the weights' gradient multiplies: all that a layer's columns read,
 * part by part, each cut in blocks of columns of one height. */
#ifndef LSTMC_GRADIENT_H
#define LSTMC_GRADIENT_H

#include "kernels.h"

/* What the weights of a column see: x, then each row state, then the late row. */
typedef struct {
    idx width, first; /* reals, and blocks before */
    int slot;         /* where on the tape; NONE: x or h */
} Seen;

enum { X = 0, ROWS = 1 };

/* Parts that columns of the first stage see, and all. */
static inline int first_seen(const Plan *plan) { return ROWS + plan->rows; }

static inline int seen_count(const Plan *plan)
{
    return first_seen(plan) + (plan->late_panels > 0);
}

/* Part k; behind the last, `first` is how many blocks there are. */
static inline Seen seen_part(const Plan *plan, int k, idx height)
{
    Seen seen = {.width = plan->inputs, .first = 0, .slot = NONE};
    for (int j = 0; j < k; ++j) {
        seen.first += (seen.width + height - 1) / height;
        seen.width = plan->units;
        seen.slot = plan->late_slot;
        if (j < plan->rows) {
            const int is_read = plan->reader[j].count > 0;
            seen.width = is_read ? width_of(plan, plan->row[j].state) : 0;
            seen.slot = plan->row[j].slot;
        }
    }
    return seen;
}

/* At most. */
static inline idx window_rows(const Sequence *s)
{
    return min_idx(window_steps(s) * s->rows, s->offset[s->rows]);
}

#endif
