/* mlstm_gates.c - the gates of a chunk as weights that cannot overflow.
 *
 *   m = max(log f + m', log i)          ' marks the step before
 *   keep = f exp(m' - m) <= 1           own = i exp(-m) <= 1
 *
 * A weight is a product of these, whatever the gates are and however long the chunk is.
 * m may be rounded, being but a reference, if keep and own are made with what it was
 * rounded to: their logarithms are made in double. */
#include <math.h>

#include "mlstm.h"

Memory NAME(memory_sizes)(const lstmc_memory *of)
{
    Memory s = {.of = of,
                .d_k = of->d_k,
                .d_v = of->d_v,
                .k_panels = panels_of(of->d_k),
                .v_panels = panels_of(of->d_v),
                .k_width = whole(of->d_k),
                .v_width = whole(of->d_v),
                .scale = (real)(1 / sqrt((double)of->d_k))};
    s.states = s.v_width * s.d_k + s.k_width + PANEL;
    /* Work within a chunk grows with its steps, from chunk to chunk with d. */
    const idx even = (of->d_k + of->d_v) / 2;
    s.chunk = of->chunk ? of->chunk : even <= 64 ? 48 : even <= 128 ? 96 : 128;
    return s;
}

Gates NAME(lay_out_gates)(idx steps, Arena *arena)
{
    Gates out;
    real **each[] = {&out.keep,  &out.own,  &out.m,     &out.floor,
                     &out.first, &out.last, &out.log_i, &out.log_f};
    for (size_t j = 0; j < sizeof each / sizeof *each; ++j)
        *each[j] = take(arena, whole(steps), sizeof(real));
    return out;
}

static void squash(real *x, idx n, int sigmoid)
{
    for (idx j = 0; sigmoid && j < n; j += LANES)
        *(vec *)(x + j) = log_sigmoid(*(vec *)(x + j));
}

real NAME(memory_gates)(const Memory *s, idx t, idx steps, real m0, const Gates *g)
{
    const lstmc_memory_call *call = s->call;
    const real *i = row_of(s, call->i, t, 1), *f = row_of(s, call->f, t, 1);
    const idx n = whole(steps);
    for (idx j = 0; j < n; ++j) {
        g->log_i[j] = j < steps ? i[j * call->i.row] : 0;
        g->log_f[j] = j < steps ? f[j * call->f.row] : 0;
    }
    squash(g->log_i, n, s->of->sigmoid_input);
    squash(g->log_f, n, !s->of->exponential_forget);
    double since = 0; /* keep, summed */
    for (idx j = 0; j < n; ++j) {
        const double kept = (double)g->log_f[j] + (double)m0, own = (double)g->log_i[j];
        real m = (real)(own > kept ? own : kept); /* NaN comes out below */
        m = s->of->sigmoid_input || j >= steps ? m0 : m;
        g->keep[j] = (real)(kept - (double)m);
        g->own[j] = (real)(own - (double)m);
        g->m[j] = m0 = m;
        since += kept - (double)m;
        g->first[j] = (real)since;
    }
    double until = 0;
    for (idx j = steps; j-- > 0;) {
        g->last[j] = (real)((double)g->own[j] + until);
        until += (double)g->keep[j];
    }
    for (idx j = steps; j < n; ++j)
        g->last[j] = 0;
    for (idx j = 0; j < n; j += LANES) {
        *(vec *)(g->keep + j) = weight_of(*(vec *)(g->keep + j));
        *(vec *)(g->own + j) = weight_of(*(vec *)(g->own + j));
        *(vec *)(g->first + j) = weight_of(*(vec *)(g->first + j));
        *(vec *)(g->last + j) = weight_of(*(vec *)(g->last + j));
        *(vec *)(g->floor + j) = exp_(-*(vec *)(g->m + j));
    }
    return m0;
}

/* The derivative of a gate's logarithm: 1 - sigmoid, or 1. */
static void find_slope(const Memory *s, lstmc_rows gate, idx t, idx steps, int sigmoid,
                       real *slope)
{
    const real *x = row_of(s, gate, t, 1);
    for (idx j = 0; j < whole(steps); ++j)
        slope[j] = j < steps ? x[j * gate.row] : 0;
    for (idx j = 0; j < whole(steps); j += LANES) {
        vec *at = (vec *)(slope + j);
        const vec small = exp_(-abs_(*at)), one = splat(1);
        *at = choose(*at > splat(0), small, one) / (one + small);
        if (!sigmoid)
            *at = one;
    }
}

double NAME(pull_memory_gates)(const Memory *s, idx t, idx steps, real m0,
                               const Gates *g, const GateSums *sums, double through,
                               double dm)
{
    const lstmc_memory_call *call = s->call;
    real *di = row_of(s, call->di, t, 1), *df = row_of(s, call->df, t, 1);
    real *slope = g->keep;
    find_slope(s, call->f, t, steps, !s->of->exponential_forget, slope);
    double crossing = through;
    for (idx j = steps; j-- > 0;) {
        double own = (double)sums->starting[j] + (double)sums->own[j];
        crossing += (double)sums->ending[j] - (double)sums->starting[j];
        double kept = crossing;
        if (!s->of->sigmoid_input) {
            const double before = (double)(j > 0 ? g->m[j - 1] : m0);
            const int is_own = (double)g->log_i[j] > (double)g->log_f[j] + before;
            const double due = dm + (double)sums->dm[j];
            *(is_own ? &own : &kept) += due;
            dm = is_own ? 0 : due;
        }
        df[j * call->df.row] = (real)kept * slope[j];
        sums->own[j] = (real)own;
    }
    find_slope(s, call->i, t, steps, s->of->sigmoid_input, slope);
    for (idx j = 0; j < steps; ++j)
        di[j * call->di.row] = sums->own[j] * slope[j];
    return dm;
}

int NAME(memory_goes_on)(const Memory *s, double work)
{
    if (own_thread() == 0)
        ask_after(s->poll, work);
    return !atomic_load(&s->poll->stopped);
}

void NAME(load_state)(const Memory *s, const real *c, const real *n, const real *m,
                      real *state)
{
    memset(state, 0, (size_t)s->states * sizeof(real));
    if (!c)
        return;
    pack_rows(c, s->d_k, s->d_v, s->d_k, state, s->d_k, 1);
    memcpy(n_of(s, state), n, (size_t)s->d_k * sizeof(real));
    *m_of(s, state) = *m;
}

void NAME(store_state)(const Memory *s, const real *state, real *c, real *n, real *m)
{
    for (idx j = 0; j < s->d_v; ++j)
        for (idx k = 0; k < s->d_k; ++k)
            c[j * s->d_k + k] = state[(j / PANEL * s->d_k + k) * PANEL + j % PANEL];
    memcpy(n, n_of(s, (real *)state), (size_t)s->d_k * sizeof(real));
    *m = *m_of(s, (real *)state);
}

void NAME(memory_gate)(const Memory *s, idx row, idx rows)
{
    const lstmc_memory_call *call = s->call;
    const lstmc_rows to = call->y.at ? call->y : call->h;
    for (idx t = row; call->o.at && t < row + rows; ++t) {
        const real *o = row_of(s, call->o, t, s->d_v),
                   *h = row_of(s, call->h, t, s->d_v);
        real *y = row_of(s, to, t, s->d_v);
        for (idx j = 0; j < s->d_v; j += LANES) {
            const idx width = min_idx(LANES, s->d_v - j);
            if (width == LANES) {
                *(loose *)(y + j) =
                    sigmoid(*(const loose *)(o + j)) * *(const loose *)(h + j);
                continue;
            }
            vec x = {0};
            for (idx k = 0; k < width; ++k)
                x[k] = o[j + k];
            x = sigmoid(x);
            for (idx k = 0; k < width; ++k)
                y[j + k] = x[k] * h[j + k];
        }
    }
}

void NAME(pull_memory_gate)(const Memory *s, idx row, real *dh)
{
    const lstmc_memory_call *call = s->call;
    const real *dy = row_of(s, call->dy, row, s->d_v);
    memset(dh, 0, (size_t)s->v_width * sizeof(real));
    memcpy(dh, dy, (size_t)s->d_v * sizeof(real));
    if (!call->o.at)
        return;
    const real *o = row_of(s, call->o, row, s->d_v),
               *h = row_of(s, call->h, row, s->d_v);
    real *to = row_of(s, call->do_, row, s->d_v);
    for (idx j = 0; j < s->d_v; j += LANES) {
        const idx width = min_idx(LANES, s->d_v - j);
        vec x = {0};
        memcpy(&x, o + j, (size_t)width * sizeof(real));
        x = sigmoid(x);
        for (idx k = 0; k < width; ++k) {
            to[j + k] = dh[j + k] * h[j + k] * (x[k] * (1 - x[k]));
            dh[j + k] *= x[k];
        }
    }
}
