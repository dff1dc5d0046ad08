/* cpu.h - what the processor and the operating system together can run. */
#ifndef LSTMC_CPU_H
#define LSTMC_CPU_H

int cpu_has_avx2(void);   /* with FMA */
int cpu_has_avx512(void); /* F, BW, DQ, VL */
int cpu_has_amx(void); /* with bfloat16 and AVX-512; asks Linux for the registers */

#endif
