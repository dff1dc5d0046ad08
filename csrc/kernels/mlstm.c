/* mlstm.c - a call of the matrix memory: its jobs, one for each head of each sample. */

#include "mlstm.h"

typedef struct {
    Poll *poll;
    idx *first_chunk; /* (samples + 1) chunks of all samples before */
    char *scratch; /* (threads, size) */
    idx size;
} Shared;

/* Steps of a chunk of a sample so long. */
static idx chunk_of(const Memory *s, idx steps)
{
    const idx all = max_idx(1, steps);
    return s->of->form == LSTMC_PARALLEL ? all : min_idx(s->chunk, all);
}

static idx chunks_of(const Memory *s, idx steps)
{
    const idx chunk = chunk_of(s, steps);
    return (steps + chunk - 1) / chunk;
}

static idx state_size(const lstmc_memory *of) { return NAME(memory_sizes)(of).states; }

static idx tape_size(const lstmc_memory *of, idx samples, const idx *offsets)
{
    const Memory s = NAME(memory_sizes)(of);
    idx chunks = 0;
    for (idx k = 0; k < samples; ++k)
        chunks += chunks_of(&s, offsets[k + 1] - offsets[k]);
    return chunks * of->heads * s.states;
}

/* A job's state, then its scratch. */
static idx job_size(const lstmc_memory_call *call, idx longest, int backward)
{
    Memory s = NAME(memory_sizes)(&call->memory);
    s.chunk = chunk_of(&s, longest);
    Arena arena = {0}, other = {0};
    take(&arena, s.states, sizeof(real));
    other = arena;
    if (backward)
        NAME(memory_backward_scratch)(&s, &arena);
    else
        NAME(memory_forward_scratch)(&s, &arena);
    NAME(lay_out_gates)(1, &other);
    return max_idx(arena.used, other.used);
}

static Shared lay_out(const lstmc_memory_call *call, int threads, idx longest,
                      int backward, Arena *arena)
{
    Shared out;
    out.poll = take(arena, 1, sizeof(Poll));
    out.first_chunk = take(arena, call->samples + 1, sizeof(idx));
    out.size = job_size(call, longest, backward);
    out.scratch = take(arena, threads * out.size, 1);
    return out;
}

static idx workspace(const lstmc_memory_call *call, int threads, idx longest,
                     int backward)
{
    Arena arena = {0};
    lay_out(call, threads, longest, backward, &arena);
    return arena.used;
}

static void run_forward(const Memory *s, idx job, char *memory)
{
    const lstmc_memory_call *call = s->call;
    const real *c0 = call->c0, *n0 = call->n0, *m0 = call->m0;
    real *c1 = call->c1, *n1 = call->n1, *m1 = call->m1, *state = (real *)memory;
    Arena arena = {.base = memory};
    take(&arena, s->states, sizeof(real));
    const idx size = s->d_v * s->d_k;
    if (c0)
        NAME(load_state)(s, c0 + job * size, n0 + job * s->d_k, m0 + job, state);
    else
        NAME(load_state)(s, NULL, NULL, NULL, state);
    void *scratch = memory + arena.used;
    if (s->of->form == LSTMC_RECURRENT)
        NAME(memory_recurrent)(s, state, scratch);
    else
        NAME(memory_forward)(s, state, !c0, scratch);
    if (c1)
        NAME(store_state)(s, state, c1 + job * size, n1 + job * s->d_k, m1 + job);
}

static void run_backward(const Memory *s, idx job, char *memory)
{
    (void)job;
    NAME(memory_backward)(s, memory);
}

static int run(const lstmc_memory_call *call, int threads, idx longest, void *memory,
               int backward)
{
    Arena arena = {.base = memory};
    const Shared shared = lay_out(call, threads, longest, backward, &arena);
    const Memory sizes = NAME(memory_sizes)(&call->memory);
    const idx heads = call->memory.heads, *offset = call->offsets;
    *shared.poll = (Poll){.ask = call->poll, .data = call->poll_data};
    shared.first_chunk[0] = 0;
    for (idx k = 0; k < call->samples; ++k)
        shared.first_chunk[k + 1] =
            shared.first_chunk[k] + chunks_of(&sizes, offset[k + 1] - offset[k]);
#pragma omp parallel num_threads(threads)
    {
        const FloatMode mode = flush_denormals();
        char *own = shared.scratch + own_thread() * shared.size;
#pragma omp for schedule(dynamic, 1)
        for (idx job = 0; job < call->samples * heads; ++job) {
            Memory s = sizes;
            s.call = call;
            s.poll = shared.poll;
            s.sample = job / heads, s.head = job % heads;
            s.first = offset[s.sample];
            s.steps = offset[s.sample + 1] - s.first;
            s.chunk = chunk_of(&s, s.steps);
            if (call->tape) {
                const idx before = shared.first_chunk[s.sample];
                const idx chunks = shared.first_chunk[s.sample + 1] - before;
                s.tape =
                    (real *)call->tape + (before * heads + s.head * chunks) * s.states;
            }
            (backward ? run_backward : run_forward)(&s, job, own);
        }
        restore_mode(mode);
    }
    return atomic_load(&shared.poll->stopped) ? LSTMC_STOPPED : LSTMC_OK;
}

static int forward(const lstmc_memory_call *call, int threads, idx longest,
                   void *workspace)
{
    return run(call, threads, longest, workspace, 0);
}

static int backward(const lstmc_memory_call *call, int threads, idx longest,
                    void *workspace)
{
    return run(call, threads, longest, workspace, 1);
}

const MemoryKernels NAME(memory_kernels) = {
    .state_size = state_size,
    .tape_size = tape_size,
    .workspace = workspace,
    .forward = forward,
    .backward = backward,
    .step = NAME(memory_step),
    .move = NAME(memory_move),
};
