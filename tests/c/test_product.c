/* test_product.c - the product of the tile: sums that are right, and whose bits depend
 * on nothing that stands beside them.
 *
 * Compiled once per target and dtype, as kernels are. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

#include "check.h"
#include "problem.h"

#if LSTMC_F64
#define EPSILON DBL_EPSILON
#else
#define EPSILON FLT_EPSILON
#endif

#define TEXT_(name) #name
#define TEXT(name) TEXT_(name)
#define SELF TEXT(NAME(product))

static real *numbers(idx count)
{
    real *x = aligned_alloc(LINE, (size_t)(panels_of(count) * LINE));
    for (idx k = 0; k < count; ++k)
        x[k] = (real)uniform();
    return x;
}

/* A row's product with a panel, as no tile of more has it. */
static void multiply_alone(const Product *p, idx row, idx group, idx panel, real *out)
{
    NAME(product)(&(Product){
        .rows = 1,
        .panels = 1,
        .groups = 1,
        .a = p->a + row * p->a_row,
        .runs = p->runs,
        .run = p->run,
        .skip = p->skip,
        .b = p->b + group * p->b_group + panel * p->b_panel,
        .start = p->start + group * p->start_group + panel * p->start_panel +
                 row * p->start_row,
        .c = out,
    });
}

static void check_alone(const Product *p, idx row, idx group, idx panel,
                        const real *got)
{
    const real *a = p->a + row * p->a_row;
    const real *b = p->b + group * p->b_group + panel * p->b_panel;
    const real *start =
        p->start + group * p->start_group + panel * p->start_panel + row * p->start_row;
    int same = 1, right = 1;
    real alone[LINE / sizeof(real)] __attribute__((aligned(LINE)));
    multiply_alone(p, row, group, panel, alone);
    for (idx j = 0; j < PANEL; ++j) {
        double sum = start[j], size = fabs(sum);
        for (idx k = 0; k < p->runs * p->run; ++k) {
            const double term =
                (double)a[k / p->run * p->skip + k % p->run] * b[k * PANEL + j];
            sum += term;
            size += fabs(term);
        }
        /* A rounding for each term, each of at most the sum of all sizes. */
        right &= fabs(got[j] - sum) <= (double)(p->runs * p->run) * EPSILON * size;
        same &= got[j] == alone[j];
    }
    CHECK_SAY(right, "row %td, group %td, panel %td: not the sum", row, group, panel);
    CHECK_SAY(same, "row %td, group %td, panel %td: not what it is alone", row, group,
              panel);
}

/* Pieces that a product fetches on its way: each once, in their order. */
typedef struct {
    idx next;
    int in_order;
} Log;

static void log_pieces(const void *of, idx first, idx last)
{
    Log *log = *(Log *const *)of;
    log->in_order &= first == log->next && first < last;
    log->next = last;
}

static void check_pieces(const Product *product)
{
    static const idx last[] = {4, 5, 64, 1000};
    for (size_t k = 0; k < sizeof last / sizeof *last; ++k) {
        Log log = {.next = 3, .in_order = 1}, *of = &log;
        const Soon soon = {.fetch = log_pieces, .of = &of, .first = 3, .last = last[k]};
        Product fetching = *product;
        fetching.soon = &soon;
        NAME(product)(&fetching);
        CHECK_SAY(log.in_order && log.next == last[k], "pieces 3 to %td: up to %td",
                  last[k], log.next);
    }
}

/* The same B in stripes, which few rows may read: the same bits. */
static void check_stripes(const Product *product)
{
    const idx all = product->groups * product->panels;
    const idx depth = product->runs * product->run,
              stripes = (all + STRIPE - 1) / STRIPE;
    const idx reals = all * product->rows * PANEL, size = depth * STRIPE * PANEL;
    real *b = numbers(stripes * size), *c = numbers(reals);
    for (idx n = 0; n < all; ++n)
        for (idx k = 0; k < depth; ++k)
            memcpy(b + n / STRIPE * size + (k * STRIPE + n % STRIPE) * PANEL,
                   product->b + n / product->panels * product->b_group +
                       n % product->panels * product->b_panel + k * PANEL,
                   LINE);
    Product striped = *product;
    striped.b = b;
    striped.b_stripe = size;
    striped.c = c;
    NAME(product)(&striped);
    CHECK_SAY(memcmp(c, product->c, (size_t)reals * sizeof(real)) == 0,
              "not the bits of panels");
    /* The rest from any panel on. */
    for (idx first = 1; product->groups == 1 && first < all; ++first) {
        start_in_stripes(&striped, b, size, first);
        striped.panels = all - first;
        striped.start = product->start + first * product->start_panel;
        memset(c, 0, (size_t)reals * sizeof(real));
        NAME(product)(&striped);
        const size_t bytes =
            (size_t)(striped.panels * product->rows * PANEL) * sizeof(real);
        CHECK_SAY(memcmp(c, product->c + first * product->c_panel, bytes) == 0,
                  "from panel %td on: not its bits", first);
    }
    free(b);
    free(c);
}

/* Sums over samples of what is packed in blocks, on top of what is there. */
static void check_outer(idx rows, idx panels, idx depth)
{
    about("%s: outer, %td samples, %td rows, %td panels", SELF, depth, rows, panels);
    const idx blocks = (rows + TILE_ROWS - 1) / TILE_ROWS, apart = outer_block(depth);
    real *a = numbers(blocks * apart), *b = numbers(panels * depth * PANEL);
    real *c = numbers(panels * rows * PANEL), *before = numbers(panels * rows * PANEL);
    memcpy(before, c, (size_t)(panels * rows * PANEL) * sizeof(real));
    Log log = {.next = 0, .in_order = 1}, *of = &log;
    const Soon soon = {.fetch = log_pieces, .of = &of, .first = 0, .last = 77};
    NAME(outer_product)(&(Outer){.a = a,
                                 .a_block = apart,
                                 .b = b,
                                 .b_panel = depth * PANEL,
                                 .depth = depth,
                                 .rows = rows,
                                 .panels = panels,
                                 .c = c,
                                 .c_panel = rows * PANEL,
                                 .soon = &soon});
    CHECK_SAY(log.in_order && log.next == 77, "pieces up to %td", log.next);
    int right = 1;
    for (idx at = 0; at < panels * rows * PANEL; ++at) {
        const idx p = at / PANEL / rows, r = at / PANEL % rows, j = at % PANEL;
        double sum = before[at], size = fabs(sum);
        for (idx k = 0; k < depth; ++k) {
            const idx place = r / TILE_ROWS * apart + k * TILE_ROWS + r % TILE_ROWS;
            const double term = (double)a[place] * b[(p * depth + k) * PANEL + j];
            sum += term;
            size += fabs(term);
        }
        right &= fabs(c[at] - sum) <= (double)depth * EPSILON * size; /* as above */
    }
    CHECK_SAY(right, "not the sums");
    free(a);
    free(b);
    free(c);
    free(before);
}

/* Runs of A are 3 reals apart, and so are rows. */
static void check_product(idx rows, idx panels, idx groups, idx runs, idx run)
{
    about("%s: %td rows, %td groups of %td panels, %td runs of %td", SELF, rows, groups,
          panels, runs, run);
    const idx depth = runs * run, a_row = runs * (run + 3), all = groups * panels;
    real *a = numbers(rows * a_row), *b = numbers(all * depth * PANEL);
    real *start = numbers(all * PANEL), *c = numbers(all * rows * PANEL);
    const Product product = {
        .rows = rows,
        .panels = panels,
        .groups = groups,
        .a = a,
        .a_row = a_row,
        .runs = runs,
        .run = run,
        .skip = run + 3,
        .b = b,
        .b_panel = depth * PANEL,
        .b_group = panels * depth * PANEL,
        .start = start,
        .start_panel = PANEL,
        .start_group = panels * PANEL,
        .c = c,
        .c_panel = rows * PANEL,
        .c_group = panels * rows * PANEL,
        .c_row = PANEL,
    };
    NAME(product)(&product);
    for (idx k = 0; k < all; ++k)
        for (idx r = 0; r < rows; ++r)
            check_alone(&product, r, k / panels, k % panels,
                        c + (k * rows + r) * PANEL);
    check_pieces(&product);
    if (rows <= 3)
        check_stripes(&product);
    free(a);
    free(b);
    free(start);
    free(c);
}

/* Every height of a block and every number beside; then sums that are cut in parts, and
 * panels that are fetched ahead. */
void NAME(test_product)(void)
{
    static const idx deep[][2] = {{1, 160}, {1, 161}, {1, 500}, {5, 100}, {30, 64}};
    for (idx rows = 1; rows <= 2 * TILE_ROWS + 1; ++rows)
        for (idx panels = 1; panels <= 5; ++panels)
            for (idx groups = 1; groups <= 2; ++groups) {
                check_product(rows, panels, groups, 1, 7);
                check_product(rows, panels, groups, 3, 2);
            }
    for (size_t k = 0; k < sizeof deep / sizeof *deep; ++k)
        for (idx rows = 1; rows <= 40; rows += rows < 5 ? 2 : 7)
            for (idx panels = 2; panels <= 8; panels *= 2)
                check_product(rows, panels, 1, deep[k][0], deep[k][1]);
    for (idx rows = 1; rows <= 2 * TILE_ROWS + 1; ++rows)
        for (idx panels = 1; panels <= 3; ++panels)
            for (idx depth = 1; depth <= CHUNK; depth = 4 * depth + 3)
                check_outer(rows, panels, depth);
}
