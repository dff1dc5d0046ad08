/* test_stream.c - step by step the bits of the whole sequence, and no allocation. */
#include <float.h>
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "guard.h"
#include "shapes.h"

enum { STACK = 2 };

static const Shape shapes[] = {
    {.inputs = 1, .units = 1, .samples = 1, .longest = 3},
    {.inputs = 1, .units = 32, .samples = 1, .longest = 70}, /* W x far ahead */
    {.inputs = 5, .units = 9, .samples = 2, .longest = 6},
    {.inputs = 17, .units = 33, .samples = 5, .longest = 4},
    {.inputs = 3, .units = 16, .samples = 32, .longest = 2},
    {.inputs = 3, .units = 70, .samples = 33, .longest = 3},
    {.inputs = 6, .units = 80, .samples = 200, .longest = 3}, /* many slabs */
    {.inputs = 5, .units = 900, .samples = 2, .longest = 3},  /* a crew */
};

/* --- memory ---------------------------------------------------------------------- */

static int allocations;

static void *count_allocation(size_t alignment, size_t bytes)
{
    (void)alignment;
    (void)bytes;
    ++allocations;
    return NULL;
}

static void release_nothing(void *memory) { (void)memory; }

/* --- a stack, as problems whose inputs are the outputs of the one below ----------- */

typedef struct {
    int count;
    Problem problem[STACK];
    Result result[STACK];
    lstmc_layer layer[STACK];
    const void *weights[STACK], *split[STACK];
} Whole;

/* What a stream of some targets reads beside the weights; NULL: no such thing. */
static void *split_of(const lstmc_layer *layer, const void *weights)
{
    ptrdiff_t bytes = 0;
    CHECK(lstmc_split_size(layer, &bytes) == LSTMC_OK);
    if (bytes == 0)
        return NULL;
    void *split = keep((size_t)bytes, 0);
    CHECK(lstmc_split(layer, weights, split) == LSTMC_OK);
    return split;
}

static Whole run_whole(const Shape *shape, int count)
{
    Whole whole = {.count = count};
    ptrdiff_t size = 0;
    Shape one = *shape;
    for (int k = 0; k < count; ++k, one.inputs = one.units, one.units += 3) {
        Problem *p = whole.problem + k;
        *p = make_problem(&one);
        if (k > 0)
            p->x = whole.result[k - 1].y;
        p->time = whole.problem->time;
        whole.result[k] = infer(p, 1);
        whole.layer[k] = p->layer;
        whole.weights[k] = packed_weights(p, 0, &size);
        whole.split[k] = split_of(&p->layer, whole.weights[k]);
    }
    return whole;
}

static lstmc_stream *open_stream(const Whole *whole, int threads)
{
    const ptrdiff_t samples = whole->problem->samples;
    ptrdiff_t bytes = 0;
    CHECK(lstmc_stream_size(whole->layer, whole->count, samples, &bytes) == LSTMC_OK);
    CHECK(bytes > 0 && bytes % LSTMC_ALIGNMENT == 0);
    lstmc_stream *stream = keep((size_t)bytes, 0);
    CHECK(lstmc_stream_open(whole->layer, whole->weights, whole->split, whole->count,
                            samples, NULL, threads, stream) == LSTMC_OK);
    return stream;
}

static void set_states(lstmc_stream *stream, const Whole *whole)
{
    for (int k = 0; k < whole->count; ++k) {
        const Problem *p = whole->problem + k;
        const void *states[LSTMC_MAX_STATES];
        for (int j = 0; j < p->cell.states; ++j)
            states[j] = to_reals(p->layer.dtype, p->before[0][j],
                                 p->samples * p->layer.units, 1);
        CHECK(lstmc_stream_set_state(stream, k, states) == LSTMC_OK);
    }
}

static void check_states(const lstmc_stream *stream, const Whole *whole)
{
    for (int k = 0; k < whole->count; ++k) {
        const Problem *p = whole->problem + k;
        const ptrdiff_t size = p->samples * p->layer.units;
        void *states[LSTMC_MAX_STATES];
        for (int j = 0; j < p->cell.states; ++j)
            states[j] = empty_reals(p->layer.dtype, size, 1);
        CHECK(lstmc_stream_get_state(stream, k, states) == LSTMC_OK);
        for (int j = 0; j < p->cell.states; ++j) {
            const Array got = {"", to_doubles(p->layer.dtype, states[j], size), size};
            const Array wanted = {"", whole->result[k].after[0][j], size};
            CHECK_SAY(same_bits(&got, &wanted), "layer %d: other bits of the state %s",
                      k, p->cell.state[j]);
        }
    }
}

/* All samples at step t: rows of n out of sequences of the same length. */
static double *rows_at(const Problem *p, const double *from, ptrdiff_t n, ptrdiff_t t)
{
    double *rows = keep((size_t)(p->samples * n) * sizeof *rows, 0);
    for (ptrdiff_t j = 0; j < p->samples; ++j)
        memcpy(rows + j * n, from + (p->offsets[j] + t) * n, (size_t)n * sizeof *rows);
    return rows;
}

static void check_steps(const Whole *whole, int threads)
{
    const Problem *first = whole->problem, *last = first + whole->count - 1;
    const int dtype = first->layer.dtype;
    const ptrdiff_t m = first->layer.inputs, n = last->layer.units;
    const ptrdiff_t samples = first->samples;
    lstmc_stream *stream = open_stream(whole, threads);
    set_states(stream, whole);
    void *y = empty_reals(dtype, samples * n, 1);
    for (ptrdiff_t t = 0; t < first->offsets[1]; ++t) {
        const void *x = to_reals(dtype, rows_at(first, first->x, m, t), samples * m, 1);
        const void *time =
            to_reals(dtype, rows_at(first, first->time, 1, t), samples, 0);
        allocations = 0;
        lstmc_set_allocator(count_allocation, release_nothing);
        lstmc_stream_step(stream, x, time, y);
        lstmc_set_allocator(guarded_allocate, guarded_release);
        CHECK_SAY(allocations == 0, "a step allocated");
        const double *wanted = rows_at(last, whole->result[whole->count - 1].y, n, t);
        const Array a = {"y", to_doubles(dtype, y, samples * n), samples * n};
        const Array b = {"y", (double *)wanted, samples * n};
        CHECK_SAY(same_bits(&a, &b), "step %td, %d threads: other bits", t, threads);
    }
    check_states(stream, whole);
    volatile double tiny = DBL_MIN;
    CHECK_SAY(tiny * 0.5 > 0, "the caller lost its denormals");
    check_guards();
}

static void check_stream(const Shape *shape)
{
    if (shape->directions > 1)
        return; /* see check_mistakes */
    const int most = shape->units > 500 ? 1 : STACK; /* its weights take long to draw */
    for (int count = 1; count <= most; ++count) {
        const Whole whole = run_whole(shape, count);
        for (int threads = 1; threads <= 3; threads += 2)
            check_steps(&whole, threads);
    }
}

/* A row that was reset goes on as a new one does, and the others as before. */
static void check_reset(const Shape *shape)
{
    if (shape->directions > 1)
        return;
    const Whole whole = run_whole(shape, STACK);
    const int dtype = shape->dtype;
    const ptrdiff_t m = shape->inputs, n = whole.layer[STACK - 1].units;
    const ptrdiff_t size = shape->samples * n;
    const size_t row = (size_t)n * real_size(dtype);
    lstmc_stream *fresh = open_stream(&whole, 1), *old = open_stream(&whole, 1),
                 *mixed = open_stream(&whole, 1);
    unsigned char *y_fresh = empty_reals(dtype, size, 0),
                  *y_old = empty_reals(dtype, size, 0),
                  *y_mixed = empty_reals(dtype, size, 0);
    const void *x = to_reals(dtype, whole.problem->x, shape->samples * m, 0);
    const void *time = to_reals(dtype, whole.problem->time, shape->samples, 0);
    lstmc_stream_step(old, x, time, y_old);
    lstmc_stream_step(mixed, x, time, y_mixed);
    CHECK(lstmc_stream_reset(mixed, 1, 2) == LSTMC_OK);
    lstmc_stream_step(fresh, x, time, y_fresh);
    lstmc_stream_step(old, x, time, y_old);
    lstmc_stream_step(mixed, x, time, y_mixed);
    for (size_t j = 0; j < (size_t)shape->samples; ++j) {
        const unsigned char *wanted = j == 1 || j == 2 ? y_fresh : y_old;
        CHECK_SAY(memcmp(y_mixed + j * row, wanted + j * row, row) == 0,
                  "row %zu after a reset of rows 1 and 2", j);
    }
    CHECK(memcmp(y_fresh + row, y_old + row, row) != 0);
    check_guards();
}

/* --- mistakes -------------------------------------------------------------------- */

enum { BYTES = 1 << 16 };

typedef struct {
    const char *what;
    void (*spoil)(lstmc_layer *); /* a stack of two */
    int status;
} Mistake;

#define MISTAKE(name, statement) \
    static void name(lstmc_layer *layer) { statement; }
MISTAKE(first_reverse, layer[0].directions = 2)
MISTAKE(second_reverse, layer[1].directions = 2)
MISTAKE(other_inputs, layer[1].inputs = 6)
MISTAKE(other_dtype, layer[1].dtype = !layer[0].dtype)
MISTAKE(no_dtype, layer[1].dtype = 7)
MISTAKE(no_cell, layer[0].cell = -1)
MISTAKE(no_units, layer[0].units = 0)
MISTAKE(huge_units, layer[1].units = PTRDIFF_MAX)
#undef MISTAKE

static const Mistake mistakes[] = {
    {"two directions below", first_reverse, LSTMC_BAD_STREAM},
    {"two directions above", second_reverse, LSTMC_BAD_STREAM},
    {"inputs that are not the units below", other_inputs, LSTMC_BAD_STREAM},
    {"two dtypes", other_dtype, LSTMC_BAD_STREAM},
    {"dtype 7", no_dtype, LSTMC_BAD_DTYPE},
    {"cell -1", no_cell, LSTMC_BAD_CELL},
    {"0 units", no_units, LSTMC_BAD_SIZE},
    {"PTRDIFF_MAX units", huge_units, LSTMC_TOO_LARGE},
};

static void check_layers(const lstmc_layer *good, const void *const *weights,
                         lstmc_stream *stream)
{
    ptrdiff_t bytes = 77;
    for (size_t k = 0; k < sizeof mistakes / sizeof *mistakes; ++k) {
        about("a stream with %s", mistakes[k].what);
        lstmc_layer bad[STACK] = {good[0], good[1]};
        mistakes[k].spoil(bad);
        CHECK(lstmc_stream_size(bad, STACK, 2, &bytes) == mistakes[k].status);
        CHECK(lstmc_stream_open(bad, weights, NULL, STACK, 2, NULL, 1, stream) ==
              mistakes[k].status);
    }
    about("the size of a stream");
    CHECK(lstmc_stream_size(NULL, 1, 1, &bytes) == LSTMC_NULL_ARRAY);
    CHECK(lstmc_stream_size(good, 0, 1, &bytes) == LSTMC_BAD_SIZE);
    CHECK(lstmc_stream_size(good, 2, 0, &bytes) == LSTMC_BAD_SIZE);
    CHECK(lstmc_stream_size(good, 2, PTRDIFF_MAX, &bytes) == LSTMC_TOO_LARGE);
    CHECK(lstmc_stream_size(good, 2, PTRDIFF_MAX / 64, &bytes) == LSTMC_TOO_LARGE);
    CHECK(bytes == 77);
    CHECK(lstmc_stream_size(good, 2, 2, &bytes) == LSTMC_OK && bytes <= BYTES);
}

static void check_open(const lstmc_layer *good, const void *const *weights,
                       lstmc_stream *stream)
{
    about("the opening of a stream");
    const void *missing[STACK] = {weights[0], NULL};
    const void *off[STACK] = {weights[0], (const char *)weights[1] + 8};
    lstmc_stream *late = (lstmc_stream *)((char *)stream + LSTMC_ALIGNMENT / 2);
    CHECK(lstmc_stream_open(good, weights, NULL, 2, 2, NULL, -1, stream) ==
          LSTMC_BAD_SIZE);
    CHECK(lstmc_stream_open(good, NULL, NULL, 2, 2, NULL, 1, stream) ==
          LSTMC_NULL_ARRAY);
    CHECK(lstmc_stream_open(good, weights, NULL, 2, 2, NULL, 1, NULL) ==
          LSTMC_NULL_ARRAY);
    CHECK(lstmc_stream_open(good, missing, NULL, 2, 2, NULL, 1, stream) ==
          LSTMC_NULL_ARRAY);
    CHECK(lstmc_stream_open(good, off, NULL, 2, 2, NULL, 1, stream) ==
          LSTMC_NOT_ALIGNED);
    CHECK(lstmc_stream_open(good, weights, NULL, 2, 2, NULL, 1, late) ==
          LSTMC_NOT_ALIGNED);
    int written = 0;
    for (int k = 0; k < BYTES; ++k)
        written |= ((unsigned char *)stream)[k] != 0xff;
    CHECK_SAY(!written, "refused, but written");
    CHECK(lstmc_stream_open(good, weights, NULL, 2, 2, NULL, 1, stream) == LSTMC_OK);
}

/* Of a layer large enough for every target that splits. */
static void check_split(int dtype)
{
    about("split weights");
    const lstmc_layer layer = {
        .dtype = dtype, .inputs = 70, .units = 80, .directions = 1};
    ptrdiff_t reals, bytes = 0, stream_bytes = 0;
    CHECK(lstmc_packed_size(&layer, &reals) == LSTMC_OK);
    CHECK(lstmc_split_size(&layer, &bytes) == LSTMC_OK);
    CHECK(lstmc_stream_size(&layer, 1, 2, &stream_bytes) == LSTMC_OK);
    void *weights = keep((size_t)reals * 8, 0), *stream = keep((size_t)stream_bytes, 0);
    memset(weights, 0, (size_t)reals * 8);
    if (bytes == 0) {
        CHECK(lstmc_split(&layer, NULL, NULL) == LSTMC_OK);
        CHECK(!lstmc_is_split(&layer, weights, weights));
        return;
    }
    char *split = split_of(&layer, weights);
    const void *all[] = {weights}, *given[] = {split}, *off[] = {split + 8};
    CHECK(lstmc_split(&layer, NULL, split) == LSTMC_NULL_ARRAY);
    CHECK(lstmc_split(&layer, weights, NULL) == LSTMC_NULL_ARRAY);
    CHECK(lstmc_split(&layer, weights, split + 8) == LSTMC_NOT_ALIGNED);
    CHECK(lstmc_stream_open(&layer, all, NULL, 1, 2, NULL, 1, stream) ==
          LSTMC_NULL_ARRAY);
    CHECK(lstmc_stream_open(&layer, all, off, 1, 2, NULL, 1, stream) ==
          LSTMC_NOT_ALIGNED);
    CHECK(lstmc_stream_open(&layer, all, given, 1, 2, NULL, 1, stream) == LSTMC_OK);
    CHECK(lstmc_is_split(&layer, weights, split));
    ((float *)weights)[17] = 1;
    CHECK(!lstmc_is_split(&layer, weights, split));
    CHECK(lstmc_split(&layer, weights, split) == LSTMC_OK);
    CHECK(lstmc_is_split(&layer, weights, split));
    ((float *)weights)[17] = 0;
    ((float *)weights)[18] = 1;
    CHECK(!lstmc_is_split(&layer, weights, split));
    check_guards();
    drop_all();
}

static void check_rows(lstmc_stream *stream)
{
    about("rows and layers of a stream");
    void *unwanted[LSTMC_MAX_STATES] = {NULL};
    CHECK(lstmc_stream_reset(stream, -1, 1) == LSTMC_BAD_SIZE);
    CHECK(lstmc_stream_reset(stream, 0, 3) == LSTMC_BAD_SIZE);
    CHECK(lstmc_stream_reset(stream, 3, 0) == LSTMC_BAD_SIZE);
    CHECK(lstmc_stream_reset(stream, 0, -1) == LSTMC_BAD_SIZE);
    CHECK(lstmc_stream_reset(stream, 1, PTRDIFF_MAX) == LSTMC_BAD_SIZE);
    CHECK(lstmc_stream_reset(stream, 2, 0) == LSTMC_OK);
    CHECK(lstmc_stream_get_state(stream, 2, unwanted) == LSTMC_BAD_SIZE);
    CHECK(lstmc_stream_get_state(stream, -1, unwanted) == LSTMC_BAD_SIZE);
    CHECK(lstmc_stream_get_state(stream, 0, NULL) == LSTMC_NULL_ARRAY);
    CHECK(lstmc_stream_set_state(stream, 0, NULL) == LSTMC_NULL_ARRAY);
    CHECK(lstmc_stream_get_state(stream, 1, unwanted) == LSTMC_OK);
}

static void check_mistakes(int dtype)
{
    const lstmc_layer good[STACK] = {
        {.dtype = dtype, .inputs = 3, .units = 5, .directions = 1},
        {.dtype = dtype, .inputs = 5, .units = 4, .directions = 1}};
    const void *weights[STACK] = {keep(BYTES, 0), keep(BYTES, 0)};
    lstmc_stream *stream = keep(BYTES, 0);
    check_layers(good, weights, stream);
    check_open(good, weights, stream);
    check_rows(stream);
    check_guards();
    drop_all();
}

void test_stream(void)
{
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; ++k)
        each_option(shapes[k], check_stream);
    each_option((Shape){.inputs = 3, .units = 17, .samples = 5, .longest = 2},
                check_reset);
    check_mistakes(LSTMC_FLOAT32);
    check_mistakes(LSTMC_FLOAT64);
    check_split(LSTMC_FLOAT32);
    check_split(LSTMC_FLOAT64);
}
