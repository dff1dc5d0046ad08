/* highway_table.h - the kernels of highway layers of one target and dtype. */
#ifndef LSTMC_HIGHWAY_TABLE_H
#define LSTMC_HIGHWAY_TABLE_H

#include "lstmc_highway.h"

/* Sizes of workspaces in bytes; they fit once highways.c has checked the call. */
typedef struct HighwayKernels {
    ptrdiff_t (*tape_size)(const lstmc_highway *); /* reals */
    ptrdiff_t (*workspace)(const lstmc_highway *, int threads, int backward);
    int (*forward)(const lstmc_highway *, int threads, void *workspace);
    int (*backward)(const lstmc_highway *, int threads, void *workspace);
} HighwayKernels;

/* W_H, W_T and W_C that a call has, in that order. */
static inline int highway_columns(const lstmc_highway *call, int given)
{
    const int gates = call->gates == LSTMC_GATES_COUPLED    ? 1
                      : call->gates == LSTMC_GATES_SEPARATE ? 2
                                                            : 0;
    return gates + !given;
}

#endif
