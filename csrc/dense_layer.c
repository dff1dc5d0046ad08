/* dense_layer.c - the entry points of a dense layer. */
#include <stdint.h>

#include "dispatch.h"
#include "lstmc_dense.h"
#include "parallel.h"
#include "tables/dense_table.h"

static int check_sizes(int dtype, ptrdiff_t inputs, ptrdiff_t outputs)
{
    if (dtype != LSTMC_FLOAT32 && dtype != LSTMC_FLOAT64)
        return LSTMC_BAD_DTYPE;
    if (inputs < 1 || outputs < 1)
        return LSTMC_BAD_SIZE;
    return check_bytes(((double)inputs + 64) * ((double)outputs + 64) * 64);
}

static int check_call(const lstmc_dense_call *call)
{
    CHECK(check_sizes(call->dtype, call->inputs, call->outputs));
    if (call->rows < 0 || call->threads < 0)
        return LSTMC_BAD_SIZE;
    const double widest = (double)(call->inputs + call->outputs) + 128;
    CHECK(check_bytes(((double)call->rows + 64) * widest * 16));
    return is_aligned(call->packed) ? LSTMC_OK : LSTMC_NOT_ALIGNED;
}

int lstmc_dense_size(int dtype, ptrdiff_t inputs, ptrdiff_t outputs, ptrdiff_t *reals)
{
    CHECK(check_sizes(dtype, inputs, outputs));
    *reals = kernels_of(dtype)->dense->packed_size(inputs, outputs);
    return LSTMC_OK;
}

int lstmc_dense_pack(int dtype, const void *w, ptrdiff_t inputs, ptrdiff_t outputs,
                     void *packed)
{
    CHECK(check_sizes(dtype, inputs, outputs));
    if (!w || !packed)
        return LSTMC_NULL_ARRAY;
    if (!is_aligned(packed))
        return LSTMC_NOT_ALIGNED;
    kernels_of(dtype)->dense->pack(w, inputs, outputs, packed);
    return LSTMC_OK;
}

static int run(const lstmc_dense_call *call, int backward)
{
    const DenseKernels *kernels = kernels_of(call->dtype)->dense;
    const double flops =
        2.0 * (double)call->rows * (double)call->inputs * (double)call->outputs;
    DenseJob job = {.size = {call->rows, call->inputs, call->outputs},
                    .x = call->x,
                    .w = call->w,
                    .packed = call->packed,
                    .b = call->b,
                    .y = call->y,
                    .threads = take_threads(call->threads, flops * (backward ? 2 : 1))};
    if (backward)
        job.dy = call->dy, job.dx = call->dx, job.dw = call->dw, job.db = call->db;
    const int taken = job.threads;
    const ptrdiff_t bytes = kernels->workspace(&job);
    void *memory = bytes > 0 ? lstmc_take_memory((size_t)bytes) : NULL;
    const int status = bytes > 0 && !memory ? LSTMC_NO_MEMORY : LSTMC_OK;
    if (status == LSTMC_OK)
        (backward ? kernels->backward : kernels->forward)(&job, memory);
    if (memory)
        lstmc_give_memory(memory);
    give_threads(taken);
    return status;
}

int lstmc_dense_forward(const lstmc_dense_call *call)
{
    CHECK(check_call(call));
    if (call->rows == 0)
        return LSTMC_OK;
    if (!call->x || !call->y || (!call->w && !call->packed))
        return LSTMC_NULL_ARRAY;
    return run(call, 0);
}

int lstmc_dense_backward(const lstmc_dense_call *call)
{
    CHECK(check_call(call));
    if (!call->w || (call->rows > 0 && (!call->x || !call->dy)))
        return LSTMC_NULL_ARRAY;
    static const double none[1];
    lstmc_dense_call own = *call;
    if (call->rows == 0)
        own.x = own.dy = none, own.dx = NULL;
    return run(&own, 1);
}
