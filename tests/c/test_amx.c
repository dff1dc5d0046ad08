/* test_amx.c - numbers in three parts of bfloat16, and products of their tiles: right
 * sums, whose bits are those that a row and a panel have alone.
 *
 * Compiled once per target and dtype, as kernels are; one of them has AMX. */
#include "kernels/amx.h"

#include "check.h"

#if AMX

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "problem.h"

static real number(const bfloat16 *part)
{
    const uint32_t upper = (uint32_t)*part << 16;
    real out;
    memcpy(&out, &upper, sizeof out);
    return out;
}

/* The three parts are the number, each at most 2^-8 of the one before. */
static void check_parts(const real *x, Order order)
{
    bfloat16 row[AMX_BLOCK] __attribute__((aligned(LINE)));
    amx_split(*(const vec *)x, *(const vec *)(x + PANEL), order, row);
    for (idx k = 0; k < AMX_DEPTH; ++k) {
        const idx place = order == IN_A_ROW ? k : k % PANEL * 2 + k / PANEL;
        const real x0 = number(row + place), x1 = number(row + AMX_TILE + place),
                   x2 = number(row + 2 * AMX_TILE + place);
        CHECK_SAY(x0 + x1 + x2 == x[k], "%.9g: got %.9g + %.9g + %.9g", (double)x[k],
                  (double)x0, (double)x1, (double)x2);
        CHECK(fabsf(x1) <= fabsf(x0) / 256 && fabsf(x2) <= fabsf(x0) / 65536);
    }
}

static void test_parts(void)
{
    real x[AMX_DEPTH] __attribute__((aligned(LINE)));
    for (idx k = 0; k < AMX_DEPTH; ++k)
        x[k] = (real)(uniform() * pow(2, (double)(5 * k - 80)));
    x[0] = 0;
    x[1] = -1;
    x[2] = nextafterf(2, 1); /* rounds up to the next power of two */
    x[3] = -nextafterf(1, 2);
    check_parts(x, IN_A_ROW);
    check_parts(x, SIDE_BY_SIDE);
    x[4] = NAN;
    memset(x + 5, 0xff, sizeof *x); /* a NaN of ones alone */
    bfloat16 row[AMX_BLOCK] __attribute__((aligned(LINE)));
    amx_split(*(vec *)x, *(vec *)(x + PANEL), IN_A_ROW, row);
    for (idx k = 4; k < 6; ++k)
        CHECK(isnan(number(row + k) + number(row + AMX_TILE + k) +
                    number(row + 2 * AMX_TILE + k)));
}

/* A and B as numbers, and split. */
typedef struct {
    idx rows, panels, depth;
    real *a, *b, *c, *start; /* (rows, k), (panels, k, PANEL), (panels, rows, PANEL) */
    bfloat16 *a_split, *b_split;
    real **c_panel;
} Sample;

static void *memory(idx count, size_t size)
{
    const size_t bytes = (size_t)count * size;
    void *out = aligned_alloc(LINE, (bytes + LINE - 1) / LINE * LINE);
    memset(out, 0, bytes);
    return out;
}

static Sample make_sample(idx rows, idx panels, idx depth)
{
    Sample s = {.rows = rows, .panels = panels, .depth = depth};
    const idx k = depth * AMX_DEPTH, blocks = (rows + AMX_ROWS - 1) / AMX_ROWS;
    s.a = memory(blocks * AMX_ROWS * k, sizeof(real));
    s.b = memory(panels * k * PANEL, sizeof(real));
    s.c = memory(panels * rows * PANEL, sizeof(real));
    s.start = memory(panels * rows * PANEL, sizeof(real));
    s.a_split = memory(blocks * depth * AMX_BLOCK, sizeof(bfloat16));
    s.b_split = memory(panels * depth * AMX_BLOCK, sizeof(bfloat16));
    s.c_panel = memory(panels, sizeof(real *));
    for (idx j = 0; j < rows * k; ++j)
        s.a[j] = (real)uniform();
    for (idx j = 0; j < panels * k * PANEL; ++j)
        s.b[j] = (real)uniform();
    for (idx j = 0; j < panels * rows * PANEL; ++j)
        s.c[j] = s.start[j] = (real)uniform();
    for (idx q = 0; q < panels; ++q)
        s.c_panel[q] = s.c + q * rows * PANEL;
    for (idx r = 0; r < rows; ++r)
        for (idx j = 0; j < depth; ++j) {
            const vec *from = (const vec *)(s.a + r * k + j * AMX_DEPTH);
            amx_split(from[0], from[1], IN_A_ROW,
                      s.a_split + (r / AMX_ROWS * depth + j) * AMX_BLOCK +
                          r % AMX_ROWS * AMX_DEPTH);
        }
    for (idx j = 0; j < panels * k; j += 2) {
        const vec *from = (const vec *)(s.b + j * PANEL);
        amx_split(from[0], from[1], SIDE_BY_SIDE,
                  s.b_split + j / AMX_DEPTH * AMX_BLOCK +
                      j % AMX_DEPTH / 2 * AMX_DEPTH);
    }
    return s;
}

static void free_sample(Sample *s)
{
    free(s->a);
    free(s->b);
    free(s->c);
    free(s->start);
    free(s->a_split);
    free(s->b_split);
    free(s->c_panel);
}

static void multiply(const Sample *s)
{
    const AmxProduct product = {
        .rows = s->rows,
        .panels = s->panels,
        .depth = s->depth,
        .a = s->a_split,
        .a_next = s->depth * AMX_BLOCK,
        .b = s->b_split,
        .b_panel = s->depth * AMX_BLOCK,
        .c = s->c_panel,
    };
    NAME(amx_product)(&product);
    NAME(amx_release)();
}

/* Row r of panel q by itself. */
static void multiply_alone(const Sample *s, idx q, idx r, real *out)
{
    bfloat16 *row = memory(s->depth * AMX_BLOCK, sizeof *row);
    for (idx j = 0; j < s->depth * AMX_PARTS; ++j)
        memcpy(row + j * AMX_TILE,
               s->a_split + (r / AMX_ROWS * s->depth * AMX_PARTS + j) * AMX_TILE +
                   r % AMX_ROWS * AMX_DEPTH,
               AMX_DEPTH * sizeof *row);
    memcpy(out, s->start + (q * s->rows + r) * PANEL, (size_t)PANEL * sizeof *out);
    Sample alone = *s;
    alone.rows = alone.panels = 1;
    alone.a_split = row;
    alone.b_split = s->b_split + q * s->depth * AMX_BLOCK;
    alone.c_panel = &out;
    multiply(&alone);
    free(row);
}

static void check_row(const Sample *s, idx q, idx r)
{
    const idx k = s->depth * AMX_DEPTH;
    const real *got = s->c + (q * s->rows + r) * PANEL;
    const real *start = s->start + (q * s->rows + r) * PANEL;
    real alone[LINE / sizeof(real)] __attribute__((aligned(LINE)));
    multiply_alone(s, q, r, alone);
    int right = 1;
    for (idx n = 0; n < PANEL; ++n) {
        double sum = start[n], size = fabs(sum);
        for (idx j = 0; j < k; ++j) {
            const double term = (double)s->a[r * k + j] * s->b[(q * k + j) * PANEL + n];
            sum += term;
            size += fabs(term);
        }
        /* A rounding for each of six terms, and what the parts leave out. */
        right &= fabs(got[n] - sum) <= (double)(6 * k + 1) * FLT_EPSILON * size;
    }
    CHECK_SAY(right, "row %td, panel %td: not the sum", r, q);
    CHECK_SAY(memcmp(got, alone, sizeof alone) == 0,
              "row %td, panel %td: not what it is alone", r, q);
}

/* Every rest of two blocks of rows, and of two and of four panels. */
static void test_products(void)
{
    static const idx depths[] = {1, 4, 7};
    for (size_t d = 0; d < sizeof depths / sizeof *depths; ++d)
        for (idx rows = 1; rows <= 4 * AMX_ROWS + 1; ++rows)
            for (idx panels = 1; panels <= 5; ++panels) {
                about("amx: %td rows, %td panels, %td blocks", rows, panels, depths[d]);
                Sample s = make_sample(rows, panels, depths[d]);
                multiply(&s);
                for (idx q = 0; q < panels; ++q)
                    for (idx r = 0; r < rows; ++r)
                        check_row(&s, q, r);
                free_sample(&s);
            }
}

void NAME(test_amx)(void)
{
    test_parts();
    if (lstmc_has_target("amx"))
        test_products();
}

#else

void NAME(test_amx)(void) {}

#endif
