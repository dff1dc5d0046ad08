/* softmax.c - the softmax of a row of logits, and the log of its denominator. */
#include <math.h>
#include <string.h>

#include "kernels.h"
#include "vmath.h"

/* Vectors whose sum is taken in `real`, before it goes into a double: the error stays
 * that of a short sum for any number of classes. */
#define RUN 32

/* The last lanes of a row; -inf fills up, so that it counts for nothing. */
ALWAYS_INLINE vec load_end(const real *x, idx lanes)
{
    vec out = splat(-(real)INFINITY);
    memcpy(&out, x, (size_t)lanes * sizeof(real));
    return out;
}

static real greatest(const real *x, idx n)
{
    vec most[4];
    EACH (j, 4)
        most[j] = splat(-(real)INFINITY);
    idx k = 0;
    for (; k + 4 * LANES <= n; k += 4 * LANES)
        EACH (j, 4)
            most[j] = max_(*(const loose *)(x + k + j * LANES), most[j]);
    for (; k < n; k += LANES)
        most[0] = max_(k + LANES <= n ? (vec) * (const loose *)(x + k)
                                      : load_end(x + k, n - k),
                       most[0]);
    const vec two = max_(max_(most[0], most[1]), max_(most[2], most[3]));
    real out = two[0];
    for (idx j = 1; j < LANES; ++j)
        out = two[j] > out ? two[j] : out;
    return out;
}

static double sum_of(vec x)
{
    double out = 0;
    for (idx j = 0; j < LANES; ++j)
        out += (double)x[j];
    return out;
}

/* e^(x - most) of 0 >= x - most or NaN: 0 where it would be denormal, or x is -inf. */
ALWAYS_INLINE vec exp_below(vec x, real most)
{
    const vec y = x - most;
    vec scale;
    const vec grown = split_exp(max_(splat(-EXP_MAX), y), &scale);
    return (vec)((ivec)(scale + scale * grown) & ~(y < -EXP_MAX));
}

/* d = e^(x - most); their sum. */
ALWAYS_INLINE double sum_exp(const real *x, real *d, idx n, real most)
{
    double out = 0;
    idx k = 0;
    while (k + LANES <= n) {
        vec sum = {0};
        for (idx j = 0; j < RUN && k + LANES <= n; ++j, k += LANES) {
            const vec y = exp_below(*(const loose *)(x + k), most);
            sum += y;
            if (d)
                *(loose *)(d + k) = y;
        }
        out += sum_of(sum);
    }
    if (k < n) {
        const vec y = exp_below(load_end(x + k, n - k), most);
        out += sum_of(y);
        if (d)
            memcpy(d + k, &y, (size_t)(n - k) * sizeof(real));
    }
    return out;
}

double NAME(softmax)(const real *x, real *d, idx classes, double weight,
                     double smoothing)
{
    const real most = greatest(x, classes);
    const double sum =
        d ? sum_exp(x, d, classes, most) : sum_exp(x, NULL, classes, most);
    const real scale = (real)(weight / sum),
               less = (real)(weight * smoothing / (double)classes);
    for (idx k = 0; d && k < classes; ++k)
        d[k] = d[k] * scale - less;
    return (double)most + log(sum);
}
