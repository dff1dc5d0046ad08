/* lanes.h - numbers between the lanes of vectors: sums over them, squares turned. */
#ifndef LSTMC_LANES_H
#define LSTMC_LANES_H

#include "real.h"

/* Lane j of the outcome is lane from[j] of x, and then of y; `from` is known to the
 * compiler. */
ALWAYS_INLINE vec pick(vec x, vec y, ivec from)
{
#if defined(__clang__)
    vec out = {0};
    EACH (j, LANES)
        out[j] = from[j] < LANES ? x[from[j]] : y[from[j] - LANES];
    return out;
#else
    return __builtin_shuffle(x, y, from);
#endif
}

/* The sum of all lanes, in pairs. */
ALWAYS_INLINE real sum_of(vec x)
{
    EACH (step, 4) {
        const int apart = (int)LANES >> (step + 1);
        ivec from = {0};
        EACH (j, LANES)
            from[j] = j ^ apart;
        if (apart > 0)
            x += pick(x, x, from);
    }
    return x[0];
}

/* Rows of LANES become columns: squares of 1, 2, 4, ... lanes change places. */
ALWAYS_INLINE void turn_vectors(vec row[])
{
    EACH (step, 4) {
        const int apart = 1 << step;
        ivec low = {0}, high = {0};
        EACH (j, LANES) {
            low[j] = j & apart ? (int)LANES + j - apart : j;
            high[j] = j & apart ? (int)LANES + j : j + apart;
        }
        EACH (r, LANES)
            if (apart < LANES && !(r & apart)) {
                const vec x = row[r], y = row[r + apart];
                row[r] = pick(x, y, low);
                row[r + apart] = pick(x, y, high);
            }
    }
}

/* PANEL rows of PANEL reals, `apart`, to columns: to[k * to_apart + r]. */
ALWAYS_INLINE void turn_square(const real *from, idx apart, real scale, real *to,
                               idx to_apart)
{
    for (idx r = 0; r < PANEL; r += LANES)
        for (idx k = 0; k < PANEL; k += LANES) {
            vec row[LINE / sizeof(real)];
            EACH (j, LANES)
                row[j] = *(const loose *)(from + (r + j) * apart + k);
            turn_vectors(row);
            EACH (j, LANES)
                *(vec *)(to + (k + j) * to_apart + r) = scale * row[j];
        }
}

#endif
