/* SPDX-License-Identifier: MIT */
/* bench_latency.c: how long session 8 takes for few images, beside the machine's FMA peak.
 *
 *   bench_latency [THREADS [ROUNDS]]      medians of ROUNDS (1000) calls, by instruction set, norm and batch */
#include "plan/plan.h"
#include "fma_peak.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MAX_ROUNDS 100000

static const int batches[] = {1, 2, 4, 8, 16};
static const char *const norm_names[] = {"none", "batch", "layer", "group", "instance"};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void check(cn_status status) {
    if (status == CN_OK)
        return;
    fprintf(stderr, "bench_latency: %s\n", cn_last_error());
    exit(1);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Microseconds of a call with `batch` images: the middle one. */
static double latency(cn_context *ctx, cn_predictor *predictor, int batch, int rounds) {
    static double times[MAX_ROUNDS];
    int64_t in_shape[4] = {batch, 3, 32, 32}, out_shape[2] = {batch, 10};
    cn_tensor *input, *output;
    check(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, in_shape, &input));
    check(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, out_shape, &output));
    float *pixels = cn_tensor_data(input);
    for (int64_t i = 0; i < cn_tensor_count(input); i++)
        pixels[i] = (float)(i * 7919 % 2001 - 1000) / 500.0f;
    for (int i = 0; i < rounds; i++) {
        double start = now();
        check(cn_predictor_run(predictor, input, output));
        times[i] = now() - start;
    }
    cn_tensor_free(input);
    cn_tensor_free(output);
    qsort(times, (size_t)rounds, sizeof *times, ascending);
    return 1e6 * times[rounds / 2];
}

static void bench(cn_context *ctx, cn_norm_kind norm, int rounds) {
    cn_session8_options options = CN_SESSION8_OPTIONS_INIT;
    cn_model *model;
    cn_predictor *predictor;
    options.norm = norm;
    check(cn_model_session8(ctx, &options, &model));
    check(cn_predictor_new(model, NULL, &predictor));
    printf("%-9s", norm_names[norm]);
    for (size_t i = 0; i < CN__COUNT(batches); i++) {
        bool nchw16c = batches[i] <= cn__nchw16c_limit(model);
        printf(" %9.1f %s", latency(ctx, predictor, batches[i], (rounds - 1) / batches[i] + 1),
               nchw16c ? "c" : "i");
    }
    printf("\n");
    cn_predictor_free(predictor);
    cn_model_free(model);
}

static void bench_isa(cn_isa isa, int threads, int rounds) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *ctx;
    options.threads = threads;
    options.isa = isa;
    check(cn_context_new(&options, &ctx));
    printf("\n%s: peak %.0f GFLOP/s a thread\n%-9s", cn_isa_name(isa), fma_peak(isa, 1), "norm");
    for (size_t i = 0; i < CN__COUNT(batches); i++)
        printf(" %9d  ", batches[i]);
    printf("\n");
    for (cn_norm_kind norm = CN_NORM_NONE; norm <= CN_NORM_INSTANCE; norm++)
        bench(ctx, norm, rounds);
    cn_context_free(ctx);
}

int main(int argc, char **argv) {
    int threads = argc > 1 ? atoi(argv[1]) : 1, rounds = argc > 2 ? atoi(argv[2]) : 1000;
    cn_device device = CN_DEVICE_INIT;
    cn_context *ctx;
    if (threads < 1 || rounds < 1 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "usage: bench_latency [THREADS [ROUNDS]]\n");
        return 2;
    }
    check(cn_context_new(NULL, &ctx));
    check(cn_context_device(ctx, &device));
    printf("%s, compiled by %s; %d threads\n", device.processor, __VERSION__, threads);
    printf(
        "Session 8: microseconds of a call by batch, median of %d; c: one by one, channels in the lanes; i: images in "
        "the lanes.\n",
        rounds);
    for (cn_isa isa = device.isa; isa >= CN_ISA_PORTABLE; isa--)
        if (cn__kernels_for(isa))
            bench_isa(isa, threads, rounds);
    cn_context_free(ctx);
    return 0;
}
