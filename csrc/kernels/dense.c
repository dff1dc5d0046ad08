/* dense.c - y = x W' + b, each output one sum in an order of its own: the same in
 * any company. */
#include "kernels.h"

static real dot(const real *x, const real *w, real start, idx n)
{
    vec sum[2] = {{0}, {0}};
    idx k = 0;
    for (; k + 2 * LANES <= n; k += 2 * LANES)
        for (int j = 0; j < 2; ++j)
            sum[j] += *(const loose *)(x + k + j * LANES) *
                      *(const loose *)(w + k + j * LANES);
    const vec both = sum[0] + sum[1];
    for (idx j = 0; j < LANES; ++j)
        start += both[j];
    for (; k < n; ++k)
        start += x[k] * w[k];
    return start;
}

void NAME(dense)(const void *x, const void *w, const void *b, void *y, idx rows,
                 idx inputs, idx outputs, int threads)
{
    (void)threads; /* without OpenMP */
#pragma omp parallel for num_threads(threads) schedule(static)
    for (idx r = 0; r < rows; ++r)
        for (idx j = 0; j < outputs; ++j)
            ((real *)y)[r * outputs + j] =
                dot((const real *)x + r * inputs, (const real *)w + j * inputs,
                    ((const real *)b)[j], inputs);
}
