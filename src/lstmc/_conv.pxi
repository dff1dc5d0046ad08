# Convolutions. A part of _core.pyx.

cdef extern from "lstmc_conv.h" nogil:
    enum:
        LSTMC_AXES

    ctypedef struct lstmc_conv:
        int dtype
        Py_ssize_t inputs, outputs
        Py_ssize_t kernel[3]
        Py_ssize_t dilation[3]
        Py_ssize_t images
        const Py_ssize_t *size
        const void *x
        const void *weights
        const void *bias
        void *y
        const void *dy
        void *dx
        void *d_weights
        void *d_bias
        int threads
        int (*poll)(void *) noexcept
        void *poll_data

    int lstmc_conv_forward(const lstmc_conv *)
    int lstmc_conv_backward(const lstmc_conv *)

    ctypedef struct lstmc_film:
        int cell, dtype
        Py_ssize_t inputs, units
        Py_ssize_t size[3]
        Py_ssize_t kernel[3]
        Py_ssize_t dilation[3]
        int pixelwise
        Py_ssize_t samples
        const Py_ssize_t *offsets
        const void *w
        const void *r
        const void *b
        const void *v
        const void *x
        void *y
        void *tape
        const void *before[5]
        void *after[5]
        const void *dy
        const void *d_after[5]
        void *dx
        void *d_before[5]
        void *dw
        void *dr
        void *db
        void *dv
        int threads
        int (*poll)(void *) noexcept
        void *poll_data

    int lstmc_film_takes(int)
    int lstmc_film_tape(const lstmc_film *, Py_ssize_t, Py_ssize_t *)
    int lstmc_film_forward(const lstmc_film *)
    int lstmc_film_backward(const lstmc_film *)


cdef int fill_axes(tuple given, str name, Py_ssize_t *to) except -1:
    """Numbers along the three axes, those that are missing outermost are 1."""
    cdef int k, missing = LSTMC_AXES - <int>len(given)
    expect(missing >= 0, name, len(given), f"at most {LSTMC_AXES} numbers")
    for k in range(LSTMC_AXES):
        to[k] = 1 if k < missing else given[k - missing]
    return 0


cdef int fill_conv(lstmc_conv *call, const Py_ssize_t[:, ::1] size,
                   const real[:, ::1] x, const real[::1] weights, Py_ssize_t outputs,
                   tuple kernel, tuple dilation, int threads) except -1:
    """What forward and backward have in common."""
    cdef Py_ssize_t k, pixels = 0, depth = x.shape[1]
    memset(call, 0, sizeof(call[0]))
    expect(size.shape[1] == LSTMC_AXES, "size", size.shape[1], LSTMC_AXES)
    call.dtype = code[real](0)
    call.inputs, call.outputs = x.shape[1], outputs
    fill_axes(kernel, "kernel", call.kernel)
    fill_axes(dilation, "dilation", call.dilation)
    for k in range(LSTMC_AXES):
        depth *= call.kernel[k]
    call.images = size.shape[0]
    if call.images > 0:
        call.size = &size[0, 0]
    for k in range(call.images):
        pixels += size[k, 0] * size[k, 1] * size[k, 2]
    call.x = first_row[real](x, "x", pixels, x.shape[1])
    call.weights = all_of[real](weights, "weights", outputs * depth)
    call.threads = threads
    call.poll = heed_signals
    return 0


def conv_forward(const Py_ssize_t[:, ::1] size, const real[:, ::1] x,
                 const real[::1] weights, const real[::1] bias, real[:, ::1] y,
                 tuple kernel, tuple dilation, int threads=0):
    """y = x * weights + bias over images of the sizes (images, 3).

    x (pixels, inputs), y (pixels, outputs), weights (outputs, kernel, inputs) flat.
    """
    cdef lstmc_conv call
    cdef int status
    fill_conv[real](&call, size, x, weights, y.shape[1], kernel, dilation, threads)
    call.bias = all_of[real](bias, "bias", y.shape[1])
    call.y = first_row[real](y, "y", x.shape[0], y.shape[1])
    with nogil:
        status = lstmc_conv_forward(&call)
    check(status)


def conv_backward(const Py_ssize_t[:, ::1] size, const real[:, ::1] x,
                  const real[::1] weights, const real[:, ::1] dy, real[:, ::1] dx,
                  real[::1] d_weights, real[::1] d_bias, tuple kernel, tuple dilation,
                  int threads=0):
    """The way back; dx may be None, d_weights and d_bias are overwritten."""
    cdef lstmc_conv call
    cdef int status
    fill_conv[real](&call, size, x, weights, dy.shape[1], kernel, dilation, threads)
    call.dy = first_row[real](dy, "dy", x.shape[0], dy.shape[1])
    if dx is not None:
        call.dx = first_row[real](dx, "dx", x.shape[0], x.shape[1])
    call.d_weights = all_of[real](d_weights, "d_weights", weights.shape[0])
    call.d_bias = all_of[real](d_bias, "d_bias", dy.shape[1])
    with nogil:
        status = lstmc_conv_backward(&call)
    check(status)


# --- a recurrent layer over frames ------------------------------------------------


def film_takes(int cell):
    """Whether a layer over frames can have this row of the registry."""
    return bool(lstmc_film_takes(cell))


cdef class Film:
    """One layer of cells at the pixels of frames: its sizes.

    Its weights are flat: W (w_blocks * units, kernel, inputs), R (r_blocks * units,
    kernel, units), b (b_blocks * units), v (vectors, pixels or 1, units); so are their
    gradients.
    """

    cdef lstmc_film film
    cdef lstmc_cell cell
    cdef readonly Py_ssize_t pixels
    cdef readonly tuple sizes  # of W, R, b and v

    def __cinit__(self, int cell, bint float64, Py_ssize_t inputs, Py_ssize_t units,
                  tuple size, tuple kernel, tuple dilation, bint pixelwise):
        cdef Py_ssize_t taps = 1, none = 0
        self.film.cell = cell
        self.film.dtype = LSTMC_FLOAT64 if float64 else LSTMC_FLOAT32
        self.film.inputs, self.film.units = inputs, units
        self.film.pixelwise = pixelwise
        fill_axes(size, "size", self.film.size)
        fill_axes(kernel, "kernel", self.film.kernel)
        fill_axes(dilation, "dilation", self.film.dilation)
        check(lstmc_film_tape(&self.film, 0, &none))
        check(lstmc_describe_cell(cell, &self.cell))
        self.pixels = 1
        for k in range(LSTMC_AXES):
            self.pixels *= self.film.size[k]
            taps *= self.film.kernel[k]
        self.sizes = (
            self.cell.w_blocks * units * taps * inputs,
            self.cell.r_blocks * units * taps * units, self.cell.b_blocks * units,
            self.cell.vectors * (self.pixels if pixelwise else 1) * units,
        )

    def tape_size(self, Py_ssize_t frames):
        """Reals of tape for `frames` frames in all."""
        cdef Py_ssize_t size = 0
        check(lstmc_film_tape(&self.film, frames, &size))
        return size


cdef int fill_film(Film self, lstmc_film *call, const Py_ssize_t[::1] offsets,
                   tuple weights, real[::1] tape, int threads, real type_) except -1:
    """What forward and backward have in common."""
    cdef const real[::1] part
    cdef Py_ssize_t size = 0
    cdef int k
    call[0] = self.film
    expect(offsets.shape[0] > 0, "offsets", offsets.shape[0], "at least 1")
    call.samples, call.offsets = offsets.shape[0] - 1, &offsets[0]
    call.threads, call.poll = threads, heed_signals
    for k in range(4):
        part = weights[k]
        (&call.w)[k] = all_of[real](part, "weights", self.sizes[k])
    if tape is not None:
        check(lstmc_film_tape(call, offsets[call.samples], &size))
        expect(tape.shape[0] >= size, "tape", tape.shape[0], f"at least {size}")
        call.tape = &tape[0] if size > 0 else NULL
    return 0


cdef int fill_film_states(Film self, tuple arrays, bint writable, Py_ssize_t samples,
                          const void **to, real type_) except -1:
    """Point the field at arrays (samples, pixels * units)."""
    cdef const real[:, ::1] read
    cdef real[:, ::1] written
    cdef int k
    if arrays is None:
        return 0
    expect(len(arrays) == self.cell.states, "states", len(arrays), self.cell.states)
    for k in range(self.cell.states):
        if writable:
            written = arrays[k]
            read = written
        else:
            read = arrays[k]
        to[k] = first_row[real](read, "state", samples, self.pixels * self.film.units)
    return 0


def film_forward(Film film, const Py_ssize_t[::1] offsets, const real[:, ::1] x,
                 tuple weights, real[:, ::1] y, tuple state, tuple new_state,
                 real[::1] tape, int threads):
    """Run a layer over frames; y and tape may be None.

    x (frames, pixels * inputs); y (frames, pixels * units); weights: W, R, b and v;
    state, new_state: a tuple of arrays (samples, pixels * units), state None: zeros;
    tape: at least `tape_size(frames)` reals.
    """
    cdef lstmc_film call
    cdef int status
    cdef Py_ssize_t frames = x.shape[0], width = film.pixels * film.film.units
    fill_film[real](film, &call, offsets, weights, tape, threads, 0)
    expect(offsets[call.samples] == frames, "x", frames, offsets[call.samples])
    call.x = first_row[real](x, "x", frames, film.pixels * film.film.inputs)
    if y is not None:
        call.y = first_row[real](y, "y", frames, width)
    fill_film_states[real](film, state, False, call.samples, call.before, 0)
    fill_film_states[real](film, new_state, True, call.samples,
                           <const void **>call.after, 0)
    with nogil:
        status = lstmc_film_forward(&call)
    check(status)


def film_backward(Film film, const Py_ssize_t[::1] offsets, const real[:, ::1] x,
                  tuple weights, real[::1] tape, const real[:, ::1] dy, tuple dstate,
                  real[:, ::1] dx, tuple dstate_before, tuple gradient, int threads):
    """The way back of a forward with a tape, which is used up.

    dy, dstate, dx and dstate_before may be None. `gradient`, as weights, is
    overwritten.
    """
    cdef lstmc_film call
    cdef real[::1] part
    cdef int k, status
    cdef Py_ssize_t frames = x.shape[0], width = film.pixels * film.film.units
    fill_film[real](film, &call, offsets, weights, tape, threads, 0)
    expect(offsets[call.samples] == frames, "x", frames, offsets[call.samples])
    call.x = first_row[real](x, "x", frames, film.pixels * film.film.inputs)
    if dy is not None:
        call.dy = first_row[real](dy, "dy", frames, width)
    if dx is not None:
        call.dx = first_row[real](dx, "dx", frames, film.pixels * film.film.inputs)
    fill_film_states[real](film, dstate, False, call.samples, call.d_after, 0)
    fill_film_states[real](film, dstate_before, True, call.samples,
                           <const void **>call.d_before, 0)
    for k in range(4):
        part = gradient[k]
        (&call.dw)[k] = all_of[real](part, "gradient", film.sizes[k])
    with nogil:
        status = lstmc_film_backward(&call)
    check(status)
