/* layernorm.c - LSTM with layer normalisation.
 *
 *   x^ = norm(W x)              over the four gates of all units, by the driver
 *   h^ = norm(R h')             ' marks the step before
 *   a = g_x x^ + g_h h^ + b
 *   i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)
 *   z = tanh(a_z)          c = f c' + i z
 *   h = o squash(g_c norm(c) + b_c)    squash: tanh, or the identity
 *
 * Ba, Kiros, Hinton: Layer Normalization. 2016. */
#include "norm.h"

enum { X, HID = 4, C0 = 8, MOMENTS };
enum { H, C };
enum { I, F, Z, O, CN, SPARES };
enum { OF_X, OF_H, OF_C };
enum { GX, GH = 4, B = 8, GC = 12, GATES = 4 };

/* Of centred sums; by both directions: that is less work than memory has with gates. */
ALWAYS_INLINE void make_state(Step s, idx p, idx r, const Moments *of, vec *c)
{
    const vec *x = slot(s, p, r, X), *h = slot(s, p, r, HID), *c0 = slot(s, p, r, C0);
    const vec *i = spare(s, p, I), *f = spare(s, p, F), *z = spare(s, p, Z);
    EACH (k, GATES)
        EACH_VECTOR (j) {
            vec a = vector(s, p, r, B + k)[j];
            a += vector(s, p, r, GX + k)[j] * (of[OF_X].rate * x[k * VECS + j]);
            a += vector(s, p, r, GH + k)[j] * (of[OF_H].rate * h[k * VECS + j]);
            spare(s, p, k)[j] = k == Z ? tanh_(a) : sigmoid(a);
        }
    EACH_VECTOR (j)
        c[j] = f[j] * c0[j] + i[j] * z[j];
}

static void forward(const Step *step)
{
    const Step s = *step;
    for (idx r = 0; r < s.rows; ++r) {
        Moments *of = (Moments *)slot(s, 0, r, MOMENTS);
        of[OF_X] = centre(s, r, X, GATES);
        of[OF_H] = centre(s, r, HID, GATES);
        for (idx p = 0; p < s.panels; ++p) {
            vec *c = state(s, p, r, C);
            EACH_VECTOR (j)
                slot(s, p, r, C0)[j] = c[j];
            make_state(s, p, r, of, c);
        }
        of[OF_C] = measure(s, r, C);
        for (idx p = 0; p < s.panels; ++p)
            put_output(s, p, r, O, C, GC, of[OF_C]);
    }
}

ALWAYS_INLINE void pull_gates(Step s, idx p, idx r, real rate, Sums of_c)
{
    vec *di = spare(s, p, I), *df = spare(s, p, F), *dz = spare(s, p, Z);
    vec *dh = state(s, p, r, H), *dc = state(s, p, r, C);
    const vec *c0 = slot(s, p, r, C0), *cn = spare(s, p, CN);
    EACH_VECTOR (j) {
        const vec i = di[j], f = df[j], z = dz[j];
        const vec d = dc[j] + pull(dh[j], cn[j], rate, of_c) * units_of(s, p, j);
        di[j] = d * z * i * (R(1) - i);
        df[j] = d * c0[j] * f * (R(1) - f);
        dz[j] = d * i * (R(1) - z * z);
        dc[j] = d * f, dh[j] = splat(0);
    }
}

static void backward(const Step *step)
{
    const Step s = *step;
    for (idx r = 0; r < s.rows; ++r) {
        const Moments *of = (const Moments *)slot(s, 0, r, MOMENTS);
        Sums of_c = {0}, of_x[GATES] = {0}, of_h[GATES] = {0};
        for (idx p = 0; p < s.panels; ++p) {
            make_state(s, p, r, of, spare(s, p, CN));
            pull_output(s, p, r, O, CN, GC, of[OF_C], &of_c);
        }
        of_c = means_of(of_c, (real)s.units);
        for (idx p = 0; p < s.panels; ++p) {
            pull_gates(s, p, r, of[OF_C].rate, of_c);
            pull_gains(s, p, r, X, GX, B, GATES, of[OF_X].rate, of_x);
            pull_gains(s, p, r, HID, GH, NONE, GATES, of[OF_H].rate, of_h);
        }
        pull_norm(s, r, X, GX, GATES, of[OF_X].rate, of_x);
        pull_norm(s, r, HID, GH, GATES, of[OF_H].rate, of_h);
    }
}

static const Column column[] = {{"xi", 0, NONE, NONE}, {"xf", 1, NONE, NONE},
                                {"xz", 2, NONE, NONE}, {"xo", 3, NONE, NONE},
                                {"hi", NONE, 0, NONE}, {"hf", NONE, 1, NONE},
                                {"hz", NONE, 2, NONE}, {"ho", NONE, 3, NONE}};
static const char *const states[] = {"h", "c"};
static const char *const vectors[] = {"gx_i", "gx_f", "gx_z", "gx_o", "gh_i",
                                      "gh_f", "gh_z", "gh_o", "b_i",  "b_f",
                                      "b_z",  "b_o",  "g_c",  "b_c"};

const Cell NAME(layernorm) = {
    .name = "layernorm",
    .title = "LSTM with layer normalisation",
    .equations = "a = g_x norm(W x) + g_h norm(R h') + b\n"
                 "i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)\nz = tanh(a_z)\n"
                 "c = f c' + i z\nh = o squash(g_c norm(c) + b_c)",
    .source = "Ba, Kiros, Hinton: Layer Normalization. 2016",
    .columns = 8,
    .column = column,
    .states = 2,
    .state = states,
    .extras = 2,
    .spares = SPARES,
    .vectors = 14,
    .vector = vectors,
    .squashes = 1,
    .projects = 1,
    .whole = 1,
    .steep = 1,
    .forward = forward,
    .backward = backward,
};
