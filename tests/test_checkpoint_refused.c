/* SPDX-License-Identifier: MIT */
/* test_checkpoint_refused.c: checkpoints of another run: a status and a message that names both sides, and a trainer
 * that is as it was; and checkpoints that cannot be asked for. */
#include "checkpoints.h"
#include <stddef.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

/* ---- options: whatever differs is refused ---- */

/* Puts another value there that the library takes and makes a trainer of it; false: there is none. */
static bool vary(run *r, char *options, size_t offset) {
    static const float reals[] = {0.5f, 0.25f, 1.0f, 2.0f};
    static const int32_t ints[] = {1, 0, 2, 3};
    char before[4];
    memcpy(before, options + offset, sizeof before);
    for (int i = 0; i < 8; i++) {
        memcpy(options + offset, i % 2 ? (const void *)&ints[i / 2] : (const void *)&reals[i / 2], sizeof before);
        if (memcmp(before, options + offset, sizeof before) != 0 && run_make(r) == CN_OK)
            return true;
    }
    memcpy(options + offset, before, sizeof before);
    return false;
}

static void expect_refused(run *r, file f, const char *what, size_t offset) {
    file before = saved_checkpoint(r->trainer);
    cn_status status = load_checkpoint(r->trainer, f);
    ck_assert_msg(status == CN_ERR_STATE, "%s, byte %zu: %s", what, offset, cn_status_string(status));
    ck_assert_msg(strstr(cn_last_error(), " there, ") && strstr(cn_last_error(), " here"), "%s", cn_last_error());
    expect_unchanged(r->trainer, before);
    free(before.data);
}

enum { STRUCTS = 5 };

START_TEST(no_option_may_differ) {
    run r;
    struct {
        const char *name;
        char *options;
        size_t first, end;
        int least; /* options that the library is expected to have there */
    } structs[STRUCTS] = {
        {"trainer", (char *)&r.f.options, 8, offsetof(cn_trainer_options, optimizer), 9},
        {"trainer", (char *)&r.f.options, offsetof(cn_trainer_options, mixup_alpha),
         offsetof(cn_trainer_options, clip_norm) + 4, 4},
        {"optimizer", (char *)&r.optimizer, 8, offsetof(cn_optimizer_options, decay_weights_only) + 4, 9},
        {"schedule", (char *)&r.schedule, 8, offsetof(cn_schedule_options, rate), 14},
        {"augmentation", (char *)&r.augmentation, 8, sizeof r.augmentation, 7},
    };
    file f = usual_file();
    int varied = 0;
    for (size_t offset = structs[_i].first; offset < structs[_i].end; offset += 4) {
        /* Of grey images it can only be a subnormal number, which is zero. */
        if (structs[_i].options == (char *)&r.augmentation && offset == offsetof(cn_augmentation, grayscale))
            continue;
        run_prepare(&r, test_context(1));
        if (vary(&r, structs[_i].options, offset)) {
            expect_refused(&r, f, structs[_i].name, offset);
            varied++;
        }
        run_end(&r);
    }
    ck_assert_int_ge(varied, structs[_i].least);
    free(f.data);
}
END_TEST

START_TEST(other_weights_of_images_are_refused) {
    double weights[TRAINING_COUNT];
    file f = usual_file();
    run r;
    for (int i = 0; i < TRAINING_COUNT; i++)
        weights[i] = i;
    run_prepare(&r, test_context(1));
    r.f.options.sample_weights = weights;
    ck_ok(run_make(&r));
    file weighted = saved_checkpoint(r.trainer);
    ck_fails(load_checkpoint(r.trainer, f), CN_ERR_STATE, "trainer.sample_weights is missing there, '");
    run_end(&r);
    run_prepare(&r, test_context(1));
    weights[7]++;
    r.f.options.sample_weights = weights;
    ck_ok(run_make(&r));
    ck_fails(load_checkpoint(r.trainer, weighted), CN_ERR_STATE, "trainer.sample_weights is '");
    run_end(&r);
    free(weighted.data);
    free(f.data);
}
END_TEST

START_TEST(messages_name_both_sides) {
    file f = usual_file();
    run r;
    run_prepare(&r, test_context(2));
    r.f.options.seed = 6;
    ck_ok(run_make(&r));
    ck_fails(load_checkpoint(r.trainer, f), CN_ERR_STATE, "it is a checkpoint of another run: seed is 5 there, 6 here");
    run_end(&r);
    run_prepare(&r, test_context(2));
    r.optimizer.kind = CN_OPTIMIZER_ADAM;
    ck_ok(run_make(&r));
    ck_fails(load_checkpoint(r.trainer, f), CN_ERR_STATE, "optimizer.kind is 'sgd' there, 'adam' here");
    run_end(&r);
    run_prepare(&r, test_context(2));
    ck_ok(cn_trainer_new(r.f.model, r.f.train.set, NULL, &r.f.options, &r.trainer));
    ck_fails(load_checkpoint(r.trainer, f), CN_ERR_STATE, "test data is given there, missing here");
    run_end(&r);
    free(f.data);
}
END_TEST

START_TEST(another_way_to_convolve_is_another_run) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *ctx;
    file f = usual_file();
    run r;
    options.conv_algorithm = CN_CONV_DIRECT;
    ck_ok(cn_context_new(&options, &ctx));
    run_prepare(&r, ctx);
    ck_ok(run_make(&r));
    ck_fails(load_checkpoint(r.trainer, f), CN_ERR_STATE, "conv_algorithm is 'auto' there, 'direct' here");
    run_end(&r);
    free(f.data);
}
END_TEST

/* ---- models and data ---- */

static void expect_model_refused(cn_model *(*make)(cn_context *ctx), const char *message) {
    file f = usual_file();
    run r;
    run_prepare(&r, test_context(1));
    cn_model_free(r.f.model);
    r.f.model = make(r.f.ctx);
    ck_ok(run_make(&r));
    file before = saved_checkpoint(r.trainer);
    ck_fails(load_checkpoint(r.trainer, f), CN_ERR_STATE, message);
    expect_unchanged(r.trainer, before);
    free(before.data);
    run_end(&r);
    free(f.data);
}

static cn_model *with_group_norm(cn_context *ctx) {
    return toy_model(ctx, CN_NORM_GROUP, 0.1f);
}

static cn_model *with_more_dropout(cn_context *ctx) {
    return toy_model(ctx, CN_NORM_BATCH, 0.2f);
}

static cn_model *with_other_names(cn_context *ctx) {
    cn_model *model = toy_model(ctx, CN_NORM_BATCH, 0.1f);
    ck_ok(cn_model_set_class_names(model, 3, (const char *const[]){"0", "one", "2"}));
    return model;
}

START_TEST(another_model_is_refused) {
    expect_model_refused(with_group_norm, "another model: layers 'norm'.type is 'BatchNorm2d' there, 'GroupNorm' here");
    expect_model_refused(with_more_dropout, "layers 'dropout'.options.p is 0.1 there, 0.2 here");
    expect_model_refused(with_other_names, "classes[1] is '1' there, 'one' here");
}
END_TEST

static void expect_data_refused(run *r, file f, const char *message) {
    ck_ok(run_make(r));
    ck_fails(load_checkpoint(r->trainer, f), CN_ERR_STATE, message);
    run_end(r);
}

START_TEST(other_data_are_refused) {
    file f = usual_file();
    run r;
    run_prepare(&r, test_context(1));
    toy_data_free(&r.f.train);
    r.f.train = toy_data_new(r.f.ctx, TRAINING_COUNT + 1, 1);
    expect_data_refused(&r, f, "training data.count is 50 there, 51 here");
    run_prepare(&r, test_context(1));
    ((int64_t *)cn_tensor_data(r.f.train.labels))[31] ^= 1;
    expect_data_refused(&r, f, "training data.sum of targets is '");
    run_prepare(&r, test_context(1));
    toy_data_free(&r.f.test);
    r.f.test = toy_data_new(r.f.ctx, 40, 3);
    expect_data_refused(&r, f, "test data.sum of images is '");
    free(f.data);
}
END_TEST

/* ---- files that are no checkpoint, or no trainer's ---- */

START_TEST(a_model_is_no_checkpoint) {
    run r;
    cn_tensor *model;
    run_begin(&r);
    ck_ok(cn_model_save_memory(r.f.model, &model));
    file f = {cn_tensor_data(model), (size_t)cn_tensor_count(model)};
    ck_fails(load_checkpoint(r.trainer, f), CN_ERR_FORMAT,
             "it is no checkpoint, but a model without the rest of its run");
    ck_fails(load_checkpoint(r.trainer, (file){(unsigned char *)"hello", 5}), CN_ERR_FORMAT, "(memory)");
    cn_tensor_free(model);
    run_end(&r);
}
END_TEST

START_TEST(a_loop_is_no_trainer) {
    file f = usual_file();
    run r;
    cn_optimizer *optimizer, *other;
    cn_checkpoint checkpoint = CN_CHECKPOINT_INIT;
    run_begin(&r);
    ck_ok(cn_optimizer_new(r.f.model, NULL, &optimizer));
    checkpoint.model = r.f.model;
    checkpoint.optimizer = optimizer;
    file loop = file_of(&checkpoint);
    ck_fails(cn_checkpoint_load_memory(&checkpoint, f.data, f.count), CN_ERR_STATE,
             "another run: kind is 'a trainer's' there, 'a loop's' here");
    ck_fails(load_checkpoint(r.trainer, loop), CN_ERR_STATE,
             "another run: kind is 'a loop's' there, 'a trainer's' here");
    checkpoint.optimizer = NULL;
    ck_fails(cn_checkpoint_load_memory(&checkpoint, loop.data, loop.count), CN_ERR_STATE,
             "optimizer is given there, missing here");
    r.optimizer.learning_rate = 0.5f;
    ck_ok(cn_optimizer_new(r.f.model, &r.optimizer, &other));
    checkpoint.optimizer = other;
    ck_fails(cn_checkpoint_load_memory(&checkpoint, loop.data, loop.count), CN_ERR_STATE,
             "optimizer.learning_rate is 0.01 there, 0.5 here");
    checkpoint.optimizer = optimizer;
    ck_ok(cn_model_init(r.f.model, 77));
    ck_fails(cn_checkpoint_load_memory(&checkpoint, loop.data, loop.count), CN_ERR_STATE, "seed is 1 there, 77 here");
    ck_ok(cn_model_init(r.f.model, 1));
    ck_ok(cn_checkpoint_load_memory(&checkpoint, loop.data, loop.count));
    cn_optimizer_free(other);
    cn_optimizer_free(optimizer);
    free(loop.data);
    free(f.data);
    run_end(&r);
}
END_TEST

START_TEST(what_is_asked_for_makes_sense) {
    run r;
    cn_optimizer *optimizer;
    cn_tensor *out, *tensor, *constant;
    const float one = 1.0f;
    run_begin(&r);
    cn_model *other = toy_model(r.f.ctx, CN_NORM_NONE, 0.0f);
    cn_checkpoint c = CN_CHECKPOINT_INIT;
    ck_ok(cn_optimizer_new(other, NULL, &optimizer));
    ck_ok(cn_tensor_new(r.f.ctx, CN_DTYPE_FLOAT32, 0, NULL, &tensor));
    ck_ok(cn_tensor_borrow_const(r.f.ctx, CN_DTYPE_FLOAT32, 0, NULL, &one, &constant));
    ck_fails(cn_checkpoint_save_memory(NULL, &out), CN_ERR_ARGUMENT, "checkpoint is NULL");
    ck_fails(cn_checkpoint_save_memory(&c, &out), CN_ERR_ARGUMENT, "neither a trainer nor a model");
    c.model = r.f.model;
    c.optimizer = optimizer;
    ck_fails(cn_checkpoint_save_memory(&c, &out), CN_ERR_ARGUMENT, "the optimizer is another model's");
    c.optimizer = NULL;
    c.trainer = r.trainer;
    ck_fails(cn_checkpoint_save_memory(&c, &out), CN_ERR_ARGUMENT, "a trainer brings its own");
    c.model = NULL;
    c.tensor_count = -1;
    ck_fails(cn_checkpoint_save_memory(&c, &out), CN_ERR_ARGUMENT, "tensor_count is -1, wanted 0 to 4096");
    c.tensor_count = 2;
    ck_fails(cn_checkpoint_save_memory(&c, &out), CN_ERR_ARGUMENT, "names or tensors is NULL");
    c.tensors = (cn_tensor *const[]){tensor, tensor};
    c.names = (const char *const[]){"a", ""};
    ck_fails(cn_checkpoint_save_memory(&c, &out), CN_ERR_ARGUMENT, "tensor 1 has no name");
    c.names = (const char *const[]){"a", "a"};
    ck_fails(cn_checkpoint_save_memory(&c, &out), CN_ERR_ARGUMENT, "two tensors are called 'a'");
    c.names = (const char *const[]){"a", "\xff"};
    ck_fails(cn_checkpoint_save_memory(&c, &out), CN_ERR_ARGUMENT, "not UTF-8");
    c.names = (const char *const[]){"a", "b"};
    c.tensors = (cn_tensor *const[]){tensor, NULL};
    ck_fails(cn_checkpoint_save_memory(&c, &out), CN_ERR_ARGUMENT, "tensor 1 is NULL");
    c.tensors = (cn_tensor *const[]){tensor, constant};
    file f = file_of(&c);
    ck_fails(cn_checkpoint_load_memory(&c, f.data, f.count), CN_ERR_ARGUMENT, "only to be read");
    free(f.data);
    cn_tensor_free(constant);
    cn_tensor_free(tensor);
    cn_optimizer_free(optimizer);
    cn_model_free(other);
    run_end(&r);
}
END_TEST

/* ---- callbacks ---- */

static cn_status in_callback;
static cn_trainer *running;

static int resume_now(void *user, const cn_batch_info *batch) {
    (void)batch;
    in_callback = load_checkpoint(running, *(file *)user);
    return 1;
}

START_TEST(a_callback_may_not_resume) {
    file f = usual_file();
    run r;
    run_prepare(&r, test_context(1));
    r.f.options.on_batch = resume_now;
    r.f.options.user = &f;
    ck_ok(run_make(&r));
    running = r.trainer;
    ck_ok(cn_trainer_fit(r.trainer, 1, NULL, NULL));
    ck_assert_int_eq(in_callback, CN_ERR_STATE);
    ck_assert_ptr_nonnull(strstr(cn_last_error(), "called by a callback"));
    ck_ok(load_checkpoint(r.trainer, f));
    run_end(&r);
    free(f.data);
}
END_TEST

static int save_now(void *user, cn_model *model, const cn_batch_info *batch) {
    cn_checkpoint checkpoint = CN_CHECKPOINT_INIT;
    cn_tensor *out;
    (void)user;
    (void)model;
    (void)batch;
    checkpoint.trainer = running;
    in_callback = cn_checkpoint_save_memory(&checkpoint, &out);
    return 1;
}

START_TEST(nothing_is_saved_within_a_batch) {
    run r;
    run_prepare(&r, test_context(1));
    r.f.options.on_gradient = save_now;
    ck_ok(run_make(&r));
    running = r.trainer;
    ck_ok(cn_trainer_fit(r.trainer, 1, NULL, NULL));
    ck_assert_int_eq(in_callback, CN_ERR_STATE);
    ck_assert_ptr_nonnull(strstr(cn_last_error(), "the trainer is within a batch"));
    free(saved_checkpoint(r.trainer).data);
    run_end(&r);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("checkpoint_refused");
    TCase *group = tcase_create("refused");
    tcase_add_loop_test(group, no_option_may_differ, 0, STRUCTS);
    tcase_add_test(group, other_weights_of_images_are_refused);
    tcase_add_test(group, messages_name_both_sides);
    tcase_add_test(group, another_way_to_convolve_is_another_run);
    tcase_add_test(group, another_model_is_refused);
    tcase_add_test(group, other_data_are_refused);
    tcase_add_test(group, a_model_is_no_checkpoint);
    tcase_add_test(group, a_loop_is_no_trainer);
    tcase_add_test(group, what_is_asked_for_makes_sense);
    tcase_add_test(group, a_callback_may_not_resume);
    tcase_add_test(group, nothing_is_saved_within_a_batch);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
