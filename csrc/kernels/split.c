/* split.c - the weights of a layer in digits, for all who read it: where they lie, and
 * whether they are those of the weights that there are now. */
#include <string.h>

#include "digits.h"
#include "dispatch.h"

void NAME(lay_out_digits)(const Sequence *s, Arena *arena)
{
    for (int part = 0; part < s->parts; ++part)
        for (int k = 0; k < SOURCES; ++k) {
            const Split split =
                digits_pay(s, k) ? take_split(arena, &s->plan, k) : (Split){0};
            if (arena->base)
                s->direction[part].split[k] = split;
        }
}

/* Before them: what they are of. */
typedef struct {
    uint64_t sum[2];
} Head;

static Sequence sequence_of(const lstmc_layer *layer, Direction *direction)
{
    static const lstmc_noise none = {0};
    Sequence s = NAME(sequence_of)(layer, &none);
    s.digits = target_has_amx() && !s.plan.cell->steep;
    s.direction = direction;
    return s;
}

idx NAME(split_size)(const lstmc_layer *layer)
{
    const Sequence s = sequence_of(layer, NULL);
    Arena arena = {0};
    NAME(lay_out_digits)(&s, &arena);
    return arena.used ? arena.used + LINE : 0;
}

void NAME(take_digits)(const Sequence *s, const void *split)
{
    Arena arena = {.base = (char *)split + LINE};
    NAME(lay_out_digits)(s, &arena);
}

/* Sums of all lines, and of what those were along the way: no single change and next to
 * no other leaves both. */
static Head sum_of_lines(const real *weights, idx size)
{
    uvec sum[VECS] = {{0}}, sums[VECS] = {{0}};
    for (idx j = 0; j < size; j += PANEL)
        EACH_VECTOR (k) {
            sum[k] += ((const uvec *)(weights + j))[k];
            sums[k] += sum[k];
        }
    Head head = {{1, 1}};
    for (int k = 0; k < VECS; ++k)
        for (idx lane = 0; lane < LANES; ++lane) {
            head.sum[0] = head.sum[0] * 0x100000001b3u + sum[k][lane];
            head.sum[1] = head.sum[1] * 0x100000001b3u + sums[k][lane];
        }
    return head;
}

int NAME(is_split)(const lstmc_layer *layer, const void *packed, const void *split)
{
    const Sequence s = sequence_of(layer, NULL);
    const Head head = sum_of_lines(packed, s.parts * NAME(packed_size)(&s.plan));
    return memcmp(split, &head, sizeof head) == 0;
}

void NAME(split)(const lstmc_layer *layer, const void *packed, void *split)
{
    Direction direction[2 * LSTMC_MAX_HEADS] = {{0}};
    const Sequence s = sequence_of(layer, direction);
    const idx size = NAME(packed_size)(&s.plan);
    const Head head = sum_of_lines(packed, s.parts * size);
    for (int part = 0; part < s.parts; ++part)
        direction[part].weights = (const real *)packed + part * size;
    NAME(take_digits)(&s, split);
    if (AMX)
        NAME(split_weights)(&s);
    memcpy(split, &head, sizeof head);
}
