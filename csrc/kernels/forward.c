/* forward.c - takes every cell through time: a step is one product for all columns of
 * a block of units, then P on that block while it lies near. */
#include "job.h"

/* Rows times panels that one product fills at least, if there are so many. */
#define BLOCK 24

static idx hidden_row(const Plan *plan)
{
    const idx n = max_idx(plan->panels * PANEL, plan->units + plan->inputs);
    return (panels_of(n) | 1) *
           PANEL; /* an odd number of lines: rows in different sets */
}

static idx panels_at_once(const Plan *plan, idx rows)
{
    return min_idx(plan->panels, max_idx(1, BLOCK / rows));
}

static idx block_size(const Plan *plan, idx rows)
{
    return max_idx(BLOCK, rows) * plan->slots * PANEL;
}

idx NAME(forward_scratch)(const Sequence *s)
{
    const idx rows = slab_rows(s, 0);
    return 2 * rows * hidden_row(&s->plan) +
           (s->plan.cell->states - 1) * state_size(&s->plan, rows) +
           s->members * block_size(&s->plan, rows);
}

static void lay_out(Job *job, real *scratch)
{
    const Plan *plan = &job->s->plan;
    job->h_row = hidden_row(plan);
    job->hx[0] = scratch;
    job->hx[1] = job->hx[0] + job->rows * job->h_row;
    real *next = job->hx[1] + job->rows * job->h_row;
    for (int k = 1; k < plan->cell->states; ++k, next += state_size(plan, job->rows))
        job->state[k] = next;
    job->block = next + job->share.member * block_size(plan, slab_rows(job->s, 0));
}

static void load_states(const Job *job)
{
    const Plan *plan = &job->s->plan;
    EACH_OWN_ROW (job, r, job->rows) {
        const real *h = sample_row(job, job->d->before[0], r);
        real *to = job->hx[0] + r * job->h_row;
        for (idx j = 0; j < plan->panels * PANEL; ++j)
            to[j] = h && j < plan->units ? h[j] : 0;
        for (int k = 1; k < plan->cell->states; ++k)
            load_state(job, k, r, sample_row(job, job->d->before[k], r));
    }
}

static void copy_input(const Job *job, idx t, idx active)
{
    const Plan *plan = &job->s->plan;
    EACH_OWN_ROW (job, r, active)
        memcpy(job->hx[0] + r * job->h_row + plan->units,
               job->s->x + step_of(job, r, t) * plan->inputs,
               (size_t)plan->inputs * sizeof(real));
}

static void copy_output(const Job *job, idx t, idx active)
{
    const Sequence *s = job->s;
    const idx n = s->plan.units;
    if (s->y)
        EACH_OWN_ROW (job, r, active)
            memcpy(s->y + (step_of(job, r, t) * s->directions + job->side) * n,
                   job->hx[1] + r * job->h_row, (size_t)n * sizeof(real));
}

/* a = [h, x] [R, W] + b for the step's panels, which start at panel p. */
static void fill_columns(const Job *job, const Step *step, idx p)
{
    const Plan *plan = &job->s->plan;
    const real *weights = job->d->weights;
    const real *biases = weights + plan->panels * plan->block;
    for (int i = 0; i < plan->readings; ++i) {
        const Reading *reading = plan->reading + i;
        const idx unit_panels = step->panels, columns = reading->count;
        /* The longer of the two runs of panels goes into one product. */
        const int by_column = unit_panels > columns;
        for (idx j = 0; j < (by_column ? columns : unit_panels); ++j) {
            const idx panel = p + (by_column ? 0 : j);
            const idx column = reading->first + (by_column ? j : 0);
            const Product product = {
                .rows = step->rows,
                .panels = by_column ? unit_panels : columns,
                .a = job->hx[0] + reading->k0,
                .a_row = job->h_row,
                .runs = 1,
                .run = reading->k,
                .b = weights + panel * plan->block + reading->offset +
                     (column - reading->first) * reading->k * PANEL,
                .b_panel = by_column ? plan->block : reading->k * PANEL,
                .start = biases + (panel * plan->cell->columns + column) * PANEL,
                .start_panel = by_column ? plan->cell->columns * PANEL : PANEL,
                .c = step->a + (panel - p) * step->a_panel + column * PANEL,
                .c_panel = by_column ? step->a_panel : PANEL,
                .c_row = plan->slots * PANEL,
            };
            NAME(product)(&product);
        }
    }
}

static void run_step(const Job *job, idx active, real *tape)
{
    const Plan *plan = &job->s->plan;
    const idx at_once = panels_at_once(plan, active);
    for (idx p = job->first; p < job->last; p += at_once) {
        Step step = {
            .rows = active,
            .panels = min_idx(at_once, job->last - p),
            .slots = plan->slots,
            .a_panel = active * plan->slots * PANEL,
            .identity = job->s->identity,
            .h0 = job->hx[0] + p * PANEL,
            .h1 = job->hx[1] + p * PANEL,
            .h_row = job->h_row,
            .s_panel = job->rows * PANEL,
        };
        step.a = tape ? tape + p * step.a_panel : job->block;
        for (int k = 1; k < plan->cell->states; ++k)
            step.s[k] = job->state[k] + p * step.s_panel;
        fill_columns(job, &step, p);
        plan->cell->forward(step);
    }
}

/* Row r has taken its last step (or has none): its states are final. */
static void store_final(const Job *job, idx r)
{
    const idx n = job->s->plan.units, sample = job->s->sample[row_of(job, r)];
    if (job->d->after[0])
        memcpy(job->d->after[0] + sample * n, job->hx[0] + r * job->h_row,
               (size_t)n * sizeof(real));
    for (int k = 1; k < job->s->plan.cell->states; ++k)
        if (job->d->after[k])
            store_state(job, k, r, job->d->after[k] + sample * n);
}

static void run_job(const Sequence *s, idx k, Share share)
{
    const Plan *plan = &s->plan;
    Job job = make_job(s, k, share);
    lay_out(&job, s->scratch + k * s->scratch_size);
    load_states(&job);
    real *tape = job.tape;
    idx active = job.rows;
    for (idx t = 0;; ++t) {
        for (; active > 0 && length_of(&job, active - 1) == t; --active)
            if ((active - 1) % share.members == share.member)
                store_final(&job, active - 1);
        if (active == 0)
            return;
        copy_input(&job, t, active);
        tell_crew(&job, t, active);
        wait_for_crew(&job);
        if (told_to_stop(&job, t))
            return;
        run_step(&job, active, tape);
        wait_for_crew(&job);
        copy_output(&job, t, active);
        if (tape)
            tape += active * plan->panels * plan->slots * PANEL;
        real *swap = job.hx[0];
        job.hx[0] = job.hx[1];
        job.hx[1] = swap;
    }
}

void NAME(sequence_forward)(const Sequence *s)
{
#pragma omp parallel num_threads(s->threads)
    {
        const FloatMode mode = flush_denormals();
        const Place place = my_place(s);
        EACH_OWN_JOB (s, place, k)
            run_job(s, k, place.share);
        restore_mode(mode);
    }
}
