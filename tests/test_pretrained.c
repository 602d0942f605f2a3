/* SPDX-License-Identifier: MIT */
/* test_pretrained.c: the trained model that is part of the library, and the file of it that is installed. */
#include "testing.h"
#include <math.h>
#include <string.h>

TEST_RUNS_ONCE;

#define FILE_OF_IT "weights/session8-cifar10.safetensors"

static cn_context *ctx;
static cn_model *model;

static void setup(void) {
    ctx = test_context(1);
}

static void teardown(void) {
    cn_model_free(model);
    model = NULL;
    cn_context_free(ctx);
}

START_TEST(it_is_session8_with_batch_norm) {
    int64_t shape[3];
    cn_tensor *tensor;
    ck_ok(cn_model_session8_pretrained(ctx, &model));
    ck_assert_int_eq(cn_model_parameter_count(model), 47818);
    cn_model_input_shape(model, shape);
    ck_assert(shape[0] == 3 && shape[1] == 32 && shape[2] == 32);
    ck_ok(cn_model_tensor(model, "cblock3.2.normlayer.running_var", &tensor));
    ck_assert_str_eq(cn_model_class_name(model, 0), "airplane");
    ck_assert_str_eq(cn_model_class_name(model, 9), "truck");
    ck_assert_ptr_null(cn_model_class_name(model, 10));
}
END_TEST

START_TEST(it_is_the_file) {
    cn_model *loaded;
    ck_ok(cn_model_session8_pretrained(ctx, &model));
    ck_ok(cn_model_load(ctx, FILE_OF_IT, &loaded));
    ck_assert_int_eq(cn_model_tensor_count(loaded), cn_model_tensor_count(model));
    for (int i = 0; i < cn_model_tensor_count(model); i++) {
        const char *name = cn_model_tensor_name(model, i);
        cn_tensor *ours, *theirs;
        ck_ok(cn_model_tensor(model, name, &ours));
        ck_ok(cn_model_tensor(loaded, name, &theirs));
        size_t bytes = (size_t)cn_tensor_count(ours) * (cn_tensor_dtype(ours) == CN_DTYPE_INT64 ? 8 : 4);
        ck_assert_msg(memcmp(cn_tensor_data(ours), cn_tensor_data(theirs), bytes) == 0, "%s differs", name);
    }
    cn_model_free(loaded);
}
END_TEST

START_TEST(it_knows_how_to_read_pixels) {
    cn_predictor *predictor;
    cn_tensor *image, *scores;
    double sum = 0.0;
    ck_ok(cn_model_session8_pretrained(ctx, &model));
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, (int64_t[]){1, 3, 32, 32}, &image));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){1, 10}, &scores));
    ck_ok(cn_predictor_run(predictor, image, scores));
    for (int k = 0; k < 10; k++)
        sum += exp((double)((const float *)cn_tensor_data(scores))[k]);
    ck_assert_double_eq_tol(sum, 1.0, 1e-5);
    cn_tensor_free(scores);
    cn_tensor_free(image);
    cn_predictor_free(predictor);
}
END_TEST

/* Packed weights are 0.8 MiB of it. */
START_TEST(to_classify_one_image_takes_little_memory) {
    cn_predictor *predictor;
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    options.max_batch_size = 1;
    ck_ok(cn_model_session8_pretrained(ctx, &model));
    size_t before = cn_context_memory(ctx);
    ck_ok(cn_predictor_new(model, &options, &predictor));
    ck_assert_uint_lt(cn_context_memory(ctx) - before, 3 << 19);
    cn_predictor_free(predictor);
}
END_TEST

START_TEST(misuse_is_refused) {
    ck_fails(cn_model_session8_pretrained(NULL, &model), CN_ERR_ARGUMENT, "context is NULL");
    ck_fails(cn_model_session8_pretrained(ctx, NULL), CN_ERR_ARGUMENT, "model is NULL");
}
END_TEST

static void add_tests(TCase *tcase) {
    tcase_add_test(tcase, it_is_session8_with_batch_norm);
    tcase_add_test(tcase, it_is_the_file);
    tcase_add_test(tcase, it_knows_how_to_read_pixels);
    tcase_add_test(tcase, to_classify_one_image_takes_little_memory);
    tcase_add_test(tcase, misuse_is_refused);
}

int main(void) {
    Suite *suite = suite_create("pretrained");
    TCase *tcase = tcase_create("pretrained");
    tcase_add_checked_fixture(tcase, setup, teardown);
    add_tests(tcase);
    suite_add_tcase(suite, tcase);
    return test_run(suite);
}
