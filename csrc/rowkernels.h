/* rowkernels.h - what of the kernels works row by row, of one target and dtype. */
#ifndef LSTMC_ROWKERNELS_H
#define LSTMC_ROWKERNELS_H

#include <stddef.h>

/* A job for share_out: a block of rows, or a line of columns over all of them. */
typedef void RowJob(void *call, ptrdiff_t k, int thread);

typedef struct RowKernels {
    RowJob *norm_forward, *norm_backward, *norm_weights;
    RowJob *causal_forward, *causal_backward;
    RowJob *mix_forward, *mix_backward, *mix_weights;
    RowJob *gate_forward, *gate_backward;
    RowJob *geglu_forward, *geglu_backward;
} RowKernels;

#define ROW_BLOCK 64 /* rows of a block */

#endif
