/* SPDX-License-Identifier: MIT */
/* test_probabilities.c: models that end in a softmax or a sigmoid, as files of others do: they are trained and evaluated
 * by the logits that go into it, and whoever runs them gets the probabilities. */
#include "testing.h"
#include "training.h"
#include "plan/plan.h"
#include <math.h>
#include <stdlib.h>

TEST_BOTH_LAYOUTS;

/* ---- models ---- */

static void append(cn_context *ctx, cn_model *model, char what, const char *from) {
    const char name[2] = {what, '\0'};
    cn_layer *layer;
    ck_ok(what == 's'   ? cn_softmax_new(ctx, &layer)
          : what == 'g' ? cn_sigmoid_new(ctx, &layer)
          : what == 'f' ? cn_flatten_new(ctx, &layer)
          : what == 'd' ? cn_dropout_new(ctx, 0.5f, &layer)
          : what == 'r' ? cn_reshape_new(ctx, TOY_CLASSES, 1, 1, &layer)
          : what == 'p' ? cn_adaptive_avg_pool2d_new(ctx, 1, 1, &layer)
                        : cn_identity_new(ctx, &layer));
    ck_ok(from ? cn_model_add(model, name, layer, 1, &from) : cn_model_append(model, name, layer));
}

/* The toy up to its logits, and behind them s softmax, g sigmoid, f flatten, i identity, r reshape, p a pool of one
 * pixel, d dropout. */
static cn_model *toy_ending(cn_context *ctx, const char *ending) {
    cn_model *model = toy_model_for(ctx, CN_LOSS_CROSS_ENTROPY, CN_NORM_BATCH, 0.25f);
    for (; *ending; ending++)
        append(ctx, model, *ending, NULL);
    ck_ok(cn_model_init(model, 1));
    return model;
}

/* ---- classes ---- */

static const char *const endings[] = {"s", "sf", "isfr"};

START_TEST(training_is_that_of_the_logits) {
    training f = training_begin(CN_NORM_NONE, 0.0f);
    cn_model *model[2] = {toy_ending(f.ctx, ""), toy_ending(f.ctx, endings[_i])};
    cn_trainer *trainer[2];
    f.options.loss = CN_LOSS_CROSS_ENTROPY;
    f.options.label_smoothing = 0.1f;
    f.options.mixup_alpha = 0.4f;
    ck_assert_int_eq(cn_model_loss(model[1]), CN_LOSS_CROSS_ENTROPY);
    for (int i = 0; i < 2; i++) {
        trainer[i] = training_trainer(&f, model[i]);
        ck_ok(cn_trainer_fit(trainer[i], 2, NULL, NULL));
        ck_ok(cn_model_freeze(model[i], "conv", 1)); /* its plan is made anew */
        ck_ok(cn_trainer_fit(trainer[i], 1, NULL, NULL));
    }
    training_expect_same_history(trainer[0], trainer[1]);
    toy_expect_equal(model[0], model[1]);
    for (int i = 0; i < 2; i++) {
        cn_trainer_free(trainer[i]);
        cn_model_free(model[i]);
    }
    training_end(&f);
}
END_TEST

static void expect_same_evaluation(const cn_evaluation *a, const cn_evaluation *b) {
    int64_t wrong = cn_evaluation_misclassified_count(a);
    ck_assert(cn_evaluation_loss(a) == cn_evaluation_loss(b));
    ck_assert(cn_evaluation_accuracy(a) == cn_evaluation_accuracy(b));
    ck_assert_int_gt(wrong, 0);
    ck_assert_int_eq(wrong, cn_evaluation_misclassified_count(b));
    for (int64_t i = 0; i < wrong; i++) {
        cn_misclassified x = CN_MISCLASSIFIED_INIT, y = CN_MISCLASSIFIED_INIT;
        ck_ok(cn_evaluation_misclassified(a, i, &x));
        ck_ok(cn_evaluation_misclassified(b, i, &y));
        ck_assert(x.predicted == y.predicted && x.probability == y.probability);
        ck_assert(x.truth_probability == y.truth_probability && x.truth_probability <= x.probability);
    }
}

/* Also where probabilities of float32 are 0, whose logarithm is no number. */
START_TEST(evaluation_is_that_of_the_logits) {
    cn_context *ctx = test_context(2);
    toy_data data = toy_data_new(ctx, 50, 2);
    cn_evaluation_options options = CN_EVALUATION_OPTIONS_INIT;
    cn_evaluation *e[2];
    cn_model *model[2];
    options.flip = _i;
    options.loss = CN_LOSS_CROSS_ENTROPY;
    for (int i = 0; i < 2; i++) {
        cn_tensor *weight;
        model[i] = toy_ending(ctx, i ? "s" : "");
        ck_ok(cn_model_tensor(model[i], "fc.weight", &weight));
        for (int64_t k = 0; k < cn_tensor_count(weight); k++)
            ((float *)cn_tensor_data(weight))[k] *= 1e4f;
        ck_ok(cn_evaluation_new(model[i], data.set, &options, &e[i]));
    }
    expect_same_evaluation(e[0], e[1]);
    ck_assert_double_gt(cn_evaluation_loss(e[1]), 100.0);
    ck_assert(isfinite(cn_evaluation_loss(e[1])));
    for (int i = 0; i < 2; i++) {
        cn_evaluation_free(e[i]);
        cn_model_free(model[i]);
    }
    toy_data_free(&data);
    cn_context_free(ctx);
}
END_TEST

static void predict(cn_context *ctx, const cn_model *model, const toy_data *data, cn_tensor **output) {
    cn_predictor *predictor;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){cn_tensor_shape(data->images, 0), TOY_CLASSES}, output));
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    ck_ok(cn_predictor_run(predictor, data->images, *output));
    cn_predictor_free(predictor);
}

START_TEST(predictions_are_probabilities) {
    cn_context *ctx = test_context(2);
    toy_data data = toy_data_new(ctx, 20, 2);
    cn_model *model[2] = {toy_ending(ctx, ""), toy_ending(ctx, "sf")};
    cn_tensor *output[2];
    for (int i = 0; i < 2; i++) {
        ck_ok(cn_model_set_normalization(model[i], 1, (float[]){0.4f}, (float[]){0.25f}));
        predict(ctx, model[i], &data, &output[i]);
    }
    for (int n = 0; n < 20; n++) {
        const float *z = (float *)cn_tensor_data(output[0]) + n * TOY_CLASSES;
        const float *p = (float *)cn_tensor_data(output[1]) + n * TOY_CLASSES;
        double sum = exp((double)z[0]) + exp((double)z[1]) + exp((double)z[2]);
        for (int k = 0; k < TOY_CLASSES; k++)
            ck_assert_double_eq_tol((double)p[k], exp((double)z[k]) / sum, 1e-6);
    }
    for (int i = 0; i < 2; i++) {
        cn_tensor_free(output[i]);
        cn_model_free(model[i]);
    }
    toy_data_free(&data);
    cn_context_free(ctx);
}
END_TEST

/* ---- labels ---- */

/* Each class a label of its own. */
static cn_tensor *make_labels(cn_context *ctx, toy_data *data) {
    int64_t count = cn_tensor_shape(data->labels, 0);
    cn_target_options options = CN_TARGET_OPTIONS_INIT;
    cn_tensor *vectors;
    options.kind = CN_TARGET_VECTOR;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){count, TOY_CLASSES}, &vectors));
    for (int64_t n = 0; n < count; n++)
        ((float *)cn_tensor_data(vectors))[n * TOY_CLASSES + ((int64_t *)cn_tensor_data(data->labels))[n]] = 1.0f;
    ck_ok(cn_dataset_clear_targets(data->set));
    ck_ok(cn_dataset_add_target(data->set, vectors, &options));
    return vectors;
}

START_TEST(labels_are_told_by_the_logits_of_a_sigmoid) {
    training f = training_begin(CN_NORM_NONE, 0.0f);
    cn_tensor *labels[2] = {make_labels(f.ctx, &f.train), make_labels(f.ctx, &f.test)};
    cn_model *model[2] = {toy_ending(f.ctx, ""), toy_ending(f.ctx, "gi")};
    cn_trainer *trainer[2];
    f.options.loss = CN_LOSS_BCE_WITH_LOGITS;
    for (int i = 0; i < 2; i++) {
        trainer[i] = training_trainer(&f, model[i]);
        ck_ok(cn_trainer_fit(trainer[i], 2, NULL, NULL));
    }
    training_expect_same_history(trainer[0], trainer[1]);
    toy_expect_equal(model[0], model[1]);
    for (int i = 0; i < 2; i++) {
        cn_trainer_free(trainer[i]);
        cn_model_free(model[i]);
        cn_tensor_free(labels[i]);
    }
    training_end(&f);
}
END_TEST

/* ---- what is refused ---- */

static void refuse(cn_context *ctx, const char *ending, cn_loss_kind loss, const char *message) {
    toy_data data = toy_data_new(ctx, 5, 2);
    cn_model *model = toy_ending(ctx, ending);
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    cn_tensor *labels = loss == CN_LOSS_BCE_WITH_LOGITS ? make_labels(ctx, &data) : NULL;
    cn_trainer *trainer;
    cn_evaluation *e;
    options.loss = loss;
    ck_fails(cn_trainer_new(model, data.set, NULL, &options, &trainer), CN_ERR_ARGUMENT, message);
    ck_fails(evaluate_with(model, data.set, loss, &e), CN_ERR_ARGUMENT, message);
    cn_model_free(model);
    cn_tensor_free(labels);
    toy_data_free(&data);
}

START_TEST(other_losses_of_probabilities_are_refused) {
    cn_context *ctx = test_context(1);
    refuse(ctx, "s", CN_LOSS_NLL, "ends in Softmax 's', which gives probabilities: use 'cross-entropy'");
    refuse(ctx, "g", CN_LOSS_CROSS_ENTROPY, "ends in Sigmoid 'g', which gives probabilities: use 'bce-with-logits'");
    refuse(ctx, "sf", CN_LOSS_BCE_WITH_LOGITS, "ends in Softmax 's', which gives probabilities: use 'cross-entropy'");
    refuse(ctx, "srp", CN_LOSS_CROSS_ENTROPY, "Softmax 's' of the model makes probabilities");
    refuse(ctx, "sd", CN_LOSS_CROSS_ENTROPY, "or pool or drop");
    cn_context_free(ctx);
}
END_TEST

START_TEST(probabilities_that_others_read_are_refused) {
    cn_context *ctx = test_context(1);
    cn_model *model = toy_ending(ctx, "g");
    toy_data data = toy_data_new(ctx, 5, 2);
    cn_loss_options loss = CN_LOSS_OPTIONS_INIT;
    const cn_loss_options *losses[2] = {&loss, &loss};
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    cn_tensor *more = make_labels(ctx, &data);
    cn_trainer *trainer;
    loss.kind = CN_LOSS_BCE_WITH_LOGITS;
    options.losses = losses;
    options.loss_count = 2;
    ck_ok(cn_dataset_clear_targets(data.set));
    cn_target_options vector = CN_TARGET_OPTIONS_INIT;
    vector.kind = CN_TARGET_VECTOR;
    ck_ok(cn_dataset_add_target(data.set, more, &vector));
    ck_ok(cn_dataset_add_target(data.set, more, &vector));
    append(ctx, model, 'i', "g");
    ck_ok(cn_model_set_outputs(model, 2, (const char *const[]){"g", "i"}));
    ck_ok(cn_model_init(model, 1));
    ck_fails(cn_trainer_new(model, data.set, NULL, &options, &trainer), CN_ERR_ARGUMENT, "which other layers read");
    cn_tensor_free(more);
    toy_data_free(&data);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

/* ---- plans: what is bypassed is an identity, also where others read what goes into it ---- */

/* A convolution, a softmax or identity of it, and the sum of both. */
static cn_model *forked(cn_context *ctx, char fork) {
    const char name[2] = {fork, '\0'}, *const both[2] = {"conv", name};
    cn_model *model;
    cn_layer *layer;
    ck_ok(cn_model_new(ctx, 2, 4, 5, &model));
    ck_ok(cn_conv2d_new(ctx, 2, 3, 3, 3, NULL, &layer));
    ck_ok(cn_model_append(model, "conv", layer));
    append(ctx, model, fork, NULL);
    ck_ok(cn_add_new(ctx, &layer));
    ck_ok(cn_model_add(model, "sum", layer, 2, both));
    ck_ok(cn_model_set_outputs(model, 2, (const char *const[]){"sum", name}));
    ck_ok(cn_model_init(model, 1));
    return model;
}

static void fill(const cn__fmap *map, uint32_t seed) {
    size_t floats = map->channel * (size_t)map->shape.channels;
    for (size_t i = 0; i < floats; i++)
        map->data[i] = (float)((i * 7 + seed) % 11) - 5.0f;
}

static void pass_both_ways(cn_model *model, const bool *bypassed, float output[3 * 2 * 3 * CN__LANES]) {
    cn__plan *plan;
    ck_ok(cn__plan_new(model, &(cn__plan_options){.images = CN__LANES, .training = true, .bypassed = bypassed}, &plan));
    cn__pass pass = {.images = CN__LANES, .training = true, .blocks = 1};
    cn__plan_prepare(plan);
    fill(cn__plan_input(plan, 0), 1);
    ck_ok(cn__plan_forward(plan, &pass));
    cn__fmap_unpack(cn__plan_output(plan, 1), output, CN__LANES);
    for (int i = 0; i < 2; i++)
        fill(cn__plan_output_gradient(plan, i), 2 + (uint32_t)i);
    ck_ok(cn__plan_backward(plan, &pass));
    cn__plan_free(plan);
}

START_TEST(what_is_bypassed_is_an_identity) {
    static const bool second[3] = {false, true, false};
    cn_context *ctx = test_context(2);
    float outputs[2][3 * 2 * 3 * CN__LANES];
    cn_model *model[2] = {forked(ctx, 'i'), forked(ctx, 's')};
    for (int i = 0; i < 2; i++)
        pass_both_ways(model[i], i ? second : NULL, outputs[i]);
    ck_assert_mem_eq(outputs[0], outputs[1], sizeof outputs[0]);
    ck_assert_mem_eq(model[0]->gradients, model[1]->gradients, model[0]->flat_count * sizeof(float));
    for (int i = 0; i < 2; i++)
        cn_model_free(model[i]);
    cn_context_free(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("models that end in probabilities");
    const TTest *const ends[] = {training_is_that_of_the_logits}, *const ways[] = {evaluation_is_that_of_the_logits},
                       *const once[] = {predictions_are_probabilities, labels_are_told_by_the_logits_of_a_sigmoid,
                                        other_losses_of_probabilities_are_refused,
                                        probabilities_that_others_read_are_refused, what_is_bypassed_is_an_identity};
    test_add(suite, "training", ends, 1, (int)(sizeof endings / sizeof *endings));
    test_add(suite, "evaluation", ways, 1, 2);
    test_add(suite, "other", once, sizeof once / sizeof *once, 1);
    return test_run(suite);
}
