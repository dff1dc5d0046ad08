# Where arrays start, once their shapes are checked. A part of _core.pyx.

from numpy import dtype as dtype_of_numpy
from numpy import empty as empty_of_numpy
from numpy import ndarray as ndarray_of_numpy

from cpython.buffer cimport (PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_STRIDES,
                             PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer)

# The fields of an array, and a new one: buffers, and what Python calls, take three
# times as long, and a call of a small layer looks at a dozen arrays and makes a few.
cdef extern from *:
    """
    #define NPY_NO_DEPRECATED_API NPY_1_23_API_VERSION
    #define NPY_TARGET_VERSION NPY_1_23_API_VERSION
    #include <numpy/arrayobject.h>
    """
    ctypedef struct Array "PyArrayObject":
        pass
    ctypedef struct Descr "PyArray_Descr":
        char type  # as in a buffer
    char *PyArray_BYTES(Array *)
    int PyArray_NDIM(Array *)
    Py_ssize_t *PyArray_DIMS(Array *)
    Descr *PyArray_DESCR(Array *)
    bint PyArray_ISCARRAY(Array *)
    bint PyArray_ISCARRAY_RO(Array *)
    object PyArray_SimpleNew(int axes, Py_ssize_t *size, int of)
    int _import_array() except -1
    enum: NPY_FLOAT, NPY_DOUBLE

_import_array()

cdef object ndarray = ndarray_of_numpy
cdef object empty = empty_of_numpy
cdef object FLOAT = dtype_of_numpy("float32")
cdef object DOUBLE = dtype_of_numpy("float64")

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


cdef new_reals(char code, int axes, Py_ssize_t *size):
    """`fresh` for floats or doubles, by their code in a buffer."""
    cdef bint float64 = code == c"d"
    cdef Py_ssize_t bytes = 8 if float64 else 4
    cdef int axis
    for axis in range(axes):
        bytes *= size[axis]
    if bytes < large:
        return PyArray_SimpleNew(axes, size, NPY_DOUBLE if float64 else NPY_FLOAT)
    shape = tuple([size[axis] for axis in range(axes)])
    return fresh(shape, DOUBLE if float64 else FLOAT)


# What an array is found to be.
cdef struct Found:
    char *at
    char code
    int axes
    Py_ssize_t elements
    Py_ssize_t size[3]  # of the first three axes


cdef bint is_plain(array, bint writable) noexcept:
    """Whether it is NumPy's own, C-contiguous, aligned and in this machine's order."""
    return type(array) is ndarray and (
        PyArray_ISCARRAY(<Array *>array) if writable
        else PyArray_ISCARRAY_RO(<Array *>array))


cdef Found look_at(array, bint writable) except *:
    """What a C-contiguous array is; the caller keeps it alive."""
    cdef Array *plain = <Array *>array
    cdef Py_buffer view
    cdef Found found
    cdef int axis
    if is_plain(array, writable):
        found.at, found.code = PyArray_BYTES(plain), PyArray_DESCR(plain).type
        found.axes, found.elements = PyArray_NDIM(plain), 1
        for axis in range(found.axes):
            found.elements *= PyArray_DIMS(plain)[axis]
            if axis < 3:
                found.size[axis] = PyArray_DIMS(plain)[axis]
        return found
    PyObject_GetBuffer(array, &view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT
                       | (PyBUF_WRITABLE if writable else 0))
    found.at, found.code, found.axes = <char *>view.buf, view.format[0], view.ndim
    found.elements = view.len // view.itemsize
    for axis in range(min(found.axes, 3)):
        found.size[axis] = view.shape[axis]
    PyBuffer_Release(&view)
    return found


cdef Found reals_of(array, str what, int axes, bint writable) except *:
    """An array of floats or doubles with so many axes."""
    cdef Found found = look_at(array, writable)
    if found.axes != axes or (found.code != c"f" and found.code != c"d"):
        expect(False, what, (chr(found.code), found.axes), ("f or d", axes))
    return found


cdef Found indices_of(array, str what) except *:
    """A row of indices."""
    cdef Found found = look_at(array, False)
    if found.axes != 1 or found.code != INDEX:
        expect(False, what, (chr(found.code), found.axes), (chr(INDEX), 1))
    return found


cdef char *start_of(array, str what, Wanted wanted) except NULL:
    """Where a C-contiguous array of that dtype and shape starts.

    The caller keeps the array alive.
    """
    cdef Found found = look_at(array, wanted.writable)
    cdef bint right = found.axes == wanted.axes and found.code == wanted.code
    cdef int axis
    for axis in range(wanted.axes if right else 0):
        right = right and found.size[axis] == wanted.size[axis]
    if not right:
        expect(False, what, (array.dtype.char, array.shape),
               (chr(wanted.code), [wanted.size[k] for k in range(wanted.axes)]))
    return found.at


cdef void *address(array, char code, Py_ssize_t size, bint writable) except NULL:
    """Where the `size` elements of a C-contiguous array start."""
    cdef Found found = look_at(array, writable)
    if found.code != code or found.elements != size:
        expect(False, "array", (chr(found.code), found.elements), (chr(code), size))
    return found.at
