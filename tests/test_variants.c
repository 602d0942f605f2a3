/* SPDX-License-Identifier: MIT */
/* test_variants.c: test-time augmentation: a prediction is the mean over mirror images and moved ones. */
#include "predictions.h"
#include <math.h>
#include <stdlib.h>

/* A model that ends as `last` says: 0 log-softmax, 1 softmax, 2 neither. */
static cn_model *ending(cn_context *ctx, int last) {
    cn_model *model;
    cn_layer *layer;
    ck_ok(cn_model_new(ctx, 1, TOY_SIDE, TOY_SIDE, &model));
    ck_ok(cn_flatten_new(ctx, &layer));
    ck_ok(cn_model_append(model, "flatten", layer));
    ck_ok(cn_linear_new(ctx, TOY_PIXELS, TOY_CLASSES, 1, &layer));
    ck_ok(cn_model_append(model, "fc", layer));
    if (last < 2) {
        ck_ok(last ? cn_softmax_new(ctx, &layer) : cn_log_softmax_new(ctx, &layer));
        ck_ok(cn_model_append(model, "out", layer));
    }
    ck_ok(cn_model_init(model, 4));
    return model;
}

/* The probability of class k. */
static double share(int last, const float *output, int k) {
    double sum = 0.0;
    for (int c = 0; c < TOY_CLASSES; c++)
        sum += exp((double)output[c]);
    return last == 1 ? (double)output[k] : exp((double)output[k]) / sum;
}

static void mirror(const float *from, float *to) {
    for (int row = 0; row < TOY_SIDE; row++)
        for (int x = 0; x < TOY_SIDE; x++)
            to[row * TOY_SIDE + x] = from[row * TOY_SIDE + TOY_SIDE - 1 - x];
}

START_TEST(mirror_images_have_their_say) {
    predictions f = predictions_begin(2);
    cn_model *model = ending(f.ctx, _i);
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    cn_tensor *mirrored = float_tensor(f.ctx, 4, (int64_t[]){PREDICTIONS, 1, TOY_SIDE, TOY_SIDE});
    cn_tensor *ours = float_tensor(f.ctx, 2, (int64_t[]){PREDICTIONS, TOY_CLASSES});
    cn_tensor *theirs = float_tensor(f.ctx, 2, (int64_t[]){PREDICTIONS, TOY_CLASSES});
    float *a = cn_tensor_data(ours), *b = cn_tensor_data(theirs);
    for (int n = 0; n < PREDICTIONS; n++)
        mirror((float *)cn_tensor_data(f.images) + n * TOY_PIXELS, (float *)cn_tensor_data(mirrored) + n * TOY_PIXELS);
    ck_ok(cn_model_forward(model, 0, f.images, ours));
    ck_ok(cn_model_forward(model, 0, mirrored, theirs));
    for (int n = 0; n < PREDICTIONS; n++, a += TOY_CLASSES, b += TOY_CLASSES) {
        double mean[TOY_CLASSES];
        for (int k = 0; k < TOY_CLASSES; k++)
            mean[k] = (share(_i, a, k) + share(_i, b, k)) / 2.0;
        for (int k = 0; k < TOY_CLASSES; k++)
            a[k] = (float)(_i == 1 ? mean[k] : log(mean[k]));
    }
    options.flip = 1;
    for (options.max_batch_size = 1; options.max_batch_size <= 32;
         options.max_batch_size += 31) { /* one by one, and in blocks */
        cn_predictor *predictor;
        ck_ok(cn_predictor_new(model, &options, &predictor));
        ck_ok(cn_predictor_run(predictor, f.images, f.output));
        expect_predictions(cn_tensor_data(f.output), cn_tensor_data(ours), PREDICTIONS * TOY_CLASSES);
        cn_predictor_free(predictor);
    }
    cn_tensor_free(mirrored);
    cn_tensor_free(ours);
    cn_tensor_free(theirs);
    cn_model_free(model);
    predictions_end(&f);
}
END_TEST

/* An image moved down and right, its edges mirrored, and then from left to right if so. */
static void look(const float *from, int down, int right, int flip, float *to) {
    const int last = TOY_SIDE - 1;
    for (int y = 0; y < TOY_SIDE; y++)
        for (int x = 0; x < TOY_SIDE; x++) {
            int row = abs(y - down), column = abs(x - right);
            row = row > last ? 2 * last - row : row;
            column = column > last ? 2 * last - column : column;
            to[y * TOY_SIDE + (flip ? last - x : x)] = from[row * TOY_SIDE + column];
        }
}

/* Adds the probabilities that the model gives to a view of all images. */
static void add_view(const predictions *f, cn_model *model, int down, int right, int flip, double *sums) {
    cn_tensor *view = float_tensor(f->ctx, 4, (int64_t[]){PREDICTIONS, 1, TOY_SIDE, TOY_SIDE});
    cn_tensor *output = float_tensor(f->ctx, 2, (int64_t[]){PREDICTIONS, TOY_CLASSES});
    for (int n = 0; n < PREDICTIONS; n++)
        look((float *)cn_tensor_data(f->images) + n * TOY_PIXELS, down, right, flip,
             (float *)cn_tensor_data(view) + n * TOY_PIXELS);
    ck_ok(cn_model_forward(model, 0, view, output));
    for (int i = 0; i < PREDICTIONS * TOY_CLASSES; i++)
        sums[i] += exp((double)((float *)cn_tensor_data(output))[i]);
    cn_tensor_free(view);
    cn_tensor_free(output);
}

/* Loops 0 … 3: moved by up to 1 or 2 pixels, without and with mirror images. */
START_TEST(moved_images_have_their_say) {
    predictions f = predictions_begin(2);
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    double sums[PREDICTIONS * TOY_CLASSES] = {0.0};
    float wanted[PREDICTIONS * TOY_CLASSES];
    int views = 0, shift = options.shift = 1 + _i % 2;
    options.flip = _i / 2;
    for (int flip = 0; flip <= options.flip; flip++)
        for (int down = -shift; down <= shift; down++)
            for (int right = -shift; right <= shift; right++, views++)
                add_view(&f, f.model, down, right, flip, sums);
    for (int i = 0; i < PREDICTIONS * TOY_CLASSES; i++)
        wanted[i] = (float)log(sums[i] / views);
    for (options.max_batch_size = 1; options.max_batch_size <= 32; options.max_batch_size += 31) {
        cn_predictor *predictor;
        ck_ok(cn_predictor_new(f.model, &options, &predictor));
        ck_ok(cn_predictor_run(predictor, f.images, f.output));
        expect_predictions(cn_tensor_data(f.output), wanted, PREDICTIONS * TOY_CLASSES);
        cn_predictor_free(predictor);
    }
    predictions_end(&f);
}
END_TEST

START_TEST(images_move_by_less_than_their_sides) {
    predictions f = predictions_begin(1);
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    cn_predictor *predictor;
    options.shift = TOY_SIDE;
    ck_fails(cn_predictor_new(f.model, &options, &predictor), CN_ERR_ARGUMENT,
             "shift is 6, wanted 0 to 5 for images of 6×6");
    options.shift = -1;
    ck_fails(cn_predictor_new(f.model, &options, &predictor), CN_ERR_ARGUMENT, "shift is -1");
    ck_assert_ptr_null(predictor);
    predictions_end(&f);
}
END_TEST

START_TEST(there_is_no_mean_of_maps) {
    cn_context *ctx = test_context(1);
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    cn_predictor *predictor;
    cn_model *model;
    cn_layer *layer;
    options.flip = 1;
    ck_ok(cn_model_new(ctx, 1, 4, 4, &model));
    ck_ok(cn_relu_new(ctx, &layer));
    ck_ok(cn_model_append(model, "relu", layer));
    ck_ok(cn_model_init(model, 0));
    ck_fails(cn_predictor_new(model, &options, &predictor), CN_ERR_SHAPE, "flip, but the model's output is 1×4×4");
    ck_assert_ptr_null(predictor);
    options.flip = 0;
    options.shift = 1;
    ck_fails(cn_predictor_new(model, &options, &predictor), CN_ERR_SHAPE, "shift, but the model's output is 1×4×4");
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("variants");
    TCase *group = tcase_create("variants");
    tcase_add_loop_test(group, mirror_images_have_their_say, 0, 3);
    tcase_add_loop_test(group, moved_images_have_their_say, 0, 4);
    tcase_add_test(group, images_move_by_less_than_their_sides);
    tcase_add_test(group, there_is_no_mean_of_maps);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
