/* conv_gradient.c - the gradient of a convolution's weights, a few strips at a time.
 *
 *   dw[o, tap, c] += sum over pixels of dy[q, o] x[q - before + tap, c]
 *
 * Threads share the weights, so that each sum has one owner and one order. */
#include "images.h"

/* Rows of weights that are one thread's, in tiles. */
#define OWN_ROWS (8 * TILE_ROWS)

/* The sums of one thread's: rows `first` on of the weights of panel q, and of the next
 * ones that are taken with it, that one line of taps has, or one tap if its taps are
 * apart. */
typedef struct {
    idx q, panels, group, line, tap, first, rows;
} Share;

static idx rows_together(const Way *way)
{
    return (way->taps.apart[X] == 1 ? way->taps.count[X] : 1) * way->inputs;
}

/* Panels that are taken together; of few, half as many, for more shares. */
static idx together(const Way *way)
{
    return panels_of(way->outputs) < 2 * MANY_BESIDE ? (MANY_BESIDE + 1) / 2
                                                     : MANY_BESIDE;
}

static idx shares_of(const Way *way)
{
    const idx rows = rows_together(way);
    return (panels_of(way->outputs) + together(way) - 1) / together(way) *
           (depth_of(way) / rows) * ((rows + OWN_ROWS - 1) / OWN_ROWS);
}

static Share share_of(const Way *way, idx k)
{
    const idx rows = rows_together(way), pieces = (rows + OWN_ROWS - 1) / OWN_ROWS;
    const idx groups = depth_of(way) / rows, group = k / pieces % groups;
    const idx each = groups / lines_of(&way->taps);
    const idx q = k / pieces / groups * together(way);
    Share share = {.q = q,
                   .panels = min_idx(together(way), panels_of(way->outputs) - q),
                   .group = group,
                   .line = group / each,
                   .tap = group % each};
    share.first = rows * (k % pieces) / pieces;
    share.rows = rows * (k % pieces + 1) / pieces - share.first;
    return share;
}

static void add_share(const Images *s, const Share *share, const Strip *strip,
                      idx place)
{
    const Way *way = &s->way;
    const idx size = line_size(way, strip->count), inputs = way->inputs;
    const Deep deep = {
        .a = s->lines + place * lines_of(&way->taps) * line_size(way, s->longest) +
             share->line * size + share->tap * way->taps.apart[X] * inputs +
             share->first,
        .a_k = inputs,
        .b = s->dy +
             (place * panels_of(way->outputs) * s->longest + share->q * strip->count) *
                 PANEL,
        .b_k = PANEL,
        .b_panel = strip->count * PANEL,
        .runs = 1,
        .run = strip->count,
        .rows = share->rows,
        .panels = share->panels,
        .c_panel = depth_of(way) * PANEL,
        .c = s->gradient + (share->q * depth_of(way) +
                            share->group * rows_together(way) + share->first) *
                               PANEL,
    };
    NAME(deep_product)(&deep);
}

static void add_bias(const Images *s, idx q, const Strip *strip, idx place)
{
    const real *dy =
        s->dy +
        (place * panels_of(s->way.outputs) * s->longest + q * strip->count) * PANEL;
    for (idx k = 0; k < strip->count; ++k)
        for (idx j = 0; j < PANEL; ++j)
            s->d_bias[q * PANEL + j] += dy[k * PANEL + j];
}

/* Strips first .. first + count. */
static void add_strips(const Images *s, const real *dy, idx first, idx count)
{
    const Way *way = &s->way;
    const idx panels = panels_of(way->outputs), shares = shares_of(way);
#pragma omp for schedule(static)
    for (idx k = 0; k < count; ++k) {
        const Strip *strip = s->strip + first + k;
        NAME(copy_lines)(way, strip,
                         s->lines +
                             k * lines_of(&way->taps) * line_size(way, s->longest));
        part_panels(dy + first_pixel(strip) * way->outputs, strip->count, way->outputs,
                    s->dy + k * panels * s->longest * PANEL, strip->count * PANEL);
    }
#pragma omp for schedule(static) nowait
    for (idx k = 0; k < shares; ++k) {
        const Share share = share_of(way, k);
        for (idx place = 0; place < count; ++place)
            add_share(s, &share, s->strip + first + place, place);
    }
#pragma omp for schedule(static)
    for (idx q = 0; q < panels; ++q)
        for (idx place = 0; place < count; ++place)
            add_bias(s, q, s->strip + first + place, place);
}

void NAME(conv_gradient)(const Images *s, const real *dy, real *weights, real *bias)
{
    const Way *way = &s->way;
    const idx depth = depth_of(way), panels = panels_of(way->outputs);
    const double work = 2.0 * (double)depth * (double)way->outputs;
#pragma omp for schedule(static)
    for (idx q = 0; q < panels; ++q) {
        clear(s->gradient + q * depth * PANEL, depth * PANEL);
        clear(s->d_bias + q * PANEL, PANEL);
    }
    for (idx first = 0; first < s->strips && !stopped(s); first += s->held) {
        const idx count = min_idx(s->held, s->strips - first);
        add_strips(s, dy, first, count);
        tell(s, work / s->threads * (double)(count * s->longest));
#pragma omp barrier
    }
#pragma omp for schedule(static)
    for (idx q = 0; q < panels; ++q) {
        const idx left = way->outputs - q * PANEL;
        if (weights)
            unpack_panel(s->gradient + q * depth * PANEL, depth, left, depth,
                         weights + q * PANEL * depth);
        for (idx j = 0; bias && j < min_idx(PANEL, left); ++j)
            bias[q * PANEL + j] = s->d_bias[q * PANEL + j];
    }
}
