/* segment.c: a small U-Net (Ronneberger et al. 2015) learns which pixels of drawn pictures are discs, which squares.
 * SPDX-License-Identifier: MIT
 *   cc segment.c $(pkg-config --cflags --libs convnet) -o segment && ./segment */
#include <convnet.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 32, CLASSES = 3 };
static void check(cn_status status) {
    if (status != CN_OK) {
        fprintf(stderr, "segment: %s\n", cn_last_error());
        exit(1);
    }
}

#define BELOW(limit) ((int)((random = random * 6364136223846793005u + 1442695040888963407u) >> 33) % (limit))

/* Two shapes, one in front of the other, on a noisy ground: discs are 1 and squares 2 in the mask. */
static int draw(void *user, int64_t index, void *image, void *const *targets) {
    uint64_t random = (uint64_t)index * 0x9E3779B97F4A7C15u;
    uint8_t *pixels = image;
    int64_t *mask = targets[0];
    (void)user;
    for (int p = 0, ground = BELOW(100); p < SIDE * SIDE; p++)
        pixels[p] = (uint8_t)(ground + BELOW(40)), mask[p] = 0;
    for (int shape = 0; shape < 2; shape++) {
        int class = 1 + BELOW(2), light = 150 + BELOW(66), r = 4 + BELOW(5);
        int x = 6 + BELOW(SIDE - 12), y = 6 + BELOW(SIDE - 12);
        for (int p = 0; p < SIDE * SIDE; p++) {
            int dx = abs(p % SIDE - x), dy = abs(p / SIDE - y);
            if (class == 1 ? dx * dx + dy * dy <= r * r : dx < r && dy < r)
                pixels[p] = (uint8_t)(light + BELOW(40)), mask[p] = class;
        }
    }
    return 0;
}

/* A block on half the side; or, with `skip`, one on twice the side, which also reads the block of that name. */
static void block(cn_context *ctx, cn_model *net, const char *name, int in, int out, const char *skip) {
    cn_conv2d_options padded = {sizeof padded, {1, 1}, {1, 1}, {1, 1}, 1, 0, CN_PADDING_ZEROS, 0};
    cn_layer *layer;
    char text[32], joined[32];
#define APPEND(ending, make)                                                                                           \
    check(make), snprintf(text, sizeof text, "%s%s", name, ending), check(cn_model_append(net, text, layer))
    if (skip) {
        APPEND(".up", cn_pixel_shuffle_new(ctx, 2, &layer)); /* four channels make one */
        snprintf(joined, sizeof joined, "%s.joined", name);
        check(cn_concat_new(ctx, &layer));
        check(cn_model_add(net, joined, layer, 2, (const char *const[]){text, skip}));
    } else if (in > 1)
        APPEND(".pool", cn_max_pool2d_new(ctx, 2, 2, NULL, &layer));
    APPEND(".conv", cn_conv2d_new(ctx, in, out, 3, 3, &padded, &layer));
    APPEND(".norm", cn_norm_new(ctx, CN_NORM_BATCH, out, NULL, &layer));
    APPEND("", cn_relu_new(ctx, &layer));
}

int main(void) {
    cn_target_options mask = CN_TARGET_OPTIONS_INIT;
    cn_dataset_source source = CN_DATASET_SOURCE_INIT;
    cn_trainer_options training = CN_TRAINER_OPTIONS_INIT;
    cn_optimizer_options adam = CN_OPTIMIZER_OPTIONS_INIT;
    cn_augmentation moves = CN_AUGMENTATION_INIT;
    cn_epoch_info last = CN_EPOCH_INFO_INIT;
    cn_context *ctx;
    cn_model *net;
    cn_layer *classes;
    cn_dataset *all, *train, *test;
    cn_trainer *trainer;
    check(cn_context_new(NULL, &ctx));
    mask.kind = CN_TARGET_MASK, mask.classes = CLASSES, mask.shape[0] = 1, mask.shape[1] = mask.shape[2] = SIDE;
    source.count = 1000, source.channels = 1, source.height = source.width = SIDE, source.fetch_sample = draw;
    source.targets = &mask, source.target_count = 1;
    check(cn_dataset_callback(ctx, &source, &all));
    check(cn_dataset_split(all, 0.2, 1, &test, &train));
    moves.horizontal_flip = 0.5f, moves.crop_padding = 3;
    check(cn_dataset_set_augmentation(train, &moves)); /* moves the masks, too */
    check(cn_model_new(ctx, 1, SIDE, SIDE, &net));
    block(ctx, net, "down1", 1, 8, NULL);
    block(ctx, net, "down2", 8, 16, NULL);
    block(ctx, net, "middle", 16, 64, NULL);
    block(ctx, net, "wide2", 32, 32, "down2");
    block(ctx, net, "wide1", 16, 8, "down1");
    check(cn_conv2d_new(ctx, 8, CLASSES, 1, 1, NULL, &classes));
    check(cn_model_append(net, "classes", classes));
    check(cn_model_init(net, 1));
    adam.kind = CN_OPTIMIZER_ADAM, adam.learning_rate = 0.01f;
    training.optimizer = &adam, training.loss = CN_LOSS_CROSS_ENTROPY; /* of each pixel */
    check(cn_trainer_new(net, train, test, &training, &trainer));
    check(cn_trainer_fit(trainer, 8, NULL, NULL));
    check(cn_trainer_epoch_info(trainer, 7, &last));
    printf("%s of pictures it has not seen: %.3f\n", cn_metric_name(last.metric), last.test_metric);
    cn_trainer_free(trainer);
    cn_model_free(net);
    cn_dataset_free(train);
    cn_dataset_free(test);
    cn_dataset_free(all);
    cn_context_free(ctx);
    return 0;
}
