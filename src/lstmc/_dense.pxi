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


cdef int type_of(Found found) noexcept nogil:
    return LSTMC_FLOAT32 if found.code == c"f" else LSTMC_FLOAT64


cdef Wanted like(Found found, bint writable, Py_ssize_t first,
                 Py_ssize_t second=-1) noexcept:
    """What is wanted of an array of that dtype: so many elements, or rows and columns.
    """
    return Wanted(found.code, writable, 1 if second < 0 else 2, [first, second, 0])


def dense(x, weight, bias, out, int threads=0):
    """out = x weight' + bias; the bits of a row do not depend on the other rows."""
    cdef lstmc_dense_call call
    cdef Found given = fill_dense(&call, x, bias, out, threads)
    call.w = start_of(weight, "weight", like(given, False, call.outputs, call.inputs))
    run_dense(&call)


def dense_packed(x, packed, bias, out, int threads=0):
    """As `dense`, with the weights that `dense_pack` has packed."""
    cdef lstmc_dense_call call
    cdef Found given = fill_dense(&call, x, bias, out, threads)
    cdef Py_ssize_t size = 0
    check(lstmc_dense_size(call.dtype, call.inputs, call.outputs, &size))
    call.packed = start_of(packed, "packed", like(given, False, size))
    run_dense(&call)


def dense_size(bint is_double, Py_ssize_t inputs, Py_ssize_t outputs):
    """Numbers of packed weights."""
    cdef Py_ssize_t reals = 0
    dtype = LSTMC_FLOAT64 if is_double else LSTMC_FLOAT32
    check(lstmc_dense_size(dtype, inputs, outputs, &reals))
    return reals


def dense_pack(weight, packed):
    """Pack the weights (outputs, inputs) into an aligned array of `dense_size`."""
    cdef Found w = reals_of(weight, "weight", 2, False)
    cdef Py_ssize_t size = 0
    check(lstmc_dense_size(type_of(w), w.size[1], w.size[0], &size))
    check(lstmc_dense_pack(type_of(w), w.at, w.size[1], w.size[0],
                           start_of(packed, "packed", like(w, True, size))))


def dense_backward(x, weight, dy, dx, dweight, dbias, int threads=0):
    """The way back of `dense`; dx, dweight and dbias may be None, else overwritten."""
    cdef lstmc_dense_call call
    cdef Found given = reals_of(x, "x", 2, False)
    cdef Py_ssize_t rows = given.size[0], m = given.size[1], n = len(weight)
    cdef int status
    memset(&call, 0, sizeof(call))
    call.dtype = type_of(given)
    call.rows, call.inputs, call.outputs, call.threads = rows, m, n, threads
    call.x = given.at
    call.w = start_of(weight, "weight", like(given, False, n, m))
    call.dy = start_of(dy, "dy", like(given, False, rows, n))
    if dx is not None:
        call.dx = start_of(dx, "dx", like(given, True, rows, m))
    if dweight is not None:
        call.dw = start_of(dweight, "dweight", like(given, True, n, m))
    if dbias is not None:
        call.db = start_of(dbias, "dbias", like(given, True, n))
    with nogil:
        status = lstmc_dense_backward(&call)
    check(status)


cdef Found fill_dense(lstmc_dense_call *call, x, bias, out, int threads) except *:
    """What the calls of forward have in common; returns what x is."""
    cdef Found given = reals_of(x, "x", 2, False)
    memset(call, 0, sizeof(call[0]))
    call.dtype, call.threads = type_of(given), threads
    call.rows, call.inputs, call.outputs = given.size[0], given.size[1], len(bias)
    call.x = given.at
    call.b = start_of(bias, "bias", like(given, False, call.outputs))
    call.y = start_of(out, "out", like(given, True, call.rows, call.outputs))
    return given


cdef int run_dense(lstmc_dense_call *call) except -1:
    cdef int status
    if call.rows == 0:
        return 0
    with nogil:
        status = lstmc_dense_forward(call)
    return check(status)


def adam_step(weights, gradient, m, v, *, double scale, double learning_rate,
              double beta_1, double beta_2, double epsilon, long long step):
    """One step of adam in place; the gradient is multiplied by scale first."""
    cdef lstmc_solver solver = lstmc_solver(
        scale=scale, learning_rate=learning_rate, beta_1=beta_1, beta_2=beta_2,
        epsilon=epsilon, step=step, momentum=0, nesterov=0)
    cdef Found w = reals_of(weights, "weights", 1, True)
    cdef char *g = start_of(gradient, "gradient", like(w, False, w.size[0]))
    cdef char *first = start_of(m, "m", like(w, True, w.size[0]))
    cdef char *second = start_of(v, "v", like(w, True, w.size[0]))
    cdef int status
    with nogil:
        status = lstmc_adam(type_of(w), &solver, w.at, g, first, second, w.size[0])
    check(status)


def sgd_step(weights, gradient, velocity, *, double scale, double learning_rate,
             double momentum, bint nesterov):
    """One step of gradient descent with momentum in place."""
    cdef lstmc_solver solver = lstmc_solver(
        scale=scale, learning_rate=learning_rate, beta_1=0, beta_2=0, epsilon=0, step=0,
        momentum=momentum, nesterov=nesterov)
    cdef Found w = reals_of(weights, "weights", 1, True)
    cdef char *g = start_of(gradient, "gradient", like(w, False, w.size[0]))
    cdef char *mean = start_of(velocity, "velocity", like(w, True, w.size[0]))
    cdef int status
    with nogil:
        status = lstmc_sgd(type_of(w), &solver, w.at, g, mean, w.size[0])
    check(status)


def squared_norm(x):
    """The sum of squares, summed in float64 in a fixed order."""
    cdef Found given = reals_of(x, "x", 1, False)
    cdef double out = 0
    cdef int status
    with nogil:
        status = lstmc_squared_norm(type_of(given), given.at, given.size[0], &out)
    check(status)
    return out


def dropout(x, double rate, unsigned long long seed, unsigned long long stream):
    """Drop elements in place by a counter; the same call on a gradient goes back."""
    cdef Found given = reals_of(x, "x", 1, True)
    cdef int status
    with nogil:
        status = lstmc_dropout(type_of(given), given.at, given.size[0], rate, seed,
                               stream)
    check(status)
