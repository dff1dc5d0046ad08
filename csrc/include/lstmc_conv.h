/* lstmc_conv.h - convolutions of lstmc, on the CPU.
 *
 * Images have one to three axes and their channels innermost; those of fewer axes have
 * size 1 along the first ones. Outputs have the size of the inputs ("same", stride 1):
 * beyond the edges lie zeros, reach = dilation * (kernel - 1) of them along an axis,
 * reach / 2 rounded down before the image and the rest after it.
 *
 * As in lstmc.h every function checks first, and returns a status. The bits of an
 * image's outputs are the same for any number of threads and in any company, those of a
 * gradient for any number of threads. */
#ifndef LSTMC_CONV_H_PUBLIC
#define LSTMC_CONV_H_PUBLIC

#include "lstmc.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSTMC_AXES 3

/* Images of unequal size, the pixels of one after those of another. */
typedef struct {
    int dtype;
    ptrdiff_t inputs, outputs;     /* channels */
    ptrdiff_t kernel[LSTMC_AXES];  /* taps along each axis, at least 1 */
    ptrdiff_t dilation[LSTMC_AXES]; /* pixels from tap to tap, at least 1 */
    ptrdiff_t images;
    const ptrdiff_t *size; /* (images, LSTMC_AXES) */
    const void *x;         /* (pixels of all images, inputs) */
    const void *weights;   /* (outputs, kernel, inputs) */
    const void *bias;      /* (outputs); NULL: none */
    void *y;               /* (pixels, outputs) */
    /* backward */
    const void *dy;  /* (pixels, outputs) */
    void *dx;        /* (pixels, inputs); NULL: not wanted */
    void *d_weights; /* as weights; overwritten; NULL: not wanted */
    void *d_bias;    /* as bias; overwritten; NULL: not wanted */
    int threads;     /* 0: the default */
    int (*poll)(void *data); /* as in lstmc_call */
    void *poll_data;
} lstmc_conv;

LSTMC_API int lstmc_conv_forward(const lstmc_conv *);
LSTMC_API int lstmc_conv_backward(const lstmc_conv *);

#ifdef __cplusplus
}
#endif

#endif
