/* lstmc_dense.h - the C API of lstmc: a dense layer, forward and backward.
 *
 *   y  = x W' + b
 *   dx = dy W       dW = dy' x       db = the sum of dy over the rows
 *
 * Each sum has one fixed order: the bits of a row are the same in any company, and all
 * bits for any number of threads. Kernels read W packed: a call packs it, or is given
 * what lstmc_dense_pack made, which pays where calls have few rows. */
#ifndef LSTMC_DENSE_H
#define LSTMC_DENSE_H

#include "lstmc.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    int dtype; /* LSTMC_FLOAT32, LSTMC_FLOAT64 */
    ptrdiff_t rows, inputs, outputs;
    const void *x;      /* (rows, inputs) */
    const void *w;      /* (outputs, inputs); forward: NULL if packed */
    const void *packed; /* by lstmc_dense_pack, aligned; NULL: the call packs w */
    const void *b;      /* (outputs); NULL: zeros */
    void *y;            /* (rows, outputs) */
    /* backward, which needs w */
    const void *dy; /* (rows, outputs) */
    void *dx;       /* (rows, inputs); NULL: not wanted */
    void *dw, *db;  /* as w and b, overwritten; NULL: not wanted */
    int threads;    /* 0: the default */
} lstmc_dense_call;

LSTMC_API int lstmc_dense_size(int dtype, ptrdiff_t inputs, ptrdiff_t outputs,
                               ptrdiff_t *reals);
LSTMC_API int lstmc_dense_pack(int dtype, const void *w, ptrdiff_t inputs,
                               ptrdiff_t outputs, void *packed);
LSTMC_API int lstmc_dense_forward(const lstmc_dense_call *);
LSTMC_API int lstmc_dense_backward(const lstmc_dense_call *);

#ifdef __cplusplus
}
#endif

#endif
