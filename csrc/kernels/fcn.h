/* fcn.h - the kernels of batch normalization, pooling and attention. */
#ifndef LSTMC_KERNELS_FCN_H
#define LSTMC_KERNELS_FCN_H

#include "kernels.h"
#include "tables/fcn_table.h"

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

#endif
