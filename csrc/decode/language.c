/* language.c - the language model of a search: n-grams with backoff, or the caller's.
 *
 *   log p(w | h) = score(h w)                          if h w is an n-gram
 *                = backoff(h) + log p(w | suffix(h))   otherwise */
#include "decode.h"

double lstmc_score_ngram(const lstmc_ngram *model, int32_t state, int32_t number,
                         int32_t *next)
{
    double weight = 0;
    *next = 0;
    if (number < 0)
        return model->unknown;
    for (;;) {
        const int32_t found = find_child(&model->trie, state, number);
        if (found) {
            *next = model->next[found];
            return weight + model->score[found];
        }
        if (state == 0)
            return model->unknown;
        weight += model->backoff[state];
        state = model->suffix[state];
    }
}

/* One NaN is enough: the caller hears of it when the frame is done. */
static double judge(Search *s, double score)
{
    s->failed |= isnan(score);
    return score;
}

double score_token(Search *s, int32_t state, int32_t token, int32_t *next)
{
    const lstmc_search *options = s->options;
    if (options->ngram)
        return lstmc_score_ngram(options->ngram, state, options->ngram->number[token],
                                 next);
    const lstmc_model *model = options->model;
    *next = 0;
    if (!model || s->failed)
        return 0;
    return judge(s, model->score(model->data, state, token, next));
}

double score_end(Search *s, int32_t state)
{
    const lstmc_ngram *ngram = s->options->ngram;
    const lstmc_model *model = s->options->model;
    int32_t next;
    if (ngram)
        return ngram->end < 0 ? 0 : lstmc_score_ngram(ngram, state, ngram->end, &next);
    if (!model || s->failed)
        return 0;
    return judge(s, model->finish(model->data, state));
}

int32_t first_state(Search *s, idx sample)
{
    const lstmc_search *options = s->options;
    if (options->model)
        options->model->start(options->model->data, sample);
    return options->ngram ? options->ngram->start : 0;
}
