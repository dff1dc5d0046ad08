# Convolutions. A part of _core.pyx.


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
