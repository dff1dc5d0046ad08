# A dense layer, solvers and dropout. A part of _core.pyx.

cdef extern from "lstmc_dense.h" nogil:
    ctypedef struct lstmc_dense_call:
        int dtype
        Py_ssize_t rows, inputs, outputs
        const void *x
        const void *w
        const void *packed
        const void *b
        void *y
        const void *dy
        void *dx
        void *dw
        void *db
        int threads

    int lstmc_dense_size(int, Py_ssize_t, Py_ssize_t, Py_ssize_t *)
    int lstmc_dense_pack(int, const void *, Py_ssize_t, Py_ssize_t, void *)
    int lstmc_dense_forward(const lstmc_dense_call *)
    int lstmc_dense_backward(const lstmc_dense_call *)


cdef int code(real x) noexcept:
    return LSTMC_FLOAT32 if real is float else LSTMC_FLOAT64


def dense(const real[:, ::1] x, const real[:, ::1] weight, const real[::1] bias,
          real[:, ::1] out, int threads=0):
    """out = x weight' + bias; the bits of a row do not depend on the other rows."""
    cdef lstmc_dense_call call
    fill_dense[real](&call, x, out, weight.shape[0], bias, threads)
    expect(weight.shape[1] == x.shape[1], "weight", weight.shape[1], x.shape[1])
    if x.shape[0] == 0:
        return
    call.w = &weight[0, 0]
    run_dense(&call)


def dense_packed(const real[:, ::1] x, const real[::1] packed, const real[::1] bias,
                 real[:, ::1] out, int threads=0):
    """As `dense`, with the weights that `dense_pack` has packed."""
    cdef lstmc_dense_call call
    fill_dense[real](&call, x, out, bias.shape[0], bias, threads)
    size = dense_size(sizeof(real) == 8, x.shape[1], bias.shape[0])
    all_of[real](packed, "packed", size)
    if x.shape[0] == 0:
        return
    call.packed = &packed[0]
    run_dense(&call)


def dense_size(bint is_double, Py_ssize_t inputs, Py_ssize_t outputs):
    """Numbers of packed weights."""
    cdef Py_ssize_t reals = 0
    dtype = LSTMC_FLOAT64 if is_double else LSTMC_FLOAT32
    check(lstmc_dense_size(dtype, inputs, outputs, &reals))
    return reals


def dense_pack(const real[:, ::1] weight, real[::1] packed):
    """Pack the weights (outputs, inputs) into an aligned array of `dense_size`."""
    cdef int dtype = code[real](0)
    size = dense_size(sizeof(real) == 8, weight.shape[1], weight.shape[0])
    all_of[real](packed, "packed", size)
    check(lstmc_dense_pack(dtype, &weight[0, 0], weight.shape[1], weight.shape[0],
                           &packed[0]))


def dense_backward(const real[:, ::1] x, const real[:, ::1] weight,
                   const real[:, ::1] dy, real[:, ::1] dx, real[:, ::1] dweight,
                   real[::1] dbias, int threads=0):
    """The way back of `dense`; dx, dweight and dbias may be None, else overwritten."""
    cdef lstmc_dense_call call
    cdef Py_ssize_t rows = x.shape[0], m = x.shape[1], n = weight.shape[0]
    cdef int status
    memset(&call, 0, sizeof(call))
    call.dtype = code[real](0)
    call.rows, call.inputs, call.outputs, call.threads = rows, m, n, threads
    expect(weight.shape[1] == m, "weight", weight.shape[1], m)
    call.w = &weight[0, 0]
    call.x = first_row[real](x, "x", rows, m)
    call.dy = first_row[real](dy, "dy", rows, n)
    if dx is not None:
        call.dx = first_row[real](dx, "dx", rows, m)
    if dweight is not None:
        call.dw = first_row[real](dweight, "dweight", n, m)
    if dbias is not None:
        call.db = all_of[real](dbias, "dbias", n)
    with nogil:
        status = lstmc_dense_backward(&call)
    check(status)


cdef int fill_dense(lstmc_dense_call *call, const real[:, ::1] x, real[:, ::1] out,
                    Py_ssize_t outputs, const real[::1] bias, int threads) except -1:
    """What the calls of forward have in common."""
    cdef Py_ssize_t rows = x.shape[0]
    memset(call, 0, sizeof(call[0]))
    call.dtype = code[real](0)
    call.rows, call.inputs, call.outputs = rows, x.shape[1], outputs
    call.threads = threads
    call.x = first_row[real](x, "x", rows, x.shape[1])
    call.y = first_row[real](out, "out", rows, outputs)
    call.b = all_of[real](bias, "bias", outputs)
    return 0


cdef int run_dense(lstmc_dense_call *call) except -1:
    cdef int status
    with nogil:
        status = lstmc_dense_forward(call)
    return check(status)


def adam_step(real[::1] weights, const real[::1] gradient, real[::1] m, real[::1] v, *,
              double scale, double learning_rate, double beta_1, double beta_2,
              double epsilon, long long step):
    """One step of adam in place; the gradient is multiplied by scale first."""
    cdef lstmc_solver solver = lstmc_solver(
        scale=scale, learning_rate=learning_rate, beta_1=beta_1, beta_2=beta_2,
        epsilon=epsilon, step=step, momentum=0, nesterov=0)
    cdef Py_ssize_t size = weights.shape[0]
    cdef int status, dtype = code[real](0)
    sizes = (gradient.shape[0], m.shape[0], v.shape[0])
    expect(sizes == (size, size, size), "adam", sizes, size)
    if size == 0:
        return
    with nogil:
        status = lstmc_adam(dtype, &solver, &weights[0], &gradient[0], &m[0], &v[0],
                            size)
    check(status)


def sgd_step(real[::1] weights, const real[::1] gradient, real[::1] velocity, *,
             double scale, double learning_rate, double momentum, bint nesterov):
    """One step of gradient descent with momentum in place."""
    cdef lstmc_solver solver = lstmc_solver(
        scale=scale, learning_rate=learning_rate, beta_1=0, beta_2=0, epsilon=0, step=0,
        momentum=momentum, nesterov=nesterov)
    cdef Py_ssize_t size = weights.shape[0]
    cdef int status, dtype = code[real](0)
    expect(gradient.shape[0] == size and velocity.shape[0] == size, "sgd",
           (gradient.shape[0], velocity.shape[0]), size)
    if size == 0:
        return
    with nogil:
        status = lstmc_sgd(dtype, &solver, &weights[0], &gradient[0], &velocity[0],
                           size)
    check(status)


def squared_norm(const real[::1] x):
    """The sum of squares, summed in float64 in a fixed order."""
    cdef double out = 0
    cdef int status, dtype = code[real](0)
    if x.shape[0] == 0:
        return 0.0
    with nogil:
        status = lstmc_squared_norm(dtype, &x[0], x.shape[0], &out)
    check(status)
    return out


def dropout(real[::1] x, double rate, unsigned long long seed,
            unsigned long long stream):
    """Drop elements in place by a counter; the same call on a gradient goes back."""
    cdef int status, dtype = code[real](0)
    if x.shape[0] == 0:
        return
    with nogil:
        status = lstmc_dropout(dtype, &x[0], x.shape[0], rate, seed, stream)
    check(status)
