/* guard.h - memory that notices who writes, and under ASan who reads, outside of it. */
#ifndef GUARD_H
#define GUARD_H

#include <stddef.h>

/* Filled with 0xff: NaN as a real, -1 as an index. `shift` bytes after a cache line. */
void *keep(size_t bytes, size_t shift);
/* Checks what surrounds all that was kept. */
void check_guards(void);
/* Checks and frees what was kept since mark(), or ever. */
void *mark(void);
void drop_to(void *mark);
void drop_all(void);

/* An allocator for lstmc_set_allocator over the same guards, from any thread. */
void *guarded_allocate(size_t alignment, size_t bytes);
void guarded_release(void *memory);
/* Allocations that were not released yet. */
int guarded_live(void);
/* Lets the next `count` allocations pass and fails all after; -1: none fails. */
void fail_after(int count);

#endif
