/* digit_row.c - products of digits of a row alone, by vectors: they read its weights
 * faster than tiles do. */
#include "digit_product.h"

#if AMX

#include <string.h>

#define WITH_VECTORS __attribute__((target("avx512vnni")))

enum { BESIDE = 4 };

WITH_VECTORS static void one_row(const DigitProduct *p, const Panel *panel, int there)
{
    __m512i x[BESIDE][SUMS];
    EACH (j, BESIDE)
        EACH (i, SUMS)
            x[j][i] = _mm512_load_si512(panel[j].b + (1 + i) * LINE);
    const digit *a = p->a->digits;
    const digit *b[BESIDE];
    EACH (j, BESIDE)
        b[j] = panel[j].b + DIGITS_HEAD;
    for (idx k = 0; k < p->a->depth; ++k, a += DIGITS_ROW)
        for (idx line = 0; line < DIGITS_TILE; line += LINE) {
            __m512i row[DIGITS_PLACES];
            EACH (i, DIGITS_PLACES) {
                int32_t four;
                memcpy(&four, a + i * DIGITS_DEPTH + line / 16, sizeof four);
                row[i] = _mm512_set1_epi32(four);
            }
            EACH (j, BESIDE) {
                const digit *at = b[j] + k * DIGITS_BLOCK + line;
                __m512i high = _mm512_load_si512(at),
                        middle = _mm512_load_si512(at + DIGITS_TILE);
                const __m512i low = _mm512_load_si512(at + 2 * DIGITS_TILE);
                __asm__("" : "+v"(high), "+v"(middle)); /* not to be read again */
                x[j][0] = _mm512_dpbusd_epi32(x[j][0], row[0], high);
                x[j][1] = _mm512_dpbusd_epi32(x[j][1], row[0], middle);
                x[j][2] = _mm512_dpbusd_epi32(x[j][2], row[0], low);
                x[j][1] = _mm512_dpbusd_epi32(x[j][1], row[1], high);
                x[j][2] = _mm512_dpbusd_epi32(x[j][2], row[1], middle);
                x[j][2] = _mm512_dpbusd_epi32(x[j][2], row[2], high);
            }
        }
    EACH (j, BESIDE) {
        End end = end_of(p, panel + j, 0);
        if (j < there)
            finish(&end, (ivec)x[j][0], (ivec)x[j][1], (ivec)x[j][2]);
    }
}

void NAME(digit_row)(const DigitProduct *p)
{
    Panel panel[BESIDE];
    for (Cursor cursor = first_panel(p); cursor.left > 0;) {
        const int there = take_panels(p, &cursor, BESIDE, panel);
        one_row(p, panel, there);
    }
}

#endif
