/* conv_table.h - the kernels of convolutions of one target and dtype. */
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

/* Of a layer over frames; `members` threads are a crew, which has a sample. */
typedef struct FilmKernels {
    ptrdiff_t (*workspace)(const lstmc_film *, int threads, int members, int backward);
    ptrdiff_t (*tape_size)(const lstmc_film *, ptrdiff_t steps);
    int (*forward)(const lstmc_film *, int threads, int members, void *workspace);
    int (*backward)(const lstmc_film *, int threads, int members, void *workspace);
} FilmKernels;

#endif
