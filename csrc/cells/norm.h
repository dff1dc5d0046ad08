/* norm.h - layer normalisation of slots of one row, over all units, and back; and the
 * output of a state that was normalised.
 *
 *   x^ = (x - mean) rate        rate = 1 / sqrt(variance + epsilon)
 *   dx = rate (d - sum d / count - x^ sum (d x^) / count)      d: the gradient at x^ */
#ifndef LSTMC_NORM_H
#define LSTMC_NORM_H

#include "cells.h"

#define NORM_EPSILON R(1e-5)

/* One over the square root, by Newton's steps from the number's exponent: the steps
 * more than double the digits. */
ALWAYS_INLINE real inverse_root(real x)
{
    vec y = exp_(R(-0.5) * log_(splat(x)));
    EACH (step, 2)
        y = y * (R(1.5) - R(0.5) * x * y * y);
    return y[0];
}

ALWAYS_INLINE real sum_of(vec x)
{
    real sum = 0;
    EACH (k, LANES)
        sum += x[k];
    return sum;
}

#define MOST_SLOTS 4

ALWAYS_INLINE vec total(const vec *sums, int count)
{
    vec all = sums[0];
    for (int k = 1; k < count; ++k)
        all += sums[k];
    return all;
}

/* 1 for units, 0 for what pads the last panel. */
ALWAYS_INLINE vec units_of(Step s, idx p, int j)
{
    vec mask = splat(1);
    const idx first = p * PANEL + j * LANES;
    if (first + LANES > s.units)
        EACH (k, LANES)
            mask[k] = first + k < s.units;
    return mask;
}

/* Takes the mean from slots first .. first + count of row r; returns the rate, by which
 * whoever reads them next makes x^ of what is left. Each slot has sums of its own, so
 * that additions need not wait for one another. */
ALWAYS_INLINE real centre(Step s, idx r, int first, int count)
{
    const real size = R(count) * (real)s.units;
    vec sum[MOST_SLOTS] = {0}, squares[MOST_SLOTS] = {0};
    for (idx p = 0; p < s.panels; ++p)
        EACH (k, count)
            EACH_VECTOR (j)
                sum[k] += slot(s, p, r, first + k)[j];
    const real mean = sum_of(total(sum, count)) / size;
    for (idx p = 0; p < s.panels; ++p)
        EACH (k, count)
            EACH_VECTOR (j) {
                vec *x = slot(s, p, r, first + k) + j;
                *x = (*x - mean) * units_of(s, p, j);
                squares[k] += *x * *x;
            }
    return inverse_root(sum_of(total(squares, count)) / size + NORM_EPSILON);
}

/* The two sums of the gradient. */
typedef struct {
    vec d, dx;
} Sums;

ALWAYS_INLINE void add_to(Sums *sums, vec d, vec x)
{
    sums->d += d;
    sums->dx += d * x;
}

ALWAYS_INLINE Sums means_of(Sums sums, real size)
{
    return (Sums){.d = splat(sum_of(sums.d) / size),
                  .dx = splat(sum_of(sums.dx) / size)};
}

/* x^ in the slots becomes dx; d is the gradient in the slots from `from` on, times the
 * vectors from `gain` on; the sums of d and d x^ of each slot are there already. */
ALWAYS_INLINE void pull_norm(Step s, idx r, int first, int from, int gain, int count,
                             real rate, const Sums *of)
{
    Sums sums = of[0];
    for (int k = 1; k < count; ++k)
        sums = (Sums){.d = sums.d + of[k].d, .dx = sums.dx + of[k].dx};
    sums = means_of(sums, R(count) * (real)s.units);
    for (idx p = 0; p < s.panels; ++p)
        EACH (k, count)
            EACH_VECTOR (j) {
                vec *x = slot(s, p, r, first + k) + j;
                const vec d = slot(s, p, r, from + k)[j] * vector(s, p, gain + k)[j];
                *x = rate * (d - sums.d - *x * sums.dx) * units_of(s, p, j);
            }
}

/* The same for one slot whose gradient stands in a state, and becomes dx there. */
ALWAYS_INLINE void pull_norm_state(Step s, idx r, int first, int from, real rate)
{
    Sums sums = {0};
    for (idx p = 0; p < s.panels; ++p)
        EACH_VECTOR (j)
            add_to(&sums, state(s, p, r, from)[j], slot(s, p, r, first)[j]);
    sums = means_of(sums, (real)s.units);
    for (idx p = 0; p < s.panels; ++p)
        EACH_VECTOR (j) {
            vec *d = state(s, p, r, from) + j;
            const vec x = slot(s, p, r, first)[j];
            *d = rate * (*d - sums.d - x * sums.dx) * units_of(s, p, j);
        }
}

/* h = o squash(g x^ + b): o and x^ in slots, g and b vectors `gain` and the next. */
ALWAYS_INLINE void put_output(Step s, idx p, idx r, int gate, int normed, int gain,
                              real rate)
{
    vec *x = slot(s, p, r, normed), *h = hidden(s, p, r);
    const vec *o = slot(s, p, r, gate);
    EACH_VECTOR (j) {
        x[j] *= rate;
        const vec y = vector(s, p, gain)[j] * x[j] + vector(s, p, gain + 1)[j];
        h[j] = o[j] * (s.identity ? y : tanh_(y));
    }
}

/* Leaves the gradient at x^ in place of that at h, and o's in its slot. */
ALWAYS_INLINE void pull_output(Step s, idx p, idx r, int gate, int normed, int gain)
{
    vec *x = slot(s, p, r, normed), *o = slot(s, p, r, gate), *dh = state(s, p, r, 0);
    EACH_VECTOR (j) {
        const vec g = vector(s, p, gain)[j], y = g * x[j] + vector(s, p, gain + 1)[j];
        const vec squashed = s.identity ? y : tanh_(y);
        const vec bend = s.identity ? splat(0) : squashed;
        const vec dy = dh[j] * o[j] * (R(1) - bend * bend);
        vector_gradient(s, p, r, gain)[j] += dy * x[j];
        vector_gradient(s, p, r, gain + 1)[j] += dy;
        o[j] = dh[j] * squashed * o[j] * (R(1) - o[j]);
        dh[j] = dy * g;
    }
}

#endif
