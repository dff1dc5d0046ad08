/* highway.c - a stack of highway layers: a slab of rows goes through all of them.
 *
 *   H = f(W_H x + b_H)   T = sigmoid(W_T x + b_T)   C = sigmoid(W_C x + b_C)
 *   y = H T + x C        coupled: C = 1 - T; open: T = C = 1; none: T = 1, C = 0
 *
 *   da_H = dy T f'   da_T = dy (H - x) T (1 - T)   dx = dy C + W_H' da_H + W_T' da_T
 *
 * Depth runs as time does in forward.c: a layer is a step whose weights are its own, and
 * no slab waits for another. On the tape stands for each layer and row x, and H, T and
 * C, in place of which backward leaves da. The weights' gradients are then sums over
 * all rows, in their order, each by one thread.
 *
 * Srivastava, Greff, Schmidhuber: Training Very Deep Networks. NIPS 2015; H + x alone:
 * He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition. CVPR 2016. */
#include "depth.h"
#include "highway.h"

/* An odd number of lines, so that the rows do not share the sets of a cache. */
static idx row_size(idx panels) { return (panels | 1) * PANEL; }

static Stack describe(const lstmc_highway *call, int given)
{
    Stack s = {.call = call, .n = call->size, .given = given};
    s.panels = panels_of(s.n);
    s.width = s.panels * PANEL;
    s.columns = highway_columns(call, given);
    s.slots = s.columns + given;
    s.x_row = row_size(s.panels);
    s.s_row = row_size(s.slots * s.panels);
    s.x_layer = call->rows * s.x_row;
    s.s_layer = call->rows * s.s_row;
    s.layer_size = s.columns * s.n * (s.n + 1);
    return s;
}

static idx tape_size(const lstmc_highway *call)
{
    const Stack s = describe(call, 0);
    return call->layers * (s.x_layer + s.s_layer);
}

/* Slabs are as few as their height allows, and as many for one thread as for another. */
static idx count_slabs(idx rows, int threads)
{
    idx slabs = (rows + SLAB - 1) / SLAB;
    while (slabs < rows && slabs % threads > 0)
        ++slabs;
    return slabs;
}

Stack NAME(lay_out_stack)(const lstmc_highway *call, int given, int threads,
                          int backward, Arena *arena)
{
    Stack s = describe(call, given);
    s.slabs = count_slabs(call->rows, threads);
    s.poll = take(arena, 1, sizeof(Poll));
    s.packed_layer = s.columns * s.panels * PANEL * (backward ? s.width : s.n);
    s.packed = take(arena, call->layers * s.packed_layer, sizeof(real));
    s.bias =
        take(arena, backward ? 0 : call->layers * s.columns * s.width, sizeof(real));
    const idx near = s.slots * SLAB * PANEL, gradient = CHUNK * (UNITS + PANEL);
    s.scratch_size = backward
                         ? max_idx(SLAB * s.x_row, gradient + s.panels * UNITS * PANEL)
                         : near + 2 * SLAB * s.x_row;
    s.scratch_size = panels_of(s.scratch_size) * PANEL;
    s.scratch = take(arena, threads * s.scratch_size, sizeof(real));
    return s;
}

static idx workspace(const lstmc_highway *call, int threads, int backward)
{
    Arena arena = {0};
    NAME(lay_out_stack)(call, backward ? call->given : call->h != NULL, threads,
                        backward, &arena);
    return arena.used;
}

/* --- packing: by the whole team -------------------------------------------------- */

/* The rows of W of a panel of units, side by side: (n, PANEL). */
static void pack_panel(const real *w, idx n, idx units, real *to)
{
    for (idx k = 0; k < n; k += PANEL) {
        const idx most = min_idx(PANEL, n - k);
        for (idx j = 0; j < PANEL; ++j)
            for (idx i = 0; i < most; ++i)
                to[(k + i) * PANEL + j] = j < units ? w[j * n + k + i] : 0;
    }
}

/* packed: (panels, columns, n, PANEL) */
static void pack(const Stack *s)
{
    const idx n = s->n, each = s->panels * s->columns;
#pragma omp for schedule(static)
    for (idx item = 0; item < s->call->layers * each; ++item) {
        const idx layer = item / each, p = item % each / s->columns,
                  g = item % s->columns;
        const idx units = min_idx(PANEL, n - p * PANEL);
        const real *w = weights_of(s, (int)layer),
                   *b = w + s->columns * n * n + g * n + p * PANEL;
        pack_panel(w + (g * n + p * PANEL) * n, n, units, s->packed + item * n * PANEL);
        real *bias = s->bias + item * PANEL;
        for (idx j = 0; j < PANEL; ++j)
            bias[j] = j < units ? b[j] : 0;
    }
}

/* --- forward --------------------------------------------------------------------- */

static void activate(int activation, vec *a, idx count)
{
    switch (activation) {
    case LSTMC_TANH:
        for (idx j = 0; j < count; ++j)
            a[j] = tanh_(a[j]);
        break;
    case LSTMC_RELU:
        for (idx j = 0; j < count; ++j)
            a[j] = max_(splat(0), a[j]);
        break;
    case LSTMC_LOGISTIC:
        for (idx j = 0; j < count; ++j)
            a[j] = sigmoid(a[j]);
        break;
    }
}

ALWAYS_INLINE vec way_out(const int gates, vec h, vec t, vec c, vec x)
{
    if (gates == LSTMC_GATES_COUPLED)
        return (h - x) * t + x;
    if (gates == LSTMC_GATES_SEPARATE)
        return h * t + x * c;
    if (gates == LSTMC_GATES_OPEN)
        return h + x;
    return h;
}

/* near (slots, rows, PANEL), squashed; x and y are one panel of their rows, and so is
 * saved, NULL: inference. */
ALWAYS_INLINE void mix(const Stack *s, const int gates, const vec *near, idx rows,
                       const real *x, real *y, real *saved)
{
    const idx slot =
        gates == LSTMC_GATES_COUPLED || gates == LSTMC_GATES_SEPARATE ? rows * VECS : 0;
    const idx carry = gates == LSTMC_GATES_SEPARATE ? 2 * slot : 0;
    for (idx r = 0; r < rows; ++r, near += VECS, x += s->x_row, y += s->x_row) {
        EACH_VECTOR (j) {
            const vec h = near[j], t = near[slot + j], c = near[carry + j];
            ((vec *)y)[j] = way_out(gates, h, t, c, ((const vec *)x)[j]);
            for (int k = 0; saved && k < s->slots; ++k)
                ((vec *)(saved + k * s->width))[j] = near[k * slot + j];
        }
        if (saved)
            saved += s->s_row;
    }
}

static void run_panel(const Stack *s, int layer, idx p, real *near, idx rows,
                      const real *x, const real *given, real *y, real *saved)
{
    const idx item = layer * s->panels + p;
    NAME(product)(&(Product){.rows = rows,
                             .panels = s->columns,
                             .groups = 1,
                             .a = x,
                             .a_row = s->x_row,
                             .runs = 1,
                             .run = s->n,
                             .b = s->packed + item * s->columns * s->n * PANEL,
                             .b_panel = s->n * PANEL,
                             .start = s->bias + item * s->columns * PANEL,
                             .start_panel = PANEL,
                             .c = near + s->given * rows * PANEL,
                             .c_panel = rows * PANEL,
                             .c_row = PANEL});
    vec *a = (vec *)near;
    if (s->given)
        for (idx r = 0; r < rows; ++r)
            memcpy(near + r * PANEL, given + r * s->x_row + p * PANEL, LINE);
    else
        activate(s->call->activation, a, rows * VECS);
    activate(LSTMC_LOGISTIC, a + rows * VECS, (s->slots - 1) * rows * VECS);
    x += p * PANEL, y += p * PANEL, saved += saved ? p * PANEL : 0;
    switch (s->call->gates) {
    case LSTMC_GATES_COUPLED:
        mix(s, LSTMC_GATES_COUPLED, a, rows, x, y, saved);
        break;
    case LSTMC_GATES_SEPARATE:
        mix(s, LSTMC_GATES_SEPARATE, a, rows, x, y, saved);
        break;
    case LSTMC_GATES_OPEN:
        mix(s, LSTMC_GATES_OPEN, a, rows, x, y, saved);
        break;
    default:
        mix(s, LSTMC_GATES_NONE, a, rows, x, y, saved);
    }
}

static void run_slab(const Stack *s, idx row, idx rows)
{
    const lstmc_highway *call = s->call;
    real *near = scratch_of(s), *own = near + s->slots * SLAB * PANEL;
    real *other = own + SLAB * s->x_row;
    real *x = call->tape ? x_on_tape(s, 0, row) : own;
    widen(s, (const real *)call->x + row * s->n, x, rows, s->x_row);
    if (s->given)
        widen(s, (const real *)call->h + row * s->n, other, rows, s->x_row);
    const real *given = s->given ? other : NULL;
    for (int layer = 0; layer < call->layers; ++layer) {
        const int last = layer == call->layers - 1;
        real *y = call->tape && !last ? x_on_tape(s, layer + 1, row)
                  : x == own          ? other
                                      : own;
        real *saved = call->tape ? s_on_tape(s, layer, row) : NULL;
        if (!goes_on(s, step_work(s, rows)))
            return;
        for (idx p = 0; p < s->panels; ++p)
            run_panel(s, layer, p, near, rows, x, given, y, saved);
        x = y;
    }
    narrow(s, x, s->x_row, (real *)call->y + row * s->n, rows);
}

static int forward(const lstmc_highway *call, int threads, void *memory)
{
    Arena arena = {.base = memory};
    const Stack s = NAME(lay_out_stack)(call, call->h != NULL, threads, 0, &arena);
    *s.poll = (Poll){.ask = call->poll, .data = call->poll_data};
#pragma omp parallel num_threads(threads)
    {
        const FloatMode mode = flush_denormals();
        pack(&s);
#pragma omp for schedule(static)
        for (idx slab = 0; slab < s.slabs; ++slab) {
            const idx row = slab * call->rows / s.slabs,
                      end = (slab + 1) * call->rows / s.slabs;
            run_slab(&s, row, end - row);
        }
        restore_mode(mode);
    }
    return atomic_load(&s.poll->stopped) ? LSTMC_STOPPED : LSTMC_OK;
}

const HighwayKernels NAME(highway_kernels) = {
    .tape_size = tape_size,
    .workspace = workspace,
    .forward = forward,
    .backward = NAME(highway_backward),
};
