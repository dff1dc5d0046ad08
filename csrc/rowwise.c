/* rowwise.c - the entry points of what works row by row around the cells of a block. */
#include "lstmc_rowwise.h"

#include <string.h>

#include "dispatch.h"
#include "parallel.h"
#include "tables/row_table.h"

static const RowKernels *rows_of(int dtype) { return kernels_of(dtype)->rows; }

/* Rows and columns, of up to `widest` reals each, and the threads. */
static int check_sizes(int dtype, int threads, ptrdiff_t rows, ptrdiff_t width,
                       ptrdiff_t widest)
{
    if (dtype != LSTMC_FLOAT32 && dtype != LSTMC_FLOAT64)
        return LSTMC_BAD_DTYPE;
    if (threads < 0 || rows < 0 || width < 1)
        return LSTMC_BAD_SIZE;
    return check_bytes(((double)rows + 64) * (double)width * (double)widest * 8);
}

/* Whether one of the arrays is missing. */
static int any_missing(const void *const *arrays, int count)
{
    for (int k = 0; k < count; ++k)
        if (!arrays[k])
            return 1;
    return 0;
}

#define NEED(...)                                                          \
    do {                                                                   \
        const void *const arrays_[] = {__VA_ARGS__};                       \
        if (any_missing(arrays_, (int)(sizeof arrays_ / sizeof *arrays_))) \
            return LSTMC_NULL_ARRAY;                                       \
    } while (0)

static ptrdiff_t blocks_of(ptrdiff_t rows)
{
    return (rows + ROW_BLOCK - 1) / ROW_BLOCK;
}

static ptrdiff_t lines_of(int dtype, ptrdiff_t width)
{
    const ptrdiff_t lanes = kernels_of(dtype)->lanes;
    return (width + lanes - 1) / lanes;
}

/* `each`: operations for a number of a row, by the time that they take. */
static void share(RowJob *job, ptrdiff_t jobs, const void *call, int wanted,
                  double rows, double width, double each)
{
    const int taken = take_threads(wanted, rows * width * each);
    if (taken == 1) /* even a region of one thread takes its time */
        for (ptrdiff_t k = 0; k < jobs; ++k)
            job((void *)call, k, 0);
    else
        share_out(jobs, taken < jobs ? taken : (int)jobs, job, (void *)call);
    give_threads(taken);
}

/* Sums of weights: rows in at most so many blocks, of no fewer than so many. */
#define MOST_BLOCKS 64
#define FEWEST_ROWS 128

/* A job over all rows that leaves `size` sums, which *total then points to in memory
 * that the caller gives back. */
static int sum_up(RowJob *job, const void *call, int dtype, int wanted, ptrdiff_t rows,
                  ptrdiff_t width, double each, ptrdiff_t size, char **total)
{
    ptrdiff_t block = (rows + MOST_BLOCKS - 1) / MOST_BLOCKS;
    if (block < FEWEST_ROWS)
        block = FEWEST_ROWS;
    RowSums sums = {.call = call, .rows = block, .size = size};
    sums.blocks = rows > 0 ? (rows + block - 1) / block : 1;
    sums.sums = lstmc_take_memory((size_t)(sums.blocks * size) * real_size(dtype));
    *total = sums.sums;
    if (!sums.sums)
        return LSTMC_NO_MEMORY;
    share(job, sums.blocks, &sums, wanted, (double)rows, (double)width, each);
    share(rows_of(dtype)->add_blocks, lines_of(dtype, size), &sums, wanted,
          (double)sums.blocks, (double)size, 1);
    return LSTMC_OK;
}

/* The next of the total: so many reals. */
static void copy_out(char **total, void *to, ptrdiff_t count, int dtype)
{
    const size_t bytes = (size_t)count * real_size(dtype);
    memcpy(to, *total, bytes);
    *total += bytes;
}

static int check_norm(const lstmc_norm *c)
{
    CHECK(check_sizes(c->dtype, c->threads, c->rows, c->width, 1));
    if (c->groups < 1 || c->width % c->groups || !(c->eps > 0))
        return LSTMC_BAD_SIZE;
    if (c->rows > 0)
        NEED(c->x, c->w, c->saved);
    return LSTMC_OK;
}

int lstmc_norm_forward(const lstmc_norm *c)
{
    CHECK(check_norm(c));
    if (c->rows == 0)
        return LSTMC_OK;
    NEED(c->y);
    share(rows_of(c->dtype)->norm_forward, blocks_of(c->rows), c, c->threads,
          (double)c->rows, (double)c->width, 8);
    return LSTMC_OK;
}

int lstmc_norm_backward(const lstmc_norm *c)
{
    CHECK(check_norm(c));
    NEED(c->dw);
    if (c->rows > 0)
        NEED(c->dy, c->dx);
    char *memory;
    CHECK(sum_up(rows_of(c->dtype)->norm_backward, c, c->dtype, c->threads, c->rows,
                 c->width, 20, c->width, &memory));
    char *total = memory;
    copy_out(&total, c->dw, c->width, c->dtype);
    lstmc_give_memory(memory);
    return LSTMC_OK;
}

static int check_causal(const lstmc_causal *c)
{
    if (c->samples < 0)
        return LSTMC_BAD_SIZE;
    if (!c->offsets)
        return LSTMC_NULL_ARRAY;
    if (c->offsets[0] != 0)
        return LSTMC_BAD_OFFSETS;
    for (ptrdiff_t k = 0; k < c->samples; ++k)
        if (c->offsets[k + 1] < c->offsets[k])
            return LSTMC_BAD_OFFSETS;
    const ptrdiff_t steps = c->offsets[c->samples];
    CHECK(check_sizes(c->dtype, c->threads, steps + 4 * c->samples, c->width, 2));
    if (c->x_row < c->width)
        return LSTMC_BAD_SIZE;
    NEED(c->w, c->b);
    if (steps > 0)
        NEED(c->x);
    return LSTMC_OK;
}

/* What the next steps of a sample will see: the last of [before, x]. */
static void keep_past(const lstmc_causal *c, ptrdiff_t sample)
{
    const ptrdiff_t past = LSTMC_TAPS - 1;
    const size_t size = real_size(c->dtype);
    const size_t row = (size_t)c->width * size;
    const ptrdiff_t first = c->offsets[sample];
    for (ptrdiff_t k = 0; k < past; ++k) {
        const ptrdiff_t t = c->offsets[sample + 1] - first - past + k;
        char *to = (char *)c->after + (size_t)(sample * past + k) * row;
        if (t >= 0)
            memcpy(to, (const char *)c->x + (size_t)((first + t) * c->x_row) * size,
                   row);
        else if (c->before)
            memmove(to,
                    (const char *)c->before + (size_t)(sample * past + past + t) * row,
                    row);
        else
            memset(to, 0, row);
    }
}

int lstmc_causal_forward(const lstmc_causal *c)
{
    CHECK(check_causal(c));
    const ptrdiff_t steps = c->offsets[c->samples];
    if (steps > 0) {
        NEED(c->y);
        share(rows_of(c->dtype)->causal_forward, blocks_of(steps), c, c->threads,
              (double)steps, (double)c->width, 40);
    }
    for (ptrdiff_t k = 0; c->after && k < c->samples; ++k)
        keep_past(c, k);
    return LSTMC_OK;
}

int lstmc_causal_backward(const lstmc_causal *c)
{
    CHECK(check_causal(c));
    const ptrdiff_t steps = c->offsets[c->samples];
    NEED(c->dw, c->db);
    if (steps > 0)
        NEED(c->dy, c->dx);
    if (c->dx_row < c->width)
        return LSTMC_BAD_SIZE;
    share(rows_of(c->dtype)->causal_backward, lines_of(c->dtype, c->width), c,
          c->threads, (double)steps, (double)c->width, 80);
    return LSTMC_OK;
}

static int check_mix(const lstmc_mix *c)
{
    if (c->heads < 1 || c->heads > c->width || c->width % LSTMC_MIXED ||
        c->x_row < c->width)
        return LSTMC_BAD_SIZE;
    CHECK(check_sizes(c->dtype, c->threads, c->rows, c->width, 3 + c->heads));
    NEED(c->w[0], c->w[1], c->w[2], c->gates_w, c->gates_b);
    if (c->rows > 0)
        NEED(c->a, c->x, c->y[0], c->y[1], c->y[2]);
    return LSTMC_OK;
}

int lstmc_mix_forward(const lstmc_mix *c)
{
    CHECK(check_mix(c));
    if (c->rows == 0)
        return LSTMC_OK;
    NEED(c->gates[0], c->gates[1]);
    share(rows_of(c->dtype)->mix_forward, blocks_of(c->rows), c, c->threads,
          (double)c->rows, (double)c->width, 30 + 12 * (double)c->heads);
    return LSTMC_OK;
}

int lstmc_mix_backward(const lstmc_mix *c)
{
    CHECK(check_mix(c));
    NEED(c->dw[0], c->dw[1], c->dw[2], c->d_gates_w, c->d_gates_b);
    if (c->rows > 0)
        NEED(c->dy[0], c->dy[1], c->dy[2], c->d_gates[0], c->d_gates[1], c->da, c->dx);
    if (c->dx_row < c->width)
        return LSTMC_BAD_SIZE;
    const ptrdiff_t map = LSTMC_MIXED * c->width, gates = 6 * c->heads * c->width;
    char *memory;
    CHECK(sum_up(rows_of(c->dtype)->mix_backward, c, c->dtype, c->threads, c->rows,
                 c->width, 80 + 24 * (double)c->heads, 3 * map + gates + 2 * c->heads,
                 &memory));
    char *total = memory;
    for (int part = 0; part < 3; ++part)
        copy_out(&total, c->dw[part], map, c->dtype);
    copy_out(&total, c->d_gates_w, gates, c->dtype);
    copy_out(&total, c->d_gates_b, 2 * c->heads, c->dtype);
    lstmc_give_memory(memory);
    return LSTMC_OK;
}

static int check_gate(const lstmc_gate *c)
{
    CHECK(check_sizes(c->dtype, c->threads, c->rows, c->width, 2));
    if (c->z_row < c->width)
        return LSTMC_BAD_SIZE;
    NEED(c->skip);
    if (c->rows > 0)
        NEED(c->h, c->a, c->z);
    return LSTMC_OK;
}

int lstmc_gate_forward(const lstmc_gate *c)
{
    CHECK(check_gate(c));
    if (c->rows == 0)
        return LSTMC_OK;
    NEED(c->y);
    share(rows_of(c->dtype)->gate_forward, blocks_of(c->rows), c, c->threads,
          (double)c->rows, (double)c->width, 30);
    return LSTMC_OK;
}

int lstmc_gate_backward(const lstmc_gate *c)
{
    CHECK(check_gate(c));
    NEED(c->d_skip);
    if (c->rows > 0)
        NEED(c->dy, c->dh, c->da, c->dz);
    if (c->dz_row < c->width)
        return LSTMC_BAD_SIZE;
    char *memory;
    CHECK(sum_up(rows_of(c->dtype)->gate_backward, c, c->dtype, c->threads, c->rows,
                 c->width, 40, c->width, &memory));
    char *total = memory;
    copy_out(&total, c->d_skip, c->width, c->dtype);
    lstmc_give_memory(memory);
    return LSTMC_OK;
}

int lstmc_geglu_forward(const lstmc_geglu *c)
{
    CHECK(check_sizes(c->dtype, c->threads, c->rows, c->width, 2));
    if (c->rows == 0)
        return LSTMC_OK;
    NEED(c->x, c->y);
    share(rows_of(c->dtype)->geglu_forward, blocks_of(c->rows), c, c->threads,
          (double)c->rows, (double)c->width, 60);
    return LSTMC_OK;
}

int lstmc_geglu_backward(const lstmc_geglu *c)
{
    CHECK(check_sizes(c->dtype, c->threads, c->rows, c->width, 2));
    if (c->rows == 0)
        return LSTMC_OK;
    NEED(c->x, c->dy, c->dx);
    share(rows_of(c->dtype)->geglu_backward, blocks_of(c->rows), c, c->threads,
          (double)c->rows, (double)c->width, 70);
    return LSTMC_OK;
}
