/* product.h - what everything else is made of: products of rows, and over samples. */
#ifndef LSTMC_PRODUCT_H
#define LSTMC_PRODUCT_H

#include "real.h"

/* Pieces of memory that are wanted after a product: some are fetched before each tile,
 * which takes longer than they need to come. */
typedef struct {
    void (*fetch)(const void *of, idx first, idx last);
    const void *of;
    idx first, last; /* pieces */
} Soon;

/* C = start + A B, for a few rows and some groups of panels of B.
 *
 * The order of the sum over k is k = 0, 1, ... for every row, whatever the shape of the
 * call: a row's result has the same bits in any company. A row of A is `runs` runs of
 * `run` reals, `skip` apart. */
typedef struct {
    idx rows, panels, groups;
    const real *a; /* (rows, ...), a_row apart */
    idx a_row, runs, run, skip;
    const real *b; /* (groups, panels, runs * run, PANEL), b_panel apart */
    idx b_panel, b_group;
    idx b_stripe; /* (stripes, runs * run, STRIPE, PANEL) instead, so far apart; or 0 */
    int b_first; /* which panel of a stripe b is */
    const real
        *start; /* (groups, panels, rows, PANEL), start_row 0: one for all rows */
    idx start_panel, start_group, start_row;
    real *c; /* (groups, panels, rows, PANEL) */
    idx c_panel, c_group, c_row;
    const Soon *soon; /* fetched on the way; NULL: nothing */
} Product;

/* Panels that a tile of one row takes beside one another, to hide the latency of its
 * multiply-adds: who cuts a product in parts leaves it so many, or some times as many.
 * In a stripe, for few rows, they lie side by side. */
#define MOST_BESIDE 4
#define STRIPE MOST_BESIDE

/* B is in these stripes, from panel n of them on. */
ALWAYS_INLINE void start_in_stripes(Product *p, const real *stripes, idx apart, idx n)
{
    p->b = stripes + n / STRIPE * apart + n % STRIPE * PANEL;
    p->b_stripe = apart;
    p->b_first = n % STRIPE;
}

/* To panel n of stripes from the one before. */
ALWAYS_INLINE idx to_next_of_stripe(const Product *p, idx n)
{
    return n % STRIPE ? PANEL : p->b_stripe - (STRIPE - 1) * PANEL;
}

void NAME(product)(const Product *);

/* A start of zeros for all panels. */
ALWAYS_INLINE const real *no_start(void)
{
    static const real zeros[LINE / sizeof(real)] __attribute__((aligned(LINE)));
    return zeros;
}

/* C += A' B over `depth` samples, of which A is packed. */
typedef struct {
    const real *a; /* (blocks, depth, TILE_ROWS), a_block from block to block */
    idx a_block;
    const real *b; /* (panels, depth, PANEL), b_panel from panel to panel */
    idx b_panel;
    idx depth, rows, panels;
    real *c; /* (panels, rows, PANEL), c_panel from panel to panel */
    idx c_panel;
    const Soon *soon; /* as in Product */
} Outer;

void NAME(outer_product)(const Outer *);

/* C += A' B over runs, of which nothing is packed: rows of C are neighbours in A. */
typedef struct {
    const real *a; /* (runs, run, rows), a_skip from run to run, a_k within */
    idx a_skip, a_k;
    const real *b; /* (runs, run, PANEL), likewise */
    idx b_skip, b_k, b_panel;
    idx runs, run, rows, panels; /* panels of b, best MANY_BESIDE */
    real *c; /* (panels, rows, PANEL), c_panel from panel to panel */
    idx c_panel;
} Deep;

void NAME(deep_product)(const Deep *);

/* Rows of a tile: as many accumulators as the target's registers hold; and panels that
 * an outer product, and one of many rows, has room for beside one another. With AVX-512
 * 6 rows of four load 10 times for 24 multiply-adds, 12 rows of two 14 times. */
#if defined(__AVX512F__)
#define TILE_ROWS 12
#define OUTER_PANELS 2
#define MANY_BESIDE 4
#elif defined(__AVX__) || defined(__aarch64__)
#define TILE_ROWS 6
#define OUTER_PANELS 1
#define MANY_BESIDE 1
#else
#define TILE_ROWS 3
#define OUTER_PANELS 1
#define MANY_BESIDE 1
#endif

#define CHUNK 256 /* samples of one outer product: its B panel is 16 KiB */

/* Reals from block to block for who packs them a sample at a time: an odd number of
 * lines, so that what a sample has in all of them lies in different sets of the cache;
 * and of all chunks of some samples. */
ALWAYS_INLINE idx outer_block(idx depth)
{
    return (panels_of(depth * TILE_ROWS) | 1) * PANEL;
}

ALWAYS_INLINE idx outer_chunks(idx blocks, idx samples)
{
    const idx chunks = (samples + CHUNK - 1) / CHUNK;
    return chunks * blocks * outer_block(min_idx(CHUNK, samples));
}

#endif
