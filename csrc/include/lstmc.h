/* lstmc.h - the C API of lstmc: recurrent layers, forward and backward, on the CPU.
 *
 * A layer is described by a struct, its arrays are yours. Every function checks
 * first and returns an error code before it touches memory; no function prints,
 * exits or throws.
 *
 *   Samples     ragged: sample j owns the steps offsets[j] .. offsets[j + 1] of flat
 *               arrays. One without steps has its initial states as final ones.
 *   Weights     packed once (lstmc_pack) into lstmc_packed_size reals a direction,
 *               aligned to LSTMC_ALIGNMENT; forward and backward read them directly.
 *               Gradients have the same layout, so that a solver runs over both.
 *   Tape        what forward keeps for backward, lstmc_tape_size reals a direction,
 *               aligned; NULL for inference.
 *   Checkpoints lstmc_call.checkpoint, for long sequences: a tape of
 *               lstmc_checkpoint_size reals, of the order of the square root of the
 *               steps. Backward runs most of forward once more, a third of the time of
 *               a training step, and its results have the same bits. y stays whole.
 *               What fits one segment anyway has a plain tape, and no longer takes.
 *   Layers      on one another go into one call, lstmc_call.above: of few samples they
 *               run at the same time, some steps behind one another.
 *   Bits        a sample's results are the same for any number of threads and in any
 *               company; a gradient's for any number of threads.
 *   Threads     lstmc_call.threads > 0, else lstmc_set_threads, else the machine's.
 *               Functions may be called from any thread, also after fork.
 *
 * "real" is float or double as the layer's dtype says. */
#ifndef LSTMC_H
#define LSTMC_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) && !defined(_WIN32)
#define LSTMC_API __attribute__((visibility("default")))
#else
#define LSTMC_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define LSTMC_VERSION "0.1.0"
#define LSTMC_ALIGNMENT 64
#define LSTMC_MAX_STATES 5
#define LSTMC_MAX_COLUMNS 8
#define LSTMC_MAX_VECTORS 16
#define LSTMC_MAX_HEADS 16

enum { LSTMC_FLOAT32, LSTMC_FLOAT64 };

enum {
    LSTMC_OK,
    LSTMC_NO_MEMORY,      /* lstmc_wanted_bytes() tells how much */
    LSTMC_TOO_LARGE,      /* more than an address counts; it tells about how much */
    LSTMC_BAD_CELL,       /* no such row in the registry */
    LSTMC_BAD_DTYPE,
    LSTMC_BAD_SIZE,       /* a size below its least */
    LSTMC_BAD_OPTION,     /* the cell has no such option */
    LSTMC_BAD_OFFSETS,    /* not starting at 0 or decreasing */
    LSTMC_NULL_ARRAY,     /* an array that the call needs is missing */
    LSTMC_NOT_ALIGNED,    /* weights, tape, gradient or stream */
    LSTMC_STOPPED, /* lstmc_call.poll said so; outputs are undefined */
    LSTMC_BAD_STREAM, /* layers that do not fit on one another, or look ahead */
    LSTMC_BAD_LABEL,  /* outside the classes, or the blank */
    LSTMC_NOT_FINITE, /* a logit is NaN or inf, or all of a step are -inf */
    LSTMC_NO_TARGET, /* the machine lacks the asked target, or it is unknown */
    LSTMC_BAD_STACK  /* layers that do not read what those below them write */
};

LSTMC_API const char *lstmc_message(int status);

/* --- the registry ---------------------------------------------------------------- */

typedef struct {
    const char *name, *title, *equations, *source;
    int columns; /* sums for each unit, of blocks of W, R and b */
    const char *column[LSTMC_MAX_COLUMNS];
    int w[LSTMC_MAX_COLUMNS]; /* which block of rows of W makes a column, -1: none */
    int r[LSTMC_MAX_COLUMNS]; /* the same of R */
    int b[LSTMC_MAX_COLUMNS]; /* the same of b */
    int from[LSTMC_MAX_COLUMNS]; /* the first row state that R reads, from block r on */
    int reads[LSTMC_MAX_COLUMNS]; /* row states read, a block each; 0: the late row */
    int w_blocks, r_blocks, b_blocks;
    int states;
    const char *state[LSTMC_MAX_STATES];
    int rows; /* states that R reads, and h */
    int row[LSTMC_MAX_STATES];
    int vectors; /* weights of one number for each unit */
    const char *vector[LSTMC_MAX_VECTORS];
    int saved; /* reals that forward keeps, per step and unit */
    int squashes; /* takes an output squash: tanh or the identity */
    int projects; /* takes a projection */
    int timed; /* needs lstmc_call.time */
    int statics; /* the last states are maps of static features, and stay */
    int whole; /* reduces over the units, so that threads cannot share them */
} lstmc_cell;

LSTMC_API int lstmc_cell_count(void);
LSTMC_API int lstmc_describe_cell(int cell, lstmc_cell *out);

/* --- a recurrent layer ----------------------------------------------------------- */

typedef struct {
    int cell; /* row of the registry */
    int dtype; /* LSTMC_FLOAT32, LSTMC_FLOAT64 */
    ptrdiff_t inputs, units; /* units of a head */
    int directions; /* 1, or 2: bidirectional */
    int heads; /* that do not feed one another; 0: one */
    ptrdiff_t projection; /* features of h; 0: the units */
    int identity_output; /* the output squash is the identity */
    int truncated; /* backward: no gradient from a step to the one before but through
                      the states that do not recur, as in 1997 */
} lstmc_layer;

/* The weights of one head in one direction, in rows. NULL: where there are none. */
typedef struct {
    void *w; /* (w_blocks * units, inputs) */
    void *r; /* (r_blocks * units, units or projection) */
    void *b; /* (b_blocks * units) */
    void *v; /* (vectors * units) */
    void *p; /* (projection, units) */
} lstmc_weights;

/* Noise on the states. Masks are Philox 4x32-10 of (seed, stream, index). */
typedef struct {
    double zoneout_h, zoneout_c; /* share of h, of c that keeps its value at a step */
    double
        recurrent_dropout; /* share of h that R does not see, the same at all steps */
    uint64_t seed, stream;
    int sampling; /* 1: masks are drawn; 0: their expectation */
} lstmc_noise;

typedef struct {
    const void *weights; /* packed, aligned */
    const void *before[LSTMC_MAX_STATES]; /* (samples, units) each; NULL: zeros */
    void *after[LSTMC_MAX_STATES]; /* (samples, units) each; NULL: not wanted */
    void *tape; /* aligned; NULL: inference */
    /* backward */
    const void *d_after[LSTMC_MAX_STATES]; /* NULL: zeros */
    void *d_before[LSTMC_MAX_STATES]; /* NULL: not wanted */
    void *gradient; /* packed, aligned; overwritten */
} lstmc_direction;

typedef struct lstmc_call {
    lstmc_layer layer;
    ptrdiff_t samples;
    const ptrdiff_t *offsets; /* (samples + 1) */
    const void *x; /* (steps of all samples, inputs) */
    const void *time; /* (steps) elapsed since the step before, of a timed cell */
    void *y; /* (steps, directions * heads * width), width: projection or units;
                forward writes, backward reads; NULL: not wanted (inference only) */
    const void *dy; /* as y; NULL: zeros */
    void *dx; /* (steps, inputs); NULL: not wanted */
    const void *split; /* forward: by lstmc_split, aligned; NULL: the call does it */
    lstmc_noise noise;
    int threads; /* 0: the default */
    /* Asked by the calling thread every 50 ms: not 0 ends the call. NULL: never. */
    int (*poll)(void *data);
    void *poll_data;
    ptrdiff_t slabs; /* 0; training: forward sets it, backward needs it with the tape */
    int checkpoint; /* training: 1: the tape has checkpoints, in forward and backward */
    /* The layer whose x is this y, and whose dx is this dy, of the same offsets. It
     * runs in the same call, which is given the lowest, and at the same time where
     * samples are fewer than threads, some steps behind. NULL: none. */
    struct lstmc_call *above;
    lstmc_direction direction[2 * LSTMC_MAX_HEADS]; /* (directions, heads) */
} lstmc_call;

LSTMC_API int lstmc_packed_size(const lstmc_layer *, ptrdiff_t *reals);
LSTMC_API int lstmc_tape_size(const lstmc_layer *, ptrdiff_t steps, ptrdiff_t *reals);
/* Of a tape with checkpoints for these samples; offsets (samples + 1). */
LSTMC_API int lstmc_checkpoint_size(const lstmc_layer *, ptrdiff_t samples,
                                    const ptrdiff_t *offsets, ptrdiff_t *reals);

LSTMC_API int lstmc_pack(const lstmc_layer *, const lstmc_weights *, void *packed);
LSTMC_API int lstmc_unpack(const lstmc_layer *, const void *packed,
                           const lstmc_weights *);

/* What some targets read beside packed weights: the same, split for them. A call does
 * it itself, if it is not given them; a stream does not. Bytes, 0: they read no such
 * thing. */
LSTMC_API int lstmc_split_size(const lstmc_layer *, ptrdiff_t *bytes);
/* weights: packed, of all heads and directions; split: aligned. */
LSTMC_API int lstmc_split(const lstmc_layer *, const void *weights, void *split);
/* 1: it is what lstmc_split makes of the weights of now. */
LSTMC_API int lstmc_is_split(const lstmc_layer *, const void *weights,
                             const void *split);

LSTMC_API int lstmc_forward(lstmc_call *);
LSTMC_API int lstmc_backward(lstmc_call *);

/* --- a stream: one step a call --------------------------------------------------- */

/* Layers on one another, for `samples` independent sequences which all advance by one
 * step at each call; their states stay inside, in the memory that you give it.
 *
 *     ptrdiff_t bytes;
 *     lstmc_stream_size(layers, count, samples, &bytes);
 *     lstmc_stream *stream = aligned_alloc(LSTMC_ALIGNMENT, bytes);
 *     lstmc_stream_open(layers, weights, split, count, samples, NULL, 0, stream);
 *     while (...)
 *         lstmc_stream_step(stream, x, NULL, y);
 *     free(stream);
 *
 * Layers have one direction, since the other would need the future, and the same dtype;
 * the inputs of each are the units of the one below. The bits of y are those of
 * lstmc_forward over the whole sequence, for any number of threads. All is checked when
 * the stream is opened: a step cannot fail and allocates nothing, flushes denormals and
 * leaves the caller's floating-point mode as it was; NaN in gives NaN out.
 *
 * The stream reads packed and split weights where they are, and any number of streams
 * may share them: they must outlive it. After a change of the weights they must be
 * split again before the next step. It holds pointers into its own memory: it must not
 * be moved; to copy one, open another and hand over the states. A stream is for one
 * thread at a time. */
typedef struct lstmc_stream lstmc_stream;

/* A multiple of LSTMC_ALIGNMENT. */
LSTMC_API int lstmc_stream_size(const lstmc_layer *, int count, ptrdiff_t samples,
                                ptrdiff_t *bytes);
/* weights: packed, of each layer, head by head; split: of each layer, NULL where its
 * lstmc_split_size is 0; NULL: it is for all. All states are zeros. noise: whose
 * expectation is taken; NULL: none. threads: at most, 0: the default; small steps take
 * one. */
LSTMC_API int lstmc_stream_open(const lstmc_layer *, const void *const *weights,
                                const void *const *split, int count, ptrdiff_t samples,
                                const lstmc_noise *noise, int threads, lstmc_stream *);
/* Weights split anew, if they are in another place than before. */
LSTMC_API void lstmc_stream_use(lstmc_stream *, const void *const *split);
/* x (samples, inputs of the first layer), y (samples, outputs of the last), time
 * (samples) elapsed since the step before; NULL: no cell is timed. */
LSTMC_API void lstmc_stream_step(lstmc_stream *, const void *x, const void *time,
                                 void *y);
/* The states of samples first ... first + count - 1 become zeros, in all layers. */
LSTMC_API int lstmc_stream_reset(lstmc_stream *, ptrdiff_t first, ptrdiff_t count);
/* states: an array (samples, units of the layer) for each state of its cell; get: NULL
 * is not wanted; set: NULL is zeros. */
LSTMC_API int lstmc_stream_get_state(const lstmc_stream *, int layer,
                                     void *const *states);
LSTMC_API int lstmc_stream_set_state(lstmc_stream *, int layer,
                                     const void *const *states);

/* --- solvers, dropout ------------------------------------------------------------ */

typedef struct {
    double scale; /* the gradient is multiplied by it first */
    double learning_rate;
    double beta_1, beta_2, epsilon; /* adam */
    int64_t step; /* adam: 1 at the first */
    double momentum; /* sgd */
    int nesterov;
} lstmc_solver;

LSTMC_API int lstmc_adam(int dtype, const lstmc_solver *, void *weights,
                         const void *gradient, void *m, void *v, ptrdiff_t size);
LSTMC_API int lstmc_sgd(int dtype, const lstmc_solver *, void *weights,
                        const void *gradient, void *velocity, ptrdiff_t size);
/* The sum of squares in a fixed order, in float64. */
LSTMC_API int lstmc_squared_norm(int dtype, const void *x, ptrdiff_t size, double *out);
/* x *= keep / (1 - rate); keep: Philox 4x32-10 of (seed, stream, index), so that the
 * same call on a gradient is the backward pass. */
LSTMC_API int lstmc_dropout(int dtype, void *x, ptrdiff_t size, double rate,
                            uint64_t seed, uint64_t stream);

/* --- connectionist temporal classification --------------------------------------- */

/* Sample j has the steps offsets[j] ... of the logits and the labels label_offsets[j]
 * ... of the labels; either may be none. -inf is a class that cannot be. */
typedef struct {
    int dtype;
    ptrdiff_t samples, classes;
    const ptrdiff_t *offsets; /* (samples + 1) */
    const void *logits; /* (steps of all samples, classes) */
    const ptrdiff_t *label_offsets; /* (samples + 1) */
    const int32_t *labels; /* (labels of all samples) of 0 ... classes - 1 */
    int32_t blank; /* the class that no label is */
    double smoothing; /* share of the loss that wants all classes alike */
    const double *weight; /* (samples) of the gradient; NULL: ones */
    double *loss; /* (samples) without the weight; inf: the labels cannot be */
    void *gradient; /* as logits, zeros where the loss is inf; NULL: not wanted */
    /* of an alignment, undefined where the loss is inf */
    int32_t *path; /* (steps of all samples) classes */
    double *probability; /* (steps of all samples) of the path's class */
    int threads; /* 0: the default */
    int (*poll)(void *data); /* as in lstmc_call */
    void *poll_data;
} lstmc_ctc;

LSTMC_API int lstmc_ctc_loss(const lstmc_ctc *);
/* The best alignment; the loss is minus the log of its probability. */
LSTMC_API int lstmc_ctc_align(const lstmc_ctc *);

/* --- labels ---------------------------------------------------------------------- */

/* The fewest edits that turn the labels a into b: edits (3) insertions, deletions and
 * substitutions, of which there are as many as can be. row: scratch, (n_b + 1). */
LSTMC_API int lstmc_count_edits(const int32_t *a, ptrdiff_t n_a, const int32_t *b,
                                ptrdiff_t n_b, int64_t *row, int64_t *edits);

/* --- the machine ----------------------------------------------------------------- */

/* NULL or "": the best the machine has; else "baseline", "avx2", "avx512",
 * "amx". */
LSTMC_API int lstmc_choose_target(const char *name);
LSTMC_API const char *lstmc_target(void);
LSTMC_API int
lstmc_has_target(const char *name); /* built in, and the machine runs it */

/* set: 0 takes it back. quota: CPUs that the system grants, 0: no limit. */
LSTMC_API void lstmc_set_threads(int threads);
LSTMC_API void lstmc_set_quota(int cpus);
LSTMC_API int lstmc_threads(int wanted); /* the team of a large call */
LSTMC_API int lstmc_has_openmp(void);

/* Where workspaces come from: memory aligned to LSTMC_ALIGNMENT, NULL if there is none.
 * Large blocks that were given wait for whoever takes next, up to 512 MB of them, until
 * they are released. */
LSTMC_API void *lstmc_take_memory(size_t bytes);
LSTMC_API void lstmc_give_memory(void *memory);
LSTMC_API void lstmc_release_memory(void);

/* For tests of what happens without memory; NULL: malloc and free. */
LSTMC_API void lstmc_set_allocator(void *(*allocate)(size_t alignment, size_t bytes),
                                   void (*release)(void *));
LSTMC_API double lstmc_wanted_bytes(void);

#ifdef __cplusplus
}
#endif

#endif
