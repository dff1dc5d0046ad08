/* conv.h - what a convolution and what is built of convolutions share. */
#ifndef LSTMC_CONV_H
#define LSTMC_CONV_H

#include <string.h>

#include "tables/conv_table.h"
#include "kernels.h"

/* The taps along the three axes, outermost first; images of fewer have axes of 1. An
 * output pixel sees the pixels q - before, q - before + apart, ... of an axis, zeros
 * where there are none. */
enum { AXES = 3, Z = 0, Y = 1, X = 2 };

typedef struct {
    idx count[AXES], apart[AXES], before[AXES];
} Taps;

ALWAYS_INLINE idx reach_of(const Taps *taps, int axis)
{
    return (taps->count[axis] - 1) * taps->apart[axis];
}

ALWAYS_INLINE idx count_taps(const Taps *taps)
{
    return taps->count[Z] * taps->count[Y] * taps->count[X];
}

/* Even reaches have a middle; odd ones have the smaller half before, as in Keras. */
static inline Taps taps_of(const idx *kernel, const idx *dilation)
{
    Taps taps;
    for (int axis = 0; axis < AXES; ++axis) {
        taps.count[axis] = kernel[axis];
        taps.apart[axis] = dilation[axis];
        taps.before[axis] = reach_of(&taps, axis) / 2;
    }
    return taps;
}

/* The taps of the way back, from a pixel to the outputs that saw it: in reverse. */
static inline Taps flipped(const Taps *taps)
{
    Taps back = *taps;
    for (int axis = 0; axis < AXES; ++axis)
        back.before[axis] = reach_of(taps, axis) - taps->before[axis];
    return back;
}

/* (outputs, size) to and from panels of outputs, (size, PANEL); those that are not
 * there are zeros. `apart`: reals between outputs. */
static inline void pack_panel(const real *w, idx apart, idx outputs, idx size, real *to)
{
    for (idx j = 0; j < PANEL; ++j)
        for (idx k = 0; k < size; ++k)
            to[k * PANEL + j] = j < outputs ? w[j * apart + k] : 0;
}

static inline void unpack_panel(const real *from, idx apart, idx outputs, idx size,
                                real *w)
{
    for (idx j = 0; j < min_idx(outputs, PANEL); ++j)
        for (idx k = 0; k < size; ++k)
            w[j * apart + k] = from[k * PANEL + j];
}

/* Pixels of `width` reals, side by side, from and to panels, which lie `apart`. */
static inline void join_panels(const real *from, idx apart, idx pixels, idx width,
                               real *to, idx to_apart)
{
    for (idx k = 0; k < pixels; ++k, to += to_apart)
        for (idx p = 0; p * PANEL < width; ++p) {
            const real *panel = from + p * apart + k * PANEL;
            const idx count = min_idx(PANEL, width - p * PANEL);
            if (count == PANEL)
                memcpy(to + p * PANEL, panel, (size_t)PANEL * sizeof(real));
            else
                for (idx j = 0; j < count; ++j)
                    to[p * PANEL + j] = panel[j];
        }
}

static inline void part_panels(const real *from, idx pixels, idx width, real *to,
                               idx apart)
{
    for (idx k = 0; k < pixels; ++k, from += width)
        for (idx p = 0; p * PANEL < width; ++p) {
            real *panel = to + p * apart + k * PANEL;
            const idx count = min_idx(PANEL, width - p * PANEL);
            for (idx j = 0; j < PANEL; ++j)
                panel[j] = j < count ? from[p * PANEL + j] : 0;
        }
}

/* Pixels of one product. */
#define STRIP 96

/* A line of so many pixels in strips of nearly the same length. */
ALWAYS_INLINE idx strips_of(idx width) { return (width + STRIP - 1) / STRIP; }

#endif
