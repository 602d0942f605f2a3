/* test_evaluation.c: what an evaluation counts, against counting by hand. */
#include "testing.h"
#include "training.h"
#include <math.h>
#include <stdio.h>

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

/* ---- what is refused ---- */

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
    cn_model *softmax = toy_ending(ctx, "sf");
    cn_evaluation *e;
    expect_loss(ctx, data.set, "", CN_LOSS_CROSS_ENTROPY,
                "loss 'nll' reads log-probabilities, but the model ends in Conv2d 'conv', which gives logits: use "
                "'cross-entropy'");
    expect_loss(ctx, data.set, "pf", CN_LOSS_CROSS_ENTROPY, "the model ends in Conv2d 'conv'");
    expect_loss(ctx, data.set, "l", CN_LOSS_NLL, "ends in LogSoftmax 'l', which gives log-probabilities: use 'nll'");
    expect_loss(ctx, data.set, "lpf", CN_LOSS_NLL, "ends in LogSoftmax 'l'");
    expect_loss(ctx, data.set, "lri", CN_LOSS_NLL, "ends in LogSoftmax 'l'");
    expect_loss(ctx, data.set, "ir", CN_LOSS_CROSS_ENTROPY, "the model ends in Conv2d 'conv'");
    ck_fails(cn_evaluation_new(softmax, data.set, NULL, &e), CN_ERR_ARGUMENT,
             "Softmax 's', whose probabilities no loss");
    cn_model_free(softmax);
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
    ck_fails(evaluate_with(model, more, CN_LOSS_NLL, &e), CN_ERR_SHAPE, "4 classes in the data, the model tells 3 apart");
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
    toy_data data = toy_data_new(ctx, COUNT, 2);
    long live = counter.live, failures = 0;
    for (counter.persistent = _i;; failures++) {
        counter.fail_at = counter.calls + 1 + failures;
        cn_status status = cn_evaluation_new(model, data.set, &flip, &e);
        counter.fail_at = 0;
        if (status == CN_OK)
            break;
        ck_assert_int_eq(status, CN_ERR_MEMORY);
        ck_assert_ptr_null(e);
        ck_assert_int_eq(counter.live, live);
    }
    ck_assert_int_gt(failures, 10);
    cn_evaluation_free(e);
    toy_data_free(&data);
    cn_model_free(model);
    cn_context_free(ctx);
    ck_assert_int_eq(counter.live, 0);
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
    ck_fails(cn_trainer_new(small, set, NULL, NULL, &trainer), CN_ERR_SHAPE, "are [2, 9, 7], the model reads [2, 5, 5]");
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
    tcase_add_test(group, a_loss_that_reads_something_else_is_refused);
    tcase_add_test(group, classes_of_other_names_are_remarked_on);
    tcase_add_test(group, what_does_not_fit_is_refused);
    tcase_add_loop_test(group, out_of_memory_is_a_status, 0, 2);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
