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

static real dot(const real *x, const real *w, idx width)
{
    vec sum = {0};
    EACH_LEFT(j, n, width)
    sum += get(x + j, n) * get(w + j, n);
    return sum_of(sum);
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
    const real *w = c->gates_w, *b = c->gates_b;
    for (idx r = 0; r < rows; ++r)
        for (idx g = 0; g < 2 * heads; ++g) {
            real gate = b[g];
            EACH (part, 3)
                gate += dot(y[part] + r * width, w + (3 * g + part) * width, width);
            real *to = c->gates[g / heads];
            to[(first + r) * heads + g % heads] = gate;
        }
    restore_mode(mode);
}

JOB(mix_backward)
{
    (void)thread;
    const lstmc_mix *c = call;
    const FloatMode mode = flush_denormals();
    const idx first = k * ROW_BLOCK, width = c->width, heads = c->heads;
    const idx rows = min_idx(ROW_BLOCK, c->rows - first);
    real *dy[3];
    EACH (part, 3)
        dy[part] = (real *)c->dy[part] + first * width;
    for (idx r = 0; r < rows; ++r)
        for (idx g = 0; g < 2 * heads; ++g) {
            const real *d_gates = c->d_gates[g / heads];
            const real d = d_gates[(first + r) * heads + g % heads];
            for (int part = 0; part < 3; ++part) {
                const real *w = (const real *)c->gates_w + (3 * g + part) * width;
                EACH_LEFT(j, n, width)
                put_sum(dy[part] + r * width + j, n, d * get(w + j, n));
            }
        }
    real *da = (real *)c->da + first * width, *dx = (real *)c->dx + first * c->dx_row;
    map_back(c->w[0], dy[0], da, width, 1, rows, width);
    map_back(c->w[1], dy[1], da, width, 1, rows, width);
    map_back(c->w[2], dy[2], dx, c->dx_row, 0, rows, width);
    restore_mode(mode);
}

/* One block of W, over all rows. */
static void block_gradient(const lstmc_mix *c, int part, idx j)
{
    const real *x = part < 2 ? c->a : c->x, *dy = c->dy[part];
    const idx x_row = part < 2 ? c->width : c->x_row;
    four sum[MIXED] = {{0}};
    for (idx r = 0; r < c->rows; ++r) {
        const four in = get_four(x + r * x_row + j);
        EACH (o, MIXED)
            sum[o] += dy[r * c->width + j + o] * in;
    }
    EACH (o, MIXED)
        put_four((real *)c->dw[part] + j * MIXED + o * MIXED, sum[o]);
}

/* Columns of the gates' weights, over all rows. */
static void gate_gradient(const lstmc_mix *c, int part, idx g, idx j, idx n)
{
    const real *y = c->y[part], *d_gates = c->d_gates[g / c->heads];
    vec sum = {0};
    for (idx r = 0; r < c->rows; ++r)
        sum += d_gates[r * c->heads + g % c->heads] * get(y + r * c->width + j, n);
    put((real *)c->d_gates_w + (3 * g + part) * c->width + j, n, sum);
}

/* A line of columns; the first also sums the gradients of the gates' biases. */
JOB(mix_weights)
{
    (void)thread;
    const lstmc_mix *c = call;
    const FloatMode mode = flush_denormals();
    const idx first = k * PANEL, end = min_idx(c->width, first + PANEL);
    for (int part = 0; part < 3; ++part) {
        for (idx j = first; j < end; j += MIXED)
            block_gradient(c, part, j);
        for (idx g = 0; g < 2 * c->heads; ++g)
            for (idx j = first; j < end; j += LANES)
                gate_gradient(c, part, g, j, end - j);
    }
    for (idx g = 0; k == 0 && g < 2 * c->heads; ++g) {
        const real *d_gates = c->d_gates[g / c->heads];
        real sum = 0;
        for (idx r = 0; r < c->rows; ++r)
            sum += d_gates[r * c->heads + g % c->heads];
        ((real *)c->d_gates_b)[g] = sum;
    }
    restore_mode(mode);
}
