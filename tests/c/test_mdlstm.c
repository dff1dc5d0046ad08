/* test_mdlstm.c - sweeps over images against a walk over their cells, and back. */
#include <math.h>
#include <string.h>

#include "check.h"
#include "guard.h"
#include "lstmc_mdlstm.h"
#include "problem.h"

enum { SAMPLES = 3 };

typedef struct {
    int dtype, dims;
    ptrdiff_t inputs, units, cells, size; /* size: weights of a direction */
    ptrdiff_t shape[SAMPLES * LSTMC_MAX_DIMS];
    double *weights, *x, *dy;
} Grid;

static double *random_array(ptrdiff_t size, double scale)
{
    double *out = keep((size_t)size * sizeof(double), 0);
    for (ptrdiff_t k = 0; k < size; ++k)
        out[k] = (float)(scale * uniform());
    return out;
}

static int directions_of(const Grid *g) { return 1 << g->dims; }

static ptrdiff_t width_of(const Grid *g) { return directions_of(g) * g->units; }

static Grid make_grid(int dtype, int dims, ptrdiff_t inputs, ptrdiff_t units)
{
    static const ptrdiff_t sizes[] = {3, 5, 2, 1, 4, 3, 7, 1, 1};
    Grid g = {.dtype = dtype, .dims = dims, .inputs = inputs, .units = units};
    for (int j = 0; j < SAMPLES; ++j) {
        ptrdiff_t own = 1;
        for (int d = 0; d < dims; ++d)
            own *= g.shape[j * dims + d] = sizes[j * LSTMC_MAX_DIMS + d];
        g.cells += own;
    }
    g.size = (dims + 3) * units * (inputs + dims * units + 1) + (dims + 2) * units;
    seed(5);
    g.weights = random_array(g.size * directions_of(&g), 0.5);
    g.x = random_array(g.cells * inputs, 1);
    g.dy = random_array(g.cells * width_of(&g), 1);
    return g;
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

/* One unit of one cell; h and c of the cells before, NULL outside. */
static void solve_unit(const Grid *g, const double *w, ptrdiff_t unit, const double *x,
                       const double *const *h, const double *const *c, double *out_h,
                       double *out_c)
{
    const ptrdiff_t n = g->units, rows = (g->dims + 3) * n, row = g->dims * n;
    const double *u = w + rows * g->inputs, *b = u + rows * row, *p = b + rows;
    double a[LSTMC_MAX_DIMS + 3], sum = 0, inside = 0;
    for (int k = 0; k < g->dims + 3; ++k) {
        const ptrdiff_t own = k * n + unit;
        a[k] = b[own];
        for (ptrdiff_t j = 0; j < g->inputs; ++j)
            a[k] += w[own * g->inputs + j] * x[j];
        for (ptrdiff_t j = 0; j < row; ++j)
            a[k] += h[j / n] ? u[own * row + j] * h[j / n][j % n] : 0;
    }
    for (int d = 0; d < g->dims; ++d) {
        const double before = c[d] ? c[d][unit] : 0;
        sum += before;
        inside += sigmoid(a[1 + d] + p[(1 + d) * n + unit] * before) * before;
    }
    inside += sigmoid(a[0] + p[unit] * sum) * tanh(a[g->dims + 1]);
    *out_c = inside;
    *out_h =
        sigmoid(a[g->dims + 2] + p[(g->dims + 1) * n + unit] * inside) * tanh(inside);
}

/* Outputs of all images, as y; c is scratch of its size. */
static void solve(const Grid *g, const double *weights, double *y, double *c)
{
    ptrdiff_t first = 0;
    for (int sample = 0; sample < SAMPLES; ++sample) {
        ptrdiff_t size[LSTMC_MAX_DIMS] = {1, 1, 1}, cells = 1;
        for (int d = 0; d < g->dims; ++d)
            cells *= size[d] = g->shape[sample * g->dims + d];
        for (ptrdiff_t item = 0; item < cells * directions_of(g); ++item) {
            const int direction = (int)(item / cells);
            const double *h0[LSTMC_MAX_DIMS], *c0[LSTMC_MAX_DIMS];
            ptrdiff_t rest = item % cells, cell = 0, stride = 1, out;
            for (int d = g->dims - 1; d >= 0; --d) {
                const ptrdiff_t at = rest % size[d];
                cell += (direction >> d & 1 ? size[d] - 1 - at : at) * stride;
                rest /= size[d], stride *= size[d];
            }
            out = (first + cell) * width_of(g) + direction * g->units;
            rest = item % cells, stride = 1;
            for (int d = g->dims - 1; d >= 0; --d) {
                const ptrdiff_t step = (direction >> d & 1 ? 1 : -1) * stride;
                h0[d] = rest % size[d] ? y + out + step * width_of(g) : NULL;
                c0[d] = rest % size[d] ? c + out + step * width_of(g) : NULL;
                rest /= size[d], stride *= size[d];
            }
            for (ptrdiff_t unit = 0; unit < g->units; ++unit)
                solve_unit(g, weights + direction * g->size, unit,
                           g->x + (first + cell) * g->inputs, h0, c0, y + out + unit,
                           c + out + unit);
        }
        first += cells;
    }
}

static lstmc_mdlstm make_call(const Grid *g, int threads)
{
    lstmc_mdlstm call = {
        .dtype = g->dtype,
        .dims = g->dims,
        .directions = directions_of(g),
        .samples = SAMPLES,
        .inputs = g->inputs,
        .units = g->units,
        .shape = g->shape,
        .weights = to_reals(g->dtype, g->weights, g->size * directions_of(g), 1),
        .x = to_reals(g->dtype, g->x, g->cells * g->inputs, 1),
        .y = empty_reals(g->dtype, g->cells * width_of(g), 1),
        .threads = threads};
    ptrdiff_t reals = 0;
    for (int k = 0; k < call.directions; ++k)
        call.direction[k] = k;
    CHECK(lstmc_mdlstm_tape_size(&call, &reals) == LSTMC_OK);
    call.tape = empty_reals(g->dtype, reals, 0);
    call.dy = to_reals(g->dtype, g->dy, g->cells * width_of(g), 1);
    call.dx = empty_reals(g->dtype, g->cells * g->inputs, 1);
    call.gradient = empty_reals(g->dtype, g->size * directions_of(g), 1);
    return call;
}

/* The loss sum dy y along a line through the weights and x. */
static double loss_at(const Grid *g, const double *way, double step)
{
    const ptrdiff_t size = g->size * directions_of(g), outputs = g->cells * width_of(g);
    double *weights = keep((size_t)size * sizeof(double), 0);
    double *y = keep((size_t)outputs * sizeof(double), 0);
    double *c = keep((size_t)outputs * sizeof(double), 0), loss = 0;
    for (ptrdiff_t k = 0; k < size; ++k)
        weights[k] = g->weights[k] + step * way[k];
    solve(g, weights, y, c);
    for (ptrdiff_t k = 0; k < outputs; ++k)
        loss += y[k] * g->dy[k];
    return loss;
}

static void check_grid(int dtype, int dims, ptrdiff_t inputs, ptrdiff_t units)
{
    about("%s mdlstm %s: %d dimensions, %td to %td", lstmc_target(), dtype_name(dtype),
          dims, inputs, units);
    const Grid g = make_grid(dtype, dims, inputs, units);
    const ptrdiff_t outputs = g.cells * width_of(&g), size = g.size << dims;
    double *wanted = keep((size_t)outputs * sizeof(double), 0);
    solve(&g, g.weights, wanted, keep((size_t)outputs * sizeof(double), 0));
    double *y[2], *gradient[2], *dx[2];
    for (int k = 0; k < 2; ++k) {
        lstmc_mdlstm call = make_call(&g, 1 + 4 * k);
        CHECK(lstmc_mdlstm_forward(&call) == LSTMC_OK);
        y[k] = to_doubles(dtype, call.y, outputs);
        CHECK(lstmc_mdlstm_backward(&call) == LSTMC_OK);
        gradient[k] = to_doubles(dtype, call.gradient, size);
        dx[k] = to_doubles(dtype, call.dx, g.cells * inputs);
        check_guards();
    }
    for (ptrdiff_t k = 0; k < outputs; ++k)
        CHECK_SAY(fabs(y[0][k] - wanted[k]) < 1e3 * epsilon_of(dtype), "off by %g",
                  y[0][k] - wanted[k]);
    CHECK(memcmp(y[0], y[1], (size_t)outputs * sizeof(double)) == 0);
    CHECK(memcmp(gradient[0], gradient[1], (size_t)size * sizeof(double)) == 0);
    CHECK(memcmp(dx[0], dx[1], (size_t)(g.cells * inputs) * sizeof(double)) == 0);
    const double *way = random_array(size, 1);
    double along = 0, scale = 1;
    for (ptrdiff_t k = 0; k < size; ++k) {
        along += way[k] * gradient[0][k];
        scale += fabs(way[k] * gradient[0][k]);
    }
    const double step = 1e-5;
    const double slope =
        (loss_at(&g, way, step) - loss_at(&g, way, -step)) / (2 * step);
    const double most = dtype == LSTMC_FLOAT64 ? 1e-7 : 1e-4;
    CHECK_SAY(fabs(along - slope) < most * scale, "off by %g", along - slope);
    drop_all();
}

static void check_refusals(void)
{
    about("mdlstm: what is refused");
    const Grid g = make_grid(LSTMC_FLOAT32, 2, 3, 4);
    const lstmc_mdlstm good = make_call(&g, 1);
    const ptrdiff_t empty[] = {3, 5, 0, 4, 7, 1};
    const ptrdiff_t huge[] = {1 << 20, 1 << 20, 1, 4, 7, 1};
    lstmc_mdlstm call = good;
#define REFUSES(change, status) \
    call = good, change, CHECK(lstmc_mdlstm_forward(&call) == LSTMC_##status)
    REFUSES(call.dtype = 7, BAD_DTYPE);
    REFUSES(call.dims = 4, BAD_OPTION);
    REFUSES(call.directions = 5, BAD_OPTION);
    REFUSES(call.direction[3] = 4, BAD_OPTION);
    REFUSES(call.units = 0, BAD_SIZE);
    REFUSES(call.inputs = 0, BAD_SIZE);
    REFUSES(call.threads = -1, BAD_SIZE);
    REFUSES(call.shape = empty, BAD_SIZE);
    REFUSES(call.shape = huge, TOO_LARGE);
    REFUSES(call.units = PTRDIFF_MAX / 8, TOO_LARGE);
    REFUSES(call.shape = NULL, NULL_ARRAY);
    REFUSES(call.weights = NULL, NULL_ARRAY);
    REFUSES(call.x = NULL, NULL_ARRAY);
    REFUSES(call.y = NULL, NULL_ARRAY);
    REFUSES(call.tape = (char *)call.tape + 8, NOT_ALIGNED);
    REFUSES(call.samples = 0, OK);
    call = good, call.dy = NULL,
    CHECK(lstmc_mdlstm_backward(&call) == LSTMC_NULL_ARRAY);
    call = good, call.tape = NULL;
    CHECK(lstmc_mdlstm_backward(&call) == LSTMC_NULL_ARRAY);
    fail_after(0);
    call = good;
    CHECK(lstmc_mdlstm_forward(&call) == LSTMC_NO_MEMORY);
    CHECK(lstmc_wanted_bytes() > 0 && guarded_live() == 0);
    fail_after(-1);
    drop_all();
}

void test_mdlstm(void)
{
    for (int dtype = LSTMC_FLOAT32; dtype <= LSTMC_FLOAT64; ++dtype)
        for (int dims = 1; dims <= LSTMC_MAX_DIMS; ++dims) {
            check_grid(dtype, dims, 1, 1);
            check_grid(dtype, dims, 5, 9);
            check_grid(dtype, dims, 18, 17);
        }
    check_refusals();
}
