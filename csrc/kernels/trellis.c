/* trellis.c - CTC's sums over all alignments, in numbers with a wide exponent.
 *
 *   b_t[u] = y_blank (b[u] + l[u-1])             t - 1 on the right
 *   l_t[u] = y_label (l[u] + b[u] + l[u-1])      the last unless it is the same label
 *   p = b_T[U] + l_T[U-1]
 *   beta: the same from the end, without y_t; posterior = alpha beta / p
 *
 * A number is m 2^e, both doubles, e an integer. Plain rescaling by frames loses states
 * that matter later, and logarithms cost an exp for each term; here a sum takes the
 * greater e, and the other m is divided by a power of two, which is made from bits. At
 * a step m grows by less than 6 times and shrinks by less than sqrt(2), so that it may
 * wait for CALM steps until it is brought back to 1 <= m < 2: what a sum drops, 2^1023
 * below, is still nothing then. Zero is a hopeless e, with any m. */
#include "trellis.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "vmath.h"

#if LSTMC_F64

#define LN2 0.69314718055994530942
#define CALM 32
#define NEVER (-1e290) /* a step adds it at most: far from -inf for all lengths */
#define HOPELESS (-1e280)
#define LEAST (-0x1p50) /* of an emission's e: up to 2^51 it can be rounded */

typedef struct {
    vec m, e;
} Number;

ALWAYS_INLINE vec load(const double *x) { return *(const vec *)x; }
ALWAYS_INLINE void store(double *x, vec y) { *(vec *)x = y; }

/* Number k of a row of them. */
ALWAYS_INLINE Number number_of(const double *row, idx width, idx k)
{
    return (Number){load(row + k), load(row + width + k)};
}

ALWAYS_INLINE void keep_number(double *row, idx width, idx k, Number x)
{
    store(row + k, x.m);
    store(row + width + k, x.e);
}

/* 2^e of -1023 <= e < 1024, where -1023 gives 0; less is taken for it. */
ALWAYS_INLINE vec power(vec e)
{
    return (vec)((ivec)(max_(splat(-BIAS), e) + (ROUND + BIAS)) << EXPONENT);
}

ALWAYS_INLINE Number times(Number x, Number y)
{
    return (Number){x.m * y.m, x.e + y.e};
}

ALWAYS_INLINE Number plus(Number x, Number y)
{
    const vec e = max_(x.e, y.e);
    return (Number){x.m * power(x.e - e) + y.m * power(y.e - e), e};
}

ALWAYS_INLINE Number plus_two(Number x, Number y, Number z)
{
    const vec e = max_(max_(x.e, y.e), z.e);
    return (Number){x.m * power(x.e - e) + y.m * power(y.e - e) + z.m * power(z.e - e),
                    e};
}

ALWAYS_INLINE Number calm(Number x)
{
    const ivec k = (ivec)((uvec)x.m >> EXPONENT) - BIAS;
    return (Number){(vec)((ivec)x.m - (k << EXPONENT)),
                    x.e + ((vec)((ivec)splat(ROUND) + k) - ROUND)};
}

/* Lanes of two vectors on end, by number. */
#if defined(__clang__)
#define PICK(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define PICK(x, y, ...) __builtin_shuffle(x, y, (ivec){__VA_ARGS__})
#endif

/* The lanes move up by one: the last of `before` comes in; or down. */
#if VECTOR == 64
#define MOVE_UP(before, x) PICK(before, x, 7, 8, 9, 10, 11, 12, 13, 14)
#define MOVE_DOWN(x, after) PICK(x, after, 1, 2, 3, 4, 5, 6, 7, 8)
#elif VECTOR == 32
#define MOVE_UP(before, x) PICK(before, x, 3, 4, 5, 6)
#define MOVE_DOWN(x, after) PICK(x, after, 1, 2, 3, 4)
#else
#define MOVE_UP(before, x) PICK(before, x, 1, 2)
#define MOVE_DOWN(x, after) PICK(x, after, 1, 2)
#endif

ALWAYS_INLINE Number move_up(Number before, Number x)
{
    return (Number){MOVE_UP(before.m, x.m), MOVE_UP(before.e, x.e)};
}

ALWAYS_INLINE Number move_down(Number x, Number after)
{
    return (Number){MOVE_DOWN(x.m, after.m), MOVE_DOWN(x.e, after.e)};
}

ALWAYS_INLINE Number nothing(void) { return (Number){splat(1), splat(NEVER)}; }

/* --- memory ---------------------------------------------------------------------- */

/* The alphas of a block stay in the second-level cache, where computing them twice
 * costs less than fetching them from further away. */
#define BLOCK_BYTES (512 * 1024)

static idx block_steps(idx steps, idx width)
{
    const idx row = 6 * width * (idx)sizeof(double);
    const idx root = (idx)sqrt((double)steps * 4 / 6);
    const idx block = max_idx(root, BLOCK_BYTES / row) / CALM * CALM + CALM;
    return min_idx(block, max_idx(1, steps));
}

static idx count_blocks(const Trellis *s)
{
    return max_idx(1, (s->steps + s->block - 1) / s->block);
}

void NAME(lay_out_trellis)(Trellis *s, Arena *arena)
{
    s->width = panels_of(s->labels + 1) * PANEL;
    s->block = block_steps(s->steps, s->width);
    s->skip = take(arena, s->width + PANEL, sizeof(double));
    s->real = take(arena, s->width, sizeof(double));
    s->start = take(arena, count_blocks(s) * 4 * s->width, sizeof(double));
    s->alpha = take(arena, s->block * 4 * s->width, sizeof(double));
    s->emission = take(arena, s->block * 2 * s->width, sizeof(double));
    s->blank = take(arena, s->block * 2, sizeof(double));
    s->beta = take(arena, 4 * s->width, sizeof(double));
    s->posterior = take(arena, BATCH * s->width, sizeof(double));
    s->norm = take(arena, s->steps, sizeof(double));
}

/* Four rows of zeros, but for state u of the blanks and of the labels. */
static void clear_states(double *row, idx width, idx blank, idx label)
{
    for (idx k = 0; k < width; ++k) {
        row[k] = row[2 * width + k] = 1;
        row[width + k] = k == blank ? 0 : NEVER;
        row[3 * width + k] = k == label ? 0 : NEVER;
    }
}

void NAME(open_trellis)(Trellis *s, const int32_t *labels)
{
    for (idx u = 0; u < s->width + PANEL; ++u)
        s->skip[u] = u > 0 && u < s->labels && labels[u] != labels[u - 1] ? 0 : NEVER;
    for (idx u = 0; u < s->width; ++u)
        s->real[u] = u < s->labels ? 0 : NEVER;
    clear_states(s->start, s->width, 0, NONE);
    clear_states(s->beta, s->width, s->labels, s->labels - 1);
}

/* --- forward --------------------------------------------------------------------- */

/* e^(x - norm) as a number. */
ALWAYS_INLINE Number emit(vec x, double norm)
{
    const vec z = max_(splat(LEAST), (x - norm) * LOG2_E);
    const vec e = (z + ROUND) - ROUND;
    const vec m = exp_rest((z - e) * LN2) + R(1);
    return (Number){m, choose(x < -DBL_MAX, splat(NEVER), e)};
}

static Number emit_blank(const Trellis *s, idx slot, double norm)
{
    const Number out = emit(splat(s->emission[slot * 2 * s->width + s->labels]), norm);
    s->blank[2 * slot] = out.m[0];
    s->blank[2 * slot + 1] = out.e[0];
    return out;
}

/* A step from four rows to four rows; y: in mantissas logits, then emissions. */
static void step_forward(const Trellis *s, const double *from, double *to, double *y,
                         double norm, Number blank, int rest)
{
    const idx width = s->width;
    const double *skip = s->skip, *own = s->real;
    Number before = nothing();
    for (idx k = 0; k < width; k += LANES) {
        const Number b = number_of(from, width, k),
                     l = number_of(from + 2 * width, width, k);
        Number last = move_up(before, l), now = emit(load(y + k), norm);
        before = l;
        now.e += load(own + k);
        keep_number(y, width, k, now);
        const Number b1 = times(blank, plus(b, last));
        last.e += load(skip + k);
        const Number l1 = times(now, plus_two(l, b, last));
        keep_number(to, width, k, rest ? calm(b1) : b1);
        keep_number(to + 2 * width, width, k, rest ? calm(l1) : l1);
    }
}

/* The alphas before the block of step t. */
static double *start_of(const Trellis *s, idx t)
{
    return s->start + t / s->block * 4 * s->width;
}

void NAME(run_forward)(const Trellis *s, idx t, idx until)
{
    const idx width = s->width;
    for (; t < until; ++t) {
        const idx slot = t % s->block;
        double *to = s->alpha + slot * 4 * width;
        const Number blank = emit_blank(s, slot, s->norm[t]);
        step_forward(s, slot ? to - 4 * width : start_of(s, t), to,
                     s->emission + slot * 2 * width, s->norm[t], blank,
                     (t + 1) % CALM == 0);
        if (slot == s->block - 1 && t + 1 < s->steps)
            memcpy(start_of(s, t + 1), to, (size_t)(4 * width) * sizeof(double));
    }
}

static Number scalar(const double *row, idx width, idx u)
{
    return (Number){splat(row[u]), splat(row[width + u])};
}

double NAME(close_trellis)(Trellis *s)
{
    const idx width = s->width, last = s->steps - 1;
    const double *row = last < 0 ? s->start : s->alpha + last % s->block * 4 * width;
    Number p = scalar(row, width, s->labels);
    if (s->labels > 0)
        p = plus(p, scalar(row + 2 * width, width, s->labels - 1));
    p = calm(p);
    s->mantissa = p.m[0];
    s->exponent = p.e[0];
    if (s->exponent < HOPELESS)
        return -INFINITY;
    return log(s->mantissa) + s->exponent * LN2;
}

/* --- backward -------------------------------------------------------------------- */

/* over: 1 / p. */
ALWAYS_INLINE vec posterior_of(Number alpha, Number beta, Number over)
{
    return alpha.m * beta.m * over.m * power(alpha.e + beta.e + over.e);
}

/* From the betas of a step to those of the step before; out: posteriors of labels, and
 * behind them of the blank. */
static void step_backward(const Trellis *s, const double *alpha, const double *y,
                          Number blank, double *out, int rest)
{
    const idx width = s->width;
    const double *skip = s->skip;
    double *beta = s->beta;
    const Number over = {splat(1 / s->mantissa), splat(-s->exponent)};
    Number b_after = nothing(), l_after = nothing();
    vec sum = {0};
    for (idx k = width - LANES; k >= 0; k -= LANES) {
        const Number b = number_of(beta, width, k),
                     l = number_of(beta + 2 * width, width, k);
        sum += posterior_of(number_of(alpha, width, k), b, over);
        store(out + k, posterior_of(number_of(alpha + 2 * width, width, k), l, over));
        const Number b1 = times(b, blank), l1 = times(l, number_of(y, width, k));
        const Number b_next = move_down(b1, b_after);
        Number l_next = move_down(l1, l_after);
        l_next.e += *(const loose *)(skip + k + 1);
        b_after = b1;
        l_after = l1;
        const Number b0 = plus(b1, l1), l0 = plus_two(l1, b_next, l_next);
        keep_number(beta, width, k, rest ? calm(b0) : b0);
        keep_number(beta + 2 * width, width, k, rest ? calm(l0) : l0);
    }
    double all = 0;
    for (idx j = 0; j < LANES; ++j)
        all += sum[j];
    out[s->labels] = all;
}

void NAME(run_backward)(const Trellis *s, idx t, idx until)
{
    for (idx k = until - 1; k >= t; --k) {
        const idx slot = k % s->block;
        step_backward(s, s->alpha + slot * 4 * s->width,
                      s->emission + slot * 2 * s->width, scalar(s->blank, 1, 2 * slot),
                      s->posterior + (k - t) * s->width, k % CALM == 0);
    }
}

#endif
