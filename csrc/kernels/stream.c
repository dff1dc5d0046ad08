/* stream.c - layers that advance by one step a call: their states stay where the driver
 * wants them, so that a step copies x in and y out.
 *
 * Each slab of rows goes through all layers. Slabs do not depend on the number of
 * threads; a crew shares the units where there is a single slab. */
#include "dispatch.h"
#include "job.h"

/* Rows of a slab at most: enough for the weights' way, few enough for many threads. */
#define STREAM_ROWS 32
/* Units of a thread at least, where a crew shares them. */
#define CREW_UNITS 64

typedef struct {
    lstmc_stream head;
    int turn; /* which of the two xh holds h */
    Sequence *sequence; /* (layers) */
} Stream;

static idx slabs_of(idx samples) { return (samples + STREAM_ROWS - 1) / STREAM_ROWS; }

static int crew_of(const lstmc_layer *first, idx samples)
{
    return slabs_of(samples) > 1 ? 1 : (int)max_idx(1, first->units / CREW_UNITS);
}

/* A layer as a sequence of one step. */
static Sequence lay_out(const lstmc_layer *layer, int members, idx samples,
                        Arena *arena)
{
    Sequence s = {.plan = NAME(plan_of)(layer),
                  .identity = layer->identity_output,
                  .directions = 1,
                  .members = members,
                  .rows = samples,
                  .steps = 1,
                  .slabs = slabs_of(samples)};
    s.barrier = take(arena, s.slabs, sizeof(Barrier));
    s.scratch_size = panels_of(NAME(forward_scratch)(&s)) * PANEL;
    s.scratch = take(arena, s.slabs * s.scratch_size, sizeof(real));
    return s;
}

idx NAME(stream_size)(const lstmc_layer *layers, int count, idx samples)
{
    Arena arena = {0};
    take(&arena, 1, sizeof(Stream));
    take(&arena, count, sizeof(Sequence));
    for (int k = 0; k < count; ++k)
        lay_out(layers + k, crew_of(layers, samples), samples, &arena);
    return arena.used;
}

void NAME(stream_open)(const lstmc_layer *layers, const void *const *weights,
                       lstmc_stream *head)
{
    Arena arena = {.base = (char *)head};
    Stream *stream = take(&arena, 1, sizeof(Stream));
    const int count = head->layers, members = crew_of(layers, head->samples);
    stream->turn = 0;
    stream->sequence = take(&arena, count, sizeof(Sequence));
    for (int k = 0; k < count; ++k) {
        Sequence *s = stream->sequence + k;
        *s = lay_out(layers + k, members, head->samples, &arena);
        s->direction[0].weights = weights[k];
        memset(s->barrier, 0, (size_t)s->slabs * sizeof(Barrier));
    }
}

static Job job_of(const Stream *stream, int layer, idx slab, Share share)
{
    const Sequence *s = stream->sequence + layer;
    Job job = make_job(s, slab, share);
    NAME(lay_out_job)(&job, s->scratch + slab * s->scratch_size);
    if (stream->turn) {
        real *swap = job.xh[0];
        job.xh[0] = job.xh[1];
        job.xh[1] = swap;
    }
    return job;
}

/* The job's own rows of n reals, each so far from the next. */
static void copy_rows(const Job *job, const real *from, idx from_row, real *to,
                      idx to_row, idx n)
{
    EACH_OWN_ROW (job, r, job->rows)
        memcpy(to + r * to_row, from + r * from_row, (size_t)n * sizeof(real));
}

static void advance(const Stream *stream, idx slab, Share share, const real *x, real *y)
{
    const Sequence *s = stream->sequence, *end = s + stream->head.layers;
    const idx slabs = s->slabs;
    const real *from = x + slab * s->plan.inputs;
    idx from_row = slabs * s->plan.inputs;
    for (int layer = 0; s < end; ++s, ++layer) {
        const Job job = job_of(stream, layer, slab, share);
        copy_rows(&job, from, from_row, job.xh[0] + job.x0, job.row, s->plan.inputs);
        wait_for_crew(&job);
        NAME(run_step)(&job, 0, job.rows, NULL);
        wait_for_crew(&job);
        from = job.xh[1] + job.h0;
        from_row = job.row;
        if (s + 1 == end)
            copy_rows(&job, from, from_row, y + slab * s->plan.units,
                      slabs * s->plan.units, s->plan.units);
    }
}

static void run_place(const Stream *stream, Place place, const real *x, real *y)
{
    const FloatMode mode = flush_denormals();
    EACH_OWN_JOB (stream->sequence, place, slab)
        advance(stream, slab, place.share, x, y);
    restore_mode(mode);
}

static const Place alone = {.crews = 1, .share = {.members = 1}};

void NAME(stream_step)(lstmc_stream *head, const void *x, void *y, int threads)
{
    Stream *stream = (Stream *)head;
    const Sequence *s = stream->sequence;
    const idx most = s->slabs * s->members;
    if (threads == 1 || most == 1) { /* even a region of one thread takes its time */
        run_place(stream, alone, x, y);
    } else {
        /* A process that was forked off in the middle of a step has half of a round. */
        for (int k = 0; k < head->layers; ++k)
            memset(s[k].barrier, 0, (size_t)s->slabs * sizeof(Barrier));
#pragma omp parallel num_threads((int)min_idx(threads, most))
        run_place(stream, my_place(s), x, y);
    }
    stream->turn ^= 1;
}

void NAME(stream_load)(lstmc_stream *head, int layer, idx sample,
                       const void *const *states)
{
    const Stream *stream = (Stream *)head;
    const Plan *plan = &stream->sequence[layer].plan;
    const idx slabs = stream->sequence[layer].slabs, r = sample / slabs;
    const Job job = job_of(stream, layer, sample % slabs, alone.share);
    for (int k = 0; k < plan->cell->states; ++k) {
        const real *from = states ? states[k] : NULL;
        from = from ? from + sample * plan->units : NULL;
        if (k > 0) {
            load_state(&job, k, r, from);
            continue;
        }
        real *h = job.xh[0] + r * job.row + job.h0;
        for (idx j = 0; j < plan->panels * PANEL; ++j)
            h[j] = from && j < plan->units ? from[j] : 0;
    }
}

void NAME(stream_store)(const lstmc_stream *head, int layer, idx sample,
                        void *const *states)
{
    const Stream *stream = (const Stream *)head;
    const Plan *plan = &stream->sequence[layer].plan;
    const idx slabs = stream->sequence[layer].slabs, r = sample / slabs;
    const Job job = job_of(stream, layer, sample % slabs, alone.share);
    for (int k = 0; k < plan->cell->states; ++k) {
        real *to = states[k];
        if (!to)
            continue;
        to += sample * plan->units;
        if (k > 0)
            store_state(&job, k, r, to);
        else
            memcpy(to, job.xh[0] + r * job.row + job.h0,
                   (size_t)plan->units * sizeof(real));
    }
}
