/* tiles.h - AMX's tiles in C, for machines without them: what LSTMC_TILES=1 includes
 * before any other header. What the processor would refuse ends the program.
 *
 * Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, ch. 18. */
#ifndef LSTMC_TEST_TILES_H
#define LSTMC_TEST_TILES_H

#if defined(__AVX512F__)
#include <immintrin.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { TILES_COUNT = 8, TILES_ROWS = 16, TILES_BYTES = 64 };

/* The registers of a thread. */
typedef struct {
    uint8_t palette;
    int rows[TILES_COUNT], bytes[TILES_COUNT];
    int8_t data[TILES_COUNT][TILES_ROWS][TILES_BYTES] __attribute__((aligned(64)));
} Tiles;

static _Thread_local Tiles tiles;

#define MUST(holds) ((holds) ? (void)0 : abort())

/* A tile that is set. */
static inline int tiles_use(int k)
{
    MUST(tiles.palette == 1 && k >= 0 && k < TILES_COUNT && tiles.rows[k] > 0);
    return k;
}

static inline void tiles_configure(const void *from)
{
    const uint8_t *shapes = from;
    MUST(shapes[0] == 1 && shapes[1] == 0);
    memset(&tiles, 0, sizeof tiles);
    tiles.palette = 1;
    for (int k = 0; k < TILES_COUNT; ++k) {
        tiles.bytes[k] = shapes[16 + 2 * k] | shapes[17 + 2 * k] << 8;
        tiles.rows[k] = shapes[48 + k];
        MUST(tiles.rows[k] <= TILES_ROWS && tiles.bytes[k] <= TILES_BYTES &&
             !tiles.rows[k] == !tiles.bytes[k]);
    }
}

static inline void tiles_zero(int k)
{
    memset(tiles.data[tiles_use(k)], 0, sizeof tiles.data[k]);
}

/* Rows of memory that are so many bytes apart; what is behind them becomes 0. */
static inline void tiles_load(int k, const void *from, long apart)
{
    tiles_zero(k);
    for (int r = 0; r < tiles.rows[k]; ++r)
        memcpy(tiles.data[k][r], (const char *)from + r * apart,
               (size_t)tiles.bytes[k]);
}

static inline void tiles_store(int k, void *to, long apart)
{
    tiles_use(k);
    for (int r = 0; r < tiles.rows[k]; ++r)
        memcpy((char *)to + r * apart, tiles.data[k][r], (size_t)tiles.bytes[k]);
}

/* c += a b, of fours of bytes with a sign; b's row r has the fours that a's column r
 * meets. A sum wraps around. */
static inline void tiles_add(int c, int a, int b)
{
    MUST(tiles_use(c) != tiles_use(a) && c != tiles_use(b) && a != b);
    MUST(tiles.rows[c] == tiles.rows[a] && tiles.bytes[c] == tiles.bytes[b] &&
         tiles.bytes[a] == 4 * tiles.rows[b]);
    int32_t wide[TILES_BYTES][TILES_BYTES / 4], row[TILES_BYTES];
    uint32_t sum[TILES_BYTES / 4];
    for (int k = 0; k < tiles.bytes[a]; ++k)
        for (int n = 0; n < TILES_BYTES / 4; ++n)
            wide[k][n] = tiles.data[b][k / 4][4 * n + k % 4];
    for (int r = 0; r < tiles.rows[c]; ++r) {
        for (int k = 0; k < TILES_BYTES; ++k)
            row[k] = tiles.data[a][r][k];
        memcpy(sum, tiles.data[c][r], sizeof sum);
        for (int k = 0; k < tiles.bytes[a]; ++k)
            for (int n = 0; n < TILES_BYTES / 4; ++n)
                sum[n] += (uint32_t)(row[k] * wide[k][n]);
        memcpy(tiles.data[c][r], sum, sizeof sum);
    }
}

#undef MUST
#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbssd
#define _tile_loadconfig tiles_configure
#define _tile_release() memset(&tiles, 0, sizeof tiles)
#define _tile_zero tiles_zero
#define _tile_loadd tiles_load
#define _tile_stored tiles_store
#define _tile_dpbssd tiles_add

#endif
#endif
