/* gru_before.c - gated recurrent unit, the reset gate before the product.
 *
 *   r = sigmoid(a_r)            a = W x + R h' + b, by the driver
 *   z = sigmoid(a_z)            ' marks the step before
 *   n = tanh(a_n)               a_n = W x + R (r h') + b, in a second stage
 *   h = (1 - z) n + z h'
 *
 * Cho et al.: Learning Phrase Representations using RNN Encoder-Decoder. EMNLP 2014. */
#include "cells.h"

enum { RESET, Z, N, H0 };
enum { H };

static void forward(const Step *step)
{
    const Step s = *step;
    EACH_PANEL (s, p, k) {
        vec *n = slot(s, p, k, N), *r = slot(s, p, k, RESET), *z = slot(s, p, k, Z);
        vec *saved = slot(s, p, k, H0), *q = late(s, p, k), *h = hidden(s, p, k);
        const vec *h0 = hidden_before(s, p, k);
        EACH_VECTOR (j)
            if (s.stage == 0) {
                r[j] = sigmoid(r[j]);
                z[j] = sigmoid(z[j]);
                saved[j] = h0[j];
                q[j] = r[j] * h0[j];
            } else {
                n[j] = tanh_(n[j]);
                h[j] = n[j] + z[j] * (h0[j] - n[j]);
            }
    }
}

static void backward(const Step *step)
{
    const Step s = *step;
    EACH_PANEL (s, p, k) {
        vec *dn = slot(s, p, k, N), *dr = slot(s, p, k, RESET), *dz = slot(s, p, k, Z);
        vec *dh = state(s, p, k, H);
        const vec *h0 = slot(s, p, k, H0), *dq = late_gradient(s, p, k);
        EACH_VECTOR (j)
            if (s.stage == 1) {
                const vec n = dn[j], z = dz[j];
                dn[j] = dh[j] * (R(1) - z) * (R(1) - n * n);
                dz[j] = dh[j] * (h0[j] - n) * z * (R(1) - z);
                dh[j] = dh[j] * z;
            } else {
                const vec r = dr[j];
                dr[j] = dq[j] * h0[j] * r * (R(1) - r);
                dh[j] += dq[j] * r;
            }
    }
}

static const Column column[] = {
    {"r", 0, 0, 0}, {"z", 1, 1, 1}, {"n", 2, 2, 2, .late = 1}};
static const char *const states[] = {"h"};

const Cell NAME(gru_before) = {
    .name = "gru_before",
    .title = "Gated recurrent unit, reset before the product",
    .equations = "r, z = sigmoid(a_r), sigmoid(a_z)\n"
                 "n = tanh(W_n x + R_n (r h') + b_n)\nh = (1 - z) n + z h'",
    .source = "Cho et al.: Learning Phrase Representations using RNN Encoder-Decoder. "
              "EMNLP 2014",
    .columns = 3,
    .column = column,
    .states = 1,
    .state = states,
    .extras = 1,
    .forward = forward,
    .backward = backward,
};
