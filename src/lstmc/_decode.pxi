# Decoding of CTC outputs. A part of _core.pyx.

cdef int fill_frames(const real[:, ::1] x, const Py_ssize_t[::1] offsets, int blank,
                     int threads, lstmc_frames *to) except -1:
    """The frames of all samples."""
    expect(offsets.shape[0] > 0, "offsets", offsets.shape[0], "at least 1")
    expect(offsets[offsets.shape[0] - 1] == x.shape[0], "offsets",
           offsets[offsets.shape[0] - 1], x.shape[0])
    to.dtype = code[real](0)
    to.samples = offsets.shape[0] - 1
    to.offsets = &offsets[0]
    to.logits = &x[0, 0] if x.shape[0] > 0 else NULL
    to.classes = x.shape[1]
    to.blank = blank
    to.threads = threads
    to.poll, to.poll_data = heed_signals, NULL
    return 0


cdef int expect_size(Py_ssize_t size, str name, Py_ssize_t wanted) except -1:
    return expect(size >= wanted, name, size, f"at least {wanted}")


def softmax(const real[:, ::1] x, double[:, ::1] out, bint in_logarithms):
    """Probabilities of rows of logits, or their logarithms, in float64."""
    cdef int status, dtype = code[real](0)
    cdef Py_ssize_t rows = x.shape[0], classes = x.shape[1]
    expect(out.shape[0] == rows and out.shape[1] == classes, "out",
           (out.shape[0], out.shape[1]), (rows, classes))
    if rows == 0:
        return
    with nogil:
        status = lstmc_softmax(dtype, &x[0, 0], &out[0, 0], rows, classes,
                               in_logarithms)
    check(status)


def best_path(const real[:, ::1] x, const Py_ssize_t[::1] offsets, int blank,
              int threads, int32_t[::1] labels, Py_ssize_t[::1] starts,
              Py_ssize_t[::1] ends, double[::1] confidences, Py_ssize_t[::1] counts,
              double[::1] scores):
    """The best path of each sample; labels, starts, ends, confidences (steps + 1)."""
    cdef lstmc_frames frames
    cdef int status
    fill_frames[real](x, offsets, blank, threads, &frames)
    for size in (labels.shape[0], starts.shape[0], ends.shape[0],
                 confidences.shape[0]):
        expect_size(size, "labels", x.shape[0] + 1)
    expect_size(counts.shape[0], "counts", frames.samples)
    expect_size(scores.shape[0], "scores", frames.samples)
    if frames.samples == 0:
        return
    with nogil:
        status = lstmc_best_path(&frames, &labels[0], &starts[0], &ends[0],
                                 &confidences[0], &counts[0], &scores[0])
    check(status)


cdef class Trie:
    """A set of sequences in flat arrays, with those that belong to its nodes."""

    cdef lstmc_trie trie
    cdef readonly Py_ssize_t size
    cdef object kept

    def __init__(self, const int32_t[::1] first, const int32_t[::1] label):
        cdef Py_ssize_t k, size = label.shape[0]
        expect(size > 0 and first.shape[0] == size + 1, "first", first.shape[0],
               size + 1)
        expect(first[0] == 1 and first[size] == size, "first",
               (first[0], first[size]), (1, size))
        for k in range(size):
            # Children come after their parent, or a walk would not end.
            if not k < first[k] <= first[k + 1] <= size:
                expect(False, "first", first[k], f"more than {k}, and rising")
        self.trie = lstmc_trie(size, &first[0], &label[0])
        self.size = size
        self.kept = [first, label]

    cdef const double *doubles(self, const double[::1] array,
                               Py_ssize_t size) except? NULL:
        """An array of a number for each, which stays as long as this; None: NULL."""
        if array is None:
            return NULL
        expect(array.shape[0] == size, "array", array.shape[0], size)
        self.kept.append(array)
        return &array[0] if size > 0 else NULL

    cdef const int32_t *integers(self, const int32_t[::1] array, Py_ssize_t size,
                                 int low, int high) except? NULL:
        """An array of numbers low ... high - 1, which stays as long as this."""
        cdef Py_ssize_t k
        expect(array.shape[0] == size, "array", array.shape[0], size)
        for k in range(size):
            if not low <= array[k] < high:
                expect(False, "array", array[k], f"{low} to {high - 1}")
        self.kept.append(array)
        return &array[0] if size > 0 else NULL


cdef int check_suffixes(const int32_t[::1] suffix, const int32_t[::1] first) except -1:
    """The suffix of a node is shorter, and so comes before it."""
    cdef Py_ssize_t k
    for k in range(1, suffix.shape[0]):
        if not suffix[k] < k:
            expect(False, "suffix", suffix[k], f"less than {k}")
    return 0


cdef class NGramTable(Trie):
    """N-grams as C reads them; `number` is given for each call."""

    cdef lstmc_ngram ngram

    def __init__(self, first, label, score, backoff, suffix, next_, double unknown,
                 int start, int end):
        Trie.__init__(self, first, label)
        check_suffixes(suffix, first)
        self.ngram.trie = self.trie
        self.ngram.score = self.doubles(score, self.size)
        self.ngram.backoff = self.doubles(backoff, self.size)
        self.ngram.suffix = self.integers(suffix, self.size, 0, self.size)
        self.ngram.next = self.integers(next_, self.size, 0, self.size)
        self.ngram.unknown = unknown
        expect(0 <= start < self.size, "start", start, f"0 to {self.size - 1}")
        self.ngram.start, self.ngram.end = start, end

    def score(self, int state, int number):
        """Log probability of a token after a state, and the state after it."""
        cdef int32_t next_ = 0
        expect(0 <= state < self.size, "state", state, f"0 to {self.size - 1}")
        return lstmc_score_ngram(&self.ngram, state, number, &next_), next_


cdef class LexiconTable(Trie):
    """Words as C reads them."""

    cdef lstmc_lexicon lexicon
    cdef readonly Py_ssize_t words

    def __init__(self, first, label, const int32_t[::1] first_word, word, int separator,
                 Py_ssize_t words, bonus=None, partial=None):
        Trie.__init__(self, first, label)
        self.words = words
        self.lexicon.trie = self.trie
        cdef Py_ssize_t k
        expect(first_word.shape[0] == self.size + 1, "first_word",
               first_word.shape[0], self.size + 1)
        for k in range(self.size):
            if first_word[k] > first_word[k + 1]:
                expect(False, "first_word", first_word[k],
                       f"at most {first_word[k + 1]}")
        self.lexicon.first_word = self.integers(first_word, self.size + 1, 0,
                                                len(word) + 1)
        self.lexicon.word = self.integers(word, len(word), 0, words)
        self.lexicon.separator = separator
        self.lexicon.bonus = self.doubles(bonus, words)
        self.lexicon.partial = self.doubles(partial, self.size)


cdef class HotwordTable(Trie):
    """Hotwords as C reads them."""

    cdef lstmc_hotwords hotwords

    def __init__(self, first, label, suffix, bonus, partial):
        Trie.__init__(self, first, label)
        check_suffixes(suffix, first)
        self.hotwords.trie = self.trie
        self.hotwords.suffix = self.integers(suffix, self.size, 0, self.size)
        self.hotwords.bonus = self.doubles(bonus, self.size)
        self.hotwords.partial = self.doubles(partial, self.size)


# Of a model in Python, for C: the object, which must be a PythonModel.

cdef void model_start(void *data, Py_ssize_t sample) noexcept with gil:
    try:
        (<object>data).begin(sample)
    except BaseException as error:
        (<object>data).error = error


cdef double model_score(void *data, int32_t state, int32_t token,
                        int32_t *next_) noexcept with gil:
    try:
        if (<object>data).error is None:
            score, next_[0] = (<object>data).score(state, token)
            return score
    except BaseException as error:
        (<object>data).error = error
    return NAN


cdef double model_finish(void *data, int32_t state) noexcept with gil:
    try:
        if (<object>data).error is None:
            return (<object>data).finish(state)
    except BaseException as error:
        (<object>data).error = error
    return NAN


def prefix_beam(const real[:, ::1] x, const Py_ssize_t[::1] offsets, int blank,
                int threads, Py_ssize_t beam, Py_ssize_t best, double label_threshold,
                double beam_threshold, double alpha, double beta, model,
                const int32_t[::1] number, LexiconTable lexicon, HotwordTable hotwords,
                int32_t[::1] labels, int32_t[::1] words, Py_ssize_t[:, :, ::1] counts,
                double[:, ::1] scores):
    """Prefix beam search; labels, words (best * steps + 1), scores (samples, best).

    model: None, an NGramTable with `number` (tokens), or what has begin, score, finish
    and error: then an exception of the model comes out of there.
    """
    cdef lstmc_frames frames
    cdef lstmc_search search
    cdef lstmc_ngram ngram
    cdef lstmc_model own = lstmc_model(model_start, model_score, model_finish,
                                       <void *>model)
    cdef int status
    cdef Py_ssize_t tokens = x.shape[1] if lexicon is None else lexicon.words
    fill_frames[real](x, offsets, blank, threads, &frames)
    memset(&search, 0, sizeof(search))
    search.beam, search.best = beam, best
    search.label_threshold, search.beam_threshold = label_threshold, beam_threshold
    search.alpha, search.beta = alpha, beta
    if isinstance(model, NGramTable):
        ngram = (<NGramTable>model).ngram
        expect(number.shape[0] == tokens, "number", number.shape[0], tokens)
        ngram.number = &number[0] if tokens > 0 else NULL
        search.ngram = &ngram
    elif model is not None:
        search.model = &own
    if lexicon is not None:
        search.lexicon = &lexicon.lexicon
        lexicon_labels(lexicon, x.shape[1])
    if hotwords is not None:
        search.hotwords = &hotwords.hotwords
    expect_size(labels.shape[0], "labels", best * x.shape[0] + 1)
    expect_size(words.shape[0], "words", best * x.shape[0] + 1)
    expect((scores.shape[0], scores.shape[1]) == (frames.samples, best), "scores",
           (scores.shape[0], scores.shape[1]), (frames.samples, best))
    expect((counts.shape[0], counts.shape[1], counts.shape[2])
           == (frames.samples, best, 2), "counts", counts.shape[0], frames.samples)
    if frames.samples == 0:
        return
    with nogil:
        status = lstmc_prefix_beam(&frames, &search, &labels[0], &words[0],
                                   &counts[0, 0, 0], &scores[0, 0])
    if status == LSTMC_STOPPED and search.model != NULL and model.error is not None:
        raise model.error
    check(status)


cdef int lexicon_labels(LexiconTable lexicon, Py_ssize_t classes) except -1:
    """C reads frames at the labels of the lexicon."""
    cdef Py_ssize_t k
    expect(lexicon.lexicon.separator < classes, "separator", lexicon.lexicon.separator,
           f"less than {classes}")
    for k in range(1, lexicon.size):
        if not 0 <= lexicon.trie.label[k] < classes:
            expect(False, "label", lexicon.trie.label[k], f"0 to {classes - 1}")
    return 0


def prefix_search(const real[:, ::1] x, const Py_ssize_t[::1] offsets, int blank,
                  int threads, double threshold, Py_ssize_t limit, int32_t[::1] labels,
                  Py_ssize_t[::1] counts, double[::1] scores, int[::1] whole):
    """The likeliest labelling of each sample; labels (steps + 1)."""
    cdef lstmc_frames frames
    cdef int status
    fill_frames[real](x, offsets, blank, threads, &frames)
    expect_size(labels.shape[0], "labels", x.shape[0] + 1)
    for size in (counts.shape[0], scores.shape[0], whole.shape[0]):
        expect_size(size, "counts", frames.samples)
    if frames.samples == 0:
        return
    with nogil:
        status = lstmc_prefix_search(&frames, threshold, limit, &labels[0], &counts[0],
                                     &scores[0], &whole[0])
    check(status)


def keyword_scores(const double[:, ::1] y, Py_ssize_t history, int blank,
                   Py_ssize_t window, const int32_t[::1] labels,
                   const Py_ssize_t[::1] offsets, double[::1] scratch,
                   double[:, ::1] scores, Py_ssize_t[:, ::1] starts,
                   Py_ssize_t[:, ::1] ends):
    """Scores of keywords at the rows of y after `history`, with their frames in y.

    scratch: six doubles for each label of the longest keyword.
    """
    cdef lstmc_keywords keywords
    cdef int status
    cdef Py_ssize_t k, rows = y.shape[0] - history, count = offsets.shape[0] - 1
    for shape in ((scores.shape[0], scores.shape[1]),
                  (starts.shape[0], starts.shape[1]), (ends.shape[0], ends.shape[1])):
        expect(shape == (rows, count), "scores", shape, (rows, count))
    expect(count > 0 and offsets[0] == 0 and offsets[count] == labels.shape[0],
           "offsets", count, "those of the labels")
    for k in range(count):
        expect(offsets[k] < offsets[k + 1], "offsets", offsets[k + 1], "rising")
    for k in range(labels.shape[0]):
        expect(0 <= labels[k] < y.shape[1], "labels", labels[k], "a class")
    if rows == 0:
        return
    keywords = lstmc_keywords(&y[0, 0], history, rows, y.shape[1], blank, window, count,
                              &labels[0], &offsets[0])
    expect_size(scratch.shape[0], "scratch", lstmc_keyword_scratch(&keywords))
    with nogil:
        status = lstmc_keyword_scores(&keywords, &scratch[0], &scores[0, 0],
                                      &starts[0, 0], &ends[0, 0])
    check(status)
