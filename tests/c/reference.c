/* reference.c - P of three plain cells, one unit at a time, under a plain loop over
 * time: what the driver does. Of all other cells the library's own float64 stands in,
 * against which float32 and gradients are held; their equations are tested from Python,
 * by tests/reference.py. */
#include "reference.h"

#include <math.h>
#include <string.h>

#include "check.h"
#include "guard.h"

/* The columns of a of one unit, by name. */
typedef struct {
    const lstmc_cell *cell;
    double a[LSTMC_MAX_COLUMNS];
    int identity;
} Unit;

static double column(const Unit *unit, const char *name)
{
    for (int g = 0; g < unit->cell->columns; ++g)
        if (strcmp(unit->cell->column[g], name) == 0)
            return unit->a[g];
    CHECK_SAY(0, "cell %s: no column %s", unit->cell->name, name);
    return NAN;
}

static double sigmoid(double a) { return 1 / (1 + exp(-a)); }

/* Each takes the states s of one unit, h first, to the next step. */

static void lstm(const Unit *unit, double *s)
{
    const double i = sigmoid(column(unit, "i")), f = sigmoid(column(unit, "f"));
    const double o = sigmoid(column(unit, "o")), z = tanh(column(unit, "z"));
    s[1] = f * s[1] + i * z;
    s[0] = o * (unit->identity ? s[1] : tanh(s[1]));
}

static void gru(const Unit *unit, double *s)
{
    const double r = sigmoid(column(unit, "r")), z = sigmoid(column(unit, "z"));
    const double n = tanh(column(unit, "n") + r * column(unit, "m"));
    s[0] = (1 - z) * n + z * s[0];
}

static void rnn(const Unit *unit, double *s) { s[0] = tanh(column(unit, "a")); }

typedef void (*Point)(const Unit *, double *s);

static const struct {
    const char *name;
    Point point;
} points[] = {{"lstm", lstm}, {"gru", gru}, {"rnn", rnn}};

static Point point_of(const lstmc_cell *cell)
{
    for (size_t k = 0; k < sizeof points / sizeof *points; ++k)
        if (strcmp(points[k].name, cell->name) == 0)
            return points[k].point;
    return NULL;
}

/* Row j of block k of a matrix (blocks, n, width) times a vector; no block: 0. */
static double dot(const double *matrix, int k, ptrdiff_t n, ptrdiff_t j,
                  ptrdiff_t width, const double *vector)
{
    double sum = 0;
    for (ptrdiff_t i = 0; k >= 0 && i < width; ++i)
        sum += matrix[(k * n + j) * width + i] * vector[i];
    return sum;
}

/* One step of one sample: s (states, n) from s0, which still holds the step before. */
static void step(const Problem *p, int side, const double *x, const double *s0,
                 double *s)
{
    const ptrdiff_t n = p->layer.units, m = p->layer.inputs;
    Unit unit = {.cell = &p->cell, .identity = p->layer.identity_output};
    for (ptrdiff_t j = 0; j < n; ++j) {
        double own[LSTMC_MAX_STATES];
        for (int g = 0; g < p->cell.columns; ++g)
            unit.a[g] = dot(p->w[side], p->cell.w[g], n, j, m, x) +
                        dot(p->r[side], p->cell.r[g], n, j, n, s0) +
                        p->b[side][p->cell.b[g] * n + j];
        for (int k = 0; k < p->cell.states; ++k)
            own[k] = s0[k * n + j];
        point_of (&p->cell)(&unit, own);
        for (int k = 0; k < p->cell.states; ++k)
            s[k * n + j] = own[k];
    }
}

/* state: (2, states, n) to work in */
static void run_sample(const Problem *p, int side, ptrdiff_t sample, double *state,
                       Result *result)
{
    const ptrdiff_t n = p->layer.units, m = p->layer.inputs;
    const ptrdiff_t first = p->offsets[sample], end = p->offsets[sample + 1];
    double *s = state, *s0 = state + p->cell.states * n;
    for (int k = 0; k < p->cell.states; ++k)
        memcpy(s + k * n, p->before[side][k] + sample * n, (size_t)n * sizeof(double));
    for (ptrdiff_t t = first; t < end; ++t) {
        const ptrdiff_t now = side ? first + end - 1 - t : t;
        memcpy(s0, s, (size_t)(p->cell.states * n) * sizeof(double));
        step(p, side, p->x + now * m, s0, s);
        memcpy(result->y + (now * p->layer.directions + side) * n, s,
               (size_t)n * sizeof(double));
    }
    for (int k = 0; k < p->cell.states; ++k)
        memcpy(result->after[side][k] + sample * n, s + k * n,
               (size_t)n * sizeof(double));
}

static Result own_float64(const Problem *p)
{
    Problem wide = *p;
    wide.layer.dtype = LSTMC_FLOAT64;
    return infer(&wide, 1);
}

Result reference_forward(const Problem *p)
{
    if (!point_of(&p->cell))
        return own_float64(p);
    const ptrdiff_t n = p->layer.units;
    const size_t states = (size_t)(p->samples * n) * sizeof(double);
    Result result = {
        .y = keep((size_t)(p->steps * n * p->layer.directions) * sizeof(double), 0)};
    double *state = keep((size_t)(2 * p->cell.states * n) * sizeof(double), 0);
    for (int side = 0; side < p->layer.directions; ++side) {
        for (int k = 0; k < p->cell.states; ++k)
            result.after[side][k] = keep(states, 0);
        for (ptrdiff_t j = 0; j < p->samples; ++j)
            run_sample(p, side, j, state, &result);
    }
    return result;
}

static double product(const double *a, const double *b, ptrdiff_t size)
{
    double sum = 0;
    for (ptrdiff_t k = 0; k < size; ++k)
        sum += a[k] * b[k];
    return sum;
}

double reference_loss(const Problem *p)
{
    const ptrdiff_t n = p->layer.units;
    void *here = mark();
    const Result result = reference_forward(p);
    double loss = product(result.y, p->dy, p->steps * n * p->layer.directions);
    for (int side = 0; side < p->layer.directions; ++side)
        for (int k = 0; k < p->cell.states; ++k)
            loss += product(result.after[side][k], p->d_after[side][k], p->samples * n);
    drop_to(here);
    return loss;
}
