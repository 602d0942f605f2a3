/* SPDX-License-Identifier: MIT */
/* mobilenet.c: MobileNetV2 (Sandler et al. 2018) and MobileNetV3-Small (Howard et al. 2019), as torchvision has them, of
 * inverted residuals: 1×1 convolution to more channels, convolution of each channel by itself, 1×1 convolution back to
 * few, without an activation. */
#include "model/zoo/zoo.h"
#include <stdio.h>

typedef enum activation { NONE, RELU, RELU6, HARDSWISH } activation;

static void activate(cn__zoo *zoo, const char *name, activation kind) {
    if (kind == RELU)
        cn__zoo_relu(zoo, name);
    else if (kind == RELU6)
        cn__zoo_append(zoo, name, cn_relu6_new(zoo->ctx, &zoo->made));
    else if (kind == HARDSWISH)
        cn__zoo_append(zoo, name, cn_hardswish_new(zoo->ctx, &zoo->made));
}

/* torchvision's Conv2dNormActivation: "PART.0", "PART.1" and "PART.2". */
static void unit(cn__zoo *zoo, const char *part, int out, int kernel, int stride, int groups, activation kind) {
    char name[3][32];
    for (int i = 0; i < 3; i++)
        snprintf(name[i], sizeof name[i], "%s.%d", part, i);
    cn__zoo_plain_conv(zoo, name[0], out, kernel, stride, groups);
    cn__zoo_batch_norm(zoo, name[1]);
    activate(zoo, name[2], kind);
}

/* The same, of each channel by itself. */
static void depthwise(cn__zoo *zoo, const char *part, int kernel, int stride, activation kind) {
    unit(zoo, part, cn__zoo_channels(zoo), kernel, stride, cn__zoo_channels(zoo), kind);
}

/* Where a block keeps the shape it adds what it reads. */
static void add_shortcut(cn__zoo *zoo, int32_t in, int in_channels, int stride) {
    if (stride == 1 && in_channels == cn__zoo_channels(zoo))
        cn__zoo_join(zoo, "add", cn_add_new(zoo->ctx, &zoo->made), in);
}

/* ---- version 2 ---- */

static void inverted_residual_v2(cn__zoo *zoo, int expansion, int out, int stride) {
    int32_t in = zoo->at;
    int in_channels = cn__zoo_channels(zoo);
    if (expansion == 1) {
        depthwise(zoo, "conv.0", 3, stride, RELU6);
        cn__zoo_plain_conv(zoo, "conv.1", out, 1, 1, 1);
        cn__zoo_batch_norm(zoo, "conv.2");
    } else {
        unit(zoo, "conv.0", expansion * in_channels, 1, 1, 1, RELU6);
        depthwise(zoo, "conv.1", 3, stride, RELU6);
        cn__zoo_plain_conv(zoo, "conv.2", out, 1, 1, 1);
        cn__zoo_batch_norm(zoo, "conv.3");
    }
    add_shortcut(zoo, in, in_channels, stride);
}

void cn__zoo_mobilenet_v2(cn__zoo *zoo, int variant) {
    static const struct {
        int expansion, channels, blocks, stride;
    } stages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                  {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
    int number = 1, last = zoo->width_mult > 1.0 ? cn__zoo_scaled(zoo, 1280) : 1280;
    (void)variant;
    unit(zoo, "features.0", cn__zoo_scaled(zoo, 32), 3, 2, 1, RELU6);
    for (size_t s = 0; s < CN__COUNT(stages); s++)
        for (int b = 0; b < stages[s].blocks; b++) {
            cn__zoo_prefix(zoo, "features.%d.", number++);
            inverted_residual_v2(zoo, stages[s].expansion, cn__zoo_scaled(zoo, stages[s].channels),
                                 b == 0 ? stages[s].stride : 1);
        }
    cn__zoo_prefix(zoo, "%s", "");
    unit(zoo, "features.18", last, 1, 1, 1, RELU6);
    cn__zoo_global_pool(zoo, "avgpool");
    cn__zoo_flatten(zoo, "flatten");
    cn__zoo_dropout(zoo, "classifier.0");
    cn__zoo_linear(zoo, "classifier.1", zoo->classes);
}

/* ---- version 3 ---- */

/* The number of a unit within its block, as text. */
static const char *part(char text[16], int number) {
    snprintf(text, 16, "block.%d", number);
    return text;
}

/* Each channel times a factor between 0 and 1 that two small layers find from the means of all (Hu et al. 2018). */
static void squeeze_excitation(cn__zoo *zoo, const char *name, int squeezed) {
    static const char *const parts[] = {"avgpool", "fc1", "activation", "fc2", "scale_activation", "mul"};
    char full[CN__COUNT(parts)][32];
    int32_t in = zoo->at;
    int channels = cn__zoo_channels(zoo);
    for (size_t i = 0; i < CN__COUNT(parts); i++)
        snprintf(full[i], sizeof full[i], "%s.%s", name, parts[i]);
    cn__zoo_global_pool(zoo, full[0]);
    cn__zoo_conv(zoo, full[1], squeezed, 1, NULL);
    cn__zoo_relu(zoo, full[2]);
    cn__zoo_conv(zoo, full[3], channels, 1, NULL);
    cn__zoo_append(zoo, full[4], cn_hardsigmoid_new(zoo->ctx, &zoo->made));
    cn__zoo_join(zoo, full[5], cn_mul_new(zoo->ctx, &zoo->made), in);
}

typedef struct block_v3 {
    int kernel, expanded, out, squeeze, stride;
    activation activation;
} block_v3;

static void inverted_residual_v3(cn__zoo *zoo, const block_v3 *block) {
    char text[16];
    int32_t in = zoo->at;
    int in_channels = cn__zoo_channels(zoo), number = 0, expanded = cn__zoo_scaled(zoo, block->expanded);
    int squeezed = expanded / 4;
    if (expanded != in_channels)
        unit(zoo, part(text, number++), expanded, 1, 1, 1, block->activation);
    depthwise(zoo, part(text, number++), block->kernel, block->stride, block->activation);
    if (block->squeeze)
        squeeze_excitation(zoo, part(text, number++), cn__zoo_divisible(squeezed));
    unit(zoo, part(text, number), cn__zoo_scaled(zoo, block->out), 1, 1, 1, NONE);
    add_shortcut(zoo, in, in_channels, block->stride);
}

void cn__zoo_mobilenet_v3_small(cn__zoo *zoo, int variant) {
    static const block_v3 blocks[] = {
        {3, 16, 16, 1, 2, RELU},       {3, 72, 24, 0, 2, RELU},       {3, 88, 24, 0, 1, RELU},
        {5, 96, 40, 1, 2, HARDSWISH},  {5, 240, 40, 1, 1, HARDSWISH}, {5, 240, 40, 1, 1, HARDSWISH},
        {5, 120, 48, 1, 1, HARDSWISH}, {5, 144, 48, 1, 1, HARDSWISH}, {5, 288, 96, 1, 2, HARDSWISH},
        {5, 576, 96, 1, 1, HARDSWISH}, {5, 576, 96, 1, 1, HARDSWISH}};
    (void)variant;
    zoo->norm.eps = 0.001f;
    zoo->norm.momentum = 0.01f;
    unit(zoo, "features.0", cn__zoo_scaled(zoo, 16), 3, 2, 1, HARDSWISH);
    for (size_t b = 0; b < CN__COUNT(blocks); b++) {
        cn__zoo_prefix(zoo, "features.%d.", (int)b + 1);
        inverted_residual_v3(zoo, &blocks[b]);
    }
    cn__zoo_prefix(zoo, "%s", "");
    unit(zoo, "features.12", 6 * cn__zoo_channels(zoo), 1, 1, 1, HARDSWISH);
    cn__zoo_global_pool(zoo, "avgpool");
    cn__zoo_flatten(zoo, "flatten");
    cn__zoo_linear(zoo, "classifier.0", cn__zoo_scaled(zoo, 1024));
    activate(zoo, "classifier.1", HARDSWISH);
    cn__zoo_dropout(zoo, "classifier.2");
    cn__zoo_linear(zoo, "classifier.3", zoo->classes);
}
