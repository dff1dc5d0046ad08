/* backward.c - takes every cell back through time: dh from the step after, then P',
 * then dx; after each window of steps the weight gradient over all its rows at once. */
#include "gradient.h"
#include "job.h"

/* States, what zoneout keeps of them, the gradient of the late row, and that of a
 * masked h. */
static idx state_count(const Sequence *s)
{
    idx count = s->plan.cell->states + (s->plan.late_panels > 0) +
                (s->noise.recurrent_dropout > 0);
    for (int k = 0; k < s->plan.cell->states; ++k)
        count += s->zoned[k];
    return count;
}

/* What a member of the crew has for itself. */
static idx own_size(const Sequence *s)
{
    return notes_size(slab_rows(s, 0)) + spare_size(&s->plan) +
           NAME(split_gates_size)(s);
}

idx NAME(backward_scratch)(const Sequence *s)
{
    const idx rows = slab_rows(s, 0);
    return (state_count(s) + s->plan.cell->vectors) * state_size(&s->plan, rows) +
           dx_size(s, panels_of(s->plan.inputs)) + s->members * own_size(s);
}

static void lay_out(Job *job, real *scratch)
{
    const Plan *plan = &job->s->plan;
    const idx size = state_size(plan, job->rows);
    for (int k = 0; k < plan->cell->states; ++k) {
        job->state[k] = scratch, scratch += size;
        if (job->s->zoned[k])
            job->kept[k] = scratch, scratch += size;
    }
    if (plan->late_panels > 0)
        job->d_late = scratch, scratch += size;
    if (job->s->noise.recurrent_dropout > 0)
        job->masked = scratch, scratch += size;
    job->dv = scratch;
    job->block = job->dv + plan->cell->vectors * size;
    real *own = job->block + dx_size(job->s, panels_of(plan->inputs));
    job->spare = lay_out_notes(job, own + job->share.member * own_size(job->s));
    NAME(lay_out_split_gates)(job, job->spare + spare_size(plan));
}

static void add_panel(const real *from, idx width, real *to)
{
    if (width == PANEL)
        EACH_VECTOR (j)
            ((vec *)to)[j] += ((const loose *)from)[j];
    else
        for (idx j = 0; j < width; ++j)
            to[j] += from[j];
}

/* From the output of a row to that of the step before. */
static idx step_before(const Job *job)
{
    return (job->side ? 1 : -1) * job->s->parts * job->s->plan.outputs;
}

static void add_output_gradient(const Job *job, idx t, idx active, idx p)
{
    const Sequence *s = job->s;
    const idx width = min_idx(PANEL, s->plan.outputs - p * PANEL);
    const idx before = t == 0 ? 0 : step_before(job);
    real *dh = job->state[0] + p * job->rows * PANEL;
    for (idx r = 0; s->dy && r < active; ++r) {
        const real *dy = s->dy + job->at[r] + p * PANEL;
        add_panel(dy, width, dh + r * PANEL);
        __builtin_prefetch(dy + before); /* no pattern that the processor would find */
    }
}

/* P' of `panels` panels of units from p on. */
static void run_cell(const Job *job, idx p, idx panels, idx active, real *tape,
                     int stage)
{
    const Sequence *s = job->s;
    const Plan *plan = &s->plan;
    const int vectors = plan->cell->vectors;
    const idx s_panel = job->rows * PANEL;
    Step step = {
        .rows = active,
        .panels = panels,
        .slots = plan->slots,
        .a = tape + p * active * plan->slots * PANEL,
        .a_panel = active * plan->slots * PANEL,
        .s_panel = s_panel,
        .d_late = job->d_late ? job->d_late + p * s_panel : NULL,
        .v = job->d->weights + bias_offset(plan, p) + plan->cell->columns * PANEL,
        .v_panel = biases_of(plan) * PANEL,
        .dv = job->dv + p * vectors * s_panel,
        .dv_panel = vectors * s_panel,
        .vectors = vectors,
        .time = job->time,
        .spare = job->spare,
        .spares = plan->cell->spares,
        .units = plan->units,
        .stage = stage,
        .identity = s->identity,
        .truncated = s->truncated,
    };
    for (int k = 0; k < plan->cell->states; ++k)
        step.s[k] = job->state[k] + p * s_panel;
    if (plan->projected)
        step.s[0] = job->d_late + p * s_panel;
    plan->cell->backward(&step);
}

/* The gradients at the states are whole before P' of the first stage: of h for its own
 * panels, of all others for the own units. */
static void complete_states(const Job *job, idx t, idx active, idx p, int is_h)
{
    if (is_h)
        add_output_gradient(job, t, active, p);
    for (int k = !is_h; job->s->zoning && k < (is_h ? 1 : job->s->plan.cell->states);
         ++k)
        NAME(zone_backward)(job, t, active, p, k);
}

static void add_kept(const Job *job, idx active)
{
    for (int k = 0; k < job->s->plan.cell->states; ++k) {
        const idx last = k ? job->last : own_output(job, 1);
        for (idx p = k ? job->first : own_output(job, 0); p < last; ++p)
            NAME(add_kept)(job, active, p, k);
    }
}

static void run_stages(Job *job, idx t, idx active, real *tape)
{
    const Plan *plan = &job->s->plan;
    for (idx p = own_output(job, 0); p < own_output(job, 1); ++p)
        complete_states(job, t, active, p, 1);
    for (idx p = job->first; p < job->last; ++p)
        complete_states(job, t, active, p, 0);
    if (plan->projected)
        NAME(keep_projected)(job, active, tape);
    else
        run_cell(job, job->first, job->last - job->first, active, tape, 1);
    NAME(late_backward)(job, active, tape);
    run_cell(job, job->first, job->last - job->first, active, tape, 0);
}

/* What P' of a step reads, and then the weights' gradient: of each own panel, row by
 * row, the tape, dy, h before and x. */
typedef struct {
    const Job *job;
    const real *tape;
    idx t, active;
} Coming;

static void fetch_step(const void *of, idx first, idx last)
{
    const Coming *coming = of;
    const Job *job = coming->job;
    const Sequence *s = job->s;
    const idx line = s->plan.slots * PANEL, inputs = s->plan.inputs;
    const idx before = coming->t == 0 ? 0 : step_before(job);
    idx p = job->first + first / coming->active, r = first % coming->active;
    for (idx k = first; k < last; ++k) {
        const real *tape = coming->tape + (p * coming->active + r) * line;
        for (idx j = 0; j < line; j += PANEL)
            __builtin_prefetch(tape + j);
        const idx at = job->at[r] + p * PANEL;
        if (s->dy)
            __builtin_prefetch(s->dy + at);
        __builtin_prefetch(s->y + at + before);
        if (p * PANEL < inputs)
            __builtin_prefetch(s->x + step_of(job, r, coming->t) * inputs + p * PANEL);
        if (++r == coming->active)
            r = 0, ++p;
    }
}

static void run_step(Job *job, idx t, idx active, idx after, real *tape)
{
    const Plan *plan = &job->s->plan;
    const Coming coming = {.job = job, .tape = tape, .t = t, .active = active};
    const Soon soon = {
        .fetch = fetch_step, .of = &coming, .last = (job->last - job->first) * active};
    note_time(job, t, active);
    note_outputs(job, t, active);
    NAME(pull_rows)(job, tape + plan->panels * active * plan->slots * PANEL, after,
                    job->s->tape_is_far ? &soon : NULL);
    const idx at_once = plan->cell->whole ? plan->panels : 1;
    if (plan->late_panels > 0)
        run_stages(job, t, active, tape);
    else
        for (idx p = job->first; p < job->last; p += at_once) {
            for (idx q = p; q < p + at_once; ++q) {
                complete_states(job, t, active, q, 1);
                complete_states(job, t, active, q, 0);
            }
            run_cell(job, p, at_once, active, tape, 0);
        }
    if (job->s->zoning)
        add_kept(job, active);
}

/* Tells the weight gradient where the rows of step t lie. */
static void note_rows(const Job *job, idx t, idx active, const real *tape,
                      Window window)
{
    const Sequence *s = job->s;
    const Plan *plan = &s->plan;
    StepRow *table[2];
    for (int lot = 0; lot < s->lots; ++lot)
        table[lot] = lot_table(s, job->part, lot, window) + lot_total(s, lot, t) -
                     lot_total(s, lot, window.first);
    EACH_OWN_ROW (job, r, active) {
        const idx row = row_of(job, r);
        table[row % s->lots][row / s->lots] = (StepRow){
            .da = tape + r * plan->slots * PANEL,
            .da_panel = active * plan->slots * PANEL,
            .x = s->x + step_of(job, r, t) * plan->inputs,
            .h = hidden_of(job, r, t),
            .mask = sample_row(job, 0, job->d->mask, r),
        };
    }
}

static void store_before(const Job *job)
{
    const Plan *plan = &job->s->plan;
    wait_for_crew(job);
    EACH_OWN_ROW (job, r, job->rows)
        for (int k = 0; k < plan->cell->states; ++k)
            if (job->d->d_before[k])
                store_state(job, k, r,
                            job->d->d_before[k] +
                                job->s->sample[row_of(job, r)] * width_of(plan, k));
}

/* Steps first <= t < last of job k. */
static void run_job(const Sequence *s, idx k, Share share, idx first, idx last)
{
    const Plan *plan = &s->plan;
    Job job = make_job(s, k, share);
    lay_out(&job, s->scratch + k * s->scratch_size);
    if (last == s->steps) {
        const idx size = plan->cell->vectors * job.rows * PANEL;
        memset(job.dv + job.first * size, 0,
               (size_t)((job.last - job.first) * size) * sizeof(real));
        EACH_OWN_ROW (&job, r, job.rows)
            for (int j = 0; j < plan->cell->states; ++j)
                load_state(&job, j, r, sample_row(&job, j, job.d->d_after[j], r));
    }
    wait_for_crew(&job);
    idx active = 0;
    while (active < job.rows && length_of(&job, active) > last)
        ++active;
    const idx start = segment_start(s, last - 1), end = segment_end(s, last - 1);
    real *tape = tape_of(&job, last - 1) + tape_reals(&job, start, last);
    idx pulled = last; /* dx is there from this step on, of a single row */
    for (idx t = last - 1; t >= first; --t) {
        const idx after =
            t + 1 == end ? 0 : active; /* pulled while its tape was there */
        while (active < job.rows && length_of(&job, active) > t)
            ++active;
        tape -= active * plan->panels * plan->slots * PANEL;
        job.odd ^= 1;
        follow(s, s->steps - t);
        run_step(&job, t, active, after, tape);
        tell_crew(&job, t, active);
        wait_for_crew(&job);
        if (told_to_stop(&job, t))
            return;
        if (job.d->dx && job.rows > 1)
            NAME(pull_input)(&job, t, 1, active, tape);
        note_rows(&job, t, active, tape, (Window){first, last});
        if (!gradient_digits_pay(s))
            NAME(pack_rows)(&job, t, active, (Window){first, last});
        const int tells = is_to_tell(s, s->steps - t, t == first);
        if (job.d->dx && job.rows == 1 && (tells || t == first)) {
            NAME(pull_inputs)(&job, t, min_idx(pulled, length_of(&job, 0)), tape);
            pulled = t;
        }
        if (tells)
            tell_progress(s->link->own, (int)(s->steps - t));
    }
    if (first == start)
        NAME(pull_rows)(&job, tape, active, NULL);
    if (first == 0)
        store_before(&job);
}

/* The sums of the rows, in an order that slabs do not change, to the gradient. */
static void add_vector_gradients(const Sequence *s)
{
    const Plan *plan = &s->plan;
    const idx size = plan->cell->vectors * PANEL;
#pragma omp for schedule(static)
    for (idx item = 0; item < s->parts * plan->panels; ++item) {
        const idx part = item / plan->panels, p = item % plan->panels;
        real *to = s->direction[part].gradient + bias_offset(plan, p) +
                   plan->cell->columns * PANEL;
        for (idx row = 0; row < s->rows; ++row) {
            const idx k = part * s->slabs + row % s->slabs;
            Job job = make_job(s, k, (Share){.members = 1});
            lay_out(&job, s->scratch + k * s->scratch_size);
            const real *dv = job.dv + (p * job.rows + row / s->slabs) * size;
            for (idx j = 0; j < size; ++j)
                to[j] += dv[j];
        }
    }
}

static void run_member(const void *data)
{
    const Sequence *s = data;
    const idx window = window_steps(s);
    const FloatMode mode = flush_denormals();
    const Place place = my_place(s);
    for (int part = 0; part < s->parts; ++part)
        NAME(transpose_weights)(&s->plan, s->direction[part].weights,
                                &s->direction[part].transposed);
    if (s->direction[0].mask)
        NAME(draw_masks)(s);
    if (AMX && s->digits) /* for forward, if it runs again */
        NAME(split_weights)(s);
    NAME(lay_stripes)(s);
    NAME(clear_gradient)(s); /* all wait for one another at its end */
    for (idx last = s->steps, more = 1; more; last = max_idx(0, last - window)) {
        const idx first = max_idx(0, last - window);
        EACH_OWN_JOB (s, place, k)
            if (NAME(forward_again)(s, k, place.share, last))
                run_job(s, k, place.share, first, last);
#pragma omp barrier
        if (is_stopped(s)) /* nobody is told before the next jobs */
            break;
        if (gradient_digits_pay(s))
            NAME(split_seen)(s, (Window){first, last});
        NAME(weight_gradient)(s, (Window){first, last});
        more = first > 0;
    }
    tell_end(s);
    NAME(add_lots)(s);
    if (s->plan.cell->vectors > 0)
        add_vector_gradients(s);
    if (s->parts > 1 && s->direction[0].dx)
        NAME(add_input_gradients)(s);
    if (AMX && s->digits)
        NAME(release_tiles)();
    restore_mode(mode);
}

void NAME(sequence_backward)(const Sequence *s) { run_team(s->threads, run_member, s); }
