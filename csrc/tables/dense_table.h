/* dense_table.h - the kernels of a dense layer of one target and dtype. */
#ifndef LSTMC_DENSE_TABLE_H
#define LSTMC_DENSE_TABLE_H

#include <stddef.h>

typedef struct {
    ptrdiff_t rows, inputs, outputs;
} DenseSizes;

/* As lstmc_dense_call; dy NULL: forward. */
typedef struct {
    DenseSizes size;
    const void *x, *w, *packed, *b;
    void *y;
    const void *dy;
    void *dx, *dw, *db;
    int threads;
} DenseJob;

typedef struct DenseKernels {
    ptrdiff_t (*packed_size)(ptrdiff_t inputs, ptrdiff_t outputs); /* in reals */
    void (*pack)(const void *w, ptrdiff_t inputs, ptrdiff_t outputs, void *packed);
    ptrdiff_t (*workspace)(const DenseJob *); /* in bytes */
    void (*forward)(const DenseJob *, void *workspace);
    void (*backward)(const DenseJob *, void *workspace);
} DenseKernels;

#endif
