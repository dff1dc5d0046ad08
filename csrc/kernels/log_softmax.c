/* log_softmax.c - log probabilities of frames, as the decoders read them: in double,
 * so that the sums of a search over many frames lose nothing. */
#include "kernels.h"

void NAME(log_softmax)(const void *x, double *out, idx rows, idx classes)
{
    const real *row = x;
    for (idx r = 0; r < rows; ++r, row += classes, out += classes) {
        const double all = NAME(softmax)(row, NULL, classes, 1, 0);
        for (idx k = 0; k < classes; ++k)
            out[k] = (double)row[k] - all;
    }
}
