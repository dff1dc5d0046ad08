# Edit distance between sequences of labels. A part of _core.pyx.

# Cells of the table after which signals are looked at: some 50 milliseconds.
cdef Py_ssize_t LONG_TABLE = 2 ** 25


cdef int check_label_offsets(const Py_ssize_t[::1] offsets, Py_ssize_t pairs,
                             Py_ssize_t labels, str name) except -1:
    cdef Py_ssize_t k
    expect(offsets.shape[0] == pairs + 1, name, offsets.shape[0], pairs + 1)
    expect(offsets[0] == 0 and offsets[pairs] == labels, name, "others",
           f"0 to {labels}")
    for k in range(pairs):
        expect(offsets[k] <= offsets[k + 1], name, "a fall", "a rise")
    return 0


def count_edits(const int32_t[::1] a, const Py_ssize_t[::1] a_offsets,
                const int32_t[::1] b, const Py_ssize_t[::1] b_offsets,
                int64_t[::1] row, int64_t[:, ::1] edits):
    """Fill edits (n, 3): insertions, deletions, substitutions from each a to its b.

    row: scratch, one more than the longest b.
    """
    cdef Py_ssize_t k, n_a, n_b, cells = 0, n = edits.shape[0]
    cdef const int32_t *first_a = &a[0] if a.shape[0] > 0 else NULL
    cdef const int32_t *first_b = &b[0] if b.shape[0] > 0 else NULL
    cdef int status = LSTMC_OK
    expect(edits.shape[1] == 3, "edits", edits.shape[1], 3)
    check_label_offsets(a_offsets, n, a.shape[0], "a_offsets")
    check_label_offsets(b_offsets, n, b.shape[0], "b_offsets")
    for k in range(n):
        n_b = b_offsets[k + 1] - b_offsets[k]
        expect(n_b < row.shape[0], "row", row.shape[0], n_b + 1)
    with nogil:
        for k in range(n):
            n_a = a_offsets[k + 1] - a_offsets[k]
            n_b = b_offsets[k + 1] - b_offsets[k]
            cells += n_a * n_b
            if cells > LONG_TABLE:
                cells = 0
                if heed_signals(NULL):
                    status = LSTMC_STOPPED
                    break
            status = lstmc_count_edits(first_a + a_offsets[k], n_a,
                                       first_b + b_offsets[k], n_b, &row[0],
                                       &edits[k, 0])
            if status != LSTMC_OK:
                break
    check(status)
