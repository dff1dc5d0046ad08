/* shortlist.c - the best candidates of a frame, in a heap whose first is the worst. */
#include "decode.h"

static int is_worse(const Search *s, int32_t j, int32_t k)
{
    const double x = s->pool[j].entry.rank, y = s->pool[k].entry.rank;
    return x < y || (x == y && j > k);
}

static void swap(int32_t *x, int32_t *y)
{
    const int32_t kept = *x;
    *x = *y;
    *y = kept;
}

static void sink(Search *s, idx k, idx count)
{
    int32_t *heap = s->heap;
    for (idx child; (child = 2 * k + 1) < count; k = child) {
        if (child + 1 < count && is_worse(s, heap[child + 1], heap[child]))
            ++child;
        if (!is_worse(s, heap[child], heap[k]))
            return;
        swap(heap + k, heap + child);
    }
}

static void rise(Search *s, idx k)
{
    int32_t *heap = s->heap;
    for (; k > 0 && is_worse(s, heap[k], heap[(k - 1) / 2]); k = (k - 1) / 2)
        swap(heap + k, heap + (k - 1) / 2);
}

int is_hopeless(const Search *s, double rank)
{
    return !(rank > NOTHING) ||
           (s->held == s->most && !(rank > s->pool[s->heap[0]].entry.rank));
}

void offer(Search *s, const Candidate *candidate)
{
    if (is_hopeless(s, candidate->entry.rank))
        return;
    if (s->held < s->most) {
        s->pool[s->held] = *candidate;
        s->heap[s->held] = (int32_t)s->held;
        rise(s, s->held++);
    } else {
        s->pool[s->heap[0]] = *candidate;
        sink(s, 0, s->held);
    }
}

void sort_held(Search *s)
{
    for (idx last = s->held - 1; last > 0; --last) {
        swap(s->heap, s->heap + last);
        sink(s, 0, last);
    }
}
