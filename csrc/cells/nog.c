/* nog.c - peephole LSTM without an output gate.
 *
 *   i = sigmoid(a_i + p_i c')   a = W x + R h' + b, by the driver
 *   f = sigmoid(a_f + p_f c')   ' marks the step before
 *   z = tanh(a_z)
 *   c = f c' + i z
 *   h = squash(c)
 *
 * Greff et al.: LSTM: A Search Space Odyssey. IEEE TNNLS 28, 2017. */
#include "gated.h"

enum { I, F, Z, C0 };
enum { P_I, P_F };
enum { H, C };

static const Form form = {.i = I,
                          .f = F,
                          .o = NONE,
                          .z = Z,
                          .c0 = C0,
                          .p_i = P_I,
                          .p_f = P_F,
                          .p_o = NONE,
                          .c = C,
                          NO_FEEDBACK};
GATED(form)

static const Column column[] = {{"i", 0, 0, 0}, {"f", 1, 1, 1}, {"z", 2, 2, 2}};
static const char *const states[] = {"h", "c"};
static const char *const vectors[] = {"p_i", "p_f"};

const Cell NAME(nog) = {
    .name = "nog",
    .title = "Peephole LSTM without an output gate",
    .equations = "i = sigmoid(a_i + p_i c')\n"
                 "f = sigmoid(a_f + p_f c')\n"
                 "z = tanh(a_z)\n"
                 "c = f c' + i z\n"
                 "h = squash(c)",
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
