/* SPDX-License-Identifier: MIT */
/* mnist.c: the study's networks 2 to 5 for MNIST, of 3×3 convolutions that keep the size and pools that halve it.
 *
 * Each unit is [norm,] conv [, dropout] [, ReLU]; the classifier is two 1×1 convolutions over the channels' means. */
#include "model/model.h"

enum { UNITS = 7, CLASSES = 10 };

/* Where the image shrinks: after these units (from 1), by half or to one pixel. */
enum { FIRST_POOL = 2, SECOND_POOL = 4, GLOBAL_POOL = 5 };

static const struct network {
    int channels[UNITS];
    bool norm;
    float dropout;
} networks[] = {
    {{32, 32, 64, 64, 128, 256, CLASSES}, false, 0.0f},
    {{9, 10, 16, 16, 16, 32, CLASSES}, false, 0.0f},
    {{9, 10, 16, 16, 16, 32, CLASSES}, true, 0.0f},
    {{9, 10, 16, 16, 16, 32, CLASSES}, true, 0.01f},
};
enum { FIRST_NETWORK = 2, LAST_NETWORK = FIRST_NETWORK + (int)CN__COUNT(networks) - 1 };

static cn_status append_conv(cn_model *model, int in, int out, int u) {
    cn_conv2d_options options = CN_CONV2D_OPTIONS_INIT;
    int kernel = u <= GLOBAL_POOL ? 3 : 1;
    cn_layer *layer;
    options.bias = u >= UNITS;
    options.padding[0] = options.padding[1] = kernel / 2;
    CN__TRY(cn_conv2d_new(model->ctx, in, out, kernel, kernel, &options, &layer));
    return cn__model_append(model, layer, "conv%d", u);
}

/* Unit u, from 1. */
static cn_status append_unit(cn_model *model, const struct network *network, int u) {
    int in = u > 1 ? network->channels[u - 2] : 1;
    cn_layer *layer;
    if (network->norm && u > 1) {
        CN__TRY(cn_norm_new(model->ctx, CN_NORM_BATCH, in, NULL, &layer));
        CN__TRY(cn__model_append(model, layer, "norm%d", u));
    }
    CN__TRY(append_conv(model, in, network->channels[u - 1], u));
    if (network->dropout > 0.0f && u < UNITS) {
        CN__TRY(cn_dropout_new(model->ctx, network->dropout, &layer));
        CN__TRY(cn__model_append(model, layer, "dropout%d", u));
    }
    if (u < UNITS) {
        CN__TRY(cn_relu_new(model->ctx, &layer));
        CN__TRY(cn__model_append(model, layer, "relu%d", u));
    }
    return CN_OK;
}

static cn_status append_pool(cn_model *model, int u) {
    cn_layer *layer;
    if (u != FIRST_POOL && u != SECOND_POOL && u != GLOBAL_POOL)
        return CN_OK;
    if (u == GLOBAL_POOL)
        CN__TRY(cn_adaptive_avg_pool2d_new(model->ctx, 1, 1, &layer));
    else
        CN__TRY(cn_max_pool2d_new(model->ctx, 2, 2, NULL, &layer));
    return cn__model_append(model, layer, "pool%d", u);
}

static cn_status build(cn_model *model, const struct network *network, uint64_t seed) {
    cn_layer *layer;
    for (int u = 1; u <= UNITS; u++) {
        CN__TRY(append_unit(model, network, u));
        CN__TRY(append_pool(model, u));
    }
    CN__TRY(cn_flatten_new(model->ctx, &layer));
    CN__TRY(cn__model_append(model, layer, "flatten"));
    CN__TRY(cn_log_softmax_new(model->ctx, &layer));
    CN__TRY(cn__model_append(model, layer, "logsoftmax"));
    return cn_model_init(model, seed);
}

cn_status cn_model_mnist(cn_context *context, int which, uint64_t seed, cn_model **model) {
    CN__COMPUTES;
    cn_model *made;
    CN__REQUIRE(model);
    *model = NULL;
    CN__REQUIRE(context);
    if (which < FIRST_NETWORK || which > LAST_NETWORK)
        return cn__error(CN_ERR_ARGUMENT, "cn_model_mnist: no network %d, there are %d to %d", which, FIRST_NETWORK,
                         LAST_NETWORK);
    CN__TRY(cn_model_new(context, 1, 28, 28, &made));
    cn_status status = build(made, &networks[which - FIRST_NETWORK], seed);
    if (status != CN_OK) {
        cn_model_free(made);
        return status;
    }
    *model = made;
    return CN_OK;
}
