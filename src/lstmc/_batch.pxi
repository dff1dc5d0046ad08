# A batch: its sequences gathered, and the softmax cross-entropy. A part of _core.pyx.


def take_offsets(offsets, chosen, new):
    """Fill the offsets of the chosen sequences, negative numbers from the end; returns
    their last."""
    cdef Found old = indices_of(offsets, "offsets")
    cdef Found index = indices_of(chosen, "chosen")
    cdef Py_ssize_t k, at, n = old.size[0] - 1, count = index.size[0], total = 0
    cdef Py_ssize_t *start = <Py_ssize_t *>old.at
    cdef Py_ssize_t *wanted = <Py_ssize_t *>index.at
    cdef Py_ssize_t *to = <Py_ssize_t *>start_of(
        new, "new", Wanted(INDEX, True, 1, [count + 1, 0, 0]))
    to[0] = 0
    for k in range(count):
        at = wanted[k]
        if not -n <= at < n:
            raise IndexError(f"expected one of {n} sequences, got {at}")
        at += n if at < 0 else 0
        total += start[at + 1] - start[at]
        to[k + 1] = total
    return total


def take_rows(rows, offsets, chosen, new, out):
    """Copy the rows of the chosen sequences, of offsets that `take_offsets` filled."""
    cdef Found given = reals_of(rows, "rows", 2, False)
    cdef Found old = indices_of(offsets, "offsets")
    cdef Found index = indices_of(chosen, "chosen")
    cdef Py_ssize_t k, at, n = old.size[0] - 1, count = index.size[0]
    cdef Py_ssize_t size = given.size[1] * (4 if given.code == c"f" else 8)
    cdef Py_ssize_t *start = <Py_ssize_t *>old.at
    cdef Py_ssize_t *wanted = <Py_ssize_t *>index.at
    cdef Py_ssize_t *to = <Py_ssize_t *>start_of(
        new, "new", Wanted(INDEX, False, 1, [count + 1, 0, 0]))
    cdef char *target = start_of(out, "out",
                                 like(given, True, to[count], given.size[1]))
    with nogil:
        for k in range(count):
            at = wanted[k] + (n if wanted[k] < 0 else 0)
            memcpy(target + to[k] * size, given.at + start[at] * size,
                   (to[k + 1] - to[k]) * size)


def softmax_loss(logits, target, weight, exps, gradient):
    """Softmax cross-entropy, mean of weight times loss; fills its gradient.

    target: below n_classes, as many as weight and rows. exps: scratch, (n_classes,).
    """
    cdef Found given = reals_of(logits, "logits", 2, False)
    cdef Py_ssize_t r, n = given.size[0], classes = given.size[1]
    cdef Py_ssize_t *right = <Py_ssize_t *>start_of(
        target, "target", Wanted(INDEX, False, 1, [n, 0, 0]))
    cdef double *weights = <double *>start_of(
        weight, "weight", Wanted(c"d", False, 1, [n, 0, 0]))
    cdef double *scratch = <double *>start_of(
        exps, "exps", Wanted(c"d", True, 1, [classes, 0, 0]))
    cdef char *to = start_of(gradient, "gradient", like(given, True, n, classes))
    cdef double loss
    for r in range(n):
        if not 0 <= right[r] < classes:  # what to say takes longer than to look
            expect(False, "target", right[r], f"0 to {classes - 1}")
    with nogil:
        if given.code == c"f":
            loss = softmax_rows[float](<float *>given.at, n, classes, right, weights,
                                       scratch, <float *>to)
        else:
            loss = softmax_rows[double](<double *>given.at, n, classes, right, weights,
                                        scratch, <double *>to)
    return loss


cdef double softmax_rows(const real *logits, Py_ssize_t n, Py_ssize_t classes,
                         const Py_ssize_t *target, const double *weight, double *exps,
                         real *gradient) noexcept nogil:
    cdef Py_ssize_t r, k
    cdef double loss = 0, most, total, scale, rest
    for r in range(n):
        most = -INFINITY
        for k in range(classes):
            most = max(most, <double>logits[k])
        total = 0
        for k in range(classes):
            exps[k] = exp(logits[k] - most)
            total += exps[k]
        scale = weight[r] / n
        loss += scale * (log(total) - (logits[target[r]] - most))
        rest = 0  # p - 1 without cancellation
        for k in range(classes):
            if k != target[r]:
                gradient[k] = <real>(exps[k] * (scale / total))
                rest += exps[k] * (scale / total)
        gradient[target[r]] = <real>-rest
        logits += classes
        gradient += classes
    return loss
