# Streams of xLSTM blocks, one step a call. A part of _core.pyx.

cdef extern from "lstmc_blocks.h" nogil:
    ctypedef struct lstmc_block:
        int dtype, threads, scalar
        Py_ssize_t samples, width, inner, heads
        double eps
        const Py_ssize_t *offsets
        const void *norm
        const void *conv_w
        const void *conv_b
        const void *head_norm
        const void *up
        const void *down
        const void *maps[3]
        const void *gates_w
        const void *gates_b
        const void *skip
        const void *feed_norm
        void *past
        lstmc_memory memory
        void *state
        lstmc_stream *const *cell
        void *scratch

    int lstmc_block_scratch(const lstmc_block *, Py_ssize_t *)
    int lstmc_block_step(const lstmc_block *, const void *, void *)


cdef class BlockStep:
    """One block of a stream: its weights, by name, and its states, all kept alive.

    up, down: packed by `dense_pack`; past (samples, 3, channels); state: that of
    `memory_step`; cells: opened streams, a head each.
    """

    cdef lstmc_block block
    cdef lstmc_stream *cell[16]
    cdef object kept

    def __init__(self, int dtype, Py_ssize_t samples, Py_ssize_t width,
                 Py_ssize_t inner, Py_ssize_t heads, double eps, dict weights, up,
                 down, const Py_ssize_t[::1] offsets, past, Memory memory, state,
                 list cells, int threads):
        cdef lstmc_block *b = &self.block
        cdef char code = c"d" if dtype == LSTMC_FLOAT64 else c"f"
        cdef Py_ssize_t channels, size = 0
        cdef Stream cell
        cdef int k
        memset(b, 0, sizeof(b[0]))
        b.dtype, b.threads, b.scalar, b.eps = dtype, threads, memory is None, eps
        b.samples, b.width, b.inner, b.heads = samples, width, inner, heads
        expect(offsets.shape[0] == samples + 1, "offsets", offsets.shape[0],
               samples + 1)
        expect(heads <= 16, "heads", heads, "at most 16")
        b.offsets = &offsets[0]
        channels = width if b.scalar else inner
        b.norm = address(weights["norm"], code, width, False)
        b.conv_w = address(weights["conv_weight"], code, 4 * channels, False)
        b.conv_b = address(weights["conv_bias"], code, channels, False)
        b.head_norm = address(weights["head_norm"], code, channels, False)
        b.past = address(past, code, samples * 3 * channels, True)
        double = dtype == LSTMC_FLOAT64
        b.up = address(up, code, dense_size(double, width, 2 * inner), False)
        b.down = address(down, code, dense_size(double, inner, width), False)
        if b.scalar:
            expect(len(cells) == heads, "cells", len(cells), heads)
            b.feed_norm = address(weights["feed_norm"], code, width, False)
            for k in range(heads):
                cell = cells[k]
                cell.enter()
                self.cell[k] = cell.stream
            b.cell = self.cell
        else:
            for k, name in enumerate(("query", "key", "value")):
                b.maps[k] = address(weights[name], code, 4 * inner, False)
            b.gates_w = address(weights["gates_weight"], code, 6 * heads * inner, False)
            b.gates_b = address(weights["gates_bias"], code, 2 * heads, False)
            b.skip = address(weights["skip"], code, inner, False)
            b.memory = memory.memory
            size = samples * heads * memory.stream_size
            b.state = address(state, code, size, True)
        self.kept = (weights, up, down, offsets, past, memory, state, cells)

    def scratch_size(self):
        """Reals of scratch."""
        cdef Py_ssize_t size = 0
        check(lstmc_block_scratch(&self.block, &size))
        return size

    def use(self, scratch):
        """Give it scratch."""
        cdef char code = c"d" if self.block.dtype == LSTMC_FLOAT64 else c"f"
        self.block.scratch = address(scratch, code, self.scratch_size(), True)
        self.kept = (*self.kept, scratch)


cdef class BlockStream(Steps):
    """A stack of blocks that advances by one step a call."""

    cdef list steps
    cdef int dtype, threads
    cdef Py_ssize_t width
    cdef double eps
    cdef const void *embed_w  # NULL: none
    cdef const void *embed_b
    cdef const void *norm  # NULL: none
    cdef void *between[2]
    cdef void *saved

    def open_blocks(self, int dtype, Py_ssize_t samples, Py_ssize_t inputs,
                    Py_ssize_t width, double eps, list steps, embed, norm, between,
                    saved, rows, row, double work, int threads):
        """Open over steps (BlockStep each), embed (packed, b) or None, a norm or None.

        between (2, samples, width)
        """
        cdef BlockStep step
        self.code = c"d" if dtype == LSTMC_FLOAT64 else c"f"
        self.dtype, self.threads, self.eps = dtype, threads, eps
        self.samples, self.inputs, self.width = samples, inputs, width
        self.outputs = width
        self.is_long = work * samples > LONG_STEP
        self.embed_w = self.embed_b = self.norm = NULL
        if embed is not None:
            size = dense_size(dtype == LSTMC_FLOAT64, inputs, width)
            self.embed_w = address(embed[0], self.code, size, False)
            self.embed_b = address(embed[1], self.code, width, False)
        if norm is not None:
            self.norm = address(norm, self.code, width, False)
        for step in steps:
            expect(step.block.samples == samples and step.block.width == width
                   and step.block.scratch != NULL, "steps", "other sizes", "equal ones")
        self.between[0] = address(between[0], self.code, samples * width, True)
        self.between[1] = address(between[1], self.code, samples * width, True)
        self.saved = address(saved, self.code, 2 * samples, True)
        self.out = address(rows, self.code, samples * width, True)
        expect(row is None or address(row, self.code, width, True) == self.out,
               "row", "another array", "a view of rows")
        self.rows, self.row = rows, row
        self.steps = list(steps)
        self.kept = (embed, norm, between, saved)

    cdef int enter(self) except -1:
        if self.steps is None:
            raise ValueError("stream: expected an opened one")
        if self.busy:
            raise RuntimeError("stream: another thread is in the middle of its step")
        return 0

    cdef int advance(self, const void *x) except -1:
        cdef int status, side = 0
        cdef BlockStep step
        with cython.critical_section(self):
            self.enter()
            self.busy = True
            try:
                if self.embed_w != NULL:
                    check(self.embed(x))
                    x, side = self.between[0], 1
                for step in self.steps:
                    if self.is_long:
                        with nogil:
                            status = lstmc_block_step(&step.block, x,
                                                      self.between[side])
                    else:
                        status = lstmc_block_step(&step.block, x, self.between[side])
                    check(status)
                    x, side = self.between[side], 1 - side
                self.finish(x)
            finally:
                self.busy = False
        return 0

    cdef int embed(self, const void *x) noexcept:
        cdef lstmc_dense_call call
        memset(&call, 0, sizeof(call))
        call.dtype, call.threads = self.dtype, self.threads
        call.rows, call.inputs, call.outputs = self.samples, self.inputs, self.width
        call.x, call.packed, call.b = x, self.embed_w, self.embed_b
        call.y = self.between[0]
        return lstmc_dense_forward(&call)

    cdef int finish(self, const void *x) except -1:
        """The last norm, or none, into the output."""
        cdef lstmc_norm call
        cdef size_t size = sizeof(double) if self.code == c"d" else sizeof(float)
        if self.norm == NULL:
            memcpy(self.out, x, self.samples * self.width * size)
            return 0
        memset(&call, 0, sizeof(call))
        call.dtype, call.threads, call.eps = self.dtype, self.threads, self.eps
        call.rows, call.width, call.groups = self.samples, self.width, 1
        call.x, call.w, call.y, call.saved = x, self.norm, self.out, self.saved
        return check(lstmc_norm_forward(&call))
