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
    return min_idx(MOST_SAMPLES, digits_depth(most_rows(s)) * DIGITS_DEPTH);
}

static idx lot_bytes(const Sequence *s)
{
    const idx chunks = most_rows(s) / MOST_SAMPLES + 1;
    const idx rows = most_rows(s) + chunks * DIGITS_DEPTH;
    return blocks_in_row(&s->plan) *
           (chunks * LINE + rows / DIGITS_DEPTH * TILE_HEIGHT * DIGITS_ROW);
}

static idx most_targets(const Plan *plan)
{
    return max_idx(MOST_TARGETS, plan->cell->columns);
}

/* Bytes of a thread: where the rows of a chunk lie, and their masks; then the digits of
 * its targets' da. */
static idx table_bytes(idx size) { return 2 * size * (idx)sizeof(real *); }

static idx own_bytes(const Sequence *s)
{
    const idx size = most_samples(s);
    return table_bytes(size) +
           most_targets(&s->plan) * digits_panel(size / DIGITS_DEPTH);
}

idx NAME(split_gradient_size)(const Sequence *s)
{
    return (lot_count(s) * lot_bytes(s) + s->threads * own_bytes(s)) /
           (idx)sizeof(real);
}

static char *own_memory(const Sequence *s)
{
    return (char *)s->packed_rows + lot_count(s) * lot_bytes(s) +
           own_thread() * own_bytes(s);
}

/* What part k sees, over a chunk. */
static DigitRows seen_rows(const Sequence *s, const Lot *lot, int k, idx chunk,
                           idx size)
{
    const Plan *plan = &s->plan;
    const Seen seen = seen_part(plan, k, TILE_HEIGHT);
    char *start = (char *)s->packed_rows + lot->number * lot_bytes(s) +
                  chunk * chunk_bytes(plan, size);
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

/* What a row sees of a part, from panel p on. */
static const real *seen_by(const StepRow *row, const Seen *seen, int is_x, idx p)
{
    static const real zeros[MOST_LINES * PANEL];
    if (seen->slot != NONE)
        return row->da + seen->slot * PANEL + p * row->da_panel;
    const real *from = is_x ? row->x : row->h;
    return from ? from + p * PANEL : zeros;
}

/* Groups of panels that are split at once: those of x and h lie side by side, and all
 * threads want some. */
static idx seen_groups(const Sequence *s, int k)
{
    const Seen seen = seen_part(&s->plan, k, TILE_HEIGHT);
    const idx panels = panels_of(seen.width);
    const idx most = seen.slot == NONE ? MOST_LINES : 1;
    const idx least = min_idx(panels, (s->threads + lot_count(s) - 1) / lot_count(s));
    return max_idx(least, (panels + most - 1) / most);
}

/* Panels p .. last of what rows see of a part. */
static Lines find_lines(const Seen *seen, int is_x, const StepRow *row, idx rows, idx p,
                        idx last, const real **table)
{
    const int masked = seen->slot == NONE && !is_x && row->mask;
    const real **by = table + rows;
    for (idx k = 0; k < rows; ++k) {
        table[k] = seen_by(row + k, seen, is_x, p);
        if (masked)
            by[k] = row[k].mask + p * PANEL;
    }
    return (Lines){.row = table,
                   .by = masked ? by : NULL,
                   .rows = rows,
                   .width = min_idx(last * PANEL, seen->width) - p * PANEL};
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

static void split_seen(const Sequence *s, const Lot *lot, int k, idx p, idx last)
{
    const Seen seen = seen_part(&s->plan, k, TILE_HEIGHT);
    const idx size = chunk_size(lot->rows);
    digit *split = (digit *)own_memory(s) + table_bytes(size);
    for (idx chunk = 0; chunk * size < lot->rows; ++chunk) {
        const idx own = min_idx(size, lot->rows - chunk * size);
        const Lines lines = find_lines(&seen, k == X, lot->row + chunk * size, own, p,
                                       last, (const real **)own_memory(s));
        const DigitRows to = seen_rows(s, lot, k, chunk, size);
        vec sum[MOST_LINES];
        NAME(split_lines)(&lines, sum, split);
        const digit *from = split;
        for (idx q = p; q < last; ++q) {
            *(vec *)(to.scale + q * PANEL) = *(const vec *)from;
            turn_tiles(from, digits_depth(own),
                       to.digits + q * TILE_HEIGHT * DIGITS_ROW, to.skip);
            from += digits_panel(digits_depth(own));
        }
    }
}

void NAME(split_seen)(const Sequence *s, Window window)
{
    const Plan *plan = &s->plan;
    for (int k = 0; k < seen_count(plan); ++k) {
        const idx panels = panels_of(seen_part(plan, k, TILE_HEIGHT).width);
        const idx each = seen_groups(s, k);
#pragma omp for schedule(static) nowait
        for (idx item = 0; item < lot_count(s) * each; ++item) {
            const Lot lot = find_lot(s, (int)(item / each), window);
            split_seen(s, &lot, k, panels * (item % each) / each,
                       panels * (item % each + 1) / each);
        }
    }
#pragma omp barrier
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

static Targets find_targets(const Plan *plan, const Lot *lot, int i, idx p, idx panels)
{
    if (i == plan->readings)
        return (Targets){.p = p,
                         .panels = panels,
                         .slot = plan->projected ? plan->d_slot : plan->late_first,
                         .columns = plan->late_count,
                         .from = first_seen(plan),
                         .until = seen_count(plan),
                         .weights = lot->gradient + late_offset(plan, p),
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
                     .weights = lot->gradient + p * plan->block + reading->offset,
                     .next = reading->k * PANEL,
                     .group = plan->block};
}

/* Columns g on of panel p over a chunk, up to `last`, and their sums onto db. */
static void split_columns(const Sequence *s, const Targets *t, idx p, int g, int last,
                          const StepRow *row, idx rows, real *bias, digit *to)
{
    const real **table = (const real **)own_memory(s);
    for (idx k = 0; k < rows; ++k)
        table[k] = row[k].da + p * row[k].da_panel + (t->slot + g) * PANEL;
    const Lines lines = {.row = table, .rows = rows, .width = (last - g) * PANEL};
    vec sum[MOST_LINES];
    NAME(split_lines)(&lines, sum, to);
    for (int j = g; j < last; ++j)
        if (t->column && t->column[j].b != NONE)
            *(vec *)(bias + (t->slot + j) * PANEL) += sum[j - g];
}

static void split_gates(const Sequence *s, const Lot *lot, const Targets *t, idx first,
                        idx rows, digit *to)
{
    const idx size = digits_panel(digits_depth(rows));
    for (idx p = t->p; p < t->p + t->panels; ++p, to += t->columns * size)
        for (int g = 0; g < t->columns; g += MOST_LINES) {
            const int last = t->columns < g + MOST_LINES ? t->columns : g + MOST_LINES;
            split_columns(s, t, p, g, last, lot->row + first, rows,
                          lot->gradient + bias_offset(&s->plan, p), to + g * size);
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

static void add_targets(const Sequence *s, const Lot *lot, const Targets *t)
{
    const idx size = chunk_size(lot->rows);
    digit *gates = (digit *)own_memory(s) + table_bytes(size);
    for (idx chunk = 0; chunk * size < lot->rows; ++chunk) {
        const idx own = min_idx(size, lot->rows - chunk * size);
        split_gates(s, lot, t, chunk * size, own, gates);
        const int with_x = t->column && t->column->w != NONE;
        for (int k = with_x ? X : t->from; k < t->until; k = max_idx(k + 1, t->from)) {
            DigitRows seen = seen_rows(s, lot, k, chunk, size);
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
    return max_idx(1, min_idx(fit, lot_count(s) * panels / (2 * s->threads)));
}

void NAME(split_gradient)(const Sequence *s, Window window)
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
        for (idx item = 0; item < lot_count(s) * each; ++item) {
            const Lot lot = find_lot(s, (int)(item / each), window);
            const idx p = item % each * at_once;
            const Targets targets =
                find_targets(plan, &lot, i, p, min_idx(at_once, panels - p));
            add_targets(s, &lot, &targets);
        }
    }
#pragma omp barrier
    NAME(release_tiles)();
}

#endif
