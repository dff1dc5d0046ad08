# The multidimensional LSTM. A part of _core.pyx.

cdef extern from "lstmc_mdlstm.h" nogil:
    ctypedef struct lstmc_mdlstm:
        int dtype, dims, directions
        int direction[8]
        Py_ssize_t samples, inputs, units
        const Py_ssize_t *shape
        const void *weights
        const void *x
        void *y
        void *tape
        const void *dy
        void *dx
        void *gradient
        int threads
        int (*poll)(void *) noexcept
        void *poll_data

    int lstmc_mdlstm_tape_size(const lstmc_mdlstm *, Py_ssize_t *)
    int lstmc_mdlstm_forward(const lstmc_mdlstm *)
    int lstmc_mdlstm_backward(const lstmc_mdlstm *)


cdef int fill_mdlstm(lstmc_mdlstm *call, const real[::1] weights,
                     const Py_ssize_t[:, ::1] shapes, tuple directions,
                     Py_ssize_t units, const real[:, ::1] x, real[:, ::1] y,
                     int threads) except -1:
    """What both ways have in common; there is at least one image."""
    cdef Py_ssize_t cells = 0, own, dims = shapes.shape[1]
    memset(call, 0, sizeof(call[0]))
    expect(shapes.shape[0] > 0, "shapes", shapes.shape[0], "at least 1")
    expect(1 <= dims <= 3, "dimensions", dims, "1 to 3")
    expect(1 <= len(directions) <= 8, "directions", len(directions), "1 to 8")
    for j in range(shapes.shape[0]):
        own = 1
        for d in range(dims):
            expect(shapes[j, d] > 0, "shape", shapes[j, d], "at least 1")
            own *= shapes[j, d]
        cells += own
    expect(units > 0 and x.shape[1] > 0, "sizes", (units, x.shape[1]), "at least 1")
    expect(x.shape[0] == cells, "cells", x.shape[0], cells)
    sizes = len(directions), (
        (dims + 3) * units * (x.shape[1] + dims * units + 1) + (dims + 2) * units)
    expect(weights.shape[0] == sizes[0] * sizes[1], "weights", weights.shape[0], sizes)
    call.dtype = code[real](0)
    call.dims = <int>dims
    call.directions = <int>len(directions)
    for k in range(call.directions):
        call.direction[k] = directions[k]
    call.samples = shapes.shape[0]
    call.inputs = x.shape[1]
    call.units = units
    call.shape = &shapes[0, 0]
    call.weights = &weights[0]
    call.x = &x[0, 0]
    call.y = first_row[real](y, "y", cells, call.directions * units)
    call.threads = threads
    call.poll = heed_signals
    return 0


def mdlstm_tape_size(const Py_ssize_t[:, ::1] shapes, int directions,
                     Py_ssize_t inputs, Py_ssize_t units, bint float64):
    """Reals of the tape of a call with such images."""
    cdef lstmc_mdlstm call
    cdef Py_ssize_t size = 0
    memset(&call, 0, sizeof(call))
    call.dtype = LSTMC_FLOAT64 if float64 else LSTMC_FLOAT32
    call.dims = <int>shapes.shape[1]
    call.directions = directions
    call.samples = shapes.shape[0]
    call.inputs, call.units = inputs, units
    call.shape = &shapes[0, 0] if shapes.shape[0] > 0 else NULL
    check(lstmc_mdlstm_tape_size(&call, &size))
    return size


def mdlstm_forward(const real[::1] weights, const Py_ssize_t[:, ::1] shapes,
                   tuple directions, Py_ssize_t units, const real[:, ::1] x,
                   real[:, ::1] y, real[::1] tape, int threads=0):
    """Outputs (cells, directions * units) into y; tape may be None."""
    cdef lstmc_mdlstm call
    cdef int status
    fill_mdlstm[real](&call, weights, shapes, directions, units, x, y, threads)
    if tape is not None:
        wanted = mdlstm_tape_size(shapes, call.directions, call.inputs, units,
                                  call.dtype == LSTMC_FLOAT64)
        expect(tape.shape[0] == wanted, "tape", tape.shape[0], wanted)
        call.tape = &tape[0]
    with nogil:
        status = lstmc_mdlstm_forward(&call)
    check(status)


def mdlstm_backward(const real[::1] weights, const Py_ssize_t[:, ::1] shapes,
                    tuple directions, Py_ssize_t units, const real[:, ::1] x,
                    real[:, ::1] y, real[::1] tape, const real[:, ::1] dy,
                    real[:, ::1] dx, real[::1] gradient, int threads=0):
    """Gradients from that of y; dx may be None."""
    cdef lstmc_mdlstm call
    cdef int status
    fill_mdlstm[real](&call, weights, shapes, directions, units, x, y, threads)
    wanted = mdlstm_tape_size(shapes, call.directions, call.inputs, units,
                              call.dtype == LSTMC_FLOAT64)
    expect(tape.shape[0] == wanted, "tape", tape.shape[0], wanted)
    expect(gradient.shape[0] == weights.shape[0], "gradient", gradient.shape[0],
           weights.shape[0])
    call.tape = &tape[0]
    call.dy = first_row[real](dy, "dy", x.shape[0], y.shape[1])
    if dx is not None:
        call.dx = <void *>first_row[real](dx, "dx", x.shape[0], x.shape[1])
    call.gradient = &gradient[0]
    with nogil:
        status = lstmc_mdlstm_backward(&call)
    check(status)
