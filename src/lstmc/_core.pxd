# The C API of lstmc.h and lstmc_decode.h; that of each other header: where it is used.

from libc.stdint cimport int32_t, int64_t

cdef extern from "lstmc.h" nogil:
    enum:
        LSTMC_OK, LSTMC_NO_MEMORY, LSTMC_TOO_LARGE, LSTMC_STOPPED, LSTMC_NOT_FINITE
        LSTMC_FLOAT32, LSTMC_FLOAT64
        LSTMC_ALIGNMENT
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
        const void *split
        lstmc_noise noise
        int threads
        int (*poll)(void *) noexcept
        void *poll_data
        Py_ssize_t slabs
        int checkpoint
        lstmc_call *above
        lstmc_direction direction[32]

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
    void *lstmc_take_memory(size_t)
    void lstmc_give_memory(void *)
    void lstmc_release_memory()
    double lstmc_wanted_bytes()
    int lstmc_cell_count()
    int lstmc_describe_cell(int, lstmc_cell *)
    int lstmc_packed_size(const lstmc_layer *, Py_ssize_t *)
    int lstmc_tape_size(const lstmc_layer *, Py_ssize_t, Py_ssize_t *)
    int lstmc_checkpoint_size(const lstmc_layer *, Py_ssize_t, const Py_ssize_t *,
                              Py_ssize_t *)
    int lstmc_pack(const lstmc_layer *, const lstmc_weights *, void *)
    int lstmc_unpack(const lstmc_layer *, const void *, const lstmc_weights *)
    int lstmc_split_size(const lstmc_layer *, Py_ssize_t *)
    int lstmc_split(const lstmc_layer *, const void *, void *)
    int lstmc_is_split(const lstmc_layer *, const void *, const void *)
    int lstmc_forward(lstmc_call *)
    int lstmc_backward(lstmc_call *)
    ctypedef struct lstmc_stream
    int lstmc_stream_size(const lstmc_layer *, int, Py_ssize_t, Py_ssize_t *)
    int lstmc_stream_open(const lstmc_layer *, const void *const *, const void *const *,
                          int, Py_ssize_t, const lstmc_noise *, int, lstmc_stream *)
    void lstmc_stream_use(lstmc_stream *, const void *const *)
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
