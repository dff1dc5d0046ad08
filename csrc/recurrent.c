/* recurrent.c - forward and backward of recurrent layers: checks first, then who does
 * what, then memory, then the kernels. */
#include <limits.h>
#include <string.h>

#include "dispatch.h"
#include "lstmc.h"
#include "parallel.h"

static int check_call(const lstmc_call *call, int backward, ptrdiff_t *longest)
{
    const lstmc_layer *layer = &call->layer;
    CHECK(check_layer(layer));
    if (call->samples < 0 || call->threads < 0 || call->slabs < 0)
        return LSTMC_BAD_SIZE;
    CHECK(check_lengths(layer, call->samples, call->offsets, longest));
    const int training = backward || call->direction[0].tape;
    if (*longest > 0 && (!call->x || (training && !call->y)))
        return LSTMC_NULL_ARRAY;
    if (*longest > 0 && !call->time && kernels_of(layer->dtype)->is_timed(layer->cell))
        return LSTMC_NULL_ARRAY;
    CHECK(check_noise(&call->noise));
    if (!is_aligned(call->split))
        return LSTMC_NOT_ALIGNED;
    for (ptrdiff_t part = 0; part < count_parts(layer); ++part) {
        const lstmc_direction *d = call->direction + part;
        if (!d->weights || (backward && (!d->gradient || (*longest > 0 && !d->tape))) ||
            (training && *longest > 0 && !d->tape))
            return LSTMC_NULL_ARRAY;
        if (!is_aligned(d->weights) || !is_aligned(d->tape) || !is_aligned(d->gradient))
            return LSTMC_NOT_ALIGNED;
    }
    return backward && call->slabs < 1 ? LSTMC_BAD_SIZE : LSTMC_OK;
}

/* --- who does what --------------------------------------------------------------- */

/* Rows of a slab at most: its states stay in the second-level cache. */
#define SLAB_ROWS 64
/* Rows a thread below which it rather has all rows of some units, if R has more bytes
 * than a second-level cache likes: then the way of the weights to the core decides, and
 * each core fetches a part of them alone. Digits are used up twice as fast. */
#define FEW_ROWS 16
#define LARGE_R (1 << 20)
/* Units of a thread at least, when threads share the rows: they meet at every step. */
#define OWN_UNITS 48
/* Bytes of R up to which a thread rather has a layer of its own, so that they seldom
 * meet: its second-level cache holds it, and W now and then. */
#define NEAR_R (640 << 10)
/* Rows of all steps at least, of two lots. */
#define LOT_ROWS 128

static size_t bytes_of_r(const lstmc_layer *layer)
{
    lstmc_cell cell;
    kernels_of(layer->dtype)->describe(layer->cell, &cell);
    return (size_t)(layer->units * cell.r_blocks * width_of_part(layer)) *
           real_size(layer->dtype);
}

static ptrdiff_t fewest_slabs(const lstmc_call *call)
{
    return call->samples > SLAB_ROWS ? (call->samples + SLAB_ROWS - 1) / SLAB_ROWS : 1;
}

static int has_digits(const lstmc_layer *layer)
{
    return target_has_amx() && layer->dtype == LSTMC_FLOAT32;
}

/* Threads that share the units of a slab; 1: each rather has rows of its own. */
static int count_members(const lstmc_call *call, int threads)
{
    const lstmc_layer *layer = &call->layer;
    const ptrdiff_t rows = call->samples * count_parts(layer);
    const ptrdiff_t crews = fewest_slabs(call) * count_parts(layer);
    const ptrdiff_t few = (has_digits(layer) ? 2 : 1) * FEW_ROWS;
    if (crews >= threads || rows >= few * threads)
        return 1;
    lstmc_cell cell;
    kernels_of(layer->dtype)->describe(layer->cell, &cell);
    if (cell.whole || (rows >= threads && bytes_of_r(layer) <= LARGE_R))
        return 1;
    const ptrdiff_t most = layer->units / OWN_UNITS;
    const int members = threads / (int)crews;
    const int sharing = members < most ? members : (int)most;
    /* All of them, or at least more than have rows. */
    const int pays = rows >= threads ? sharing == members : sharing * crews > rows;
    return pays ? sharing : 1;
}

/* Slabs are as few as their height allows, and where each thread has jobs of its own
 * so many that all threads have the same number. */
static ptrdiff_t count_slabs(const lstmc_call *call, int threads, int members)
{
    ptrdiff_t slabs = fewest_slabs(call);
    while (members == 1 && slabs < call->samples &&
           slabs * count_parts(&call->layer) % threads > 0)
        ++slabs;
    return slabs;
}

/* Lots of rows, so that two threads read next to nothing of what the other's rows have
 * left; few rows are not worth the addition of two gradients. */
static int count_lots(const lstmc_call *call)
{
    return call->offsets[call->samples] >= LOT_ROWS &&
                   count_slabs(call, 2, count_members(call, 2)) > 1
               ? 2
               : 1;
}

/* Of one sequence the parts, forward one after another, each by all threads: no second-
 * level cache holds R of a part, but each holds its share of it. Back they would meet
 * too often. */
static int takes_turns(const lstmc_call *call, int threads, int backward)
{
    const lstmc_layer *layer = &call->layer;
    if (backward || threads == 1 || call->samples != 1 ||
        count_parts(layer) < threads || layer->units / OWN_UNITS < threads ||
        has_digits(layer))
        return 0;
    const size_t r = bytes_of_r(layer);
    lstmc_cell cell;
    kernels_of(layer->dtype)->describe(layer->cell, &cell);
    return !cell.whole && r > LARGE_R && r <= (size_t)threads * LARGE_R;
}

/* Who does what decides about time alone, never about a bit of the results. The tape is
 * cut into slabs, so backward takes those of forward. */
static Team plan_team(lstmc_call *call, int threads, int backward)
{
    const int turns = takes_turns(call, threads, backward);
    const int members = turns ? threads : count_members(call, threads);
    if (!backward)
        call->slabs = count_slabs(call, threads, members);
    const ptrdiff_t jobs = call->slabs * count_parts(&call->layer);
    const ptrdiff_t crews = turns ? 1 : jobs;
    const ptrdiff_t most = crews < threads ? threads / crews : 1;
    Team team = {.threads = threads,
                 .members = members < most ? members : (int)most,
                 .lots = backward ? count_lots(call) : 1,
                 .amx = target_has_amx()};
    if (!backward && jobs * team.members < threads)
        team.threads = (int)jobs * team.members;
    return team;
}

static double work(const lstmc_call *call, int backward)
{
    const int passes = !backward ? 1 : call->checkpoint ? 3 : 2;
    return passes * (double)call->offsets[call->samples] * step_work(&call->layer);
}

static int run(lstmc_call *call, int backward, ptrdiff_t longest)
{
    const Kernels *kernels = kernels_of(call->layer.dtype);
    const int threads = take_threads(call->threads, work(call, backward));
    const Team team = plan_team(call, threads, backward);
    void *workspace =
        lstmc_take_memory((size_t)kernels->workspace(call, team, longest, backward));
    int status = LSTMC_NO_MEMORY;
    if (workspace) {
        status = (backward ? kernels->backward : kernels->forward)(call, team, longest,
                                                                   workspace);
        lstmc_give_memory(workspace);
    }
    give_threads(threads);
    return status;
}

/* --- layers on one another -------------------------------------------------------- */

/* Steps that a layer tells the one after it at once: few, so that it starts soon, and
 * enough for their W x to be worth a product. */
#define LEAST_TOLD 4
#define MOST_TOLD 64

/* A layer of a stack on its way, in the order in which they start. */
typedef struct {
    lstmc_call *call;
    Team team;
    Link link;
    Progress progress;
    void *workspace;
    int status;
} Stage;

typedef struct {
    Stage *stage;
    int layers, backward;
    ptrdiff_t longest;
    atomic_int stopped;
} Stack;

static int check_above(const lstmc_call *call, int backward)
{
    const lstmc_call *above = call->above;
    const lstmc_layer *layer = &call->layer;
    const int fits = above->layer.dtype == layer->dtype &&
                     above->layer.inputs == count_parts(layer) * width_of_part(layer) &&
                     above->samples == call->samples &&
                     above->offsets == call->offsets && above->x == call->y &&
                     (!backward || above->dx == call->dy);
    return fits ? LSTMC_OK : LSTMC_BAD_STACK;
}

/* Threads that have a layer each; 1: the rows of one layer after the other serve as
 * many of them, or its units do better. */
static int count_lanes(const lstmc_call *bottom, int layers, int threads, int backward,
                       ptrdiff_t longest)
{
    const int lanes = layers < threads ? layers : threads;
    if (bottom->samples >= lanes || bottom->samples > SLAB_ROWS ||
        longest < 2 * LEAST_TOLD || longest >= INT_MAX)
        return 1;
    for (const lstmc_call *call = bottom; call; call = call->above) {
        const int members = count_members(call, threads);
        const int pays =
            bytes_of_r(&call->layer) <= NEAR_R ? lanes >= members : members == 1;
        if (!pays || count_parts(&call->layer) > 1 || (backward && call->slabs != 1))
            return 1;
    }
    return lanes;
}

static void run_lane(const void *data)
{
    const Stack *stack = data;
    for (int k = own_thread(); k < stack->layers; k += team_size()) {
        Stage *stage = stack->stage + k;
        const Kernels *kernels = kernels_of(stage->call->layer.dtype);
        stage->link.asks = own_thread() == 0;
        stage->status = (stack->backward ? kernels->backward : kernels->forward)(
            stage->call, stage->team, stack->longest, stage->workspace);
    }
}

static int steps_told(ptrdiff_t longest)
{
    int steps = LEAST_TOLD;
    while (steps < MOST_TOLD && (ptrdiff_t)(2 * steps) * (2 * steps) <= longest)
        steps *= 2;
    return steps;
}

/* All layers at the same time, a thread for each of `lanes`. */
static int run_stack(Stack *stack, int lanes)
{
    const int layers = stack->layers, told = steps_told(stack->longest);
    int status = LSTMC_OK;
    for (int k = 0; k < layers; ++k) {
        Stage *stage = stack->stage + k;
        stage->team = plan_team(stage->call, 1, stack->backward);
        stage->team.link = &stage->link;
        stage->link = (Link){.before = k > 0 ? &stage[-1].progress : NULL,
                             .own = k + 1 < layers ? &stage->progress : NULL,
                             .steps = told,
                             .stopped = &stack->stopped};
        stage->workspace = lstmc_take_memory(
            (size_t)kernels_of(stage->call->layer.dtype)
                ->workspace(stage->call, stage->team, stack->longest, stack->backward));
        if (!stage->workspace)
            status = LSTMC_NO_MEMORY;
    }
    if (status == LSTMC_OK)
        run_team(lanes, run_lane, stack);
    for (int k = 0; k < layers; ++k) {
        if (status == LSTMC_OK)
            status = stack->stage[k].status;
        lstmc_give_memory(stack->stage[k].workspace);
    }
    return status;
}

/* The layers from the bottom up, or in backward from the top down. */
static int run_layers(lstmc_call *bottom, int backward)
{
    Stack stack = {.backward = backward};
    for (lstmc_call *call = bottom; call; call = call->above, ++stack.layers) {
        CHECK(check_call(call, backward, &stack.longest));
        if (call->above)
            CHECK(check_above(call, backward));
    }
    if (stack.layers == 1)
        return run(bottom, backward, stack.longest);
    stack.stage = lstmc_take_memory((size_t)stack.layers * sizeof(Stage));
    if (!stack.stage)
        return LSTMC_NO_MEMORY;
    memset(stack.stage, 0, (size_t)stack.layers * sizeof(Stage));
    double all = 0;
    lstmc_call *next = bottom;
    for (int k = 0; next; ++k, next = next->above) {
        stack.stage[backward ? stack.layers - 1 - k : k].call = next;
        all += work(next, backward);
    }
    const int threads = take_threads(bottom->threads, all);
    const int lanes =
        count_lanes(bottom, stack.layers, threads, backward, stack.longest);
    int status = lanes > 1 ? run_stack(&stack, lanes) : LSTMC_OK;
    give_threads(threads);
    for (int k = 0; lanes == 1 && k < stack.layers && status == LSTMC_OK; ++k)
        status = run(stack.stage[k].call, backward, stack.longest);
    lstmc_give_memory(stack.stage);
    return status;
}

int lstmc_forward(lstmc_call *call) { return run_layers(call, 0); }

int lstmc_backward(lstmc_call *call) { return run_layers(call, 1); }
