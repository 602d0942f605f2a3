/* mobilenet.c: MobileNetV2 (Sandler et al. 2018), as torchvision has it, of inverted residuals: 1×1 convolution to more
 * channels, convolution of each channel by itself, 1×1 convolution back to few, without an activation. */
#include "model/zoo/zoo.h"
#include <stdio.h>

/* torchvision's Conv2dNormActivation: "PART.0", "PART.1" and "PART.2". */
static void unit(cn__zoo *zoo, const char *part, int out, int kernel, int stride, int groups) {
    char name[3][32];
    for (int i = 0; i < 3; i++)
        snprintf(name[i], sizeof name[i], "%s.%d", part, i);
    cn__zoo_plain_conv(zoo, name[0], out, kernel, stride, groups);
    cn__zoo_batch_norm(zoo, name[1]);
    cn__zoo_append(zoo, name[2], cn_relu6_new(zoo->ctx, &zoo->made));
}

/* The same, of each channel by itself. */
static void depthwise(cn__zoo *zoo, const char *part, int kernel, int stride) {
    unit(zoo, part, cn__zoo_channels(zoo), kernel, stride, cn__zoo_channels(zoo));
}

/* Where a block keeps the shape it adds what it reads. */
static void add_shortcut(cn__zoo *zoo, int32_t in, int in_channels, int stride) {
    if (stride == 1 && in_channels == cn__zoo_channels(zoo))
        cn__zoo_join(zoo, "add", cn_add_new(zoo->ctx, &zoo->made), in);
}

static void inverted_residual_v2(cn__zoo *zoo, int expansion, int out, int stride) {
    int32_t in = zoo->at;
    int in_channels = cn__zoo_channels(zoo);
    if (expansion == 1) {
        depthwise(zoo, "conv.0", 3, stride);
        cn__zoo_plain_conv(zoo, "conv.1", out, 1, 1, 1);
        cn__zoo_batch_norm(zoo, "conv.2");
    } else {
        unit(zoo, "conv.0", expansion * in_channels, 1, 1, 1);
        depthwise(zoo, "conv.1", 3, stride);
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
    unit(zoo, "features.0", cn__zoo_scaled(zoo, 32), 3, 2, 1);
    for (size_t s = 0; s < CN__COUNT(stages); s++)
        for (int b = 0; b < stages[s].blocks; b++) {
            cn__zoo_prefix(zoo, "features.%d.", number++);
            inverted_residual_v2(zoo, stages[s].expansion, cn__zoo_scaled(zoo, stages[s].channels),
                                 b == 0 ? stages[s].stride : 1);
        }
    cn__zoo_prefix(zoo, "%s", "");
    unit(zoo, "features.18", last, 1, 1, 1);
    cn__zoo_global_pool(zoo, "avgpool");
    cn__zoo_flatten(zoo, "flatten");
    cn__zoo_dropout(zoo, "classifier.0");
    cn__zoo_linear(zoo, "classifier.1", zoo->classes);
}
