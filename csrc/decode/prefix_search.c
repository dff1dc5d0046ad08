/* prefix_search.c - the most probable labelling: the likeliest prefix is opened first.
 *
 *   label(lk) = y_k (label'(lk) + blank'(l) + [l does not end with k] label'(l))
 *   blank(l)  = y_blank (blank'(l) + label'(l))        ' is the frame before
 *   p(lk)     = label(lk) + blank(lk) at the end        that labelling, no longer one
 *   p(lk...)  = sum_t of what starts k at t, - p(lk)    all longer ones
 *
 * in logarithms. When no prefix has longer ones as probable as the best labelling is,
 * that is the most probable. Frames of nothing but blank cut a sample into sections.
 *
 * Graves et al.: Connectionist Temporal Classification. ICML 2006. */
#include "decode.h"

/* A prefix that has been opened. */
typedef struct {
    int32_t parent, label; /* of the first: -1 */
    idx length;
} Opened;

/* A prefix that may be. */
typedef struct {
    double more; /* log probability of all longer ones */
    int32_t parent, label;
} Waiting;

typedef struct {
    idx classes, limit;
    int32_t blank;
    double *y; /* (frames, classes) */
    double *paths; /* (limit, 2, frames): ending with the label, with a blank */
    Opened *opened; /* (limit) */
    Waiting *heap; /* (1 + limit * classes) the likeliest first */
    idx count, waiting, frames;
    double best;
    Waiting found; /* the best labelling: an opened prefix, and a label or -1 */
    Watch *watch;
} Section;

static idx lay_out_section(const lstmc_frames *frames, idx limit, idx longest,
                           void *memory, Section *s)
{
    Store store = {.base = memory};
    *s = (Section){.classes = frames->classes, .limit = limit, .blank = frames->blank};
    s->y = take_from(&store, longest * frames->classes, sizeof(double));
    s->paths = take_from(&store, limit * 2 * longest, sizeof(double));
    s->opened = take_from(&store, limit, sizeof(Opened));
    s->heap = take_from(&store, 1 + limit * frames->classes, sizeof(Waiting));
    return store.used;
}

idx section_search_size(const lstmc_frames *frames, idx limit, idx longest)
{
    Section s;
    return lay_out_section(frames, limit, longest, NULL, &s);
}

static double *paths_of(const Section *s, idx k)
{
    return s->paths + 2 * s->frames * k;
}

static void push(Section *s, Waiting one)
{
    idx k = s->waiting++;
    for (; k > 0 && s->heap[(k - 1) / 2].more < one.more; k = (k - 1) / 2)
        s->heap[k] = s->heap[(k - 1) / 2];
    s->heap[k] = one;
}

static Waiting pop(Section *s)
{
    const Waiting top = s->heap[0], one = s->heap[--s->waiting];
    idx k = 0;
    for (idx child; (child = 2 * k + 1) < s->waiting; k = child) {
        if (child + 1 < s->waiting && s->heap[child + 1].more > s->heap[child].more)
            ++child;
        if (!(s->heap[child].more > one.more))
            break;
        s->heap[k] = s->heap[child];
    }
    s->heap[k] = one;
    return top;
}

/* log(e^x - e^y), y <= x but for roundings. */
static double subtract_logs(double x, double y)
{
    return y < x ? x + log1p(-exp(y - x)) : NOTHING;
}

/* What starts the label after an opened prefix at frame t. */
static double start_at(const Section *s, idx parent, int32_t label, idx t)
{
    const double y = s->y[t * s->classes + label];
    const double *blank = paths_of(s, parent) + s->frames;
    if (t == 0)
        return s->opened[parent].label < 0 ? y : NOTHING;
    if (s->opened[parent].label == label)
        return blank[t - 1] + y;
    return add_logs(blank[t - 1], paths_of(s, parent)[t - 1]) + y;
}

/* The paths of a prefix, kept for its own longer ones. */
static void open_prefix(Section *s, idx parent, int32_t label)
{
    const idx own = s->count++;
    double *with = paths_of(s, own), *blank = with + s->frames;
    s->opened[own] =
        (Opened){(int32_t)parent, label, label < 0 ? 0 : s->opened[parent].length + 1};
    double last = NOTHING, end = label < 0 ? 0 : NOTHING;
    for (idx t = 0; t < s->frames; ++t) {
        const double *y = s->y + t * s->classes;
        const double both = add_logs(last, end);
        last = label < 0 ? NOTHING
                         : add_logs(start_at(s, parent, label, t), last + y[label]);
        end = both + y[s->blank];
        with[t] = last;
        blank[t] = end;
    }
}

/* One longer prefix: it may be the best labelling, and it may wait to be opened. */
static void look_at(Section *s, idx parent, int32_t label)
{
    double all = NOTHING, last = NOTHING, end = NOTHING;
    for (idx t = 0; t < s->frames; ++t) {
        const double *y = s->y + t * s->classes;
        const double start = start_at(s, parent, label, t);
        all = add_logs(all, start);
        end = add_logs(last, end) + y[s->blank];
        last = add_logs(start, last + y[label]);
    }
    const double own = add_logs(last, end);
    if (own > s->best) {
        s->best = own;
        s->found = (Waiting){0, (int32_t)parent, label};
    }
    const double more = subtract_logs(all, own);
    if (more > s->best)
        push(s, (Waiting){more, (int32_t)parent, label});
}

static void look_further(Section *s)
{
    const idx own = s->count - 1;
    for (int32_t label = 0; label < s->classes; ++label)
        if (label != s->blank)
            look_at(s, own, label);
}

/* The best labelling of a section's frames; whether none can be better. */
static int search_section(Section *s)
{
    s->count = s->waiting = 0;
    open_prefix(s, -1, -1);
    s->best = s->frames ? paths_of(s, 0)[2 * s->frames - 1] : 0;
    s->found = (Waiting){0, 0, -1};
    look_further(s);
    while (s->waiting && s->heap[0].more > s->best) {
        if (s->count == s->limit ||
            is_over(s->watch, 20.0 * (double)(s->frames * s->classes)))
            return 0;
        const Waiting next = pop(s);
        open_prefix(s, next.parent, next.label);
        look_further(s);
    }
    return 1;
}

static idx write_section(const Section *s, int32_t *labels)
{
    idx length = s->opened[s->found.parent].length;
    const idx all = length + (s->found.label >= 0);
    if (s->found.label >= 0)
        labels[length] = s->found.label;
    for (idx k = s->found.parent; length > 0; k = s->opened[k].parent)
        labels[--length] = s->opened[k].label;
    return all;
}

idx search_sections(Watch *watch, idx sample, double threshold, idx limit, void *memory,
                    int32_t *labels, double *score, int *whole)
{
    const lstmc_frames *frames = watch->frames;
    const idx steps = frames_of(frames, sample);
    idx count = 0;
    Section s;
    lay_out_section(frames, limit, steps, memory, &s);
    s.watch = watch;
    *score = 0;
    *whole = 1;
    for (idx t = 0; t <= steps; ++t) {
        double *y = s.y + s.frames * s.classes;
        if (t < steps) {
            read_frames(frames, sample, t, 1, y);
            if (!(y[s.blank] >= threshold)) {
                ++s.frames;
                continue;
            }
            *score += y[s.blank];
        }
        if (s.frames) {
            *whole &= search_section(&s);
            count += write_section(&s, labels + count);
            *score += s.best;
        }
        s.frames = 0;
    }
    return count;
}
