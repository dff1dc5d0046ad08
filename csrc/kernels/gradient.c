/* gradient.c - the weights' gradient as deep products over many samples at once.
 *
 *   d[W R] += da [x, s]'    summed over the rows of a window: t in order, and at each
 *   db     += da            t the samples in order, whatever slab computed them
 *
 * [x, s], s the row states and the late row, is packed in blocks of TILE_ROWS columns,
 * each part of it apart, a chunk of CHUNK rows at a time; da is gathered panel by
 * panel. Threads share the panels of units and columns, so every sum is one thread's.
 * All functions are called by the whole team. */
#include <string.h>

#include "kernels.h"

static idx blocks_of(idx n) { return (n + TILE_ROWS - 1) / TILE_ROWS; }

/* What the weights of a column see: x, then each row state, then the late row. */
typedef struct {
    idx width, first; /* reals, and blocks before */
    int slot;         /* where on the tape; NONE: x or h */
} Seen;

enum { X = 0, ROWS = 1 };

static int seen_count(const Plan *plan)
{
    return ROWS + plan->rows + (plan->late_panels > 0);
}

static Seen seen_part(const Plan *plan, int k)
{
    Seen seen = {.width = plan->inputs, .first = 0, .slot = NONE};
    for (int j = 0; j < k; ++j) {
        seen.first += blocks_of(seen.width);
        seen.width = plan->units;
        seen.slot = plan->late_slot;
        if (j < plan->rows) {
            const int is_read = plan->reader[j].count > 0;
            seen.width = is_read ? width_of(plan, plan->row[j].state) : 0;
            seen.slot = plan->row[j].slot;
        }
    }
    return seen;
}

static idx blocks_in_row(const Plan *plan)
{
    const Seen last = seen_part(plan, seen_count(plan) - 1);
    return last.first + blocks_of(last.width);
}

static idx window_rows(const Sequence *s) { return window_steps(s) * s->rows; }

idx NAME(packed_rows_size)(const Sequence *s)
{
    return panels_of(window_rows(s) * blocks_in_row(&s->plan) * TILE_ROWS) * PANEL;
}

static real *packed_rows(const Sequence *s, int part, idx chunk)
{
    return s->packed_rows + part * NAME(packed_rows_size)(s) +
           chunk * CHUNK * blocks_in_row(&s->plan) * TILE_ROWS;
}

void NAME(clear_gradient)(const Sequence *s)
{
    const idx size = NAME(packed_size)(&s->plan);
    for (int part = 0; part < s->parts; ++part) {
#pragma omp for schedule(static)
        for (idx j = 0; j < size; ++j)
            s->direction[part].gradient[j] = 0;
    }
}

/* What a block has of one panel, at least, side by side. */
#define PIECE (TILE_ROWS % 4 == 0 ? 4 : TILE_ROWS % 2 == 0 ? 2 : 1)

/* Elements first .. first + TILE_ROWS of a row into one row of a block. Its panels lie
 * `apart`; a row of memory has them side by side. NULL: zeros. */
static void pack_row(const real *from, idx apart, idx n, idx first, real *to)
{
    if (from && apart == PANEL && first + TILE_ROWS <= n)
        memcpy(to, from + first, TILE_ROWS * sizeof(real));
    else if (from && first + TILE_ROWS <= n)
        for (idx j = first; j < first + TILE_ROWS; j += PIECE, to += PIECE)
            memcpy(to, from + j / PANEL * apart + j % PANEL, PIECE * sizeof(real));
    else
        for (idx j = first; j < first + TILE_ROWS; ++j)
            to[j - first] = from && j < n ? from[j / PANEL * apart + j % PANEL] : 0;
}

/* What part k sees of one row, into its blocks, which lie `apart`. */
static void pack_part(const Seen *seen, int is_x, const StepRow *row, idx apart,
                      real *to)
{
    const int taped = seen->slot != NONE;
    const real *from = taped ? row->da + seen->slot * PANEL : is_x ? row->x : row->h;
    const real *mask = taped || is_x ? NULL : row->mask;
    for (idx first = 0; first < seen->width; first += TILE_ROWS, to += apart) {
        pack_row(from, taped ? row->da_panel : PANEL, seen->width, first, to);
        for (idx j = first; mask && j < min_idx(seen->width, first + TILE_ROWS); ++j)
            to[j - first] *= mask[j];
    }
}

/* Row by row: a row is read once, and its blocks are written side by side. */
void NAME(pack_rows)(const Sequence *s, idx rows)
{
    const Plan *plan = &s->plan;
    Seen seen[ROWS + MAX_STATES + 1];
    for (int k = 0; k < seen_count(plan); ++k)
        seen[k] = seen_part(plan, k);
#pragma omp for schedule(static)
    for (idx item = 0; item < s->parts * rows; ++item) {
        const idx part = item / rows, k = item % rows, chunk = k / CHUNK;
        const idx apart = min_idx(CHUNK, rows - chunk * CHUNK) * TILE_ROWS;
        real *to = packed_rows(s, (int)part, chunk) + k % CHUNK * TILE_ROWS;
        const StepRow *row = s->row_table + part * s->table_size + k;
        for (int j = 0; j < seen_count(plan); ++j)
            pack_part(seen + j, j == X, row, apart, to + seen[j].first * apart);
    }
}

/* The panel of one slot of da over a chunk, and its sum onto db (NULL: not wanted). */
static void gather(const StepRow *row, idx depth, idx p, int slot, real *to, real *bias)
{
    vec sum[VECS];
    EACH_VECTOR (j)
        sum[j] = bias ? ((const vec *)bias)[j] : splat(0);
    for (idx k = 0; k < depth; ++k) {
        const vec *from = (const vec *)(row[k].da + p * row[k].da_panel + slot * PANEL);
        vec *out = (vec *)(to + k * PANEL);
        EACH_VECTOR (j)
            sum[j] += out[j] = from[j];
    }
    EACH_VECTOR (j)
        if (bias)
            ((vec *)bias)[j] = sum[j];
}

/* The weights of one column of panel p that see part k, from `weights` on. */
static void add_product(const Plan *plan, int k, const real *rows, const real *da,
                        real *weights, idx depth)
{
    const Seen seen = seen_part(plan, k);
    NAME(outer_product)(rows + seen.first * depth * TILE_ROWS, da, weights, seen.width,
                        depth);
}

static void column_gradient(const Sequence *s, int part, idx rows, idx p, int g)
{
    const Plan *plan = &s->plan;
    const Column *column = plan->cell->column + g;
    const Reading *reading = plan->reading;
    while (g >= reading->first + reading->count)
        ++reading;
    real *gradient = s->direction[part].gradient;
    real *weights = gradient + p * plan->block + reading->offset +
                    (g - reading->first) * reading->k * PANEL;
    real *bias = gradient + bias_offset(plan, p) + g * PANEL;
    real da[CHUNK * PANEL] __attribute__((aligned(LINE)));
    for (idx chunk = 0; chunk * CHUNK < rows; ++chunk) {
        const idx depth = min_idx(CHUNK, rows - chunk * CHUNK);
        const real *seen = packed_rows(s, part, chunk);
        gather(s->row_table + part * s->table_size + chunk * CHUNK, depth, p, g, da,
               column->b == NONE ? NULL : bias);
        if (column->w != NONE)
            add_product(plan, X, seen, da, weights, depth);
        for (int k = column->from; k < column->from + reads_of(column); ++k)
            add_product(plan, ROWS + k, seen, da,
                        weights + place_in(plan, column, k) * PANEL, depth);
    }
}

/* The same for the weights of the late row: late column g, or the projection. */
static void late_gradient_of(const Sequence *s, int part, idx rows, idx p, int g)
{
    const Plan *plan = &s->plan;
    const int slot = plan->projected ? plan->d_slot : plan->late_first + g;
    real *weights =
        s->direction[part].gradient + late_offset(plan, p) + g * plan->units * PANEL;
    real da[CHUNK * PANEL] __attribute__((aligned(LINE)));
    for (idx chunk = 0; chunk * CHUNK < rows; ++chunk) {
        const idx depth = min_idx(CHUNK, rows - chunk * CHUNK);
        gather(s->row_table + part * s->table_size + chunk * CHUNK, depth, p, slot, da,
               NULL);
        add_product(plan, ROWS + plan->rows, packed_rows(s, part, chunk), da, weights,
                    depth);
    }
}

void NAME(weight_gradient)(const Sequence *s, idx rows)
{
    const Plan *plan = &s->plan;
    const idx columns = plan->panels * plan->cell->columns;
    const idx each = columns + plan->late_panels * plan->late_count;
#pragma omp for schedule(static)
    for (idx item = 0; item < s->parts * each; ++item) {
        const int part = (int)(item / each);
        const idx k = item % each, late = k - columns;
        if (late < 0)
            column_gradient(s, part, rows, k / plan->cell->columns,
                            (int)(k % plan->cell->columns));
        else
            late_gradient_of(s, part, rows, late / plan->late_count,
                             (int)(late % plan->late_count));
    }
}
