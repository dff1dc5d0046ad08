/* best_path.c - the best class of each frame, repeats collapsed, blanks dropped. */
#include "decode.h"

static int32_t best_class(const double *frame, idx classes)
{
    idx best = 0;
    for (idx k = 1; k < classes; ++k)
        if (frame[k] > frame[best])
            best = k;
    return (int32_t)best;
}

void follow_best_path(const lstmc_frames *frames, idx sample, double *frame,
                      int32_t *labels, idx *starts, idx *ends, double *confidences,
                      idx *count, double *score)
{
    const idx steps = frames_of(frames, sample);
    int32_t before = frames->blank;
    idx last = -1;
    *score = 0;
    for (idx t = 0; t < steps; ++t) {
        read_frames(frames, sample, t, 1, frame);
        const int32_t label = best_class(frame, frames->classes);
        *score += frame[label];
        if (label != frames->blank && label != before) {
            labels[++last] = label;
            starts[last] = t;
            confidences[last] = 0;
        }
        if (label != frames->blank) {
            confidences[last] += exp(frame[label]);
            ends[last] = t + 1;
        }
        before = label;
    }
    *count = last + 1;
    for (idx k = 0; k <= last; ++k)
        confidences[k] /= (double)(ends[k] - starts[k]);
}
