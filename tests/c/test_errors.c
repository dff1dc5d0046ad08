/* test_errors.c - every error code is provoked, before any memory is touched. */
#include <math.h>
#include <string.h>

#include "check.h"
#include "guard.h"
#include "lstmc_dense.h"
#include "problem.h"

enum { INPUTS = 3, UNITS = 5, SAMPLES = 2, STEPS = 4 };

/* A call of two directions with all its arrays; what may be written holds 0xff. */
static lstmc_call good_call(int dtype)
{
    static const ptrdiff_t offsets[SAMPLES + 1] = {0, 1, STEPS};
    lstmc_call call = {
        .layer = {.dtype = dtype, .inputs = INPUTS, .units = UNITS, .directions = 2},
        .samples = SAMPLES,
        .offsets = offsets,
        .slabs = 1};
    ptrdiff_t size = 0, tape = 0;
    CHECK(lstmc_packed_size(&call.layer, &size) == LSTMC_OK);
    CHECK(lstmc_tape_size(&call.layer, STEPS, &tape) == LSTMC_OK);
    call.x = empty_reals(dtype, STEPS * INPUTS, 0);
    call.dy = empty_reals(dtype, STEPS * 2 * UNITS, 0);
    call.y = empty_reals(dtype, STEPS * 2 * UNITS, 0);
    call.dx = empty_reals(dtype, STEPS * INPUTS, 0);
    for (int side = 0; side < 2; ++side) {
        lstmc_direction *d = call.direction + side;
        d->weights = empty_reals(dtype, size, 0);
        d->tape = empty_reals(dtype, tape, 0);
        d->gradient = empty_reals(dtype, size, 0);
        d->after[0] = empty_reals(dtype, SAMPLES * UNITS, 0);
        d->d_before[0] = empty_reals(dtype, SAMPLES * UNITS, 0);
    }
    return call;
}

static int is_garbage(const void *array, ptrdiff_t size, int dtype)
{
    const unsigned char *bytes = array;
    for (size_t k = 0; k < (size_t)size * real_size(dtype); ++k)
        if (bytes[k] != 0xff)
            return 0;
    return 1;
}

enum { FORWARD = 1, BACKWARD = 2, BOTH = 3 };

/* One thing wrong with a good call, and what must be said about it. */
typedef struct {
    const char *what;
    void (*spoil)(lstmc_call *);
    int status, where;
} Mistake;

#define MISTAKE(name, statement) \
    static void name(lstmc_call *call) { statement; }
static const ptrdiff_t late[] = {1, 2, STEPS}, falling[] = {0, STEPS, 1};
static const ptrdiff_t endless[] = {0, 1, PTRDIFF_MAX / 64};
MISTAKE(cell_below, call->layer.cell = -1)
MISTAKE(cell_above, call->layer.cell = lstmc_cell_count())
MISTAKE(dtype_below, call->layer.dtype = -1)
MISTAKE(dtype_above, call->layer.dtype = 2)
MISTAKE(no_inputs, call->layer.inputs = 0)
MISTAKE(no_units, call->layer.units = 0)
MISTAKE(negative_units, call->layer.units = -1)
MISTAKE(no_direction, call->layer.directions = 0)
MISTAKE(three_directions, call->layer.directions = 3)
MISTAKE(negative_samples, call->samples = -1)
MISTAKE(negative_threads, call->threads = -1)
MISTAKE(negative_slabs, call->slabs = -1)
MISTAKE(no_slabs, call->slabs = 0)
MISTAKE(late_start, call->offsets = late)
MISTAKE(falling_offsets, call->offsets = falling)
MISTAKE(no_offsets, call->offsets = NULL)
MISTAKE(no_x, call->x = NULL)
MISTAKE(no_y, call->y = NULL)
MISTAKE(no_weights, call->direction[0].weights = NULL)
MISTAKE(no_reverse_weights, call->direction[1].weights = NULL)
MISTAKE(no_tape, call->direction[1].tape = NULL)
MISTAKE(no_gradient, call->direction[0].gradient = NULL)
MISTAKE(weights_off,
        call->direction[1].weights = (char *)call->direction[1].weights + 8)
MISTAKE(tape_off, call->direction[0].tape = (char *)call->direction[0].tape + 16)
MISTAKE(gradient_off,
        call->direction[1].gradient = (char *)call->direction[1].gradient + 4)
MISTAKE(huge_units, call->layer.units = PTRDIFF_MAX)
MISTAKE(large_units, call->layer.units = (ptrdiff_t)1 << (sizeof(ptrdiff_t) * 4 - 4))
MISTAKE(huge_inputs, call->layer.inputs = PTRDIFF_MAX / 8)
MISTAKE(endless_sequence, call->offsets = endless)
#undef MISTAKE

static const Mistake mistakes[] = {
    {"cell -1", cell_below, LSTMC_BAD_CELL, BOTH},
    {"cell beyond the registry", cell_above, LSTMC_BAD_CELL, BOTH},
    {"dtype -1", dtype_below, LSTMC_BAD_DTYPE, BOTH},
    {"dtype 2", dtype_above, LSTMC_BAD_DTYPE, BOTH},
    {"0 inputs", no_inputs, LSTMC_BAD_SIZE, BOTH},
    {"0 units", no_units, LSTMC_BAD_SIZE, BOTH},
    {"-1 units", negative_units, LSTMC_BAD_SIZE, BOTH},
    {"0 directions", no_direction, LSTMC_BAD_SIZE, BOTH},
    {"3 directions", three_directions, LSTMC_BAD_SIZE, BOTH},
    {"-1 samples", negative_samples, LSTMC_BAD_SIZE, BOTH},
    {"-1 threads", negative_threads, LSTMC_BAD_SIZE, BOTH},
    {"-1 slabs", negative_slabs, LSTMC_BAD_SIZE, BOTH},
    {"0 slabs", no_slabs, LSTMC_BAD_SIZE, BACKWARD},
    {"offsets from 1 on", late_start, LSTMC_BAD_OFFSETS, BOTH},
    {"falling offsets", falling_offsets, LSTMC_BAD_OFFSETS, BOTH},
    {"no offsets", no_offsets, LSTMC_NULL_ARRAY, BOTH},
    {"no x", no_x, LSTMC_NULL_ARRAY, BOTH},
    {"no y in training", no_y, LSTMC_NULL_ARRAY, BOTH},
    {"no weights", no_weights, LSTMC_NULL_ARRAY, BOTH},
    {"no weights of the reverse", no_reverse_weights, LSTMC_NULL_ARRAY, BOTH},
    {"one tape of two", no_tape, LSTMC_NULL_ARRAY, BOTH},
    {"no gradient", no_gradient, LSTMC_NULL_ARRAY, BACKWARD},
    {"weights off a line", weights_off, LSTMC_NOT_ALIGNED, BOTH},
    {"tape off a line", tape_off, LSTMC_NOT_ALIGNED, BOTH},
    {"gradient off a line", gradient_off, LSTMC_NOT_ALIGNED, BACKWARD},
    {"PTRDIFF_MAX units", huge_units, LSTMC_TOO_LARGE, BOTH},
    {"units whose square overflows", large_units, LSTMC_TOO_LARGE, BOTH},
    {"inputs whose rows overflow", huge_inputs, LSTMC_TOO_LARGE, BOTH},
    {"steps whose tape overflows", endless_sequence, LSTMC_TOO_LARGE, BOTH},
};

static void check_mistake(const Mistake *mistake, int dtype)
{
    about("%s %s: %s", lstmc_target(), dtype_name(dtype), mistake->what);
    for (int where = FORWARD; where <= BACKWARD; ++where) {
        if (!(mistake->where & where))
            continue;
        const lstmc_call good = good_call(dtype);
        lstmc_call call = good;
        mistake->spoil(&call);
        const int status =
            where == FORWARD ? lstmc_forward(&call) : lstmc_backward(&call);
        CHECK_SAY(status == mistake->status, "%s: expected '%s', got '%s'",
                  where == FORWARD ? "forward" : "backward",
                  lstmc_message(mistake->status), lstmc_message(status));
        CHECK(is_garbage(good.y, STEPS * 2 * UNITS, dtype));
        CHECK(is_garbage(good.dx, STEPS * INPUTS, dtype));
        for (int side = 0; side < 2; ++side) {
            const lstmc_direction *d = good.direction + side;
            CHECK(is_garbage(d->after[0], SAMPLES * UNITS, dtype));
            CHECK(is_garbage(d->d_before[0], SAMPLES * UNITS, dtype));
        }
        CHECK(guarded_live() == 0);
    }
    drop_all();
}

static void check_options(void)
{
    lstmc_layer layer = {
        .inputs = 1, .units = 1, .directions = 1, .identity_output = 1};
    for (; layer.cell < lstmc_cell_count(); ++layer.cell) {
        lstmc_cell cell;
        ptrdiff_t size;
        CHECK(lstmc_describe_cell(layer.cell, &cell) == LSTMC_OK);
        about("squash of %s", cell.name);
        CHECK(lstmc_packed_size(&layer, &size) ==
              (cell.squashes ? LSTMC_OK : LSTMC_BAD_OPTION));
    }
}

static void check_sizes(void)
{
    about("sizes");
    lstmc_layer layer = {.inputs = 1, .units = 1, .directions = 1};
    lstmc_cell cell;
    ptrdiff_t size = 77;
    float real = 0;
    CHECK(lstmc_describe_cell(-1, &cell) == LSTMC_BAD_CELL);
    CHECK(lstmc_describe_cell(lstmc_cell_count(), &cell) == LSTMC_BAD_CELL);
    CHECK(lstmc_tape_size(&layer, PTRDIFF_MAX / 8, &size) == LSTMC_TOO_LARGE);
    CHECK(lstmc_tape_size(&layer, -1, &size) == LSTMC_BAD_SIZE);
    CHECK(lstmc_checkpoint_size(&layer, -1, late, &size) == LSTMC_BAD_SIZE);
    CHECK(lstmc_checkpoint_size(&layer, 2, NULL, &size) == LSTMC_NULL_ARRAY);
    CHECK(lstmc_checkpoint_size(&layer, 2, late, &size) == LSTMC_BAD_OFFSETS);
    CHECK(lstmc_checkpoint_size(&layer, 2, falling, &size) == LSTMC_BAD_OFFSETS);
    CHECK(lstmc_checkpoint_size(&layer, 2, endless, &size) == LSTMC_TOO_LARGE);
    CHECK(size == 77);
    const lstmc_weights weights = {&real, &real, &real, &real, &real};
    const lstmc_weights no_w = {NULL, &real, &real, &real, &real};
    const lstmc_weights no_r = {&real, NULL, &real, &real, &real};
    CHECK(lstmc_pack(&layer, &no_w, &real) == LSTMC_NULL_ARRAY);
    CHECK(lstmc_pack(&layer, NULL, &real) == LSTMC_NULL_ARRAY);
    CHECK(lstmc_unpack(&layer, &real, &no_r) == LSTMC_NULL_ARRAY);
    CHECK(lstmc_unpack(&layer, NULL, &weights) == LSTMC_NULL_ARRAY);
    layer.units = PTRDIFF_MAX / 2;
    CHECK(lstmc_packed_size(&layer, &size) == LSTMC_TOO_LARGE);
    CHECK(lstmc_pack(&layer, &weights, &real) == LSTMC_TOO_LARGE);
    CHECK(size == 77 && real == 0);
}

static void check_solvers(void)
{
    about("arguments of the solvers");
    const lstmc_solver s = {.scale = 1, .learning_rate = 1, .step = 1};
    float x[4] = {1, 2, 3, 4};
    double norm = 77;
    lstmc_dense_call dense = {.rows = 1, .inputs = 1, .outputs = 1};
    CHECK(lstmc_dense_forward(&dense) == LSTMC_NULL_ARRAY);
    CHECK(lstmc_dense_backward(&dense) == LSTMC_NULL_ARRAY);
    dense.packed = (const char *)x + 1;
    CHECK(lstmc_dense_forward(&dense) == LSTMC_NOT_ALIGNED);
    dense = (lstmc_dense_call){.rows = -1, .inputs = 1, .outputs = 1};
    CHECK(lstmc_dense_forward(&dense) == LSTMC_BAD_SIZE);
    dense = (lstmc_dense_call){.inputs = 0, .outputs = 1};
    CHECK(lstmc_dense_forward(&dense) == LSTMC_BAD_SIZE);
    dense = (lstmc_dense_call){.dtype = 9, .inputs = 1, .outputs = 1};
    CHECK(lstmc_dense_forward(&dense) == LSTMC_BAD_DTYPE);
    dense = (lstmc_dense_call){.inputs = 1, .outputs = 1};
    CHECK(lstmc_dense_forward(&dense) == LSTMC_OK); /* no rows */
    CHECK(lstmc_adam(9, &s, x, x, x, x, 4) == LSTMC_BAD_DTYPE);
    CHECK(lstmc_adam(0, &s, x, x, x, NULL, 4) == LSTMC_NULL_ARRAY);
    CHECK(lstmc_sgd(9, &s, x, x, x, 4) == LSTMC_BAD_DTYPE);
    CHECK(lstmc_sgd(0, &s, x, NULL, x, 4) == LSTMC_NULL_ARRAY);
    CHECK(lstmc_squared_norm(9, x, 4, &norm) == LSTMC_BAD_DTYPE);
    CHECK(lstmc_squared_norm(0, NULL, 4, &norm) == LSTMC_NULL_ARRAY);
    CHECK(lstmc_dropout(9, x, 4, 0.5, 0, 0) == LSTMC_BAD_DTYPE);
    CHECK(lstmc_dropout(0, x, 4, 1, 0, 0) == LSTMC_BAD_SIZE);
    CHECK(lstmc_dropout(0, x, 4, -0.1, 0, 0) == LSTMC_BAD_SIZE);
    CHECK(lstmc_dropout(0, x, 4, NAN, 0, 0) == LSTMC_BAD_SIZE);
    CHECK(lstmc_dropout(0, NULL, 4, 0.5, 0, 0) == LSTMC_NULL_ARRAY);
    CHECK(x[0] == 1 && x[1] == 2 && x[2] == 3 && x[3] == 4 && norm == 77);
}

static void check_messages(void)
{
    about("messages");
    for (int k = LSTMC_OK; k <= LSTMC_BAD_STACK; ++k)
        for (int j = LSTMC_OK; j < k; ++j)
            CHECK(strcmp(lstmc_message(j), lstmc_message(k)) != 0);
    CHECK(strcmp(lstmc_message(-1), lstmc_message(LSTMC_BAD_STACK + 1)) == 0);
    CHECK(strcmp(lstmc_message(-1), lstmc_message(LSTMC_NO_TARGET)) != 0);
}

void test_errors(void)
{
    for (size_t k = 0; k < sizeof mistakes / sizeof *mistakes; ++k) {
        check_mistake(mistakes + k, LSTMC_FLOAT32);
        check_mistake(mistakes + k, LSTMC_FLOAT64);
    }
    check_options();
    check_sizes();
    check_solvers();
    check_messages();
}
