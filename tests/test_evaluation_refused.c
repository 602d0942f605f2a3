/* SPDX-License-Identifier: MIT */
/* test_evaluation_refused.c: evaluations that cannot be: losses, shapes and classes that do not fit the model, no memory; and
 * classes of other names, which are remarked on. */
#include "testing.h"
#include "toys.h"
#include <stdio.h>

/* The toy's layers with others behind them: l log-softmax, s softmax, f flatten, p a pool of one pixel, i identity,
 * r reshape. */
static cn_model *toy_ending(cn_context *ctx, const char *ending) {
    cn_model *model;
    cn_layer *layer;
    ck_ok(cn_model_new(ctx, 1, TOY_SIDE, TOY_SIDE, &model));
    ck_ok(cn_conv2d_new(ctx, 1, TOY_CLASSES, TOY_SIDE, TOY_SIDE, NULL, &layer));
    ck_ok(cn_model_append(model, "conv", layer));
    for (int i = 0; ending[i]; i++) {
        const char name[2] = {ending[i], '\0'};
        ck_ok(ending[i] == 'l'   ? cn_log_softmax_new(ctx, &layer)
              : ending[i] == 's' ? cn_softmax_new(ctx, &layer)
              : ending[i] == 'f' ? cn_flatten_new(ctx, &layer)
              : ending[i] == 'i' ? cn_identity_new(ctx, &layer)
              : ending[i] == 'r' ? cn_reshape_new(ctx, TOY_CLASSES, 1, 1, &layer)
                                 : cn_adaptive_avg_pool2d_new(ctx, 1, 1, &layer));
        ck_ok(cn_model_append(model, name, layer));
    }
    ck_ok(cn_model_init(model, 1));
    return model;
}

static void expect_loss(cn_context *ctx, const cn_dataset *set, const char *ending, cn_loss_kind fits,
                        const char *complaint) {
    cn_model *model = toy_ending(ctx, ending);
    cn_evaluation_options options = CN_EVALUATION_OPTIONS_INIT;
    cn_trainer_options usual = CN_TRAINER_OPTIONS_INIT;
    cn_evaluation *e;
    cn_trainer *trainer;
    ck_assert_int_eq(cn_model_loss(model), fits);
    options.loss = usual.loss = fits;
    ck_ok(cn_evaluation_new(model, set, &options, &e));
    cn_evaluation_free(e);
    ck_ok(cn_trainer_new(model, set, NULL, &usual, &trainer));
    cn_trainer_free(trainer);
    options.loss = usual.loss = fits == CN_LOSS_NLL ? CN_LOSS_CROSS_ENTROPY : CN_LOSS_NLL;
    ck_fails(cn_evaluation_new(model, set, &options, &e), CN_ERR_ARGUMENT, complaint);
    ck_fails(cn_trainer_new(model, set, NULL, &usual, &trainer), CN_ERR_ARGUMENT, complaint);
    cn_model_free(model);
}

START_TEST(a_loss_that_reads_something_else_is_refused) {
    cn_context *ctx = test_context(1);
    toy_data data = toy_data_new(ctx, 5, 2);
    expect_loss(ctx, data.set, "", CN_LOSS_CROSS_ENTROPY,
                "loss 'nll' reads log-probabilities, but the model ends in Conv2d 'conv', which gives logits: use "
                "'cross-entropy'");
    expect_loss(ctx, data.set, "pf", CN_LOSS_CROSS_ENTROPY, "the model ends in Conv2d 'conv'");
    expect_loss(ctx, data.set, "l", CN_LOSS_NLL, "ends in LogSoftmax 'l', which gives log-probabilities: use 'nll'");
    expect_loss(ctx, data.set, "lpf", CN_LOSS_NLL, "ends in LogSoftmax 'l'");
    expect_loss(ctx, data.set, "lri", CN_LOSS_NLL, "ends in LogSoftmax 'l'");
    expect_loss(ctx, data.set, "ir", CN_LOSS_CROSS_ENTROPY, "the model ends in Conv2d 'conv'");
    expect_loss(ctx, data.set, "sf", CN_LOSS_CROSS_ENTROPY, "ends in Softmax 's', which gives probabilities");
    toy_data_free(&data);
    cn_context_free(ctx);
}
END_TEST

static void remember(void *user, cn_log_level level, const char *message) {
    ck_assert_int_eq(level, CN_LOG_WARNING);
    snprintf(user, 200, "%s", message);
}

START_TEST(classes_of_other_names_are_remarked_on) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    char message[200] = "";
    cn_context *ctx;
    cn_evaluation *e;
    options.log = remember;
    options.user = message;
    ck_ok(cn_context_new(&options, &ctx));
    cn_model *model = toy_model(ctx, CN_NORM_NONE, 0.0f);
    toy_data data = toy_data_new(ctx, 5, 2);
    ck_ok(cn_model_set_class_names(model, 3, (const char *const[]){"cat", "dog", "fish"}));
    ck_ok(cn_evaluation_new(model, data.set, NULL, &e)); /* it has no names */
    cn_evaluation_free(e);
    ck_ok(cn_dataset_set_class_names(data.set, 3, (const char *const[]){"cat", "dog", "fish"}));
    ck_ok(cn_evaluation_new(model, data.set, NULL, &e));
    cn_evaluation_free(e);
    ck_assert_str_eq(message, "");
    ck_ok(cn_dataset_set_class_names(data.set, 3, (const char *const[]){"cat", "fish", "dog"}));
    ck_ok(cn_evaluation_new(model, data.set, NULL, &e));
    cn_evaluation_free(e);
    ck_assert_str_eq(message, "cn_evaluation_new: class 1 is 'fish' in the data set, and 'dog' to the model");
    toy_data_free(&data);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

START_TEST(what_does_not_fit_is_refused) {
    cn_context *ctx = test_context(1);
    cn_model *model = toy_model(ctx, CN_NORM_NONE, 0.0f), *bare, *wide;
    toy_data data = toy_data_new(ctx, 5, 2);
    cn_dataset *more;
    cn_evaluation *e;
    ck_ok(cn_model_new(ctx, 1, TOY_SIDE, TOY_SIDE, &bare));
    ck_ok(cn_model_session8(ctx, NULL, &wide));
    ck_ok(cn_dataset_memory(ctx, data.images, data.labels, TOY_CLASSES + 1, &more));
    ck_fails(evaluate_with(bare, data.set, CN_LOSS_NLL, &e), CN_ERR_STATE, "not initialised");
    ck_assert_ptr_null(e);
    ck_fails(evaluate_with(wide, data.set, CN_LOSS_NLL, &e), CN_ERR_SHAPE, "[1, 6, 6], the model reads [3, 32, 32]");
    ck_fails(evaluate_with(model, more, CN_LOSS_NLL, &e), CN_ERR_SHAPE,
             "4 classes in the data, the model tells 3 apart");
    ck_fails(evaluate_with(model, data.set, (cn_loss_kind)8, &e), CN_ERR_ARGUMENT, "unknown loss 8");
    ck_fails(evaluate_with(NULL, data.set, CN_LOSS_NLL, &e), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(evaluate_with(model, NULL, CN_LOSS_NLL, &e), CN_ERR_ARGUMENT, "dataset is NULL");
    ck_fails(evaluate_with(model, data.set, CN_LOSS_NLL, NULL), CN_ERR_ARGUMENT, "evaluation is NULL");
    cn_dataset_free(more);
    toy_data_free(&data);
    cn_model_free(model);
    cn_model_free(bare);
    cn_model_free(wide);
    cn_context_free(ctx);
}
END_TEST

START_TEST(out_of_memory_is_a_status) {
    counting_allocator counter = {0};
    const cn_evaluation_options flip = {.size = sizeof flip, .loss = CN_LOSS_NLL, .flip = 1};
    cn_evaluation *e;
    cn_context *ctx = counting_context(&counter, 1);
    cn_model *model = toy_model(ctx, CN_NORM_BATCH, 0.0f);
    toy_data data = toy_data_new(ctx, 300, 2);
    counter.persistent = _i;
    ck_survives(&counter, cn_evaluation_new(model, data.set, &flip, &e), e, 10);
    cn_evaluation_free(e);
    toy_data_free(&data);
    cn_model_free(model);
    cn_context_free(ctx);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

int main(void) {
    const TTest *const refused[] = {a_loss_that_reads_something_else_is_refused, classes_of_other_names_are_remarked_on,
                                    what_does_not_fit_is_refused};
    const TTest *const memory[] = {out_of_memory_is_a_status};
    Suite *suite = suite_create("evaluations that are refused");
    test_add(suite, "refused", refused, sizeof refused / sizeof refused[0], 1);
    test_add(suite, "memory", memory, 1, 2);
    return test_run(suite);
}
