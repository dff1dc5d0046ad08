/* step.h - a step of forward, from xh[0] to xh[1]. */
#ifndef LSTMC_STEP_H
#define LSTMC_STEP_H

#include "job.h"

/* Reals of the block of a step that leaves no tape. */
idx NAME(block_size)(const Sequence *, idx rows);

/* What of a step is the same for all cells, from panel p on, at its first stage. It is
 * made where it is read: a copy of what was written in parts waits for all of them. */
void NAME(fill_step)(Step *, const Job *, idx p, idx panels, idx active, real *a);

/* Step t of the own units, for the first `active` rows. */
void NAME(run_step)(Job *, idx t, idx active, real *tape);

/* The first stage of it, of a row alone. */
void NAME(pass_row)(Job *, idx t, real *tape);

/* Whether h is there after the first stage, and whole. */
static inline int is_h_there(const Job *job)
{
    return job->s->plan.late_panels == 0 && !job->s->zoning;
}

#endif
