/* lstmc.c - entry points: the registry, sizes and weights of layers; solvers. */
#include "lstmc.h"

#include "dispatch.h"

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
    [LSTMC_BAD_STACK] = "expected each layer to read what the one below writes, of the "
                        "same samples and dtype",
};

const char *lstmc_message(int status)
{
    const int known = status >= 0 && status <= LSTMC_BAD_STACK;
    return known ? messages[status] : "unknown status";
}

/* --- checks ---------------------------------------------------------------------- */

static int check_dtype(int dtype)
{
    return dtype == LSTMC_FLOAT32 || dtype == LSTMC_FLOAT64 ? LSTMC_OK
                                                            : LSTMC_BAD_DTYPE;
}

int check_layer(const lstmc_layer *layer)
{
    CHECK(check_dtype(layer->dtype));
    if (layer->cell < 0 || layer->cell >= lstmc_cell_count())
        return LSTMC_BAD_CELL;
    if (layer->inputs < 1 || layer->units < 1 || layer->directions < 1 ||
        layer->directions > 2 || layer->heads < 0 || layer->heads > LSTMC_MAX_HEADS ||
        layer->projection < 0 || layer->projection > layer->units)
        return LSTMC_BAD_SIZE;
    if (layer->identity_output || layer->projection) {
        lstmc_cell cell;
        kernels_of(layer->dtype)->describe(layer->cell, &cell);
        if ((layer->identity_output && !cell.squashes) ||
            (layer->projection && !cell.projects))
            return LSTMC_BAD_OPTION;
    }
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

int check_lengths(const lstmc_layer *layer, ptrdiff_t samples, const ptrdiff_t *offsets,
                  ptrdiff_t *longest)
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
    CHECK(check_lengths(layer, samples, offsets, &longest));
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

double step_work(const lstmc_layer *layer)
{
    lstmc_cell cell;
    kernels_of(layer->dtype)->describe(layer->cell, &cell);
    const double products = cell.w_blocks * (double)layer->inputs +
                            cell.r_blocks * (double)width_of_part(layer) +
                            (double)layer->projection;
    return 2.0 * (double)layer->units * products * (double)count_parts(layer);
}

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
