/* softmax.c - the softmax of rows of logits, and the logs of its denominators.
 *
 * What one stage leaves in memory the next reads some rows later: a vector that is read
 * right after its parts were written would wait for them. */
#include "softmax.h"

#include <math.h>
#include <string.h>

#include "vmath.h"

/* Rows that go through the stages together: they stay in the first-level cache. */
#define ROWS 16
#define GROUP_BYTES (16 * 1024)

/* Vectors whose sum is taken in `real`, before it goes into a double: the error stays
 * that of a short sum for any number of classes. */
#define RUN 32

typedef struct {
    const real *x;
    real *d;
    idx classes, whole; /* whole: classes in whole vectors */
    vec end[ROWS];      /* the others, filled up with -inf */
    vec most[ROWS];
    double sum[ROWS];
} Group;

/* The others of a row from x into `end`, or from there into d. */
ALWAYS_INLINE void read_ends(Group *g, idx rows)
{
    for (idx r = 0; r < rows; ++r) {
        g->end[r] = splat(-(real)INFINITY);
        memcpy(g->end + r, g->x + r * g->classes + g->whole,
               (size_t)(g->classes - g->whole) * sizeof(real));
    }
}

static void write_ends(const Group *g, idx rows)
{
    for (idx r = 0; r < rows; ++r)
        memcpy(g->d + r * g->classes + g->whole, g->end + r,
               (size_t)(g->classes - g->whole) * sizeof(real));
}

/* NaN may be lost here; the sum will not lose it. */
static vec greatest(const real *x, idx n, vec start)
{
    vec most[4] = {start, start, start, start};
    idx k = 0;
    for (; k + 4 * LANES <= n; k += 4 * LANES)
        EACH (j, 4)
            most[j] = max_(most[j], *(const loose *)(x + k + j * LANES));
    for (; k < n; k += LANES)
        most[0] = max_(most[0], *(const loose *)(x + k));
    return max_(max_(most[0], most[1]), max_(most[2], most[3]));
}

ALWAYS_INLINE real greatest_of(vec x)
{
    real out = x[0];
    EACH (j, LANES)
        out = x[j] > out ? x[j] : out;
    return out;
}

ALWAYS_INLINE double sum_of(vec x)
{
    double sum[2] = {0};
    EACH (j, LANES)
        sum[j & 1] += (double)x[j];
    return sum[0] + sum[1];
}

/* e^(x - most) of 0 >= x - most or NaN: 0 where it would be denormal, or x is -inf. */
ALWAYS_INLINE vec exp_below(vec x, real most)
{
    const vec y = x - most;
    vec scale;
    const vec grown = split_exp(max_(splat(-EXP_MAX), y), &scale);
    return (vec)((ivec)(scale + scale * grown) & ~(y < -EXP_MAX));
}

/* d = e^(x - most) of whole vectors, NULL: not wanted; the sum. */
ALWAYS_INLINE double sum_exp(const real *x, real *d, idx n, real most)
{
    double out = 0;
    for (idx k = 0; k < n;) {
        vec sum = {0};
        for (const idx end = min_idx(n, k + RUN * LANES); k < end; k += LANES) {
            const vec y = exp_below(*(const loose *)(x + k), most);
            sum += y;
            if (d)
                *(loose *)(d + k) = y;
        }
        out += sum_of(sum);
    }
    return out;
}

static void exponentiate(Group *g, idx rows)
{
    for (idx r = 0; r < rows; ++r) {
        const real *x = g->x + r * g->classes, most = greatest_of(g->most[r]);
        g->sum[r] = g->d ? sum_exp(x, g->d + r * g->classes, g->whole, most)
                         : sum_exp(x, NULL, g->whole, most);
        g->most[r][0] = most;
    }
    for (idx r = 0; g->whole < g->classes && r < rows; ++r) {
        g->end[r] = exp_below(g->end[r], g->most[r][0]);
        g->sum[r] += sum_of(g->end[r]);
    }
}

static void scale_row(const Group *g, idx r, real scale, real less)
{
    real *d = g->d + r * g->classes;
    for (idx k = 0; k < g->whole; k += LANES)
        *(loose *)(d + k) = *(loose *)(d + k) * scale - less;
}

static void run_group(Group *g, const Softmax *s, idx rows, double *norm)
{
    if (g->whole < g->classes)
        read_ends(g, rows);
    for (idx r = 0; r < rows; ++r)
        g->most[r] =
            greatest(g->x + r * g->classes, g->whole,
                     g->whole < g->classes ? g->end[r] : splat(-(real)INFINITY));
    exponentiate(g, rows);
    const real less = (real)(s->weight * s->smoothing / (double)s->classes);
    for (idx r = 0; r < rows; ++r) {
        const real scale = (real)(s->weight / g->sum[r]);
        norm[r] = (double)g->most[r][0] + log(g->sum[r]);
        if (!g->d)
            continue;
        scale_row(g, r, scale, less);
        g->end[r] = g->end[r] * scale - less;
    }
    if (g->d && g->whole < g->classes)
        write_ends(g, rows);
}

void NAME(softmax)(const Softmax *s)
{
    const idx fit = GROUP_BYTES / (s->classes * (idx)sizeof(real));
    const idx each = max_idx(1, min_idx(ROWS, fit));
    Group g;
    g.classes = s->classes;
    g.whole = s->classes / LANES * LANES;
    for (idx r = 0; r < s->rows; r += each) {
        g.x = s->x + r * s->classes;
        g.d = s->d ? s->d + r * s->classes : NULL;
        run_group(&g, s, min_idx(each, s->rows - r), s->norm + r);
    }
}
