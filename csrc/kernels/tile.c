/* tile.c - the product of a few rows with packed panels, held in registers.
 *
 * One accumulator per output, started and then summed over k in order: the bits of a row
 * depend on neither the rows nor the panels beside it. */
#include "kernels.h"

/* Accumulators in flight that hide the latency of a multiply-add. */
#define IN_FLIGHT 8
#define MAX_ACCUMULATORS 24

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
    vec acc[MAX_ACCUMULATORS]; /* (rows, panels, VECS) */
    UNROLL
    for (int r = 0; r < rows; ++r)
        UNROLL
        for (int q = 0; q < panels; ++q)
            UNROLL
            for (int j = 0; j < VECS; ++j)
                acc[(r * panels + q) * VECS + j] =
                    ((const vec *)(t->start + q * t->start_panel + r * t->start_row))[j];
    const real *b = t->b;
    for (idx run = 0; run < t->runs; ++run) {
        const real *a = t->a + run * t->skip;
        for (idx k = 0; k < t->run; ++k, b += PANEL, a += a_k) {
            if (rows * 2 > panels * VECS) { /* the columns stay, the rows pass by */
                vec column[MAX_ACCUMULATORS];
                UNROLL
                for (int j = 0; j < panels * VECS; ++j)
                    column[j] = ((const vec *)(b + j / VECS * t->b_panel))[j % VECS];
                UNROLL
                for (int r = 0; r < rows; ++r) {
                    const vec row = splat(a[r * a_row]);
                    UNROLL
                    for (int j = 0; j < panels * VECS; ++j)
                        acc[r * panels * VECS + j] += row * column[j];
                }
            } else {
                vec row[TILE_ROWS];
                UNROLL
                for (int r = 0; r < rows; ++r)
                    row[r] = splat(a[r * a_row]);
                UNROLL
                for (int j = 0; j < panels * VECS; ++j) {
                    const vec column = ((const vec *)(b + j / VECS * t->b_panel))[j % VECS];
                    UNROLL
                    for (int r = 0; r < rows; ++r)
                        acc[r * panels * VECS + j] += row[r] * column;
                }
            }
        }
    }
    UNROLL
    for (int r = 0; r < rows; ++r)
        UNROLL
        for (int q = 0; q < panels; ++q)
            UNROLL
            for (int j = 0; j < VECS; ++j)
                ((vec *)(t->c + q * t->c_panel + r * t->c_row))[j] =
                    acc[(r * panels + q) * VECS + j];
}

/* Panels side by side in a tile of few rows, to have IN_FLIGHT accumulators. */
#define SIDE_BY_SIDE(rows) ((rows) * VECS * 2 > IN_FLIGHT ? 1 : IN_FLIGHT / ((rows) * VECS))

#define CASE(rows, panels)          \
    case rows:                      \
        tile(t, rows, panels, a_k); \
        break;

#if TILE_ROWS == 12
#define CASES(n) CASE(1, n(1)) CASE(2, n(2)) CASE(3, n(3)) CASE(4, n(4)) CASE(5, n(5)) \
    CASE(6, n(6)) CASE(7, n(7)) CASE(8, n(8)) CASE(9, n(9)) CASE(10, n(10))            \
    CASE(11, n(11)) CASE(12, n(12))
#elif TILE_ROWS == 6
#define CASES(n) CASE(1, n(1)) CASE(2, n(2)) CASE(3, n(3)) CASE(4, n(4)) CASE(5, n(5)) \
    CASE(6, n(6))
#else
#define CASES(n) CASE(1, n(1)) CASE(2, n(2)) CASE(3, n(3))
#endif
#define ONE(rows) 1

static void narrow(const Tile *t, idx rows)
{
    const idx a_k = 1;
    switch (rows) { CASES(ONE) }
}

static void wide(const Tile *t, idx rows)
{
    const idx a_k = 1;
    switch (rows) { CASES(SIDE_BY_SIDE) }
}

void NAME(product)(const Product *p)
{
    /* Blocks of nearly the same height: 7 rows are 4 + 3, not 6 + 1. */
    const idx blocks = (p->rows + TILE_ROWS - 1) / TILE_ROWS;
    Tile t = {.a_row = p->a_row, .runs = p->runs, .run = p->run, .skip = p->skip,
              .b_panel = p->b_panel, .start_panel = p->start_panel,
              .start_row = p->start_row, .c_panel = p->c_panel, .c_row = p->c_row};
    const idx beside = SIDE_BY_SIDE(p->rows);
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
        const Tile tile_ = {.a = a, .a_row = 1, .runs = 1, .run = depth, .b = b,
                            .start = c + first * PANEL, .start_row = PANEL,
                            .c = c + first * PANEL, .c_row = PANEL};
        const Tile *t = &tile_;
        switch (min_idx(TILE_ROWS, rows - first)) { CASES(ONE) }
    }
}
