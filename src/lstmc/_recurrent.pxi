# A recurrent layer. A part of _core.pyx.

# Steps of a short call: it rather looks whether its weights are split already, and
# multiplies the size of its tape itself.
cdef enum:
    SHORT_CALL = 1024

cdef class Split:
    """Memory of split weights, never written again: who reads them keeps it."""

    cdef bytearray memory
    cdef char *at

    def __cinit__(self, Py_ssize_t size):
        self.memory = bytearray(size + LSTMC_ALIGNMENT)
        self.at = self.memory
        self.at += -<Py_ssize_t>self.at % LSTMC_ALIGNMENT


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
    cdef char code  # of the dtype in a buffer
    cdef Py_ssize_t real_size  # bytes
    cdef Py_ssize_t tape_row  # reals of tape of a step, a part
    cdef Split kept

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
        check(lstmc_tape_size(&self.layer, 1, &self.tape_row))
        self.code, self.real_size = c"d" if float64 else c"f", 8 if float64 else 4

    def tape_size(self, Py_ssize_t steps):
        """Reals of tape for `steps` steps in all, all parts."""
        return tape_of_part(self, steps) * self.parts

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

    cdef Split split_of(self, const void *weights):
        """What lstmc_split makes of packed weights, kept for the next who asks; None if
        the target reads no such thing."""
        cdef Py_ssize_t size = 0
        cdef Split split
        cdef int status, fits = 0
        check(lstmc_split_size(&self.layer, &size))
        if size == 0:
            return None
        with cython.critical_section(self):
            split = self.kept
        if split is not None:
            with nogil:
                fits = lstmc_is_split(&self.layer, weights, split.at)
        if not fits:
            split = Split(size)
            with nogil:
                status = lstmc_split(&self.layer, weights, split.at)
            check(status)
            with cython.critical_section(self):
                self.kept = split
        return split

    def unpack(self, const real[::1] packed, real[::1] w, real[::1] r, real[::1] b,
               real[::1] v, real[::1] p, int part):
        """The way back of `pack`."""
        cdef lstmc_weights weights
        fill_weights[real](self, w, r, b, v, p, packed, part, &weights)
        check(lstmc_unpack(&self.layer, &packed[self.part_size * part], &weights))


cdef Py_ssize_t tape_of_part(Layer self, Py_ssize_t steps) except -1:
    """Reals of tape of a part; whether those of many steps fit is asked each time."""
    cdef Py_ssize_t size = steps * self.tape_row
    if not 0 <= steps <= SHORT_CALL:
        check(lstmc_tape_size(&self.layer, steps, &size))
    return size


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


cdef Wanted flat(Layer self, Py_ssize_t size, bint writable) noexcept:
    return Wanted(self.code, writable, 1, [size, 0, 0])


cdef Wanted rows_of(Layer self, Py_ssize_t rows, Py_ssize_t columns,
                    bint writable) noexcept:
    return Wanted(self.code, writable, 2, [rows, columns, 0])


cdef int fill_states(Layer self, tuple arrays, bint writable, Py_ssize_t samples,
                     const void **to) except -1:
    """Point the field, of the first part, at arrays (parts, samples, width); None:
    zeros."""
    cdef int k, part
    cdef Py_ssize_t width
    cdef Py_ssize_t apart = sizeof(lstmc_direction) // sizeof(void *)
    cdef char *start
    if arrays is None:
        return 0
    if len(arrays) != self.states:
        expect(False, "states", len(arrays), self.states)
    for k in range(self.states):
        if arrays[k] is None:
            continue
        width = self.width if k == 0 else self.layer.units
        start = start_of(arrays[k], "state",
                         Wanted(self.code, writable, 3, [self.parts, samples, width]))
        for part in range(self.parts):
            to[part * apart + k] = start + part * samples * width * self.real_size
    return 0


cdef int fill_tape(Layer self, tape, bint checkpoint, lstmc_call *call) except -1:
    """Point the call at the tape, which the parts share out."""
    cdef int part
    cdef Py_ssize_t each = 0
    cdef char *start
    call.checkpoint = checkpoint
    if checkpoint:
        check(lstmc_checkpoint_size(&self.layer, call.samples, call.offsets, &each))
    else:
        each = tape_of_part(self, call.offsets[call.samples])
    if len(tape) < each * self.parts:
        expect(False, "tape", len(tape), f"at least {each * self.parts}")
    start = start_of(tape, "tape", flat(self, len(tape), True))
    for part in range(self.parts if each > 0 else 0):
        call.direction[part].tape = start + part * each * self.real_size
    return 0


cdef int fill_noise(tuple noise, lstmc_noise *to) except -1:
    """Noise is (zoneout of h, of c, recurrent dropout, seed, stream, sampling)."""
    if noise is not None:
        (to.zoneout_h, to.zoneout_c, to.recurrent_dropout, to.seed, to.stream,
         to.sampling) = noise
    return 0


cdef Py_ssize_t fill_call(Layer self, lstmc_call *call, offsets, x, weights, time,
                          tuple noise, int threads) except -1:
    """What forward and backward have in common, the rest 0; returns the steps."""
    cdef int part
    cdef Py_ssize_t steps
    memset(call, 0, <char *>(&call.direction[0] + self.parts) - <char *>call)
    cdef char *start = start_of(weights, "weights", flat(self, self.packed_size, False))
    call.layer = self.layer
    call.samples = len(offsets) - 1
    if call.samples < 0:
        expect(False, "offsets", 0, "at least 1")
    call.offsets = <Py_ssize_t *>start_of(
        offsets, "offsets", Wanted(INDEX, False, 1, [call.samples + 1, 0, 0]))
    call.threads = threads
    call.poll = heed_signals
    steps = call.offsets[call.samples]
    call.x = start_of(x, "x", rows_of(self, steps, self.layer.inputs, False))
    if time is not None:
        call.time = start_of(time, "time", flat(self, steps, False))
    fill_noise(noise, &call.noise)
    for part in range(self.parts):
        call.direction[part].weights = start + part * self.part_size * self.real_size
    return steps


cdef Split fill_forward(lstmc_call *call, Layer layer, offsets, x, weights, y,
                        tuple state, tuple new_state, tape, int threads,
                        bint checkpoint, time, tuple noise):
    """See `forward`; returns what the call reads as long as it runs."""
    cdef lstmc_direction *d = &call.direction[0]
    cdef Py_ssize_t steps = fill_call(layer, call, offsets, x, weights, time, noise,
                                      threads)
    if y is not None:
        call.y = start_of(y, "y",
                          rows_of(layer, steps, layer.parts * layer.width, True))
    fill_states(layer, state, False, call.samples, d.before)
    fill_states(layer, new_state, True, call.samples, <const void **>d.after)
    cdef Split split = None
    if tape is not None:
        fill_tape(layer, tape, checkpoint, call)
    elif steps <= SHORT_CALL:
        split = layer.split_of(d.weights)
        call.split = NULL if split is None else split.at
    return split


cpdef Py_ssize_t forward(Layer layer, offsets, x, weights, y, tuple state,
                         tuple new_state, tape, int threads, bint checkpoint=False,
                         time=None, tuple noise=None) except -1:
    """Run a layer; y and tape may be None; returns the slabs that the tape is cut into.

    x (steps, inputs); y (steps, parts * width); state, new_state: a tuple of arrays
    (parts, samples, width or units), state None: zeros; tape: at least
    `tape_size(steps)` reals, or with checkpoints `checkpoint_size(offsets)`; time
    (steps), of a timed cell; noise: see `fill_noise`.
    """
    cdef lstmc_call call
    cdef int status
    cdef Split split = fill_forward(&call, layer, offsets, x, weights, y, state,
                                    new_state, tape, threads, checkpoint, time, noise)
    with nogil:
        status = lstmc_forward(&call)
    check(status)
    return call.slabs


cdef tuple new_states(Layer layer, Py_ssize_t samples):
    cdef tuple states = ()
    cdef Py_ssize_t *size = [layer.parts, samples, layer.width]
    for _ in range(layer.states):
        states += (new_reals(layer.code, 3, size),)
        size[2] = layer.layer.units
    return states


def forward_anew(Layer layer, offsets, x, weights, tuple state, tape, int threads,
                 bint checkpoint=False, time=None, tuple noise=None):
    """`forward` into arrays of its own: y, new_state, slabs."""
    y = new_reals(layer.code, 2, [len(x), layer.parts * layer.width])
    cdef tuple after = new_states(layer, len(offsets) - 1)
    slabs = forward(layer, offsets, x, weights, y, state, after, tape, threads,
                    checkpoint, time, noise)
    return y, after, slabs


cdef int fill_backward(lstmc_call *call, Layer layer, offsets, x, weights, y,
                       tuple state, tape, Py_ssize_t slabs, dy, tuple dstate, dx,
                       tuple dstate_before, gradient, int threads, bint checkpoint,
                       time, tuple noise) except -1:
    """See `backward`."""
    cdef lstmc_direction *d = &call.direction[0]
    cdef int part
    cdef Py_ssize_t steps = fill_call(layer, call, offsets, x, weights, time, noise,
                                      threads)
    cdef Wanted out = rows_of(layer, steps, layer.parts * layer.width, False)
    cdef char *start = start_of(gradient, "gradient",
                                flat(layer, layer.packed_size, True))
    call.y = start_of(y, "y", out)
    fill_tape(layer, tape, checkpoint, call)
    call.slabs = slabs
    if dy is not None:
        call.dy = start_of(dy, "dy", out)
    if dx is not None:
        call.dx = start_of(dx, "dx", rows_of(layer, steps, layer.layer.inputs, True))
    fill_states(layer, state, False, call.samples, d.before)
    fill_states(layer, dstate, False, call.samples, d.d_after)
    fill_states(layer, dstate_before, True, call.samples, <const void **>d.d_before)
    for part in range(layer.parts):
        call.direction[part].gradient = start + part * layer.part_size * layer.real_size
    return 0


cpdef backward(Layer layer, offsets, x, weights, y, tuple state, tape, Py_ssize_t slabs,
               dy, tuple dstate, dx, tuple dstate_before, gradient, int threads,
               bint checkpoint=False, time=None, tuple noise=None):
    """The way back of a forward with a tape.

    dy, dstate, dx and dstate_before may be None. `tape` is used up. `gradient` has the
    size of `weights` and is overwritten.
    """
    cdef lstmc_call call
    cdef int status
    fill_backward(&call, layer, offsets, x, weights, y, state, tape, slabs, dy, dstate,
                  dx, dstate_before, gradient, threads, checkpoint, time, noise)
    with nogil:
        status = lstmc_backward(&call)
    check(status)


def backward_anew(Layer layer, offsets, x, weights, y, tuple state, tape,
                  Py_ssize_t slabs, dy, tuple dstate, bint wants_dx, gradient,
                  int threads, bint checkpoint=False, time=None, tuple noise=None):
    """`backward` into arrays of its own: dx, or None, and dstate_before."""
    dx = None
    if wants_dx:
        dx = new_reals(layer.code, 2, [len(x), layer.layer.inputs])
    cdef tuple before = new_states(layer, len(offsets) - 1)
    backward(layer, offsets, x, weights, y, state, tape, slabs, dy, dstate, dx, before,
             gradient, threads, checkpoint, time, noise)
    return dx, before


cdef class Stacked:
    """Memory for the calls of layers on one another."""

    cdef lstmc_call *call

    def __cinit__(self, Py_ssize_t layers):
        self.call = <lstmc_call *>lstmc_take_memory(layers * sizeof(lstmc_call))
        if self.call == NULL:
            check(LSTMC_NO_MEMORY)

    def __dealloc__(self):
        lstmc_give_memory(self.call)


def forward_stack(list layers):
    """Run layers of which each reads what the one before it in the list writes.

    An item has the arguments of `forward`, all of them; returns the slabs of each.
    """
    cdef Stacked stacked = Stacked(len(layers))
    cdef Py_ssize_t k
    cdef int status
    splits = []
    for k, (layer, offsets, x, weights, y, state, new_state, tape, threads, checkpoint,
            time, noise) in enumerate(layers):
        splits.append(fill_forward(stacked.call + k, layer, offsets, x, weights, y,
                                   state, new_state, tape, threads, checkpoint, time,
                                   noise))
        if k > 0:
            stacked.call[k - 1].above = stacked.call + k
    with nogil:
        status = lstmc_forward(stacked.call)
    check(status)
    return [stacked.call[k].slabs for k in range(len(layers))]


def backward_stack(list layers):
    """The way back: items with the arguments of `backward`, from the top down."""
    cdef Stacked stacked = Stacked(len(layers))
    cdef Py_ssize_t k
    cdef int status
    for k, (layer, offsets, x, weights, y, state, tape, slabs, dy, dstate, dx,
            dstate_before, gradient, threads, checkpoint, time,
            noise) in enumerate(layers):
        fill_backward(stacked.call + k, layer, offsets, x, weights, y, state, tape,
                      slabs, dy, dstate, dx, dstate_before, gradient, threads,
                      checkpoint, time, noise)
        if k > 0:
            stacked.call[k].above = stacked.call + k - 1
    k = len(layers) - 1
    with nogil:
        status = lstmc_backward(stacked.call + k)
    check(status)
