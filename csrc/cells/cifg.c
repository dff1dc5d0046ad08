/* cifg.c - peephole LSTM with coupled input and forget gates.
 *
 *   i = sigmoid(a_i + p_i c')   a = W x + R h' + b, by the driver
 *   f = 1 - i                   ' marks the step before
 *   z = tanh(a_z)
 *   c = f c' + i z
 *   o = sigmoid(a_o + p_o c)
 *   h = o squash(c)
 *
 * Greff et al.: LSTM: A Search Space Odyssey. IEEE TNNLS 28, 2017. */
#include "gated.h"

enum { I, O, Z, C0 };
enum { P_I, P_O };
enum { H, C };

static const Form form = {.i = I,
                          .f = NONE,
                          .o = O,
                          .z = Z,
                          .c0 = C0,
                          .p_i = P_I,
                          .p_f = NONE,
                          .p_o = P_O,
                          .c = C,
                          .coupled = 1,
                          NO_FEEDBACK};
GATED(form)

static const Column column[] = {{"i", 0, 0, 0}, {"o", 2, 2, 2}, {"z", 1, 1, 1}};
static const char *const states[] = {"h", "c"};
static const char *const vectors[] = {"p_i", "p_o"};

const Cell NAME(cifg) = {
    .name = "cifg",
    .title = "Peephole LSTM with coupled input and forget gates",
    .equations = "i = sigmoid(a_i + p_i c')\n"
                 "f = 1 - i\n"
                 "z = tanh(a_z)\n"
                 "c = f c' + i z\n"
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
