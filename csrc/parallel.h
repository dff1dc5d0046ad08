/* parallel.h - threads: how many, after a fork, and their floating-point mode. */
#ifndef LSTMC_PARALLEL_H
#define LSTMC_PARALLEL_H

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if defined(_OPENMP)
#include <omp.h>
#endif
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif !defined(_WIN32)
#include <sched.h>
#endif

/* Denormals cost up to 27 times the time of a training step: they are flushed inside
 * our threads, and the caller's mode comes back afterwards. */
typedef uint64_t FloatMode;

static inline FloatMode flush_denormals(void)
{
#if defined(__x86_64__)
    const unsigned mode = _mm_getcsr();
    _mm_setcsr(mode | 0x8040); /* flush to zero, denormals are zero */
    return mode;
#elif defined(__aarch64__)
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    __asm__ volatile("msr fpcr, %0" : : "r"(mode | (UINT64_C(1) << 24)));
    return mode;
#else
    return 0;
#endif
}

static inline void restore_mode(FloatMode mode)
{
#if defined(__x86_64__)
    _mm_setcsr((unsigned)mode);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(mode));
#else
    (void)mode;
#endif
}

/* A few threads that wait for one another thousands of times in a call. They spin,
 * since a step may take a microsecond, but not for ever: where cores are short, the one
 * that is waited for needs the core, and they sleep.
 *
 * Of a small crew each has a flag, which the others watch: a line then goes from core
 * to core once. More members count who has arrived, and the last one raises a flag. */
enum { SMALL_CREW = 4 };

typedef struct {
    _Alignas(64) atomic_int round; /* a line of its own */
    int stop[2]; /* of the first: what a crew was told before the last two waits */
} Flag;

typedef struct {
    Flag own[SMALL_CREW], all;
    _Alignas(64) atomic_int arrived;
    atomic_int sleepers;
} Barrier;

#define SPINS 4000 /* some 50 microseconds */

static inline void rest(void)
{
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Sleeps unless the word has changed; who changes it looks for sleepers afterwards. */
static inline void sleep_at(atomic_int *word, int value, atomic_int *sleepers)
{
#if defined(__linux__)
    atomic_fetch_add(sleepers, 1);
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
    atomic_fetch_sub(sleepers, 1);
#else
    (void)word;
    (void)value;
    (void)sleepers;
#if !defined(_WIN32)
    sched_yield();
#endif
#endif
}

static inline void write_and_wake(atomic_int *word, int value, atomic_int *sleepers)
{
    atomic_store(word, value);
#if defined(__linux__)
    if (atomic_load(sleepers) > 0)
        syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
#else
    (void)sleepers;
#endif
}

/* Until the word has changed. */
static inline void watch(atomic_int *word, int value, atomic_int *sleepers)
{
    for (int spin = 0; atomic_load_explicit(word, memory_order_acquire) == value;
         ++spin)
        if (spin < SPINS)
            rest();
        else
            sleep_at(word, value, sleepers);
}

static inline void raise_flag(Barrier *barrier, Flag *flag, int round)
{
    write_and_wake(&flag->round, round + 1, &barrier->sleepers);
}

static inline void wait_for(Barrier *barrier, int member, int members)
{
    if (members == 1)
        return;
    Flag *flag = members > SMALL_CREW ? &barrier->all : barrier->own + member;
    const int round = atomic_load_explicit(&flag->round, memory_order_relaxed);
    if (members <= SMALL_CREW) {
        raise_flag(barrier, flag, round);
        for (int other = 0; other < members; ++other)
            if (other != member)
                watch(&barrier->own[other].round, round, &barrier->sleepers);
    } else if (atomic_fetch_add(&barrier->arrived, 1) + 1 == members) {
        atomic_store_explicit(&barrier->arrived, 0, memory_order_relaxed);
        raise_flag(barrier, flag, round);
    } else {
        watch(&flag->round, round, &barrier->sleepers);
    }
}

/* What the first member tells all, before a wait; and what they were told, after it. */
static inline void tell_all(Barrier *barrier, ptrdiff_t step, int stop)
{
    barrier->own[0].stop[step & 1] = stop;
}

static inline int was_told(const Barrier *barrier, ptrdiff_t step)
{
    return barrier->own[0].stop[step & 1];
}

/* How many steps a thread has done, for one that follows it. */
typedef struct {
    _Alignas(64) atomic_int steps;
    atomic_int sleepers;
} Progress;

static inline void tell_progress(Progress *own, int steps)
{
    write_and_wake(&own->steps, steps, &own->sleepers);
}

static inline void wait_for_progress(Progress *other, int steps)
{
    int done;
    while ((done = atomic_load_explicit(&other->steps, memory_order_acquire)) < steps)
        watch(&other->steps, done, &other->sleepers);
}

/* A layer of several that run at the same time, each by one thread: it follows the one
 * before it, which writes what it reads. */
typedef struct Link {
    Progress *before, *own; /* NULL: it is the first, or the last */
    int steps; /* told at once, a power of two */
    int asks; /* the thread may ask the caller whether to go on */
    atomic_int *stopped; /* of all these layers */
} Link;

/* A team of at most `wanted` threads (0: the default) for work of `flops`: one for
 * small work and after a fork that broke the pool, fewer while other calls run. */
int take_threads(int wanted, double flops);
void give_threads(int threads);

/* Inside a region: the calling thread's number, and how many there are. */
static inline int own_thread(void)
{
#if defined(_OPENMP)
    return omp_get_thread_num();
#else
    return 0;
#endif
}

static inline int team_size(void)
{
#if defined(_OPENMP)
    return omp_get_num_threads();
#else
    return 1;
#endif
}

/* member(data) by each of a team: a region, within which the team may wait and share
 * loops. One thread needs none of its own, and does without where there is none around
 * that its waits and loops could be taken for a part of: a region takes 0.2 us. */
void run_team(int threads, void (*member)(const void *data), const void *data);

/* job(data, k, thread) for each k below count, each by whoever is free. */
void share_out(ptrdiff_t count, int threads,
               void (*job)(void *data, ptrdiff_t k, int thread), void *data);

#endif
