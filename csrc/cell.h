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
 * What recurs: R reads row states, those that `rows` lists; h alone if it lists none.
 * Forward finds them before the step in row_before() and leaves them in row_after();
 * h it leaves in hidden(); all other states are updated in place, in state(). Backward
 * has all of them in state(), and adds to what it finds there: where nothing of ds_t
 * goes on to the step before, it clears.
 *
 * Two stages: a cell with late columns is called twice a step. The first call leaves
 * the late row, late(); the driver adds R of the late columns times that row to what
 * they hold; the second call ends the step. Backward is called in the same way: stage 1
 * first, which leaves da in the late columns, then stage 0, which finds the gradient of
 * the late row in late_gradient().
 *
 * Both copy the step before they use it: what they store might else be part of it, for
 * all the compiler knows, and it would read everything again.
 *
 * Units are padded to whole panels. A padded unit sees a = 0 and s = 0 forward, ds =
 * 0 backward, and must answer with finite numbers and with da = 0. */
#ifndef LSTMC_CELL_H
#define LSTMC_CELL_H

#include "vmath.h"

#define MAX_STATES 5
#define NONE (-1)

/* A column of a: which block of rows of W, of R and of b makes it (NONE: does not). The
 * columns that read x stand side by side, and so do those that read one row state. */
typedef struct {
    const char *name;
    int w, r, b;
    int from, more; /* R reads the row states from .. from + more, in blocks r, r + 1 */
    int late; /* R reads the late row; it has no `from` */
} Column;

/* A state that R reads, and the slot where forward leaves what it was before the step;
 * NONE for h. */
typedef struct {
    int state, slot;
} Row;

typedef struct {
    idx rows, panels;
    idx slots;
    real *a; /* (panels, rows, slots, PANEL), a_panel from panel to panel */
    idx a_panel;
    const real *row0, *h0; /* forward: the row states and h before, and after */
    real *row1, *h1, *late; /* (rows, panels * PANEL), row from row to row */
    idx row, place; /* place: from row state to row state */
    real *s[MAX_STATES]; /* (panels, rows, PANEL), s_panel from panel to panel */
    idx s_panel; /* forward: those that do not lie in rows; backward: all */
    const real *d_late; /* (panels, rows, PANEL) as s: backward, stage 0 */
    const real *v; /* (panels, rows, vectors, PANEL), v_panel from panel to panel */
    idx v_panel, v_row; /* v_row: from row to row; 0: all rows have the same */
    real *dv; /* (panels, rows, vectors, PANEL), sums of each row to add to */
    idx dv_panel;
    int vectors;
    const real *time; /* (rows) elapsed time before this step, of a timed cell */
    idx units; /* of the layer, without padding */
    real *spare; /* (panels, spares, PANEL), lasts for one call */
    int spares;
    int stage;
    int identity; /* the output squash is the identity */
    int truncated; /* no gradient through what the cell itself feeds back */
} Step;

typedef struct {
    const char *name, *title, *equations, *source;
    int columns;
    const Column *column;
    int states;
    const char *const *state; /* h first */
    int rows;
    const Row *row;
    int extras; /* slots beyond the columns */
    int spares; /* slots that need not last: of one row, shared by all of them */
    int vectors; /* weights of one number for each unit */
    const char *const *vector;
    int squashes; /* has an output squash, tanh or identity */
    int projects; /* h may be a projection of what the cell computes */
    int timed; /* reads the time elapsed since the step before */
    int statics; /* the last states are maps of static features, and stay */
    int whole; /* P reduces over the units: it gets all panels of a row at once */
    int steep; /* P divides by what may be near zero: sums are not made of digits, whose
                  errors are those of the largest number; see kernels/digits.h */
    void (*forward)(const Step *);
    void (*backward)(const Step *);
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

ALWAYS_INLINE vec *spare(Step s, idx p, int k)
{
    return (vec *)(s.spare + (p * s.spares + k) * PANEL);
}

ALWAYS_INLINE vec *state(Step s, idx p, idx r, int k)
{
    return (vec *)(s.s[k] + p * s.s_panel + r * PANEL);
}

ALWAYS_INLINE const vec *hidden_before(Step s, idx p, idx r)
{
    return (const vec *)(s.h0 + r * s.row + p * PANEL);
}

ALWAYS_INLINE vec *hidden(Step s, idx p, idx r)
{
    return (vec *)(s.h1 + r * s.row + p * PANEL);
}

/* k counts the row states in the order of `rows`. */
ALWAYS_INLINE const vec *row_before(Step s, idx p, idx r, int k)
{
    return (const vec *)(s.row0 + r * s.row + k * s.place + p * PANEL);
}

ALWAYS_INLINE vec *row_after(Step s, idx p, idx r, int k)
{
    return (vec *)(s.row1 + r * s.row + k * s.place + p * PANEL);
}

ALWAYS_INLINE vec *late(Step s, idx p, idx r)
{
    return (vec *)(s.late + r * s.row + p * PANEL);
}

ALWAYS_INLINE const vec *late_gradient(Step s, idx p, idx r)
{
    return (const vec *)(s.d_late + p * s.s_panel + r * PANEL);
}

ALWAYS_INLINE const vec *vector(Step s, idx p, idx r, int k)
{
    return (const vec *)(s.v + p * s.v_panel + r * s.v_row + k * PANEL);
}

ALWAYS_INLINE vec *vector_gradient(Step s, idx p, idx r, int k)
{
    return (vec *)(s.dv + p * s.dv_panel + (r * s.vectors + k) * PANEL);
}

#endif
