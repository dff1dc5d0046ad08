# What stands around the cells of an xLSTM block, row by row. A part of _core.pyx.

cdef extern from "lstmc_rowwise.h" nogil:
    ctypedef struct lstmc_norm:
        int dtype, threads
        Py_ssize_t rows, width, groups
        double eps
        const void *x
        const void *w
        void *y
        void *saved
        const void *dy
        void *dx
        void *dw
        int add

    ctypedef struct lstmc_causal:
        int dtype, threads
        Py_ssize_t samples, width
        const Py_ssize_t *offsets
        const void *x
        Py_ssize_t x_row
        const void *w
        const void *b
        const void *before
        void *after
        void *y
        const void *dy
        const void *d_after
        void *d_before
        void *dx
        Py_ssize_t dx_row
        void *dw
        void *db

    ctypedef struct lstmc_mix:
        int dtype, threads
        Py_ssize_t rows, width, heads
        const void *a
        const void *x
        Py_ssize_t x_row
        const void *w[3]
        const void *gates_w
        const void *gates_b
        void *y[3]
        void *gates[2]
        void *dy[3]
        const void *d_gates[2]
        void *da
        void *dx
        Py_ssize_t dx_row
        void *dw[3]
        void *d_gates_w
        void *d_gates_b

    ctypedef struct lstmc_gate:
        int dtype, threads
        Py_ssize_t rows, width
        const void *h
        const void *a
        const void *skip
        const void *z
        Py_ssize_t z_row
        void *y
        const void *dy
        void *dh
        void *da
        void *dz
        Py_ssize_t dz_row
        void *d_skip

    ctypedef struct lstmc_geglu:
        int dtype, threads
        Py_ssize_t rows, width
        const void *x
        void *y
        const void *dy
        void *dx

    int lstmc_norm_forward(const lstmc_norm *)
    int lstmc_norm_backward(const lstmc_norm *)
    int lstmc_causal_forward(const lstmc_causal *)
    int lstmc_causal_backward(const lstmc_causal *)
    int lstmc_mix_forward(const lstmc_mix *)
    int lstmc_mix_backward(const lstmc_mix *)
    int lstmc_gate_forward(const lstmc_gate *)
    int lstmc_gate_backward(const lstmc_gate *)
    int lstmc_geglu_forward(const lstmc_geglu *)
    int lstmc_geglu_backward(const lstmc_geglu *)


cdef void *apart(const real[:, :] array, str what, Py_ssize_t rows, Py_ssize_t columns,
                 Py_ssize_t *row) except? NULL:
    """The start of rows that may lie apart, and how many reals."""
    expect(array.shape[0] == rows and array.shape[1] == columns, what,
           (array.shape[0], array.shape[1]), (rows, columns))
    expect(array.strides[1] == sizeof(real) or rows == 0, what, array.strides[1],
           sizeof(real))
    row[0] = array.strides[0] // sizeof(real) if rows > 1 else columns
    return <void *>&array[0, 0] if rows > 0 else NULL


cdef void *past(const real[:, :, ::1] array, str what, Py_ssize_t samples,
                Py_ssize_t width) except? NULL:
    """The start of the three steps beside those of each sample."""
    if array is None or samples == 0:
        return NULL
    got = (array.shape[0], array.shape[1], array.shape[2])
    expect(got == (samples, 3, width), what, got, (samples, 3, width))
    return <void *>&array[0, 0, 0]


def norm_forward(const real[:, ::1] x, const real[::1] w, Py_ssize_t groups, double eps,
                 real[:, ::1] y, real[:, ::1] saved, int threads):
    """y = (x - mean) r w of each group; saved (rows, 2 groups): mean and r."""
    cdef lstmc_norm call
    cdef Py_ssize_t rows = x.shape[0], width = x.shape[1]
    cdef int status
    memset(&call, 0, sizeof(call))
    call.dtype, call.threads = code[real](0), threads
    call.rows, call.width, call.groups, call.eps = rows, width, groups, eps
    call.x = first_row[real](x, "x", rows, width)
    call.w = all_of[real](w, "w", width)
    call.y = first_row[real](y, "y", rows, width)
    call.saved = first_row[real](saved, "saved", rows, 2 * groups)
    with nogil:
        status = lstmc_norm_forward(&call)
    check(status)


def norm_backward(const real[:, ::1] x, const real[::1] w, Py_ssize_t groups,
                  double eps, const real[:, ::1] saved, const real[:, ::1] dy,
                  real[:, ::1] dx, bint add, real[::1] dw, int threads):
    """The way back; add: dx is added to."""
    cdef lstmc_norm call
    cdef Py_ssize_t rows = x.shape[0], width = x.shape[1]
    cdef int status
    memset(&call, 0, sizeof(call))
    call.dtype, call.threads = code[real](0), threads
    call.rows, call.width, call.groups, call.eps = rows, width, groups, eps
    call.x = first_row[real](x, "x", rows, width)
    call.w = all_of[real](w, "w", width)
    call.saved = first_row[real](saved, "saved", rows, 2 * groups)
    call.dy = first_row[real](dy, "dy", rows, width)
    call.dx = first_row[real](dx, "dx", rows, width)
    call.dw = all_of[real](dw, "dw", width)
    call.add = add
    with nogil:
        status = lstmc_norm_backward(&call)
    check(status)


cdef int fill_causal(lstmc_causal *call, const Py_ssize_t[::1] offsets,
                     const real[:, :] x, const real[:, ::1] w, const real[::1] b,
                     const real[:, :, ::1] before, int threads) except -1:
    memset(call, 0, sizeof(call[0]))
    expect(offsets.shape[0] > 0, "offsets", offsets.shape[0], "at least 1")
    call.dtype, call.threads = code[real](0), threads
    call.samples, call.width = offsets.shape[0] - 1, x.shape[1]
    call.offsets = &offsets[0]
    call.x = apart[real](x, "x", offsets[call.samples], call.width, &call.x_row)
    call.w = first_row[real](w, "w", 4, call.width)
    call.b = all_of[real](b, "b", call.width)
    call.before = past[real](before, "before", call.samples, call.width)
    return 0


def causal_forward(const Py_ssize_t[::1] offsets, const real[:, :] x,
                   const real[:, ::1] w, const real[::1] b,
                   const real[:, :, ::1] before, real[:, :, ::1] after,
                   real[:, ::1] y, int threads):
    """SiLU of a convolution over four steps; before and after may be None."""
    cdef lstmc_causal call
    cdef int status
    fill_causal[real](&call, offsets, x, w, b, before, threads)
    call.after = past[real](after, "after", call.samples, call.width)
    call.y = first_row[real](y, "y", x.shape[0], call.width)
    with nogil:
        status = lstmc_causal_forward(&call)
    check(status)


def causal_backward(const Py_ssize_t[::1] offsets, const real[:, :] x,
                    const real[:, ::1] w, const real[::1] b,
                    const real[:, :, ::1] before, const real[:, ::1] dy,
                    const real[:, :, ::1] d_after, real[:, :, ::1] d_before,
                    real[:, :] dx, real[:, ::1] dw, real[::1] db, int threads):
    """The way back: dx is added to; d_after and d_before may be None."""
    cdef lstmc_causal call
    cdef int status
    fill_causal[real](&call, offsets, x, w, b, before, threads)
    call.dy = first_row[real](dy, "dy", x.shape[0], call.width)
    call.d_after = past[real](d_after, "d_after", call.samples, call.width)
    call.d_before = past[real](d_before, "d_before", call.samples, call.width)
    call.dx = apart[real](dx, "dx", x.shape[0], call.width, &call.dx_row)
    call.dw = first_row[real](dw, "dw", 4, call.width)
    call.db = all_of[real](db, "db", call.width)
    with nogil:
        status = lstmc_causal_backward(&call)
    check(status)


cdef int fill_mix(lstmc_mix *call, const real[:, ::1] a, const real[:, :] x,
                  const real[:, ::1] w, const real[:, ::1] gates_w,
                  const real[::1] gates_b, const real[:, :, ::1] y,
                  int threads) except -1:
    cdef Py_ssize_t rows = a.shape[0], width = a.shape[1]
    cdef int part
    memset(call, 0, sizeof(call[0]))
    expect(width > 0 and width % 4 == 0, "width", width, "a multiple of 4")
    expect(y.shape[0] == 3 and y.shape[1] == rows and y.shape[2] == width, "y",
           (y.shape[0], y.shape[1], y.shape[2]), (3, rows, width))
    call.dtype, call.threads = code[real](0), threads
    call.rows, call.width, call.heads = rows, width, gates_w.shape[0] // 2
    call.a = first_row[real](a, "a", rows, width)
    call.x = apart[real](x, "x", rows, width, &call.x_row)
    first_row[real](w, "w", 3, 4 * width)
    call.gates_w = first_row[real](gates_w, "gates_w", 2 * call.heads, 3 * width)
    call.gates_b = all_of[real](gates_b, "gates_b", 2 * call.heads)
    for part in range(3):
        call.w[part] = &w[part, 0]
        call.y[part] = <void *>&y[part, 0, 0] if rows > 0 else NULL
    return 0


def mix_forward(const real[:, ::1] a, const real[:, :] x, const real[:, ::1] w,
                const real[:, ::1] gates_w, const real[::1] gates_b, real[:, :, ::1] y,
                real[:, :, ::1] gates, int threads):
    """q, k, v into y (3, rows, width), and gates (2, rows, heads): i and f.

    w (3, 4 width): the blocks of q, k and v.
    """
    cdef lstmc_mix call
    cdef int part, status
    fill_mix[real](&call, a, x, w, gates_w, gates_b, y, threads)
    expect(gates.shape[0] == 2 and gates.shape[1] == call.rows
           and gates.shape[2] == call.heads, "gates",
           (gates.shape[0], gates.shape[1], gates.shape[2]),
           (2, call.rows, call.heads))
    for part in range(2 if call.rows > 0 else 0):
        call.gates[part] = &gates[part, 0, 0]
    with nogil:
        status = lstmc_mix_forward(&call)
    check(status)


def mix_backward(const real[:, ::1] a, const real[:, :] x, const real[:, ::1] w,
                 const real[:, ::1] gates_w, const real[::1] gates_b,
                 const real[:, :, ::1] y, real[:, :, ::1] dy,
                 const real[:, :, ::1] d_gates, real[:, ::1] da, real[:, :] dx,
                 real[:, ::1] dw, real[:, ::1] d_gates_w, real[::1] d_gates_b,
                 int threads):
    """The way back: da is added to, dy completed by what comes through the gates."""
    cdef lstmc_mix call
    cdef int part, status
    fill_mix[real](&call, a, x, w, gates_w, gates_b, y, threads)
    expect(dy.shape[0] == 3 and dy.shape[1] == call.rows and dy.shape[2] == call.width
           and d_gates.shape[0] == 2 and d_gates.shape[1] == call.rows
           and d_gates.shape[2] == call.heads, "dy", "other shapes", "those of y")
    call.da = first_row[real](da, "da", call.rows, call.width)
    call.dx = apart[real](dx, "dx", call.rows, call.width, &call.dx_row)
    first_row[real](dw, "dw", 3, 4 * call.width)
    call.d_gates_w = first_row[real](d_gates_w, "d_gates_w", 2 * call.heads,
                                     3 * call.width)
    call.d_gates_b = all_of[real](d_gates_b, "d_gates_b", 2 * call.heads)
    for part in range(3):
        call.dw[part] = &dw[part, 0]
        call.dy[part] = &dy[part, 0, 0] if call.rows > 0 else NULL
    for part in range(2 if call.rows > 0 else 0):
        call.d_gates[part] = &d_gates[part, 0, 0]
    with nogil:
        status = lstmc_mix_backward(&call)
    check(status)


cdef int fill_gate(lstmc_gate *call, const real[:, ::1] h, const real[:, ::1] a,
                   const real[::1] skip, const real[:, :] z, int threads) except -1:
    memset(call, 0, sizeof(call[0]))
    call.dtype, call.threads = code[real](0), threads
    call.rows, call.width = h.shape[0], h.shape[1]
    call.h = first_row[real](h, "h", call.rows, call.width)
    call.a = first_row[real](a, "a", call.rows, call.width)
    call.skip = all_of[real](skip, "skip", call.width)
    call.z = apart[real](z, "z", call.rows, call.width, &call.z_row)
    return 0


def gate_forward(const real[:, ::1] h, const real[:, ::1] a, const real[::1] skip,
                 const real[:, :] z, real[:, ::1] y, int threads):
    """y = (h + skip a) z sigmoid(z)"""
    cdef lstmc_gate call
    cdef int status
    fill_gate[real](&call, h, a, skip, z, threads)
    call.y = first_row[real](y, "y", call.rows, call.width)
    with nogil:
        status = lstmc_gate_forward(&call)
    check(status)


def gate_backward(const real[:, ::1] h, const real[:, ::1] a, const real[::1] skip,
                  const real[:, :] z, const real[:, ::1] dy, real[:, ::1] dh,
                  real[:, ::1] da, real[:, :] dz, real[::1] d_skip, int threads):
    """The way back."""
    cdef lstmc_gate call
    cdef int status
    fill_gate[real](&call, h, a, skip, z, threads)
    call.dy = first_row[real](dy, "dy", call.rows, call.width)
    call.dh = first_row[real](dh, "dh", call.rows, call.width)
    call.da = first_row[real](da, "da", call.rows, call.width)
    call.dz = apart[real](dz, "dz", call.rows, call.width, &call.dz_row)
    call.d_skip = all_of[real](d_skip, "d_skip", call.width)
    with nogil:
        status = lstmc_gate_backward(&call)
    check(status)


def geglu_forward(const real[:, ::1] x, real[:, ::1] y, int threads):
    """y = gelu(x_1) x_2 of rows [x_1, x_2]."""
    cdef lstmc_geglu call
    cdef int status
    memset(&call, 0, sizeof(call))
    call.dtype, call.threads = code[real](0), threads
    call.rows, call.width = y.shape[0], y.shape[1]
    call.x = first_row[real](x, "x", call.rows, 2 * call.width)
    call.y = first_row[real](y, "y", call.rows, call.width)
    with nogil:
        status = lstmc_geglu_forward(&call)
    check(status)


def geglu_backward(const real[:, ::1] x, const real[:, ::1] dy, real[:, ::1] dx,
                   int threads):
    """The way back."""
    cdef lstmc_geglu call
    cdef int status
    memset(&call, 0, sizeof(call))
    call.dtype, call.threads = code[real](0), threads
    call.rows, call.width = dy.shape[0], dy.shape[1]
    call.x = first_row[real](x, "x", call.rows, 2 * call.width)
    call.dy = first_row[real](dy, "dy", call.rows, call.width)
    call.dx = first_row[real](dx, "dx", call.rows, 2 * call.width)
    with nogil:
        status = lstmc_geglu_backward(&call)
    check(status)
