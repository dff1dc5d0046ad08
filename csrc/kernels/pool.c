/* pool.c - the mean over a sample's own steps, and its way back. */
#include <string.h>

#include "kernels.h"

#include "fcn.h"

#define BLOCK 64 /* steps: sums of sums lose less */

ALWAYS_INLINE vec load(const real *x) { return *(const loose *)x; }

static vec sum_lanes(const real *x, idx steps, idx apart)
{
    vec total = {0};
    for (idx t = 0; t < steps; t += BLOCK) {
        vec part = {0};
        for (idx k = t; k < min_idx(steps, t + BLOCK); ++k)
            part += load(x + k * apart);
        total += part;
    }
    return total;
}

static real sum_one(const real *x, idx steps, idx apart)
{
    real total = 0;
    for (idx t = 0; t < steps; t += BLOCK) {
        real part = 0;
        for (idx k = t; k < min_idx(steps, t + BLOCK); ++k)
            part += x[k * apart];
        total += part;
    }
    return total;
}

void NAME(pool)(const idx *offsets, idx samples, idx channels, const void *x_, void *y_,
                int threads)
{
    (void)threads; /* without OpenMP */
#pragma omp parallel num_threads(threads)
    {
        const FloatMode mode = flush_denormals();
#pragma omp for schedule(static)
        for (idx j = 0; j < samples; ++j) {
            const idx steps = offsets[j + 1] - offsets[j];
            const real over = R(max_idx(1, steps));
            const real *x = (const real *)x_ + offsets[j] * channels;
            real *y = (real *)y_ + j * channels;
            idx c = 0;
            for (; c + LANES <= channels; c += LANES)
                *(loose *)(y + c) = sum_lanes(x + c, steps, channels) / over;
            for (; c < channels; ++c)
                y[c] = sum_one(x + c, steps, channels) / over;
        }
        restore_mode(mode);
    }
}

void NAME(pool_back)(const idx *offsets, idx samples, idx channels, const void *dy_,
                     void *dx_, int threads)
{
    (void)threads; /* without OpenMP */
#pragma omp parallel num_threads(threads)
    {
        const FloatMode mode = flush_denormals();
#pragma omp for schedule(static)
        for (idx j = 0; j < samples; ++j) {
            const idx first = offsets[j], steps = offsets[j + 1] - first;
            const real *dy = (const real *)dy_ + j * channels;
            real *dx = (real *)dx_ + first * channels;
            for (idx c = 0; steps > 0 && c < channels; ++c)
                dx[c] = dy[c] / R(steps);
            for (idx t = 1; t < steps; ++t)
                memcpy(dx + t * channels, dx, (size_t)channels * sizeof(real));
        }
        restore_mode(mode);
    }
}
