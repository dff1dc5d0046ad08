/* ealstm.c - LSTM whose input gate is a map of static features.
 *
 *   i = sigmoid(a_i)            a_i = W s + b, once, given as a state
 *   f = sigmoid(a_f)            a = W x + R h' + b, by the driver
 *   o = sigmoid(a_o)            ' marks the step before
 *   z = tanh(a_z)
 *   c = f c' + i z
 *   h = o squash(c)             squash: tanh, or the identity
 *
 * Kratzert et al.: Towards learning universal, regional, and local hydrological
 * behaviors via machine learning applied to large-sample datasets. HESS 23, 2019. */
#include "cells.h"

enum { F, O, Z, C0, I };
enum { H, C, A };

static void forward(const Step *step)
{
    const Step s = *step;
    EACH_PANEL (s, p, r) {
        vec *f = slot(s, p, r, F), *o = slot(s, p, r, O), *z = slot(s, p, r, Z);
        vec *i = slot(s, p, r, I);
        const vec *a = state(s, p, r, A);
        EACH_VECTOR (j) {
            i[j] = sigmoid(a[j]);
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
        vec *df = slot(s, p, r, F), *d_o = slot(s, p, r, O), *dz = slot(s, p, r, Z);
        vec *dh = state(s, p, r, H), *dc = state(s, p, r, C), *da = state(s, p, r, A);
        const vec *c0 = slot(s, p, r, C0), *gate = slot(s, p, r, I);
        EACH_VECTOR (j) {
            const vec i = gate[j], f = df[j], z = dz[j], o = d_o[j];
            const vec c = f * c0[j] + i * z;
            const vec y = s.identity ? c : tanh_(c);
            const vec bend = s.identity ? splat(0) : y;
            const vec d = dc[j] + dh[j] * o * (R(1) - bend * bend);
            d_o[j] = dh[j] * y * o * (R(1) - o);
            df[j] = d * c0[j] * f * (R(1) - f);
            dz[j] = d * i * (R(1) - z * z);
            da[j] += d * z * i * (R(1) - i);
            dc[j] = d * f;
            dh[j] = splat(0);
        }
    }
}

static const Column column[] = {{"f", 0, 0, 0}, {"o", 2, 2, 2}, {"z", 1, 1, 1}};
static const char *const states[] = {"h", "c", "i"};

const Cell NAME(ealstm) = {
    .name = "ealstm",
    .title = "Entity-aware LSTM: static features open the input gate",
    .equations = "i = sigmoid(W_s s + b_s)\nf, o = sigmoid(a_f), sigmoid(a_o)\n"
                 "z = tanh(a_z)\nc = f c' + i z\nh = o squash(c)",
    .source = "Kratzert et al.: Towards learning universal, regional, and local "
              "hydrological behaviors. HESS 23, 2019",
    .columns = 3,
    .column = column,
    .states = 3,
    .state = states,
    .extras = 2,
    .squashes = 1,
    .projects = 1,
    .statics = 1,
    .forward = forward,
    .backward = backward,
};
