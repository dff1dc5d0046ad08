/* lstmc_fcn.h - the C API of batch normalization, pooling and attention over steps.
 *
 * Arrays are yours, rows lie one after another; "real" is float or double as the call's
 * dtype says. Errors are those of lstmc.h, and come before memory is touched. Results
 * have the same bits for any number of threads; those of a row or a sample, but for
 * lstmc_moments and lstmc_batch_normalize_back, in any company. */
#ifndef LSTMC_FCN_H
#define LSTMC_FCN_H

#include "lstmc.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- batch normalization --------------------------------------------------------- */

/* y = scale (x - mean) + bias, with relu max(0, y); x (rows, channels). */
typedef struct {
    int dtype;
    ptrdiff_t rows, channels;
    const void *x;
    const void *mean, *scale, *bias; /* (channels) */
    int relu;
    int threads; /* 0: the default */
    void *y;     /* (rows, channels) */
    /* of backward: mean and 1 / precision are those of x */
    const void *dy;
    const double *precision;  /* (channels) */
    void *dx;                 /* (rows, channels), may be dy; NULL: not wanted */
    double *d_scale, *d_bias; /* (channels) */
} lstmc_batch_norm;

/* Mean and variance of each channel over all rows; zeros without rows. */
LSTMC_API int lstmc_moments(const lstmc_batch_norm *, double *mean, double *variance);
LSTMC_API int lstmc_batch_normalize(const lstmc_batch_norm *);
/* The way back through the moments, too. */
LSTMC_API int lstmc_batch_normalize_back(const lstmc_batch_norm *);

/* --- pooling --------------------------------------------------------------------- */

/* y (samples, channels): the mean over the steps of each sample, zeros without any. */
LSTMC_API int lstmc_pool(int dtype, const ptrdiff_t *offsets, ptrdiff_t samples,
                         ptrdiff_t channels, const void *x, void *y, int threads);
/* dx (steps of all samples, channels). */
LSTMC_API int lstmc_pool_back(int dtype, const ptrdiff_t *offsets, ptrdiff_t samples,
                              ptrdiff_t channels, const void *dy, void *dx,
                              int threads);

/* --- an LSTM that attends to all steps ------------------------------------------- */

/* What goes through x alone the caller computes before, and the gradients of weights
 * after it: products over all steps. The gates stand in the order i, f, z, o. */
typedef struct {
    int dtype;
    ptrdiff_t samples, inputs, units;
    const ptrdiff_t *offsets; /* (samples + 1) */
    const void *x;            /* (steps, inputs) */
    const void *key;          /* (steps, units) what a query is compared with */
    void *gates;   /* (steps, 4, units) W x + b; then squashed; after backward da */
    void *context; /* (steps, inputs) the sum over x that the step saw */
    void *h, *c;   /* (steps, units) */
    const void *recurrent; /* (4 units, units) */
    const void *attending; /* (4 units, inputs) of the context */
    const void *querying;  /* (units, units) */
    const void *vector;    /* (units) */
    const void *before[2];  /* (samples, units) h and c; NULL: zeros */
    const void *dh;         /* (steps, units); NULL: zeros */
    const void *d_after[2]; /* (samples, units); NULL: zeros */
    void *dx;               /* (steps, inputs) through the context alone */
    void *d_key, *d_query;  /* (steps, units) */
    void *d_vector;         /* (samples, units) */
    void *d_before[2];      /* (samples, units) */
    int threads;
    int (*poll)(void *data); /* as in lstmc_call */
    void *poll_data;
} lstmc_attention;

LSTMC_API int lstmc_attend(const lstmc_attention *);
LSTMC_API int lstmc_attend_back(const lstmc_attention *);

#ifdef __cplusplus
}
#endif

#endif
