/* layernorm.c - LSTM with layer normalisation.
 *
 *   x^ = norm(W x)              over the four gates of all units, by the driver
 *   h^ = norm(R h')             ' marks the step before
 *   a = g_x x^ + g_h h^ + b
 *   i = sigmoid(a_i)
 *   f = sigmoid(a_f)
 *   o = sigmoid(a_o)
 *   z = tanh(a_z)
 *   c = f c' + i z
 *   h = o squash(g_c norm(c) + b_c)    squash: tanh, or the identity
 *
 * Ba, Kiros, Hinton: Layer Normalization. 2016. */
#include "norm.h"

enum { X, HID = 4, I = 8, F, Z, O, C0, CN, STATS };
enum { H, C };
enum { GX, GH = 4, B = 8, GC = 12, GATES = 4 };

static void gates(Step s, idx p, idx r, const real *rate)
{
    vec *x = slot(s, p, r, X), *h = slot(s, p, r, HID);
    vec *i = slot(s, p, r, I), *f = slot(s, p, r, F), *z = slot(s, p, r, Z);
    vec *c = state(s, p, r, C), *c0 = slot(s, p, r, C0), *cn = slot(s, p, r, CN);
    EACH (k, GATES)
        EACH_VECTOR (j) {
            const int at = k * VECS + j;
            x[at] *= rate[0];
            h[at] *= rate[1];
            const vec a = vector(s, p, GX + k)[j] * x[at] +
                          vector(s, p, GH + k)[j] * h[at] + vector(s, p, B + k)[j];
            i[at] = k == Z - I ? tanh_(a) : sigmoid(a);
        }
    EACH_VECTOR (j) {
        c0[j] = c[j];
        cn[j] = c[j] = f[j] * c[j] + i[j] * z[j];
    }
}

static void forward(Step s)
{
    for (idx r = 0; r < s.rows; ++r) {
        real *rate = (real *)slot(s, 0, r, STATS);
        rate[0] = centre(s, r, X, GATES), rate[1] = centre(s, r, HID, GATES);
        for (idx p = 0; p < s.panels; ++p)
            gates(s, p, r, rate);
        rate[2] = centre(s, r, CN, 1);
        for (idx p = 0; p < s.panels; ++p)
            put_output(s, p, r, O, CN, GC, rate[2]);
    }
}

static void pull_gates(Step s, idx p, idx r, Sums *of_x, Sums *of_h)
{
    vec *di = slot(s, p, r, I), *df = slot(s, p, r, F), *dz = slot(s, p, r, Z);
    vec *dh = state(s, p, r, H), *dc = state(s, p, r, C);
    const vec *c0 = slot(s, p, r, C0), *x = slot(s, p, r, X), *h = slot(s, p, r, HID);
    EACH_VECTOR (j) {
        const vec i = di[j], f = df[j], z = dz[j], d = dc[j] + dh[j];
        di[j] = d * z * i * (R(1) - i);
        df[j] = d * c0[j] * f * (R(1) - f);
        dz[j] = d * i * (R(1) - z * z);
        dc[j] = d * f, dh[j] = splat(0);
    }
    EACH (k, GATES)
        EACH_VECTOR (j) {
            const int at = k * VECS + j;
            const vec da = di[at];
            vector_gradient(s, p, r, GX + k)[j] += da * x[at];
            vector_gradient(s, p, r, GH + k)[j] += da * h[at];
            vector_gradient(s, p, r, B + k)[j] += da;
            add_to(of_x + k, da * vector(s, p, GX + k)[j], x[at]);
            add_to(of_h + k, da * vector(s, p, GH + k)[j], h[at]);
        }
}

static void backward(Step s)
{
    for (idx r = 0; r < s.rows; ++r) {
        const real *rate = (const real *)slot(s, 0, r, STATS);
        Sums of_x[GATES] = {0}, of_h[GATES] = {0};
        for (idx p = 0; p < s.panels; ++p)
            pull_output(s, p, r, O, CN, GC);
        pull_norm_state(s, r, CN, H, rate[2]);
        for (idx p = 0; p < s.panels; ++p)
            pull_gates(s, p, r, of_x, of_h);
        pull_norm(s, r, X, I, GX, GATES, rate[0], of_x);
        pull_norm(s, r, HID, I, GH, GATES, rate[1], of_h);
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
    .extras = 7,
    .vectors = 14,
    .vector = vectors,
    .squashes = 1,
    .projects = 1,
    .whole = 1,
    .forward = forward,
    .backward = backward,
};
