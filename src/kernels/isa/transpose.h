/* SPDX-License-Identifier: MIT */
/* transpose.h: squares of 16 lines transposed, so that what lay in a lane lies in a line of its own. */
#ifndef CN_TRANSPOSE_H
#define CN_TRANSPOSE_H

#include "kernels/isa/simd.h"

/* Elements, or pairs of them, of two vectors in turn, from the first half of each four or the second. */
#if CN__ISA == 3
#define LOW(a, b)        ((vf)_mm512_unpacklo_ps((__m512)(a), (__m512)(b)))
#define HIGH(a, b)       ((vf)_mm512_unpackhi_ps((__m512)(a), (__m512)(b)))
#define LOW_PAIRS(a, b)  ((vf)_mm512_unpacklo_pd((__m512d)(a), (__m512d)(b)))
#define HIGH_PAIRS(a, b) ((vf)_mm512_unpackhi_pd((__m512d)(a), (__m512d)(b)))
#elif CN__ISA == 2
#define LOW(a, b)        ((vf)_mm256_unpacklo_ps((__m256)(a), (__m256)(b)))
#define HIGH(a, b)       ((vf)_mm256_unpackhi_ps((__m256)(a), (__m256)(b)))
#define LOW_PAIRS(a, b)  ((vf)_mm256_unpacklo_pd((__m256d)(a), (__m256d)(b)))
#define HIGH_PAIRS(a, b) ((vf)_mm256_unpackhi_pd((__m256d)(a), (__m256d)(b)))
#else
#define LOW(a, b)        CN__SHUFFLE(a, b, 0, 4, 1, 5)
#define HIGH(a, b)       CN__SHUFFLE(a, b, 2, 6, 3, 7)
#define LOW_PAIRS(a, b)  CN__SHUFFLE(a, b, 0, 1, 4, 5)
#define HIGH_PAIRS(a, b) CN__SHUFFLE(a, b, 2, 3, 6, 7)
#endif

/* Fours of lines 0, 4, 8 and on, as many as a vector holds. */
INLINE vf load_fours(const float *from, size_t line) {
#if CN__ISA == 3
    __m512 fours = _mm512_castps128_ps512(_mm_load_ps(from));
    fours = _mm512_insertf32x4(fours, _mm_load_ps(from + 4 * line), 1);
    fours = _mm512_insertf32x4(fours, _mm_load_ps(from + 8 * line), 2);
    return (vf)_mm512_insertf32x4(fours, _mm_load_ps(from + 12 * line), 3);
#elif CN__ISA == 2
    return (vf)_mm256_insertf128_ps(_mm256_castps128_ps256(_mm_load_ps(from)), _mm_load_ps(from + 4 * line), 1);
#else
    (void)line;
    return vf_load(from);
#endif
}

/* Lane j of line i of `to` = lane i of line j of `from`, whose lines are `line` floats apart: fours come to their
 * places as they are loaded, and squares of 4×4 are transposed within them. */
static inline void transpose_lines(const float *from, size_t line, float *to) {
    for (size_t j = 0; j < CN__LANES; j += CN__WIDTH)
        for (size_t i = 0; i < CN__LANES; i += 4) {
            const float *at = from + j * line + i;
            float *out = to + i * CN__LANES + j;
            vf r0 = load_fours(at, line), r1 = load_fours(at + line, line);
            vf r2 = load_fours(at + 2 * line, line), r3 = load_fours(at + 3 * line, line);
            vf a = LOW(r0, r1), b = HIGH(r0, r1), c = LOW(r2, r3), d = HIGH(r2, r3);
            vf_store(out, LOW_PAIRS(a, c));
            vf_store(out + CN__LANES, HIGH_PAIRS(a, c));
            vf_store(out + 2 * CN__LANES, LOW_PAIRS(b, d));
            vf_store(out + 3 * CN__LANES, HIGH_PAIRS(b, d));
        }
}

#endif
