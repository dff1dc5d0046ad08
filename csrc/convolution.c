/* convolution.c - the entry points of convolutions and of layers over frames. */
#include "tables/conv_table.h"
#include "dispatch.h"
#include "tables/fcn_table.h"
#include "parallel.h"

#define PADDED 128 /* strips and panels round sizes up by less */

static int check_dtype(int dtype)
{
    return dtype == LSTMC_FLOAT32 || dtype == LSTMC_FLOAT64 ? LSTMC_OK
                                                            : LSTMC_BAD_DTYPE;
}

/* Taps and what they reach, checked; *taps: their number, *reach: pixels. */
static int check_taps(const ptrdiff_t *kernel, const ptrdiff_t *dilation, double *taps,
                      double *reach)
{
    *taps = *reach = 1;
    for (int axis = 0; axis < LSTMC_AXES; ++axis) {
        if (kernel[axis] < 1 || dilation[axis] < 1)
            return LSTMC_BAD_SIZE;
        *taps *= (double)kernel[axis];
        *reach += (double)kernel[axis] * (double)dilation[axis];
    }
    return check_bytes(*taps * *reach);
}

/* Pixels of all images. */
static int check_images(const lstmc_conv *call, double *pixels)
{
    *pixels = 0;
    if (call->images < 0)
        return LSTMC_BAD_SIZE;
    if (call->images > 0 && !call->size)
        return LSTMC_NULL_ARRAY;
    for (ptrdiff_t k = 0; k < call->images; ++k) {
        double own = 1;
        for (int axis = 0; axis < LSTMC_AXES; ++axis) {
            const ptrdiff_t size = call->size[k * LSTMC_AXES + axis];
            if (size < 0)
                return LSTMC_BAD_SIZE;
            own *= (double)size;
        }
        *pixels += own;
    }
    return LSTMC_OK;
}

static int check_conv(const lstmc_conv *call, double *pixels, double *work)
{
    double taps, reach;
    CHECK(check_dtype(call->dtype));
    if (call->inputs < 1 || call->outputs < 1 || call->threads < 0)
        return LSTMC_BAD_SIZE;
    CHECK(check_taps(call->kernel, call->dilation, &taps, &reach));
    CHECK(check_images(call, pixels));
    const double inputs = (double)call->inputs + PADDED,
                 outputs = (double)call->outputs + PADDED;
    CHECK(check_bytes(taps * inputs * outputs * 64));
    CHECK(check_bytes((*pixels + taps * (reach + PADDED) * PADDED) *
                      (inputs + outputs) * 64));
    *work = 2 * *pixels * taps * (double)call->inputs * (double)call->outputs;
    if (!call->weights || (*pixels > 0 && !call->x))
        return LSTMC_NULL_ARRAY;
    return LSTMC_OK;
}

/* Along lines, of few taps and many channels: for kernels/short_conv.c. The answer
 * depends on the layer alone, so that images have the same bits in any company. */
static int is_short(const lstmc_conv *call)
{
    const ptrdiff_t *kernel = call->kernel, taps = kernel[LSTMC_AXES - 1];
    return kernel[0] == 1 && kernel[1] == 1 && taps >= 3 && taps <= 5 &&
           call->dilation[LSTMC_AXES - 1] == 1 && call->inputs % 16 == 0 &&
           call->outputs % 16 == 0 && call->inputs >= 64 && call->outputs >= 64;
}

static int run_conv(const lstmc_conv *call, double work, int backward)
{
    const Kernels *all = kernels_of(call->dtype);
    const ConvKernels *kernels = is_short(call) ? all->fcn->short_conv : all->conv;
    const int threads = take_threads(call->threads, work);
    int status = LSTMC_NO_MEMORY;
    void *memory =
        lstmc_take_memory((size_t)kernels->conv_workspace(call, threads, backward));
    if (memory) {
        status = (backward ? kernels->conv_backward
                           : kernels->conv_forward)(call, threads, memory);
        lstmc_give_memory(memory);
    }
    give_threads(threads);
    return status;
}

int lstmc_conv_forward(const lstmc_conv *call)
{
    double pixels, work;
    CHECK(check_conv(call, &pixels, &work));
    if (pixels > 0 && !call->y)
        return LSTMC_NULL_ARRAY;
    return pixels > 0 ? run_conv(call, work, 0) : LSTMC_OK;
}

int lstmc_conv_backward(const lstmc_conv *call)
{
    double pixels, work;
    CHECK(check_conv(call, &pixels, &work));
    if (pixels > 0 && !call->dy)
        return LSTMC_NULL_ARRAY;
    return run_conv(call, 2 * work, 1);
}

/* --- layers over frames ---------------------------------------------------------- */

int lstmc_film_takes(int cell)
{
    lstmc_cell facts;
    if (lstmc_describe_cell(cell, &facts) != LSTMC_OK)
        return 0;
    for (int g = 0; g < facts.columns; ++g)
        if (facts.reads[g] != (facts.r[g] >= 0)) /* of more than h, or of a late row */
            return 0;
    return facts.rows == 1 && facts.row[0] == 0 && !facts.timed && !facts.statics &&
           !facts.whole;
}

/* Sizes alone; *pixels: of a frame, *depth: what a unit sees. */
static int check_film(const lstmc_film *call, double *pixels, double *depth)
{
    double taps, reach;
    CHECK(check_dtype(call->dtype));
    if (call->cell < 0 || call->cell >= lstmc_cell_count())
        return LSTMC_BAD_CELL;
    if (!lstmc_film_takes(call->cell))
        return LSTMC_BAD_OPTION;
    if (call->inputs < 1 || call->units < 1 || call->threads < 0)
        return LSTMC_BAD_SIZE;
    CHECK(check_taps(call->kernel, call->dilation, &taps, &reach));
    *pixels = 1;
    double padded = 1;
    for (int axis = 0; axis < LSTMC_AXES; ++axis) {
        if (call->size[axis] < 1)
            return LSTMC_BAD_SIZE;
        *pixels *= (double)call->size[axis];
        padded *= (double)call->size[axis] + (axis == LSTMC_AXES - 1) * reach;
    }
    const double channels = (double)call->inputs + (double)call->units + PADDED;
    *depth = taps * ((double)call->inputs + (double)call->units);
    CHECK(check_bytes(taps * channels * channels * 4096));
    return check_bytes(padded * channels * 4096);
}

int lstmc_film_tape(const lstmc_film *call, ptrdiff_t frames, ptrdiff_t *reals)
{
    double pixels, depth;
    CHECK(check_film(call, &pixels, &depth));
    const FilmKernels *kernels = kernels_of(call->dtype)->film;
    if (frames < 0)
        return LSTMC_BAD_SIZE;
    CHECK(check_bytes((double)kernels->tape_size(call, 1) * (double)frames));
    *reals = kernels->tape_size(call, frames);
    return LSTMC_OK;
}

/* Operations of a unit at all pixels of all frames: *work. */
static int check_run(const lstmc_film *call, double *work)
{
    double pixels, depth;
    ptrdiff_t reals;
    CHECK(check_film(call, &pixels, &depth));
    if (call->samples < 0 || !call->offsets || call->offsets[0] != 0)
        return LSTMC_BAD_OFFSETS;
    for (ptrdiff_t k = 0; k < call->samples; ++k)
        if (call->offsets[k + 1] < call->offsets[k])
            return LSTMC_BAD_OFFSETS;
    const ptrdiff_t frames = call->offsets[call->samples];
    CHECK(lstmc_film_tape(call, frames, &reals));
    if (!is_aligned(call->tape))
        return LSTMC_NOT_ALIGNED;
    lstmc_cell cell;
    CHECK(lstmc_describe_cell(call->cell, &cell));
    if ((cell.w_blocks && !call->w) || (cell.r_blocks && !call->r) ||
        (cell.b_blocks && !call->b) || (cell.vectors && !call->v) ||
        (frames > 0 && !call->x))
        return LSTMC_NULL_ARRAY;
    *work = 2 * (double)frames * pixels * depth * cell.columns * (double)call->units;
    return LSTMC_OK;
}

/* Threads work on samples of their own, or all on one where samples are few. */
static int crew_of(const lstmc_film *call, int threads)
{
    const ptrdiff_t samples = call->samples, rounds = (samples + threads - 1) / threads;
    return samples >= 4 * threads || samples == rounds * threads ? 1 : threads;
}

static int run_film(const lstmc_film *call, double work, int backward)
{
    const FilmKernels *kernels = kernels_of(call->dtype)->film;
    const int threads = take_threads(call->threads, work);
    const int members = crew_of(call, threads);
    int status = LSTMC_NO_MEMORY;
    void *memory =
        lstmc_take_memory((size_t)kernels->workspace(call, threads, members, backward));
    if (memory) {
        status = (backward ? kernels->backward : kernels->forward)(call, threads,
                                                                   members, memory);
        lstmc_give_memory(memory);
    }
    give_threads(threads);
    return status;
}

int lstmc_film_forward(const lstmc_film *call)
{
    double work;
    CHECK(check_run(call, &work));
    return call->samples > 0 ? run_film(call, work, 0) : LSTMC_OK;
}

int lstmc_film_backward(const lstmc_film *call)
{
    double work;
    CHECK(check_run(call, &work));
    lstmc_cell cell;
    CHECK(lstmc_describe_cell(call->cell, &cell));
    if ((cell.w_blocks && !call->dw) || (cell.r_blocks && !call->dr) ||
        (cell.b_blocks && !call->db) || (cell.vectors && !call->dv) ||
        (call->offsets[call->samples] > 0 && !call->tape))
        return LSTMC_NULL_ARRAY;
    return run_film(call, 2 * work, 1);
}
