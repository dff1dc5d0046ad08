/* pack.c - weights from the rows that people know to the panels that the tile wants. */
#include "kernels.h"

static int same_reading(const Column *x, const Column *y)
{
    return (x->w == NONE) == (y->w == NONE) && (x->r == NONE) == (y->r == NONE);
}

void NAME(make_plan)(Plan *plan, const Cell *cell, idx inputs, idx units)
{
    *plan = (Plan){.cell = cell,
                   .inputs = inputs,
                   .units = units,
                   .panels = panels_of(units),
                   .slots = cell->columns + cell->extras};
    plan->h_first = plan->x_first = NONE;
    for (int g = 0; g < cell->columns; ++g) {
        const Column *column = cell->column + g;
        if (column->r != NONE && plan->h_count++ == 0)
            plan->h_first = g;
        if (column->w != NONE && plan->x_count++ == 0)
            plan->x_first = g;
        if (g > 0 && same_reading(column, column - 1)) {
            plan->reading[plan->readings - 1].count++;
        } else {
            Reading *reading = &plan->reading[plan->readings++];
            *reading = (Reading){.first = g, .count = 1, .offset = plan->block};
            reading->k0 = column->w == NONE ? inputs : 0;
            reading->k =
                (column->r == NONE ? 0 : units) + (column->w == NONE ? 0 : inputs);
        }
        plan->block += plan->reading[plan->readings - 1].k * PANEL;
    }
}

idx NAME(packed_size)(const Plan *plan)
{
    return plan->panels * (plan->block + plan->cell->columns * PANEL);
}

static void copy(real *row, real *packed, int to_packed)
{
    if (to_packed)
        *packed = *row;
    else
        *row = *packed;
}

void NAME(pack)(const Plan *plan, real *w, real *r, real *b, real *packed,
                int to_packed)
{
    const Cell *cell = plan->cell;
    const idx m = plan->inputs, n = plan->units, size = NAME(packed_size)(plan);
    if (to_packed)
        for (idx j = 0; j < size; ++j)
            packed[j] = 0;
    real *biases = packed + plan->panels * plan->block;
    for (int i = 0; i < plan->readings; ++i) {
        const Reading *reading = plan->reading + i;
        for (int g = reading->first; g < reading->first + reading->count; ++g) {
            const Column *column = cell->column + g;
            const idx first =
                reading->offset + (g - reading->first) * reading->k * PANEL;
            for (idx j = 0; j < n; ++j) {
                real *to = packed + j / PANEL * plan->block + first + j % PANEL;
                if (column->w != NONE)
                    for (idx k = 0; k < m; ++k, to += PANEL)
                        copy(w + (column->w * n + j) * m + k, to, to_packed);
                if (column->r != NONE)
                    for (idx k = 0; k < n; ++k, to += PANEL)
                        copy(r + (column->r * n + j) * n + k, to, to_packed);
                copy(b + column->b * n + j,
                     biases + (j / PANEL * cell->columns + g) * PANEL + j % PANEL,
                     to_packed);
            }
        }
    }
}

/* Panel q of the rows from k0 on; out: (panels of units, columns, PANEL, PANEL) */
static void transpose(const Plan *plan, const real *packed, idx q, real *out,
                      int x_side)
{
    const idx n = x_side ? plan->inputs : plan->units;
    const int columns = x_side ? plan->x_count : plan->h_count;
    const int first = x_side ? plan->x_first : plan->h_first;
    for (idx p = 0; p < plan->panels; ++p)
        for (int i = 0; i < plan->readings; ++i) {
            const Reading *reading = plan->reading + i;
            const idx k0 = x_side ? 0 : reading->k - plan->units; /* x before h */
            for (int g = reading->first; g < reading->first + reading->count; ++g) {
                if (g < first || g >= first + columns)
                    continue;
                const real *from = packed + p * plan->block + reading->offset +
                                   ((g - reading->first) * reading->k + k0) * PANEL;
                real *to = out + (p * columns + g - first) * PANEL * PANEL;
                for (idx j = 0; j < PANEL; ++j)
                    for (idx k = 0; k < PANEL; ++k)
                        to[j * PANEL + k] =
                            q * PANEL + k < n ? from[(q * PANEL + k) * PANEL + j] : 0;
            }
        }
}

void NAME(transpose_weights)(const Plan *plan, const real *packed, real *h, real *x)
{
    const idx h_size = plan->panels * plan->h_count * PANEL * PANEL;
    const idx x_size = plan->panels * plan->x_count * PANEL * PANEL;
#pragma omp for schedule(static) nowait
    for (idx q = 0; q < plan->panels; ++q)
        transpose(plan, packed, q, h + q * h_size, 0);
    if (x) {
#pragma omp for schedule(static) nowait
        for (idx q = 0; q < panels_of(plan->inputs); ++q)
            transpose(plan, packed, q, x + q * x_size, 1);
    }
}
