/* test_lanes.c - sums over the lanes of a vector, and squares turned.
 *
 * Compiled once per target and dtype, as kernels are. */
#include "lanes.h"

#include "check.h"

#define APART 37 /* no multiple of a line */

#define TEXT_(name) #name
#define TEXT(name) TEXT_(name)
#define SELF TEXT(NAME(lanes))

/* Powers of two: every subset has a sum of its own, and none rounds. */
static void check_sum(void)
{
    vec x = {0};
    real wanted = 0;
    for (idx j = 0; j < LANES; ++j) {
        x[j] = (real)((uint64_t)1 << j);
        wanted += x[j];
    }
    CHECK_SAY(sum_of(x) == wanted, "%s: expected %g, got %g", SELF, (double)wanted,
              (double)sum_of(x));
}

static void check_square(real scale)
{
    const idx to_apart = 2 * PANEL;
    real from[16 * APART], to[16 * 2 * 16] __attribute__((aligned(LINE)));
    for (idx k = 0; k < PANEL * APART; ++k)
        from[k] = (real)k;
    turn_square(from, APART, scale, to, to_apart);
    for (idx r = 0; r < PANEL; ++r)
        for (idx k = 0; k < PANEL; ++k)
            CHECK_SAY(to[k * to_apart + r] == scale * from[r * APART + k],
                      "%s: row %d, column %d", SELF, (int)r, (int)k);
}

void NAME(test_lanes)(void)
{
    check_sum();
    check_square(1);
    check_square(R(0.25));
}
