/* nig.c - peephole LSTM without an input gate.
 *
 *   f = sigmoid(a_f + p_f c')   a = W x + R h' + b, by the driver
 *   z = tanh(a_z)               ' marks the step before
 *   c = f c' + z
 *   o = sigmoid(a_o + p_o c)
 *   h = o squash(c)
 *
 * Greff et al.: LSTM: A Search Space Odyssey. IEEE TNNLS 28, 2017. */
#include "gated.h"

enum { F, O, Z, C0 };
enum { P_F, P_O };
enum { H, C };

static const Form form = {.i = NONE,
                          .f = F,
                          .o = O,
                          .z = Z,
                          .c0 = C0,
                          .p_i = NONE,
                          .p_f = P_F,
                          .p_o = P_O,
                          .c = C,
                          NO_FEEDBACK};
GATED(form)

static const Column column[] = {{"f", 0, 0, 0}, {"o", 2, 2, 2}, {"z", 1, 1, 1}};
static const char *const states[] = {"h", "c"};
static const char *const vectors[] = {"p_f", "p_o"};

const Cell NAME(nig) = {
    .name = "nig",
    .title = "Peephole LSTM without an input gate",
    .equations = "f = sigmoid(a_f + p_f c')\n"
                 "z = tanh(a_z)\n"
                 "c = f c' + z\n"
                 "o = sigmoid(a_o + p_o c)\n"
                 "h = o squash(c)",
    .source = "Greff et al.: LSTM: A Search Space Odyssey. IEEE TNNLS 28, 2017",
    .columns = 3,
    .column = column,
    .states = 2,
    .state = states,
    .extras = 1,
    .vectors = 2,
    .vector = vectors,
    .squashes = 1,
    .projects = 1,
    .forward = forward,
    .backward = backward,
};
