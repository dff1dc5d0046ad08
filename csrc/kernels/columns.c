/* columns.c - a = [W, R] [x, row states] + b of a step: one product, or source by
 * source where there are digits. Of few rows W x is there before; see ahead.c. */
#include "job.h"

/* Rows of a source that have digits at once, and reals that they take. */
static idx split_count(const Sequence *s, int k, idx rows)
{
    return k == FROM_X ? max_idx(rows, NAME(most_ahead)(s)) : rows;
}

static idx split_reals(const Sequence *s, int k, idx rows)
{
    if (!digits_pay(s, k))
        return 0;
    return digit_rows_size(split_count(s, k, rows),
                           digits_depth(source_width(&s->plan, k))) /
           (idx)sizeof(real);
}

idx NAME(sources_size)(const Sequence *s, idx rows)
{
    idx reals = 0;
    for (int k = 0; k < SOURCES; ++k)
        reals += split_reals(s, k, rows);
    return reals;
}

void NAME(lay_out_sources)(Job *job, real *own, idx most)
{
    for (int k = 0; k < SOURCES; ++k) {
        const idx reals = split_reals(job->s, k, most);
        if (reals == 0)
            continue;
        job->digits[k] = lay_out_digits(own, split_count(job->s, k, most),
                                        digits_depth(source_width(&job->s->plan, k)));
        own += reals;
    }
}

/* The digits of x and the row states; each of a crew has those of all rows. */
void NAME(split_sources)(Job *job, idx active)
{
    const Plan *plan = &job->s->plan;
    Product rows = {.rows = active, .a_row = job->row, .runs = 1};
    for (int k = 0; k <= FROM_X; ++k) {
        if (!AMX || !job->d->split[k].panels || (k == FROM_X && job->ahead > 0))
            continue;
        rows.a =
            job->xh[0] + (k == FROM_X ? job->x0 : job->rows0 + k * place_size(plan));
        rows.run = source_width(plan, k);
        NAME(split_rows)(&rows, job->d->split[k].balance, job->digits + k);
    }
}

/* What follows goes on from what a product has made. */
static void go_on(Product *product)
{
    product->start = product->c;
    product->start_panel = product->c_panel;
    product->start_group = product->c_group;
    product->start_row = product->c_row;
}

static void multiply_source(const Job *job, int k, idx p, const Reading *reading,
                            Product *product)
{
    const DigitProduct digits = digits_from(job, k, p, reading->first, product);
    NAME(digit_product)(&digits);
    go_on(product);
}

/* The product over x alone; what is left of it is that over the row states. */
static void multiply_inputs(const Job *job, idx p, const Reading *reading,
                            Product *product)
{
    const idx inputs = job->s->plan.inputs;
    if (job->d->split[FROM_X].panels) {
        multiply_source(job, FROM_X, p, reading, product);
    } else {
        Product alone = *product;
        alone.run = inputs;
        NAME(product)(&alone);
        go_on(product);
    }
    product->a += inputs;
    product->b += inputs * PANEL;
    product->run -= inputs;
}

/* A product over [x, row states], source by source where there are digits. */
static void multiply(const Job *job, idx p, const Reading *reading, Product *product)
{
    const Column *column = job->s->plan.cell->column + reading->first;
    const Split *split = job->d->split;
    const int reads = reads_of(column), with_x = reading->k0 == 0 && job->ahead == 0;
    const int by_digits = reads > 0 && split[column->from].panels;
    if (by_digits || (with_x && split[FROM_X].panels)) {
        if (with_x)
            multiply_inputs(job, p, reading, product);
        for (int k = column->from; by_digits && k < column->from + reads; ++k)
            multiply_source(job, k, p, reading, product);
        if (by_digits || product->run == 0)
            return;
    }
    NAME(product)(product);
}

void NAME(describe_columns)(const Job *job, idx p, idx panels, idx t, idx rows, real *a,
                            Product *products)
{
    const Plan *plan = &job->s->plan;
    const real *biases = job->d->weights + bias_offset(plan, 0);
    for (int i = 0; i < plan->readings; ++i) {
        const Reading *reading = plan->reading + i;
        Product *product = products + i;
        *product = (Product){
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
            .start = biases + (p * biases_of(plan) + reading->first) * PANEL,
            .start_panel = PANEL,
            .start_group = biases_of(plan) * PANEL,
            .c = a + reading->first * PANEL,
            .c_panel = PANEL,
            .c_group = rows * plan->slots * PANEL,
            .c_row = plan->slots * PANEL,
        };
        if (job->ahead > 0 && reading->k0 == 0)
            NAME(go_on_from_ahead)(job, p, reading, t, product);
        if (job->d->stripes && job->ahead > 0 && product->run > 0)
            NAME(read_stripes)(job, p, reading, product);
    }
}

/* a = [W, R] [x, h] + b at step t for `panels` panels of units from p on; products of
 * digits are short, so that all of what is wanted soon is fetched before them. */
void NAME(fill_columns)(const Job *job, idx p, idx panels, idx t, idx rows, real *a,
                        const Soon *soon)
{
    const Plan *plan = &job->s->plan;
    const int by_digits = AMX && job->s->digits;
    Product products[MOST_READINGS];
    NAME(describe_columns)(job, p, panels, t, rows, a, products);
    if (!by_digits)
        products->soon = soon;
    else if (soon)
        soon->fetch(soon->of, soon->first, soon->last);
    for (int i = 0; i < plan->readings; ++i)
        if (by_digits)
            multiply(job, p, plan->reading + i, products + i);
        else
            NAME(product)(products + i);
}
