/* fcn.h - the kernels of batch normalization, pooling and attention, as a table. */
#ifndef LSTMC_KERNELS_FCN_H
#define LSTMC_KERNELS_FCN_H

#include "conv_table.h"
#include "lstmc_fcn.h"

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

/* In files of kernels. */
#if defined(NAME)
ptrdiff_t NAME(norm_workspace)(const lstmc_batch_norm *);
void NAME(moments)(const lstmc_batch_norm *, int threads, void *workspace, double *mean,
                   double *variance);
void NAME(normalize)(const lstmc_batch_norm *, int threads);
void NAME(normalize_back)(const lstmc_batch_norm *, int threads, void *workspace);
void NAME(pool)(const ptrdiff_t *offsets, ptrdiff_t samples, ptrdiff_t channels,
                const void *x, void *y, int threads);
void NAME(pool_back)(const ptrdiff_t *offsets, ptrdiff_t samples, ptrdiff_t channels,
                     const void *dy, void *dx, int threads);
ptrdiff_t NAME(attend_workspace)(const lstmc_attention *, ptrdiff_t longest,
                                 int threads);
int NAME(attend)(const lstmc_attention *, ptrdiff_t longest, int threads,
                 void *workspace);
int NAME(attend_back)(const lstmc_attention *, ptrdiff_t longest, int threads,
                      void *workspace);
extern const ConvKernels NAME(short_kernels);
extern const FcnKernels NAME(fcn_kernels);
#endif

#endif
