# A batch: its rows gathered, and the softmax cross-entropy. A part of _core.pyx.


def gather_rows(const unsigned char[:, ::1] rows, const Py_ssize_t[::1] starts,
                const Py_ssize_t[::1] offsets, unsigned char[:, ::1] out):
    """Copy sequences of bytes: rows starts[k] .. of rows to offsets[k] .. of out."""
    cdef Py_ssize_t k, count, n = starts.shape[0], size = rows.shape[1]
    expect(offsets.shape[0] == n + 1, "offsets", offsets.shape[0], n + 1)
    expect(out.shape[0] == offsets[n] and out.shape[1] == size, "out",
           (out.shape[0], out.shape[1]), (offsets[n], size))
    with nogil:
        for k in range(n):
            count = offsets[k + 1] - offsets[k]
            if count > 0:
                memcpy(&out[offsets[k], 0], &rows[starts[k], 0], count * size)


def softmax_loss(const real[:, ::1] logits, const Py_ssize_t[::1] target,
                 const double[::1] weight, double[::1] exps, real[:, ::1] gradient):
    """Softmax cross-entropy, mean of weight times loss; fills its gradient.

    target: below n_classes, as many as weight and rows. exps: scratch, (n_classes,).
    """
    cdef Py_ssize_t r, k, n = logits.shape[0], classes = logits.shape[1]
    cdef double loss = 0, most, total, scale, rest
    expect(target.shape[0] == n and weight.shape[0] == n, "target and weight",
           (target.shape[0], weight.shape[0]), (n, n))
    expect(exps.shape[0] == classes, "exps", exps.shape[0], classes)
    expect(gradient.shape[0] == n and gradient.shape[1] == classes, "gradient",
           (gradient.shape[0], gradient.shape[1]), (n, classes))
    for r in range(n):
        if not 0 <= target[r] < classes:  # what to say takes longer than to look
            expect(False, "target", target[r], f"0 to {classes - 1}")
    with nogil:
        for r in range(n):
            most = -INFINITY
            for k in range(classes):
                most = max(most, <double>logits[r, k])
            total = 0
            for k in range(classes):
                exps[k] = exp(logits[r, k] - most)
                total += exps[k]
            scale = weight[r] / n
            loss += scale * (log(total) - (logits[r, target[r]] - most))
            rest = 0  # p - 1 without cancellation
            for k in range(classes):
                if k != target[r]:
                    gradient[r, k] = <real>(exps[k] * (scale / total))
                    rest += exps[k] * (scale / total)
            gradient[r, target[r]] = <real>-rest
    return loss
