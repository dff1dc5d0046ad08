/* decoding.c - the entry points of decoding: checks, memory, samples shared out. */
#include "decode/decode.h"
#include "parallel.h"

/* Operations of a frame and class; a search does some more, which decides about
 * threads alone. */
#define FRAME_WORK 40.0
#define SAMPLE_WORK 1e4 /* of a sample before its first frame */

static int check_frames(const lstmc_frames *frames, idx *longest)
{
    if (frames->dtype != LSTMC_FLOAT32 && frames->dtype != LSTMC_FLOAT64)
        return LSTMC_BAD_DTYPE;
    if (frames->samples < 0 || frames->classes < 1 || frames->threads < 0 ||
        frames->classes > INT32_MAX / 2 || frames->blank < 0 ||
        frames->blank >= frames->classes)
        return LSTMC_BAD_SIZE;
    if (!frames->offsets)
        return LSTMC_NULL_ARRAY;
    *longest = 0;
    if (frames->offsets[0] != 0)
        return LSTMC_BAD_OFFSETS;
    for (idx j = 0; j < frames->samples; ++j) {
        const idx steps = frames_of(frames, j);
        if (steps < 0)
            return LSTMC_BAD_OFFSETS;
        *longest = steps > *longest ? steps : *longest;
    }
    return *longest && !frames->logits ? LSTMC_NULL_ARRAY : LSTMC_OK;
}

/* What the samples of a call are worked on with. */
typedef struct {
    const lstmc_frames *frames;
    idx longest;
    char *memory; /* of all threads */
    idx bytes; /* of one */
    int32_t *labels, *words;
    idx *starts, *ends, *counts;
    double *confidences, *scores;
    const lstmc_search *search;
    double threshold;
    idx limit;
    int *whole;
    atomic_int stopped;
    double work; /* see Watch */
} Job;

static Watch watch_of(Job *job, int thread)
{
    return (Watch){.frames = job->frames,
                   .stopped = &job->stopped,
                   .thread = thread,
                   .work = &job->work};
}

static void *memory_of(const Job *job, int thread)
{
    return job->memory + thread * job->bytes;
}

/* Runs over all samples with memory for each thread. */
static int run_job(Job *job, double frame_work, int most_threads,
                   void (*one)(void *, ptrdiff_t, int))
{
    const lstmc_frames *frames = job->frames;
    if (frames->samples == 0)
        return LSTMC_OK;
    const double work = (double)frames->offsets[frames->samples] * frame_work;
    const int wanted = most_threads ? most_threads : frames->threads;
    const int team = take_threads(wanted, work);
    const int threads = team < frames->samples ? team : (int)frames->samples;
    int status = check_bytes((double)job->bytes * threads);
    if (status == LSTMC_OK) {
        job->memory = lstmc_take_memory((size_t)(job->bytes * threads));
        status = LSTMC_NO_MEMORY;
        if (job->memory) {
            share_out(frames->samples, threads, one, job);
            lstmc_give_memory(job->memory);
            status = atomic_load(&job->stopped) ? LSTMC_STOPPED : LSTMC_OK;
        }
    }
    give_threads(team);
    return status;
}

int lstmc_softmax(int dtype, const void *logits, double *out, ptrdiff_t rows,
                  ptrdiff_t classes, int in_logarithms)
{
    if (dtype != LSTMC_FLOAT32 && dtype != LSTMC_FLOAT64)
        return LSTMC_BAD_DTYPE;
    if (rows < 0 || classes < 1)
        return LSTMC_BAD_SIZE;
    if (rows > 0 && (!logits || !out))
        return LSTMC_NULL_ARRAY;
    kernels_of(dtype)->log_softmax(logits, out, rows, classes);
    for (idx k = 0; !in_logarithms && k < rows * classes; ++k)
        out[k] = exp(out[k]);
    return LSTMC_OK;
}

/* --- the best path --------------------------------------------------------------- */

static void best_path_of(void *data, idx sample, int thread)
{
    const Job *job = data;
    const idx first = job->frames->offsets[sample];
    follow_best_path(job->frames, sample, memory_of(job, thread), job->labels + first,
                     job->starts + first, job->ends + first, job->confidences + first,
                     job->counts + sample, job->scores + sample);
}

int lstmc_best_path(const lstmc_frames *frames, int32_t *labels, ptrdiff_t *starts,
                    ptrdiff_t *ends, double *confidences, ptrdiff_t *counts,
                    double *scores)
{
    Job job = {.frames = frames,
               .labels = labels,
               .starts = starts,
               .ends = ends,
               .counts = counts,
               .confidences = confidences,
               .scores = scores};
    CHECK(check_frames(frames, &job.longest));
    const int lacks = !labels || !starts || !ends || !confidences;
    if ((frames->samples && (!counts || !scores)) || (job.longest && lacks))
        return LSTMC_NULL_ARRAY;
    const idx line = LSTMC_ALIGNMENT / sizeof(double); /* threads share none */
    job.bytes = (frames->classes + 2 * line) * (idx)sizeof(double);
    return run_job(&job, FRAME_WORK * (double)frames->classes, 0, best_path_of);
}

/* --- prefix beam search ---------------------------------------------------------- */

static void beam_of(void *data, idx sample, int thread)
{
    Job *job = data;
    const idx best = job->search->best;
    Search s;
    Watch watch = watch_of(job, thread);
    lay_out_search(job->frames, job->search, job->longest, memory_of(job, thread), &s);
    s.watch = &watch;
    if (is_over(&watch, SAMPLE_WORK))
        return;
    search_sample(&s, sample);
    if (s.failed)
        atomic_store(&job->stopped, 1);
    if (is_over(&watch, 0))
        return;
    idx *counts = job->counts + 2 * best * sample;
    double *scores = job->scores + best * sample;
    idx at = best * job->frames->offsets[sample];
    for (idx r = 0; r < best; ++r, at += frames_of(job->frames, sample)) {
        counts[2 * r] = counts[2 * r + 1] = -1;
        scores[r] = NOTHING;
        if (r < s.held) {
            write_hypothesis(&s, r, job->labels + at, job->words + at, counts + 2 * r);
            scores[r] = s.heap[r].score;
        }
    }
}

int lstmc_prefix_beam(const lstmc_frames *frames, const lstmc_search *search,
                      int32_t *labels, int32_t *words, ptrdiff_t *counts,
                      double *scores)
{
    Job job = {.frames = frames,
               .search = search,
               .labels = labels,
               .words = words,
               .counts = counts,
               .scores = scores};
    CHECK(check_frames(frames, &job.longest));
    if (search->beam < 1 || search->best < 1 || search->best > search->beam ||
        isnan(search->label_threshold) || !(search->beam_threshold >= 0) ||
        !(search->alpha >= 0) || !isfinite(search->alpha) || !isfinite(search->beta))
        return LSTMC_BAD_SIZE;
    if ((frames->samples && (!counts || !scores)) ||
        (job.longest && (!labels || !words)))
        return LSTMC_NULL_ARRAY;
    /* Nodes have numbers of 31 bits. */
    const double nodes = (double)search->beam * ((double)job.longest + 1);
    if (nodes > INT32_MAX - 2)
        return refuse_bytes(nodes * sizeof(Node));
    Search s;
    job.bytes = lay_out_search(frames, search, job.longest, NULL, &s);
    const double work =
        FRAME_WORK * ((double)frames->classes + 10 * (double)search->beam);
    return run_job(&job, work, search->model ? 1 : 0, beam_of);
}

/* --- prefix search --------------------------------------------------------------- */

static void sections_of(void *data, idx sample, int thread)
{
    Job *job = data;
    Watch watch = watch_of(job, thread);
    if (is_over(&watch, SAMPLE_WORK))
        return;
    int32_t *labels = job->labels + job->frames->offsets[sample];
    job->counts[sample] = search_sections(&watch, sample, job->threshold, job->limit,
                                          memory_of(job, thread), labels,
                                          job->scores + sample, job->whole + sample);
}

int lstmc_prefix_search(const lstmc_frames *frames, double threshold, ptrdiff_t limit,
                        int32_t *labels, ptrdiff_t *counts, double *scores, int *whole)
{
    Job job = {.frames = frames,
               .threshold = threshold,
               .limit = limit,
               .labels = labels,
               .counts = counts,
               .scores = scores,
               .whole = whole};
    CHECK(check_frames(frames, &job.longest));
    if (limit < 1 || isnan(threshold))
        return LSTMC_BAD_SIZE;
    if ((frames->samples && (!counts || !scores || !whole)) || (job.longest && !labels))
        return LSTMC_NULL_ARRAY;
    const double bytes = (double)limit * (16 * ((double)job.longest + 2) +
                                          24 * ((double)frames->classes + 1));
    CHECK(limit < INT32_MAX ? check_bytes(bytes) : refuse_bytes(bytes));
    job.bytes = section_search_size(frames, limit, job.longest);
    const double work = 4 * FRAME_WORK * (double)frames->classes;
    return run_job(&job, work, 0, sections_of);
}
