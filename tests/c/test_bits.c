/* test_bits.c - the same bits again, for any number of threads, and in any company. */
#include <math.h>
#include <pthread.h>

#include "check.h"
#include "guard.h"
#include "problem.h"
#include "shapes.h"

/* Enough work for a team for every cell: many rows, which threads share out; or many
 * units of few rows, which they share out, too. */
static const Shape large = {
    .inputs = 6, .units = 35, .samples = 37, .longest = 12, .ragged = 1};
/* Two lots of rows, in more than one window of steps. */
static const Shape tall = {
    .inputs = 6, .units = 70, .samples = 67, .longest = 40, .ragged = 1};
static const Shape wide = {
    .inputs = 5, .units = 520, .samples = 3, .longest = 3, .ragged = 1};
static const Shape small = {
    .inputs = 3, .units = 9, .samples = 7, .longest = 6, .ragged = 1};

static void check_threads(const Shape *shape)
{
    const Problem p = make_problem(shape);
    const Result one = train(&p, 1);
    static const int threads[] = {2, 5, 8};
    for (size_t k = 0; k < sizeof threads / sizeof *threads; ++k) {
        const Result many = train(&p, threads[k]);
        check_same_results(&p, &one, &many, "for more threads");
    }
}

/* Sample `row` of `a` against sample `other` of `b`, in all that has a row for each
 * sample or step. */
static void same_sample(const Problem *p, const Result *a, ptrdiff_t row,
                        const Problem *q, const Result *b, ptrdiff_t other)
{
    const ptrdiff_t n = p->layer.units, m = p->layer.inputs;
    const ptrdiff_t width = n * p->layer.directions;
    const ptrdiff_t first = p->offsets[row], start = q->offsets[other];
    const ptrdiff_t steps = p->offsets[row + 1] - first;
    Array left[MOST_ARRAYS] = {{"y", a->y + first * width, steps * width},
                               {"dx", a->dx + first * m, steps * m}};
    Array right[MOST_ARRAYS] = {{"y", b->y + start * width, steps * width},
                                {"dx", b->dx + start * m, steps * m}};
    int count = 2;
    for (int side = 0; side < p->layer.directions; ++side)
        for (int k = 0; k < p->cell.states; ++k) {
            left[count] = (Array){"after", a->after[side][k] + row * n, n};
            right[count++] = (Array){"after", b->after[side][k] + other * n, n};
            left[count] = (Array){"d_before", a->d_before[side][k] + row * n, n};
            right[count++] = (Array){"d_before", b->d_before[side][k] + other * n, n};
        }
    check_same(left, right, count, "in other company");
}

static void check_company(const Shape *shape)
{
    const Problem p = make_problem(shape);
    const Result whole = train(&p, 1), again = train(&p, 1);
    check_same_results(&p, &whole, &again, "in a second run");
    ptrdiff_t *order = keep((size_t)p.samples * sizeof *order, 0);
    for (ptrdiff_t j = 0; j < p.samples; ++j) {
        const Problem alone = choose_samples(&p, &j, 1);
        const Result own = train(&alone, 1);
        same_sample(&alone, &own, 0, &p, &whole, j);
        order[j] = p.samples - 1 - j;
    }
    const Problem reversed = choose_samples(&p, order, p.samples);
    const Result other = train(&reversed, 3);
    for (ptrdiff_t j = 0; j < p.samples; ++j)
        same_sample(&reversed, &other, j, &p, &whole, order[j]);
}

/* --- one layer, many threads of the caller ---------------------------------------- */

enum { CALLERS = 8, REPEATS = 5 };

typedef struct {
    const lstmc_call *call;
    void *y;
    int failures;
} Caller;

static void *call_often(void *argument)
{
    Caller *caller = argument;
    for (int k = 0; k < REPEATS; ++k) {
        lstmc_call own = *caller->call;
        own.y = caller->y;
        caller->failures += lstmc_forward(&own) != LSTMC_OK;
    }
    return NULL;
}

static void check_callers(const Shape *shape)
{
    const Problem p = make_problem(shape);
    const int dtype = shape->dtype;
    const Result wanted = infer(&p, 1);
    const ptrdiff_t n = shape->units, m = shape->inputs;
    const ptrdiff_t width = n * shape->directions;
    ptrdiff_t size = 0;
    lstmc_call call = {.layer = p.layer,
                       .samples = p.samples,
                       .offsets = p.offsets,
                       .x = to_reals(dtype, p.x, p.steps * m, 0),
                       .time = to_reals(dtype, p.time, p.steps, 0)};
    for (int side = 0; side < shape->directions; ++side) {
        call.direction[side].weights = packed_weights(&p, side, &size);
        for (int k = 0; k < p.cell.states; ++k)
            call.direction[side].before[k] =
                to_reals(dtype, p.before[side][k], p.samples * n, 0);
    }
    pthread_t thread[CALLERS];
    Caller caller[CALLERS];
    for (int k = 0; k < CALLERS; ++k) {
        caller[k] = (Caller){&call, empty_reals(dtype, p.steps * width, 0), 0};
        CHECK(pthread_create(thread + k, NULL, call_often, caller + k) == 0);
    }
    const Array right = {"y", wanted.y, p.steps * width};
    for (int k = 0; k < CALLERS; ++k) {
        pthread_join(thread[k], NULL);
        CHECK(caller[k].failures == 0);
        const Array left = {"y", to_doubles(dtype, caller[k].y, right.size),
                            right.size};
        check_same(&left, &right, 1, "beside other callers");
    }
}

/* --- noise ------------------------------------------------------------------------ */

/* Memory is garbage, NaN, before the kernels write it: none of it may come out. */
static void check_noise(const Shape *shape)
{
    const Problem p = make_problem(shape);
    const int dtype = shape->dtype;
    const ptrdiff_t n = shape->units, m = shape->inputs;
    ptrdiff_t size = 0;
    Array out[2];
    for (int threads = 1; threads <= 3; threads += 2) {
        lstmc_call call = {.layer = p.layer,
                           .samples = p.samples,
                           .offsets = p.offsets,
                           .x = to_reals(dtype, p.x, p.steps * m, 0),
                           .time = to_reals(dtype, p.time, p.steps, 0),
                           .noise = {0.2, 0.1, 0.3, 5, 7, 1},
                           .threads = threads};
        void *y = empty_reals(dtype, p.steps * n * shape->directions, 0);
        call.y = y;
        for (int side = 0; side < shape->directions; ++side)
            call.direction[side].weights = packed_weights(&p, side, &size);
        CHECK(lstmc_forward(&call) == LSTMC_OK);
        const ptrdiff_t reals = p.steps * n * shape->directions;
        out[threads / 2] = (Array){"y", to_doubles(dtype, y, reals), reals};
    }
    check_same(out, out + 1, 1, "for more threads, with noise");
    for (ptrdiff_t k = 0; k < out->size; ++k)
        CHECK_SAY(isfinite(out->values[k]), "y[%td] is not finite", k);
}

void test_bits(void)
{
    each_option(small, check_noise);
    each_option(large, check_noise);
    each_option(large, check_threads);
    each_option(tall, check_threads);
    each_option(wide, check_threads);
    each_option(small, check_company);
    each_option_of(LSTMC_FLOAT32, large, check_callers);
}
