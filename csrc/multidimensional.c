/* multidimensional.c - the entry points of the multidimensional LSTM. */
#include "tables/mdlstm_table.h"

#include "dispatch.h"
#include "parallel.h"

static double cells_of(const lstmc_mdlstm *call)
{
    double cells = 0;
    for (ptrdiff_t j = 0; j < call->samples; ++j) {
        double own = 1;
        for (int d = 0; d < call->dims; ++d)
            own *= (double)call->shape[j * call->dims + d];
        cells += own;
    }
    return cells;
}

static int check_options(const lstmc_mdlstm *call)
{
    if (call->dtype != LSTMC_FLOAT32 && call->dtype != LSTMC_FLOAT64)
        return LSTMC_BAD_DTYPE;
    if (call->dims < 1 || call->dims > LSTMC_MAX_DIMS || call->directions < 1 ||
        call->directions > 1 << call->dims)
        return LSTMC_BAD_OPTION;
    for (int k = 0; k < call->directions; ++k)
        if (call->direction[k] < 0 || call->direction[k] >= 1 << call->dims)
            return LSTMC_BAD_OPTION;
    if (call->samples < 0 || call->inputs < 1 || call->units < 1 || call->threads < 0)
        return LSTMC_BAD_SIZE;
    return LSTMC_OK;
}

static int check_sizes(const lstmc_mdlstm *call)
{
    if (call->samples > 0 && !call->shape)
        return LSTMC_NULL_ARRAY;
    for (ptrdiff_t j = 0; j < call->samples * call->dims; ++j)
        if (call->shape[j] < 1)
            return LSTMC_BAD_SIZE;
    const double cells = cells_of(call), units = (double)call->units + 16;
    const double row = (double)call->inputs + 16 + 8 * units;
    /* Tables count cells in 32 bits; nothing else is larger than this in bytes. */
    const double bytes = (cells + 65536) * row * 64 + row * units * 1024;
    if (cells >= (double)INT32_MAX || (double)call->samples * 64 >= INT32_MAX)
        return refuse_bytes(bytes);
    return check_bytes(bytes);
}

static int check_call(const lstmc_mdlstm *call)
{
    CHECK(check_options(call));
    CHECK(check_sizes(call));
    if (call->samples > 0 && (!call->weights || !call->x || !call->y))
        return LSTMC_NULL_ARRAY;
    return is_aligned(call->tape) ? LSTMC_OK : LSTMC_NOT_ALIGNED;
}

/* Operations of forward, cheap ones by the time they take. */
static double work_of(const lstmc_mdlstm *call)
{
    const double gates = (double)(call->dims + 3) * (double)call->units;
    const double row = (double)call->inputs + call->dims * (double)call->units;
    return cells_of(call) * call->directions * (2 * gates * row + 50 * gates + 500);
}

/* A kernel, with the workspace that it wants. */
static int run(const lstmc_mdlstm *call, int backward)
{
    const MdlstmKernels *kernels = kernels_of(call->dtype)->mdlstm;
    const int threads = take_threads(call->threads, (1 + 2 * backward) * work_of(call));
    int status = LSTMC_NO_MEMORY;
    void *memory =
        lstmc_take_memory((size_t)kernels->workspace(call, threads, backward));
    if (memory) {
        status =
            (backward ? kernels->backward : kernels->forward)(call, threads, memory);
        lstmc_give_memory(memory);
    }
    give_threads(threads);
    return status;
}

int lstmc_mdlstm_tape_size(const lstmc_mdlstm *call, ptrdiff_t *reals)
{
    CHECK(check_options(call));
    CHECK(check_sizes(call));
    *reals = kernels_of(call->dtype)->mdlstm->tape_size(call);
    return LSTMC_OK;
}

int lstmc_mdlstm_forward(const lstmc_mdlstm *call)
{
    CHECK(check_call(call));
    return call->samples ? run(call, 0) : LSTMC_OK;
}

int lstmc_mdlstm_backward(const lstmc_mdlstm *call)
{
    CHECK(check_call(call));
    if (!call->gradient || (call->samples > 0 && (!call->tape || !call->dy)))
        return LSTMC_NULL_ARRAY;
    return run(call, 1);
}
