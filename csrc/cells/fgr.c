/* fgr.c - peephole LSTM whose gates feed one another.
 *
 *   i = sigmoid(a_i + p_i c')   a = W x + R h' + b, by the driver; of i, f, o also
 *   f = sigmoid(a_f + p_f c')   + R_i i' + R_f f' + R_o o'
 *   z = tanh(a_z)               ' marks the step before
 *   c = f c' + i z
 *   o = sigmoid(a_o + p_o c)
 *   h = o squash(c)
 *
 * Greff et al.: LSTM: A Search Space Odyssey. IEEE TNNLS 28, 2017. */
#include "gated.h"

enum { I, F, O, Z, C0, I0, F0, O0 };
enum { P_I, P_F, P_O };
enum { S_H, S_I, S_F, S_O, S_C };

static const Form form = {.i = I,
                          .f = F,
                          .o = O,
                          .z = Z,
                          .c0 = C0,
                          .p_i = P_I,
                          .p_f = P_F,
                          .p_o = P_O,
                          .c = S_C,
                          .s_i = S_I,
                          .s_f = S_F,
                          .s_o = S_O,
                          .i0 = I0,
                          .f0 = F0,
                          .o0 = O0};
GATED(form)

static const Column column[] = {{"i", 0, 0, 0, .more = 3},
                                {"f", 1, 4, 1, .more = 3},
                                {"o", 3, 8, 3, .more = 3},
                                {"z", 2, 12, 2}};
static const char *const states[] = {"h", "i", "f", "o", "c"};
static const char *const vectors[] = {"p_i", "p_f", "p_o"};
static const Row rows[] = {{S_H, NONE}, {S_I, I0}, {S_F, F0}, {S_O, O0}};

const Cell NAME(fgr) = {
    .name = "fgr",
    .title = "Peephole LSTM with full gate recurrence",
    .equations = "a_i, a_f, a_o += R_i i' + R_f f' + R_o o'\n"
                 "i, f = sigmoid(a_i + p_i c'), sigmoid(a_f + p_f c')\n"
                 "z = tanh(a_z)\n"
                 "c = f c' + i z\n"
                 "o = sigmoid(a_o + p_o c)\n"
                 "h = o squash(c)",
    .source = "Greff et al.: LSTM: A Search Space Odyssey. IEEE TNNLS 28, 2017",
    .columns = 4,
    .column = column,
    .states = 5,
    .state = states,
    .rows = 4,
    .row = rows,
    .extras = 4,
    .vectors = 3,
    .vector = vectors,
    .squashes = 1,
    .projects = 0,
    .forward = forward,
    .backward = backward,
};
