/* deep.c - the product of two strided blocks over many pixels, which nothing packs: the
 * gradient of a convolution's weights.
 *
 * One accumulator per output, summed over the runs and then along each, in order. */
#include "cases.h"
#include "conv.h"

#define ACCUMULATORS (TILE_ROWS * VECS)

ALWAYS_INLINE void tile(const Deep *d, idx first, const int rows)
{
    real *c = d->c + first * PANEL;
    vec acc[ACCUMULATORS]; /* (rows, VECS) */
    EACH (r, rows)
        EACH (j, VECS)
            acc[r * VECS + j] = ((const vec *)(c + r * PANEL))[j];
    for (idx run = 0; run < d->runs; ++run) {
        const real *a = d->a + first + run * d->a_skip, *b = d->b + run * d->b_skip;
        for (idx k = 0; k < d->run; ++k, a += d->a_k, b += d->b_k) {
            vec column[VECS];
            EACH (j, VECS)
                column[j] = ((const vec *)b)[j];
            EACH (r, rows) {
                const vec row = splat(a[r]);
                EACH (j, VECS)
                    acc[r * VECS + j] += row * column[j];
            }
        }
    }
    EACH (r, rows)
        EACH (j, VECS)
            ((vec *)(c + r * PANEL))[j] = acc[r * VECS + j];
}

/* clang-format off */
#define CASE(rows, panels) case rows: tile(d, first, rows); break;
/* clang-format on */

void NAME(deep_product)(const Deep *d)
{
    /* Blocks of nearly the same height, as in tile.c. */
    const idx blocks = (d->rows + TILE_ROWS - 1) / TILE_ROWS;
    for (idx block = 0; block < blocks; ++block) {
        const idx first = d->rows * block / blocks;
        switch (d->rows * (block + 1) / blocks - first) {
            CASES(ONE)
        }
    }
}
