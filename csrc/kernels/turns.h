/* turns.h - the samples of a CTC call in turn, longest first, each by one thread. */
#ifndef LSTMC_TURNS_H
#define LSTMC_TURNS_H

#include <math.h>
#include <stdlib.h>

#include "kernels.h"

/* Longer samples first: the last ones to be done are short. */
typedef struct {
    double work;
    idx sample;
} Turn;

typedef struct {
    const lstmc_ctc *call;
    Turn *turn;   /* (samples) */
    char *memory; /* (threads, size) */
    idx size;
    Poll *poll;
} Turns;

static inline idx steps_of(const lstmc_ctc *call, idx sample)
{
    return call->offsets[sample + 1] - call->offsets[sample];
}

static inline idx labels_of(const lstmc_ctc *call, idx sample)
{
    return call->label_offsets[sample + 1] - call->label_offsets[sample];
}

/* Operations of a step of a sample. */
static inline double work_of(const lstmc_ctc *call, idx sample)
{
    return 20.0 * (double)call->classes + 160.0 * (double)labels_of(call, sample) + 500;
}

/* measure: bytes that a sample needs. */
static inline Turns lay_out_turns(const lstmc_ctc *call, int threads, Arena *arena,
                                  idx (*measure)(const lstmc_ctc *, idx sample))
{
    Turns out = {.call = call};
    out.turn = take(arena, call->samples, sizeof(Turn));
    out.poll = take(arena, 1, sizeof(Poll));
    for (idx k = 0; k < call->samples; ++k)
        out.size = max_idx(out.size, measure(call, k));
    out.memory = take(arena, threads * out.size, 1);
    return out;
}

static int compare_turns(const void *first, const void *second)
{
    const Turn *x = first, *y = second;
    if (x->work != y->work)
        return x->work < y->work ? 1 : -1;
    return x->sample < y->sample ? -1 : 1;
}

/* Whether to go on after so much work: the calling thread asks its caller. */
static inline int goes_on(const Turns *turns, double work)
{
    if (own_thread() == 0)
        ask_after(turns->poll, work);
    return !atomic_load(&turns->poll->stopped);
}

/* The loss of a sample is NaN afterwards if a logit is wrong. */
static inline int run_turns(const Turns *turns, int threads,
                            void (*run)(const Turns *, idx sample, char *memory))
{
    const lstmc_ctc *call = turns->call;
    (void)threads; /* without OpenMP */
    *turns->poll = (Poll){.ask = call->poll, .data = call->poll_data};
    for (idx k = 0; k < call->samples; ++k)
        turns->turn[k] = (Turn){(double)steps_of(call, k) * work_of(call, k), k};
    qsort(turns->turn, (size_t)call->samples, sizeof(Turn), compare_turns);
#pragma omp parallel num_threads(threads)
    {
        const FloatMode mode = flush_denormals();
        char *memory = turns->memory + own_thread() * turns->size;
#pragma omp for schedule(dynamic, 1)
        for (idx k = 0; k < call->samples; ++k)
            run(turns, turns->turn[k].sample, memory);
        restore_mode(mode);
    }
    if (atomic_load(&turns->poll->stopped))
        return LSTMC_STOPPED;
    for (idx k = 0; k < call->samples; ++k)
        if (isnan(call->loss[k]))
            return LSTMC_NOT_FINITE;
    return LSTMC_OK;
}

#endif
