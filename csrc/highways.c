/* highways.c - the entry points of highway layers. */
#include <stdint.h>

#include "dispatch.h"
#include "tables/highway_table.h"
#include "parallel.h"

static int check_stack(const lstmc_highway *call)
{
    if (call->dtype != LSTMC_FLOAT32 && call->dtype != LSTMC_FLOAT64)
        return LSTMC_BAD_DTYPE;
    if (call->rows < 0 || call->size < 1 || call->layers < 1 || call->threads < 0)
        return LSTMC_BAD_SIZE;
    if (call->gates < LSTMC_GATES_COUPLED || call->gates > LSTMC_GATES_NONE ||
        call->activation < LSTMC_TANH || call->activation > LSTMC_IDENTITY)
        return LSTMC_BAD_OPTION;
    /* Four numbers a unit, row and layer, and three matrices a layer, in lines. */
    const double width = (double)call->size + 64,
                 rows = (double)call->rows + 64 * 1024.0;
    return check_bytes((double)call->layers * width * 8 * (6 * rows + 6 * width));
}

static int check_given(const lstmc_highway *call, int given)
{
    const int can = call->layers == 1 && (call->gates == LSTMC_GATES_COUPLED ||
                                          call->gates == LSTMC_GATES_SEPARATE);
    return !given || can ? LSTMC_OK : LSTMC_BAD_OPTION;
}

static int check_tape(const void *tape)
{
    return is_aligned(tape) ? LSTMC_OK : LSTMC_NOT_ALIGNED;
}

static double work_of(const lstmc_highway *call, int given)
{
    return 2.0 * (double)call->rows * (double)call->layers * (double)call->size *
           (double)call->size * highway_columns(call, given);
}

/* A kernel, with the workspace that it wants. */
static int run(const lstmc_highway *call, int backward, double work,
               int (*kernel)(const lstmc_highway *, int, void *))
{
    const int threads = take_threads(call->threads, work);
    int status = LSTMC_NO_MEMORY;
    void *memory = lstmc_take_memory(
        (size_t)kernels_of(call->dtype)->highway->workspace(call, threads, backward));
    if (memory) {
        status = kernel(call, threads, memory);
        lstmc_give_memory(memory);
    }
    give_threads(threads);
    return status;
}

int lstmc_highway_tape_size(const lstmc_highway *call, ptrdiff_t *reals)
{
    CHECK(check_stack(call));
    *reals = kernels_of(call->dtype)->highway->tape_size(call);
    return LSTMC_OK;
}

int lstmc_highway_forward(const lstmc_highway *call)
{
    CHECK(check_stack(call));
    CHECK(check_given(call, call->h != NULL));
    CHECK(check_tape(call->tape));
    if (call->rows == 0)
        return LSTMC_OK;
    if (!call->weights || !call->x || !call->y)
        return LSTMC_NULL_ARRAY;
    return run(call, 0, work_of(call, call->h != NULL),
               kernels_of(call->dtype)->highway->forward);
}

int lstmc_highway_backward(const lstmc_highway *call)
{
    CHECK(check_stack(call));
    CHECK(check_given(call, call->given));
    CHECK(check_tape(call->tape));
    if (!call->weights || !call->gradient ||
        (call->rows > 0 && (!call->tape || !call->dy || (call->given && !call->dh))))
        return LSTMC_NULL_ARRAY;
    return run(call, 1, 2 * work_of(call, call->given),
               kernels_of(call->dtype)->highway->backward);
}
