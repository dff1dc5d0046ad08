/* test_vmath_f32.c - test_vmath.h for float32. */
#define LSTMC_F64 0
#define TEST_VMATH test_vmath_f32
#include "test_vmath.h"
