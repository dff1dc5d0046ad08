# The C API of csrc/include/lstmc.h, as Cython sees it.

from libc.stdint cimport int32_t, int64_t

cdef extern from "lstmc.h" nogil:
    enum:
        LSTMC_OK, LSTMC_NO_MEMORY, LSTMC_TOO_LARGE, LSTMC_STOPPED, LSTMC_NOT_FINITE
        LSTMC_FLOAT32, LSTMC_FLOAT64
        LSTMC_MAX_STATES, LSTMC_MAX_HEADS

    ctypedef struct lstmc_cell:
        const char *name
        const char *title
        const char *equations
        const char *source
        int columns
        const char *column[8]
        int w[8]
        int r[8]
        int b[8]
        int from_ "from"[8]
        int reads[8]
        int w_blocks, r_blocks, b_blocks
        int states
        const char *state[5]
        int rows
        int row[5]
        int vectors
        const char *vector[16]
        int saved, squashes, projects, timed, statics, whole

    ctypedef struct lstmc_layer:
        int cell, dtype
        Py_ssize_t inputs, units
        int directions, heads
        Py_ssize_t projection
        int identity_output, truncated

    ctypedef struct lstmc_weights:
        void *w
        void *r
        void *b
        void *v
        void *p

    ctypedef struct lstmc_noise:
        double zoneout_h, zoneout_c, recurrent_dropout
        unsigned long long seed, stream
        int sampling

    ctypedef struct lstmc_direction:
        const void *weights
        const void *before[5]
        void *after[5]
        void *tape
        const void *d_after[5]
        void *d_before[5]
        void *gradient

    ctypedef struct lstmc_call:
        lstmc_layer layer
        Py_ssize_t samples
        const Py_ssize_t *offsets
        const void *x
        const void *time
        void *y
        const void *dy
        void *dx
        lstmc_direction direction[32]
        lstmc_noise noise
        int threads
        int (*poll)(void *) noexcept
        void *poll_data
        Py_ssize_t slabs
        int checkpoint

    ctypedef struct lstmc_solver:
        double scale, learning_rate, beta_1, beta_2, epsilon
        long long step
        double momentum
        int nesterov

    ctypedef struct lstmc_ctc:
        int dtype
        Py_ssize_t samples, classes
        const Py_ssize_t *offsets
        const void *logits
        const Py_ssize_t *label_offsets
        const int *labels
        int blank
        double smoothing
        const double *weight
        double *loss
        void *gradient
        int *path
        double *probability
        int threads
        int (*poll)(void *) noexcept
        void *poll_data

    const char *lstmc_message(int)
    size_t lstmc_wanted_bytes()
    int lstmc_cell_count()
    int lstmc_describe_cell(int, lstmc_cell *)
    int lstmc_packed_size(const lstmc_layer *, Py_ssize_t *)
    int lstmc_tape_size(const lstmc_layer *, Py_ssize_t, Py_ssize_t *)
    int lstmc_checkpoint_size(const lstmc_layer *, Py_ssize_t, const Py_ssize_t *,
                              Py_ssize_t *)
    int lstmc_pack(const lstmc_layer *, const lstmc_weights *, void *)
    int lstmc_unpack(const lstmc_layer *, const void *, const lstmc_weights *)
    int lstmc_forward(lstmc_call *)
    int lstmc_backward(lstmc_call *)
    ctypedef struct lstmc_stream
    int lstmc_stream_size(const lstmc_layer *, int, Py_ssize_t, Py_ssize_t *)
    int lstmc_stream_open(const lstmc_layer *, const void *const *, int, Py_ssize_t,
                          const lstmc_noise *, int, lstmc_stream *)
    void lstmc_stream_step(lstmc_stream *, const void *, const void *, void *)
    int lstmc_stream_reset(lstmc_stream *, Py_ssize_t, Py_ssize_t)
    int lstmc_stream_get_state(const lstmc_stream *, int, void *const *)
    int lstmc_stream_set_state(lstmc_stream *, int, const void *const *)
    int lstmc_adam(int, const lstmc_solver *, void *, const void *, void *, void *,
                   Py_ssize_t)
    int lstmc_sgd(int, const lstmc_solver *, void *, const void *, void *, Py_ssize_t)
    int lstmc_squared_norm(int, const void *, Py_ssize_t, double *)
    int lstmc_dropout(int, void *, Py_ssize_t, double, unsigned long long,
                      unsigned long long)
    int lstmc_ctc_loss(const lstmc_ctc *)
    int lstmc_ctc_align(const lstmc_ctc *)
    int lstmc_count_edits(const int32_t *, Py_ssize_t, const int32_t *, Py_ssize_t,
                          int64_t *, int64_t *)
    int lstmc_choose_target(const char *)
    const char *lstmc_target()
    int lstmc_has_target(const char *)
    void lstmc_set_threads(int)
    void lstmc_set_quota(int)
    int lstmc_threads(int)
    int lstmc_has_openmp()

cdef extern from "lstmc_decode.h" nogil:
    ctypedef struct lstmc_frames:
        int dtype
        Py_ssize_t samples
        const Py_ssize_t *offsets
        const void *logits
        Py_ssize_t classes
        int32_t blank
        int threads
        int (*poll)(void *) noexcept
        void *poll_data

    ctypedef struct lstmc_trie:
        Py_ssize_t size
        const int32_t *first
        const int32_t *label

    ctypedef struct lstmc_ngram:
        lstmc_trie trie
        const double *score
        const double *backoff
        const int32_t *suffix
        const int32_t *next
        const int32_t *number
        double unknown
        int32_t start, end

    ctypedef struct lstmc_model:
        void (*start)(void *, Py_ssize_t) noexcept
        double (*score)(void *, int32_t, int32_t, int32_t *) noexcept
        double (*finish)(void *, int32_t) noexcept
        void *data

    ctypedef struct lstmc_lexicon:
        lstmc_trie trie
        const int32_t *first_word
        const int32_t *word
        int32_t separator
        const double *bonus
        const double *partial

    ctypedef struct lstmc_hotwords:
        lstmc_trie trie
        const int32_t *suffix
        const double *bonus
        const double *partial

    ctypedef struct lstmc_search:
        Py_ssize_t beam, best
        double label_threshold, beam_threshold, alpha, beta
        const lstmc_ngram *ngram
        const lstmc_model *model
        const lstmc_lexicon *lexicon
        const lstmc_hotwords *hotwords

    ctypedef struct lstmc_keywords:
        const double *y
        Py_ssize_t history, rows, classes
        int32_t blank
        Py_ssize_t window, keywords
        const int32_t *labels
        const Py_ssize_t *offsets

    int lstmc_softmax(int, const void *, double *, Py_ssize_t, Py_ssize_t, int)
    int lstmc_best_path(const lstmc_frames *, int32_t *, Py_ssize_t *, Py_ssize_t *,
                        double *, Py_ssize_t *, double *)
    double lstmc_score_ngram(const lstmc_ngram *, int32_t, int32_t, int32_t *)
    int lstmc_prefix_beam(const lstmc_frames *, const lstmc_search *, int32_t *,
                          int32_t *, Py_ssize_t *, double *)
    int lstmc_prefix_search(const lstmc_frames *, double, Py_ssize_t, int32_t *,
                            Py_ssize_t *, double *, int *)
    Py_ssize_t lstmc_keyword_scratch(const lstmc_keywords *)
    int lstmc_keyword_scores(const lstmc_keywords *, double *, double *, Py_ssize_t *,
                             Py_ssize_t *)

cdef extern from "lstmc_mdlstm.h" nogil:
    ctypedef struct lstmc_mdlstm:
        int dtype, dims, directions
        int direction[8]
        Py_ssize_t samples, inputs, units
        const Py_ssize_t *shape
        const void *weights
        const void *x
        void *y
        void *tape
        const void *dy
        void *dx
        void *gradient
        int threads
        int (*poll)(void *) noexcept
        void *poll_data

    int lstmc_mdlstm_tape_size(const lstmc_mdlstm *, Py_ssize_t *)
    int lstmc_mdlstm_forward(const lstmc_mdlstm *)
    int lstmc_mdlstm_backward(const lstmc_mdlstm *)

cdef extern from "lstmc_dense.h" nogil:
    ctypedef struct lstmc_dense_call:
        int dtype
        Py_ssize_t rows, inputs, outputs
        const void *x
        const void *w
        const void *packed
        const void *b
        void *y
        const void *dy
        void *dx
        void *dw
        void *db
        int threads

    int lstmc_dense_size(int, Py_ssize_t, Py_ssize_t, Py_ssize_t *)
    int lstmc_dense_pack(int, const void *, Py_ssize_t, Py_ssize_t, void *)
    int lstmc_dense_forward(const lstmc_dense_call *)
    int lstmc_dense_backward(const lstmc_dense_call *)

cdef extern from "lstmc_mlstm.h" nogil:
    ctypedef struct lstmc_memory:
        int dtype
        Py_ssize_t heads, d_k, d_v
        int sigmoid_input, exponential_forget, plain
        double epsilon
        Py_ssize_t chunk
        int form

    ctypedef struct lstmc_rows:
        void *at
        Py_ssize_t row

    ctypedef struct lstmc_memory_call:
        lstmc_memory memory
        Py_ssize_t samples
        const Py_ssize_t *offsets
        lstmc_rows q, k, v, i, f, o
        const void *c0
        const void *n0
        const void *m0
        void *c1
        void *n1
        void *m1
        lstmc_rows h, y
        void *tape
        lstmc_rows dy, dq, dk, dv, di, df, do_
        const void *dc1
        const void *dn1
        const void *dm1
        void *dc0
        void *dn0
        void *dm0
        int threads
        int (*poll)(void *) noexcept
        void *poll_data

    int lstmc_memory_tape(const lstmc_memory *, Py_ssize_t, const Py_ssize_t *,
                          Py_ssize_t *)
    int lstmc_memory_forward(const lstmc_memory_call *)
    int lstmc_memory_backward(const lstmc_memory_call *)
    int lstmc_memory_state(const lstmc_memory *, Py_ssize_t *)
    int lstmc_memory_step(const lstmc_memory_call *, void *)
    int lstmc_memory_move(const lstmc_memory_call *, void *, int)

cdef extern from "lstmc_conv.h" nogil:
    enum:
        LSTMC_AXES

    ctypedef struct lstmc_conv:
        int dtype
        Py_ssize_t inputs, outputs
        Py_ssize_t kernel[3]
        Py_ssize_t dilation[3]
        Py_ssize_t images
        const Py_ssize_t *size
        const void *x
        const void *weights
        const void *bias
        void *y
        const void *dy
        void *dx
        void *d_weights
        void *d_bias
        int threads
        int (*poll)(void *) noexcept
        void *poll_data

    int lstmc_conv_forward(const lstmc_conv *)
    int lstmc_conv_backward(const lstmc_conv *)

    ctypedef struct lstmc_film:
        int cell, dtype
        Py_ssize_t inputs, units
        Py_ssize_t size[3]
        Py_ssize_t kernel[3]
        Py_ssize_t dilation[3]
        int pixelwise
        Py_ssize_t samples
        const Py_ssize_t *offsets
        const void *w
        const void *r
        const void *b
        const void *v
        const void *x
        void *y
        void *tape
        const void *before[5]
        void *after[5]
        const void *dy
        const void *d_after[5]
        void *dx
        void *d_before[5]
        void *dw
        void *dr
        void *db
        void *dv
        int threads
        int (*poll)(void *) noexcept
        void *poll_data

    int lstmc_film_takes(int)
    int lstmc_film_tape(const lstmc_film *, Py_ssize_t, Py_ssize_t *)
    int lstmc_film_forward(const lstmc_film *)
    int lstmc_film_backward(const lstmc_film *)

cdef extern from "lstmc_fcn.h" nogil:
    ctypedef struct lstmc_batch_norm:
        int dtype
        Py_ssize_t rows, channels
        const void *x
        const void *mean
        const void *scale
        const void *bias
        int relu, threads
        void *y
        const void *dy
        const double *precision
        void *dx
        double *d_scale
        double *d_bias

    ctypedef struct lstmc_attention:
        int dtype
        Py_ssize_t samples, inputs, units
        const Py_ssize_t *offsets
        const void *x
        const void *key
        void *gates
        void *context
        void *h
        void *c
        const void *recurrent
        const void *attending
        const void *querying
        const void *vector
        const void *before[2]
        const void *dh
        const void *d_after[2]
        void *dx
        void *d_key
        void *d_query
        void *d_vector
        void *d_before[2]
        int threads
        int (*poll)(void *) noexcept
        void *poll_data

    int lstmc_moments(const lstmc_batch_norm *, double *, double *)
    int lstmc_batch_normalize(const lstmc_batch_norm *)
    int lstmc_batch_normalize_back(const lstmc_batch_norm *)
    int lstmc_pool(int, const Py_ssize_t *, Py_ssize_t, Py_ssize_t, const void *,
                   void *, int)
    int lstmc_pool_back(int, const Py_ssize_t *, Py_ssize_t, Py_ssize_t, const void *,
                        void *, int)
    int lstmc_attend(const lstmc_attention *)
    int lstmc_attend_back(const lstmc_attention *)
