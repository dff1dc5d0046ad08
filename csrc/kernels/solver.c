/* solver.c - the steps of adam and sgd over flat weights, and the norm that clips
 * them.
 *
 *   adam    m = b1 m + (1 - b1) g      v = b2 v + (1 - b2) g^2
 *           w -= lr sqrt(1 - b2^t) / (1 - b1^t)  m / (sqrt(v) + epsilon)
 *   sgd     u = momentum u - lr g      w += u, or with Nesterov w += momentum u - lr g
 *
 * Kingma, Ba: Adam. ICLR 2015, in the order of section 2's last remark, as
 * scikit-learn's. */
#include <math.h>

#include "dispatch.h"
#include "kernels.h"
#include "parallel.h"

void NAME(adam)(const lstmc_solver *s, void *weights, const void *gradient, void *m_,
                void *v_, idx size)
{
    real *w = weights, *m = m_, *v = v_;
    const real *g = gradient;
    const double t = (double)s->step;
    const real rate =
        R(s->learning_rate * sqrt(1 - pow(s->beta_2, t)) / (1 - pow(s->beta_1, t)));
    const real scale = R(s->scale), b1 = R(s->beta_1), b2 = R(s->beta_2);
    const real rest_1 = R(1 - s->beta_1), rest_2 = R(1 - s->beta_2),
               epsilon = R(s->epsilon);
    const FloatMode mode = flush_denormals();
#pragma omp simd
    for (idx j = 0; j < size; ++j) {
        const real d = g[j] * scale;
        m[j] = b1 * m[j] + rest_1 * d;
        v[j] = b2 * v[j] + rest_2 * d * d;
#if LSTMC_F64
        w[j] -= rate * m[j] / (sqrt(v[j]) + epsilon);
#else
        w[j] -= rate * m[j] / (sqrtf(v[j]) + epsilon);
#endif
    }
    restore_mode(mode);
}

void NAME(sgd)(const lstmc_solver *s, void *weights, const void *gradient,
               void *velocity, idx size)
{
    real *w = weights, *u = velocity;
    const real *g = gradient;
    const real rate = R(s->learning_rate * s->scale), momentum = R(s->momentum);
    const FloatMode mode = flush_denormals();
    for (idx j = 0; j < size; ++j) {
        const real step = rate * g[j];
        u[j] = momentum * u[j] - step;
        w[j] += s->nesterov ? momentum * u[j] - step : u[j];
    }
    restore_mode(mode);
}

double NAME(squared_norm)(const void *x_, idx size)
{
    enum { SUMS = 32 };
    const real *x = x_;
    double sum[SUMS] = {0}; /* the order is fixed: element j goes to sum j % SUMS */
    const idx whole = size - size % SUMS;
    for (idx j = 0; j < whole; j += SUMS)
        for (int k = 0; k < SUMS; ++k)
            sum[k] += (double)x[j + k] * (double)x[j + k];
    for (idx j = whole; j < size; ++j)
        sum[j - whole] += (double)x[j] * (double)x[j];
    double total = 0;
    for (int k = 0; k < SUMS; ++k)
        total += sum[k];
    return total;
}
