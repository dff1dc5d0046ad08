/* step.c - a step of some rows: one product for all columns of a block of units, then P
 * on that block while it lies near.
 *
 * The sum over k runs over x first, then over h; of few rows W x is there before. */
#include "step.h"

#include "ready.h"

/* Rows times panels that one product fills at least, if there are so many. */
#define BLOCK 24

/* As many as a tile takes beside one another, and of few rows what fits; or all, where
 * the second stage, or P itself, waits for them. */
static idx panels_at_once(const Sequence *s, idx rows)
{
    const Plan *plan = &s->plan;
    if (plan->late_panels > 0 || plan->cell->whole)
        return plan->panels;
    const idx fit = STRETCH / (plan->block * (idx)sizeof(real));
    return min_idx(plan->panels,
                   max_idx(1, min_idx(fit, BLOCK / max_idx(1, rows)) / MOST_BESIDE) *
                       MOST_BESIDE);
}

idx NAME(block_size)(const Sequence *s, idx rows)
{
    return max_idx(BLOCK, rows * panels_at_once(s, rows)) * s->plan.slots * PANEL;
}

void NAME(fill_step)(Step *step, const Job *job, idx p, idx panels, idx active, real *a)
{
    const Sequence *s = job->s;
    const Plan *plan = &s->plan;
    const idx at = p * PANEL, s_panel = job->rows * PANEL;
    *step = (Step){.rows = active};
    step->panels = panels;
    step->slots = plan->slots;
    step->a = a;
    step->a_panel = active * plan->slots * PANEL;
    step->row0 = job->xh[0] + job->rows0 + at;
    step->row1 = job->xh[1] + job->rows0 + at;
    step->h0 = job->xh[0] + job->h0 + at;
    step->h1 = job->xh[1] + (plan->projected ? job->late0 : job->h0) + at;
    step->late = job->xh[1] + job->late0 + at;
    step->row = job->row;
    step->place = place_size(plan);
    step->s_panel = s_panel;
    step->v = job->d->weights + bias_offset(plan, p) + plan->cell->columns * PANEL;
    step->v_panel = biases_of(plan) * PANEL;
    step->time = job->time;
    step->spare = job->spare;
    step->spares = plan->cell->spares;
    step->units = plan->units;
    step->identity = s->identity;
    for (int k = 0; k < plan->cell->states; ++k)
        if (plan->place[k] == NONE)
            step->s[k] = job->state[k] + p * s_panel;
}

/* Where h of some panels will go: no processor finds the pattern of the rows of y. */
typedef struct {
    const Job *job;
    idx first, last; /* panels */
} Outputs;

/* Rows of which all are fetched at once: their product takes no time for more. */
#define MOST_AT_ONCE 8

static void fetch_outputs(const void *of, idx first, idx last)
{
    const Outputs *outputs = of;
    const Job *job = outputs->job;
    for (idx r = first; r < last; ++r)
        for (idx p = outputs->first; p < outputs->last; ++p)
            __builtin_prefetch(job->y + job->at[r] + p * PANEL, 1, 3);
}

/* h of some panels into y, while it lies near and the rest of the step goes on. */
static void copy_output(const Job *job, idx first, idx last, idx active)
{
    const int is_far = job->s->y_is_far;
    for (idx p = first; job->y && p < last; ++p) {
        const idx width = min_idx(PANEL, job->s->plan.outputs - p * PANEL);
        const real *h = job->xh[1] + job->h0 + p * PANEL;
        real *y = job->y + p * PANEL;
        for (idx r = 0; r < active; ++r, h += job->row)
            if (is_far)
                EACH_VECTOR (j)
                    store_past(y + job->at[r] + j * LANES, ((const vec *)h)[j]);
            else if (width == PANEL)
                EACH_VECTOR (j)
                    ((loose *)(y + job->at[r]))[j] = ((const vec *)h)[j];
            else
                memcpy(y + job->at[r], h, (size_t)width * sizeof(real));
    }
}

/* Whether it goes to y at once, where it was fetched. */
static int wants_y(const Job *job)
{
    return job->y && !job->s->y_is_far && is_h_there(job);
}

void NAME(pass_row)(Job *job, idx t, real *tape)
{
    const Plan *plan = &job->s->plan;
    if (job->blocks == 0)
        NAME(make_ready)(job);
    const int is_there = is_h_there(job), wants = wants_y(job);
    const idx ahead = job->ahead > 0
                          ? ((t - job->from) & (job->ahead - 1)) * plan->x_count * PANEL
                          : 0;
    for (idx k = 0; k < job->blocks; ++k) {
        ReadyBlock *block = job->ready + (job->odd ? job->blocks - 1 - k : k);
        const idx p = block->first;
        if (wants)
            fetch_outputs(&(Outputs){.job = job, .first = p, .last = block->last}, 0,
                          1);
        plan->cell->forward(NAME(sum_block)(
            job, block, ahead, tape ? tape + p * plan->slots * PANEL : job->block));
        if (is_there)
            copy_output(job, p, block->last, 1);
    }
}

/* The same of some rows, or by digits. */
static void pass_rows(Job *job, idx t, idx active, real *tape)
{
    const Plan *plan = &job->s->plan;
    const idx at_once = panels_at_once(job->s, active);
    const idx a_panel = active * plan->slots * PANEL;
    if (AMX && job->s->digits)
        NAME(split_sources)(job, active);
    for (idx done = 0; done < job->last - job->first; done += at_once) {
        const idx panels = min_idx(at_once, job->last - job->first - done);
        const idx p = job->odd ? job->last - done - panels : job->first + done;
        real *a = tape ? tape + p * a_panel : job->block;
        const Outputs outputs = {.job = job, .first = p, .last = p + panels};
        const Soon soon = {.fetch = fetch_outputs, .of = &outputs, .last = active};
        if (wants_y(job) && active < MOST_AT_ONCE)
            fetch_outputs(&outputs, 0, active);
        NAME(fill_columns)(job, p, panels, t, active, a,
                           wants_y(job) && active >= MOST_AT_ONCE ? &soon : NULL);
        Step step;
        NAME(fill_step)(&step, job, p, panels, active, a);
        plan->cell->forward(&step);
        if (is_h_there(job))
            copy_output(job, p, p + panels, active);
    }
}

void NAME(run_step)(Job *job, idx t, idx active, real *tape)
{
    const Plan *plan = &job->s->plan;
    const idx a_panel = active * plan->slots * PANEL;
    if (job->s->zoning)
        NAME(keep_before)(job, active);
    if (active == 1 && !(AMX && job->s->digits))
        NAME(pass_row)(job, t, tape);
    else
        pass_rows(job, t, active, tape);
    if (plan->late_panels > 0)
        NAME(late_forward)(job, active, tape ? tape + job->first * a_panel : job->block,
                           tape != NULL);
    if (job->s->zoning)
        NAME(zone_forward)(job, t, active);
    if (!is_h_there(job))
        copy_output(job, own_output(job, 0), own_output(job, 1), active);
    for (idx r = 0; job->d->mask && r < active; ++r)
        NAME(mask_row)(job, job->xh[1], r, own_output(job, 0), own_output(job, 1));
}
