/* mlstm_step.c - the matrix memory step by step: streams and the recurrent form.
 *
 *   C = f C' + i v k',  n = f n' + i k,  h = C q / (max(|n q|, exp(-m)) + epsilon)
 *
 * The state is read and written once a step, panel by panel, and all else is in
 * registers. */

#include "mlstm.h"

/* Sums in flight, enough to hide the latency of a multiply-add. */
#define SUMS (4 / VECS > 1 ? 4 / VECS : 1)

/* A panel of C' and its part of C q. */
ALWAYS_INLINE void step_panel(real *state, const real *q, const real *k, idx d_k,
                              real f, real i, const real *v, real *h)
{
    vec sum[SUMS][VECS], value[VECS];
    EACH (j, VECS)
        value[j] = ((const vec *)v)[j];
    EACH (n, SUMS)
        EACH (j, VECS)
            sum[n][j] = splat(0);
    idx r = 0;
    for (; r + SUMS <= d_k; r += SUMS)
        EACH (n, SUMS)
            EACH (j, VECS) {
                vec *c = (vec *)(state + (r + n) * PANEL) + j;
                *c = f * *c + i * k[r + n] * value[j];
                sum[n][j] += q[r + n] * *c;
            }
    for (; r < d_k; ++r)
        EACH (j, VECS) {
            vec *c = (vec *)(state + r * PANEL) + j;
            *c = f * *c + i * k[r] * value[j];
            sum[0][j] += q[r] * *c;
        }
    EACH (n, SUMS)
        EACH (j, VECS)
            if (n > 0)
                sum[0][j] += sum[n][j];
    EACH (j, VECS)
        ((vec *)h)[j] = sum[0][j];
}

static void run_step(const Memory *s, idx t, const Gates *g, real *state)
{
    const lstmc_memory_call *call = s->call;
    const real *q = row_of(s, call->q, t, s->d_k), *k = row_of(s, call->k, t, s->d_k),
               *v = row_of(s, call->v, t, s->d_v);
    real *n = n_of(s, state), *h = row_of(s, call->h, t, s->d_v);
    const real m = NAME(memory_gates)(s, t, 1, *m_of(s, state), g);
    const real f = g->first[0], i = g->last[0] * s->scale;
    for (idx j = 0; j < s->d_k; ++j)
        n[j] = f * n[j] + i * k[j];
    const real sum = dot(q, n, s->d_k), size = sum < 0 ? -sum : sum;
    const real floor = g->floor[0];
    const real over =
        s->of->plain ? 1 : 1 / ((size < floor ? floor : size) + (real)s->of->epsilon);
    real value[LINE / sizeof(real)] __attribute__((aligned(LINE)));
    real out[LINE / sizeof(real)] __attribute__((aligned(LINE)));
    for (idx p = 0; p < s->v_panels; ++p) {
        const idx width = min_idx(PANEL, s->d_v - p * PANEL);
        for (idx j = 0; j < PANEL; ++j)
            value[j] = j < width ? v[p * PANEL + j] : 0;
        step_panel(state + p * s->d_k * PANEL, q, k, s->d_k, f, i, value, out);
        for (idx j = 0; j < width; ++j)
            h[p * PANEL + j] = over * out[j];
    }
    *m_of(s, state) = m;
    NAME(memory_gate)(s, t, 1);
}

void NAME(memory_recurrent)(const Memory *s, real *state, void *scratch)
{
    Arena arena = {.base = scratch};
    const Gates gates = NAME(lay_out_gates)(1, &arena);
    const double work = 4.0 * (double)(s->d_k * s->d_v);
    real *tape = s->tape;
    for (idx t = 0; t < s->steps && NAME(memory_goes_on)(s, work); ++t) {
        if (tape && t % s->chunk == 0) {
            memcpy(tape, state, (size_t)s->states * sizeof(real));
            tape += s->states;
        }
        run_step(s, t, &gates, state);
    }
}

/* The gates of one step live on the stack. */
static void step_one(const lstmc_memory_call *call, idx job, real *state)
{
    real memory[8][LINE / sizeof(real)] __attribute__((aligned(LINE)));
    const Gates gates = {memory[0], memory[1], memory[2], memory[3],
                         memory[4], memory[5], memory[6], memory[7]};
    Memory s = NAME(memory_sizes)(&call->memory);
    s.call = call;
    s.head = job % call->memory.heads;
    s.first = job / call->memory.heads;
    s.steps = 1;
    run_step(&s, 0, &gates, state + job * s.states);
}

void NAME(memory_step)(const lstmc_memory_call *call, int threads, void *state)
{
    const idx jobs = call->samples * call->memory.heads;
    if (threads == 1) { /* even a region of one thread takes its time */
        const FloatMode mode = flush_denormals();
        for (idx job = 0; job < jobs; ++job)
            step_one(call, job, state);
        restore_mode(mode);
        return;
    }
#pragma omp parallel num_threads(threads)
    {
        const FloatMode mode = flush_denormals();
#pragma omp for schedule(static)
        for (idx job = 0; job < jobs; ++job)
            step_one(call, job, state);
        restore_mode(mode);
    }
}

void NAME(memory_move)(const lstmc_memory_call *call, void *state, int load)
{
    const Memory s = NAME(memory_sizes)(&call->memory);
    const idx jobs = call->samples * s.of->heads, size = s.d_v * s.d_k;
    const real *c0 = call->c0, *n0 = call->n0, *m0 = call->m0;
    real *c1 = call->c1, *n1 = call->n1, *m1 = call->m1;
    for (idx job = 0; job < jobs; ++job) {
        real *own = (real *)state + job * s.states;
        if (load)
            NAME(load_state)(&s, c0 + job * size, n0 + job * s.d_k, m0 + job, own);
        else
            NAME(store_state)(&s, own, c1 + job * size, n1 + job * s.d_k, m1 + job);
    }
}
