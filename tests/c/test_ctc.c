/* test_ctc.c - CTC's loss, gradient and alignment against plain logarithms, within
 * their memory. */
#include <math.h>
#include <string.h>

#include "check.h"
#include "guard.h"
#include "problem.h"

enum { SAMPLES = 5, CLASSES = 5 };

typedef struct {
    lstmc_ctc call; /* arrays of reals are those of the last run */
    ptrdiff_t steps;
    double *logits; /* (steps, CLASSES) */
} Batch;

static double log_add(double x, double y)
{
    const double most = x > y ? x : y, least = x > y ? y : x;
    return most == -INFINITY ? most : most + log1p(exp(least - most));
}

/* Samples of 0 to `longest` steps, with labels that repeat now and then. */
static Batch make_batch(int dtype, ptrdiff_t longest)
{
    Batch out = {.call = {.dtype = dtype, .samples = SAMPLES, .classes = CLASSES}};
    ptrdiff_t *offsets = keep((SAMPLES + 1) * sizeof(ptrdiff_t), 0),
              *cuts = keep((SAMPLES + 1) * sizeof(ptrdiff_t), 0);
    offsets[0] = cuts[0] = 0;
    for (ptrdiff_t k = 0; k < SAMPLES; ++k) {
        const ptrdiff_t steps = longest * k / (SAMPLES - 1);
        offsets[k + 1] = offsets[k] + steps;
        cuts[k + 1] = cuts[k] + steps / (k + 1);
    }
    out.steps = offsets[SAMPLES];
    int32_t *labels = keep((size_t)cuts[SAMPLES] * sizeof(int32_t), 4);
    for (ptrdiff_t k = 0; k < cuts[SAMPLES]; ++k)
        labels[k] = 1 + (int32_t)((uniform() + 1) * (CLASSES - 1) / 2);
    out.logits = keep((size_t)(out.steps * CLASSES) * sizeof(double), 0);
    for (ptrdiff_t k = 0; k < out.steps * CLASSES; ++k)
        out.logits[k] = (float)(8 * uniform());
    out.call.offsets = offsets;
    out.call.label_offsets = cuts;
    out.call.labels = labels;
    return out;
}

static void give_arrays(Batch *b)
{
    lstmc_ctc *call = &b->call;
    call->logits = to_reals(call->dtype, b->logits, b->steps * CLASSES, 1);
    call->gradient = empty_reals(call->dtype, b->steps * CLASSES, 1);
    call->loss = keep(SAMPLES * sizeof(double), sizeof(double));
    call->path = keep((size_t)b->steps * sizeof(int32_t), 4);
    call->probability = keep((size_t)b->steps * sizeof(double), sizeof(double));
}

/* Over the states blank, label, blank ...; best: of one path, not of the sum. */
static double plain_loss(const Batch *b, ptrdiff_t sample, int best)
{
    const lstmc_ctc *call = &b->call;
    const int32_t *labels = call->labels + call->label_offsets[sample];
    const ptrdiff_t count =
        call->label_offsets[sample + 1] - call->label_offsets[sample];
    const ptrdiff_t states = 2 * count + 1;
    double *now = keep((size_t)states * sizeof(double), 0);
    for (ptrdiff_t s = 0; s < states; ++s)
        now[s] = s == 0 ? 0 : -INFINITY;
    for (ptrdiff_t t = call->offsets[sample]; t < call->offsets[sample + 1]; ++t) {
        const double *x = b->logits + t * CLASSES;
        double norm = -INFINITY;
        for (ptrdiff_t k = 0; k < CLASSES; ++k)
            norm = log_add(norm, x[k]);
        for (ptrdiff_t s = states - 1; s >= 0; --s) { /* reads what stands before */
            const int32_t own = s % 2 ? labels[s / 2] : 0;
            double sum = now[s];
            if (s > 0)
                sum = best ? fmax(sum, now[s - 1]) : log_add(sum, now[s - 1]);
            if (s > 2 && s % 2 && own != labels[s / 2 - 1])
                sum = best ? fmax(sum, now[s - 2]) : log_add(sum, now[s - 2]);
            now[s] = sum + x[own] - norm;
        }
    }
    if (states == 1)
        return -now[0];
    return best ? -fmax(now[states - 1], now[states - 2])
                : -log_add(now[states - 1], now[states - 2]);
}

static void check_losses(const Batch *b, int best)
{
    const lstmc_ctc *call = &b->call;
    for (ptrdiff_t k = 0; k < SAMPLES; ++k) {
        const double wanted = plain_loss(b, k, best), got = call->loss[k];
        if (isinf(wanted)) {
            CHECK(got == wanted);
            continue;
        }
        const double steps = (double)(call->offsets[k + 1] - call->offsets[k]);
        /* Norms are sums of reals; roundings of logarithms of 16 at each step. */
        const double most = steps * (epsilon_of(call->dtype) + 1e-14);
        CHECK_SAY(fabs(got - wanted) <= most, "loss %td: %g of %g", k, got - wanted,
                  wanted);
    }
}

static void check_gradient(const Batch *b)
{
    const lstmc_ctc *call = &b->call;
    const double *d = to_doubles(call->dtype, call->gradient, b->steps * CLASSES);
    for (ptrdiff_t k = 0; k < SAMPLES; ++k)
        for (ptrdiff_t t = call->offsets[k]; t < call->offsets[k + 1]; ++t) {
            double sum = 0;
            for (ptrdiff_t j = 0; j < CLASSES; ++j) {
                sum += d[t * CLASSES + j];
                CHECK(isfinite(call->loss[k]) || d[t * CLASSES + j] == 0);
            }
            /* A rounding of a probability for each class and each label. */
            CHECK_SAY(fabs(sum) <= 40 * epsilon_of(call->dtype), "row %td: %g", t, sum);
        }
}

static void check_batch(int dtype, ptrdiff_t longest)
{
    about("%s ctc %s: %td steps", lstmc_target(), dtype_name(dtype), longest);
    seed(5);
    Batch b = make_batch(dtype, longest);
    const size_t bytes = (size_t)(b.steps * CLASSES) * real_size(dtype);
    const void *first = NULL;
    for (int threads = 1; threads <= 3; ++threads) {
        give_arrays(&b);
        b.call.threads = threads;
        CHECK(lstmc_ctc_loss(&b.call) == LSTMC_OK);
        check_guards();
        check_losses(&b, 0);
        check_gradient(&b);
        CHECK(!first || memcmp(first, b.call.gradient, bytes) == 0);
        first = b.call.gradient;
        CHECK(lstmc_ctc_align(&b.call) == LSTMC_OK);
        check_guards();
        check_losses(&b, 1);
    }
    give_arrays(&b);
    b.call.gradient = NULL;
    CHECK(lstmc_ctc_loss(&b.call) == LSTMC_OK);
    check_losses(&b, 0);
    drop_all();
}

static void check_starving(int (*call)(const lstmc_ctc *))
{
    Batch b = make_batch(LSTMC_FLOAT32, 30);
    give_arrays(&b);
    fail_after(0);
    CHECK(call(&b.call) == LSTMC_NO_MEMORY);
    fail_after(-1);
    CHECK(guarded_live() == 0 && lstmc_wanted_bytes() > 0);
    for (size_t k = 0; k < SAMPLES * sizeof(double); ++k)
        CHECK(((unsigned char *)b.call.loss)[k] == 0xff);
    drop_all();
}

/* What a long sequence wants is learnt from a call that gets nothing. */
static void check_long(int (*call)(const lstmc_ctc *))
{
    enum { STEPS = 100000, LABELS = 1000 };
    ptrdiff_t *offsets = keep(2 * sizeof(ptrdiff_t), 0),
              *cuts = keep(2 * sizeof(ptrdiff_t), 0);
    int32_t *labels = keep(LABELS * sizeof(int32_t), 0);
    for (int k = 0; k < LABELS; ++k)
        labels[k] = 1;
    offsets[0] = cuts[0] = 0;
    offsets[1] = STEPS;
    cuts[1] = LABELS;
    double nowhere[1] = {0}; /* is not read */
    const lstmc_ctc long_call = {.samples = 1,
                                 .classes = 2,
                                 .offsets = offsets,
                                 .logits = nowhere,
                                 .label_offsets = cuts,
                                 .labels = labels,
                                 .loss = nowhere,
                                 .path = (int32_t *)nowhere,
                                 .probability = nowhere};
    fail_after(0);
    CHECK(call(&long_call) == LSTMC_NO_MEMORY);
    fail_after(-1);
    /* All alphas would be 3.2 GB. */
    CHECK_SAY(lstmc_wanted_bytes() < 40 << 20, "%.0f bytes", lstmc_wanted_bytes());
    drop_all();
}

static void check_error(Batch b, int status)
{
    CHECK(lstmc_ctc_loss(&b.call) == status);
    CHECK(lstmc_ctc_align(&b.call) == status);
}

static void check_errors(void)
{
    about("errors of ctc");
    Batch b = make_batch(LSTMC_FLOAT64, 12), bad = b;
    give_arrays(&b);
    static const ptrdiff_t falling[SAMPLES + 1] = {0, 4, 3, 5, 6, 7};
    static const int32_t wrong[][1] = {{0}, {-1}, {CLASSES}};
#define WITH(member, value, status)       \
    do {                                  \
        bad = b;                          \
        bad.call.member = value;          \
        check_error(bad, LSTMC_##status); \
    } while (0)
    WITH(dtype, 7, BAD_DTYPE);
    WITH(samples, -1, BAD_SIZE);
    WITH(classes, 0, BAD_SIZE);
    WITH(threads, -1, BAD_SIZE);
    WITH(blank, CLASSES, BAD_LABEL);
    WITH(blank, -1, BAD_LABEL);
    WITH(smoothing, 1, BAD_OPTION);
    WITH(smoothing, NAN, BAD_OPTION);
    WITH(offsets, NULL, NULL_ARRAY);
    WITH(offsets, falling, BAD_OFFSETS);
    WITH(label_offsets, falling, BAD_OFFSETS);
    WITH(classes, PTRDIFF_MAX / 2, TOO_LARGE);
    WITH(logits, NULL, NULL_ARRAY);
    WITH(labels, NULL, NULL_ARRAY);
    WITH(loss, NULL, NULL_ARRAY);
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; ++k) {
        int32_t *labels = (int32_t *)b.call.labels, own = labels[2];
        labels[2] = wrong[k][0];
        check_error(b, LSTMC_BAD_LABEL);
        labels[2] = own;
    }
    WITH(samples, 0, OK);
    bad = b;
    bad.call.path = NULL;
    CHECK(lstmc_ctc_align(&bad.call) == LSTMC_NULL_ARRAY);
    check_guards();
    ((double *)b.call.logits)[7] = NAN;
    check_error(b, LSTMC_NOT_FINITE);
    ((double *)b.call.logits)[7] = INFINITY;
    check_error(b, LSTMC_NOT_FINITE);
    drop_all();
}

void test_ctc(void)
{
    static const ptrdiff_t lengths[] = {0, 4, 8, 31, 33, 64, 300};
    for (int dtype = LSTMC_FLOAT32; dtype <= LSTMC_FLOAT64; ++dtype)
        for (size_t k = 0; k < sizeof lengths / sizeof *lengths; ++k)
            check_batch(dtype, lengths[k]);
    check_starving(lstmc_ctc_loss);
    check_starving(lstmc_ctc_align);
    check_long(lstmc_ctc_loss);
    check_long(lstmc_ctc_align);
    check_errors();
}
