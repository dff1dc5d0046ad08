/* norm.h - layer normalisation over all units of a row: of sums, whose gates lie in
 * spares, and of a state, for the output; and back.
 *
 *   x^ = (x - mean) rate        rate = 1 / sqrt(variance + epsilon)
 *   dx = rate (d - sum d / count - x^ sum (d x^) / count)      d: the gradient at x^ */
#ifndef LSTMC_NORM_H
#define LSTMC_NORM_H

#include "cells.h"
#include "lanes.h"

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

typedef struct {
    real mean, rate;
} Moments;

/* Takes the mean from slots first .. first + count of row r; whoever reads them makes
 * x^ of what is left by the rate. Each slot has sums of its own, so that additions need
 * not wait for one another. */
ALWAYS_INLINE Moments centre(Step s, idx r, int first, int count)
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
    const real variance = sum_of(total(squares, count)) / size;
    return (Moments){.mean = mean, .rate = inverse_root(variance + NORM_EPSILON)};
}

/* Of a state of row r, which stays. */
ALWAYS_INLINE Moments measure(Step s, idx r, int k)
{
    vec sum = splat(0), squares = splat(0);
    for (idx p = 0; p < s.panels; ++p)
        EACH_VECTOR (j)
            sum += state(s, p, r, k)[j];
    const real mean = sum_of(sum) / (real)s.units;
    for (idx p = 0; p < s.panels; ++p)
        EACH_VECTOR (j) {
            const vec x = (state(s, p, r, k)[j] - mean) * units_of(s, p, j);
            squares += x * x;
        }
    const real variance = sum_of(squares) / (real)s.units;
    return (Moments){.mean = mean, .rate = inverse_root(variance + NORM_EPSILON)};
}

/* h = o squash(g x^ + b): o a spare, x a state, g and b vectors `gain` and the next. */
ALWAYS_INLINE void put_output(Step s, idx p, idx r, int o, int x, int gain, Moments of)
{
    EACH_VECTOR (j) {
        const vec xn = (state(s, p, r, x)[j] - of.mean) * of.rate;
        const vec y = vector(s, p, r, gain)[j] * xn + vector(s, p, r, gain + 1)[j];
        hidden(s, p, r)[j] = spare(s, p, o)[j] * (s.identity ? y : tanh_(y));
    }
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

/* dx; the sums are means already. */
ALWAYS_INLINE vec pull(vec d, vec x, real rate, Sums means)
{
    return rate * (d - means.d - x * means.dx);
}

/* Finds x in a spare and leaves x^ there, o's gradient in the spare of o, and that at
 * x^ in place of that at h. */
ALWAYS_INLINE void pull_output(Step s, idx p, idx r, int gate, int normed, int gain,
                               Moments of, Sums *sums)
{
    vec *o = spare(s, p, gate), *x = spare(s, p, normed), *dh = state(s, p, r, 0);
    EACH_VECTOR (j) {
        x[j] = (x[j] - of.mean) * of.rate;
        const vec g = vector(s, p, r, gain)[j];
        const vec y = g * x[j] + vector(s, p, r, gain + 1)[j];
        const vec squashed = s.identity ? y : tanh_(y);
        const vec bend = s.identity ? splat(0) : squashed;
        const vec dy = dh[j] * o[j] * (R(1) - bend * bend);
        vector_gradient(s, p, r, gain)[j] += dy * x[j];
        vector_gradient(s, p, r, gain + 1)[j] += dy;
        o[j] = dh[j] * squashed * o[j] * (R(1) - o[j]);
        dh[j] = dy * g;
        add_to(sums, dh[j], x[j]);
    }
}

/* The centred sums of one map become x^; their gains and biases, vectors from `gain`
 * and `bias` on (NONE: the other map's), get their gradient from that in the spares. */
ALWAYS_INLINE void pull_gains(Step s, idx p, idx r, int first, int gain, int bias,
                              int count, real rate, Sums *sums)
{
    EACH (k, count)
        EACH_VECTOR (j) {
            vec *x = slot(s, p, r, first + k) + j;
            const vec da = spare(s, p, k)[j];
            *x *= rate;
            vector_gradient(s, p, r, gain + k)[j] += da * *x;
            if (bias != NONE)
                vector_gradient(s, p, r, bias + k)[j] += da;
            add_to(sums + k, da * vector(s, p, r, gain + k)[j], *x);
        }
}

/* x^ in the slots becomes dx. */
ALWAYS_INLINE void pull_norm(Step s, idx r, int first, int gain, int count, real rate,
                             const Sums *of)
{
    Sums sums = of[0];
    for (int k = 1; k < count; ++k)
        sums = (Sums){.d = sums.d + of[k].d, .dx = sums.dx + of[k].dx};
    sums = means_of(sums, R(count) * (real)s.units);
    for (idx p = 0; p < s.panels; ++p)
        EACH (k, count)
            EACH_VECTOR (j) {
                vec *x = slot(s, p, r, first + k) + j;
                const vec d = spare(s, p, k)[j] * vector(s, p, r, gain + k)[j];
                *x = pull(d, *x, rate, sums) * units_of(s, p, j);
            }
}

#endif
