/* pack.c - weights from the rows that people know to the panels that the tile wants. */
#include <string.h>

#include "digits.h"
#include "kernels.h"
#include "lanes.h"

static const Row h_alone = {.state = 0, .slot = NONE};

static int same_reading(const Column *x, const Column *y)
{
    return (x->w == NONE) == (y->w == NONE) && reads_of(x) == reads_of(y) &&
           (reads_of(x) == 0 || x->from == y->from);
}

/* What a column reads of [x, row states]: all between its first and its last. */
static Reading read_columns(const Plan *plan, int first)
{
    const Column *column = plan->cell->column + first;
    const int rows = reads_of(column);
    const idx x = column->w == NONE ? 0 : plan->inputs;
    Reading reading = {.first = first, .count = 1, .k = x, .offset = plan->block};
    if (column->w == NONE)
        reading.k0 = plan->inputs + column->from * place_size(plan);
    if (rows > 0) {
        const int last = column->from + rows - 1;
        reading.k =
            place_in(plan, column, last) + width_of(plan, plan->row[last].state);
    }
    return reading;
}

static void count_columns(Plan *plan, int g)
{
    const Column *column = plan->cell->column + g;
    if (column->w != NONE && plan->x_count++ == 0)
        plan->x_first = g;
    if (column->late && plan->late_count++ == 0)
        plan->late_first = g;
    for (int k = 0; k < plan->rows; ++k)
        if (reads_row(column, k) && plan->reader[k].count++ == 0)
            plan->reader[k].first = g;
}

void NAME(make_plan)(Plan *plan, const Cell *cell, idx inputs, idx units,
                     idx projection)
{
    *plan = (Plan){.cell = cell,
                   .inputs = inputs,
                   .units = units,
                   .outputs = projection ? projection : units,
                   .panels = panels_of(units),
                   .slots = cell->columns + cell->extras,
                   .x_first = NONE,
                   .rows = cell->rows ? cell->rows : 1,
                   .row = cell->rows ? cell->row : &h_alone,
                   .projected = projection > 0,
                   .late_slot = NONE,
                   .d_slot = NONE};
    plan->out_panels = panels_of(plan->outputs);
    for (int k = 0; k < cell->states; ++k)
        plan->place[k] = NONE;
    for (int k = 0; k < plan->rows; ++k)
        plan->place[plan->row[k].state] = k;
    for (int g = 0; g < cell->columns; ++g) {
        count_columns(plan, g);
        if (g > 0 && same_reading(cell->column + g, cell->column + g - 1))
            plan->reading[plan->readings - 1].count++;
        else
            plan->reading[plan->readings++] = read_columns(plan, g);
        plan->block += plan->reading[plan->readings - 1].k * PANEL;
    }
    if (plan->projected)
        plan->late_count = 1;
    if (plan->late_count > 0) {
        plan->late_panels = plan->projected ? plan->out_panels : plan->panels;
        plan->late_slot = (int)plan->slots++;
    }
    if (plan->projected)
        plan->d_slot = (int)plan->slots++;
}

idx NAME(packed_size)(const Plan *plan) { return late_offset(plan, plan->late_panels); }

typedef struct {
    real *packed;
    int to_packed;
} Copy;

/* `width` numbers of a row, each PANEL from the next in a panel. */
static void copy_row(Copy copy, real *row, idx width, idx offset)
{
    real *packed = copy.packed + offset;
    for (idx k = 0; k < width; ++k)
        if (copy.to_packed)
            packed[k * PANEL] = row[k];
        else
            row[k] = packed[k * PANEL];
}

/* The row of unit j of every block that makes a column. */
static void copy_column(const Plan *plan, Copy copy, const lstmc_weights *weights,
                        const Reading *reading, int g, idx j)
{
    const Column *column = plan->cell->column + g;
    const idx n = plan->units, m = plan->inputs, p = j / PANEL, lane = j % PANEL;
    const idx start = p * plan->block + reading->offset +
                      (g - reading->first) * reading->k * PANEL + lane;
    real *r = weights->r;
    if (column->w != NONE)
        copy_row(copy, (real *)weights->w + (column->w * n + j) * m, m, start);
    for (int k = 0; k < reads_of(column); ++k)
        copy_row(copy, r + ((column->r + k) * n + j) * plan->outputs, plan->outputs,
                 start + place_in(plan, column, column->from + k) * PANEL);
    if (column->late)
        copy_row(copy, r + (column->r * n + j) * n, n,
                 late_offset(plan, p) + (g - plan->late_first) * n * PANEL + lane);
    if (column->b != NONE)
        copy_row(copy, (real *)weights->b + column->b * n + j, 1,
                 bias_offset(plan, p) + g * PANEL + lane);
}

void NAME(pack)(const Plan *plan, const lstmc_weights *weights, real *packed,
                int to_packed)
{
    const Cell *cell = plan->cell;
    const Copy copy = {packed, to_packed};
    const idx n = plan->units, size = NAME(packed_size)(plan);
    if (to_packed)
        for (idx j = 0; j < size; ++j)
            packed[j] = 0;
    for (int i = 0; i < plan->readings; ++i) {
        const Reading *reading = plan->reading + i;
        for (int g = reading->first; g < reading->first + reading->count; ++g)
            for (idx j = 0; j < n; ++j)
                copy_column(plan, copy, weights, reading, g, j);
    }
    for (int k = 0; k < cell->vectors; ++k)
        for (idx j = 0; j < n; ++j)
            copy_row(copy, (real *)weights->v + k * n + j, 1,
                     bias_offset(plan, j / PANEL) + (cell->columns + k) * PANEL +
                         j % PANEL);
    for (idx j = 0; plan->projected && j < plan->outputs; ++j)
        copy_row(copy, (real *)weights->p + j * n, n,
                 late_offset(plan, j / PANEL) + j % PANEL);
}

/* One square, of rows q * PANEL on of the n rows at `from`. */
static void transpose_square(const real *from, idx q, idx n, real *to, idx apart)
{
    if ((q + 1) * PANEL <= n) {
        turn_square(from + q * PANEL * PANEL, PANEL, 1, to, apart);
        return;
    }
    for (idx j = 0; j < PANEL; ++j)
        for (idx k = 0; k < PANEL; ++k)
            to[j * apart + k] =
                q * PANEL + k < n ? from[(q * PANEL + k) * PANEL + j] : 0;
}

/* Panels q .. q + count of what the columns read of x (row NONE) or of a row state;
 * out: (panels of units, columns, PANEL, count, PANEL) */
static void transpose(const Plan *plan, const real *packed, idx q, idx count, int row,
                      real *out)
{
    const idx n = row == NONE ? plan->inputs : width_of(plan, plan->row[row].state);
    for (idx p = 0; p < plan->panels; ++p)
        for (int i = 0; i < plan->readings; ++i) {
            const Reading *reading = plan->reading + i;
            for (int g = reading->first; g < reading->first + reading->count; ++g) {
                const Column *column = plan->cell->column + g;
                if (row == NONE ? column->w == NONE : !reads_row(column, row))
                    continue;
                const idx k0 = row == NONE ? 0 : place_in(plan, column, row);
                const real *from = packed + p * plan->block + reading->offset +
                                   ((g - reading->first) * reading->k + k0) * PANEL;
                for (idx k = 0; k < count; ++k)
                    transpose_square(from, q + k, n, out + k * PANEL, count * PANEL);
                out += PANEL * count * PANEL;
            }
        }
}

static void transpose_late(const Plan *plan, const real *packed, idx q, real *out)
{
    for (idx k = 0; k < plan->late_panels * plan->late_count; ++k)
        transpose_square(packed + late_offset(plan, 0) + k * plan->units * PANEL, q,
                         plan->units, out + k * PANEL * PANEL, PANEL);
}

/* Of one panel of what is read. */
static idx panel_size(const Plan *plan, int row)
{
    const idx squares = row == NONE ? plan->late_panels * plan->late_count
                                    : plan->panels * plan->reader[row].count;
    return squares * PANEL * PANEL;
}

static idx row_panels(const Plan *plan, int row)
{
    return panels_of(width_of(plan, plan->row[row].state));
}

idx NAME(transposed_size)(const Plan *plan, int row)
{
    return (row == NONE ? plan->panels : row_panels(plan, row)) * panel_size(plan, row);
}

/* Panels q .. q + count of what a source's columns have of it, side by side; and of a
 * panel its digits where wanted. */
static void turn_panels(const Plan *plan, const real *packed, idx q, idx count, int k,
                        const Transposed *to)
{
    const idx depth = source_panels(plan, k) * source_columns(plan, k) * PANEL;
    real *panel = (k == FROM_X      ? to->x
                   : k == FROM_LATE ? to->late
                                    : to->state[k]) +
                  q * depth * PANEL;
    if (k == FROM_LATE)
        transpose_late(plan, packed, q, panel);
    else
        transpose(plan, packed, q, count, k == FROM_X ? NONE : k, panel);
    if (AMX && to->digits[k])
        NAME(split_panel)(panel, depth, NULL,
                          to->digits[k] + q * digits_panel(digits_depth(depth)));
}

void NAME(transpose_weights)(const Plan *plan, const real *packed, const Transposed *to)
{
    const idx count = to->striped ? STRIPE : 1;
    for (int row = 0; row < plan->rows; ++row) {
        if (plan->reader[row].count == 0)
            continue;
#pragma omp for schedule(static) nowait
        for (idx q = 0; q < row_panels(plan, row); q += count)
            turn_panels(plan, packed, q, count, row, to);
    }
    if (to->x) {
#pragma omp for schedule(static) nowait
        for (idx q = 0; q < panels_of(plan->inputs); ++q)
            turn_panels(plan, packed, q, 1, FROM_X, to);
    }
    if (plan->late_panels > 0) {
#pragma omp for schedule(static) nowait
        for (idx q = 0; q < plan->panels; ++q)
            turn_panels(plan, packed, q, 1, FROM_LATE, to);
    }
}
