/* SPDX-License-Identifier: MIT */
/* resnet.c: residual networks (He et al. 2016): ResNet-18, -34 and -50 as torchvision has them, with the stride of a
 * bottleneck in its 3×3 convolution, and those of 6 n + 2 layers for images of 32×32. Where a block changes the shape,
 * its shortcut is a 1×1 convolution with a norm (the paper's option B). */
#include "model/zoo/zoo.h"

enum { EXPANSION = 4 }; /* of a bottleneck's channels */

static void conv_norm(cn__zoo *zoo, const char *conv, const char *norm, int out, int kernel, int stride) {
    cn__zoo_plain_conv(zoo, conv, out, kernel, stride, 1);
    cn__zoo_batch_norm(zoo, norm);
}

/* What all blocks end with; `in` is what the block reads. */
static void add_shortcut(cn__zoo *zoo, int32_t in, int stride, const char *relu) {
    int32_t residual = zoo->at, shortcut = in;
    int out = cn__zoo_channels(zoo);
    zoo->at = in;
    if (stride != 1 || cn__zoo_channels(zoo) != out) {
        conv_norm(zoo, "downsample.0", "downsample.1", out, 1, stride);
        shortcut = zoo->at;
    }
    zoo->at = residual;
    cn__zoo_join(zoo, "add", cn_add_new(zoo->ctx, &zoo->made), shortcut);
    cn__zoo_relu(zoo, relu);
}

static void basic_block(cn__zoo *zoo, int channels, int stride) {
    int32_t in = zoo->at;
    conv_norm(zoo, "conv1", "bn1", channels, 3, stride);
    cn__zoo_relu(zoo, "relu1");
    conv_norm(zoo, "conv2", "bn2", channels, 3, 1);
    add_shortcut(zoo, in, stride, "relu2");
}

static void bottleneck(cn__zoo *zoo, int channels, int stride) {
    int32_t in = zoo->at;
    conv_norm(zoo, "conv1", "bn1", channels, 1, 1);
    cn__zoo_relu(zoo, "relu1");
    conv_norm(zoo, "conv2", "bn2", channels, 3, stride);
    cn__zoo_relu(zoo, "relu2");
    conv_norm(zoo, "conv3", "bn3", EXPANSION * channels, 1, 1);
    add_shortcut(zoo, in, stride, "relu3");
}

/* Stage `stage`, from 1; all but the first begin by halving the image. */
static void add_stage(cn__zoo *zoo, int stage, int blocks, int channels, void (*block)(cn__zoo *, int, int)) {
    for (int b = 0; b < blocks; b++) {
        cn__zoo_prefix(zoo, "layer%d.%d.", stage, b);
        block(zoo, channels, stage > 1 && b == 0 ? 2 : 1);
    }
    cn__zoo_prefix(zoo, "%s", "");
}

static void add_head(cn__zoo *zoo) {
    cn__zoo_global_pool(zoo, "avgpool");
    cn__zoo_flatten(zoo, "flatten");
    cn__zoo_linear(zoo, "fc", zoo->classes);
}

void cn__zoo_resnet(cn__zoo *zoo, int depth) {
    static const int blocks[][4] = {{2, 2, 2, 2}, {3, 4, 6, 3}};
    const int *of_stage = blocks[depth == 18 ? 0 : 1];
    conv_norm(zoo, "conv1", "bn1", cn__zoo_scaled(zoo, 64), 7, 2);
    cn__zoo_relu(zoo, "relu");
    cn__zoo_max_pool(zoo, "maxpool", 3, 2, 1, 0);
    for (int stage = 1; stage <= 4; stage++)
        add_stage(zoo, stage, of_stage[stage - 1], cn__zoo_scaled(zoo, 32 << stage),
                  depth == 50 ? bottleneck : basic_block);
    add_head(zoo);
}

void cn__zoo_cifar_resnet(cn__zoo *zoo, int depth) {
    conv_norm(zoo, "conv1", "bn1", cn__zoo_scaled(zoo, 16), 3, 1);
    cn__zoo_relu(zoo, "relu");
    for (int stage = 1; stage <= 3; stage++)
        add_stage(zoo, stage, (depth - 2) / 6, cn__zoo_scaled(zoo, 8 << stage), basic_block);
    add_head(zoo);
}
