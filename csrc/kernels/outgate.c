/* outgate.c - the gates at the end of a block: SiLU with a skip, and gated GELU.
 *
 *   y = (h + skip a) g,  g = z s,  s = sigmoid(z)
 *   dz = dy (h + skip a) s (1 + z (1 - s))
 *
 *   y = x Phi(x) u                  Phi(x) = erfc(-x / sqrt(2)) / 2
 *   dx = dy u (Phi(x) + x phi(x))   phi(x) = exp(-x^2 / 2) / sqrt(2 pi)
 *
 *   erfc(v) = exp(-v^2) t p(t),  t = c / (c + v),  v >= 0
 *   p: least squares on Chebyshev nodes, relative error 2.0e-8 (float32), 6e-15
 *
 * Hendrycks, Gimpel: Gaussian Error Linear Units. 2016. Shazeer: GLU Variants Improve
 * Transformer. 2020. */
#include "rowwise.h"

#if LSTMC_F64
#define SCALE R(4.9)
static const real erfc_p[] = {
    R(-4.3085961932152654422e-03), R(3.2185984783614236815e-02),
    R(-8.4201318783903744691e-02), R(3.4547952709714488395e-02),
    R(3.3754854349707152927e-01),  R(-1.0780781875005205350e+00),
    R(1.8913242558565606100e+00),  R(-2.2671624497995686021e+00),
    R(2.0831377108720663394e+00),  R(-1.4297943810169821965e+00),
    R(8.4803544208018377670e-01),  R(-3.1597588815951949126e-01),
    R(1.8749343268911117244e-01),  R(3.3010625444754825020e-02),
    R(8.9737022590683196421e-02),  R(9.0445505239360637906e-02),
    R(1.0110058160714111009e-01),  R(1.0792807419821283388e-01),
    R(1.1274428122928963070e-01),  R(1.1514067625222487723e-01),
    R(1.1514073240371966445e-01),
};
#else
#define SCALE R(2.7)
static const real erfc_p[] = {
    R(6.268058361e-02),  R(-3.057052817e-01), R(4.897852029e-01),
    R(-2.886399065e-01), R(3.129071121e-01),  R(1.056870278e-01),
    R(2.066546881e-01),  R(2.076059570e-01),  R(2.090246171e-01),
};
#endif

#define SQRT_2 R(1.41421356237309504880)
#define SQRT_2_PI R(2.50662827463100050242)

/* Phi(x), and phi(x) into *density. */
ALWAYS_INLINE vec normal(vec x, vec *density)
{
    const vec v = abs_(x) / SQRT_2, t = SCALE / (SCALE + v), e = exp_(R(-0.5) * x * x);
    vec p = splat(erfc_p[0]);
    EACH (k, (int)(sizeof erfc_p / sizeof *erfc_p) - 1)
        p = p * t + erfc_p[k + 1];
    const vec tail = R(0.5) * e * t * p;
    *density = e / SQRT_2_PI;
    return choose((ivec)(x < splat(0)), tail, R(1) - tail);
}

JOB(gate_forward)
{
    (void)thread;
    const lstmc_gate *c = call;
    const FloatMode mode = flush_denormals();
    const idx end = min_idx(c->rows, (k + 1) * ROW_BLOCK);
    for (idx r = k * ROW_BLOCK; r < end; ++r) {
        const real *h = (const real *)c->h + r * c->width;
        const real *a = (const real *)c->a + r * c->width;
        const real *in = (const real *)c->z + r * c->z_row, *skip = c->skip;
        real *y = (real *)c->y + r * c->width;
        EACH_LEFT (j, n, c->width) {
            const vec z = get(in + j, n);
            const vec open = get(h + j, n) + get(skip + j, n) * get(a + j, n);
            put(y + j, n, open * (z * sigmoid(z)));
        }
    }
    restore_mode(mode);
}

JOB(gate_backward)
{
    (void)thread;
    const RowSums *s = call;
    const lstmc_gate *c = s->call;
    const FloatMode mode = flush_denormals();
    const Block b = block_of(s, k, c->rows);
    for (idx r = b.first; r < b.end; ++r) {
        const idx at = r * c->width;
        const real *h_in = (const real *)c->h + at, *a_in = (const real *)c->a + at;
        const real *z_in = (const real *)c->z + r * c->z_row, *skips = c->skip;
        const real *out = (const real *)c->dy + at;
        real *dz = (real *)c->dz + r * c->dz_row;
        EACH_LEFT (j, n, c->width) {
            const vec h = get(h_in + j, n), a = get(a_in + j, n);
            const vec z = get(z_in + j, n), q = sigmoid(z), dy = get(out + j, n);
            const vec skip = get(skips + j, n), dh = dy * (z * q);
            put((real *)c->dh + at + j, n, dh);
            put((real *)c->da + at + j, n, dh * skip);
            put(dz + j, n, dy * (h + skip * a) * (q * (R(1) + z * (R(1) - q))));
            put_sum(b.sums + j, n, dh * a);
        }
    }
    restore_mode(mode);
}

JOB(geglu_forward)
{
    (void)thread;
    const lstmc_geglu *c = call;
    const FloatMode mode = flush_denormals();
    const idx end = min_idx(c->rows, (k + 1) * ROW_BLOCK);
    for (idx r = k * ROW_BLOCK; r < end; ++r) {
        const real *in = (const real *)c->x + r * 2 * c->width, *u = in + c->width;
        real *y = (real *)c->y + r * c->width;
        EACH_LEFT (j, n, c->width) {
            vec density;
            const vec x = get(in + j, n);
            put(y + j, n, x * normal(x, &density) * get(u + j, n));
        }
    }
    restore_mode(mode);
}

JOB(geglu_backward)
{
    (void)thread;
    const lstmc_geglu *c = call;
    const FloatMode mode = flush_denormals();
    const idx end = min_idx(c->rows, (k + 1) * ROW_BLOCK);
    for (idx r = k * ROW_BLOCK; r < end; ++r) {
        const real *in = (const real *)c->x + r * 2 * c->width, *in2 = in + c->width;
        const real *out = (const real *)c->dy + r * c->width;
        real *dx = (real *)c->dx + r * 2 * c->width, *du = dx + c->width;
        EACH_LEFT (j, n, c->width) {
            vec density;
            const vec x = get(in + j, n), u = get(in2 + j, n), dy = get(out + j, n);
            const vec share = normal(x, &density);
            put(dx + j, n, dy * u * (share + x * density));
            put(du + j, n, dy * x * share);
        }
    }
    restore_mode(mode);
}
