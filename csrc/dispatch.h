/* dispatch.h - the kernels of one target and dtype, as the entry points call them. */
#ifndef LSTMC_DISPATCH_H
#define LSTMC_DISPATCH_H

#include "lstmc.h"

/* Threads of a call; `members` of them share a slab of rows. */
typedef struct {
    int threads, members;
    int lots; /* of rows, whose gradients are summed apart; the sizes alone decide */
    int amx; /* products are made by AMX where they can */
    const struct Link *link; /* one of several layers at the same time; NULL: alone */
} Team;

typedef struct Kernels {
    int lanes; /* reals in a panel */
    int cell_count;
    void (*describe)(int cell, lstmc_cell *out);
    int (*is_timed)(int cell);
    ptrdiff_t (*packed_size)(const lstmc_layer *);
    ptrdiff_t (*tape_size)(const lstmc_layer *, ptrdiff_t steps);
    ptrdiff_t (*checkpoint_size)(const lstmc_layer *, ptrdiff_t samples,
                                 const ptrdiff_t *offsets, ptrdiff_t longest);
    void (*pack)(const lstmc_layer *, const lstmc_weights *, void *packed,
                 int to_packed);
    ptrdiff_t (*split_size)(const lstmc_layer *); /* bytes */
    void (*split)(const lstmc_layer *, const void *packed, void *split);
    int (*is_split)(const lstmc_layer *, const void *packed, const void *split);
    /* All sizes below are in bytes and fit, once lstmc.c has checked the sizes. */
    ptrdiff_t (*workspace)(const lstmc_call *, Team, ptrdiff_t longest, int backward);
    int (*forward)(const lstmc_call *, Team, ptrdiff_t longest, void *workspace);
    int (*backward)(const lstmc_call *, Team, ptrdiff_t longest, void *workspace);
    /* Opens a stream whose head is filled; load and store its states of one sample,
     * load: NULL is zeros. */
    ptrdiff_t (*stream_size)(const lstmc_layer *, int layers, ptrdiff_t samples);
    void (*stream_open)(const lstmc_layer *, const void *const *weights,
                        const void *const *split, const lstmc_noise *, lstmc_stream *);
    void (*stream_use)(lstmc_stream *, const void *const *split);
    void (*stream_step)(lstmc_stream *, const void *x, const void *time, void *y,
                        int threads);
    void (*stream_load)(lstmc_stream *, int layer, ptrdiff_t sample,
                        const void *const *states);
    void (*stream_store)(const lstmc_stream *, int layer, ptrdiff_t sample,
                         void *const *states);
    void (*adam)(const lstmc_solver *, void *weights, const void *gradient, void *m,
                 void *v, ptrdiff_t size);
    void (*sgd)(const lstmc_solver *, void *weights, const void *gradient,
                void *velocity, ptrdiff_t size);
    double (*squared_norm)(const void *x, ptrdiff_t size);
    void (*dropout)(void *x, ptrdiff_t size, double rate, uint64_t seed,
                    uint64_t stream);
    ptrdiff_t (*loss_workspace)(const lstmc_ctc *, int threads);
    int (*ctc_loss)(const lstmc_ctc *, int threads, void *workspace);
    ptrdiff_t (*align_workspace)(const lstmc_ctc *, int threads);
    int (*ctc_align)(const lstmc_ctc *, int threads, void *workspace);
    void (*log_softmax)(const void *x, double *out, ptrdiff_t rows, ptrdiff_t classes);
    /* See tables/. */
    const struct DenseKernels *dense;
    const struct RowKernels *rows;
    const struct ConvKernels *conv;
    const struct FilmKernels *film;
    const struct FcnKernels *fcn;
    const struct HighwayKernels *highway;
    const struct MdlstmKernels *mdlstm;
    const struct MemoryKernels *memory;
} Kernels;

/* The head of a stream's memory; the rest is known to kernels/stream.c. */
struct lstmc_stream {
    const Kernels *kernels; /* of the target at the opening */
    int layers, threads;
    ptrdiff_t samples;
    double work; /* operations of a step */
};

/* LSTMC_TOO_LARGE, with lstmc_wanted_bytes() for the message; LSTMC_OK, if they fit. */
int refuse_bytes(double bytes);
int check_bytes(double bytes);

/* In an entry point: what is not LSTMC_OK goes to the caller at once. */
#define CHECK(call)                 \
    do {                            \
        const int status_ = (call); \
        if (status_ != LSTMC_OK)    \
            return status_;         \
    } while (0)

/* Operations of one step of one sequence. */
double step_work(const lstmc_layer *);
/* Heads in all directions, and features of h of one. */
static inline ptrdiff_t count_parts(const lstmc_layer *layer)
{
    return layer->directions * (layer->heads ? layer->heads : 1);
}

static inline ptrdiff_t width_of_part(const lstmc_layer *layer)
{
    return layer->projection ? layer->projection : layer->units;
}

static inline size_t real_size(int dtype)
{
    return dtype == LSTMC_FLOAT32 ? sizeof(float) : sizeof(double);
}

static inline int is_aligned(const void *array)
{
    return (uintptr_t)array % LSTMC_ALIGNMENT == 0;
}

int check_layer(const lstmc_layer *);
int check_noise(const lstmc_noise *);
/* And the steps of the longest sample. */
int check_lengths(const lstmc_layer *, ptrdiff_t samples, const ptrdiff_t *offsets,
                  ptrdiff_t *longest);

/* Whether the chosen target is AVX-512 with AMX. */
int target_has_amx(void);

/* The chosen target's; chosen at the first call if it was not before. */
const Kernels *kernels_of(int dtype);

#endif
