# Where arrays start, once their shapes are checked. A part of _core.pyx.

from cpython.buffer cimport (PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_STRIDES,
                             PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer)

# The code of an index in a buffer: NumPy's intp is a long, or on Windows a long long.
cdef char INDEX = c"l" if sizeof(long) == sizeof(Py_ssize_t) else c"q"


cdef void *all_of(const real[::1] array, str name, Py_ssize_t size) except? NULL:
    """The start of an array of that size; NULL if it is empty."""
    expect(array.shape[0] == size, name, array.shape[0], size)
    return <void *>&array[0] if size > 0 else NULL


cdef void *first_row(const real[:, ::1] array, str what, Py_ssize_t rows,
                     Py_ssize_t columns) except? NULL:
    """The start of an array of that shape; NULL if it is empty."""
    if array.shape[0] != rows or array.shape[1] != columns:
        expect(False, what, (array.shape[0], array.shape[1]), (rows, columns))
    return <void *>&array[0, 0] if rows > 0 else NULL


# Arrays as buffers: a typed view of each takes four times as long, as long as all the
# work of a short call.
cdef struct Wanted:
    char code  # of the dtype in a buffer: f, d
    bint writable
    int axes
    Py_ssize_t size[3]


cdef char *start_of(array, str what, Wanted wanted) except NULL:
    """Where a C-contiguous array of that dtype and shape starts.

    The caller keeps the array alive.
    """
    cdef Py_buffer view
    cdef int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT
    cdef bint right
    cdef int axis
    PyObject_GetBuffer(array, &view,
                       flags | PyBUF_WRITABLE if wanted.writable else flags)
    right = view.ndim == wanted.axes and view.format[0] == wanted.code
    for axis in range(wanted.axes if right else 0):
        right = right and view.shape[axis] == wanted.size[axis]
    cdef char *start = <char *>view.buf
    PyBuffer_Release(&view)
    if not right:
        expect(False, what, (array.dtype.char, array.shape),
               (chr(wanted.code), [wanted.size[k] for k in range(wanted.axes)]))
    return start


cdef void *address(array, char code, Py_ssize_t size, bint writable) except NULL:
    """Where the `size` elements of a C-contiguous array start."""
    cdef Py_buffer view
    PyObject_GetBuffer(array, &view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT
                       | (PyBUF_WRITABLE if writable else 0))
    cdef void *start = view.buf
    cdef Py_ssize_t got = view.len // view.itemsize
    cdef char kind = view.format[0]
    PyBuffer_Release(&view)
    if kind != code or got != size:  # what to say takes longer than to look
        expect(False, "array", (chr(kind), got), (chr(code), size))
    return start
