/* cell.h - the contract of a cell: its facts, P and P'.
 *
 *   a_t             = W x_t + R h_{t-1} + b        by the driver, kernels/forward.c
 *   (s_t, saved_t)  = P (a_t, s_{t-1})             forward
 *   (da_t, ds_{t-1}) = P'(ds_t, saved_t)           backward
 *
 * The driver hands both a block of rows (samples) and panels (PANEL units side by
 * side). For each row and unit there are `slots`: the columns of a, then the extras.
 * Forward finds a in the columns and leaves in all slots what backward will need;
 * backward reads nothing else, and leaves da in the columns. The states are updated
 * in place.
 *
 * Units are padded to whole panels. A padded unit sees a = 0 and s = 0 forward, ds =
 * 0 backward, and must answer with finite numbers and with da = 0. */
#ifndef LSTMC_CELL_H
#define LSTMC_CELL_H

#include "vmath.h"

#define MAX_STATES 4
#define NONE (-1)

/* A column of a: which block of rows of W, of R and of b makes it (NONE: does not). The
 * columns that read x stand side by side, and so do those that read h. */
typedef struct {
    const char *name;
    int w, r, b;
} Column;

typedef struct {
    idx rows, panels;
    idx slots;
    real *a; /* (panels, rows, slots, PANEL), a_panel from panel to panel */
    idx a_panel;
    const real *h0; /* forward: (rows, panels * PANEL), h_row from row to row */
    real *h1;
    idx h_row;
    real *s[MAX_STATES]; /* (panels, rows, PANEL), s_panel from panel to panel */
    idx s_panel; /* forward: c, ... from 1 on; backward: dh, dc, ... from 0 on */
    int identity; /* the output squash is the identity */
} Step;

typedef struct {
    const char *name, *title, *equations, *source;
    int columns;
    const Column *column;
    int states;
    const char *const *state; /* h first */
    int extras; /* slots beyond the columns */
    int squashes; /* has an output squash, tanh or identity */
    void (*forward)(Step);
    void (*backward)(Step);
} Cell;

/* Walks the block; inside it the helpers below find the panel of one row. */
#define EACH_PANEL(s, p, r)              \
    for (idx p = 0; p < (s).panels; ++p) \
        for (idx r = 0; r < (s).rows; ++r)

#define EACH_VECTOR(j) EACH (j, VECS)

ALWAYS_INLINE vec *slot(Step s, idx p, idx r, int k)
{
    return (vec *)(s.a + p * s.a_panel + (r * s.slots + k) * PANEL);
}

ALWAYS_INLINE vec *state(Step s, idx p, idx r, int k)
{
    return (vec *)(s.s[k] + p * s.s_panel + r * PANEL);
}

ALWAYS_INLINE const vec *hidden_before(Step s, idx p, idx r)
{
    return (const vec *)(s.h0 + r * s.h_row + p * PANEL);
}

ALWAYS_INLINE vec *hidden(Step s, idx p, idx r)
{
    return (vec *)(s.h1 + r * s.h_row + p * PANEL);
}

#endif
