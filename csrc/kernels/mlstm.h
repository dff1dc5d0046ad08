/* mlstm.h - what the files of the matrix memory share: sizes, the gates of a chunk. */
#ifndef LSTMC_KERNELS_MLSTM_H
#define LSTMC_KERNELS_MLSTM_H

#include <string.h>

#include "kernels.h"
#include "lanes.h"
#include "tables/memory_table.h"

/* One head of one sample. A state is C^T in panels of d_v, (v_panels, d_k, PANEL), then
 * n (k_width), then m. */
typedef struct {
    const lstmc_memory_call *call;
    const lstmc_memory *of;
    idx head, sample;
    idx first, steps;     /* rows of the sample */
    idx d_k, d_v;
    idx k_panels, v_panels, k_width, v_width;
    idx chunk;            /* steps of a chunk at most */
    idx states;           /* reals of a state */
    real scale;           /* of k */
    real *tape;           /* (chunks, states); NULL: inference */
    Poll *poll;
} Memory;

/* Weights are relative to exp(m), none above 1. (chunk) each. */
typedef struct {
    real *keep;  /* share of what was there that a step keeps */
    real *own;   /* weight of a step's own input */
    real *m, *floor; /* floor: exp(-m) */
    real *first; /* weight that the chunk's initial state has at a step */
    real *last;  /* weight that a step's input has at the chunk's end */
    real *log_i, *log_f;
} Gates;

Memory NAME(memory_sizes)(const lstmc_memory *);
Gates NAME(lay_out_gates)(idx steps, Arena *);
/* Of `steps` rows from row `t` of the sample; m0 before the first, m after the last. */
real NAME(memory_gates)(const Memory *, idx t, idx steps, real m0, const Gates *);

/* Sums of gradients at the logarithms of weights, X. (chunk) each: over what starts
 * with an input, but its own step, which stands apart; over what ends with a step; dm:
 * at m, where it is no mere reference. */
typedef struct {
    real *starting, *own, *ending, *dm;
} GateSums;

/* di and df of the rows; through: the sum of X over what crosses the chunk's end; dm:
 * the gradient at m there. Returns that at m0. Uses up the gates. */
double NAME(pull_memory_gates)(const Memory *, idx t, idx steps, real m0, const Gates *,
                               const GateSums *, double through, double dm);

/* Whether the calling thread's caller wants to go on. */
int NAME(memory_goes_on)(const Memory *, double work);

idx NAME(memory_forward_scratch)(const Memory *, Arena *);
idx NAME(memory_backward_scratch)(const Memory *, Arena *);
void NAME(memory_forward)(const Memory *, real *state, int zero, void *scratch);
void NAME(memory_backward)(const Memory *, void *scratch);
/* All steps of the sample, one by one. */
void NAME(memory_recurrent)(const Memory *, real *state, void *scratch);
void NAME(memory_step)(const lstmc_memory_call *, int threads, void *state);
void NAME(memory_move)(const lstmc_memory_call *, void *state, int load);
/* A packed state from or to arrays C, n, m of one head; NULL: zeros. */
void NAME(load_state)(const Memory *, const real *c, const real *n, const real *m,
                      real *state);
void NAME(store_state)(const Memory *, const real *state, real *c, real *n, real *m);
/* n rows of a head of h, divided already, through the output gate. */
void NAME(memory_gate)(const Memory *, idx row, idx rows);
/* dH of the memory (v_width) from that of what the output gate left, and the gate's. */
void NAME(pull_memory_gate)(const Memory *, idx row, real *dh);

/* The row `t` of the sample, where this head's part of it starts. */
ALWAYS_INLINE real *row_of(const Memory *s, lstmc_rows rows, idx t, idx width)
{
    return (real *)rows.at + (s->first + t) * rows.row + s->head * width;
}

ALWAYS_INLINE real *n_of(const Memory *s, real *state)
{
    return state + s->v_width * s->d_k;
}

ALWAYS_INLINE real *m_of(const Memory *s, real *state)
{
    return n_of(s, state) + s->k_width;
}

ALWAYS_INLINE idx whole(idx n) { return panels_of(n) * PANEL; }

ALWAYS_INLINE real dot(const real *x, const real *y, idx n)
{
    vec sum = splat(0);
    idx j = 0;
    for (; j + LANES <= n; j += LANES)
        sum += *(const loose *)(x + j) * *(const loose *)(y + j);
    real out = sum_of(sum);
    for (; j < n; ++j)
        out += x[j] * y[j];
    return out;
}

/* exp(x), 0 where that is nothing. */
ALWAYS_INLINE vec weight_of(vec x)
{
    return choose(x < splat(-EXP_MAX), splat(0), exp_(x));
}

/* The weights of the inputs from j on at the next step, t; 0: of those that come. A
 * vector is written whole, so that the next step can have it at once. */
ALWAYS_INLINE vec next_weights(real *weight, const Gates *gates, idx t, idx j)
{
    vec *w = (vec *)(weight + j);
    ivec lane = {0};
    EACH (k, LANES)
        lane[k] = k;
    *w = choose(lane == (ivec){0} + (bits)(t - j), splat(gates->own[t]),
                *w * gates->keep[t]);
    return *w;
}

/* A B for rows of A, of `depth`, with panels of B; C's panels lie side by side. */
ALWAYS_INLINE void multiply(const real *a, idx a_row, idx rows, const real *b,
                            idx b_panel, idx panels, idx depth, real *c, idx c_row)
{
    NAME(product)(&(Product){.rows = rows,
                             .panels = panels,
                             .groups = 1,
                             .a = a,
                             .a_row = a_row,
                             .runs = 1,
                             .run = depth,
                             .b = b,
                             .b_panel = b_panel,
                             .start = no_start(),
                             .c = c,
                             .c_panel = PANEL,
                             .c_row = c_row});
}

/* Rows of n reals, as panels of columns: (panels of n, height, PANEL), the rest zero.
 */
ALWAYS_INLINE void pack_columns(const real *from, idx row, idx rows, idx n, real *to,
                                idx height, real scale)
{
    for (idx p = 0; p < panels_of(n); ++p) {
        const idx width = min_idx(PANEL, n - p * PANEL);
        real *out = to + p * height * PANEL;
        for (idx t = 0; t < rows; ++t, out += PANEL) {
            const real *in = from + t * row + p * PANEL;
            if (width == PANEL) {
                for (idx j = 0; j < PANEL; j += LANES)
                    *(vec *)(out + j) = scale * *(const loose *)(in + j);
                continue;
            }
            for (idx j = 0; j < PANEL; ++j)
                out[j] = j < width ? scale * in[j] : 0;
        }
    }
}

/* to = by * from, which do not overlap; n reals. */
ALWAYS_INLINE void scale_row(const real *from, real by, real *to, idx n)
{
    idx j = 0;
    for (; j + LANES <= n; j += LANES)
        *(loose *)(to + j) = by * *(const loose *)(from + j);
    for (; j < n; ++j)
        to[j] = by * from[j];
}

/* A whole panel in one go. */
ALWAYS_INLINE void copy(const real *from, real *to, idx n)
{
    if (n == PANEL)
        memcpy(to, from, PANEL * sizeof(real));
    else
        memcpy(to, from, (size_t)n * sizeof(real));
}

/* Rows of n reals, as panels of rows: (panels of rows, height, PANEL), the first n of
 * that height, and zero where there are no rows. */
ALWAYS_INLINE void pack_rows(const real *from, idx row, idx rows, idx n, real *to,
                             idx height, real scale)
{
    for (idx t = 0; t < rows; t += PANEL, to += height * PANEL) {
        const idx own = min_idx(PANEL, rows - t);
        const real *in = from + t * row;
        idx j = 0;
        for (; own == PANEL && j + PANEL <= n; j += PANEL)
            turn_square(in + j, row, scale, to + j * PANEL, PANEL);
        for (; j < n; ++j)
            for (idx k = 0; k < PANEL; ++k)
                to[j * PANEL + k] = k < own ? scale * in[k * row + j] : 0;
    }
}

/* Rows that go through a chunk together: few, since they see the inputs after the first
 * of them, with weight 0. */
#define STRIP 24

/* Operations of a strip that sees so many inputs. */
ALWAYS_INLINE double strip_work(const Memory *s, idx seen)
{
    return 2.0 * STRIP * (double)(seen + s->d_k) * (double)(s->d_k + s->d_v);
}

#endif
