/* points.h - sums over 3 to 5 taps by fewer products, Winograd's: what is multiplied
 * are the values of polynomials at 0, two pairs of points and infinity.
 *
 *   U = B' x    of 6 neighbouring inputs
 *   V = G w     of the taps
 *   y = A' (U V)   7 - taps outputs: 6 products in place of taps (7 - taps)
 *
 *   dV = U' (A dy), dw = G' dV; dx is the sum over dy with the taps in reverse.
 *
 * Points of which each is one over another round off half as much as 1 and 2 do.
 *
 * Winograd: Arithmetic Complexity of Computations. SIAM 1980; Lavin, Gray: Fast
 * Algorithms for Convolutional Neural Networks. CVPR 2016. */
#ifndef LSTMC_POINTS_H
#define LSTMC_POINTS_H

#include "vmath.h"

#define POINTS 6
#define LEAST_TAPS 3
#define MOST_TAPS 5
#define MOST_EACH (POINTS + 1 - LEAST_TAPS) /* outputs of six inputs */

#define LOW 0.70710678118654752440 /* the root of 1/2 */
#define HIGH 1.41421356237309504880

ALWAYS_INLINE vec load(const real *x, idx j) { return *(const loose *)(x + j); }

/* G, for so many taps. */
static inline void set_factors(idx taps, real g[POINTS][MOST_TAPS])
{
    static const double points[POINTS - 1] = {0, LOW, -LOW, HIGH, -HIGH};
    static const double norms[POINTS - 1] = {1, -1.5, -1.5, 6, 6};
    for (int i = 0; i < POINTS - 1; ++i) {
        double power = 1;
        for (idx k = 0; k < MOST_TAPS; ++k, power *= points[i])
            g[i][k] = k < taps ? R(power / norms[i]) : 0;
    }
    for (idx k = 0; k < MOST_TAPS; ++k)
        g[POINTS - 1][k] = k == taps - 1;
}

/* B' x */
ALWAYS_INLINE void turn_inputs(const vec x[POINTS], vec u[POINTS])
{
    const vec even = x[4] - R(2) * x[2], odd = R(LOW) * (x[3] - R(2) * x[1]);
    const vec even_2 = x[4] - R(0.5) * x[2], odd_2 = R(HIGH) * (x[3] - R(0.5) * x[1]);
    u[0] = x[0] - R(2.5) * x[2] + x[4];
    u[1] = even + odd;
    u[2] = even - odd;
    u[3] = even_2 + odd_2;
    u[4] = even_2 - odd_2;
    u[5] = x[1] - R(2.5) * x[3] + x[5];
}

/* A' m, of which the first `each` are wanted. */
ALWAYS_INLINE void turn_back(const vec m[POINTS], const idx each, vec y[MOST_EACH])
{
    const vec even = m[1] + m[2], odd = R(LOW) * (m[1] - m[2]);
    const vec even_2 = m[3] + m[4], odd_2 = R(HIGH) * (m[3] - m[4]);
    y[0] = m[0] + even + even_2;
    y[1] = odd + odd_2;
    y[2] = R(0.5) * even + R(2) * even_2;
    y[3] = R(0.5) * odd + R(2) * odd_2;
    EACH (k, MOST_EACH)
        if (k == each - 1)
            y[k] += m[POINTS - 1];
}

/* A dy, of `each` that are not zeros. */
ALWAYS_INLINE void turn_outputs(const vec dy[MOST_EACH], const idx each, vec m[POINTS])
{
    const vec even = dy[0] + R(0.5) * dy[2], odd = R(LOW) * (dy[1] + R(0.5) * dy[3]);
    const vec even_2 = dy[0] + R(2) * dy[2], odd_2 = R(HIGH) * (dy[1] + R(2) * dy[3]);
    m[0] = dy[0];
    m[1] = even + odd;
    m[2] = even - odd;
    m[3] = even_2 + odd_2;
    m[4] = even_2 - odd_2;
    m[POINTS - 1] = dy[0];
    EACH (k, MOST_EACH)
        if (k == each - 1)
            m[POINTS - 1] = dy[k];
}

#endif
