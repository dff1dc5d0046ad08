/* lstmc.c - the entry points: checks first, then memory, then the kernels. */
#include "lstmc.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "dispatch.h"
#include "parallel.h"

static const char *const messages[] = {
    [LSTMC_OK] = "ok",
    [LSTMC_NO_MEMORY] = "not enough memory",
    [LSTMC_TOO_LARGE] = "sizes whose product does not fit an address",
    [LSTMC_BAD_CELL] = "no such cell",
    [LSTMC_BAD_DTYPE] = "expected dtype float32 or float64",
    [LSTMC_BAD_SIZE] =
        "expected at least 1 input, 1 unit, 1 or 2 directions, 0 samples, at most 16 "
        "heads, a projection of 0 to all units",
    [LSTMC_BAD_OPTION] = "the cell has no output squash to choose, or no projection, "
                         "or a share of noise lies outside 0 <= share < 1",
    [LSTMC_BAD_OFFSETS] = "expected offsets that start at 0 and never decrease",
    [LSTMC_NULL_ARRAY] = "an array that the call needs is missing",
    [LSTMC_NOT_ALIGNED] =
        "expected weights, tape, gradient and stream aligned to 64 bytes",
    [LSTMC_STOPPED] = "stopped",
    [LSTMC_BAD_STREAM] =
        "expected layers of one direction and one dtype, each with the "
        "units of the one below as inputs",
    [LSTMC_BAD_LABEL] =
        "expected the blank and labels below the number of classes, and "
        "no blank among the labels",
    [LSTMC_NOT_FINITE] = "a logit is NaN or inf, or all of a step are -inf",
    [LSTMC_NO_TARGET] = "no such target, or the machine lacks it",
};

const char *lstmc_message(int status)
{
    const int known = status >= 0 && status <= LSTMC_NO_TARGET;
    return known ? messages[status] : "unknown status";
}

/* --- checks ---------------------------------------------------------------------- */

static int is_aligned(const void *array)
{
    return (uintptr_t)array % LSTMC_ALIGNMENT == 0;
}

static int check_dtype(int dtype)
{
    return dtype == LSTMC_FLOAT32 || dtype == LSTMC_FLOAT64 ? LSTMC_OK
                                                            : LSTMC_BAD_DTYPE;
}

static int check_layer(const lstmc_layer *layer)
{
    CHECK(check_dtype(layer->dtype));
    if (layer->cell < 0 || layer->cell >= lstmc_cell_count())
        return LSTMC_BAD_CELL;
    if (layer->inputs < 1 || layer->units < 1 || layer->directions < 1 ||
        layer->directions > 2 || layer->heads < 0 || layer->heads > LSTMC_MAX_HEADS ||
        layer->projection < 0 || layer->projection > layer->units)
        return LSTMC_BAD_SIZE;
    lstmc_cell cell;
    kernels_of(layer->dtype)->describe(layer->cell, &cell);
    if ((layer->identity_output && !cell.squashes) ||
        (layer->projection && !cell.projects))
        return LSTMC_BAD_OPTION;
    /* Twice the widest row: panels and tiles round sizes up. */
    const double units = 2.0 * ((double)layer->units + 64),
                 inputs = (double)layer->inputs + 64;
    const double packed = (double)count_parts(layer) * units *
                          (LSTMC_MAX_STATES * units + inputs) * 8 * LSTMC_MAX_COLUMNS;
    return check_bytes(packed);
}

static int is_share(double share) { return share >= 0 && share < 1; }

int check_noise(const lstmc_noise *noise)
{
    const int fits = is_share(noise->zoneout_h) && is_share(noise->zoneout_c) &&
                     is_share(noise->recurrent_dropout);
    return fits ? LSTMC_OK : LSTMC_BAD_OPTION;
}

static int check_steps(const lstmc_layer *layer, ptrdiff_t steps)
{
    const double row = ((double)layer->units + 64) * 40 + (double)layer->inputs + 64;
    return check_bytes(((double)steps + 4096) * row * 8 * 4 *
                       (double)count_parts(layer));
}

static int check_offsets(const lstmc_layer *layer, ptrdiff_t samples,
                         const ptrdiff_t *offsets, ptrdiff_t *longest)
{
    if (!offsets)
        return LSTMC_NULL_ARRAY;
    *longest = 0;
    if (offsets[0] != 0)
        return LSTMC_BAD_OFFSETS;
    for (ptrdiff_t j = 0; j < samples; ++j) {
        const ptrdiff_t length = offsets[j + 1] - offsets[j];
        if (length < 0)
            return LSTMC_BAD_OFFSETS;
        if (length > *longest)
            *longest = length;
    }
    return check_steps(layer, offsets[samples] + samples);
}

static int check_call(const lstmc_call *call, int backward, ptrdiff_t *longest)
{
    const lstmc_layer *layer = &call->layer;
    CHECK(check_layer(layer));
    if (call->samples < 0 || call->threads < 0 || call->slabs < 0)
        return LSTMC_BAD_SIZE;
    CHECK(check_offsets(layer, call->samples, call->offsets, longest));
    const int training = backward || call->direction[0].tape;
    if (*longest > 0 && (!call->x || (training && !call->y)))
        return LSTMC_NULL_ARRAY;
    lstmc_cell cell;
    kernels_of(layer->dtype)->describe(layer->cell, &cell);
    if (*longest > 0 && cell.timed && !call->time)
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

/* --- registry and sizes ---------------------------------------------------------- */

int lstmc_cell_count(void) { return kernels_of(LSTMC_FLOAT32)->cell_count; }

int lstmc_describe_cell(int cell, lstmc_cell *out)
{
    if (cell < 0 || cell >= lstmc_cell_count())
        return LSTMC_BAD_CELL;
    kernels_of(LSTMC_FLOAT32)->describe(cell, out);
    return LSTMC_OK;
}

int lstmc_packed_size(const lstmc_layer *layer, ptrdiff_t *reals)
{
    CHECK(check_layer(layer));
    *reals = kernels_of(layer->dtype)->packed_size(layer);
    return LSTMC_OK;
}

int lstmc_tape_size(const lstmc_layer *layer, ptrdiff_t steps, ptrdiff_t *reals)
{
    CHECK(check_layer(layer));
    if (steps < 0)
        return LSTMC_BAD_SIZE;
    CHECK(check_steps(layer, steps));
    *reals = kernels_of(layer->dtype)->tape_size(layer, steps);
    return LSTMC_OK;
}

int lstmc_checkpoint_size(const lstmc_layer *layer, ptrdiff_t samples,
                          const ptrdiff_t *offsets, ptrdiff_t *reals)
{
    ptrdiff_t longest;
    CHECK(check_layer(layer));
    if (samples < 0)
        return LSTMC_BAD_SIZE;
    CHECK(check_offsets(layer, samples, offsets, &longest));
    *reals =
        kernels_of(layer->dtype)->checkpoint_size(layer, samples, offsets, longest);
    return LSTMC_OK;
}

/* Every array that the layer's weights consist of is there. */
static int check_weights(const lstmc_layer *layer, const lstmc_weights *weights,
                         const void *packed)
{
    CHECK(check_layer(layer));
    lstmc_cell cell;
    kernels_of(layer->dtype)->describe(layer->cell, &cell);
    const int lacks = !weights || !packed || (cell.w_blocks && !weights->w) ||
                      (cell.r_blocks && !weights->r) ||
                      (cell.b_blocks && !weights->b) || (cell.vectors && !weights->v) ||
                      (layer->projection && !weights->p);
    return lacks ? LSTMC_NULL_ARRAY : LSTMC_OK;
}

int lstmc_pack(const lstmc_layer *layer, const lstmc_weights *weights, void *packed)
{
    CHECK(check_weights(layer, weights, packed));
    kernels_of(layer->dtype)->pack(layer, weights, packed, 1);
    return LSTMC_OK;
}

int lstmc_unpack(const lstmc_layer *layer, const void *packed,
                 const lstmc_weights *weights)
{
    CHECK(check_weights(layer, weights, packed));
    kernels_of(layer->dtype)->pack(layer, weights, (void *)packed, 0);
    return LSTMC_OK;
}

int lstmc_split_size(const lstmc_layer *layer, ptrdiff_t *bytes)
{
    CHECK(check_layer(layer));
    *bytes = kernels_of(layer->dtype)->split_size(layer);
    return LSTMC_OK;
}

int lstmc_split(const lstmc_layer *layer, const void *weights, void *split)
{
    ptrdiff_t bytes;
    CHECK(lstmc_split_size(layer, &bytes));
    if (bytes == 0)
        return LSTMC_OK;
    if (!weights || !split)
        return LSTMC_NULL_ARRAY;
    if (!is_aligned(weights) || !is_aligned(split))
        return LSTMC_NOT_ALIGNED;
    kernels_of(layer->dtype)->split(layer, weights, split);
    return LSTMC_OK;
}

int lstmc_is_split(const lstmc_layer *layer, const void *weights, const void *split)
{
    ptrdiff_t bytes;
    return lstmc_split_size(layer, &bytes) == LSTMC_OK && bytes > 0 &&
           kernels_of(layer->dtype)->is_split(layer, weights, split);
}

/* --- forward and backward -------------------------------------------------------- */

/* Rows of a slab at most: its states stay in the second-level cache. */
#define SLAB_ROWS 64
/* Rows a thread below which it rather has all rows of some units, if R has more bytes
 * than a second-level cache likes: then the way of the weights to the core decides, and
 * each core fetches a part of them alone. Digits are used up twice as fast. */
#define FEW_ROWS 16
#define LARGE_R (1 << 20)
/* Units of a thread at least, when threads share the rows: they meet at every step. */
#define OWN_UNITS 48
/* Rows of all steps at least, of two lots. */
#define LOT_ROWS 512

static int shares_units(const lstmc_call *call, int threads)
{
    const lstmc_layer *layer = &call->layer;
    const ptrdiff_t jobs = call->samples * count_parts(layer);
    lstmc_cell cell;
    kernels_of(layer->dtype)->describe(layer->cell, &cell);
    if (cell.whole || layer->units < (ptrdiff_t)OWN_UNITS * threads)
        return 0;
    const size_t r_size =
        (size_t)(layer->units * cell.r_blocks * width_of_part(layer)) *
        real_size(layer->dtype);
    const int by_digits = target_has_amx() && layer->dtype == LSTMC_FLOAT32;
    const ptrdiff_t few = (by_digits ? 2 : 1) * FEW_ROWS;
    return jobs < threads || (jobs < few * threads && r_size > LARGE_R);
}

/* Slabs are as few as their height allows, and where each thread has jobs of its own so
 * many that all threads have the same number. */
static ptrdiff_t count_slabs(const lstmc_call *call, int threads, int sharing)
{
    ptrdiff_t slabs = (call->samples + SLAB_ROWS - 1) / SLAB_ROWS;
    while (!sharing && slabs < call->samples &&
           slabs * count_parts(&call->layer) % threads > 0)
        ++slabs;
    return slabs > 0 ? slabs : 1;
}

/* Lots of rows, so that two threads read next to nothing of what the other's rows have
 * left; few rows are not worth the addition of two gradients. */
static int count_lots(const lstmc_call *call)
{
    return call->offsets[call->samples] >= LOT_ROWS &&
                   count_slabs(call, 2, shares_units(call, 2)) > 1
               ? 2
               : 1;
}

/* Who does what decides about time alone, never about a bit of the results. The tape is
 * cut into slabs, so backward takes those of forward. */
static Team plan_team(lstmc_call *call, int threads, int backward)
{
    const int sharing = shares_units(call, threads);
    if (!backward)
        call->slabs = count_slabs(call, threads, sharing);
    const ptrdiff_t jobs = call->slabs * count_parts(&call->layer);
    Team team = {.threads = threads,
                 .members = 1,
                 .lots = backward ? count_lots(call) : 1,
                 .amx = target_has_amx()};
    if (sharing && jobs < threads)
        team.members = threads / (int)jobs;
    else if (!backward && jobs < threads)
        team.threads = (int)jobs;
    return team;
}

double step_work(const lstmc_layer *layer)
{
    lstmc_cell cell;
    kernels_of(layer->dtype)->describe(layer->cell, &cell);
    const double products = cell.w_blocks * (double)layer->inputs +
                            cell.r_blocks * (double)width_of_part(layer) +
                            (double)layer->projection;
    return 2.0 * (double)layer->units * products * (double)count_parts(layer);
}

static double work(const lstmc_call *call, int backward)
{
    const int passes = !backward ? 1 : call->checkpoint ? 3 : 2;
    return passes * (double)call->offsets[call->samples] * step_work(&call->layer);
}

static int run(lstmc_call *call, int backward)
{
    ptrdiff_t longest = 0;
    CHECK(check_call(call, backward, &longest));
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

int lstmc_forward(lstmc_call *call) { return run(call, 0); }

int lstmc_backward(lstmc_call *call) { return run(call, 1); }

/* --- solvers, dropout ------------------------------------------------------------ */

int lstmc_adam(int dtype, const lstmc_solver *solver, void *weights,
               const void *gradient, void *m, void *v, ptrdiff_t size)
{
    CHECK(check_dtype(dtype));
    if (size > 0 && (!weights || !gradient || !m || !v))
        return LSTMC_NULL_ARRAY;
    kernels_of(dtype)->adam(solver, weights, gradient, m, v, size);
    return LSTMC_OK;
}

int lstmc_sgd(int dtype, const lstmc_solver *solver, void *weights,
              const void *gradient, void *velocity, ptrdiff_t size)
{
    CHECK(check_dtype(dtype));
    if (size > 0 && (!weights || !gradient || !velocity))
        return LSTMC_NULL_ARRAY;
    kernels_of(dtype)->sgd(solver, weights, gradient, velocity, size);
    return LSTMC_OK;
}

int lstmc_squared_norm(int dtype, const void *x, ptrdiff_t size, double *out)
{
    CHECK(check_dtype(dtype));
    if (size > 0 && !x)
        return LSTMC_NULL_ARRAY;
    *out = kernels_of(dtype)->squared_norm(x, size);
    return LSTMC_OK;
}

int lstmc_dropout(int dtype, void *x, ptrdiff_t size, double rate, uint64_t seed,
                  uint64_t stream)
{
    CHECK(check_dtype(dtype));
    if (!(rate >= 0 && rate < 1))
        return LSTMC_BAD_SIZE;
    if (size > 0 && !x)
        return LSTMC_NULL_ARRAY;
    kernels_of(dtype)->dropout(x, size, rate, seed, stream);
    return LSTMC_OK;
}
