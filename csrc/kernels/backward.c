/* backward.c - takes every cell back through time: dh from the step after, then P',
 * then dx; after each window of steps the weight gradient over all its rows at once. */
#include "job.h"

static const real zeros[LINE / sizeof(real)] __attribute__((aligned(LINE)));

/* Steps of a single row that go into one product for dx. */
#define STEPS_AT_ONCE 64

static idx block_size(const Sequence *s)
{
    const idx rows = max_idx(STEPS_AT_ONCE, slab_rows(s, 0));
    return panels_of(s->plan.inputs) * rows * PANEL;
}

idx NAME(backward_scratch)(const Sequence *s)
{
    return s->plan.cell->states * state_size(&s->plan, slab_rows(s, 0)) + block_size(s);
}

static void lay_out(Job *job, real *scratch)
{
    const Plan *plan = &job->s->plan;
    for (int k = 0; k < plan->cell->states; ++k, scratch += state_size(plan, job->rows))
        job->state[k] = scratch;
    job->block = scratch;
}

/* dh += R' da of the step after, for the own panels; `after` rows ran that step. */
static void pull_hidden(const Job *job, const real *tape, idx after)
{
    const Plan *plan = &job->s->plan;
    const idx depth = plan->panels * plan->h_count * PANEL, size = job->rows * PANEL;
    real *dh = job->state[0] + job->first * size;
    const Product product = {
        .rows = after,
        .panels = job->last - job->first,
        .groups = 1,
        .a = tape + plan->h_first * PANEL,
        .a_row = plan->slots * PANEL,
        .runs = plan->panels,
        .run = plan->h_count * PANEL,
        .skip = after * plan->slots * PANEL,
        .b = job->d->transposed_h + job->first * depth * PANEL,
        .b_panel = depth * PANEL,
        .start = dh,
        .start_panel = size,
        .start_row = PANEL,
        .c = dh,
        .c_panel = size,
        .c_row = PANEL,
    };
    NAME(product)(&product);
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

static void add_output_gradient(const Job *job, idx t, idx active, idx p)
{
    const Sequence *s = job->s;
    const idx n = s->plan.units, width = min_idx(PANEL, n - p * PANEL);
    real *dh = job->state[0] + p * job->rows * PANEL;
    for (idx r = 0; s->dy && r < active; ++r) {
        const idx row = step_of(job, r, t) * s->directions + job->side;
        add_panel(s->dy + row * n + p * PANEL, width, dh + r * PANEL);
    }
}

static void run_step(const Job *job, idx t, idx active, idx after, real *tape)
{
    const Plan *plan = &job->s->plan;
    const idx size = active * plan->slots * PANEL;
    pull_hidden(job, tape + plan->panels * size, after);
    for (idx p = job->first; p < job->last; ++p) {
        Step step = {.rows = active,
                     .panels = 1,
                     .slots = plan->slots,
                     .identity = job->s->identity,
                     .a = tape + p * size};
        for (int k = 0; k < plan->cell->states; ++k)
            step.s[k] = job->state[k] + p * job->rows * PANEL;
        add_output_gradient(job, t, active, p);
        plan->cell->backward(step);
    }
}

/* dx = W' da, each of a crew for panels of inputs of its own: for `active` rows of step
 * t, or for a single row for `steps` steps from t on. */
static void pull_input(const Job *job, idx t, idx steps, idx active, const real *tape)
{
    const Plan *plan = &job->s->plan;
    const idx panels = panels_of(plan->inputs), rows = steps * active;
    const idx depth = plan->panels * plan->x_count * PANEL;
    const idx first = panels * job->share.member / job->share.members;
    const idx last = panels * (job->share.member + 1) / job->share.members;
    const Product product = {
        .rows = rows,
        .panels = last - first,
        .groups = 1,
        .a = tape + plan->x_first * PANEL,
        .a_row = (steps > 1 ? plan->panels : 1) * plan->slots * PANEL,
        .runs = plan->panels,
        .run = plan->x_count * PANEL,
        .skip = active * plan->slots * PANEL,
        .b = job->d->transposed_x + first * depth * PANEL,
        .b_panel = depth * PANEL,
        .start = zeros,
        .c = job->block + first * rows * PANEL,
        .c_panel = rows * PANEL,
        .c_row = PANEL,
    };
    NAME(product)(&product);
    for (idx q = first; q < last; ++q) {
        const idx width = min_idx(PANEL, plan->inputs - q * PANEL);
        for (idx k = 0; k < rows; ++k) {
            const idx step = step_of(job, k % active, t + k / active);
            memcpy(job->d->dx + step * plan->inputs + q * PANEL,
                   job->block + (q * rows + k) * PANEL, (size_t)width * sizeof(real));
        }
    }
}

/* The same for all steps first <= t < last of a job of one row. */
static void pull_inputs(const Job *job, idx first, idx last, const real *tape)
{
    const idx size = job->s->plan.panels * job->s->plan.slots * PANEL;
    for (idx t = first; t < last; t += STEPS_AT_ONCE, tape += STEPS_AT_ONCE * size)
        pull_input(job, t, min_idx(STEPS_AT_ONCE, last - t), 1, tape);
}

/* Tells the weight gradient where the rows of step t lie. */
static void note_rows(const Job *job, idx t, idx active, const real *tape,
                      StepRow *table)
{
    const Sequence *s = job->s;
    const Plan *plan = &s->plan;
    EACH_OWN_ROW (job, r, active) {
        table[row_of(job, r)] = (StepRow){
            .da = tape + r * plan->slots * PANEL,
            .da_panel = active * plan->slots * PANEL,
            .x = s->x + step_of(job, r, t) * plan->inputs,
            .h = hidden_of(job, r, t),
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
                                job->s->sample[row_of(job, r)] * plan->units);
}

/* Steps first <= t < last of job k. */
static void run_job(const Sequence *s, idx k, Share share, idx first, idx last)
{
    const Plan *plan = &s->plan;
    Job job = make_job(s, k, share);
    lay_out(&job, s->scratch + k * s->scratch_size);
    if (last == s->steps)
        EACH_OWN_ROW (&job, r, job.rows)
            for (int j = 0; j < plan->cell->states; ++j)
                load_state(&job, j, r, sample_row(&job, job.d->d_after[j], r));
    wait_for_crew(&job);
    idx active = 0;
    while (active < job.rows && length_of(&job, active) > last)
        ++active;
    const idx start = segment_start(s, last - 1), end = segment_end(s, last - 1);
    real *tape = tape_of(&job, last - 1) + tape_reals(&job, start, last);
    for (idx t = last - 1; t >= first; --t) {
        const idx after =
            t + 1 == end ? 0 : active; /* pulled while its tape was there */
        while (active < job.rows && length_of(&job, active) > t)
            ++active;
        tape -= active * plan->panels * plan->slots * PANEL;
        run_step(&job, t, active, after, tape);
        tell_crew(&job, t, active);
        wait_for_crew(&job);
        if (told_to_stop(&job, t))
            return;
        if (job.d->dx && job.rows > 1)
            pull_input(&job, t, 1, active, tape);
        note_rows(&job, t, active, tape,
                  s->row_table[job.side] + s->total[t] - s->total[first]);
    }
    if (job.d->dx && job.rows == 1)
        pull_inputs(&job, first, min_idx(last, length_of(&job, 0)), tape);
    if (first == start)
        pull_hidden(&job, tape, active);
    if (first == 0)
        store_before(&job);
}

void NAME(sequence_backward)(const Sequence *s)
{
    const idx window = window_steps(s);
    const idx reals = s->total[s->steps] * s->plan.inputs;
#pragma omp parallel num_threads(s->threads)
    {
        const FloatMode mode = flush_denormals();
        const Place place = my_place(s);
        for (int side = 0; side < s->directions; ++side) {
            const Direction *d = s->direction + side;
            NAME(transpose_weights)(&s->plan, d->weights, d->transposed_h,
                                    d->dx ? d->transposed_x : NULL);
        }
        NAME(clear_gradient)(s); /* all wait for one another at its end */
        for (idx last = s->steps, more = 1; more; last = max_idx(0, last - window)) {
            const idx first = max_idx(0, last - window);
            const idx rows = s->total[last] - s->total[first];
            EACH_OWN_JOB (s, place, k)
                if (NAME(forward_again)(s, k, place.share, last))
                    run_job(s, k, place.share, first, last);
#pragma omp barrier
            if (is_stopped(s)) /* nobody is told before the next jobs */
                break;
            NAME(pack_rows)(s, rows);
            NAME(weight_gradient)(s, rows);
            more = first > 0;
        }
        if (s->directions == 2 && s->direction[0].dx) {
#pragma omp for schedule(static)
            for (idx j = 0; j < reals; ++j)
                s->direction[0].dx[j] += s->direction[1].dx[j];
        }
        restore_mode(mode);
    }
}
