/* SPDX-License-Identifier: MIT */
/* test_bits.c: short trainings leave the very bits on record in golden/bits.txt, whatever the compiler, its options, the C
 * library, the number of threads and the processor: one record for all instruction sets with fused multiply-add, another for
 * the portable kernels, which have none.
 *
 *     tests/golden/bits.sh tests/bin/test_bits >tests/golden/bits.txt
 *
 * makes the record anew, when a change of the library's arithmetic is meant. */
#include "network.h"
#include "numbers.h"
#include "testing.h"
#include "ways.h"
#include "base/base.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { IMAGES = 40, BATCH = 16, CLASSES = 10 }; /* three steps, the last of a batch that is not full */

/* ---- what is trained ---- */

/* How a network is made and trained. */
typedef struct recipe {
    cn_trainer_options trainer;
    cn_optimizer_options optimizer;
    cn_schedule_options schedule;
    cn_augmentation augmentation;
} recipe;

static cn_model *session8(cn_context *ctx, cn_norm_kind norm) {
    cn_session8_options options = CN_SESSION8_OPTIONS_INIT;
    cn_model *model;
    options.norm = norm;
    options.dropout = 0.1f;
    ck_ok(cn_model_session8(ctx, &options, &model));
    return model;
}

static cn_model *zoo(cn_context *ctx, const char *name, float width) {
    cn_zoo_options options = CN_ZOO_OPTIONS_INIT;
    cn_model *model;
    options.height = options.width = 32;
    options.classes = CLASSES;
    options.width_mult = width;
    ck_ok(cn_model_zoo(ctx, name, &options, &model));
    return model;
}

static cn_model *session8_batch(cn_context *ctx, recipe *r) {
    r->trainer.loss = CN_LOSS_NLL;
    return session8(ctx, CN_NORM_BATCH);
}

static cn_model *session8_group(cn_context *ctx, recipe *r) {
    r->trainer.loss = CN_LOSS_NLL;
    r->optimizer.kind = CN_OPTIMIZER_ADAM;
    r->optimizer.learning_rate = 0.001f;
    r->trainer.ema_decay = 0.9f;
    return session8(ctx, CN_NORM_GROUP);
}

static cn_model *resnet20(cn_context *ctx, recipe *r) {
    r->optimizer.nesterov = 1;
    r->optimizer.weight_decay = 0.0005f;
    r->trainer.label_smoothing = 0.1f;
    r->augmentation = (cn_augmentation)CN_AUGMENTATION_INIT;
    r->augmentation.crop_padding = 4;
    r->augmentation.horizontal_flip = 0.5f;
    r->augmentation.cutout = 8;
    return zoo(ctx, "resnet20", 1.0f);
}

static cn_model *mobilenet_v2(cn_context *ctx, recipe *r) {
    r->optimizer.kind = CN_OPTIMIZER_ADAMW;
    r->optimizer.learning_rate = 0.001f;
    r->schedule.kind = CN_SCHEDULE_COSINE;
    r->schedule.epochs = 3;
    r->trainer.mixup_alpha = 0.4f;
    return zoo(ctx, "mobilenet_v2", 0.25f);
}

/* Down and up again by all that enlarges, skips beside, and the activations that are made of e^x. */
static cn_model *u_net(cn_context *ctx, recipe *r) {
    network net =
        network_of("train 16x3x32x32 | conv2d out=16 kernel=3 padding=1 mode=reflect | layer_norm2d | gelu | "
                   "max_pool kernel=2 | conv2d out=32 kernel=3 padding=1 | instance_norm | silu | avg_pool "
                   "kernel=2 | conv2d out=32 kernel=3 padding=1 groups=32 | conv2d out=32 kernel=1 | mish | "
                   "conv_transpose2d out=16 kernel=2 stride=2 | add @12 @12 | concat @13 @7 | "
                   "conv2d out=16 kernel=3 padding=1 mode=circular | tanh | upsample bilinear=1 by=2 | mul @17 "
                   "@3 | local_response_norm size=5 | dropout p=0.25 | adaptive_avg_pool out=2 | flatten | "
                   "linear out=10");
    r->optimizer.kind = CN_OPTIMIZER_MUON;
    r->optimizer.learning_rate = 0.01f;
    r->trainer.ema_decay = 0.5f;
    r->trainer.clip_norm = 1.0f;
    return net_make_model(ctx, &net, 3);
}

static const struct training {
    const char *name;
    cn_model *(*make)(cn_context *ctx, recipe *r); /* the model, and what is not usual in its recipe */
} trainings[] = {
    {"session8_batch", session8_batch},
    {"session8_group", session8_group},
    {"resnet20", resnet20},
    {"mobilenet_v2", mobilenet_v2},
    {"u_net", u_net},
};
enum { TRAININGS = sizeof trainings / sizeof *trainings };

/* ---- their bits ---- */

/* FNV-1a, byte by byte from the lowest, so that machines of either order agree. */
static void add_bits(uint64_t *hash, uint64_t bits, int bytes) {
    for (int i = 0; i < bytes; i++)
        *hash = (*hash ^ (bits >> 8 * i & 0xFF)) * 0x100000001B3u;
}

static void add_tensor(uint64_t *hash, const cn_tensor *tensor) {
    for (int64_t i = 0; i < cn_tensor_count(tensor); i++)
        if (cn_tensor_dtype(tensor) == CN_DTYPE_FLOAT32) {
            uint32_t bits;
            memcpy(&bits, (const float *)cn_tensor_data_const(tensor) + i, sizeof bits);
            add_bits(hash, bits, sizeof bits);
        } else
            add_bits(hash, (uint64_t)((const int64_t *)cn_tensor_data_const(tensor))[i], 8);
}

static void add_number(uint64_t *hash, double number) {
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    add_bits(hash, bits, sizeof bits);
}

static uint64_t hash_of(cn_model *model, const cn_trainer *trainer) {
    uint64_t hash = 0xCBF29CE484222325u;
    cn_epoch_info epoch = CN_EPOCH_INFO_INIT;
    for (int64_t i = 0; i < cn_model_tensor_count(model); i++) {
        cn_tensor *tensor;
        ck_ok(cn_model_tensor(model, cn_model_tensor_name(model, i), &tensor));
        add_tensor(&hash, tensor);
    }
    ck_ok(cn_trainer_epoch_info(trainer, 0, &epoch));
    add_number(&hash, epoch.train_loss);
    add_number(&hash, epoch.test_loss);
    return hash;
}

static uint64_t train(const struct training *training, net_way way) {
    recipe r = {CN_TRAINER_OPTIONS_INIT, CN_OPTIMIZER_OPTIONS_INIT, CN_SCHEDULE_OPTIONS_INIT, CN_AUGMENTATION_CIFAR10};
    cn_context *ctx = net_context_of(way);
    cn_dataset *data;
    cn_trainer *trainer;
    r.trainer.batch_size = r.trainer.test_batch_size = BATCH;
    r.trainer.loss = CN_LOSS_CROSS_ENTROPY;
    r.optimizer.learning_rate = 0.05f;
    r.optimizer.momentum = 0.9f;
    cn_model *model = training->make(ctx, &r);
    r.trainer.optimizer = &r.optimizer;
    r.trainer.schedule = &r.schedule;
    ck_ok(cn_dataset_synthetic(ctx, CN_SPLIT_TRAIN, IMAGES, 5, &data));
    ck_ok(cn_dataset_set_augmentation(data, &r.augmentation));
    ck_ok(cn_trainer_new(model, data, data, &r.trainer, &trainer));
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL));
    uint64_t hash = hash_of(model, trainer);
    cn_trainer_free(trainer);
    cn_model_free(model);
    cn_dataset_free(data);
    cn_context_free(ctx);
    return hash;
}

/* ---- the record ---- */

/* "fma" or "portable", by what a context chooses. */
static const char *arithmetic(void) {
    cn_context *ctx = net_context(1, CN_CONV_AUTO, CN_ISA_AUTO);
    const char *name = ctx->isa == CN_ISA_PORTABLE ? "portable" : "fma";
    cn_context_free(ctx);
    return name;
}

static const char *const layout_word[] = {"images", "channels"};

/* What golden/bits.txt has for a training; 0 if nothing. */
static uint64_t recorded(const char *name, const char *layout) {
    char names[3][40];
    uint64_t hash, found = 0;
    FILE *file = numbers_open("bits.txt");
    while (fscanf(file, "%39s %39s %39s %" SCNx64, names[0], names[1], names[2], &hash) == 4)
        if (strcmp(names[0], name) == 0 && strcmp(names[1], layout) == 0 && strcmp(names[2], arithmetic()) == 0)
            found = hash;
    fclose(file);
    return found;
}

/* Threads differ from training to training, so that each number has its turn. */
START_TEST(trainings_leave_the_bits_on_record) {
    static const int threads[] = {1, 2, 3, 8};
    const struct training *training = &trainings[_i / 2];
    net_way way = {threads[_i % 4], CN_CONV_AUTO, CN_ISA_AUTO, layouts[_i % 2]};
    uint64_t hash = train(training, way);
    if (getenv("RECORD")) {
        printf("%s %s %s %016" PRIx64 "\n", training->name, layout_word[_i % 2], arithmetic(), hash);
        fflush(stdout);
        return;
    }
    uint64_t wanted = recorded(training->name, layout_word[_i % 2]);
    ck_assert_msg(hash == wanted, "%s, %s in the lanes, %s: %016" PRIx64 ", on record is %016" PRIx64, training->name,
                  layout_word[_i % 2], arithmetic(), hash, wanted);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("bits");
    TCase *group = tcase_create("bits");
    tcase_add_loop_test(group, trainings_leave_the_bits_on_record, 0, 2 * TRAININGS);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
