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

    def checkpoint_size(self, const Py_ssize_t[::1] offsets):
        """Reals of a tape with checkpoints for such samples, both directions."""
        cdef Py_ssize_t size = 0
        expect(offsets.shape[0] > 0, "offsets", offsets.shape[0], "at least 1")
        check(lstmc_checkpoint_size(&self.layer, offsets.shape[0] - 1, &offsets[0],
                                    &size))
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
                     const void **to, real type_) except -1:
    """Point the field, of the first direction, at arrays (directions, samples, n)."""
    cdef const real[:, :, ::1] read
    cdef real[:, :, ::1] written
    cdef int k, side
    cdef Py_ssize_t n = self.layer.units, size = samples * n
    cdef Py_ssize_t apart = sizeof(lstmc_direction) // sizeof(void *)
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
                to[side * apart + k] = &read[side, 0, 0]
    return 0


cdef int fill_tape(Layer self, real[::1] tape, bint checkpoint,
                   lstmc_call *call) except -1:
    """Point the call at the tape, which the directions share out."""
    cdef int side
    cdef Py_ssize_t each = 0
    call.checkpoint = checkpoint
    if checkpoint:
        check(lstmc_checkpoint_size(&self.layer, call.samples, call.offsets, &each))
    else:
        check(lstmc_tape_size(&self.layer, call.offsets[call.samples], &each))
    size = each * self.layer.directions
    expect(tape.shape[0] >= size, "tape", tape.shape[0], f"at least {size}")
    for side in range(self.layer.directions if each > 0 else 0):
        call.direction[side].tape = &tape[side * each]
    return 0


cdef int heed_signals(void *unused) noexcept with gil:
    """Asked by a long call now and then: run the handlers of signals, such as Ctrl-C's.

    What a handler raises stays set until `check` lets it out.
    """
    return PyErr_CheckSignals()


cdef void *first_row(const real[:, ::1] array, str what, Py_ssize_t rows,
                     Py_ssize_t columns) except? NULL:
    """The start of an array of that shape; NULL if it is empty."""
    got = (array.shape[0], array.shape[1])
    expect(got == (rows, columns), what, got, (rows, columns))
    return <void *>&array[0, 0] if rows > 0 else NULL


cdef int fill_call(Layer self, lstmc_call *call, const Py_ssize_t[::1] offsets,
                   const real[:, ::1] x, const real[::1] weights,
                   int threads) except -1:
    """What forward and backward have in common."""
    cdef int side
    cdef Py_ssize_t each = self.packed_size // self.layer.directions
    expect(offsets.shape[0] > 0, "offsets", offsets.shape[0], "at least 1")
    expect(weights.shape[0] == self.packed_size, "weights", weights.shape[0],
           self.packed_size)
    call.layer = self.layer
    call.samples = offsets.shape[0] - 1
    call.offsets = &offsets[0]
    call.threads = threads
    call.poll = heed_signals
    call.x = first_row[real](x, "x", offsets[call.samples], self.layer.inputs)
    for side in range(self.layer.directions):
        call.direction[side].weights = &weights[side * each]
    return 0


def forward(Layer layer, const Py_ssize_t[::1] offsets, const real[:, ::1] x,
            const real[::1] weights, real[:, ::1] y, tuple state, tuple new_state,
            real[::1] tape, int threads, bint checkpoint=False):
    """Run a layer; y and tape may be None; returns the slabs that the tape is cut into.

    x (steps, inputs); y (steps, directions * units); state, new_state: a tuple of
    arrays (directions, samples, units), state None: zeros; tape: at least
    `tape_size(steps)` reals, or with checkpoints `checkpoint_size(offsets)`.
    """
    cdef lstmc_call call
    cdef lstmc_direction *d = &call.direction[0]
    memset(&call, 0, sizeof(call))
    cdef int status
    cdef Py_ssize_t width = layer.layer.directions * layer.layer.units
    fill_call[real](layer, &call, offsets, x, weights, threads)
    if y is not None:
        call.y = first_row[real](y, "y", x.shape[0], width)
    fill_states[real](layer, state, False, call.samples, d.before, 0)
    fill_states[real](layer, new_state, True, call.samples, <const void **>d.after, 0)
    if tape is not None:
        fill_tape[real](layer, tape, checkpoint, &call)
    with nogil:
        status = lstmc_forward(&call)
    check(status)
    return call.slabs


def backward(Layer layer, const Py_ssize_t[::1] offsets, const real[:, ::1] x,
             const real[::1] weights, const real[:, ::1] y, tuple state,
             real[::1] tape, Py_ssize_t slabs, const real[:, ::1] dy, tuple dstate,
             real[:, ::1] dx, tuple dstate_before, real[::1] gradient, int threads,
             bint checkpoint=False):
    """The way back of a forward with a tape.

    dy, dstate, dx and dstate_before may be None. `tape` is used up. `gradient` has the
    size of `weights` and is overwritten.
    """
    cdef lstmc_call call
    cdef lstmc_direction *d = &call.direction[0]
    memset(&call, 0, sizeof(call))
    cdef int side, status
    cdef Py_ssize_t steps = x.shape[0], each
    cdef Py_ssize_t width = layer.layer.directions * layer.layer.units
    fill_call[real](layer, &call, offsets, x, weights, threads)
    call.y = first_row[real](y, "y", steps, width)
    fill_tape[real](layer, tape, checkpoint, &call)
    expect(gradient.shape[0] == weights.shape[0], "gradient", gradient.shape[0],
           weights.shape[0])
    call.slabs = slabs
    if dy is not None:
        call.dy = first_row[real](dy, "dy", steps, width)
    if dx is not None:
        call.dx = first_row[real](dx, "dx", steps, x.shape[1])
    fill_states[real](layer, state, False, call.samples, d.before, 0)
    fill_states[real](layer, dstate, False, call.samples, d.d_after, 0)
    fill_states[real](layer, dstate_before, True, call.samples,
                      <const void **>d.d_before, 0)
    each = layer.packed_size // layer.layer.directions
    for side in range(layer.layer.directions):
        call.direction[side].gradient = &gradient[side * each]
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
