/* amx.c - the product of tiles of AMX: four sums beside one another, since one alone
 * waits three times as long for itself as the next could start. */
#include "amx.h"

#if AMX

#define WITH_TILES __attribute__((target("amx-tile,amx-bf16")))

/* Blocks of the sum that go through all panels before the next ones do: of two blocks
 * of rows they take half of the first cache. */
#define AT_ONCE 4

/* What the tile registers hold: 0 to 3 are of C. */
typedef struct {
    uint8_t palette, start, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} Shapes;

WITH_TILES static void set_shapes(const uint8_t rows[8])
{
    Shapes shapes = {.palette = 1};
    for (int k = 0; k < 8; ++k) {
        shapes.row_bytes[k] = LINE;
        shapes.rows[k] = rows[k];
    }
    __asm__ volatile("" : "+m"(shapes)); /* GCC 12 takes it for a pointer's size */
    _tile_loadconfig(&shapes);
}

/* Of B, and of C at some row. */
typedef struct {
    const bfloat16 *b;
    real *c;
} Panel;

/* What comes next from far away, of two blocks of rows: so many lines of each with each
 * block of the sum, and C of the same panels. */
typedef struct {
    const char *a[2];
    idx lines;
} Ahead;

#define LOAD(tile, from) _tile_loadd(tile, (from), LINE)
#define STORE(tile, to) _tile_stored(tile, (to), LINE)
#define ADD(c, a, b) _tile_dpbf16ps(c, a, b)

/* --- two blocks of rows, two panels: A in 4 and 5, B in 6 and 7 ------------------ */

#define TAKE_A(part)                \
    LOAD(4, a + (part) * AMX_TILE); \
    LOAD(5, a + a_next + (part) * AMX_TILE)
#define TAKE_B(part)                 \
    LOAD(6, b0 + (part) * AMX_TILE); \
    LOAD(7, b1 + (part) * AMX_TILE)
#define ADD_FOUR  \
    ADD(0, 4, 6); \
    ADD(1, 4, 7); \
    ADD(2, 5, 6); \
    ADD(3, 5, 7)

enum { C_LINES = 2 * AMX_ROWS / AT_ONCE };

static void fetch(Ahead *ahead, const char *c0, const char *c1)
{
    for (idx j = 0; j < ahead->lines; ++j) {
        __builtin_prefetch(ahead->a[0] + j * LINE, 0, 2);
        __builtin_prefetch(ahead->a[1] + j * LINE, 0, 2);
    }
    ahead->a[0] += ahead->lines * LINE;
    ahead->a[1] += ahead->lines * LINE;
    for (int j = 0; j < C_LINES; ++j) {
        __builtin_prefetch(c0 + j * LINE, 1, 2);
        __builtin_prefetch(c1 + j * LINE, 1, 2);
    }
}

WITH_TILES static void two_by_two(const bfloat16 *a, idx a_next, const Panel *panel,
                                  idx depth, Ahead *ahead)
{
    enum { BELOW = AMX_ROWS * PANEL };
    const bfloat16 *b0 = panel[0].b, *b1 = panel[1].b;
    LOAD(0, panel[0].c);
    LOAD(1, panel[1].c);
    LOAD(2, panel[0].c + BELOW);
    LOAD(3, panel[1].c + BELOW);
    for (idx k = 0; k < depth; ++k) {
        TAKE_B(0);
        TAKE_A(2);
        ADD_FOUR;
        TAKE_A(1);
        ADD_FOUR;
        TAKE_A(0);
        ADD_FOUR;
        TAKE_B(2);
        ADD_FOUR;
        TAKE_B(1);
        ADD_FOUR;
        TAKE_A(1);
        ADD_FOUR;
        fetch(ahead, (const char *)(panel[0].c + 2 * BELOW) + k * C_LINES * LINE,
              (const char *)(panel[1].c + 2 * BELOW) + k * C_LINES * LINE);
        a += AMX_BLOCK;
        b0 += AMX_BLOCK;
        b1 += AMX_BLOCK;
    }
    STORE(0, panel[0].c);
    STORE(1, panel[1].c);
    STORE(2, panel[0].c + BELOW);
    STORE(3, panel[1].c + BELOW);
}

/* --- one block of rows, four panels: A in 4 to 6, B in 7 ------------------------- */

/* The same six in the same order. */
#define ADD_SIX(c, b)            \
    LOAD(7, b);                  \
    ADD(c, 6, 7);                \
    ADD(c, 5, 7);                \
    ADD(c, 4, 7);                \
    LOAD(7, (b) + 2 * AMX_TILE); \
    ADD(c, 4, 7);                \
    LOAD(7, (b) + AMX_TILE);     \
    ADD(c, 4, 7);                \
    ADD(c, 5, 7)

WITH_TILES static void one_by_four(const bfloat16 *a, const Panel *panel, idx depth)
{
    LOAD(0, panel[0].c);
    LOAD(1, panel[1].c);
    LOAD(2, panel[2].c);
    LOAD(3, panel[3].c);
    for (idx k = 0; k < depth * AMX_BLOCK; k += AMX_BLOCK) {
        LOAD(4, a + k);
        LOAD(5, a + k + AMX_TILE);
        LOAD(6, a + k + 2 * AMX_TILE);
        ADD_SIX(0, panel[0].b + k);
        ADD_SIX(1, panel[1].b + k);
        ADD_SIX(2, panel[2].b + k);
        ADD_SIX(3, panel[3].b + k);
    }
    STORE(0, panel[0].c);
    STORE(1, panel[1].c);
    STORE(2, panel[2].c);
    STORE(3, panel[3].c);
}

/* --- any rows and panels --------------------------------------------------------- */

/* From block k of the sum on, of at most two blocks of rows. `nowhere` is C of the
 * panels that are short of two or four. */
static void add_part(const AmxProduct *p, idx k, idx row, idx rows, real *nowhere)
{
    const idx beside = rows > AMX_ROWS ? 2 : 4, depth = min_idx(AT_ONCE, p->depth - k);
    const bfloat16 *a = p->a + row / AMX_ROWS * p->a_next + k * AMX_BLOCK;
    const char *next = (const char *)(a + 2 * p->a_next);
    /* A block's lines, by the products of two panels that it goes through. */
    Ahead ahead = {.a = {next, next + p->a_next * (idx)sizeof *a},
                   .lines = (2 * AMX_PARTS * AMX_ROWS + p->panels - 1) / p->panels};
    for (idx q = 0; q < p->panels; q += beside) {
        Panel panel[4];
        for (idx j = 0; j < beside; ++j) {
            const int is_there = q + j < p->panels;
            panel[j].b = p->b + (is_there ? q + j : q) * p->b_panel + k * AMX_BLOCK;
            panel[j].c = is_there ? p->c[q + j] + row * PANEL : nowhere;
        }
        if (beside == 2)
            two_by_two(a, p->a_next, panel, depth, &ahead);
        else
            one_by_four(a, panel, depth);
    }
}

/* Rows first .. last, `height` at once. */
static void add_rows(const AmxProduct *p, idx first, idx last, idx height)
{
    real nowhere[2 * AMX_ROWS * PANEL] __attribute__((aligned(LINE))) = {0};
    for (idx row = first; row < last; row += height)
        for (idx k = 0; k < p->depth; k += AT_ONCE)
            add_part(p, k, row, height, nowhere);
}

void NAME(amx_product)(const AmxProduct *p)
{
    enum { B = AMX_ROWS, TWO = 2 * AMX_ROWS };
    const uint8_t rest = (uint8_t)(p->rows % TWO), under = rest - B;
    const idx even = p->rows - rest;
    __asm__ volatile("" : : : "memory"); /* A, B and C are written: tiles read them */
    if (even > 0) {
        set_shapes((uint8_t[8]){B, B, B, B, B, B, B, B});
        add_rows(p, 0, even, TWO);
    }
    if (rest > B)
        set_shapes((uint8_t[8]){B, B, under, under, B, under, B, B});
    else if (rest > 0)
        set_shapes((uint8_t[8]){rest, rest, rest, rest, rest, rest, rest, B});
    if (rest > 0)
        add_rows(p, even, p->rows, rest);
}

WITH_TILES void NAME(amx_release)(void) { _tile_release(); }

#endif
