/* dropout.c - masks from a counter: element j of a stream is the same for any number
 * of threads, and asked again for the backward pass instead of being kept.
 *
 * Salmon et al.: Parallel Random Numbers: As Easy as 1, 2, 3. SC 2011: Philox
 * 4x32-10. */
#include "kernels.h"

#define ROUNDS 10

static void philox(uint32_t counter[4], uint64_t seed)
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < ROUNDS; ++round, k0 += 0x9E3779B9, k1 += 0xBB67AE85) {
        const uint64_t p0 = (uint64_t)0xD2511F53 * counter[0];
        const uint64_t p1 = (uint64_t)0xCD9E8D57 * counter[2];
        counter[0] = (uint32_t)(p1 >> 32) ^ counter[1] ^ k0;
        counter[1] = (uint32_t)p1;
        counter[2] = (uint32_t)(p0 >> 32) ^ counter[3] ^ k1;
        counter[3] = (uint32_t)p0;
    }
}

void NAME(draw)(uint64_t block, uint64_t seed, uint64_t stream, uint32_t random[4])
{
    random[0] = (uint32_t)block, random[1] = (uint32_t)(block >> 32);
    random[2] = (uint32_t)stream, random[3] = (uint32_t)(stream >> 32);
    philox(random, seed);
}

void NAME(dropout)(void *x_, idx size, double rate, uint64_t seed, uint64_t stream)
{
    real *x = x_;
    const uint64_t limit = (uint64_t)(rate * 4294967296.0); /* drops below it */
    const real keep = R(1 / (1 - rate));
    for (idx j = 0; j < size; j += 4) {
        uint32_t random[4];
        NAME(draw)((uint64_t)j / 4, seed, stream, random);
        for (idx k = 0; k < 4 && j + k < size; ++k)
            x[j + k] = random[k] < limit ? 0 : x[j + k] * keep;
    }
}
