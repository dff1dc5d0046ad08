/* ready.c - see ready.h. */
#include "ready.h"

#include "step.h"

/* Depth of panels that stay in the first cache, and how many are summed at once that
 * do not. */
#define NEAR_DEPTH 64
#define FAR_AT_ONCE min_idx(MOST_BESIDE, MOST_OF_A_ROW)

/* Blocks at most: of many units they would take the cache themselves. */
#define MOST_BLOCKS 32

/* Panels of units in a block: as many as fill a tile, or stripes; or all, where the
 * second stage, or P itself, waits for them. */
static idx panels_of_block(const Plan *plan)
{
    if (plan->late_panels > 0 || plan->cell->whole)
        return plan->panels;
    idx columns = 0, depth = 0; /* of R */
    for (int i = 0; i < plan->readings; ++i) {
        const Reading *reading = plan->reading + i;
        columns += recurrent_depth(plan, reading) > 0 ? reading->count : 0;
        depth = max_idx(depth, recurrent_depth(plan, reading));
    }
    const idx fill = depth <= NEAR_DEPTH     ? MOST_OF_A_ROW / max_idx(1, columns)
                     : columns % STRIPE == 0 ? 1
                                             : STRIPE;
    const idx least = (plan->panels + MOST_BLOCKS - 1) / MOST_BLOCKS;
    return min_idx(plan->panels, max_idx(fill, least));
}

/* Sums of so many panels of units at most: each reading may end with a part of one. */
static idx most_sums(const Plan *plan, idx panels)
{
    return panels * plan->cell->columns / FAR_AT_ONCE + plan->readings;
}

idx NAME(ready_size)(const Plan *plan)
{
    const idx at_once = panels_of_block(plan);
    const idx blocks = (plan->panels + at_once - 1) / at_once;
    const idx sums = blocks * most_sums(plan, at_once);
    const size_t bytes =
        (size_t)blocks * sizeof(ReadyBlock) + (size_t)sums * sizeof(Sums);
    return panels_of((idx)(bytes / sizeof(real)) + 1) * PANEL;
}

static int go_together(const Sums *sums, const Sums *next)
{
    const idx most = next->depth <= NEAR_DEPTH ? MOST_OF_A_ROW : FAR_AT_ONCE;
    return sums->panels < most && sums->depth == next->depth && sums->a == next->a &&
           sums->line == next->line;
}

/* The panels of a product, beside those of the one before if that reads the same. */
static void add_product(ReadyBlock *block, const Product *p, const Job *job,
                        const real *a, int is_ahead)
{
    const Sums next = {.depth = p->run,
                       .line = p->b_stripe ? STRIPE * PANEL : PANEL,
                       .a = p->a - job->xh[0]};
    const real *b = p->b;
    for (idx k = 0; k < p->groups * p->panels; ++k) {
        const idx group = k / p->panels, q = k % p->panels;
        if (block->count == 0 || !go_together(block->sums + block->count - 1, &next))
            block->sums[block->count++] = next;
        Sums *sums = block->sums + block->count - 1;
        const int j = sums->panels++;
        if (!p->b_stripe)
            b = p->b + group * p->b_group + q * p->b_panel;
        sums->b[j] = b;
        sums->start[j] = p->start + group * p->start_group + q * p->start_panel;
        sums->ahead[j] = is_ahead ? -1 : 0;
        sums->c[j] = p->c + group * p->c_group + q * p->c_panel - a;
        if (p->b_stripe)
            b += to_next_of_stripe(p, p->b_first + k + 1);
    }
}

static void make_block(Job *job, ReadyBlock *block)
{
    const Plan *plan = &job->s->plan;
    const idx p = block->first, panels = block->last - p;
    real *a = job->block;
    Product products[MOST_READINGS];
    NAME(describe_columns)(job, p, panels, job->from, 1, a, products);
    for (int i = 0; i < plan->readings; ++i)
        add_product(block, products + i, job, a,
                    job->ahead > 0 && plan->reading[i].k0 == 0);
    for (int k = 0; k < 2; ++k, turn(job))
        NAME(fill_step)(block->step + job->odd, job, p, panels, 1, a);
}

void NAME(make_ready)(Job *job)
{
    const idx panels = job->last - job->first;
    const idx at_once = panels_of_block(&job->s->plan);
    const idx blocks = (panels + at_once - 1) / at_once;
    Sums *sums = (Sums *)(job->ready + blocks);
    for (idx k = 0; k < blocks; ++k) {
        ReadyBlock *block = job->ready + k;
        block->first = job->first + k * at_once;
        block->last = min_idx(block->first + at_once, job->last);
        block->sums = sums;
        block->count = 0;
        make_block(job, block);
        sums += block->count;
    }
    job->blocks = blocks;
}

ALWAYS_INLINE void sum_up(const Sums *sums, const int panels, const idx line,
                          const real *a, idx ahead, real *c)
{
    vec acc[ACCUMULATORS];
    const real *b[MOST_OF_A_ROW];
    EACH (q, panels) {
        const vec *start = (const vec *)(sums->start[q] + (ahead & sums->ahead[q]));
        EACH_VECTOR (j)
            acc[q * VECS + j] = start[j];
        b[q] = sums->b[q];
    }
    const idx depth = sums->depth;
    a += sums->a;
    for (idx k = 0, place = 0; k < depth; ++k, place += line) {
        const vec row = splat(a[k]);
        EACH (j, panels * VECS)
            acc[j] += row * ((const vec *)(b[j / VECS] + place))[j % VECS];
    }
    EACH (j, panels * VECS)
        ((vec *)(c + sums->c[j / VECS]))[j % VECS] = acc[j];
}

/* clang-format off */
#define SUM_UP(n)                                                      \
    case n:                                                            \
        if (n <= MOST_OF_A_ROW) sum_up(s, n, line, a, ahead, c);       \
        break;
#define SUMS(name, step)                                               \
    static void name(const Sums *s, const real *a, idx ahead, real *c) \
    {                                                                  \
        const idx line = step;                                         \
        switch (s->panels) {                                           \
            SUM_UP(1) SUM_UP(2) SUM_UP(3) SUM_UP(4)                    \
            SUM_UP(5) SUM_UP(6) SUM_UP(7) SUM_UP(8)                    \
        }                                                              \
    }
/* clang-format on */
SUMS(sum_panels, PANEL)
SUMS(sum_stripes, STRIPE *PANEL)

const Step *NAME(sum_block)(const Job *job, ReadyBlock *block, idx ahead, real *a)
{
    Step *step = block->step + job->odd;
    step->a = a;
    for (const Sums *s = block->sums; s < block->sums + block->count; ++s)
        (s->line == PANEL ? sum_panels : sum_stripes)(s, job->xh[0], ahead, a);
    return step;
}
