/* test_highway.c - highway layers within their memory, for any number of threads, and
 * what they refuse before they touch any. */
#include <math.h>
#include <string.h>

#include "check.h"
#include "guard.h"
#include "lstmc_highway.h"
#include "problem.h"

enum { LAYERS = 3 };

/* Numbers between -1 and 1, in guarded memory. */
static void *draw_reals(int dtype, ptrdiff_t size)
{
    double *x = keep((size_t)size * sizeof(double), 0);
    for (ptrdiff_t k = 0; k < size; ++k)
        x[k] = uniform();
    return to_reals(dtype, x, size, 1);
}

static ptrdiff_t count_weights(const lstmc_highway *call, int given)
{
    static const int gates[] = {1, 2, 0, 0};
    return call->layers * (gates[call->gates] + !given) * call->size * (call->size + 1);
}

static lstmc_highway make_call(int dtype, ptrdiff_t rows, ptrdiff_t size, int gates,
                               int activation, int given)
{
    lstmc_highway call = {.dtype = dtype,
                          .rows = rows,
                          .size = size,
                          .layers = given ? 1 : LAYERS,
                          .gates = gates,
                          .activation = activation,
                          .given = given};
    call.weights = draw_reals(dtype, count_weights(&call, given));
    call.x = draw_reals(dtype, rows * size);
    call.h = given ? draw_reals(dtype, rows * size) : NULL;
    call.dy = draw_reals(dtype, rows * size);
    return call;
}

/* Results of a run: y, dx, dh and the gradient; all are overwritten. */
static void give_arrays(lstmc_highway *call)
{
    ptrdiff_t reals = 0;
    CHECK(lstmc_highway_tape_size(call, &reals) == LSTMC_OK);
    call->tape = empty_reals(call->dtype, reals, 0);
    call->y = empty_reals(call->dtype, call->rows * call->size, 1);
    call->dx = empty_reals(call->dtype, call->rows * call->size, 1);
    call->dh =
        call->given ? empty_reals(call->dtype, call->rows * call->size, 1) : NULL;
    call->gradient = empty_reals(call->dtype, count_weights(call, call->given), 1);
}

static int same(const lstmc_highway *call, const void *x, const void *y, ptrdiff_t size)
{
    return (!x && !y) || memcmp(x, y, (size_t)size * real_size(call->dtype)) == 0;
}

static int is_finite(const lstmc_highway *call, const void *x, ptrdiff_t size)
{
    const double *values = to_doubles(call->dtype, x, size);
    for (ptrdiff_t k = 0; k < size; ++k)
        if (!isfinite(values[k]))
            return 0;
    return 1;
}

static void check_runs(lstmc_highway one)
{
    const ptrdiff_t reals = one.rows * one.size,
                    weights = count_weights(&one, one.given);
    lstmc_highway other = one;
    one.threads = 1, other.threads = 3;
    give_arrays(&one);
    give_arrays(&other);
    CHECK(lstmc_highway_forward(&one) == LSTMC_OK);
    CHECK(lstmc_highway_forward(&other) == LSTMC_OK);
    CHECK(same(&one, one.y, other.y, reals) && is_finite(&one, one.y, reals));
    CHECK(lstmc_highway_backward(&one) == LSTMC_OK);
    CHECK(lstmc_highway_backward(&other) == LSTMC_OK);
    CHECK(same(&one, one.dx, other.dx, reals) && is_finite(&one, one.dx, reals));
    CHECK(same(&one, one.dh, other.dh, reals));
    CHECK(same(&one, one.gradient, other.gradient, weights));
    CHECK(is_finite(&one, one.gradient, weights));
    one.tape = NULL; /* inference has the bits of training */
    one.y = empty_reals(one.dtype, reals, 1);
    CHECK(lstmc_highway_forward(&one) == LSTMC_OK);
    CHECK(same(&one, one.y, other.y, reals));
}

static void check_shapes(int dtype)
{
    static const ptrdiff_t shapes[][2] = {{1, 1}, {2, 17}, {70, 5}, {66, 40}, {9, 112}};
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; ++k)
        for (int gates = LSTMC_GATES_COUPLED; gates <= LSTMC_GATES_NONE; ++gates)
            for (int given = 0; given <= (gates <= LSTMC_GATES_SEPARATE); ++given) {
                about("highway, %td x %td, gates %d, given %d", shapes[k][0],
                      shapes[k][1], gates, given);
                const int activation = (int)(k % 4);
                check_runs(make_call(dtype, shapes[k][0], shapes[k][1], gates,
                                     activation, given));
                drop_all();
            }
}

#define REFUSED(member, value, status, run)            \
    do {                                               \
        lstmc_highway call = good;                     \
        call.member = value;                           \
        CHECK(lstmc_highway_##run(&call) == (status)); \
    } while (0)

static void check_refusals(int dtype)
{
    about("what highway layers refuse");
    lstmc_highway good = make_call(dtype, 4, 6, LSTMC_GATES_COUPLED, LSTMC_TANH, 0);
    give_arrays(&good);
    REFUSED(dtype, 7, LSTMC_BAD_DTYPE, forward);
    REFUSED(rows, -1, LSTMC_BAD_SIZE, forward);
    REFUSED(size, 0, LSTMC_BAD_SIZE, backward);
    REFUSED(layers, 0, LSTMC_BAD_SIZE, forward);
    REFUSED(threads, -1, LSTMC_BAD_SIZE, forward);
    REFUSED(gates, 4, LSTMC_BAD_OPTION, forward);
    REFUSED(activation, -1, LSTMC_BAD_OPTION, backward);
    REFUSED(h, good.x, LSTMC_BAD_OPTION, forward); /* of more than one layer */
    REFUSED(given, 1, LSTMC_BAD_OPTION, backward);
    REFUSED(rows, PTRDIFF_MAX / 64, LSTMC_TOO_LARGE, forward);
    REFUSED(weights, NULL, LSTMC_NULL_ARRAY, forward);
    REFUSED(x, NULL, LSTMC_NULL_ARRAY, forward);
    REFUSED(y, NULL, LSTMC_NULL_ARRAY, forward);
    REFUSED(tape, NULL, LSTMC_NULL_ARRAY, backward);
    REFUSED(dy, NULL, LSTMC_NULL_ARRAY, backward);
    REFUSED(gradient, NULL, LSTMC_NULL_ARRAY, backward);
    REFUSED(tape, (char *)good.tape + 8, LSTMC_NOT_ALIGNED, forward);
    fail_after(0);
    CHECK(lstmc_highway_forward(&good) == LSTMC_NO_MEMORY);
    CHECK(lstmc_wanted_bytes() > 0);
    fail_after(-1);
    REFUSED(rows, 0, LSTMC_OK, forward);
    drop_all();
}

void test_highway(void)
{
    for (int dtype = LSTMC_FLOAT32; dtype <= LSTMC_FLOAT64; ++dtype) {
        check_shapes(dtype);
        check_refusals(dtype);
    }
    CHECK(guarded_live() == 0);
}
