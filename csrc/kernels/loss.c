/* loss.c - CTC's loss and its gradient, a sequence at a time on each thread.
 *
 *   loss = -(1 - s) log p - s sum_t mean_k log y_k        y = softmax(a), s: smoothing
 *   da_k = y_k - (1 - s) (posterior of k at t) - s / classes
 *
 * Graves et al.: Connectionist temporal classification. ICML 2006. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include "dispatch.h"
#include "trellis.h"

/* Longer sequences first: the last ones to be done are short. */
typedef struct {
    double work;
    idx sample;
} Turn;

typedef struct {
    const lstmc_ctc *call;
    Turn *turn; /* (samples) */
    char *memory; /* (threads, size) of trellises */
    idx size;
    Poll *poll;
} Loss;

static int compare_turns(const void *first, const void *second)
{
    const Turn *x = first, *y = second;
    if (x->work != y->work)
        return x->work < y->work ? 1 : -1;
    return x->sample < y->sample ? -1 : 1;
}

static Trellis trellis_of(const lstmc_ctc *call, idx sample, Arena *arena)
{
    Trellis out = {.steps = call->offsets[sample + 1] - call->offsets[sample],
                   .labels =
                       call->label_offsets[sample + 1] - call->label_offsets[sample]};
    DOUBLE(lay_out_trellis)(&out, arena);
    return out;
}

static Loss lay_out(const lstmc_ctc *call, int threads, Arena *arena)
{
    Loss out = {.call = call};
    out.turn = take(arena, call->samples, sizeof(Turn));
    out.poll = take(arena, 1, sizeof(Poll));
    for (idx k = 0; k < call->samples; ++k) {
        Arena own = {0};
        trellis_of(call, k, &own);
        out.size = max_idx(out.size, own.used);
    }
    out.memory = take(arena, threads * out.size, 1);
    return out;
}

idx NAME(ctc_workspace)(const lstmc_ctc *call, int threads)
{
    Arena arena = {0};
    lay_out(call, threads, &arena);
    return arena.used;
}

/* The logits that the emissions of a step are made of. */
static void gather(const lstmc_ctc *call, const Trellis *s, idx sample, idx t)
{
    const int32_t *labels = call->labels + call->label_offsets[sample];
    const real *x =
        (const real *)call->logits + (call->offsets[sample] + t) * call->classes;
    double *to = emission_of(s, t);
    for (idx u = 0; u < s->labels; ++u)
        to[u] = (double)x[labels[u]];
    to[s->labels] = (double)x[call->blank];
    for (idx u = s->labels + 1; u < s->width; ++u)
        to[u] = 0;
}

static double mean_of(const real *x, idx n)
{
    double sum[4] = {0};
    for (idx k = 0; k < n; ++k)
        sum[k & 3] += (double)x[k];
    return (sum[0] + sum[1] + sum[2] + sum[3]) / (double)n;
}

/* Whether to go on: the calling thread asks its caller. */
static int goes_on(const Loss *loss, double work)
{
#if defined(_OPENMP)
    if (omp_get_thread_num() == 0)
#endif
        ask_after(loss->poll, work);
    return !atomic_load(&loss->poll->stopped);
}

/* Operations of a step, for the clock and the count of threads. */
static double work_of(const lstmc_ctc *call, const Trellis *s)
{
    return 20.0 * (double)call->classes + 160.0 * (double)s->width;
}

/* The softmax of all steps, and the alphas; the loss. */
static double run_forward(const Loss *loss, Trellis *s, idx sample)
{
    const lstmc_ctc *call = loss->call;
    const idx classes = call->classes, first = call->offsets[sample] * classes;
    const double weight = call->weight ? call->weight[sample] : 1;
    double smooth = 0;
    for (idx t = 0; t < s->steps && goes_on(loss, work_of(call, s)); ++t) {
        const real *x = (const real *)call->logits + first + t * classes;
        real *d = call->gradient ? (real *)call->gradient + first + t * classes : NULL;
        s->norm[t] = NAME(softmax)(x, d, classes, weight, call->smoothing);
        if (isnan(s->norm[t]))
            return NAN;
        if (call->smoothing > 0)
            smooth += s->norm[t] - mean_of(x, classes);
        gather(call, s, sample, t);
        DOUBLE(step_forward)(s, t);
    }
    const double path = DOUBLE(close_trellis)(s);
    return path == -INFINITY ? INFINITY
                             : -(1 - call->smoothing) * path + call->smoothing * smooth;
}

/* The alphas of the block that starts with step t, once more. */
static void run_again(const Loss *loss, const Trellis *s, idx sample, idx t)
{
    for (idx k = t; k < t + s->block; ++k) {
        gather(loss->call, s, sample, k);
        DOUBLE(step_forward)(s, k);
    }
}

static void run_backward(const Loss *loss, const Trellis *s, idx sample)
{
    const lstmc_ctc *call = loss->call;
    const int32_t *labels = call->labels + call->label_offsets[sample];
    const double weight =
        (call->weight ? call->weight[sample] : 1) * (1 - call->smoothing);
    for (idx t = s->steps - 1; t >= 0 && goes_on(loss, work_of(call, s)); --t) {
        if ((t + 1) % s->block == 0 && t + 1 < s->steps)
            run_again(loss, s, sample, t + 1 - s->block);
        real *d = (real *)call->gradient + (call->offsets[sample] + t) * call->classes;
        d[call->blank] -= (real)(weight * DOUBLE(step_backward)(s, t));
        for (idx u = 0; u < s->labels; ++u)
            d[labels[u]] -= (real)(weight * s->posterior[u]);
    }
}

static void run_sample(const Loss *loss, idx sample, char *memory)
{
    const lstmc_ctc *call = loss->call;
    Arena arena = {.base = memory};
    Trellis s = trellis_of(call, sample, &arena);
    DOUBLE(open_trellis)(&s, call->labels + call->label_offsets[sample]);
    call->loss[sample] = run_forward(loss, &s, sample);
    if (!call->gradient)
        return;
    if (isfinite(call->loss[sample]))
        run_backward(loss, &s, sample);
    else
        memset((real *)call->gradient + call->offsets[sample] * call->classes, 0,
               (size_t)(s.steps * call->classes) * sizeof(real));
}

int NAME(ctc_loss)(const lstmc_ctc *call, int threads, void *workspace)
{
    Arena arena = {.base = workspace};
    Loss loss = lay_out(call, threads, &arena);
    *loss.poll = (Poll){.ask = call->poll, .data = call->poll_data};
    for (idx k = 0; k < call->samples; ++k) {
        Arena own = {0};
        const Trellis s = trellis_of(call, k, &own);
        loss.turn[k] = (Turn){(double)s.steps * work_of(call, &s), k};
    }
    qsort(loss.turn, (size_t)call->samples, sizeof(Turn), compare_turns);
#pragma omp parallel num_threads(threads)
    {
        const FloatMode mode = flush_denormals();
#if defined(_OPENMP)
        char *memory = loss.memory + omp_get_thread_num() * loss.size;
#else
        char *memory = loss.memory;
#endif
#pragma omp for schedule(dynamic, 1)
        for (idx k = 0; k < call->samples; ++k)
            run_sample(&loss, loss.turn[k].sample, memory);
        restore_mode(mode);
    }
    if (atomic_load(&loss.poll->stopped))
        return LSTMC_STOPPED;
    for (idx k = 0; k < call->samples; ++k)
        if (isnan(call->loss[k]))
            return LSTMC_NOT_FINITE;
    return LSTMC_OK;
}
