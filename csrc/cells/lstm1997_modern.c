/* lstm1997_modern.c - the LSTM of 1997 with gates fed by h alone.
 *
 *   i = sigmoid(a_i)            a = W x + R h' + b, by the driver
 *   o = sigmoid(a_o)            ' marks the step before
 *   z = 4 sigmoid(a_z) - 2
 *   c = c' + i z
 *   h = o (2 sigmoid(c) - 1)    or o c
 *
 * Hochreiter, Schmidhuber: Long Short-Term Memory. Neural Computation 9, 1997. */
#include "gated.h"

enum { I, O, Z, C0 };
enum { H, C };

static const Form form = {.i = I,
                          .f = NONE,
                          .o = O,
                          .z = Z,
                          .c0 = C0,
                          NO_PEEPHOLES,
                          .c = C,
                          .old = 1,
                          NO_FEEDBACK};
GATED(form)

static const Column column[] = {{"i", 0, 0, 0}, {"o", 1, 1, 1}, {"z", 2, 2, 2}};
static const char *const states[] = {"h", "c"};

const Cell NAME(lstm1997_modern) = {
    .name = "lstm1997_modern",
    .title = "LSTM of 1997 without gate recurrence",
    .equations = "i, o = sigmoid(a_i), sigmoid(a_o)\n"
                 "z = 4 sigmoid(a_z) - 2\n"
                 "c = c' + i z\n"
                 "h = o (2 sigmoid(c) - 1)",
    .source =
        "Hochreiter, Schmidhuber: Long Short-Term Memory. Neural Computation 9, 1997",
    .columns = 3,
    .column = column,
    .states = 2,
    .state = states,
    .extras = 1,
    .squashes = 1,
    .projects = 1,
    .forward = forward,
    .backward = backward,
};
