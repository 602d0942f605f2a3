/* SPDX-License-Identifier: MIT */
/* test_checkpoint_outputs.c: runs of a model with several outputs, of classes, values, labels and a class a pixel, go on
 * within an epoch: what each output's loss and metrics have counted is part of them. */
#include "checkpoints.h"
#include <stdlib.h>

TEST_RUNS_ONCE;

enum { OUTPUTS = 4, EPOCHS = 2, PIXELS = TOY_PIXELS, IMAGES = TRAINING_COUNT };

static const char *const outputs[OUTPUTS] = {"fc", "box", "tags", "map"};

typedef struct heads {
    cn_context *ctx;
    toy_data data;
    cn_tensor *targets[OUTPUTS]; /* the first is the data's own */
    cn_model *model;
    cn_trainer *trainer;
    cn_trainer_options options;
    file saved;
    int batches, save_at;
} heads;

static void append(cn_model *model, const char *name, const char *reads, cn_layer *layer) {
    ck_ok(cn_model_add(model, name, layer, 1, &reads));
}

static cn_model *make_model(cn_context *ctx) {
    cn_conv2d_options conv = CN_CONV2D_OPTIONS_INIT;
    cn_model *model;
    cn_layer *layer;
    conv.padding[0] = conv.padding[1] = 1;
    ck_ok(cn_model_new(ctx, 1, TOY_SIDE, TOY_SIDE, &model));
    ck_ok(cn_conv2d_new(ctx, 1, 4, 3, 3, &conv, &layer));
    append(model, "conv", "input", layer);
    ck_ok(cn_relu_new(ctx, &layer));
    append(model, "relu", "conv", layer);
    ck_ok(cn_flatten_new(ctx, &layer));
    append(model, "flat", "relu", layer);
    for (int i = 0; i < 3; i++) {
        ck_ok(cn_linear_new(ctx, 4 * PIXELS, i == 1 ? 2 : 3, 1, &layer));
        append(model, outputs[i], "flat", layer);
    }
    ck_ok(cn_conv2d_new(ctx, 4, 3, 1, 1, NULL, &layer));
    append(model, "map", "relu", layer);
    ck_ok(cn_model_set_outputs(model, OUTPUTS, outputs));
    ck_ok(cn_model_init(model, 1));
    return model;
}

static cn_tensor *floats(cn_context *ctx, int64_t values, int whole) {
    cn_tensor *tensor;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){IMAGES, values}, &tensor));
    for (int64_t i = 0; i < IMAGES * values; i++)
        ((float *)cn_tensor_data(tensor))[i] = whole ? (float)(i * 5 % 3 == 1) : 0.1f * (float)(i * 7 % 11);
    return tensor;
}

/* A box, tags and a mask beside the class. */
static void add_targets(heads *h) {
    cn_target_options vector = CN_TARGET_OPTIONS_INIT, mask = CN_TARGET_OPTIONS_INIT;
    vector.kind = CN_TARGET_VECTOR;
    mask.kind = CN_TARGET_MASK;
    mask.classes = 3;
    mask.ignore_index = 9;
    h->targets[1] = floats(h->ctx, 2, 0);
    h->targets[2] = floats(h->ctx, 3, 1);
    ck_ok(cn_tensor_new(h->ctx, CN_DTYPE_UINT8, 3, (int64_t[]){IMAGES, TOY_SIDE, TOY_SIDE}, &h->targets[3]));
    for (int64_t i = 0; i < IMAGES * PIXELS; i++)
        ((uint8_t *)cn_tensor_data(h->targets[3]))[i] = i % 13 == 0 ? 9 : (uint8_t)(i * 5 % 7 % 3);
    for (int i = 1; i < OUTPUTS; i++)
        ck_ok(cn_dataset_add_target(h->data.set, h->targets[i], i < 3 ? &vector : &mask));
}

static int save_in_batch(void *user, const cn_batch_info *batch) {
    heads *h = user;
    (void)batch;
    if (++h->batches == h->save_at)
        h->saved = saved_checkpoint(h->trainer);
    return 0;
}

static void begin(heads *h, float weight_of_box) {
    static const cn_loss_kind kinds[OUTPUTS] = {CN_LOSS_CROSS_ENTROPY, CN_LOSS_MSE, CN_LOSS_BCE_WITH_LOGITS,
                                                CN_LOSS_CROSS_ENTROPY};
    cn_loss_options losses[OUTPUTS];
    const cn_loss_options *list[OUTPUTS];
    *h = (heads){.ctx = test_context(2), .options = CN_TRAINER_OPTIONS_INIT};
    h->data = toy_data_new(h->ctx, IMAGES, 1);
    add_targets(h);
    h->model = make_model(h->ctx);
    for (int i = 0; i < OUTPUTS; i++) {
        losses[i] = (cn_loss_options)CN_LOSS_OPTIONS_INIT;
        losses[i].kind = kinds[i];
        list[i] = &losses[i];
    }
    losses[1].weight = weight_of_box;
    losses[3].ignore_index = 9;
    h->options.batch_size = TRAINING_BATCH;
    h->options.loss_count = OUTPUTS;
    h->options.losses = list;
    h->options.on_batch = save_in_batch;
    h->options.user = h;
    ck_ok(cn_trainer_new(h->model, h->data.set, h->data.set, &h->options, &h->trainer));
}

static void end(heads *h) {
    cn_trainer_free(h->trainer);
    cn_model_free(h->model);
    toy_data_free(&h->data);
    for (int i = 1; i < OUTPUTS; i++)
        cn_tensor_free(h->targets[i]);
    cn_context_free(h->ctx);
    free(h->saved.data);
}

static void expect_same_outputs(const cn_trainer *a, const cn_trainer *b) {
    for (int64_t i = 0; i < EPOCHS * OUTPUTS; i++) {
        cn_output_info x = CN_OUTPUT_INFO_INIT, y = CN_OUTPUT_INFO_INIT;
        ck_ok(cn_trainer_output_info(a, i / OUTPUTS, i % OUTPUTS, &x));
        ck_ok(cn_trainer_output_info(b, i / OUTPUTS, i % OUTPUTS, &y));
        ck_assert_mem_eq(&x, &y, sizeof x);
    }
}

START_TEST(a_run_of_several_outputs_goes_on) {
    heads whole, resumed;
    begin(&whole, 0.5f);
    begin(&resumed, 0.5f);
    whole.save_at = _i;
    ck_ok(cn_trainer_fit(whole.trainer, EPOCHS, NULL, NULL));
    ck_ok(load_checkpoint(resumed.trainer, whole.saved));
    ck_ok(cn_trainer_fit(resumed.trainer, EPOCHS - cn_trainer_epoch_count(resumed.trainer), NULL, NULL));
    training_expect_same_history(whole.trainer, resumed.trainer);
    expect_same_outputs(whole.trainer, resumed.trainer);
    toy_expect_equal(whole.model, resumed.model);
    end(&whole);
    end(&resumed);
}
END_TEST

START_TEST(other_losses_or_targets_are_refused) {
    heads h, other;
    begin(&h, 0.5f);
    file f = saved_checkpoint(h.trainer);
    begin(&other, 0.25f);
    ck_fails(load_checkpoint(other.trainer, f), CN_ERR_STATE, "losses[1].weight is 0.5 there, 0.25 here");
    end(&other);
    begin(&other, 0.5f);
    ((uint8_t *)cn_tensor_data(other.targets[3]))[7] ^= 1; /* in the first image, which is looked at */
    ck_fails(load_checkpoint(other.trainer, f), CN_ERR_STATE, "training data.sum of targets is '");
    free(f.data);
    end(&other);
    end(&h);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("checkpoint_outputs");
    TCase *group = tcase_create("outputs");
    tcase_add_loop_test(group, a_run_of_several_outputs_goes_on, 1, EPOCHS * TRAINING_BATCHES + 1);
    tcase_add_test(group, other_losses_or_targets_are_refused);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
