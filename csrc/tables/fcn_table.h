/* fcn_table.h - batch normalization, pooling and attention of one target and dtype. */
#ifndef LSTMC_FCN_TABLE_H
#define LSTMC_FCN_TABLE_H

#include "lstmc_fcn.h"
#include "tables/conv_table.h"

typedef struct FcnKernels {
    /* Bytes for moments and normalize_back. */
    ptrdiff_t (*norm_workspace)(const lstmc_batch_norm *);
    void (*moments)(const lstmc_batch_norm *, int threads, void *workspace,
                    double *mean, double *variance);
    void (*normalize)(const lstmc_batch_norm *, int threads);
    void (*normalize_back)(const lstmc_batch_norm *, int threads, void *workspace);
    void (*pool)(const ptrdiff_t *offsets, ptrdiff_t samples, ptrdiff_t channels,
                 const void *x, void *y, int threads);
    void (*pool_back)(const ptrdiff_t *offsets, ptrdiff_t samples, ptrdiff_t channels,
                      const void *dy, void *dx, int threads);
    /* longest: steps of a sample. */
    ptrdiff_t (*attend_workspace)(const lstmc_attention *, ptrdiff_t longest,
                                  int threads);
    int (*attend)(const lstmc_attention *, ptrdiff_t longest, int threads,
                  void *workspace);
    int (*attend_back)(const lstmc_attention *, ptrdiff_t longest, int threads,
                       void *workspace);
    /* Of the convolutions that convolution.c finds short. */
    const ConvKernels *short_conv;
} FcnKernels;

#endif
