/* digit_product.h - what products of digits share, whatever makes their sums. */
#ifndef LSTMC_DIGIT_PRODUCT_H
#define LSTMC_DIGIT_PRODUCT_H

#include "digits.h"

/* Three sums for each output: of the products that stand for 2^32, 2^24 and 2^16. */
enum { SUMS = 3 };

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

/* digit_row.c: of a row alone, whose digits are raised. */
void NAME(digit_row)(const DigitProduct *);

#endif
