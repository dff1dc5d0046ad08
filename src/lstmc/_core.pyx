# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""The only door to the C library: arrays in, one call without the GIL, check.

Private: shapes are checked here, since C sees pointers alone; everything that a person
may get wrong is checked before, where the names are known.
"""

import os

cimport cython
from libc.math cimport INFINITY, NAN, exp, log
from libc.string cimport memcpy, memset


cdef extern from "Python.h":
    int PyErr_CheckSignals() noexcept
    int PyBuffer_FillInfo(Py_buffer *, object, void *, Py_ssize_t, int, int) except -1

ctypedef fused real:
    float
    double


cdef str of_the_machine():
    """How much memory there is, where the system tells."""
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return ""
    return f", the machine has {there:,}"


cdef int check(int status) except -1:
    """Turn a C status into the exception it means."""
    if status == LSTMC_OK:
        return 0
    if status == LSTMC_STOPPED:
        return -1  # with the exception of the signal's handler
    message = lstmc_message(status).decode()
    if status == LSTMC_NO_MEMORY:
        raise MemoryError(
            f"{message}: {lstmc_wanted_bytes():,.0f} bytes wanted{of_the_machine()}"
        )
    if status == LSTMC_TOO_LARGE:
        raise MemoryError(
            f"{message}: about {lstmc_wanted_bytes():.2g} bytes{of_the_machine()}"
        )
    raise ValueError(message)


cdef int expect(bint right, str what, got, wanted) except -1:
    if not right:
        raise ValueError(f"{what}: expected {wanted}, got {got}")
    return 0


# --- memory -----------------------------------------------------------------------


cdef class Block:
    """Memory for a large output, of the kind that workspaces are: see csrc/memory.c."""

    cdef void *start
    cdef Py_ssize_t size

    def __cinit__(self, Py_ssize_t size):
        self.start, self.size = lstmc_take_memory(size), size
        if self.start == NULL:
            check(LSTMC_NO_MEMORY)

    def __dealloc__(self):
        lstmc_give_memory(self.start)

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.start, self.size, 0, flags)


cdef Py_ssize_t large = 256 << 10  # bytes: the C library may give such arrays back
LARGE = large  # for Python


cpdef fresh(tuple shape, dtype):
    """An uninitialised array; a large one may have the memory of one that is gone.

    The system clears new memory, which takes as long as a fourth of a call.
    """
    cdef Py_ssize_t size = dtype.itemsize, n
    for n in shape:
        size *= n
    if size < large:
        return empty(shape, dtype)
    return ndarray(shape, dtype, memoryview(Block(size)))


def release_memory():
    """Give back to the system what waits for the next large call."""
    lstmc_release_memory()


# --- the registry -----------------------------------------------------------------


cdef bint reads_state(const lstmc_cell *cell, int column, int state) noexcept:
    """Whether R of a column reads a state, or the late row, which is made of h."""
    cdef int k
    if cell.r[column] >= 0 and cell.reads[column] == 0:
        return state == 0
    for k in range(cell.reads[column]):
        if cell.row[cell.from_[column] + k] == state:
            return True
    return False


def cells():
    """The rows of the registry, as dicts."""
    cdef lstmc_cell cell
    rows = []
    for k in range(lstmc_cell_count()):
        check(lstmc_describe_cell(k, &cell))
        rows.append(dict(
            name=cell.name.decode(),
            title=cell.title.decode(),
            equations=cell.equations.decode(),
            source=cell.source.decode(),
            columns=tuple(
                (cell.column[g].decode(), cell.w[g], cell.r[g], cell.b[g])
                for g in range(cell.columns)
            ),
            w_blocks=cell.w_blocks,
            r_blocks=cell.r_blocks,
            b_blocks=cell.b_blocks,
            states=tuple(cell.state[j].decode() for j in range(cell.states)),
            vectors=tuple(cell.vector[j].decode() for j in range(cell.vectors)),
            rows=tuple(cell.state[cell.row[k]].decode() for k in range(cell.rows)),
            reads=tuple(cell.reads[g] for g in range(cell.columns)),
            reads_h=any(reads_state(&cell, g, 0) for g in range(cell.columns)),
            late=sum(cell.r[g] >= 0 and cell.reads[g] == 0
                     for g in range(cell.columns)),
            saved=cell.saved,
            squashes=bool(cell.squashes),
            projects=bool(cell.projects),
            timed=bool(cell.timed),
            statics=cell.statics,
            whole=bool(cell.whole),
        ))
    return rows


# --- calls ------------------------------------------------------------------------


cdef int heed_signals(void *unused) noexcept with gil:
    """Asked by a long call now and then: run the handlers of signals, such as Ctrl-C's.

    What a handler raises stays set until `check` lets it out.
    """
    return PyErr_CheckSignals()


include "_arrays.pxi"
include "_recurrent.pxi"
include "_batch.pxi"
include "_stream.pxi"
include "_dense.pxi"
include "_rowwise.pxi"
include "_conv.pxi"
include "_decode.pxi"
include "_ctc.pxi"
include "_mdlstm.pxi"
include "_edits.pxi"
include "_highway.pxi"
include "_mlstm.pxi"
include "_blocks.pxi"
include "_fcn.pxi"

# --- the machine ------------------------------------------------------------------


def choose_target(str name):
    """Choose "baseline", "avx2", "avx512" or "amx"; "" is the best there is."""
    status = lstmc_choose_target(name.encode())
    if status != LSTMC_OK:
        raise ValueError(
            f"LSTMC_TARGET: expected one of {', '.join(targets())} "
            f"(what this machine runs), got {name!r}"
        )


def target():
    """The name of the chosen target."""
    return lstmc_target().decode()


def targets():
    """The names of the targets that this machine runs, best first."""
    names = "amx", "avx512", "avx2", "baseline"
    return [name for name in names if lstmc_has_target(name.encode())]


def set_threads(int threads):
    """Threads of later calls that name none; 0: the machine's."""
    lstmc_set_threads(threads)


def set_quota(int cpus):
    """CPUs that the system grants to this process; 0: no limit."""
    lstmc_set_quota(cpus)


def threads(int wanted=0):
    """Threads that a large call gets."""
    return lstmc_threads(wanted)


def has_openmp():
    """Whether the library was built with OpenMP."""
    return bool(lstmc_has_openmp())
