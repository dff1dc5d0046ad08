/* kernels.h - what the kernels offer one another and the entry points. */
#ifndef LSTMC_KERNELS_H
#define LSTMC_KERNELS_H

#include <time.h>

#include "cell.h"
#include "lstmc.h"
#include "parallel.h"
#include "product.h"

#define MOST_READINGS 3

/* Columns with the same reading of [x, row states]: k0 .. k0 + k of it. */
typedef struct {
    int first, count; /* columns */
    idx k0, k;
    idx offset; /* of the first column within a unit panel of weights */
} Reading;

/* One part of a layer, a head in one direction, packed: for each panel of units and
 * each column (k, PANEL) reals, x before the row states, each of whole panels; then
 * (panels, columns and vectors, PANEL) biases and vectors; then what reads the late
 * row, (late_panels, late_count, units, PANEL). */
typedef struct {
    const Cell *cell;
    idx inputs, units, outputs; /* outputs: features of h */
    idx panels, out_panels;
    idx slots;
    idx block; /* reals of weights in a panel of units */
    Reading reading[MOST_READINGS];
    int readings;
    int x_first, x_count; /* columns that read x */
    int rows; /* row states */
    const Row *row;
    int place[MAX_STATES]; /* of a state among them; NONE */
    struct {
        int first, count; /* columns that read a row state */
    } reader[MAX_STATES];
    int projected; /* h is the projection of the late row */
    int late_first, late_count; /* late columns; of a projection: its one */
    idx late_panels; /* 0: one stage */
    int late_slot, d_slot; /* slots of the late row, and of dh of a projection */
} Plan;

/* The projection of h to so many features; 0: none. */
void NAME(make_plan)(Plan *, const Cell *, idx inputs, idx units, idx projection);
idx NAME(packed_size)(const Plan *);
/* to_packed copies the weights into packed, otherwise packed into them. */
void NAME(pack)(const Plan *, const lstmc_weights *, real *packed, int to_packed);

/* What columns read: the row states, x, and the late row. */
enum { FROM_X = MAX_STATES, FROM_LATE, SOURCES };

/* The weights for backward, k runs over (panels of units, columns, PANEL): those of
 * each row state, of x (NULL: not wanted) and of the late row. */
typedef struct {
    real *state[MAX_STATES], *x, *late;
    int striped; /* those of row states are in stripes */
    int8_t *digits[SOURCES]; /* of all of them, see digits.h; NULL: none */
} Transposed;

idx NAME(transposed_size)(const Plan *, int row); /* NONE: of the late row */
/* Called by the whole team, which may then not be done. */
void NAME(transpose_weights)(const Plan *, const real *packed, const Transposed *);

Plan NAME(plan_of)(const lstmc_layer *);

ALWAYS_INLINE idx biases_of(const Plan *plan)
{
    return plan->cell->columns + plan->cell->vectors;
}

/* How many of the numbers of a reading are row states: the last of them. */
ALWAYS_INLINE idx recurrent_depth(const Plan *plan, const Reading *reading)
{
    return reading->k - (reading->k0 == 0 ? plan->inputs : 0);
}

/* Where in packed weights the biases of panel p start, and what reads the late row. */
ALWAYS_INLINE idx bias_offset(const Plan *plan, idx p)
{
    return plan->panels * plan->block + p * biases_of(plan) * PANEL;
}

ALWAYS_INLINE idx late_offset(const Plan *plan, idx p)
{
    return bias_offset(plan, plan->panels) + p * plan->late_count * plan->units * PANEL;
}

/* Reals from row state to row state. */
ALWAYS_INLINE idx place_size(const Plan *plan) { return plan->panels * PANEL; }

ALWAYS_INLINE idx width_of(const Plan *plan, int state)
{
    return state == 0 ? plan->outputs : plan->units;
}

/* Row states that a column reads in the first stage. */
ALWAYS_INLINE int reads_of(const Column *column)
{
    return column->r == NONE || column->late ? 0 : 1 + column->more;
}

/* Where among the k of a column row state `row` starts. */
ALWAYS_INLINE idx place_in(const Plan *plan, const Column *column, int row)
{
    return (column->w == NONE ? 0 : plan->inputs) +
           (row - column->from) * place_size(plan);
}

ALWAYS_INLINE int reads_row(const Column *column, int row)
{
    return column->from <= row && row < column->from + reads_of(column);
}

/* Hands out memory line by line; without any it only counts. */
typedef struct {
    char *base;
    idx used;
} Arena;

static inline void *take(Arena *arena, idx count, size_t size)
{
    void *out = arena->base ? arena->base + arena->used : NULL;
    arena->used += (count * (idx)size + LINE - 1) / LINE * LINE;
    return out;
}

/* What a part has of a source in digits, see digits.h: (panels of units, columns that
 * read it), and what the source is weighed by, and one over that. NULL: none. */
typedef struct {
    int8_t *panels;
    real *balance;
} Split;

/* The arrays of a part. states: (samples, units). */
typedef struct {
    const real *weights; /* packed */
    Split split[SOURCES]; /* the weights in digits */
    const real *before[MAX_STATES]; /* NULL: zeros */
    real *after[MAX_STATES]; /* NULL: not wanted */
    real *tape; /* NULL: inference */
    real *checkpoints; /* of a tape of more than one segment */
    real *stripes; /* R once more, see stripes.c; NULL: not wanted */
    const real *d_after[MAX_STATES];
    real *d_before[MAX_STATES];
    real *gradient; /* packed */
    real *second; /* that of the second lot; NULL: there is none */
    real *dx; /* (steps of all samples, inputs), NULL: not wanted */
    real *mask; /* (samples, outputs) of recurrent dropout, NULL: none */
    Transposed transposed;
} Direction;

/* Where one row of one step lies, for the weight gradient. */
typedef struct {
    const real *da; /* (panels, ..., slots, PANEL), da_panel apart */
    idx da_panel;
    const real *x, *h; /* h NULL: zeros */
    const real *mask; /* of h, NULL: none */
} StepRow;

/* How the calling thread asks its caller whether to go on. */
typedef struct {
    int (*ask)(void *);
    void *data;
    double work; /* operations since the last look at the clock */
    int64_t asked; /* when, in nanoseconds */
    atomic_int stopped;
} Poll;

/* Operations between two looks at the clock, and nanoseconds between two questions. */
#define LOOK_WORK 3e8
#define ASK_TIME 50000000

/* By the calling thread, which has done `work` operations since. */
static inline void ask_after(Poll *poll, double work)
{
    poll->work += work;
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

/* Rows are the samples, longest first; row j belongs to slab j % slabs, and a slab goes
 * through all steps without waiting for another. `members` threads share a slab, each
 * with panels of units of its own: for few rows. */
typedef struct {
    Plan plan;
    int identity, truncated, threads, members;
    int lots; /* backward: row j is in lot j % lots, see gradient.h */
    int digits, is_split; /* products are made of them, where they pay; given */
    int tape_is_far; /* backward: it lies behind the caches */
    int y_is_far; /* forward: no cache will hold y until it is read */
    int directions, heads, parts; /* parts: directions * heads, head by head */
    lstmc_noise noise;
    int zoning, zoned[MAX_STATES]; /* any state with zoneout, and which */
    idx rows, steps, slabs;
    idx segment; /* steps that the tape holds; all but with checkpoints */
    const idx *sample; /* (rows) the sample of a row */
    const idx *length; /* (rows) */
    const idx *offset; /* (samples + 1) first step of a sample */
    const idx *total; /* (steps + 1) rows active before a step, summed */
    const idx *first_total; /* the same of the first lot; NULL: of one lot */
    const idx *origin[2]; /* (rows) where in the flat arrays a direction starts */
    Poll *poll;
    const Link *link; /* one of several layers at the same time; NULL: alone */
    Barrier *barrier; /* (slabs * parts) */
    const real *x; /* (sum of lengths, inputs) */
    const real *time; /* (sum of lengths), NULL: not timed */
    real *y; /* (sum of lengths, parts * outputs), NULL: not wanted */
    const real *dy;
    Direction *direction; /* (parts) */
    real *scratch; /* slabs * parts * NAME(scratch_size) */
    idx scratch_size;
    real *packed_rows; /* backward: NAME(packed_rows_size) */
    StepRow *row_table; /* backward: parts * window rows */
    idx table_size; /* rows of a part */
} Sequence;

Sequence NAME(sequence_of)(const lstmc_layer *, const lstmc_noise *);
idx NAME(forward_scratch)(const Sequence *);
idx NAME(backward_scratch)(const Sequence *);
void NAME(sequence_forward)(const Sequence *);
void NAME(sequence_backward)(const Sequence *);

/* stripes.c: reals of R once more, of a part, 0: does not pay; made by the whole team,
 * which waits. */
idx NAME(stripes_size)(const Sequence *);
int NAME(pulls_stripes)(const Sequence *); /* backward: whether they pay */
void NAME(lay_stripes)(const Sequence *);

/* See dispatch.h. */
idx NAME(stream_size)(const lstmc_layer *, int layers, idx samples);
void NAME(stream_open)(const lstmc_layer *, const void *const *weights,
                       const void *const *split, const lstmc_noise *, lstmc_stream *);
void NAME(stream_use)(lstmc_stream *, const void *const *split);
void NAME(stream_step)(lstmc_stream *, const void *x, const void *time, void *y,
                       int threads);
void NAME(stream_load)(lstmc_stream *, int layer, idx sample,
                       const void *const *states);
void NAME(stream_store)(const lstmc_stream *, int layer, idx sample,
                        void *const *states);

/* What a tape with checkpoints consists of. They need plan, rows, steps and offsets of
 * the sequence, and all but the first its segment. */
idx NAME(segment_steps)(const Sequence *);
idx NAME(segment_tape)(const Sequence *);
idx NAME(checkpoint_size)(const Sequence *); /* with the segment's tape */

/* Steps of a window: enough rows for deep products, few enough for the cache. */
#define WINDOW_ROWS 1024

ALWAYS_INLINE idx window_steps(const Sequence *s)
{
    return s->rows ? (WINDOW_ROWS + s->rows - 1) / s->rows : 1;
}

/* The steps first <= t < last. */
typedef struct {
    idx first, last;
} Window;

/* Called by every thread of the team. */
idx NAME(packed_rows_size)(const Sequence *);
void NAME(clear_gradient)(const Sequence *);
void NAME(weight_gradient)(const Sequence *, Window);
void NAME(add_lots)(const Sequence *); /* to the first of them */
void NAME(add_input_gradients)(const Sequence *); /* dx of all parts to the first's */

void NAME(adam)(const lstmc_solver *, void *weights, const void *gradient, void *m,
                void *v, idx size);
void NAME(sgd)(const lstmc_solver *, void *weights, const void *gradient,
               void *velocity, idx size);
double NAME(squared_norm)(const void *x, idx size);
void NAME(dropout)(void *x, idx size, double rate, uint64_t seed, uint64_t stream);
/* out (rows, classes): log probabilities. */
void NAME(log_softmax)(const void *x, double *out, idx rows, idx classes);
/* See dispatch.h. */
idx NAME(loss_workspace)(const lstmc_ctc *, int threads);
int NAME(ctc_loss)(const lstmc_ctc *, int threads, void *workspace);
idx NAME(align_workspace)(const lstmc_ctc *, int threads);
int NAME(ctc_align)(const lstmc_ctc *, int threads, void *workspace);
/* The four random numbers of a block of a stream. */
void NAME(draw)(uint64_t block, uint64_t seed, uint64_t stream, uint32_t random[4]);

ALWAYS_INLINE int is_stopped(const Sequence *s)
{
    return atomic_load(s->link ? s->link->stopped : &s->poll->stopped);
}

ALWAYS_INLINE idx slab_rows(const Sequence *s, idx slab)
{
    return (s->rows - slab + s->slabs - 1) / s->slabs;
}

#endif
