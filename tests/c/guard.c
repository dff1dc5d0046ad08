/* guard.c - memory between two canaries, kept in a list. */
#include "guard.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#endif
#if SANITIZED
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(start, bytes) ((void)(start))
#define ASAN_UNPOISON_MEMORY_REGION(start, bytes) ((void)(start))
#endif

enum { LINE = 64, CANARY = 0xa5, GARBAGE = 0xff };

typedef struct Guard {
    struct Guard *next;
    unsigned char *block, *memory;
    size_t before, bytes;
} Guard;

static Guard *kept, *allocated;
static int passes = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *take(Guard **list, size_t bytes, size_t shift)
{
    Guard *guard = malloc(sizeof *guard);
    const size_t whole = (2 * LINE + shift + bytes + LINE - 1) / LINE * LINE;
    unsigned char *block = aligned_alloc(LINE, whole);
    if (!guard || !block)
        abort();
    const size_t before = LINE + shift;
    *guard = (Guard){*list, block, block + before, before, bytes};
    *list = guard;
    memset(block, CANARY, before);
    memset(guard->memory, GARBAGE, bytes);
    memset(guard->memory + bytes, CANARY, LINE);
    ASAN_POISON_MEMORY_REGION(block, before);
    ASAN_POISON_MEMORY_REGION(guard->memory + bytes, LINE);
    return guard->memory;
}

static int is_canary(const unsigned char *bytes, size_t count)
{
    for (size_t k = 0; k < count; ++k)
        if (bytes[k] != CANARY)
            return 0;
    return 1;
}

static int is_whole(const Guard *guard)
{
    const unsigned char *after = guard->memory + guard->bytes;
    ASAN_UNPOISON_MEMORY_REGION(guard->block, guard->before + guard->bytes + LINE);
    const int whole = is_canary(guard->block, guard->before) && is_canary(after, LINE);
    ASAN_POISON_MEMORY_REGION(guard->block, guard->before);
    ASAN_POISON_MEMORY_REGION(after, LINE);
    return whole;
}

static void drop(Guard **from)
{
    Guard *guard = *from;
    if (!is_whole(guard))
        CHECK_SAY(0, "written outside of %zu bytes", guard->bytes);
    *from = guard->next;
    ASAN_UNPOISON_MEMORY_REGION(guard->block, guard->before + guard->bytes + LINE);
    free(guard->block);
    free(guard);
}

void *keep(size_t bytes, size_t shift) { return take(&kept, bytes, shift); }

void check_guards(void)
{
    int whole = 1;
    for (const Guard *guard = kept; guard; guard = guard->next)
        whole &= is_whole(guard);
    CHECK_SAY(whole, "written outside of an array");
}

void *mark(void) { return kept; }

void drop_to(void *mark)
{
    while (kept != mark)
        drop(&kept);
}

void drop_all(void) { drop_to(NULL); }

void *guarded_allocate(size_t alignment, size_t bytes)
{
    void *memory = NULL;
    pthread_mutex_lock(&lock);
    if (CHECK(alignment == LINE && bytes % alignment == 0) && passes != 0) {
        passes -= passes > 0;
        memory = take(&allocated, bytes, 0);
    }
    pthread_mutex_unlock(&lock);
    return memory;
}

void guarded_release(void *memory)
{
    pthread_mutex_lock(&lock);
    Guard **from = &allocated;
    while (*from && (*from)->memory != memory)
        from = &(*from)->next;
    if (CHECK_SAY(*from != NULL, "released what was not allocated"))
        drop(from);
    pthread_mutex_unlock(&lock);
}

int guarded_live(void)
{
    int count = 0;
    for (const Guard *guard = allocated; guard; guard = guard->next)
        ++count;
    return count;
}

void fail_after(int count) { passes = count; }
