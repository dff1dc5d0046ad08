/* test_memory.c - without memory a call says so, leaks nothing and writes nothing. */
#include <string.h>

#include "check.h"
#include "guard.h"
#include "problem.h"
#include "shapes.h"

enum { MOST_OUTPUTS = 2 * LSTMC_MAX_STATES + 4, MOST_ALLOCATIONS = 10 };

typedef struct {
    int dtype, count;
    void *array[MOST_OUTPUTS];
    size_t bytes[MOST_OUTPUTS];
} Outputs;

static void *output(Outputs *out, ptrdiff_t size)
{
    void *array = empty_reals(out->dtype, size, 0);
    out->bytes[out->count] = (size_t)size * real_size(out->dtype);
    return out->array[out->count++] = array;
}

/* All bytes as keep() left them. */
static int is_garbage(const Outputs *out)
{
    for (int k = 0; k < out->count; ++k)
        for (size_t j = 0; j < out->bytes[k]; ++j)
            if (((unsigned char *)out->array[k])[j] != 0xff)
                return 0;
    return 1;
}

/* Runs a call with failing allocations until it has all that it wants. */
static void starve(int (*call)(lstmc_call *), lstmc_call *arguments, const Outputs *out)
{
    for (int passes = 0; passes < MOST_ALLOCATIONS; ++passes) {
        fail_after(passes);
        const int status = call(arguments);
        fail_after(-1);
        CHECK(guarded_live() == 0);
        if (status == LSTMC_OK) {
            CHECK_SAY(passes > 0, "a call that wants no memory");
            return;
        }
        CHECK(status == LSTMC_NO_MEMORY);
        CHECK(lstmc_wanted_bytes() > 0);
        CHECK_SAY(is_garbage(out), "outputs were written without memory to work in");
    }
    CHECK_SAY(0, "more than %d allocations", MOST_ALLOCATIONS);
}

static void check_starving(const Shape *shape, int checkpoint)
{
    const Problem p = make_problem(shape);
    const int dtype = shape->dtype;
    const ptrdiff_t n = shape->units, width = n * shape->directions;
    ptrdiff_t size = 0, tape = 0;
    CHECK(lstmc_packed_size(&p.layer, &size) == LSTMC_OK);
    if (checkpoint)
        CHECK(lstmc_checkpoint_size(&p.layer, p.samples, p.offsets, &tape) == LSTMC_OK);
    else
        CHECK(lstmc_tape_size(&p.layer, p.steps, &tape) == LSTMC_OK);
    Outputs forward = {.dtype = dtype}, backward = {.dtype = dtype};
    lstmc_call call = {.layer = p.layer,
                       .samples = p.samples,
                       .offsets = p.offsets,
                       .x = to_reals(dtype, p.x, p.steps * shape->inputs, 0),
                       .time = to_reals(dtype, p.time, p.steps, 0),
                       .y = output(&forward, p.steps * width),
                       .dx = output(&backward, p.steps * shape->inputs),
                       .checkpoint = checkpoint};
    for (int side = 0; side < shape->directions; ++side) {
        lstmc_direction *d = call.direction + side;
        void *weights = empty_reals(dtype, size, 0);
        memset(weights, 0, (size_t)size * real_size(dtype));
        d->weights = weights;
        d->tape = output(&forward, tape);
        d->gradient = output(&backward, size);
        for (int k = 0; k < p.cell.states; ++k) {
            d->after[k] = output(&forward, p.samples * n);
            d->d_before[k] = output(&backward, p.samples * n);
        }
    }
    starve(lstmc_forward, &call, &forward);
    starve(lstmc_backward, &call, &backward);
    check_guards();
}

static void check_plain(const Shape *shape) { check_starving(shape, 0); }

static void check_sparse(const Shape *shape) { check_starving(shape, 1); }

void test_memory(void)
{
    const Shape shape = {
        .inputs = 3, .units = 9, .samples = 4, .longest = 5, .ragged = 1};
    const Shape many = {
        .inputs = 3, .units = 9, .samples = 100, .longest = 25, .ragged = 1};
    each_option(shape, check_plain);
    each_option(many, check_sparse);
}
