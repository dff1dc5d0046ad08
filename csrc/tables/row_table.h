/* row_table.h - the kernels that work row by row, of one target and dtype. */
#ifndef LSTMC_ROW_TABLE_H
#define LSTMC_ROW_TABLE_H

#include <stddef.h>

/* A job for share_out: a block of rows, or a line of columns over all of them. */
typedef void RowJob(void *call, ptrdiff_t k, int thread);

/* For jobs that also leave sums over their rows, of weights: blocks of so many rows,
 * and `size` reals for the sums of each. */
typedef struct {
    const void *call;
    ptrdiff_t rows, blocks, size;
    void *sums; /* (blocks, size) */
} RowSums;

typedef struct RowKernels {
    RowJob *norm_forward, *norm_backward;
    RowJob *causal_forward, *causal_backward;
    RowJob *mix_forward, *mix_backward;
    RowJob *gate_forward, *gate_backward;
    RowJob *geglu_forward, *geglu_backward;
    RowJob *add_blocks; /* a line of all sums into that of the first block */
} RowKernels;

#define ROW_BLOCK 64 /* rows of a block */

#endif
