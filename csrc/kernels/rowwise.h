/* rowwise.h - vectors of a row, the last one cut, and the jobs that work row by row. */
#ifndef LSTMC_ROWWISE_KERNELS_H
#define LSTMC_ROWWISE_KERNELS_H

#include "lanes.h"
#include "lstmc_rowwise.h"
#include "parallel.h"
#include "tables/row_table.h"
#include "vmath.h"

/* Up to LANES reals of a row of which n are left, zeros behind them. */
ALWAYS_INLINE vec get(const real *x, idx n)
{
    if (n >= LANES)
        return *(const loose *)x;
    vec out = {0};
    for (idx j = 0; j < n; ++j)
        out[j] = x[j];
    return out;
}

ALWAYS_INLINE void put(real *x, idx n, vec value)
{
    if (n >= LANES) {
        *(loose *)x = value;
        return;
    }
    for (idx j = 0; j < n; ++j)
        x[j] = value[j];
}

ALWAYS_INLINE void put_sum(real *x, idx n, vec value) { put(x, n, get(x, n) + value); }

/* The vectors of a row, at j: n are left from there. */
#define EACH_LEFT(j, n, width) \
    for (idx j = 0, n = (width); n > 0; j += LANES, n -= LANES)

/* The rows of a block, and its sums, zeros at first. */
typedef struct {
    idx first, end;
    real *sums;
} Block;

ALWAYS_INLINE Block block_of(const RowSums *s, idx k, idx rows)
{
    const Block b = {k * s->rows, min_idx(rows, (k + 1) * s->rows),
                     (real *)s->sums + k * s->size};
    for (idx j = 0; j < s->size; ++j)
        b.sums[j] = 0;
    return b;
}

/* Jobs for share_out, over blocks of rows or over lines of columns; of backward most
 * are given RowSums. */
#define JOB(name) void NAME(name)(void *call, idx k, int thread)
JOB(norm_forward);
JOB(norm_backward);
JOB(causal_forward);
JOB(causal_backward);
JOB(mix_forward);
JOB(mix_backward);
JOB(gate_forward);
JOB(gate_backward);
JOB(geglu_forward);
JOB(geglu_backward);
JOB(add_blocks);

extern const RowKernels NAME(row_kernels);

#endif
