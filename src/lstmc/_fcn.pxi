# Batch normalization, pooling and attention. A part of _core.pyx.

cdef extern from "lstmc_fcn.h" nogil:
    ctypedef struct lstmc_batch_norm:
        int dtype
        Py_ssize_t rows, channels
        const void *x
        const void *mean
        const void *scale
        const void *bias
        int relu, threads
        void *y
        const void *dy
        const double *precision
        void *dx
        double *d_scale
        double *d_bias

    ctypedef struct lstmc_attention:
        int dtype
        Py_ssize_t samples, inputs, units
        const Py_ssize_t *offsets
        const void *x
        const void *key
        void *gates
        void *context
        void *h
        void *c
        const void *recurrent
        const void *attending
        const void *querying
        const void *vector
        const void *before[2]
        const void *dh
        const void *d_after[2]
        void *dx
        void *d_key
        void *d_query
        void *d_vector
        void *d_before[2]
        int threads
        int (*poll)(void *) noexcept
        void *poll_data

    int lstmc_moments(const lstmc_batch_norm *, double *, double *)
    int lstmc_batch_normalize(const lstmc_batch_norm *)
    int lstmc_batch_normalize_back(const lstmc_batch_norm *)
    int lstmc_pool(int, const Py_ssize_t *, Py_ssize_t, Py_ssize_t, const void *,
                   void *, int)
    int lstmc_pool_back(int, const Py_ssize_t *, Py_ssize_t, Py_ssize_t, const void *,
                        void *, int)
    int lstmc_attend(const lstmc_attention *)
    int lstmc_attend_back(const lstmc_attention *)


cdef int fill_norm(lstmc_batch_norm *call, const real[:, ::1] x, int threads) except -1:
    memset(call, 0, sizeof(call[0]))
    expect(threads >= 0, "threads", threads, "0 or more")
    call.dtype = code[real](0)
    call.rows, call.channels = x.shape[0], x.shape[1]
    call.x = first_row[real](x, "x", x.shape[0], x.shape[1])
    call.threads = threads
    return 0


cdef int fill_affine(lstmc_batch_norm *call, const real[::1] mean,
                     const real[::1] scale,
                     const real[::1] bias, bint relu) except -1:
    call.mean = all_of[real](mean, "mean", call.channels)
    call.scale = all_of[real](scale, "scale", call.channels)
    call.bias = all_of[real](bias, "bias", call.channels)
    call.relu = relu
    return 0


def moments(const real[:, ::1] x, double[::1] mean, double[::1] variance,
            int threads=0):
    """Mean and variance of each column over all rows."""
    cdef lstmc_batch_norm call
    cdef int status
    fill_norm[real](&call, x, threads)
    sizes = (mean.shape[0], variance.shape[0])
    expect(sizes == (x.shape[1],) * 2, "moments", sizes, (x.shape[1],) * 2)
    with nogil:
        status = lstmc_moments(&call, &mean[0], &variance[0])
    check(status)


def batch_normalize(const real[:, ::1] x, const real[::1] mean,
                    const real[::1] scale, const real[::1] bias, bint relu,
                    real[:, ::1] y, int threads=0):
    """y = scale (x - mean) + bias, with relu at least 0; y may be x."""
    cdef lstmc_batch_norm call
    cdef int status
    fill_norm[real](&call, x, threads)
    fill_affine[real](&call, mean, scale, bias, relu)
    call.y = first_row[real](y, "y", x.shape[0], x.shape[1])
    with nogil:
        status = lstmc_batch_normalize(&call)
    check(status)


def batch_normalize_back(const real[:, ::1] x, const real[::1] mean,
                         const real[::1] scale, const real[::1] bias, bint relu,
                         const double[::1] precision, const real[:, ::1] dy,
                         real[:, ::1] dx, double[::1] d_scale, double[::1] d_bias,
                         int threads=0):
    """The way back, through mean and variance of x, too; dx may be dy or None."""
    cdef lstmc_batch_norm call
    cdef int status
    fill_norm[real](&call, x, threads)
    fill_affine[real](&call, mean, scale, bias, relu)
    sizes = (precision.shape[0], d_scale.shape[0], d_bias.shape[0])
    expect(sizes == (x.shape[1],) * 3, "sizes", sizes, (x.shape[1],) * 3)
    call.dy = first_row[real](dy, "dy", x.shape[0], x.shape[1])
    if dx is not None:
        call.dx = first_row[real](dx, "dx", x.shape[0], x.shape[1])
    call.precision = &precision[0]
    call.d_scale, call.d_bias = &d_scale[0], &d_bias[0]
    with nogil:
        status = lstmc_batch_normalize_back(&call)
    check(status)


def pool(const Py_ssize_t[::1] offsets, const real[:, ::1] x, real[:, ::1] y,
         int threads=0):
    """y (samples, channels): the mean of x over the steps of each sample."""
    cdef int status, dtype = code[real](0)
    cdef Py_ssize_t samples = offsets.shape[0] - 1, channels = x.shape[1]
    expect(samples >= 0, "offsets", offsets.shape[0], "at least 1")
    expect(offsets[samples] == x.shape[0], "x", x.shape[0], offsets[samples])
    cdef const void *steps = first_row[real](x, "x", x.shape[0], channels)
    cdef void *out = first_row[real](y, "y", samples, channels)
    with nogil:
        status = lstmc_pool(dtype, &offsets[0], samples, channels, steps, out, threads)
    check(status)


def pool_back(const Py_ssize_t[::1] offsets, const real[:, ::1] dy, real[:, ::1] dx,
              int threads=0):
    """The way back of `pool`."""
    cdef int status, dtype = code[real](0)
    cdef Py_ssize_t samples = offsets.shape[0] - 1, channels = dy.shape[1]
    expect(samples >= 0, "offsets", offsets.shape[0], "at least 1")
    expect(offsets[samples] == dx.shape[0], "dx", dx.shape[0], offsets[samples])
    cdef const void *given = first_row[real](dy, "dy", samples, channels)
    cdef void *out = first_row[real](dx, "dx", dx.shape[0], channels)
    with nogil:
        status = lstmc_pool_back(dtype, &offsets[0], samples, channels, given, out,
                                 threads)
    check(status)


cdef int fill_attention(lstmc_attention *call, const Py_ssize_t[::1] offsets,
                        tuple inputs, tuple weights, tuple before, tuple kept,
                        int threads, real type_) except -1:
    """inputs (x, key), weights (recurrent, attending, querying, vector), before (h, c)
    or None, kept (gates, context, h, c)."""
    cdef const real[:, ::1] x = inputs[0], key = inputs[1]
    cdef const real[:, ::1] recurrent = weights[0], attending = weights[1]
    cdef const real[:, ::1] querying = weights[2]
    cdef const real[::1] vector = weights[3]
    cdef real[:, ::1] gates = kept[0], context = kept[1], h = kept[2], c = kept[3]
    cdef Py_ssize_t samples = offsets.shape[0] - 1, n = vector.shape[0]
    memset(call, 0, sizeof(call[0]))
    expect(threads >= 0, "threads", threads, "0 or more")
    expect(samples > 0, "samples", samples, "at least 1")
    cdef Py_ssize_t steps = offsets[samples], m = x.shape[1]
    call.dtype = code[real](0)
    call.samples, call.inputs, call.units = samples, m, n
    call.offsets = &offsets[0]
    call.x = first_row[real](x, "x", steps, m)
    call.key = first_row[real](key, "key", steps, n)
    call.recurrent = first_row[real](recurrent, "recurrent", 4 * n, n)
    call.attending = first_row[real](attending, "attending", 4 * n, m)
    call.querying = first_row[real](querying, "querying", n, n)
    call.vector = all_of[real](vector, "vector", n)
    call.gates = first_row[real](gates, "gates", steps, 4 * n)
    call.context = first_row[real](context, "context", steps, m)
    call.h = first_row[real](h, "h", steps, n)
    call.c = first_row[real](c, "c", steps, n)
    fill_pair[real](call.before, before, samples, n, 0)
    call.threads = threads
    call.poll = heed_signals
    return 0


cdef int fill_pair(const void **to, tuple arrays, Py_ssize_t samples, Py_ssize_t n,
                   real type_) except -1:
    cdef const real[:, ::1] array
    cdef int k
    if arrays is not None:
        for k in range(2):
            array = arrays[k]
            to[k] = first_row[real](array, "state", samples, n)
    return 0


cdef void *written(real[:, ::1] array, str name, Py_ssize_t rows,
                   Py_ssize_t columns) except? NULL:
    return first_row[real](array, name, rows, columns)


def attend(const Py_ssize_t[::1] offsets, tuple inputs, tuple weights, tuple before,
           tuple kept, const real[::1] dtype, int threads=0):
    """Run an attending LSTM; see `fill_attention`. dtype: an array of the type."""
    cdef lstmc_attention call
    cdef int status
    fill_attention[real](&call, offsets, inputs, weights, before, kept, threads, 0)
    with nogil:
        status = lstmc_attend(&call)
    check(status)


def attend_back(const Py_ssize_t[::1] offsets, tuple inputs, tuple weights,
                tuple before, tuple kept, const real[:, ::1] dh, tuple d_after,
                tuple out, tuple d_before, const real[::1] dtype, int threads=0):
    """The way back; the gates become da. out (dx, d_key, d_query, d_vector)."""
    cdef lstmc_attention call
    cdef int status, k
    cdef real[:, ::1] array
    fill_attention[real](&call, offsets, inputs, weights, before, kept, threads, 0)
    cdef Py_ssize_t steps = offsets[call.samples], n = call.units
    if dh is not None:
        call.dh = first_row[real](dh, "dh", steps, n)
    fill_pair[real](call.d_after, d_after, call.samples, n, 0)
    call.dx = written[real](out[0], "dx", steps, call.inputs)
    call.d_key = written[real](out[1], "d_key", steps, n)
    call.d_query = written[real](out[2], "d_query", steps, n)
    call.d_vector = written[real](out[3], "d_vector", call.samples, n)
    for k in range(2):
        call.d_before[k] = written[real](d_before[k], "d_before", call.samples, n)
    with nogil:
        status = lstmc_attend_back(&call)
    check(status)
