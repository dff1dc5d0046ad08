/* fcn.c - the entry points of batch normalization, pooling and attention. */
#include "dispatch.h"
#include "tables/fcn_table.h"
#include "parallel.h"

/* Operations that take as long as a number's way through memory. */
#define MEMORY 20.0

static int check_dtype(int dtype)
{
    return dtype == LSTMC_FLOAT32 || dtype == LSTMC_FLOAT64 ? LSTMC_OK
                                                            : LSTMC_BAD_DTYPE;
}

static const FcnKernels *fcn_of(int dtype) { return kernels_of(dtype)->fcn; }

/* --- batch normalization --------------------------------------------------------- */

static int check_norm(const lstmc_batch_norm *n)
{
    CHECK(check_dtype(n->dtype));
    if (n->rows < 0 || n->channels < 1 || n->threads < 0)
        return LSTMC_BAD_SIZE;
    CHECK(check_bytes((double)(n->rows + 64) * (double)n->channels * 2));
    return n->rows > 0 && !n->x ? LSTMC_NULL_ARRAY : LSTMC_OK;
}

static int take_norm(const lstmc_batch_norm *n)
{
    return take_threads(n->threads, MEMORY * (double)n->rows * (double)n->channels);
}

int lstmc_moments(const lstmc_batch_norm *n, double *mean, double *variance)
{
    CHECK(check_norm(n));
    if (!mean || !variance)
        return LSTMC_NULL_ARRAY;
    const FcnKernels *fcn = fcn_of(n->dtype);
    void *memory = lstmc_take_memory((size_t)fcn->norm_workspace(n));
    if (!memory)
        return LSTMC_NO_MEMORY;
    const int threads = take_norm(n);
    fcn->moments(n, threads, memory, mean, variance);
    give_threads(threads);
    lstmc_give_memory(memory);
    return LSTMC_OK;
}

static int check_affine(const lstmc_batch_norm *n)
{
    CHECK(check_norm(n));
    return n->mean && n->scale && n->bias ? LSTMC_OK : LSTMC_NULL_ARRAY;
}

int lstmc_batch_normalize(const lstmc_batch_norm *n)
{
    CHECK(check_affine(n));
    if (n->rows > 0 && !n->y)
        return LSTMC_NULL_ARRAY;
    const int threads = take_norm(n);
    fcn_of(n->dtype)->normalize(n, threads);
    give_threads(threads);
    return LSTMC_OK;
}

int lstmc_batch_normalize_back(const lstmc_batch_norm *n)
{
    CHECK(check_affine(n));
    if (!n->precision || !n->d_scale || !n->d_bias || (n->rows > 0 && !n->dy))
        return LSTMC_NULL_ARRAY;
    const FcnKernels *fcn = fcn_of(n->dtype);
    void *memory = lstmc_take_memory((size_t)fcn->norm_workspace(n));
    if (!memory)
        return LSTMC_NO_MEMORY;
    const int threads = take_norm(n);
    fcn->normalize_back(n, threads, memory);
    give_threads(threads);
    lstmc_give_memory(memory);
    return LSTMC_OK;
}

/* --- pooling --------------------------------------------------------------------- */

static int check_offsets(const ptrdiff_t *offsets, ptrdiff_t samples)
{
    if (!offsets)
        return LSTMC_NULL_ARRAY;
    if (offsets[0] != 0)
        return LSTMC_BAD_OFFSETS;
    for (ptrdiff_t k = 0; k < samples; ++k)
        if (offsets[k + 1] < offsets[k])
            return LSTMC_BAD_OFFSETS;
    return LSTMC_OK;
}

static int check_pool(int dtype, const ptrdiff_t *offsets, ptrdiff_t samples,
                      ptrdiff_t channels, const void *steps, const void *pooled,
                      int threads)
{
    CHECK(check_dtype(dtype));
    if (samples < 0 || channels < 1 || threads < 0)
        return LSTMC_BAD_SIZE;
    CHECK(check_offsets(offsets, samples));
    if ((samples > 0 && !pooled) || (offsets[samples] > 0 && !steps))
        return LSTMC_NULL_ARRAY;
    return LSTMC_OK;
}

static int take_pool(const ptrdiff_t *offsets, ptrdiff_t samples, ptrdiff_t channels,
                     int threads)
{
    return take_threads(threads, MEMORY * (double)offsets[samples] * (double)channels);
}

int lstmc_pool(int dtype, const ptrdiff_t *offsets, ptrdiff_t samples,
               ptrdiff_t channels, const void *x, void *y, int threads)
{
    CHECK(check_pool(dtype, offsets, samples, channels, x, y, threads));
    const int team = take_pool(offsets, samples, channels, threads);
    fcn_of(dtype)->pool(offsets, samples, channels, x, y, team);
    give_threads(team);
    return LSTMC_OK;
}

int lstmc_pool_back(int dtype, const ptrdiff_t *offsets, ptrdiff_t samples,
                    ptrdiff_t channels, const void *dy, void *dx, int threads)
{
    CHECK(check_pool(dtype, offsets, samples, channels, dx, dy, threads));
    const int team = take_pool(offsets, samples, channels, threads);
    fcn_of(dtype)->pool_back(offsets, samples, channels, dy, dx, team);
    give_threads(team);
    return LSTMC_OK;
}

/* --- attention ------------------------------------------------------------------- */

static ptrdiff_t longest_of(const lstmc_attention *call)
{
    ptrdiff_t longest = 0;
    for (ptrdiff_t k = 0; k < call->samples; ++k) {
        const ptrdiff_t steps = call->offsets[k + 1] - call->offsets[k];
        longest = steps > longest ? steps : longest;
    }
    return longest;
}

static int check_attention(const lstmc_attention *call)
{
    CHECK(check_dtype(call->dtype));
    if (call->samples < 0 || call->inputs < 1 || call->units < 1 || call->threads < 0)
        return LSTMC_BAD_SIZE;
    CHECK(check_offsets(call->offsets, call->samples));
    const double n = (double)call->units, m = (double)call->inputs;
    /* A thread has the keys of a sample, and there are fewer than a thousand. */
    const double each = 3 * (double)(longest_of(call) + 64) * (n + 64) + 20 * n + m;
    CHECK(check_bytes((1000 * each + 8 * n * (n + m)) * 2));
    if (!call->recurrent || !call->attending || !call->querying || !call->vector)
        return LSTMC_NULL_ARRAY;
    const int is_empty = call->offsets[call->samples] == 0;
    if (!is_empty && (!call->x || !call->key || !call->gates || !call->context ||
                      !call->h || !call->c))
        return LSTMC_NULL_ARRAY;
    return LSTMC_OK;
}

/* Every step looks at all steps of its sample. */
static double work_of(const lstmc_attention *call)
{
    const double n = (double)call->units, m = (double)call->inputs;
    double work = 0;
    for (ptrdiff_t k = 0; k < call->samples; ++k) {
        const double steps = (double)(call->offsets[k + 1] - call->offsets[k]);
        work += steps * (steps * (20 * n + 2 * m) + 10 * n * n + 8 * n * m);
    }
    return work;
}

static int run(const lstmc_attention *call, int back)
{
    if (call->samples == 0)
        return LSTMC_OK;
    const FcnKernels *fcn = fcn_of(call->dtype);
    const ptrdiff_t longest = longest_of(call);
    const int taken = take_threads(call->threads, work_of(call));
    const int threads = taken < call->samples ? taken : (int)call->samples;
    int (*const kernel)(const lstmc_attention *, ptrdiff_t, int, void *) =
        back ? fcn->attend_back : fcn->attend;
    int status = LSTMC_NO_MEMORY;
    void *memory =
        lstmc_take_memory((size_t)fcn->attend_workspace(call, longest, threads));
    if (memory) {
        status = kernel(call, longest, threads, memory);
        lstmc_give_memory(memory);
    }
    give_threads(taken);
    return status;
}

int lstmc_attend(const lstmc_attention *call)
{
    CHECK(check_attention(call));
    return run(call, 0);
}

int lstmc_attend_back(const lstmc_attention *call)
{
    CHECK(check_attention(call));
    const int is_empty = call->offsets[call->samples] == 0;
    if (!is_empty && (!call->dx || !call->d_key || !call->d_query))
        return LSTMC_NULL_ARRAY;
    if (call->samples > 0 &&
        (!call->d_vector || !call->d_before[0] || !call->d_before[1]))
        return LSTMC_NULL_ARRAY;
    return run(call, 1);
}
