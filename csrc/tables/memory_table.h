/* memory_table.h - the kernels of the matrix memory of one target and dtype. */
#ifndef LSTMC_MEMORY_TABLE_H
#define LSTMC_MEMORY_TABLE_H

#include "lstmc_mlstm.h"

typedef struct MemoryKernels {
    ptrdiff_t (*state_size)(const lstmc_memory *); /* reals */
    ptrdiff_t (*tape_size)(const lstmc_memory *, ptrdiff_t samples,
                           const ptrdiff_t *offsets); /* reals */
    /* Bytes; longest: steps of a sample. */
    ptrdiff_t (*workspace)(const lstmc_memory_call *, int threads, ptrdiff_t longest,
                           int backward);
    int (*forward)(const lstmc_memory_call *, int threads, ptrdiff_t longest,
                   void *workspace);
    int (*backward)(const lstmc_memory_call *, int threads, ptrdiff_t longest,
                    void *workspace);
    void (*step)(const lstmc_memory_call *, int threads, void *state);
    void (*move)(const lstmc_memory_call *, void *state, int load);
} MemoryKernels;

#endif
