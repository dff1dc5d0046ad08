/* job.h - one slab of rows in one direction: where its rows, states and tape lie.
 *
 * A job owns its states, its scratch and its part of the tape, and goes through all
 * steps without a barrier. Its rows stand longest first: those that still run are
 * the first `active`. A reverse direction starts at each sequence's own end; t
 * counts the steps of the direction. */
#ifndef LSTMC_JOB_H
#define LSTMC_JOB_H

#include <string.h>

#include "kernels.h"
#include "parallel.h"

typedef struct {
    const Sequence *s;
    const Direction *d;
    int side; /* 0: forward in time, 1: reverse */
    idx slab, rows;
    idx h_row;              /* reals from a row of [h, x] to the next */
    real *hx[2];            /* (rows, h_row): [h, x] of this step and of the next */
    real *state[MAX_STATES]; /* (panels, rows, PANEL) */
    real *block;            /* scratch of one group */
    real *tape;             /* of this job */
} Job;

static inline idx row_of(const Job *job, idx r)
{
    return job->slab + r * job->s->slabs;
}

static inline idx length_of(const Job *job, idx r)
{
    return job->s->length[row_of(job, r)];
}

/* The step of the flat arrays that row r sees at its own step t. */
static inline idx step_of(const Job *job, idx r, idx t)
{
    const idx row = row_of(job, r);
    const idx first = job->s->offset[job->s->sample[row]];
    return first + (job->side ? job->s->length[row] - 1 - t : t);
}

static inline idx state_size(const Plan *plan, idx rows)
{
    return plan->panels * rows * PANEL;
}

/* Reals of tape before step t of the job's slab. */
static inline idx tape_before(const Job *job, idx t)
{
    idx steps = 0;
    for (idx r = 0; r < job->rows; ++r)
        steps += min_idx(t, length_of(job, r));
    return steps * job->s->plan.panels * job->s->plan.slots * PANEL;
}

static inline Job make_job(const Sequence *s, idx k)
{
    const idx slab = k % s->slabs;
    Job job = {
        .s = s, .side = (int)(k / s->slabs), .slab = slab, .rows = slab_rows(s, slab)};
    job.d = s->direction + job.side;
    job.tape = job.d->tape;
    for (idx before = 0; job.tape && before < slab; ++before) {
        const Job other = {
            .s = s, .side = job.side, .slab = before, .rows = slab_rows(s, before)};
        job.tape += tape_before(&other, s->steps);
    }
    return job;
}

/* A row of (samples, units) to or from the panels of a state. */
static inline void load_state(const Job *job, int k, idx r, const real *from)
{
    const idx n = job->s->plan.units;
    for (idx p = 0; p < job->s->plan.panels; ++p) {
        real *to = job->state[k] + (p * job->rows + r) * PANEL;
        for (idx j = 0; j < PANEL; ++j)
            to[j] = from && p * PANEL + j < n ? from[p * PANEL + j] : 0;
    }
}

static inline void store_state(const Job *job, int k, idx r, real *to)
{
    for (idx j = 0; j < job->s->plan.units; ++j)
        to[j] = job->state[k][(j / PANEL * job->rows + r) * PANEL + j % PANEL];
}

static inline const real *sample_row(const Job *job, const real *states, idx r)
{
    return states ? states + job->s->sample[row_of(job, r)] * job->s->plan.units : NULL;
}

#endif
