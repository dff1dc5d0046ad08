/* lstm.c - long short-term memory with a forget gate.
 *
 *   i = sigmoid(a_i)            a = W x + R h' + b, by the driver
 *   f = sigmoid(a_f)            ' marks the step before
 *   o = sigmoid(a_o)
 *   z = tanh(a_z)
 *   c = f c' + i z
 *   h = o squash(c)             squash: tanh, or the identity
 *
 * Gers, Schmidhuber, Cummins: Learning to Forget. Neural Computation 12, 2000. */
#include "cells.h"

enum { I, F, O, Z, C0 };
enum { H, C };

/* Two walks over the block: the chains of one are short enough to overlap. */
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
        const vec *z = slot(s, p, r, Z);
        vec *c0 = slot(s, p, r, C0), *c = state(s, p, r, C), *h = hidden(s, p, r);
        EACH_VECTOR (j) {
            c0[j] = c[j];
            c[j] = f[j] * c[j] + i[j] * z[j];
            h[j] = o[j] * (s.identity ? c[j] : tanh_(c[j]));
        }
    }
}

static void backward(const Step *step)
{
    const Step s = *step;
    EACH_PANEL (s, p, r) {
        const vec *i = slot(s, p, r, I), *f = slot(s, p, r, F), *z = slot(s, p, r, Z);
        const vec *c0 = slot(s, p, r, C0);
        vec *o = slot(s, p, r, O), *dh = state(s, p, r, H), *dc = state(s, p, r, C);
        EACH_VECTOR (j) {
            const vec c = f[j] * c0[j] + i[j] * z[j];
            const vec y = s.identity ? c : tanh_(c);
            const vec bend = s.identity ? splat(0) : y;
            dc[j] += dh[j] * o[j] * (R(1) - bend * bend);
            o[j] = dh[j] * y * o[j] * (R(1) - o[j]);
            dh[j] = splat(0);
        }
    }
    EACH_PANEL (s, p, r) {
        vec *di = slot(s, p, r, I), *df = slot(s, p, r, F), *dz = slot(s, p, r, Z);
        vec *dc = state(s, p, r, C);
        const vec *c0 = slot(s, p, r, C0);
        EACH_VECTOR (j) {
            const vec i = di[j], f = df[j], z = dz[j];
            di[j] = dc[j] * z * i * (R(1) - i);
            df[j] = dc[j] * c0[j] * f * (R(1) - f);
            dz[j] = dc[j] * i * (R(1) - z * z);
            dc[j] *= f;
        }
    }
}

static const Column column[] = {
    {"i", 0, 0, 0}, {"f", 1, 1, 1}, {"o", 3, 3, 3}, {"z", 2, 2, 2}};
static const char *const states[] = {"h", "c"};

const Cell NAME(lstm) = {
    .name = "lstm",
    .title = "LSTM with a forget gate",
    .equations = "i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)\n"
                 "z = tanh(a_z)\nc = f c' + i z\nh = o squash(c)",
    .source =
        "Gers, Schmidhuber, Cummins: Learning to Forget. Neural Computation 12, 2000",
    .columns = 4,
    .column = column,
    .states = 2,
    .state = states,
    .extras = 1,
    .squashes = 1,
    .projects = 1,
    .forward = forward,
    .backward = backward,
};
