/* rowtable.c - the table of what works row by row, and the end of its sums. */
#include "rowwise.h"

/* In the order of the blocks, whoever made them. */
JOB(add_blocks)
{
    (void)thread;
    const RowSums *s = call;
    real *to = (real *)s->sums + k * PANEL;
    const idx count = min_idx(PANEL, s->size - k * PANEL);
    for (idx block = 1; block < s->blocks; ++block)
        for (idx j = 0; j < count; ++j)
            to[j] += to[block * s->size + j];
}

#define ENTRY(name) .name = NAME(name)

const RowKernels NAME(row_kernels) = {
    ENTRY(norm_forward),    ENTRY(norm_backward), ENTRY(causal_forward),
    ENTRY(causal_backward), ENTRY(mix_forward),   ENTRY(mix_backward),
    ENTRY(gate_forward),    ENTRY(gate_backward), ENTRY(geglu_forward),
    ENTRY(geglu_backward),  ENTRY(add_blocks),
};
