/* SPDX-License-Identifier: MIT */
/* dispatch.c: which table of kernels serves which instruction set. Compiled without instruction-set flags. */
#include "kernels/kernels.h"
#include "convnet.h"

extern const cn__kernels cn__kernels_portable;
#if defined(__x86_64__)
extern const cn__kernels cn__kernels_avx2, cn__kernels_avx512;
#elif defined(__aarch64__)
extern const cn__kernels cn__kernels_neon;
#endif

const cn__kernels *cn__kernels_for(int isa) {
    switch (isa) {
    case CN_ISA_PORTABLE:
        return &cn__kernels_portable;
#if defined(__x86_64__)
    case CN_ISA_AVX2:
        return &cn__kernels_avx2;
    case CN_ISA_AVX512:
        return &cn__kernels_avx512;
#elif defined(__aarch64__)
    case CN_ISA_NEON:
        return &cn__kernels_neon;
#endif
    default:
        return NULL;
    }
}
