/* focused.c - context units that decay by themselves alone.
 *
 *   h = d h' + tanh(a)          a = W x + b, by the driver; ' marks the step before
 *
 * Mozer: A Focused Backpropagation Algorithm for Temporal Pattern Recognition. Complex
 * Systems 3, 1989. */
#include "cells.h"

enum { A, H0 };
enum { H };
enum { D };

static void forward(const Step *step)
{
    const Step s = *step;
    EACH_PANEL (s, p, r) {
        vec *a = slot(s, p, r, A), *saved = slot(s, p, r, H0), *h = hidden(s, p, r);
        const vec *h0 = hidden_before(s, p, r), *d = vector(s, p, r, D);
        EACH_VECTOR (j) {
            saved[j] = h0[j];
            a[j] = tanh_(a[j]);
            h[j] = d[j] * saved[j] + a[j];
        }
    }
}

static void backward(const Step *step)
{
    const Step s = *step;
    EACH_PANEL (s, p, r) {
        vec *da = slot(s, p, r, A), *dh = state(s, p, r, H);
        vec *dd = vector_gradient(s, p, r, D);
        const vec *h0 = slot(s, p, r, H0), *d = vector(s, p, r, D);
        EACH_VECTOR (j) {
            const vec y = da[j];
            da[j] = dh[j] * (R(1) - y * y);
            dd[j] += dh[j] * h0[j];
            dh[j] *= d[j];
        }
    }
}

static const Column column[] = {{"a", 0, NONE, 0}};
static const char *const states[] = {"h"};
static const char *const vectors[] = {"d"};

const Cell NAME(focused) = {
    .name = "focused",
    .title = "Focused network: context units that decay by themselves",
    .equations = "h = d h' + tanh(W x + b)",
    .source = "Mozer: A Focused Backpropagation Algorithm for Temporal Pattern "
              "Recognition. Complex Systems 3, 1989",
    .columns = 1,
    .column = column,
    .states = 1,
    .state = states,
    .extras = 1,
    .vectors = 1,
    .vector = vectors,
    .forward = forward,
    .backward = backward,
};
