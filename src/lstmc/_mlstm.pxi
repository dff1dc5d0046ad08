# The matrix memory of the mLSTM. A part of _core.pyx.

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


cdef class Memory:
    """The sizes and options of a matrix memory."""

    cdef lstmc_memory memory
    cdef readonly Py_ssize_t stream_size  # reals of a head's state in a stream

    def __cinit__(self, bint float64, Py_ssize_t heads, Py_ssize_t d_k, Py_ssize_t d_v,
                  bint sigmoid_input, bint exponential_forget, bint plain,
                  double epsilon, Py_ssize_t chunk, int form):
        self.memory = lstmc_memory(LSTMC_FLOAT64 if float64 else LSTMC_FLOAT32, heads,
                                   d_k, d_v, sigmoid_input, exponential_forget, plain,
                                   epsilon, chunk, form)
        check(lstmc_memory_state(&self.memory, &self.stream_size))

    def tape_size(self, const Py_ssize_t[::1] offsets):
        """Reals of tape for such samples."""
        cdef Py_ssize_t size = 0
        expect(offsets.shape[0] > 0, "offsets", offsets.shape[0], "at least 1")
        check(lstmc_memory_tape(&self.memory, offsets.shape[0] - 1, &offsets[0], &size))
        return size


cdef int fill_rows(const real[:, :] array, str what, Py_ssize_t rows,
                   Py_ssize_t columns, lstmc_rows *to) except -1:
    """Rows that may lie apart, of elements that do not."""
    if array.shape[0] != rows or array.shape[1] != columns:
        expect(False, what, (array.shape[0], array.shape[1]), (rows, columns))
    if columns > 1 and array.strides[1] != <Py_ssize_t>sizeof(real):
        expect(False, what, "elements apart", "elements of a row side by side")
    to.at = <void *>&array[0, 0] if rows > 0 else NULL
    to.row = array.strides[0] // <Py_ssize_t>sizeof(real)
    return 0


cdef int fill_memories(Memory self, tuple arrays, Py_ssize_t samples, const void **c,
                       const void **n, const void **m, real type_) except -1:
    """C, n and m of all heads of all samples; None: no pointers."""
    cdef const real[:, :, :, ::1] first
    cdef const real[:, :, ::1] second
    cdef const real[:, ::1] third
    cdef lstmc_memory *of = &self.memory
    if arrays is None:
        return 0
    expect(len(arrays) == 3, "states", len(arrays), 3)
    first, second, third = arrays
    expect((first.shape[0], first.shape[1], first.shape[2], first.shape[3])
           == (samples, of.heads, of.d_v, of.d_k), "C",
           (first.shape[0], first.shape[1], first.shape[2], first.shape[3]),
           (samples, of.heads, of.d_v, of.d_k))
    expect((second.shape[0], second.shape[1], second.shape[2])
           == (samples, of.heads, of.d_k), "n",
           (second.shape[0], second.shape[1], second.shape[2]),
           (samples, of.heads, of.d_k))
    expect((third.shape[0], third.shape[1]) == (samples, of.heads), "m",
           (third.shape[0], third.shape[1]), (samples, of.heads))
    if samples > 0:
        c[0], n[0], m[0] = &first[0, 0, 0, 0], &second[0, 0, 0], &third[0, 0]
    return 0


cdef int fill_inputs(Memory self, lstmc_memory_call *call, Py_ssize_t rows,
                     const real[:, :] q, const real[:, :] k, const real[:, :] v,
                     const real[:, :] i, const real[:, :] f,
                     const real[:, :] o) except -1:
    cdef Py_ssize_t heads = self.memory.heads
    cdef Py_ssize_t keys = heads * self.memory.d_k, values = heads * self.memory.d_v
    expect(self.memory.dtype == code[real](0), "dtype", code[real](0),
           self.memory.dtype)
    call.memory = self.memory
    fill_rows[real](q, "q", rows, keys, &call.q)
    fill_rows[real](k, "k", rows, keys, &call.k)
    fill_rows[real](v, "v", rows, values, &call.v)
    fill_rows[real](i, "i", rows, heads, &call.i)
    fill_rows[real](f, "f", rows, heads, &call.f)
    if o is not None:
        fill_rows[real](o, "o", rows, values, &call.o)
    return 0


cdef int fill_sequences(Memory self, lstmc_memory_call *call,
                        const Py_ssize_t[::1] offsets, real[::1] tape,
                        int threads) except -1:
    cdef Py_ssize_t size = 0
    expect(offsets.shape[0] > 0, "offsets", offsets.shape[0], "at least 1")
    call.samples = offsets.shape[0] - 1
    call.offsets = &offsets[0]
    call.threads = threads
    call.poll = heed_signals
    if tape is not None:
        check(lstmc_memory_tape(&self.memory, call.samples, call.offsets, &size))
        expect(tape.shape[0] >= size, "tape", tape.shape[0], f"at least {size}")
        call.tape = &tape[0] if size > 0 else NULL
    return 0


def memory_forward(Memory memory, const Py_ssize_t[::1] offsets, const real[:, :] q,
                   const real[:, :] k, const real[:, :] v, const real[:, :] i,
                   const real[:, :] f, const real[:, :] o, tuple state,
                   tuple new_state, real[:, :] h, real[:, :] y, real[::1] tape,
                   int threads):
    """Run a matrix memory; o, state, new_state, y and tape may be None.

    With o, the gated output goes to y, or in place of h if y is None.
    """
    cdef lstmc_memory_call call
    cdef int status
    memset(&call, 0, sizeof(call))
    fill_sequences[real](memory, &call, offsets, tape, threads)
    rows = offsets[call.samples]
    fill_inputs[real](memory, &call, rows, q, k, v, i, f, o)
    values = memory.memory.heads * memory.memory.d_v
    fill_rows[real](h, "h", rows, values, &call.h)
    if y is not None:
        fill_rows[real](y, "y", rows, values, &call.y)
    fill_memories[real](memory, state, call.samples, &call.c0, &call.n0, &call.m0, 0)
    fill_memories[real](memory, new_state, call.samples, <const void **>&call.c1,
                        <const void **>&call.n1, <const void **>&call.m1, 0)
    with nogil:
        status = lstmc_memory_forward(&call)
    check(status)


def memory_backward(Memory memory, const Py_ssize_t[::1] offsets, const real[:, :] q,
                    const real[:, :] k, const real[:, :] v, const real[:, :] i,
                    const real[:, :] f, const real[:, :] o, tuple state,
                    const real[:, :] h, real[::1] tape, const real[:, :] dy,
                    tuple dstate, real[:, :] dq, real[:, :] dk, real[:, :] dv,
                    real[:, :] di, real[:, :] df, real[:, :] do_,
                    tuple dstate_before, int threads):
    """The way back of a forward with a tape; o, do_ and the states may be None."""
    cdef lstmc_memory_call call
    cdef int status
    memset(&call, 0, sizeof(call))
    fill_sequences[real](memory, &call, offsets, tape, threads)
    rows, heads = offsets[call.samples], memory.memory.heads
    keys, values = heads * memory.memory.d_k, heads * memory.memory.d_v
    fill_inputs[real](memory, &call, rows, q, k, v, i, f, o)
    fill_rows[real](h, "h", rows, values, &call.h)
    fill_rows[real](dy, "dy", rows, values, &call.dy)
    fill_rows[real](dq, "dq", rows, keys, &call.dq)
    fill_rows[real](dk, "dk", rows, keys, &call.dk)
    fill_rows[real](dv, "dv", rows, values, &call.dv)
    fill_rows[real](di, "di", rows, heads, &call.di)
    fill_rows[real](df, "df", rows, heads, &call.df)
    if o is not None:
        fill_rows[real](do_, "do", rows, values, &call.do_)
    fill_memories[real](memory, state, call.samples, &call.c0, &call.n0, &call.m0, 0)
    fill_memories[real](memory, dstate, call.samples, &call.dc1, &call.dn1, &call.dm1,
                        0)
    fill_memories[real](memory, dstate_before, call.samples, <const void **>&call.dc0,
                        <const void **>&call.dn0, <const void **>&call.dm0, 0)
    with nogil:
        status = lstmc_memory_backward(&call)
    check(status)


cdef void *stream_memory(Memory memory, real[::1] state,
                         Py_ssize_t samples) except NULL:
    size = samples * memory.memory.heads * memory.stream_size
    expect(samples > 0 and state.shape[0] == size, "state", state.shape[0], size)
    return &state[0]


cdef int find_rows(array, char code, str what, Py_ssize_t rows, Py_ssize_t columns,
                   lstmc_rows *to) except -1:
    """As `fill_rows`, at a fourth of the cost of a typed view."""
    cdef Py_buffer view
    PyObject_GetBuffer(array, &view, PyBUF_STRIDES | PyBUF_FORMAT)
    cdef bint right = view.ndim == 2 and view.format[0] == code
    if right and (view.shape[0] != rows or view.shape[1] != columns):
        right = False
    if right and columns > 1 and view.strides[1] != view.itemsize:
        right = False
    to.at = view.buf
    if right:
        to.row = view.strides[0] // view.itemsize
    PyBuffer_Release(&view)
    if not right:
        expect(False, what, (array.dtype.char, array.shape, array.strides),
               (chr(code), (rows, columns), "elements of a row side by side"))
    return 0


def memory_step(Memory memory, state, q, k, v, i, f, o, h):
    """One step of a stream whose `state` has a row for each row of h; o may be None."""
    cdef lstmc_memory_call call
    cdef int status
    cdef char kind = c"d" if memory.memory.dtype == LSTMC_FLOAT64 else c"f"
    cdef Py_ssize_t heads = memory.memory.heads, samples = len(h)
    cdef Py_ssize_t keys = heads * memory.memory.d_k, values = heads * memory.memory.d_v
    memset(&call, 0, sizeof(call))
    call.memory, call.samples = memory.memory, samples
    find_rows(q, kind, "q", samples, keys, &call.q)
    find_rows(k, kind, "k", samples, keys, &call.k)
    find_rows(v, kind, "v", samples, values, &call.v)
    find_rows(i, kind, "i", samples, heads, &call.i)
    find_rows(f, kind, "f", samples, heads, &call.f)
    if o is not None:
        find_rows(o, kind, "o", samples, values, &call.o)
    find_rows(h, kind, "h", samples, values, &call.h)
    expect(samples > 0, "h", "no row", "a row for each sequence")
    cdef void *place = address(state, kind, samples * heads * memory.stream_size, True)
    if samples * heads * memory.stream_size < 100000:
        check(lstmc_memory_step(&call, place))
        return
    with nogil:
        status = lstmc_memory_step(&call, place)
    check(status)


def memory_move(Memory memory, real[::1] state, tuple arrays, bint load):
    """Between a stream's state and arrays C, n and m: load reads these."""
    cdef lstmc_memory_call call
    memset(&call, 0, sizeof(call))
    call.memory = memory.memory
    call.samples = arrays[0].shape[0]
    if load:
        fill_memories[real](memory, arrays, call.samples, &call.c0, &call.n0, &call.m0,
                            0)
    else:
        fill_memories[real](memory, arrays, call.samples, <const void **>&call.c1,
                            <const void **>&call.n1, <const void **>&call.m1, 0)
    check(lstmc_memory_move(&call, stream_memory[real](memory, state, call.samples),
                            load))
