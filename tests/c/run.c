/* run.c - a problem through the library: packed, forward, backward, unpacked. */
#include <string.h>

#include "check.h"
#include "guard.h"
#include "problem.h"

/* The arrays that the library does not write, to see that it did not. */
typedef struct {
    const void *array;
    void *copy;
    size_t bytes;
} Untouched;

enum { MOST_UNTOUCHED = 2 * MOST_ARRAYS };

typedef struct {
    const Problem *p;
    lstmc_call call;
    Untouched untouched[MOST_UNTOUCHED];
    int count;
} Run;

/* One real behind a cache line: only weights, tape and gradient must be aligned. */
static const void *give(Run *run, const double *from, ptrdiff_t size)
{
    const int dtype = run->p->layer.dtype;
    void *array = to_reals(dtype, from, size, 1);
    const size_t bytes = (size_t)size * real_size(dtype);
    void *copy = keep(bytes, 0);
    memcpy(copy, array, bytes);
    run->untouched[run->count++] = (Untouched){array, copy, bytes};
    return array;
}

static void check_untouched(const Run *run)
{
    for (const Untouched *u = run->untouched; u < run->untouched + run->count; ++u)
        CHECK_SAY(memcmp(u->array, u->copy, u->bytes) == 0, "an input was written");
}

/* The numbers of a direction's weights in the order of Parts. */
enum { W, R, B, V, PARTS };
typedef struct {
    ptrdiff_t size[PARTS];
} Sizes;

static Sizes sizes_of(const Problem *p)
{
    const ptrdiff_t n = p->layer.units, m = p->layer.inputs;
    return (Sizes){{p->cell.w_blocks * n * m, p->cell.r_blocks * n * n,
                    p->cell.b_blocks * n, p->cell.vectors * n}};
}

void *packed_weights(const Problem *p, int side, ptrdiff_t *size)
{
    const int dtype = p->layer.dtype;
    const Sizes sizes = sizes_of(p);
    CHECK(lstmc_packed_size(&p->layer, size) == LSTMC_OK);
    void *packed = empty_reals(dtype, *size, 0);
    const lstmc_weights weights = {.w = to_reals(dtype, p->w[side], sizes.size[W], 1),
                                   .r = to_reals(dtype, p->r[side], sizes.size[R], 1),
                                   .b = to_reals(dtype, p->b[side], sizes.size[B], 1),
                                   .v = to_reals(dtype, p->v[side], sizes.size[V], 1)};
    CHECK(lstmc_pack(&p->layer, &weights, packed) == LSTMC_OK);
    return packed;
}

/* The gradient's arrays; packing them again must give the same bits, since the padding
 * of a gradient is zero: a solver runs over it. */
static void unpack_gradient(const Problem *p, const void *packed, ptrdiff_t size,
                            int side, Result *result)
{
    const int dtype = p->layer.dtype;
    const Sizes sizes = sizes_of(p);
    void *again = empty_reals(dtype, size, 0);
    const lstmc_weights weights = {.w = empty_reals(dtype, sizes.size[W], 1),
                                   .r = empty_reals(dtype, sizes.size[R], 1),
                                   .b = empty_reals(dtype, sizes.size[B], 1),
                                   .v = empty_reals(dtype, sizes.size[V], 1)};
    CHECK(lstmc_unpack(&p->layer, packed, &weights) == LSTMC_OK);
    CHECK(lstmc_pack(&p->layer, &weights, again) == LSTMC_OK);
    CHECK_SAY(memcmp(again, packed, (size_t)size * real_size(dtype)) == 0,
              "the padding of a gradient is not zero");
    result->dw[side] = to_doubles(dtype, weights.w, sizes.size[W]);
    result->dr[side] = to_doubles(dtype, weights.r, sizes.size[R]);
    result->db[side] = to_doubles(dtype, weights.b, sizes.size[B]);
    result->dv[side] = to_doubles(dtype, weights.v, sizes.size[V]);
}

static Run start(const Problem *p, int threads, ptrdiff_t *size)
{
    Run run = {.p = p,
               .call = {.layer = p->layer,
                        .samples = p->samples,
                        .offsets = p->offsets,
                        .threads = threads}};
    const ptrdiff_t n = p->layer.units, width = n * p->layer.directions;
    run.call.x = give(&run, p->x, p->steps * p->layer.inputs);
    run.call.time = give(&run, p->time, p->steps);
    run.call.y = empty_reals(p->layer.dtype, p->steps * width, 1);
    for (int side = 0; side < p->layer.directions; ++side) {
        lstmc_direction *d = run.call.direction + side;
        d->weights = packed_weights(p, side, size);
        for (int k = 0; k < p->cell.states; ++k) {
            d->before[k] = give(&run, p->before[side][k], p->samples * n);
            d->after[k] = empty_reals(p->layer.dtype, p->samples * n, 1);
        }
    }
    return run;
}

static void read_outputs(const Run *run, Result *result)
{
    const Problem *p = run->p;
    const ptrdiff_t n = p->layer.units;
    result->slabs = run->call.slabs;
    result->y =
        to_doubles(p->layer.dtype, run->call.y, p->steps * n * p->layer.directions);
    for (int side = 0; side < p->layer.directions; ++side)
        for (int k = 0; k < p->cell.states; ++k)
            result->after[side][k] = to_doubles(
                p->layer.dtype, run->call.direction[side].after[k], p->samples * n);
}

Result infer(const Problem *p, int threads)
{
    ptrdiff_t size = 0;
    Result result = {0};
    Run run = start(p, threads, &size);
    CHECK(lstmc_forward(&run.call) == LSTMC_OK);
    read_outputs(&run, &result);
    check_untouched(&run);
    check_guards();
    return result;
}

static Result run_both_ways(const Problem *p, int threads, int checkpoint)
{
    const int dtype = p->layer.dtype;
    const ptrdiff_t n = p->layer.units, m = p->layer.inputs;
    ptrdiff_t size = 0, tape = 0;
    Result result = {0};
    Run run = start(p, threads, &size);
    run.call.checkpoint = checkpoint;
    if (checkpoint)
        CHECK(lstmc_checkpoint_size(&p->layer, p->samples, p->offsets, &tape) ==
              LSTMC_OK);
    else
        CHECK(lstmc_tape_size(&p->layer, p->steps, &tape) == LSTMC_OK);
    for (int side = 0; side < p->layer.directions; ++side)
        run.call.direction[side].tape = empty_reals(dtype, tape, 0);
    CHECK(lstmc_forward(&run.call) == LSTMC_OK);
    read_outputs(&run, &result);

    run.call.dy = give(&run, p->dy, p->steps * n * p->layer.directions);
    run.call.dx = empty_reals(dtype, p->steps * m, 1);
    for (int side = 0; side < p->layer.directions; ++side) {
        lstmc_direction *d = run.call.direction + side;
        d->gradient = empty_reals(dtype, size, 0);
        for (int k = 0; k < p->cell.states; ++k) {
            d->d_after[k] = give(&run, p->d_after[side][k], p->samples * n);
            d->d_before[k] = empty_reals(dtype, p->samples * n, 1);
        }
    }
    CHECK(lstmc_backward(&run.call) == LSTMC_OK);
    result.dx = to_doubles(dtype, run.call.dx, p->steps * m);
    for (int side = 0; side < p->layer.directions; ++side) {
        const lstmc_direction *d = run.call.direction + side;
        unpack_gradient(p, d->gradient, size, side, &result);
        for (int k = 0; k < p->cell.states; ++k)
            result.d_before[side][k] =
                to_doubles(dtype, d->d_before[k], p->samples * n);
    }
    check_untouched(&run);
    check_guards();
    return result;
}

Result train(const Problem *p, int threads) { return run_both_ways(p, threads, 0); }

Result train_sparsely(const Problem *p, int threads)
{
    return run_both_ways(p, threads, 1);
}
