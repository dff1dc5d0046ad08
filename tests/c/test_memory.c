/* test_memory.c - without memory a call says so, leaks nothing and writes nothing. */
#include <string.h>

#include "check.h"
#include "guard.h"
#include "lstmc_fcn.h"
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

static int forward(void *call) { return lstmc_forward(call); }
static int backward(void *call) { return lstmc_backward(call); }
static int attend(void *call) { return lstmc_attend(call); }
static int attend_back(void *call) { return lstmc_attend_back(call); }
static int normalize_back(void *call) { return lstmc_batch_normalize_back(call); }

/* Runs a call with failing allocations until it has all that it wants. */
static void starve(int (*call)(void *), void *arguments, const Outputs *out)
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
    Outputs there = {.dtype = dtype}, back = {.dtype = dtype};
    lstmc_call call = {.layer = p.layer,
                       .samples = p.samples,
                       .offsets = p.offsets,
                       .x = to_reals(dtype, p.x, p.steps * shape->inputs, 0),
                       .time = to_reals(dtype, p.time, p.steps, 0),
                       .y = output(&there, p.steps * width),
                       .dx = output(&back, p.steps * shape->inputs),
                       .checkpoint = checkpoint};
    for (int side = 0; side < shape->directions; ++side) {
        lstmc_direction *d = call.direction + side;
        void *weights = empty_reals(dtype, size, 0);
        memset(weights, 0, (size_t)size * real_size(dtype));
        d->weights = weights;
        d->tape = output(&there, tape);
        d->gradient = output(&back, size);
        for (int k = 0; k < p.cell.states; ++k) {
            d->after[k] = output(&there, p.samples * n);
            d->d_before[k] = output(&back, p.samples * n);
        }
    }
    starve(forward, &call, &there);
    starve(backward, &call, &back);
    check_guards();
}

static void check_plain(const Shape *shape) { check_starving(shape, 0); }

static void check_sparse(const Shape *shape) { check_starving(shape, 1); }

static void *zeros(int dtype, ptrdiff_t size)
{
    void *array = empty_reals(dtype, size, 0);
    return memset(array, 0, (size_t)size * real_size(dtype));
}

static void check_starving_attention(int dtype)
{
    enum { SAMPLES = 2, STEPS = 9, INPUTS = 3, UNITS = 5 };
    const ptrdiff_t offsets[SAMPLES + 1] = {0, 4, STEPS};
    Outputs there = {.dtype = dtype}, back = {.dtype = dtype};
    lstmc_attention call = {
        .dtype = dtype,
        .samples = SAMPLES,
        .inputs = INPUTS,
        .units = UNITS,
        .offsets = offsets,
        .x = zeros(dtype, STEPS * INPUTS),
        .key = zeros(dtype, STEPS * UNITS),
        .gates = zeros(dtype, STEPS * 4 * UNITS),
        .context = output(&there, STEPS * INPUTS),
        .h = output(&there, STEPS * UNITS),
        .c = output(&there, STEPS * UNITS),
        .recurrent = zeros(dtype, 4 * UNITS * UNITS),
        .attending = zeros(dtype, 4 * UNITS * INPUTS),
        .querying = zeros(dtype, UNITS * UNITS),
        .vector = zeros(dtype, UNITS),
        .dx = output(&back, STEPS * INPUTS),
        .d_key = output(&back, STEPS * UNITS),
        .d_query = output(&back, STEPS * UNITS),
        .d_vector = output(&back, SAMPLES * UNITS),
        .d_before = {output(&back, SAMPLES * UNITS), output(&back, SAMPLES * UNITS)}};
    starve(attend, &call, &there);
    starve(attend_back, &call, &back);
    check_guards();
}

static void check_starving_norm(void)
{
    enum { ROWS = 7, CHANNELS = 5 };
    const int dtype = LSTMC_FLOAT64; /* sums are, whatever x is */
    Outputs out = {.dtype = dtype};
    lstmc_batch_norm call = {.dtype = dtype,
                             .rows = ROWS,
                             .channels = CHANNELS,
                             .x = zeros(dtype, ROWS * CHANNELS),
                             .mean = zeros(dtype, CHANNELS),
                             .scale = zeros(dtype, CHANNELS),
                             .bias = zeros(dtype, CHANNELS),
                             .dy = zeros(dtype, ROWS * CHANNELS),
                             .precision = zeros(dtype, CHANNELS),
                             .dx = output(&out, ROWS * CHANNELS),
                             .d_scale = output(&out, CHANNELS),
                             .d_bias = output(&out, CHANNELS)};
    starve(normalize_back, &call, &out);
    check_guards();
}

void test_memory(void)
{
    const Shape shape = {
        .inputs = 3, .units = 9, .samples = 4, .longest = 5, .ragged = 1};
    const Shape many = {
        .inputs = 3, .units = 9, .samples = 100, .longest = 25, .ragged = 1};
    each_option(shape, check_plain);
    each_option(many, check_sparse);
    check_starving_attention(LSTMC_FLOAT32);
    check_starving_attention(LSTMC_FLOAT64);
    check_starving_norm();
}
