/* cpu.h - what the processor and the operating system together can run. */
#ifndef LSTMC_CPU_H
#define LSTMC_CPU_H

/* AMX: where the compiler knows it, and the system lends its registers. */
#if defined(__x86_64__) && defined(__linux__)
#if defined(__clang__) ? __clang_major__ >= 12 : __GNUC__ >= 11
#define KNOWS_AMX 1
#endif
#endif
#ifndef KNOWS_AMX
#define KNOWS_AMX 0
#endif

int cpu_has_avx2(void);   /* with FMA */
int cpu_has_avx512(void); /* F, BW, DQ, VL */
int cpu_has_amx(void); /* INT8, with AVX-512 VNNI and VBMI; asks for the registers */

#endif
