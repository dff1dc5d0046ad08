/* memory.c - where workspaces come from, and large blocks that wait for the next call.
 *
 * The system clears new memory page by page, which takes as long as a tenth of a call
 * that uses it once; so what was given back is handed out again. A block that waits
 * belongs to whoever exchanges it out of its slot: no lock, also across a fork. */
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "dispatch.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

/* Bytes from which on a block waits, and at most of all that do; the C library itself
 * keeps smaller ones. From LARGE on a block has pages of 2 MB, which cost a walk
 * through far fewer tables, and slots that smaller ones do not fill. */
#define LEAST ((size_t)192 << 10)
#define LARGE ((size_t)4 << 20)
#define MOST ((size_t)512 << 20)
#define HUGE_PAGE ((size_t)2 << 20)

/* Sizes are checked against this once; every product inside stays below PTRDIFF_MAX. */
#define MOST_BYTES ((double)(PTRDIFF_MAX / 16))

enum { SMALL_SLOTS = 32, SLOTS = 48 };

typedef struct {
    size_t bytes; /* behind this header */
    void *start;  /* of what the C library gave */
    char fill[LSTMC_ALIGNMENT - sizeof(size_t) - sizeof(void *)];
} Block;

static void *(*allocator)(size_t, size_t);
static void (*releaser)(void *);
static _Atomic double wanted_bytes;
static atomic_size_t waiting_bytes;
static _Atomic(Block *) waiting[SLOTS];

void lstmc_set_allocator(void *(*allocate)(size_t, size_t), void (*release)(void *))
{
    allocator = allocate;
    releaser = release;
}

double lstmc_wanted_bytes(void) { return atomic_load(&wanted_bytes); }

int refuse_bytes(double bytes)
{
    atomic_store(&wanted_bytes, bytes);
    return LSTMC_TOO_LARGE;
}

int check_bytes(double bytes)
{
    return bytes < MOST_BYTES ? LSTMC_OK : refuse_bytes(bytes);
}

/* malloc and not aligned_alloc, which takes a tenth of a short call. */
static Block *allocate(size_t bytes)
{
    const size_t alignment = bytes < LARGE ? LSTMC_ALIGNMENT : HUGE_PAGE;
    const size_t whole =
        (sizeof(Block) + bytes + alignment - 1) / alignment * alignment;
    void *start = malloc(whole + alignment);
    if (!start)
        return NULL;
    Block *block =
        (Block *)(((uintptr_t)start + alignment - 1) / alignment * alignment);
#if defined(__linux__)
    if (bytes >= LARGE)
        madvise(block, whole, MADV_HUGEPAGE); /* advice: what it answers is no matter */
#endif
    block->bytes = whole - sizeof(Block);
    block->start = start;
    return block;
}

static void release(Block *block) { free(block->start); }

/* The slots of blocks of a size. */
static int first_slot(size_t bytes) { return bytes < LARGE ? 0 : SMALL_SLOTS; }

static int last_slot(size_t bytes) { return bytes < LARGE ? SMALL_SLOTS : SLOTS; }

static Block *take_waiting(int slot)
{
    Block *block = atomic_exchange(&waiting[slot], NULL);
    if (block)
        atomic_fetch_sub(&waiting_bytes, block->bytes);
    return block;
}

/* 1: it waits; 0: there is no room. */
static int let_wait(Block *block)
{
    if (atomic_fetch_add(&waiting_bytes, block->bytes) + block->bytes <= MOST)
        for (int slot = first_slot(block->bytes); slot < last_slot(block->bytes);
             ++slot) {
            Block *none = NULL;
            if (atomic_compare_exchange_strong(&waiting[slot], &none, block))
                return 1;
        }
    atomic_fetch_sub(&waiting_bytes, block->bytes);
    return 0;
}

/* One that waits and is not much too large. */
static Block *find_waiting(size_t bytes)
{
    for (int slot = first_slot(bytes); slot < last_slot(bytes); ++slot) {
        Block *block = take_waiting(slot);
        if (block && block->bytes >= bytes && block->bytes / 2 <= bytes)
            return block;
        if (block && !let_wait(block))
            release(block);
    }
    return NULL;
}

static void release_slots(int first, int last)
{
    for (int slot = first; slot < last; ++slot) {
        Block *block = take_waiting(slot);
        if (block)
            release(block);
    }
}

void lstmc_release_memory(void) { release_slots(0, SLOTS); }

void *lstmc_take_memory(size_t bytes)
{
    const size_t whole = (bytes + LSTMC_ALIGNMENT) / LSTMC_ALIGNMENT * LSTMC_ALIGNMENT;
    atomic_store(&wanted_bytes, (double)whole);
    if (allocator)
        return allocator(LSTMC_ALIGNMENT, whole);
    Block *block = whole < LEAST ? NULL : find_waiting(whole);
    if (!block)
        block = allocate(whole);
    if (!block) {
        lstmc_release_memory();
        block = allocate(whole);
    }
    return block ? block + 1 : NULL;
}

void lstmc_give_memory(void *memory)
{
    if (!memory)
        return;
    if (releaser) {
        releaser(memory);
        return;
    }
    Block *block = (Block *)memory - 1;
    if (block->bytes < LEAST) {
        release(block);
        return;
    }
    if (let_wait(block))
        return;
    /* What leaves no room is of sizes that nobody wants now. */
    release_slots(first_slot(block->bytes), last_slot(block->bytes));
    if (let_wait(block))
        return;
    lstmc_release_memory();
    if (!let_wait(block))
        release(block);
}
