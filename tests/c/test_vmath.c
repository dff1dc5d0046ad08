/* test_vmath.c - the functions of vmath.h against long double, over the whole range.
 *
 * Compiled once per target and dtype, as kernels are. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "vmath.h"

#include "check.h"

#if LSTMC_F64
#define EPSILON DBL_EPSILON
#define LEAST DBL_MIN
#define MOST DBL_MAX
#define DENORMAL DBL_TRUE_MIN
#else
#define EPSILON FLT_EPSILON
#define LEAST FLT_MIN
#define MOST FLT_MAX
#define DENORMAL FLT_TRUE_MIN
#endif

#define TEXT_(name) #name
#define TEXT(name) TEXT_(name)
#define SELF TEXT(NAME(vmath))

typedef void (*Function)(const real *x, real *y); /* (LANES) each */
typedef long double Exact;

static Exact exact_exp(Exact x) { return expl(x); }
static Exact exact_sigmoid(Exact x) { return 1 / (1 + expl(-x)); }
static Exact exact_tanh(Exact x) { return tanhl(x); }

#define WRAP(name, function)                 \
    static void name(const real *x, real *y) \
    {                                        \
        const vec in = *(const loose *)x;    \
        *(loose *)y = function(in);          \
    }
WRAP(own_exp, exp_)
WRAP(own_sigmoid, sigmoid)
WRAP(own_tanh, tanh_)

/* LANES numbers at a time, so that no lane may lean on another. */
typedef struct {
    const char *name;
    Function function;
    Exact (*exact)(Exact);
    Exact from, to; /* where the error is bounded */
    Exact least;    /* the error is relative to values above it; absolute: 1 */
    Exact most;     /* the bound, in units of EPSILON */
    Exact worst, where;
    real x[LANES];
    idx count;
} Walk;

static void flush(Walk *walk)
{
    real y[LANES] = {0};
    walk->function(walk->x, y);
    for (idx j = 0; j < LANES; ++j) {
        const Exact x = walk->x[j], wanted = walk->exact(x);
        if (x < walk->from || x > walk->to)
            continue;
        const Exact size = fmaxl(fabsl(wanted), walk->least);
        const Exact error = fabsl(y[j] - wanted) / (size * (Exact)EPSILON);
        if (size > 0 && !(error <= walk->worst)) {
            walk->worst = error;
            walk->where = x;
        }
    }
    walk->count = 0;
}

static void visit(Walk *walk, real x)
{
    walk->x[walk->count++] = x;
    if (walk->count == LANES)
        flush(walk);
}

/* Every binade from the denormals to the largest, 40 places each; a line through 0. */
static void check_accuracy(Walk walk)
{
    about("%s: %s", SELF, walk.name);
    for (real binade = DENORMAL; binade <= MOST / 2; binade *= 2)
        for (int k = 0; k < 40; ++k) {
            const real x = binade * (1 + (real)k / 40);
            visit(&walk, x);
            visit(&walk, -x);
        }
    for (int k = -60000; k <= 60000; ++k)
        visit(&walk, (real)k * (real)(EXP_MAX * 1.01 / 60000));
    CHECK_SAY(walk.worst <= walk.most, "%Lg epsilon off at %Lg, at most %Lg",
              walk.worst, walk.where, walk.most);
}

static real value(Function function, real x)
{
    real in[LANES], out[LANES];
    for (idx j = 0; j < LANES; ++j)
        in[j] = 1;
    in[LANES / 2] = x;
    function(in, out);
    return out[LANES / 2];
}

static void check_special(Function exp, Function sig, Function tanh)
{
    about("%s: special values", SELF);
    const real inf = (real)INFINITY, nan = (real)NAN;
    CHECK(isnan(value(exp, nan)) && isnan(value(sig, nan)) && isnan(value(tanh, nan)));
    CHECK(isnan(value(exp, -nan)) && isnan(value(sig, -nan)) &&
          isnan(value(tanh, -nan)));
    /* exp saturates where the next binade would leave the normal numbers. */
    CHECK(value(exp, inf) == value(exp, EXP_MAX) && isfinite(value(exp, inf)));
    CHECK(value(exp, -inf) == value(exp, -EXP_MAX) && value(exp, -inf) >= LEAST);
    CHECK(value(exp, 0) == 1 && value(exp, R(-0.0)) == 1);
    CHECK(value(sig, inf) == 1 && value(sig, MOST) == 1);
    CHECK(value(sig, -inf) >= 0 && value(sig, -inf) < R(0.1) * EPSILON);
    CHECK(value(sig, 0) == R(0.5) && value(sig, R(-0.0)) == R(0.5));
    CHECK(value(tanh, inf) == 1 && value(tanh, MOST) == 1);
    CHECK(value(tanh, 0) == 0 && !signbit(value(tanh, 0)));
    CHECK(value(tanh, R(-0.0)) == 0 && signbit(value(tanh, R(-0.0))));
    CHECK(value(tanh, DENORMAL) == DENORMAL && value(tanh, -DENORMAL) == -DENORMAL);
}

/* Out of range a gate turns gradients round: s (1 - s) and 1 - t^2 change sign. */
static void check_range(Function sig, Function tanh)
{
    about("%s: range", SELF);
    real least = 1, most = 0, steepest = 0;
    int is_odd = 1;
    for (real x = 0; x < EXP_MAX; x += R(0.003)) {
        const real up = value(tanh, x);
        least = fmin(least, fmin(value(sig, x), value(sig, -x)));
        most = fmax(most, fmax(value(sig, x), value(sig, -x)));
        steepest = fmax(steepest, up);
        is_odd &= value(tanh, -x) == -up;
    }
    CHECK_SAY(least >= 0, "sigmoid down to %g", (double)least);
    CHECK_SAY(most <= 1, "sigmoid up to 1 + %g", (double)most - 1);
    CHECK_SAY(steepest <= 1, "tanh up to 1 + %g", (double)steepest - 1);
    CHECK_SAY(is_odd, "tanh(-x) is not -tanh(x)");
}

void NAME(test_vmath)(void)
{
    const Function exp = own_exp, sig = own_sigmoid, tanh = own_tanh;
    const Exact high = EXP_MAX;
    /* Roundings of the reduced argument, of e^r - 1 and of the sum with 2^n. */
    check_accuracy((Walk){"exp", exp, exact_exp, -high, high, 0, 1.5L, 0, 0, {0}, 0});
#if LSTMC_F64
    /* That of exp, a sum and a quotient; twice that of exp, a sum and a quotient. */
    const Exact least = 0, sig_most = 2, tanh_most = 2.5L;
#else
    /* Absolute: half a rounding of a sum and of a quotient, another half where its
     * correction is not fused, and a quarter of what e^-x is off. Two polynomials, a
     * product and a quotient. */
    const Exact least = 1, sig_most = 1.25L, tanh_most = 3;
#endif
    check_accuracy((Walk){
        "sigmoid", sig, exact_sigmoid, -high, MOST, least, sig_most, 0, 0, {0}, 0});
    check_accuracy(
        (Walk){"tanh", tanh, exact_tanh, -MOST, MOST, 0, tanh_most, 0, 0, {0}, 0});
    check_special(exp, sig, tanh);
    check_range(sig, tanh);
}
