/* mdlstm_cell.h - P and P' of the multidimensional LSTM.
 *
 *   i   = sigmoid(a_i + p_i sum_d c_d)     c_d: c of the cell before along dimension d
 *   f_d = sigmoid(a_f,d + p_f,d c_d)       one forget gate for each dimension
 *   z   = tanh(a_z)
 *   c   = i z + sum_d f_d c_d
 *   o   = sigmoid(a_o + p_o c)
 *   h   = o tanh(c)
 *
 * Graves, Schmidhuber: Offline Handwriting Recognition with Multidimensional Recurrent
 * Neural Networks. NIPS 2008. */
#ifndef LSTMC_MDLSTM_CELL_H
#define LSTMC_MDLSTM_CELL_H

#include "sweep.h"

/* The slots of one cell and panel, its peepholes, and the states around. */
typedef struct {
    vec *a;       /* (slots, VECS) */
    const vec *p; /* (dims + 2, VECS) */
    const vec *c0[LSTMC_MAX_DIMS];
    vec *c, *h;
} Inside;

/* Leaves the gates and c in the slots. */
ALWAYS_INLINE void step_forward(Inside s, const int dims)
{
    const int z_ = F + dims, o_ = z_ + 1, c_ = o_ + 1;
    EACH_VECTOR (j) {
        vec sum = s.c0[0][j];
        for (int d = 1; d < dims; ++d)
            sum += s.c0[d][j];
        const vec i = sigmoid(s.a[I * VECS + j] + s.p[j] * sum);
        const vec z = tanh_(s.a[z_ * VECS + j]);
        vec c = i * z;
        for (int d = 0; d < dims; ++d) {
            vec *f = s.a + (F + d) * VECS + j;
            *f = sigmoid(*f + s.p[(1 + d) * VECS + j] * s.c0[d][j]);
            c += *f * s.c0[d][j];
        }
        const vec o = sigmoid(s.a[o_ * VECS + j] + s.p[(1 + dims) * VECS + j] * c);
        s.a[I * VECS + j] = i;
        s.a[z_ * VECS + j] = z;
        s.a[o_ * VECS + j] = o;
        s.a[c_ * VECS + j] = c;
        s.c[j] = c;
        s.h[j] = o * tanh_(c);
    }
}

/* dh and dc of the cell; what goes on to c_d goes to dc0[d]. Leaves da in the slots. */
ALWAYS_INLINE void step_backward(Inside s, vec dh, vec dc, vec *const *dc0,
                                 const int dims, const int j)
{
    const int z_ = F + dims, o_ = z_ + 1, c_ = o_ + 1;
    const vec i = s.a[I * VECS + j], z = s.a[z_ * VECS + j], o = s.a[o_ * VECS + j];
    const vec y = tanh_(s.a[c_ * VECS + j]);
    const vec da_o = dh * y * o * (R(1) - o);
    dc += dh * o * (R(1) - y * y) + s.p[(1 + dims) * VECS + j] * da_o;
    const vec da_i = dc * z * i * (R(1) - i);
    s.a[o_ * VECS + j] = da_o;
    s.a[I * VECS + j] = da_i;
    s.a[z_ * VECS + j] = dc * i * (R(1) - z * z);
    for (int d = 0; d < dims; ++d) {
        vec *gate = s.a + (F + d) * VECS + j;
        const vec f = *gate, da = *gate = dc * s.c0[d][j] * f * (R(1) - f);
        dc0[d][j] = dc * f + s.p[(1 + d) * VECS + j] * da + s.p[j] * da_i;
    }
}

#endif
