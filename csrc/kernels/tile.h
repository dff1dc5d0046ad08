/* tile.h - the tile: a few rows times panels, its sums held in registers.
 *
 * One accumulator per output, started and then summed over k in order: the bits of a
 * row depend on neither the rows nor the panels beside it. */
#ifndef LSTMC_TILE_H
#define LSTMC_TILE_H

#include "cases.h"
#include "product.h"
#include "vmath.h"

#if defined(__AVX512F__) || defined(__aarch64__)
#define REGISTERS 32
#else
#define REGISTERS 16
#endif

/* Rows that one pointer reaches with the row size as its index, once and twice. */
#define REACH 3
#define REACHES ((TILE_ROWS + REACH - 1) / REACH)

/* Panels beside one another of a row alone, if they lie in the first cache: sums of 8
 * vectors keep both multipliers busy. */
#define MOST_OF_A_ROW (ACCUMULATORS >= 8 * VECS ? 8 : BESIDE(1))

/* (rows, panels) outputs; a[r * a_row + k * a_k], b[panel][k * b_k]. */
typedef struct {
    const real *a;
    idx a_row, runs, run, skip;
    const real *b[MOST_BESIDE];
    const real *start[MOST_BESIDE];
    real *c[MOST_BESIDE];
    idx start_row, c_row;
    const char *ahead; /* what will be wanted next, this much of it for each k */
    idx ahead_step;
} Tile;

/* A compiler would rather read it again for each of a few rows. */
ALWAYS_INLINE void load_now(vec *x)
{
#if defined(__x86_64__)
    __asm__("" : "+v"(*x));
#elif defined(__aarch64__)
    __asm__("" : "+w"(*x));
#else
    (void)x;
#endif
}

ALWAYS_INLINE void tile(const Tile *t, const int rows, const int panels, const idx a_k,
                        const idx b_k, const int fetch)
{
    const idx a_row = t->a_row;
    const int vecs = panels * VECS; /* vector j is j % VECS of panel j / VECS */
    vec acc[ACCUMULATORS];          /* (rows, vecs) */
    EACH (r, rows)
        EACH (j, vecs)
            acc[r * vecs + j] =
                ((const vec *)(t->start[j / VECS] + r * t->start_row))[j % VECS];
    const real *b[MOST_BESIDE], *a[REACHES];
    EACH (q, panels)
        b[q] = t->b[q];
    const char *ahead = t->ahead;
    idx place = 0; /* in every panel */
    for (idx run = 0; run < t->runs; ++run) {
        EACH (q, (rows + REACH - 1) / REACH)
            a[q] = t->a + run * t->skip + q * REACH * a_row;
        TWICE
        for (const idx end = place + t->run * b_k; place < end; place += b_k) {
            if (fetch) {
                __builtin_prefetch(ahead, 0, 2);
                ahead += t->ahead_step;
            }
            vec column[ACCUMULATORS];
            EACH (j, vecs) {
                column[j] = ((const vec *)(b[j / VECS] + place))[j % VECS];
                if (rows > 1 && (rows + 1) * vecs < REGISTERS)
                    load_now(column + j);
            }
            EACH (r, rows) {
                const vec row = splat(a[r / REACH][r % REACH * a_row]);
                EACH (j, vecs)
                    acc[r * vecs + j] += row * column[j];
            }
            EACH (q, (rows + REACH - 1) / REACH)
                a[q] += a_k;
        }
    }
    EACH (r, rows)
        EACH (j, vecs)
            ((vec *)(t->c[j / VECS] + r * t->c_row))[j % VECS] = acc[r * vecs + j];
}

/* clang-format off */
#define CASE(rows, panels) case rows: tile(t, rows, panels, a_k, b_k, fetch); break;
/* clang-format on */

/* A function for the heights of some cases, of panels. */
#define TILES(name, cases, a_step, fetches)   \
    static void name(const Tile *t, idx rows) \
    {                                         \
        const idx a_k = a_step, b_k = PANEL;  \
        const int fetch = fetches;            \
        switch (rows) {                       \
            cases                             \
        }                                     \
    }

/* How far what is wanted soon has been fetched, and what a tile takes of it. */
typedef struct {
    const Soon *soon; /* NULL: nothing */
    idx done, each;
} Fetching;

ALWAYS_INLINE Fetching start_fetching(const Soon *soon, idx tiles)
{
    if (!soon)
        return (Fetching){0};
    return (Fetching){.soon = soon,
                      .done = soon->first,
                      .each = (soon->last - soon->first + tiles - 1) / tiles};
}

ALWAYS_INLINE void fetch_some(Fetching *f)
{
    if (!f->soon || f->done == f->soon->last)
        return;
    const idx first = f->done;
    f->done = min_idx(first + f->each, f->soon->last);
    f->soon->fetch(f->soon->of, first, f->done);
}

/* What a few tiles less than expected have left. */
ALWAYS_INLINE void end_fetching(Fetching *f)
{
    f->each = f->soon ? f->soon->last : 0;
    fetch_some(f);
}

#endif
