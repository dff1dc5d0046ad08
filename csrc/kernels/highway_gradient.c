/* highway_gradient.c - the way back through a stack of highway layers.
 *
 * First the groups, each from the last layer to the first: da in place of H, T and C,
 * and dx. Then the weights, as deep products over all rows: dW = da x'. A thread has
 * those of some units of one of W_H, W_T, W_C, and adds row after row, so that no sum
 * depends on who else is at work. */
#include "depth.h"

/* What a panel of inputs gives to all units: (columns, width, PANEL). */
static void pack_inputs(const Stack *s, int layer, idx q, real *to)
{
    const idx n = s->n, inputs = min_idx(PANEL, n - q * PANEL);
    const real *w = weights_of(s, layer) + q * PANEL;
    memset(to, 0, (size_t)(s->columns * s->width * PANEL) * sizeof(real));
    for (int g = 0; g < s->columns; ++g, to += (s->width - n) * PANEL)
        for (idx u = 0; u < n; ++u, w += n, to += PANEL)
            for (idx j = 0; j < inputs; ++j)
                to[j] = w[j];
}

/* --- the groups ------------------------------------------------------------------- */

/* f' by f; what is NaN stays NaN. */
ALWAYS_INLINE vec slope(const int activation, vec h)
{
    const vec one = splat(1);
    if (activation == LSTMC_TANH)
        return one - h * h;
    if (activation == LSTMC_RELU)
        return choose(h <= splat(0), splat(0), one);
    if (activation == LSTMC_LOGISTIC)
        return h * (one - h);
    return one;
}

/* One row: dy becomes dy C, and H, T and C become da. */
ALWAYS_INLINE void pull_row(const Stack *s, const int gates, const int activation,
                            const vec *x, vec *h, vec *d)
{
    const idx count = s->width / LANES;
    const int gated = gates == LSTMC_GATES_COUPLED || gates == LSTMC_GATES_SEPARATE;
    vec *t = h + gated * count;
    vec *c = gates == LSTMC_GATES_SEPARATE ? t + count : t;
    for (idx j = 0; j < count; ++j) {
        const vec dy = d[j], own = h[j], f = slope(activation, own);
        if (!gated) {
            h[j] = dy * f;
            continue;
        }
        const vec open = t[j], carry = c[j], one = splat(1);
        vec gain = own, kept = carry;
        if (gates == LSTMC_GATES_COUPLED)
            gain = own - x[j], kept = one - open;
        h[j] = dy * open * f;
        t[j] = dy * gain * (open * (one - open));
        if (gates == LSTMC_GATES_SEPARATE)
            c[j] = dy * x[j] * (carry * (one - carry));
        d[j] = dy * kept;
    }
}

ALWAYS_INLINE void pull_rows(const Stack *s, const int gates, const int activation,
                             const real *x, real *h, real *d, idx rows)
{
    for (idx r = 0; r < rows; ++r)
        pull_row(s, gates, activation, (const vec *)(x + r * s->x_row),
                 (vec *)(h + r * s->s_row), (vec *)(d + r * s->x_row));
}

ALWAYS_INLINE void pull_slab(const Stack *s, const int gates, const real *x, real *h,
                             real *d, idx rows)
{
    switch (s->given ? LSTMC_IDENTITY : s->call->activation) {
    case LSTMC_TANH:
        pull_rows(s, gates, LSTMC_TANH, x, h, d, rows);
        break;
    case LSTMC_RELU:
        pull_rows(s, gates, LSTMC_RELU, x, h, d, rows);
        break;
    case LSTMC_LOGISTIC:
        pull_rows(s, gates, LSTMC_LOGISTIC, x, h, d, rows);
        break;
    default:
        pull_rows(s, gates, LSTMC_IDENTITY, x, h, d, rows);
    }
}

static void pull_gates(const Stack *s, const real *x, real *h, real *d, idx rows)
{
    switch (s->call->gates) {
    case LSTMC_GATES_COUPLED:
        pull_slab(s, LSTMC_GATES_COUPLED, x, h, d, rows);
        break;
    case LSTMC_GATES_SEPARATE:
        pull_slab(s, LSTMC_GATES_SEPARATE, x, h, d, rows);
        break;
    default:
        pull_slab(s, LSTMC_GATES_NONE, x, h, d, rows);
    }
}

/* d += W' da; without a carry path it starts from nothing. */
static void add_inputs(const Stack *s, int layer, const real *h, real *d, idx rows)
{
    const int carries = s->call->gates != LSTMC_GATES_NONE;
    const idx depth = s->columns * s->width;
    real *packed = scratch_of(s);
    for (idx p = 0; p < s->panels; p += TOGETHER, d += TOGETHER * PANEL) {
        const idx panels = min_idx(TOGETHER, s->panels - p);
        for (idx q = 0; q < panels; ++q)
            pack_inputs(s, layer, p + q, packed + q * depth * PANEL);
        NAME(product)(&(Product){.rows = rows,
                                 .panels = panels,
                                 .groups = 1,
                                 .a = h + s->given * s->width,
                                 .a_row = s->s_row,
                                 .runs = 1,
                                 .run = depth,
                                 .b = packed,
                                 .b_panel = depth * PANEL,
                                 .start = carries ? d : no_start(),
                                 .start_panel = carries ? PANEL : 0,
                                 .start_row = carries ? s->x_row : 0,
                                 .c = d,
                                 .c_panel = PANEL,
                                 .c_row = s->x_row});
    }
}

static void pull_through(const Stack *s, idx row, idx rows)
{
    const lstmc_highway *call = s->call;
    real *d = scratch_of(s) + TOGETHER * s->columns * (s->width + 1) * PANEL;
    widen(s, (const real *)call->dy + row * s->n, d, rows, s->x_row);
    for (int layer = call->layers - 1; layer >= 0; --layer) {
        real *h = s_on_tape(s, layer, row);
        if (!goes_on(s, step_work(s, rows)))
            return;
        pull_gates(s, x_on_tape(s, layer, row), h, d, rows);
        if (s->given)
            narrow(s, h, s->s_row, (real *)call->dh + row * s->n, rows);
        if (layer > 0 || call->dx)
            add_inputs(s, layer, h, d, rows);
    }
    if (call->dx)
        narrow(s, d, s->x_row, (real *)call->dx + row * s->n, rows);
}

/* --- the weights ----------------------------------------------------------------- */

/* Some units of one of a layer's matrices. */
typedef struct {
    int layer, column;
    idx first, units;
} Block;

static Block block_of(const Stack *s, idx item)
{
    const idx each = (s->n + UNITS - 1) / UNITS, column = item / each;
    const idx first = item % each * UNITS;
    return (Block){(int)(column / s->columns), (int)(column % s->columns), first,
                   min_idx(UNITS, s->n - first)};
}

/* da of some rows into blocks (depth, TILE_ROWS), and its sum onto db. */
static void pack_block(const Stack *s, const Block *b, idx row, idx depth, real *to,
                       real *db)
{
    const idx slot = (b->column + s->given) * s->width + b->first;
    for (idx r = 0; r < depth; ++r) {
        const real *da = s_on_tape(s, b->layer, row + r) + slot;
        for (idx u = 0; u < b->units; ++u)
            db[u] += da[u];
        for (idx u = 0; u < b->units; u += TILE_ROWS)
            for (idx j = 0; j < TILE_ROWS; ++j)
                to[u * depth + r * TILE_ROWS + j] = u + j < b->units ? da[u + j] : 0;
    }
}

static void gather_panel(const Stack *s, int layer, idx row, idx depth, idx q, real *to)
{
    for (idx r = 0; r < depth; ++r)
        memcpy(to + r * PANEL, x_on_tape(s, layer, row + r) + q * PANEL, LINE);
}

static void weight_gradient(const Stack *s, const Block *b)
{
    const idx n = s->n, rows = s->call->rows, size = s->panels * UNITS * PANEL;
    real *sum = scratch_of(s), *da = sum + size; /* (panels, UNITS, PANEL) */
    real *x = da + CHUNK * UNITS; /* (TOGETHER, CHUNK, PANEL) */
    real *to = (real *)s->call->gradient + b->layer * s->layer_size;
    real *dw = to + (b->column * n + b->first) * n;
    real *db = to + s->columns * n * n + b->column * n + b->first;
    memset(sum, 0, (size_t)size * sizeof(real));
    memset(db, 0, (size_t)b->units * sizeof(real));
    for (idx row = 0; row < rows; row += CHUNK) {
        const idx depth = min_idx(CHUNK, rows - row);
        if (!goes_on(s, 2.0 * (double)(depth * b->units * n)))
            return;
        pack_block(s, b, row, depth, da, db);
        for (idx p = 0; p < s->panels; p += TOGETHER) {
            const idx panels = min_idx(TOGETHER, s->panels - p);
            for (idx q = 0; q < panels; ++q)
                gather_panel(s, b->layer, row, depth, p + q, x + q * CHUNK * PANEL);
            NAME(outer_product)(&(Outer){.a = da,
                                         .a_block = depth * TILE_ROWS,
                                         .b = x,
                                         .b_panel = CHUNK * PANEL,
                                         .depth = depth,
                                         .rows = b->units,
                                         .panels = panels,
                                         .c = sum + p * UNITS * PANEL,
                                         .c_panel = UNITS * PANEL});
        }
    }
    for (idx u = 0; u < b->units; ++u)
        for (idx q = 0; q < s->panels; ++q)
            memcpy(dw + u * n + q * PANEL, sum + (q * UNITS + u) * PANEL,
                   (size_t)min_idx(PANEL, n - q * PANEL) * sizeof(real));
}

int NAME(highway_backward)(const lstmc_highway *call, int threads, void *memory)
{
    Arena arena = {.base = memory};
    const Stack s = NAME(lay_out_stack)(call, call->given, threads, 1, &arena);
    const idx blocks = call->layers * s.columns * ((s.n + UNITS - 1) / UNITS);
    *s.poll = (Poll){.ask = call->poll, .data = call->poll_data};
#pragma omp parallel num_threads(threads)
    {
        const FloatMode mode = flush_denormals();
#pragma omp for schedule(static)
        for (idx group = 0; group < s.groups; ++group)
            pull_through(&s, first_row(&s, group),
                         first_row(&s, group + 1) - first_row(&s, group));
#pragma omp for schedule(static)
        for (idx item = 0; item < blocks; ++item) {
            const Block block = block_of(&s, item);
            if (!atomic_load(&s.poll->stopped))
                weight_gradient(&s, &block);
        }
        restore_mode(mode);
    }
    return atomic_load(&s.poll->stopped) ? LSTMC_STOPPED : LSTMC_OK;
}
