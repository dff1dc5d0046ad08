/* tile.c - the product of a few rows with packed panels, held in registers.
 *
 * One accumulator per output, started and then summed over k in order: the bits of a
 * row depend on neither the rows nor the panels beside it. */
#include "kernels.h"

#define ACCUMULATORS (TILE_ROWS * VECS)

/* (rows, panels) outputs; a[r * a_row + k * a_k], b[q * b_panel + k * PANEL]. */
typedef struct {
    const real *a;
    idx a_row, runs, run, skip;
    const real *b;
    idx b_panel;
    const real *start;
    idx start_panel, start_row;
    real *c;
    idx c_panel, c_row;
} Tile;

ALWAYS_INLINE void tile(const Tile *t, const int rows, const int panels, const idx a_k)
{
    const idx a_row = t->a_row;
    const int vecs = panels * VECS; /* vector j is j % VECS of panel j / VECS */
    vec acc[ACCUMULATORS];          /* (rows, vecs) */
    EACH (r, rows)
        EACH (j, vecs)
            acc[r * vecs + j] = ((const vec *)(t->start + j / VECS * t->start_panel +
                                               r * t->start_row))[j % VECS];
    const real *b = t->b;
    for (idx run = 0; run < t->runs; ++run) {
        const real *a = t->a + run * t->skip;
        for (idx k = 0; k < t->run; ++k, b += PANEL, a += a_k) {
            vec column[ACCUMULATORS];
            EACH (j, vecs)
                column[j] = ((const vec *)(b + j / VECS * t->b_panel))[j % VECS];
            EACH (r, rows) {
                const vec row = splat(a[r * a_row]);
                EACH (j, vecs)
                    acc[r * vecs + j] += row * column[j];
            }
        }
    }
    EACH (r, rows)
        EACH (j, vecs)
            ((vec *)(t->c + j / VECS * t->c_panel + r * t->c_row))[j % VECS] =
                acc[r * vecs + j];
}

/* Panels beside one another in a tile of few rows: enough sums in flight to hide the
 * latency of a multiply-add. */
#define BESIDE(rows) \
    (ACCUMULATORS >= 4 * (rows) * VECS ? 4 : ACCUMULATORS >= 2 * (rows) * VECS ? 2 : 1)
#define ONE(rows) 1

/* clang-format off */
#define CASE(rows, panels) case rows: tile(t, rows, panels, a_k); break;
#define CASES_3(n) CASE(1, n(1)) CASE(2, n(2)) CASE(3, n(3))
#define CASES_6(n) CASES_3(n) CASE(4, n(4)) CASE(5, n(5)) CASE(6, n(6))
#define CASES_12(n) CASES_6(n) CASE(7, n(7)) CASE(8, n(8)) CASE(9, n(9)) \
    CASE(10, n(10)) CASE(11, n(11)) CASE(12, n(12))
/* clang-format on */
#define ALL_CASES_(rows, n) CASES_##rows(n)
#define ALL_CASES(rows, n) ALL_CASES_(rows, n)
#define CASES(n) ALL_CASES(TILE_ROWS, n)

static void narrow(const Tile *t, idx rows)
{
    const idx a_k = 1;
    switch (rows) {
        CASES(ONE)
    }
}

static void wide(const Tile *t, idx rows)
{
    const idx a_k = 1;
    switch (rows) {
        CASES(BESIDE)
    }
}

void NAME(product)(const Product *p)
{
    /* Blocks of nearly the same height: 7 rows are 4 + 3, not 6 + 1. */
    const idx blocks = (p->rows + TILE_ROWS - 1) / TILE_ROWS;
    Tile t = {.a_row = p->a_row,
              .runs = p->runs,
              .run = p->run,
              .skip = p->skip,
              .b_panel = p->b_panel,
              .start_panel = p->start_panel,
              .start_row = p->start_row,
              .c_panel = p->c_panel,
              .c_row = p->c_row};
    const idx beside = p->rows <= TILE_ROWS ? BESIDE(p->rows) : 1;
    for (idx q = 0; q < p->panels;) {
        const int is_wide = q + beside <= p->panels;
        t.b = p->b + q * p->b_panel;
        for (idx block = 0; block < blocks; ++block) {
            const idx first = p->rows * block / blocks;
            const idx rows = p->rows * (block + 1) / blocks - first;
            t.a = p->a + first * p->a_row;
            t.start = p->start + q * p->start_panel + first * p->start_row;
            t.c = p->c + q * p->c_panel + first * p->c_row;
            if (is_wide && beside > 1)
                wide(&t, rows);
            else
                narrow(&t, rows);
        }
        q += is_wide ? beside : 1;
    }
}

void NAME(outer_product)(const real *a, const real *b, real *c, idx rows, idx depth)
{
    const idx a_k = TILE_ROWS;
    for (idx first = 0; first < rows; first += TILE_ROWS, a += depth * TILE_ROWS) {
        const Tile tile_ = {.a = a,
                            .a_row = 1,
                            .runs = 1,
                            .run = depth,
                            .b = b,
                            .start = c + first * PANEL,
                            .start_row = PANEL,
                            .c = c + first * PANEL,
                            .c_row = PANEL};
        const Tile *t = &tile_;
        switch (min_idx(TILE_ROWS, rows - first)) {
            CASES(ONE)
        }
    }
}
