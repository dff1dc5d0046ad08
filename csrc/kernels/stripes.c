/* stripes.c - R as few rows read it: STRIPE panels side by side for one k, so that a
 * step reads one run of memory instead of one for each panel, and no W between them.
 *
 * Backward turns R into panels anyway, and then into stripes at once; see pack.c. */
#include "job.h"

/* Reals of R from which on stripes pay, and up to which: from behind the second cache
 * four runs come as fast as one. And steps that pay for a copy. */
#define LEAST_REALS (10 << 10)
#define MOST_REALS (512 << 10)
#define LEAST_STEPS 24

/* Panels of units that stripes of all readings have in whole numbers. */
static idx panels_of_stripe(const Plan *plan)
{
    idx panels = 1;
    for (int i = 0; i < plan->readings; ++i) {
        const int count = plan->reading[i].count;
        if (recurrent_depth(plan, plan->reading + i) > 0)
            panels = max_idx(panels, count % 4 == 0 ? 1 : count % 2 == 0 ? 2 : 4);
    }
    return panels;
}

/* Reals of a stripe, and of those of a reading. */
static idx stripe_size(const Plan *plan, const Reading *reading)
{
    return recurrent_depth(plan, reading) * STRIPE * PANEL;
}

static idx reading_size(const Plan *plan, const Reading *reading)
{
    return plan->panels * reading->count / STRIPE * stripe_size(plan, reading);
}

/* Where the stripes of a reading start. */
static idx stripes_before(const Plan *plan, const Reading *reading)
{
    idx reals = 0;
    for (const Reading *before = plan->reading; before < reading; ++before)
        reals += reading_size(plan, before);
    return reals;
}

/* Of all readings, if R is neither too small nor too large. */
static idx stripes_of(const Plan *plan)
{
    const idx reals = stripes_before(plan, plan->reading + plan->readings);
    return reals >= LEAST_REALS && reals <= MOST_REALS ? reals : 0;
}

idx NAME(stripes_size)(const Sequence *s)
{
    const Plan *plan = &s->plan;
    const int pays = !s->digits && s->steps >= LEAST_STEPS &&
                     plan->panels % (panels_of_stripe(plan) * s->members) == 0 &&
                     NAME(steps_ahead)(s, slab_rows(s, 0)) > 0;
    return pays ? stripes_of(plan) : 0;
}

int NAME(pulls_stripes)(const Sequence *s)
{
    const Plan *plan = &s->plan;
    int pays = !s->digits && slab_rows(s, 0) <= MOST_AHEAD && stripes_of(&s->plan) > 0;
    for (int k = 0; k < plan->rows; ++k) {
        const idx panels = panels_of(width_of(plan, plan->row[k].state));
        pays &= plan->reader[k].count == 0 || panels % (STRIPE * s->members) == 0;
    }
    return pays;
}

/* The recurrent part of a panel, which is number n of its reading. */
static void lay_panel(const real *from, idx depth, idx n, real *to)
{
    to += n / STRIPE * depth * STRIPE * PANEL + n % STRIPE * PANEL;
    for (idx k = 0; k < depth; ++k, from += PANEL, to += STRIPE * PANEL)
        EACH_VECTOR (j)
            ((vec *)to)[j] = ((const vec *)from)[j];
}

void NAME(lay_stripes)(const Sequence *s)
{
    const Plan *plan = &s->plan;
    if (!s->direction[0].stripes)
        return;
#pragma omp for schedule(static)
    for (idx item = 0; item < s->parts * plan->panels; ++item) {
        const Direction *d = s->direction + item / plan->panels;
        const idx p = item % plan->panels;
        for (int i = 0; i < plan->readings; ++i) {
            const Reading *reading = plan->reading + i;
            const idx depth = recurrent_depth(plan, reading);
            const real *from = d->weights + p * plan->block + reading->offset;
            for (int g = 0; g < reading->count; ++g)
                lay_panel(from + ((g + 1) * reading->k - depth) * PANEL, depth,
                          p * reading->count + g,
                          d->stripes + stripes_before(plan, reading));
        }
    }
}

void NAME(read_stripes)(const Job *job, idx p, const Reading *reading, Product *product)
{
    const Plan *plan = &job->s->plan;
    start_in_stripes(product, job->d->stripes + stripes_before(plan, reading),
                     stripe_size(plan, reading), p * reading->count);
}
