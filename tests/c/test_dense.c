/* test_dense.c - a dense layer against plain sums: alone, in company, and back. */
#include <math.h>
#include <string.h>

#include "check.h"
#include "guard.h"
#include "lstmc_dense.h"
#include "problem.h"

typedef struct {
    int dtype;
    ptrdiff_t rows, inputs, outputs;
    double *x, *w, *b, *dy;
} Dense;

static double *random_array(ptrdiff_t size)
{
    double *out = keep((size_t)size * sizeof(double), 0);
    for (ptrdiff_t k = 0; k < size; ++k)
        out[k] = (float)uniform();
    return out;
}

static lstmc_dense_call make_call(const Dense *d, ptrdiff_t first, ptrdiff_t rows,
                                  int threads)
{
    const ptrdiff_t m = d->inputs, n = d->outputs;
    return (lstmc_dense_call){.dtype = d->dtype,
                              .rows = rows,
                              .inputs = m,
                              .outputs = n,
                              .x = to_reals(d->dtype, d->x + first * m, rows * m, 1),
                              .w = to_reals(d->dtype, d->w, n * m, 1),
                              .b = to_reals(d->dtype, d->b, n, 1),
                              .threads = threads};
}

static double *run(const Dense *d, ptrdiff_t first, ptrdiff_t rows, int threads)
{
    lstmc_dense_call call = make_call(d, first, rows, threads);
    call.y = empty_reals(d->dtype, rows * d->outputs, 1);
    if (threads % 2 == 0) { /* packed beforehand: the same bits */
        ptrdiff_t reals;
        CHECK(lstmc_dense_size(d->dtype, d->inputs, d->outputs, &reals) == LSTMC_OK);
        void *packed = empty_reals(d->dtype, reals, 0);
        CHECK(lstmc_dense_pack(d->dtype, call.w, d->inputs, d->outputs, packed) ==
              LSTMC_OK);
        call.packed = packed;
    }
    CHECK(lstmc_dense_forward(&call) == LSTMC_OK);
    check_guards();
    return to_doubles(d->dtype, call.y, rows * d->outputs);
}

typedef struct {
    double *dx, *dw, *db;
} Gradients;

static Gradients go_back(const Dense *d, int threads)
{
    const ptrdiff_t m = d->inputs, n = d->outputs;
    lstmc_dense_call call = make_call(d, 0, d->rows, threads);
    call.dy = to_reals(d->dtype, d->dy, d->rows * n, 1);
    call.dx = empty_reals(d->dtype, d->rows * m, 1);
    call.dw = empty_reals(d->dtype, n * m, 1);
    call.db = empty_reals(d->dtype, n, 1);
    CHECK(lstmc_dense_backward(&call) == LSTMC_OK);
    check_guards();
    return (Gradients){to_doubles(d->dtype, call.dx, d->rows * m),
                       to_doubles(d->dtype, call.dw, n * m),
                       to_doubles(d->dtype, call.db, n)};
}

/* A sum of `terms` products, element by element: how far off it may be. */
typedef struct {
    double sum, size;
} Sum;

static void check_sum(const Dense *d, double got, Sum wanted, ptrdiff_t terms)
{
    /* A sum of k terms: at most k + 1 roundings of what was summed. */
    const double most = ((double)terms + 1) * epsilon_of(d->dtype) * wanted.size;
    CHECK_SAY(fabs(got - wanted.sum) <= most, "off by %g", got - wanted.sum);
}

static void add(Sum *sum, double x)
{
    sum->sum += x;
    sum->size += fabs(x);
}

static void check_gradients(const Dense *d, Gradients g)
{
    const ptrdiff_t m = d->inputs, n = d->outputs;
    for (ptrdiff_t r = 0; r < d->rows; ++r)
        for (ptrdiff_t k = 0; k < m; ++k) {
            Sum sum = {0};
            for (ptrdiff_t j = 0; j < n; ++j)
                add(&sum, d->dy[r * n + j] * d->w[j * m + k]);
            check_sum(d, g.dx[r * m + k], sum, n);
        }
    for (ptrdiff_t j = 0; j < n; ++j) {
        Sum bias = {0};
        for (ptrdiff_t r = 0; r < d->rows; ++r)
            add(&bias, d->dy[r * n + j]);
        check_sum(d, g.db[j], bias, d->rows);
        for (ptrdiff_t k = 0; k < m; ++k) {
            Sum sum = {0};
            for (ptrdiff_t r = 0; r < d->rows; ++r)
                add(&sum, d->dy[r * n + j] * d->x[r * m + k]);
            check_sum(d, g.dw[j * m + k], sum, d->rows);
        }
    }
}

static void check_values(const Dense *d, const double *y)
{
    for (ptrdiff_t r = 0; r < d->rows; ++r)
        for (ptrdiff_t j = 0; j < d->outputs; ++j) {
            Sum sum = {d->b[j], fabs(d->b[j])};
            for (ptrdiff_t k = 0; k < d->inputs; ++k)
                add(&sum, d->x[r * d->inputs + k] * d->w[j * d->inputs + k]);
            check_sum(d, y[r * d->outputs + j], sum, d->inputs);
        }
}

static void check_dense(int dtype, ptrdiff_t rows, ptrdiff_t inputs, ptrdiff_t outputs)
{
    about("%s dense %s: %td x %td to %td", lstmc_target(), dtype_name(dtype), rows,
          inputs, outputs);
    seed(3);
    const Dense d = {dtype,
                     rows,
                     inputs,
                     outputs,
                     random_array(rows * inputs),
                     random_array(outputs * inputs),
                     random_array(outputs),
                     random_array(rows * outputs)};
    const double *y = run(&d, 0, rows, 1);
    const size_t row = (size_t)outputs * sizeof(double);
    check_values(&d, y);
    for (int threads = 2; threads <= 8; threads += 3)
        CHECK(memcmp(y, run(&d, 0, rows, threads), (size_t)rows * row) == 0);
    for (ptrdiff_t r = 0; r < rows; r += 1 + rows / 3)
        CHECK(memcmp(y + r * outputs, run(&d, r, 1, 1), row) == 0);
    const Gradients g = go_back(&d, 1), shared = go_back(&d, 3);
    check_gradients(&d, g);
    CHECK(memcmp(g.dx, shared.dx, (size_t)(rows * inputs) * sizeof(double)) == 0);
    CHECK(memcmp(g.dw, shared.dw, (size_t)(outputs * inputs) * sizeof(double)) == 0);
    CHECK(memcmp(g.db, shared.db, row) == 0);
    drop_all();
}

void test_dense(void)
{
    static const ptrdiff_t sizes[] = {1, 3, 7, 8, 15, 16, 17, 31, 32, 33, 65};
    for (int dtype = LSTMC_FLOAT32; dtype <= LSTMC_FLOAT64; ++dtype) {
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; ++k)
            for (ptrdiff_t outputs = 1; outputs <= 5; outputs += 2)
                check_dense(dtype, 1 + (ptrdiff_t)k, sizes[k], outputs);
        check_dense(dtype, 0, 4, 2);
        /* Work enough for a team, several blocks of everything, several windows. */
        check_dense(dtype, 300, 70, 110);
        check_dense(dtype, 2060, 33, 40);
    }
}
