/* tlstm.c - time-aware LSTM: short-term memory fades with the time elapsed.
 *
 *   d = tanh(a_d)               a_d = R_d c' + b; ' marks the step before
 *   k = c' - d + g d            g = 1 / log(e + time), 1 for no time
 *   i = sigmoid(a_i)            a = W x + R h' + b, by the driver
 *   f = sigmoid(a_f)
 *   o = sigmoid(a_o)
 *   z = tanh(a_z)
 *   c = f k + i z
 *   h = o squash(c)             squash: tanh, or the identity
 *
 * Baytas et al.: Patient Subtyping via Time-Aware LSTM Networks. KDD 2017. */
#include "cells.h"

enum { I, F, O, Z, D, C0 };
enum { H, C };

/* g - 1 */
ALWAYS_INLINE vec fading(Step s, idx r)
{
    return R(1) / log_(splat(s.time[r] + R(2.7182818284590452354))) - R(1);
}

static void forward(const Step *step)
{
    const Step s = *step;
    EACH_PANEL (s, p, r) {
        vec *i = slot(s, p, r, I), *f = slot(s, p, r, F), *o = slot(s, p, r, O);
        vec *z = slot(s, p, r, Z), *d = slot(s, p, r, D);
        EACH_VECTOR (j) {
            i[j] = sigmoid(i[j]);
            f[j] = sigmoid(f[j]);
            o[j] = sigmoid(o[j]);
            z[j] = tanh_(z[j]);
            d[j] = tanh_(d[j]);
        }
    }
    EACH_PANEL (s, p, r) {
        const vec *i = slot(s, p, r, I), *f = slot(s, p, r, F), *o = slot(s, p, r, O);
        const vec *z = slot(s, p, r, Z), *d = slot(s, p, r, D);
        const vec *before = row_before(s, p, r, C), fade = fading(s, r);
        vec *c0 = slot(s, p, r, C0), *c = row_after(s, p, r, C), *h = hidden(s, p, r);
        EACH_VECTOR (j) {
            c0[j] = before[j];
            c[j] = f[j] * (c0[j] + fade * d[j]) + i[j] * z[j];
            h[j] = o[j] * (s.identity ? c[j] : tanh_(c[j]));
        }
    }
}

static void backward(const Step *step)
{
    const Step s = *step;
    EACH_PANEL (s, p, r) {
        vec *di = slot(s, p, r, I), *df = slot(s, p, r, F), *dz = slot(s, p, r, Z);
        vec *d_o = slot(s, p, r, O), *dd = slot(s, p, r, D);
        vec *dh = state(s, p, r, H), *dc = state(s, p, r, C);
        const vec *c0 = slot(s, p, r, C0), fade = fading(s, r);
        EACH_VECTOR (j) {
            const vec i = di[j], f = df[j], z = dz[j], o = d_o[j], d = dd[j];
            const vec k = c0[j] + fade * d, c = f * k + i * z;
            const vec y = s.identity ? c : tanh_(c);
            const vec bend = s.identity ? splat(0) : y;
            const vec own = dc[j] + dh[j] * o * (R(1) - bend * bend);
            d_o[j] = dh[j] * y * o * (R(1) - o);
            di[j] = own * z * i * (R(1) - i);
            df[j] = own * k * f * (R(1) - f);
            dz[j] = own * i * (R(1) - z * z);
            dd[j] = own * f * fade * (R(1) - d * d);
            dc[j] = own * f;
            dh[j] = splat(0);
        }
    }
}

static const Column column[] = {{"i", 0, 0, 0},
                                {"f", 1, 1, 1},
                                {"o", 3, 3, 3},
                                {"z", 2, 2, 2},
                                {"d", NONE, 4, 4, .from = 1}};
static const char *const states[] = {"h", "c"};
static const Row rows[] = {{H, NONE}, {C, C0}};

const Cell NAME(tlstm) = {
    .name = "tlstm",
    .title = "Time-aware LSTM",
    .equations = "d = tanh(R_d c' + b_d)\nk = c' - d + d / log(e + time)\n"
                 "i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)\nz = tanh(a_z)\n"
                 "c = f k + i z\nh = o squash(c)",
    .source = "Baytas et al.: Patient Subtyping via Time-Aware LSTM Networks. KDD 2017",
    .columns = 5,
    .column = column,
    .states = 2,
    .state = states,
    .rows = 2,
    .row = rows,
    .extras = 1,
    .squashes = 1,
    .timed = 1,
    .forward = forward,
    .backward = backward,
};
