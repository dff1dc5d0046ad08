/* test_dropout.c - the masks of dropout against a Philox of our own, and that against
 * the vectors that its authors published. */
#include <math.h>
#include <string.h>

#include "check.h"
#include "guard.h"
#include "problem.h"

typedef struct {
    uint32_t word[4];
} Counter;

/* Salmon et al.: Parallel Random Numbers: As Easy as 1, 2, 3. SC 2011, section 3.3. */
static Counter philox(Counter c, uint32_t k0, uint32_t k1)
{
    for (int round = 0; round < 10; ++round) {
        const uint64_t left = UINT64_C(0xd2511f53) * c.word[0];
        const uint64_t right = UINT64_C(0xcd9e8d57) * c.word[2];
        c = (Counter){{(uint32_t)(right >> 32) ^ c.word[1] ^ k0, (uint32_t)right,
                       (uint32_t)(left >> 32) ^ c.word[3] ^ k1, (uint32_t)left}};
        k0 += UINT32_C(0x9e3779b9);
        k1 += UINT32_C(0xbb67ae85);
    }
    return c;
}

/* Rows "philox4x32 10" of tests/kat_vectors of Random123: counter, key, answer. */
static const uint32_t known[][10] = {
    {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
    {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d,
     0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
    {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
     0x94fdcceb, 0x5001e420, 0x24126ea1},
};

static void check_known_answers(void)
{
    about("philox");
    for (size_t k = 0; k < sizeof known / sizeof *known; ++k) {
        Counter c;
        memcpy(c.word, known[k], sizeof c.word);
        c = philox(c, known[k][4], known[k][5]);
        CHECK(memcmp(c.word, known[k] + 6, sizeof c.word) == 0);
    }
}

/* Element k of the first block is dropped if its random number is below 2^32 rate: at a
 * rate one step above the number it goes, at the number itself it stays. */
static void check_first_block(int dtype)
{
    about("%s dropout %s, first block", lstmc_target(), dtype_name(dtype));
    for (int k = 0; k < 4; ++k)
        for (int step = 0; step < 2; ++step) {
            const double ones[] = {1, 1, 1, 1};
            void *x = to_reals(dtype, ones, 4, 1);
            const double rate = ((double)known[0][6 + k] + step) * 0x1p-32;
            CHECK(lstmc_dropout(dtype, x, 4, rate, 0, 0) == LSTMC_OK);
            CHECK((to_doubles(dtype, x, 4)[k] == 0) == step);
        }
    drop_all();
}

static int is_dropped(ptrdiff_t j, double rate, uint64_t seed, uint64_t stream)
{
    const uint64_t block = (uint64_t)j / 4;
    const Counter c = {{(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)stream,
                        (uint32_t)(stream >> 32)}};
    const uint32_t word = philox(c, (uint32_t)seed, (uint32_t)(seed >> 32)).word[j % 4];
    return word < rate * 0x1p32;
}

static void check_mask(int dtype, ptrdiff_t size, double rate, uint64_t seed,
                       uint64_t stream)
{
    about("%s dropout %s of %td at %g", lstmc_target(), dtype_name(dtype), size, rate);
    double *x = keep((size_t)size * sizeof(double), 0);
    for (ptrdiff_t j = 0; j < size; ++j)
        x[j] = (float)(2 + uniform());
    void *got = to_reals(dtype, x, size, 1);
    CHECK(lstmc_dropout(dtype, got, size, rate, seed, stream) == LSTMC_OK);
    check_guards();
    const double *y = to_doubles(dtype, got, size);
    ptrdiff_t dropped = 0;
    for (ptrdiff_t j = 0; j < size; ++j) {
        const int gone = is_dropped(j, rate, seed, stream);
        const double wanted = gone ? 0 : x[j] / (1 - rate);
        dropped += gone;
        CHECK(fabs(y[j] - wanted) <= 2 * epsilon_of(dtype) * wanted);
    }
    /* Five standard deviations of a count of independent draws. */
    const double count = rate * (double)size, deviation = sqrt(count * (1 - rate));
    CHECK(fabs((double)dropped - count) <= 5 * deviation);
    drop_all();
}

void test_dropout(void)
{
    static const double rates[] = {0, 0.1, 0.5, 0.9};
    static const ptrdiff_t sizes[] = {0, 1, 3, 4, 5, 17, 4000};
    check_known_answers();
    seed(11);
    for (int dtype = LSTMC_FLOAT32; dtype <= LSTMC_FLOAT64; ++dtype) {
        check_first_block(dtype);
        for (size_t j = 0; j < sizeof rates / sizeof *rates; ++j)
            for (size_t k = 0; k < sizeof sizes / sizeof *sizes; ++k)
                check_mask(dtype, sizes[k], rates[j], UINT64_C(0x123456789abcdef0) * k,
                           UINT64_C(0xfedcba9876543210) * j);
    }
}
