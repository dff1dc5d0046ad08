/* test_checkpoint.c - training with checkpoints: the bits of the plain run, less tape,
 * and a stop where backward runs forward again. */
#include <string.h>

#include "check.h"
#include "guard.h"
#include "problem.h"
#include "shapes.h"

/* Several segments each: of 15 steps; of 342, where threads share units as a crew; and
 * of two windows of 4, in many slabs. */
static const Shape many = {
    .inputs = 3, .units = 9, .samples = 70, .longest = 47, .ragged = 1};
static const Shape few = {
    .inputs = 5, .units = 130, .samples = 3, .longest = 720, .ragged = 1};
static const Shape slabs = {
    .inputs = 2, .units = 5, .samples = 300, .longest = 200, .ragged = 1};

static void check_bits(const Shape *shape)
{
    const Problem p = make_problem(shape);
    const Result plain = train(&p, 1);
    for (int threads = 1; threads <= 3; threads += 2) {
        const Result sparse = train_sparsely(&p, threads);
        check_same_results(&p, &plain, &sparse, "with checkpoints");
    }
}

static ptrdiff_t size_for(const lstmc_layer *layer, ptrdiff_t samples, ptrdiff_t steps)
{
    ptrdiff_t *offsets = keep((size_t)(samples + 1) * sizeof *offsets, 0), size = 0;
    for (ptrdiff_t j = 0; j <= samples; ++j)
        offsets[j] = j * steps;
    CHECK(lstmc_checkpoint_size(layer, samples, offsets, &size) == LSTMC_OK);
    return size;
}

/* Sixteen times the steps, four times the tape; never more than a plain one. */
static void check_growth(const Shape *shape)
{
    const Problem p = make_problem(shape);
    const ptrdiff_t short_ = size_for(&p.layer, 1024, 2500);
    const ptrdiff_t long_ = size_for(&p.layer, 1024, 40000);
    const int grows =
        p.cell.states > 1; /* y holds all that a cell with h alone needs */
    CHECK_SAY(long_ > (grows ? 3.8 : 0.99) * short_ && long_ < 4.2 * short_,
              "%td reals for 2500 steps, %td for 40000", short_, long_);
    for (ptrdiff_t steps = 0; steps < 40; ++steps) {
        ptrdiff_t plain = 0;
        CHECK(lstmc_tape_size(&p.layer, 100 * steps, &plain) == LSTMC_OK);
        CHECK(size_for(&p.layer, 100, steps) <= plain);
    }
}

/* --- a stop ---------------------------------------------------------------------- */

static int stop(void *asked)
{
    ++*(int *)asked;
    return 1;
}

enum { SEGMENT = 128, SEGMENTS = 3, ROWS = 8, INPUTS = 5, UNITS = 160 };

/* The caller is asked after 3e8 operations, by its own product sums: in the first half
 * of what comes after the last segment, hence while the one before it runs again. */
static void check_stop(const Shape *shape)
{
    const Problem p = make_problem(shape);
    const int dtype = shape->dtype;
    ptrdiff_t size = 0, tape = 0;
    int asked = 0;
    CHECK(lstmc_packed_size(&p.layer, &size) == LSTMC_OK);
    CHECK(lstmc_checkpoint_size(&p.layer, ROWS, p.offsets, &tape) == LSTMC_OK);
    float *dx = empty_reals(dtype, p.steps * INPUTS, 0), *weights, garbage;
    memset(&garbage, 0xff, sizeof garbage);
    weights = memset(empty_reals(dtype, size, 0), 0, (size_t)size * sizeof(float));
    lstmc_call call = {.layer = p.layer,
                       .samples = ROWS,
                       .offsets = p.offsets,
                       .x = to_reals(dtype, p.x, p.steps * INPUTS, 0),
                       .time = to_reals(dtype, p.time, p.steps, 0),
                       .y = empty_reals(dtype, p.steps * UNITS, 0),
                       .dx = dx,
                       .threads = 1,
                       .checkpoint = 1};
    call.direction[0].weights = weights;
    call.direction[0].tape = empty_reals(dtype, tape, 0);
    call.direction[0].gradient = empty_reals(dtype, size, 0);
    CHECK(lstmc_forward(&call) == LSTMC_OK);
    call.poll = stop;
    call.poll_data = &asked;
    CHECK(lstmc_backward(&call) == LSTMC_STOPPED);
    CHECK(asked == 1);
    const ptrdiff_t last = (SEGMENTS - 1) * SEGMENT;
    for (ptrdiff_t t = 0; t < SEGMENTS * SEGMENT; ++t) {
        const int written = memcmp(dx + t * INPUTS, &garbage, sizeof garbage) != 0;
        CHECK_SAY(written == (t >= last), "dx of step %td", t);
    }
    CHECK(guarded_live() == 0);
    check_guards();
}

void test_checkpoint(void)
{
    each_option(many, check_bits);
    each_option_of(LSTMC_FLOAT32, few, check_bits);
    each_option_of(LSTMC_FLOAT64, slabs, check_bits);
    each_option_of(LSTMC_FLOAT64, many, check_growth);
    const Shape lstm = {.inputs = INPUTS,
                        .units = UNITS,
                        .directions = 1,
                        .samples = ROWS,
                        .longest = SEGMENTS * SEGMENT};
    about("%s: a stop while a segment runs again", lstmc_target());
    check_stop(&lstm);
    drop_all();
}
