/* ahead.c - W x + b of steps to come.
 *
 * The sum over k runs over x first, then over h. So W x may be computed for many steps
 * at once, which few rows want: for them the weights' way to the core decides. */
#include "job.h"

/* Rows up to which W x is computed ahead, reals of it, and steps, a power of two: least
 * and most. */
#define ROWS 3
#define REALS 49152
#define LEAST 4
#define MOST 64

/* Four times as many steps and reals where W and R together are larger than this, in
 * bytes: W comes from behind the second cache each time, and drives R out of it. */
#define NEAR_WEIGHTS (1 << 20)

static idx times(const Plan *plan)
{
    return plan->panels * plan->block * (idx)sizeof(real) > NEAR_WEIGHTS ? 4 : 1;
}

/* Reals of one step, of all units. */
static idx step_size(const Plan *plan, idx rows)
{
    return plan->panels * rows * plan->x_count * PANEL;
}

idx NAME(ahead_size)(const Sequence *s, idx rows)
{
    const idx steps = min_idx(MOST * times(&s->plan), s->steps);
    return min_idx(REALS * times(&s->plan),
                   steps * step_size(&s->plan, min_idx(rows, ROWS)));
}

idx NAME(steps_ahead)(const Sequence *s, idx rows)
{
    if (rows < 1 || rows > ROWS)
        return 0;
    const idx more = times(&s->plan), step = step_size(&s->plan, rows);
    idx steps = MOST * more;
    while (steps > s->steps || steps * step > REALS * more)
        steps /= 2;
    return steps < LEAST ? 0 : steps;
}

/* Of row r and panel p, for the first of the steps. */
static real *wx_of(const Job *job, idx p, idx r)
{
    return job->wx + (p * job->rows + r) * job->ahead * job->s->plan.x_count * PANEL;
}

void NAME(look_ahead)(const Job *job, idx t, idx active)
{
    const Plan *plan = &job->s->plan;
    const real *biases = job->d->weights + bias_offset(plan, 0);
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
                    .start = biases + (p * biases_of(plan) + reading->first) * PANEL,
                    .start_panel = PANEL,
                    .c = wx_of(job, p, r) + (reading->first - plan->x_first) * PANEL,
                    .c_panel = PANEL,
                    .c_row = plan->x_count * PANEL,
                };
                NAME(product)(&product);
            }
}

void NAME(go_on_from_ahead)(const Job *job, idx p, const Reading *reading, idx t,
                            Product *product)
{
    const Plan *plan = &job->s->plan;
    const idx step = ((t - job->from) & (job->ahead - 1)) * plan->x_count;
    product->a += plan->inputs;
    product->b += plan->inputs * PANEL;
    product->run -= plan->inputs;
    product->start = wx_of(job, p, 0) + (step + reading->first - plan->x_first) * PANEL;
    product->start_row = job->ahead * plan->x_count * PANEL;
    product->start_group = job->rows * product->start_row;
}
