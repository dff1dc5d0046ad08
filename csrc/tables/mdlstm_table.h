/* mdlstm_table.h - the kernels of the multidimensional LSTM of one target and dtype. */
#ifndef LSTMC_MDLSTM_TABLE_H
#define LSTMC_MDLSTM_TABLE_H

#include "lstmc_mdlstm.h"

typedef struct MdlstmKernels {
    /* Sizes in reals and in bytes that fit, once the entry point has checked them. */
    ptrdiff_t (*tape_size)(const lstmc_mdlstm *);
    ptrdiff_t (*workspace)(const lstmc_mdlstm *, int threads, int backward);
    int (*forward)(const lstmc_mdlstm *, int threads, void *workspace);
    int (*backward)(const lstmc_mdlstm *, int threads, void *workspace);
} MdlstmKernels;

#endif
