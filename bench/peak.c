/* peak.c - the float32 multiply-add peak of this machine at this moment.
 *
 *   x = x a + b      in independent chains that never leave the registers
 *
 * A chain waits for its own last result, 4 to 8 cycles; enough chains keep every
 * unit busy. a < 1, so x tends to b / (1 - a): neither overflow nor denormals. */

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

enum { MAX_THREADS = 256, STEPS = 4096 }; /* STEPS: about 10 us between two clocks */

typedef struct {
    const char *name;
    float (*burn)(float start);
    double flops; /* of one call of burn */
} Target;

#define CHAINS_12(DO) \
    DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
#define NEXT_12(DO) \
    DO(12) DO(13) DO(14) DO(15) DO(16) DO(17) DO(18) DO(19) DO(20) DO(21) DO(22) DO(23)
#define CHAINS_24(DO) CHAINS_12(DO) NEXT_12(DO)

#define DECLARE(k) vector x##k = zero + (start + k);
#define ADVANCE(k) x##k = x##k * a + b;
#define GATHER(k) sum += x##k;
#define BURN(NAME, ATTRIBUTE, BYTES, CHAINS)                        \
    ATTRIBUTE static float NAME(float start)                        \
    {                                                               \
        typedef float vector __attribute__((vector_size(BYTES)));   \
        const vector zero = {0}, a = zero + 0.75f, b = zero + 0.5f; \
        vector sum = zero;                                          \
        CHAINS(DECLARE)                                             \
        for (int t = 0; t < STEPS; ++t) {                           \
            CHAINS(ADVANCE)                                         \
        }                                                           \
        CHAINS(GATHER)                                              \
        return sum[0];                                              \
    }
#define FLOPS(BYTES, N_CHAINS) (2.0 * STEPS * (N_CHAINS) * (BYTES) / sizeof(float))

#if defined(__aarch64__)
BURN(burn_baseline, , 16, CHAINS_24)
static const Target baseline = {"NEON", burn_baseline, FLOPS(16, 24)};
#else
BURN(burn_baseline, , 16, CHAINS_12)
static const Target baseline = {"baseline", burn_baseline, FLOPS(16, 12)};
#endif

#if defined(__x86_64__)
BURN(burn_avx2, __attribute__((target("avx2,fma"))), 32, CHAINS_12)
BURN(burn_avx512, __attribute__((target("avx512f"))), 64, CHAINS_24)
static const Target avx2 = {"AVX2", burn_avx2, FLOPS(32, 12)};
static const Target avx512 = {"AVX-512", burn_avx512, FLOPS(64, 24)};
#endif

static Target choose_target(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        return avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return avx2;
#endif
    return baseline;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct {
    Target target;
    double seconds;
    int threads;
    atomic_int ready;
    double rate[MAX_THREADS]; /* FLOP/s of each thread */
    float sink[MAX_THREADS]; /* read by nobody; keeps the work */
    atomic_int next;
} Race;

static void *run(void *shared)
{
    Race *race = shared;
    const int k = atomic_fetch_add(&race->next, 1);
    atomic_fetch_add(&race->ready, 1);
    while (atomic_load(&race->ready) < race->threads)
        sched_yield();

    const double start = now();
    double elapsed = 0, flops = 0;
    float x = 0;
    while (elapsed < race->seconds) {
        x = race->target.burn(x);
        flops += race->target.flops;
        elapsed = now() - start;
    }
    race->sink[k] = x;
    race->rate[k] = flops / elapsed;
    return 0;
}

/* Name of the instruction set that fma_peak uses. */
const char *fma_target(void) { return choose_target().name; }

/* FLOP/s of `threads` threads together over `seconds`; negative: no thread started. */
double fma_peak(int threads, double seconds)
{
    Race race = {.target = choose_target(), .seconds = seconds, .threads = threads};
    pthread_t others[MAX_THREADS];
    if (threads < 1 || threads > MAX_THREADS)
        return -1;
    int started = 1;
    while (started < threads && !pthread_create(&others[started], 0, run, &race))
        ++started;
    if (started < threads)
        atomic_store(&race.ready, threads); /* opens the gate for those that run */
    run(&race);

    double sum = 0;
    for (int k = 1; k < started; ++k)
        pthread_join(others[k], 0);
    for (int k = 0; k < started; ++k)
        sum += race.rate[k];
    return started < threads ? -1 : sum;
}
