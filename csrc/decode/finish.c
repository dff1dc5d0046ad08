/* finish.c - the best hypotheses of a search: what stands complete, with the model's
 * end; credit for what never came is not counted. */
#include "decode.h"

static void complete(Search *s, const Entry *e, int32_t word, int32_t state,
                     double bonus)
{
    const double end = s->options->alpha * score_end(s, state);
    Candidate to = {.entry = *e, .node = {.word = word}};
    to.entry.rank = e->total + bonus + end;
    offer(s, &to);
}

/* A prefix ends where words end; two of the same spelling are two hypotheses. */
static void complete_words(Search *s, const Entry *e)
{
    const lstmc_lexicon *lexicon = s->options->lexicon;
    const Node *node = s->nodes + e->node;
    for (int32_t k = lexicon->first_word[node->place];
         k < lexicon->first_word[node->place + 1]; ++k) {
        const int32_t word = lexicon->word[k];
        double bonus = node->bonus + s->options->beta;
        int32_t state = node->state;
        if (s->options->ngram || s->options->model)
            bonus += s->options->alpha * score_token(s, node->state, word, &state);
        if (lexicon->bonus)
            bonus += lexicon->bonus[word];
        complete(s, e, word, state, bonus);
    }
}

void finish_search(Search *s)
{
    s->held = 0;
    s->most = s->options->best;
    for (idx k = 0; k < s->count && !s->failed; ++k) {
        const Entry *e = s->beam + k;
        const Node *node = s->nodes + e->node;
        if (s->options->lexicon && node->parent >= 0)
            complete_words(s, e);
        else
            complete(s, e, -1, node->state, node->bonus);
    }
    sort_heap(s->heap, s->held);
}

void write_hypothesis(const Search *s, idx rank, int32_t *labels, int32_t *words,
                      idx counts[2])
{
    const Candidate *best = s->pool + s->heap[rank].label;
    counts[0] = 0;
    counts[1] = best->node.word >= 0;
    for (int32_t k = best->entry.node; s->nodes[k].parent >= 0;
         k = s->nodes[k].parent) {
        ++counts[0];
        counts[1] += s->nodes[k].word >= 0;
    }
    idx label = counts[0], word = counts[1];
    if (best->node.word >= 0)
        words[--word] = best->node.word;
    for (int32_t k = best->entry.node; s->nodes[k].parent >= 0;
         k = s->nodes[k].parent) {
        labels[--label] = s->nodes[k].label;
        if (s->nodes[k].word >= 0)
            words[--word] = s->nodes[k].word;
    }
}
