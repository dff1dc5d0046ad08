# Highway layers. A part of _core.pyx.

cdef extern from "lstmc_highway.h" nogil:
    ctypedef struct lstmc_highway:
        int dtype
        Py_ssize_t rows, size
        int layers, gates, activation
        const void *weights
        const void *x
        const void *h
        void *y
        void *tape
        int given
        const void *dy
        void *dx
        void *dh
        void *gradient
        int threads
        int (*poll)(void *) noexcept
        void *poll_data

    int lstmc_highway_tape_size(const lstmc_highway *, Py_ssize_t *)
    int lstmc_highway_forward(const lstmc_highway *)
    int lstmc_highway_backward(const lstmc_highway *)


cdef class Highway:
    """A stack of highway layers: its sizes.

    gates: 0 coupled, 1 separate, 2 open, 3 none; activation: 0 tanh, 1 relu,
    2 logistic, 3 identity.
    """

    cdef lstmc_highway stack

    def __cinit__(self, Py_ssize_t size, int layers, int gates, int activation,
                  bint float64):
        cdef Py_ssize_t reals = 0
        memset(&self.stack, 0, sizeof(self.stack))
        self.stack.dtype = LSTMC_FLOAT64 if float64 else LSTMC_FLOAT32
        self.stack.size, self.stack.layers = size, layers
        self.stack.gates, self.stack.activation = gates, activation
        self.stack.poll = heed_signals
        check(lstmc_highway_tape_size(&self.stack, &reals))

    cdef lstmc_highway sized(self, Py_ssize_t rows, int threads):
        cdef lstmc_highway call = self.stack
        call.rows, call.threads = rows, threads
        return call

    cdef Py_ssize_t count_weights(self, bint given):
        """Reals of all layers' weights, without W_H if h is given."""
        cdef Py_ssize_t n = self.stack.size
        cdef int gates = (1, 2, 0, 0)[self.stack.gates]
        return self.stack.layers * (gates + (not given)) * n * (n + 1)

    def tape_size(self, Py_ssize_t rows):
        """Reals of tape for so many rows."""
        cdef lstmc_highway call = self.sized(rows, 0)
        cdef Py_ssize_t reals = 0
        check(lstmc_highway_tape_size(&call, &reals))
        return reals

    def forward(self, const real[:, ::1] x, const real[:, ::1] h,
                const real[::1] weights, real[:, ::1] y, real[::1] tape,
                int threads=0):
        """Run; h may be None: that of the layers' own weights, and tape: inference."""
        cdef lstmc_highway call = self.sized(x.shape[0], threads)
        cdef Py_ssize_t size
        cdef int status
        expect(code[real](0) == call.dtype, "dtype", code[real](0), call.dtype)
        call.x = first_row[real](x, "x", call.rows, call.size)
        if h is not None:
            call.h = first_row[real](h, "h", call.rows, call.size)
        size = self.count_weights(h is not None)
        call.weights = all_of[real](weights, "weights", size)
        call.y = first_row[real](y, "y", call.rows, call.size)
        if tape is not None:
            size = self.tape_size(call.rows)
            expect(tape.shape[0] >= size, "tape", tape.shape[0], f"at least {size}")
            call.tape = &tape[0] if size > 0 else NULL
        with nogil:
            status = lstmc_highway_forward(&call)
        check(status)

    def backward(self, const real[:, ::1] dy, const real[::1] weights, real[::1] tape,
                 real[:, ::1] dx, real[:, ::1] dh, real[::1] gradient, int threads=0):
        """The way back of a forward with a tape, which is used up.

        dx may be None: not wanted; dh is None unless forward was given h. `gradient`
        has the size of `weights` and is overwritten.
        """
        cdef lstmc_highway call = self.sized(dy.shape[0], threads)
        cdef Py_ssize_t size = self.tape_size(call.rows)
        cdef int status
        expect(code[real](0) == call.dtype, "dtype", code[real](0), call.dtype)
        call.given = dh is not None
        call.dy = first_row[real](dy, "dy", call.rows, call.size)
        expect(tape.shape[0] >= size, "tape", tape.shape[0], f"at least {size}")
        call.tape = &tape[0] if size > 0 else NULL
        if dx is not None:
            call.dx = first_row[real](dx, "dx", call.rows, call.size)
        if dh is not None:
            call.dh = first_row[real](dh, "dh", call.rows, call.size)
        size = self.count_weights(call.given)
        call.weights = all_of[real](weights, "weights", size)
        call.gradient = all_of[real](gradient, "gradient", size)
        with nogil:
            status = lstmc_highway_backward(&call)
        check(status)
