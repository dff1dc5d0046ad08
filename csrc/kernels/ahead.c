/* ahead.c - W x + b of steps to come.
 *
 * The sum over k runs over x first, then over h. So W x may be computed for many steps
 * at once, which few rows want: for them the weights' way to the core decides. */
#include "job.h"

/* Reals of W x, and steps, a power of two: least and most. */
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
                   steps * step_size(&s->plan, min_idx(rows, MOST_AHEAD)));
}

idx NAME(most_ahead)(const Sequence *s)
{
    return slab_rows(s, s->slabs - 1) > MOST_AHEAD
               ? 0
               : min_idx(MOST * times(&s->plan), s->steps);
}

idx NAME(steps_ahead)(const Sequence *s, idx rows)
{
    if (rows < 1 || rows > MOST_AHEAD)
        return 0;
    const idx more = times(&s->plan), step = step_size(&s->plan, rows);
    idx steps = MOST * more;
    while (steps > s->steps || steps * step > REALS * more ||
           (s->link && s->link->before && steps > s->link->steps))
        steps /= 2;
    return steps < LEAST ? 0 : steps;
}

/* Of row r and panel p, for the first of the steps. */
static real *wx_of(const Job *job, idx p, idx r)
{
    return job->wx + (p * job->rows + r) * job->ahead * job->s->plan.x_count * PANEL;
}

/* W x + b of row r: of its next steps, of the columns of a reading. */
static Product steps_of(const Job *job, idx t, idx r, const Reading *reading)
{
    const Plan *plan = &job->s->plan;
    const idx first = job->first, left = min_idx(job->until, length_of(job, r)) - t;
    return (Product){
        .rows = min_idx(job->ahead, left),
        .panels = reading->count,
        .groups = job->last - first,
        .a = job->s->x + step_of(job, r, t) * plan->inputs,
        .a_row = job->side ? -plan->inputs : plan->inputs,
        .runs = 1,
        .run = plan->inputs,
        .b = job->d->weights + first * plan->block + reading->offset,
        .b_panel = reading->k * PANEL,
        .b_group = plan->block,
        .start = job->d->weights + bias_offset(plan, first) + reading->first * PANEL,
        .start_panel = PANEL,
        .start_group = biases_of(plan) * PANEL,
        .c = wx_of(job, first, r) + (reading->first - plan->x_first) * PANEL,
        .c_panel = PANEL,
        .c_group = job->rows * job->ahead * plan->x_count * PANEL,
        .c_row = plan->x_count * PANEL,
    };
}

void NAME(look_ahead)(Job *job, idx t, idx active)
{
    const Plan *plan = &job->s->plan;
    for (idx r = 0; r < active; ++r) {
        int split = 0;
        for (int i = 0; i < plan->readings; ++i) {
            const Reading *reading = plan->reading + i;
            if (reading->k0 > 0)
                continue; /* h alone */
            const Product product = steps_of(job, t, r, reading);
            if (!AMX || !job->d->split[FROM_X].panels) {
                NAME(product)(&product);
                continue;
            }
            if (!split++)
                NAME(split_rows)(&product, job->d->split[FROM_X].balance,
                                 &job->digits[FROM_X]);
            const DigitProduct digits =
                digits_from(job, FROM_X, job->first, reading->first, &product);
            NAME(digit_product)(&digits);
        }
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
