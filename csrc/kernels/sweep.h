/* sweep.h - a call of the multidimensional LSTM: its tables, its jobs and their parts.
 *
 * A *sweep* goes through an image diagonal by diagonal: the cells whose coordinates
 * have the same sum need only cells of the diagonal before. A job is one direction of
 * a *slab*, some whole images, whose diagonals of the same number are the rows of one
 * product. In the coordinates of the sweep all directions are alike. */
#ifndef LSTMC_SWEEP_H
#define LSTMC_SWEEP_H

#include <string.h>

#include "kernels.h"
#include "tables/mdlstm_table.h"

/* Columns of a: i, the forget gates, z, o; then the slot of c. */
enum { I = 0, F = 1 };

/* A cell of a slab, at its place on the tape: diagonal after diagonal. */
typedef struct {
    int32_t u[LSTMC_MAX_DIMS]; /* where it is in the image, as the sweep counts */
    int32_t image;
    int32_t before[LSTMC_MAX_DIMS], after[LSTMC_MAX_DIMS]; /* places; NONE: outside */
} Spot;

typedef struct {
    idx image, images;
    idx first, cells;  /* places on the tape */
    idx start;         /* in the table of where diagonals start */
    idx diagonals, widest; /* cells of a diagonal at most */
} Slab;

/* From the coordinates of a sweep to the cell of the flat arrays. */
typedef struct {
    idx base, step[LSTMC_MAX_DIMS];
} Walk;

typedef struct {
    const lstmc_mdlstm *call;
    int dims, columns, slots, directions;
    int threads, members; /* members: threads that share a job */
    idx inputs, units, panels;
    idx k, row;     /* reals of [x, h, ...], and from one to the next */
    idx cells, slabs;
    idx widest;     /* of all slabs */
    Slab *slab;
    Spot *spot;     /* (cells) */
    int32_t *place; /* (cells) of a cell of the flat arrays, in direction 0 */
    idx *start;     /* (slabs, diagonals + 1) places */
    Walk *walk;     /* (directions, samples) */
    real *weights;  /* (directions, panels, columns, k, PANEL) */
    real *biases; /* (directions, panels, columns + dims + 2, PANEL), and peepholes */
    real *back; /* (directions, out panels, panels * columns * PANEL, PANEL) */
    idx out_panels; /* of h of each dimension, then of x */
    real *scratch; /* (crews) states, then (threads) rows and gates */
    idx state_size, own_size;
    /* backward */
    real *dx; /* (directions - 1, cells, inputs) */
    real *packed_rows; /* (directions, window) */
    real *gradient, *d_biases; /* as weights and biases */
    Poll *poll;
    Barrier *barrier; /* (crews) */
} Sweep;

#define BLOCK_ROWS 64 /* of a product: its gates stay in the first cache */

/* One direction of a slab, as one member of its crew sees it. */
typedef struct {
    const Sweep *s;
    const Slab *slab;
    int direction, member, members, calling;
    const Walk *walk;
    const real *weights, *biases, *back;
    real *h[2], *c[2]; /* (widest + 1, parts, panels * PANEL); the last row is zeros */
    real *rows; /* (BLOCK_ROWS, row) */
    real *gates; /* (BLOCK_ROWS, slots or out panels, PANEL) */
    real *tape;
    Barrier *barrier;
} Job;

void NAME(build_tables)(const Sweep *); /* these three by the whole team */
void NAME(pack_sweep)(const Sweep *, int backward);
void NAME(sweep_gradient)(const Sweep *, real *row); /* row: own scratch */
void NAME(sweep_forward)(const Job *);
void NAME(sweep_backward)(const Job *);

ALWAYS_INLINE idx width_of_states(const Sweep *s) { return s->panels * PANEL; }

ALWAYS_INLINE idx tape_row(const Sweep *s) { return s->panels * s->slots * PANEL; }

ALWAYS_INLINE idx biases_in(const Sweep *s) { return s->columns + s->dims + 2; }

ALWAYS_INLINE idx weights_of_direction(const Sweep *s)
{
    return s->panels * s->columns * s->k * PANEL;
}

ALWAYS_INLINE idx cell_of(const Walk *walk, const Spot *spot)
{
    const Walk *own = walk + spot->image;
    idx cell = own->base;
    for (int d = 0; d < LSTMC_MAX_DIMS; ++d)
        cell += spot->u[d] * own->step[d];
    return cell;
}

#define AHEAD 12 /* cells */

/* A row of y or dy that will be wanted. */
ALWAYS_INLINE void fetch(const void *y, idx cell, const Sweep *s, idx direction)
{
    const real *row = (const real *)y + (cell * s->directions + direction) * s->units;
    for (idx k = 0; k < s->units; k += PANEL)
        __builtin_prefetch(row + k);
}

/* The row of states of a place on the diagonal that starts at `start`. */
ALWAYS_INLINE idx row_at(const Job *job, int32_t place, idx start)
{
    return place == NONE ? job->slab->widest : place - start;
}

/* The places of diagonal t. */
ALWAYS_INLINE idx start_of(const Job *job, idx t)
{
    return job->s->start[job->slab->start + t];
}

ALWAYS_INLINE int is_halted(const Sweep *s) { return atomic_load(&s->poll->stopped); }

/* After a diagonal: whether to go on with the next. */
static inline int go_on(const Job *job, idx t, idx rows)
{
    const Sweep *s = job->s;
    if (job->member == 0) {
        if (job->calling)
            ask_after(s->poll, 2.0 * (double)rows *
                                   (double)(s->panels * s->columns * s->k * PANEL));
        tell_all(job->barrier, t, is_halted(s));
    }
    wait_for(job->barrier, job->member, job->members);
    return !was_told(job->barrier, t);
}

#endif
