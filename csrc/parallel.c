/* parallel.c - how many threads a call gets, and what a fork leaves behind. */
#include "parallel.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "lstmc.h"

#if defined(_OPENMP)
#include <omp.h>
#if defined(__linux__)
/* Since OpenMP 5.0; a runtime without it leaves the child one thread. */
extern int omp_pause_resource_all(omp_pause_resource_t) __attribute__((weak));
#endif
#endif

#if !defined(_WIN32)
#include <pthread.h>
#endif

/* Waking a team takes a microsecond or some and its barriers as much again, while a
 * core does some 50 operations in a nanosecond: work below 60 us stays alone. */
#define SMALL_WORK 3e6

static atomic_int set_threads, quota, taken;

void lstmc_set_threads(int threads)
{
    atomic_store(&set_threads, threads < 0 ? 0 : threads);
}

void lstmc_set_quota(int cpus) { atomic_store(&quota, cpus < 0 ? 0 : cpus); }

int lstmc_has_openmp(void)
{
#if defined(_OPENMP)
    return 1;
#else
    return 0;
#endif
}

#if defined(_OPENMP)
static atomic_int broken_pool; /* a fork has taken its threads away */

static int smaller(int j, int k) { return j < k ? j : k; }

/* OMP_NUM_THREADS and threadpoolctl speak through omp_get_max_threads. */
static int machine_threads(void)
{
    const char *asked = getenv("OMP_NUM_THREADS");
    if (asked && *asked)
        return omp_get_max_threads();
    const int granted = atomic_load(&quota);
    const int cpus = smaller(omp_get_max_threads(), omp_get_num_procs());
    return granted > 0 ? smaller(granted, cpus) : cpus;
}
#endif

int lstmc_threads(int wanted)
{
#if defined(_OPENMP)
    if (atomic_load(&broken_pool))
        return 1;
    if (wanted > 0)
        return wanted;
    const int set = atomic_load(&set_threads);
    return set > 0 ? set : machine_threads();
#else
    (void)wanted;
    return 1;
#endif
}

/* A thread that has once led a team keeps the others of that team, asleep, until it
 * ends. A server of forty threads shall not end up with forty teams: together they keep
 * no more than one for each processor, and who comes later works alone. */
#if defined(_OPENMP) && !defined(_WIN32)
static atomic_int followers; /* of all leaders */
static pthread_key_t own_followers;

static void leader_ends(void *own) { atomic_fetch_sub(&followers, (int)(intptr_t)own); }

static int limit_followers(int threads)
{
    const int own = (int)(intptr_t)pthread_getspecific(own_followers);
    if (threads - 1 <= own)
        return threads;
    const int processors = omp_get_num_procs();
    const int limit = threads - 1 > processors ? threads - 1 : processors;
    int all = atomic_load(&followers), more;
    do {
        more = smaller(threads - 1 - own, limit - all);
        if (more <= 0)
            return own + 1;
    } while (!atomic_compare_exchange_weak(&followers, &all, all + more));
    pthread_setspecific(own_followers, (void *)(intptr_t)(own + more));
    return own + more + 1;
}
#elif defined(_OPENMP)
static int limit_followers(int threads) { return threads; }
#endif

int take_threads(int wanted, double flops)
{
    int threads = 1;
#if defined(_OPENMP)
    if (flops >= SMALL_WORK && !omp_in_parallel()) {
        /* More than two a processor gain nothing, and the system may refuse them. */
        const int most = 2 * omp_get_num_procs();
        threads = smaller(lstmc_threads(wanted), most > 16 ? most : 16);
        /* Calls that run at the same time share the threads, not each taking all. */
        const int left = threads - atomic_load(&taken);
        threads = limit_followers(left < 1 ? 1 : left);
    }
#else
    (void)wanted;
    (void)flops;
#endif
    atomic_fetch_add(&taken, threads);
    return threads;
}

void give_threads(int threads) { atomic_fetch_sub(&taken, threads); }

void run_team(int threads, void (*member)(const void *data), const void *data)
{
#if defined(_OPENMP)
    if (threads > 1 || omp_in_parallel()) {
#pragma omp parallel num_threads(threads)
        member(data);
        return;
    }
#endif
    (void)threads; /* without OpenMP */
    member(data);
}

void share_out(ptrdiff_t count, int threads,
               void (*job)(void *data, ptrdiff_t k, int thread), void *data)
{
    (void)threads; /* without OpenMP */
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (ptrdiff_t k = 0; k < count; ++k)
#if defined(_OPENMP)
        job(data, k, omp_get_thread_num());
#else
        job(data, k, 0);
#endif
}

/* libgomp's pool does not survive a fork: a child that enters a region of two
 * threads waits for ever for threads that the fork did not copy. So the pool is
 * given up before. */
#if defined(_OPENMP) && !defined(_WIN32)
static int pool_gone;

static void before_fork(void)
{
#if defined(__linux__)
    pool_gone = omp_pause_resource_all && omp_pause_resource_all(omp_pause_soft) == 0;
#else
    pool_gone = omp_pause_resource_all(omp_pause_soft) == 0;
#endif
}

static void in_child(void)
{
    if (!pool_gone)
        atomic_store(&broken_pool, 1);
    atomic_store(&taken, 0);
    atomic_store(&followers, 0);
    pthread_setspecific(own_followers, NULL);
}

__attribute__((constructor)) static void prepare(void)
{
    pthread_key_create(&own_followers, leader_ends);
    pthread_atfork(before_fork, NULL, in_child);
}
#endif
