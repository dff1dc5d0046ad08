/* test_digits.c - numbers in three digits, and products of them: each number near what
 * it was, each output the six products that are kept, the same bits for a row alone and
 * in any company.
 *
 * Compiled once per target and dtype, as kernels are; one of them has AMX. */
#include "kernels/digits.h"

#include "check.h"

#if AMX

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "problem.h"

/* Of the largest number, in units of the last digit: half of one, and roundings of what
 * becomes the whole number and of what that is multiplied by. */
static const double near = 1.25 / 8355710;

static void *memory(idx bytes)
{
    void *out = aligned_alloc(LINE, (size_t)(bytes + LINE - 1) / LINE * LINE);
    memset(out, 0, (size_t)(bytes + LINE - 1) / LINE * LINE);
    return out;
}

static int64_t whole_of(const digit *at, idx apart)
{
    return at[0] * 65536 + at[apart] * 256 + at[2 * apart];
}

/* Digits of column n, number k, of a panel. */
static const digit *in_panel(const digit *panel, idx k, idx n)
{
    return panel + DIGITS_HEAD + k / DIGITS_DEPTH * DIGITS_BLOCK +
           k % DIGITS_DEPTH / 4 * LINE + n * 4 + k % 4;
}

static const digit *in_row(const DigitRows *rows, idx r, idx k)
{
    return rows->digits + k / DIGITS_DEPTH * rows->skip + r * DIGITS_ROW +
           k % DIGITS_DEPTH;
}

/* 2^-16 of what a unit of the last digit is worth. */
static double worth(real scale) { return ldexp((double)scale, -16); }

static void check_panel(const real *panel, idx k, const real *by, const digit *split)
{
    const real *scale = (const real *)split;
    for (idx n = 0; n < PANEL; ++n) {
        double most = 0;
        int64_t sum[DIGITS_PLACES] = {0};
        for (idx j = 0; j < k; ++j)
            most = fmax(most, fabs((double)panel[j * PANEL + n] * by[j]));
        int right = 1;
        for (idx j = 0; j < digits_depth(k) * DIGITS_DEPTH; ++j) {
            const digit *at = in_panel(split, j, n);
            const double wanted = j < k ? (double)panel[j * PANEL + n] * by[j] : 0;
            const double got = (double)whole_of(at, DIGITS_TILE) * worth(scale[n]);
            right &= fabs(got - wanted) <= near * most;
            for (int place = 0; place < DIGITS_PLACES; ++place)
                sum[place] += at[place * DIGITS_TILE];
        }
        CHECK_SAY(right, "panel of %td, column %td: not the numbers", k, n);
        const int32_t *head = (const int32_t *)(split + LINE) + n;
        CHECK(head[0] == -128 * sum[0] && head[PANEL] == -128 * (sum[0] + sum[1]) &&
              head[2 * PANEL] == -128 * (sum[0] + sum[1] + sum[2]));
    }
}

static void test_panels(void)
{
    about("digits of panels");
    static const idx sizes[] = {1, 4, 63, 64, 65, 200};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
        const idx k = sizes[i];
        real *panel = memory(k * LINE), *by = memory(k * (idx)sizeof *by);
        digit *split = memory(digits_panel(digits_depth(k)));
        for (idx j = 0; j < k; ++j) {
            by[j] = (real)ldexp(1, (int)(j % 5) - 2);
            for (idx n = 0; n < PANEL; ++n)
                panel[j * PANEL + n] = (real)ldexp(uniform(), (int)(8 * n) - 60);
        }
        panel[0] = 0; /* a column of zeros, if k is 1 */
        NAME(split_panel)(panel, k, by, split);
        check_panel(panel, k, by, split);
        panel[(k - 1) * PANEL + 3] = NAN;
        panel[(k - 1) * PANEL + 4] = -INFINITY;
        NAME(split_panel)(panel, k, NULL, split);
        const real *scale = (const real *)split;
        CHECK(isnan(scale[3]) && isnan(scale[4]) && !isnan(scale[5]));
        free(panel), free(by), free(split);
    }
}

/* Lines of scattered rows: the digits that their columns have as panels, and sums. */
static void check_lines(idx rows, idx width)
{
    enum { APART = MOST_LINES * PANEL + 5 };
    about("digits of %td rows of %td numbers, scattered", rows, width);
    const idx depth = digits_depth(rows), size = digits_panel(depth);
    real *a = memory(rows * APART * (idx)sizeof(real)), *mask = memory(rows * LINE * 4);
    real *panel = memory(rows * LINE);
    const real **at = memory(2 * rows * (idx)sizeof *at), **by = at + rows;
    digit *lines = memory(MOST_LINES * size), *wanted = memory(size);
    for (idx r = 0; r < rows; ++r) {
        at[r] = a + (r * 7 % rows) * APART, by[r] = mask + r * MOST_LINES * PANEL;
        for (idx j = 0; j < MOST_LINES * PANEL; ++j) {
            ((real *)at[r])[j] = j < width ? (real)uniform() : NAN;
            ((real *)by[r])[j] = j < width ? (real)(j % 3) : NAN;
        }
    }
    const Lines from = {
        .row = at, .by = rows % 2 ? by : NULL, .rows = rows, .width = width};
    vec sum[MOST_LINES];
    NAME(split_lines)(&from, sum, lines);
    for (idx q = 0; q * PANEL < width; ++q) {
        real total[LINE / sizeof(real)] = {0};
        for (idx r = 0; r < rows; ++r)
            for (idx n = 0; n < PANEL; ++n) {
                const idx j = q * PANEL + n;
                const real weight = from.by ? by[r][j] : 1;
                panel[r * PANEL + n] = j < width ? at[r][j] * weight : 0;
                total[n] += panel[r * PANEL + n];
            }
        NAME(split_panel)(panel, rows, NULL, wanted);
        CHECK(memcmp(lines + q * size, wanted, LINE) == 0);
        CHECK(memcmp(lines + q * size + DIGITS_HEAD, wanted + DIGITS_HEAD,
                     (size_t)(depth * DIGITS_BLOCK)) == 0);
        CHECK(memcmp(sum + q, total, LINE) == 0);
    }
    free(a), free(mask), free(panel), free(at), free(lines), free(wanted);
}

static void test_lines(void)
{
    static const idx rows[] = {1, 3, 64, 65, 130}; /* 7 divides none of them */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; ++i)
        for (idx width = 1; width <= MOST_LINES * PANEL; width += width % 16 ? 15 : 1)
            check_lines(rows[i], width);
}

/* Rows of runs, and what lies between them is nobody's. */
static void test_rows(void)
{
    about("digits of rows");
    enum { ROWS = 3, RUN = 48, SKIP = 80, RUNS = 5, SIZE = RUNS * SKIP };
    for (idx last = RUN - 15; last <= RUN; ++last) {
        const int one = last < RUN; /* a run may be short if it is the only one */
        real a[ROWS * SIZE], by[RUNS * RUN] __attribute__((aligned(LINE)));
        for (idx j = 0; j < ROWS * SIZE; ++j)
            a[j] = j % SKIP < (one ? last : RUN) ? (real)uniform() : NAN;
        for (idx j = 0; j < RUNS * RUN; ++j)
            by[j] = (real)ldexp(1, (int)(j % 3));
        const Product p = {.rows = ROWS,
                           .a = a,
                           .a_row = SIZE,
                           .runs = one ? 1 : RUNS,
                           .run = one ? last : RUN,
                           .skip = SKIP};
        void *at = memory(digit_rows_size(ROWS, 4));
        DigitRows rows = lay_out_digits(at, ROWS, 4);
        NAME(split_rows)(&p, by, &rows);
        CHECK(rows.depth == (one ? 1 : 4));
        for (idx r = 0; r < ROWS; ++r) {
            int right = 1;
            for (idx k = 0; k < rows.depth * DIGITS_DEPTH; ++k) {
                const int there = k < p.run * p.runs;
                const double wanted =
                    there ? (double)a[r * SIZE + k / RUN * SKIP + k % RUN] * by[k] : 0;
                const double got = (double)whole_of(in_row(&rows, r, k), DIGITS_DEPTH) *
                                   worth(rows.scale[r]);
                right &= fabs(got - wanted) <= near * 4;
            }
            CHECK_SAY(right, "row %td of runs of %td: not the numbers", r, p.run);
        }
        free(at);
    }
}

/* A and B as numbers, and split. */
typedef struct {
    idx k, panels;
    Product product;
    real *a, *start;
    digit *b;
    DigitRows rows;
    void *at;
} Sample;

static Sample make_sample(idx rows, idx panels, idx k)
{
    const idx depth = digits_depth(k);
    Sample s = {.k = k, .panels = panels};
    s.a = memory(rows * k * (idx)sizeof(real));
    s.b = memory(panels * digits_panel(depth));
    s.start = memory(panels * rows * LINE);
    s.at = memory(digit_rows_size(rows, depth));
    real *panel = memory(k * LINE);
    for (idx j = 0; j < rows * k; ++j)
        s.a[j] = (real)uniform();
    for (idx j = 0; j < panels * rows * PANEL; ++j)
        s.start[j] = (real)uniform();
    for (idx q = 0; q < panels; ++q) {
        for (idx j = 0; j < k * PANEL; ++j)
            panel[j] = (real)uniform();
        NAME(split_panel)(panel, k, NULL, s.b + q * digits_panel(depth));
    }
    free(panel);
    s.product = (Product){.rows = rows,
                          .panels = panels,
                          .groups = 1,
                          .a = s.a,
                          .a_row = k,
                          .runs = 1,
                          .run = k,
                          .start = s.start,
                          .start_panel = rows * PANEL,
                          .start_row = PANEL};
    s.rows = lay_out_digits(s.at, rows, depth);
    NAME(split_rows)(&s.product, NULL, &s.rows);
    return s;
}

static void free_sample(Sample *s)
{
    free(s->a), free(s->b), free(s->start), free(s->at);
}

static void multiply(const Sample *s, real *c)
{
    Product product = s->product;
    product.c = c;
    product.c_panel = product.rows * PANEL;
    product.c_row = PANEL;
    const DigitProduct digits = digits_for(&product, &s->rows, s->b, 0);
    NAME(digit_product)(&digits);
    NAME(release_tiles)();
}

/* The row by itself, of all panels: (panels, PANEL). */
static void multiply_alone(const Sample *s, idx r, real *c)
{
    Sample alone = *s;
    alone.at = memory(digit_rows_size(1, s->rows.depth));
    alone.rows = lay_out_digits(alone.at, 1, s->rows.depth);
    alone.product.rows = 1;
    alone.product.a += r * s->k;
    alone.product.start += r * PANEL;
    NAME(split_rows)(&alone.product, NULL, &alone.rows);
    multiply(&alone, c);
    free(alone.at);
}

/* The sum of the products that are kept, of a row of digits that is not alone, and that
 * of all without their signs. */
static double kept(const Sample *s, idx q, idx r, idx n, double *size)
{
    int64_t sum = 0;
    double all = 0;
    const digit *panel = s->b + q * digits_panel(s->rows.depth);
    for (idx k = 0; k < s->k; ++k) {
        const digit *a = in_row(&s->rows, r, k), *b = in_panel(panel, k, n);
        all +=
            fabs((double)whole_of(a, DIGITS_DEPTH) * (double)whole_of(b, DIGITS_TILE));
        for (int i = 0; i < DIGITS_PLACES; ++i)
            for (int j = 0; i + j < DIGITS_PLACES; ++j)
                sum += (int64_t)a[i * DIGITS_DEPTH] * b[j * DIGITS_TILE] *
                       (1 << (8 * (2 - i - j)));
    }
    const double scale = (double)s->rows.scale[r] * (double)((const real *)panel)[n];
    *size = ldexp(all, -32) * scale;
    return ldexp((double)sum, -16) * scale;
}

static void check_sample(const Sample *s)
{
    const idx rows = s->product.rows;
    real *c = memory(s->panels * rows * LINE), *alone = memory(s->panels * LINE);
    multiply(s, c);
    for (idx r = 0; r < rows; ++r) {
        int right = 1, same = 1;
        multiply_alone(s, r, alone);
        for (idx q = 0; q < s->panels; ++q) {
            const real *got = c + (q * rows + r) * PANEL;
            same &= memcmp(got, alone + q * PANEL, LINE) == 0;
            for (idx n = 0; rows > 1 && n < PANEL; ++n) {
                double size;
                const double start = s->start[(q * rows + r) * PANEL + n],
                             sum = kept(s, q, r, n, &size);
                /* Roundings of three sums, twice when they are scaled, of the end. */
                right &= fabs(got[n] - start - sum) <=
                         FLT_EPSILON / 2 * (fabs(start) + 6 * size);
            }
        }
        CHECK_SAY(right, "row %td: not the sum", r);
        CHECK_SAY(same, "row %td: not what it is alone", r);
    }
    free(c), free(alone);
}

/* Every rest of two blocks of rows, and of the panels beside one another, in sums of
 * which both orders are taken; of 614 rows the last pair of blocks has 6. */
static void test_products(void)
{
    static const idx sizes[] = {64, 100, 320};
    for (size_t d = 0; d < sizeof sizes / sizeof *sizes; ++d)
        for (idx rows = 1; rows <= 614; rows += rows < 34 ? 1 : rows < 97 ? 9 : 47)
            for (idx panels = 1; panels <= 5; ++panels) {
                about("digits: %td rows, %td panels, %td numbers", rows, panels,
                      sizes[d]);
                Sample s = make_sample(rows, panels, sizes[d]);
                check_sample(&s);
                free_sample(&s);
            }
}

/* 43,690 times three products of the least digits leave 32 bits; so many do not. */
static void test_longest(void)
{
    about("digits: the longest sum");
    Sample s = make_sample(2, 1, 512 * DIGITS_DEPTH);
    real *ones = memory(s.k * LINE); /* of digits 127, 127 and 126 */
    for (idx j = 0; j < s.k * PANEL; ++j)
        ones[j] = 1;
    memcpy(s.a, ones, (size_t)(2 * s.k) * sizeof(real));
    NAME(split_panel)(ones, s.k, NULL, s.b);
    NAME(split_rows)(&s.product, NULL, &s.rows);
    free(ones);
    check_sample(&s);
    free_sample(&s);
}

void NAME(test_digits)(void)
{
    if (!lstmc_has_target("amx"))
        return;
    test_panels();
    test_rows();
    test_lines();
    test_products();
    test_longest();
}

#else

void NAME(test_digits)(void) {}

#endif
