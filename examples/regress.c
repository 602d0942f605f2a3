/* regress.c: where in a picture a blob lies, to a fraction of a pixel: a network that gives two numbers.
 * SPDX-License-Identifier: MIT
 *   cc regress.c $(pkg-config --cflags --libs convnet) -lm -o regress && ./regress */
#include <convnet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 32, PICTURES = 1500, EPOCHS = 12 };

static void check(int failed) { /* CN_OK is 0 */
    if (failed) {
        fprintf(stderr, "regress: %s\n", cn_last_error());
        exit(1);
    }
}

static float draw(uint32_t *state, float least, float most) { /* the same numbers in every run */
    *state = *state * 1664525u + 1013904223u;
    return least + (most - least) * (float)(*state >> 8) / 16777216.0f;
}

static void draw_blobs(uint32_t state, float *picture, float *position) {
    for (int n = 0; n < PICTURES; n++, picture += SIDE * SIDE, position += 2) {
        float x = draw(&state, 4, SIDE - 5), y = draw(&state, 4, SIDE - 5), radius = draw(&state, 1.5f, 4);
        for (int i = 0; i < SIDE * SIDE; i++) {
            float right = (float)(i % SIDE) - x, down = (float)(i / SIDE) - y, noise = draw(&state, -0.2f, 0.2f);
            picture[i] = expf(-(right * right + down * down) / (2 * radius * radius)) + noise;
        }
        position[0] = x;
        position[1] = y;
    }
}

static cn_model *make_net(cn_context *ctx) {
    cn_conv2d_options halving = CN_CONV2D_OPTIONS_INIT;
    cn_model *net;
    cn_layer *layer;
    halving.stride[0] = halving.stride[1] = 2;
    check(cn_model_new(ctx, 1, SIDE, SIDE, &net));
    check(cn_conv2d_new(ctx, 1, 8, 3, 3, &halving, &layer) || cn_model_append(net, "conv1", layer));
    check(cn_relu_new(ctx, &layer) || cn_model_append(net, "relu1", layer));
    check(cn_conv2d_new(ctx, 8, 16, 3, 3, &halving, &layer) || cn_model_append(net, "conv2", layer));
    check(cn_relu_new(ctx, &layer) || cn_model_append(net, "relu2", layer));
    check(cn_flatten_new(ctx, &layer) || cn_model_append(net, "flatten", layer));
    check(cn_linear_new(ctx, 16 * 7 * 7, 64, 1, &layer) || cn_model_append(net, "hidden", layer));
    check(cn_relu_new(ctx, &layer) || cn_model_append(net, "relu3", layer));
    check(cn_linear_new(ctx, 64, 2, 1, &layer) || cn_model_append(net, "position", layer));
    check(cn_model_init(net, 1));
    return net;
}

int main(void) {
    cn_target_options position = CN_TARGET_OPTIONS_INIT;
    cn_augmentation shifts = CN_AUGMENTATION_INIT;
    cn_optimizer_options adam = CN_OPTIMIZER_OPTIONS_INIT;
    cn_trainer_options training = CN_TRAINER_OPTIONS_INIT;
    cn_evaluation_options testing = CN_EVALUATION_OPTIONS_INIT;
    cn_context *ctx;
    cn_tensor *pictures, *positions; /* lent to the data sets */
    cn_dataset *data, *train, *test;
    cn_trainer *trainer;
    cn_evaluation *result;
    check(cn_context_new(NULL, &ctx));
    check(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){PICTURES, 1, SIDE, SIDE}, &pictures));
    check(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){PICTURES, 2}, &positions));
    draw_blobs(1, cn_tensor_data(pictures), cn_tensor_data(positions));
    position.kind = CN_TARGET_VECTOR;
    position.vector = CN_VECTOR_POINTS; /* so that it moves along when pictures are shifted */
    check(cn_dataset_memory(ctx, pictures, NULL, 0, &data) || cn_dataset_add_target(data, positions, &position));
    check(cn_dataset_split(data, 0.8, 1, &train, &test));
    shifts.crop_padding = 2;
    check(cn_dataset_set_augmentation(train, &shifts));
    cn_model *net = make_net(ctx);
    adam.kind = CN_OPTIMIZER_ADAM;
    adam.learning_rate = 0.005f;
    training.optimizer = &adam;
    training.loss = testing.loss = CN_LOSS_SMOOTH_L1;
    check(cn_trainer_new(net, train, test, &training, &trainer) || cn_trainer_fit(trainer, EPOCHS, NULL, NULL));
    check(cn_evaluation_new(net, test, &testing, &result));
    printf("off by %.2f pixels in the mean\n", cn_evaluation_metric(result, 0, CN_METRIC_MAE));
    cn_evaluation_free(result);
    cn_trainer_free(trainer);
    cn_model_free(net);
    cn_dataset_free(test);
    cn_dataset_free(train);
    cn_dataset_free(data);
    cn_tensor_free(positions);
    cn_tensor_free(pictures);
    cn_context_free(ctx);
    return 0;
}
