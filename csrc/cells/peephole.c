/* peephole.c - LSTM whose gates see the cell state.
 *
 *   i = sigmoid(a_i + p_i c')   a = W x + R h' + b, by the driver
 *   f = sigmoid(a_f + p_f c')   ' marks the step before
 *   z = tanh(a_z)
 *   c = f c' + i z
 *   o = sigmoid(a_o + p_o c)
 *   h = o squash(c)
 *
 * Gers, Schraudolph, Schmidhuber: Learning Precise Timing with LSTM Recurrent
 * Networks. JMLR 3, 2002. */
#include "gated.h"

enum { I, F, O, Z, C0 };
enum { P_I, P_F, P_O };
enum { H, C };

static const Form form = {.i = I,
                          .f = F,
                          .o = O,
                          .z = Z,
                          .c0 = C0,
                          .p_i = P_I,
                          .p_f = P_F,
                          .p_o = P_O,
                          .c = C,
                          NO_FEEDBACK};
GATED(form)

static const Column column[] = {
    {"i", 0, 0, 0}, {"f", 1, 1, 1}, {"o", 3, 3, 3}, {"z", 2, 2, 2}};
static const char *const states[] = {"h", "c"};
static const char *const vectors[] = {"p_i", "p_f", "p_o"};

const Cell NAME(peephole) = {
    .name = "peephole",
    .title = "LSTM with peepholes",
    .equations = "i = sigmoid(a_i + p_i c')\n"
                 "f = sigmoid(a_f + p_f c')\n"
                 "z = tanh(a_z)\n"
                 "c = f c' + i z\n"
                 "o = sigmoid(a_o + p_o c)\n"
                 "h = o squash(c)",
    .source = "Gers, Schraudolph, Schmidhuber: Learning Precise Timing with LSTM "
              "Recurrent Networks. JMLR 3, 2002",
    .columns = 4,
    .column = column,
    .states = 2,
    .state = states,
    .extras = 1,
    .vectors = 3,
    .vector = vectors,
    .squashes = 1,
    .projects = 1,
    .forward = forward,
    .backward = backward,
};
