/* keyword.c - how often a keyword is expected within a window of frames.
 *
 *   in_k(t) = y_t(l_k) (in_k' + out_{k-1}' + [l_k != l_{k-1}] in_{k-1}')
 *   out_k(t) = y_t(blank) (in_k' + out_k')       in label k, in the blank after it
 *   in_1(t) += y_t(l_1) (1 - y_{t-1}(l_1))       it may begin anywhere; ' is at t - 1
 *
 * The first frame of its last label completes it; what comes after is free, as is what
 * comes before. The sum over the window's frames of what completes there is the number
 * of occurrences to be expected, were frames independent as CTC has them. Each window
 * is summed by itself, so that its score does not depend on how frames came in.
 *
 * Fernandez, Graves, Schmidhuber: An application of recurrent neural networks to
 * discriminative keyword spotting. ICANN 2007. */
#include "decode.h"

/* Of each label but the last: the sum of paths, the likeliest and where it began. */
typedef struct {
    double sum, most;
    idx start;
} State;

typedef struct {
    double score, most;
    idx start, end;
} Score;

static State joined(State x, State y)
{
    x.sum += y.sum;
    if (y.most > x.most) {
        x.most = y.most;
        x.start = y.start;
    }
    return x;
}

static State times(State x, double y)
{
    x.sum *= y;
    x.most *= y;
    return x;
}

/* The window's frames are first .. last of y. states: in and out of each label. */
static Score score_window(const lstmc_keywords *k, const int32_t *labels, idx count,
                          idx first, idx last, State *states)
{
    static const State none = {0, 0, 0};
    State *in = states, *out = states + count;
    Score score = {0, 0, last, last + 1};
    for (idx j = 0; j < 2 * count; ++j)
        states[j] = none;
    for (idx t = first; t <= last; ++t) {
        const double *y = k->y + t * k->classes;
        const double fresh = t > 0 ? 1 - (y - k->classes)[labels[0]] : 1;
        /* From the last label on, so that what a line reads is still of t - 1. */
        for (idx j = count - 1; j >= 0; --j) {
            State enter = {fresh, fresh, t};
            if (j > 0)
                enter = labels[j] == labels[j - 1] ? out[j - 1]
                                                   : joined(out[j - 1], in[j - 1]);
            enter = times(enter, y[labels[j]]);
            if (j == count - 1) {
                score.score += enter.sum;
                if (enter.most > score.most)
                    score = (Score){score.score, enter.most, enter.start, t + 1};
                continue;
            }
            out[j] = times(joined(out[j], in[j]), y[k->blank]);
            in[j] = joined(times(in[j], y[labels[j]]), enter);
        }
    }
    return score;
}

static idx longest_keyword(const lstmc_keywords *k)
{
    idx longest = 0;
    for (idx j = 0; j < k->keywords; ++j) {
        const idx own = k->offsets[j + 1] - k->offsets[j];
        longest = own > longest ? own : longest;
    }
    return longest;
}

ptrdiff_t lstmc_keyword_scratch(const lstmc_keywords *k)
{
    return 2 * longest_keyword(k) * (idx)(sizeof(State) / sizeof(double));
}

int lstmc_keyword_scores(const lstmc_keywords *k, double *scratch, double *scores,
                         ptrdiff_t *starts, ptrdiff_t *ends)
{
    if (k->history < 0 || k->rows < 0 || k->classes < 1 || k->window < 1 ||
        k->keywords < 1 || k->blank < 0 || k->blank >= k->classes)
        return LSTMC_BAD_SIZE;
    if (!k->labels || !k->offsets ||
        (k->rows && (!k->y || !scratch || !scores || !starts || !ends)))
        return LSTMC_NULL_ARRAY;
    for (idx r = 0; r < k->rows; ++r) {
        const idx last = k->history + r;
        const idx first = last >= k->window ? last - k->window + 1 : 0;
        for (idx j = 0; j < k->keywords; ++j, ++scores, ++starts, ++ends) {
            const idx at = k->offsets[j], count = k->offsets[j + 1] - at;
            const Score own =
                score_window(k, k->labels + at, count, first, last, (State *)scratch);
            *scores = own.score;
            *starts = own.start;
            *ends = own.end;
        }
    }
    return LSTMC_OK;
}
