/* outer.c - products over many samples: a tile whose rows are columns of A. */
#include "tile.h"

#define OUTER(rows) OUTER_PANELS

TILES(outer, CASES(ONE), TILE_ROWS, 0)
TILES(outer_wide, CASES(OUTER), TILE_ROWS, 0)

/* What the next tile goes on with, since sums of weights come from far. */
static void fetch_rows(const real *c, idx rows)
{
    for (idx r = 0; r < min_idx(rows, TILE_ROWS); ++r)
        __builtin_prefetch(c + r * PANEL, 1, 3);
}

/* Block by block, since the rows of A are many and the panels few. */
void NAME(outer_product)(const Outer *p)
{
    Tile t = {.a = p->a,
              .a_row = 1,
              .runs = 1,
              .run = p->depth,
              .start_row = PANEL,
              .c_row = PANEL};
    const idx blocks = (p->rows + TILE_ROWS - 1) / TILE_ROWS;
    const idx groups = (p->panels + OUTER_PANELS - 1) / OUTER_PANELS;
    Fetching fetching = start_fetching(p->soon, blocks * groups);
    real *c = p->c;
    for (idx left = p->rows; left > 0; left -= TILE_ROWS) {
        for (idx q = 0; q < p->panels; q += OUTER_PANELS) {
            const idx beside = min_idx(OUTER_PANELS, p->panels - q);
            for (idx j = 0; j < beside; ++j) {
                t.b[j] = p->b + (q + j) * p->b_panel;
                t.start[j] = t.c[j] = c + (q + j) * p->c_panel;
                fetch_rows(t.c[j] + TILE_ROWS * PANEL, left - TILE_ROWS);
            }
            fetch_some(&fetching);
            (beside == 1 ? outer : outer_wide)(&t, min_idx(TILE_ROWS, left));
        }
        t.a += p->a_block;
        c += TILE_ROWS * PANEL;
    }
    end_fetching(&fetching);
}
