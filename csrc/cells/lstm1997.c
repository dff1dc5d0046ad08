/* lstm1997.c - the LSTM of 1997: no forget gate, gates fed by cells and gates.
 *
 *   i = sigmoid(a_i)            a = W x + R (h', i', o') + b, by the driver
 *   o = sigmoid(a_o)            ' marks the step before
 *   z = 4 sigmoid(a_z) - 2
 *   c = c' + i z
 *   h = o (2 sigmoid(c) - 1)    or o c
 *
 * Hochreiter, Schmidhuber: Long Short-Term Memory. Neural Computation 9, 1997. */
#include "gated.h"

enum { I, O, Z, C0, I0, O0 };
enum { S_H, S_I, S_O, S_C };

static const Form form = {.i = I,
                          .f = NONE,
                          .o = O,
                          .z = Z,
                          .c0 = C0,
                          NO_PEEPHOLES,
                          .c = S_C,
                          .old = 1,
                          .s_i = S_I,
                          .s_f = NONE,
                          .s_o = S_O,
                          .i0 = I0,
                          .o0 = O0};
GATED(form)

static const Column column[] = {
    {"i", 0, 0, 0, .more = 2}, {"o", 1, 3, 1, .more = 2}, {"z", 2, 6, 2, .more = 2}};
static const char *const states[] = {"h", "i", "o", "c"};
static const Row rows[] = {{S_H, NONE}, {S_I, I0}, {S_O, O0}};

const Cell NAME(lstm1997) = {
    .name = "lstm1997",
    .title = "LSTM of 1997, gates fed by cells and gates",
    .equations = "i, o = sigmoid(a_i), sigmoid(a_o)   a = W x + R (h', i', o') + b\n"
                 "z = 4 sigmoid(a_z) - 2\n"
                 "c = c' + i z\n"
                 "h = o (2 sigmoid(c) - 1)",
    .source =
        "Hochreiter, Schmidhuber: Long Short-Term Memory. Neural Computation 9, 1997",
    .columns = 3,
    .column = column,
    .states = 4,
    .state = states,
    .rows = 3,
    .row = rows,
    .extras = 3,
    .squashes = 1,
    .projects = 0,
    .forward = forward,
    .backward = backward,
};
