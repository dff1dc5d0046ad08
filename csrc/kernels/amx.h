/* amx.h - products of float32 by AMX, whose tiles multiply bfloat16 and add in float32.
 *
 *   x = x0 + x1 + x2           8 bits each: of x, of what x0 leaves over, the rest
 *   a b ~ a2 b0 + a1 b0 + a0 b0 + a0 b2 + a0 b1 + a1 b1
 *
 * Each part is at most 2^-8 of the one before, so that what is left out is below 2^-23
 * of a b, and as often above as below zero. The order of the six and that over k are
 * the same for every row in any company. */
#ifndef LSTMC_AMX_H
#define LSTMC_AMX_H

#include "cpu.h"
#include "kernels.h"

#define AMX (KNOWS_AMX && !LSTMC_F64 && VECTOR == 64)

typedef uint16_t bfloat16;

/* A tile's rows, what of the sum over k it takes, and its numbers; a block is the tiles
 * of x0, x1 and x2. */
enum {
    AMX_ROWS = 16,
    AMX_DEPTH = 32,
    AMX_TILE = AMX_ROWS * AMX_DEPTH,
    AMX_PARTS = 3,
    AMX_BLOCK = AMX_PARTS * AMX_TILE
};

/* Reals that so many blocks take. */
ALWAYS_INLINE idx amx_reals(idx blocks)
{
    return blocks * AMX_BLOCK * (idx)sizeof(bfloat16) / (idx)sizeof(real);
}

/* C += A B. */
typedef struct {
    idx rows, panels, depth; /* depth: blocks of the sum */
    const bfloat16 *a; /* (blocks of rows, depth, parts, rows, k), a_next apart */
    idx a_next;
    const bfloat16 *b; /* (panels, depth, parts, k / 2, PANEL, 2), b_panel apart */
    idx b_panel;
    real *const *c; /* of each panel: (rows, PANEL) */
} AmxProduct;

void NAME(amx_product)(const AmxProduct *);

/* By a thread that has multiplied: its tiles are nobody's any more. */
void NAME(amx_release)(void);

/* Whether the weights' gradient is worth the splitting: features that a unit sees times
 * units. */
ALWAYS_INLINE int amx_pays(const Plan *plan)
{
    return AMX && (plan->inputs + plan->outputs) * plan->units >= 4096;
}

/* amx_gradient.c: what the functions of gradient.c leave to it, the first stage. */
idx NAME(amx_packed_size)(const Sequence *);
void NAME(amx_pack_rows)(const Sequence *, idx rows);
void NAME(amx_weight_gradient)(const Sequence *, idx rows);

#if AMX
#include <immintrin.h>

/* The nearest number of 8 bits. A NaN that this loses stays in x minus it. */
ALWAYS_INLINE vec round_to_8(vec x) { return (vec)(((uvec)x + 0x8000) & 0xffff0000); }

/* Which halves of two vectors make a row: of A, the upper ones of x and then of y; of
 * B, whose rows x and y are, side by side. */
typedef enum { IN_A_ROW, SIDE_BY_SIDE } Order;

ALWAYS_INLINE void amx_split(vec x, vec y, const Order order, bfloat16 *to)
{
    int32_t from[AMX_ROWS];
    EACH (j, AMX_ROWS)
        from[j] = order == IN_A_ROW ? (4 * j + 3) << 16 | (4 * j + 1)
                                    : (2 * j + 33) << 16 | (2 * j + 1);
    const __m512i halves = _mm512_loadu_si512(from);
    EACH (part, AMX_PARTS) {
        const vec x8 = part + 1 < AMX_PARTS ? round_to_8(x) : x;
        const vec y8 = part + 1 < AMX_PARTS ? round_to_8(y) : y;
        _mm512_store_si512(to + part * AMX_TILE,
                           _mm512_permutex2var_epi16((__m512i)x8, halves, (__m512i)y8));
        x -= x8;
        y -= y8;
    }
}
#endif

#endif
