/* job.h - one slab of rows in one direction: where its rows, states and tape lie.
 *
 * A job owns its states, its scratch and its part of the tape, and goes through all
 * steps without a barrier. Its rows stand longest first: those that still run are
 * the first `active`. A reverse direction starts at each sequence's own end; t
 * counts the steps of the direction. */
#ifndef LSTMC_JOB_H
#define LSTMC_JOB_H

#include <string.h>
#include <time.h>

#include "kernels.h"

#if defined(_OPENMP)
#include <omp.h>
#endif

typedef struct {
    int member, members;
    int calling; /* the thread that made the call: it may ask the caller */
} Share;

typedef struct {
    const Sequence *s;
    const Direction *d;
    int side; /* 0: forward in time, 1: reverse */
    idx slab, rows;
    idx row, x0, h0; /* reals of a row of [x, h], and where x and h start in it */
    real *xh[2];     /* (rows, row): [x, h] of this step and of the next */
    idx ahead;       /* steps whose W x is computed at once; 0: step by step */
    idx from, until; /* the steps of this run */
    real *wx;        /* (own panels, rows, ahead, columns that read x, PANEL) */
    real *state[MAX_STATES]; /* (panels, rows, PANEL) */
    real *block; /* scratch of this member */
    Share share;
    Barrier *barrier;
    idx first, last; /* panels of units that are this member's */
    real *tape; /* of this job, from the first step that it holds */
} Job;

/* forward.c: where the arrays of a job lie in its scratch; and step t of the own units,
 * from xh[0] to xh[1], for the first `active` rows. */
void NAME(lay_out_job)(Job *, real *scratch);
void NAME(run_step)(const Job *, idx t, idx active, real *tape);

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
    return job->s->origin[job->side][row_of(job, r)] + (job->side ? -t : t);
}

static inline idx state_size(const Plan *plan, idx rows)
{
    return plan->panels * rows * PANEL;
}

static inline const real *sample_row(const Job *job, const real *states, idx r)
{
    return states ? states + job->s->sample[row_of(job, r)] * job->s->plan.units : NULL;
}

/* h of row r before step t. */
static inline const real *hidden_of(const Job *job, idx r, idx t)
{
    const Sequence *s = job->s;
    if (t == 0)
        return sample_row(job, job->d->before[0], r);
    return s->y + (step_of(job, r, t - 1) * s->directions + job->side) * s->plan.units;
}

/* Reals of tape of the job's slab for the steps first <= t < last. */
static inline idx tape_reals(const Job *job, idx first, idx last)
{
    idx steps = 0;
    for (idx r = 0; r < job->rows; ++r) {
        const idx length = length_of(job, r);
        steps += min_idx(last, length) - min_idx(first, length);
    }
    return steps * job->s->plan.panels * job->s->plan.slots * PANEL;
}

/* The steps of the segment that contains step t; both 0 where there are no steps. */
static inline idx segment_end(const Sequence *s, idx t)
{
    return s->steps - (s->steps - 1 - t) / s->segment * s->segment;
}

static inline idx segment_start(const Sequence *s, idx t)
{
    return max_idx(0, segment_end(s, t) - s->segment);
}

static inline Job make_job(const Sequence *s, idx k, Share share)
{
    const idx slab = k % s->slabs, panels = s->plan.panels;
    Job job = {
        .s = s, .side = (int)(k / s->slabs), .slab = slab, .rows = slab_rows(s, slab)};
    job.d = s->direction + job.side;
    job.share = share;
    job.barrier = s->barrier + k;
    job.first = panels * share.member / share.members;
    job.last = panels * (share.member + 1) / share.members;
    return job;
}

/* The job's tape of the segment that contains step t: slab after slab. */
static inline real *tape_of(const Job *job, idx t)
{
    const Sequence *s = job->s;
    const idx first = segment_start(s, t), last = segment_end(s, t);
    real *tape = job->d->tape;
    for (idx before = 0; tape && before < job->slab; ++before) {
        const Job other = {
            .s = s, .side = job->side, .slab = before, .rows = slab_rows(s, before)};
        tape += tape_reals(&other, first, last);
    }
    return tape;
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

/* Everything that the crew of a job wrote before is there for all of it. */
static inline void wait_for_crew(const Job *job)
{
    wait_for(job->barrier, job->share.members);
}

/* Operations between two looks at the clock, and nanoseconds between two questions. */
#define LOOK_WORK 3e8
#define ASK_TIME 50000000

static inline void ask_caller(const Sequence *s, idx rows)
{
    Poll *poll = s->poll;
    poll->work += 2.0 * (double)(rows * s->plan.panels) * (double)s->plan.block;
    if (!poll->ask || poll->work < LOOK_WORK)
        return;
    poll->work = 0;
    struct timespec time;
    timespec_get(&time, TIME_UTC);
    const int64_t now = (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
    if (now - poll->asked < ASK_TIME && now >= poll->asked)
        return;
    poll->asked = now;
    if (poll->ask(poll->data))
        atomic_store(&poll->stopped, 1);
}

/* Before a wait: the first of a crew tells it whether to go on, so that all of them
 * stop at the same step. */
static inline void tell_crew(const Job *job, idx t, idx rows)
{
    if (job->share.member > 0)
        return;
    if (job->share.calling)
        ask_caller(job->s, rows);
    job->barrier->stop[t & 1] = is_stopped(job->s);
}

static inline int told_to_stop(const Job *job, idx t)
{
    return job->barrier->stop[t & 1];
}

/* Rows are shared out among the crew one by one. */
#define EACH_OWN_ROW(job, r, rows) \
    for (idx r = (job)->share.member; r < (rows); r += (job)->share.members)

/* The calling thread's place in the team: its crew and its share there. */
typedef struct {
    idx crew, crews;
    Share share;
} Place;

static inline Place my_place(const Sequence *s)
{
#if defined(_OPENMP)
    const int thread = omp_get_thread_num(), team = omp_get_num_threads();
#else
    const int thread = 0, team = 1;
#endif
    const int members = s->members < team ? s->members : team;
    return (Place){.crew = thread / members,
                   .crews = team / members,
                   .share = {.member = thread % members,
                             .members = members,
                             .calling = thread == 0}};
}

/* The jobs of the calling thread; a thread left over has none. */
#define EACH_OWN_JOB(s, place, k)                                             \
    for (idx k = (place).crew < (place).crews ? (place).crew                  \
                                              : (s)->slabs * (s)->directions; \
         k < (s)->slabs * (s)->directions; k += (place).crews)

/* Keeps the states before step t, if a segment but the first starts there. */
void NAME(keep_states)(const Job *, idx t, idx active);
/* State k of row r before step t: given, in y, or kept. */
const real *NAME(find_state)(const Job *, int k, idx r, idx t);
/* The steps of the segment that ends at `last` once more, for its tape, unless it is
 * the last segment, whose tape forward left; 0: told to stop. */
int NAME(forward_again)(const Sequence *, idx k, Share, idx last);

#endif
