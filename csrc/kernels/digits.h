/* digits.h - products of float32 in whole numbers, by AMX: no order of the sums
 * matters, and none of them is rounded.
 *
 *   x = u (x2 2^16 + x1 2^8 + x0)         digits from -128 to 127
 *   a b ~ u v (a2 b2 2^32 + (a2 b1 + a1 b2) 2^24 + (a2 b0 + a1 b1 + a0 b2) 2^16)
 *
 * A row of A and a column of B have one unit each, u and v, of which their largest
 * number is 8,355,710. So an error is one of the largest, not of each: what is left out
 * of a product is below 2^-23 of the largest one, and as often above as below zero. A
 * row or a column with a NaN or an infinity becomes NaN. Three bytes for each weight
 * are a quarter less to read than four. */
#ifndef LSTMC_DIGITS_H
#define LSTMC_DIGITS_H

#include "cpu.h"
#include "kernels.h"

#define AMX (KNOWS_AMX && !LSTMC_F64 && VECTOR == 64)

typedef int8_t digit;

/* A block of the sum over k: so many digits of a row, of each of three places; and of B
 * the tiles of all three, (place, k / 4, PANEL, 4). */
enum {
    DIGITS_DEPTH = 64,
    DIGITS_PLACES = 3,
    DIGITS_ROW = DIGITS_PLACES * DIGITS_DEPTH,
    DIGITS_TILE = 16 * LINE,
    DIGITS_BLOCK = DIGITS_PLACES * DIGITS_TILE,
    /* Before the blocks of a panel: 2^16 units, and where sums of a row alone start. */
    DIGITS_HEAD = 4 * LINE
};

/* Blocks of the sum over k. */
ALWAYS_INLINE idx digits_depth(idx k) { return (k + DIGITS_DEPTH - 1) / DIGITS_DEPTH; }

/* Digits of a panel. */
ALWAYS_INLINE idx digits_panel(idx depth) { return DIGITS_HEAD + depth * DIGITS_BLOCK; }

/* Rows of A, (depth, rows, places, k), `skip` from block to block, and 2^16 units of
 * each. A tile has 16 of them: it reads on behind the last, and what that makes is
 * dropped. */
typedef struct {
    digit *digits;
    real *scale;
    idx rows, skip, depth;
    int raised; /* digits count 128 more: of a row alone, for vectors */
} DigitRows;

/* Bytes of them, and where they lie there. */
ALWAYS_INLINE idx digit_rows_size(idx rows, idx depth)
{
    return (depth * rows + 16) * DIGITS_ROW + panels_of(rows) * LINE;
}

ALWAYS_INLINE DigitRows lay_out_digits(void *at, idx rows, idx depth)
{
    char *scale = (char *)at + (depth * rows + 16) * DIGITS_ROW;
    return (DigitRows){.digits = at, .scale = (real *)scale};
}

/* C = start + A B, with A of a Product in `to` and the rest as it says; `b` (groups,
 * panels), `b_group` in digits. */
typedef struct {
    const DigitRows *a;
    idx panels, groups;
    const digit *b;
    idx b_group;
    const real *start;
    idx start_panel, start_group, start_row;
    real *c;
    idx c_panel, c_group, c_row;
} DigitProduct;

/* What a Product is, over rows in digits. */
ALWAYS_INLINE DigitProduct digits_for(const Product *p, const DigitRows *a,
                                      const digit *b, idx b_group)
{
    return (DigitProduct){.a = a,
                          .panels = p->panels,
                          .groups = p->groups,
                          .b = b,
                          .b_group = b_group,
                          .start = p->start,
                          .start_panel = p->start_panel,
                          .start_group = p->start_group,
                          .start_row = p->start_row,
                          .c = p->c,
                          .c_panel = p->c_panel,
                          .c_group = p->c_group,
                          .c_row = p->c_row};
}

/* The digits of k rows of a panel, (k, PANEL), of which row j is weighed by by[j]; and
 * of rows of runs as in a Product, number k weighed by by[k]; more runs than one, and
 * what lies between them, are of whole panels. NULL: as they are. */
void NAME(split_panel)(const real *panel, idx k, const real *by, digit *to);
void NAME(split_rows)(const Product *, const real *by, DigitRows *to);

/* Rows that lie anywhere, some lines of each; numbers beyond `width` are none. */
typedef struct {
    const real *const *row, *const *by; /* what rows are multiplied by; NULL: nothing */
    idx rows, width;
} Lines;

enum { MOST_LINES = 4 };

/* The digits of their columns, of a panel for each line; and sums of the columns. */
void NAME(split_lines)(const Lines *, vec *sum, digit *to);

void NAME(digit_product)(const DigitProduct *);

/* By a thread that has multiplied: its tiles are nobody's any more. */
void NAME(release_tiles)(void);

/* digit_gradient.c: what the functions of gradient.c leave to it. */
idx NAME(split_gradient_size)(const Sequence *);
void NAME(split_seen)(const Sequence *, Window);
void NAME(split_gradient)(const Sequence *, Window);

/* digit_weights.c: the weights of all parts, by the whole team, each of which then may
 * use them. */
void NAME(split_weights)(const Sequence *);
/* split.c: room for them; or what lstmc_split has made of them. */
void NAME(lay_out_digits)(const Sequence *, Arena *);
idx NAME(split_size)(const lstmc_layer *);
void NAME(split)(const lstmc_layer *, const void *packed, void *split);
int NAME(is_split)(const lstmc_layer *, const void *packed, const void *split);
void NAME(take_digits)(const Sequence *, const void *split);

/* Numbers of a source, columns that read it, the first of them, and whose panels. */
ALWAYS_INLINE idx source_width(const Plan *plan, int k)
{
    return k == FROM_X      ? plan->inputs
           : k == FROM_LATE ? plan->units
                            : width_of(plan, plan->row[k].state);
}

ALWAYS_INLINE int source_columns(const Plan *plan, int k)
{
    return k == FROM_X      ? plan->x_count
           : k == FROM_LATE ? plan->late_count
           : k < plan->rows ? plan->reader[k].count
                            : 0;
}

ALWAYS_INLINE int source_first(const Plan *plan, int k)
{
    return k == FROM_X      ? plan->x_first
           : k == FROM_LATE ? plan->late_first
                            : plan->reader[k].first;
}

ALWAYS_INLINE idx source_panels(const Plan *plan, int k)
{
    return k == FROM_LATE ? plan->late_panels : plan->panels;
}

/* Digits of what a column of a panel has of a source; where those of column g are. */
ALWAYS_INLINE idx source_size(const Plan *plan, int k)
{
    return digits_panel(digits_depth(source_width(plan, k)));
}

ALWAYS_INLINE idx source_offset(const Plan *plan, int k, idx p, int g)
{
    return (p * source_columns(plan, k) + g - source_first(plan, k)) *
           source_size(plan, k);
}

/* Room for a Split of them. */
ALWAYS_INLINE Split take_split(Arena *arena, const Plan *plan, int k)
{
    const idx columns = source_panels(plan, k) * source_columns(plan, k);
    const idx width = panels_of(source_width(plan, k)) * PANEL;
    return (Split){.panels = take(arena, columns * source_size(plan, k), 1),
                   .balance = take(arena, 2 * width, sizeof(real))};
}

/* Blocks of the sum over the columns of all panels that read a source. */
ALWAYS_INLINE idx turned_depth(const Plan *plan, int k)
{
    return digits_depth(source_panels(plan, k) * source_columns(plan, k) * PANEL);
}

ALWAYS_INLINE idx turned_size(const Plan *plan, int k)
{
    return panels_of(source_width(plan, k)) * digits_panel(turned_depth(plan, k));
}

/* Whether what reads a source is made of digits: of a block at least, which of x may be
 * half zeros, and none whose sums leave 32 bits. */
ALWAYS_INLINE int digits_pay(const Sequence *s, int k)
{
    enum { MOST = 512 };
    const Plan *plan = &s->plan;
    if (!AMX || !s->digits || source_columns(plan, k) == 0)
        return 0;
    const idx least = k == FROM_X ? DIGITS_DEPTH / 2 : DIGITS_DEPTH;
    const idx width = source_width(plan, k);
    return width >= least && digits_depth(width) <= MOST &&
           turned_depth(plan, k) <= MOST;
}

/* The weights' gradient, by what a unit sees times units. */
ALWAYS_INLINE int gradient_digits_pay(const Sequence *s)
{
    const Plan *plan = &s->plan;
    return AMX && s->digits && (plan->inputs + plan->outputs) * plan->units >= 4096;
}

#if AMX
#include <immintrin.h>

/* The bits of the largest |x|; those of a NaN are more than those of any number. */
ALWAYS_INLINE uvec larger(uvec most, vec x)
{
    return (uvec)_mm512_max_epu32((__m512i)most, (__m512i)((uvec)x & 0x7fffffff));
}
#endif

#endif
