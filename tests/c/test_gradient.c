/* test_gradient.c - every element of every gradient against central differences. */
#include <math.h>

#include "check.h"
#include "guard.h"
#include "reference.h"
#include "shapes.h"

/* float64: the truncation step^2 f''' / 6 is below 1e-10, the rounding 1e-16 |loss| /
 * step below 1e-9. */
static const double step = 1e-5, tolerance = 1e-7;

static double difference(const Problem *p, double *number)
{
    const double saved = *number;
    *number = saved + step;
    const double up = reference_loss(p);
    *number = saved - step;
    const double down = reference_loss(p);
    *number = saved;
    return (up - down) / (2 * step);
}

static void check_elements(const Shape *shape)
{
    const Problem p = make_problem(shape);
    const Result result = train(&p, 1);
    Array inputs[MOST_ARRAYS], gradients[MOST_ARRAYS];
    const int count = list_inputs(&p, inputs);
    list_gradients(&p, &result, gradients);
    for (int k = 0; k < count; ++k)
        for (ptrdiff_t j = 0; j < inputs[k].size; ++j) {
            const double got = gradients[k].values[j];
            const double wanted = difference(&p, inputs[k].values + j);
            CHECK_SAY(fabs(got - wanted) < tolerance * fmax(1, fabs(wanted)),
                      "d%s[%td]: %.12g, by central differences %.12g", inputs[k].name,
                      j, got, wanted);
        }
}

void test_gradient(void)
{
    const Shape one_step = {.inputs = 2, .units = 3, .samples = 2, .longest = 1};
    const Shape ragged = {
        .inputs = 3, .units = 9, .samples = 4, .longest = 4, .ragged = 1};
    each_option_of(LSTMC_FLOAT64, one_step, check_elements);
    each_option_of(LSTMC_FLOAT64, ragged, check_elements);
}
