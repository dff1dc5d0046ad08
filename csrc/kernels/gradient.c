/* gradient.c - the weights' gradient as deep products over many samples at once.
 *
 *   d[W R] += da [x, h]'    summed over the rows of a window: t in order, and at each
 *   db     += da            t the samples in order, whatever slab computed them
 *
 * [x, h] is packed in blocks of TILE_ROWS columns, x and h apart, a chunk of CHUNK
 * rows at a time; da is gathered panel by panel. Threads share the panels of units
 * and columns, so every sum is one thread's. All functions are called by the whole
 * team. */
#include <string.h>

#include "kernels.h"

static idx blocks_of(idx n) { return (n + TILE_ROWS - 1) / TILE_ROWS; }

static idx blocks_in_row(const Plan *plan)
{
    return blocks_of(plan->units) + blocks_of(plan->inputs);
}

static idx window_rows(const Sequence *s) { return window_steps(s) * s->rows; }

idx NAME(packed_rows_size)(const Sequence *s)
{
    return panels_of(window_rows(s) * blocks_in_row(&s->plan) * TILE_ROWS) * PANEL;
}

static real *packed_rows(const Sequence *s, int side, idx chunk)
{
    return s->packed_rows + side * NAME(packed_rows_size)(s) +
           chunk * CHUNK * blocks_in_row(&s->plan) * TILE_ROWS;
}

void NAME(clear_gradient)(const Sequence *s)
{
    const idx size = NAME(packed_size)(&s->plan);
    for (int side = 0; side < s->directions; ++side) {
#pragma omp for schedule(static)
        for (idx j = 0; j < size; ++j)
            s->direction[side].gradient[j] = 0;
    }
}

/* Columns first .. first + TILE_ROWS of a vector of n into one row of a block. */
static void pack_row(const real *from, idx n, idx first, real *to)
{
    if (from && first + TILE_ROWS <= n)
        memcpy(to, from + first, TILE_ROWS * sizeof(real));
    else
        for (idx j = 0; j < TILE_ROWS; ++j)
            to[j] = from && first + j < n ? from[first + j] : 0;
}

void NAME(pack_rows)(const Sequence *s, idx rows)
{
    const Plan *plan = &s->plan;
    const idx x_blocks = blocks_of(plan->inputs), blocks = blocks_in_row(plan);
    const idx chunks = (rows + CHUNK - 1) / CHUNK;
#pragma omp for schedule(static)
    for (idx item = 0; item < s->directions * chunks * blocks; ++item) {
        const idx block = item % blocks, chunk = item / blocks % chunks;
        const int side = (int)(item / blocks / chunks);
        const StepRow *row = s->row_table[side] + chunk * CHUNK;
        const idx depth = min_idx(CHUNK, rows - chunk * CHUNK);
        real *to = packed_rows(s, side, chunk) + block * depth * TILE_ROWS;
        for (idx k = 0; k < depth; ++k, to += TILE_ROWS)
            if (block < x_blocks)
                pack_row(row[k].x, plan->inputs, block * TILE_ROWS, to);
            else
                pack_row(row[k].h, plan->units, (block - x_blocks) * TILE_ROWS, to);
    }
}

/* The panel of one column of da over a chunk, and its sum onto db. */
static void gather(const StepRow *row, idx depth, idx p, int column, real *to,
                   real *bias)
{
    vec sum[VECS];
    EACH_VECTOR (j)
        sum[j] = ((const vec *)bias)[j];
    for (idx k = 0; k < depth; ++k) {
        const vec *from =
            (const vec *)(row[k].da + p * row[k].da_panel + column * PANEL);
        vec *out = (vec *)(to + k * PANEL);
        EACH_VECTOR (j)
            sum[j] += out[j] = from[j];
    }
    EACH_VECTOR (j)
        ((vec *)bias)[j] = sum[j];
}

static void column_gradient(const Sequence *s, int side, idx rows, idx p, int column)
{
    const Plan *plan = &s->plan;
    const Column *reads = plan->cell->column + column;
    const Reading *reading = plan->reading;
    while (column >= reading->first + reading->count)
        ++reading;
    real *gradient = s->direction[side].gradient;
    real *weights = gradient + p * plan->block + reading->offset +
                    (column - reading->first) * reading->k * PANEL;
    real *bias = gradient + plan->panels * plan->block +
                 (p * plan->cell->columns + column) * PANEL;
    real da[CHUNK * PANEL] __attribute__((aligned(LINE)));
    for (idx chunk = 0; chunk * CHUNK < rows; ++chunk) {
        const idx depth = min_idx(CHUNK, rows - chunk * CHUNK);
        const real *xh = packed_rows(s, side, chunk);
        gather(s->row_table[side] + chunk * CHUNK, depth, p, column, da, bias);
        if (reads->w != NONE)
            NAME(outer_product)(xh, da, weights, plan->inputs, depth);
        if (reads->r != NONE)
            NAME(outer_product)(xh + blocks_of(plan->inputs) * depth * TILE_ROWS, da,
                                weights + (reading->k - plan->units) * PANEL,
                                plan->units, depth);
    }
}

void NAME(weight_gradient)(const Sequence *s, idx rows)
{
    const idx columns = s->plan.cell->columns, each = s->plan.panels * columns;
#pragma omp for schedule(static)
    for (idx item = 0; item < s->directions * each; ++item)
        column_gradient(s, (int)(item / each), rows, item % each / columns,
                        (int)(item % columns));
}
