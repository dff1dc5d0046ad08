/* sweep_backward.c - one direction of a slab, from the last diagonal back.
 *
 * A cell leaves in its row what goes on to the cell before it along each dimension;
 * that one adds up what those after it have left. So each row has one writer. */
#include "mdlstm_cell.h"

ALWAYS_INLINE void load_gradient(const Sweep *s, const real *dy, idx p, vec *to)
{
    if ((p + 1) * PANEL <= s->units) {
        EACH_VECTOR (j)
            to[j] = ((const loose *)(dy + p * PANEL))[j];
        return;
    }
    EACH_VECTOR (j)
        to[j] = splat(0);
    memcpy(to, dy + p * PANEL, (size_t)(s->units - p * PANEL) * sizeof(real));
}

ALWAYS_INLINE void cells_backward(const Job *job, idx t, idx first, idx rows, idx p,
                                  const int dims)
{
    const Sweep *s = job->s;
    const int side = t & 1;
    const idx after = start_of(job, t + 1), place = start_of(job, t) + first;
    const idx width = width_of_states(s), row = dims * width;
    const Spot *spot = s->spot + place;
    const real *zeros = job->c[0] + job->slab->widest * row;
    for (idx r = 0; r < rows; ++r, ++spot) {
        const idx cell = cell_of(job->walk, spot) * s->directions + job->direction;
        const vec *dh1[LSTMC_MAX_DIMS], *dc1[LSTMC_MAX_DIMS];
        vec dh[VECS], *dc0[LSTMC_MAX_DIMS];
        Inside in = {
            .a = (vec *)(job->tape + (place + r) * tape_row(s) + p * s->slots * PANEL),
            .p = (const vec *)(job->biases + (p * biases_in(s) + s->columns) * PANEL)};
        for (int d = 0; d < dims; ++d) {
            const idx from =
                row_at(job, spot->after[d], after) * row + d * width + p * PANEL;
            dh1[d] = (const vec *)(job->h[!side] + from);
            dc1[d] = (const vec *)(job->c[!side] + from);
            dc0[d] = (vec *)(job->c[side] + (first + r) * row + d * width + p * PANEL);
            in.c0[d] = (const vec *)zeros;
            if (spot->before[d] != NONE)
                in.c0[d] = (const vec *)(job->tape + spot->before[d] * tape_row(s) +
                                         ((p + 1) * s->slots - 1) * PANEL);
        }
        load_gradient(s, (const real *)s->call->dy + cell * s->units, p, dh);
        EACH_VECTOR (j) {
            vec dc = dc1[0][j];
            dh[j] += dh1[0][j];
            for (int d = 1; d < dims; ++d)
                dh[j] += dh1[d][j], dc += dc1[d][j];
            step_backward(in, dh[j], dc, dc0, dims, j);
        }
    }
}

/* C = (da of some cells) B for panels of the transposed weights. */
static Product back_product(const Job *job, idx place, idx rows, idx first, idx panels)
{
    const Sweep *s = job->s;
    const idx depth = s->panels * s->columns * PANEL;
    return (Product){.rows = rows,
                     .panels = panels,
                     .groups = 1,
                     .a = job->tape + place * tape_row(s),
                     .a_row = tape_row(s),
                     .runs = s->panels,
                     .run = s->columns * PANEL,
                     .skip = s->slots * PANEL,
                     .b = job->back + first * depth * PANEL,
                     .b_panel = depth * PANEL,
                     .start = no_start(),
                     .c_panel = PANEL};
}

static void input_gradient(const Job *job, idx place, idx rows)
{
    const Sweep *s = job->s;
    const idx first = s->dims * s->panels, panels = s->out_panels - first;
    Product product = back_product(job, place, rows, first, panels);
    product.c = job->gates;
    product.c_row = panels * PANEL;
    NAME(product)(&product);
    real *dx = job->direction ? s->dx + (job->direction - 1) * s->cells * s->inputs
                              : s->call->dx;
    for (idx r = 0; r < rows; ++r)
        memcpy(dx + cell_of(job->walk, s->spot + place + r) * s->inputs,
               job->gates + r * product.c_row, (size_t)s->inputs * sizeof(real));
}

static void block_backward(const Job *job, idx t, idx first, idx rows)
{
    const Sweep *s = job->s;
    const idx place = start_of(job, t) + first, row = s->dims * width_of_states(s);
    for (idx p = 0; p < s->panels; ++p)
        if (s->dims == 2)
            cells_backward(job, t, first, rows, p, 2);
        else if (s->dims == 3)
            cells_backward(job, t, first, rows, p, 3);
        else
            cells_backward(job, t, first, rows, p, 1);
    Product product = back_product(job, place, rows, 0, s->dims * s->panels);
    product.c = job->h[t & 1] + first * row;
    product.c_row = row;
    if (t > 0)
        NAME(product)(&product);
    if (s->call->dx)
        input_gradient(job, place, rows);
}

void NAME(sweep_backward)(const Job *job)
{
    for (idx t = job->slab->diagonals - 1; t >= 0; --t) {
        const idx rows = start_of(job, t + 1) - start_of(job, t);
        const idx last = rows * (job->member + 1) / job->members;
        for (idx r = rows * job->member / job->members; r < last; r += BLOCK_ROWS)
            block_backward(job, t, r, min_idx(BLOCK_ROWS, last - r));
        if (!go_on(job, t, rows))
            return;
    }
}
