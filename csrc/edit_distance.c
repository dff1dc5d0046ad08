/* edit_distance.c - the least edits from one sequence of labels to another.
 *
 *   D(j, k) = min(D(j-1, k-1) + (a_j != b_k), D(j-1, k) + 1, D(j, k-1) + 1)
 *
 * The last two are a deletion and an insertion. A number of D is a pair: the edits, in
 * units of ONE, less the substitutions among them. So the smallest has the fewest edits
 * and of those the most substitutions, and one row tells how many of each there are.
 *
 * Wagner, Fischer: The string-to-string correction problem. JACM 21, 1974. */
#include "dispatch.h"
#include "lstmc.h"

#define ONE ((int64_t)1 << 32)

static int64_t smaller(int64_t x, int64_t y) { return x < y ? x : y; }

static int64_t least_edits(const int32_t *a, ptrdiff_t n_a, const int32_t *b,
                           ptrdiff_t n_b, int64_t *row)
{
    for (ptrdiff_t k = 0; k <= n_b; ++k)
        row[k] = k * ONE;
    for (ptrdiff_t j = 0; j < n_a; ++j) {
        int64_t diagonal = row[0], left = row[0] += ONE;
        for (ptrdiff_t k = 0; k < n_b; ++k) {
            const int64_t up = row[k + 1];
            const int64_t both = diagonal + (a[j] == b[k] ? 0 : ONE - 1);
            left = smaller(both, smaller(up, left) + ONE);
            row[k + 1] = left;
            diagonal = up;
        }
    }
    return row[n_b];
}

int lstmc_count_edits(const int32_t *a, ptrdiff_t n_a, const int32_t *b, ptrdiff_t n_b,
                      int64_t *row, int64_t *edits)
{
    if (n_a < 0 || n_b < 0)
        return LSTMC_BAD_SIZE;
    if (n_a > INT32_MAX / 2 || n_b > INT32_MAX / 2)
        return refuse_bytes(4.0 * ((double)n_a + (double)n_b));
    if ((n_a && !a) || (n_b && !b) || !row || !edits)
        return LSTMC_NULL_ARRAY;
    const int64_t least = least_edits(a, n_a, b, n_b, row);
    const int64_t all = (least + ONE - 1) / ONE, replaced = all * ONE - least;
    edits[0] = (all - replaced + n_b - n_a) / 2;
    edits[1] = (all - replaced + n_a - n_b) / 2;
    edits[2] = replaced;
    return LSTMC_OK;
}
