/* limits.c - how fast weights come to a core out of the cache that holds them.
 *
 *   s += a b       b read once in one run, four lines at a time, as a step of one
 *                  sequence reads the columns of a cell; s stays in registers
 *
 * Built for the instruction set that peak.c chooses. */

#include <stddef.h>
#include <time.h>

#if defined(__AVX512F__)
#define VECTOR 64
#elif defined(__AVX__)
#define VECTOR 32
#else
#define VECTOR 16
#endif

typedef float vector __attribute__((vector_size(VECTOR), may_alias));

enum { SIDE = 4, PANEL = 64 / sizeof(float), VECTORS = 64 / VECTOR };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* b: (depth, SIDE, PANEL). */
static float read_block(const float *b, size_t depth, float a)
{
    vector sum[SIDE * VECTORS];
#pragma GCC unroll 16
    for (int j = 0; j < SIDE * VECTORS; ++j)
        sum[j] = (vector){0};
    const vector factor = a - (vector){0};
    for (size_t k = 0; k < depth; ++k, b += SIDE * PANEL)
#pragma GCC unroll 16
        for (int j = 0; j < SIDE * VECTORS; ++j)
            sum[j] += factor * ((const vector *)b)[j];
    vector all = sum[0];
#pragma GCC unroll 16
    for (int j = 1; j < SIDE * VECTORS; ++j)
        all += sum[j];
    return all[0];
}

/* Bytes a second, reading `weights` of units x units x 4 gates over and over for about
 * `seconds`; units a multiple of 16, weights aligned to 64 bytes. */
double read_rate(const float *weights, size_t units, double seconds)
{
    volatile float sink = 0;
    const size_t block = SIDE * units * PANEL;
    double elapsed = 0, bytes = 0;
    const double start = now();
    while (elapsed < seconds) {
        for (int pass = 0; pass < 4; ++pass)
            for (size_t p = 0; p < units / PANEL; ++p)
                sink = read_block(weights + p * block, units, sink);
        bytes += 4.0 * (double)(units / PANEL * block * sizeof(float));
        elapsed = now() - start;
    }
    return bytes / elapsed;
}
