# A dense layer, solvers and dropout. A part of _core.pyx.

cdef int code(real x) noexcept:
    return LSTMC_FLOAT32 if real is float else LSTMC_FLOAT64


def dense(const real[:, ::1] x, const real[:, ::1] weight, const real[::1] bias,
          real[:, ::1] out, int threads=0):
    """out = x weight' + bias; the bits of a row do not depend on the other rows."""
    cdef int status, dtype = code[real](0)
    cdef Py_ssize_t rows = x.shape[0], inputs = x.shape[1], outputs = weight.shape[0]
    expect(weight.shape[1] == inputs, "weight", weight.shape[1], inputs)
    expect(bias.shape[0] == outputs, "bias", bias.shape[0], outputs)
    expect(out.shape[0] == rows and out.shape[1] == outputs, "out",
           (out.shape[0], out.shape[1]), (rows, outputs))
    if rows == 0:
        return
    with nogil:
        status = lstmc_dense(dtype, &x[0, 0], &weight[0, 0], &bias[0], &out[0, 0], rows,
                             inputs, outputs, threads)
    check(status)


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
