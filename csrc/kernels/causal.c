/* causal.c - a convolution over the last four steps of each channel, then SiLU.
 *
 *   p_t = b + sum_k w_k x_(t - 3 + k)        the steps before the first from `before`
 *   y = p s,  s = sigmoid(p)
 *   dp = dy s (1 + p (1 - s))
 *   dx_t = sum_k w_k dp_(t + 3 - k) */
#include "rowwise.h"

#define TAPS LSTMC_TAPS
#define PAST (TAPS - 1)

/* Step t of sample j, PAST steps back at most; NULL: zeros. */
static const real *step_of(const lstmc_causal *c, idx j, idx t)
{
    if (t >= 0)
        return (const real *)c->x + (c->offsets[j] + t) * c->x_row;
    return c->before ? (const real *)c->before + (j * PAST + PAST + t) * c->width
                     : NULL;
}

/* The sample that a row belongs to: the last that starts at or before it. */
static idx find_sample(const lstmc_causal *c, idx row)
{
    idx low = 0, high = c->samples - 1;
    while (low < high) {
        const idx middle = (low + high + 1) / 2;
        if (c->offsets[middle] <= row)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

ALWAYS_INLINE vec convolve(const lstmc_causal *c, const real *const *x, idx j, idx n)
{
    vec p = get((const real *)c->b + j, n);
    EACH (k, TAPS)
        if (x[k])
            p += get((const real *)c->w + k * c->width + j, n) * get(x[k] + j, n);
    return p;
}

JOB(causal_forward)
{
    (void)thread;
    const lstmc_causal *c = call;
    const FloatMode mode = flush_denormals();
    const idx first = k * ROW_BLOCK;
    const idx end = min_idx(c->offsets[c->samples], first + ROW_BLOCK);
    idx sample = find_sample(c, first);
    for (idx r = first; r < end; ++r) {
        while (r >= c->offsets[sample + 1])
            ++sample;
        const real *x[TAPS];
        EACH (tap, TAPS)
            x[tap] = step_of(c, sample, r - c->offsets[sample] - PAST + tap);
        real *y = (real *)c->y + r * c->width;
        EACH_LEFT (j, n, c->width) {
            const vec p = convolve(c, x, j, n);
            put(y + j, n, p * sigmoid(p));
        }
    }
    restore_mode(mode);
}

/* Gradients of a vector of channels, and those at p of the steps behind. */
typedef struct {
    vec dw[TAPS], db, behind[PAST];
} Sums;

/* Steps of a sample, the last first, for channels at j. */
static void walk_back(const lstmc_causal *c, idx sample, idx j, idx n, Sums *s)
{
    const idx steps = c->offsets[sample + 1] - c->offsets[sample];
    vec w[TAPS];
    EACH (k, TAPS)
        w[k] = get((const real *)c->w + k * c->width + j, n);
    EACH (k, PAST)
        s->behind[k] = splat(0);
    for (idx t = steps - 1; t >= (c->d_before ? -PAST : 0); --t) {
        vec dp = splat(0);
        if (t >= 0) {
            const real *x[TAPS];
            EACH (k, TAPS)
                x[k] = step_of(c, sample, t - PAST + k);
            const vec p = convolve(c, x, j, n), q = sigmoid(p);
            const idx row = c->offsets[sample] + t;
            dp = get((const real *)c->dy + row * c->width + j, n) *
                 (q * (R(1) + p * (R(1) - q)));
            EACH (k, TAPS)
                if (x[k])
                    s->dw[k] += dp * get(x[k] + j, n);
            s->db += dp;
        }
        vec dx = w[PAST] * dp;
        EACH (k, PAST) /* behind[k]: of the step t + k + 1 */
            dx += w[PAST - 1 - k] * s->behind[k];
        for (int k = PAST - 1; k > 0; --k)
            s->behind[k] = s->behind[k - 1];
        s->behind[0] = dp;
        const idx place = t - (steps - PAST);
        if (c->d_after && place >= 0)
            dx += get((const real *)c->d_after + (sample * PAST + place) * c->width + j,
                      n);
        if (t >= 0)
            put_sum((real *)c->dx + (c->offsets[sample] + t) * c->dx_row + j, n, dx);
        else
            put((real *)c->d_before + (sample * PAST + PAST + t) * c->width + j, n, dx);
    }
}

JOB(causal_backward)
{
    (void)thread;
    const lstmc_causal *c = call;
    const FloatMode mode = flush_denormals();
    const idx end = min_idx(c->width, (k + 1) * PANEL);
    for (idx j = k * PANEL; j < end; j += LANES) {
        const idx n = end - j;
        Sums s = {0};
        for (idx sample = 0; sample < c->samples; ++sample)
            walk_back(c, sample, j, n, &s);
        EACH (tap, TAPS)
            put((real *)c->dw + tap * c->width + j, n, s.dw[tap]);
        put((real *)c->db + j, n, s.db);
    }
    restore_mode(mode);
}
