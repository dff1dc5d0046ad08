/* deep.c - the product of two strided blocks over many pixels, which nothing packs: the
 * gradient of a convolution's weights.
 *
 * One accumulator per output, summed over the runs and then along each, in order. */
#include "cases.h"
#include "conv.h"

/* As in tile.c: of 32 registers 24 are sums. */
#if defined(__AVX512F__)
#define ACCUMULATORS (2 * TILE_ROWS * VECS)
#else
#define ACCUMULATORS (TILE_ROWS * VECS)
#endif

ALWAYS_INLINE void tile(const Deep *d, idx first, const int rows, const int panels)
{
    const int vecs = panels * VECS; /* vector j is j % VECS of panel j / VECS */
    real *c = d->c + first * PANEL;
    vec acc[ACCUMULATORS]; /* (rows, vecs) */
    EACH (r, rows)
        EACH (j, vecs)
            acc[r * vecs + j] =
                ((const vec *)(c + j / VECS * d->c_panel + r * PANEL))[j % VECS];
    for (idx run = 0; run < d->runs; ++run) {
        const real *a = d->a + first + run * d->a_skip, *b = d->b + run * d->b_skip;
        TWICE
        for (idx k = 0; k < d->run; ++k, a += d->a_k, b += d->b_k) {
            vec column[DEEP_PANELS * VECS];
            EACH (j, vecs)
                column[j] = ((const vec *)(b + j / VECS * d->b_panel))[j % VECS];
            EACH (r, rows) {
                const vec row = splat(a[r]);
                EACH (j, vecs)
                    acc[r * vecs + j] += row * column[j];
            }
        }
    }
    EACH (r, rows)
        EACH (j, vecs)
            ((vec *)(c + j / VECS * d->c_panel + r * PANEL))[j % VECS] =
                acc[r * vecs + j];
}

#define FITS(rows, panels) ((rows) * (panels) * VECS <= ACCUMULATORS ? (panels) : 1)
#define PAIR(rows) FITS(rows, 2)
#define QUAD(rows) FITS(rows, 4)

/* clang-format off */
#define CASE(rows, panels) case rows: tile(d, first, rows, panels); break;
/* clang-format on */

static void one(const Deep *d, idx first, idx rows)
{
    switch (rows) {
        CASES(ONE)
    }
}

static void pair(const Deep *d, idx first, idx rows)
{
    switch (rows) {
        CASES(PAIR)
    }
}

static void quad(const Deep *d, idx first, idx rows)
{
    switch (rows) {
        CASES(QUAD)
    }
}

void NAME(deep_product)(const Deep *d)
{
    Deep own = *d;
    for (idx p = 0, beside = DEEP_PANELS; p < d->panels; p += beside) {
        while (beside > d->panels - p)
            beside /= 2;
        own.b = d->b + p * d->b_panel;
        own.c = d->c + p * d->c_panel;
        /* Blocks of nearly the same height, as in tile.c. */
        const idx most = beside == 4 ? TILE_ROWS / 2 : TILE_ROWS;
        const idx blocks = (d->rows + most - 1) / most;
        for (idx block = 0; block < blocks; ++block) {
            const idx first = d->rows * block / blocks;
            const idx rows = d->rows * (block + 1) / blocks - first;
            (beside == 1 ? one : beside == 2 ? pair : quad)(&own, first, rows);
        }
    }
}
