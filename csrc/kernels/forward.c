/* forward.c - takes every cell through time: a step is one product for all columns of
 * a block of units, then P on that block while it lies near.
 *
 * The sum over k runs over x first, then over h; of few rows W x is there before. */
#include "ready.h"

/* Rows times panels that one product fills at least, if there are so many. */
#define BLOCK 24

static idx x_panels(const Plan *plan) { return panels_of(plan->inputs); }

/* Places of a row beside x: the row states, the late row, h itself if R sees a masked
 * one. */
static idx places(const Sequence *s)
{
    return s->plan.rows + (s->plan.late_panels > 0) + (s->noise.recurrent_dropout > 0);
}

/* An odd number of lines, so that rows lie in different sets of the cache. */
static idx row_size(const Sequence *s)
{
    return ((x_panels(&s->plan) + places(s) * s->plan.panels) | 1) * PANEL;
}

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

static idx block_size(const Sequence *s, idx rows)
{
    return max_idx(BLOCK, rows * panels_at_once(s, rows)) * s->plan.slots * PANEL;
}

/* States that do not lie in rows. */
static idx panel_states(const Plan *plan) { return plan->cell->states - plan->rows; }

static idx kept_states(const Sequence *s)
{
    idx count = 0;
    for (int k = 0; k < s->plan.cell->states; ++k)
        count += s->zoned[k] && s->plan.place[k] == NONE;
    return count;
}

/* What a member of the crew has for itself. */
static idx own_size(const Sequence *s, idx rows)
{
    const Plan *plan = &s->plan;
    return block_size(s, rows) + notes_size(rows) + spare_size(plan) +
           NAME(ready_size)(plan) + NAME(sources_size)(s, rows);
}

idx NAME(forward_scratch)(const Sequence *s)
{
    const idx rows = slab_rows(s, 0);
    return 2 * rows * row_size(s) +
           (panel_states(&s->plan) + kept_states(s)) * state_size(&s->plan, rows) +
           NAME(ahead_size)(s, rows) + s->members * own_size(s, rows);
}

void NAME(lay_out_job)(Job *job, real *scratch)
{
    const Sequence *s = job->s;
    const Plan *plan = &s->plan;
    const idx place = place_size(plan), most = slab_rows(s, 0);
    job->row = row_size(s);
    job->rows0 = x_panels(plan) * PANEL; /* aligned, and x just before it */
    job->x0 = job->rows0 - plan->inputs;
    job->late0 = job->rows0 + plan->rows * place;
    job->h0 = job->rows0 + plan->place[0] * place;
    if (s->noise.recurrent_dropout > 0)
        job->h0 = job->late0 + (plan->late_panels > 0) * place;
    job->xh[0] = scratch;
    job->xh[1] = job->xh[0] + job->rows * job->row;
    real *next = job->xh[1] + job->rows * job->row;
    for (int k = 0; k < plan->cell->states; ++k) {
        if (plan->place[k] != NONE)
            continue;
        job->state[k] = next, next += state_size(plan, job->rows);
        if (s->zoned[k])
            job->kept[k] = next, next += state_size(plan, job->rows);
    }
    job->ahead = NAME(steps_ahead)(s, job->rows);
    job->wx = next;
    next += NAME(ahead_size)(s, job->rows);
    job->block = next + job->share.member * own_size(s, most);
    job->spare = lay_out_notes(job, job->block + block_size(s, most));
    real *ready = job->spare + spare_size(plan);
    job->ready = (Ready *)ready;
    NAME(lay_out_sources)(job, ready + NAME(ready_size)(plan), most);
}

static void load_states(const Job *job, idx t)
{
    const Plan *plan = &job->s->plan;
    EACH_OWN_ROW (job, r, job->rows) {
        if (t > 0 && length_of(job, r) <= t)
            break;
        for (int k = 0; k < plan->cell->states; ++k)
            load_state(job, k, r, NAME(find_state)(job, k, r, t));
        NAME(mask_row)(job, job->xh[0], r, 0, plan->out_panels);
    }
}

static void copy_input(const Job *job, idx t, idx active)
{
    const Plan *plan = &job->s->plan;
    EACH_OWN_ROW (job, r, active)
        memcpy(job->xh[0] + r * job->row + job->x0,
               job->s->x + step_of(job, r, t) * plan->inputs,
               (size_t)plan->inputs * sizeof(real));
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

/* Whether h of a step is there after P, and may be copied to where it was fetched. */
static int is_h_there(const Job *job)
{
    return job->s->plan.late_panels == 0 && !job->s->zoning;
}

static int wants_y(const Job *job)
{
    return job->y && !job->s->y_is_far && is_h_there(job);
}

/* P of all units of a row alone, and what it needs. */
static void pass_row(Job *job, idx t, real *tape)
{
    const Plan *plan = &job->s->plan;
    if (!job->is_ready)
        NAME(make_ready)(job);
    const Ready *ready = job->ready;
    const int is_there = is_h_there(job), wants = wants_y(job);
    const idx ahead = job->ahead > 0
                          ? ((t - job->from) & (job->ahead - 1)) * plan->x_count * PANEL
                          : 0;
    for (idx k = 0; k < ready->count; ++k) {
        ReadyBlock *block = ready->block + (job->odd ? ready->count - 1 - k : k);
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
        pass_row(job, t, tape);
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

/* Row r has taken its last step (or has none): its states are final. */
static void store_final(const Job *job, idx r)
{
    const Plan *plan = &job->s->plan;
    const idx sample = job->s->sample[row_of(job, r)];
    for (int k = 0; k < plan->cell->states; ++k)
        if (job->d->after[k])
            store_state(job, k, r, job->d->after[k] + sample * width_of(plan, k));
}

/* All steps of the run; those from `taped` on leave a tape. `again`: y and the final
 * states are there already. 0: told to stop. */
static int run_steps(Job *job, idx taped, int again)
{
    const Plan *plan = &job->s->plan;
    real *tape = job->tape;
    const idx at_once = max_idx(1, job->ahead);
    idx active = job->rows;
    job->y = again ? NULL : job->s->y;
    for (idx t = job->from;; ++t) {
        for (; active > 0 && length_of(job, active - 1) <= t; --active)
            if (!again && (active - 1) % job->share.members == job->share.member)
                store_final(job, active - 1);
        if (active == 0 || t == job->until)
            return 1;
        if (!again)
            NAME(keep_states)(job, t, active);
        const int reads_x = ((t - job->from) & (at_once - 1)) == 0;
        if (reads_x)
            tell_crew(job, t, active * at_once);
        if (reads_x && !again)
            follow(job->s, t + at_once);
        if (job->ahead == 0) {
            copy_input(job, t, active);
            wait_for_crew(job);
        } else if (reads_x) {
            NAME(look_ahead)(job, t, active);
        }
        note_time(job, t, active);
        note_outputs(job, t, active);
        NAME(run_step)(job, t, active, t < taped ? NULL : tape);
        wait_for_crew(job);
        if (reads_x && told_to_stop(job, t))
            return 0;
        if (!again && is_to_tell(job->s, t + 1, t + 1 == job->until))
            tell_progress(job->s->link->own, (int)(t + 1));
        if (tape && t >= taped)
            tape += active * plan->panels * plan->slots * PANEL;
        turn(job);
    }
}

static Job start_job(const Sequence *s, idx k, Share share, idx from, idx until)
{
    Job job = make_job(s, k, share);
    job.from = from;
    job.until = until;
    job.tape = tape_of(&job, until - 1);
    return job;
}

static void run_job(const Sequence *s, idx k, Share share)
{
    Job job = start_job(s, k, share, 0, s->steps);
    NAME(lay_out_job)(&job, s->scratch + k * s->scratch_size);
    load_states(&job, 0);
    wait_for_crew(&job);
    run_steps(&job, max_idx(0, s->steps - s->segment), 0);
}

/* The scratch of backward lives on from window to window; that of forward follows. */
int NAME(forward_again)(const Sequence *s, idx k, Share share, idx last)
{
    if (last == s->steps || last < segment_end(s, last - 1))
        return 1;
    const idx first = segment_start(s, last - 1);
    Job job = start_job(s, k, share, first, last);
    NAME(lay_out_job)(&job,
                      s->scratch + k * s->scratch_size + NAME(backward_scratch)(s));
    load_states(&job, first);
    wait_for_crew(&job);
    return run_steps(&job, first, 1);
}

static void run_member(const void *data)
{
    const Sequence *s = data;
    const FloatMode mode = flush_denormals();
    const Place place = my_place(s);
    if (s->direction[0].mask)
        NAME(draw_masks)(s);
    if (AMX && s->digits && !s->is_split)
        NAME(split_weights)(s);
    NAME(lay_stripes)(s);
    EACH_OWN_JOB (s, place, k)
        run_job(s, k, place.share);
    tell_end(s);
    if (s->y_is_far)
        pass_stores();
    if (AMX && s->digits)
        NAME(release_tiles)();
    restore_mode(mode);
}

void NAME(sequence_forward)(const Sequence *s) { run_team(s->threads, run_member, s); }
