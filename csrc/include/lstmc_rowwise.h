/* lstmc_rowwise.h - the C API of what stands around the cells of an xLSTM block: norms,
 * a causal convolution, small maps and gates, each row by row.
 *
 *   Arrays      row-major, of the call's dtype. An array with a `..._row` beside it may
 *               be a part of wider rows, so many reals apart; all others are dense.
 *   Backward    gradients of weights are overwritten; what else is said at the array.
 *   Bits        a row's results are the same for any number of threads and in any
 *               company, the gradients of weights for any number of threads.
 *   NaN         in, out. */
#ifndef LSTMC_ROWWISE_H
#define LSTMC_ROWWISE_H

#include "lstmc.h"

#ifdef __cplusplus
extern "C" {
#endif

/* y = (x - mean) / sqrt(variance + eps) w, mean and variance of each of `groups` equal
 * parts of a row. */
typedef struct {
    int dtype, threads;
    ptrdiff_t rows, width, groups;
    double eps;
    const void *x; /* (rows, width) */
    const void *w; /* (width) */
    void *y; /* (rows, width) */
    void *saved; /* (rows, groups, 2) mean and 1 / sqrt(variance + eps) */
    const void *dy;
    void *dx; /* added to if `add` */
    void *dw;
    int add;
} lstmc_norm;

LSTMC_API int lstmc_norm_forward(const lstmc_norm *);
LSTMC_API int lstmc_norm_backward(const lstmc_norm *);

/* Steps that a causal convolution sees, the step itself the last. */
#define LSTMC_TAPS 4

/* p_t = b + sum_k w_k x_(t - 3 + k), each channel for itself; y = p sigmoid(p). */
typedef struct {
    int dtype, threads;
    ptrdiff_t samples, width;
    const ptrdiff_t *offsets; /* (samples + 1) */
    const void *x; /* (steps, width) */
    ptrdiff_t x_row;
    const void *w; /* (LSTMC_TAPS, width) */
    const void *b; /* (width) */
    const void *before; /* (samples, LSTMC_TAPS - 1, width) the steps before x, NULL:
                           zeros */
    void *after; /* the same after x, may be `before`; NULL: not wanted */
    void *y; /* (steps, width) */
    const void *dy;
    const void *d_after; /* NULL: zeros */
    void *d_before; /* NULL: not wanted */
    void *dx; /* added to */
    ptrdiff_t dx_row;
    void *dw, *db;
} lstmc_causal;

LSTMC_API int lstmc_causal_forward(const lstmc_causal *);
LSTMC_API int lstmc_causal_backward(const lstmc_causal *);

/* Channels of a block of q, k and v. */
#define LSTMC_MIXED 4

/* q, k = W_q a, W_k a and v = W_v x, in blocks of four channels; the gates of each head
 * i, f = w [q, k, v] + b, those of i before those of f. */
typedef struct {
    int dtype, threads;
    ptrdiff_t rows, width, heads;
    const void *a; /* (rows, width) */
    const void *x; /* (rows, width) */
    ptrdiff_t x_row;
    const void *w[3]; /* q, k, v: (width / 4, 4 out, 4 in) */
    const void *gates_w; /* (2 heads, 3 width) */
    const void *gates_b; /* (2 heads) */
    void *y[3]; /* q, k, v: (rows, width) */
    void *gates[2]; /* (rows, heads) */
    void *dy[3]; /* completed: what comes through the gates is added */
    const void *d_gates[2];
    void *da; /* added to */
    void *dx;
    ptrdiff_t dx_row;
    void *dw[3];
    void *d_gates_w, *d_gates_b;
} lstmc_mix;

LSTMC_API int lstmc_mix_forward(const lstmc_mix *);
LSTMC_API int lstmc_mix_backward(const lstmc_mix *);

/* y = (h + skip a) z sigmoid(z) */
typedef struct {
    int dtype, threads;
    ptrdiff_t rows, width;
    const void *h, *a; /* (rows, width) */
    const void *skip; /* (width) */
    const void *z; /* (rows, width) */
    ptrdiff_t z_row;
    void *y; /* (rows, width) */
    const void *dy;
    void *dh, *da, *dz;
    ptrdiff_t dz_row;
    void *d_skip;
} lstmc_gate;

LSTMC_API int lstmc_gate_forward(const lstmc_gate *);
LSTMC_API int lstmc_gate_backward(const lstmc_gate *);

/* y = x_1 Phi(x_1) x_2 of rows x = [x_1, x_2], Phi the normal distribution function. */
typedef struct {
    int dtype, threads;
    ptrdiff_t rows, width;
    const void *x; /* (rows, 2 width) */
    void *y; /* (rows, width) */
    const void *dy;
    void *dx; /* (rows, 2 width) */
} lstmc_geglu;

LSTMC_API int lstmc_geglu_forward(const lstmc_geglu *);
LSTMC_API int lstmc_geglu_backward(const lstmc_geglu *);

#ifdef __cplusplus
}
#endif
#endif
