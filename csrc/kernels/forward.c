/* forward.c - takes every cell through time: a step is one product for all columns of
 * a block of units, then P on that block while it lies near.
 *
 * The sum over k runs over x first, then over h. So W x may be computed for many steps
 * at once, which few rows want: for them the weights' way to the core decides. */
#include "job.h"

/* Rows times panels that one product fills at least, if there are so many. */
#define BLOCK 24
/* Rows up to which W x is computed ahead, reals of it, and steps, a power of two: least
 * and most. */
#define AHEAD_ROWS 3
#define AHEAD_REALS 49152
#define AHEAD_LEAST 4
#define AHEAD_MOST 64

static idx x_panels(const Plan *plan) { return panels_of(plan->inputs); }

/* An odd number of lines, so that rows lie in different sets of the cache. */
static idx row_size(const Plan *plan)
{
    return ((x_panels(plan) + plan->panels) | 1) * PANEL;
}

static idx panels_at_once(const Plan *plan, idx rows)
{
    return min_idx(plan->panels, max_idx(1, BLOCK / rows));
}

static idx block_size(const Plan *plan, idx rows)
{
    return max_idx(BLOCK, rows) * plan->slots * PANEL;
}

/* W x of one step, of all units. */
static idx wx_size(const Plan *plan, idx rows)
{
    return plan->panels * rows * plan->x_count * PANEL;
}

static idx steps_ahead(const Sequence *s, idx rows)
{
    if (rows < 1 || rows > AHEAD_ROWS)
        return 0;
    idx steps = AHEAD_MOST;
    while (steps > s->steps || steps * wx_size(&s->plan, rows) > AHEAD_REALS)
        steps /= 2;
    return steps < AHEAD_LEAST ? 0 : steps;
}

idx NAME(forward_scratch)(const Sequence *s)
{
    const idx rows = slab_rows(s, 0);
    return 2 * rows * row_size(&s->plan) +
           (s->plan.cell->states - 1) * state_size(&s->plan, rows) +
           min_idx(AHEAD_REALS, min_idx(AHEAD_MOST, s->steps) *
                                    wx_size(&s->plan, min_idx(rows, AHEAD_ROWS))) +
           s->members * block_size(&s->plan, rows);
}

void NAME(lay_out_job)(Job *job, real *scratch)
{
    const Plan *plan = &job->s->plan;
    job->row = row_size(plan);
    job->h0 = x_panels(plan) * PANEL; /* aligned, and x just before it */
    job->x0 = job->h0 - plan->inputs;
    job->xh[0] = scratch;
    job->xh[1] = job->xh[0] + job->rows * job->row;
    real *next = job->xh[1] + job->rows * job->row;
    for (int k = 1; k < plan->cell->states; ++k, next += state_size(plan, job->rows))
        job->state[k] = next;
    job->ahead = steps_ahead(job->s, job->rows);
    job->wx = next;
    next += job->ahead * wx_size(plan, job->rows);
    job->block = next + job->share.member * block_size(plan, slab_rows(job->s, 0));
}

static void load_states(const Job *job, idx t)
{
    const Plan *plan = &job->s->plan;
    EACH_OWN_ROW (job, r, job->rows) {
        if (t > 0 && length_of(job, r) <= t)
            return;
        const real *h = NAME(find_state)(job, 0, r, t);
        real *to = job->xh[0] + r * job->row + job->h0;
        for (idx j = 0; j < plan->panels * PANEL; ++j)
            to[j] = h && j < plan->units ? h[j] : 0;
        for (int k = 1; k < plan->cell->states; ++k)
            load_state(job, k, r, NAME(find_state)(job, k, r, t));
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

static void copy_output(const Job *job, idx t, idx active)
{
    const Sequence *s = job->s;
    const idx n = s->plan.units;
    if (s->y)
        EACH_OWN_ROW (job, r, active)
            memcpy(s->y + (step_of(job, r, t) * s->directions + job->side) * n,
                   job->xh[1] + r * job->row + job->h0, (size_t)n * sizeof(real));
}

/* W x + b of row r and panel p, for the first of the steps ahead. */
static real *wx_of(const Job *job, idx p, idx r)
{
    return job->wx + (p * job->rows + r) * job->ahead * job->s->plan.x_count * PANEL;
}

/* W x + b for the steps from t on, as many as are computed ahead, and the own units. */
static void look_ahead(const Job *job, idx t, idx active)
{
    const Plan *plan = &job->s->plan;
    const real *biases = job->d->weights + plan->panels * plan->block;
    for (idx p = job->first; p < job->last; ++p)
        for (idx r = 0; r < active; ++r)
            for (int i = 0; i < plan->readings; ++i) {
                const Reading *reading = plan->reading + i;
                if (reading->k0 > 0)
                    continue; /* h alone */
                const Product product = {
                    .rows =
                        min_idx(job->ahead, min_idx(job->until, length_of(job, r)) - t),
                    .panels = reading->count,
                    .groups = 1,
                    .a = job->s->x + step_of(job, r, t) * plan->inputs,
                    .a_row = job->side ? -plan->inputs : plan->inputs,
                    .runs = 1,
                    .run = plan->inputs,
                    .b = job->d->weights + p * plan->block + reading->offset,
                    .b_panel = reading->k * PANEL,
                    .start =
                        biases + (p * plan->cell->columns + reading->first) * PANEL,
                    .start_panel = PANEL,
                    .c = wx_of(job, p, r) + (reading->first - plan->x_first) * PANEL,
                    .c_panel = PANEL,
                    .c_row = plan->x_count * PANEL,
                };
                NAME(product)(&product);
            }
}

/* a = [W, R] [x, h] + b at step t for `panels` panels of units from p on. */
static void fill_columns(const Job *job, idx p, idx panels, idx t, idx rows, real *a)
{
    const Plan *plan = &job->s->plan;
    const real *biases = job->d->weights + plan->panels * plan->block;
    for (int i = 0; i < plan->readings; ++i) {
        const Reading *reading = plan->reading + i;
        Product product = {
            .rows = rows,
            .panels = reading->count,
            .groups = panels,
            .a = job->xh[0] + job->x0 + reading->k0,
            .a_row = job->row,
            .runs = 1,
            .run = reading->k,
            .b = job->d->weights + p * plan->block + reading->offset,
            .b_panel = reading->k * PANEL,
            .b_group = plan->block,
            .start = biases + (p * plan->cell->columns + reading->first) * PANEL,
            .start_panel = PANEL,
            .start_group = plan->cell->columns * PANEL,
            .c = a + reading->first * PANEL,
            .c_panel = PANEL,
            .c_group = rows * plan->slots * PANEL,
            .c_row = plan->slots * PANEL,
        };
        if (job->ahead > 0 && reading->k0 == 0) {
            /* W x + b is there already: the sum over h goes on from it. */
            const idx step = ((t - job->from) & (job->ahead - 1)) * plan->x_count;
            product.a += plan->inputs;
            product.b += plan->inputs * PANEL;
            product.run -= plan->inputs;
            product.start =
                wx_of(job, p, 0) + (step + reading->first - plan->x_first) * PANEL;
            product.start_row = job->ahead * plan->x_count * PANEL;
            product.start_group = job->rows * product.start_row;
        }
        NAME(product)(&product);
    }
}

void NAME(run_step)(const Job *job, idx t, idx active, real *tape)
{
    const Plan *plan = &job->s->plan;
    const idx at_once = panels_at_once(plan, active), s_panel = job->rows * PANEL;
    const idx a_panel = active * plan->slots * PANEL;
    for (idx p = job->first; p < job->last; p += at_once) {
        const idx panels = min_idx(at_once, job->last - p);
        real *a = tape ? tape + p * a_panel : job->block;
        fill_columns(job, p, panels, t, active, a);
        plan->cell->forward((Step){
            .rows = active,
            .panels = panels,
            .slots = plan->slots,
            .identity = job->s->identity,
            .a = a,
            .a_panel = a_panel,
            .h0 = job->xh[0] + job->h0 + p * PANEL,
            .h1 = job->xh[1] + job->h0 + p * PANEL,
            .h_row = job->row,
            .s = {NULL, job->state[1] + p * s_panel, job->state[2] + p * s_panel,
                  job->state[3] + p * s_panel},
            .s_panel = s_panel,
        });
    }
}

/* Row r has taken its last step (or has none): its states are final. */
static void store_final(const Job *job, idx r)
{
    const idx n = job->s->plan.units, sample = job->s->sample[row_of(job, r)];
    if (job->d->after[0])
        memcpy(job->d->after[0] + sample * n, job->xh[0] + r * job->row + job->h0,
               (size_t)n * sizeof(real));
    for (int k = 1; k < job->s->plan.cell->states; ++k)
        if (job->d->after[k])
            store_state(job, k, r, job->d->after[k] + sample * n);
}

/* All steps of the run; those from `taped` on leave a tape. `again`: y and the final
 * states are there already. 0: told to stop. */
static int run_steps(Job *job, idx taped, int again)
{
    const Plan *plan = &job->s->plan;
    real *tape = job->tape;
    idx active = job->rows;
    for (idx t = job->from;; ++t) {
        for (; active > 0 && length_of(job, active - 1) <= t; --active)
            if (!again && (active - 1) % job->share.members == job->share.member)
                store_final(job, active - 1);
        if (active == 0 || t == job->until)
            return 1;
        if (!again)
            NAME(keep_states)(job, t, active);
        tell_crew(job, t, active);
        if (job->ahead == 0) {
            copy_input(job, t, active);
            wait_for_crew(job);
        } else if (((t - job->from) & (job->ahead - 1)) == 0) {
            look_ahead(job, t, active);
        }
        NAME(run_step)(job, t, active, t < taped ? NULL : tape);
        wait_for_crew(job);
        if (told_to_stop(job, t))
            return 0;
        if (!again)
            copy_output(job, t, active);
        if (tape && t >= taped)
            tape += active * plan->panels * plan->slots * PANEL;
        real *swap = job->xh[0];
        job->xh[0] = job->xh[1];
        job->xh[1] = swap;
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
