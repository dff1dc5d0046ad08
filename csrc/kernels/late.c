/* late.c - the second stage of a step, which needs the first of all units.
 *
 *   a += R q          late columns, q the late row that the first stage left
 *   h  = P m          projection, m the late row: what the cell computed for h
 *
 * Sak, Senior, Beaufays: Long Short-Term Memory Recurrent Neural Network Architectures
 * for Large Scale Acoustic Modeling. Interspeech 2014. */
#include "step.h"

/* The late row for the weight gradient. */
static void keep_late_row(const Job *job, idx active, real *a)
{
    const Plan *plan = &job->s->plan;
    for (idx p = job->first; p < job->last; ++p, a += active * plan->slots * PANEL)
        for (idx r = 0; r < active; ++r)
            memcpy(a + (r * plan->slots + plan->late_slot) * PANEL,
                   job->xh[1] + r * job->row + job->late0 + p * PANEL,
                   PANEL * sizeof(real));
}

/* A product over the late row, which then has digits, for columns of panels p on. */
static void multiply_late(const Job *job, idx p, const Product *product)
{
    if (!AMX || !job->d->split[FROM_LATE].panels) {
        NAME(product)(product);
        return;
    }
    const DigitProduct digits =
        digits_from(job, FROM_LATE, p, job->s->plan.late_first, product);
    NAME(digit_product)(&digits);
}

/* Each of a crew has all of it. */
static void split_late_row(Job *job, idx active)
{
    const Split *split = job->d->split + FROM_LATE;
    const Product rows = {.rows = active,
                          .a = job->xh[1] + job->late0,
                          .a_row = job->row,
                          .runs = 1,
                          .run = job->s->plan.units};
    if (AMX && split->panels)
        NAME(split_rows)(&rows, split->balance, job->digits + FROM_LATE);
}

static void project(const Job *job, idx active)
{
    const Plan *plan = &job->s->plan;
    const idx first = own_output(job, 0);
    const Product product = {
        .rows = active,
        .panels = own_output(job, 1) - first,
        .groups = 1,
        .a = job->xh[1] + job->late0,
        .a_row = job->row,
        .runs = 1,
        .run = plan->units,
        .b = job->d->weights + late_offset(plan, first),
        .b_panel = plan->units * PANEL,
        .start = no_start(),
        .c = job->xh[1] + job->h0 + first * PANEL,
        .c_panel = PANEL,
        .c_row = job->row,
    };
    multiply_late(job, first, &product);
}

static void add_late_columns(const Job *job, idx active, real *a)
{
    const Plan *plan = &job->s->plan;
    const idx row = plan->slots * PANEL;
    real *columns = a + plan->late_first * PANEL;
    const Product product = {
        .rows = active,
        .panels = plan->late_count,
        .groups = job->last - job->first,
        .a = job->xh[1] + job->late0,
        .a_row = job->row,
        .runs = 1,
        .run = plan->units,
        .b = job->d->weights + late_offset(plan, job->first),
        .b_panel = plan->units * PANEL,
        .b_group = plan->late_count * plan->units * PANEL,
        .start = columns,
        .start_panel = PANEL,
        .start_group = active * row,
        .start_row = row,
        .c = columns,
        .c_panel = PANEL,
        .c_group = active * row,
        .c_row = row,
    };
    multiply_late(job, job->first, &product);
}

void NAME(late_forward)(Job *job, idx active, real *a, int taped)
{
    wait_for_crew(job);
    split_late_row(job, active);
    if (taped)
        keep_late_row(job, active, a);
    if (job->s->plan.projected) {
        project(job, active);
        return;
    }
    add_late_columns(job, active, a);
    Step step;
    NAME(fill_step)(&step, job, job->first, job->last - job->first, active, a);
    step.stage = 1;
    job->s->plan.cell->forward(&step);
}

void NAME(keep_projected)(const Job *job, idx active, real *tape)
{
    const Plan *plan = &job->s->plan;
    for (idx p = own_output(job, 0); p < own_output(job, 1); ++p)
        for (idx r = 0; r < active; ++r) {
            vec *dh = (vec *)state_panel(job, 0, p, r);
            real *to = tape + ((p * active + r) * plan->slots + plan->d_slot) * PANEL;
            EACH_VECTOR (j) {
                ((vec *)to)[j] = dh[j];
                dh[j] = splat(0);
            }
        }
}

void NAME(late_backward)(Job *job, idx active, const real *tape)
{
    const Plan *plan = &job->s->plan;
    const idx depth = plan->late_panels * plan->late_count * PANEL;
    const int slot = plan->projected ? plan->d_slot : plan->late_first;
    wait_for_crew(job);
    const Product product = {
        .rows = active,
        .panels = job->last - job->first,
        .groups = 1,
        .a = tape + slot * PANEL,
        .a_row = plan->slots * PANEL,
        .runs = plan->late_panels,
        .run = plan->late_count * PANEL,
        .skip = active * plan->slots * PANEL,
        .b = job->d->transposed.late + job->first * depth * PANEL,
        .b_panel = depth * PANEL,
        .start = no_start(),
        .c = job->d_late + job->first * job->rows * PANEL,
        .c_panel = job->rows * PANEL,
        .c_row = PANEL,
    };
    NAME(multiply_gates)(job, FROM_LATE, job->first, &product);
}
