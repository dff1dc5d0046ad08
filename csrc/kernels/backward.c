/* backward.c - takes every cell back through time: dh from the step after, then P',
 * then dx; after each window of steps the weight gradient over all its rows at once. */
#include "job.h"

static const real zeros[LINE / sizeof(real)] __attribute__((aligned(LINE)));

idx NAME(backward_scratch)(const Sequence *s)
{
    return s->plan.cell->states * state_size(&s->plan, slab_rows(s, 0)) + GROUP * PANEL;
}

static void lay_out_backward(Job *job, real *scratch)
{
    const Plan *plan = &job->s->plan;
    for (int k = 0; k < plan->cell->states; ++k, scratch += state_size(plan, job->rows))
        job->state[k] = scratch;
    job->block = scratch;
}

/* dh += R' da of the step after; the rows that ran it are the first `after`. */
static void pull_hidden(const Job *job, const Step *step, const real *tape, idx after,
                        idx p, idx r)
{
    const Plan *plan = &job->s->plan;
    const Product product = {
        .rows = min_idx(after - r, step->rows),
        .panels = 1,
        .a = tape + (r * plan->slots + plan->h_first) * PANEL,
        .a_row = plan->slots * PANEL,
        .runs = plan->panels,
        .run = plan->h_count * PANEL,
        .skip = after * plan->slots * PANEL,
        .b = job->d->transposed_h + p * plan->panels * plan->h_count * PANEL * PANEL,
        .start = step->s[0],
        .start_row = PANEL,
        .c = step->s[0],
        .c_row = PANEL,
    };
    if (product.rows > 0)
        NAME(product)(&product);
}

static void add_output_gradient(const Job *job, const Step *step, idx t, idx p, idx r)
{
    const Sequence *s = job->s;
    const idx n = s->plan.units, width = min_idx(PANEL, n - p * PANEL);
    for (idx k = 0; s->dy && k < step->rows; ++k) {
        const real *from =
            s->dy + (step_of(job, r + k, t) * s->directions + job->side) * n;
        real *to = step->s[0] + k * PANEL;
        for (idx j = 0; j < width; ++j)
            to[j] += from[p * PANEL + j];
    }
}

static void step_backward(const Job *job, idx t, idx active, idx after, real *tape)
{
    const Plan *plan = &job->s->plan;
    const real *tape_after = tape + active * plan->panels * plan->slots * PANEL;
    const idx groups = (active + GROUP - 1) / GROUP;
    for (idx p = 0; p < plan->panels; ++p)
        for (idx group = 0; group < groups; ++group) {
            const idx r = active * group / groups;
            Step step = {.rows = active * (group + 1) / groups - r,
                         .panels = 1,
                         .slots = plan->slots,
                         .identity = job->s->identity,
                         .a = tape + (p * active + r) * plan->slots * PANEL};
            for (int k = 0; k < plan->cell->states; ++k)
                step.s[k] = job->state[k] + (p * job->rows + r) * PANEL;
            pull_hidden(job, &step, tape_after, after, p, r);
            add_output_gradient(job, &step, t, p, r);
            plan->cell->backward(step);
        }
}

/* dx = W' da */
static void pull_input(const Job *job, idx t, idx active, const real *tape)
{
    const Plan *plan = &job->s->plan;
    const idx groups = (active + GROUP - 1) / GROUP;
    for (idx q = 0; job->d->dx && q < panels_of(plan->inputs); ++q)
        for (idx group = 0; group < groups; ++group) {
            const idx r = active * group / groups,
                      rows = active * (group + 1) / groups - r;
            const Product product = {
                .rows = rows,
                .panels = 1,
                .a = tape + (r * plan->slots + plan->x_first) * PANEL,
                .a_row = plan->slots * PANEL,
                .runs = plan->panels,
                .run = plan->x_count * PANEL,
                .skip = active * plan->slots * PANEL,
                .b = job->d->transposed_x +
                     q * plan->panels * plan->x_count * PANEL * PANEL,
                .start = zeros,
                .c = job->block,
                .c_row = PANEL,
            };
            NAME(product)(&product);
            const idx width = min_idx(PANEL, plan->inputs - q * PANEL);
            for (idx k = 0; k < rows; ++k)
                memcpy(job->d->dx + step_of(job, r + k, t) * plan->inputs + q * PANEL,
                       job->block + k * PANEL, (size_t)width * sizeof(real));
        }
}

/* Tells the weight gradient where the rows of step t lie. */
static void note_rows(const Job *job, idx t, idx active, const real *tape,
                      StepRow *table)
{
    const Sequence *s = job->s;
    const Plan *plan = &s->plan;
    for (idx r = 0; r < active; ++r) {
        const real *h = sample_row(job, job->d->before[0], r);
        if (t > 0)
            h = s->y +
                (step_of(job, r, t - 1) * s->directions + job->side) * plan->units;
        table[row_of(job, r)] = (StepRow){
            .da = tape + r * plan->slots * PANEL,
            .da_panel = active * plan->slots * PANEL,
            .x = s->x + step_of(job, r, t) * plan->inputs,
            .h = h,
        };
    }
}

static void finish_backward(const Job *job, idx active, const real *tape)
{
    const Plan *plan = &job->s->plan;
    for (idx p = 0; p < plan->panels; ++p) {
        Step step = {.rows = active, .s = {job->state[0] + p * job->rows * PANEL}};
        if (active > 0)
            pull_hidden(job, &step, tape, active, p, 0);
    }
    for (idx r = 0; r < job->rows; ++r)
        for (int k = 0; k < plan->cell->states; ++k)
            if (job->d->d_before[k])
                store_state(job, k, r,
                            job->d->d_before[k] +
                                job->s->sample[row_of(job, r)] * plan->units);
}

/* Steps first <= t < last of job k, backward. */
static void run_backward(const Sequence *s, idx k, idx first, idx last)
{
    const Plan *plan = &s->plan;
    Job job = make_job(s, k);
    lay_out_backward(&job, s->scratch + k * s->scratch_size);
    if (last == s->steps)
        for (idx r = 0; r < job.rows; ++r)
            for (int j = 0; j < plan->cell->states; ++j)
                load_state(&job, j, r, sample_row(&job, job.d->d_after[j], r));
    idx active = 0;
    while (active < job.rows && length_of(&job, active) > last)
        ++active;
    real *tape = job.tape + tape_before(&job, last);
    for (idx t = last - 1; t >= first; --t) {
        const idx after = active;
        while (active < job.rows && length_of(&job, active) > t)
            ++active;
        tape -= active * plan->panels * plan->slots * PANEL;
        step_backward(&job, t, active, after, tape);
        pull_input(&job, t, active, tape);
        note_rows(&job, t, active, tape,
                  s->row_table[job.side] + s->total[t] - s->total[first]);
    }
    if (first == 0)
        finish_backward(&job, active, tape);
}

void NAME(sequence_backward)(const Sequence *s)
{
    const idx jobs = s->slabs * s->directions, window = window_steps(s);
    const idx reals = s->total[s->steps] * s->plan.inputs;
#pragma omp parallel num_threads(s->threads)
    {
        const FloatMode mode = flush_denormals();
        NAME(clear_gradient)(s);
        for (idx last = s->steps, more = 1; more; last = max_idx(0, last - window)) {
            const idx first = max_idx(0, last - window);
            const idx rows = s->total[last] - s->total[first];
#pragma omp for schedule(static, 1)
            for (idx k = 0; k < jobs; ++k)
                run_backward(s, k, first, last);
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
