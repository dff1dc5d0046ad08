/* job.h - one slab of rows in one direction: where its rows, states and tape lie.
 *
 * A job owns its states, its scratch and its part of the tape, and goes through all
 * steps without a barrier. Its rows stand longest first: those that still run are
 * the first `active`. A reverse direction starts at each sequence's own end; t
 * counts the steps of the direction. */
#ifndef LSTMC_JOB_H
#define LSTMC_JOB_H

#include <limits.h>
#include <string.h>

#include "digits.h"

/* Steps go through the panels of units to and fro: what one used last is what the next
 * wants first, and of weights that a cache cannot hold it then holds a part. That many
 * bytes of weights in a row, or one panel. */
#define STRETCH (256 << 10)

typedef struct {
    int member, members;
    int calling; /* the thread that made the call: it may ask the caller */
} Share;

typedef struct {
    const Sequence *s;
    const Direction *d;
    int part, side; /* side: 0: forward in time, 1: reverse */
    idx slab, rows;
    /* A row: x, the row states, the late row, and h itself where R sees less of it;
     * reals of it, and where x, the row states and h start. */
    idx row, x0, rows0, h0, late0;
    real *xh[2]; /* (rows, row): before this step and after it */
    int odd;     /* the step goes from the last panel to the first */
    idx ahead;       /* steps whose W x is computed at once; 0: step by step */
    idx from, until; /* the steps of this run */
    real *wx;        /* (own panels, rows, ahead, columns that read x, PANEL) */
    real *state[MAX_STATES]; /* (panels, rows, PANEL); forward: if not in xh */
    real *kept[MAX_STATES];  /* as state: what zoneout keeps */
    real *d_late, *masked;   /* as state: backward, of the late row, of a masked h */
    real *dv;                /* (panels, rows, vectors, PANEL) */
    real *y; /* where run_step copies h to, row r to y + at[r]; NULL: nowhere */
    /* Of this member: scratch; (rows); (rows), where its output lies; see cell.h. */
    real *block, *time;
    idx *at;
    real *spare;
    struct ReadyBlock *ready; /* forward: see ready.h */
    idx blocks; /* of it; 0: they are not made yet */
    DigitRows digits[SOURCES]; /* forward: of what columns read */
    DigitRows gates; /* backward: of da, that at `split` */
    const real *split;
    Share share;
    Barrier *barrier;
    idx first, last; /* panels of units that are this member's */
    real *tape; /* of this job, from the first step that it holds */
} Job;

/* columns.c: the digits of what columns read, of a step: reals that they take, where
 * they lie, and they; then a of some panels: the products, one for each reading, which
 * read no digits; and all of it. */
idx NAME(sources_size)(const Sequence *, idx rows);
void NAME(lay_out_sources)(Job *, real *own, idx most);
void NAME(split_sources)(Job *, idx active);
void NAME(describe_columns)(const Job *, idx p, idx panels, idx t, idx rows, real *a,
                            Product *products);
void NAME(fill_columns)(const Job *, idx p, idx panels, idx t, idx rows, real *a,
                        const Soon *);

/* gradient.c: what of a step of backward the weights' gradient multiplies; columns that
 * are made of digits are split later, see digit_gradient.c. */
void NAME(pack_rows)(const Job *, idx t, idx active, Window);

/* forward.c: where the arrays of a job lie in its scratch. */
void NAME(lay_out_job)(Job *, real *scratch);

/* Rows up to which W x is computed ahead. */
#define MOST_AHEAD 3

/* ahead.c: W x + b of the own units for the steps from t on, for few rows: how many
 * reals of a job; steps at once, 0: none; a product that goes on from there, over h. */
idx NAME(ahead_size)(const Sequence *, idx rows);
idx NAME(steps_ahead)(const Sequence *, idx rows);
idx NAME(most_ahead)(const Sequence *); /* steps at once, of any job */
void NAME(look_ahead)(Job *, idx t, idx active);
void NAME(go_on_from_ahead)(const Job *, idx p, const Reading *, idx t, Product *);

/* stripes.c: a product over R, of a reading from panel p on, made to read stripes. */
void NAME(read_stripes)(const Job *, idx p, const Reading *, Product *);

/* late.c: the second stage of a step, after all units have had their first; and back:
 * dh of a projection goes into the tape, then the gradient of the late row is made. */
void NAME(late_forward)(Job *, idx active, real *a, int taped);
void NAME(keep_projected)(const Job *, idx active, real *tape);
void NAME(late_backward)(Job *, idx active, const real *tape);

/* pull.c: room for the digits of da; a product over da with panels p on of what reads
 * source k; what the step after says about the row states, for the own panels; and dx =
 * W' da of step t, or of a row for `steps` steps, or for all of first <= t < last. */
idx NAME(split_gates_size)(const Sequence *);
void NAME(lay_out_split_gates)(Job *, real *own);
void NAME(multiply_gates)(Job *, int k, idx p, const Product *);
void NAME(pull_rows)(Job *, const real *tape, idx after, const Soon *);
void NAME(pull_input)(Job *, idx t, idx steps, idx active, const real *tape);
void NAME(pull_inputs)(Job *, idx first, idx last, const real *tape);

/* Steps of a single row that go into one product for dx, and so many panels of it. */
#define STEPS_AT_ONCE 64

static inline idx dx_size(const Sequence *s, idx panels)
{
    return panels * max_idx(STEPS_AT_ONCE, slab_rows(s, 0)) * PANEL;
}

/* noise.c: zoneout and recurrent dropout. */
void NAME(draw_masks)(const Sequence *); /* by the whole team, which waits */
void NAME(keep_before)(const Job *, idx active);
void NAME(zone_forward)(const Job *, idx t, idx active);
/* What R sees of row r of h, panels first .. last. */
void NAME(mask_row)(const Job *, real *xh, idx r, idx first, idx last);
/* dh += mask R' da, for panels first .. last. */
void NAME(add_masked)(const Job *, idx first, idx last, idx after);
void NAME(zone_backward)(const Job *, idx t, idx active, idx p, int state);
void NAME(add_kept)(const Job *, idx active, idx p, int state);

/* On to the next step: what was after is before. */
static inline void turn(Job *job)
{
    real *before = job->xh[0];
    job->xh[0] = job->xh[1];
    job->xh[1] = before;
    job->odd ^= 1;
}

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

static inline idx spare_size(const Plan *plan)
{
    return plan->panels * plan->cell->spares * PANEL;
}

/* A product over source k as one of its digits, for columns g on of panels p on. */
static inline DigitProduct digits_from(const Job *job, int k, idx p, int g,
                                       const Product *product)
{
    const Plan *plan = &job->s->plan;
    return digits_for(product, job->digits + k,
                      job->d->split[k].panels + source_offset(plan, k, p, g),
                      source_columns(plan, k) * source_size(plan, k));
}

/* Where the own panels of the features of h start (0) and end (1). */
static inline idx own_output(const Job *job, int end)
{
    return job->s->plan.out_panels * (job->share.member + end) / job->share.members;
}

static inline const real *sample_row(const Job *job, int k, const real *states, idx r)
{
    const idx sample = job->s->sample[row_of(job, r)];
    return states ? states + sample * width_of(&job->s->plan, k) : NULL;
}

/* The output of row r at its step t, in y or dy. */
static inline idx output_of(const Job *job, idx r, idx t)
{
    const Sequence *s = job->s;
    return (step_of(job, r, t) * s->parts + job->part) * s->plan.outputs;
}

/* h of row r before step t. */
static inline const real *hidden_of(const Job *job, idx r, idx t)
{
    const Sequence *s = job->s;
    if (t == 0)
        return sample_row(job, 0, job->d->before[0], r);
    return s->y + output_of(job, r, t - 1);
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
        .s = s, .part = (int)(k / s->slabs), .slab = slab, .rows = slab_rows(s, slab)};
    job.side = job.part >= s->heads;
    job.d = s->direction + job.part;
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

/* Panel p of state k of row r, before the step. */
static inline real *state_panel(const Job *job, int k, idx p, idx r)
{
    const Plan *plan = &job->s->plan;
    if (!job->xh[0] || plan->place[k] == NONE)
        return job->state[k] + (p * job->rows + r) * PANEL;
    const idx start = k == 0 ? job->h0 : job->rows0 + plan->place[k] * place_size(plan);
    return job->xh[0] + r * job->row + start + p * PANEL;
}

/* A row of (samples, width) to or from the panels of a state. */
static inline void load_state(const Job *job, int k, idx r, const real *from)
{
    const idx width = width_of(&job->s->plan, k);
    for (idx p = 0; p < job->s->plan.panels; ++p) {
        real *to = state_panel(job, k, p, r);
        for (idx j = 0; j < PANEL; ++j)
            to[j] = from && p * PANEL + j < width ? from[p * PANEL + j] : 0;
    }
}

static inline void store_state(const Job *job, int k, idx r, real *to)
{
    const idx width = width_of(&job->s->plan, k);
    for (idx p = 0; p * PANEL < width; ++p)
        memcpy(to + p * PANEL, state_panel(job, k, p, r),
               (size_t)min_idx(PANEL, width - p * PANEL) * sizeof(real));
}

/* Reals of `time` and `at`. */
static inline idx notes_size(idx rows)
{
    return (panels_of(rows) + panels_of(rows * (idx)(sizeof(idx) / sizeof(real)))) *
           PANEL;
}

/* Lays them out, and returns what comes after. */
static inline real *lay_out_notes(Job *job, real *notes)
{
    const idx most = slab_rows(job->s, 0);
    job->time = notes;
    job->at = (idx *)(notes + panels_of(most) * PANEL);
    return notes + notes_size(most);
}

static inline void note_outputs(const Job *job, idx t, idx active)
{
    for (idx r = 0; r < active; ++r)
        job->at[r] = output_of(job, r, t);
}

/* The time before step t of the first `active` rows, in the own array. */
static inline void note_time(const Job *job, idx t, idx active)
{
    for (idx r = 0; job->s->time && r < active; ++r)
        job->time[r] = job->s->time[step_of(job, r, t)];
}

/* Everything that the crew of a job wrote before is there for all of it. */
static inline void wait_for_crew(const Job *job)
{
    wait_for(job->barrier, job->share.member, job->share.members);
}

static inline void ask_caller(const Sequence *s, idx rows)
{
    ask_after(s->poll, 2.0 * (double)(rows * s->plan.panels) * (double)s->plan.block);
    if (s->link && atomic_load(&s->poll->stopped))
        atomic_store(s->link->stopped, 1);
}

/* With others at the same time: the first `steps` of the layer before are there; and
 * for the one after, those of this layer are, if it is time to say so. */
static inline void follow(const Sequence *s, idx steps)
{
    if (s->link && s->link->before)
        wait_for_progress(s->link->before, (int)min_idx(steps, s->steps));
}

static inline int is_followed(const Sequence *s) { return s->link && s->link->own; }

static inline int is_to_tell(const Sequence *s, idx steps, int pauses)
{
    return is_followed(s) && (pauses || (steps & (s->link->steps - 1)) == 0);
}

/* All of them, or as many as there will ever be. */
static inline void tell_end(const Sequence *s)
{
    if (is_followed(s))
        tell_progress(s->link->own, INT_MAX);
}

/* Before a wait: the first of a crew tells it whether to go on, so that all of them
 * stop at the same step. */
static inline void tell_crew(const Job *job, idx t, idx rows)
{
    if (job->share.member > 0)
        return;
    if (job->share.calling)
        ask_caller(job->s, rows);
    tell_all(job->barrier, t, is_stopped(job->s));
}

static inline int told_to_stop(const Job *job, idx t)
{
    return was_told(job->barrier, t);
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
    const int thread = own_thread(), team = team_size();
    const int members = s->members < team ? s->members : team;
    return (Place){.crew = thread / members,
                   .crews = team / members,
                   .share = {.member = thread % members,
                             .members = members,
                             .calling = thread == 0}};
}

/* The jobs of the calling thread; a thread left over has none. */
#define EACH_OWN_JOB(s, place, k)                                        \
    for (idx k = (place).crew < (place).crews ? (place).crew             \
                                              : (s)->slabs * (s)->parts; \
         k < (s)->slabs * (s)->parts; k += (place).crews)

/* Keeps the states before step t, if a segment but the first starts there. */
void NAME(keep_states)(const Job *, idx t, idx active);
/* State k of row r before step t: given, in y, or kept. */
const real *NAME(find_state)(const Job *, int k, idx r, idx t);
/* The steps of the segment that ends at `last` once more, for its tape, unless it is
 * the last segment, whose tape forward left; 0: told to stop. */
int NAME(forward_again)(const Sequence *, idx k, Share, idx last);

#endif
