/* slstm.c - LSTM with an exponential input gate, normalised and stabilised.
 *
 *   l = log sigmoid(a_f)        a = W x + R h' + b, by the driver
 *   m = max(l + m', a_i)        ' marks the step before; a_i where n' is 0
 *   i = exp(a_i - m)
 *   f = exp(l + m' - m)         0 where n' is 0
 *   z = tanh(a_z)
 *   o = sigmoid(a_o)
 *   c = f c' + i z
 *   n = f n' + i
 *   h = o c / n
 *
 * m keeps both exponentials at 1 or below and h as it is; its branch is taken backward
 * too, so that gradients hold for c, n and m as well.
 * Beck et al.: xLSTM: Extended Long Short-Term Memory. NeurIPS 2024. */
#include "cells.h"

enum { I, F, O, Z, G, C0, N0 }; /* G: the slope of l */
enum { H, C, N, M };

static void forward(const Step *step)
{
    const Step s = *step;
    EACH_PANEL (s, p, r) {
        vec *i = slot(s, p, r, I), *f = slot(s, p, r, F), *g = slot(s, p, r, G);
        vec *m = state(s, p, r, M);
        const vec *n = state(s, p, r, N);
        EACH_VECTOR (j) {
            const ivec fresh = (ivec)(n[j] == splat(0));
            const vec kept = log_sigmoid(f[j]) + m[j];
            m[j] = choose(fresh, i[j], max_(kept, i[j]));
            g[j] = sigmoid(-f[j]);
            i[j] = exp_(i[j] - m[j]);
            f[j] = choose(fresh, splat(0), exp_(kept - m[j]));
        }
    }
    EACH_PANEL (s, p, r) {
        const vec *i = slot(s, p, r, I), *f = slot(s, p, r, F);
        vec *o = slot(s, p, r, O), *z = slot(s, p, r, Z);
        vec *c0 = slot(s, p, r, C0), *n0 = slot(s, p, r, N0), *h = hidden(s, p, r);
        vec *c = state(s, p, r, C), *n = state(s, p, r, N);
        EACH_VECTOR (j) {
            z[j] = tanh_(z[j]);
            o[j] = sigmoid(o[j]);
            c0[j] = c[j];
            n0[j] = n[j];
            c[j] = f[j] * c[j] + i[j] * z[j];
            n[j] = f[j] * n[j] + i[j];
            h[j] = o[j] * c[j] / n[j];
        }
    }
}

static void backward(const Step *step)
{
    const Step s = *step;
    EACH_PANEL (s, p, r) {
        vec *di = slot(s, p, r, I), *df = slot(s, p, r, F), *dz = slot(s, p, r, Z);
        vec *d_o = slot(s, p, r, O), *dh = state(s, p, r, H), *dc = state(s, p, r, C);
        vec *dn = state(s, p, r, N), *dm = state(s, p, r, M);
        const vec *g = slot(s, p, r, G), *c0 = slot(s, p, r, C0);
        const vec *n0 = slot(s, p, r, N0);
        EACH_VECTOR (j) {
            const vec i = di[j], f = df[j], z = dz[j], o = d_o[j];
            const vec n = f * n0[j] + i, q = (f * c0[j] + i * z) / n;
            const vec pull = dh[j] * o / n;
            const vec own_c = dc[j] + pull, own_n = dn[j] - pull * q;
            const vec up = (own_c * z + own_n) * i; /* at a_i - m */
            const vec keep = (own_c * c0[j] + own_n * n0[j]) * f; /* at l + m' - m */
            const vec top = dm[j] - up - keep;
            const ivec by_input = (ivec)(i == splat(1));
            dm[j] = keep + choose(by_input, splat(0), top);
            di[j] = up + choose(by_input, top, splat(0));
            df[j] = dm[j] * g[j];
            dz[j] = own_c * i * (R(1) - z * z);
            d_o[j] = dh[j] * q * o * (R(1) - o);
            dc[j] = own_c * f;
            dn[j] = own_n * f;
            dh[j] = splat(0);
        }
    }
}

static const Column column[] = {
    {"i", 0, 0, 0}, {"f", 1, 1, 1}, {"o", 3, 3, 3}, {"z", 2, 2, 2}};
static const char *const states[] = {"h", "c", "n", "m"};

const Cell NAME(slstm) = {
    .name = "slstm",
    .title = "sLSTM: exponential input gate, normaliser and stabiliser",
    .equations = "l = log sigmoid(a_f)\nm = max(l + m', a_i)\n"
                 "i, f = exp(a_i - m), exp(l + m' - m)\nz = tanh(a_z)\n"
                 "o = sigmoid(a_o)\nc = f c' + i z\nn = f n' + i\nh = o c / n",
    .source = "Beck et al.: xLSTM: Extended Long Short-Term Memory. NeurIPS 2024",
    .columns = 4,
    .column = column,
    .states = 4,
    .state = states,
    .extras = 3,
    .projects = 1,
    .forward = forward,
    .backward = backward,
};
