/* stream.c - layers that advance by one step a call: their states stay where the driver
 * wants them, so that a step copies x in and y out.
 *
 * Each slab of rows goes through all layers. Slabs do not depend on the number of
 * threads; a crew shares the units where there is a single slab. */
#include "dispatch.h"
#include "step.h"

/* Rows of a slab at most: enough for the weights' way, few enough for many threads. */
#define STREAM_ROWS 32
/* Units of a thread at least, where a crew shares them. */
#define CREW_UNITS 64

typedef struct {
    lstmc_stream head;
    int turn; /* which of the two xh holds h */
    Sequence *sequence; /* (layers) */
    Job **job; /* (layers), of (parts, slabs, members): laid out when first used */
} Stream;

static idx slabs_of(idx samples) { return (samples + STREAM_ROWS - 1) / STREAM_ROWS; }

static int crew_of(const lstmc_layer *layers, int count, idx samples)
{
    idx members = slabs_of(samples) > 1 ? 1 : max_idx(1, layers->units / CREW_UNITS);
    for (int k = 0; k < count; ++k)
        if (NAME(plan_of)(layers + k).cell->whole)
            members = 1;
    return (int)members;
}

/* A layer as a sequence of one step. */
static Sequence lay_out(const lstmc_layer *layer, const lstmc_noise *noise, int members,
                        idx samples, Arena *arena, Job **jobs)
{
    Sequence s = NAME(sequence_of)(layer, noise);
    s.members = members;
    s.rows = samples;
    s.steps = 1;
    s.slabs = slabs_of(samples);
    s.digits = target_has_amx() && !s.plan.cell->steep;
    s.barrier = take(arena, s.slabs * s.parts, sizeof(Barrier));
    s.direction = take(arena, s.parts, sizeof(Direction));
    *jobs = take(arena, s.slabs * s.parts * members, sizeof(Job));
    s.scratch_size = panels_of(NAME(forward_scratch)(&s)) * PANEL;
    s.scratch = take(arena, s.slabs * s.parts * s.scratch_size, sizeof(real));
    return s;
}

/* Noise of any rates: zoneout needs memory. */
static const lstmc_noise any_noise = {.zoneout_h = 1, .zoneout_c = 1};

idx NAME(stream_size)(const lstmc_layer *layers, int count, idx samples)
{
    Arena arena = {0};
    take(&arena, 1, sizeof(Stream));
    take(&arena, count, sizeof(Sequence));
    take(&arena, count, sizeof(Job *));
    Job *jobs;
    for (int k = 0; k < count; ++k)
        lay_out(layers + k, &any_noise, crew_of(layers, count, samples), samples,
                &arena, &jobs);
    return arena.used;
}

void NAME(stream_open)(const lstmc_layer *layers, const void *const *weights,
                       const void *const *split, const lstmc_noise *noise,
                       lstmc_stream *head)
{
    Arena arena = {.base = (char *)head};
    Stream *stream = take(&arena, 1, sizeof(Stream));
    const int count = head->layers, members = crew_of(layers, count, head->samples);
    stream->turn = 0;
    stream->sequence = take(&arena, count, sizeof(Sequence));
    stream->job = take(&arena, count, sizeof(Job *));
    for (int k = 0; k < count; ++k) {
        Sequence *s = stream->sequence + k;
        *s =
            lay_out(layers + k, noise, members, head->samples, &arena, stream->job + k);
        const idx size = NAME(packed_size)(&s->plan);
        for (int part = 0; part < s->parts; ++part)
            s->direction[part] =
                (Direction){.weights = (const real *)weights[k] + part * size};
        const size_t jobs = (size_t)(s->slabs * s->parts);
        memset(s->barrier, 0, jobs * sizeof(Barrier));
        memset(stream->job[k], 0, jobs * (size_t)members * sizeof(Job));
    }
    NAME(stream_use)(head, split);
}

void NAME(stream_use)(lstmc_stream *head, const void *const *split)
{
    Stream *stream = (Stream *)head;
    for (int k = 0; split && k < head->layers; ++k)
        if (stream->sequence[k].digits && split[k])
            NAME(take_digits)(stream->sequence + k, split[k]);
}

static Job make_job_of(const Stream *stream, int layer, int part, idx slab, Share share)
{
    const Sequence *s = stream->sequence + layer;
    const idx k = part * s->slabs + slab;
    Job job = make_job(s, k, share);
    NAME(lay_out_job)(&job, s->scratch + k * s->scratch_size);
    if (stream->turn)
        turn(&job);
    return job;
}

/* The same for a step: it stays as it is as long as the crew does. */
static Job *job_of(const Stream *stream, int layer, int part, idx slab, Share share)
{
    const Sequence *s = stream->sequence + layer;
    Job *job =
        stream->job[layer] + (part * s->slabs + slab) * s->members + share.member;
    if (job->share.members != share.members)
        *job = make_job_of(stream, layer, part, slab, share);
    else if (job->odd != stream->turn)
        turn(job);
    return job;
}

/* The job's own rows of n reals, each so far from the next. */
static void copy_rows(const Job *job, const real *from, idx from_row, real *to,
                      idx to_row, idx n)
{
    EACH_OWN_ROW (job, r, job->rows)
        memcpy(to + r * to_row, from + r * from_row, (size_t)n * sizeof(real));
}

/* What the layer below has left, head by head, or x. */
static void copy_input(const Stream *stream, const Job *job, int layer, const real *x)
{
    const idx slabs = job->s->slabs, inputs = job->s->plan.inputs;
    real *to = job->xh[0] + job->x0;
    if (layer == 0) {
        copy_rows(job, x + job->slab * inputs, slabs * inputs, to, job->row, inputs);
        return;
    }
    for (int part = 0; part < job->s[-1].parts; ++part) {
        const Job *below = job_of(stream, layer - 1, part, job->slab, job->share);
        copy_rows(job, below->xh[1] + below->h0, below->row, to, job->row,
                  below->s->plan.outputs);
        to += below->s->plan.outputs;
    }
}

/* Where run_step leaves h of the job's rows in y. */
static void note_rows(Job *job, real *y)
{
    const idx outputs = job->s->plan.outputs, width = job->s->parts * outputs;
    job->y = y;
    for (idx r = 0; r < job->rows; ++r)
        job->at[r] = row_of(job, r) * width + job->part * outputs;
}

static void advance(const Stream *stream, idx slab, Share share, const real *x,
                    const real *time, real *y)
{
    const int layers = stream->head.layers;
    for (int layer = 0; layer < layers; ++layer) {
        const Sequence *s = stream->sequence + layer;
        for (int part = 0; part < s->parts; ++part) {
            Job *job = job_of(stream, layer, part, slab, share);
            copy_input(stream, job, layer, x);
            if (layer + 1 == layers)
                note_rows(job, y);
            for (idx r = 0; s->plan.cell->timed && r < job->rows; ++r)
                job->time[r] = time[row_of(job, r)];
            wait_for_crew(job);
            NAME(run_step)(job, 0, job->rows, NULL);
            wait_for_crew(job);
        }
    }
}

/* A crew has slabs of its own, and all their heads. */
static void run_place(const Stream *stream, Place place, const real *x,
                      const real *time, real *y)
{
    const FloatMode mode = flush_denormals();
    const idx slabs = stream->sequence->slabs;
    if (place.crew < place.crews)
        for (idx slab = place.crew; slab < slabs; slab += place.crews)
            advance(stream, slab, place.share, x, time, y);
    if (AMX && stream->sequence->digits)
        NAME(release_tiles)();
    restore_mode(mode);
}

static const Place alone = {.crews = 1, .share = {.members = 1}};

void NAME(stream_step)(lstmc_stream *head, const void *x, const void *time, void *y,
                       int threads)
{
    Stream *stream = (Stream *)head;
    const Sequence *s = stream->sequence;
    const idx most = s->slabs * s->members;
    if (threads == 1 || most == 1) { /* even a region of one thread takes its time */
        run_place(stream, alone, x, time, y);
    } else {
        /* A process that was forked off in the middle of a step has half of a round. */
        for (int k = 0; k < head->layers; ++k)
            memset(s[k].barrier, 0, (size_t)(s->slabs * s[k].parts) * sizeof(Barrier));
#pragma omp parallel num_threads((int)min_idx(threads, most))
        run_place(stream, my_place(s), x, time, y);
    }
    stream->turn ^= 1;
}

/* States lie as in a call: (heads, samples, width). */
void NAME(stream_load)(lstmc_stream *head, int layer, idx sample,
                       const void *const *states)
{
    const Stream *stream = (Stream *)head;
    const Sequence *s = stream->sequence + layer;
    const Plan *plan = &s->plan;
    const idx r = sample / s->slabs;
    for (int part = 0; part < s->parts; ++part) {
        const Job job =
            make_job_of(stream, layer, part, sample % s->slabs, alone.share);
        for (int k = 0; k < plan->cell->states; ++k) {
            const real *from = states ? states[k] : NULL;
            const idx row = part * s->rows + sample;
            load_state(&job, k, r, from ? from + row * width_of(plan, k) : NULL);
        }
    }
}

void NAME(stream_store)(const lstmc_stream *head, int layer, idx sample,
                        void *const *states)
{
    const Stream *stream = (const Stream *)head;
    const Sequence *s = stream->sequence + layer;
    const Plan *plan = &s->plan;
    const idx r = sample / s->slabs;
    for (int part = 0; part < s->parts; ++part) {
        const Job job =
            make_job_of(stream, layer, part, sample % s->slabs, alone.share);
        for (int k = 0; k < plan->cell->states; ++k) {
            real *to = states[k];
            const idx row = part * s->rows + sample;
            if (to)
                store_state(&job, k, r, to + row * width_of(plan, k));
        }
    }
}
