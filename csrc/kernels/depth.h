/* depth.h - a stack of highway layers: what forward and backward share. */
#ifndef LSTMC_DEPTH_H
#define LSTMC_DEPTH_H

#include <string.h>

#include "kernels.h"
#include "lstmc_highway.h"

#define SLAB 64 /* rows that go through a panel at once: their a stays near */
#define GROUP_BYTES (512 << 10) /* of x of the rows of a group */
#define TOGETHER 2 /* panels that are packed and gone through at once */
#define UNITS \
    96 /* whose weights' gradient is one thread's; whole tiles of any height */

/* Rows are cut into groups, and groups into slabs. */
typedef struct {
    const lstmc_highway *call;
    idx n, panels, width;
    int slots, given; /* H, T, C as there are; given: H is, the others have weights */
    int columns; /* slots with weights, the last ones */
    idx x_row, s_row; /* reals from row to row */
    idx x_layer, s_layer; /* and from layer to layer of the tape */
    idx layer_size; /* reals of a layer's weights */
    idx groups, group_rows; /* and rows of a group at most */
    real *scratch; /* (threads, scratch_size) */
    idx scratch_size;
    Poll *poll;
} Stack;

/* given: H comes from elsewhere. */
Stack NAME(lay_out_stack)(const lstmc_highway *, int given, int threads, int backward,
                          Arena *);
int NAME(highway_backward)(const lstmc_highway *, int threads, void *workspace);

static inline real *scratch_of(const Stack *s)
{
    return s->scratch + own_thread() * s->scratch_size;
}

/* Whether to go on after so much work: the calling thread asks its caller. */
static inline int goes_on(const Stack *s, double work)
{
    if (own_thread() == 0)
        ask_after(s->poll, work);
    return !atomic_load(&s->poll->stopped);
}

static inline double step_work(const Stack *s, idx rows)
{
    return 2.0 * (double)rows * (double)s->n * (double)s->n * (s->columns + 1);
}

static inline idx first_row(const Stack *s, idx group)
{
    return group * s->call->rows / s->groups;
}

static inline real *x_on_tape(const Stack *s, int layer, idx row)
{
    return (real *)s->call->tape + layer * s->x_layer + row * s->x_row;
}

static inline real *s_on_tape(const Stack *s, int layer, idx row)
{
    return (real *)s->call->tape + s->call->layers * s->x_layer + layer * s->s_layer +
           row * s->s_row;
}

/* Rows of n reals into rows of whole panels, and back. */
static inline void widen(const Stack *s, const real *from, real *to, idx rows,
                         idx apart)
{
    for (idx r = 0; r < rows; ++r, from += s->n, to += apart) {
        memcpy(to, from, (size_t)s->n * sizeof(real));
        memset(to + s->n, 0, (size_t)(s->width - s->n) * sizeof(real));
    }
}

static inline void narrow(const Stack *s, const real *from, idx apart, real *to,
                          idx rows)
{
    for (idx r = 0; r < rows; ++r, from += apart, to += s->n)
        memcpy(to, from, (size_t)s->n * sizeof(real));
}

static inline const real *weights_of(const Stack *s, int layer)
{
    return (const real *)s->call->weights + layer * s->layer_size;
}

#endif
