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

/* Rows are in one lot or in two, whose products are summed apart: those of two threads,
 * so that neither waits for what lies in the other's caches. The rows that a lot has in
 * the steps before t. */
static inline idx lot_total(const Sequence *s, int lot, idx t)
{
    return s->lots == 1 ? s->total[t]
           : lot == 0   ? s->first_total[t]
                        : s->total[t] - s->first_total[t];
}

static inline idx rows_of_lot(const Sequence *s, int lot, Window window)
{
    return lot_total(s, lot, window.last) - lot_total(s, lot, window.first);
}

/* Rows that the first lot, the largest, has in a window at most. */
static inline idx most_rows(const Sequence *s)
{
    const idx rows = (s->rows + s->lots - 1) / s->lots;
    return min_idx(window_steps(s) * rows, s->offset[s->rows]);
}

/* What one part has of a lot in a window; the rows of a step are beside one another. */
typedef struct {
    int number; /* among lots * parts */
    idx rows;
    const StepRow *row;
    real *gradient;
} Lot;

static inline int lot_count(const Sequence *s) { return s->lots * s->parts; }

static inline StepRow *lot_table(const Sequence *s, int part, int lot, Window window)
{
    return s->row_table + part * s->table_size +
           (lot == 0 ? 0 : rows_of_lot(s, 0, window));
}

/* Lot by lot, as the slabs of two threads are. */
static inline Lot find_lot(const Sequence *s, int number, Window window)
{
    const int part = number % s->parts, lot = number / s->parts;
    const Direction *d = s->direction + part;
    return (Lot){.number = number,
                 .rows = rows_of_lot(s, lot, window),
                 .row = lot_table(s, part, lot, window),
                 .gradient = lot == 0 ? d->gradient : d->second};
}

#endif
