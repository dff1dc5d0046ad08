/* rownorm.c - layer norm of rows, and of equal parts of them (group norm of a step).
 *
 *   u = (x - mean) r,  r = 1 / sqrt(variance + eps)
 *   y = w u
 *   dx = r (g - mean of g - u mean of g u),  g = w dy
 *
 * Ba, Kiros, Hinton: Layer Normalization. 2016. */
#include <math.h>

#include "rowwise.h"

/* Of one group of `width` features. */
static void normalise(const lstmc_norm *c, const real *x, const real *w, real *y,
                      real *saved, idx width)
{
    vec sum = {0}, squares = {0};
    EACH_LEFT(j, n, width)
    sum += get(x + j, n);
    const real mean = sum_of(sum) / (real)width;
    EACH_LEFT(j, n, width)
    {
        const vec d = get(x + j, n) - mean;
        if (n >= LANES)
            squares += d * d;
        else
            for (idx k = 0; k < n; ++k)
                squares[k] += d[k] * d[k];
    }
    const double variance = (double)sum_of(squares) / (double)width;
    const real r = (real)(1 / sqrt(variance + c->eps));
    saved[0] = mean, saved[1] = r;
    EACH_LEFT(j, n, width)
    put(y + j, n, (get(x + j, n) - mean) * r * get(w + j, n));
}

static void go_back(const lstmc_norm *c, const real *x, const real *w,
                    const real *saved, const real *dy, real *dx, idx width)
{
    const real mean = saved[0], r = saved[1];
    vec sum = {0}, along = {0};
    EACH_LEFT(j, n, width)
    {
        const vec g = get(dy + j, n) * get(w + j, n);
        sum += g;
        along += g * (get(x + j, n) - mean);
    }
    const real down = sum_of(sum) / (real)width;
    const real across = sum_of(along) / (real)width * r * r;
    EACH_LEFT(j, n, width)
    {
        const vec g = get(dy + j, n) * get(w + j, n);
        const vec out = r * (g - down - across * (get(x + j, n) - mean));
        if (c->add)
            put_sum(dx + j, n, out);
        else
            put(dx + j, n, out);
    }
}

JOB(norm_forward)
{
    (void)thread;
    const lstmc_norm *c = call;
    const FloatMode mode = flush_denormals();
    const idx part = c->width / c->groups;
    const idx end = min_idx(c->rows, (k + 1) * ROW_BLOCK);
    for (idx r = k * ROW_BLOCK; r < end; ++r)
        for (idx g = 0; g < c->groups; ++g) {
            const idx at = r * c->width + g * part;
            normalise(c, (const real *)c->x + at, (const real *)c->w + g * part,
                      (real *)c->y + at, (real *)c->saved + 2 * (r * c->groups + g),
                      part);
        }
    restore_mode(mode);
}

JOB(norm_backward)
{
    (void)thread;
    const lstmc_norm *c = call;
    const FloatMode mode = flush_denormals();
    const idx part = c->width / c->groups;
    const idx end = min_idx(c->rows, (k + 1) * ROW_BLOCK);
    for (idx r = k * ROW_BLOCK; r < end; ++r)
        for (idx g = 0; g < c->groups; ++g) {
            const idx at = r * c->width + g * part;
            go_back(c, (const real *)c->x + at, (const real *)c->w + g * part,
                    (const real *)c->saved + 2 * (r * c->groups + g),
                    (const real *)c->dy + at, (real *)c->dx + at, part);
        }
    restore_mode(mode);
}

/* A line of columns over all rows: dw = sum of dy u. */
JOB(norm_weights)
{
    (void)thread;
    const lstmc_norm *c = call;
    const FloatMode mode = flush_denormals();
    const idx part = c->width / c->groups, first = k * PANEL;
    const idx count = min_idx(PANEL, c->width - first);
    real sum[LINE / sizeof(real)] = {0};
    for (idx r = 0; r < c->rows; ++r) {
        const real *x = (const real *)c->x + r * c->width + first;
        const real *dy = (const real *)c->dy + r * c->width + first;
        const real *saved = (const real *)c->saved + 2 * r * c->groups;
        if (c->groups == 1)
            for (idx j = 0; j < count; ++j)
                sum[j] += dy[j] * (x[j] - saved[0]) * saved[1];
        else
            for (idx j = 0; j < count; ++j) {
                const real *own = saved + (first + j) / part * 2;
                sum[j] += dy[j] * (x[j] - own[0]) * own[1];
            }
    }
    for (idx j = 0; j < count; ++j)
        ((real *)c->dw)[first + j] = sum[j];
    restore_mode(mode);
}
