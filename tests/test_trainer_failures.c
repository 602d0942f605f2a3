/* SPDX-License-Identifier: MIT */
/* test_trainer_failures.c: numbers that are not finite, data that cannot be had, options that make no sense, memory
 * that runs out: training stops, says why, and nothing is spoilt. */
#include "testing.h"
#include "toys.h"
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { COUNT = 50, BATCH = 20 };

typedef struct fixture {
    cn_context *ctx;
    cn_model *model;
    toy_data data;
    cn_trainer_options options;
} fixture;

static fixture begin(int threads) {
    fixture f = {.ctx = test_context(threads), .options = CN_TRAINER_OPTIONS_INIT};
    f.model = toy_model(f.ctx, CN_NORM_BATCH, 0.1f);
    f.data = toy_data_new(f.ctx, COUNT, 1);
    f.options.batch_size = BATCH;
    return f;
}

static void end(fixture *f) {
    toy_data_free(&f->data);
    cn_model_free(f->model);
    cn_context_free(f->ctx);
}

/* ---- not a number ---- */

/* Keeps the model's tensors as they are after each batch, and spoils something after batch `at`. */
typedef struct spoiler {
    cn_model *model;
    int64_t at;
    float *victim, value;
    void *kept;
    size_t bytes;
} spoiler;

static int spoil(void *user, const cn_batch_info *batch) {
    spoiler *s = user;
    if (batch->batch == s->at)
        *s->victim = s->value;
    free(s->kept);
    s->kept = toy_tensors(s->model, &s->bytes);
    return 0;
}

static void expect_kept(spoiler *s) {
    size_t bytes;
    void *now = toy_tensors(s->model, &bytes);
    ck_assert_uint_eq(bytes, s->bytes);
    ck_assert_int_eq(memcmp(now, s->kept, bytes), 0);
    free(now);
    free(s->kept);
}

START_TEST(an_image_of_nan_stops_the_training) {
    fixture f = begin(2);
    cn_tensor *images;
    cn_dataset *set;
    cn_trainer *trainer;
    ck_ok(cn_tensor_new(f.ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){COUNT, 1, TOY_SIDE, TOY_SIDE}, &images));
    ck_ok(cn_dataset_memory(f.ctx, images, f.data.labels, TOY_CLASSES, &set));
    spoiler s = {f.model, 1, cn_tensor_data(images), NAN, NULL, 0};
    for (int64_t i = 0; i < COUNT; i++) /* every image, since which comes next is shuffled */
        ((float *)cn_tensor_data(images))[i * TOY_PIXELS] = (float)i;
    f.options.on_batch = spoil;
    f.options.user = &s;
    ck_ok(cn_trainer_new(f.model, set, NULL, &f.options, &trainer));
    for (int64_t i = 0; i < COUNT; i++)
        ((float *)cn_tensor_data(images))[i * TOY_PIXELS + 1] = NAN;
    s.kept = toy_tensors(s.model, &s.bytes);
    ck_fails(cn_trainer_fit(trainer, 1, NULL, NULL), CN_ERR_NUMERIC, "epoch 1, batch 1: the loss is");
    ck_assert_ptr_nonnull(strstr(cn_last_error(), "'input'"));
    expect_kept(&s);
    for (int64_t i = 0; i < COUNT; i++) /* mended, the training goes on */
        ((float *)cn_tensor_data(images))[i * TOY_PIXELS + 1] = 0.0f;
    s.kept = NULL;
    s.at = 0;
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL));
    ck_assert_int_eq(cn_trainer_epoch_count(trainer), 1);
    free(s.kept);
    cn_trainer_free(trainer);
    cn_dataset_free(set);
    cn_tensor_free(images);
    end(&f);
}
END_TEST

START_TEST(the_first_layer_that_is_not_finite_is_named) {
    static const struct {
        const char *tensor, *layer;
        float value;
    } cases[] = {{"conv.weight", "'conv'", NAN}, {"norm.bias", "'norm'", INFINITY}, {"fc.bias", "'fc'", -INFINITY}};
    fixture f = begin(2);
    cn_tensor *tensor;
    cn_trainer *trainer;
    ck_ok(cn_model_tensor(f.model, cases[_i].tensor, &tensor));
    spoiler s = {f.model, 2, cn_tensor_data(tensor), cases[_i].value, NULL, 0};
    f.options.on_batch = spoil;
    f.options.user = &s;
    ck_ok(cn_trainer_new(f.model, f.data.set, NULL, &f.options, &trainer));
    ck_fails(cn_trainer_fit(trainer, 1, NULL, NULL), CN_ERR_NUMERIC, "epoch 1, batch 3: the loss is");
    ck_assert_msg(strstr(cn_last_error(), cases[_i].layer) != NULL, "%s", cn_last_error());
    expect_kept(&s);
    ck_assert_int_eq(cn_trainer_epoch_count(trainer), 0);
    cn_trainer_free(trainer);
    end(&f);
}
END_TEST

START_TEST(the_test_data_may_show_it_too) {
    fixture f = begin(1);
    cn_tensor *tensor;
    cn_trainer *trainer;
    ck_ok(cn_model_tensor(f.model, "norm.running_mean", &tensor)); /* of no importance in training */
    spoiler s = {f.model, 3, cn_tensor_data(tensor), NAN, NULL, 0};
    f.options.on_batch = spoil;
    f.options.user = &s;
    f.options.test_batch_size = 16;
    ck_ok(cn_trainer_new(f.model, f.data.set, f.data.set, &f.options, &trainer));
    ck_fails(cn_trainer_fit(trainer, 1, NULL, NULL), CN_ERR_NUMERIC, "epoch 1, test batch 1: the loss is nan");
    expect_kept(&s);
    cn_trainer_free(trainer);
    end(&f);
}
END_TEST

/* ---- data that cannot be had ---- */

typedef struct source {
    _Atomic int64_t broken; /* the image that cannot be had; -1: none */
} source;

static int fetch(void *user, int64_t index, uint8_t *pixels, int64_t *label) {
    source *s = user;
    memset(pixels, (int)(index * 37 % 256), TOY_PIXELS);
    *label = index % TOY_CLASSES;
    return index == s->broken ? 7 : 0;
}

START_TEST(a_failing_source_is_reported_and_may_recover) {
    fixture f = begin(_i);
    source s = {.broken = 13};
    cn_dataset_source callbacks = {.size = sizeof callbacks,
                                   .count = COUNT,
                                   .classes = TOY_CLASSES,
                                   .channels = 1,
                                   .height = TOY_SIDE,
                                   .width = TOY_SIDE,
                                   .dtype = CN_DTYPE_UINT8,
                                   .fetch = fetch,
                                   .user = &s};
    cn_dataset *set;
    cn_trainer *trainer;
    ck_ok(cn_dataset_callback(f.ctx, &callbacks, &set));
    ck_ok(cn_trainer_new(f.model, set, set, &f.options, &trainer));
    ck_fails(cn_trainer_fit(trainer, 1, NULL, NULL), CN_ERR_IO, "returned 7 for image 13");
    ck_assert_int_eq(cn_trainer_epoch_count(trainer), 0);
    s.broken = -1;
    ck_ok(cn_trainer_fit(trainer, 2, NULL, NULL));
    ck_assert_int_eq(cn_trainer_epoch_count(trainer), 2);
    cn_trainer_free(trainer);
    cn_dataset_free(set);
    end(&f);
}
END_TEST

/* ---- options and shapes ---- */

static cn_status make(const fixture *f, const cn_trainer_options *o) {
    cn_trainer *trainer;
    cn_status status = cn_trainer_new(f->model, f->data.set, NULL, o, &trainer);
    ck_assert((status == CN_OK) == (trainer != NULL));
    cn_trainer_free(trainer);
    return status;
}

START_TEST(options_outside_their_range_are_named) {
    fixture f = begin(1);
    const cn_trainer_options usual = CN_TRAINER_OPTIONS_INIT;
    cn_trainer_options o = usual;
    cn_optimizer_options optimizer = CN_OPTIMIZER_OPTIONS_INIT;
    cn_schedule_options schedule = CN_SCHEDULE_OPTIONS_INIT;
    ck_ok(make(&f, NULL));
    o.batch_size = -1;
    ck_fails(make(&f, &o), CN_ERR_ARGUMENT, "batch_size is -1");
    o = usual, o.test_batch_size = INT32_MAX;
    ck_fails(make(&f, &o), CN_ERR_ARGUMENT, "test_batch_size is 2147483647");
    o = usual, o.loss = (cn_loss_kind)8;
    ck_fails(make(&f, &o), CN_ERR_ARGUMENT, "unknown loss 8");
    o = usual, o.label_smoothing = 1.0f;
    ck_fails(make(&f, &o), CN_ERR_ARGUMENT, "label_smoothing is 1");
    o = usual, o.l1 = -1.0f;
    ck_fails(make(&f, &o), CN_ERR_ARGUMENT, "l1 is -1");
    o = usual, o.l1 = NAN;
    ck_fails(make(&f, &o), CN_ERR_ARGUMENT, "l1");
    o = usual, o.optimizer = &optimizer, optimizer.momentum = -1.0f;
    ck_fails(make(&f, &o), CN_ERR_ARGUMENT, "momentum is -1");
    o = usual, o.schedule = &schedule, schedule.factor = 2.0f;
    ck_fails(make(&f, &o), CN_ERR_ARGUMENT, "factor is 2");
    o = usual, o.size = 5;
    ck_fails(make(&f, &o), CN_ERR_ARGUMENT, "cn_trainer_options");
    o = usual, o.batch_size = 0;
    ck_fails(make(&f, &o), CN_ERR_ARGUMENT, "batch_size is 0");
    o = usual, o.batch_size = o.test_batch_size = 1 << 24; /* more than the data: all of it */
    ck_ok(make(&f, &o));
    end(&f);
}
END_TEST

START_TEST(what_does_not_fit_is_refused) {
    fixture f = begin(1);
    cn_model *bare, *mnist;
    cn_dataset *more;
    cn_trainer *trainer;
    cn_epoch_info epoch = CN_EPOCH_INFO_INIT;
    ck_ok(cn_model_new(f.ctx, 1, TOY_SIDE, TOY_SIDE, &bare));
    ck_ok(cn_model_mnist(f.ctx, 3, 0, &mnist));
    ck_ok(cn_dataset_memory(f.ctx, f.data.images, f.data.labels, TOY_CLASSES + 1, &more));
    ck_fails(cn_trainer_new(bare, f.data.set, NULL, NULL, &trainer), CN_ERR_STATE, "not initialised");
    ck_assert_ptr_null(trainer);
    ck_fails(cn_trainer_new(mnist, f.data.set, NULL, NULL, &trainer), CN_ERR_SHAPE, "training data are [1, 6, 6]");
    ck_fails(cn_trainer_new(f.model, f.data.set, more, NULL, &trainer), CN_ERR_SHAPE, "the test data: 4 classes");
    ck_fails(cn_trainer_new(NULL, f.data.set, NULL, NULL, &trainer), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_trainer_new(f.model, NULL, NULL, NULL, &trainer), CN_ERR_ARGUMENT, "train is NULL");
    ck_fails(cn_trainer_new(f.model, f.data.set, NULL, NULL, NULL), CN_ERR_ARGUMENT, "trainer is NULL");
    ck_ok(cn_trainer_new(f.model, f.data.set, NULL, NULL, &trainer));
    ck_fails(cn_trainer_fit(NULL, 1, NULL, NULL), CN_ERR_ARGUMENT, "trainer is NULL");
    ck_fails(cn_trainer_fit(trainer, -1, NULL, NULL), CN_ERR_ARGUMENT, "-1 epochs");
    ck_fails(cn_trainer_epoch_info(trainer, 0, &epoch), CN_ERR_NOT_FOUND, "index 0");
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL));
    ck_ok(cn_trainer_epoch_info(trainer, 0, &epoch));
    ck_fails(cn_trainer_epoch_info(trainer, -1, &epoch), CN_ERR_NOT_FOUND, "index -1");
    ck_fails(cn_trainer_epoch_info(trainer, 0, NULL), CN_ERR_ARGUMENT, "epoch is NULL");
    cn_trainer_free(trainer);
    cn_trainer_free(NULL);
    cn_dataset_free(more);
    cn_model_free(bare);
    cn_model_free(mnist);
    end(&f);
}
END_TEST

/* Batch norm of 1×1 maps cannot train on a last batch of one image; that is said before the first epoch. */
START_TEST(a_last_batch_too_small_for_a_norm_is_seen_beforehand) {
    fixture f = begin(1);
    cn_layer *norm, *flatten, *linear;
    cn_model *model;
    cn_trainer *trainer;
    ck_ok(cn_model_new(f.ctx, 1, TOY_SIDE, TOY_SIDE, &model));
    ck_ok(cn_adaptive_avg_pool2d_new(f.ctx, 1, 1, &norm));
    ck_ok(cn_model_append(model, "pool", norm));
    ck_ok(cn_norm_new(f.ctx, CN_NORM_BATCH, 1, NULL, &norm));
    ck_ok(cn_model_append(model, "norm", norm));
    ck_ok(cn_flatten_new(f.ctx, &flatten));
    ck_ok(cn_model_append(model, "flatten", flatten));
    ck_ok(cn_linear_new(f.ctx, 1, TOY_CLASSES, 1, &linear));
    ck_ok(cn_model_append(model, "fc", linear));
    ck_ok(cn_model_init(model, 1));
    f.options.loss = CN_LOSS_CROSS_ENTROPY;
    f.options.batch_size = COUNT - 1;
    ck_fails(cn_trainer_new(model, f.data.set, NULL, &f.options, &trainer), CN_ERR_SHAPE,
             "last batch has 1 of 50 images: BatchNorm2d 'norm' cannot train on one");
    ck_assert_ptr_null(trainer);
    f.options.batch_size = 1;
    ck_fails(cn_trainer_new(model, f.data.set, NULL, &f.options, &trainer), CN_ERR_SHAPE, "'norm' cannot train on one");
    f.options.batch_size = COUNT - 2;
    ck_ok(cn_trainer_new(model, f.data.set, NULL, &f.options, &trainer));
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL));
    cn_trainer_free(trainer);
    cn_model_free(model);
    end(&f);
}
END_TEST

/* ---- memory ---- */

START_TEST(out_of_memory_is_a_status_and_training_needs_none) {
    counting_allocator counter = {0};
    cn_trainer *trainer;
    cn_context *ctx = counting_context(&counter, 2);
    cn_model *model = toy_model(ctx, CN_NORM_BATCH, 0.1f);
    toy_data data = toy_data_new(ctx, COUNT, 1);
    long failures = 0;
    double weights[COUNT];
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    ck_ok(cn_dataset_balanced_weights(data.set, COUNT, weights));
    options.sample_weights = weights;
    options.accumulate = 2;
    options.clip_norm = 1.0f;
    options.mixup_alpha = 0.2f;
    options.ema_decay = 0.5f;
    for (counter.persistent = _i;; failures++) {
        counter.fail_at = counter.calls + 1 + failures;
        cn_status status = cn_trainer_new(model, data.set, data.set, &options, &trainer);
        counter.fail_at = 0;
        if (status == CN_OK)
            break;
        ck_assert_int_eq(status, CN_ERR_MEMORY);
        ck_assert_ptr_null(trainer);
    }
    ck_assert_int_gt(failures, 20);
    long calls = counter.calls;
    ck_ok(cn_trainer_fit(trainer, 3, NULL, NULL));
    ck_assert_int_eq(counter.calls, calls);
    cn_trainer_free(trainer);
    toy_data_free(&data);
    cn_model_free(model);
    cn_context_free(ctx);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("trainer failures");
    TCase *group = tcase_create("trainer failures");
    tcase_add_test(group, an_image_of_nan_stops_the_training);
    tcase_add_loop_test(group, the_first_layer_that_is_not_finite_is_named, 0, 3);
    tcase_add_test(group, the_test_data_may_show_it_too);
    tcase_add_loop_test(group, a_failing_source_is_reported_and_may_recover, 1, 4);
    tcase_add_test(group, options_outside_their_range_are_named);
    tcase_add_test(group, what_does_not_fit_is_refused);
    tcase_add_test(group, a_last_batch_too_small_for_a_norm_is_seen_beforehand);
    tcase_add_loop_test(group, out_of_memory_is_a_status_and_training_needs_none, 0, 2);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
