/* test_vmath_f64.c - test_vmath.h for float64. */
#define LSTMC_F64 1
#define TEST_VMATH test_vmath_f64
#include "test_vmath.h"
