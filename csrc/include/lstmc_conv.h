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

/* --- a recurrent layer over frames ------------------------------------------------ */

/* ConvLSTM and its kin: a cell of the registry at every pixel, whose W and R are
 * convolutions. The cell's states that R reads are h alone, and it is neither timed nor
 * static nor whole; lstmc_film_takes tells. Sample j owns the frames offsets[j] ...
 * offsets[j + 1]. */
typedef struct {
    int cell, dtype;
    ptrdiff_t inputs, units;     /* channels */
    ptrdiff_t size[LSTMC_AXES];  /* of a frame */
    ptrdiff_t kernel[LSTMC_AXES], dilation[LSTMC_AXES];
    int pixelwise; /* the cell's vectors differ from pixel to pixel */
    ptrdiff_t samples;
    const ptrdiff_t *offsets; /* (samples + 1) */
    const void *w; /* (w_blocks * units, kernel, inputs) */
    const void *r; /* (r_blocks * units, kernel, units) */
    const void *b; /* (b_blocks * units) */
    const void *v; /* (vectors, units), or pixelwise (vectors, pixels, units) */
    const void *x; /* (frames of all samples, pixels, inputs) */
    void *y;       /* (frames, pixels, units); NULL: not wanted */
    void *tape;    /* lstmc_film_tape reals, aligned; NULL: inference */
    const void *before[LSTMC_MAX_STATES]; /* (samples, pixels, units); NULL: zeros */
    void *after[LSTMC_MAX_STATES];        /* the same; NULL: not wanted */
    /* backward, which reads x and y no more; the tape is used up */
    const void *dy;                        /* NULL: zeros */
    const void *d_after[LSTMC_MAX_STATES]; /* NULL: zeros */
    void *dx;                              /* NULL: not wanted */
    void *d_before[LSTMC_MAX_STATES];      /* NULL: not wanted */
    void *dw, *dr, *db, *dv;               /* as w, r, b, v; overwritten */
    int threads;
    int (*poll)(void *data);
    void *poll_data;
} lstmc_film;

/* 1: a layer over frames can have this cell. */
LSTMC_API int lstmc_film_takes(int cell);
/* Reals of tape for so many frames. */
LSTMC_API int lstmc_film_tape(const lstmc_film *, ptrdiff_t frames, ptrdiff_t *reals);
LSTMC_API int lstmc_film_forward(const lstmc_film *);
LSTMC_API int lstmc_film_backward(const lstmc_film *);

#ifdef __cplusplus
}
#endif

#endif
