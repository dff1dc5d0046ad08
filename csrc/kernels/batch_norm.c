/* batch_norm.c - channels brought to mean 0 and variance 1 over all rows, and back.
 *
 *   y  = scale (x - mean) + bias             scale = weight / sqrt(variance + epsilon)
 *   g  = dy where y > 0                        with relu; else dy
 *   dx = scale (g - (sum g + precision (x - mean) sum g (x - mean)) / rows)
 *
 * Sums go over blocks of rows, whose parts are then added in order. The parts of a
 * variance are sums of squares about the mean of the block, so that nothing cancels:
 * Chan, Golub, LeVeque: Updating Formulae and a Pairwise Algorithm for Computing Sample
 * Variances. 1979.
 *
 * Ioffe, Szegedy: Batch Normalization. ICML 2015. */
#include "kernels.h"

#include "fcn.h"
#include "vmath.h"

#define BLOCK 64 /* rows */
#define MOST 8   /* vectors of channels in registers */

static idx blocks_of(idx rows) { return (rows + BLOCK - 1) / BLOCK; }

static idx rows_of(const lstmc_batch_norm *n, idx block)
{
    return min_idx(BLOCK, n->rows - block * BLOCK);
}

ALWAYS_INLINE vec load(const void *x, idx j)
{
    return *(const loose *)((const real *)x + j);
}

ALWAYS_INLINE void keep(real *x, vec y) { *(loose *)x = y; }

/* Two sums of a block: of each channel the parts are (first, second). */
typedef struct {
    double *first, *second; /* (channels) */
} Sums;

static Sums sums_of(const lstmc_batch_norm *n, double *parts, idx block)
{
    double *first = parts + 2 * block * n->channels;
    return (Sums){first, first + n->channels};
}

idx NAME(norm_workspace)(const lstmc_batch_norm *n)
{
    Arena arena = {0};
    take(&arena, 2 * blocks_of(n->rows) * n->channels, sizeof(double));
    take(&arena, 2 * n->channels, sizeof(real));
    return arena.used;
}

/* --- moments --------------------------------------------------------------------- */

ALWAYS_INLINE void measure(const real *x, idx apart, idx rows, const int vecs,
                           double *mean, double *squares)
{
    vec sum[MOST], middle[MOST];
    EACH (j, vecs)
        sum[j] = (vec){0};
    for (idx r = 0; r < rows; ++r)
        EACH (j, vecs)
            sum[j] += load(x + r * apart, j * LANES);
    EACH (j, vecs) {
        middle[j] = sum[j] / R(rows);
        sum[j] = (vec){0};
    }
    for (idx r = 0; r < rows; ++r)
        EACH (j, vecs) {
            const vec off = load(x + r * apart, j * LANES) - middle[j];
            sum[j] += off * off;
        }
    for (idx j = 0; j < vecs * LANES; ++j) {
        mean[j] = middle[j / LANES][j % LANES];
        squares[j] = sum[j / LANES][j % LANES];
    }
}

static void measure_one(const real *x, idx apart, idx rows, double *mean,
                        double *squares)
{
    real sum = 0, middle;
    for (idx r = 0; r < rows; ++r)
        sum += x[r * apart];
    middle = sum / R(rows);
    sum = 0;
    for (idx r = 0; r < rows; ++r) {
        const real off = x[r * apart] - middle;
        sum += off * off;
    }
    *mean = middle;
    *squares = sum;
}

static void measure_block(const lstmc_batch_norm *n, idx block, Sums to)
{
    const idx rows = rows_of(n, block), channels = n->channels;
    const real *x = (const real *)n->x + block * BLOCK * channels;
    idx c = 0;
    for (; c + MOST * LANES <= channels; c += MOST * LANES)
        measure(x + c, channels, rows, MOST, to.first + c, to.second + c);
    for (; c + LANES <= channels; c += LANES)
        measure(x + c, channels, rows, 1, to.first + c, to.second + c);
    for (; c < channels; ++c)
        measure_one(x + c, channels, rows, to.first + c, to.second + c);
}

void NAME(moments)(const lstmc_batch_norm *n, int threads, void *workspace,
                   double *mean, double *variance)
{
    (void)threads; /* without OpenMP */
    double *parts = workspace;
    const idx blocks = blocks_of(n->rows);
#pragma omp parallel num_threads(threads)
    {
        const FloatMode mode = flush_denormals();
#pragma omp for schedule(static)
        for (idx k = 0; k < blocks; ++k)
            measure_block(n, k, sums_of(n, parts, k));
        restore_mode(mode);
    }
    for (idx c = 0; c < n->channels; ++c)
        mean[c] = variance[c] = 0;
    for (idx k = 0; k < blocks; ++k) {
        const Sums own = sums_of(n, parts, k);
        for (idx c = 0; c < n->channels; ++c)
            mean[c] += (double)rows_of(n, k) * own.first[c];
    }
    for (idx c = 0; c < n->channels && n->rows > 0; ++c)
        mean[c] /= (double)n->rows;
    for (idx k = 0; k < blocks; ++k) {
        const Sums own = sums_of(n, parts, k);
        for (idx c = 0; c < n->channels; ++c) {
            const double off = own.first[c] - mean[c];
            variance[c] += own.second[c] + (double)rows_of(n, k) * off * off;
        }
    }
    for (idx c = 0; c < n->channels && n->rows > 0; ++c)
        variance[c] /= (double)n->rows;
}

/* --- forward --------------------------------------------------------------------- */

/* Channels from c of a row on. */
#define OUT(type, x, j)                                                                \
    (*(const type *)((const real *)n->scale + (j)) *                                   \
         (*(const type *)((x) + (j)) - *(const type *)((const real *)n->mean + (j))) + \
     *(const type *)((const real *)n->bias + (j)))

static void normalize_row(const lstmc_batch_norm *n, const real *x, real *y)
{
    idx j = 0;
    for (; j + LANES <= n->channels; j += LANES) {
        const vec out = OUT(loose, x, j);
        keep(y + j, n->relu ? max_(splat(0), out) : out);
    }
    for (; j < n->channels; ++j) {
        const real out = OUT(real, x, j);
        y[j] = n->relu && out < 0 ? 0 : out;
    }
}

void NAME(normalize)(const lstmc_batch_norm *n, int threads)
{
    (void)threads; /* without OpenMP */
#pragma omp parallel num_threads(threads)
    {
        const FloatMode mode = flush_denormals();
#pragma omp for schedule(static)
        for (idx r = 0; r < n->rows; ++r)
            normalize_row(n, (const real *)n->x + r * n->channels,
                          (real *)n->y + r * n->channels);
        restore_mode(mode);
    }
}

/* --- backward -------------------------------------------------------------------- */

/* The gradient above relu; NaN stays. */
ALWAYS_INLINE vec above(const lstmc_batch_norm *n, const real *x, const real *dy, idx j)
{
    const vec d = load(dy, j);
    return n->relu ? choose(OUT(loose, x, j) <= 0, (vec){0}, d) : d;
}

ALWAYS_INLINE real above_one(const lstmc_batch_norm *n, const real *x, const real *dy,
                             idx j)
{
    return n->relu && OUT(real, x, j) <= 0 ? 0 : dy[j];
}

ALWAYS_INLINE void gather(const lstmc_batch_norm *n, const real *x, const real *dy,
                          idx rows, const int vecs, idx c, Sums to)
{
    vec sum[MOST], along[MOST];
    EACH (j, vecs)
        sum[j] = along[j] = (vec){0};
    for (idx r = 0; r < rows; ++r, x += n->channels, dy += n->channels)
        EACH (j, vecs) {
            const idx k = c + j * LANES;
            const vec g = above(n, x, dy, k);
            sum[j] += g;
            along[j] += g * (load(x, k) - load(n->mean, k));
        }
    for (idx j = 0; j < vecs * LANES; ++j) {
        to.first[c + j] = sum[j / LANES][j % LANES];
        to.second[c + j] = along[j / LANES][j % LANES];
    }
}

static void gather_one(const lstmc_batch_norm *n, const real *x, const real *dy,
                       idx rows, idx c, Sums to)
{
    real sum = 0, along = 0;
    for (idx r = 0; r < rows; ++r, x += n->channels, dy += n->channels) {
        const real g = above_one(n, x, dy, c);
        sum += g;
        along += g * (x[c] - ((const real *)n->mean)[c]);
    }
    to.first[c] = sum;
    to.second[c] = along;
}

static void gather_block(const lstmc_batch_norm *n, idx block, Sums to)
{
    const idx rows = rows_of(n, block), channels = n->channels;
    const real *x = (const real *)n->x + block * BLOCK * channels;
    const real *dy = (const real *)n->dy + block * BLOCK * channels;
    idx c = 0;
    for (; c + MOST / 2 * LANES <= channels; c += MOST / 2 * LANES)
        gather(n, x, dy, rows, MOST / 2, c, to);
    for (; c + LANES <= channels; c += LANES)
        gather(n, x, dy, rows, 1, c, to);
    for (; c < channels; ++c)
        gather_one(n, x, dy, rows, c, to);
}

/* What all rows of a channel give away: shift + slope (x - mean). */
static void add_parts(const lstmc_batch_norm *n, double *parts, real *shift,
                      real *slope)
{
    for (idx c = 0; c < n->channels; ++c)
        n->d_bias[c] = n->d_scale[c] = 0;
    for (idx k = 0; k < blocks_of(n->rows); ++k) {
        const Sums own = sums_of(n, parts, k);
        for (idx c = 0; c < n->channels; ++c) {
            n->d_bias[c] += own.first[c];
            n->d_scale[c] += own.second[c];
        }
    }
    for (idx c = 0; c < n->channels; ++c) {
        const double each = (double)((const real *)n->scale)[c] / (double)n->rows;
        shift[c] = R(each * n->d_bias[c]);
        slope[c] = R(each * n->precision[c] * n->d_scale[c]);
    }
}

static void pull_row(const lstmc_batch_norm *n, const real *x, const real *dy, real *dx,
                     const real *shift, const real *slope)
{
    idx j = 0;
    for (; j + LANES <= n->channels; j += LANES)
        keep(dx + j, load(n->scale, j) * above(n, x, dy, j) - load(shift, j) -
                         load(slope, j) * (load(x, j) - load(n->mean, j)));
    for (; j < n->channels; ++j)
        dx[j] = ((const real *)n->scale)[j] * above_one(n, x, dy, j) - shift[j] -
                slope[j] * (x[j] - ((const real *)n->mean)[j]);
}

void NAME(normalize_back)(const lstmc_batch_norm *n, int threads, void *workspace)
{
    (void)threads; /* without OpenMP */
    Arena arena = {.base = workspace};
    const idx blocks = blocks_of(n->rows), channels = n->channels;
    double *parts = take(&arena, 2 * blocks * channels, sizeof(double));
    real *shift = take(&arena, 2 * channels, sizeof(real)), *slope = shift + channels;
#pragma omp parallel num_threads(threads)
    {
        const FloatMode mode = flush_denormals();
#pragma omp for schedule(static)
        for (idx k = 0; k < blocks; ++k)
            gather_block(n, k, sums_of(n, parts, k));
#pragma omp single
        add_parts(n, parts, shift, slope);
        if (n->dx) {
#pragma omp for schedule(static)
            for (idx r = 0; r < n->rows; ++r)
                pull_row(n, (const real *)n->x + r * channels,
                         (const real *)n->dy + r * channels,
                         (real *)n->dx + r * channels, shift, slope);
        }
        restore_mode(mode);
    }
}
