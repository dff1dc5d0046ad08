# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""The only door to the C library: memoryviews in, one call without the GIL, check.

Private: shapes are checked here, since C sees pointers alone; everything that a person
may get wrong is checked before, where the names are known.
"""

from libc.string cimport memset


cdef extern from "Python.h":
    int PyErr_CheckSignals() noexcept

ctypedef fused real:
    float
    double


cdef int check(int status) except -1:
    """Turn a C status into the exception it means."""
    if status == LSTMC_OK:
        return 0
    if status == LSTMC_STOPPED:
        return -1  # with the exception of the signal's handler
    message = lstmc_message(status).decode()
    if status == LSTMC_NO_MEMORY:
        raise MemoryError(f"{message}: {lstmc_wanted_bytes():,} bytes wanted")
    if status == LSTMC_TOO_LARGE:
        raise MemoryError(message)
    raise ValueError(message)


cdef int expect(bint right, str what, got, wanted) except -1:
    if not right:
        raise ValueError(f"{what}: expected {wanted}, got {got}")
    return 0


# --- the registry -----------------------------------------------------------------


def cells():
    """The rows of the registry, as dicts."""
    cdef lstmc_cell cell
    rows = []
    for k in range(lstmc_cell_count()):
        check(lstmc_describe_cell(k, &cell))
        rows.append(dict(
            name=cell.name.decode(),
            title=cell.title.decode(),
            equations=cell.equations.decode(),
            source=cell.source.decode(),
            columns=tuple(
                (cell.column[g].decode(), cell.w[g], cell.r[g], cell.b[g])
                for g in range(cell.columns)
            ),
            w_blocks=cell.w_blocks,
            r_blocks=cell.r_blocks,
            b_blocks=cell.b_blocks,
            states=tuple(cell.state[j].decode() for j in range(cell.states)),
            saved=cell.saved,
            squashes=bool(cell.squashes),
        ))
    return rows


# --- a recurrent layer ------------------------------------------------------------


cdef class Layer:
    """One layer of cells in one or two directions: its sizes, and packing."""

    cdef lstmc_layer layer
    cdef readonly int states
    cdef lstmc_cell cell
    cdef readonly Py_ssize_t packed_size  # reals of both directions

    def __cinit__(self, int cell, bint float64, Py_ssize_t inputs, Py_ssize_t units,
                  int directions, bint identity_output):
        self.layer = lstmc_layer(cell, LSTMC_FLOAT64 if float64 else LSTMC_FLOAT32,
                                 inputs, units, directions, identity_output)
        check(lstmc_packed_size(&self.layer, &self.packed_size))
        check(lstmc_describe_cell(cell, &self.cell))
        self.packed_size *= directions
        self.states = self.cell.states

    def tape_size(self, Py_ssize_t steps):
        """Reals of tape for `steps` steps in all, both directions."""
        cdef Py_ssize_t size = 0
        check(lstmc_tape_size(&self.layer, steps, &size))
        return size * self.layer.directions

    cdef int check_parameters(self, Py_ssize_t w, Py_ssize_t r, Py_ssize_t b,
                              Py_ssize_t packed, int side) except -1:
        cdef Py_ssize_t n = self.layer.units
        expect(w == self.cell.w_blocks * n * self.layer.inputs, "w", w, "its size")
        expect(r == self.cell.r_blocks * n * n, "r", r, "its size")
        expect(b == self.cell.b_blocks * n, "b", b, "its size")
        expect(packed == self.packed_size, "packed", packed, self.packed_size)
        return expect(0 <= side < self.layer.directions, "side", side, "0 or 1")

    def pack(self, const real[:, ::1] w, const real[:, ::1] r, const real[::1] b,
             real[::1] packed, int side):
        """Pack one direction's weights into its half of `packed`."""
        self.check_parameters(w.shape[0] * w.shape[1], r.shape[0] * r.shape[1],
                              b.shape[0], packed.shape[0], side)
        cdef Py_ssize_t start = self.packed_size // self.layer.directions * side
        check(lstmc_pack(&self.layer, &w[0, 0], &r[0, 0], &b[0], &packed[start]))

    def unpack(self, const real[::1] packed, real[:, ::1] w, real[:, ::1] r,
               real[::1] b, int side):
        """The way back of `pack`."""
        self.check_parameters(w.shape[0] * w.shape[1], r.shape[0] * r.shape[1],
                              b.shape[0], packed.shape[0], side)
        cdef Py_ssize_t start = self.packed_size // self.layer.directions * side
        check(lstmc_unpack(&self.layer, &packed[start], &w[0, 0], &r[0, 0], &b[0]))


cdef int fill_states(Layer self, tuple arrays, bint writable, Py_ssize_t samples,
                     void *(*where)(lstmc_direction *, int) noexcept,
                     lstmc_call *call, real type_) except -1:
    """Point the call at the states' arrays (directions, samples, units)."""
    cdef const real[:, :, ::1] read
    cdef real[:, :, ::1] written
    cdef int k, side
    cdef Py_ssize_t n = self.layer.units, size = samples * n
    if arrays is None:
        return 0
    expect(len(arrays) == self.states, "states", len(arrays), self.states)
    for k in range(self.states):
        if writable:
            written = arrays[k]
            read = written
        else:
            read = arrays[k]
        if (read.shape[0] != self.layer.directions or read.shape[1] != samples
                or read.shape[2] != n):
            expect(False, "state", (read.shape[0], read.shape[1], read.shape[2]),
                   (self.layer.directions, samples, n))
        for side in range(self.layer.directions):
            if size > 0:
                (<const void **>where(&call.direction[side], k))[0] = &read[side, 0, 0]
    return 0


cdef void *before(lstmc_direction *d, int k) noexcept:
    return &d.before[k]


cdef void *after(lstmc_direction *d, int k) noexcept:
    return &d.after[k]


cdef void *d_after(lstmc_direction *d, int k) noexcept:
    return &d.d_after[k]


cdef void *d_before(lstmc_direction *d, int k) noexcept:
    return &d.d_before[k]


cdef int heed_signals(void *unused) noexcept with gil:
    """Asked by a long call now and then: run the handlers of signals, such as Ctrl-C's.

    What a handler raises stays set until `check` lets it out.
    """
    return PyErr_CheckSignals()


cdef int fill_call(Layer self, lstmc_call *call, const Py_ssize_t[::1] offsets,
                   const real[:, ::1] x, const real[::1] weights,
                   int threads) except -1:
    """What forward and backward have in common."""
    cdef int side
    cdef Py_ssize_t each = self.packed_size // self.layer.directions
    expect(offsets.shape[0] > 0, "offsets", offsets.shape[0], "at least 1")
    expect(x.shape[0] == offsets[offsets.shape[0] - 1], "x", x.shape[0], "all steps")
    expect(x.shape[1] == self.layer.inputs, "x", x.shape[1], self.layer.inputs)
    expect(weights.shape[0] == self.packed_size, "weights", weights.shape[0],
           self.packed_size)
    call.layer = self.layer
    call.samples = offsets.shape[0] - 1
    call.offsets = &offsets[0]
    call.threads = threads
    call.poll = heed_signals
    if x.shape[0] > 0:
        call.x = &x[0, 0]
    for side in range(self.layer.directions):
        call.direction[side].weights = &weights[side * each]
    return 0


def forward(Layer layer, const Py_ssize_t[::1] offsets, const real[:, ::1] x,
            const real[::1] weights, real[:, ::1] y, tuple state, tuple new_state,
            real[::1] tape, int threads):
    """Run a layer; y and tape may be None; returns the slabs that the tape is cut into.

    x (steps, inputs); y (steps, directions * units); state, new_state: a tuple of
    arrays (directions, samples, units), state None: zeros; tape: at least
    `tape_size(steps)` reals.
    """
    cdef lstmc_call call
    memset(&call, 0, sizeof(call))
    cdef int side, status
    cdef Py_ssize_t steps = x.shape[0], each
    fill_call[real](layer, &call, offsets, x, weights, threads)
    if y is not None:
        wanted = (steps, layer.layer.directions * layer.layer.units)
        got = (y.shape[0], y.shape[1])
        expect(got == wanted, "y", got, wanted)
        if y.shape[0] > 0:
            call.y = &y[0, 0]
    fill_states[real](layer, state, False, call.samples, before, &call, 0)
    fill_states[real](layer, new_state, True, call.samples, after, &call, 0)
    if tape is not None and steps > 0:
        size = layer.tape_size(steps)
        expect(tape.shape[0] >= size, "tape", tape.shape[0], f"at least {size}")
        each = size // layer.layer.directions
        for side in range(layer.layer.directions):
            call.direction[side].tape = &tape[side * each]
    with nogil:
        status = lstmc_forward(&call)
    check(status)
    return call.slabs


def backward(Layer layer, const Py_ssize_t[::1] offsets, const real[:, ::1] x,
             const real[::1] weights, const real[:, ::1] y, tuple state,
             real[::1] tape, Py_ssize_t slabs, const real[:, ::1] dy, tuple dstate,
             real[:, ::1] dx, tuple dstate_before, real[::1] gradient, int threads):
    """The way back of a forward with a tape.

    dy, dstate, dx and dstate_before may be None. `tape` is used up. `gradient` has the
    size of `weights` and is overwritten.
    """
    cdef lstmc_call call
    memset(&call, 0, sizeof(call))
    cdef int side, status
    cdef Py_ssize_t steps = x.shape[0], each, each_tape
    fill_call[real](layer, &call, offsets, x, weights, threads)
    wanted = (steps, layer.layer.directions * layer.layer.units)
    got = (y.shape[0], y.shape[1])
    expect(got == wanted, "y", got, wanted)
    size = layer.tape_size(steps)
    expect(tape.shape[0] >= size, "tape", tape.shape[0], f"at least {size}")
    expect(gradient.shape[0] == weights.shape[0], "gradient", gradient.shape[0],
           weights.shape[0])
    call.slabs = slabs
    if steps > 0:
        call.y = <void *>&y[0, 0]
    if dy is not None:
        got = (dy.shape[0], dy.shape[1])
        expect(got == wanted, "dy", got, wanted)
        if steps > 0:
            call.dy = &dy[0, 0]
    if dx is not None:
        got = (dx.shape[0], dx.shape[1])
        expect(got == (steps, x.shape[1]), "dx", got, (steps, x.shape[1]))
        if steps > 0:
            call.dx = &dx[0, 0]
    fill_states[real](layer, state, False, call.samples, before, &call, 0)
    fill_states[real](layer, dstate, False, call.samples, d_after, &call, 0)
    fill_states[real](layer, dstate_before, True, call.samples, d_before, &call, 0)
    each = layer.packed_size // layer.layer.directions
    each_tape = size // layer.layer.directions
    for side in range(layer.layer.directions):
        call.direction[side].gradient = &gradient[side * each]
        if steps > 0:
            call.direction[side].tape = &tape[side * each_tape]
    with nogil:
        status = lstmc_backward(&call)
    check(status)


include "_stream.pxi"
include "_dense.pxi"

# --- the machine ------------------------------------------------------------------


def choose_target(str name):
    """Choose "baseline", "avx2" or "avx512"; "" is the best there is."""
    status = lstmc_choose_target(name.encode())
    if status != LSTMC_OK:
        raise ValueError(
            f"LSTMC_TARGET: expected one of {', '.join(targets())} "
            f"(what this machine runs), got {name!r}"
        )


def target():
    """The name of the chosen target."""
    return lstmc_target().decode()


def targets():
    """The names of the targets that this machine runs, best first."""
    return [n for n in ("avx512", "avx2", "baseline") if lstmc_has_target(n.encode())]


def set_threads(int threads):
    """Threads of later calls that name none; 0: the machine's."""
    lstmc_set_threads(threads)


def set_quota(int cpus):
    """CPUs that the system grants to this process; 0: no limit."""
    lstmc_set_quota(cpus)


def threads(int wanted=0):
    """Threads that a large call gets."""
    return lstmc_threads(wanted)


def has_openmp():
    """Whether the library was built with OpenMP."""
    return bool(lstmc_has_openmp())
