/* matrix_memory.c - the entry points of the matrix memory of the mLSTM. */
#include "tables/memory_table.h"

#include "dispatch.h"
#include "parallel.h"

static int check_memory(const lstmc_memory *of)
{
    if (of->dtype != LSTMC_FLOAT32 && of->dtype != LSTMC_FLOAT64)
        return LSTMC_BAD_DTYPE;
    if (of->heads < 1 || of->d_k < 1 || of->d_v < 1 || of->chunk < 0)
        return LSTMC_BAD_SIZE;
    if (of->form < LSTMC_CHUNKWISE || of->form > LSTMC_RECURRENT ||
        !(of->epsilon >= 0) || (of->sigmoid_input && of->exponential_forget) ||
        (of->plain && !of->sigmoid_input))
        return LSTMC_BAD_OPTION;
    const double state = ((double)of->d_k + 64) * ((double)of->d_v + 64);
    return check_bytes(state * (double)of->heads * 256);
}

static int check_offsets(const lstmc_memory *of, ptrdiff_t samples,
                         const ptrdiff_t *offsets, ptrdiff_t *longest)
{
    if (samples < 0)
        return LSTMC_BAD_SIZE;
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
    /* A state for each step is more than any tape, and 256 rows more than any job. */
    const double steps = (double)offsets[samples] + (double)samples + 4096;
    const double state = ((double)of->d_k + 64) * ((double)of->d_v + 64);
    return check_bytes(steps * state * (double)of->heads * 256);
}

static int has_states(const void *c, const void *n, const void *m)
{
    return (c != NULL) == (n != NULL) && (c != NULL) == (m != NULL);
}

static int check_call(const lstmc_memory_call *call, int backward, ptrdiff_t *longest)
{
    CHECK(check_memory(&call->memory));
    CHECK(check_offsets(&call->memory, call->samples, call->offsets, longest));
    if (call->threads < 0)
        return LSTMC_BAD_SIZE;
    if (!has_states(call->c0, call->n0, call->m0) ||
        !has_states(call->c1, call->n1, call->m1) ||
        !has_states(call->dc1, call->dn1, call->dm1) ||
        !has_states(call->dc0, call->dn0, call->dm0))
        return LSTMC_NULL_ARRAY;
    if (*longest == 0)
        return LSTMC_OK;
    if (!call->q.at || !call->k.at || !call->v.at || !call->i.at || !call->f.at ||
        !call->h.at)
        return LSTMC_NULL_ARRAY;
    if (backward &&
        (!call->tape || !call->dy.at || !call->dq.at || !call->dk.at || !call->dv.at ||
         !call->di.at || !call->df.at || (call->o.at && !call->do_.at)))
        return LSTMC_NULL_ARRAY;
    return is_aligned(call->tape) ? LSTMC_OK : LSTMC_NOT_ALIGNED;
}

/* Operations of one step of all heads of a sample. */
static double work_of_step(const lstmc_memory *of, double seen)
{
    return 4.0 * (double)of->heads * (double)of->d_v * ((double)of->d_k + seen);
}

static int run(const lstmc_memory_call *call, int backward)
{
    ptrdiff_t longest = 0;
    CHECK(check_call(call, backward, &longest));
    const MemoryKernels *kernels = kernels_of(call->memory.dtype)->memory;
    const double seen = call->memory.form == LSTMC_PARALLEL ? (double)longest / 2 : 64;
    const double work = (backward ? 3 : 1) * (double)call->offsets[call->samples] *
                        work_of_step(&call->memory, seen);
    const int taken = take_threads(call->threads, work);
    const ptrdiff_t jobs = call->samples * call->memory.heads;
    const int threads = taken < jobs ? taken : jobs > 0 ? (int)jobs : 1;
    int status = LSTMC_NO_MEMORY;
    void *memory =
        lstmc_take_memory((size_t)kernels->workspace(call, threads, longest, backward));
    if (memory) {
        status = (backward ? kernels->backward : kernels->forward)(call, threads,
                                                                   longest, memory);
        lstmc_give_memory(memory);
    }
    give_threads(taken);
    return status;
}

int lstmc_memory_forward(const lstmc_memory_call *call) { return run(call, 0); }

int lstmc_memory_backward(const lstmc_memory_call *call) { return run(call, 1); }

int lstmc_memory_tape(const lstmc_memory *of, ptrdiff_t samples,
                      const ptrdiff_t *offsets, ptrdiff_t *reals)
{
    ptrdiff_t longest;
    CHECK(check_memory(of));
    CHECK(check_offsets(of, samples, offsets, &longest));
    *reals = kernels_of(of->dtype)->memory->tape_size(of, samples, offsets);
    return LSTMC_OK;
}

int lstmc_memory_state(const lstmc_memory *of, ptrdiff_t *reals)
{
    CHECK(check_memory(of));
    *reals = kernels_of(of->dtype)->memory->state_size(of);
    return LSTMC_OK;
}

static int check_state(const lstmc_memory_call *call, const void *state)
{
    CHECK(check_memory(&call->memory));
    if (call->samples < 0)
        return LSTMC_BAD_SIZE;
    if (!state)
        return LSTMC_NULL_ARRAY;
    return is_aligned(state) ? LSTMC_OK : LSTMC_NOT_ALIGNED;
}

int lstmc_memory_step(const lstmc_memory_call *call, void *state)
{
    CHECK(check_state(call, state));
    if (call->threads < 0)
        return LSTMC_BAD_SIZE;
    if (!call->q.at || !call->k.at || !call->v.at || !call->i.at || !call->f.at ||
        !call->h.at)
        return LSTMC_NULL_ARRAY;
    const int threads = take_threads(call->threads, (double)call->samples *
                                                        work_of_step(&call->memory, 0));
    kernels_of(call->memory.dtype)->memory->step(call, threads, state);
    give_threads(threads);
    return LSTMC_OK;
}

int lstmc_memory_move(const lstmc_memory_call *call, void *state, int load)
{
    CHECK(check_state(call, state));
    const int there =
        load ? call->c0 && call->n0 && call->m0 : call->c1 && call->n1 && call->m1;
    if (!there)
        return LSTMC_NULL_ARRAY;
    kernels_of(call->memory.dtype)->memory->move(call, state, load);
    return LSTMC_OK;
}
