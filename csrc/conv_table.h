/* conv_table.h - the kernels of convolutions of one target and dtype, as the entry
 * points call them. */
#ifndef LSTMC_CONV_TABLE_H
#define LSTMC_CONV_TABLE_H

#include "lstmc_conv.h"

/* Sizes of workspaces are in bytes, all others in reals. What runs long returns
 * LSTMC_STOPPED if it was told to end. */
typedef struct ConvKernels {
    ptrdiff_t (*conv_workspace)(const lstmc_conv *, int threads, int backward);
    int (*conv_forward)(const lstmc_conv *, int threads, void *workspace);
    int (*conv_backward)(const lstmc_conv *, int threads, void *workspace);
} ConvKernels;

#endif
