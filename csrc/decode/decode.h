/* decode.h - what the decoders share: log sums, memory, tries. */
#ifndef LSTMC_DECODERS_H
#define LSTMC_DECODERS_H

#include <math.h>
#include <stdatomic.h>

#include "dispatch.h"
#include "lstmc_decode.h"

typedef ptrdiff_t idx;

#define NOTHING (-INFINITY) /* the logarithm of no probability */

/* log(e^x + e^y) */
static inline double add_logs(double x, double y)
{
    const double most = x > y ? x : y, least = x > y ? y : x;
    /* Below, the smaller one is under half a unit in the last place of the larger. */
    if (!(least - most > -37))
        return most;
    return most + log1p(exp(least - most));
}

/* Hands out memory line by line; without any it only counts. */
typedef struct {
    char *base;
    idx used;
} Store;

static inline void *take_from(Store *store, idx count, size_t size)
{
    void *out = store->base ? store->base + store->used : NULL;
    store->used +=
        (count * (idx)size + LSTMC_ALIGNMENT - 1) / LSTMC_ALIGNMENT * LSTMC_ALIGNMENT;
    return out;
}

/* The child of a node by a label; 0: none. */
static inline int32_t find_child(const lstmc_trie *trie, int32_t node, int32_t label)
{
    int32_t low = trie->first[node], high = trie->first[node + 1];
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        if (trie->label[middle] < label)
            low = middle + 1;
        else
            high = middle;
    }
    return low < trie->first[node + 1] && trie->label[low] == label ? low : 0;
}

/* The frames of a sample. */
static inline idx frames_of(const lstmc_frames *frames, idx sample)
{
    return frames->offsets[sample + 1] - frames->offsets[sample];
}

/* Log probabilities of some frames of a sample. */
static inline void read_frames(const lstmc_frames *frames, idx sample, idx first,
                               idx count, double *out)
{
    const size_t size = frames->dtype == LSTMC_FLOAT64 ? sizeof(double) : sizeof(float);
    const char *from =
        (const char *)frames->logits +
        (size_t)((frames->offsets[sample] + first) * frames->classes) * size;
    kernels_of(frames->dtype)->log_softmax(from, out, count, frames->classes);
}

/* Whether a call is to go on. */
typedef struct {
    const lstmc_frames *frames;
    atomic_int *stopped; /* by any thread */
    int thread; /* 0 is the caller's */
    double work; /* operations since the caller was asked */
} Watch;

#define WATCHED_WORK 2e7 /* some 50 ms */

static inline int is_over(Watch *watch, double work)
{
    watch->work += work;
    if (watch->work > WATCHED_WORK && watch->thread == 0 && watch->frames->poll) {
        watch->work = 0;
        if (watch->frames->poll(watch->frames->poll_data))
            atomic_store(watch->stopped, 1);
    }
    return atomic_load_explicit(watch->stopped, memory_order_relaxed);
}

/* --- a search and its prefixes --------------------------------------------------- */

/* A prefix in the tree: that of its parent and a label. */
typedef struct {
    int32_t parent, label;
    int32_t word; /* that ended before the label; -1: none */
    int32_t child, sibling; /* the first, the next; -1: none */
    int32_t slot; /* in the beam, or below */
    int32_t place; /* in the lexicon */
    int32_t state; /* of the language model */
    int32_t match; /* in the hotwords */
    double bonus; /* all that is not of the frames, without credit */
} Node;

enum { OUT = -1, FREE = -2 }; /* not in the beam, not in the tree */

/* A prefix in the beam, with the log probabilities of its paths. */
typedef struct {
    int32_t node;
    double blank, label; /* those that end with a blank, with its last label */
    double total; /* both */
    double rank; /* total, bonus and credit: what the beam is sorted by */
} Entry;

/* What may be in the next beam. */
typedef struct {
    Entry entry; /* node -1: the one below is to be made */
    Node node; /* its siblings and child are not set */
} Candidate;

typedef struct {
    double score;
    int32_t label; /* or where in the pool */
} Ranked;

typedef struct {
    const lstmc_frames *frames;
    const lstmc_search *options;
    double *frame; /* (classes) log probabilities */
    Ranked *order; /* (classes) labels that may follow, best first */
    idx follow; /* of them */
    Node *nodes; /* (1 + beam * frames) */
    int32_t used, free; /* nodes; the first of the free ones, linked by sibling */
    Entry *beam; /* (beam) best first */
    idx count;
    Candidate *pool; /* (beam) */
    Ranked *heap; /* (beam) of the pool, the worst first */
    idx held, most; /* candidates, and how many there may be */
    double gain; /* what bonus and credit may add in a step */
    int failed; /* the model gave NaN */
    Watch *watch;
} Search;

/* Bytes, or with memory the search itself. */
idx lay_out_search(const lstmc_frames *, const lstmc_search *, idx longest,
                   void *memory, Search *);
void search_sample(Search *, idx sample);

void clear_tree(Search *);
int32_t add_node(Search *, const Node *);
int32_t find_node(const Search *, int32_t parent, int32_t label, int32_t word);
void release_node(Search *, int32_t node);

/* The best candidates so far. */
int is_hopeless(const Search *, double rank);
void offer(Search *, const Candidate *);
/* A heap, the worst first; and sorted, best first. */
void make_heap(Ranked *, idx count);
void sort_heap(Ranked *, idx count);

/* The score of a token, and the state after it, by whatever model there is. */
double score_token(Search *, int32_t state, int32_t token, int32_t *next);
double score_end(Search *, int32_t state);
int32_t first_state(Search *, idx sample);

/* The state after a label. */
int32_t follow_match(const lstmc_hotwords *, int32_t match, int32_t label);

/* Complete hypotheses become the candidates, best first; then they are written. */
void finish_search(Search *);
void write_hypothesis(const Search *, idx rank, int32_t *labels, int32_t *words,
                      idx counts[2]);

void follow_best_path(const lstmc_frames *, idx sample, double *frame, int32_t *labels,
                      idx *starts, idx *ends, double *confidences, idx *count,
                      double *score);

/* Bytes for sections of at most so many frames; returns the labels. */
idx section_search_size(const lstmc_frames *, idx limit, idx longest);
idx search_sections(Watch *, idx sample, double threshold, idx limit, void *memory,
                    int32_t *labels, double *score, int *whole);

#endif
