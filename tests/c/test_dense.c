/* test_dense.c - y = x W' + b against the plain sum, alone and in company. */
#include <math.h>
#include <string.h>

#include "check.h"
#include "guard.h"
#include "problem.h"

typedef struct {
    int dtype;
    ptrdiff_t rows, inputs, outputs;
    double *x, *w, *b;
} Dense;

static double *random_array(ptrdiff_t size)
{
    double *out = keep((size_t)size * sizeof(double), 0);
    for (ptrdiff_t k = 0; k < size; ++k)
        out[k] = (float)uniform();
    return out;
}

static double *run(const Dense *d, ptrdiff_t first, ptrdiff_t rows, int threads)
{
    const ptrdiff_t m = d->inputs, n = d->outputs;
    const void *x = to_reals(d->dtype, d->x + first * m, rows * m, 1);
    const void *w = to_reals(d->dtype, d->w, n * m, 1);
    const void *b = to_reals(d->dtype, d->b, n, 1);
    void *y = empty_reals(d->dtype, rows * n, 1);
    CHECK(lstmc_dense(d->dtype, x, w, b, y, rows, m, n, threads) == LSTMC_OK);
    check_guards();
    return to_doubles(d->dtype, y, rows * n);
}

static void check_values(const Dense *d, const double *y)
{
    for (ptrdiff_t r = 0; r < d->rows; ++r)
        for (ptrdiff_t j = 0; j < d->outputs; ++j) {
            double sum = d->b[j], size = fabs(sum);
            for (ptrdiff_t k = 0; k < d->inputs; ++k) {
                sum += d->x[r * d->inputs + k] * d->w[j * d->inputs + k];
                size += fabs(d->x[r * d->inputs + k] * d->w[j * d->inputs + k]);
            }
            /* A sum of k terms: at most k + 1 roundings of what was summed. */
            const double most = ((double)d->inputs + 1) * epsilon_of(d->dtype) * size;
            CHECK_SAY(fabs(y[r * d->outputs + j] - sum) <= most, "y[%td, %td]: %g", r,
                      j, y[r * d->outputs + j] - sum);
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
                     random_array(outputs)};
    const double *y = run(&d, 0, rows, 1);
    const size_t row = (size_t)outputs * sizeof(double);
    check_values(&d, y);
    for (int threads = 2; threads <= 8; threads += 3)
        CHECK(memcmp(y, run(&d, 0, rows, threads), (size_t)rows * row) == 0);
    for (ptrdiff_t r = 0; r < rows; r += 1 + rows / 3)
        CHECK(memcmp(y + r * outputs, run(&d, r, 1, 1), row) == 0);
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
        check_dense(dtype, 300, 70, 10); /* work enough for a team */
    }
}
