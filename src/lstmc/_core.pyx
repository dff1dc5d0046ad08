# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""The only door to the C library: memoryviews in, one call without the GIL, check.

Private: shapes are checked here, since C sees pointers alone; everything that a person
may get wrong is checked before, where the names are known.
"""

from libc.math cimport INFINITY, NAN, exp, log
from libc.string cimport memcpy, memset


cdef extern from "Python.h":
    int PyErr_CheckSignals() noexcept
    int PyBuffer_FillInfo(Py_buffer *, object, void *, Py_ssize_t, int, int) except -1

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


# --- memory -----------------------------------------------------------------------


cdef class Block:
    """Memory for a large output, of the kind that workspaces are: see csrc/memory.c."""

    cdef void *start
    cdef Py_ssize_t size

    def __cinit__(self, Py_ssize_t size):
        self.start, self.size = lstmc_take_memory(size), size
        if self.start == NULL:
            check(LSTMC_NO_MEMORY)

    def __dealloc__(self):
        lstmc_give_memory(self.start)

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.start, self.size, 0, flags)


def release_memory():
    """Give back to the system what waits for the next large call."""
    lstmc_release_memory()


# --- the registry -----------------------------------------------------------------


cdef bint reads_state(const lstmc_cell *cell, int column, int state) noexcept:
    """Whether R of a column reads a state, or the late row, which is made of h."""
    cdef int k
    if cell.r[column] >= 0 and cell.reads[column] == 0:
        return state == 0
    for k in range(cell.reads[column]):
        if cell.row[cell.from_[column] + k] == state:
            return True
    return False


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
            vectors=tuple(cell.vector[j].decode() for j in range(cell.vectors)),
            rows=tuple(cell.state[cell.row[k]].decode() for k in range(cell.rows)),
            reads=tuple(cell.reads[g] for g in range(cell.columns)),
            reads_h=any(reads_state(&cell, g, 0) for g in range(cell.columns)),
            late=sum(cell.r[g] >= 0 and cell.reads[g] == 0
                     for g in range(cell.columns)),
            saved=cell.saved,
            squashes=bool(cell.squashes),
            projects=bool(cell.projects),
            timed=bool(cell.timed),
            statics=cell.statics,
            whole=bool(cell.whole),
        ))
    return rows


# --- a recurrent layer ------------------------------------------------------------


cdef class Layer:
    """One layer of cells: its sizes, and packing.

    It has `parts`, the heads of one direction after those of the other. A part's packed
    weights, tapes and gradients lie behind those of the part before.
    """

    cdef lstmc_layer layer
    cdef readonly int states, parts
    cdef lstmc_cell cell
    cdef readonly Py_ssize_t part_size, packed_size  # reals of a part, and of all
    cdef readonly Py_ssize_t width  # features of h of a part

    def __cinit__(self, int cell, bint float64, Py_ssize_t inputs, Py_ssize_t units,
                  int directions, bint identity_output, int heads=1,
                  Py_ssize_t projection=0, bint truncated=False):
        self.layer = lstmc_layer(cell, LSTMC_FLOAT64 if float64 else LSTMC_FLOAT32,
                                 inputs, units, directions, heads, projection,
                                 identity_output, truncated)
        check(lstmc_packed_size(&self.layer, &self.part_size))
        check(lstmc_describe_cell(cell, &self.cell))
        self.parts = directions * heads
        self.packed_size = self.part_size * self.parts
        self.states = self.cell.states
        self.width = projection if projection else units

    def tape_size(self, Py_ssize_t steps):
        """Reals of tape for `steps` steps in all, all parts."""
        cdef Py_ssize_t size = 0
        check(lstmc_tape_size(&self.layer, steps, &size))
        return size * self.parts

    def checkpoint_size(self, const Py_ssize_t[::1] offsets):
        """Reals of a tape with checkpoints for such samples, all parts."""
        cdef Py_ssize_t size = 0
        expect(offsets.shape[0] > 0, "offsets", offsets.shape[0], "at least 1")
        check(lstmc_checkpoint_size(&self.layer, offsets.shape[0] - 1, &offsets[0],
                                    &size))
        return size * self.parts

    def pack(self, const real[::1] w, const real[::1] r, const real[::1] b,
             const real[::1] v, const real[::1] p, real[::1] packed, int part):
        """Pack one part's weights, flat, into its place in `packed`."""
        cdef lstmc_weights weights
        fill_weights[real](self, w, r, b, v, p, packed, part, &weights)
        check(lstmc_pack(&self.layer, &weights, &packed[self.part_size * part]))

    def unpack(self, const real[::1] packed, real[::1] w, real[::1] r, real[::1] b,
               real[::1] v, real[::1] p, int part):
        """The way back of `pack`."""
        cdef lstmc_weights weights
        fill_weights[real](self, w, r, b, v, p, packed, part, &weights)
        check(lstmc_unpack(&self.layer, &packed[self.part_size * part], &weights))


cdef void *all_of(const real[::1] array, str name, Py_ssize_t size) except? NULL:
    """The start of an array of that size; NULL if it is empty."""
    expect(array.shape[0] == size, name, array.shape[0], size)
    return <void *>&array[0] if size > 0 else NULL


cdef int fill_weights(Layer self, const real[::1] w, const real[::1] r,
                      const real[::1] b, const real[::1] v, const real[::1] p,
                      const real[::1] packed, int part, lstmc_weights *to) except -1:
    cdef Py_ssize_t n = self.layer.units
    to.w = all_of[real](w, "w", self.cell.w_blocks * n * self.layer.inputs)
    to.r = all_of[real](r, "r", self.cell.r_blocks * n * self.width)
    to.b = all_of[real](b, "b", self.cell.b_blocks * n)
    to.v = all_of[real](v, "v", self.cell.vectors * n)
    to.p = all_of[real](p, "p", self.layer.projection * n)
    all_of[real](packed, "packed", self.packed_size)
    return expect(0 <= part < self.parts, "part", part, f"0 to {self.parts - 1}")


cdef int fill_states(Layer self, tuple arrays, bint writable, Py_ssize_t samples,
                     const void **to, real type_) except -1:
    """Point the field, of the first part, at arrays (parts, samples, width)."""
    cdef const real[:, :, ::1] read
    cdef real[:, :, ::1] written
    cdef int k, part
    cdef Py_ssize_t width
    cdef Py_ssize_t apart = sizeof(lstmc_direction) // sizeof(void *)
    if arrays is None:
        return 0
    expect(len(arrays) == self.states, "states", len(arrays), self.states)
    for k in range(self.states):
        width = self.width if k == 0 else self.layer.units
        if writable:
            written = arrays[k]
            read = written
        else:
            read = arrays[k]
        if (read.shape[0] != self.parts or read.shape[1] != samples
                or read.shape[2] != width):
            expect(False, "state", (read.shape[0], read.shape[1], read.shape[2]),
                   (self.parts, samples, width))
        for part in range(self.parts if samples > 0 else 0):
            to[part * apart + k] = &read[part, 0, 0]
    return 0


cdef int fill_tape(Layer self, real[::1] tape, bint checkpoint,
                   lstmc_call *call) except -1:
    """Point the call at the tape, which the parts share out."""
    cdef int part
    cdef Py_ssize_t each = 0
    call.checkpoint = checkpoint
    if checkpoint:
        check(lstmc_checkpoint_size(&self.layer, call.samples, call.offsets, &each))
    else:
        check(lstmc_tape_size(&self.layer, call.offsets[call.samples], &each))
    size = each * self.parts
    expect(tape.shape[0] >= size, "tape", tape.shape[0], f"at least {size}")
    for part in range(self.parts if each > 0 else 0):
        call.direction[part].tape = &tape[part * each]
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


cdef int fill_noise(tuple noise, lstmc_noise *to) except -1:
    """Noise is (zoneout of h, of c, recurrent dropout, seed, stream, sampling)."""
    if noise is not None:
        (to.zoneout_h, to.zoneout_c, to.recurrent_dropout, to.seed, to.stream,
         to.sampling) = noise
    return 0


cdef int fill_call(Layer self, lstmc_call *call, const Py_ssize_t[::1] offsets,
                   const real[:, ::1] x, const real[::1] weights, const real[::1] time,
                   tuple noise, int threads) except -1:
    """What forward and backward have in common."""
    cdef int part
    expect(offsets.shape[0] > 0, "offsets", offsets.shape[0], "at least 1")
    all_of[real](weights, "weights", self.packed_size)
    call.layer = self.layer
    call.samples = offsets.shape[0] - 1
    call.offsets = &offsets[0]
    call.threads = threads
    call.poll = heed_signals
    call.x = first_row[real](x, "x", offsets[call.samples], self.layer.inputs)
    if time is not None:
        call.time = all_of[real](time, "time", x.shape[0])
    fill_noise(noise, &call.noise)
    for part in range(self.parts):
        call.direction[part].weights = &weights[part * self.part_size]
    return 0


def forward(Layer layer, const Py_ssize_t[::1] offsets, const real[:, ::1] x,
            const real[::1] weights, real[:, ::1] y, tuple state, tuple new_state,
            real[::1] tape, int threads, bint checkpoint=False,
            const real[::1] time=None, tuple noise=None):
    """Run a layer; y and tape may be None; returns the slabs that the tape is cut into.

    x (steps, inputs); y (steps, parts * width); state, new_state: a tuple of arrays
    (parts, samples, width or units), state None: zeros; tape: at least
    `tape_size(steps)` reals, or with checkpoints `checkpoint_size(offsets)`; time
    (steps), of a timed cell; noise: see `fill_noise`.
    """
    cdef lstmc_call call
    cdef lstmc_direction *d = &call.direction[0]
    memset(&call, 0, sizeof(call))
    cdef int status
    fill_call[real](layer, &call, offsets, x, weights, time, noise, threads)
    if y is not None:
        call.y = first_row[real](y, "y", x.shape[0], layer.parts * layer.width)
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
             bint checkpoint=False, const real[::1] time=None, tuple noise=None):
    """The way back of a forward with a tape.

    dy, dstate, dx and dstate_before may be None. `tape` is used up. `gradient` has the
    size of `weights` and is overwritten.
    """
    cdef lstmc_call call
    cdef lstmc_direction *d = &call.direction[0]
    memset(&call, 0, sizeof(call))
    cdef int part, status
    cdef Py_ssize_t steps = x.shape[0], width = layer.parts * layer.width
    fill_call[real](layer, &call, offsets, x, weights, time, noise, threads)
    call.y = first_row[real](y, "y", steps, width)
    fill_tape[real](layer, tape, checkpoint, &call)
    all_of[real](gradient, "gradient", layer.packed_size)
    call.slabs = slabs
    if dy is not None:
        call.dy = first_row[real](dy, "dy", steps, width)
    if dx is not None:
        call.dx = first_row[real](dx, "dx", steps, x.shape[1])
    fill_states[real](layer, state, False, call.samples, d.before, 0)
    fill_states[real](layer, dstate, False, call.samples, d.d_after, 0)
    fill_states[real](layer, dstate_before, True, call.samples,
                      <const void **>d.d_before, 0)
    for part in range(layer.parts):
        call.direction[part].gradient = &gradient[part * layer.part_size]
    with nogil:
        status = lstmc_backward(&call)
    check(status)


include "_batch.pxi"
include "_stream.pxi"
include "_dense.pxi"
include "_rowwise.pxi"
include "_conv.pxi"
include "_decode.pxi"
include "_ctc.pxi"
include "_mdlstm.pxi"
include "_edits.pxi"
include "_highway.pxi"
include "_mlstm.pxi"
include "_blocks.pxi"
include "_fcn.pxi"

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
