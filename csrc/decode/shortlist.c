/* shortlist.c - the best candidates of a frame, in a heap whose first is the worst. */
#include "decode.h"

static int is_worse(Ranked x, Ranked y)
{
    return x.score < y.score || (x.score == y.score && x.label > y.label);
}

/* Puts one where it belongs on the way from k to a leaf. */
static void sink(Ranked *heap, idx k, idx count, Ranked one)
{
    for (idx child; (child = 2 * k + 1) < count; k = child) {
        if (child + 1 < count && is_worse(heap[child + 1], heap[child]))
            ++child;
        if (!is_worse(heap[child], one))
            break;
        heap[k] = heap[child];
    }
    heap[k] = one;
}

/* Puts one where it belongs on the way from k to the first. */
static void rise(Ranked *heap, idx k, Ranked one)
{
    for (; k > 0 && is_worse(one, heap[(k - 1) / 2]); k = (k - 1) / 2)
        heap[k] = heap[(k - 1) / 2];
    heap[k] = one;
}

int is_hopeless(const Search *s, double rank)
{
    return !(rank > NOTHING) || (s->held == s->most && !(rank > s->heap[0].score));
}

void offer(Search *s, const Candidate *candidate)
{
    const double rank = candidate->entry.rank;
    if (is_hopeless(s, rank))
        return;
    if (s->held < s->most) {
        s->pool[s->held] = *candidate;
        rise(s->heap, s->held, (Ranked){rank, (int32_t)s->held});
        ++s->held;
    } else {
        s->pool[s->heap[0].label] = *candidate;
        sink(s->heap, 0, s->held, (Ranked){rank, s->heap[0].label});
    }
}

void sort_heap(Ranked *heap, idx count)
{
    for (idx last = count - 1; last > 0; --last) {
        const Ranked one = heap[last];
        heap[last] = heap[0];
        sink(heap, 0, last, one);
    }
}

void make_heap(Ranked *x, idx count)
{
    for (idx k = count / 2 - 1; k >= 0; --k)
        sink(x, k, count, x[k]);
}
