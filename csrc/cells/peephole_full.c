/* peephole_full.c - LSTM whose gates see the whole cell state, and nothing of h.
 *
 *   i = sigmoid(a_i)            a = W x + R c' + b, by the driver
 *   f = sigmoid(a_f)            ' marks the step before
 *   o = sigmoid(a_o)            of c', not of c
 *   z = tanh(a_z)               a_z = W x + b alone
 *   c = f c' + i z
 *   h = o squash(c)             squash: tanh, or the identity
 *
 * Gers, Schmidhuber: LSTM Recurrent Networks Learn Simple Context-Free and
 * Context-Sensitive Languages. IEEE TNN 12, 2001, with full matrices. */
#include "cells.h"

enum { I, F, O, Z, C0 };
enum { H, C };
enum { ROW_C };

static void forward(const Step *step)
{
    const Step s = *step;
    EACH_PANEL (s, p, r) {
        vec *i = slot(s, p, r, I), *f = slot(s, p, r, F), *o = slot(s, p, r, O);
        vec *z = slot(s, p, r, Z);
        EACH_VECTOR (j) {
            i[j] = sigmoid(i[j]);
            f[j] = sigmoid(f[j]);
            o[j] = sigmoid(o[j]);
            z[j] = tanh_(z[j]);
        }
    }
    EACH_PANEL (s, p, r) {
        const vec *i = slot(s, p, r, I), *f = slot(s, p, r, F), *o = slot(s, p, r, O);
        const vec *z = slot(s, p, r, Z), *before = row_before(s, p, r, ROW_C);
        vec *c0 = slot(s, p, r, C0), *c = row_after(s, p, r, ROW_C);
        vec *h = hidden(s, p, r);
        EACH_VECTOR (j) {
            c0[j] = before[j];
            c[j] = f[j] * c0[j] + i[j] * z[j];
            h[j] = o[j] * (s.identity ? c[j] : tanh_(c[j]));
        }
    }
}

static void backward(const Step *step)
{
    const Step s = *step;
    EACH_PANEL (s, p, r) {
        vec *di = slot(s, p, r, I), *df = slot(s, p, r, F), *dz = slot(s, p, r, Z);
        vec *d_o = slot(s, p, r, O), *dh = state(s, p, r, H), *dc = state(s, p, r, C);
        const vec *c0 = slot(s, p, r, C0);
        EACH_VECTOR (j) {
            const vec i = di[j], f = df[j], z = dz[j], o = d_o[j];
            const vec c = f * c0[j] + i * z;
            const vec y = s.identity ? c : tanh_(c);
            const vec bend = s.identity ? splat(0) : y;
            const vec d = dc[j] + dh[j] * o * (R(1) - bend * bend);
            d_o[j] = dh[j] * y * o * (R(1) - o);
            di[j] = d * z * i * (R(1) - i);
            df[j] = d * c0[j] * f * (R(1) - f);
            dz[j] = d * i * (R(1) - z * z);
            dc[j] = d * f;
            dh[j] = splat(0);
        }
    }
}

static const Column column[] = {
    {"i", 0, 0, 0}, {"f", 1, 1, 1}, {"o", 3, 2, 3}, {"z", 2, NONE, 2}};
static const char *const states[] = {"h", "c"};
static const Row rows[] = {{C, C0}, {H, NONE}};

const Cell NAME(peephole_full) = {
    .name = "peephole_full",
    .title = "Peephole LSTM with full matrices, without h in the recurrence",
    .equations =
        "i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)   a = W x + R c' + b\n"
        "z = tanh(W x + b)\nc = f c' + i z\nh = o squash(c)",
    .source =
        "Gers, Schmidhuber: LSTM Recurrent Networks Learn Simple Context-Free and "
        "Context-Sensitive Languages. IEEE TNN 12, 2001",
    .columns = 4,
    .column = column,
    .states = 2,
    .state = states,
    .rows = 2,
    .row = rows,
    .extras = 1,
    .squashes = 1,
    .forward = forward,
    .backward = backward,
};
