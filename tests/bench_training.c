/* bench_training.c: images a second that networks are trained and run with. It says who it is, then answers each line
 *
 *   PASS NETWORK BATCH THREADS SECONDS
 *
 * with `RATE GFLOPS`: images a second, and what their convolutions and linear layers come to. Passes are `train`,
 * `augment` (training with the study's random changes to images), `epoch` (that and its test, in training images a
 * second), `infer` and `peak` (GFLOPS alone; any network). Networks: session 8 by its norm (none, batch, layer, group,
 * instance), resnet20, plain256, mnist2. tests/bench.sh asks it in turn with PyTorch and ONNX Runtime; by hand:
 *
 *   echo train batch 32 2 5 | tests/bin/bench_training */
#include <convnet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "fma_peak.h"
#include "wide_networks.h"

enum { WARM_BATCHES = 5, BATCHES_AN_EPOCH = 64, TEST_IMAGES = 2048, CLASSES = 10 };
#define TEST_SHARE (10000.0 / 50000.0) /* test images of CIFAR-10 for each training image */

typedef struct job {
    char pass[16], network[16];
    int batch, threads;
    double seconds;
} job;

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

static void refuse(const char *what, const char *value) {
    fprintf(stderr, "bench_training: unknown %s '%s'\n", what, value);
    exit(2);
}

/* ---- networks and images ---- */

static cn_model *make_model(cn_context *ctx, const char *network) {
    static const char *const norms[] = {"none", "batch", "layer", "group", "instance"};
    cn_session8_options options = CN_SESSION8_OPTIONS_INIT;
    cn_model *model = NULL;
    if (strcmp(network, "resnet20") == 0)
        check(resnet20_new(ctx, &model));
    else if (strcmp(network, "plain256") == 0)
        check(plain256_new(ctx, &model));
    else if (strcmp(network, "mnist2") == 0)
        check(cn_model_mnist(ctx, 2, 0, &model));
    for (int i = 0; i < 5; i++)
        if (strcmp(network, norms[i]) == 0) {
            options.norm = (cn_norm_kind)i;
            check(cn_model_session8(ctx, &options, &model));
        }
    if (!model)
        refuse("network", network);
    return model;
}

/* FLOP for one image, a multiply-add counting two. Training takes the forward pass three times, but for the gradient of
 * the images, which nobody wants. */
static double work(const cn_model *model, bool training) {
    double all = 0.0, first = 0.0;
    for (int i = 0; i < cn_model_layer_count(model); i++) {
        cn_layer_info info = CN_LAYER_INFO_INIT;
        check(cn_model_layer_info(model, i, &info));
        all += (double)info.multiply_adds;
        if (i == 0)
            first = (double)info.multiply_adds;
    }
    return training ? 2.0 * (3.0 * all - first) : 2.0 * all;
}

typedef struct images {
    cn_tensor *pixels, *labels;
    cn_dataset *data;
} images;

/* Noise in the network's shape: what is in an image makes no difference to its speed. */
static images make_images(cn_context *ctx, const cn_model *model, int64_t count) {
    static const float half[3] = {0.5f, 0.5f, 0.5f};
    images made;
    int64_t shape[4] = {count};
    uint32_t state = 1;
    cn_model_input_shape(model, shape + 1);
    check(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, shape, &made.pixels));
    check(cn_tensor_new(ctx, CN_DTYPE_INT64, 1, shape, &made.labels));
    uint8_t *pixels = cn_tensor_data(made.pixels);
    int64_t *labels = cn_tensor_data(made.labels);
    for (int64_t i = 0; i < cn_tensor_count(made.pixels); i++) {
        state = 1664525u * state + 1013904223u;
        pixels[i] = (uint8_t)(state >> 24);
    }
    for (int64_t i = 0; i < count; i++)
        labels[i] = i % CLASSES;
    check(cn_dataset_memory(ctx, made.pixels, made.labels, CLASSES, &made.data));
    check(cn_dataset_set_normalization(made.data, (int)shape[1], half, half));
    return made;
}

static void free_images(images *made) {
    cn_dataset_free(made->data);
    cn_tensor_free(made->labels);
    cn_tensor_free(made->pixels);
}

/* ---- passes: images a second ---- */

/* Ends the training when its time is up; the first batches only warm up. */
typedef struct stopwatch {
    double start, seconds, passed;
    int64_t batches;
} stopwatch;

static int tick(void *user, const cn_batch_info *batch) {
    stopwatch *watch = user;
    (void)batch;
    if (++watch->batches == WARM_BATCHES)
        watch->start = now();
    if (watch->batches <= WARM_BATCHES)
        return 0;
    watch->passed = now() - watch->start;
    return watch->passed >= watch->seconds;
}

static double training_rate(cn_context *ctx, cn_model *model, const job *j, bool augment) {
    static const cn_augmentation changes = CN_AUGMENTATION_CIFAR10;
    images train = make_images(ctx, model, (int64_t)BATCHES_AN_EPOCH * j->batch);
    cn_trainer *trainer;
    stopwatch watch = {0.0, j->seconds, 0.0, 0};
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    options.batch_size = j->batch;
    options.on_batch = tick;
    options.user = &watch;
    check(cn_dataset_set_augmentation(train.data, augment ? &changes : NULL));
    check(cn_trainer_new(model, train.data, NULL, &options, &trainer));
    while (watch.passed < watch.seconds)
        check(cn_trainer_fit(trainer, 1, NULL, NULL));
    cn_trainer_free(trainer);
    free_images(&train);
    return (double)((watch.batches - WARM_BATCHES) * j->batch) / watch.passed;
}

static double test_rate(cn_context *ctx, const cn_model *model, const job *j) {
    images test = make_images(ctx, model, TEST_IMAGES);
    cn_evaluation *evaluation;
    int64_t seen = 0;
    double start = now(), passed;
    do {
        check(cn_evaluation_new(model, test.data, NULL, &evaluation));
        cn_evaluation_free(evaluation);
        seen += TEST_IMAGES;
        passed = now() - start;
    } while (passed < j->seconds);
    free_images(&test);
    return (double)seen / passed;
}

static double epoch_rate(cn_context *ctx, cn_model *model, const job *j) {
    double train = training_rate(ctx, model, j, true), test = test_rate(ctx, model, j);
    return 1.0 / (1.0 / train + TEST_SHARE / test);
}

static double inference_rate(cn_context *ctx, const cn_model *model, const job *j) {
    cn_predictor *predictor;
    cn_tensor *input, *output;
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    int64_t in_shape[4] = {j->batch}, out_shape[2] = {j->batch, CLASSES}, seen = 0;
    options.max_batch_size = j->batch;
    cn_model_input_shape(model, in_shape + 1);
    check(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, in_shape, &input));
    check(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, out_shape, &output));
    check(cn_predictor_new(model, &options, &predictor));
    float *pixels = cn_tensor_data(input);
    for (int64_t i = 0; i < cn_tensor_count(input); i++)
        pixels[i] = (float)(i * 7919 % 2001 - 1000) / 500.0f;
    for (int i = 0; i < WARM_BATCHES; i++)
        check(cn_predictor_run(predictor, input, output));
    double start = now(), passed;
    do {
        check(cn_predictor_run(predictor, input, output));
        seen += j->batch;
        passed = now() - start;
    } while (passed < j->seconds);
    cn_predictor_free(predictor);
    cn_tensor_free(input);
    cn_tensor_free(output);
    return (double)seen / passed;
}

/* ---- jobs ---- */

static double measure(cn_context *ctx, cn_model *model, const job *j) {
    if (strcmp(j->pass, "train") == 0)
        return training_rate(ctx, model, j, false);
    if (strcmp(j->pass, "augment") == 0)
        return training_rate(ctx, model, j, true);
    if (strcmp(j->pass, "epoch") == 0)
        return epoch_rate(ctx, model, j);
    if (strcmp(j->pass, "infer") == 0)
        return inference_rate(ctx, model, j);
    refuse("pass", j->pass);
    return 0.0;
}

/* The best of all its time: a peak is what the machine can do while nothing else disturbs it. */
static double peak(cn_isa isa, const job *j) {
    double best = 0.0, start = now();
    do {
        double gflops = fma_peak(isa, j->threads);
        best = gflops > best ? gflops : best;
    } while (now() - start < j->seconds);
    return best;
}

static void answer(const job *j) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_device device = CN_DEVICE_INIT;
    cn_context *ctx;
    options.threads = j->threads;
    check(cn_context_new(&options, &ctx));
    check(cn_context_device(ctx, &device));
    if (strcmp(j->pass, "peak") == 0) {
        printf("0 %.1f\n", peak(device.isa, j));
    } else {
        cn_model *model = make_model(ctx, j->network);
        double rate = measure(ctx, model, j);
        printf("%.1f %.1f\n", rate, 1e-9 * rate * work(model, strcmp(j->pass, "infer") != 0));
        cn_model_free(model);
    }
    cn_context_free(ctx);
}

int main(void) {
    char line[100];
    printf("libconvnet %s\n", cn_version_string());
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        job j;
        if (sscanf(line, "%15s %15s %d %d %lf", j.pass, j.network, &j.batch, &j.threads, &j.seconds) != 5)
            refuse("job", line);
        answer(&j);
        fflush(stdout);
    }
    return 0;
}
