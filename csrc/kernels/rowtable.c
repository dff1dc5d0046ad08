/* rowtable.c - the table of what works row by row. */
#include "rowwise.h"

#define ENTRY(name) .name = NAME(name)

const RowKernels NAME(row_kernels) = {
    ENTRY(norm_forward),   ENTRY(norm_backward),   ENTRY(norm_weights),
    ENTRY(causal_forward), ENTRY(causal_backward), ENTRY(mix_forward),
    ENTRY(mix_backward),   ENTRY(mix_weights),     ENTRY(gate_forward),
    ENTRY(gate_backward),  ENTRY(geglu_forward),   ENTRY(geglu_backward),
};
