/* short_gradient.c - the gradient of a short convolution's weights, window by window.
 *
 *   dV = U' (A dy)    summed over the pieces, each sum by one owner and in order
 *   dw = G' dV */
#include "short_conv.h"

#define OWN_ROWS (8 * TILE_ROWS)

/* A dy of piece k of a window. */
static void turn_gradient(const Short *s, const Piece *piece, const real *dy, idx k)
{
    const idx outputs = s->way.outputs, apart = outputs * WINDOW;
    const real *d[MOST_EACH];
    find_pixels(s, piece, dy, outputs, 0, s->each, d);
    for (idx o = 0; o < outputs; o += LANES) {
        real *to = s->dy + (o / PANEL * WINDOW + k) * PANEL + o % PANEL;
        vec out[MOST_EACH], m[POINTS];
        EACH (q, MOST_EACH)
            out[q] = q < s->each ? load(d[q], o) : splat(0);
        turn_outputs(out, s->each, m);
        EACH (i, POINTS)
            *(vec *)(to + i * apart) = m[i];
    }
}

/* Rows of dV of one point and some panels. */
static void add_share(const Short *s, idx k, idx pieces, idx count)
{
    const idx inputs = s->way.inputs, panels = s->way.outputs / PANEL;
    const idx groups = (panels + MANY_BESIDE - 1) / MANY_BESIDE;
    const idx first = inputs * (k % pieces) / pieces;
    const idx q = k / pieces % groups * MANY_BESIDE, i = k / pieces / groups;
    NAME(deep_product)(&(Deep){
        .a = s->turned + i * WINDOW * inputs + first,
        .a_k = inputs,
        .b = s->dy + (i * panels + q) * WINDOW * PANEL,
        .b_k = PANEL,
        .b_panel = WINDOW * PANEL,
        .runs = 1,
        .run = count,
        .rows = inputs * (k % pieces + 1) / pieces - first,
        .panels = min_idx(MANY_BESIDE, panels - q),
        .c = s->gradient + ((i * panels + q) * inputs + first) * PANEL,
        .c_panel = inputs * PANEL,
    });
}

/* The biases of the thread's share of the outputs. */
static void add_biases(const Short *s, const real *dy, idx first, idx count)
{
    const idx panels = s->way.outputs / PANEL, thread = own_thread(),
              team = team_size();
    const idx begin = panels * thread / team * PANEL;
    const idx end = panels * (thread + 1) / team * PANEL;
    for (idx k = first; k < first + count; ++k) {
        const real *d[MOST_EACH];
        find_pixels(s, s->piece + k, dy, s->way.outputs, 0, s->each, d);
        for (idx j = begin; j < end; j += LANES) {
            vec sum = load(d[0], j);
            for (idx q = 1; q < s->each; ++q)
                sum += load(d[q], j);
            *(vec *)(s->d_bias + j) += sum;
        }
    }
}

static void run_gradient(const Short *s, const real *dy)
{
    const idx inputs = s->way.inputs, panels = s->way.outputs / PANEL;
    const idx pieces = (inputs + OWN_ROWS - 1) / OWN_ROWS;
    const idx shares = POINTS * ((panels + MANY_BESIDE - 1) / MANY_BESIDE) * pieces;
    for (idx first = 0; first < s->pieces && !is_told(s); first += WINDOW) {
        const idx count = min_idx(WINDOW, s->pieces - first);
#pragma omp for schedule(static)
        for (idx k = 0; k < count; ++k) {
            turn_piece(s, &s->way, s->piece + first + k, s->turned + k * inputs,
                       WINDOW * inputs);
            turn_gradient(s, s->piece + first + k, dy, k);
        }
#pragma omp for schedule(static) nowait
        for (idx k = 0; k < shares; ++k)
            add_share(s, k, pieces, count);
        add_biases(s, dy, first, count);
        tell_work(s, work_of(&s->way) * (double)count / s->threads);
#pragma omp barrier
    }
}

static void clear_gradient(const Short *s)
{
    const idx size = s->way.inputs * PANEL, panels = s->way.outputs / PANEL;
#pragma omp for schedule(static)
    for (idx k = 0; k < POINTS * panels; ++k)
        memset(s->gradient + k * size, 0, (size_t)size * sizeof(real));
#pragma omp single
    memset(s->d_bias, 0, (size_t)s->way.outputs * sizeof(real));
}

/* dw = G' dV */
static void keep_gradient(const Short *s, real *weights, real *bias)
{
    const idx inputs = s->way.inputs, panels = s->way.outputs / PANEL;
    const idx apart = s->taps * inputs; /* from output to output */
#pragma omp for schedule(static)
    for (idx p = 0; p < panels; ++p) {
        for (idx c = 0; weights && c < inputs; ++c) {
            const real *from = s->gradient + (p * inputs + c) * PANEL;
            for (idx t = 0; t < s->taps; ++t) {
                real sum[LINE / sizeof(real)] = {0};
                for (int i = 0; i < POINTS; ++i)
                    for (idx j = 0; j < PANEL; ++j)
                        sum[j] += s->g[i][t] * from[i * panels * inputs * PANEL + j];
                for (idx j = 0; j < PANEL; ++j)
                    weights[(p * PANEL + j) * apart + t * inputs + c] = sum[j];
            }
        }
        for (idx j = p * PANEL; bias && j < (p + 1) * PANEL; ++j)
            bias[j] = s->d_bias[j];
    }
}

void NAME(short_gradient)(const Short *s, const real *dy, real *weights, real *bias)
{
    clear_gradient(s);
    run_gradient(s, dy);
    keep_gradient(s, weights, bias);
}
