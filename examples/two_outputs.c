/* two_outputs.c: what is drawn in a picture, and where: a network for digits gets other classes, and a second output,
 * which reads a box from the same trunk. Each output has its target and its loss.
 * SPDX-License-Identifier: MIT
 *   cc two_outputs.c $(pkg-config --cflags --libs convnet) -lm -o two_outputs && ./two_outputs */
#include <convnet.h>
#include <math.h>
#include <stdio.h>

enum { SIDE = 28, CLASSES = 3, PICTURES = 1200, EPOCHS = 8 };
static const char *const names[CLASSES] = {"diamond", "disc", "square"};
static const float powers[CLASSES] = {1, 2, 9}; /* |x|^p + |y|^p <= 1 within it */
static const cn_target_options targets[] = {
    {.size = sizeof *targets, .kind = CN_TARGET_CLASS, .classes = CLASSES},
    {.size = sizeof *targets, .kind = CN_TARGET_VECTOR, .shape = {4, 1, 1}}}; /* left, top, right, bottom */

/* A picture, its class and its box, as a data set asks for them. No two are the same. */
static int draw(void *user, int64_t index, void *picture, void *const *to) {
    int n = (int)index;
    float *values = picture, *box = to[1], half = 4 + (float)(n % 7), room = SIDE - 1 - 2 * half;
    float x = half + room * (float)(n % 13) / 12, y = half + room * (float)(n % 17) / 16, power = powers[n % CLASSES];
    for (int i = 0; i < SIDE * SIDE; i++) {
        float right = fabsf((float)(i % SIDE) - x) / half, down = fabsf((float)(i / SIDE) - y) / half;
        values[i] = powf(right, power) + powf(down, power) <= 1 ? 1.0f : 0.0f;
    }
    *(int64_t *)to[0] = n % CLASSES;
    for (int i = 0; i < 4; i++)
        box[i] = (i % 2 ? y : x) + (i < 2 ? -half : half);
    return user != NULL; /* anything but 0 is a failure */
}

static int make_net(cn_context *ctx, cn_model **net) {
    const char *trunk = "relu5", *outputs[] = {"logsoftmax", "box"};
    cn_layer *flatten, *box;
    return cn_model_mnist(ctx, 5, 1, net) || cn_model_replace_output(*net, CLASSES) || cn_flatten_new(ctx, &flatten) ||
           cn_model_add(*net, "flatten_box", flatten, 1, &trunk) || cn_linear_new(ctx, 16 * 7 * 7, 4, 1, &box) ||
           cn_model_append(*net, "box", box) || cn_model_set_outputs(*net, 2, outputs) || cn_model_init(*net, 1);
}

static int predict(cn_context *ctx, const cn_model *net, const cn_dataset *data) {
    cn_predictor *predictor = NULL;
    cn_tensor *picture = NULL, *scores = NULL, *box = NULL;
    int failed = cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){1, 1, SIDE, SIDE}, &picture) ||
                 cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){1, CLASSES}, &scores) ||
                 cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){1, 4}, &box) ||
                 cn_predictor_new(net, NULL, &predictor) || cn_dataset_image(data, 0, picture, NULL) ||
                 cn_predictor_run_all(predictor, 1, (const cn_tensor *[]){picture}, 2, (cn_tensor *[]){scores, box});
    const float *at = cn_tensor_data_const(box);
    if (!failed)
        printf("a %s from %.1f, %.1f to %.1f, %.1f\n", names[cn_tensor_argmax(scores, 0)], at[0], at[1], at[2], at[3]);
    cn_predictor_free(predictor);
    cn_tensor_free(box);
    cn_tensor_free(scores);
    cn_tensor_free(picture);
    return failed;
}

int main(void) {
    cn_dataset_source source = {.size = sizeof source, .count = PICTURES, .channels = 1, .height = SIDE, .width = SIDE};
    cn_loss_options class_loss = CN_LOSS_OPTIONS_INIT, box_loss = CN_LOSS_OPTIONS_INIT;
    const cn_loss_options *losses[] = {&class_loss, &box_loss};
    cn_trainer_options training = CN_TRAINER_OPTIONS_INIT;
    cn_evaluation_options testing = CN_EVALUATION_OPTIONS_INIT;
    cn_output_info info = CN_OUTPUT_INFO_INIT;
    cn_context *ctx = NULL;
    cn_dataset *data = NULL, *train = NULL, *test = NULL;
    cn_model *net = NULL;
    cn_trainer *trainer = NULL;
    cn_evaluation *result = NULL;
    source.dtype = CN_DTYPE_FLOAT32;
    source.targets = targets;
    source.target_count = 2;
    source.fetch_sample = draw;
    class_loss.kind = CN_LOSS_NLL; /* it ends in a log-softmax */
    box_loss.kind = CN_LOSS_SMOOTH_L1;
    box_loss.weight = 0.2f;
    training.losses = testing.losses = losses;
    training.loss_count = testing.loss_count = 2;
    int failed = cn_context_new(NULL, &ctx) || cn_dataset_callback(ctx, &source, &data) ||
                 cn_dataset_split(data, 0.8, 1, &train, &test) || make_net(ctx, &net) ||
                 cn_trainer_new(net, train, test, &training, &trainer) || cn_trainer_fit(trainer, EPOCHS, NULL, NULL) ||
                 cn_evaluation_new(net, test, &testing, &result);
    for (int i = 0; i < 2 && !failed; i++) {
        failed = cn_trainer_output_info(trainer, EPOCHS - 1, i, &info);
        printf("%s: training loss %.3f, test %s %.3f\n", i ? "box" : "class", info.train_loss,
               cn_metric_name(info.metric), cn_evaluation_metric(result, i, info.metric));
    }
    failed = failed || predict(ctx, net, test);
    if (failed)
        fprintf(stderr, "two_outputs: %s\n", cn_last_error());
    cn_evaluation_free(result);
    cn_trainer_free(trainer);
    cn_model_free(net);
    cn_dataset_free(test);
    cn_dataset_free(train);
    cn_dataset_free(data);
    cn_context_free(ctx);
    return failed;
}
