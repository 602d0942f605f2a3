/* transpose.h: squares of 16 lines turned over, so that what lay in their lanes lies in lines of its own. */
#ifndef CN_TRANSPOSE_H
#define CN_TRANSPOSE_H

#include "kernels/isa/simd.h"

/* Elements, or pairs of them, of two vectors in turn, from the first half of each four or the second. */
#if CN__ISA == 3
#define LOW(a, b)        ((vf)_mm512_unpacklo_ps((__m512)(a), (__m512)(b)))
#define HIGH(a, b)       ((vf)_mm512_unpackhi_ps((__m512)(a), (__m512)(b)))
#define LOW_PAIRS(a, b)  ((vf)_mm512_unpacklo_pd((__m512d)(a), (__m512d)(b)))
#define HIGH_PAIRS(a, b) ((vf)_mm512_unpackhi_pd((__m512d)(a), (__m512d)(b)))
#define FOURS(a, b, way) ((vf)_mm512_shuffle_f32x4((__m512)(a), (__m512)(b), way))
#elif CN__ISA == 2
#define LOW(a, b)        ((vf)_mm256_unpacklo_ps((__m256)(a), (__m256)(b)))
#define HIGH(a, b)       ((vf)_mm256_unpackhi_ps((__m256)(a), (__m256)(b)))
#define LOW_PAIRS(a, b)  ((vf)_mm256_unpacklo_pd((__m256d)(a), (__m256d)(b)))
#define HIGH_PAIRS(a, b) ((vf)_mm256_unpackhi_pd((__m256d)(a), (__m256d)(b)))
#define FOURS(a, b, way) ((vf)_mm256_permute2f128_ps((__m256)(a), (__m256)(b), way))
#else
#define LOW(a, b)        CN__SHUFFLE(a, b, 0, 4, 1, 5)
#define HIGH(a, b)       CN__SHUFFLE(a, b, 2, 6, 3, 7)
#define LOW_PAIRS(a, b)  CN__SHUFFLE(a, b, 0, 1, 4, 5)
#define HIGH_PAIRS(a, b) CN__SHUFFLE(a, b, 2, 3, 6, 7)
#endif

/* CN__WIDTH rows: squares of 4×4 within each four of lanes first, then the fours as they are. */
static inline __attribute__((always_inline)) void transpose_vectors(vf row[CN__WIDTH]) {
    CN__UNROLL
    for (int i = 0; i < CN__WIDTH; i += 4) {
        vf a = LOW(row[i], row[i + 1]), b = HIGH(row[i], row[i + 1]);
        vf c = LOW(row[i + 2], row[i + 3]), d = HIGH(row[i + 2], row[i + 3]);
        row[i] = LOW_PAIRS(a, c);
        row[i + 1] = HIGH_PAIRS(a, c);
        row[i + 2] = LOW_PAIRS(b, d);
        row[i + 3] = HIGH_PAIRS(b, d);
    }
#if CN__ISA == 3
    CN__UNROLL
    for (int i = 0; i < 4; i++) {
        vf a = FOURS(row[i], row[4 + i], 0x44), b = FOURS(row[i], row[4 + i], 0xee);
        vf c = FOURS(row[8 + i], row[12 + i], 0x44), d = FOURS(row[8 + i], row[12 + i], 0xee);
        row[i] = FOURS(a, c, 0x88);
        row[4 + i] = FOURS(a, c, 0xdd);
        row[8 + i] = FOURS(b, d, 0x88);
        row[12 + i] = FOURS(b, d, 0xdd);
    }
#elif CN__ISA == 2
    CN__UNROLL
    for (int i = 0; i < 4; i++) {
        vf a = row[i], b = row[4 + i];
        row[i] = FOURS(a, b, 0x20);
        row[4 + i] = FOURS(a, b, 0x31);
    }
#endif
}

/* Lane j of line i of `to` = lane i of line j of `from`, whose lines are `line` floats apart. */
static inline void transpose_lines(const float *from, size_t line, float *to) {
    for (size_t i = 0; i < CN__LANES; i += CN__WIDTH)
        for (size_t j = 0; j < CN__LANES; j += CN__WIDTH) {
            vf row[CN__WIDTH];
            CN__UNROLL
            for (size_t r = 0; r < CN__WIDTH; r++)
                row[r] = vf_load(from + (j + r) * line + i);
            transpose_vectors(row);
            CN__UNROLL
            for (size_t r = 0; r < CN__WIDTH; r++)
                vf_store(to + (i + r) * CN__LANES + j, row[r]);
        }
}

#endif
