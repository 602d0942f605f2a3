/* own_layer.c: a layer of one's own, Swish, y = x · sigmoid(beta · x) with a beta that is learned (Ramachandran et al.
 * 2017), in a network that is trained, saved and loaded.
 * SPDX-License-Identifier: MIT
 *   cc own_layer.c $(pkg-config --cflags --libs convnet) -lm -o own_layer && ./own_layer */
#include <convnet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct swish {
    float beta; /* that training begins with */
} swish;
static const cn_layer_option options[] = {CN_FLOAT_OPTION(swish, beta, 1.0, -100.0, 100.0)};

static int parameters(void *user, const void *layer, cn_layer_parameter *parameter) {
    (void)user;
    parameter[0] = (cn_layer_parameter){.name = "beta", .dims = 1, .shape = {1}, .value = ((const swish *)layer)->beta};
    return 1;
}

static int64_t values(const cn_layer_pass *pass) {
    return pass->images * pass->output_shape[0] * pass->output_shape[1] * pass->output_shape[2];
}

static cn_status forward(const cn_layer_pass *pass) {
    const float *x = pass->inputs[0], beta = pass->parameters[0][0];
    for (int64_t i = 0; i < values(pass); i++)
        pass->output[i] = x[i] / (1.0f + expf(-beta * x[i]));
    return CN_OK;
}

static cn_status backward(const cn_layer_pass *pass) {
    const float *x = pass->inputs[0], beta = pass->parameters[0][0];
    for (int64_t i = 0; i < values(pass); i++) {
        float sigmoid = 1.0f / (1.0f + expf(-beta * x[i])), slope = x[i] * sigmoid * (1.0f - sigmoid);
        pass->grad_inputs[0][i] = pass->grad_output[i] * (sigmoid + beta * slope);
        pass->grad_parameters[0][0] += pass->grad_output[i] * x[i] * slope;
    }
    return CN_OK;
}

static void check(cn_status status) {
    if (status != CN_OK) {
        fprintf(stderr, "own_layer: %s\n", cn_last_error());
        exit(1);
    }
}

static double accuracy(const cn_model *net, const cn_dataset *data) {
    cn_evaluation_options how = CN_EVALUATION_OPTIONS_INIT;
    cn_evaluation *evaluation;
    how.loss = cn_model_loss(net);
    check(cn_evaluation_new(net, data, &how, &evaluation));
    double share = cn_evaluation_accuracy(evaluation);
    cn_evaluation_free(evaluation);
    return share;
}

int main(void) {
    cn_layer_definition definition = CN_LAYER_DEFINITION_INIT;
    cn_trainer_options training = CN_TRAINER_OPTIONS_INIT;
    cn_context *ctx;
    cn_dataset *data;
    cn_model *net, *loaded;
    cn_layer *layer;
    cn_trainer *trainer;
    check(cn_context_new(NULL, &ctx));
    definition.type = "mine.Swish"; /* with a dot: never one of the library's */
    definition.options = options;
    definition.option_count = 1;
    definition.options_size = sizeof(swish);
    definition.parameters = parameters;
    definition.forward = forward;
    definition.backward = backward;
    check(cn_context_register_layer(ctx, &definition));
    check(cn_model_new(ctx, 3, 32, 32, &net));
    check(cn_conv2d_new(ctx, 3, 8, 5, 5, NULL, &layer));
    check(cn_model_append(net, "conv", layer));
    check(cn_custom_layer_new(ctx, "mine.Swish", &(swish){1.0f}, &layer));
    check(cn_model_append(net, "swish", layer));
    check(cn_flatten_new(ctx, &layer));
    check(cn_model_append(net, "flatten", layer));
    check(cn_linear_new(ctx, 8 * 28 * 28, 10, 1, &layer));
    check(cn_model_append(net, "fc", layer));
    check(cn_model_init(net, 1));
    check(cn_dataset_synthetic(ctx, CN_SPLIT_TRAIN, 1000, 1, &data));
    training.loss = cn_model_loss(net);
    check(cn_trainer_new(net, data, NULL, &training, &trainer));
    check(cn_trainer_fit(trainer, 3, NULL, NULL));
    check(cn_model_save(net, "own_layer.safetensors"));
    check(cn_model_load(ctx, "own_layer.safetensors", &loaded)); /* needs the registration */
    printf("accuracy %.3f, of the model out of the file %.3f\n", accuracy(net, data), accuracy(loaded, data));
    cn_model_free(loaded);
    cn_trainer_free(trainer);
    cn_model_free(net);
    cn_dataset_free(data);
    cn_context_free(ctx);
    return 0;
}
