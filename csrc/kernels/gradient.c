/* gradient.c - the weights' gradient as deep products over many samples at once.
 *
 *   d[W R] += da [x, s]'    summed over the rows of a lot in a window: t in order, at
 *   db     += da            each t the samples in order, whatever slab computed them
 *
 * [x, s], s the row states and the late row, is packed in blocks of TILE_ROWS columns,
 * each part of it apart, a chunk of CHUNK rows at a time; da is gathered panel by
 * panel. Threads share the panels of units and columns, so every sum is one thread's.
 * All functions but pack_rows, which is a job's, are called by the whole team. */
#include "gradient.h"

#include "job.h"

static idx blocks_in_row(const Plan *plan)
{
    return seen_part(plan, seen_count(plan), TILE_ROWS).first;
}

static idx lot_size(const Sequence *s)
{
    return outer_chunks(blocks_in_row(&s->plan), most_rows(s));
}

idx NAME(packed_rows_size)(const Sequence *s)
{
    return gradient_digits_pay(s) ? NAME(split_gradient_size)(s)
                                  : lot_count(s) * lot_size(s);
}

/* From a chunk to the next. */
static idx chunk_size(const Plan *plan)
{
    return blocks_in_row(plan) * outer_block(CHUNK);
}

static real *packed_rows(const Sequence *s, const Lot *lot, idx chunk)
{
    return s->packed_rows + lot->number * lot_size(s) + chunk * chunk_size(&s->plan);
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

/* h of a row: rows of a batch lie apart, and the processor sees no more than one. */
static void fetch_hidden(const Job *job, idx r, idx t)
{
    const real *h = hidden_of(job, r, t);
    for (idx j = 0; h && j < job->s->plan.outputs; j += PANEL)
        __builtin_prefetch(h + j);
}

/* The own rows of a step of a job, which its table has, while they lie near: a row is
 * read once, and its blocks are written side by side. */
void NAME(pack_rows)(const Job *job, idx t, idx active, Window window)
{
    const Sequence *s = job->s;
    const Plan *plan = &s->plan;
    Seen seen[ROWS + MAX_STATES + 1];
    for (int k = 0; k < seen_count(plan); ++k)
        seen[k] = seen_part(plan, k, TILE_ROWS);
    const idx next_chunk = chunk_size(plan);
    Lot lots[2];
    real *packed[2];
    idx before[2];
    for (int k = 0; k < s->lots; ++k) {
        lots[k] = find_lot(s, k * s->parts + job->part, window);
        packed[k] = packed_rows(s, lots + k, 0);
        before[k] = lot_total(s, k, t) - lot_total(s, k, window.first);
    }
    EACH_OWN_ROW (job, r, active) {
        if (r + job->share.members < active)
            fetch_hidden(job, r + job->share.members, t);
        const idx row = row_of(job, r), number = row % s->lots;
        const Lot *lot = lots + number;
        const idx k = before[number] + row / s->lots, chunk = k / CHUNK;
        const idx apart = outer_block(min_idx(CHUNK, lot->rows - chunk * CHUNK));
        real *to = packed[number] + chunk * next_chunk + k % CHUNK * TILE_ROWS;
        for (int j = 0; j < seen_count(plan); ++j)
            pack_part(seen + j, j == X, lot->row + k, apart,
                      to + seen[j].first * apart);
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
                        const real *da, real *weights, idx depth, const Soon *soon)
{
    const Seen seen = seen_part(plan, k, TILE_ROWS);
    const idx apart = outer_block(depth);
    NAME(outer_product)(&(Outer){.a = rows + seen.first * apart,
                                 .a_block = apart,
                                 .b = da,
                                 .b_panel = CHUNK * PANEL,
                                 .depth = depth,
                                 .rows = seen.width,
                                 .panels = group->count,
                                 .c = weights,
                                 .c_panel = group->reading->k * PANEL,
                                 .soon = soon});
}

/* Some columns of a panel of units. */
typedef struct {
    idx p;
    Group group;
} Item;

static Item find_item(const Plan *plan, idx k)
{
    const int groups = groups_of(plan);
    return (Item){.p = k / groups, .group = find_group(plan, (int)(k % groups))};
}

/* What is gathered next: of these rows, for an item. */
typedef struct {
    const StepRow *row;
    const Item *item;
} Gathered;

static void fetch_gathered(const void *of, idx first, idx last)
{
    const Gathered *next = of;
    const Group *group = &next->item->group;
    for (const StepRow *row = next->row + first; row < next->row + last; ++row) {
        const real *da = row->da + next->item->p * row->da_panel + group->first * PANEL;
        for (int j = 0; j < group->count; ++j)
            __builtin_prefetch(da + j * PANEL);
    }
}

/* Of an item, before another. */
static void group_gradient(const Sequence *s, const Lot *lot, const Item *item,
                           const Item *after)
{
    const Plan *plan = &s->plan;
    const Group *group = &item->group;
    const idx p = item->p;
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
        const idx left = lot->rows - chunk * CHUNK - depth;
        const Gathered next =
            left > 0 ? (Gathered){row + depth, item} : (Gathered){lot->row, after};
        const Soon soon = {.fetch = fetch_gathered,
                           .of = &next,
                           .last = min_idx(CHUNK, left > 0 ? left : lot->rows)};
        if (column->w != NONE)
            add_product(plan, group, X, seen, da, weights, depth, NULL);
        for (int k = column->from; k < column->from + reads_of(column); ++k)
            add_product(plan, group, ROWS + k, seen, da,
                        weights + place_in(plan, column, k) * PANEL, depth,
                        s->tape_is_far && k == column->from ? &soon : NULL);
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
        const idx apart = outer_block(depth);
        NAME(outer_product)(
            &(Outer){.a = packed_rows(s, lot, chunk) + seen.first * apart,
                     .a_block = apart,
                     .b = da,
                     .depth = depth,
                     .rows = seen.width,
                     .panels = 1,
                     .c = weights});
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
            const Item own = find_item(plan, k);
            const Item after = find_item(plan, min_idx(k + 1, groups - 1));
            group_gradient(s, &lot, &own, &after);
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
