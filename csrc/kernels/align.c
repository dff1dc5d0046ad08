/* align.c - the best alignment of labels with frames (Viterbi).
 *
 *   b_t[u] = log y_blank + max(b[u], l[u-1])            t - 1 on the right
 *   l_t[u] = log y_label + max(l[u], b[u], l[u-1])      the last unless it is the same
 *
 * The way back asks the scores again, block of steps by block of steps. */
#include <string.h>

#include "dispatch.h"
#include "softmax.h"
#include "turns.h"

#define NOT_EVER (-(double)INFINITY)
#define NORMS 16 /* steps whose norms are made at a time */

typedef struct {
    const lstmc_ctc *call;
    const int32_t *label;
    idx first;           /* row of the sample's first step */
    idx steps, labels, width;
    idx block;           /* steps whose scores are there at a time */
    double work;         /* operations of a block */
    double *skip;        /* (width) 0, or -inf for a repeated label */
    double *start;       /* (blocks, 2, width) scores before a block */
    double *score;       /* (block + 1, 2, width) of b and of l, from before it on */
    double *y;           /* (width) logits less the norm */
    double *norm;        /* (steps) */
} Paths;

/* In front of each row lies what stays -inf, so that u - 1 is always there. */
static idx width_of_row(idx labels) { return panels_of(labels + 1) * PANEL + PANEL; }

static Paths lay_out(const lstmc_ctc *call, idx sample, Arena *arena)
{
    const idx steps = steps_of(call, sample), labels = labels_of(call, sample);
    Paths s = {.call = call,
               .label = call->labels + call->label_offsets[sample],
               .first = call->offsets[sample],
               .steps = steps,
               .labels = labels,
               .width = width_of_row(labels)};
    s.block = max_idx(64, (idx)sqrt((double)steps));
    s.work = (double)s.block * work_of(call, sample);
    s.skip = take(arena, s.width, sizeof(double));
    s.start = take(arena, (steps / s.block + 1) * 2 * s.width, sizeof(double));
    s.score = take(arena, (s.block + 1) * 2 * s.width, sizeof(double));
    s.y = take(arena, s.width, sizeof(double));
    s.norm = take(arena, steps, sizeof(double));
    return s;
}

static idx measure(const lstmc_ctc *call, idx sample)
{
    Arena arena = {0};
    lay_out(call, sample, &arena);
    return arena.used;
}

static const real *logits_of(const Paths *s, idx t)
{
    return (const real *)s->call->logits + (s->first + t) * s->call->classes;
}

/* Scores before step t, of blanks; behind them of labels. */
static double *score_before(const Paths *s, idx t)
{
    return s->score + t % s->block * 2 * s->width + PANEL;
}

static void step(const Paths *s, idx t)
{
    const real *x = logits_of(s, t);
    double *y = s->y;
    const double norm = s->norm[t], blank = (double)x[s->call->blank] - norm;
    for (idx u = 0; u < s->labels; ++u)
        y[u] = (double)x[s->label[u]] - norm;
    const double *b = score_before(s, t), *l = b + s->width, *skip = s->skip;
    double *b1 = (double *)b + 2 * s->width, *l1 = b1 + s->width;
    for (idx u = 0; u <= s->labels; ++u)
        b1[u] = blank + (b[u] >= l[u - 1] ? b[u] : l[u - 1]);
    for (idx u = 0; u < s->labels; ++u) {
        const double jump = l[u - 1] + skip[u], stay = l[u] >= b[u] ? l[u] : b[u];
        l1[u] = y[u] + (stay >= jump ? stay : jump);
    }
}

static size_t row_bytes(const Paths *s)
{
    return (size_t)(2 * s->width) * sizeof(double);
}

/* The steps of a block, from its kept start on. */
static void run_block(const Paths *s, idx block)
{
    const idx end = min_idx(s->steps, (block + 1) * s->block);
    memcpy(s->score, s->start + block * 2 * s->width, row_bytes(s));
    for (idx t = block * s->block; t < end; ++t)
        step(s, t);
}

static void clear(const Paths *s)
{
    for (idx k = 0; k < (s->block + 1) * 2 * s->width; ++k)
        s->score[k] = NOT_EVER;
    for (idx u = 0; u < s->labels; ++u)
        s->skip[u] = u > 0 && s->label[u] != s->label[u - 1] ? 0 : NOT_EVER;
    memcpy(s->start, s->score, row_bytes(s));
    s->start[PANEL] = 0;
}

/* The scores after the last step. */
static const double *run_forward(const Turns *turns, const Paths *s)
{
    const idx blocks = s->steps / s->block + (s->steps % s->block > 0);
    clear(s);
    memcpy(s->score, s->start, row_bytes(s));
    for (idx k = 0; k < blocks && goes_on(turns, s->work); ++k) {
        run_block(s, k);
        if (k + 1 < blocks)
            memcpy(s->start + (k + 1) * 2 * s->width,
                   s->score + s->block * 2 * s->width, row_bytes(s));
    }
    const idx rest = s->steps - max_idx(0, blocks - 1) * s->block;
    return s->score + rest * 2 * s->width + PANEL;
}

/* Writes the path back from state u of the labels, or of the blanks. */
static void trace(const Turns *turns, const Paths *s, idx u, int at_label)
{
    const lstmc_ctc *call = s->call;
    for (idx t = s->steps - 1; t >= 0; --t) {
        if ((t + 1) % s->block == 0 && t + 1 < s->steps) {
            if (!goes_on(turns, s->work))
                return;
            run_block(s, t / s->block);
        }
        const int32_t k = at_label ? s->label[u] : call->blank;
        call->path[s->first + t] = k;
        call->probability[s->first + t] = exp((double)logits_of(s, t)[k] - s->norm[t]);
        const double *b = score_before(s, t), *l = b + s->width;
        if (!at_label) {
            at_label = !(b[u] >= l[u - 1]);
            u -= at_label;
        } else if (!(l[u] >= b[u] && l[u] >= l[u - 1] + s->skip[u])) {
            at_label = l[u - 1] + s->skip[u] > b[u];
            u -= at_label;
        }
    }
}

static int find_norms(const Paths *s)
{
    for (idx t = 0; t < s->steps; t += NORMS) {
        const idx rows = min_idx(NORMS, s->steps - t);
        NAME(softmax)(&(Softmax){.rows = rows,
                                 .classes = s->call->classes,
                                 .x = logits_of(s, t),
                                 .norm = s->norm + t,
                                 .weight = 1});
        for (idx k = t; k < t + rows; ++k)
            if (isnan(s->norm[k]))
                return 0;
    }
    return 1;
}

static void run_sample(const Turns *turns, idx sample, char *memory)
{
    Arena arena = {.base = memory};
    const Paths s = lay_out(turns->call, sample, &arena);
    double *loss = turns->call->loss + sample;
    *loss = NAN;
    if (!find_norms(&s))
        return;
    const double *b = run_forward(turns, &s), *l = b + s.width;
    const int at_label = l[s.labels - 1] >= b[s.labels] && s.labels > 0;
    *loss = at_label ? -l[s.labels - 1] : -b[s.labels];
    if (isfinite(*loss))
        trace(turns, &s, s.labels - at_label, at_label);
}

idx NAME(align_workspace)(const lstmc_ctc *call, int threads)
{
    Arena arena = {0};
    lay_out_turns(call, threads, &arena, measure);
    return arena.used;
}

int NAME(ctc_align)(const lstmc_ctc *call, int threads, void *workspace)
{
    Arena arena = {.base = workspace};
    const Turns turns = lay_out_turns(call, threads, &arena, measure);
    return run_turns(&turns, threads, run_sample);
}
