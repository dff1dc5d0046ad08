/* gru.c - gated recurrent unit, the reset gate after the product.
 *
 *   r = sigmoid(a_r)            a_r, a_z = W x + R h' + b, by the driver
 *   z = sigmoid(a_z)            ' marks the step before
 *   n = tanh(a_n + r a_m)       a_n = W_n x + b_n,  a_m = R_n h' + b_m
 *   h = (1 - z) n + z h'
 *
 * Cho et al.: Learning Phrase Representations using RNN Encoder-Decoder. EMNLP 2014, in
 * the form of the paper's first version, which cuDNN and PyTorch use. */
#include "cells.h"

enum { N, RESET, Z, M, H0 };
enum { H };

static void forward(const Step *step)
{
    const Step s = *step;
    EACH_PANEL (s, p, k) {
        vec *n = slot(s, p, k, N), *r = slot(s, p, k, RESET), *z = slot(s, p, k, Z);
        vec *m = slot(s, p, k, M), *saved = slot(s, p, k, H0), *h = hidden(s, p, k);
        const vec *h0 = hidden_before(s, p, k);
        EACH_VECTOR (j) {
            r[j] = sigmoid(r[j]);
            z[j] = sigmoid(z[j]);
            n[j] = tanh_(n[j] + r[j] * m[j]);
            saved[j] = h0[j];
            h[j] = n[j] + z[j] * (h0[j] - n[j]);
        }
    }
}

static void backward(const Step *step)
{
    const Step s = *step;
    EACH_PANEL (s, p, k) {
        vec *dn = slot(s, p, k, N), *dr = slot(s, p, k, RESET), *dz = slot(s, p, k, Z);
        vec *dm = slot(s, p, k, M), *dh = state(s, p, k, H);
        const vec *h0 = slot(s, p, k, H0);
        EACH_VECTOR (j) {
            const vec n = dn[j], r = dr[j], z = dz[j], m = dm[j];
            dn[j] = dh[j] * (R(1) - z) * (R(1) - n * n);
            dz[j] = dh[j] * (h0[j] - n) * z * (R(1) - z);
            dr[j] = dn[j] * m * r * (R(1) - r);
            dm[j] = dn[j] * r;
            dh[j] = dh[j] * z;
        }
    }
}

static const Column column[] = {
    {"n", 2, NONE, 2}, {"r", 0, 0, 0}, {"z", 1, 1, 1}, {"m", NONE, 2, 3}};
static const char *const states[] = {"h"};

const Cell NAME(gru) = {
    .name = "gru",
    .title = "Gated recurrent unit, reset after the product",
    .equations = "r, z = sigmoid(a_r), sigmoid(a_z)\n"
                 "n = tanh(W_n x + b_n + r (R_n h' + b_m))\nh = (1 - z) n + z h'",
    .source = "Cho et al.: Learning Phrase Representations using RNN Encoder-Decoder. "
              "EMNLP 2014, first version",
    .columns = 4,
    .column = column,
    .states = 1,
    .state = states,
    .extras = 1,
    .squashes = 0,
    .forward = forward,
    .backward = backward,
};
