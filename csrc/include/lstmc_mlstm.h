/* lstmc_mlstm.h - the matrix memory of the mLSTM; part of the C API, see lstmc.h.
 *
 *   k = k / sqrt(d_k)
 *   i = exp(i~) or sigmoid(i~),  f = sigmoid(f~) or exp(f~)       scalars of a head
 *   C = f C' + i v k^T,  n = f n' + i k                     ' marks the step before
 *   h = C q / max(|n q|, 1)
 *   y = sigmoid(o) h                                             if o is given
 *
 * States are kept as exp(-m) C and exp(-m) n, m = max(log f + m', log i), so that no
 * exponential overflows; with a sigmoid input gate m is 0. h is divided by
 * max(|n q|, exp(-m)) + epsilon of these.
 *
 * Three forms with equal results up to rounding. Chunkwise: within a chunk of steps by
 * products of matrices, from chunk to chunk by the state; parallel: one chunk, of time
 * quadratic and memory linear in the steps; recurrent: step by step. The bits of a
 * sample's results are the same for any number of threads and in any company. */
#ifndef LSTMC_MLSTM_H
#define LSTMC_MLSTM_H

#include "lstmc.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { LSTMC_CHUNKWISE, LSTMC_PARALLEL, LSTMC_RECURRENT };

typedef struct {
    int dtype;
    ptrdiff_t heads, d_k, d_v; /* d_k, d_v: features of a head */
    int sigmoid_input;      /* i is a sigmoid, not an exponential */
    int exponential_forget; /* f is an exponential; not with sigmoid_input */
    int plain;              /* h = C q; only with sigmoid_input */
    double epsilon;
    ptrdiff_t chunk; /* steps of a chunk; 0: by d_k and d_v */
    int form;
} lstmc_memory;

/* Rows of reals, `row` from one to the next. */
typedef struct {
    void *at;
    ptrdiff_t row;
} lstmc_rows;

typedef struct {
    lstmc_memory memory;
    ptrdiff_t samples;
    const ptrdiff_t *offsets; /* (samples + 1) */
    lstmc_rows q, k;          /* (steps of all samples, heads * d_k) */
    lstmc_rows v;             /* (steps, heads * d_v) */
    lstmc_rows i, f;          /* (steps, heads) before the squash */
    lstmc_rows o;             /* (steps, heads * d_v); NULL: no output gate */
    const void *c0, *n0, *m0; /* (samples, heads, d_v, d_k), (.., d_k), (..); NULL all:
                                 zeros */
    void *c1, *n1, *m1; /* the same after the last step; NULL all: not wanted */
    lstmc_rows h; /* (steps, heads * d_v) */
    lstmc_rows y; /* with o; NULL: y takes the place of h */
    void *tape; /* lstmc_memory_tape reals, aligned; NULL: inference */
    /* backward */
    lstmc_rows dy; /* of y with o, else of h */
    lstmc_rows dq, dk, dv, di, df, do_; /* do_: with o */
    const void *dc1, *dn1, *dm1; /* NULL all: zeros */
    void *dc0, *dn0, *dm0; /* NULL all: not wanted */
    int threads; /* 0: the default */
    int (*poll)(void *data); /* as in lstmc_call */
    void *poll_data;
} lstmc_memory_call;

/* Reals of the tape, of the order of the steps. */
LSTMC_API int lstmc_memory_tape(const lstmc_memory *, ptrdiff_t samples,
                                const ptrdiff_t *offsets, ptrdiff_t *reals);
LSTMC_API int lstmc_memory_forward(const lstmc_memory_call *);
/* q to f, o, c0 to m0, h and the tape are those of forward. */
LSTMC_API int lstmc_memory_backward(const lstmc_memory_call *);

/* A stream of one step a call: `state`, lstmc_memory_state reals for each head of each
 * sample, aligned; zeros at first. Of the call it reads memory, samples, q to f, o, h
 * and threads, a row for each sample. The bits are those of the recurrent form. */
LSTMC_API int lstmc_memory_state(const lstmc_memory *, ptrdiff_t *reals);
LSTMC_API int lstmc_memory_step(const lstmc_memory_call *, void *state);
/* Between a stream's state and c0, n0, m0 or c1, n1, m1 of the call: `load` reads the
 * former, otherwise the latter are written. */
LSTMC_API int lstmc_memory_move(const lstmc_memory_call *, void *state, int load);

#ifdef __cplusplus
}
#endif

#endif
