/* digits.c - numbers into digits: a unit from the largest, whole numbers of it, and
 * their bytes sorted by places. */
#include "digits.h"

#if AMX

#include <string.h>

#define WITH_BYTES __attribute__((target("avx512vbmi,avx512vnni")))

/* Added to a whole number this makes its bytes its digits, each 128 too large. */
#define TOO_MUCH 0x808080

/* What the largest becomes: below 0x7f7f7f by more than its product may be rounded up;
 * and the least that does. */
#define LARGEST 8355710.0f
#define SMALLEST 0x1p-100f

/* What numbers are multiplied by, and 2^16 over it: of a product the sums hold 2^32. */
typedef struct {
    real up, down;
} Scale;

static Scale scale_of(uint32_t most)
{
    if (most >= 0x7f800000)
        return (Scale){0, __builtin_nanf("")};
    real largest;
    memcpy(&largest, &most, sizeof largest);
    const real up = LARGEST / (largest > SMALLEST ? largest : SMALLEST);
    return (Scale){up, 0x1p16f / up};
}

/* --- a panel of weights: each lane has its own unit ------------------------------- */

/* The digits at a place, of four numbers, side by side in each lane. */
WITH_BYTES ALWAYS_INLINE __m512i sort_bytes(const __m512i q[4], const int place)
{
    int32_t low[16], high[16];
    EACH (j, 16) {
        const int x = 4 * j + DIGITS_PLACES - 1 - place, y = 64 + x;
        low[j] = y << 8 | x;
        high[j] = y << 24 | x << 16;
    }
    const __m512i first = _mm512_permutex2var_epi8(q[0], _mm512_loadu_si512(low), q[1]);
    const __m512i second =
        _mm512_permutex2var_epi8(q[2], _mm512_loadu_si512(high), q[3]);
    return _mm512_mask_blend_epi16(0xaaaaaaaa, first, second);
}

WITH_BYTES ALWAYS_INLINE __m512i whole(vec x, vec up)
{
    return _mm512_add_epi32(_mm512_cvtps_epi32((__m512)(x * up)),
                            _mm512_set1_epi32(TOO_MUCH));
}

/* Number j of a lane, as it is split. */
ALWAYS_INLINE vec weigh(const real *panel, idx j, const real *by)
{
    const vec x = ((const vec *)panel)[j];
    if (by)
        return x * splat(by[j]);
    return x;
}

static void find_scales(uvec most, vec *up, vec *down)
{
    for (int lane = 0; lane < LANES; ++lane) {
        const Scale scale = scale_of(most[lane]);
        (*up)[lane] = scale.up;
        (*down)[lane] = scale.down;
    }
}

WITH_BYTES ALWAYS_INLINE void split(const real *panel, idx k, const real *by, digit *to)
{
    uvec most = {0};
    for (idx j = 0; j < k; ++j)
        most = larger(most, weigh(panel, j, by));
    vec up, down;
    find_scales(most, &up, &down);
    const __m512i turn = _mm512_set1_epi8(-128), ones = _mm512_set1_epi8(1);
    __m512i sum[DIGITS_PLACES] = {_mm512_setzero_si512(), _mm512_setzero_si512(),
                                  _mm512_setzero_si512()};
    digit *block = to + DIGITS_HEAD;
    for (idx first = 0; first < k; first += DIGITS_DEPTH, block += DIGITS_BLOCK)
        for (idx j = 0; j < DIGITS_DEPTH; j += 4) {
            __m512i q[4];
            EACH (i, 4)
                q[i] = first + j + i < k ? whole(weigh(panel, first + j + i, by), up)
                                         : _mm512_set1_epi32(TOO_MUCH);
            EACH (place, DIGITS_PLACES) {
                const __m512i line = _mm512_xor_si512(sort_bytes(q, place), turn);
                sum[place] = _mm512_dpbusd_epi32(sum[place], ones, line);
                _mm512_store_si512(block + place * DIGITS_TILE + j * 16, line);
            }
        }
    /* Of each sum of products, 128 times the digits that it takes. */
    __m512i all = _mm512_setzero_si512();
    *(vec *)to = down;
    EACH (j, DIGITS_PLACES) {
        all = _mm512_add_epi32(all, sum[j]);
        const __m512i start =
            _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(all, 7));
        _mm512_store_si512(to + (1 + j) * LINE, start);
    }
}

WITH_BYTES void NAME(split_panel)(const real *panel, idx k, const real *by, digit *to)
{
    if (by)
        split(panel, k, by, to);
    else
        split(panel, k, NULL, to);
}

/* --- lines of scattered rows: each lane of each has its own unit ------------------ */

ALWAYS_INLINE vec line_of(const Lines *from, idx k, const int line, __mmask16 wanted)
{
    vec x = (vec)_mm512_maskz_loadu_ps(wanted, from->row[k] + line * PANEL);
    if (from->by)
        x *= (vec)_mm512_maskz_loadu_ps(wanted, from->by[k] + line * PANEL);
    return x;
}

WITH_BYTES ALWAYS_INLINE void split_some(const Lines *from, const int lines, vec *sum,
                                         digit *to)
{
    enum { AHEAD = 8 }; /* rows; no processor finds their pattern */
    const __mmask16 last = (__mmask16)(0xffff >> (lines * PANEL - from->width));
    const idx apart = digits_panel(digits_depth(from->rows));
    uvec most[MOST_LINES];
    vec all[MOST_LINES];
    EACH (j, lines) {
        most[j] = (uvec){0};
        all[j] = splat(0);
    }
    for (idx k = 0; k < from->rows; ++k) {
        const real *ahead = from->row[min_idx(k + AHEAD, from->rows - 1)];
        EACH (j, lines) {
            __builtin_prefetch(ahead + j * PANEL);
            const vec x = line_of(from, k, j, j == lines - 1 ? last : 0xffff);
            most[j] = larger(most[j], x);
            all[j] += x;
        }
    }
    vec up[MOST_LINES];
    EACH (j, lines) {
        find_scales(most[j], up + j, (vec *)(to + j * apart));
        sum[j] = all[j];
    }
    const __m512i turn = _mm512_set1_epi8(-128);
    const idx depth = digits_depth(from->rows) * DIGITS_DEPTH;
    digit *block = to + DIGITS_HEAD;
    for (idx first = 0; first < depth; first += 4)
        EACH (j, lines) {
            __m512i q[4];
            EACH (i, 4)
                q[i] = first + i < from->rows
                           ? whole(line_of(from, first + i, j,
                                           j == lines - 1 ? last : 0xffff),
                                   up[j])
                           : _mm512_set1_epi32(TOO_MUCH);
            digit *line = block + j * apart + first / DIGITS_DEPTH * DIGITS_BLOCK +
                          first % DIGITS_DEPTH * 16;
            EACH (place, DIGITS_PLACES)
                _mm512_store_si512(line + place * DIGITS_TILE,
                                   _mm512_xor_si512(sort_bytes(q, place), turn));
        }
}

WITH_BYTES void NAME(split_lines)(const Lines *from, vec *sum, digit *to)
{
    const idx lines = panels_of(from->width);
    if (lines == 4)
        split_some(from, 4, sum, to);
    else if (lines == 3)
        split_some(from, 3, sum, to);
    else if (lines == 2)
        split_some(from, 2, sum, to);
    else
        split_some(from, 1, sum, to);
}

/* --- rows ------------------------------------------------------------------------- */

/* The digits at a place, of the numbers of two vectors. */
WITH_BYTES ALWAYS_INLINE __m256i bytes_of(__m512i x, __m512i y, const int place)
{
    int32_t from[8];
    EACH (j, 8) {
        const int first = 16 * j + DIGITS_PLACES - 1 - place;
        from[j] = (first + 12) << 24 | (first + 8) << 16 | (first + 4) << 8 | first;
    }
    const __m512i wanted =
        _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)from));
    return _mm512_castsi512_si256(_mm512_permutex2var_epi8(x, wanted, y));
}

WITH_BYTES ALWAYS_INLINE void store_row(const __m512i q[4], __m512i turn, digit *to)
{
    EACH (place, DIGITS_PLACES) {
        const __m512i line =
            _mm512_inserti64x4(_mm512_castsi256_si512(bytes_of(q[0], q[1], place)),
                               bytes_of(q[2], q[3], place), 1);
        _mm512_store_si512(to + place * DIGITS_DEPTH, _mm512_xor_si512(line, turn));
    }
}

/* The vectors of a row, one after the other, weighed; the last may be short. */
typedef struct {
    const real *at, *by;
    idx skip, run, left; /* vectors of a run, and left of it */
    idx more;            /* vectors of all that is left */
    __mmask16 last;
} Walk;

static Walk walk_row(const Product *p, const real *a, const real *by)
{
    const idx run = panels_of(p->run);
    return (Walk){.at = a,
                  .by = by,
                  .skip = p->skip - (run - 1) * PANEL,
                  .run = run,
                  .left = run,
                  .more = run * p->runs,
                  .last = (__mmask16)(0xffff >> (run * PANEL - p->run))};
}

ALWAYS_INLINE vec next_vector(Walk *w, const int weighing)
{
    if (w->more == 0)
        return splat(0);
    const real *at = w->at;
    const int is_last = --w->left == 0;
    w->at += is_last ? w->skip : PANEL;
    w->left = is_last ? w->run : w->left;
    --w->more;
    const vec x = (vec)_mm512_maskz_loadu_ps(is_last ? w->last : 0xffff, at);
    if (!weighing)
        return x;
    w->by += PANEL;
    return x * *(const vec *)(w->by - PANEL);
}

WITH_BYTES ALWAYS_INLINE void split_row(const Walk start, const int weighing,
                                        __m512i turn, const DigitRows *to, idx r)
{
    uvec most = {0};
    for (Walk walk = start; walk.more > 0;)
        most = larger(most, next_vector(&walk, weighing));
    const Scale scale = scale_of(_mm512_reduce_max_epu32((__m512i)most));
    to->scale[r] = scale.down;
    Walk walk = start;
    for (idx k = 0; k < to->depth; ++k) {
        __m512i q[4];
        EACH (i, 4)
            q[i] = whole(next_vector(&walk, weighing), splat(scale.up));
        store_row(q, turn, to->digits + k * to->skip + r * DIGITS_ROW);
    }
}

WITH_BYTES void NAME(split_rows)(const Product *p, const real *by, DigitRows *to)
{
    const __m512i turn = _mm512_set1_epi8(p->rows == 1 ? 0 : -128);
    to->raised = p->rows == 1;
    to->rows = p->rows;
    to->skip = p->rows * DIGITS_ROW;
    to->depth = digits_depth(panels_of(p->run) * p->runs * PANEL);
    for (idx r = 0; r < p->rows; ++r) {
        const Walk walk = walk_row(p, p->a + r * p->a_row, by);
        if (by)
            split_row(walk, 1, turn, to, r);
        else
            split_row(walk, 0, turn, to, r);
    }
}

#endif
