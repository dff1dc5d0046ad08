/* short_conv.h - what short convolutions and their weights' gradient share. */
#ifndef LSTMC_SHORT_CONV_H
#define LSTMC_SHORT_CONV_H

#include "conv.h"
#include "points.h"

#define BLOCK 48   /* pieces of one product */
#define WINDOW 240 /* pieces between two sums of the weights' gradient */

/* Outputs at .. at + 7 - taps of a line of `size` pixels that begins at `start`. */
typedef struct {
    idx start, at, size;
} Piece;

/* One way: inputs from x to outputs in y. */
typedef struct {
    idx inputs, outputs, before;
    const real *x, *bias; /* bias NULL: none */
    real *y;
    real *weights; /* (POINTS, panels of outputs, inputs, PANEL) */
} ShortWay;

typedef struct {
    idx taps, each; /* each: outputs of a piece */
    real g[POINTS][MOST_TAPS];
    idx pieces;
    Piece *piece;
    ShortWay way, back;
    real *zeros;   /* a pixel */
    real *scratch; /* (threads, scratch_size) */
    idx scratch_size;
    real *turned;   /* (POINTS, WINDOW, inputs) U of a window */
    real *dy;       /* (POINTS, panels, WINDOW, PANEL) A dy */
    real *gradient; /* (POINTS, panels, inputs, PANEL) */
    real *d_bias;   /* (panels, PANEL) */
    int threads;
    Poll *poll;
} Short;

/* The six pixels that a piece sees, or the outputs of its gradient. */
static inline void find_pixels(const Short *s, const Piece *piece, const real *x,
                               idx width, idx before, idx count, const real **pixel)
{
    for (idx k = 0; k < count; ++k) {
        const idx at = piece->at - before + k;
        pixel[k] =
            at < 0 || at >= piece->size ? s->zeros : x + (piece->start + at) * width;
    }
}

/* U of a piece, points `apart`. */
static inline void turn_piece(const Short *s, const ShortWay *way, const Piece *piece,
                              real *out, idx apart)
{
    const real *x[POINTS];
    find_pixels(s, piece, way->x, way->inputs, way->before, POINTS, x);
    for (idx c = 0; c < way->inputs; c += LANES, out += LANES) {
        vec d[POINTS], u[POINTS];
        EACH (k, POINTS)
            d[k] = load(x[k], c);
        turn_inputs(d, u);
        EACH (i, POINTS)
            *(vec *)(out + i * apart) = u[i];
    }
}

static inline int is_told(const Short *s) { return atomic_load(&s->poll->stopped); }

static inline void tell_work(const Short *s, double work)
{
    if (own_thread() == 0)
        ask_after(s->poll, work);
}

static inline double work_of(const ShortWay *way)
{
    return 2.0 * POINTS * (double)way->inputs * (double)way->outputs;
}

/* By the whole team. */
void NAME(short_gradient)(const Short *, const real *dy, real *weights, real *bias);

#endif
