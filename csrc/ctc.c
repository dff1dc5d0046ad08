/* ctc.c - the entry points of connectionist temporal classification. */
#include "dispatch.h"
#include "lstmc.h"
#include "parallel.h"

static int check_cuts(const ptrdiff_t *offsets, ptrdiff_t samples)
{
    if (!offsets)
        return LSTMC_NULL_ARRAY;
    if (offsets[0] != 0)
        return LSTMC_BAD_OFFSETS;
    for (ptrdiff_t k = 0; k < samples; ++k)
        if (offsets[k + 1] < offsets[k])
            return LSTMC_BAD_OFFSETS;
    return LSTMC_OK;
}

static int check_labels(const lstmc_ctc *call)
{
    const ptrdiff_t count = call->label_offsets[call->samples];
    if (count > 0 && !call->labels)
        return LSTMC_NULL_ARRAY;
    for (ptrdiff_t k = 0; k < count; ++k)
        if (call->labels[k] < 0 || call->labels[k] >= call->classes ||
            call->labels[k] == call->blank)
            return LSTMC_BAD_LABEL;
    return LSTMC_OK;
}

static int check_call(const lstmc_ctc *call)
{
    if (call->dtype != LSTMC_FLOAT32 && call->dtype != LSTMC_FLOAT64)
        return LSTMC_BAD_DTYPE;
    if (call->samples < 0 || call->classes < 1 || call->threads < 0)
        return LSTMC_BAD_SIZE;
    if (call->blank < 0 || call->blank >= call->classes)
        return LSTMC_BAD_LABEL;
    if (!(call->smoothing >= 0 && call->smoothing < 1))
        return LSTMC_BAD_OPTION;
    CHECK(check_cuts(call->offsets, call->samples));
    CHECK(check_cuts(call->label_offsets, call->samples));
    const double steps = (double)call->offsets[call->samples],
                 labels = (double)call->label_offsets[call->samples];
    /* A thread has at most the states of all samples in the steps of all. */
    CHECK(check_bytes((steps + 64) * ((double)call->classes + 8 * labels + 512) * 8));
    if (steps > 0 && !call->logits)
        return LSTMC_NULL_ARRAY;
    return check_labels(call);
}

/* Operations, by the time they take beside products. */
static double work_of(const lstmc_ctc *call)
{
    double work = 0;
    for (ptrdiff_t k = 0; k < call->samples; ++k) {
        const ptrdiff_t labels = call->label_offsets[k + 1] - call->label_offsets[k];
        work += (double)(call->offsets[k + 1] - call->offsets[k]) *
                (20 * (double)call->classes + 160 * (double)labels + 1000);
    }
    return work;
}

/* A kernel, with the workspace that it wants. */
static int run(const lstmc_ctc *call, ptrdiff_t (*workspace)(const lstmc_ctc *, int),
               int (*kernel)(const lstmc_ctc *, int, void *))
{
    if (call->samples == 0)
        return LSTMC_OK;
    if (!call->loss)
        return LSTMC_NULL_ARRAY;
    const int taken = take_threads(call->threads, work_of(call));
    const int threads = taken < call->samples ? taken : (int)call->samples;
    int status = LSTMC_NO_MEMORY;
    void *memory = lstmc_take_memory((size_t)workspace(call, threads));
    if (memory) {
        status = kernel(call, threads, memory);
        lstmc_give_memory(memory);
    }
    give_threads(taken);
    return status;
}

int lstmc_ctc_loss(const lstmc_ctc *call)
{
    CHECK(check_call(call));
    const Kernels *kernels = kernels_of(call->dtype);
    return run(call, kernels->loss_workspace, kernels->ctc_loss);
}

int lstmc_ctc_align(const lstmc_ctc *call)
{
    CHECK(check_call(call));
    if (call->offsets[call->samples] > 0 && (!call->path || !call->probability))
        return LSTMC_NULL_ARRAY;
    const Kernels *kernels = kernels_of(call->dtype);
    return run(call, kernels->align_workspace, kernels->ctc_align);
}
