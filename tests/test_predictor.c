/* SPDX-License-Identifier: MIT */
/* test_predictor.c: predictions are those of the model as it was, for any input size, type and number of threads. */
#include "numbers.h"
#include "predictions.h"
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

static void expect_bits(const cn_tensor *a, const cn_tensor *b) {
    ck_assert_int_eq(
        memcmp(cn_tensor_data_const(a), cn_tensor_data_const(b), (size_t)cn_tensor_count(a) * sizeof(float)), 0);
}

START_TEST(predictions_are_the_models) {
    predictions f = predictions_begin(2);
    const int batches[] = {0, 1, 15, 16, 17, 33, 64};
    for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
        cn_predictor *predictor = predictor_for(f.model, batches[b]);
        for (int64_t images = 1; images <= PREDICTIONS; images += images < 3 ? 1 : 13) {
            cn_tensor *input, *output;
            int64_t in[4] = {images, 1, TOY_SIDE, TOY_SIDE}, out[4] = {images, TOY_CLASSES, 1, 1};
            ck_ok(cn_tensor_borrow(f.ctx, CN_DTYPE_FLOAT32, 4, in, cn_tensor_data(f.images), &input));
            output = float_tensor(f.ctx, images % 2 ? 2 : 4, out);
            ck_ok(cn_predictor_run(predictor, input, output));
            expect_predictions(cn_tensor_data(output), cn_tensor_data(f.wanted), images * TOY_CLASSES);
            cn_tensor_free(input);
            cn_tensor_free(output);
        }
        cn_predictor_free(predictor);
    }
    predictions_end(&f);
}
END_TEST

/* Where images of a batch depend on each other: batches as the caller has them, up to the largest. */
START_TEST(a_batch_is_normalised_as_a_whole) {
    predictions f = predictions_begin(1 + _i);
    cn_model *model = toy_joined_model(f.ctx);
    const int largest[] = {1, 7, 16, 17, PREDICTIONS, 128};
    for (size_t l = 0; l < sizeof largest / sizeof *largest; l++) {
        cn_predictor *predictor = predictor_for(model, largest[l]);
        ck_ok(cn_predictor_run(predictor, f.images, f.output));
        for (int64_t first = 0; first < PREDICTIONS; first += largest[l]) {
            int64_t images = PREDICTIONS - first < largest[l] ? PREDICTIONS - first : largest[l];
            float *from = (float *)cn_tensor_data(f.images) + first * TOY_PIXELS;
            float *to = (float *)cn_tensor_data(f.wanted) + first * TOY_CLASSES;
            cn_tensor *input, *wanted;
            ck_ok(
                cn_tensor_borrow(f.ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){images, 1, TOY_SIDE, TOY_SIDE}, from, &input));
            ck_ok(cn_tensor_borrow(f.ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){images, TOY_CLASSES}, to, &wanted));
            ck_ok(cn_model_forward(model, 0, input, wanted));
            cn_tensor_free(input);
            cn_tensor_free(wanted);
        }
        expect_predictions(cn_tensor_data(f.output), cn_tensor_data(f.wanted), PREDICTIONS * TOY_CLASSES);
        cn_predictor_free(predictor);
    }
    cn_model_free(model);
    predictions_end(&f);
}
END_TEST

/* 17 images of one value, 0 to 16: (x - 8) / sqrt(24), as torch.nn.BatchNorm2d(1, track_running_stats=False) has it. */
START_TEST(seventeen_images_are_one_batch) {
    cn_norm_options options = CN_NORM_OPTIONS_INIT;
    cn_context *ctx = test_context(2);
    cn_tensor *input = float_tensor(ctx, 4, (int64_t[]){17, 1, 1, 1}),
              *output = float_tensor(ctx, 2, (int64_t[]){17, 1});
    cn_model *model;
    cn_layer *layer;
    options.track_running_stats = 0;
    ck_ok(cn_model_new(ctx, 1, 1, 1, &model));
    ck_ok(cn_norm_new(ctx, CN_NORM_BATCH, 1, &options, &layer));
    ck_ok(cn_model_append(model, "norm", layer));
    ck_ok(cn_model_init(model, 0));
    for (int n = 0; n < 17; n++)
        ((float *)cn_tensor_data(input))[n] = (float)n;
    cn_predictor *predictor = predictor_for(model, 128);
    ck_ok(cn_predictor_run(predictor, input, output));
    for (int n = 0; n < 17; n++)
        ck_assert_float_eq_tol(((float *)cn_tensor_data(output))[n], (float)((n - 8) / sqrt(24.0 + 1e-5)), 1e-6f);
    cn_predictor_free(predictor);
    cn_model_free(model);
    cn_tensor_free(input);
    cn_tensor_free(output);
    cn_context_free(ctx);
}
END_TEST

/* Wide linear layers take several blocks of images at a time. */
START_TEST(many_images_of_wide_layers_give_what_few_do) {
    enum { IMAGES = 160, SIDE = 8, WIDE = 512, CLASSES = 20 };
    cn_context *ctx = test_context(1 + _i);
    cn_tensor *input = float_tensor(ctx, 4, (int64_t[]){IMAGES, 1, SIDE, SIDE});
    cn_tensor *wanted = float_tensor(ctx, 2, (int64_t[]){IMAGES, CLASSES});
    const int largest[] = {17, 97, IMAGES};
    cn_model *model;
    cn_layer *layer;
    ck_ok(cn_model_new(ctx, 1, SIDE, SIDE, &model));
    ck_ok(cn_flatten_new(ctx, &layer));
    ck_ok(cn_model_append(model, "flatten", layer));
    ck_ok(cn_linear_new(ctx, SIDE * SIDE, WIDE, 1, &layer));
    ck_ok(cn_model_append(model, "wide", layer));
    ck_ok(cn_relu_new(ctx, &layer));
    ck_ok(cn_model_append(model, "relu", layer));
    ck_ok(cn_linear_new(ctx, WIDE, CLASSES, 1, &layer));
    ck_ok(cn_model_append(model, "classes", layer));
    ck_ok(cn_model_init(model, 3));
    for (int64_t i = 0; i < cn_tensor_count(input); i++)
        ((float *)cn_tensor_data(input))[i] = numbers_hashed(5, (uint32_t)i) - 0.5f;
    cn_predictor *few = predictor_for(model, 16);
    ck_ok(cn_predictor_run(few, input, wanted));
    for (size_t l = 0; l < sizeof largest / sizeof *largest; l++) {
        cn_predictor *many = predictor_for(model, largest[l]);
        cn_tensor *output = float_tensor(ctx, 2, (int64_t[]){IMAGES, CLASSES});
        ck_ok(cn_predictor_run(many, input, output));
        expect_bits(output, wanted);
        cn_tensor_free(output);
        cn_predictor_free(many);
    }
    cn_predictor_free(few);
    cn_model_free(model);
    cn_tensor_free(wanted);
    cn_tensor_free(input);
    cn_context_free(ctx);
}
END_TEST

START_TEST(bytes_are_normalised_as_in_training) {
    predictions f = predictions_begin(2);
    cn_predictor *predictor = predictor_for(f.model, 0);
    cn_tensor *other = float_tensor(f.ctx, 2, (int64_t[]){PREDICTIONS, TOY_CLASSES});
    ck_ok(cn_predictor_run(predictor, f.images, f.output));
    ck_ok(cn_predictor_run(predictor, f.data.images, other));
    expect_bits(f.output, other);
    cn_predictor_free(predictor);
    cn_tensor_free(other);
    predictions_end(&f);
}
END_TEST

START_TEST(a_predictor_keeps_what_the_model_was) {
    predictions f = predictions_begin(1);
    cn_predictor *before = predictor_for(f.model, 0), *after;
    cn_trainer *trainer;
    ck_ok(cn_trainer_new(f.model, f.data.set, NULL, NULL, &trainer));
    ck_ok(cn_trainer_fit(trainer, 3, NULL, NULL));
    cn_trainer_free(trainer);
    ck_ok(cn_model_set_normalization(f.model, 1, (float[]){0.0f}, (float[]){9.0f}));
    ck_ok(cn_predictor_run(before, f.images, f.output));
    expect_predictions(cn_tensor_data(f.output), cn_tensor_data(f.wanted), PREDICTIONS * TOY_CLASSES);
    ck_ok(cn_predictor_run(before, f.data.images, f.output));
    expect_predictions(cn_tensor_data(f.output), cn_tensor_data(f.wanted), PREDICTIONS * TOY_CLASSES);
    predictions_forward(&f);
    float moved = fabsf(*(float *)cn_tensor_data(f.output) - *(float *)cn_tensor_data(f.wanted));
    ck_assert_float_gt(moved, 1e-3f);
    after = predictor_for(f.model, 0);
    ck_ok(cn_predictor_run(after, f.images, f.output));
    expect_predictions(cn_tensor_data(f.output), cn_tensor_data(f.wanted), PREDICTIONS * TOY_CLASSES);
    cn_predictor_free(before);
    cn_predictor_free(after);
    predictions_end(&f);
}
END_TEST

typedef struct user {
    const predictions *f;
    cn_predictor *predictor;
    int differences;
} user;

static void *predict_often(void *argument) {
    user *u = argument;
    cn_tensor *output = float_tensor(u->f->ctx, 2, (int64_t[]){PREDICTIONS, TOY_CLASSES});
    for (int i = 0; i < (test_quick() ? 10 : 100); i++) {
        memset(cn_tensor_data(output), 0, PREDICTIONS * TOY_CLASSES * sizeof(float));
        if (cn_predictor_run(u->predictor, u->f->images, output) != CN_OK ||
            memcmp(cn_tensor_data(output), cn_tensor_data(u->f->output), PREDICTIONS * TOY_CLASSES * sizeof(float)) !=
                0)
            u->differences++;
    }
    cn_tensor_free(output);
    return NULL;
}

START_TEST(threads_may_share_a_model) {
    predictions f = predictions_begin(2);
    pthread_t threads[4];
    user users[4];
    cn_predictor *alone = predictor_for(f.model, 0);
    ck_ok(cn_predictor_run(alone, f.images, f.output));
    for (int i = 0; i < 4; i++) {
        users[i] = (user){&f, predictor_for(f.model, 8 + 16 * i), 0};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, predict_often, &users[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(users[i].differences, 0);
        cn_predictor_free(users[i].predictor);
    }
    cn_predictor_free(alone);
    predictions_end(&f);
}
END_TEST

/* Of a predictor, and of a clone; the first of them and what the model was are gone by then. */
START_TEST(clones_share_what_the_model_was) {
    predictions f = predictions_begin(2);
    pthread_t threads[4];
    user users[4];
    cn_tensor *weight;
    for (int size = 1; size <= 17; size += 16) {
        cn_predictor *first = predictor_for(f.model, size);
        ck_ok(cn_predictor_run(first, f.images, f.output));
        ck_ok(cn_model_tensor(f.model, "conv.weight", &weight));
        for (int i = 0; i < 4; i++) {
            ck_ok(cn_predictor_clone(i ? users[i - 1].predictor : first, &users[i].predictor));
            users[i] = (user){&f, users[i].predictor, 0};
            ((float *)cn_tensor_data(weight))[i] += 1.0f;
        }
        cn_predictor_free(first);
        for (int i = 0; i < 4; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, predict_often, &users[i]), 0);
        for (int i = 0; i < 4; i++) {
            pthread_join(threads[i], NULL);
            ck_assert_int_eq(users[i].differences, 0);
            cn_predictor_free(users[i].predictor);
        }
    }
    ck_fails(cn_predictor_clone(NULL, &users[0].predictor), CN_ERR_ARGUMENT, "predictor is NULL");
    ck_assert_ptr_null(users[0].predictor);
    predictions_end(&f);
}
END_TEST

/* From the context that all share; the locks are the library's. */
static void *make_often(void *argument) {
    user *u = argument;
    for (int i = 0; i < (test_quick() ? 3 : 20); i++) {
        cn_model *model = toy_model(u->f->ctx, CN_NORM_BATCH, 0.0f);
        toy_data data = toy_data_new(u->f->ctx, PREDICTIONS, 1);
        cn_predictor *predictor = predictor_for(model, 16);
        cn_tensor *output = float_tensor(u->f->ctx, 2, (int64_t[]){PREDICTIONS, TOY_CLASSES});
        u->differences += cn_predictor_run(predictor, u->f->images, output) != CN_OK;
        u->differences += memcmp(cn_tensor_data(output), cn_tensor_data(u->f->output), sizeof(float)) != 0;
        cn_tensor_free(output);
        cn_predictor_free(predictor);
        toy_data_free(&data);
        cn_model_free(model);
    }
    return NULL;
}

START_TEST(threads_may_make_things_in_one_context) {
    predictions f = predictions_begin(2);
    pthread_t threads[4];
    user users[4];
    cn_model *model = toy_model(f.ctx, CN_NORM_BATCH, 0.0f);
    cn_predictor *predictor = predictor_for(model, 16);
    ck_ok(cn_predictor_run(predictor, f.images, f.output));
    for (int i = 0; i < 4; i++) {
        users[i] = (user){&f, NULL, 0};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, make_often, &users[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(users[i].differences, 0);
    }
    cn_predictor_free(predictor);
    cn_model_free(model);
    predictions_end(&f);
}
END_TEST

/* What one block holds must not depend on what was in its lanes before. */
START_TEST(earlier_images_leave_no_trace) {
    predictions f = predictions_begin(1);
    cn_predictor *predictor = predictor_for(f.model, 0), *fresh = predictor_for(f.model, 0);
    cn_tensor *bad = float_tensor(f.ctx, 4, (int64_t[]){PREDICTIONS, 1, TOY_SIDE, TOY_SIDE}), *three, *a, *b;
    for (int64_t i = 0; i < cn_tensor_count(bad); i++)
        ((float *)cn_tensor_data(bad))[i] = NAN;
    ck_ok(cn_predictor_run(predictor, bad, f.output));
    ck_ok(cn_tensor_borrow(f.ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){3, 1, TOY_SIDE, TOY_SIDE}, cn_tensor_data(f.images),
                           &three));
    a = float_tensor(f.ctx, 2, (int64_t[]){3, TOY_CLASSES});
    b = float_tensor(f.ctx, 2, (int64_t[]){3, TOY_CLASSES});
    ck_ok(cn_predictor_run(predictor, three, a));
    ck_ok(cn_predictor_run(fresh, three, b));
    expect_bits(a, b);
    cn_tensor_free(bad);
    cn_tensor_free(three);
    cn_tensor_free(a);
    cn_tensor_free(b);
    cn_predictor_free(predictor);
    cn_predictor_free(fresh);
    predictions_end(&f);
}
END_TEST

START_TEST(what_does_not_fit_is_refused) {
    predictions f = predictions_begin(1);
    cn_predictor *predictor, *made;
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    cn_model *naive = toy_model(f.ctx, CN_NORM_NONE, 0.0f), *bare;
    cn_tensor *none = float_tensor(f.ctx, 4, (int64_t[]){0, 1, TOY_SIDE, TOY_SIDE});
    cn_tensor *no_output = float_tensor(f.ctx, 2, (int64_t[]){0, TOY_CLASSES});
    cn_tensor *wide = float_tensor(f.ctx, 4, (int64_t[]){PREDICTIONS, 1, TOY_SIDE, 9});
    predictor = predictor_for(naive, 0);
    ck_fails(cn_predictor_run(predictor, f.data.images, f.output), CN_ERR_STATE, "normalise");
    ck_fails(cn_predictor_run(predictor, wide, f.output), CN_ERR_SHAPE, "Linear 'fc': its input has 48 features");
    ck_fails(cn_predictor_run(predictor, f.data.labels, f.output), CN_ERR_SHAPE, "input is int64 [40]");
    ck_fails(cn_predictor_run(predictor, f.images, f.images), CN_ERR_SHAPE, "output is float32 [40, 1, 6, 6]");
    ck_fails(cn_predictor_run(predictor, f.images, no_output), CN_ERR_SHAPE, "output is float32 [0, 3]");
    ck_fails(cn_predictor_run(predictor, none, no_output), CN_ERR_SHAPE, "no images");
    ck_fails(cn_predictor_run(NULL, f.images, f.output), CN_ERR_ARGUMENT, "predictor is NULL");
    ck_fails(cn_predictor_run(predictor, NULL, f.output), CN_ERR_ARGUMENT, "input is NULL");
    ck_fails(cn_predictor_run(predictor, f.images, NULL), CN_ERR_ARGUMENT, "output is NULL");
    ck_ok(cn_predictor_run(predictor, f.images, f.output));
    options.max_batch_size = 0;
    ck_fails(cn_predictor_new(naive, &options, &made), CN_ERR_ARGUMENT, "max_batch_size is 0");
    options.max_batch_size = -1;
    ck_fails(cn_predictor_new(naive, &options, &made), CN_ERR_ARGUMENT, "max_batch_size is -1");
    ck_assert_ptr_null(made);
    ck_fails(cn_predictor_new(NULL, NULL, &made), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_predictor_new(naive, NULL, NULL), CN_ERR_ARGUMENT, "predictor is NULL");
    ck_ok(cn_model_new(f.ctx, 1, 2, 2, &bare));
    ck_fails(cn_predictor_new(bare, NULL, &made), CN_ERR_STATE, "cn_predictor_new");
    cn_predictor_free(predictor);
    cn_predictor_free(NULL);
    cn_model_free(naive);
    cn_model_free(bare);
    cn_tensor_free(none);
    cn_tensor_free(no_output);
    cn_tensor_free(wide);
    predictions_end(&f);
}
END_TEST

START_TEST(out_of_memory_is_a_status_and_running_needs_none) {
    counting_allocator counter = {0};
    cn_predictor *predictor, *clone;
    cn_context *ctx = counting_context(&counter, 2);
    cn_model *model = toy_model(ctx, CN_NORM_BATCH, 0.1f);
    ck_ok(cn_model_set_normalization(model, 1, (float[]){0.5f}, (float[]){0.5f}));
    cn_tensor *input = float_tensor(ctx, 4, (int64_t[]){50, 1, TOY_SIDE, TOY_SIDE});
    cn_tensor *output = float_tensor(ctx, 2, (int64_t[]){50, TOY_CLASSES});
    counter.persistent = _i;
    ck_survives(&counter, cn_predictor_new(model, NULL, &predictor), predictor, 5);
    long calls = counter.calls;
    ck_ok(cn_predictor_run(predictor, input, output));
    ck_assert_int_eq(counter.calls, calls);
    ck_survives(&counter, cn_predictor_clone(predictor, &clone), clone, 5);
    cn_predictor_free(predictor);
    ck_ok(cn_predictor_run(clone, input, output));
    cn_predictor_free(clone);
    cn_tensor_free(input);
    cn_tensor_free(output);
    cn_model_free(model);
    cn_context_free(ctx);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("predictor");
    TCase *group = tcase_create("predictor");
    tcase_add_test(group, predictions_are_the_models);
    tcase_add_loop_test(group, a_batch_is_normalised_as_a_whole, 0, 3);
    tcase_add_test(group, seventeen_images_are_one_batch);
    tcase_add_loop_test(group, many_images_of_wide_layers_give_what_few_do, 0, 3);
    tcase_add_test(group, bytes_are_normalised_as_in_training);
    tcase_add_test(group, a_predictor_keeps_what_the_model_was);
    tcase_add_test(group, threads_may_share_a_model);
    tcase_add_test(group, clones_share_what_the_model_was);
    tcase_add_test(group, threads_may_make_things_in_one_context);
    tcase_add_test(group, earlier_images_leave_no_trace);
    tcase_add_test(group, what_does_not_fit_is_refused);
    tcase_add_loop_test(group, out_of_memory_is_a_status_and_running_needs_none, 0, 2);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
