/* noise.c - noise on the states, from a counter: backward draws the same once more.
 *
 *   zoneout             s = k s' + (1 - k) s~      k: 1 for a share of the units, drawn
 *                                                  at each step; or that share itself
 *   recurrent dropout   R sees k h / (1 - rate)    k: 0 for a share of the units, the
 *                                                  same at all steps of a sequence
 *
 * Krueger et al.: Zoneout: Regularizing RNNs by Randomly Preserving Hidden Activations.
 * ICLR 2017. Gal, Ghahramani: A Theoretically Grounded Application of Dropout in
 * Recurrent Neural Networks. NIPS 2016. */
#include "job.h"

/* Every part and state has streams of its own. */
static uint64_t stream_of(const Sequence *s, int part, int kind)
{
    return (s->noise.stream * 2 * LSTMC_MAX_HEADS + (uint64_t)part) *
               (LSTMC_MAX_STATES + 1) +
           (uint64_t)kind;
}

void NAME(draw_masks)(const Sequence *s)
{
    const idx size = s->rows * s->plan.outputs;
#pragma omp for schedule(static)
    for (int part = 0; part < s->parts; ++part) {
        real *mask = s->direction[part].mask;
        for (idx j = 0; j < size; ++j)
            mask[j] = 1;
        NAME(dropout)(mask, size, s->noise.recurrent_dropout, s->noise.seed,
                      stream_of(s, part, LSTMC_MAX_STATES));
    }
}

/* Own panels of a state: the features of h, or units. */
static idx own_panel(const Job *job, int state, int end)
{
    return state == 0 ? own_output(job, end) : end ? job->last : job->first;
}

void NAME(mask_row)(const Job *job, real *xh, idx r, idx first, idx last)
{
    const Plan *plan = &job->s->plan;
    const real *mask = sample_row(job, 0, job->d->mask, r);
    const real *h = xh + r * job->row + job->h0;
    real *seen = xh + r * job->row + job->rows0 + plan->place[0] * place_size(plan);
    /* With zeros beyond the units: where R reads more states, it walks over them. */
    for (idx j = first * PANEL; mask && j < last * PANEL; ++j)
        seen[j] = j < plan->outputs ? h[j] * mask[j] : 0;
}

void NAME(add_masked)(const Job *job, idx first, idx last, idx after)
{
    const idx width = job->s->plan.outputs;
    for (idx r = 0; r < after; ++r) {
        const real *mask = sample_row(job, 0, job->d->mask, r);
        for (idx p = first; p < last; ++p) {
            const real *masked = job->masked + (p * job->rows + r) * PANEL;
            real *dh = state_panel(job, 0, p, r);
            for (idx j = 0; j < min_idx(PANEL, width - p * PANEL); ++j)
                dh[j] += mask[p * PANEL + j] * masked[j];
        }
    }
}

void NAME(keep_before)(const Job *job, idx active)
{
    for (int k = 0; k < job->s->plan.cell->states; ++k)
        for (idx p = job->first; job->kept[k] && p < job->last; ++p)
            memcpy(job->kept[k] + p * job->rows * PANEL,
                   job->state[k] + p * job->rows * PANEL,
                   (size_t)(active * PANEL) * sizeof(real));
}

/* The shares of the units of one panel that keep their value. */
static void draw_shares(const Job *job, int state, idx p, idx r, idx t, real *share)
{
    const Sequence *s = job->s;
    const double rate = state == 0 ? s->noise.zoneout_h : s->noise.zoneout_c;
    const uint64_t limit = (uint64_t)(rate * 4294967296.0);
    for (idx j = 0; j < PANEL; ++j)
        share[j] = R(rate);
    for (idx j = 0; s->noise.sampling && j < PANEL; j += 4) {
        const idx index = (step_of(job, r, t) * s->plan.panels + p) * PANEL + j;
        uint32_t random[4];
        NAME(draw)((uint64_t)index / 4, s->noise.seed, stream_of(s, job->part, state),
                   random);
        for (int k = 0; k < min_idx(4, PANEL); ++k)
            share[j + k] = random[k] < limit;
    }
}

void NAME(zone_forward)(const Job *job, idx t, idx active)
{
    const Plan *plan = &job->s->plan;
    for (int k = 0; k < plan->cell->states; ++k) {
        if (!job->s->zoned[k])
            continue;
        const idx last = own_panel(job, k, 1);
        for (idx p = own_panel(job, k, 0); p < last; ++p)
            for (idx r = 0; r < active; ++r) {
                real share[PANEL];
                draw_shares(job, k, p, r, t, share);
                real *after = state_panel(job, k, p, r);
                const real *before = after;
                if (plan->place[k] == NONE)
                    before = job->kept[k] + (p * job->rows + r) * PANEL;
                else
                    after += job->xh[1] - job->xh[0];
                for (idx j = 0; j < PANEL; ++j)
                    after[j] = share[j] * before[j] + (1 - share[j]) * after[j];
            }
    }
}

void NAME(zone_backward)(const Job *job, idx t, idx active, idx p, int k)
{
    for (idx r = 0; job->kept[k] && r < active; ++r) {
        real share[PANEL];
        draw_shares(job, k, p, r, t, share);
        real *d = state_panel(job, k, p, r);
        real *kept = job->kept[k] + (p * job->rows + r) * PANEL;
        for (idx j = 0; j < PANEL; ++j) {
            kept[j] = share[j] * d[j];
            d[j] -= kept[j];
        }
    }
}

void NAME(add_kept)(const Job *job, idx active, idx p, int k)
{
    for (idx r = 0; job->kept[k] && r < active; ++r) {
        real *d = state_panel(job, k, p, r);
        const real *kept = job->kept[k] + (p * job->rows + r) * PANEL;
        for (idx j = 0; j < PANEL; ++j)
            d[j] += kept[j];
    }
}
