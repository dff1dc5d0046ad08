/* main.c - the C test program: the kernels through lstmc.h, without Python. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "check.h"
#include "guard.h"
#include "lstmc.h"

static const char *const targets[] = {"baseline", "avx2", "avx512", "amx"};

/* Thousands of small cases: that the system clears new pages for each takes longer
 * than the tests. */
static void keep_freed_memory(void)
{
#if defined(__GLIBC__)
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}

static void test_target(const char *target)
{
    keep_freed_memory();
    lstmc_set_allocator(guarded_allocate, guarded_release);
    CHECK(lstmc_choose_target(target) == LSTMC_OK);
    test_sequence();
    test_gradient();
    test_bits();
    test_stack();
    test_stream();
    test_checkpoint();
    test_pack();
    test_dense();
    test_mdlstm();
    test_solver();
    test_dropout();
    test_edits();
    test_ctc();
    test_highway();
    test_decode();
    test_mode();
    test_memory();
    test_errors();
    printf("%s: ", lstmc_target());
}

/* A process for each target, side by side, or for one alone. */
static int test_targets(const char *only)
{
    int failed = only && !lstmc_has_target(only), status;
    fflush(stdout);
    for (size_t k = 0; k < sizeof targets / sizeof *targets; ++k) {
        if (!lstmc_has_target(targets[k]) || (only && strcmp(only, targets[k]) != 0))
            continue;
        const pid_t child = fork();
        if (child == 0) {
            test_target(targets[k]);
            exit(report());
        }
        failed |= child < 0;
    }
    while (wait(&status) > 0)
        failed |= status != 0;
    return failed;
}

/* What is compiled once for each target that this machine has. */
#if LSTMC_X86
#define TEST_EACH(test)                   \
    do {                                  \
        test##_baseline_f32();            \
        test##_baseline_f64();            \
        if (lstmc_has_target("avx2")) {   \
            test##_avx2_f32();            \
            test##_avx2_f64();            \
        }                                 \
        if (lstmc_has_target("avx512")) { \
            test##_avx512_f32();          \
            test##_avx512_f64();          \
        }                                 \
    } while (0)
#else
#define TEST_EACH(test)        \
    do {                       \
        test##_baseline_f32(); \
        test##_baseline_f64(); \
    } while (0)
#endif

/* The name of a target: layers are tested with that one alone. */
int main(int count, char **words)
{
    TEST_EACH(test_vmath);
    TEST_EACH(test_lanes);
    TEST_EACH(test_product);
    TEST_EACH(test_digits);
    test_machine();
    return report() | test_targets(count > 1 ? words[1] : NULL);
}
