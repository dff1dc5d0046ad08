/* test_mode.c - the floating-point mode comes back, in the caller and in the team, and
 * denormals do no harm. */
#include <float.h>
#include <math.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if defined(_OPENMP)
#include <omp.h>
#endif

#include "check.h"
#include "guard.h"
#include "lstmc_dense.h"
#include "problem.h"
#include "shapes.h"

static const Shape large = {.inputs = 6, .units = 35, .samples = 37, .longest = 12};

/* Without the flags of what happened so far, which arithmetic of the caller raises. */
static uint64_t read_mode(void)
{
#if defined(__x86_64__)
    return _mm_getcsr() & ~0x3fu;
#elif defined(__aarch64__)
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
#else
    return 0;
#endif
}

static void write_mode(uint64_t mode)
{
#if defined(__x86_64__)
    _mm_setcsr((unsigned)mode);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(mode));
#else
    (void)mode;
#endif
}

static uint64_t flushing(uint64_t mode)
{
#if defined(__x86_64__)
    return mode | 0x8040;
#elif defined(__aarch64__)
    return mode | UINT64_C(1) << 24;
#else
    return mode;
#endif
}

enum { TEAM = 4 };

static void check_team(uint64_t mode)
{
#if defined(_OPENMP)
    uint64_t found[TEAM] = {0};
#pragma omp parallel num_threads(TEAM)
    found[omp_get_thread_num()] = read_mode();
    for (int k = 0; k < TEAM; ++k)
        CHECK_SAY(found[k] == mode, "mode of thread %d: %llx, it was %llx", k,
                  (unsigned long long)found[k], (unsigned long long)mode);
#else
    (void)mode;
#endif
}

static void check_mode(const Shape *shape)
{
    const uint64_t usual = read_mode();
    CHECK(usual != flushing(usual));
    check_team(usual);
    const Problem p = make_problem(shape);
    for (int threads = 1; threads <= TEAM; threads += TEAM - 1) {
        train(&p, threads);
        CHECK(read_mode() == usual);
        check_team(usual);
        write_mode(flushing(usual)); /* the caller's own choice must survive, too */
        train(&p, threads);
        CHECK(read_mode() == flushing(usual));
        write_mode(usual);
    }
}

static void check_solvers_mode(void)
{
    about("%s mode after the solvers", lstmc_target());
    const uint64_t usual = read_mode();
    float w[9] = {0}, g[9] = {0}, m[9] = {0}, v[9] = {0};
    const lstmc_solver s = {.scale = 1,
                            .learning_rate = 1e-3,
                            .beta_1 = 0.9,
                            .beta_2 = 0.999,
                            .epsilon = 1e-8,
                            .step = 1,
                            .momentum = 0.9};
    double norm;
    lstmc_adam(LSTMC_FLOAT32, &s, w, g, m, v, 9);
    CHECK(read_mode() == usual);
    lstmc_sgd(LSTMC_FLOAT32, &s, w, g, m, 9);
    CHECK(read_mode() == usual);
    lstmc_squared_norm(LSTMC_FLOAT32, g, 9, &norm);
    lstmc_dropout(LSTMC_FLOAT32, w, 9, 0.5, 1, 2);
    lstmc_dense_forward(&(lstmc_dense_call){.rows = 3,
                                            .inputs = 3,
                                            .outputs = 3,
                                            .x = g,
                                            .w = m,
                                            .b = v,
                                            .y = w,
                                            .threads = 2});
    CHECK(read_mode() == usual);
}

/* Inputs, weights and states so small that all products are denormal. */
static void check_denormals(const Shape *shape)
{
    Problem p = make_problem(shape);
    Array arrays[MOST_ARRAYS];
    const double tiny = shape->dtype == LSTMC_FLOAT64 ? DBL_MIN : FLT_MIN;
    const int inputs = list_inputs(&p, arrays);
    for (int k = 0; k < inputs; ++k)
        for (ptrdiff_t j = 0; j < arrays[k].size; ++j)
            arrays[k].values[j] *= tiny * 0.25;
    for (ptrdiff_t j = 0; j < p.steps * shape->units * shape->directions; ++j)
        p.dy[j] *= tiny * 4;
    const Result result = train(&p, 1);
    for (int pass = 0; pass < 2; ++pass) {
        const int count = pass ? list_gradients(&p, &result, arrays)
                               : list_outputs(&p, &result, arrays);
        for (int k = 0; k < count; ++k)
            for (ptrdiff_t j = 0; j < arrays[k].size; ++j)
                if (!isfinite(arrays[k].values[j]))
                    CHECK_SAY(0, "%s[%td] is not finite", arrays[k].name, j);
    }
    CHECK_SAY(tiny * 0.25 > 0 && tiny * 0.25 < tiny, "the caller lost its denormals");
}

void test_mode(void)
{
    each_option(large, check_mode);
    check_solvers_mode();
    each_option((Shape){.inputs = 5, .units = 9, .samples = 3, .longest = 4},
                check_denormals);
}
