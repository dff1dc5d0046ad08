/* attention.c - an LSTM whose step sees a weighted sum of all steps of its sample.
 *
 *   e_k = v' tanh(key_k + U h0)         over all steps k, by a state
 *   w   = softmax(e)
 *   s   = sum_k w_k x_k                 the context
 *   a   = (W x + b) + R h0 + A s        gates i, f, z, o, as of cells/lstm.c
 *   c   = f c0 + i z     h = o tanh(c)
 *
 * A sample is one thread's from its first step to its last; backward computes the
 * weights again, since all of them would be steps times steps.
 *
 * Bahdanau, Cho, Bengio: Neural Machine Translation by Jointly Learning to Align and
 * Translate. ICLR 2015, as in Karim et al.: LSTM Fully Convolutional Networks for Time
 * Series Classification. IEEE Access 6, 2018. */
#include <string.h>

#include "kernels.h"
#include "lanes.h"

#include "fcn.h"
#include "vmath.h"

/* One sample, while it is run. Rows of units are padded with zeros to whole panels;
 * those of weights are turned, so that a product runs along its outputs. */
typedef struct {
    const lstmc_attention *call;
    idx sample, first, steps;
    idx wide, most; /* units and steps in whole panels */
    const real *recurrent, *attending, *querying; /* (units or inputs, outputs) */
    real *key, *like, *d_key; /* (steps, wide) */
    real *v, *query, *d_query, *d_vector; /* (wide) */
    real *weight, *d_weight;  /* (most) */
    real *gate, *d_gate;      /* (4 wide) */
    real *h, *c, *dh, *dc, *row; /* (wide) */
    real *d_context;          /* (inputs) */
} Sample;

/* What all samples share. */
typedef struct {
    real *recurrent, *attending, *querying;
    Poll *poll;
    char *memory; /* (threads, size) */
    idx size;
} Shared;

static idx wide_of(idx n) { return panels_of(n) * PANEL; }

static void take_rows(Sample *s, Arena *arena, idx longest)
{
    const lstmc_attention *call = s->call;
    s->wide = wide_of(call->units);
    s->most = wide_of(longest);
    s->key = take(arena, longest * s->wide, sizeof(real));
    s->like = take(arena, longest * s->wide, sizeof(real));
    s->d_key = take(arena, longest * s->wide, sizeof(real));
    s->weight = take(arena, s->most, sizeof(real));
    s->d_weight = take(arena, s->most, sizeof(real));
    s->gate = take(arena, 4 * s->wide, sizeof(real));
    s->d_gate = take(arena, 4 * s->wide, sizeof(real));
    s->d_context = take(arena, call->inputs, sizeof(real));
    real **const rows[] = {&s->v, &s->query, &s->d_query, &s->d_vector, &s->h,
                           &s->c, &s->dh,    &s->dc,      &s->row};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; ++k)
        *rows[k] = take(arena, s->wide, sizeof(real));
}

static Shared lay_out(const lstmc_attention *call, idx longest, int threads,
                      Arena *arena)
{
    Shared out;
    const idx n = call->units;
    out.recurrent = take(arena, 4 * n * n, sizeof(real));
    out.attending = take(arena, 4 * n * call->inputs, sizeof(real));
    out.querying = take(arena, n * n, sizeof(real));
    out.poll = take(arena, 1, sizeof(Poll));
    Sample own = {.call = call};
    Arena measured = {0};
    take_rows(&own, &measured, longest);
    out.size = measured.used;
    out.memory = take(arena, threads * out.size, 1);
    return out;
}

idx NAME(attend_workspace)(const lstmc_attention *call, idx longest, int threads)
{
    Arena arena = {0};
    lay_out(call, longest, threads, &arena);
    return arena.used;
}

static void turn(const real *w, real *to, idx rows, idx columns)
{
    for (idx r = 0; r < rows; ++r)
        for (idx c = 0; c < columns; ++c)
            to[c * rows + r] = w[r * columns + c];
}

/* y (outputs) += x' w, w (inputs, outputs): the sum runs over the inputs in order. */
static void add_product(const real *x, const real *w, real *y, idx inputs, idx outputs)
{
    for (idx k = 0; k < inputs; ++k)
        for (idx j = 0; j < outputs; ++j)
            y[j] += x[k] * w[k * outputs + j];
}

ALWAYS_INLINE vec *at(real *x, idx j) { return (vec *)(x + j); }

static void copy_row(real *to, const real *from, idx n)
{
    if (from)
        memcpy(to, from, (size_t)n * sizeof(real));
    else
        memset(to, 0, (size_t)n * sizeof(real));
}

/* A row of an array (steps or samples, width); NULL of NULL. */
static const real *row_of(const void *array, idx row, idx width)
{
    return array ? (const real *)array + row * width : NULL;
}

static Sample open_sample(const lstmc_attention *call, const Shared *shared, idx sample,
                          idx longest, char *memory)
{
    Sample s = {.call = call, .sample = sample};
    Arena arena = {.base = memory};
    take_rows(&s, &arena, longest);
    memset(memory, 0, (size_t)arena.used);
    s.first = call->offsets[sample];
    s.steps = call->offsets[sample + 1] - s.first;
    s.recurrent = shared->recurrent;
    s.attending = shared->attending;
    s.querying = shared->querying;
    const idx n = call->units;
    copy_row(s.v, call->vector, n);
    for (idx k = 0; k < s.steps; ++k)
        copy_row(s.key + k * s.wide, row_of(call->key, s.first + k, n), n);
    return s;
}

/* The states before a step. */
static void find_before(const Sample *s, idx t)
{
    const lstmc_attention *call = s->call;
    const idx n = call->units, place = t > 0 ? s->first + t - 1 : s->sample;
    copy_row(s->h, row_of(t > 0 ? call->h : call->before[0], place, n), n);
    copy_row(s->c, row_of(t > 0 ? call->c : call->before[1], place, n), n);
}

/* like_k = tanh(key_k + U h) and the weights, of the state in h. */
static void compare(const Sample *s)
{
    const idx wide = s->wide;
    memset(s->query, 0, (size_t)wide * sizeof(real));
    add_product(s->h, s->querying, s->query, s->call->units, s->call->units);
    real highest = 0;
    for (idx k = 0; k < s->steps; ++k) {
        vec sum = {0};
        for (idx j = 0; j < wide; j += LANES) {
            const vec like = tanh_(*at(s->key, k * wide + j) + *at(s->query, j));
            *at(s->like, k * wide + j) = like;
            sum += *at(s->v, j) * like;
        }
        s->weight[k] = sum_of(sum);
        highest = k == 0 || s->weight[k] > highest ? s->weight[k] : highest;
    }
    real total = 0;
    for (idx k = 0; k < s->most; k += LANES)
        *at(s->weight, k) = exp_(*at(s->weight, k) - highest);
    for (idx k = 0; k < s->steps; ++k)
        total += s->weight[k];
    for (idx k = 0; k < s->steps; ++k)
        s->weight[k] /= total;
}

static void step(const Sample *s, idx t)
{
    const lstmc_attention *call = s->call;
    const idx n = call->units, m = call->inputs, wide = s->wide, row = s->first + t;
    real *gates = (real *)call->gates + row * 4 * n;
    real *context = (real *)call->context + row * m;
    find_before(s, t);
    compare(s);
    memset(context, 0, (size_t)m * sizeof(real));
    add_product(s->weight, row_of(call->x, s->first, m), context, s->steps, m);
    add_product(s->h, s->recurrent, gates, n, 4 * n);
    add_product(context, s->attending, gates, m, 4 * n);
    for (int g = 0; g < 4; ++g)
        copy_row(s->gate + g * wide, gates + g * n, n);
    for (idx j = 0; j < wide; j += LANES) {
        vec *i = at(s->gate, j), *f = at(s->gate, wide + j);
        vec *z = at(s->gate, 2 * wide + j), *o = at(s->gate, 3 * wide + j);
        *i = sigmoid(*i), *f = sigmoid(*f), *z = tanh_(*z), *o = sigmoid(*o);
        *at(s->c, j) = *f * *at(s->c, j) + *i * *z;
        *at(s->h, j) = *o * tanh_(*at(s->c, j));
    }
    for (int g = 0; g < 4; ++g)
        copy_row(gates + g * n, s->gate + g * wide, n);
    copy_row((real *)call->h + row * n, s->h, n);
    copy_row((real *)call->c + row * n, s->c, n);
}

/* --- backward -------------------------------------------------------------------- */

/* Through the squashes: gates become da, dc that of the state before. */
static void pull_step(const Sample *s, idx t)
{
    const lstmc_attention *call = s->call;
    const idx n = call->units, wide = s->wide, row = s->first + t;
    real *gates = (real *)call->gates + row * 4 * n;
    const real *dh = row_of(call->dh, row, n);
    for (idx j = 0; dh && j < n; ++j)
        s->dh[j] += dh[j];
    for (int g = 0; g < 4; ++g)
        copy_row(s->gate + g * wide, gates + g * n, n);
    copy_row(s->row, row_of(call->c, row, n), n);
    for (idx j = 0; j < wide; j += LANES) {
        const vec i = *at(s->gate, j), f = *at(s->gate, wide + j);
        const vec z = *at(s->gate, 2 * wide + j), o = *at(s->gate, 3 * wide + j);
        const vec out = tanh_(*at(s->row, j)), d = *at(s->dh, j);
        const vec dc = *at(s->dc, j) + d * o * (1 - out * out);
        *at(s->d_gate, j) = dc * z * i * (1 - i);
        *at(s->d_gate, wide + j) = dc * *at(s->c, j) * f * (1 - f);
        *at(s->d_gate, 2 * wide + j) = dc * i * (1 - z * z);
        *at(s->d_gate, 3 * wide + j) = d * out * o * (1 - o);
        *at(s->dc, j) = dc * f;
    }
    for (int g = 0; g < 4; ++g)
        copy_row(gates + g * n, s->d_gate + g * wide, n);
}

/* Through the weights: from the context's gradient to those of x, keys and query. */
static void pull_context(const Sample *s)
{
    const lstmc_attention *call = s->call;
    const idx m = call->inputs, wide = s->wide;
    const real *x = row_of(call->x, s->first, m);
    real *dx = (real *)call->dx + s->first * m, mean = 0;
    for (idx k = 0; k < s->steps; ++k) {
        real sum = 0;
        for (idx j = 0; j < m; ++j) {
            sum += s->d_context[j] * x[k * m + j];
            dx[k * m + j] += s->weight[k] * s->d_context[j];
        }
        s->d_weight[k] = sum;
        mean += s->weight[k] * sum;
    }
    memset(s->d_query, 0, (size_t)wide * sizeof(real));
    for (idx k = 0; k < s->steps; ++k) {
        const real de = s->weight[k] * (s->d_weight[k] - mean);
        for (idx j = 0; j < wide; j += LANES) {
            const vec like = *at(s->like, k * wide + j);
            const vec d = de * *at(s->v, j) * (1 - like * like);
            *at(s->d_vector, j) += de * like;
            *at(s->d_key, k * wide + j) += d;
            *at(s->d_query, j) += d;
        }
    }
}

static void step_back(const Sample *s, idx t)
{
    const lstmc_attention *call = s->call;
    const idx n = call->units, m = call->inputs, row = s->first + t;
    find_before(s, t);
    pull_step(s, t);
    const real *da = row_of(call->gates, row, 4 * n);
    memset(s->d_context, 0, (size_t)m * sizeof(real));
    add_product(da, call->attending, s->d_context, 4 * n, m);
    compare(s);
    pull_context(s);
    copy_row((real *)call->d_query + row * n, s->d_query, n);
    memset(s->dh, 0, (size_t)s->wide * sizeof(real));
    add_product(da, call->recurrent, s->dh, 4 * n, n);
    add_product(s->d_query, call->querying, s->dh, n, n);
}

static void open_back(const Sample *s)
{
    const lstmc_attention *call = s->call;
    const idx n = call->units, m = call->inputs;
    copy_row(s->dh, row_of(call->d_after[0], s->sample, n), n);
    copy_row(s->dc, row_of(call->d_after[1], s->sample, n), n);
    memset((real *)call->dx + s->first * m, 0, (size_t)(s->steps * m) * sizeof(real));
}

static void close_back(const Sample *s)
{
    const lstmc_attention *call = s->call;
    const idx n = call->units;
    for (idx k = 0; k < s->steps; ++k)
        copy_row((real *)call->d_key + (s->first + k) * n, s->d_key + k * s->wide, n);
    copy_row((real *)call->d_vector + s->sample * n, s->d_vector, n);
    copy_row((real *)call->d_before[0] + s->sample * n, s->dh, n);
    copy_row((real *)call->d_before[1] + s->sample * n, s->dc, n);
}

static void run_sample(const Sample *s, const Shared *shared, int leads, int back)
{
    const double n = (double)s->call->units, m = (double)s->call->inputs;
    const double work =
        (1 + back) * ((double)s->steps * (20 * n + 2 * m) + 10 * n * n + 8 * n * m);
    if (back)
        open_back(s);
    for (idx t = 0; t < s->steps; ++t) {
        if (leads)
            ask_after(shared->poll, work);
        if (atomic_load(&shared->poll->stopped))
            return;
        if (back)
            step_back(s, s->steps - 1 - t);
        else
            step(s, t);
    }
    if (back)
        close_back(s);
}

static int run(const lstmc_attention *call, idx longest, int threads, void *workspace,
               int back)
{
    (void)threads; /* without OpenMP */
    Arena arena = {.base = workspace};
    const Shared shared = lay_out(call, longest, threads, &arena);
    const idx n = call->units;
    *shared.poll = (Poll){.ask = call->poll, .data = call->poll_data};
    turn(call->recurrent, shared.recurrent, 4 * n, n);
    turn(call->attending, shared.attending, 4 * n, call->inputs);
    turn(call->querying, shared.querying, n, n);
#pragma omp parallel num_threads(threads)
    {
        const FloatMode mode = flush_denormals();
        char *memory = shared.memory + own_thread() * shared.size;
#pragma omp for schedule(dynamic, 1)
        for (idx j = 0; j < call->samples; ++j) {
            const Sample s = open_sample(call, &shared, j, longest, memory);
            run_sample(&s, &shared, own_thread() == 0, back);
        }
        restore_mode(mode);
    }
    return atomic_load(&shared.poll->stopped) ? LSTMC_STOPPED : LSTMC_OK;
}

int NAME(attend)(const lstmc_attention *call, idx longest, int threads, void *workspace)
{
    return run(call, longest, threads, workspace, 0);
}

int NAME(attend_back)(const lstmc_attention *call, idx longest, int threads,
                      void *workspace)
{
    return run(call, longest, threads, workspace, 1);
}
