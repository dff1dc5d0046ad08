/* log_softmax.c - log probabilities of frames, as the decoders read them: in double,
 * so that the sums of a search over many frames lose nothing. */
#include "kernels.h"
#include "softmax.h"

#define BLOCK 64 /* rows whose norms are kept on the stack */

void NAME(log_softmax)(const void *x, double *out, idx rows, idx classes)
{
    const real *from = x;
    double norm[BLOCK];
    for (idx r = 0; r < rows; ++r, from += classes, out += classes) {
        if (r % BLOCK == 0)
            NAME(softmax)(&(Softmax){.rows = min_idx(BLOCK, rows - r),
                                     .classes = classes,
                                     .x = from,
                                     .norm = norm,
                                     .weight = 1});
        for (idx k = 0; k < classes; ++k)
            out[k] = (double)from[k] - norm[r % BLOCK];
    }
}
