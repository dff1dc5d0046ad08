/* test_decode.c - decoders in guarded memory: whole beams, any number of threads. */
#include <math.h>
#include <string.h>

#include "check.h"
#include "guard.h"
#include "lstmc_decode.h"
#include "problem.h"

enum { CLASSES = 5, SAMPLES = 6, LONGEST = 40, BEST = 4 };

/* Words 1, 1 2 and 2 3 3, separated by 4: nodes (), 1, 2, 1 2, 2 3, 2 3 3. */
static const int32_t first[] = {1, 3, 4, 5, 5, 6, 6}, label[] = {-1, 1, 2, 2, 3, 3};
/* A macro: an initializer is not a constant of the language, only of some compilers. */
#define TRIE {6, first, label}
static const int32_t first_word[] = {0, 0, 1, 1, 2, 2, 3}, word[] = {0, 1, 2};
static const double bonus[] = {0, 0.5, -0.25, 1, 0, 2},
                    partial[] = {0, 0.5, 0, 0, 1, 0};
static const int32_t suffix[] = {0, 0, 0, 2, 0, 0}, next[] = {0, 1, 2, 2, 0, 0};
static const double score[] = {0, -1, -1.5, -0.5, -2, -1},
                    backoff[] = {0, -0.5, -0.25, 0, -1, 0};
static const int32_t number[] = {-1, 1, 2, 3, -1};
static const lstmc_lexicon lexicon = {TRIE, first_word, word, 4, bonus, partial};
static const lstmc_hotwords hotwords = {TRIE, suffix, bonus, partial};
static const lstmc_ngram ngram = {TRIE, score, backoff, suffix, next, number, -9, 1, 2};

typedef struct {
    int32_t *labels, *words;
    ptrdiff_t *counts, *starts, *ends;
    double *scores, *confidences;
    int *whole;
} Answer;

static Answer empty_answer(ptrdiff_t samples, ptrdiff_t steps)
{
    const size_t n = (size_t)samples * BEST, all = (size_t)steps * BEST;
    return (Answer){.labels = keep(all * sizeof(int32_t), 4),
                    .words = keep(all * sizeof(int32_t), 4),
                    .counts = keep(2 * n * sizeof(ptrdiff_t), 8),
                    .starts = keep((size_t)steps * sizeof(ptrdiff_t), 8),
                    .ends = keep((size_t)steps * sizeof(ptrdiff_t), 8),
                    .scores = keep(n * sizeof(double), 8),
                    .confidences = keep((size_t)steps * sizeof(double), 8),
                    .whole = keep((size_t)samples * sizeof(int), 4)};
}

typedef enum { BEST_PATH, BEAM, MODEL, WORDS, SECTIONS, DECODERS } Decoder;

static int decode(const lstmc_frames *f, Decoder decoder, ptrdiff_t beam, Answer *a)
{
    lstmc_search search = {.beam = beam,
                           .best = beam < BEST ? beam : BEST,
                           .label_threshold = -INFINITY,
                           .beam_threshold = INFINITY,
                           .alpha = 0.5,
                           .beta = 0.25};
    *a = empty_answer(f->samples, f->offsets[f->samples]);
    if (decoder == BEST_PATH)
        return lstmc_best_path(f, a->labels, a->starts, a->ends, a->confidences,
                               a->counts, a->scores);
    if (decoder == SECTIONS)
        return lstmc_prefix_search(f, log(0.9), 20, a->labels, a->counts, a->scores,
                                   a->whole);
    search.ngram = decoder == BEAM ? NULL : &ngram;
    search.hotwords = decoder == BEAM ? NULL : &hotwords;
    search.lexicon = decoder == WORDS ? &lexicon : NULL;
    search.beta = decoder == BEAM ? 0 : 0.25;
    return lstmc_prefix_beam(f, &search, a->labels, a->words, a->counts, a->scores);
}

static double *random_logits(ptrdiff_t steps, double spread)
{
    double *out = keep((size_t)(steps * CLASSES) * sizeof(double), 0);
    for (ptrdiff_t k = 0; k < steps * CLASSES; ++k)
        out[k] = spread * uniform();
    return out;
}

/* All threads give the bits of one. */
static void check_threads(int dtype, Decoder decoder, ptrdiff_t beam, double spread)
{
    about("%s decoder %d %s: beam %td", lstmc_target(), (int)decoder, dtype_name(dtype),
          beam);
    static const ptrdiff_t offsets[] = {0, 7, 7, 8, 48, 60, 90};
    const double *x = random_logits(offsets[SAMPLES], spread);
    lstmc_frames f = {.dtype = dtype,
                      .samples = SAMPLES,
                      .offsets = offsets,
                      .logits = to_reals(dtype, x, offsets[SAMPLES] * CLASSES, 1),
                      .classes = CLASSES,
                      .threads = 1};
    Answer one, many;
    const ptrdiff_t n = SAMPLES * (decoder == BEST_PATH || decoder == SECTIONS ? 1
                                   : beam < BEST                               ? beam
                                                                               : BEST);
    CHECK(decode(&f, decoder, beam, &one) == LSTMC_OK);
    for (f.threads = 2; f.threads <= 4; ++f.threads) {
        CHECK(decode(&f, decoder, beam, &many) == LSTMC_OK);
        CHECK(memcmp(one.scores, many.scores, (size_t)n * sizeof(double)) == 0);
        CHECK(memcmp(one.counts, many.counts, (size_t)n * sizeof(ptrdiff_t)) == 0);
    }
    check_guards();
    CHECK(guarded_live() == 0);
    fail_after(0);
    CHECK(decode(&f, decoder, beam, &many) == LSTMC_NO_MEMORY);
    fail_after(-1);
    drop_all();
}

/* The labellings of a few frames are all in the beam: their probabilities sum to 1. */
static void check_sum(int dtype, ptrdiff_t steps)
{
    enum { ALL = 200 };
    about("%s whole beam %s: %td frames", lstmc_target(), dtype_name(dtype), steps);
    const ptrdiff_t offsets[] = {0, steps};
    const lstmc_frames f = {
        .dtype = dtype,
        .samples = 1,
        .offsets = offsets,
        .logits = to_reals(dtype, random_logits(steps, 3), steps * CLASSES, 1),
        .classes = CLASSES,
        .blank = 2};
    const lstmc_search search = {.beam = ALL,
                                 .best = ALL,
                                 .label_threshold = -INFINITY,
                                 .beam_threshold = INFINITY};
    int32_t *labels = keep((size_t)(ALL * steps) * sizeof(int32_t), 4);
    int32_t *words = keep((size_t)(ALL * steps) * sizeof(int32_t), 4);
    ptrdiff_t *counts = keep(2 * ALL * sizeof(ptrdiff_t), 8), count;
    double *scores = keep(ALL * sizeof(double), 8), sum = 0, best;
    int whole;
    CHECK(lstmc_prefix_beam(&f, &search, labels, words, counts, scores) == LSTMC_OK);
    for (ptrdiff_t r = 0; r < ALL; ++r)
        sum += exp(scores[r]);
    /* The softmax of float32 logits sums to 1 with its roundings. */
    CHECK_SAY(fabs(sum - 1) < 10 * epsilon_of(dtype), "sum %g", sum - 1);
    CHECK(lstmc_prefix_search(&f, INFINITY, 1000, labels, &count, &best, &whole) ==
          LSTMC_OK);
    CHECK(whole && fabs(best - scores[0]) < 1e-12);
    CHECK(count == counts[0]);
    check_guards();
    drop_all();
}

static void check_keywords(void)
{
    about("%s keywords", lstmc_target());
    static const int32_t labels[] = {1, 2, 3, 3, 1};
    static const ptrdiff_t offsets[] = {0, 1, 3, 5};
    double *y = keep(LONGEST * CLASSES * sizeof(double), 0);
    CHECK(lstmc_softmax(LSTMC_FLOAT64, random_logits(LONGEST, 3), y, LONGEST, CLASSES,
                        0) == LSTMC_OK);
    lstmc_keywords k = {y, 10, LONGEST - 10, CLASSES, 0, 7, 3, labels, offsets};
    double *scratch = keep((size_t)lstmc_keyword_scratch(&k) * sizeof(double), 8);
    double *scores = keep((size_t)(3 * k.rows) * sizeof(double), 8);
    ptrdiff_t *starts = keep((size_t)(3 * k.rows) * sizeof(ptrdiff_t), 8);
    ptrdiff_t *ends = keep((size_t)(3 * k.rows) * sizeof(ptrdiff_t), 8);
    CHECK(lstmc_keyword_scores(&k, scratch, scores, starts, ends) == LSTMC_OK);
    for (ptrdiff_t j = 0; j < 3 * k.rows; ++j)
        CHECK(scores[j] > 0 && starts[j] < ends[j] && starts[j] >= 10 + j / 3 - 6);
    k.window = 0;
    CHECK(lstmc_keyword_scores(&k, scratch, scores, starts, ends) == LSTMC_BAD_SIZE);
    check_guards();
    drop_all();
}

static void check_refusals(void)
{
    about("%s decoders: errors", lstmc_target());
    const ptrdiff_t good[] = {0, 3}, late[] = {1, 3}, huge[] = {0, 30000000};
    const double x[3 * CLASSES] = {0};
    const lstmc_frames right = {.dtype = LSTMC_FLOAT64,
                                .samples = 1,
                                .offsets = good,
                                .logits = x,
                                .classes = CLASSES};
    lstmc_frames f = right;
    Answer a;
    f.dtype = 7;
    CHECK(decode(&f, BEAM, 4, &a) == LSTMC_BAD_DTYPE);
    f = right;
    f.blank = CLASSES;
    CHECK(decode(&f, BEST_PATH, 4, &a) == LSTMC_BAD_SIZE);
    f = right;
    f.offsets = late;
    CHECK(decode(&f, SECTIONS, 4, &a) == LSTMC_BAD_OFFSETS);
    f = right;
    f.logits = NULL;
    CHECK(decode(&f, BEAM, 4, &a) == LSTMC_NULL_ARRAY);
    CHECK(decode(&right, BEAM, 0, &a) == LSTMC_BAD_SIZE);
    f = right;
    f.offsets = huge; /* more nodes than there are numbers for; x is not read */
    const lstmc_search search = {.beam = 100, .best = 1};
    CHECK(lstmc_prefix_beam(&f, &search, a.labels, a.words, a.counts, a.scores) ==
          LSTMC_TOO_LARGE);
    check_guards();
    drop_all();
}

void test_decode(void)
{
    static const ptrdiff_t beams[] = {1, 2, 3, 7, 150};
    seed(11);
    for (int dtype = LSTMC_FLOAT32; dtype <= LSTMC_FLOAT64; ++dtype) {
        for (Decoder decoder = BEST_PATH; decoder < DECODERS; ++decoder)
            for (size_t k = 0; k < sizeof beams / sizeof *beams; ++k)
                check_threads(dtype, decoder, beams[k], k % 2 ? 1 : 6);
        for (ptrdiff_t steps = 1; steps <= 3; ++steps)
            check_sum(dtype, steps);
    }
    check_keywords();
    check_refusals();
}
