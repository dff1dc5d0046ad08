/* amx_gradient.c - the weights' gradient by AMX: what gradient.c says, with [x, s] and
 * da split. Samples are what the sum runs over, so [x, s] is turned. */
#include "amx.h"

#if AMX

#include "gradient.h"
#include "lanes.h"

enum { CHUNK_DEPTH = CHUNK / AMX_DEPTH };

/* Columns of panels that one pass over [x, s] serves: their da, split, lies in the
 * second cache. */
enum { MOST_TARGETS = 8 };

static idx depth_of(idx rows) { return (rows + AMX_DEPTH - 1) / AMX_DEPTH; }

static idx blocks_in_row(const Plan *plan)
{
    return seen_part(plan, first_seen(plan), AMX_ROWS).first;
}

static idx part_size(const Sequence *s)
{
    return amx_reals(depth_of(window_rows(s)) * blocks_in_row(&s->plan));
}

/* Of a thread: da of the targets that it is at. */
static idx gates_size(void) { return amx_reals(MOST_TARGETS * CHUNK_DEPTH); }

idx NAME(amx_packed_size)(const Sequence *s)
{
    return s->parts * part_size(s) + s->threads * gates_size();
}

static bfloat16 *own_gates(const Sequence *s)
{
    return (bfloat16 *)(s->packed_rows + s->parts * part_size(s) +
                        own_thread() * gates_size());
}

static bfloat16 *packed_chunk(const Sequence *s, int part, idx chunk)
{
    const real *rows = s->packed_rows + part * part_size(s);
    return (bfloat16 *)rows + chunk * CHUNK_DEPTH * blocks_in_row(&s->plan) * AMX_BLOCK;
}

/* Panel p of what a row sees of a part. */
static const real *seen_by(const StepRow *row, const Seen *seen, int is_x, idx p)
{
    if (seen->slot != NONE)
        return row->da + seen->slot * PANEL + p * row->da_panel;
    const real *from = is_x ? row->x : row->h;
    return from ? from + p * PANEL : no_start();
}

/* A block of a part: AMX_DEPTH samples, of which `count` are there, of a panel. */
static void pack_block(const Seen *seen, int is_x, const StepRow *row, idx count, idx p,
                       bfloat16 *to)
{
    const idx width = min_idx(PANEL, seen->width - p * PANEL);
    const __mmask16 wanted = (__mmask16)((1u << width) - 1);
    const int masked = seen->slot == NONE && !is_x && row->mask;
    vec turned[2][LINE / sizeof(real)];
    for (int half = 0; half < 2; ++half) {
        const real *from[LINE / sizeof(real)];
        for (idx j = 0, k = half * PANEL; j < PANEL; ++j, ++k)
            from[j] = k < count ? seen_by(row + k, seen, is_x, p) : no_start();
        EACH (j, PANEL)
            turned[half][j] = (vec)_mm512_maskz_loadu_ps(wanted, from[j]);
        for (idx j = 0, k = half * PANEL; masked && j < PANEL && k < count; ++j, ++k)
            turned[half][j] *=
                (vec)_mm512_maskz_loadu_ps(wanted, row[k].mask + p * PANEL);
        turn_vectors(turned[half]);
    }
    EACH (j, PANEL)
        amx_split(turned[0][j], turned[1][j], IN_A_ROW, to + j * AMX_DEPTH);
}

void NAME(amx_pack_rows)(const Sequence *s, idx rows)
{
    const Plan *plan = &s->plan;
    const idx each = depth_of(rows);
#pragma omp for schedule(static)
    for (idx item = 0; item < s->parts * each; ++item) {
        const int part = (int)(item / each);
        const idx first = item % each * AMX_DEPTH, chunk = first / CHUNK;
        const idx depth = depth_of(min_idx(CHUNK, rows - chunk * CHUNK));
        bfloat16 *to =
            packed_chunk(s, part, chunk) + first % CHUNK / AMX_DEPTH * AMX_BLOCK;
        const StepRow *row = s->row_table + part * s->table_size + first;
        for (int k = 0; k < first_seen(plan); ++k) {
            const Seen seen = seen_part(plan, k, AMX_ROWS);
            for (idx p = 0; p < panels_of(seen.width); ++p)
                pack_block(&seen, k == X, row, min_idx(AMX_DEPTH, rows - first), p,
                           to + (seen.first + p) * depth * AMX_BLOCK);
        }
    }
}

/* The weights of a column of a panel of units. */
typedef struct {
    idx da; /* its place in the panels of a row */
    idx panel;
    real *weights, *bias; /* bias NULL: not wanted */
} Target;

static Target find_target(const Sequence *s, int part, const Reading *reading, idx k)
{
    const Plan *plan = &s->plan;
    const idx p = k / reading->count, j = k % reading->count, g = reading->first + j;
    real *gradient = s->direction[part].gradient;
    return (Target){
        .da = g * PANEL,
        .panel = p,
        .weights =
            gradient + p * plan->block + reading->offset + j * reading->k * PANEL,
        .bias = plan->cell->column[g].b == NONE
                    ? NULL
                    : gradient + bias_offset(plan, p) + g * PANEL,
    };
}

static const vec *gates_of(const StepRow *row, const Target *target)
{
    return (const vec *)(row->da + target->panel * row->da_panel + target->da);
}

/* da of a chunk, split, target after target; and its sums onto db. */
static void gather(const StepRow *row, idx rows, const Target *target, idx targets,
                   bfloat16 *to)
{
    enum { AHEAD = 8 }; /* rows; no processor finds their pattern */
    const idx last = rows - 1;
    vec sum[MOST_TARGETS];
    for (idx j = 0; j < targets; ++j)
        sum[j] = target[j].bias ? *(const vec *)target[j].bias : splat(0);
    for (idx k = 0; k < depth_of(rows) * AMX_DEPTH; k += 2) {
        const StepRow *x_row = row + min_idx(k, last),
                      *y_row = row + min_idx(k + 1, last);
        const StepRow *ahead = row + min_idx(k + AHEAD, last);
        bfloat16 *own = to + k / AMX_DEPTH * AMX_BLOCK + k % AMX_DEPTH / 2 * AMX_DEPTH;
        for (idx j = 0; j < targets; ++j, own += CHUNK_DEPTH * AMX_BLOCK) {
            __builtin_prefetch(gates_of(ahead, target + j));
            __builtin_prefetch(gates_of(ahead + (ahead < row + last), target + j));
            const vec x = k < rows ? *gates_of(x_row, target + j) : splat(0);
            const vec y = k < last ? *gates_of(y_row, target + j) : splat(0);
            sum[j] += x;
            sum[j] += y;
            amx_split(x, y, SIDE_BY_SIDE, own);
        }
    }
    for (idx j = 0; j < targets; ++j)
        if (target[j].bias)
            *(vec *)target[j].bias = sum[j];
}

/* What targets see of part k, over a chunk; `offset`: its place in their weights. */
static void add_part(const Sequence *s, const Target *target, idx targets, int k,
                     idx offset, const bfloat16 *seen, const bfloat16 *da, idx depth)
{
    const Seen part = seen_part(&s->plan, k, AMX_ROWS);
    real *c[MOST_TARGETS];
    for (idx j = 0; j < targets; ++j)
        c[j] = target[j].weights + offset * PANEL;
    const AmxProduct product = {
        .rows = part.width,
        .panels = targets,
        .depth = depth,
        .a = seen + part.first * depth * AMX_BLOCK,
        .a_next = depth * AMX_BLOCK,
        .b = da,
        .b_panel = CHUNK_DEPTH * AMX_BLOCK,
        .c = c,
    };
    NAME(amx_product)(&product);
}

static void group_gradient(const Sequence *s, int part, idx rows,
                           const Reading *reading, idx first, idx targets, bfloat16 *da)
{
    const Plan *plan = &s->plan;
    const Column *column = plan->cell->column + reading->first;
    Target target[MOST_TARGETS];
    for (idx j = 0; j < targets; ++j)
        target[j] = find_target(s, part, reading, first + j);
    for (idx chunk = 0; chunk * CHUNK < rows; ++chunk) {
        const idx own = min_idx(CHUNK, rows - chunk * CHUNK), depth = depth_of(own);
        const bfloat16 *seen = packed_chunk(s, part, chunk);
        gather(s->row_table + part * s->table_size + chunk * CHUNK, own, target,
               targets, da);
        if (column->w != NONE)
            add_part(s, target, targets, X, 0, seen, da, depth);
        for (int k = column->from; k < column->from + reads_of(column); ++k)
            add_part(s, target, targets, ROWS + k, place_in(plan, column, k), seen, da,
                     depth);
    }
}

/* Targets of a group: fewer than MOST where there are few for the threads. */
static idx group_size(const Sequence *s)
{
    idx targets = 0;
    for (int k = 0; k < s->plan.readings; ++k)
        targets += s->parts * s->plan.panels * s->plan.reading[k].count;
    return max_idx(2, min_idx(MOST_TARGETS, targets / (2 * s->threads)));
}

static idx groups_of(const Plan *plan, const Reading *reading, idx size)
{
    return (plan->panels * reading->count + size - 1) / size;
}

void NAME(amx_weight_gradient)(const Sequence *s, idx rows)
{
    const Plan *plan = &s->plan;
    const idx size = group_size(s);
    bfloat16 *da = own_gates(s);
    idx each = 0;
    for (int k = 0; k < plan->readings; ++k)
        each += groups_of(plan, plan->reading + k, size);
#pragma omp for schedule(static)
    for (idx item = 0; item < s->parts * each; ++item) {
        const Reading *reading = plan->reading;
        idx k = item % each;
        for (; k >= groups_of(plan, reading, size); ++reading)
            k -= groups_of(plan, reading, size);
        const idx targets = min_idx(size, plan->panels * reading->count - k * size);
        group_gradient(s, (int)(item / each), rows, reading, k * size, targets, da);
    }
    NAME(amx_release)();
}

#endif
