/* cases.h - the shapes of a tile, and CASE(rows, n(rows)) for every height.
 *
 * Who includes it defines CASE: the tile's loops with both numbers constant. */
#ifndef LSTMC_CASES_H
#define LSTMC_CASES_H

#define CASES_3(n) CASE(1, n(1)) CASE(2, n(2)) CASE(3, n(3))
#define CASES_6(n) CASES_3(n) CASE(4, n(4)) CASE(5, n(5)) CASE(6, n(6))
#define CASES_12(n) \
    CASES_6(n)      \
    CASE(7, n(7))   \
    CASE(8, n(8)) CASE(9, n(9)) CASE(10, n(10)) CASE(11, n(11)) CASE(12, n(12))
#define ALL_CASES_(rows, n) CASES_##rows(n)
#define ALL_CASES(rows, n) ALL_CASES_(rows, n)
#define CASES(n) ALL_CASES(TILE_ROWS, n)

/* Vectors of sums in a tile: of 32 registers 24, of 16 twelve. */
#if defined(__AVX512F__)
#define ACCUMULATORS (2 * TILE_ROWS * VECS)
#else
#define ACCUMULATORS (TILE_ROWS * VECS)
#endif

/* Panels beside one another in a tile of few rows: enough sums in flight to hide the
 * latency of a multiply-add; half of them for what is left over; and one. */
#define BESIDE(rows) \
    (ACCUMULATORS >= 4 * (rows) * VECS ? 4 : ACCUMULATORS >= 2 * (rows) * VECS ? 2 : 1)
#define PAIR(rows) (BESIDE(rows) > 1 ? 2 : 1)
#define ONE(rows) 1

/* The rows that a tile of so many panels has at most. */
#define HEIGHT(beside) min_idx(TILE_ROWS, ACCUMULATORS / ((beside) * VECS))

#endif
