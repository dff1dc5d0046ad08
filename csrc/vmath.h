/* vmath.h - branch-free exp, log, sigmoid and tanh on vectors; NaN in, NaN out.
 *
 *   x = n ln2 + r,  |r| <= ln2 / 2     n by adding and subtracting a large number
 *   e^r - 1 = r + r^2 q(r)             q: minimax (Remez), relative error of e^r - 1
 *                                      below 1.4e-8 (float32), 2.0e-17 (float64)
 *   sigmoid(x) = 1 / (1 + e^-x)
 * float64
 *   tanh(x) = y / (y + 2)              y = e^2|x| - 1 keeps its accuracy near 0
 * float32, half the operations and a shorter chain
 *   e^-x = 2^n p(r)                    n + r = -x / ln2, p: minimax (Lawson), relative
 *                                      error below 9.2e-8
 *   tanh(x) = x p(x^2) / q(x^2)        p, q: minimax (Remez), degrees 4 and 4, relative
 *                                      error below 2.3e-8 up to TANH_MAX
 *
 *   x = 2^n (1 + f), s = f / (2 + f)   sqrt(1/2) <= 1 + f < sqrt(2)
 *   log(1 + f) = 2 s + s z p(z), z = s^2   p: minimax (Remez), relative error below
 *                                          4.1e-10 (float32), 6.2e-19 (float64) */
#ifndef LSTMC_VMATH_H
#define LSTMC_VMATH_H

#include "real.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if LSTMC_F64
#define ROUND R(6755399441055744.0) /* 1.5 * 2^52: adding it rounds to an integer */
#define LN2_HI R(0x1.62e42fefa38p-1) /* 11 trailing zeros: n * LN2_HI is exact */
#define LN2_LO R(0x1.ef35793c7673p-45)
#define EXPONENT 52
#define BIAS 1023
#define EXP_MAX R(708.0)
#define TANH_MAX R(40.0) /* 2|x| from which tanh is 1 to the last bit */
#else
#define ROUND R(12582912.0) /* 1.5 * 2^23 */
#define LN2_HI R(0x1.62e4p-1)
#define LN2_LO R(0x1.7f7d1cf8p-20)
#define EXPONENT 23
#define BIAS 127
#define EXP_MAX R(87.0)
#define TANH_MAX R(9.1) /* tanh is 1 to the last bit */
#endif
#define LOG2_E R(1.4426950408889634074)
#define SQRT_HALF R(0.70710678118654752440)

/* x - 0 is x for every x (0 + x is not, for -0): the compiler keeps the broadcast
 * alone. */
ALWAYS_INLINE vec splat(real x) { return x - (vec){0}; }

/* x where all bits of `first` are set, y where none is. */
ALWAYS_INLINE vec choose(ivec first, vec x, vec y)
{
    return (vec)((first & (ivec)x) | (~first & (ivec)y));
}

/* One instruction each; NaN in x passes through, since x is the second operand. */
#if defined(__x86_64__)
#if VECTOR == 64
#define INTRINSIC(op, type) _mm512_##op##_##type
#elif VECTOR == 32
#define INTRINSIC(op, type) _mm256_##op##_##type
#else
#define INTRINSIC(op, type) _mm_##op##_##type
#endif
#if LSTMC_F64
#define MAX_(low, x) INTRINSIC(max, pd)(low, x)
#define MIN_(high, x) INTRINSIC(min, pd)(high, x)
#define STORE_PAST_(to, x) INTRINSIC(stream, pd)(to, x)
#else
#define MAX_(low, x) INTRINSIC(max, ps)(low, x)
#define MIN_(high, x) INTRINSIC(min, ps)(high, x)
#define STORE_PAST_(to, x) INTRINSIC(stream, ps)(to, x)
#endif
ALWAYS_INLINE vec max_(vec low, vec x) { return MAX_(low, x); }
ALWAYS_INLINE vec min_(vec high, vec x) { return MIN_(high, x); }

/* To a vector of memory, past the caches; others see it after pass_stores(). */
ALWAYS_INLINE void store_past(real *to, vec x) { STORE_PAST_(to, x); }
ALWAYS_INLINE void pass_stores(void) { _mm_sfence(); }
#else
ALWAYS_INLINE vec max_(vec low, vec x) { return choose(low > x, low, x); }
ALWAYS_INLINE vec min_(vec high, vec x) { return choose(high < x, high, x); }
ALWAYS_INLINE void store_past(real *to, vec x) { *(vec *)to = x; }
ALWAYS_INLINE void pass_stores(void) {}
#endif

ALWAYS_INLINE vec abs_(vec x)
{
    const bits sign = (bits)((uint64_t)1 << (8 * sizeof(real) - 1));
    return (vec)((ivec)x & ~sign);
}

ALWAYS_INLINE vec copy_sign(vec size, vec x)
{
    const bits sign = (bits)((uint64_t)1 << (8 * sizeof(real) - 1));
    return (vec)((ivec)size | ((ivec)x & sign));
}

/* p / q of finite numbers, 1/q and p/q normal: within an ulp. AVX-512 divides a vector
 * at a time in 16 cycles or so; from its estimate of 1/q, good to 14 bits, it is a few
 * multiply-adds: Newton's step, then Markstein's for the quotient itself. */
#if defined(__AVX512F__)
ALWAYS_INLINE vec quotient(vec p, vec q)
{
#if LSTMC_F64
    vec inverse = _mm512_rcp14_pd(q);
    inverse += inverse * (R(1) - q * inverse);
#else
    const vec inverse = _mm512_rcp14_ps(q);
#endif
    const vec near = p * inverse;
    return near + inverse * (p - q * near);
}
#else
ALWAYS_INLINE vec quotient(vec p, vec q) { return p / q; }
#endif

/* e^r - 1 of |r| <= ln2 / 2 or NaN. */
ALWAYS_INLINE vec exp_rest(vec r)
{
#if LSTMC_F64
    vec q = splat(R(2.5113931895757030e-8));
    q = q * r + R(2.7625308178857614e-7);
    q = q * r + R(2.7557229838284339e-6);
    q = q * r + R(2.4801507483111561e-5);
    q = q * r + R(1.9841269900685047e-4);
    q = q * r + R(1.3888888929246424e-3);
    q = q * r + R(8.3333333333158081e-3);
    q = q * r + R(4.1666666666586432e-2);
    q = q * r + R(0.16666666666666683841);
    q = q * r + R(0.50000000000000039011);
#else
    vec q = splat(R(1.3946496240070185e-3));
    q = q * r + R(8.3666105872153278e-3);
    q = q * r + R(4.1666281409973573e-2);
    q = q * r + R(0.16666542794073876);
    q = q * r + R(0.50000000620847118);
#endif
    return r + r * r * q;
}

/* 2^n into *scale and e^r - 1 as the value; |x| <= EXP_MAX or NaN. */
ALWAYS_INLINE vec split_exp(vec x, vec *scale)
{
    const vec shifted = x * LOG2_E + ROUND;
    const vec n = shifted - ROUND;
    /* The low bits of `shifted` are n: moved into the exponent they make 2^n. */
    *scale = (vec)(((ivec)shifted << EXPONENT) + ((bits)BIAS << EXPONENT));
    return exp_rest((x - n * LN2_HI) - n * LN2_LO);
}

ALWAYS_INLINE vec exp_(vec x)
{
    vec scale;
    const vec y = split_exp(max_(splat(-EXP_MAX), min_(splat(EXP_MAX), x)), &scale);
    return scale + scale * y;
}

#if LSTMC_F64
ALWAYS_INLINE vec sigmoid(vec x) { return quotient(splat(1), R(1) + exp_(-x)); }

ALWAYS_INLINE vec tanh_(vec x)
{
    vec scale;
    const vec y = split_exp(min_(splat(TANH_MAX), R(2) * abs_(x)), &scale);
    const vec up = scale * y + (scale - R(1)); /* e^2|x| - 1 */
    return copy_sign(quotient(up, up + R(2)), x);
}
#else
/* e^-x as 2^n 2^r: n goes into the exponent of 2^r, which its last bits then are. The
 * quotient's second correction would be lost in the rounding, where 1 is divided. */
ALWAYS_INLINE vec sigmoid(vec x)
{
    const vec near = max_(splat(-EXP_MAX), min_(splat(EXP_MAX), x));
    const vec shifted = near * -LOG2_E + ROUND;
    const vec r = near * -LOG2_E - (shifted - ROUND);
    vec p = splat(R(1.3264727313071490e-3));
    p = p * r + R(9.6715129911899570e-3);
    p = p * r + R(5.5507335811853409e-2);
    p = p * r + R(0.24022242426872253);
    p = p * r + R(0.69314700365066528);
    p = p * r + R(1);
    const vec q = R(1) + (vec)(((ivec)shifted << EXPONENT) + (ivec)p);
#if defined(__AVX512F__)
    const vec inverse = _mm512_rcp14_ps(q);
    return inverse + inverse * (R(1) - q * inverse);
#else
    return R(1) / q;
#endif
}

/* Beyond TANH_MAX p / q stays what it is there while x goes on, so that the bound of 1
 * decides; it also keeps roundings in the range of the function. */
ALWAYS_INLINE vec tanh_(vec x)
{
    const vec u = min_(splat(TANH_MAX * TANH_MAX), x * x);
    vec p = u * R(1.3177530544430598e-8) + R(2.0481190534225076e-5);
    vec q = u * R(7.7040489032547868e-7) + R(3.2729204602161251e-4);
    p = p * u + R(3.4878111577581803e-3);
    q = q * u + R(2.5847388834859713e-2);
    p = p * u + R(0.13374475226080774);
    q = q * u + R(0.46707789001763624);
    p = p * u + R(0.99999997718576855);
    q = q * u + R(1);
    return max_(splat(-1), min_(splat(1), x * quotient(p, q)));
}
#endif

/* Of a normal positive number. */
ALWAYS_INLINE vec log_(vec x)
{
    const vec one = splat(1), low = splat(SQRT_HALF);
    const uvec biased = ((uvec)x + ((uvec)one - (uvec)low)) >> EXPONENT;
    const ivec n = (ivec)biased - BIAS;
    const vec f = (vec)((ivec)x - (n << EXPONENT)) - R(1);
    const vec s = quotient(f, f + R(2)), z = s * s, half = R(0.5) * f * f;
    /* The low bits of ROUND hold an integer. */
    const vec e = (vec)((ivec)splat(ROUND) + n) - ROUND;
#if LSTMC_F64
    vec p = splat(R(0.14795949746504109102));
    p = p * z + R(0.1531405053947184746);
    p = p * z + R(0.18183564327007024513);
    p = p * z + R(0.22222198573157717871);
    p = p * z + R(0.28571428742388012491);
    p = p * z + R(0.39999999999414675746);
    p = p * z + R(0.66666666666667344128);
#else
    vec p = splat(R(0.29871728022238305384));
    p = p * z + R(0.39977541564840396189);
    p = p * z + R(0.66666776381715953664);
#endif
    return e * LN2_HI + (f - (half - (s * (half + z * p) + e * LN2_LO)));
}

/* Of 0 <= x: what 1 + x loses of x comes back. */
ALWAYS_INLINE vec log1p_(vec x)
{
    const vec y = R(1) + x;
    return log_(y) + quotient(x - (y - R(1)), y);
}

/* log(sigmoid(x)) */
ALWAYS_INLINE vec log_sigmoid(vec x)
{
    return min_(splat(0), x) - log1p_(exp_(-abs_(x)));
}

#endif
