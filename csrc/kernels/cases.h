/* cases.h - CASE(rows, n(rows)) for every height that a tile may have.
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

#define ONE(rows) 1

#endif
