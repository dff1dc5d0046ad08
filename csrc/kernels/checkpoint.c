/* checkpoint.c - training with a tape of one segment of steps instead of all.
 *
 * Forward keeps the states before each segment; backward goes through the segments from
 * the last on, runs the steps of each once more from there, and so has its tape again.
 *
 *   segments      S steps each, counted from the end; the first may be shorter
 *   checkpoints   (boundaries in order, rows that run there, states - 1, n):
 *                 all states but h, which y keeps
 *   tape          of one segment; after forward, of the last one
 *
 * Chen, Xu, Zhang, Guestrin: Training Deep Nets with Sublinear Memory Cost. 2016. */
#include "job.h"

/* The tape of a segment has S * slots reals for each row and unit; the checkpoints have
 * states - 1 for each row that runs at a boundary, steps / S in all. The sum is least
 * where both are alike. S is a whole number of windows, so that the weight gradient
 * meets the windows that it meets without checkpoints. */
idx NAME(segment_steps)(const Sequence *s)
{
    const idx steps = s->offset[s->rows] * (s->plan.cell->states - 1);
    const idx window = window_steps(s);
    idx segment = window;
    while (segment < s->steps && segment * segment * s->rows * s->plan.slots < steps)
        segment += window;
    return segment;
}

/* Steps of the first segment, which is also the first boundary. */
static idx first_boundary(const Sequence *s)
{
    return s->steps > 0 ? s->steps - (s->steps - 1) / s->segment * s->segment : 0;
}

/* Reals of tape of the steps first <= t < last of all rows. */
static idx tape_between(const Sequence *s, idx first, idx last)
{
    idx steps = 0;
    for (idx j = 0; j < s->rows; ++j) {
        const idx length = s->offset[j + 1] - s->offset[j];
        steps += min_idx(last, length) - min_idx(first, length);
    }
    return steps * s->plan.panels * s->plan.slots * PANEL;
}

/* Rows only ever fall off: the first whole segment is the largest but for the first. */
idx NAME(segment_tape)(const Sequence *s)
{
    const idx first = first_boundary(s);
    return max_idx(tape_between(s, 0, first),
                   tape_between(s, first, first + s->segment));
}

idx NAME(checkpoint_size)(const Sequence *s)
{
    const idx first = first_boundary(s);
    idx rows = 0;
    for (idx j = 0; j < s->rows; ++j) {
        const idx rest = s->offset[j + 1] - s->offset[j] - first;
        rows += rest > 0 ? (rest - 1) / s->segment + 1 : 0;
    }
    return NAME(segment_tape)(s) +
           panels_of(rows * (s->plan.cell->states - 1) * s->plan.units) * PANEL;
}

/* The states but h of row r before step t, a boundary; (states - 1, n). */
static real *checkpoint_of(const Job *job, idx t, idx r)
{
    const Sequence *s = job->s;
    idx rows = row_of(job, r);
    for (idx before = t - s->segment; before > 0; before -= s->segment)
        rows += s->total[before + 1] - s->total[before];
    return job->d->checkpoints + rows * (s->plan.cell->states - 1) * s->plan.units;
}

/* Each of a crew keeps its own units, so that nobody need wait. */
void NAME(keep_states)(const Job *job, idx t, idx active)
{
    const Plan *plan = &job->s->plan;
    const idx left = job->s->steps - t;
    if (!job->tape || t == 0 || left < job->s->segment || left % job->s->segment > 0)
        return;
    for (idx r = 0; plan->cell->states > 1 && r < active; ++r) {
        real *to = checkpoint_of(job, t, r);
        for (int k = 1; k < plan->cell->states; ++k, to += plan->units)
            for (idx p = job->first; p < job->last; ++p) {
                const idx width = min_idx(PANEL, plan->units - p * PANEL);
                memcpy(to + p * PANEL, state_panel(job, k, p, r),
                       (size_t)width * sizeof(real));
            }
    }
}

const real *NAME(find_state)(const Job *job, int k, idx r, idx t)
{
    if (k == 0)
        return hidden_of(job, r, t);
    if (t == 0)
        return sample_row(job, k, job->d->before[k], r);
    return checkpoint_of(job, t, r) + (k - 1) * job->s->plan.units;
}
