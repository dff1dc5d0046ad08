/* mlstm_forward.c - a sample through one head of a matrix memory, chunk by chunk.
 *
 *   W_ts = exp(log of the weight of input s at step t), 0 for s > t
 *   S = (Q K') * W                       N = S 1 + w Q n0        w: that of C0 at t
 *   H = ([w Q, S] [C0'; V]) / D          D = max(|N|, exp(-m)) + epsilon
 *   C1 = w C0 + (W_last V)' K            n1 = w n0 + W_last' K
 *
 * One chunk of all steps is the parallel form. Rows of a chunk go in strips, each with
 * the inputs up to its own end, so that a chunk takes memory linear in its steps. */
#include <math.h>

#include "mlstm.h"

typedef struct {
    idx steps; /* of a chunk at most, rounded up */
    real *keys;   /* (panels of steps, d_k, PANEL) */
    real *values; /* (v_panels, d_k + steps, PANEL): C0', then V */
    real *left;   /* (STRIP, k_width + steps): w Q, then S */
    real *h;      /* (STRIP, v_width) */
    real *weight; /* (steps) */
    Gates gates;
} Chunk;

static Chunk lay_out(const Memory *s, Arena *arena)
{
    Chunk c = {.steps = whole(s->chunk)};
    c.keys = take(arena, c.steps * s->d_k, sizeof(real));
    c.values = take(arena, s->v_width * (s->d_k + c.steps), sizeof(real));
    c.left = take(arena, STRIP * (s->k_width + c.steps), sizeof(real));
    c.h = take(arena, STRIP * s->v_width, sizeof(real));
    c.weight = take(arena, c.steps, sizeof(real));
    c.gates = NAME(lay_out_gates)(s->chunk, arena);
    return c;
}

idx NAME(memory_forward_scratch)(const Memory *s, Arena *arena)
{
    lay_out(s, arena);
    return arena->used;
}

static idx panel_of(const Memory *s, const Chunk *c)
{
    return (s->d_k + c->steps) * PANEL;
}

/* C' of all panels between a state and the chunk. */
static void move_state(const Memory *s, const Chunk *c, real *state, int out)
{
    const size_t bytes = (size_t)(s->d_k * PANEL) * sizeof(real);
    for (idx p = 0; p < s->v_panels; ++p) {
        real *own = c->values + p * panel_of(s, c), *other = state + p * s->d_k * PANEL;
        memcpy(out ? other : own, out ? own : other, bytes);
    }
}

/* Whether all of V is finite: 0 times what is not would reach the steps before. */
static int is_finite(const Memory *s, const Chunk *c, idx steps)
{
    vec sum = {0};
    for (idx p = 0; p < s->v_panels; ++p) {
        const real *v = c->values + p * panel_of(s, c) + s->d_k * PANEL;
        for (idx j = 0; j < steps * PANEL; j += LANES)
            sum += *(const vec *)(v + j) * R(0);
    }
    return sum_of(sum) == 0;
}

/* S in place of Q K' at step t, and its sum. */
static real weigh(const Chunk *c, real *row, idx t, idx n)
{
    vec sum = {0};
    for (idx j = 0; j < n; j += LANES) {
        vec *x = (vec *)(row + j);
        const vec w = next_weights(c->weight, &c->gates, t, j);
        *x = choose(w == splat(0), splat(0), *x * w);
        sum += *x;
    }
    return sum_of(sum);
}

/* Rows r .. r + rows of the chunk that starts with step t. */
static void run_strip(const Memory *s, const Chunk *c, idx t, idx r, idx rows,
                      const real *n0)
{
    const lstmc_memory_call *call = s->call;
    const idx seen = r + rows, width = s->k_width + c->steps;
    const real *q = row_of(s, call->q, t + r, s->d_k);
    real *S = c->left + s->k_width, over[STRIP];
    multiply(q, call->q.row, rows, c->keys, s->d_k * PANEL, panels_of(seen), s->d_k, S,
             width);
    for (idx j = 0; j < rows; ++j) {
        const real *own = q + j * call->q.row;
        real sum = weigh(c, S + j * width, r + j, whole(seen));
        const real w = c->gates.first[r + j];
        if (n0) {
            sum += w * dot(own, n0, s->d_k);
            /* Up to S, which goes on from there. */
            scale_row(own, w, S + j * width - s->d_k, s->d_k);
        }
        sum = sum < 0 ? -sum : sum;
        const real least = c->gates.floor[r + j];
        over[j] =
            s->of->plain ? 1 : 1 / ((sum < least ? least : sum) + (real)s->of->epsilon);
    }
    const idx before = n0 ? s->d_k : 0;
    multiply(S - before, width, rows, c->values + (s->d_k - before) * PANEL,
             panel_of(s, c), s->v_panels, before + seen, c->h, s->v_width);
    for (idx j = 0; j < rows; ++j) {
        real *h = row_of(s, call->h, t + r + j, s->d_v);
        scale_row(c->h + j * s->v_width, over[j], h, s->d_v);
    }
}

/* C and n from the chunk's start to its end; V is used up. */
static void update(const Memory *s, const Chunk *c, idx t, idx steps, real *n)
{
    const lstmc_rows rows = s->call->k;
    const real *k = row_of(s, rows, t, s->d_k), *weight = c->gates.last;
    const real w = c->gates.first[steps - 1];
    real *scaled = c->left; /* weights with the scale of k */
    for (idx j = 0; j < steps; ++j)
        scaled[j] = weight[j] * s->scale;
    for (idx p = 0; p < s->v_panels; ++p) {
        real *C = c->values + p * panel_of(s, c), *V = C + s->d_k * PANEL;
        for (idx j = 0; j < s->d_k * PANEL; j += LANES)
            *(vec *)(C + j) *= w;
        for (idx j = 0; j < steps * PANEL; j += LANES)
            *(vec *)(V + j) *= scaled[j / PANEL];
    }
    NAME(deep_product)(&(Deep){.a = k,
                               .a_k = rows.row,
                               .b = c->values + s->d_k * PANEL,
                               .b_k = PANEL,
                               .b_panel = panel_of(s, c),
                               .runs = 1,
                               .run = steps,
                               .rows = s->d_k,
                               .panels = s->v_panels,
                               .c = c->values,
                               .c_panel = panel_of(s, c)});
    for (idx j = 0; j < s->d_k; ++j)
        n[j] *= w;
    for (idx r = 0; r < steps; ++r, k += rows.row)
        for (idx j = 0; j < s->d_k; ++j)
            n[j] += scaled[r] * k[j];
}

/* From the step t; zero: the state is. */
static void run_chunk(const Memory *s, const Chunk *c, idx t, real *state, int zero)
{
    const lstmc_memory_call *call = s->call;
    const idx steps = min_idx(s->chunk, s->steps - t);
    const real m = NAME(memory_gates)(s, t, steps, *m_of(s, state), &c->gates);
    pack_rows(row_of(s, call->k, t, s->d_k), call->k.row, steps, s->d_k, c->keys,
              s->d_k, s->scale);
    const real *v = row_of(s, call->v, t, s->d_v);
    for (idx p = 0; p < s->v_panels; ++p)
        pack_columns(v + p * PANEL, call->v.row, steps,
                     min_idx(PANEL, s->d_v - p * PANEL),
                     c->values + p * panel_of(s, c) + s->d_k * PANEL, steps, 1);
    for (idx j = 0; j < c->steps; ++j)
        c->weight[j] = 0;
    const idx strip = is_finite(s, c, steps) ? STRIP : 1;
    for (idx r = 0; r < steps; r += strip) {
        const idx rows = min_idx(strip, steps - r);
        if (!NAME(memory_goes_on)(s, strip_work(s, r + rows)))
            return;
        run_strip(s, c, t, r, rows, zero ? NULL : n_of(s, state));
    }
    NAME(memory_gate)(s, t, steps);
    if (t + steps < s->steps || call->c1)
        update(s, c, t, steps, n_of(s, state));
    *m_of(s, state) = m;
}

void NAME(memory_forward)(const Memory *s, real *state, int zero, void *scratch)
{
    Arena arena = {.base = scratch};
    const Chunk c = lay_out(s, &arena);
    real *tape = s->tape;
    move_state(s, &c, state, 0);
    for (idx t = 0; t < s->steps && NAME(memory_goes_on)(s, 0); t += s->chunk) {
        if (tape) {
            move_state(s, &c, tape, 1);
            memcpy(n_of(s, tape), n_of(s, state),
                   (size_t)(s->states - s->v_width * s->d_k) * sizeof(real));
            tape += s->states;
        }
        run_chunk(s, &c, t, state, zero && t == 0);
    }
    move_state(s, &c, state, 1);
}
