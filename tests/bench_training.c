/* bench_training.c: images a second that session 8 trains and infers with, and the machine's FMA peak beside it.
 *
 *   bench_training NORM BATCH THREADS SECONDS      prints `train RATE infer RATE peak GFLOPS`
 *
 * Training is cn_trainer_fit on synthetic images, data preparation included and augmentation off; inference is
 * cn_predictor_run on normalised float32 images. tests/bench.sh pairs it with PyTorch. */
#include <convnet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "fma_peak.h"

typedef struct settings {
    cn_norm norm;
    int batch, threads;
    double seconds;
} settings;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void check(cn_status status) {
    if (status == CN_OK)
        return;
    fprintf(stderr, "bench_training: %s\n", cn_last_error());
    exit(1);
}

/* Ends the training when its time is up; the first batches only warm up. */
enum { WARM_BATCHES = 5, BATCHES_AN_EPOCH = 64 };

typedef struct stopwatch {
    double start, seconds, passed;
    int64_t batches;
} stopwatch;

static int tick(void *user, const cn_batch *batch) {
    stopwatch *watch = user;
    (void)batch;
    if (++watch->batches == WARM_BATCHES)
        watch->start = now();
    if (watch->batches <= WARM_BATCHES)
        return 0;
    watch->passed = now() - watch->start;
    return watch->passed >= watch->seconds;
}

static double training_rate(cn_context *ctx, cn_model *model, const settings *s) {
    cn_dataset *data;
    cn_trainer *trainer;
    stopwatch watch = {0.0, s->seconds, 0.0, 0};
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    options.batch_size = s->batch;
    options.on_batch = tick;
    options.user = &watch;
    check(cn_dataset_synthetic(ctx, CN_TRAIN, BATCHES_AN_EPOCH * s->batch, 1, &data));
    check(cn_trainer_new(model, data, NULL, &options, &trainer));
    while (watch.passed < watch.seconds)
        check(cn_trainer_fit(trainer, 1, NULL, NULL));
    cn_trainer_free(trainer);
    cn_dataset_free(data);
    return (double)((watch.batches - WARM_BATCHES) * s->batch) / watch.passed;
}

static double inference_rate(cn_context *ctx, const cn_model *model, const settings *s) {
    cn_predictor *predictor;
    cn_tensor *input, *output;
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    int64_t in_shape[4] = {s->batch, 3, 32, 32}, out_shape[2] = {s->batch, 10}, images = 0;
    options.max_batch = s->batch;
    check(cn_tensor_new(ctx, CN_FLOAT32, 4, in_shape, &input));
    check(cn_tensor_new(ctx, CN_FLOAT32, 2, out_shape, &output));
    check(cn_predictor_new(model, &options, &predictor));
    float *pixels = cn_tensor_data(input);
    for (int64_t i = 0; i < cn_tensor_count(input); i++)
        pixels[i] = (float)(i * 7919 % 2001 - 1000) / 500.0f;
    for (int i = 0; i < 3; i++)
        check(cn_predictor_run(predictor, input, output));
    double start = now(), passed;
    do {
        check(cn_predictor_run(predictor, input, output));
        images += s->batch;
        passed = now() - start;
    } while (passed < s->seconds);
    cn_predictor_free(predictor);
    cn_tensor_free(input);
    cn_tensor_free(output);
    return (double)images / passed;
}

static cn_norm parse_norm(const char *word) {
    static const char *const names[] = {"none", "batch", "layer", "group", "instance"};
    for (int i = 0; i < 5; i++)
        if (strcmp(word, names[i]) == 0)
            return (cn_norm)i;
    fprintf(stderr, "bench_training: unknown norm '%s'\n", word);
    exit(2);
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: bench_training NORM BATCH THREADS SECONDS\n");
        return 2;
    }
    settings s = {parse_norm(argv[1]), atoi(argv[2]), atoi(argv[3]), atof(argv[4])};
    cn_context_options context_options = CN_CONTEXT_OPTIONS_INIT;
    cn_session8_options model_options = CN_SESSION8_OPTIONS_INIT;
    cn_device device = CN_DEVICE_INIT;
    cn_context *ctx;
    cn_model *model;
    context_options.threads = s.threads;
    model_options.norm = s.norm;
    check(cn_context_new(&context_options, &ctx));
    check(cn_context_device(ctx, &device));
    check(cn_session8_new(ctx, &model_options, &model));
    double train = training_rate(ctx, model, &s), infer = inference_rate(ctx, model, &s);
    printf("train %.0f infer %.0f peak %.0f\n", train, infer, fma_peak(device.isa, s.threads));
    cn_model_free(model);
    cn_context_free(ctx);
    return 0;
}
