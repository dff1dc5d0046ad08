/* digit_product.c - C = start + A B of digits, by tiles of AMX.
 *
 * The sums are whole numbers below 2^31, up to 43,000 of k. Whatever makes them, they
 * are the same, and one function turns them into a number. */
#include "digit_product.h"

#if AMX

#define WITH_TILES __attribute__((target("amx-tile,amx-int8")))

typedef int32_t whole;

/* Rows of a tile, its numbers, and rows of which it holds all three places. */
enum { ROWS = 16, TWO = 2 * ROWS, TILE = ROWS * 16, FEW_ROWS = ROWS / DIGITS_PLACES };

/* Tiles of so many rows, but 7, which is B's, of all. What was written before is there
 * for them to read. */
WITH_TILES static void set_tiles(idx rows)
{
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } shapes = {.palette = 1};
    for (int k = 0; k < 8; ++k) {
        shapes.row_bytes[k] = LINE;
        shapes.rows[k] = (uint8_t)(k < 7 ? rows : ROWS);
    }
    /* GCC 12 takes the address for all that is read. */
    __asm__ volatile("" : "+m"(shapes)::"memory");
    _tile_loadconfig(&shapes);
}

WITH_TILES void NAME(release_tiles)(void) { _tile_release(); }

/* --- few rows: tile 6 has all their places, 0 to 5 the products with each of B ---- */

#define LOAD(tile, from, apart) _tile_loadd(tile, (from), (apart))
#define STORE(tile, to) _tile_stored(tile, (to), LINE)
#define ADD(c, a, b) _tile_dpbssd(c, a, b)
#define CLEAR_SIX  \
    _tile_zero(0); \
    _tile_zero(1); \
    _tile_zero(2); \
    _tile_zero(3); \
    _tile_zero(4); \
    _tile_zero(5)
#define STORE_SIX(x)          \
    STORE(0, (x));            \
    STORE(1, (x) + TILE);     \
    STORE(2, (x) + 2 * TILE); \
    STORE(3, (x) + 3 * TILE); \
    STORE(4, (x) + 4 * TILE); \
    STORE(5, (x) + 5 * TILE)
#define ADD_B(c, a, from)  \
    LOAD(7, (from), LINE); \
    ADD(c, a, 7)

WITH_TILES static void few_rows(const DigitProduct *p, const Panel *panel, int there,
                                idx r, idx rows)
{
    whole x[2 * SUMS * TILE] __attribute__((aligned(LINE)));
    const digit *a = p->a->digits + r * DIGITS_ROW;
    const digit *b0 = panel[0].b + DIGITS_HEAD, *b1 = panel[1].b + DIGITS_HEAD;
    CLEAR_SIX;
    for (idx k = 0; k < p->a->depth; ++k) {
        LOAD(6, a, DIGITS_DEPTH);
        ADD_B(0, 6, b0);
        ADD_B(1, 6, b0 + DIGITS_TILE);
        ADD_B(2, 6, b0 + 2 * DIGITS_TILE);
        ADD_B(3, 6, b1);
        ADD_B(4, 6, b1 + DIGITS_TILE);
        ADD_B(5, 6, b1 + 2 * DIGITS_TILE);
        a += p->a->skip;
        b0 += DIGITS_BLOCK;
        b1 += DIGITS_BLOCK;
    }
    STORE_SIX(x);
    for (int j = 0; j < there; ++j) {
        const ivec *of = (const ivec *)(x + j * SUMS * TILE);
        End end = end_of(p, panel + j, r);
        for (idx k = 0; k < rows; ++k, of += DIGITS_PLACES)
            finish(&end, of[0], of[1] + of[ROWS], of[2] + of[ROWS + 1] + of[2 * ROWS]);
    }
}

/* --- a block of rows and two panels, or two blocks and one ------------------------ */

/* The sums of rows r on, in tiles. */
ALWAYS_INLINE void finish_rows(const DigitProduct *p, const Panel *panel, idx r,
                               idx rows, const whole *x)
{
    const ivec *of = (const ivec *)x;
    End end = end_of(p, panel, r);
    for (idx k = 0; k < rows; ++k)
        finish(&end, of[k], of[k + ROWS], of[k + 2 * ROWS]);
}

WITH_TILES static void one_block(const DigitProduct *p, const Panel *panel, int there,
                                 idx r, idx rows)
{
    whole x[2 * SUMS * TILE] __attribute__((aligned(LINE)));
    const digit *a = p->a->digits + r * DIGITS_ROW;
    const digit *b0 = panel[0].b + DIGITS_HEAD, *b1 = panel[1].b + DIGITS_HEAD;
    CLEAR_SIX;
    for (idx k = 0; k < p->a->depth; ++k) {
        LOAD(6, a, DIGITS_ROW);
        ADD_B(0, 6, b0);
        ADD_B(3, 6, b1);
        ADD_B(1, 6, b0 + DIGITS_TILE);
        ADD_B(4, 6, b1 + DIGITS_TILE);
        ADD_B(2, 6, b0 + 2 * DIGITS_TILE);
        ADD_B(5, 6, b1 + 2 * DIGITS_TILE);
        LOAD(6, a + DIGITS_DEPTH, DIGITS_ROW);
        ADD_B(1, 6, b0);
        ADD_B(4, 6, b1);
        ADD_B(2, 6, b0 + DIGITS_TILE);
        ADD_B(5, 6, b1 + DIGITS_TILE);
        LOAD(6, a + 2 * DIGITS_DEPTH, DIGITS_ROW);
        ADD_B(2, 6, b0);
        ADD_B(5, 6, b1);
        a += p->a->skip;
        b0 += DIGITS_BLOCK;
        b1 += DIGITS_BLOCK;
    }
    STORE_SIX(x);
    for (int j = 0; j < there; ++j)
        finish_rows(p, panel + j, r, rows, x + j * SUMS * TILE);
}

#define ADD_A(c, from)           \
    LOAD(6, (from), DIGITS_ROW); \
    ADD(c, 6, 7)

/* Two blocks of a height from the first row on, up to the last at most. */
typedef struct {
    idx first, last, height;
} Rows;

/* What comes next, from behind the second cache: so many lines, for each block. */
typedef struct {
    const digit *at;
    idx skip;
    int lines;
} Ahead;

WITH_TILES static void two_blocks(const DigitProduct *p, const Panel *panel, Rows rows,
                                  Ahead ahead)
{
    whole x[2 * SUMS * TILE] __attribute__((aligned(LINE)));
    const digit *a0 = p->a->digits + rows.first * DIGITS_ROW;
    const digit *a1 = a0 + rows.height * DIGITS_ROW, *b = panel->b + DIGITS_HEAD;
    CLEAR_SIX;
    for (idx k = 0; k < p->a->depth; ++k) {
        LOAD(7, b, LINE);
        ADD_A(0, a0);
        ADD_A(3, a1);
        ADD_A(1, a0 + DIGITS_DEPTH);
        ADD_A(4, a1 + DIGITS_DEPTH);
        ADD_A(2, a0 + 2 * DIGITS_DEPTH);
        ADD_A(5, a1 + 2 * DIGITS_DEPTH);
        LOAD(7, b + DIGITS_TILE, LINE);
        ADD_A(1, a0);
        ADD_A(4, a1);
        ADD_A(2, a0 + DIGITS_DEPTH);
        ADD_A(5, a1 + DIGITS_DEPTH);
        LOAD(7, b + 2 * DIGITS_TILE, LINE);
        ADD_A(2, a0);
        ADD_A(5, a1);
        a0 += p->a->skip;
        a1 += p->a->skip;
        b += DIGITS_BLOCK;
        for (int line = 0; line < ahead.lines; ++line)
            __builtin_prefetch(ahead.at + line * LINE, 0, 2);
        ahead.at += ahead.skip;
    }
    STORE_SIX(x);
    const idx left = rows.last - rows.first, second = left - rows.height;
    finish_rows(p, panel, rows.first, min_idx(rows.height, left), x);
    finish_rows(p, panel, rows.first + rows.height, min_idx(rows.height, second),
                x + SUMS * TILE);
}

/* --- any rows and panels ---------------------------------------------------------- */

/* Two blocks of rows at a time go through panels that stay in the first cache. */
static void shallow_rows(const DigitProduct *p, Rows rows)
{
    enum { GROUP = 4 };
    Panel panel[GROUP];
    for (Cursor cursor = first_panel(p); cursor.left > 0;) {
        const int there = take_panels(p, &cursor, GROUP, panel);
        for (rows.first = 0; rows.first < rows.last; rows.first += 2 * rows.height)
            for (int j = 0; j < there; ++j)
                two_blocks(p, panel + j, rows, (Ahead){0});
    }
}

/* Of deep sums the smaller of A and B is read again and again, from the second cache,
 * and the larger once. */
static void deep_panels(const DigitProduct *p, Rows rows)
{
    for (Cursor cursor = first_panel(p); cursor.left > 0;) {
        const Panel panel = take_panel(p, &cursor);
        Ahead ahead = {.at = panel.b + DIGITS_HEAD + 2 * DIGITS_BLOCK,
                       .skip = DIGITS_BLOCK,
                       .lines = DIGITS_BLOCK / LINE};
        for (rows.first = 0; rows.first < rows.last; rows.first += 2 * rows.height) {
            two_blocks(p, &panel, rows, ahead);
            ahead.lines = 0;
        }
    }
}

static void deep_rows(const DigitProduct *p, Rows rows)
{
    for (; rows.first < rows.last; rows.first += 2 * rows.height) {
        Ahead ahead = {.at = p->a->digits + (rows.first + 2 * rows.height) * DIGITS_ROW,
                       .skip = p->a->skip,
                       .lines = 2 * (int)rows.height * DIGITS_ROW / LINE};
        for (Cursor cursor = first_panel(p); cursor.left > 0; ahead.lines = 0) {
            const Panel panel = take_panel(p, &cursor);
            two_blocks(p, &panel, rows, ahead);
        }
    }
}

/* Blocks of equal height: tiles take as long as they are high. */
static void many_rows(const DigitProduct *p, idx count)
{
    const idx blocks = (count + TWO - 1) / TWO * 2;
    const Rows rows = {.last = count, .height = (count + blocks - 1) / blocks};
    set_tiles(rows.height);
    if (p->a->depth <= 4)
        shallow_rows(p, rows);
    else if (count > p->groups * p->panels * PANEL)
        deep_rows(p, rows);
    else
        deep_panels(p, rows);
}

/* Rows r .. r + rows, of a block. */
static void rows_of_a_block(const DigitProduct *p, idx r, idx rows)
{
    Panel panel[2];
    set_tiles(rows <= FEW_ROWS ? rows * DIGITS_PLACES : rows);
    for (Cursor cursor = first_panel(p); cursor.left > 0;) {
        const int there = take_panels(p, &cursor, 2, panel);
        if (rows <= FEW_ROWS)
            few_rows(p, panel, there, r, rows);
        else
            one_block(p, panel, there, r, rows);
    }
}

void NAME(digit_product)(const DigitProduct *p)
{
    const idx rows = p->a->rows, rest = rows % TWO;
    const idx few = rest <= FEW_ROWS ? rest : 0, many = rows - few;
    if (p->a->raised) {
        NAME(digit_row)(p);
        return;
    }
    if (many > ROWS)
        many_rows(p, many);
    else if (many > 0)
        rows_of_a_block(p, 0, many);
    if (few > 0)
        rows_of_a_block(p, many, few);
}

#endif
