/* digit_gradient.c - the weights' gradient of digits: what gradient.c says, with [x, s]
 * and da split. Samples are what the sum runs over, so [x, s] is turned. */
#include "digits.h"

#if AMX

#include "gradient.h"
#include "lanes.h"

/* Samples of a sum, at most; and columns of panels that one pass over [x, s] serves,
 * about: their da, split, lies in the second cache. */
enum { MOST_SAMPLES = 2048, MOST_TARGETS = 8, TILE_HEIGHT = 16 };

/* Chunks of equal size, of whole blocks. */
static idx chunk_size(idx rows)
{
    const idx chunks = max_idx(1, (rows + MOST_SAMPLES - 1) / MOST_SAMPLES);
    return digits_depth((rows + chunks - 1) / chunks) * DIGITS_DEPTH;
}

static idx blocks_in_row(const Plan *plan)
{
    return seen_part(plan, seen_count(plan), TILE_HEIGHT).first;
}

/* Bytes of [x, s] of a chunk: the units, then the digits. */
static idx chunk_bytes(const Plan *plan, idx size)
{
    return blocks_in_row(plan) *
           (LINE + size / DIGITS_DEPTH * TILE_HEIGHT * DIGITS_ROW);
}

/* At most: chunks of a window of fewer rows may be larger. */
static idx most_samples(const Sequence *s)
{
    return min_idx(MOST_SAMPLES, digits_depth(window_rows(s)) * DIGITS_DEPTH);
}

static idx part_bytes(const Sequence *s)
{
    const idx chunks = window_rows(s) / MOST_SAMPLES + 1;
    const idx rows = window_rows(s) + chunks * DIGITS_DEPTH;
    return blocks_in_row(&s->plan) *
           (chunks * LINE + rows / DIGITS_DEPTH * TILE_HEIGHT * DIGITS_ROW);
}

static idx most_targets(const Plan *plan)
{
    return max_idx(MOST_TARGETS, plan->cell->columns);
}

/* Bytes of a thread: a panel of a chunk, and the digits of its targets' da. */
static idx panel_bytes(idx size) { return size * LINE; }

static idx own_bytes(const Sequence *s)
{
    const idx size = most_samples(s);
    return panel_bytes(size) +
           most_targets(&s->plan) * digits_panel(size / DIGITS_DEPTH);
}

idx NAME(split_gradient_size)(const Sequence *s)
{
    return (s->parts * part_bytes(s) + s->threads * own_bytes(s)) / (idx)sizeof(real);
}

static char *own_memory(const Sequence *s)
{
    return (char *)s->packed_rows + s->parts * part_bytes(s) +
           own_thread() * own_bytes(s);
}

/* What part k sees, over a chunk. */
static DigitRows seen_rows(const Sequence *s, int part, int k, idx chunk, idx size)
{
    const Plan *plan = &s->plan;
    const Seen seen = seen_part(plan, k, TILE_HEIGHT);
    char *start =
        (char *)s->packed_rows + part * part_bytes(s) + chunk * chunk_bytes(plan, size);
    char *digits = start + blocks_in_row(plan) * LINE;
    const idx depth = size / DIGITS_DEPTH, skip = TILE_HEIGHT * DIGITS_ROW;
    return (DigitRows){
        .digits = (digit *)digits + seen.first * depth * skip,
        .scale = (real *)(start + seen.first * LINE),
        .rows = seen.width,
        .skip = (seen.width + TILE_HEIGHT - 1) / TILE_HEIGHT * skip,
        .depth = depth,
    };
}

/* --- [x, s] ----------------------------------------------------------------------- */

/* Panel p of what a row sees of a part. */
static const real *seen_by(const StepRow *row, const Seen *seen, int is_x, idx p)
{
    if (seen->slot != NONE)
        return row->da + seen->slot * PANEL + p * row->da_panel;
    const real *from = is_x ? row->x : row->h;
    return from ? from + p * PANEL : no_start();
}

static void gather_seen(const Seen *seen, int is_x, const StepRow *row, idx rows, idx p,
                        real *to)
{
    enum { AHEAD = 8 }; /* rows; no processor finds their pattern */
    const idx width = min_idx(PANEL, seen->width - p * PANEL);
    const __mmask16 wanted = (__mmask16)((1u << width) - 1);
    const int masked = seen->slot == NONE && !is_x && row->mask;
    for (idx k = 0; k < rows; ++k, to += PANEL) {
        const StepRow *ahead = row + min_idx(k + AHEAD, rows - 1);
        __builtin_prefetch(seen_by(ahead, seen, is_x, p));
        vec x = (vec)_mm512_maskz_loadu_ps(wanted, seen_by(row + k, seen, is_x, p));
        if (masked)
            x *= (vec)_mm512_maskz_loadu_ps(wanted, row[k].mask + p * PANEL);
        *(vec *)to = x;
    }
}

/* A panel's tiles, of samples by features, to rows of features. */
static void turn_tiles(const digit *from, idx depth, digit *to, idx skip)
{
    for (idx k = 0; k < depth; ++k, to += skip)
        for (int place = 0; place < DIGITS_PLACES; ++place) {
            vec row[LINE / sizeof(real)];
            const digit *tile =
                from + DIGITS_HEAD + k * DIGITS_BLOCK + place * DIGITS_TILE;
            EACH (j, PANEL)
                row[j] = ((const vec *)tile)[j];
            turn_vectors(row);
            EACH (j, PANEL)
                *(vec *)(to + j * DIGITS_ROW + place * DIGITS_DEPTH) = row[j];
        }
}

static void split_seen(const Sequence *s, int part, int k, idx p, idx rows)
{
    const Seen seen = seen_part(&s->plan, k, TILE_HEIGHT);
    const idx size = chunk_size(rows);
    real *panel = (real *)own_memory(s);
    digit *split = (digit *)own_memory(s) + panel_bytes(size);
    for (idx chunk = 0; chunk * size < rows; ++chunk) {
        const idx own = min_idx(size, rows - chunk * size);
        const DigitRows to = seen_rows(s, part, k, chunk, size);
        gather_seen(&seen, k == X, s->row_table + part * s->table_size + chunk * size,
                    own, p, panel);
        NAME(split_panel)(panel, own, NULL, split);
        *(vec *)(to.scale + p * PANEL) = *(const vec *)split;
        turn_tiles(split, digits_depth(own), to.digits + p * TILE_HEIGHT * DIGITS_ROW,
                   to.skip);
    }
}

void NAME(split_seen)(const Sequence *s, idx rows)
{
    const Plan *plan = &s->plan;
    const idx each = blocks_in_row(plan);
#pragma omp for schedule(static)
    for (idx item = 0; item < s->parts * each; ++item) {
        int k = seen_count(plan) - 1;
        while (seen_part(plan, k, TILE_HEIGHT).first > item % each)
            --k;
        split_seen(s, (int)(item / each), k,
                   item % each - seen_part(plan, k, TILE_HEIGHT).first, rows);
    }
}

/* --- da --------------------------------------------------------------------------- */

/* The weights of columns that see the same, of some panels of units. */
typedef struct {
    idx p, panels;
    int slot, columns; /* of da */
    int from, until; /* the parts that they see */
    const Column *column; /* NULL: late */
    real *weights;
    idx next, group; /* from column to column, and from panel to panel */
} Targets;

static Targets find_targets(const Sequence *s, int part, int i, idx p, idx panels)
{
    const Plan *plan = &s->plan;
    real *gradient = s->direction[part].gradient;
    if (i == plan->readings)
        return (Targets){.p = p,
                         .panels = panels,
                         .slot = plan->projected ? plan->d_slot : plan->late_first,
                         .columns = plan->late_count,
                         .from = first_seen(plan),
                         .until = seen_count(plan),
                         .weights = gradient + late_offset(plan, p),
                         .next = plan->units * PANEL,
                         .group = plan->late_count * plan->units * PANEL};
    const Reading *reading = plan->reading + i;
    const Column *column = plan->cell->column + reading->first;
    return (Targets){.p = p,
                     .panels = panels,
                     .slot = reading->first,
                     .columns = reading->count,
                     .from = ROWS + column->from,
                     .until = ROWS + column->from + reads_of(column),
                     .column = column,
                     .weights = gradient + p * plan->block + reading->offset,
                     .next = reading->k * PANEL,
                     .group = plan->block};
}

/* A column of a panel over a chunk, and its sum onto db, if that is wanted. */
static void gather(const StepRow *row, idx rows, idx p, int slot, real *to, real *bias)
{
    enum { AHEAD = 8 };
    vec sum = bias ? *(const vec *)bias : splat(0);
    for (idx k = 0; k < rows; ++k) {
        const StepRow *ahead = row + min_idx(k + AHEAD, rows - 1);
        __builtin_prefetch(ahead->da + p * ahead->da_panel + slot * PANEL);
        const vec x = *(const vec *)(row[k].da + p * row[k].da_panel + slot * PANEL);
        ((vec *)to)[k] = x;
        sum += x;
    }
    if (bias)
        *(vec *)bias = sum;
}

static void split_gates(const Sequence *s, int part, const Targets *t,
                        const StepRow *row, idx rows, digit *to)
{
    const Plan *plan = &s->plan;
    real *panel = (real *)own_memory(s);
    for (idx p = t->p; p < t->p + t->panels; ++p)
        for (int g = 0; g < t->columns; ++g) {
            const int wanted = t->column && t->column[g].b != NONE;
            real *bias = s->direction[part].gradient + bias_offset(plan, p) +
                         (t->slot + g) * PANEL;
            gather(row, rows, p, t->slot + g, panel, wanted ? bias : NULL);
            NAME(split_panel)(panel, rows, NULL, to);
            to += digits_panel(digits_depth(rows));
        }
}

/* What the targets have of part k, at its place in their weights. */
static void add_part(const DigitRows *seen, const Targets *t, idx place,
                     const digit *gates)
{
    real *c = t->weights + place * PANEL;
    const DigitProduct product = {
        .a = seen,
        .panels = t->columns,
        .groups = t->panels,
        .b = gates,
        .b_group = t->columns * digits_panel(seen->depth),
        .start = c,
        .start_panel = t->next,
        .start_group = t->group,
        .start_row = PANEL,
        .c = c,
        .c_panel = t->next,
        .c_group = t->group,
        .c_row = PANEL,
    };
    NAME(digit_product)(&product);
}

static void add_targets(const Sequence *s, int part, const Targets *t, idx rows)
{
    const idx size = chunk_size(rows);
    digit *gates = (digit *)own_memory(s) + panel_bytes(size);
    for (idx chunk = 0; chunk * size < rows; ++chunk) {
        const idx own = min_idx(size, rows - chunk * size);
        split_gates(s, part, t, s->row_table + part * s->table_size + chunk * size, own,
                    gates);
        const int with_x = t->column && t->column->w != NONE;
        for (int k = with_x ? X : t->from; k < t->until; k = max_idx(k + 1, t->from)) {
            DigitRows seen = seen_rows(s, part, k, chunk, size);
            seen.depth = digits_depth(own);
            add_part(&seen, t,
                     k == X || !t->column ? 0 : place_in(&s->plan, t->column, k - ROWS),
                     gates);
        }
    }
}

/* Panels of units of one pass: few enough for all threads to have some. */
static idx panels_at_once(const Sequence *s, idx panels, int columns)
{
    const idx fit = MOST_TARGETS / columns;
    return max_idx(1, min_idx(fit, s->parts * panels / (2 * s->threads)));
}

void NAME(split_gradient)(const Sequence *s, idx rows)
{
    const Plan *plan = &s->plan;
    for (int i = 0; i <= plan->readings; ++i) {
        const int late = i == plan->readings;
        const idx panels = late ? plan->late_panels : plan->panels;
        const int columns = late ? plan->late_count : plan->reading[i].count;
        if (columns == 0)
            continue;
        const idx at_once = panels_at_once(s, panels, columns);
        const idx each = (panels + at_once - 1) / at_once;
#pragma omp for schedule(static) nowait
        for (idx item = 0; item < s->parts * each; ++item) {
            const idx p = item % each * at_once;
            const Targets targets =
                find_targets(s, (int)(item / each), i, p, min_idx(at_once, panels - p));
            add_targets(s, (int)(item / each), &targets, rows);
        }
    }
#pragma omp barrier
    NAME(release_tiles)();
}

#endif
