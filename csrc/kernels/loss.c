/* loss.c - CTC's loss and its gradient, a sequence at a time on each thread.
 *
 *   loss = -(1 - s) log p - s sum_t mean_k log y_k        y = softmax(a), s: smoothing
 *   da_k = y_k - (1 - s) (posterior of k at t) - s / classes
 *
 * Graves et al.: Connectionist temporal classification. ICML 2006. */
#include <string.h>

#include "dispatch.h"
#include "softmax.h"
#include "trellis.h"
#include "turns.h"

static Trellis lay_out(const lstmc_ctc *call, idx sample, Arena *arena)
{
    Trellis out = {.steps = steps_of(call, sample), .labels = labels_of(call, sample)};
    DOUBLE(lay_out_trellis)(&out, arena);
    return out;
}

static idx measure(const lstmc_ctc *call, idx sample)
{
    Arena arena = {0};
    lay_out(call, sample, &arena);
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

/* The softmax of the steps t ... until - 1 and what they add to the smoothing's loss;
 * NaN if a logit is wrong. */
static double start_steps(const lstmc_ctc *call, Trellis *s, idx sample, idx t,
                          idx until)
{
    const idx classes = call->classes;
    const idx row = (call->offsets[sample] + t) * classes;
    const real *x = (const real *)call->logits + row;
    NAME(softmax)(&(Softmax){.rows = until - t,
                             .classes = classes,
                             .x = x,
                             .d = call->gradient ? (real *)call->gradient + row : NULL,
                             .norm = s->norm + t,
                             .weight = call->weight ? call->weight[sample] : 1,
                             .smoothing = call->smoothing});
    double smooth = 0;
    for (; t < until; ++t, x += classes) {
        smooth += s->norm[t] - (call->smoothing > 0 ? mean_of(x, classes) : 0);
        gather(call, s, sample, t);
    }
    return smooth;
}

static double run_forward(const Turns *turns, Trellis *s, idx sample)
{
    const lstmc_ctc *call = turns->call;
    double smooth = 0;
    for (idx t = 0; t < s->steps && goes_on(turns, BATCH * work_of(call, sample));
         t += BATCH) {
        const idx until = min_idx(t + BATCH, s->steps);
        smooth += start_steps(call, s, sample, t, until);
        if (isnan(smooth))
            return NAN;
        DOUBLE(run_forward)(s, t, until);
    }
    const double path = DOUBLE(close_trellis)(s);
    return path == -INFINITY ? INFINITY
                             : -(1 - call->smoothing) * path +
                                   (call->smoothing > 0 ? call->smoothing * smooth : 0);
}

/* The alphas of the block that starts with step t, once more. */
static void run_again(const lstmc_ctc *call, const Trellis *s, idx sample, idx t)
{
    for (const idx end = t + s->block; t < end; t += BATCH) {
        for (idx k = t; k < t + BATCH; ++k)
            gather(call, s, sample, k);
        DOUBLE(run_forward)(s, t, t + BATCH);
    }
}

static void subtract_posteriors(const lstmc_ctc *call, const Trellis *s, idx sample,
                                idx t, idx until)
{
    const int32_t *labels = call->labels + call->label_offsets[sample];
    const double weight =
        (call->weight ? call->weight[sample] : 1) * (1 - call->smoothing);
    const double *posterior = s->posterior;
    for (; t < until; ++t, posterior += s->width) {
        real *d = (real *)call->gradient + (call->offsets[sample] + t) * call->classes;
        d[call->blank] -= (real)(weight * posterior[s->labels]);
        for (idx u = 0; u < s->labels; ++u)
            d[labels[u]] -= (real)(weight * posterior[u]);
    }
}

static void run_backward(const Turns *turns, const Trellis *s, idx sample)
{
    const lstmc_ctc *call = turns->call;
    idx until = s->steps;
    while (until > 0 && goes_on(turns, BATCH * work_of(call, sample))) {
        if (until < s->steps && until % s->block == 0)
            run_again(call, s, sample, until - s->block);
        const idx t = (until - 1) / BATCH * BATCH;
        DOUBLE(run_backward)(s, t, until);
        subtract_posteriors(call, s, sample, t, until);
        until = t;
    }
}

static void run_sample(const Turns *turns, idx sample, char *memory)
{
    const lstmc_ctc *call = turns->call;
    Arena arena = {.base = memory};
    Trellis s = lay_out(call, sample, &arena);
    DOUBLE(open_trellis)(&s, call->labels + call->label_offsets[sample]);
    call->loss[sample] = run_forward(turns, &s, sample);
    if (!call->gradient)
        return;
    if (isfinite(call->loss[sample]))
        run_backward(turns, &s, sample);
    else
        memset((real *)call->gradient + call->offsets[sample] * call->classes, 0,
               (size_t)(s.steps * call->classes) * sizeof(real));
}

idx NAME(loss_workspace)(const lstmc_ctc *call, int threads)
{
    Arena arena = {0};
    lay_out_turns(call, threads, &arena, measure);
    return arena.used;
}

int NAME(ctc_loss)(const lstmc_ctc *call, int threads, void *workspace)
{
    Arena arena = {.base = workspace};
    const Turns turns = lay_out_turns(call, threads, &arena, measure);
    return run_turns(&turns, threads, run_sample);
}
