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

/* Of each lane's largest: what its numbers are multiplied by, and 2^16 over it: of a
 * product the sums hold 2^32. A NaN or an infinity makes the lane NaN. */
ALWAYS_INLINE void find_scales(uvec most, vec *up, vec *down)
{
    const ivec finite = most < (uvec){0} + 0x7f800000;
    const vec over = splat(LARGEST) / max_(splat(SMALLEST), (vec)most);
    *up = choose(finite, over, splat(0));
    *down = choose(finite, splat(0x1p16f) / over, splat(__builtin_nanf("")));
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

/* The digits at a place, of the numbers of four vectors. */
WITH_BYTES ALWAYS_INLINE __m512i bytes_of(const __m512i q[4], const int place)
{
    int32_t from[16]; /* of two vectors, and the same of two */
    EACH (j, 16) {
        const int first = 16 * (j % 8) + DIGITS_PLACES - 1 - place;
        from[j] = (first + 12) << 24 | (first + 8) << 16 | (first + 4) << 8 | first;
    }
    const __m512i wanted = _mm512_loadu_si512(from);
    return _mm512_mask_blend_epi64(0xf0, _mm512_permutex2var_epi8(q[0], wanted, q[1]),
                                   _mm512_permutex2var_epi8(q[2], wanted, q[3]));
}

WITH_BYTES ALWAYS_INLINE void store_row(const __m512i q[4], __m512i turn, digit *to)
{
    EACH (place, DIGITS_PLACES)
        _mm512_store_si512(to + place * DIGITS_DEPTH,
                           _mm512_xor_si512(bytes_of(q, place), turn));
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

ALWAYS_INLINE void next_four(Walk *w, const int weighing, vec x[4])
{
    if (w->left < 4 || (w->left == 4 && w->last != 0xffff)) {
        EACH (i, 4)
            x[i] = next_vector(w, weighing);
        return;
    }
    EACH (i, 4) {
        x[i] = *(const loose *)(w->at + i * PANEL);
        if (weighing)
            x[i] *= *(const vec *)(w->by + i * PANEL);
    }
    w->left -= 4;
    w->more -= 4;
    w->at += 3 * PANEL + (w->left > 0 ? PANEL : w->skip);
    w->left = w->left > 0 ? w->left : w->run;
    if (weighing)
        w->by += 4 * PANEL;
}

ALWAYS_INLINE uint32_t largest_of(Walk walk, const int weighing, idx depth)
{
    uvec most = {0};
    for (idx k = 0; k < depth; ++k) {
        vec x[4];
        next_four(&walk, weighing, x);
        EACH (i, 4)
            most = larger(most, x[i]);
    }
    return _mm512_reduce_max_epu32((__m512i)most);
}

WITH_BYTES ALWAYS_INLINE void split_row(Walk walk, const int weighing, real up,
                                        __m512i turn, const DigitRows *to, idx r)
{
    for (idx k = 0; k < to->depth; ++k) {
        vec x[4];
        __m512i q[4];
        next_four(&walk, weighing, x);
        EACH (i, 4)
            q[i] = whole(x[i], splat(up));
        store_row(q, turn, to->digits + k * to->skip + r * DIGITS_ROW);
    }
}

/* A panel of rows at a time: their largest numbers wait for nothing, and one division
 * serves all. */
WITH_BYTES ALWAYS_INLINE void split_all(const Product *p, const real *by,
                                        const int weighing, const DigitRows *to)
{
    const __m512i turn = _mm512_set1_epi8(to->raised ? 0 : -128);
    for (idx first = 0; first < p->rows; first += PANEL) {
        const idx last = min_idx(p->rows, first + PANEL);
        uint32_t most[LINE / sizeof(real)] __attribute__((aligned(LINE))) = {0};
        real up[LINE / sizeof(real)] __attribute__((aligned(LINE)));
        for (idx r = first; r < last; ++r)
            most[r - first] =
                largest_of(walk_row(p, p->a + r * p->a_row, by), weighing, to->depth);
        find_scales(*(const uvec *)most, (vec *)up, (vec *)(to->scale + first));
        for (idx r = first; r < last; ++r)
            split_row(walk_row(p, p->a + r * p->a_row, by), weighing, up[r - first],
                      turn, to, r);
    }
}

WITH_BYTES void NAME(split_rows)(const Product *p, const real *by, DigitRows *to)
{
    to->raised = p->rows == 1;
    to->rows = p->rows;
    to->skip = p->rows * DIGITS_ROW;
    to->depth = digits_depth(panels_of(p->run) * p->runs * PANEL);
    if (by)
        split_all(p, by, 1, to);
    else
        split_all(p, NULL, 0, to);
}

#endif
