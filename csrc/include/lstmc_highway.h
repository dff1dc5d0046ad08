/* lstmc_highway.h - the C API of highway layers: a whole stack in one call.
 *
 *   H = f(W_H x + b_H)   T = sigmoid(W_T x + b_T)   C = sigmoid(W_C x + b_C)
 *   y = H T + x (1 - T)        coupled gates
 *   y = H T + x C              separate gates
 *   y = H + x                  open gates: a residual network
 *   y = H                      no gates: a plain network
 *
 *   Rows        of x, y, h and their gradients: (rows, size), one after another.
 *   Weights     layer by layer: the rows of W_H, W_T, W_C, as many of them as the gates
 *               need, each (size, size); then b_H, b_T, b_C. Gradients likewise.
 *   Given h     a call with h has no W_H: h is what some other layer made of x, and
 *               the gates choose between it and x. One layer with gates.
 *   Tape        lstmc_highway_tape_size reals, aligned to LSTMC_ALIGNMENT.
 *   Bits        a row's results are the same for any number of threads and in any
 *               company; a gradient's for any number of threads. */
#ifndef LSTMC_HIGHWAY_H
#define LSTMC_HIGHWAY_H

#include "lstmc.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { LSTMC_GATES_COUPLED, LSTMC_GATES_SEPARATE, LSTMC_GATES_OPEN, LSTMC_GATES_NONE };

enum { LSTMC_TANH, LSTMC_RELU, LSTMC_LOGISTIC, LSTMC_IDENTITY };

typedef struct {
    int dtype;
    ptrdiff_t rows, size;
    int layers, gates, activation;
    const void *weights;
    const void *x; /* forward */
    const void *h; /* forward; NULL: of the layer's own weights */
    void *y;       /* forward */
    void *tape;    /* NULL: inference. Backward uses it up */
    int given;     /* backward: the tape is that of a call with h */
    const void *dy;
    void *dx, *dh;  /* dx NULL: not wanted; dh of a call with h */
    void *gradient; /* overwritten */
    int threads;    /* 0: the default */
    int (*poll)(void *data); /* as in lstmc_call */
    void *poll_data;
} lstmc_highway;

/* Of what forward and backward share, rows, size, layers, gates and dtype are read. */
LSTMC_API int lstmc_highway_tape_size(const lstmc_highway *, ptrdiff_t *reals);
LSTMC_API int lstmc_highway_forward(const lstmc_highway *);
LSTMC_API int lstmc_highway_backward(const lstmc_highway *);

#ifdef __cplusplus
}
#endif

#endif
