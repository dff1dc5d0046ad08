/* dispatch.c - the target chosen once, from what is built in and what the machine
 * runs. */
#include "dispatch.h"

#include <stdatomic.h>
#include <string.h>

#include "cpu.h"

#define DECLARE(target) \
    extern const Kernels kernels_##target##_f32, kernels_##target##_f64;
DECLARE(baseline)
#if LSTMC_X86
DECLARE(avx2)
DECLARE(avx512)
#endif

typedef struct {
    const char *name;
    int (*runs)(void);
    const Kernels *kernels[2]; /* float32, float64 */
    int amx;                   /* they may use it */
} Target;

static int always(void) { return 1; }

#define KERNELS(target) {&kernels_##target##_f32, &kernels_##target##_f64}
static const Target targets[] = {
/* best first */
#if LSTMC_X86
    {"amx", cpu_has_amx, KERNELS(avx512), 1},
    {"avx512", cpu_has_avx512, KERNELS(avx512), 0},
    {"avx2", cpu_has_avx2, KERNELS(avx2), 0},
#endif
    {"baseline", always, KERNELS(baseline), 0},
};
enum { TARGETS = sizeof targets / sizeof *targets };

static _Atomic(const Target *) chosen;

static const Target *find_target(const char *name)
{
    for (int k = 0; k < TARGETS; ++k)
        if ((!name || !*name || strcmp(targets[k].name, name) == 0) &&
            targets[k].runs())
            return &targets[k];
    return NULL;
}

static const Target *current(void)
{
    const Target *target = atomic_load(&chosen);
    if (!target) {
        target = find_target(NULL);
        atomic_store(&chosen, target);
    }
    return target;
}

const Kernels *kernels_of(int dtype) { return current()->kernels[dtype]; }

int target_has_amx(void) { return current()->amx; }

int lstmc_choose_target(const char *name)
{
    const Target *target = find_target(name);
    if (!target)
        return LSTMC_NO_TARGET;
    atomic_store(&chosen, target);
    return LSTMC_OK;
}

const char *lstmc_target(void) { return current()->name; }

int lstmc_has_target(const char *name)
{
    return name && *name && find_target(name) != NULL;
}
