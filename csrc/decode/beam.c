/* beam.c - prefix beam search: the probability of a prefix is that of all its paths.
 *
 *   blank(l)  = y_blank (blank'(l) + label'(l))       ' is the frame before
 *   label(lk) = y_k (label'(lk) + blank'(l) + [l does not end with k] label'(l))
 *
 * in logarithms. Prefixes are sorted by rank and labels by probability, so that from
 * each prefix the first label that cannot reach the shortlist ends the look: of beam *
 * classes pairs some beam * log(beam) are seen, and no candidate of rank is missed.
 *
 * Hannun et al.: First-Pass Large Vocabulary Continuous Speech Recognition using
 * Bi-Directional Recurrent DNNs. arXiv:1408.2873, 2014. */
#include <string.h>

#include "decode.h"

static double largest(const double *x, idx count)
{
    double most = 0;
    for (idx k = 0; x && k < count; ++k)
        most = x[k] > most ? x[k] : most;
    return most;
}

/* A model adds nothing, since no probability is above 1. */
static double most_gain(const lstmc_search *options, idx words)
{
    const lstmc_lexicon *lexicon = options->lexicon;
    const lstmc_hotwords *hotwords = options->hotwords;
    double gain = options->beta > 0 ? options->beta : 0;
    if (lexicon)
        gain += largest(lexicon->bonus, words) +
                largest(lexicon->partial, lexicon->trie.size);
    if (hotwords)
        gain += largest(hotwords->bonus, hotwords->trie.size) +
                largest(hotwords->partial, hotwords->trie.size);
    return gain;
}

static idx count_words(const lstmc_lexicon *lexicon)
{
    idx words = 0;
    for (idx k = 0; lexicon && k < lexicon->first_word[lexicon->trie.size]; ++k)
        words = lexicon->word[k] >= words ? lexicon->word[k] + 1 : words;
    return words;
}

idx lay_out_search(const lstmc_frames *frames, const lstmc_search *options, idx longest,
                   void *memory, Search *s)
{
    Store store = {.base = memory};
    *s = (Search){.frames = frames, .options = options, .most = options->beam};
    s->gain = most_gain(options, count_words(options->lexicon));
    s->frame = take_from(&store, frames->classes, sizeof(double));
    s->order = take_from(&store, frames->classes, sizeof(Ranked));
    s->beam = take_from(&store, options->beam, sizeof(Entry));
    s->pool = take_from(&store, options->beam, sizeof(Candidate));
    s->heap = take_from(&store, options->beam, sizeof(Ranked));
    s->nodes = take_from(&store, 1 + options->beam * longest, sizeof(Node));
    return store.used;
}

static double credit_of(const Search *s, const Node *node)
{
    const lstmc_lexicon *lexicon = s->options->lexicon;
    const lstmc_hotwords *hotwords = s->options->hotwords;
    return (lexicon && lexicon->partial ? lexicon->partial[node->place] : 0) +
           (hotwords ? hotwords->partial[node->match] : 0);
}

/* What stays the same prefix: another blank, its last label again, and what its parent
 * adds if that is in the beam, too. */
static void keep(Search *s, const Entry *e)
{
    const Node *node = s->nodes + e->node;
    Candidate to = {.entry = {.node = e->node,
                              .blank = e->total + s->frame[s->frames->blank],
                              .label = NOTHING}};
    if (node->parent >= 0) {
        const double y = s->frame[node->label];
        const Node *parent = s->nodes + node->parent;
        to.entry.label = e->label + y;
        if (parent->slot >= 0) {
            const Entry *before = s->beam + parent->slot;
            const int again = parent->label == node->label;
            to.entry.label =
                add_logs(to.entry.label, (again ? before->blank : before->total) + y);
        }
    }
    to.entry.total = add_logs(to.entry.blank, to.entry.label);
    to.entry.rank = to.entry.total + node->bonus + credit_of(s, node);
    offer(s, &to);
}

/* Fills in what the prefix of a node gains over its parent's. */
static void add_bonus(Search *s, Node *node, const Node *parent)
{
    const lstmc_search *options = s->options;
    const lstmc_lexicon *lexicon = options->lexicon;
    const int32_t token = lexicon ? node->word : node->label;
    node->bonus = parent->bonus;
    node->state = parent->state;
    if (token >= 0) {
        node->bonus += options->beta;
        if (options->ngram || options->model)
            node->bonus +=
                options->alpha * score_token(s, parent->state, token, &node->state);
        if (lexicon && lexicon->bonus)
            node->bonus += lexicon->bonus[token];
    }
    if (options->hotwords) {
        node->match = follow_match(options->hotwords, parent->match, node->label);
        node->bonus += options->hotwords->bonus[node->match];
    }
}

/* The prefix of an entry and a label; 0: neither it nor one of lower score fits. */
static int extend(Search *s, const Entry *e, double y, Node *node)
{
    if (is_hopeless(s, e->rank + y + s->gain))
        return 0;
    const Node *parent = s->nodes + e->node;
    const double mass = (parent->label == node->label ? e->blank : e->total) + y;
    if (!(mass > NOTHING))
        return 1;
    const int32_t old = find_node(s, e->node, node->label, node->word);
    if (old >= 0 && s->nodes[old].slot >= 0)
        return 1; /* keep has added it */
    Candidate to = {.entry = {old, NOTHING, mass, mass, 0}};
    if (old >= 0)
        to.node = s->nodes[old];
    else {
        node->parent = e->node;
        add_bonus(s, node, parent);
        to.node = *node;
    }
    to.entry.rank = mass + to.node.bonus + credit_of(s, &to.node);
    offer(s, &to);
    return 1;
}

static int extend_by_labels(Search *s, const Entry *e)
{
    for (idx k = 0; k < s->follow; ++k) {
        Node node = {.label = s->order[k].label, .word = -1};
        if (!extend(s, e, s->order[k].score, &node))
            return k > 0; /* not even the best label: nor after any later entry */
    }
    return 1;
}

static void extend_in_trie(Search *s, const Entry *e, int32_t place, int32_t word)
{
    const lstmc_trie *trie = &s->options->lexicon->trie;
    for (int32_t k = trie->first[place]; k < trie->first[place + 1]; ++k) {
        Node node = {.label = trie->label[k], .word = word, .place = k};
        const double y = s->frame[node.label];
        if (y >= s->options->label_threshold)
            extend(s, e, y, &node);
    }
}

static void extend_by_words(Search *s, const Entry *e)
{
    const lstmc_lexicon *lexicon = s->options->lexicon;
    const int32_t place = s->nodes[e->node].place, separator = lexicon->separator;
    extend_in_trie(s, e, place, -1);
    for (int32_t k = lexicon->first_word[place]; k < lexicon->first_word[place + 1];
         ++k) {
        Node node = {.label = separator, .word = lexicon->word[k]};
        if (separator < 0)
            extend_in_trie(s, e, 0, lexicon->word[k]);
        else if (s->frame[separator] >= s->options->label_threshold)
            extend(s, e, s->frame[separator], &node);
    }
}

/* Labels that may follow some prefix, best first. */
static void order_labels(Search *s)
{
    Ranked *x = s->order;
    s->follow = 0;
    for (int32_t k = 0; k < s->frames->classes; ++k)
        if (k != s->frames->blank && s->frame[k] >= s->options->label_threshold &&
            !is_hopeless(s, s->beam[0].rank + s->frame[k] + s->gain))
            x[s->follow++] = (Ranked){s->frame[k], k};
    make_heap(x, s->follow);
    sort_heap(x, s->follow);
}

/* The shortlist becomes the beam. New nodes come first: their parents may leave. */
static void change_beam(Search *s)
{
    sort_heap(s->heap, s->held);
    for (idx k = 0; k < s->count; ++k)
        s->nodes[s->beam[k].node].slot = OUT;
    idx count = 0;
    const double least = s->held ? s->heap[0].score - s->options->beam_threshold : 0;
    for (; count < s->held; ++count) {
        Candidate *kept = s->pool + s->heap[count].label;
        if (kept->entry.rank < least)
            break;
        if (kept->entry.node < 0)
            kept->entry.node = add_node(s, &kept->node);
        s->nodes[kept->entry.node].slot = (int32_t)count;
    }
    for (idx k = 0; k < s->count; ++k)
        release_node(s, s->beam[k].node);
    for (idx k = 0; k < count; ++k)
        s->beam[k] = s->pool[s->heap[k].label].entry;
    s->count = count;
}

static void step(Search *s)
{
    s->held = 0;
    for (idx k = 0; k < s->count; ++k)
        keep(s, s->beam + k);
    if (s->options->lexicon)
        for (idx k = 0; k < s->count; ++k)
            extend_by_words(s, s->beam + k);
    else {
        order_labels(s);
        for (idx k = 0; k < s->count && extend_by_labels(s, s->beam + k); ++k)
            ;
    }
    change_beam(s);
}

void search_sample(Search *s, idx sample)
{
    const Node root = {
        .parent = -1, .label = -1, .word = -1, .state = first_state(s, sample)};
    clear_tree(s);
    s->most = s->options->beam;
    s->beam[0] = (Entry){.node = add_node(s, &root), .label = NOTHING};
    s->nodes[0].slot = 0;
    s->count = 1;
    const double work = 10.0 * (double)(s->most + s->frames->classes);
    for (idx t = 0; t < frames_of(s->frames, sample) && s->count && !s->failed; ++t) {
        if (is_over(s->watch, work))
            return;
        read_frames(s->frames, sample, t, 1, s->frame);
        step(s);
    }
    finish_search(s);
}
