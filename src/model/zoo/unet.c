/* SPDX-License-Identifier: MIT */
/* unet.c: a small U-Net (Ronneberger et al. 2015) that gives each pixel its classes: 16 channels for the paper's 64, and
 * padded convolutions with norms, so that what comes out is as large as what goes in. Names are those of the widely used
 * github.com/milesial/Pytorch-UNet. */
#include "model/zoo/zoo.h"
#include <stdio.h>

enum { LEVELS = 4, CHANNELS = 16 };

/* Two 3×3 convolutions to `out` channels, called "PART.double_conv.0" and so on. */
static void double_conv(cn__zoo *zoo, const char *part, int out) {
    char name[6][48];
    for (int i = 0; i < 6; i++)
        snprintf(name[i], sizeof name[i], "%s.double_conv.%d", part, i);
    for (int i = 0; i < 6; i += 3) {
        cn__zoo_plain_conv(zoo, name[i], out, 3, 1, 1);
        cn__zoo_batch_norm(zoo, name[i + 1]);
        cn__zoo_relu(zoo, name[i + 2]);
    }
}

/* Twice as large, with half as many channels, beside what had that size on the way down. */
static void up(cn__zoo *zoo, int32_t skip) {
    cn_conv_transpose2d_options options = CN_CONV_TRANSPOSE2D_OPTIONS_INIT;
    int channels = cn__zoo_channels(zoo);
    options.stride[0] = options.stride[1] = 2;
    cn__zoo_append(zoo, "up", cn_conv_transpose2d_new(zoo->ctx, channels, channels / 2, 2, 2, &options, &zoo->made));
    int32_t larger = zoo->at;
    zoo->at = skip;
    cn__zoo_join(zoo, "cat", cn_concat_new(zoo->ctx, &zoo->made), larger);
    double_conv(zoo, "conv", channels / 2);
}

/* Each level halves the sides. */
static cn_status check_sides(const cn__zoo *zoo) {
    cn__shape in = cn__model_shape(zoo->model, -1);
    if (in.height % (1 << LEVELS) == 0 && in.width % (1 << LEVELS) == 0)
        return CN_OK;
    return cn__error(CN_ERR_SHAPE, "cn_model_zoo: unet takes images of sides that %d divides, not %d×%d", 1 << LEVELS,
                     in.height, in.width);
}

void cn__zoo_unet(cn__zoo *zoo, int variant) {
    int channels = cn__zoo_scaled(zoo, CHANNELS);
    int32_t skips[LEVELS];
    (void)variant;
    zoo->status = check_sides(zoo);
    if (zoo->status != CN_OK)
        return; /* layers of maps that cannot be would have the last word */
    double_conv(zoo, "inc", channels);
    for (int level = 0; level < LEVELS; level++) {
        skips[level] = zoo->at;
        cn__zoo_prefix(zoo, "down%d.maxpool_conv.", level + 1);
        cn__zoo_max_pool(zoo, "0", 2, 2, 0, 0);
        double_conv(zoo, "1", channels << (level + 1));
    }
    for (int level = LEVELS - 1; level >= 0; level--) {
        cn__zoo_prefix(zoo, "up%d.", LEVELS - level);
        up(zoo, skips[level]);
    }
    cn__zoo_prefix(zoo, "%s", "");
    cn__zoo_conv(zoo, "outc.conv", (int)zoo->classes, 1, NULL);
}
