/* images.h - images cut into strips, and a convolution's way through them. */
#ifndef LSTMC_IMAGES_H
#define LSTMC_IMAGES_H

#include "conv.h"

typedef struct {
    idx at[AXES], count; /* its first pixel in its image */
    const idx *size;     /* of the image */
    idx start;           /* the image's first pixel */
} Strip;

/* One way through images: forward, or back to dx. */
typedef struct {
    Taps taps;
    idx inputs, outputs;
    const real *x;
    const real *weights; /* (panels of outputs, taps, inputs, PANEL) */
    const real *bias;    /* (panels, PANEL); NULL: zeros */
    real *y;
} Way;

typedef struct {
    Way way, back;
    idx images, pixels, strips, longest; /* longest: pixels of a strip */
    const Strip *strip;
    real *scratch; /* (threads, scratch_size) */
    idx scratch_size;
    real *transposed, *packed, *bias; /* as weights of the ways */
    real *lines, *dy;                 /* (held, ...): of strips */
    real *gradient;                   /* as weights of the way */
    real *d_bias;                     /* (panels, PANEL) */
    idx held;
    int threads;
    Poll *poll;
} Images;

ALWAYS_INLINE idx depth_of(const Way *way)
{
    return count_taps(&way->taps) * way->inputs;
}

/* Lines that a strip sees, and reals of one of them. */
ALWAYS_INLINE idx lines_of(const Taps *taps) { return taps->count[Z] * taps->count[Y]; }

ALWAYS_INLINE idx line_size(const Way *way, idx pixels)
{
    return (pixels + reach_of(&way->taps, X)) * way->inputs;
}

static inline void clear(real *to, idx count)
{
    memset(to, 0, (size_t)max_idx(0, count) * sizeof(real));
}

static inline idx first_pixel(const Strip *strip)
{
    const idx line = strip->at[Z] * strip->size[Y] + strip->at[Y];
    return strip->start + line * strip->size[X] + strip->at[X];
}

static inline int stopped(const Images *s) { return atomic_load(&s->poll->stopped); }

static inline void tell(const Images *s, double work)
{
    if (own_thread() == 0)
        ask_after(s->poll, work);
}

/* What a strip sees: (lines, pixels and the reach, inputs). */
void NAME(copy_lines)(const Way *, const Strip *, real *out);
/* By the whole team; either of the two may be NULL. */
void NAME(conv_gradient)(const Images *, const real *dy, real *weights, real *bias);

#endif
