# Streams: one step a call, from Python in about a microsecond. A part of _core.pyx.

# Operations of a step from which on the GIL is given up: some 20 microseconds.
cdef double LONG_STEP = 4e5


cdef class Steps:
    """What takes x of one time step a call and answers in an array of its own."""

    cdef char code  # of the dtype in a buffer: f, d
    cdef Py_ssize_t samples, inputs, outputs
    cdef bint is_long, busy
    cdef void *out
    cdef object rows, row  # the output, twice
    cdef object kept

    cdef int advance(self, const void *x) except -1:
        """From x to the output."""
        raise ValueError("stream: expected an opened one")

    @cython.binding(False)  # a builtin method: a Cython function would pack a tuple
    @cython.embedsignature(True)
    @cython.embedsignature.format("clinic")
    def step(self, x, /):
        """Advance all sequences by one time step.

        Parameters
        ----------
        x : ndarray of shape (batch_size, input_size)
            Their inputs at this step. For a batch_size of 1 also (input_size,). Of the
            layer's dtype and C-contiguous it is read where it is; anything else is
            converted first, which takes longer than the step. Values are not looked
            at: NaN goes in and comes out as NaN, and stays in the state.

        Returns
        -------
        y : ndarray of shape (batch_size, output_size), or (output_size,) if x was 1-D
            Outputs of the last layer, in the same array at each call: copy what must
            outlive the next step.

        Raises
        ------
        TypeError, ValueError
            x holds no real numbers, or has another shape. The state is as it was.
        RuntimeError
            Another thread is in the middle of a step of this stream.
        """
        cdef Array *array = <Array *>x
        cdef Py_ssize_t *size
        cdef int rank
        if is_plain(x, False) and PyArray_DESCR(array).type == self.code:
            size, rank = PyArray_DIMS(array), PyArray_NDIM(array)
            if rank == 2 and size[0] == self.samples and size[1] == self.inputs:
                self.advance(PyArray_BYTES(array))
                return self.rows
            if rank == 1 and self.samples == 1 and size[0] == self.inputs:
                self.advance(PyArray_BYTES(array))
                return self.row
        return self.step(self.converted(x))


cdef class Stream(Steps):
    """Layers that advance by one step a call; `layers.Stream` opens and documents it.

    The arrays of `open` must stay where they are: NumPy leaves an array in its place as
    long as somebody refers to it.
    """

    cdef lstmc_stream *stream  # NULL: not opened
    cdef int layers, states
    cdef Py_ssize_t units
    cdef bint timed
    cdef void *time  # (samples), of timed cells
    cdef list split

    def open(self, tuple layers, tuple weights, memory, rows, row, time, tuple noise,
             int threads):
        """Open over `memory` (`stream_bytes`); rows and row are views of the output.

        weights: the packed ones of each layer; row: rows[0], for x without rows; time
        (samples): where each step finds the time elapsed.
        """
        cdef lstmc_layer layer[64]
        cdef const void *packed[64]
        cdef const void *split[64]
        cdef Layer each
        cdef lstmc_noise expected
        cdef double work = 0
        cdef int k
        memset(&expected, 0, sizeof(expected))
        fill_noise(noise, &expected)
        self.stream = NULL
        self.layers = fill_layers(layers, layer)
        self.code = c"d" if layer[0].dtype == LSTMC_FLOAT64 else c"f"
        self.samples, self.inputs = rows.shape[0], layer[0].inputs
        for k in range(self.layers):
            each = layers[k]
            packed[k] = address(weights[k], self.code, each.packed_size, False)
            work += 2.0 * each.packed_size
        self.units, self.states = each.layer.units, each.states
        self.outputs = each.parts * each.width
        self.timed = each.cell.timed
        self.time = address(time, self.code, self.samples, False)
        self.is_long = work * self.samples > LONG_STEP
        self.out = address(rows, self.code, self.samples * self.outputs, True)
        expect(row is None or address(row, self.code, self.outputs, True) == self.out,
               "row", "another array", "a view of rows")
        size = stream_bytes(layers, self.samples)
        self.rows, self.row = rows, row
        self.kept = (layers, weights, memory, time)
        self.find_split(split)
        cdef lstmc_stream *place = <lstmc_stream *>address(memory, c"B", size, True)
        check(lstmc_stream_open(layer, packed, split, self.layers, self.samples,
                                &expected, threads, place))
        self.stream = place

    cdef int find_split(self, const void **to) except -1:
        """What the layers' weights of now are split into."""
        cdef Split own
        cdef Layer each
        cdef int k
        found = []
        for k in range(self.layers):
            each = self.kept[0][k]
            own = each.split_of(address(self.kept[1][k], self.code, each.packed_size,
                                        False))
            to[k] = NULL if own is None else own.at
            found.append(own)
        self.split = found
        return 0

    def refresh(self):
        """Look at the weights again."""
        cdef const void *split[64]
        before = self.split  # until the stream reads the new ones
        with cython.critical_section(self):
            self.enter()
            self.find_split(split)
            lstmc_stream_use(self.stream, split)

    cdef int enter(self) except -1:
        """Refuse who finds nothing to step, or another thread inside."""
        if self.stream == NULL:
            raise ValueError("stream: expected an opened one")
        if self.busy:
            raise RuntimeError("stream: another thread is in the middle of its step")
        return 0

    cdef int advance(self, const void *x) except -1:
        with cython.critical_section(self):
            self.enter()
            if not self.is_long:
                lstmc_stream_step(self.stream, x, self.time, self.out)
                return 0
            self.busy = True
            with nogil:
                lstmc_stream_step(self.stream, x, self.time, self.out)
            self.busy = False
        return 0

    def clear(self, Py_ssize_t first, Py_ssize_t count):
        """Zero the states of some rows, in all layers."""
        self.enter()
        check(lstmc_stream_reset(self.stream, first, count))

    def read(self, int layer, tuple states):
        """Copy a layer's states into arrays (heads, samples, width), one for each."""
        self.move(layer, states, True)

    def write(self, int layer, tuple states):
        """Set a layer's states from arrays (heads, samples, width), one for each."""
        self.move(layer, states, False)

    cdef int move(self, int layer, tuple states, bint out) except -1:
        cdef void *array[LSTMC_MAX_STATES]
        cdef Layer each = self.kept[0][layer]
        cdef Py_ssize_t width
        cdef int k
        self.enter()
        expect(len(states) == self.states, "states", len(states), self.states)
        for k in range(self.states):
            width = each.width if k == 0 else each.layer.units
            array[k] = address(states[k], self.code,
                               each.parts * self.samples * width, out)
        if out:
            check(lstmc_stream_get_state(self.stream, layer, array))
        else:
            check(lstmc_stream_set_state(self.stream, layer, <const void **>array))
        return 0


cdef int fill_layers(tuple layers, lstmc_layer *out) except -1:
    """The layers' descriptions; returns how many."""
    cdef Layer each
    cdef int k = 0
    expect(0 < len(layers) <= 64, "num_layers", len(layers), "1 to 64 for a stream")
    for each in layers:
        out[k] = each.layer
        k += 1
    return k


def stream_bytes(tuple layers, Py_ssize_t samples):
    """Bytes of memory of a stream, which must start a cache line."""
    cdef lstmc_layer layer[64]
    cdef Py_ssize_t size = 0
    cdef int count = fill_layers(layers, layer)
    check(lstmc_stream_size(layer, count, samples, &size))
    return size
