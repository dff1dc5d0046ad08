/* gated.h - P and P' of the cells with gates, peepholes and their variants.
 *
 *   i = sigmoid(a_i + p_i c')       or 1
 *   f = sigmoid(a_f + p_f c')       or 1, or 1 - i
 *   z = tanh(a_z)                   or a_z, or 2 tanh(a_z / 2)
 *   c = f c' + i z
 *   o = sigmoid(a_o + p_o c)        or 1
 *   h = o squash(c)                 squash: tanh, the identity, or tanh(c / 2)
 *
 * A cell's file names the form; what it lacks the compiler leaves out. */
#ifndef LSTMC_GATED_H
#define LSTMC_GATED_H

#include "cells.h"

typedef struct {
    int i, f, o, z, c0; /* columns and the slot of c'; NONE: there is no such gate */
    int p_i, p_f, p_o; /* vectors; NONE: no peephole */
    int c; /* state */
    int coupled; /* f = 1 - i */
    int linear; /* z = a_z */
    int identity; /* h = o c */
    int old; /* the squashes of 1997 */
    int s_i, s_f, s_o; /* where R reads the gates: states, in rows of these numbers */
    int i0, f0, o0; /* slots of the gates before */
} Form;

#define NO_PEEPHOLES .p_i = NONE, .p_f = NONE, .p_o = NONE
#define NO_FEEDBACK .s_i = NONE, .s_f = NONE, .s_o = NONE

ALWAYS_INLINE vec pick(int first, vec x, vec y) { return first ? x : y; }

ALWAYS_INLINE vec squash_input(const Form form, vec a)
{
    return pick(form.linear, a, pick(form.old, R(2) * tanh_(R(0.5) * a), tanh_(a)));
}

/* By z itself. */
ALWAYS_INLINE vec slope_of_input(const Form form, vec z)
{
    return pick(form.linear, splat(1), R(1) - (form.old ? R(0.25) : R(1)) * z * z);
}

ALWAYS_INLINE vec squash_output(const Form form, int identity, vec c)
{
    return form.identity || identity ? c : tanh_((form.old ? R(0.5) : R(1)) * c);
}

ALWAYS_INLINE vec slope_of_output(const Form form, int identity, vec y)
{
    if (form.identity || identity)
        return splat(1);
    return (form.old ? R(0.5) : R(1)) * (R(1) - y * y);
}

/* a + p c, if there is a peephole. */
ALWAYS_INLINE vec look(Step s, idx p, idx r, int peephole, int j, vec a, vec c)
{
    if (peephole == NONE)
        return a;
    return a + vector(s, p, r, peephole)[j] * c;
}

/* The gate's value before goes to its slot, and the new one to its row. */
ALWAYS_INLINE void feed(Step s, idx p, idx r, int row, int before, int j, vec gate)
{
    if (row == NONE)
        return;
    slot(s, p, r, before)[j] = row_before(s, p, r, row)[j];
    row_after(s, p, r, row)[j] = gate;
}

/* Two walks: the chains of one are short enough to overlap. */
ALWAYS_INLINE void gated_forward(Step s, const Form form)
{
    EACH_PANEL (s, p, r) {
        vec *z = slot(s, p, r, form.z), *c0 = slot(s, p, r, form.c0);
        vec *c = state(s, p, r, form.c), i = splat(1), f = splat(1);
        EACH_VECTOR (j) {
            c0[j] = c[j];
            z[j] = squash_input(form, z[j]);
            if (form.i != NONE) {
                vec *a = slot(s, p, r, form.i) + j;
                *a = i = sigmoid(look(s, p, r, form.p_i, j, *a, c0[j]));
                feed(s, p, r, form.s_i, form.i0, j, i);
            }
            if (form.f != NONE) {
                vec *a = slot(s, p, r, form.f) + j;
                *a = f = sigmoid(look(s, p, r, form.p_f, j, *a, c0[j]));
                feed(s, p, r, form.s_f, form.f0, j, f);
            }
            c[j] = pick(form.coupled, R(1) - i, f) * c0[j] + i * z[j];
        }
    }
    EACH_PANEL (s, p, r) {
        const vec *c = state(s, p, r, form.c);
        vec *h = hidden(s, p, r), o = splat(1);
        EACH_VECTOR (j) {
            if (form.o != NONE) {
                vec *a = slot(s, p, r, form.o) + j;
                *a = o = sigmoid(look(s, p, r, form.p_o, j, *a, c[j]));
                feed(s, p, r, form.s_o, form.o0, j, o);
            }
            h[j] = o * squash_output(form, s.identity, c[j]);
        }
    }
}

/* The gradient at a gate's sum, from that at its value; R's share comes on top, and the
 * peephole has its own, which goes on to c by the vector returned. */
ALWAYS_INLINE vec pull_gate(Step s, idx p, idx r, int column, int fed, int peephole,
                            int j, vec d, vec c)
{
    vec *gate = slot(s, p, r, column) + j;
    if (fed != NONE) {
        d += state(s, p, r, fed)[j];
        state(s, p, r, fed)[j] = splat(0);
    }
    const vec da = *gate = d * *gate * (R(1) - *gate);
    if (peephole == NONE)
        return splat(0);
    vector_gradient(s, p, r, peephole)[j] += da * c;
    return pick(s.truncated, splat(0), vector(s, p, r, peephole)[j] * da);
}

ALWAYS_INLINE void gated_backward(Step s, const Form form)
{
    EACH_PANEL (s, p, r) {
        const vec *z = slot(s, p, r, form.z), *c0 = slot(s, p, r, form.c0);
        vec *dh = state(s, p, r, 0), *dc = state(s, p, r, form.c);
        EACH_VECTOR (j) {
            const vec i = form.i != NONE ? slot(s, p, r, form.i)[j] : splat(1);
            const vec f = form.f != NONE ? slot(s, p, r, form.f)[j] : splat(1);
            const vec o = form.o != NONE ? slot(s, p, r, form.o)[j] : splat(1);
            const vec c = pick(form.coupled, R(1) - i, f) * c0[j] + i * z[j];
            const vec y = squash_output(form, s.identity, c);
            dc[j] += dh[j] * o * slope_of_output(form, s.identity, y);
            if (form.o != NONE)
                dc[j] +=
                    pull_gate(s, p, r, form.o, form.s_o, form.p_o, j, dh[j] * y, c);
            dh[j] = splat(0);
        }
    }
    EACH_PANEL (s, p, r) {
        vec *dz = slot(s, p, r, form.z), *dc = state(s, p, r, form.c);
        const vec *c0 = slot(s, p, r, form.c0);
        EACH_VECTOR (j) {
            const vec z = dz[j], d = dc[j];
            const vec i = form.i != NONE ? slot(s, p, r, form.i)[j] : splat(1);
            const vec f = form.f != NONE ? slot(s, p, r, form.f)[j] : splat(1);
            dz[j] = d * i * slope_of_input(form, z);
            dc[j] = d * pick(form.coupled, R(1) - i, f);
            if (form.i != NONE)
                dc[j] += pull_gate(s, p, r, form.i, form.s_i, form.p_i, j,
                                   d * (pick(form.coupled, z - c0[j], z)), c0[j]);
            if (form.f != NONE)
                dc[j] +=
                    pull_gate(s, p, r, form.f, form.s_f, form.p_f, j, d * c0[j], c0[j]);
        }
    }
}

/* P and P' of a form, and the facts that all forms share. */
#define GATED(form_)                                                 \
    static void forward(const Step *s) { gated_forward(*s, form_); } \
    static void backward(const Step *s) { gated_backward(*s, form_); }

#endif
