/* gradient.c - the weights' gradient as deep products over many samples at once.
 *
 *   d[W R] += da [x, s]'    summed over the rows of a lot in a window: t in order, at
 *   db     += da            each t the samples in order, whatever slab computed them
 *
 * [x, s], s the row states and the late row, is packed in blocks of TILE_ROWS columns,
 * each part of it apart, a chunk of CHUNK rows at a time; da is gathered panel by
 * panel. Threads share the panels of units and columns, so every sum is one thread's.
 * All functions are called by the whole team. */
#include "gradient.h"

#include <string.h>

#include "digits.h"

static idx blocks_in_row(const Plan *plan)
{
    return seen_part(plan, seen_count(plan), TILE_ROWS).first;
}

static idx lot_size(const Sequence *s)
{
    return panels_of(most_rows(s) * blocks_in_row(&s->plan) * TILE_ROWS) * PANEL;
}

idx NAME(packed_rows_size)(const Sequence *s)
{
    return gradient_digits_pay(s) ? NAME(split_gradient_size)(s)
                                  : lot_count(s) * lot_size(s);
}

static real *packed_rows(const Sequence *s, const Lot *lot, idx chunk)
{
    return s->packed_rows + lot->number * lot_size(s) +
           chunk * CHUNK * blocks_in_row(&s->plan) * TILE_ROWS;
}

static void clear(real *gradient, idx size)
{
#pragma omp for schedule(static)
    for (idx j = 0; j < size; ++j)
        gradient[j] = 0;
}

void NAME(clear_gradient)(const Sequence *s)
{
    const idx size = NAME(packed_size)(&s->plan);
    for (int part = 0; part < s->parts; ++part) {
        clear(s->direction[part].gradient, size);
        if (s->lots > 1)
            clear(s->direction[part].second, size);
    }
}

void NAME(add_lots)(const Sequence *s)
{
    const idx size = NAME(packed_size)(&s->plan);
    for (int part = 0; s->lots > 1 && part < s->parts; ++part) {
        const Direction *d = s->direction + part;
#pragma omp for schedule(static)
        for (idx j = 0; j < size; ++j)
            d->gradient[j] += d->second[j];
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
    else
        for (idx j = first; j < first + TILE_ROWS; j += PIECE, to += PIECE) {
            const real *piece = from ? from + j / PANEL * apart + j % PANEL : NULL;
            if (piece && j + PIECE <= n)
                memcpy(to, piece, PIECE * sizeof(real));
            else
                for (idx k = 0; k < PIECE; ++k)
                    to[k] = piece && j + k < n ? piece[k] : 0;
        }
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
void NAME(pack_rows)(const Sequence *s, Window window)
{
    const Plan *plan = &s->plan;
    if (gradient_digits_pay(s)) {
        NAME(split_seen)(s, window);
        return;
    }
    Seen seen[ROWS + MAX_STATES + 1];
    for (int k = 0; k < seen_count(plan); ++k)
        seen[k] = seen_part(plan, k, TILE_ROWS);
    const idx most = rows_of_lot(s, 0, window);
#pragma omp for schedule(static)
    for (idx item = 0; item < lot_count(s) * most; ++item) {
        const Lot lot = find_lot(s, (int)(item / most), window);
        const idx k = item % most, chunk = k / CHUNK;
        if (k >= lot.rows)
            continue;
        const idx apart = min_idx(CHUNK, lot.rows - chunk * CHUNK) * TILE_ROWS;
        real *to = packed_rows(s, &lot, chunk) + k % CHUNK * TILE_ROWS;
        for (int j = 0; j < seen_count(plan); ++j)
            pack_part(seen + j, j == X, lot.row + k, apart, to + seen[j].first * apart);
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

/* Columns with the same reading, as many as the tile takes beside one another. */
typedef struct {
    const Reading *reading;
    int first, count;
} Group;

static int groups_in(const Reading *reading)
{
    return (reading->count + OUTER_PANELS - 1) / OUTER_PANELS;
}

static int groups_of(const Plan *plan)
{
    int groups = 0;
    for (int k = 0; k < plan->readings; ++k)
        groups += groups_in(plan->reading + k);
    return groups;
}

static Group find_group(const Plan *plan, int k)
{
    Group group = {.reading = plan->reading};
    for (; k >= groups_in(group.reading); ++group.reading)
        k -= groups_in(group.reading);
    const int after = group.reading->first + group.reading->count;
    group.first = group.reading->first + k * OUTER_PANELS;
    group.count =
        after - group.first < OUTER_PANELS ? after - group.first : OUTER_PANELS;
    return group;
}

/* The weights of a group of columns that see part k, from `weights` on. */
static void add_product(const Plan *plan, const Group *group, int k, const real *rows,
                        const real *da, real *weights, idx depth)
{
    const Seen seen = seen_part(plan, k, TILE_ROWS);
    NAME(outer_product)(rows + seen.first * depth * TILE_ROWS, da, CHUNK * PANEL,
                        weights, group->reading->k * PANEL, group->count, seen.width,
                        depth);
}

static void group_gradient(const Sequence *s, const Lot *lot, idx p, const Group *group)
{
    const Plan *plan = &s->plan;
    const Column *column = plan->cell->column + group->first;
    const Reading *reading = group->reading;
    real *weights = lot->gradient + p * plan->block + reading->offset +
                    (group->first - reading->first) * reading->k * PANEL;
    real *bias = lot->gradient + bias_offset(plan, p) + group->first * PANEL;
    real da[OUTER_PANELS * CHUNK * PANEL] __attribute__((aligned(LINE)));
    for (idx chunk = 0; chunk * CHUNK < lot->rows; ++chunk) {
        const idx depth = min_idx(CHUNK, lot->rows - chunk * CHUNK);
        const real *seen = packed_rows(s, lot, chunk);
        const StepRow *row = lot->row + chunk * CHUNK;
        for (int j = 0; j < group->count; ++j)
            gather(row, depth, p, group->first + j, da + j * CHUNK * PANEL,
                   column[j].b == NONE ? NULL : bias + j * PANEL);
        if (column->w != NONE)
            add_product(plan, group, X, seen, da, weights, depth);
        for (int k = column->from; k < column->from + reads_of(column); ++k)
            add_product(plan, group, ROWS + k, seen, da,
                        weights + place_in(plan, column, k) * PANEL, depth);
    }
}

/* The same for the weights of the late row: late column g, or the projection. */
static void late_gradient_of(const Sequence *s, const Lot *lot, idx p, int g)
{
    const Plan *plan = &s->plan;
    const int slot = plan->projected ? plan->d_slot : plan->late_first + g;
    real *weights = lot->gradient + late_offset(plan, p) + g * plan->units * PANEL;
    real da[CHUNK * PANEL] __attribute__((aligned(LINE)));
    for (idx chunk = 0; chunk * CHUNK < lot->rows; ++chunk) {
        const idx depth = min_idx(CHUNK, lot->rows - chunk * CHUNK);
        gather(lot->row + chunk * CHUNK, depth, p, slot, da, NULL);
        const Seen seen = seen_part(plan, ROWS + plan->rows, TILE_ROWS);
        NAME(outer_product)(packed_rows(s, lot, chunk) + seen.first * depth * TILE_ROWS,
                            da, 0, weights, 0, 1, seen.width, depth);
    }
}

void NAME(weight_gradient)(const Sequence *s, Window window)
{
    const Plan *plan = &s->plan;
    if (gradient_digits_pay(s)) {
        NAME(split_gradient)(s, window);
        return;
    }
    const idx groups = plan->panels * groups_of(plan);
    const idx each = groups + plan->late_panels * plan->late_count;
#pragma omp for schedule(static)
    for (idx item = 0; item < lot_count(s) * each; ++item) {
        const Lot lot = find_lot(s, (int)(item / each), window);
        const idx k = item % each, late = k - groups;
        if (late < 0) {
            const Group group = find_group(plan, (int)(k % groups_of(plan)));
            group_gradient(s, &lot, k / groups_of(plan), &group);
        } else
            late_gradient_of(s, &lot, late / plan->late_count,
                             (int)(late % plan->late_count));
    }
}

void NAME(add_input_gradients)(const Sequence *s)
{
    const idx reals = s->total[s->steps] * s->plan.inputs;
#pragma omp for schedule(static)
    for (idx j = 0; j < reals; ++j)
        for (int part = 1; part < s->parts; ++part)
            s->direction[0].dx[j] += s->direction[part].dx[j];
}
