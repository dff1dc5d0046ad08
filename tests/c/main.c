/* main.c - the C test program: the kernels through lstmc.h, without Python. */
#include <stdio.h>

#include "check.h"
#include "guard.h"
#include "lstmc.h"

static const char *const targets[] = {"baseline", "avx2", "avx512"};

static void test_target(void)
{
    test_sequence();
    test_gradient();
    test_bits();
    test_stream();
    test_checkpoint();
    test_pack();
    test_dense();
    test_solver();
    test_dropout();
    test_mode();
    test_memory();
    test_errors();
}

int main(void)
{
    test_vmath_f32();
    test_vmath_f64();
    test_machine();
    lstmc_set_allocator(guarded_allocate, guarded_release);
    for (size_t k = 0; k < sizeof targets / sizeof *targets; ++k) {
        if (!lstmc_has_target(targets[k]))
            continue;
        CHECK(lstmc_choose_target(targets[k]) == LSTMC_OK);
        test_target();
        printf("%s: done\n", lstmc_target());
    }
    return report();
}
