/* cpu.c - asks cpuid for the instructions and XGETBV whether the system saves the
 * registers. */
#include "cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <stdint.h>
#if KNOWS_AMX
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum {
    XMM = 1 << 1,
    YMM = 1 << 2,
    OPMASK = 1 << 5,
    ZMM_LOW = 1 << 6,
    ZMM_HIGH = 1 << 7,
    TILE_SHAPES = 1 << 17,
    TILE_DATA = 1 << 18
};

/* Which registers the operating system saves; 0 without OSXSAVE. */
static uint64_t saved_registers(void)
{
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return 0;
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static int has(uint64_t registers, uint32_t leaf_1_c, uint32_t leaf_7_b)
{
    uint32_t a, b, c, d;
    if ((saved_registers() & registers) != registers ||
        !__get_cpuid(1, &a, &b, &c, &d) || (c & leaf_1_c) != leaf_1_c)
        return 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & leaf_7_b) == leaf_7_b;
}

int cpu_has_avx2(void) { return has(XMM | YMM, bit_AVX | bit_FMA, bit_AVX2); }

int cpu_has_avx512(void)
{
    return has(XMM | YMM | OPMASK | ZMM_LOW | ZMM_HIGH, bit_AVX | bit_FMA,
               bit_AVX2 | bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL);
}

#if KNOWS_AMX
/* Tiles are saved for those alone who have asked for them; see the kernel's
 * Documentation/arch/x86/xstate.rst. Leaf 7, in d: 24 is AMX-TILE, 25 AMX-INT8; in c:
 * 1 is AVX512-VBMI, 11 AVX512-VNNI. */
int cpu_has_amx(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XTILEDATA = 18 };
    const uint32_t in_c = 1u << 1 | 1u << 11, in_d = 1u << 24 | 1u << 25;
    const uint64_t registers = TILE_SHAPES | TILE_DATA;
    uint32_t a, b, c, d;
    if (!cpu_has_avx512() || !__get_cpuid_count(7, 0, &a, &b, &c, &d) ||
        (c & in_c) != in_c)
        return 0;
#ifdef LSTMC_TILES /* in C, see tests/c/tiles.h */
    return 1;
#endif
    return (d & in_d) == in_d && (saved_registers() & registers) == registers &&
           syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0;
}
#else
int cpu_has_amx(void) { return 0; }
#endif
#else
int cpu_has_avx2(void) { return 0; }
int cpu_has_avx512(void) { return 0; }
int cpu_has_amx(void) { return 0; }
#endif
