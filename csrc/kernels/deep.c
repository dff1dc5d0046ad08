/* deep.c - the product of two strided blocks over many pixels, which nothing packs: the
 * gradient of a convolution's weights.
 *
 * One accumulator per output, summed over the runs and then along each, in order. */
#include "cases.h"
#include "conv.h"

/* As in tile.c: a second panel, where registers hold its sums, too. */
#if defined(__AVX512F__)
#define PANELS 2
#else
#define PANELS 1
#endif
#define ACCUMULATORS (PANELS * TILE_ROWS * VECS)

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
            vec column[PANELS * VECS];
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

#define BESIDE(rows) PANELS

/* clang-format off */
#define CASE(rows, panels) case rows: tile(d, first, rows, panels); break;
/* clang-format on */

static void one(const Deep *d, idx first, idx rows)
{
    switch (rows) {
        CASES(ONE)
    }
}

static void beside(const Deep *d, idx first, idx rows)
{
    switch (rows) {
        CASES(BESIDE)
    }
}

void NAME(deep_product)(const Deep *d)
{
    /* Blocks of nearly the same height, as in tile.c. */
    const idx blocks = (d->rows + TILE_ROWS - 1) / TILE_ROWS;
    Deep own = *d;
    for (idx p = 0; p < d->panels; p += PANELS) {
        own.b = d->b + p * d->b_panel;
        own.c = d->c + p * d->c_panel;
        for (idx block = 0; block < blocks; ++block) {
            const idx first = d->rows * block / blocks;
            const idx rows = d->rows * (block + 1) / blocks - first;
            (d->panels - p < PANELS ? one : beside)(&own, first, rows);
        }
    }
}
