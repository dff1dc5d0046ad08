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
 * a step m grows by less than 6 and shrinks by less than sqrt(2), so that it may wait
 * for CALM steps until it is brought back to 1 <= m < 2; what a sum drops, 2^1023 below,
 * is still nothing then. Zero is a number whose e is hopeless, whatever its m. */
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
#define LEAST (-0x1p50) /* exponents stay integers below it, and so do logits */

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

/* The lanes move up by one: the last of `before` comes in. */
ALWAYS_INLINE vec move_up(vec before, vec x)
{
    vec out;
    double lanes[2 * LANES];
    memcpy(lanes, &before, sizeof before);
    memcpy(lanes + LANES, &x, sizeof x);
    memcpy(&out, lanes + LANES - 1, sizeof out);
    return out;
}

ALWAYS_INLINE vec move_down(vec x, vec after)
{
    vec out;
    double lanes[2 * LANES];
    memcpy(lanes, &x, sizeof x);
    memcpy(lanes + LANES, &after, sizeof after);
    memcpy(&out, lanes + 1, sizeof out);
    return out;
}

ALWAYS_INLINE Number nothing(void) { return (Number){splat(1), splat(NEVER)}; }

static void clear_row(double *row, idx width)
{
    for (idx k = 0; k < width; k += LANES)
        keep_number(row, width, k, nothing());
}

/* --- memory ---------------------------------------------------------------------- */

/* The alphas of a block stay in the second-level cache, where computing them twice
 * costs less than fetching them from further away. */
#define BLOCK_BYTES (256 * 1024)

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
    s->start = take(arena, count_blocks(s) * 4 * s->width, sizeof(double));
    s->alpha = take(arena, s->block * 4 * s->width, sizeof(double));
    s->emission = take(arena, s->block * 2 * s->width, sizeof(double));
    s->blank = take(arena, s->block * 2, sizeof(double));
    s->beta = take(arena, 4 * s->width, sizeof(double));
    s->posterior = take(arena, s->width, sizeof(double));
    s->norm = take(arena, s->steps, sizeof(double));
}

/* The alphas before the block of step t. */
static double *start_of(const Trellis *s, idx t)
{
    return s->start + t / s->block * 4 * s->width;
}

static double *labels_of(const Trellis *s, double *row) { return row + 2 * s->width; }

void NAME(open_trellis)(Trellis *s, const int32_t *labels)
{
    const idx last = s->labels;
    for (idx u = 0; u < s->width + PANEL; ++u)
        s->skip[u] = u > 0 && u < last && labels[u] != labels[u - 1] ? 0 : NEVER;
    clear_row(s->start, s->width);
    clear_row(labels_of(s, s->start), s->width);
    s->start[s->width] = 0;
    clear_row(s->beta, s->width);
    clear_row(labels_of(s, s->beta), s->width);
    s->beta[s->width + last] = 0;
    if (last > 0)
        labels_of(s, s->beta)[s->width + last - 1] = 0;
}

/* --- forward --------------------------------------------------------------------- */

/* e^(x - norm) as a number. */
ALWAYS_INLINE Number emit(vec x, double norm)
{
    const vec z = max_(splat(LEAST), (x - norm) * LOG2_E);
    const vec e = (z + ROUND) - ROUND;
    vec scale; /* 1: the argument is below ln2 / 2 */
    const vec y = split_exp((z - e) * LN2, &scale);
    const ivec impossible = x < -DBL_MAX;
    return (Number){y + R(1), choose(impossible, splat(NEVER), e)};
}

static void emit_row(const Trellis *s, idx t)
{
    double *row = emission_of(s, t), *blank = s->blank + t % s->block * 2;
    const double norm = s->norm[t];
    for (idx k = 0; k < s->width; k += LANES)
        keep_number(row, s->width, k, emit(load(row + k), norm));
    blank[0] = row[s->labels];
    blank[1] = row[s->width + s->labels];
    for (idx u = s->labels; u < s->width; ++u)
        row[s->width + u] = NEVER;
}

ALWAYS_INLINE Number blank_of(const Trellis *s, idx t)
{
    const double *blank = s->blank + t % s->block * 2;
    return (Number){splat(blank[0]), splat(blank[1])};
}

void NAME(step_forward)(const Trellis *s, idx t)
{
    const idx width = s->width, slot = t % s->block;
    double *to = s->alpha + slot * 4 * width;
    const double *from = slot ? to - 4 * width : start_of(s, t);
    emit_row(s, t);
    const Number blank = blank_of(s, t);
    const int rest = (t + 1) % CALM == 0;
    Number before = nothing();
    for (idx k = 0; k < width; k += LANES) {
        Number b = number_of(from, width, k), l = number_of(from + 2 * width, width, k);
        Number last = {move_up(before.m, l.m), move_up(before.e, l.e)};
        before = l;
        const Number y = number_of(emission_of(s, t), width, k);
        const Number b1 = times(blank, plus(b, last));
        last.e += load(s->skip + k);
        const Number l1 = times(y, plus_two(l, b, last));
        keep_number(to, width, k, rest ? calm(b1) : b1);
        keep_number(to + 2 * width, width, k, rest ? calm(l1) : l1);
    }
    if (slot == s->block - 1 && t + 1 < s->steps)
        memcpy(start_of(s, t + 1), to, (size_t)(4 * width) * sizeof(double));
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

ALWAYS_INLINE vec posterior(const Trellis *s, Number alpha, Number beta)
{
    const vec m = alpha.m * beta.m * (1 / s->mantissa);
    return m * power(alpha.e + beta.e - s->exponent);
}

double NAME(step_backward)(const Trellis *s, idx t)
{
    const idx width = s->width;
    const double *alpha = s->alpha + t % s->block * 4 * width;
    double *beta = s->beta;
    const Number blank = blank_of(s, t);
    const int rest = t % CALM == 0;
    Number b_after = nothing(), l_after = nothing();
    vec sum = {0};
    for (idx k = width - LANES; k >= 0; k -= LANES) {
        const Number b = number_of(beta, width, k),
                     l = number_of(beta + 2 * width, width, k);
        sum += posterior(s, number_of(alpha, width, k), b);
        store(s->posterior + k,
              posterior(s, number_of(alpha + 2 * width, width, k), l));
        const Number b1 = times(b, blank),
                     l1 = times(l, number_of(emission_of(s, t), width, k));
        const Number b_next = {move_down(b1.m, b_after.m), move_down(b1.e, b_after.e)};
        Number l_next = {move_down(l1.m, l_after.m), move_down(l1.e, l_after.e)};
        l_next.e += *(const loose *)(s->skip + k + 1);
        b_after = b1;
        l_after = l1;
        const Number b0 = plus(b1, l1), l0 = plus_two(l1, b_next, l_next);
        keep_number(beta, width, k, rest ? calm(b0) : b0);
        keep_number(beta + 2 * width, width, k, rest ? calm(l0) : l0);
    }
    double out = 0;
    for (idx j = 0; j < LANES; ++j)
        out += sum[j];
    return out;
}

#endif
