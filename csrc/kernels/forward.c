/* forward.c - takes every cell through time, from the states before to those after. */
#include "ready.h"
#include "step.h"

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
    return NAME(block_size)(s, rows) + notes_size(rows) + spare_size(plan) +
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
    job->spare = lay_out_notes(job, job->block + NAME(block_size)(s, most));
    real *ready = job->spare + spare_size(plan);
    job->ready = (ReadyBlock *)ready;
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

/* Row r has taken its last step (or has none): its states are final. */
static void store_final(const Job *job, idx r)
{
    const Plan *plan = &job->s->plan;
    const idx sample = job->s->sample[row_of(job, r)];
    for (int k = 0; k < plan->cell->states; ++k)
        if (job->d->after[k])
            store_state(job, k, r, job->d->after[k] + sample * width_of(plan, k));
}

/* Whether steps of a row alone follow one another with nothing between them. */
static int goes_alone(const Job *job, idx active)
{
    const Sequence *s = job->s;
    return active == 1 && job->ahead > 0 && job->share.members == 1 &&
           is_h_there(job) && s->segment >= s->steps && !s->time && !job->d->mask &&
           !(AMX && s->digits);
}

/* The first step after t that does not: before it W x is made, or the next told. */
static idx end_alone(const Job *job, idx t)
{
    const Sequence *s = job->s;
    const idx since = t - job->from;
    const idx end = min_idx(min_idx(job->until, length_of(job, 0)),
                            t + job->ahead - (since & (job->ahead - 1)));
    return is_followed(s)
               ? min_idx(end, t + s->link->steps - (t & (s->link->steps - 1)))
               : end;
}

static void run_alone(Job *job, idx t, idx end, real *tape)
{
    const idx size = job->s->plan.panels * job->s->plan.slots * PANEL;
    for (; t < end; ++t) {
        note_outputs(job, t, 1);
        NAME(pass_row)(job, t, tape);
        turn(job);
        tape = tape ? tape + size : NULL;
    }
}

/* Step t with what a step may need; the crew waits at its end. */
static void run_any(Job *job, idx t, idx active, real *tape)
{
    note_time(job, t, active);
    note_outputs(job, t, active);
    NAME(run_step)(job, t, active, tape);
    wait_for_crew(job);
    turn(job);
}

/* All steps of the run; those from `taped` on leave a tape. `again`: y and the final
 * states are there already. 0: told to stop. */
static int run_steps(Job *job, idx taped, int again)
{
    const Plan *plan = &job->s->plan;
    const idx at_once = max_idx(1, job->ahead);
    real *tape = job->tape;
    idx active = job->rows, next;
    job->y = again ? NULL : job->s->y;
    for (idx t = job->from;; t = next) {
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
        const int alone = goes_alone(job, active);
        next = alone ? end_alone(job, t) : t + 1;
        if (alone)
            run_alone(job, t, next, tape);
        else
            run_any(job, t, active, t < taped ? NULL : tape);
        if (reads_x && told_to_stop(job, t))
            return 0;
        if (!again && is_to_tell(job->s, next, next == job->until))
            tell_progress(job->s->link->own, (int)next);
        if (tape && t >= taped)
            tape += (next - t) * active * plan->panels * plan->slots * PANEL;
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
