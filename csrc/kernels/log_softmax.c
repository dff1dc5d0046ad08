/* log_softmax.c - log probabilities of frames, as the decoders read them.
 *
 *   y_k = x_k - m - log(sum_j e^(x_j - m))      m = max_j x_j
 *
 * The exponentials are of the logits' type; what follows is double, so that the sums of
 * a search over many frames lose nothing. */
#include <math.h>

#include "kernels.h"
#include "vmath.h"

static real max_of(const real *x, idx n)
{
    real most = x[0];
    for (idx k = 1; k < n; ++k)
        most = x[k] > most ? x[k] : most;
    return most;
}

static double sum_of_exp(const real *x, real most, idx n)
{
    vec sum = {0};
    real last = 0, tail[LANES];
    idx k = 0;
    for (; k + LANES <= n; k += LANES)
        sum += exp_(*(const loose *)(x + k) - most);
    for (idx j = 0; j < LANES; ++j)
        tail[j] = k + j < n ? x[k + j] - most : 0;
    const vec rest = exp_(*(const loose *)tail);
    for (idx j = 0; k + j < n; ++j)
        last += rest[j];
    double all = (double)last;
    for (idx j = 0; j < LANES; ++j)
        all += (double)sum[j];
    return all;
}

void NAME(log_softmax)(const void *x, double *out, idx rows, idx classes)
{
    const real *row = x;
    for (idx r = 0; r < rows; ++r, row += classes, out += classes) {
        const real most = max_of(row, classes);
        const double all = log(sum_of_exp(row, most, classes));
        for (idx k = 0; k < classes; ++k)
            out[k] = (double)row[k] - (double)most - all;
    }
}
