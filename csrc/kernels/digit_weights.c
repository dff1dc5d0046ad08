/* digit_weights.c - the weights of a layer in digits, balanced: number k of x or h
 * counts as much as the largest weight that any unit gives it. So a feature in other
 * units than the rest, or one that nobody reads, costs the others no digit. */
#include "digits.h"

#if AMX

#include "lanes.h"

/* What column g of panel p has of a source. */
static const real *weights_of(const Plan *plan, const real *weights, int k, idx p,
                              int g)
{
    if (k == FROM_LATE)
        return weights + late_offset(plan, p) +
               (g - plan->late_first) * plan->units * PANEL;
    const Reading *reading = plan->reading;
    while (g >= reading->first + reading->count)
        ++reading;
    const idx place = k == FROM_X ? 0 : place_in(plan, plan->cell->column + g, k);
    return weights + p * plan->block + reading->offset +
           ((g - reading->first) * reading->k + place) * PANEL;
}

/* The largest of each of PANEL numbers k as a power of two, and one over it. */
static void find_balance(const uvec *most, real *to, real *over)
{
    enum { LEAST = (127 - 100) << 23, MOST = (127 + 100) << 23, ONE = 127 << 23 };
    vec turned[LINE / sizeof(real)];
    EACH (j, PANEL)
        turned[j] = (vec)most[j];
    turn_vectors(turned);
    uvec all = {0};
    EACH (j, PANEL)
        all = larger(all, turned[j]);
    const __m512i power = _mm512_max_epu32(
        _mm512_min_epu32((__m512i)(all & 0x7f800000), _mm512_set1_epi32(MOST)),
        _mm512_set1_epi32(LEAST));
    *(vec *)to = (vec)power;
    *(vec *)over = (vec)(2 * ONE - (uvec)power);
}

/* Numbers q * PANEL on of a source. */
static void balance(const Plan *plan, const real *weights, int k, idx q,
                    const Split *split)
{
    const idx width = source_width(plan, k), n = min_idx(PANEL, width - q * PANEL);
    const int first = source_first(plan, k), last = first + source_columns(plan, k);
    uvec most[LINE / sizeof(real)] = {{0}};
    for (int g = first; g < last; ++g)
        for (idx p = 0; p < source_panels(plan, k); ++p) {
            const vec *from =
                (const vec *)weights_of(plan, weights, k, p, g) + q * PANEL;
            for (idx j = 0; j < n; ++j)
                most[j] = larger(most[j], from[j]);
        }
    find_balance(most, split->balance + q * PANEL,
                 split->balance + (panels_of(width) + q) * PANEL);
}

/* The columns of panel p that read a source. */
static void split_columns(const Plan *plan, const real *weights, int k, idx p,
                          const Split *split)
{
    const idx width = source_width(plan, k);
    const real *by = split->balance + panels_of(width) * PANEL;
    const int first = source_first(plan, k), last = first + source_columns(plan, k);
    for (int g = first; g < last; ++g)
        NAME(split_panel)(weights_of(plan, weights, k, p, g), width, by,
                          split->panels + source_offset(plan, k, p, g));
}

void NAME(split_weights)(const Sequence *s)
{
    const Plan *plan = &s->plan;
    for (int k = 0; k < SOURCES; ++k) {
        if (!s->direction->split[k].panels)
            continue;
        const idx squares = panels_of(source_width(plan, k)),
                  panels = source_panels(plan, k);
#pragma omp for schedule(static)
        for (idx item = 0; item < s->parts * squares; ++item) {
            const Direction *d = s->direction + item / squares;
            balance(plan, d->weights, k, item % squares, d->split + k);
        }
#pragma omp for schedule(static)
        for (idx item = 0; item < s->parts * panels; ++item) {
            const Direction *d = s->direction + item / panels;
            split_columns(plan, d->weights, k, item % panels, d->split + k);
        }
    }
}

#endif
