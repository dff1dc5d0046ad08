/* test_edits.c - edits against a table of all of them, and what is refused. */
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "lstmc.h"

enum { LONGEST = 9 };

/* The least edits by the table of Wagner and Fischer, whole. */
static int64_t least(const int32_t *a, int n_a, const int32_t *b, int n_b)
{
    int64_t table[LONGEST + 1][LONGEST + 1];
    for (int j = 0; j <= n_a; ++j)
        for (int k = 0; k <= n_b; ++k) {
            if (j == 0 || k == 0) {
                table[j][k] = j + k;
                continue;
            }
            int64_t best = table[j - 1][k - 1] + (a[j - 1] != b[k - 1]);
            if (table[j - 1][k] + 1 < best)
                best = table[j - 1][k] + 1;
            if (table[j][k - 1] + 1 < best)
                best = table[j][k - 1] + 1;
            table[j][k] = best;
        }
    return table[n_a][n_b];
}

static void draw(int32_t *labels, int n, uint32_t *seed)
{
    for (int k = 0; k < n; ++k) {
        *seed = *seed * 1664525 + 1013904223;
        labels[k] = (int32_t)(*seed >> 30);
    }
}

void test_edits(void)
{
    about("edits");
    int32_t a[LONGEST], b[LONGEST];
    int64_t row[LONGEST + 2], edits[3];
    uint32_t seed = 1;
    for (int n_a = 0; n_a <= LONGEST; ++n_a)
        for (int n_b = 0; n_b <= LONGEST; ++n_b) {
            draw(a, n_a, &seed);
            draw(b, n_b, &seed);
            row[n_b + 1] = -7;
            CHECK(lstmc_count_edits(a, n_a, b, n_b, row, edits) == LSTMC_OK);
            CHECK(edits[0] + edits[1] + edits[2] == least(a, n_a, b, n_b));
            CHECK(edits[0] - edits[1] == n_b - n_a);
            CHECK(edits[0] >= 0 && edits[1] >= 0 && edits[2] >= 0);
            CHECK(row[n_b + 1] == -7);
        }
    CHECK(lstmc_count_edits(a, -1, b, 1, row, edits) == LSTMC_BAD_SIZE);
    CHECK(lstmc_count_edits(a, 1, b, INT32_MAX, row, edits) == LSTMC_TOO_LARGE);
    CHECK(lstmc_count_edits(NULL, 1, b, 1, row, edits) == LSTMC_NULL_ARRAY);
    CHECK(lstmc_count_edits(a, 1, NULL, 1, row, edits) == LSTMC_NULL_ARRAY);
    CHECK(lstmc_count_edits(a, 1, b, 1, NULL, edits) == LSTMC_NULL_ARRAY);
}
