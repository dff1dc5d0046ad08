/* problem.c - makes the problems of problem.h and lists their arrays. */
#include "problem.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "check.h"
#include "guard.h"

static uint64_t random_state;

void seed(uint64_t value) { random_state = value; }

/* Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators. OOPSLA 2014. */
static uint64_t next_random(void)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

double uniform(void) { return (double)(next_random() >> 11) * 0x1p-52 - 1; }

size_t real_size(int dtype)
{
    return dtype == LSTMC_FLOAT64 ? sizeof(double) : sizeof(float);
}

double epsilon_of(int dtype)
{
    return dtype == LSTMC_FLOAT64 ? DBL_EPSILON : FLT_EPSILON;
}

const char *dtype_name(int dtype) { return dtype == LSTMC_FLOAT64 ? "f64" : "f32"; }

void *empty_reals(int dtype, ptrdiff_t size, int shift)
{
    return keep((size_t)size * real_size(dtype), (size_t)shift * real_size(dtype));
}

void *to_reals(int dtype, const double *from, ptrdiff_t size, int shift)
{
    void *to = empty_reals(dtype, size, shift);
    for (ptrdiff_t k = 0; k < size; ++k)
        if (dtype == LSTMC_FLOAT64)
            ((double *)to)[k] = from[k];
        else
            ((float *)to)[k] = (float)from[k];
    return to;
}

double *to_doubles(int dtype, const void *from, ptrdiff_t size)
{
    double *to = keep((size_t)size * sizeof(double), 0);
    for (ptrdiff_t k = 0; k < size; ++k)
        to[k] = dtype == LSTMC_FLOAT64 ? ((const double *)from)[k]
                                       : (double)((const float *)from)[k];
    return to;
}

static double *random_reals(int dtype, ptrdiff_t size, double scale)
{
    double *out = keep((size_t)size * sizeof(double), 0);
    for (ptrdiff_t k = 0; k < size; ++k) {
        out[k] = scale * uniform();
        if (dtype == LSTMC_FLOAT32)
            out[k] = (float)out[k];
    }
    return out;
}

static void make_positive(double *numbers, ptrdiff_t size, double least)
{
    for (ptrdiff_t k = 0; k < size; ++k)
        numbers[k] = least + fabs(numbers[k]);
}

/* Lengths from 0 to longest; the last sample is a longest one, the first without steps
 * if it is not alone. */
static ptrdiff_t *make_offsets(const Shape *shape)
{
    const ptrdiff_t n = shape->samples, longest = shape->longest;
    ptrdiff_t *offsets = keep((size_t)(n + 1) * sizeof *offsets, 0);
    offsets[0] = 0;
    for (ptrdiff_t j = 0; j < n; ++j) {
        ptrdiff_t length = longest;
        if (shape->ragged && j + 1 < n)
            length = j == 0 ? 0 : (ptrdiff_t)(next_random() % (uint64_t)(longest + 1));
        offsets[j + 1] = offsets[j] + length;
    }
    return offsets;
}

Problem make_problem(const Shape *s)
{
    Problem p = {.layer = {.cell = s->cell,
                           .dtype = s->dtype,
                           .inputs = s->inputs,
                           .units = s->units,
                           .directions = s->directions,
                           .identity_output = s->identity},
                 .samples = s->samples};
    lstmc_describe_cell(s->cell, &p.cell);
    p.offsets = make_offsets(s);
    p.steps = p.offsets[p.samples];
    const ptrdiff_t n = s->units, m = s->inputs;
    p.x = random_reals(s->dtype, p.steps * m, 1);
    p.dy = random_reals(s->dtype, p.steps * n * s->directions, 1);
    p.time = random_reals(s->dtype, p.steps, 3);
    make_positive(p.time, p.steps, 0);
    /* Sums of n products of about the same size as one: gates stay off saturation. Over
     * many steps less, or cells that never forget run into chaos, where no two dtypes
     * and no two differences agree. */
    const double calm = s->longest > 100 ? 2.0 / (double)s->longest : 1;
    const double w = 1.5 / sqrt((double)m), r = 1.5 * calm / sqrt((double)n);
    for (int side = 0; side < s->directions; ++side) {
        p.w[side] = random_reals(s->dtype, p.cell.w_blocks * n * m, w);
        p.r[side] = random_reals(s->dtype, p.cell.r_blocks * n * n, r);
        p.b[side] = random_reals(s->dtype, p.cell.b_blocks * n, 0.5 * calm);
        p.v[side] = random_reals(s->dtype, p.cell.vectors * n, calm);
        for (int k = 0; k < p.cell.states; ++k) {
            p.before[side][k] = random_reals(s->dtype, p.samples * n, 1);
            if (strcmp(p.cell.state[k], "n") == 0) /* a sum of exponentials */
                make_positive(p.before[side][k], p.samples * n, 0.5);
            p.d_after[side][k] = random_reals(s->dtype, p.samples * n, 1);
        }
    }
    return p;
}

static double *choose_rows(const double *from, ptrdiff_t width, const ptrdiff_t *chosen,
                           ptrdiff_t count)
{
    const size_t row = (size_t)width * sizeof(double);
    double *to = keep((size_t)count * row, 0);
    for (ptrdiff_t j = 0; j < count; ++j)
        memcpy(to + j * width, from + chosen[j] * width, row);
    return to;
}

Problem choose_samples(const Problem *p, const ptrdiff_t *chosen, ptrdiff_t count)
{
    Problem q = *p;
    q.samples = count;
    q.offsets = keep((size_t)(count + 1) * sizeof *q.offsets, 0);
    ptrdiff_t *step = keep((size_t)(p->steps * count) * sizeof *step, 0);
    q.steps = q.offsets[0] = 0;
    for (ptrdiff_t j = 0; j < count; ++j) {
        for (ptrdiff_t t = p->offsets[chosen[j]]; t < p->offsets[chosen[j] + 1]; ++t)
            step[q.steps++] = t;
        q.offsets[j + 1] = q.steps;
    }
    const ptrdiff_t n = p->layer.units;
    q.x = choose_rows(p->x, p->layer.inputs, step, q.steps);
    q.time = choose_rows(p->time, 1, step, q.steps);
    q.dy = choose_rows(p->dy, n * p->layer.directions, step, q.steps);
    for (int side = 0; side < p->layer.directions; ++side)
        for (int k = 0; k < p->cell.states; ++k) {
            q.before[side][k] = choose_rows(p->before[side][k], n, chosen, count);
            q.d_after[side][k] = choose_rows(p->d_after[side][k], n, chosen, count);
        }
    return q;
}

/* --- lists ----------------------------------------------------------------------- */

static int list(const Problem *p, double *x, double *const *w, double *const *r,
                double *const *b, double *const *v,
                double *const (*state)[LSTMC_MAX_STATES], Array *out)
{
    const ptrdiff_t n = p->layer.units, m = p->layer.inputs;
    int count = 0;
    out[count++] = (Array){"x", x, p->steps * m};
    for (int side = 0; side < p->layer.directions; ++side) {
        out[count++] = (Array){"w", w[side], p->cell.w_blocks * n * m};
        out[count++] = (Array){"r", r[side], p->cell.r_blocks * n * n};
        out[count++] = (Array){"b", b[side], p->cell.b_blocks * n};
        out[count++] = (Array){"v", v[side], p->cell.vectors * n};
        for (int k = 0; k < p->cell.states; ++k)
            out[count++] = (Array){p->cell.state[k], state[side][k], p->samples * n};
    }
    return count;
}

int list_inputs(const Problem *p, Array *out)
{
    return list(p, p->x, p->w, p->r, p->b, p->v, p->before, out);
}

int list_gradients(const Problem *p, const Result *g, Array *out)
{
    return list(p, g->dx, g->dw, g->dr, g->db, g->dv, g->d_before, out);
}

int list_outputs(const Problem *p, const Result *out_of, Array *out)
{
    const ptrdiff_t n = p->layer.units;
    int count = 0;
    out[count++] = (Array){"y", out_of->y, p->steps * n * p->layer.directions};
    for (int side = 0; side < p->layer.directions; ++side)
        for (int k = 0; k < p->cell.states; ++k)
            out[count++] =
                (Array){p->cell.state[k], out_of->after[side][k], p->samples * n};
    return count;
}

double distance(const Array *a, const Array *b)
{
    double most = 0, size = 1;
    for (ptrdiff_t k = 0; k < a->size; ++k) {
        const double d = fabs(a->values[k] - b->values[k]);
        most = d <= most ? most : d; /* NaN, once seen, stays */
        if (isnan(most))
            return most;
        size = fmax(size, fabs(b->values[k]));
    }
    return most / size;
}

int same_bits(const Array *a, const Array *b)
{
    return a->size == b->size &&
           memcmp(a->values, b->values, (size_t)a->size * sizeof(double)) == 0;
}

void check_same(const Array *a, const Array *b, int count, const char *what)
{
    for (int k = 0; k < count; ++k)
        CHECK_SAY(same_bits(a + k, b + k), "%s: other bits %s", a[k].name, what);
}

void check_same_results(const Problem *p, const Result *a, const Result *b,
                        const char *what)
{
    Array left[MOST_ARRAYS], right[MOST_ARRAYS];
    int count = list_outputs(p, a, left);
    list_outputs(p, b, right);
    check_same(left, right, count, what);
    count = list_gradients(p, a, left);
    list_gradients(p, b, right);
    check_same(left, right, count, what);
}
