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
    EACH_LEFT (j, n, width)
        sum += get(x + j, n);
    const real mean = sum_of(sum) / (real)width;
    EACH_LEFT (j, n, width) {
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
    EACH_LEFT (j, n, width)
        put(y + j, n, (get(x + j, n) - mean) * r * get(w + j, n));
}

static void go_back(const lstmc_norm *c, const real *x, const real *w,
                    const real *saved, const real *dy, real *dx, idx width)
{
    const real mean = saved[0], r = saved[1];
    vec sum = {0}, along = {0};
    EACH_LEFT (j, n, width) {
        const vec g = get(dy + j, n) * get(w + j, n);
        sum += g;
        along += g * (get(x + j, n) - mean);
    }
    const real down = sum_of(sum) / (real)width;
    const real across = sum_of(along) / (real)width * r * r;
    EACH_LEFT (j, n, width) {
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

/* dw += dy u of one group. */
static void add_weights(const real *x, const real *saved, const real *dy, real *dw,
                        idx width)
{
    const real mean = saved[0], r = saved[1];
    EACH_LEFT (j, n, width)
        put_sum(dw + j, n, get(dy + j, n) * ((get(x + j, n) - mean) * r));
}

JOB(norm_backward)
{
    (void)thread;
    const RowSums *s = call;
    const lstmc_norm *c = s->call;
    const FloatMode mode = flush_denormals();
    const idx part = c->width / c->groups;
    const Block b = block_of(s, k, c->rows);
    for (idx r = b.first; r < b.end; ++r)
        for (idx g = 0; g < c->groups; ++g) {
            const idx at = r * c->width + g * part;
            const real *x = (const real *)c->x + at, *dy = (const real *)c->dy + at;
            const real *saved = (const real *)c->saved + 2 * (r * c->groups + g);
            add_weights(x, saved, dy, b.sums + g * part, part);
            go_back(c, x, (const real *)c->w + g * part, saved, dy, (real *)c->dx + at,
                    part);
        }
    restore_mode(mode);
}
