/* block_stream.c - one step of an xLSTM block: what its layer does for all steps. */
#include "lstmc_blocks.h"

#include <string.h>

#include "dispatch.h"

/* Hands out rows of the scratch, line by line; without any it only counts. */
typedef struct {
    const lstmc_block *of;
    char *base;
    ptrdiff_t used; /* reals */
} Rows;

static void *take_rows(Rows *rows, ptrdiff_t width)
{
    void *out = rows->base
                    ? rows->base + (size_t)rows->used * real_size(rows->of->dtype)
                    : NULL;
    rows->used += (rows->of->samples * width + 15) / 16 * 16;
    return out;
}

/* What a step of either kind leaves between its parts. */
typedef struct {
    void *normed, *saved, *up, *a, *h, *head_normed, *gated;
    void *mixed[3], *gates[2], *head_in, *head_out, *v;
} Parts;

static Parts lay_out(const lstmc_block *b, Rows *rows)
{
    const ptrdiff_t d = b->width, e = b->inner;
    const ptrdiff_t most = d > 2 * e ? d : 2 * e; /* channels of any product */
    Parts p = {.normed = take_rows(rows, d),
               .saved = take_rows(rows, 2 * b->heads),
               .up = take_rows(rows, 2 * e),
               .a = take_rows(rows, most),
               .h = take_rows(rows, most),
               .head_normed = take_rows(rows, most),
               .gated = take_rows(rows, e)};
    for (int k = 0; k < 3 && !b->scalar; ++k)
        p.mixed[k] = take_rows(rows, e);
    for (int k = 0; k < 2 && !b->scalar; ++k)
        p.gates[k] = take_rows(rows, b->heads);
    if (b->scalar) {
        p.head_in = take_rows(rows, 2 * d);
        p.head_out = take_rows(rows, d);
        p.v = take_rows(rows, d);
    }
    return p;
}

static int check_block(const lstmc_block *b)
{
    if (b->dtype != LSTMC_FLOAT32 && b->dtype != LSTMC_FLOAT64)
        return LSTMC_BAD_DTYPE;
    if (b->samples < 1 || b->width < 1 || b->inner < 1 || b->heads < 1 ||
        b->threads < 0 || (b->scalar ? b->width : b->inner) % b->heads)
        return LSTMC_BAD_SIZE;
    return check_bytes((double)b->samples * ((double)b->width + (double)b->inner) * 64);
}

int lstmc_block_scratch(const lstmc_block *b, ptrdiff_t *reals)
{
    CHECK(check_block(b));
    Rows rows = {.of = b};
    lay_out(b, &rows);
    *reals = rows.used;
    return LSTMC_OK;
}

/* y += x */
static void add_rows(const lstmc_block *b, void *y, const void *x)
{
    const ptrdiff_t size = b->samples * b->width;
    if (b->dtype == LSTMC_FLOAT32)
        for (ptrdiff_t j = 0; j < size; ++j)
            ((float *)y)[j] += ((const float *)x)[j];
    else
        for (ptrdiff_t j = 0; j < size; ++j)
            ((double *)y)[j] += ((const double *)x)[j];
}

static int normalise(const lstmc_block *b, const Parts *p, const void *w,
                     ptrdiff_t width, ptrdiff_t groups, const void *x, void *y)
{
    return lstmc_norm_forward(&(lstmc_norm){.dtype = b->dtype,
                                            .threads = b->threads,
                                            .rows = b->samples,
                                            .width = width,
                                            .groups = groups,
                                            .eps = b->eps,
                                            .x = x,
                                            .w = w,
                                            .y = y,
                                            .saved = p->saved});
}

static int map(const lstmc_block *b, const void *packed, const void *x, void *y,
               ptrdiff_t inputs, ptrdiff_t outputs)
{
    return lstmc_dense_forward(&(lstmc_dense_call){.dtype = b->dtype,
                                                   .rows = b->samples,
                                                   .inputs = inputs,
                                                   .outputs = outputs,
                                                   .x = x,
                                                   .packed = packed,
                                                   .y = y,
                                                   .threads = b->threads});
}

static int convolve(const lstmc_block *b, const void *u, ptrdiff_t row, ptrdiff_t width,
                    void *a)
{
    return lstmc_causal_forward(&(lstmc_causal){.dtype = b->dtype,
                                                .threads = b->threads,
                                                .samples = b->samples,
                                                .width = width,
                                                .offsets = b->offsets,
                                                .x = u,
                                                .x_row = row,
                                                .w = b->conv_w,
                                                .b = b->conv_b,
                                                .before = b->past,
                                                .after = b->past,
                                                .y = a});
}

static int remember(const lstmc_block *b, const Parts *p)
{
    const ptrdiff_t e = b->inner, heads = b->heads;
    const lstmc_mix mix = {.dtype = b->dtype,
                           .threads = b->threads,
                           .rows = b->samples,
                           .width = e,
                           .heads = heads,
                           .a = p->a,
                           .x = p->up,
                           .x_row = 2 * e,
                           .w = {b->maps[0], b->maps[1], b->maps[2]},
                           .gates_w = b->gates_w,
                           .gates_b = b->gates_b,
                           .y = {p->mixed[0], p->mixed[1], p->mixed[2]},
                           .gates = {p->gates[0], p->gates[1]}};
    CHECK(lstmc_mix_forward(&mix));
    const lstmc_memory_call call = {.memory = b->memory,
                                    .samples = b->samples,
                                    .q = {p->mixed[0], e},
                                    .k = {p->mixed[1], e},
                                    .v = {p->mixed[2], e},
                                    .i = {p->gates[0], heads},
                                    .f = {p->gates[1], heads},
                                    .h = {p->h, e},
                                    .threads = b->threads};
    return lstmc_memory_step(&call, b->state);
}

static int step_matrix(const lstmc_block *b, const Parts *p, const void *x, void *y)
{
    const ptrdiff_t d = b->width, e = b->inner;
    CHECK(normalise(b, p, b->norm, d, 1, x, p->normed));
    CHECK(map(b, b->up, p->normed, p->up, d, 2 * e));
    CHECK(convolve(b, p->up, 2 * e, e, p->a));
    CHECK(remember(b, p));
    CHECK(normalise(b, p, b->head_norm, e, b->heads, p->h, p->head_normed));
    CHECK(lstmc_gate_forward(
        &(lstmc_gate){.dtype = b->dtype,
                      .threads = b->threads,
                      .rows = b->samples,
                      .width = e,
                      .h = p->head_normed,
                      .a = p->a,
                      .skip = b->skip,
                      .z = (const char *)p->up + (size_t)e * real_size(b->dtype),
                      .z_row = 2 * e,
                      .y = p->gated}));
    CHECK(map(b, b->down, p->gated, y, e, d));
    add_rows(b, y, x);
    return LSTMC_OK;
}

/* A head's part of each row. */
static void copy_part(const lstmc_block *b, char *to, ptrdiff_t to_row,
                      const char *from, ptrdiff_t from_row, ptrdiff_t width)
{
    const size_t size = real_size(b->dtype);
    for (ptrdiff_t j = 0; j < b->samples; ++j)
        memcpy(to + (size_t)(j * to_row) * size, from + (size_t)(j * from_row) * size,
               (size_t)width * size);
}

static void step_heads(const lstmc_block *b, const Parts *p)
{
    const ptrdiff_t d = b->width, n = d / b->heads;
    char *in = p->head_in;
    for (ptrdiff_t k = 0; k < b->heads; ++k) {
        const size_t place = (size_t)(k * n) * real_size(b->dtype);
        copy_part(b, in, 2 * n, (const char *)p->a + place, d, n);
        copy_part(b, in + (size_t)n * real_size(b->dtype), 2 * n,
                  (const char *)p->normed + place, d, n);
        lstmc_stream_step(b->cell[k], in, NULL, p->head_out);
        copy_part(b, (char *)p->h + place, d, p->head_out, n, n);
    }
}

static int step_scalar(const lstmc_block *b, const Parts *p, const void *x, void *y)
{
    const ptrdiff_t d = b->width, e = b->inner;
    CHECK(normalise(b, p, b->norm, d, 1, x, p->normed));
    CHECK(convolve(b, p->normed, d, d, p->a));
    step_heads(b, p);
    CHECK(normalise(b, p, b->head_norm, d, b->heads, p->h, p->v));
    add_rows(b, p->v, x);
    CHECK(normalise(b, p, b->feed_norm, d, 1, p->v, p->normed));
    CHECK(map(b, b->up, p->normed, p->up, d, 2 * e));
    CHECK(lstmc_geglu_forward(&(lstmc_geglu){.dtype = b->dtype,
                                             .threads = b->threads,
                                             .rows = b->samples,
                                             .width = e,
                                             .x = p->up,
                                             .y = p->gated}));
    CHECK(map(b, b->down, p->gated, y, e, d));
    add_rows(b, y, p->v);
    return LSTMC_OK;
}

int lstmc_block_step(const lstmc_block *b, const void *x, void *y)
{
    CHECK(check_block(b));
    if (!x || !y || !b->scratch || !b->past ||
        !(b->scalar ? (void *)b->cell : b->state))
        return LSTMC_NULL_ARRAY;
    Rows rows = {.of = b, .base = b->scratch};
    const Parts p = lay_out(b, &rows);
    return b->scalar ? step_scalar(b, &p, x, y) : step_matrix(b, &p, x, y);
}
