/* SPDX-License-Identifier: MIT */
/* squeezenet.c: SqueezeNet 1.1 (Iandola et al. 2016), as torchvision has it: "fire" modules, which squeeze to few
 * channels and expand by 1×1 and 3×3 convolutions side by side. */
#include "model/zoo/zoo.h"

/* With bias and ReLU. */
static void conv_relu(cn__zoo *zoo, const char *conv, const char *relu, int out, int kernel, int stride, int padding) {
    cn_conv2d_options options = CN_CONV2D_OPTIONS_INIT;
    options.stride[0] = options.stride[1] = stride;
    options.padding[0] = options.padding[1] = padding;
    cn__zoo_conv(zoo, conv, out, kernel, &options);
    cn__zoo_relu(zoo, relu);
}

static void fire(cn__zoo *zoo, int squeeze, int expand) {
    conv_relu(zoo, "squeeze", "squeeze_activation", cn__zoo_scaled(zoo, squeeze), 1, 1, 0);
    int32_t squeezed = zoo->at;
    conv_relu(zoo, "expand1x1", "expand1x1_activation", cn__zoo_scaled(zoo, expand), 1, 1, 0);
    int32_t first = zoo->at;
    zoo->at = squeezed;
    conv_relu(zoo, "expand3x3", "expand3x3_activation", cn__zoo_scaled(zoo, expand), 3, 1, 1);
    int32_t second = zoo->at;
    zoo->at = first;
    cn__zoo_join(zoo, "cat", cn_concat_new(zoo->ctx, &zoo->made), second);
}

void cn__zoo_squeezenet(cn__zoo *zoo, int variant) {
    enum { POOL = 0 };
    static const int features[][2] = {
        {POOL}, {16, 64},  {16, 64},  {POOL},    {32, 128}, {32, 128},
        {POOL}, {48, 192}, {48, 192}, {64, 256}, {64, 256}}; /* from features.2 on: squeezed, expanded */
    (void)variant;
    conv_relu(zoo, "features.0", "features.1", cn__zoo_scaled(zoo, 64), 3, 2, 0);
    for (size_t i = 0; i < CN__COUNT(features); i++) {
        cn__zoo_prefix(zoo, "features.%zu", i + 2);
        if (features[i][0] == POOL) {
            cn__zoo_max_pool(zoo, "", 3, 2, 0, 1);
        } else {
            cn__zoo_prefix(zoo, "features.%zu.", i + 2);
            fire(zoo, features[i][0], features[i][1]);
        }
    }
    cn__zoo_prefix(zoo, "%s", "");
    cn__zoo_dropout(zoo, "classifier.0");
    conv_relu(zoo, "classifier.1", "classifier.2", (int)zoo->classes, 1, 1, 0);
    cn__zoo_global_pool(zoo, "classifier.3");
    cn__zoo_flatten(zoo, "flatten");
}
