# Connectionist temporal classification. A part of _core.pyx.


cdef int fill_ctc(lstmc_ctc *call, const real[:, ::1] logits,
                  const Py_ssize_t[::1] offsets, const int[::1] labels,
                  const Py_ssize_t[::1] label_offsets, int blank,
                  int threads) except -1:
    """What all calls have in common; there is at least one sample."""
    cdef Py_ssize_t samples = offsets.shape[0] - 1
    memset(call, 0, sizeof(call[0]))
    expect(samples > 0, "samples", samples, "at least 1")
    expect(threads >= 0, "threads", threads, "0 or more")
    expect(label_offsets.shape[0] == samples + 1, "label_offsets",
           label_offsets.shape[0], samples + 1)
    expect(offsets[samples] == logits.shape[0], "offsets", offsets[samples],
           logits.shape[0])
    expect(label_offsets[samples] == labels.shape[0], "label_offsets",
           label_offsets[samples], labels.shape[0])
    call.dtype = code[real](0)
    call.samples = samples
    call.classes = logits.shape[1]
    call.offsets = &offsets[0]
    call.logits = first_row[real](logits, "logits", logits.shape[0], logits.shape[1])
    call.label_offsets = &label_offsets[0]
    call.labels = &labels[0] if labels.shape[0] > 0 else NULL
    call.blank = blank
    call.threads = threads
    call.poll = heed_signals
    return 0


def ctc_loss(const real[:, ::1] logits, const Py_ssize_t[::1] offsets,
             const int[::1] labels, const Py_ssize_t[::1] label_offsets, int blank,
             double smoothing, const double[::1] weight, double[::1] loss,
             real[:, ::1] gradient, int threads=0):
    """Whether all logits are finite enough; else which loss is NaN tells the sample.

    The loss of a sample is inf if its labels cannot be; gradient may be None.
    """
    cdef lstmc_ctc call
    cdef int status
    fill_ctc[real](&call, logits, offsets, labels, label_offsets, blank, threads)
    expect(weight.shape[0] == call.samples, "weight", weight.shape[0], call.samples)
    expect(loss.shape[0] == call.samples, "loss", loss.shape[0], call.samples)
    call.smoothing = smoothing
    call.weight = &weight[0]
    call.loss = &loss[0]
    if gradient is not None:
        call.gradient = first_row[real](gradient, "gradient", logits.shape[0],
                                        logits.shape[1])
    with nogil:
        status = lstmc_ctc_loss(&call)
    if status == LSTMC_NOT_FINITE:
        return False
    check(status)
    return True


def ctc_align(const real[:, ::1] logits, const Py_ssize_t[::1] offsets,
              const int[::1] labels, const Py_ssize_t[::1] label_offsets, int blank,
              double[::1] loss, int[::1] path, double[::1] probability,
              int threads=0):
    """As `ctc_loss`, of the best alignment: classes and their probabilities."""
    cdef lstmc_ctc call
    cdef int status
    cdef Py_ssize_t steps = logits.shape[0]
    fill_ctc[real](&call, logits, offsets, labels, label_offsets, blank, threads)
    sizes = (loss.shape[0], path.shape[0], probability.shape[0])
    expect(sizes == (call.samples, steps, steps), "sizes", sizes,
           (call.samples, steps, steps))
    call.loss = &loss[0]
    call.path = &path[0] if steps > 0 else NULL
    call.probability = &probability[0] if steps > 0 else NULL
    with nogil:
        status = lstmc_ctc_align(&call)
    if status == LSTMC_NOT_FINITE:
        return False
    check(status)
    return True
