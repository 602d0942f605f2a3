/* SPDX-License-Identifier: MIT */
/* fma_peak.c: independent chains of multiply-adds in registers, on every thread at once. */
#include "fma_peak.h"
#include <math.h>
#include <pthread.h>
#include <time.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define STEPS       300000L
#define RUNS        7
#define MAX_THREADS 64

/* Twelve chains hide the latency of two units. */
#define TWELVE(step) step(0) step(1) step(2) step(3) step(4) step(5) step(6) step(7) step(8) step(9) step(10) step(11)

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static double spin_avx512(void) {
    __m512 factor = _mm512_set1_ps(0.999f), term = _mm512_set1_ps(0.001f);
#define DECLARE(i) __m512 s##i = _mm512_set1_ps((float)i);
    TWELVE(DECLARE)
    for (long n = 0; n < STEPS; n++) {
#define STEP(i) s##i = _mm512_fmadd_ps(s##i, factor, term);
        TWELVE(STEP)
        __asm__ volatile("" : "+v"(s0), "+v"(s1));
    }
    __m512 all = _mm512_setzero_ps();
#define GATHER(i) all = _mm512_add_ps(all, s##i);
    TWELVE(GATHER)
    return (double)_mm512_cvtss_f32(all);
#undef DECLARE
#undef STEP
#undef GATHER
}

__attribute__((target("avx2,fma"))) static double spin_avx2(void) {
    __m256 factor = _mm256_set1_ps(0.999f), term = _mm256_set1_ps(0.001f);
#define DECLARE(i) __m256 s##i = _mm256_set1_ps((float)i);
    TWELVE(DECLARE)
    for (long n = 0; n < STEPS; n++) {
#define STEP(i) s##i = _mm256_fmadd_ps(s##i, factor, term);
        TWELVE(STEP)
        __asm__ volatile("" : "+x"(s0), "+x"(s1));
    }
    __m256 all = _mm256_setzero_ps();
#define GATHER(i) all = _mm256_add_ps(all, s##i);
    TWELVE(GATHER)
    return (double)_mm256_cvtss_f32(all);
#undef DECLARE
#undef STEP
#undef GATHER
}
#endif

#if defined(__aarch64__)
static double spin_neon(void) {
    float32x4_t factor = vdupq_n_f32(0.999f), term = vdupq_n_f32(0.001f);
#define DECLARE(i) float32x4_t s##i = vdupq_n_f32((float)i);
    TWELVE(DECLARE)
    for (long n = 0; n < STEPS; n++) {
#define STEP(i) s##i = vfmaq_f32(term, s##i, factor);
        TWELVE(STEP)
        __asm__ volatile("" : "+w"(s0), "+w"(s1));
    }
    float32x4_t all = vdupq_n_f32(0.0f);
#define GATHER(i) all = vaddq_f32(all, s##i);
    TWELVE(GATHER)
    return (double)vgetq_lane_f32(all, 0);
#undef DECLARE
#undef STEP
#undef GATHER
}
#endif

static double spin_portable(void) {
    typedef float v __attribute__((vector_size(16)));
    v factor = {0.999f, 0.999f, 0.999f, 0.999f}, term = {0.001f, 0.001f, 0.001f, 0.001f}, all = {0};
    v sum[12] = {{0}};
    for (long n = 0; n < STEPS; n++)
        for (int i = 0; i < 12; i++)
            sum[i] = sum[i] * factor + term;
    for (int i = 0; i < 12; i++)
        all += sum[i];
    return (double)all[0];
}

typedef struct job {
    cn_isa isa;
    double result;
} job;

static void *work(void *argument) {
    job *j = argument;
#if defined(__x86_64__)
    j->result = j->isa == CN_ISA_AVX512 ? spin_avx512() : j->isa == CN_ISA_AVX2 ? spin_avx2() : spin_portable();
#elif defined(__aarch64__)
    j->result = j->isa == CN_ISA_NEON ? spin_neon() : spin_portable();
#else
    j->result = spin_portable();
#endif
    return NULL;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static double one_run(cn_isa isa, int threads) {
    pthread_t handles[MAX_THREADS];
    job jobs[MAX_THREADS];
    double start = now();
    for (int t = 0; t < threads; t++) {
        jobs[t].isa = isa;
        if (pthread_create(&handles[t], NULL, work, &jobs[t]) != 0)
            return 0.0;
    }
    for (int t = 0; t < threads; t++)
        pthread_join(handles[t], NULL);
    double floats = isa == CN_ISA_AVX512 ? 16.0 : isa == CN_ISA_AVX2 ? 8.0 : 4.0;
    return 2.0 * 12.0 * (double)STEPS * floats * threads / (now() - start) * 1e-9;
}

double fma_peak(cn_isa isa, int threads) {
    double best = 0.0;
    threads = threads > MAX_THREADS ? MAX_THREADS : threads;
    for (int r = 0; r < RUNS; r++)
        best = fmax(best, one_run(isa, threads));
    return best;
}
