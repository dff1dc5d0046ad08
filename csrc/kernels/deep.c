/* deep.c - the product of two strided blocks over many rows, which nothing packs: the
 * gradients of a convolution's weights and of a matrix memory.
 *
 * One accumulator per output, summed over the runs and then along each, in order. */
#include "cases.h"
#include "kernels.h"

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
            vec column[MANY_BESIDE * VECS];
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

static void wide(const Deep *d, idx first, idx rows)
{
    switch (rows) {
        CASES(BESIDE)
    }
}

void NAME(deep_product)(const Deep *d)
{
    Deep own = *d;
    for (idx p = 0, beside = MANY_BESIDE; p < d->panels; p += beside) {
        while (beside > d->panels - p)
            beside /= 2;
        own.b = d->b + p * d->b_panel;
        own.c = d->c + p * d->c_panel;
        /* Blocks of nearly the same height, as in product.c. */
        const idx most = beside == 1 ? HEIGHT(1) : beside == 2 ? HEIGHT(2) : HEIGHT(4);
        const idx blocks = (d->rows + most - 1) / most;
        for (idx block = 0; block < blocks; ++block) {
            const idx first = d->rows * block / blocks;
            const idx rows = d->rows * (block + 1) / blocks - first;
            (beside == 1 ? one : beside == 2 ? pair : wide)(&own, first, rows);
        }
    }
}
