/* gemm.c: matrix products through CBLAS. OpenBLAS starts threads of its own for products beyond a fixed size; ours run
 * on several threads already and must not touch the host's setting, so they are cut into pieces below that size. */
#include "base/base.h"
#include "kernels/kernels.h"
#include <cblas.h>
#include <string.h>

#define PIECE 262144 /* multiply-adds that OpenBLAS (interface/gemm.c) leaves to the calling thread */

#if defined(__GNUC__) && !defined(__APPLE__)
extern char *openblas_get_config(void) __attribute__((weak));
#define HAS_CONFIG (openblas_get_config != NULL)
#else
#define HAS_CONFIG 0
static char *openblas_get_config(void) {
    return NULL;
}
#endif

const char *cn__blas_description(void) {
    return HAS_CONFIG ? openblas_get_config() : "CBLAS";
}

const char *cn_device_advice(const cn_device *device) {
    static const char *const without_avx2[] = {" Prescott ",  " Core2 ",  " Penryn ",    " Dunnington ", " Nehalem ",
                                               " Atom ",      " Athlon ", " Opteron ",   " Barcelona ",  " Bobcat ",
                                               " Bulldozer ", " Katmai ", " Northwood ", " Sandybridge "};
    for (size_t i = 0; device->blas && device->best_isa >= CN_ISA_AVX2 && i < CN__COUNT(without_avx2); i++)
        if (strstr(device->blas, without_avx2[i]))
            return device->best_isa == CN_ISA_AVX512 ? "this OpenBLAS does not know the processor: "
                                                       "OPENBLAS_CORETYPE=SKYLAKEX in the environment makes "
                                                       "linear layers faster"
                                                     : "this OpenBLAS does not know the processor: "
                                                       "OPENBLAS_CORETYPE=HASWELL in the environment makes "
                                                       "linear layers faster";
    return NULL;
}

static int32_t smaller(int32_t a, int32_t b) {
    return a < b ? a : b;
}

void cn__gemm(bool transpose_a, bool transpose_b, int32_t m, int32_t n, int32_t k, const float *a, size_t lda,
              const float *b, size_t ldb, float *c, size_t ldc, bool accumulate) {
    int32_t rows = smaller(m, 64), depth = smaller(k, 128), columns = smaller(n, PIECE / (rows * depth));
    for (int32_t p = 0; p < k; p += depth)
        for (int32_t i = 0; i < m; i += rows)
            for (int32_t j = 0; j < n; j += columns) {
                const float *from_a = transpose_a ? a + (size_t)p * lda + i : a + (size_t)i * lda + p;
                const float *from_b = transpose_b ? b + (size_t)j * ldb + p : b + (size_t)p * ldb + j;
                cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
                            transpose_b ? CblasTrans : CblasNoTrans, m - i < rows ? m - i : rows,
                            n - j < columns ? n - j : columns, k - p < depth ? k - p : depth, 1.0f, from_a, (int)lda,
                            from_b, (int)ldb, accumulate || p > 0 ? 1.0f : 0.0f, c + (size_t)i * ldc + j, (int)ldc);
            }
}
