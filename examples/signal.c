/* signal.c: signals instead of pictures: a sine, a square wave or a sawtooth in noise, 128 samples, told apart by
 * convolutions along time. A signal is an image of one row.
 * SPDX-License-Identifier: MIT
 *   cc signal.c $(pkg-config --cflags --libs convnet) -lm -o signal && ./signal */
#include <convnet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SAMPLES = 128, SIGNALS = 3000, CLASSES = 3, EPOCHS = 6 };
static const char *const names[CLASSES] = {"sine", "square", "sawtooth"};

static void check(int failed) { /* CN_OK is 0 */
    if (failed) {
        fprintf(stderr, "signal: %s\n", cn_last_error());
        exit(1);
    }
}

static float draw(uint32_t *state, float least, float most) { /* the same numbers in every run */
    *state = *state * 1664525u + 1013904223u;
    return least + (most - least) * (float)(*state >> 8) / 16777216.0f;
}

static void draw_signals(uint32_t state, float *signal, int64_t *label) {
    for (int n = 0; n < SIGNALS; n++, signal += SAMPLES, label++) {
        float periods = draw(&state, 2, 12), phase = draw(&state, 0, 1), noise = draw(&state, 0, 0.8f);
        *label = n % CLASSES;
        for (int i = 0; i < SAMPLES; i++) {
            float t = fmodf(phase + periods * (float)i / SAMPLES, 1); /* 0 to 1 within a period */
            float wave = *label == 0 ? sinf(6.2831853f * t) : *label == 1 ? (t < 0.5f ? 1 : -1) : 2 * t - 1;
            signal[i] = wave + draw(&state, -noise, noise);
        }
    }
}

static cn_model *make_net(cn_context *ctx) {
    cn_conv2d_options halving = CN_CONV2D_OPTIONS_INIT;
    cn_model *net;
    cn_layer *layer;
    halving.stride[1] = 2;
    check(cn_model_new(ctx, 1, 1, SAMPLES, &net));
    check(cn_conv2d_new(ctx, 1, 8, 1, 7, &halving, &layer) || cn_model_append(net, "conv1", layer));
    check(cn_relu_new(ctx, &layer) || cn_model_append(net, "relu1", layer));
    check(cn_conv2d_new(ctx, 8, 16, 1, 7, &halving, &layer) || cn_model_append(net, "conv2", layer));
    check(cn_relu_new(ctx, &layer) || cn_model_append(net, "relu2", layer));
    check(cn_conv2d_new(ctx, 16, 24, 1, 7, &halving, &layer) || cn_model_append(net, "conv3", layer));
    check(cn_relu_new(ctx, &layer) || cn_model_append(net, "relu3", layer));
    check(cn_adaptive_avg_pool2d_new(ctx, 1, 1, &layer) ||
          cn_model_append(net, "mean", layer)); /* over time, of any length */
    check(cn_linear_new(ctx, 24, CLASSES, 1, &layer) || cn_model_append(net, "class", layer));
    check(cn_model_init(net, 1));
    return net;
}

int main(void) {
    cn_optimizer_options adam = CN_OPTIMIZER_OPTIONS_INIT;
    cn_trainer_options training = CN_TRAINER_OPTIONS_INIT;
    cn_evaluation_options testing = CN_EVALUATION_OPTIONS_INIT;
    cn_context *ctx;
    cn_tensor *signals, *labels; /* lent to the data sets */
    cn_dataset *data, *train, *test;
    cn_trainer *trainer;
    cn_evaluation *result;
    check(cn_context_new(NULL, &ctx));
    check(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){SIGNALS, 1, 1, SAMPLES}, &signals));
    check(cn_tensor_new(ctx, CN_DTYPE_INT64, 1, (int64_t[]){SIGNALS}, &labels));
    draw_signals(1, cn_tensor_data(signals), cn_tensor_data(labels));
    check(cn_dataset_memory(ctx, signals, labels, CLASSES, &data));
    check(cn_dataset_set_class_names(data, CLASSES, names));
    check(cn_dataset_split_stratified(data, 0.8, 1, &train, &test));
    cn_model *net = make_net(ctx);
    adam.kind = CN_OPTIMIZER_ADAM;
    adam.learning_rate = 0.005f;
    training.optimizer = &adam;
    training.loss = testing.loss = cn_model_loss(net);
    check(cn_trainer_new(net, train, test, &training, &trainer) || cn_trainer_fit(trainer, EPOCHS, NULL, NULL));
    check(cn_evaluation_new(net, test, &testing, &result));
    printf("%.1f %% of %d test signals\n", 100 * cn_evaluation_accuracy(result), (int)cn_evaluation_count(result));
    for (int64_t k = 0; k < CLASSES; k++)
        printf("%s: %.1f %% recognised\n", cn_dataset_class_name(test, k),
               100 * cn_evaluation_class_accuracy(result, k));
    cn_evaluation_free(result);
    cn_trainer_free(trainer);
    cn_model_free(net);
    cn_dataset_free(test);
    cn_dataset_free(train);
    cn_dataset_free(data);
    cn_tensor_free(labels);
    cn_tensor_free(signals);
    cn_context_free(ctx);
    return 0;
}
