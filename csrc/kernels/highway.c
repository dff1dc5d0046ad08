/* highway.c - a stack of highway layers: a group of rows goes through all of them.
 *
 *   H = f(W_H x + b_H)   T = sigmoid(W_T x + b_T)   C = sigmoid(W_C x + b_C)
 *   y = H T + x C        coupled: C = 1 - T; open: T = C = 1; none: T = 1, C = 0
 *
 *   da_H = dy T f'   da_T = dy (H - x) T (1 - T)   dx = dy C + W_H' da_H + W_T' da_T
 *
 * Depth runs as time does in forward.c: a layer is a step with weights of its own, and
 * no group waits for another. Panels of weights are packed where they are used, near,
 * and all rows of the group go through them, a slab at a time. On the tape
 * stand, for each layer and row, x and H, T, C, in place of which backward leaves da.
 * The weights' gradients are then sums over all rows, in their order, each by one
 * thread.
 *
 * Srivastava, Greff, Schmidhuber: Training Very Deep Networks. NIPS 2015; H + x alone:
 * He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition. CVPR 2016. */
#include "depth.h"
#include "lanes.h"
#include "tables/highway_table.h"

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

/* Groups are as few as their height allows, and as many for each thread. */
static void cut_rows(Stack *s, int threads)
{
    const idx rows = s->call->rows,
              most = max_idx(SLAB, GROUP_BYTES / (s->x_row * (idx)sizeof(real)));
    s->groups = (rows + most - 1) / most;
    while (s->groups < rows && s->groups % threads > 0)
        ++s->groups;
    s->group_rows = s->groups ? (rows + s->groups - 1) / s->groups : 0;
}

Stack NAME(lay_out_stack)(const lstmc_highway *call, int given, int threads,
                          int backward, Arena *arena)
{
    Stack s = describe(call, given);
    cut_rows(&s, threads);
    s.poll = take(arena, 1, sizeof(Poll));
    const idx packed = TOGETHER * s.columns * (s.width + 1) * PANEL;
    const idx near = TOGETHER * s.slots * SLAB * PANEL;
    const idx gradient = (s.panels * UNITS + TOGETHER * CHUNK) * PANEL + CHUNK * UNITS;
    const idx rows = s.group_rows * s.x_row;
    s.scratch_size =
        backward ? max_idx(packed + rows, gradient) : packed + near + 2 * rows;
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

/* The rows of W of some units, at most a panel of them, side by side: (n, PANEL). */
static void pack_units(const real *w, idx n, idx units, real *to)
{
    if (units < PANEL)
        memset(to, 0, (size_t)(n * PANEL) * sizeof(real));
    for (idx k = 0; k < n; k += PANEL, w += PANEL, to += PANEL * PANEL) {
        const idx most = min_idx(PANEL, n - k);
        if (units == PANEL && most == PANEL)
            turn_square(w, n, 1, to, PANEL);
        else
            for (idx j = 0; j < units; ++j)
                for (idx i = 0; i < most; ++i)
                    to[i * PANEL + j] = w[j * n + i];
    }
}

/* Reals of a packed panel: (columns, PANEL) biases and (columns, n, PANEL) weights. */
static idx packed_panel(const Stack *s) { return s->columns * (s->n + 1) * PANEL; }

static void pack_panel(const Stack *s, int layer, idx p, real *packed)
{
    const idx n = s->n, units = min_idx(PANEL, n - p * PANEL);
    const real *w = weights_of(s, layer) + p * PANEL * n,
               *b = weights_of(s, layer) + s->columns * n * n + p * PANEL;
    real *to = packed + s->columns * PANEL;
    memset(packed, 0, (size_t)(s->columns * PANEL) * sizeof(real));
    for (int g = 0; g < s->columns; ++g, w += n * n, b += n, to += n * PANEL) {
        memcpy(packed + g * PANEL, b, (size_t)units * sizeof(real));
        pack_units(w, n, units, to);
    }
}

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

/* Rows of x through packed panels; a of theirs, one after the other, to near. */
static void fill_panels(const Stack *s, const real *packed, idx panels, real *near,
                        idx rows, const real *x)
{
    NAME(product)(&(Product){.rows = rows,
                             .panels = s->columns,
                             .groups = panels,
                             .a = x,
                             .a_row = s->x_row,
                             .runs = 1,
                             .run = s->n,
                             .b = packed + s->columns * PANEL,
                             .b_panel = s->n * PANEL,
                             .b_group = packed_panel(s),
                             .start = packed,
                             .start_panel = PANEL,
                             .start_group = packed_panel(s),
                             .c = near + s->given * rows * PANEL,
                             .c_panel = rows * PANEL,
                             .c_group = s->slots * rows * PANEL,
                             .c_row = PANEL});
}

/* near of a panel to y; x, given, y and saved start with its units. */
static void end_panel(const Stack *s, real *near, idx rows, const real *x,
                      const real *given, real *y, real *saved)
{
    vec *a = (vec *)near;
    if (s->given)
        for (idx r = 0; r < rows; ++r)
            memcpy(near + r * PANEL, given + r * s->x_row, LINE);
    else
        activate(s->call->activation, a, rows * VECS);
    activate(LSTMC_LOGISTIC, a + rows * VECS, (s->slots - 1) * rows * VECS);
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

/* Where a layer finds the rows of a group, and leaves them. */
typedef struct {
    const real *x, *given;
    real *y, *saved;
} Way;

/* Panels p .. p + panels of a layer for rows first .. first + rows of a group. */
static void run_panels(const Stack *s, const real *packed, real *near, idx p,
                       idx panels, const Way *way, idx first, idx rows)
{
    const real *x = way->x + first * s->x_row;
    fill_panels(s, packed, panels, near, rows, x);
    for (idx q = 0; q < panels; ++q) {
        const idx place = (p + q) * PANEL, at = first * s->x_row + place;
        end_panel(s, near + q * s->slots * rows * PANEL, rows, x + place,
                  way->given ? way->given + at : NULL, way->y + at,
                  way->saved ? way->saved + first * s->s_row + place : NULL);
    }
}

static void run_layer(const Stack *s, int layer, const Way *way, idx rows)
{
    real *packed = scratch_of(s), *near = packed + TOGETHER * packed_panel(s);
    for (idx p = 0; p < s->panels; p += TOGETHER) {
        const idx panels = min_idx(TOGETHER, s->panels - p);
        for (idx q = 0; q < panels; ++q)
            pack_panel(s, layer, p + q, packed + q * packed_panel(s));
        for (idx r = 0; r < rows; r += SLAB)
            run_panels(s, packed, near, p, panels, way, r, min_idx(SLAB, rows - r));
    }
}

static void run_group(const Stack *s, idx row, idx rows)
{
    const lstmc_highway *call = s->call;
    real *own = scratch_of(s) + TOGETHER * (packed_panel(s) + s->slots * SLAB * PANEL);
    real *other = own + s->group_rows * s->x_row;
    real *x = call->tape ? x_on_tape(s, 0, row) : own;
    widen(s, (const real *)call->x + row * s->n, x, rows, s->x_row);
    if (s->given) /* y may take its place: a unit's h is read before its y is there */
        widen(s, (const real *)call->h + row * s->n, other, rows, s->x_row);
    for (int layer = 0; layer < call->layers; ++layer) {
        const int last = layer == call->layers - 1;
        real *y = call->tape && !last ? x_on_tape(s, layer + 1, row)
                  : x == own          ? other
                                      : own;
        if (!goes_on(s, step_work(s, rows)))
            return;
        run_layer(s, layer,
                  &(Way){.x = x,
                         .given = s->given ? other : NULL,
                         .y = y,
                         .saved = call->tape ? s_on_tape(s, layer, row) : NULL},
                  rows);
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
#pragma omp for schedule(static)
        for (idx group = 0; group < s.groups; ++group)
            run_group(&s, first_row(&s, group),
                      first_row(&s, group + 1) - first_row(&s, group));
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
