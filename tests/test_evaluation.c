/* SPDX-License-Identifier: MIT */
/* test_evaluation.c: what an evaluation counts, against counting by hand. */
#include "testing.h"
#include "training.h"
#include <math.h>

enum { COUNT = 300 }; /* several batches, the last one partial */

/* The model's outputs for all images. */
static cn_tensor *outputs_of(cn_context *ctx, cn_model *model, const cn_dataset *set) {
    int64_t indices[COUNT], count = cn_dataset_count(set);
    cn_tensor *images, *output;
    for (int64_t i = 0; i < count; i++)
        indices[i] = i;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){count, 1, TOY_SIDE, TOY_SIDE}, &images));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){count, TOY_CLASSES}, &output));
    ck_ok(cn_dataset_batch(set, count, indices, 0, 0, 0, images, NULL));
    ck_ok(cn_model_forward(model, 0, images, output));
    cn_tensor_free(images);
    return output;
}

static double probability(cn_loss_kind loss, const float *z, int64_t k) {
    double sum = 0.0;
    for (int64_t c = 0; c < TOY_CLASSES; c++)
        sum += exp((double)z[c]);
    return loss == CN_LOSS_NLL ? exp((double)z[k]) : exp((double)z[k]) / sum;
}

static void check_misclassified(const cn_evaluation *e, cn_loss_kind loss, const cn_tensor *output,
                                const toy_data *data) {
    int64_t wrong = 0;
    for (int64_t n = 0; n < cn_tensor_shape(output, 0); n++) {
        const float *z = (float *)cn_tensor_data_const(output) + n * TOY_CLASSES;
        int64_t truth = ((int64_t *)cn_tensor_data(data->labels))[n], predicted = cn_tensor_argmax(output, n);
        cn_misclassified entry = CN_MISCLASSIFIED_INIT;
        if (predicted == truth)
            continue;
        ck_ok(cn_evaluation_misclassified(e, wrong++, &entry));
        ck_assert_int_eq(entry.index, n);
        ck_assert_int_eq(entry.predicted, predicted);
        ck_assert_int_eq(entry.truth, truth);
        ck_assert_double_eq_tol(entry.probability, probability(loss, z, predicted), 1e-5);
        ck_assert_double_eq_tol(entry.truth_probability, probability(loss, z, truth), 1e-5);
    }
    ck_assert_int_eq(cn_evaluation_misclassified_count(e), wrong);
    ck_assert_int_gt(wrong, 0);
}

static void check_counts(const cn_evaluation *e, const cn_tensor *output, const toy_data *data) {
    int64_t confusion[TOY_CLASSES][TOY_CLASSES] = {{0}}, images = cn_tensor_shape(output, 0), correct = 0;
    for (int64_t n = 0; n < images; n++)
        confusion[((int64_t *)cn_tensor_data(data->labels))[n]][cn_tensor_argmax(output, n)]++;
    for (int64_t t = 0; t < TOY_CLASSES; t++) {
        double row = 0.0;
        for (int64_t p = 0; p < TOY_CLASSES; p++) {
            ck_assert_int_eq(cn_evaluation_confusion(e, t, p), confusion[t][p]);
            row += (double)confusion[t][p];
        }
        ck_assert_double_eq(cn_evaluation_class_accuracy(e, t), (double)confusion[t][t] / row);
        correct += confusion[t][t];
    }
    ck_assert_int_eq(cn_evaluation_count(e), images);
    ck_assert_double_eq(cn_evaluation_accuracy(e), (double)correct / (double)images);
    ck_assert_int_eq(cn_evaluation_classes(e), TOY_CLASSES);
}

START_TEST(an_evaluation_counts_what_the_model_says) {
    cn_loss_kind loss = (cn_loss_kind)_i;
    cn_context *ctx = test_context(2);
    cn_model *model = toy_model_for(ctx, loss, CN_NORM_BATCH, 0.5f);
    toy_data data = toy_data_new(ctx, COUNT, 2);
    cn_augmentation flips = CN_AUGMENTATION_INIT;
    cn_evaluation *e;
    double mean;
    flips.horizontal_flip = 1.0f; /* of no importance here */
    ck_ok(cn_dataset_set_augmentation(data.set, &flips));
    cn_tensor *output = outputs_of(ctx, model, data.set);
    ck_ok(evaluate_with(model, data.set, loss, &e));
    mean = training_loss(loss, 0.0f, output, data.labels, NULL);
    ck_assert_double_eq_tol(cn_evaluation_loss(e), mean, 1e-6);
    check_counts(e, output, &data);
    check_misclassified(e, loss, output, &data);
    cn_evaluation_free(e);
    cn_tensor_free(output);
    toy_data_free(&data);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

/* The model's outputs for a mirrored copy of the data, and theirs and `output`'s joined: the logarithm of the mean of
 * the probabilities. */
static void join_mirrored(cn_context *ctx, cn_model *model, cn_loss_kind loss, cn_tensor *output) {
    int64_t count = cn_tensor_shape(output, 0);
    toy_data mirrored = toy_data_new(ctx, count, 2);
    uint8_t *pixels = cn_tensor_data(mirrored.images);
    float *z = cn_tensor_data(output);
    for (int64_t row = 0; row < count * TOY_SIDE; row++, pixels += TOY_SIDE)
        for (int x = 0; x < TOY_SIDE / 2; x++) {
            uint8_t pixel = pixels[x];
            pixels[x] = pixels[TOY_SIDE - 1 - x];
            pixels[TOY_SIDE - 1 - x] = pixel;
        }
    cn_tensor *theirs = outputs_of(ctx, model, mirrored.set);
    for (int64_t n = 0; n < count; n++) {
        double p[TOY_CLASSES];
        const float *other = (float *)cn_tensor_data(theirs) + n * TOY_CLASSES;
        for (int k = 0; k < TOY_CLASSES; k++)
            p[k] = (probability(loss, z + n * TOY_CLASSES, k) + probability(loss, other, k)) / 2.0;
        for (int k = 0; k < TOY_CLASSES; k++)
            z[n * TOY_CLASSES + k] = (float)log(p[k]);
    }
    cn_tensor_free(theirs);
    toy_data_free(&mirrored);
}

START_TEST(mirror_images_have_their_say) {
    cn_evaluation_options options = CN_EVALUATION_OPTIONS_INIT;
    cn_context *ctx = test_context(2);
    cn_model *model = toy_model_for(ctx, (cn_loss_kind)_i, CN_NORM_BATCH, 0.0f);
    toy_data data = toy_data_new(ctx, COUNT, 2);
    cn_evaluation *e, *alone;
    double mean;
    options.loss = (cn_loss_kind)_i;
    options.flip = 1;
    cn_tensor *output = outputs_of(ctx, model, data.set);
    join_mirrored(ctx, model, options.loss, output);
    ck_ok(cn_evaluation_new(model, data.set, &options, &e));
    ck_ok(evaluate_with(model, data.set, options.loss, &alone));
    mean = training_loss(options.loss, 0.0f, output, data.labels, NULL);
    ck_assert_double_eq_tol(cn_evaluation_loss(e), mean, 1e-6);
    ck_assert_double_ne(cn_evaluation_loss(e), cn_evaluation_loss(alone));
    check_counts(e, output, &data);
    check_misclassified(e, options.loss, output, &data);
    cn_evaluation_free(e);
    cn_evaluation_free(alone);
    cn_tensor_free(output);
    toy_data_free(&data);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

/* Views as a predictor has them, of float images and of bytes. */
static void expect_predictors_loss(cn_context *ctx, cn_model *model, const cn_dataset *set, const cn_tensor *images,
                                   const cn_tensor *labels) {
    int64_t shape[2] = {COUNT, TOY_CLASSES};
    cn_predictor_options how = CN_PREDICTOR_OPTIONS_INIT;
    cn_evaluation_options options = CN_EVALUATION_OPTIONS_INIT;
    cn_predictor *predictor;
    cn_evaluation *e;
    cn_tensor *output;
    double mean;
    how.flip = options.flip = 1;
    how.shift = options.shift = 2;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, shape, &output));
    ck_ok(cn_predictor_new(model, &how, &predictor));
    ck_ok(cn_predictor_run(predictor, images, output));
    mean = training_loss(CN_LOSS_NLL, 0.0f, output, labels, NULL);
    ck_ok(cn_evaluation_new(model, set, &options, &e));
    ck_assert_double_eq_tol(cn_evaluation_loss(e), mean, 1e-6);
    cn_evaluation_free(e);
    cn_predictor_free(predictor);
    cn_tensor_free(output);
}

START_TEST(moved_images_have_their_say) {
    cn_context *ctx = test_context(2);
    cn_model *model = toy_model(ctx, CN_NORM_BATCH, 0.0f);
    toy_data data = toy_data_new(ctx, COUNT, 2);
    int64_t shape[4] = {COUNT, 1, TOY_SIDE, TOY_SIDE};
    cn_tensor *pixels;
    cn_dataset *floats;
    ck_ok(cn_model_set_normalization(model, 1, (float[]){0.4f}, (float[]){0.25f})); /* as toys.c has it */
    expect_predictors_loss(ctx, model, data.set, data.images, data.labels);
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, shape, &pixels));
    for (int i = 0; i < COUNT * TOY_PIXELS; i++)
        ((float *)cn_tensor_data(pixels))[i] = (float)(i * 7919 % 251) / 100.0f - 1.0f;
    ck_ok(cn_dataset_memory(ctx, pixels, data.labels, TOY_CLASSES, &floats));
    expect_predictors_loss(ctx, model, floats, pixels, data.labels);
    cn_dataset_free(floats);
    cn_tensor_free(pixels);
    toy_data_free(&data);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

/* A data set that says nothing of its own: bytes go as the predictor's do, by the model. */
START_TEST(bytes_are_normalised_as_the_model_says) {
    cn_context *ctx = test_context(2);
    cn_model *model = toy_model(ctx, CN_NORM_BATCH, 0.0f);
    toy_data data = toy_data_new(ctx, COUNT, 2);
    cn_dataset *untold;
    cn_evaluation *before, *after;
    ck_ok(cn_dataset_memory(ctx, data.images, data.labels, TOY_CLASSES, &untold));
    ck_ok(cn_evaluation_new(model, untold, NULL, &before)); /* mean 0, std 1 */
    ck_ok(cn_model_set_normalization(model, 1, (float[]){0.4f}, (float[]){0.25f}));
    expect_predictors_loss(ctx, model, untold, data.images, data.labels);
    ck_ok(cn_evaluation_new(model, untold, NULL, &after));
    ck_assert_double_ne(cn_evaluation_loss(before), cn_evaluation_loss(after));
    cn_evaluation_free(before);
    cn_evaluation_free(after);
    cn_dataset_free(untold);
    toy_data_free(&data);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

START_TEST(the_model_stays_as_it_is_and_may_go) {
    cn_context *ctx = test_context(1);
    cn_model *model = toy_model(ctx, CN_NORM_BATCH, 0.0f), *twin = toy_model(ctx, CN_NORM_BATCH, 0.0f);
    toy_data data = toy_data_new(ctx, 20, 2);
    cn_evaluation *e;
    cn_misclassified entry = CN_MISCLASSIFIED_INIT;
    ck_ok(evaluate_with(model, data.set, CN_LOSS_NLL, &e));
    toy_expect_equal(model, twin);
    toy_data_free(&data);
    cn_model_free(model);
    cn_model_free(twin);
    ck_assert_int_eq(cn_evaluation_count(e), 20);
    ck_fails(cn_evaluation_misclassified(e, cn_evaluation_misclassified_count(e), &entry), CN_ERR_NOT_FOUND, "index");
    ck_fails(cn_evaluation_misclassified(e, -1, &entry), CN_ERR_NOT_FOUND, "index -1");
    ck_fails(cn_evaluation_misclassified(e, 0, NULL), CN_ERR_ARGUMENT, "entry is NULL");
    ck_assert_int_eq(cn_evaluation_confusion(e, -1, 0), 0);
    ck_assert_int_eq(cn_evaluation_confusion(e, 0, TOY_CLASSES), 0);
    ck_assert(isnan(cn_evaluation_class_accuracy(e, TOY_CLASSES)));
    ck_assert(isnan(cn_evaluation_class_accuracy(e, -1)));
    cn_evaluation_free(e);
    cn_evaluation_free(NULL);
    cn_context_free(ctx);
}
END_TEST

START_TEST(a_class_without_images_has_no_accuracy) {
    cn_context *ctx = test_context(1);
    cn_model *model = toy_model(ctx, CN_NORM_NONE, 0.0f);
    toy_data data = toy_data_new(ctx, 1, 2); /* of class 0 */
    cn_evaluation *e;
    ck_ok(evaluate_with(model, data.set, CN_LOSS_NLL, &e));
    ck_assert(!isnan(cn_evaluation_class_accuracy(e, 0)));
    ck_assert(isnan(cn_evaluation_class_accuracy(e, 1)));
    cn_evaluation_free(e);
    toy_data_free(&data);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

START_TEST(a_model_of_nan_predicts_nothing) {
    cn_context *ctx = test_context(1);
    cn_model *model = toy_model(ctx, CN_NORM_NONE, 0.0f);
    toy_data data = toy_data_new(ctx, 5, 2);
    cn_tensor *bias;
    cn_evaluation *e;
    cn_misclassified entry = CN_MISCLASSIFIED_INIT;
    ck_ok(cn_model_tensor(model, "fc.bias", &bias));
    *(float *)cn_tensor_data(bias) = NAN;
    ck_ok(evaluate_with(model, data.set, CN_LOSS_NLL, &e));
    ck_assert(isnan(cn_evaluation_loss(e)));
    ck_assert_double_eq(cn_evaluation_accuracy(e), 0.0);
    ck_assert_int_eq(cn_evaluation_misclassified_count(e), 5);
    ck_ok(cn_evaluation_misclassified(e, 4, &entry));
    ck_assert_int_eq(entry.predicted, -1);
    ck_assert(isnan(entry.probability));
    cn_evaluation_free(e);
    toy_data_free(&data);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

/* Where images of a batch depend on each other, 128 at a time are one. */
START_TEST(images_are_evaluated_in_batches_of_128) {
    cn_context *ctx = test_context(2);
    cn_model *model = toy_joined_model(ctx);
    toy_data data = toy_data_new(ctx, COUNT, 2);
    double sum = 0.0;
    cn_evaluation *e;
    for (int64_t first = 0; first < COUNT; first += 128) {
        int64_t indices[128], count = COUNT - first < 128 ? COUNT - first : 128;
        cn_dataset *part;
        cn_tensor *labels;
        double mean;
        for (int64_t i = 0; i < count; i++)
            indices[i] = first + i;
        ck_ok(cn_dataset_subset(data.set, count, indices, &part));
        ck_ok(
            cn_tensor_borrow(ctx, CN_DTYPE_INT64, 1, &count, (int64_t *)cn_tensor_data(data.labels) + first, &labels));
        cn_tensor *output = outputs_of(ctx, model, part);
        mean = training_loss(CN_LOSS_NLL, 0.0f, output, labels, NULL);
        sum += mean * (double)count;
        cn_tensor_free(output);
        cn_tensor_free(labels);
        cn_dataset_free(part);
    }
    ck_ok(cn_evaluation_new(model, data.set, NULL, &e));
    ck_assert_double_eq_tol(cn_evaluation_loss(e), sum / COUNT, 1e-6);
    cn_evaluation_free(e);
    toy_data_free(&data);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

/* ---- images of another size ---- */

static cn_model *pooling_model(cn_context *ctx, int height, int width) {
    cn_model *model;
    cn_layer *layer;
    ck_ok(cn_model_new(ctx, 2, height, width, &model));
    ck_ok(cn_conv2d_new(ctx, 2, 5, 3, 3, NULL, &layer));
    ck_ok(cn_model_append(model, "conv", layer));
    ck_ok(cn_adaptive_avg_pool2d_new(ctx, 1, 1, &layer));
    ck_ok(cn_model_append(model, "pool", layer));
    ck_ok(cn_flatten_new(ctx, &layer));
    ck_ok(cn_model_append(model, "flat", layer));
    ck_ok(cn_linear_new(ctx, 5, 3, 1, &layer));
    ck_ok(cn_model_append(model, "linear", layer));
    ck_ok(cn_model_init(model, 1));
    return model;
}

START_TEST(images_of_other_sizes_are_evaluated_where_layers_allow_it) {
    enum { SIZED = 20, PIXELS = 2 * 9 * 7 };
    cn_context *ctx = test_context(2);
    static float pixels[SIZED * PIXELS];
    int64_t label[SIZED];
    cn_tensor *images, *labels;
    cn_dataset *set;
    cn_evaluation_options options = CN_EVALUATION_OPTIONS_INIT;
    cn_model *small = pooling_model(ctx, 5, 5), *own = pooling_model(ctx, 9, 7);
    cn_evaluation *a, *b;
    cn_trainer *trainer;
    for (int i = 0; i < SIZED * PIXELS; i++)
        pixels[i] = (float)(i * 37 % 101) / 50.0f - 1.0f;
    for (int i = 0; i < SIZED; i++)
        label[i] = i % 3;
    ck_ok(cn_tensor_borrow(ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){SIZED, 2, 9, 7}, pixels, &images));
    ck_ok(cn_tensor_borrow(ctx, CN_DTYPE_INT64, 1, (int64_t[]){SIZED}, label, &labels));
    ck_ok(cn_dataset_memory(ctx, images, labels, 3, &set));
    options.loss = CN_LOSS_CROSS_ENTROPY;
    ck_ok(cn_evaluation_new(small, set, &options, &a));
    ck_ok(cn_evaluation_new(own, set, &options, &b));
    ck_assert_double_eq(cn_evaluation_loss(a), cn_evaluation_loss(b));
    ck_fails(cn_trainer_new(small, set, NULL, NULL, &trainer), CN_ERR_SHAPE,
             "are [2, 9, 7], the model reads [2, 5, 5]");
    cn_evaluation_free(a);
    cn_evaluation_free(b);
    cn_dataset_free(set);
    cn_tensor_free(images);
    cn_tensor_free(labels);
    cn_model_free(small);
    cn_model_free(own);
    cn_context_free(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("evaluation");
    TCase *group = tcase_create("evaluation");
    tcase_add_loop_test(group, an_evaluation_counts_what_the_model_says, CN_LOSS_NLL, CN_LOSS_CROSS_ENTROPY + 1);
    tcase_add_loop_test(group, mirror_images_have_their_say, CN_LOSS_NLL, CN_LOSS_CROSS_ENTROPY + 1);
    tcase_add_test(group, moved_images_have_their_say);
    tcase_add_test(group, bytes_are_normalised_as_the_model_says);
    tcase_add_test(group, the_model_stays_as_it_is_and_may_go);
    tcase_add_test(group, a_class_without_images_has_no_accuracy);
    tcase_add_test(group, images_of_other_sizes_are_evaluated_where_layers_allow_it);
    tcase_add_test(group, a_model_of_nan_predicts_nothing);
    tcase_add_test(group, images_are_evaluated_in_batches_of_128);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
