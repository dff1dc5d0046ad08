/* rnn.c - the simple recurrent network.
 *
 *   h = tanh(a)                 a = W x + R h' + b, by the driver
 *
 * Elman: Finding Structure in Time. Cognitive Science 14, 1990. */
#include "cells.h"

static void forward(const Step *step)
{
    const Step s = *step;
    EACH_PANEL (s, p, r) {
        vec *a = slot(s, p, r, 0), *h = hidden(s, p, r);
        EACH_VECTOR (j)
            h[j] = a[j] = tanh_(a[j]);
    }
}

static void backward(const Step *step)
{
    const Step s = *step;
    EACH_PANEL (s, p, r) {
        vec *da = slot(s, p, r, 0), *dh = state(s, p, r, 0);
        EACH_VECTOR (j) {
            const vec h = da[j];
            da[j] = dh[j] * (R(1) - h * h);
            dh[j] = splat(0);
        }
    }
}

static const Column column[] = {{"a", 0, 0, 0}};
static const char *const states[] = {"h"};

const Cell NAME(rnn) = {
    .name = "rnn",
    .title = "Simple recurrent network (Elman)",
    .equations = "h = tanh(a)",
    .source = "Elman: Finding Structure in Time. Cognitive Science 14, 1990",
    .columns = 1,
    .column = column,
    .states = 1,
    .state = states,
    .extras = 0,
    .squashes = 0,
    .forward = forward,
    .backward = backward,
};
