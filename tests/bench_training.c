/* SPDX-License-Identifier: MIT */
/* bench_training.c: images a second that networks are trained and run with. It says who it is, then answers each line
 *
 *   PASS NETWORK BATCH THREADS SECONDS
 *
 * with `RATE GFLOPS`: images a second, and what their convolutions and linear layers come to. Passes are `train`,
 * `augment` (training with the study's random changes to images), `epoch` (that and its test, in training images a
 * second), `infer` and `peak` (GFLOPS alone; any network); timed_networks.h lists the networks. What a line has needed
 * stays for the next like it, until the line `forget`. tests/bench.sh asks it in turn with PyTorch and ONNX Runtime; by
 * hand:
 *
 *   echo train batch 32 2 5 | tests/bin/bench_training */
#include <convnet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "fma_peak.h"
#include "timed_networks.h"

enum { WARM_BATCHES = 3, MAX_BATCHES = 64, MIN_BATCHES = 4, TEST_IMAGES = 2048, MAX_SUBJECTS = 8 };
#define MAX_PIXELS ((int64_t)16 << 20) /* of training images, if those are MIN_BATCHES */
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
    int64_t shape[4] = {count}, classes[3];
    uint32_t state = 1;
    cn_model_input_shape(model, shape + 1);
    cn_model_output_shape(model, classes);
    check(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, shape, &made.pixels));
    check(cn_tensor_new(ctx, CN_DTYPE_INT64, 1, shape, &made.labels));
    uint8_t *pixels = cn_tensor_data(made.pixels);
    int64_t *labels = cn_tensor_data(made.labels);
    for (int64_t i = 0; i < cn_tensor_count(made.pixels); i++) {
        state = 1664525u * state + 1013904223u;
        pixels[i] = (uint8_t)(state >> 24);
    }
    for (int64_t i = 0; i < count; i++)
        labels[i] = i % classes[0];
    check(cn_dataset_memory(ctx, made.pixels, made.labels, classes[0], &made.data));
    check(cn_dataset_set_normalization(made.data, (int)shape[1], half, half));
    return made;
}

static void free_images(images *made) {
    cn_dataset_free(made->data);
    cn_tensor_free(made->labels);
    cn_tensor_free(made->pixels);
}

/* As many as MAX_BATCHES, but of large images fewer. */
static int64_t training_images(const cn_model *model, int batch) {
    int64_t shape[3];
    cn_model_input_shape(model, shape);
    int64_t batches = MAX_PIXELS / (shape[0] * shape[1] * shape[2] * batch);
    return batch * (batches > MAX_BATCHES ? MAX_BATCHES : batches < MIN_BATCHES ? MIN_BATCHES : batches);
}

/* ---- what a job needs ---- */

/* Ends the training when its time is up; the first batches only warm up. */
typedef struct stopwatch {
    double start, seconds, passed;
    int64_t warm, batches;
} stopwatch;

typedef struct subject {
    job job;
    cn_context *ctx; /* NULL: this place is free */
    cn_model *model;
    bool warm;
    /* training */
    stopwatch watch;
    images train, test;
    cn_trainer *trainer;
    /* inference */
    cn_predictor *predictor;
    cn_tensor *input, *output;
} subject;

static int tick(void *user, const cn_batch_info *batch) {
    stopwatch *watch = user;
    (void)batch;
    if (++watch->batches == watch->warm)
        watch->start = now();
    if (watch->batches <= watch->warm)
        return 0;
    watch->passed = now() - watch->start;
    return watch->passed >= watch->seconds;
}

static void make_trainer(subject *s) {
    static const cn_augmentation changes = CN_AUGMENTATION_CIFAR10;
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    options.batch_size = s->job.batch;
    options.loss = cn_model_loss(s->model);
    options.on_batch = tick;
    options.user = &s->watch;
    s->train = make_images(s->ctx, s->model, training_images(s->model, s->job.batch));
    if (strcmp(s->job.pass, "epoch") == 0)
        s->test = make_images(s->ctx, s->model, TEST_IMAGES);
    check(cn_dataset_set_augmentation(s->train.data, strcmp(s->job.pass, "train") == 0 ? NULL : &changes));
    check(cn_trainer_new(s->model, s->train.data, NULL, &options, &s->trainer));
}

static void make_predictor(subject *s) {
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    int64_t in[4] = {s->job.batch}, out[4] = {s->job.batch};
    options.max_batch_size = s->job.batch;
    cn_model_input_shape(s->model, in + 1);
    cn_model_output_shape(s->model, out + 1);
    check(cn_tensor_new(s->ctx, CN_DTYPE_FLOAT32, 4, in, &s->input));
    check(cn_tensor_new(s->ctx, CN_DTYPE_FLOAT32, 2, out, &s->output));
    check(cn_predictor_new(s->model, &options, &s->predictor));
    float *pixels = cn_tensor_data(s->input);
    for (int64_t i = 0; i < cn_tensor_count(s->input); i++)
        pixels[i] = (float)(i * 7919 % 2001 - 1000) / 500.0f;
}

static void make_subject(const job *j, subject *s) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    *s = (subject){.job = *j};
    options.threads = j->threads;
    check(cn_context_new(&options, &s->ctx));
    check(timed_network_new(s->ctx, j->network, &s->model));
    if (!s->model)
        refuse("network", j->network);
    if (strcmp(j->pass, "infer") == 0)
        make_predictor(s);
    else if (strcmp(j->pass, "train") == 0 || strcmp(j->pass, "augment") == 0 || strcmp(j->pass, "epoch") == 0)
        make_trainer(s);
    else
        refuse("pass", j->pass);
}

static void free_subject(subject *s) {
    cn_predictor_free(s->predictor);
    cn_tensor_free(s->input);
    cn_tensor_free(s->output);
    if (s->trainer) {
        cn_trainer_free(s->trainer);
        free_images(&s->train);
        free_images(&s->test);
    }
    cn_model_free(s->model);
    cn_context_free(s->ctx);
    *s = (subject){0};
}

static subject subjects[MAX_SUBJECTS];

static void forget(void) {
    for (int i = 0; i < MAX_SUBJECTS; i++)
        free_subject(&subjects[i]);
}

static bool same(const job *a, const job *b) {
    return strcmp(a->pass, b->pass) == 0 && strcmp(a->network, b->network) == 0 && a->batch == b->batch &&
           a->threads == b->threads;
}

static subject *find_subject(const job *j) {
    int i = 0;
    while (i < MAX_SUBJECTS && subjects[i].ctx && !same(&subjects[i].job, j))
        i++;
    if (i == MAX_SUBJECTS) {
        forget();
        i = 0;
    }
    if (!subjects[i].ctx)
        make_subject(j, &subjects[i]);
    return &subjects[i];
}

/* ---- passes: images a second ---- */

static double training_rate(subject *s, double seconds) {
    stopwatch *watch = &s->watch;
    *watch = (stopwatch){.seconds = seconds, .warm = s->warm ? 1 : WARM_BATCHES};
    while (watch->passed < watch->seconds)
        check(cn_trainer_fit(s->trainer, 1, NULL, NULL));
    return (double)((watch->batches - watch->warm) * s->job.batch) / watch->passed;
}

static double test_rate(subject *s, double seconds) {
    cn_evaluation *evaluation;
    int64_t seen = 0;
    double start = now(), passed;
    do {
        check(cn_evaluation_new(s->model, s->test.data, NULL, &evaluation));
        cn_evaluation_free(evaluation);
        seen += TEST_IMAGES;
        passed = now() - start;
    } while (passed < seconds);
    return (double)seen / passed;
}

static double inference_rate(subject *s, double seconds) {
    int64_t seen = 0;
    for (int i = 0; i < (s->warm ? 1 : WARM_BATCHES); i++)
        check(cn_predictor_run(s->predictor, s->input, s->output));
    double start = now(), passed;
    do {
        check(cn_predictor_run(s->predictor, s->input, s->output));
        seen += s->job.batch;
        passed = now() - start;
    } while (passed < seconds);
    return (double)seen / passed;
}

static double measure(subject *s, double seconds) {
    double rate = s->predictor ? inference_rate(s, seconds) : training_rate(s, seconds);
    if (strcmp(s->job.pass, "epoch") == 0)
        rate = 1.0 / (1.0 / rate + TEST_SHARE / test_rate(s, seconds));
    s->warm = true;
    return rate;
}

/* The best of all its time: a peak is what the machine can do while nothing else disturbs it. */
static double peak(const job *j) {
    cn_device device = CN_DEVICE_INIT;
    cn_context *ctx;
    double best = 0.0, start = now();
    check(cn_context_new(NULL, &ctx));
    check(cn_context_device(ctx, &device));
    cn_context_free(ctx);
    do {
        double gflops = fma_peak(device.isa, j->threads);
        best = gflops > best ? gflops : best;
    } while (now() - start < j->seconds);
    return best;
}

static void answer(const job *j) {
    if (strcmp(j->pass, "peak") == 0) {
        printf("0 %.1f\n", peak(j));
        return;
    }
    subject *s = find_subject(j);
    double rate = measure(s, j->seconds);
    printf("%.3f %.1f\n", rate, 1e-9 * rate * work(s->model, s->trainer != NULL));
}

int main(void) {
    char line[100];
    printf("libconvnet %s\n", cn_version_string());
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        job j;
        if (strcmp(line, "forget\n") == 0) {
            forget();
            continue;
        }
        if (sscanf(line, "%15s %15s %d %d %lf", j.pass, j.network, &j.batch, &j.threads, &j.seconds) != 5)
            refuse("job", line);
        answer(&j);
        fflush(stdout);
    }
    forget();
    return 0;
}
