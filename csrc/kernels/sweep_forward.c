/* sweep_forward.c - one direction of a slab, diagonal by diagonal. */
#include "mdlstm_cell.h"

/* [x, h of the cell before along each dimension] of some cells, row by row. */
static void gather_rows(const Job *job, const Spot *spot, idx rows, idx before,
                        const real *h)
{
    const Sweep *s = job->s;
    const idx width = width_of_states(s);
    const real *x = s->call->x;
    for (idx r = 0; r < rows; ++r, ++spot) {
        real *to = job->rows + r * s->row;
        const real *own = x + cell_of(job->walk, spot) * s->inputs;
        for (idx k = 0; k < s->inputs; ++k)
            to[k] = own[k];
        to += s->inputs;
        /* Whole panels: what is too much of one is written over by the next. */
        for (int d = 0; d < s->dims; ++d, to += s->units) {
            const real *from = h + row_at(job, spot->before[d], before) * width;
            for (idx k = 0; k < width; k += LANES)
                *(loose *)(to + k) = *(const vec *)(from + k);
        }
    }
}

/* h of a panel into y. */
ALWAYS_INLINE void store_output(const Sweep *s, real *y, idx p, const vec *h)
{
    if ((p + 1) * PANEL <= s->units)
        EACH_VECTOR (j)
            ((loose *)(y + p * PANEL))[j] = h[j];
    else
        memcpy(y + p * PANEL, h, (size_t)(s->units - p * PANEL) * sizeof(real));
}

ALWAYS_INLINE void cells_forward(const Job *job, const Spot *spot, idx rows, idx before,
                                 idx own, int side, idx p, real *a, idx a_row,
                                 const int dims)
{
    const Sweep *s = job->s;
    const idx width = width_of_states(s);
    const real *c0 = job->c[!side] + p * PANEL;
    const vec *peepholes =
        (const vec *)(job->biases + (p * biases_in(s) + s->columns) * PANEL);
    for (idx r = 0; r < rows; ++r, ++spot) {
        Inside in = {.a = (vec *)(a + r * a_row),
                     .p = peepholes,
                     .c = (vec *)(job->c[side] + (own + r) * width + p * PANEL),
                     .h = (vec *)(job->h[side] + (own + r) * width + p * PANEL)};
        for (int d = 0; d < dims; ++d)
            in.c0[d] = (const vec *)(c0 + row_at(job, spot->before[d], before) * width);
        step_forward(in, dims);
        const idx cell = cell_of(job->walk, spot) * s->directions + job->direction;
        store_output(s, (real *)s->call->y + cell * s->units, p, in.h);
    }
}

/* Rows first ... of diagonal t. */
static void block_forward(const Job *job, idx t, idx first, idx rows)
{
    const Sweep *s = job->s;
    const int side = t & 1;
    const idx before = t ? start_of(job, t - 1) : 0, place = start_of(job, t) + first;
    const Spot *spot = s->spot + place;
    gather_rows(job, spot, rows, before, job->h[!side]);
    for (idx p = 0; p < s->panels; ++p) {
        const idx a_row = job->tape ? tape_row(s) : s->slots * PANEL;
        real *a =
            job->tape ? job->tape + place * a_row + p * s->slots * PANEL : job->gates;
        NAME(product)(&(Product){.rows = rows,
                                 .panels = s->columns,
                                 .groups = 1,
                                 .a = job->rows,
                                 .a_row = s->row,
                                 .runs = 1,
                                 .run = s->k,
                                 .b = job->weights + p * s->columns * s->k * PANEL,
                                 .b_panel = s->k * PANEL,
                                 .start = job->biases + p * biases_in(s) * PANEL,
                                 .start_panel = PANEL,
                                 .c = a,
                                 .c_panel = PANEL,
                                 .c_row = a_row});
        if (s->dims == 2)
            cells_forward(job, spot, rows, before, first, side, p, a, a_row, 2);
        else if (s->dims == 3)
            cells_forward(job, spot, rows, before, first, side, p, a, a_row, 3);
        else
            cells_forward(job, spot, rows, before, first, side, p, a, a_row, 1);
    }
}

void NAME(sweep_forward)(const Job *job)
{
    for (idx t = 0; t < job->slab->diagonals; ++t) {
        const idx rows = start_of(job, t + 1) - start_of(job, t);
        const idx last = rows * (job->member + 1) / job->members;
        for (idx r = rows * job->member / job->members; r < last; r += BLOCK_ROWS)
            block_forward(job, t, r, min_idx(BLOCK_ROWS, last - r));
        if (!go_on(job, t, rows))
            return;
    }
}
