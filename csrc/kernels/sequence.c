/* sequence.c - takes every cell through time, forward and backward.
 *
 * A job is one slab of rows in one direction. It owns its states, its scratch and its
 * part of the tape, and goes through all steps without a barrier. The rows of a slab
 * stand longest first: those that still run are the first `active`. A reverse direction
 * starts at each sequence's own end; here t counts the steps of the direction. */
#include <string.h>

#include "kernels.h"
#include "parallel.h"

static const real zeros[LINE / sizeof(real)] __attribute__((aligned(LINE)));

typedef struct {
    const Sequence *s;
    const Direction *d;
    int side; /* 0: forward in time, 1: reverse */
    idx slab, rows;
    idx h_row;              /* reals from a row of [h, x] to the next */
    real *hx[2];            /* (rows, h_row): [h, x] of this step and of the next */
    real *state[MAX_STATES]; /* (panels, rows, PANEL) */
    real *block;            /* scratch of one group */
    real *tape;             /* of this job */
} Job;

static idx row_of(const Job *job, idx r) { return job->slab + r * job->s->slabs; }

static idx length_of(const Job *job, idx r) { return job->s->length[row_of(job, r)]; }

/* The step of the flat arrays that row r sees at its own step t. */
static idx step_of(const Job *job, idx r, idx t)
{
    const idx row = row_of(job, r);
    const idx first = job->s->offset[job->s->sample[row]];
    return first + (job->side ? job->s->length[row] - 1 - t : t);
}

static idx hidden_row(const Plan *plan)
{
    const idx n = max_idx(plan->panels * PANEL, plan->units + plan->inputs);
    return (panels_of(n) | 1) * PANEL; /* an odd number of lines: rows in different sets */
}

static idx state_size(const Plan *plan, idx rows) { return plan->panels * rows * PANEL; }

/* Panels of a group: so many that a few rows still fill the block. */
static idx panels_at_once(const Plan *plan, idx rows)
{
    return min_idx(plan->panels, max_idx(1, GROUP / rows));
}

idx NAME(forward_scratch)(const Sequence *s)
{
    const idx rows = slab_rows(s, 0);
    return 2 * rows * hidden_row(&s->plan) +
           (s->plan.cell->states - 1) * state_size(&s->plan, rows) +
           GROUP * s->plan.slots * PANEL;
}

idx NAME(backward_scratch)(const Sequence *s)
{
    return s->plan.cell->states * state_size(&s->plan, slab_rows(s, 0)) + GROUP * PANEL;
}

/* Reals of tape before step t of the job's slab. */
static idx tape_before(const Job *job, idx t)
{
    idx steps = 0;
    for (idx r = 0; r < job->rows; ++r)
        steps += min_idx(t, length_of(job, r));
    return steps * job->s->plan.panels * job->s->plan.slots * PANEL;
}

static Job make_job(const Sequence *s, idx k)
{
    const idx slab = k % s->slabs;
    Job job = {.s = s, .side = (int)(k / s->slabs), .slab = slab, .rows = slab_rows(s, slab)};
    job.d = s->direction + job.side;
    job.h_row = hidden_row(&s->plan);
    job.tape = job.d->tape;
    for (idx before = 0; job.tape && before < slab; ++before) {
        const Job other = {.s = s, .side = job.side, .slab = before,
                           .rows = slab_rows(s, before)};
        job.tape += tape_before(&other, s->steps);
    }
    return job;
}

static void lay_out_forward(Job *job, real *scratch)
{
    const Plan *plan = &job->s->plan;
    job->hx[0] = scratch;
    job->hx[1] = job->hx[0] + job->rows * job->h_row;
    real *next = job->hx[1] + job->rows * job->h_row;
    for (int k = 1; k < plan->cell->states; ++k, next += state_size(plan, job->rows))
        job->state[k] = next;
    job->block = next;
}

static void lay_out_backward(Job *job, real *scratch)
{
    const Plan *plan = &job->s->plan;
    for (int k = 0; k < plan->cell->states; ++k, scratch += state_size(plan, job->rows))
        job->state[k] = scratch;
    job->block = scratch;
}

/* A row of (samples, units) to or from the panels of a state. */
static void load_state(const Job *job, int k, idx r, const real *from)
{
    const idx n = job->s->plan.units;
    for (idx p = 0; p < job->s->plan.panels; ++p) {
        real *to = job->state[k] + (p * job->rows + r) * PANEL;
        for (idx j = 0; j < PANEL; ++j)
            to[j] = from && p * PANEL + j < n ? from[p * PANEL + j] : 0;
    }
}

static void store_state(const Job *job, int k, idx r, real *to)
{
    for (idx j = 0; j < job->s->plan.units; ++j)
        to[j] = job->state[k][(j / PANEL * job->rows + r) * PANEL + j % PANEL];
}

static const real *sample_row(const Job *job, const real *states, idx r)
{
    return states ? states + job->s->sample[row_of(job, r)] * job->s->plan.units : NULL;
}

static void start_forward(const Job *job)
{
    const Plan *plan = &job->s->plan;
    for (idx r = 0; r < job->rows; ++r) {
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
    for (idx r = 0; r < active; ++r)
        memcpy(job->hx[0] + r * job->h_row + plan->units,
               job->s->x + step_of(job, r, t) * plan->inputs,
               (size_t)plan->inputs * sizeof(real));
}

/* a = [h, x] [R, W] + b for a group of rows and panels. */
static void fill_columns(const Job *job, const Step *step, idx p, idx r)
{
    const Plan *plan = &job->s->plan;
    const real *weights = job->d->weights;
    const real *biases = weights + plan->panels * plan->block;
    for (int i = 0; i < plan->readings; ++i) {
        const Reading *reading = plan->reading + i;
        const idx unit_panels = step->panels, columns = reading->count;
        /* The longer of the two runs of panels goes into one product. */
        const int by_column = unit_panels > columns;
        const idx products = by_column ? columns : unit_panels;
        for (idx j = 0; j < products; ++j) {
            const idx panel = p + (by_column ? 0 : j);
            const idx column = reading->first + (by_column ? j : 0);
            const Product product = {
                .rows = step->rows,
                .panels = by_column ? unit_panels : columns,
                .a = job->hx[0] + r * job->h_row + reading->k0,
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

static void step_forward(const Job *job, idx active, real *tape)
{
    const Plan *plan = &job->s->plan;
    const idx groups = (active + GROUP - 1) / GROUP;
    const idx at_once = panels_at_once(plan, active);
    for (idx p = 0; p < plan->panels; p += at_once)
        for (idx group = 0; group < groups; ++group) {
            const idx r = active * group / groups;
            Step step = {.rows = active * (group + 1) / groups - r,
                         .panels = min_idx(at_once, plan->panels - p),
                         .slots = plan->slots, .identity = job->s->identity,
                         .h0 = job->hx[0] + r * job->h_row + p * PANEL,
                         .h1 = job->hx[1] + r * job->h_row + p * PANEL,
                         .h_row = job->h_row, .s_panel = job->rows * PANEL};
            step.a_panel = (tape ? active : step.rows) * plan->slots * PANEL;
            step.a = tape ? tape + (p * active + r) * plan->slots * PANEL : job->block;
            for (int k = 1; k < plan->cell->states; ++k)
                step.s[k] = job->state[k] + (p * job->rows + r) * PANEL;
            fill_columns(job, &step, p, r);
            plan->cell->forward(step);
        }
}

static void copy_output(const Job *job, idx t, idx active)
{
    const Sequence *s = job->s;
    const idx n = s->plan.units;
    for (idx r = 0; s->y && r < active; ++r)
        memcpy(s->y + (step_of(job, r, t) * s->directions + job->side) * n,
               job->hx[1] + r * job->h_row, (size_t)n * sizeof(real));
}

/* Row r has taken its last step (or has none): its states are final. */
static void store_final(const Job *job, const real *hx, idx r)
{
    const idx n = job->s->plan.units, sample = job->s->sample[row_of(job, r)];
    if (job->d->after[0])
        memcpy(job->d->after[0] + sample * n, hx + r * job->h_row, (size_t)n * sizeof(real));
    for (int k = 1; k < job->s->plan.cell->states; ++k)
        if (job->d->after[k])
            store_state(job, k, r, job->d->after[k] + sample * n);
}

static void run_forward(const Sequence *s, idx k)
{
    const Plan *plan = &s->plan;
    Job job = make_job(s, k);
    lay_out_forward(&job, s->scratch + k * s->scratch_size);
    start_forward(&job);
    real *tape = job.tape;
    idx active = job.rows;
    for (idx t = 0;; ++t) {
        for (; active > 0 && length_of(&job, active - 1) == t; --active)
            store_final(&job, job.hx[0], active - 1);
        if (active == 0)
            return;
        copy_input(&job, t, active);
        step_forward(&job, active, tape);
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
    const idx jobs = s->slabs * s->directions;
#pragma omp parallel num_threads(s->threads)
    {
        const FloatMode mode = flush_denormals();
#pragma omp for schedule(static, 1)
        for (idx k = 0; k < jobs; ++k)
            run_forward(s, k);
        restore_mode(mode);
    }
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
        const real *from = s->dy + (step_of(job, r + k, t) * s->directions + job->side) * n;
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
            Step step = {.rows = active * (group + 1) / groups - r, .panels = 1,
                         .slots = plan->slots, .identity = job->s->identity,
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
            const idx r = active * group / groups, rows = active * (group + 1) / groups - r;
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
static void note_rows(const Job *job, idx t, idx active, const real *tape, StepRow *table)
{
    const Sequence *s = job->s;
    const Plan *plan = &s->plan;
    for (idx r = 0; r < active; ++r) {
        const real *h = sample_row(job, job->d->before[0], r);
        if (t > 0)
            h = s->y + (step_of(job, r, t - 1) * s->directions + job->side) * plan->units;
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
                            job->d->d_before[k] + job->s->sample[row_of(job, r)] * plan->units);
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
