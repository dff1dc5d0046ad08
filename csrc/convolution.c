/* convolution.c - the entry points of convolutions. */
#include "conv_table.h"
#include "dispatch.h"
#include "kernels/fcn.h"
#include "parallel.h"

/* As in lstmc.c: products of sizes are checked against it once. */
#define MOST_BYTES ((double)(PTRDIFF_MAX / 16))
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
    return *taps * *reach < MOST_BYTES ? LSTMC_OK : LSTMC_TOO_LARGE;
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
    if (taps * inputs * outputs > MOST_BYTES / 64 ||
        (*pixels + taps * (reach + PADDED) * PADDED) * (inputs + outputs) >
            MOST_BYTES / 64)
        return LSTMC_TOO_LARGE;
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
        take_memory((size_t)kernels->conv_workspace(call, threads, backward));
    if (memory) {
        status = (backward ? kernels->conv_backward
                           : kernels->conv_forward)(call, threads, memory);
        give_memory(memory);
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
