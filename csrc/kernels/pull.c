/* pull.c - back through the weights: R' da to the row states of the step before, and
 * W' da to the inputs. */
#include "job.h"

/* Rows of da that have digits at once, and blocks of their sums. */
static idx gate_rows(const Sequence *s)
{
    return max_idx(STEPS_AT_ONCE, slab_rows(s, 0));
}

static idx gate_depth(const Plan *plan)
{
    return digits_depth(plan->panels * plan->cell->columns * PANEL);
}

idx NAME(split_gates_size)(const Sequence *s)
{
    return s->digits
               ? digit_rows_size(gate_rows(s), gate_depth(&s->plan)) / (idx)sizeof(real)
               : 0;
}

void NAME(lay_out_split_gates)(Job *job, real *own)
{
    job->gates = lay_out_digits(own, gate_rows(job->s), gate_depth(&job->s->plan));
}

/* A product over da with panels p on of what reads source k; the digits of da stay for
 * the next source, if it has the same readers. */
void NAME(multiply_gates)(Job *job, int k, idx p, const Product *product)
{
    const digit *b = job->d->transposed.digits[k];
    if (!AMX || !b) {
        NAME(product)(product);
        return;
    }
    const idx depth = digits_depth(product->runs * product->run);
    if (job->split != product->a || job->gates.rows != product->rows ||
        job->gates.depth != depth) {
        job->split = product->a;
        NAME(split_rows)(product, NULL, &job->gates);
    }
    const DigitProduct digits =
        digits_for(product, &job->gates, b + p * digits_panel(depth), 0);
    NAME(digit_product)(&digits);
}

/* Of so many equal parts the pieces of some. */
static Soon part_of(const Soon *soon, idx first, idx last, idx parts)
{
    Soon part = {0};
    if (soon) {
        const idx pieces = soon->last - soon->first;
        part = *soon;
        part.first = soon->first + pieces * first / parts;
        part.last = soon->first + pieces * last / parts;
    }
    return part;
}

/* ds += R' da of the step after for row state k and its panels first .. last; `after`
 * rows ran that step. */
static void pull_row(Job *job, int k, idx first, idx last, const real *tape, idx after,
                     const Soon *soon)
{
    const Plan *plan = &job->s->plan;
    const int columns = plan->reader[k].count;
    const idx depth = plan->panels * columns * PANEL, size = job->rows * PANEL;
    const int state = plan->row[k].state, masked = state == 0 && job->d->mask;
    real *ds = masked ? job->masked : job->state[state];
    Product product = {
        .rows = after,
        .groups = 1,
        .a = tape + plan->reader[k].first * PANEL,
        .a_row = plan->slots * PANEL,
        .runs = plan->panels,
        .run = columns * PANEL,
        .skip = after * plan->slots * PANEL,
        .b_panel = depth * PANEL,
        .start = no_start(),
        .start_panel = masked ? 0 : size,
        .start_row = masked ? 0 : PANEL,
        .c_panel = size,
        .c_row = PANEL,
    };
    const idx fit = STRETCH / (depth * PANEL * (idx)sizeof(real));
    const idx at_once = max_idx(1, fit / MOST_BESIDE) * MOST_BESIDE;
    for (idx done = 0; done < last - first; done += at_once) {
        product.panels = min_idx(at_once, last - first - done);
        const Soon share = part_of(soon, done, done + product.panels, last - first);
        product.soon = soon ? &share : NULL;
        const idx p = job->odd ? last - done - product.panels : first + done;
        product.b = job->d->transposed.state[k] + p * depth * PANEL;
        if (job->d->transposed.striped)
            start_in_stripes(&product, job->d->transposed.state[k],
                             depth * STRIPE * PANEL, p);
        product.c = ds + p * size;
        if (!masked)
            product.start = product.c;
        NAME(multiply_gates)(job, k, p, &product);
    }
}

/* What the step after says about the row states, for the own panels. */
void NAME(pull_rows)(Job *job, const real *tape, idx after, const Soon *soon)
{
    const Plan *plan = &job->s->plan;
    for (int k = 0; k < plan->rows && !job->s->truncated; ++k) {
        if (plan->reader[k].count == 0)
            continue;
        const int is_h = plan->row[k].state == 0;
        const idx first = is_h ? own_output(job, 0) : job->first;
        const idx last = is_h ? own_output(job, 1) : job->last;
        pull_row(job, k, first, last, tape, after, k == 0 ? soon : NULL);
        if (is_h && job->d->mask)
            NAME(add_masked)(job, first, last, after);
    }
}

/* dx = W' da, each of a crew for its panels of inputs, in its part of the block, since
 * nobody waits: for `active` rows of step t, or for a row for `steps` steps. */
void NAME(pull_input)(Job *job, idx t, idx steps, idx active, const real *tape)
{
    const Plan *plan = &job->s->plan;
    const idx panels = panels_of(plan->inputs), rows = steps * active;
    const idx apart = dx_size(job->s, 1);
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
        .b = job->d->transposed.x + first * depth * PANEL,
        .b_panel = depth * PANEL,
        .start = no_start(),
        .c = job->block + first * apart,
        .c_panel = apart,
        .c_row = PANEL,
    };
    NAME(multiply_gates)(job, FROM_X, first, &product);
    for (idx q = first; q < last; ++q) {
        const idx width = min_idx(PANEL, plan->inputs - q * PANEL);
        for (idx k = 0; k < rows; ++k) {
            const idx step = step_of(job, k % active, t + k / active);
            memcpy(job->d->dx + step * plan->inputs + q * PANEL,
                   job->block + q * apart + k * PANEL, (size_t)width * sizeof(real));
        }
    }
}

/* The same for all steps first <= t < last of a job of one row. */
void NAME(pull_inputs)(Job *job, idx first, idx last, const real *tape)
{
    const idx size = job->s->plan.panels * job->s->plan.slots * PANEL;
    for (idx t = first; t < last; t += STEPS_AT_ONCE, tape += STEPS_AT_ONCE * size)
        NAME(pull_input)(job, t, min_idx(STEPS_AT_ONCE, last - t), 1, tape);
}
