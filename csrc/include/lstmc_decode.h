/* lstmc_decode.h - the C API of CTC decoding: from frames of logits to labels.
 *
 *   Logits      ragged, as in lstmc.h: sample j owns the frames offsets[j] ..
 *               offsets[j + 1] of (steps, classes), finite, of the call's dtype.
 *   Labels      int32, 0 <= label < classes, never the blank.
 *   Scores      natural logarithms, double.
 *   Out         arrays of the caller, as long as the longest answer could be; labels of
 *               sample j start at offsets[j] of theirs.
 *   Bits        a sample's results are the same for any number of threads and in any
 *               company.
 *   Memory      one workspace a thread, taken at the start for the worst case and given
 *               back at the end; pages that a search does not reach cost nothing. */
#ifndef LSTMC_DECODE_H
#define LSTMC_DECODE_H

#include "lstmc.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Frames that every decoder reads. */
typedef struct {
    int dtype;
    ptrdiff_t samples;
    const ptrdiff_t *offsets; /* (samples + 1) */
    const void *logits; /* (steps, classes) */
    ptrdiff_t classes;
    int32_t blank;
    int threads; /* 0: the default */
    /* Asked by the calling thread every some 50 ms: not 0 ends the call, which returns
     * LSTMC_STOPPED. NULL: never. */
    int (*poll)(void *data);
    void *poll_data;
} lstmc_frames;

/* Log probabilities, or probabilities, of rows of logits. */
LSTMC_API int lstmc_softmax(int dtype, const void *logits, double *out, ptrdiff_t rows,
                            ptrdiff_t classes, int in_logarithms);

/* --- the best path --------------------------------------------------------------- */

/* labels, starts, ends, confidences (steps): label k of a sample has the frames
 * starts[k] .. ends[k], counted in the sample; counts, scores (samples). */
LSTMC_API int lstmc_best_path(const lstmc_frames *, int32_t *labels, ptrdiff_t *starts,
                              ptrdiff_t *ends, double *confidences, ptrdiff_t *counts,
                              double *scores);

/* --- a set of sequences ---------------------------------------------------------- */

/* Numbered breadth first, 0 the root: the children of node k are first[k] ..
 * first[k + 1], by ascending label. */
typedef struct {
    ptrdiff_t size;
    const int32_t *first; /* (size + 1) */
    const int32_t *label; /* (size) on the way to a node */
} lstmc_trie;

/* N-grams with backoff: a node is an n-gram in reading order, its label the model's
 * number of the last token. */
typedef struct {
    lstmc_trie trie;
    const double *score; /* (size) of the last token after the others */
    const double *backoff; /* (size) weight of going on with the suffix */
    const int32_t *suffix; /* (size) the longest one that is a node */
    const int32_t *next; /* (size) the longest one that later scores depend on */
    const int32_t *number; /* (tokens) the model's number of a token; -1: not in it */
    double unknown; /* score of what is not in the model */
    int32_t start; /* a node */
    int32_t end; /* number of the token that ends a sequence; -1: none */
} lstmc_ngram;

/* Log probability of a token, by number, after a state, and the state after it. */
LSTMC_API double lstmc_score_ngram(const lstmc_ngram *, int32_t state, int32_t number,
                                   int32_t *next);

/* Any other language model. States are numbers of its own, 0 at the start; NaN as an
 * answer ends the call, which returns LSTMC_STOPPED. One thread calls. */
typedef struct {
    void (*start)(void *data, ptrdiff_t sample);
    double (*score)(void *data, int32_t state, int32_t token, int32_t *next);
    double (*finish)(void *data, int32_t state);
    void *data;
} lstmc_model;

/* Words by their labels. */
typedef struct {
    lstmc_trie trie;
    const int32_t *first_word; /* (size + 1) words of node k: word[first_word[k]] .. */
    const int32_t *word;
    int32_t separator; /* label between words; -1: none */
    const double *bonus; /* (words) NULL: zeros */
    const double *partial; /* (size) credit on the way to a bonus; NULL: zeros */
} lstmc_lexicon;

/* Label sequences to look out for, by Aho and Corasick. */
typedef struct {
    lstmc_trie trie;
    const int32_t *suffix; /* (size) */
    const double *bonus; /* (size) of all sequences that end on arrival */
    const double *partial; /* (size) credit on the way to a bonus */
} lstmc_hotwords;

/* --- prefix beam search ---------------------------------------------------------- */

typedef struct {
    ptrdiff_t beam; /* prefixes kept */
    ptrdiff_t best; /* hypotheses wanted, at most beam */
    double label_threshold; /* no new label below this log probability; -INFINITY */
    double beam_threshold; /* no prefix this far below the best one; INFINITY */
    double alpha, beta; /* weight of the model, bonus of a token */
    const lstmc_ngram *ngram; /* at most one of these two */
    const lstmc_model *model;
    const lstmc_lexicon *lexicon; /* NULL: tokens are labels */
    const lstmc_hotwords *hotwords; /* NULL: none */
} lstmc_search;

/* Hypothesis r of sample j: labels and words (best * steps) from best * offsets[j] + r
 * times its frames on; scores (samples, best) and counts (samples, best, 2) of labels
 * and words, -1: there is none. */
LSTMC_API int lstmc_prefix_beam(const lstmc_frames *, const lstmc_search *,
                                int32_t *labels, int32_t *words, ptrdiff_t *counts,
                                double *scores);

/* --- prefix search --------------------------------------------------------------- */

/* The most probable labelling. Frames whose blank has at least the log probability
 * threshold cut a sample into sections that are searched alone; INFINITY: never. limit:
 * prefixes that a section may open; whole[j] 0: sample j reached it, and its labelling
 * is the best that was seen. labels (steps); counts, scores, whole (samples). */
LSTMC_API int lstmc_prefix_search(const lstmc_frames *, double threshold,
                                  ptrdiff_t limit, int32_t *labels, ptrdiff_t *counts,
                                  double *scores, int *whole);

/* --- keywords -------------------------------------------------------------------- */

typedef struct {
    const double *y; /* (history + rows, classes) probabilities of frames in order */
    ptrdiff_t history, rows, classes;
    int32_t blank;
    ptrdiff_t window; /* frames */
    ptrdiff_t keywords;
    const int32_t *labels; /* of all keywords */
    const ptrdiff_t *offsets; /* (keywords + 1) */
} lstmc_keywords;

/* scores (rows, keywords): how often a keyword is expected within the window that ends
 * with a row; starts, ends: rows of y between which its likeliest path lies. scratch:
 * lstmc_keyword_scratch doubles. */
LSTMC_API ptrdiff_t lstmc_keyword_scratch(const lstmc_keywords *);
LSTMC_API int lstmc_keyword_scores(const lstmc_keywords *, double *scratch,
                                   double *scores, ptrdiff_t *starts, ptrdiff_t *ends);

#ifdef __cplusplus
}
#endif

#endif
