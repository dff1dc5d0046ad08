/* real.h - the number, the vector and the symbol names of one target and one dtype.
 *
 * Every file of cells/ and kernels/ is compiled once per target and dtype, with
 * LSTMC_TARGET naming the target and LSTMC_F64 the dtype. Vectors are the compiler's
 * own (GCC and Clang), as wide as the target allows. */
#ifndef LSTMC_REAL_H
#define LSTMC_REAL_H

#include <stddef.h>
#include <stdint.h>

#if LSTMC_F64
typedef double real;
typedef int64_t bits;
typedef uint64_t ubits;
#define DTYPE f64
#else
typedef float real;
typedef int32_t bits;
typedef uint32_t ubits;
#define DTYPE f32
#endif

typedef ptrdiff_t idx;

#define R(x) ((real)(x))

#define GLUE_(name, target, dtype) name##_##target##_##dtype
#define GLUE(name, target, dtype) GLUE_(name, target, dtype)
#define NAME(name) GLUE(name, LSTMC_TARGET, DTYPE)

#if defined(__AVX512F__)
#define VECTOR 64
#elif defined(__AVX__)
#define VECTOR 32
#else
#define VECTOR 16
#endif

/* A panel is a cache line of reals: weights are packed and cells work by it. */
#define LINE 64
#define PANEL ((idx)(LINE / sizeof(real)))
#define LANES ((idx)(VECTOR / sizeof(real)))
#define VECS (LINE / VECTOR) /* vectors in a panel */

typedef real vec __attribute__((vector_size(VECTOR), may_alias));
typedef bits ivec __attribute__((vector_size(VECTOR), may_alias));
typedef ubits uvec __attribute__((vector_size(VECTOR), may_alias));
typedef real loose
    __attribute__((vector_size(VECTOR), aligned(sizeof(real)), may_alias));

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* A loop unrolled whole: its arrays can then live in registers. */
#if defined(__clang__)
#define EACH(j, n) _Pragma("clang loop unroll(full)") for (int j = 0; j < (n); ++j)
#else
#define EACH(j, n) _Pragma("GCC unroll 24") for (int j = 0; j < (n); ++j)
#endif

/* A loop written out twice; with half the registers its sums would be spilled. */
#if !defined(__AVX512F__)
#define TWICE
#elif defined(__clang__)
#define TWICE _Pragma("clang loop unroll_count(2)")
#else
#define TWICE _Pragma("GCC unroll 2")
#endif

ALWAYS_INLINE idx panels_of(idx n) { return (n + PANEL - 1) / PANEL; }
ALWAYS_INLINE idx min_idx(idx j, idx k) { return j < k ? j : k; }
ALWAYS_INLINE idx max_idx(idx j, idx k) { return j > k ? j : k; }

#endif
