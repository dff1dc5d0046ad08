/* sweep_gradient.c - the gradient of a sweep's weights as deep products.
 *
 *   d[W U] += da [x, h_d]'      summed over the cells as they stand on the tape
 *   db     += da
 *   dp_i   += da_i sum_d c_d,   dp_f,d += da_f,d c_d,   dp_o += da_o c
 *
 * A window of cells at a time: its [x, h_d] is packed in chunks, then threads share
 * the panels of the columns, so that every sum is one thread's. Called by the whole
 * team. */
#include "sweep.h"

#define WINDOW_CHUNKS 4

static idx blocks_in(const Sweep *s) { return (s->k + TILE_ROWS - 1) / TILE_ROWS; }

static idx chunk_size(const Sweep *s) { return blocks_in(s) * outer_block(CHUNK); }

idx NAME(packed_window)(const Sweep *s)
{
    return panels_of(WINDOW_CHUNKS * chunk_size(s)) * PANEL;
}

static real *append(real *to, const real *from, idx count)
{
    idx k = 0;
    for (; k + LANES <= count; k += LANES)
        *(loose *)(to + k) = *(const loose *)(from + k);
    for (; k < count; ++k)
        to[k] = from[k];
    return to + count;
}

/* [x, h_d] of a place into its row of each block; `row` is scratch. */
static void pack_place(const Sweep *s, idx direction, idx place, idx apart, real *row,
                       real *to)
{
    const Spot *spot = s->spot + place;
    const Walk *walk = s->walk + direction * s->call->samples;
    const idx cell = cell_of(walk, spot);
    const real *y = s->call->y;
    real *end = append(row, (const real *)s->call->x + cell * s->inputs, s->inputs);
    for (int d = 0; d < s->dims; ++d) {
        const idx before = cell - walk[spot->image].step[d];
        if (spot->u[d] > 0)
            append(end, y + (before * s->directions + direction) * s->units, s->units);
        else
            memset(end, 0, (size_t)s->units * sizeof(real));
        end += s->units;
    }
    memset(end, 0, TILE_ROWS * sizeof(real));
    for (idx k = 0; k < s->k; k += TILE_ROWS, to += apart)
        memcpy(to, row + k, TILE_ROWS * sizeof(real));
}

/* Cells of a diagonal lie far apart: what y has before a place is fetched early. */
static void fetch_before(const Sweep *s, idx direction, idx place)
{
    const Walk *walk = s->walk + direction * s->call->samples;
    const Spot *spot = s->spot + min_idx(place, s->cells - 1);
    const idx cell = cell_of(walk, spot);
    for (int d = 0; d < s->dims; ++d)
        if (spot->u[d] > 0)
            fetch(s->call->y, cell - walk[spot->image].step[d], s, direction);
}

static void pack_window(const Sweep *s, real *row, idx first, idx count)
{
#pragma omp for schedule(static)
    for (idx item = 0; item < s->directions * count; ++item) {
        const idx direction = item / count, place = item % count;
        const idx chunk = place / CHUNK, depth = min_idx(CHUNK, count - chunk * CHUNK);
        fetch_before(s, direction, first + place + AHEAD);
        pack_place(s, direction, first + place, outer_block(depth), row,
                   s->packed_rows + direction * NAME(packed_window)(s) +
                       chunk * chunk_size(s) + place % CHUNK * TILE_ROWS);
    }
}

static const real *tape_of(const Sweep *s, idx direction, idx place)
{
    return (const real *)s->call->tape + (direction * s->cells + place) * tape_row(s);
}

static real *biases_of_panel(const Sweep *s, idx direction, idx p)
{
    return s->d_biases + (direction * s->panels + p) * biases_in(s) * PANEL;
}

/* The weights of column g of panel p, and its bias. */
static void add_column(const Sweep *s, idx direction, idx p, idx g, idx first,
                       idx count)
{
    real da[CHUNK * PANEL] __attribute__((aligned(LINE)));
    real *weights = s->gradient + direction * weights_of_direction(s) +
                    (p * s->columns + g) * s->k * PANEL;
    vec *bias = (vec *)(biases_of_panel(s, direction, p) + g * PANEL), sum[VECS];
    EACH_VECTOR (j)
        sum[j] = bias[j];
    for (idx chunk = 0; chunk * CHUNK < count; ++chunk) {
        const idx depth = min_idx(CHUNK, count - chunk * CHUNK);
        const real *from =
            tape_of(s, direction, first + chunk * CHUNK) + (p * s->slots + g) * PANEL;
        vec *to = (vec *)da;
        for (idx k = 0; k < depth; ++k, from += tape_row(s), to += VECS)
            EACH_VECTOR (j)
                sum[j] += to[j] = ((const vec *)from)[j];
        NAME(outer_product)(&(Outer){.a = s->packed_rows +
                                          direction * NAME(packed_window)(s) +
                                          chunk * chunk_size(s),
                                     .a_block = outer_block(depth),
                                     .b = da,
                                     .depth = depth,
                                     .rows = s->k,
                                     .panels = 1,
                                     .c = weights});
    }
    EACH_VECTOR (j)
        bias[j] = sum[j];
}

static void add_peepholes(const Sweep *s, idx direction, idx p, idx first, idx count)
{
    real *own = biases_of_panel(s, direction, p) + s->columns * PANEL;
    const idx c = (s->slots - 1) * VECS, o = c - VECS;
    vec sum[(LSTMC_MAX_DIMS + 2) * VECS];
    for (idx j = 0; j < (s->dims + 2) * VECS; ++j)
        sum[j] = ((const vec *)own)[j];
    for (idx place = first; place < first + count; ++place) {
        const Spot *spot = s->spot + place;
        const vec *a =
            (const vec *)(tape_of(s, direction, place) + p * s->slots * PANEL);
        for (int d = 0; d < s->dims; ++d) {
            if (spot->before[d] == NONE)
                continue;
            const vec *c0 = (const vec *)(tape_of(s, direction, spot->before[d]) +
                                          p * s->slots * PANEL) +
                            c;
            EACH_VECTOR (j) {
                sum[I * VECS + j] += a[I * VECS + j] * c0[j];
                sum[(1 + d) * VECS + j] += a[(F + d) * VECS + j] * c0[j];
            }
        }
        EACH_VECTOR (j)
            sum[(1 + s->dims) * VECS + j] += a[o + j] * a[c + j];
    }
    for (idx j = 0; j < (s->dims + 2) * VECS; ++j)
        ((vec *)own)[j] = sum[j];
}

/* Row `unit` of each column, back to where people know it. */
static void unpack_unit(const Sweep *s, idx direction, idx unit)
{
    const idx rows = s->columns * s->units, width = s->dims * s->units;
    real *w = (real *)s->call->gradient +
              direction * (rows * (s->inputs + width + 1) + (s->dims + 2) * s->units);
    real *u = w + rows * s->inputs, *b = u + rows * width, *v = b + rows;
    const idx p = unit / PANEL, j = unit % PANEL;
    const real *biases = biases_of_panel(s, direction, p) + j;
    for (idx g = 0; g < s->columns; ++g) {
        const idx row = g * s->units + unit;
        const real *from = s->gradient + direction * weights_of_direction(s) +
                           (p * s->columns + g) * s->k * PANEL + j;
        for (idx k = 0; k < s->inputs; ++k)
            w[row * s->inputs + k] = from[k * PANEL];
        for (idx k = 0; k < width; ++k)
            u[row * width + k] = from[(s->inputs + k) * PANEL];
        b[row] = biases[g * PANEL];
    }
    for (idx k = 0; k < s->dims + 2; ++k)
        v[k * s->units + unit] = biases[(s->columns + k) * PANEL];
}

static void add_window(const Sweep *s, real *row, idx first, idx count)
{
    const idx each = s->panels * (s->columns + 1);
    pack_window(s, row, first, count);
#pragma omp for schedule(dynamic)
    for (idx item = 0; item < s->directions * each; ++item) {
        const idx own = item % each, g = own % (s->columns + 1);
        if (g < s->columns)
            add_column(s, item / each, own / (s->columns + 1), g, first, count);
        else
            add_peepholes(s, item / each, own / (s->columns + 1), first, count);
    }
}

void NAME(sweep_gradient)(const Sweep *s, real *row)
{
    const idx size = s->directions * weights_of_direction(s);
    const idx biases = s->directions * s->panels * biases_in(s) * PANEL;
#pragma omp for schedule(static)
    for (idx k = 0; k < size + biases; ++k)
        *(k < size ? s->gradient + k : s->d_biases + (k - size)) = 0;
    for (idx first = 0; first < s->cells; first += WINDOW_CHUNKS * CHUNK) {
        const idx count = min_idx(WINDOW_CHUNKS * CHUNK, s->cells - first);
        add_window(s, row, first, count);
#pragma omp master
        ask_after(s->poll, 2.0 * (double)count * (double)size);
#pragma omp barrier
        if (is_halted(s))
            return;
    }
#pragma omp for schedule(static)
    for (idx item = 0; item < s->directions * s->units; ++item)
        unpack_unit(s, item / s->units, item % s->units);
}
