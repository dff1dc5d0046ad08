/* mix.c - queries, keys and values by blocks of four channels, and what gates them.
 *
 *   q, k = W_q a, W_k a         a: after the convolution
 *   v = W_v x                   x: before it
 *   i, f = w [q, k, v] + b      one of each a head */
#include "rowwise.h"

#define MIXED LSTMC_MIXED

typedef real four __attribute__((vector_size(MIXED * sizeof(real)), may_alias));
typedef real loose_four __attribute__((vector_size(MIXED * sizeof(real)),
                                       aligned(sizeof(real)), may_alias));

/* Macros: a function with such a vector would have another ABI in each target. */
#define get_four(x) ((four) * (const loose_four *)(x))
#define put_four(x, value) (*(loose_four *)(x) = (value))

/* y = W x of some rows, one of q, k and v. */
static void map_rows(const real *w, const real *x, idx x_row, real *y, idx rows,
                     idx width)
{
    for (idx j = 0; j < width; j += MIXED, w += MIXED * MIXED) {
        const four w0 = {w[0], w[4], w[8], w[12]}, w1 = {w[1], w[5], w[9], w[13]};
        const four w2 = {w[2], w[6], w[10], w[14]}, w3 = {w[3], w[7], w[11], w[15]};
        for (idx r = 0; r < rows; ++r) {
            const real *at = x + r * x_row + j;
            put_four(y + r * width + j,
                     at[0] * w0 + at[1] * w1 + at[2] * w2 + at[3] * w3);
        }
    }
}

/* dx = W' dy, or added to it. */
static void map_back(const real *w, const real *dy, real *dx, idx dx_row, int add,
                     idx rows, idx width)
{
    for (idx j = 0; j < width; j += MIXED, w += MIXED * MIXED) {
        const four w0 = get_four(w), w1 = get_four(w + MIXED);
        const four w2 = get_four(w + 2 * MIXED), w3 = get_four(w + 3 * MIXED);
        for (idx r = 0; r < rows; ++r) {
            const real *at = dy + r * width + j;
            real *to = dx + r * dx_row + j;
            four out = at[0] * w0 + at[1] * w1 + at[2] * w2 + at[3] * w3;
            if (add)
                out += get_four(to);
            put_four(to, out);
        }
    }
}

/* Gates at once: as many sums in flight. */
#define BESIDE 4

/* `count` gates of a row, g and those behind it. */
ALWAYS_INLINE void gate_row(const lstmc_mix *c, real *const *y, idx row, idx r, idx g,
                            const int count)
{
    const idx width = c->width;
    vec sum[BESIDE];
    EACH (k, count)
        sum[k] = splat(0);
    for (int part = 0; part < 3; ++part) {
        const real *x = y[part] + r * width;
        const real *w = (const real *)c->gates_w + (3 * g + part) * width;
        EACH_LEFT (j, n, width) {
            const vec in = get(x + j, n);
            EACH (k, count)
                sum[k] += in * get(w + 3 * k * width + j, n);
        }
    }
    EACH (k, count) {
        real *to = c->gates[(g + k) / c->heads];
        to[row * c->heads + (g + k) % c->heads] =
            ((const real *)c->gates_b)[g + k] + sum_of(sum[k]);
    }
}

JOB(mix_forward)
{
    (void)thread;
    const lstmc_mix *c = call;
    const FloatMode mode = flush_denormals();
    const idx first = k * ROW_BLOCK, width = c->width, heads = c->heads;
    const idx rows = min_idx(ROW_BLOCK, c->rows - first);
    const real *a = (const real *)c->a + first * width;
    const real *x = (const real *)c->x + first * c->x_row;
    real *y[3];
    EACH (part, 3)
        y[part] = (real *)c->y[part] + first * width;
    map_rows(c->w[0], a, width, y[0], rows, width);
    map_rows(c->w[1], a, width, y[1], rows, width);
    map_rows(c->w[2], x, c->x_row, y[2], rows, width);
    for (idx r = 0; r < rows; ++r) {
        idx g = 0;
        for (; g + BESIDE <= 2 * heads; g += BESIDE)
            gate_row(c, y, first + r, r, g, BESIDE);
        for (; g < 2 * heads; ++g)
            gate_row(c, y, first + r, r, g, 1);
    }
    restore_mode(mode);
}

/* What comes through the gates, onto the gradients of q, k and v. */
static void add_gates(const lstmc_mix *c, idx first, idx rows, real *const *dy)
{
    for (idx r = 0; r < rows; ++r)
        for (idx g = 0; g < 2 * c->heads; ++g) {
            const real *d_gates = c->d_gates[g / c->heads];
            const real d = d_gates[(first + r) * c->heads + g % c->heads];
            for (int part = 0; part < 3; ++part) {
                const real *w = (const real *)c->gates_w + (3 * g + part) * c->width;
                EACH_LEFT (j, n, c->width)
                    put_sum(dy[part] + r * c->width + j, n, d * get(w + j, n));
            }
        }
}

/* dw += dy x' in blocks, of q, k or v. */
static void add_blocks_of(const real *x, idx x_row, const real *dy, real *dw, idx rows,
                          idx width)
{
    for (idx j = 0; j < width; j += MIXED, dw += MIXED * MIXED) {
        four sum[MIXED];
        EACH (o, MIXED)
            sum[o] = get_four(dw + o * MIXED);
        for (idx r = 0; r < rows; ++r) {
            const four in = get_four(x + r * x_row + j);
            EACH (o, MIXED)
                sum[o] += dy[r * width + j + o] * in;
        }
        EACH (o, MIXED)
            put_four(dw + o * MIXED, sum[o]);
    }
}

/* The same of the weights of the gates, and of their biases behind them. */
static void add_gate_weights(const lstmc_mix *c, idx first, idx rows, real *dw)
{
    const idx width = c->width, heads = c->heads;
    real *db = dw + 6 * heads * width;
    for (idx g = 0; g < 2 * heads; ++g) {
        const real *d = (const real *)c->d_gates[g / heads] + first * heads + g % heads;
        for (idx r = 0; r < rows; ++r)
            db[g] += d[r * heads];
        for (int part = 0; part < 3; ++part) {
            const real *y = (const real *)c->y[part] + first * width;
            real *to = dw + (3 * g + part) * width;
            EACH_LEFT (j, n, width) {
                vec sum = get(to + j, n);
                for (idx r = 0; r < rows; ++r)
                    sum += d[r * heads] * get(y + r * width + j, n);
                put(to + j, n, sum);
            }
        }
    }
}

/* Rows of a block that are in the cache for all that is done with them. */
#define FEW 16

JOB(mix_backward)
{
    (void)thread;
    const RowSums *s = call;
    const lstmc_mix *c = s->call;
    const FloatMode mode = flush_denormals();
    const idx width = c->width;
    const Block b = block_of(s, k, c->rows);
    for (idx first = b.first; first < b.end; first += FEW) {
        const idx rows = min_idx(FEW, b.end - first);
        const real *a = (const real *)c->a + first * width;
        const real *x = (const real *)c->x + first * c->x_row;
        real *da = (real *)c->da + first * width, *dy[3];
        real *dx = (real *)c->dx + first * c->dx_row;
        EACH (part, 3)
            dy[part] = (real *)c->dy[part] + first * width;
        add_gates(c, first, rows, dy);
        map_back(c->w[0], dy[0], da, width, 1, rows, width);
        map_back(c->w[1], dy[1], da, width, 1, rows, width);
        map_back(c->w[2], dy[2], dx, c->dx_row, 0, rows, width);
        add_blocks_of(a, width, dy[0], b.sums, rows, width);
        add_blocks_of(a, width, dy[1], b.sums + MIXED * width, rows, width);
        add_blocks_of(x, c->x_row, dy[2], b.sums + 2 * MIXED * width, rows, width);
        add_gate_weights(c, first, rows, b.sums + 3 * MIXED * width);
    }
    restore_mode(mode);
}
