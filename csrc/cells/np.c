/* np.c - lSTM without peepholes, as the Odyssey names it.
 *
 *   i = sigmoid(a_i)            a = W x + R h' + b, by the driver
 *   f = sigmoid(a_f)            ' marks the step before
 *   z = tanh(a_z)
 *   c = f c' + i z
 *   o = sigmoid(a_o)
 *   h = o squash(c)
 *
 * Greff et al.: LSTM: A Search Space Odyssey. IEEE TNNLS 28, 2017. The equations are
 * those of lstm.c. */
#include "gated.h"

enum { I, F, O, Z, C0 };
enum { H, C };

static const Form form = {
    .i = I, .f = F, .o = O, .z = Z, .c0 = C0, NO_PEEPHOLES, .c = C, NO_FEEDBACK};
GATED(form)

static const Column column[] = {
    {"i", 0, 0, 0}, {"f", 1, 1, 1}, {"o", 3, 3, 3}, {"z", 2, 2, 2}};
static const char *const states[] = {"h", "c"};

const Cell NAME(np) = {
    .name = "np",
    .title = "LSTM without peepholes, as the Odyssey names it",
    .equations = "i = sigmoid(a_i)\n"
                 "f = sigmoid(a_f)\n"
                 "z = tanh(a_z)\n"
                 "c = f c' + i z\n"
                 "o = sigmoid(a_o)\n"
                 "h = o squash(c)",
    .source = "Greff et al.: LSTM: A Search Space Odyssey. IEEE TNNLS 28, 2017",
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
