/* test_solver.c - adam, sgd and the norm against the equations of their papers. */
#include <math.h>

#include "check.h"
#include "guard.h"
#include "problem.h"

enum { STEPS = 5 };

static const ptrdiff_t sizes[] = {0, 1, 3, 7, 8, 15, 16, 17, 33, 100};

/* The weights and the solver's own memory. */
typedef struct {
    ptrdiff_t size;
    double *w, *g, *m, *v;
} Flat;

static Flat make_flat(ptrdiff_t size)
{
    Flat flat = {.size = size};
    double **arrays[] = {&flat.w, &flat.g, &flat.m, &flat.v};
    for (int k = 0; k < 4; ++k) {
        *arrays[k] = keep((size_t)size * sizeof(double), 0);
        for (ptrdiff_t j = 0; j < size; ++j)
            (*arrays[k])[j] = k < 2 ? (float)uniform() : 0;
    }
    return flat;
}

/* Kingma and Ba, section 2, in the order of its last remark: epsilon is added to the
 * root before the bias is corrected. */
static void adam(Flat *f, const lstmc_solver *s)
{
    const double t = (double)s->step;
    for (ptrdiff_t j = 0; j < f->size; ++j) {
        const double g = f->g[j] * s->scale;
        f->m[j] = s->beta_1 * f->m[j] + (1 - s->beta_1) * g;
        f->v[j] = s->beta_2 * f->v[j] + (1 - s->beta_2) * g * g;
        f->w[j] -= s->learning_rate * sqrt(1 - pow(s->beta_2, t)) /
                   (1 - pow(s->beta_1, t)) * f->m[j] / (sqrt(f->v[j]) + s->epsilon);
    }
}

/* Sutskever et al.: On the importance of initialization and momentum. ICML 2013. */
static void sgd(Flat *f, const lstmc_solver *s)
{
    for (ptrdiff_t j = 0; j < f->size; ++j) {
        const double step = s->learning_rate * s->scale * f->g[j];
        f->m[j] = s->momentum * f->m[j] - step;
        f->w[j] += s->nesterov ? s->momentum * f->m[j] - step : f->m[j];
    }
}

static void check_near(const char *name, int dtype, const void *got,
                       const double *wanted, ptrdiff_t size)
{
    const Array a = {name, to_doubles(dtype, got, size), size};
    const Array b = {name, (double *)wanted, size};
    /* Some ten roundings in a step, all relative. */
    CHECK_SAY(distance(&a, &b) <= 10 * STEPS * epsilon_of(dtype), "%s: %g off", name,
              distance(&a, &b));
}

static void check_solver(int dtype, ptrdiff_t size, lstmc_solver s, int is_adam)
{
    about("%s %s %s of %td", lstmc_target(), is_adam ? "adam" : "sgd",
          dtype_name(dtype), size);
    seed(5);
    Flat f = make_flat(size);
    void *w = to_reals(dtype, f.w, size, 1), *m = to_reals(dtype, f.m, size, 1);
    void *v = to_reals(dtype, f.v, size, 1), *g = to_reals(dtype, f.g, size, 1);
    for (s.step = 1; s.step <= STEPS; ++s.step) {
        if (is_adam) {
            adam(&f, &s);
            CHECK(lstmc_adam(dtype, &s, w, g, m, v, size) == LSTMC_OK);
        } else {
            sgd(&f, &s);
            CHECK(lstmc_sgd(dtype, &s, w, g, m, size) == LSTMC_OK);
        }
    }
    check_near("w", dtype, w, f.w, size);
    check_near("m", dtype, m, f.m, size);
    check_near("v", dtype, v, f.v, size);
    check_near("g", dtype, g, f.g, size);
    drop_all();
}

static void check_norm(int dtype, ptrdiff_t size)
{
    about("%s squared norm %s of %td", lstmc_target(), dtype_name(dtype), size);
    seed(9);
    const Flat f = make_flat(size);
    double wanted = 0, got = NAN;
    for (ptrdiff_t j = 0; j < size; ++j)
        wanted += f.w[j] * f.w[j];
    CHECK(lstmc_squared_norm(dtype, to_reals(dtype, f.w, size, 1), size, &got) ==
          LSTMC_OK);
    CHECK(fabs(got - wanted) <=
          ((double)size + 1) * epsilon_of(LSTMC_FLOAT64) * wanted);
    for (ptrdiff_t j = 0; j < size; j += 1 + size / 4) {
        const double saved = f.w[j];
        f.w[j] = NAN;
        lstmc_squared_norm(dtype, to_reals(dtype, f.w, size, 1), size, &got);
        CHECK(isnan(got));
        f.w[j] = -INFINITY;
        lstmc_squared_norm(dtype, to_reals(dtype, f.w, size, 1), size, &got);
        CHECK(isinf(got));
        f.w[j] = saved;
    }
    drop_all();
}

void test_solver(void)
{
    const lstmc_solver adam_ = {.scale = 0.5,
                                .learning_rate = 0.01,
                                .beta_1 = 0.9,
                                .beta_2 = 0.999,
                                .epsilon = 1e-8};
    lstmc_solver sgd_ = {.scale = 2, .learning_rate = 0.1, .momentum = 0.9};
    for (int dtype = LSTMC_FLOAT32; dtype <= LSTMC_FLOAT64; ++dtype)
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; ++k) {
            check_solver(dtype, sizes[k], adam_, 1);
            for (sgd_.nesterov = 0; sgd_.nesterov <= 1; ++sgd_.nesterov)
                check_solver(dtype, sizes[k], sgd_, 0);
            check_norm(dtype, sizes[k]);
        }
}
