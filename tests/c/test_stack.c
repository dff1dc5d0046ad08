/* test_stack.c - layers on one another in one call: the bits of a call for each, at the
 * same time or not; a stop, too little memory, layers that do not fit. */
#include <string.h>

#include "check.h"
#include "guard.h"
#include "problem.h"
#include "shapes.h"

enum { LAYERS = 3, MOST_STACKED = LAYERS * MOST_ARRAYS };

/* Work enough for a team for every cell, and fewer samples than threads or layers. */
static const Shape lone = {.inputs = 3, .units = 24, .samples = 1, .longest = 610};
static const Shape two = {
    .inputs = 3, .units = 24, .samples = 2, .longest = 610, .ragged = 1};
/* More rows than a window of 1024 has, in a row alone. */
static const Shape windows = {.inputs = 2, .units = 9, .samples = 1, .longest = 2100};

/* The problems of the layers, which have the samples and times of the first. */
typedef struct {
    Problem p[LAYERS];
    ptrdiff_t width; /* of y */
} Problems;

static Problems make_problems(const Shape *shape)
{
    Problems all = {.width = shape->units * shape->directions};
    for (int k = 0; k < LAYERS; ++k) {
        Shape own = *shape;
        own.inputs = k == 0 ? shape->inputs : all.width;
        all.p[k] = make_problem(&own);
    }
    return all;
}

typedef struct {
    lstmc_call call[LAYERS];
    ptrdiff_t size[LAYERS]; /* of packed weights */
} Calls;

static void fill_call(const Problems *all, int k, int threads, Calls *to)
{
    const Problem *p = all->p + k, *first = all->p;
    const int dtype = p->layer.dtype;
    const ptrdiff_t n = p->layer.units;
    lstmc_call *call = to->call + k;
    *call = (lstmc_call){.layer = p->layer,
                         .samples = first->samples,
                         .offsets = first->offsets,
                         .time = to_reals(dtype, first->time, first->steps, 0),
                         .y = empty_reals(dtype, first->steps * all->width, 0),
                         .dx = empty_reals(dtype, first->steps * p->layer.inputs, 0),
                         .threads = threads};
    call->x =
        k == 0 ? to_reals(dtype, p->x, p->steps * p->layer.inputs, 0) : call[-1].y;
    for (int side = 0; side < p->layer.directions; ++side) {
        lstmc_direction *d = call->direction + side;
        d->weights = packed_weights(p, side, to->size + k);
        d->gradient = empty_reals(dtype, to->size[k], 0);
        for (int j = 0; j < p->cell.states; ++j) {
            d->before[j] = to_reals(dtype, p->before[side][j], p->samples * n, 0);
            d->d_after[j] = to_reals(dtype, p->d_after[side][j], p->samples * n, 0);
            d->after[j] = empty_reals(dtype, p->samples * n, 0);
            d->d_before[j] = empty_reals(dtype, p->samples * n, 0);
        }
    }
}

static Calls make_calls(const Problems *all, int threads)
{
    Calls calls;
    for (int k = 0; k < LAYERS; ++k)
        fill_call(all, k, threads, &calls);
    for (int k = 0; k + 1 < LAYERS; ++k)
        calls.call[k].dy = calls.call[k + 1].dx;
    const Problem *first = all->p;
    calls.call[LAYERS - 1].dy =
        to_reals(first->layer.dtype, first->dy, first->steps * all->width, 0);
    return calls;
}

static void add_tapes(const Problems *all, int checkpoint, Calls *calls)
{
    const Problem *first = all->p;
    for (int k = 0; k < LAYERS; ++k) {
        lstmc_call *call = calls->call + k;
        ptrdiff_t tape = 0;
        CHECK((checkpoint
                   ? lstmc_checkpoint_size(&call->layer, first->samples, first->offsets,
                                           &tape)
                   : lstmc_tape_size(&call->layer, first->steps, &tape)) == LSTMC_OK);
        call->checkpoint = checkpoint;
        for (int side = 0; side < call->layer.directions; ++side)
            call->direction[side].tape = empty_reals(call->layer.dtype, tape, 0);
    }
}

/* Each joined to the one below. */
static lstmc_call *join(Calls *calls)
{
    for (int k = 0; k + 1 < LAYERS; ++k)
        calls->call[k].above = calls->call + k + 1;
    return calls->call;
}

static int list(const Problems *all, const Calls *calls, int backward, Array *out)
{
    const Problem *first = all->p;
    const int dtype = first->layer.dtype;
    const ptrdiff_t reals = first->samples * first->layer.units;
    int count = 0;
#define ADD(name, from, size) \
    out[count++] = (Array) { name, to_doubles(dtype, from, size), size }
    for (int k = 0; k < LAYERS; ++k) {
        const lstmc_call *call = calls->call + k;
        ADD("y", call->y, first->steps * all->width);
        if (backward)
            ADD("dx", call->dx, first->steps * call->layer.inputs);
        for (int side = 0; side < call->layer.directions; ++side) {
            const lstmc_direction *d = call->direction + side;
            if (backward)
                ADD("gradient", d->gradient, calls->size[k]);
            for (int j = 0; j < first->cell.states; ++j) {
                ADD("after", d->after[j], reals);
                if (backward)
                    ADD("d_before", d->d_before[j], reals);
            }
        }
    }
#undef ADD
    return count;
}

static void check_bits(const Shape *shape)
{
    const Problems all = make_problems(shape);
    Array wanted[MOST_STACKED], found[MOST_STACKED];
    Calls alone = make_calls(&all, 1);
    add_tapes(&all, 0, &alone);
    for (int k = 0; k < LAYERS; ++k)
        CHECK(lstmc_forward(alone.call + k) == LSTMC_OK);
    for (int k = LAYERS - 1; k >= 0; --k)
        CHECK(lstmc_backward(alone.call + k) == LSTMC_OK);
    int count = list(&all, &alone, 1, wanted);
    static const struct {
        int threads, checkpoint;
    } ways[] = {{2, 0}, {2, 1}, {8, 0}};
    for (size_t k = 0; k < sizeof ways / sizeof *ways; ++k) {
        Calls stack = make_calls(&all, ways[k].threads);
        add_tapes(&all, ways[k].checkpoint, &stack);
        CHECK(lstmc_forward(join(&stack)) == LSTMC_OK);
        CHECK(lstmc_backward(stack.call) == LSTMC_OK);
        list(&all, &stack, 1, found);
        check_same(found, wanted, count, "of layers in one call");
    }
    Calls stack = make_calls(&all, 2);
    CHECK(lstmc_forward(join(&stack)) == LSTMC_OK);
    list(&all, &stack, 0, found);
    count = list(&all, &alone, 0, wanted);
    check_same(found, wanted, count, "of layers in one call, without a tape");
    check_guards();
}

static int stop(void *asked)
{
    ++*(int *)asked;
    return 1;
}

/* The thread that made the call asks, and the other layers hear of it. */
static void check_stop(const Shape *shape)
{
    const Problems all = make_problems(shape);
    for (int backward = 0; backward <= 1; ++backward) {
        int asked = 0;
        Calls stack = make_calls(&all, LAYERS);
        add_tapes(&all, 0, &stack);
        join(&stack);
        if (backward)
            CHECK(lstmc_forward(stack.call) == LSTMC_OK);
        for (int k = 0; k < LAYERS; ++k) {
            stack.call[k].poll = stop;
            stack.call[k].poll_data = &asked;
        }
        CHECK((backward ? lstmc_backward : lstmc_forward)(stack.call) == LSTMC_STOPPED);
        CHECK(asked == 1);
        CHECK(guarded_live() == 0);
    }
    check_guards();
}

static void check_starving(const Shape *shape)
{
    const Problems all = make_problems(shape);
    Calls stack = make_calls(&all, 2);
    join(&stack);
    /* That of the stack itself, then the layers'. */
    for (int passes = 0; passes <= LAYERS; ++passes) {
        fail_after(passes);
        const int status = lstmc_forward(stack.call);
        fail_after(-1);
        CHECK(status == LSTMC_NO_MEMORY);
        CHECK(guarded_live() == 0);
        const unsigned char *y = stack.call->y;
        /* One after the other, the first has run when the second asks. */
        const int may = passes > 1 && !lstmc_has_openmp();
        CHECK_SAY(y[0] == 0xff || may, "y was written without memory to work in");
    }
    CHECK(lstmc_forward(stack.call) == LSTMC_OK);
}

static void other_x(lstmc_call *above) { above->x = above->y; }
static void other_dx(lstmc_call *above) { above->dx = above->y; }
static void other_offsets(lstmc_call *above)
{
    ptrdiff_t *offsets = keep((size_t)(above->samples + 1) * sizeof *offsets, 0);
    memcpy(offsets, above->offsets, (size_t)(above->samples + 1) * sizeof *offsets);
    above->offsets = offsets;
}
static void fewer_samples(lstmc_call *above) { --above->samples; }
static void fewer_inputs(lstmc_call *above) { --above->layer.inputs; }
static void other_dtype(lstmc_call *above)
{
    above->layer.dtype =
        above->layer.dtype == LSTMC_FLOAT32 ? LSTMC_FLOAT64 : LSTMC_FLOAT32;
}

static void check_misfits(const Shape *shape)
{
    static void (*const spoil[])(lstmc_call *) = {
        other_x, other_offsets, fewer_samples, fewer_inputs, other_dtype, other_dx};
    const Problems all = make_problems(shape);
    for (size_t k = 0; k < sizeof spoil / sizeof *spoil; ++k) {
        Calls stack = make_calls(&all, 2);
        add_tapes(&all, 0, &stack);
        CHECK(lstmc_forward(join(&stack)) == LSTMC_OK);
        spoil[k](stack.call + 1);
        CHECK(lstmc_backward(stack.call) == LSTMC_BAD_STACK);
        const int reads_it = spoil[k] != other_dx;
        CHECK(!reads_it || lstmc_forward(stack.call) == LSTMC_BAD_STACK);
    }
}

void test_stack(void)
{
    each_option_of(LSTMC_FLOAT32, lone, check_bits);
    each_option_of(LSTMC_FLOAT32, two, check_bits);
    each_option_of(LSTMC_FLOAT64, windows, check_bits);
    Shape lstm = {.inputs = 5,
                  .units = 160,
                  .directions = 1,
                  .samples = 1,
                  .longest = 3000,
                  .dtype = LSTMC_FLOAT32};
    about("%s: layers on one another", lstmc_target());
    check_stop(&lstm);
    lstm.longest = 300;
    check_starving(&lstm);
    lstm.samples = 2;
    check_misfits(&lstm);
    drop_all();
}
