/* dense.c - a dense layer as products of blocks of rows with packed panels.
 *
 *   y  = x W' + b     W packed by panels of outputs
 *   dx = dy W         W packed by panels of inputs
 *   dW = dy' x        deep products over windows of rows, one owner a panel of inputs
 *                     and a group of outputs
 *
 * All functions but the last two are called by the whole team. */
#include <string.h>

#include "kernels.h"
#include "lanes.h"
#include "tables/dense_table.h"

/* What a product fills at once: it stays in the first cache. */
#define ROWS_AT_ONCE (4 * TILE_ROWS)
#define PANELS_AT_ONCE 4
#define OUTPUTS_AT_ONCE (8 * TILE_ROWS)
#define BLOCK (ROWS_AT_ONCE * PANELS_AT_ONCE * PANEL)

static idx parts_of(idx n, idx size) { return (n + size - 1) / size; }

static idx packed_size(idx inputs, idx outputs)
{
    return panels_of(outputs) * inputs * PANEL;
}

/* Element (k, j) of a panel is w[k * w_k + j * w_j], zero beyond the last column. */
static void pack_panel(const real *w, idx w_k, idx w_j, idx depth, idx width,
                       real *packed)
{
    idx k = 0;
    for (; w_k == 1 && width == PANEL && k + PANEL <= depth; k += PANEL)
        turn_square(w + k, w_j, 1, packed + k * PANEL, PANEL);
    for (; k < depth; ++k)
        for (idx j = 0; j < PANEL; ++j)
            packed[k * PANEL + j] = j < width ? w[k * w_k + j * w_j] : 0;
}

/* (columns of the product) / PANEL panels of `depth` rows each. */
static void pack(const real *w, idx w_k, idx w_j, idx depth, idx columns, real *packed)
{
#pragma omp for schedule(static)
    for (idx p = 0; p < panels_of(columns); ++p)
        pack_panel(w + p * PANEL * w_j, w_k, w_j, depth,
                   min_idx(PANEL, columns - p * PANEL), packed + p * depth * PANEL);
}

/* Rows `first` on of columns in panels p on, through a block that lies near. */
static void multiply_block(const real *a, const real *packed, const real *bias,
                           real *out, const DenseSizes *size, idx first, idx p)
{
    real block[BLOCK] __attribute__((aligned(LINE)));
    real start[PANELS_AT_ONCE * PANEL] __attribute__((aligned(LINE)));
    const idx columns = min_idx(PANELS_AT_ONCE * PANEL, size->outputs - p * PANEL);
    for (idx j = 0; j < PANELS_AT_ONCE * PANEL; ++j)
        start[j] = bias && j < columns ? bias[p * PANEL + j] : 0;
    const idx rows = min_idx(ROWS_AT_ONCE, size->rows - first);
    const Product product = {
        .rows = rows,
        .panels = panels_of(columns),
        .groups = 1,
        .a = a + first * size->inputs,
        .a_row = size->inputs,
        .runs = 1,
        .run = size->inputs,
        .b = packed + p * size->inputs * PANEL,
        .b_panel = size->inputs * PANEL,
        .start = start,
        .start_panel = PANEL,
        .c = block,
        .c_panel = rows * PANEL,
        .c_row = PANEL,
    };
    NAME(product)(&product);
    for (idx q = 0; q < product.panels; ++q)
        for (idx r = 0; r < rows; ++r)
            memcpy(out + (first + r) * size->outputs + (p + q) * PANEL,
                   block + (q * rows + r) * PANEL,
                   (size_t)min_idx(PANEL, columns - q * PANEL) * sizeof(real));
}

/* out (rows, outputs) = a (rows, inputs) times the packed panels, + bias. */
static void multiply(const real *a, const real *packed, const real *bias, real *out,
                     const DenseSizes *size)
{
    const idx blocks = parts_of(size->rows, ROWS_AT_ONCE);
    const idx groups = parts_of(panels_of(size->outputs), PANELS_AT_ONCE);
#pragma omp for schedule(static)
    for (idx item = 0; item < blocks * groups; ++item)
        multiply_block(a, packed, bias, out, size, item % blocks * ROWS_AT_ONCE,
                       item / blocks * PANELS_AT_ONCE);
}

/* Rows of dy for outer products: (chunks, blocks of outputs, depth, TILE_ROWS). */
static void pack_rows(const real *dy, idx rows, idx outputs, real *packed)
{
    const idx blocks = parts_of(outputs, TILE_ROWS);
#pragma omp for schedule(static)
    for (idx r = 0; r < rows; ++r) {
        const idx chunk = r / CHUNK, depth = min_idx(CHUNK, rows - chunk * CHUNK);
        real *to = packed + chunk * blocks * outer_block(CHUNK) + r % CHUNK * TILE_ROWS;
        for (idx block = 0; block < blocks; ++block, to += outer_block(depth))
            memcpy(to, dy + r * outputs + block * TILE_ROWS,
                   (size_t)min_idx(TILE_ROWS, outputs - block * TILE_ROWS) *
                       sizeof(real));
    }
}

/* The share of a window in dW of one panel of inputs and some outputs. */
static void add_share(const real *packed, const real *x, idx rows,
                      const DenseSizes *size, idx p, idx first, real *dw)
{
    real panel[CHUNK * PANEL] __attribute__((aligned(LINE)));
    const idx blocks = parts_of(size->outputs, TILE_ROWS);
    const idx outputs = min_idx(OUTPUTS_AT_ONCE, size->outputs - first);
    for (idx start = 0; start < rows; start += CHUNK) {
        const idx depth = min_idx(CHUNK, rows - start);
        pack_panel(x + start * size->inputs + p * PANEL, size->inputs, 1, depth,
                   min_idx(PANEL, size->inputs - p * PANEL), panel);
        const idx apart = outer_block(depth);
        NAME(outer_product)(&(Outer){.a = packed +
                                          start / CHUNK * blocks * outer_block(CHUNK) +
                                          first / TILE_ROWS * apart,
                                     .a_block = apart,
                                     .b = panel,
                                     .depth = depth,
                                     .rows = outputs,
                                     .panels = 1,
                                     .c = dw + (p * size->outputs + first) * PANEL});
    }
}

/* sums (panels of inputs, outputs, PANEL); rows: scratch of a window. */
static void weight_gradient(const DenseJob *job, real *sums, real *packed, real *dw)
{
    const DenseSizes *size = &job->size;
    const idx m = size->inputs, n = size->outputs;
    const idx groups = parts_of(n, OUTPUTS_AT_ONCE), items = panels_of(m) * groups;
#pragma omp for schedule(static)
    for (idx k = 0; k < panels_of(m) * n; ++k)
        memset(sums + k * PANEL, 0, LINE);
    for (idx first = 0; first < size->rows; first += WINDOW_ROWS) {
        const idx rows = min_idx(WINDOW_ROWS, size->rows - first);
        pack_rows((const real *)job->dy + first * n, rows, n, packed);
#pragma omp for schedule(static)
        for (idx item = 0; item < items; ++item)
            add_share(packed, (const real *)job->x + first * m, rows, size,
                      item / groups, item % groups * OUTPUTS_AT_ONCE, sums);
    }
#pragma omp for schedule(static)
    for (idx j = 0; j < n; ++j)
        for (idx p = 0; p < panels_of(m); ++p)
            memcpy(dw + j * m + p * PANEL, sums + (p * n + j) * PANEL,
                   (size_t)min_idx(PANEL, m - p * PANEL) * sizeof(real));
}

static void bias_gradient(const DenseJob *job, real *db)
{
    const idx n = job->size.outputs;
#pragma omp for schedule(static)
    for (idx p = 0; p < panels_of(n); ++p) {
        const idx width = min_idx(PANEL, n - p * PANEL);
        real sum[LINE / sizeof(real)] = {0};
        for (idx r = 0; r < job->size.rows; ++r)
            for (idx j = 0; j < width; ++j)
                sum[j] += ((const real *)job->dy)[r * n + p * PANEL + j];
        memcpy(db + p * PANEL, sum, (size_t)width * sizeof(real));
    }
}

typedef struct {
    real *packed, *sums, *rows;
} Room;

static Room lay_out(const DenseJob *job, Arena *arena)
{
    const idx m = job->size.inputs, n = job->size.outputs;
    Room room = {0};
    if (job->dy == NULL)
        room.packed = job->packed ? NULL : take(arena, packed_size(m, n), sizeof(real));
    if (job->dx)
        room.packed = take(arena, packed_size(n, m), sizeof(real));
    if (job->dw) {
        room.sums = take(arena, packed_size(n, m), sizeof(real));
        const idx most = min_idx(WINDOW_ROWS, job->size.rows);
        room.rows =
            take(arena, outer_chunks(parts_of(n, TILE_ROWS), most), sizeof(real));
    }
    return room;
}

static idx workspace(const DenseJob *job)
{
    Arena arena = {0};
    lay_out(job, &arena);
    return arena.used;
}

static void pack_alone(const void *w, idx inputs, idx outputs, void *packed)
{
    pack(w, 1, inputs, inputs, outputs, packed);
}

static void forward(const DenseJob *job, void *memory)
{
    Arena arena = {.base = memory};
    const Room room = lay_out(job, &arena);
    const DenseSizes *size = &job->size;
#pragma omp parallel num_threads(job->threads)
    {
        const FloatMode mode = flush_denormals();
        if (room.packed)
            pack(job->w, 1, size->inputs, size->inputs, size->outputs, room.packed);
        multiply(job->x, room.packed ? room.packed : job->packed, job->b, job->y, size);
        restore_mode(mode);
    }
}

static void backward(const DenseJob *job, void *memory)
{
    Arena arena = {.base = memory};
    const Room room = lay_out(job, &arena);
    const DenseSizes *size = &job->size;
    const DenseSizes turned = {size->rows, size->outputs, size->inputs};
#pragma omp parallel num_threads(job->threads)
    {
        const FloatMode mode = flush_denormals();
        if (job->dx) {
            pack(job->w, size->inputs, 1, size->outputs, size->inputs, room.packed);
            multiply(job->dy, room.packed, NULL, job->dx, &turned);
        }
        if (job->dw)
            weight_gradient(job, room.sums, room.rows, job->dw);
        if (job->db)
            bias_gradient(job, job->db);
        restore_mode(mode);
    }
}

const DenseKernels NAME(dense_kernels) = {
    .packed_size = packed_size,
    .pack = pack_alone,
    .workspace = workspace,
    .forward = forward,
    .backward = backward,
};
