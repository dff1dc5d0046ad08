/* test_sequence.c - forward and backward on shapes around the tails of vectors, tiles,
 * groups, slabs and windows.
 *
 * Forward is compared with the scalar reference. Backward in float64 is compared with
 * the reference's central difference along a random direction through each input: it
 * sees a wrong element anywhere, at two forwards an array. Backward in float32 is
 * compared with that in float64. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "check.h"
#include "guard.h"
#include "reference.h"
#include "shapes.h"

static const Shape shapes[] = {
    {.inputs = 1, .units = 1, .samples = 1, .longest = 1},
    {.inputs = 1, .units = 3, .samples = 2, .longest = 3, .ragged = 1},
    {.inputs = 3, .units = 1, .samples = 3, .longest = 2, .ragged = 1},
    {.inputs = 2, .units = 7, .samples = 4, .longest = 1},
    {.inputs = 3, .units = 8, .samples = 5, .longest = 4, .ragged = 1},
    {.inputs = 7, .units = 15, .samples = 6, .longest = 3, .ragged = 1},
    {.inputs = 15, .units = 16, .samples = 7, .longest = 3},
    {.inputs = 16, .units = 17, .samples = 8, .longest = 4, .ragged = 1},
    {.inputs = 17, .units = 31, .samples = 11, .longest = 2, .ragged = 1},
    {.inputs = 31, .units = 32, .samples = 12, .longest = 2},
    {.inputs = 33, .units = 33, .samples = 13, .longest = 3, .ragged = 1},
    {.inputs = 8, .units = 64, .samples = 1, .longest = 5},
    {.inputs = 65, .units = 5, .samples = 2, .longest = 4},
    {.inputs = 3, .units = 150, .samples = 1, .longest = 2},
    /* rows of a group and of a slab, full and one more */
    {.inputs = 4, .units = 9, .samples = 24, .longest = 2},
    {.inputs = 4, .units = 9, .samples = 25, .longest = 3, .ragged = 1},
    {.inputs = 3, .units = 70, .samples = 30, .longest = 2, .ragged = 1},
    {.inputs = 2, .units = 17, .samples = 97, .longest = 2},
    {.inputs = 2, .units = 17, .samples = 129, .longest = 2, .ragged = 1},
    /* several slabs, and windows of the weight gradient */
    {.inputs = 3, .units = 5, .samples = 260, .longest = 9, .ragged = 1},
    {.inputs = 2, .units = 4, .samples = 1, .longest = 1100},
    /* no sample, and no step */
    {.inputs = 3, .units = 5, .samples = 0, .longest = 0},
    {.inputs = 3, .units = 5, .samples = 3, .longest = 0},
    {.inputs = 3, .units = 5, .samples = 3, .longest = 0},
};

/* Sums of k products err like sqrt(k) roundings; the gates halve, but many steps, and
 * in the identity's case growing states, pass errors on. */
static double forward_tolerance(const Shape *s)
{
    const double k = (double)(s->inputs + s->units);
    return 4 * epsilon_of(s->dtype) * sqrt(k) * (1 + log2(1 + (double)s->longest));
}

static void compare(const Array *got, const Array *wanted, int count, double tolerance)
{
    for (int k = 0; k < count; ++k) {
        const double d = distance(got + k, wanted + k);
        CHECK_SAY(d <= tolerance, "%s: %g from the reference, at most %g", got[k].name,
                  d, tolerance);
    }
}

static void check_forward(const Shape *shape)
{
    const Problem p = make_problem(shape);
    const Result wanted = reference_forward(&p);
    const Result trained = train(&p, 1), inferred = infer(&p, 1);
    Array a[MOST_ARRAYS], b[MOST_ARRAYS], c[MOST_ARRAYS];
    const int count = list_outputs(&p, &trained, a);
    list_outputs(&p, &inferred, b);
    list_outputs(&p, &wanted, c);
    compare(a, c, count, forward_tolerance(shape));
    for (int k = 0; k < count; ++k)
        CHECK_SAY(same_bits(a + k, b + k), "%s: training differs from inference",
                  a[k].name);
}

/* The loss's change along v, by the reference; `step` along v on both sides. */
static double change_along(const Problem *p, const Array *input, const double *v,
                           double step)
{
    double loss[2];
    const size_t bytes = (size_t)input->size * sizeof(double);
    double *saved = keep(bytes, 0);
    memcpy(saved, input->values, bytes);
    for (int side = 0; side < 2; ++side) {
        for (ptrdiff_t k = 0; k < input->size; ++k)
            input->values[k] = saved[k] + (side ? step : -step) * v[k];
        loss[side] = reference_loss(p);
    }
    memcpy(input->values, saved, bytes);
    return (loss[1] - loss[0]) / (2 * step);
}

/* What the loss is a sum of, without signs; gradients at the outputs are below 1. */
static double size_of_loss(const Problem *p, const Result *result)
{
    Array outputs[MOST_ARRAYS];
    double size = 0;
    for (int k = list_outputs(p, result, outputs) - 1; k >= 0; --k)
        for (ptrdiff_t j = 0; j < outputs[k].size; ++j)
            size += fabs(outputs[k].values[j]);
    return size;
}

static void check_gradient_along(const Shape *shape)
{
    const Problem p = make_problem(shape);
    const Result result = train(&p, 1);
    Array inputs[MOST_ARRAYS], gradients[MOST_ARRAYS];
    const int count = list_inputs(&p, inputs);
    list_gradients(&p, &result, gradients);
    const double step = 1e-6;
    const double rounding = 4 * DBL_EPSILON * size_of_loss(&p, &result) / step;
    for (int k = 0; k < count; ++k) {
        double *v = keep((size_t)inputs[k].size * sizeof(double), 0);
        double wanted = 0, size = 1;
        for (ptrdiff_t j = 0; j < inputs[k].size; ++j) {
            v[j] = uniform();
            wanted += gradients[k].values[j] * v[j];
            size += fabs(gradients[k].values[j] * v[j]);
        }
        const double got = change_along(&p, inputs + k, v, step);
        /* The difference's own error: 1e-12 of curvature, and the loss's roundings. */
        CHECK_SAY(fabs(got - wanted) < 1e-7 * size + rounding,
                  "d%s: %.12g along a direction, the reference says %.12g",
                  inputs[k].name, wanted, got);
    }
}

static void check_gradient_f32(const Shape *shape)
{
    const Problem p = make_problem(shape);
    Problem exact = p;
    exact.layer.dtype = LSTMC_FLOAT64;
    const Result got = train(&p, 1), wanted = train(&exact, 1);
    Array a[MOST_ARRAYS], b[MOST_ARRAYS];
    const int count = list_gradients(&p, &got, a);
    list_gradients(&p, &wanted, b);
    /* As forward; and the weights' gradients are sums over all steps. */
    compare(a, b, count, 4 * forward_tolerance(shape));
}

void test_sequence(void)
{
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; ++k) {
        each_option(shapes[k], check_forward);
        each_option_of(LSTMC_FLOAT64, shapes[k], check_gradient_along);
        each_option_of(LSTMC_FLOAT32, shapes[k], check_gradient_f32);
    }
}
