/* digit_product.c - C = start + A B of digits, by tiles of AMX; of a row alone by
 * vectors, which read its weights faster than tiles do.
 *
 * The sums are whole numbers below 2^31, up to 43,000 of k, three for each output: of
 * the products that stand for 2^32, 2^24 and 2^16. Whatever makes them, they are the
 * same, and one function turns them into a number. */
#include "digits.h"

#if AMX

#include <string.h>

#define WITH_TILES __attribute__((target("amx-tile,amx-int8")))
#define WITH_VECTORS __attribute__((target("avx512vnni")))

typedef int32_t whole;

/* Rows of each of the tiles. What was written before is there for them to read. */
WITH_TILES static void set_tiles(const uint8_t rows[8])
{
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } shapes = {.palette = 1};
    for (int k = 0; k < 8; ++k) {
        shapes.row_bytes[k] = LINE;
        shapes.rows[k] = rows[k];
    }
    __asm__ volatile(""
                     : "+m"(shapes)
                     :
                     : "memory"); /* GCC 12 takes a pointer's size */
    _tile_loadconfig(&shapes);
}

WITH_TILES void NAME(release_tiles)(void) { _tile_release(); }

/* Rows of a tile, and rows up to which a tile holds all three places of each. */
enum { ROWS = 16, TWO = 2 * ROWS, FEW_ROWS = ROWS / DIGITS_PLACES };

/* Three sums of a row and a panel, and of rows of a tile. */
enum { SUMS = 3, TILE = ROWS * 16 };

/* Panels of B, and where their C is. */
typedef struct {
    const digit *b;
    const real *start;
    real *c;
} Panel;

/* What a row of sums becomes: none of it is read again behind a store. */
typedef struct {
    const real *scale, *start;
    real *c;
    idx start_row, c_row;
    vec unit; /* of the panel */
} End;

ALWAYS_INLINE End end_of(const DigitProduct *p, const Panel *panel, idx r)
{
    return (End){.scale = p->a->scale + r,
                 .start = panel->start + r * p->start_row,
                 .c = panel->c + r * p->c_row,
                 .start_row = p->start_row,
                 .c_row = p->c_row,
                 .unit = *(const vec *)panel->b};
}

/* The next row, whose sums are these. */
ALWAYS_INLINE void finish(End *end, ivec x0, ivec x1, ivec x2)
{
    vec sum = __builtin_convertvector(x0, vec);
    sum += __builtin_convertvector(x1, vec) * R(0x1p-8);
    sum += __builtin_convertvector(x2, vec) * R(0x1p-16);
    sum *= splat(*end->scale++);
    *(vec *)end->c = *(const vec *)end->start + sum * end->unit;
    end->start += end->start_row;
    end->c += end->c_row;
}

/* --- a row alone, by vectors ------------------------------------------------------ */

enum { BESIDE = 4 };

WITH_VECTORS static void one_row(const DigitProduct *p, const Panel *panel, int there)
{
    __m512i x[BESIDE][SUMS];
    EACH (j, BESIDE)
        EACH (i, SUMS)
            x[j][i] = _mm512_load_si512(panel[j].b + (1 + i) * LINE);
    const digit *a = p->a->digits;
    const digit *b[BESIDE];
    EACH (j, BESIDE)
        b[j] = panel[j].b + DIGITS_HEAD;
    for (idx k = 0; k < p->a->depth; ++k, a += DIGITS_ROW)
        for (idx line = 0; line < DIGITS_TILE; line += LINE) {
            __m512i row[DIGITS_PLACES];
            EACH (i, DIGITS_PLACES) {
                int32_t four;
                memcpy(&four, a + i * DIGITS_DEPTH + line / 16, sizeof four);
                row[i] = _mm512_set1_epi32(four);
            }
            EACH (j, BESIDE) {
                const digit *at = b[j] + k * DIGITS_BLOCK + line;
                __m512i high = _mm512_load_si512(at),
                        middle = _mm512_load_si512(at + DIGITS_TILE);
                const __m512i low = _mm512_load_si512(at + 2 * DIGITS_TILE);
                __asm__("" : "+v"(high), "+v"(middle)); /* not to be read again */
                x[j][0] = _mm512_dpbusd_epi32(x[j][0], row[0], high);
                x[j][1] = _mm512_dpbusd_epi32(x[j][1], row[0], middle);
                x[j][2] = _mm512_dpbusd_epi32(x[j][2], row[0], low);
                x[j][1] = _mm512_dpbusd_epi32(x[j][1], row[1], high);
                x[j][2] = _mm512_dpbusd_epi32(x[j][2], row[1], middle);
                x[j][2] = _mm512_dpbusd_epi32(x[j][2], row[2], high);
            }
        }
    EACH (j, BESIDE) {
        End end = end_of(p, panel + j, 0);
        if (j < there)
            finish(&end, (ivec)x[j][0], (ivec)x[j][1], (ivec)x[j][2]);
    }
}

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

#define ADD_A(c, b, from)        \
    LOAD(7, (from), DIGITS_ROW); \
    ADD(c, 7, b)

/* What comes next, from behind the second cache: so many lines, for each block. */
typedef struct {
    const digit *at;
    idx skip;
    int lines;
} Ahead;

WITH_TILES static void two_blocks(const DigitProduct *p, const Panel *panel, idx r,
                                  idx rows, Ahead ahead)
{
    whole x[2 * SUMS * TILE] __attribute__((aligned(LINE)));
    const digit *a0 = p->a->digits + r * DIGITS_ROW, *a1 = a0 + ROWS * DIGITS_ROW;
    const digit *b = panel->b + DIGITS_HEAD;
    CLEAR_SIX;
    for (idx k = 0; k < p->a->depth; ++k) {
        LOAD(6, b, LINE);
        ADD_A(0, 6, a0);
        ADD_A(3, 6, a1);
        ADD_A(1, 6, a0 + DIGITS_DEPTH);
        ADD_A(4, 6, a1 + DIGITS_DEPTH);
        ADD_A(2, 6, a0 + 2 * DIGITS_DEPTH);
        ADD_A(5, 6, a1 + 2 * DIGITS_DEPTH);
        LOAD(6, b + DIGITS_TILE, LINE);
        ADD_A(1, 6, a0);
        ADD_A(4, 6, a1);
        ADD_A(2, 6, a0 + DIGITS_DEPTH);
        ADD_A(5, 6, a1 + DIGITS_DEPTH);
        LOAD(6, b + 2 * DIGITS_TILE, LINE);
        ADD_A(2, 6, a0);
        ADD_A(5, 6, a1);
        a0 += p->a->skip;
        a1 += p->a->skip;
        b += DIGITS_BLOCK;
        for (int line = 0; line < ahead.lines; ++line)
            __builtin_prefetch(ahead.at + line * LINE, 0, 2);
        ahead.at += ahead.skip;
    }
    STORE_SIX(x);
    finish_rows(p, panel, r, ROWS, x);
    finish_rows(p, panel, r + ROWS, rows - ROWS, x + SUMS * TILE);
}

/* --- any rows and panels ---------------------------------------------------------- */

/* Goes from panel to panel. */
typedef struct {
    Panel panel;
    idx own, left; /* its place in its group; panels from it on */
} Cursor;

ALWAYS_INLINE Cursor first_panel(const DigitProduct *p)
{
    return (Cursor){.panel = {.b = p->b, .start = p->start, .c = p->c},
                    .left = p->groups * p->panels};
}

ALWAYS_INLINE Panel take_panel(const DigitProduct *p, Cursor *cursor)
{
    const Panel panel = cursor->panel;
    Panel *next = &cursor->panel;
    --cursor->left;
    if (++cursor->own < p->panels) {
        next->b += digits_panel(p->a->depth);
        next->start += p->start_panel;
        next->c += p->c_panel;
    } else {
        const idx back = cursor->own - 1;
        next->b += p->b_group - back * digits_panel(p->a->depth);
        next->start += p->start_group - back * p->start_panel;
        next->c += p->c_group - back * p->c_panel;
        cursor->own = 0;
    }
    return panel;
}

/* Panels beside one another, so many or what is left; the last stands for those that
 * are not there. */
ALWAYS_INLINE int take_panels(const DigitProduct *p, Cursor *cursor, const int count,
                              Panel *panel)
{
    const int there = (int)min_idx(count, cursor->left);
    for (int j = 0; j < count; ++j)
        panel[j] = j < there ? take_panel(p, cursor) : panel[there - 1];
    return there;
}

/* Two blocks of rows at a time go through panels that stay in the first cache. */
static void shallow_rows(const DigitProduct *p, idx rows)
{
    enum { GROUP = 4 };
    Panel panel[GROUP];
    for (Cursor cursor = first_panel(p); cursor.left > 0;) {
        const int there = take_panels(p, &cursor, GROUP, panel);
        for (idx r = 0; r < rows; r += TWO)
            for (int j = 0; j < there; ++j)
                two_blocks(p, panel + j, r, min_idx(TWO, rows - r), (Ahead){0});
    }
}

/* Of deep sums the smaller of A and B is read again and again, from the second cache,
 * and the larger once. */
static void deep_panels(const DigitProduct *p, idx rows)
{
    for (Cursor cursor = first_panel(p); cursor.left > 0;) {
        const Panel panel = take_panel(p, &cursor);
        Ahead ahead = {.at = panel.b + DIGITS_HEAD + 2 * DIGITS_BLOCK,
                       .skip = DIGITS_BLOCK,
                       .lines = DIGITS_BLOCK / LINE};
        for (idx r = 0; r < rows; r += TWO, ahead.lines = 0)
            two_blocks(p, &panel, r, min_idx(TWO, rows - r), ahead);
    }
}

static void deep_rows(const DigitProduct *p, idx rows)
{
    for (idx r = 0; r < rows; r += TWO) {
        Ahead ahead = {.at = p->a->digits + (r + TWO) * DIGITS_ROW,
                       .skip = p->a->skip,
                       .lines = TWO * DIGITS_ROW / LINE};
        for (Cursor cursor = first_panel(p); cursor.left > 0; ahead.lines = 0) {
            const Panel panel = take_panel(p, &cursor);
            two_blocks(p, &panel, r, min_idx(TWO, rows - r), ahead);
        }
    }
}

static void many_rows(const DigitProduct *p, idx rows)
{
    if (p->a->depth <= 4)
        shallow_rows(p, rows);
    else if (rows > p->groups * p->panels * PANEL)
        deep_rows(p, rows);
    else
        deep_panels(p, rows);
}

static void row_alone(const DigitProduct *p)
{
    Panel panel[BESIDE];
    for (Cursor cursor = first_panel(p); cursor.left > 0;) {
        const int there = take_panels(p, &cursor, BESIDE, panel);
        one_row(p, panel, there);
    }
}

/* Rows r .. r + rows, of a block. */
static void rest_of_rows(const DigitProduct *p, idx r, idx rows)
{
    Panel panel[2];
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
    const idx rows = p->a->rows, rest = rows % TWO > ROWS ? 0 : rows % TWO;
    if (p->a->raised) {
        row_alone(p);
        return;
    }
    if (rows - rest > 0) {
        set_tiles((uint8_t[8]){16, 16, 16, 16, 16, 16, 16, 16});
        many_rows(p, rows - rest);
    }
    if (rest > 0) {
        const uint8_t most = (uint8_t)(rest > FEW_ROWS ? ROWS : rest * DIGITS_PLACES);
        set_tiles((uint8_t[8]){most, most, most, most, most, most, most, ROWS});
        rest_of_rows(p, rows - rest, rest);
    }
}

#endif
