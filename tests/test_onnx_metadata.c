/* SPDX-License-Identifier: MIT */
/* test_onnx_metadata.c: what ONNX files say beside the graph, and the nodes that normalise: class names and normalisation, of
 * ours and of others, those that do not fit, and damage. */
#include "onnx_saved.h"
#include "testing.h"
#include "onnx/proto.h"
#include <stdlib.h>

TEST_RUNS_ONCE;

static const float mean[3] = {0.485f, 0.456f, 0.406f}, deviation[3] = {0.229f, 0.224f, 0.225f};
static const char *const classes[4] = {"frog", "", "\"quoted\" \\ \n", "na\xc3\xafve \xf0\x9f\x90\xb8"};

/* 3×6×5 images, four classes. */
static cn_model *classifier(void) {
    cn_model *model = model_for(3, 6, 5);
    cn_layer *layer;
    ck_ok(cn_conv2d_new(ctx, 3, 4, 3, 3, NULL, &layer));
    ck_ok(cn_model_append(model, "conv", layer));
    ck_ok(cn_adaptive_avg_pool2d_new(ctx, 1, 1, &layer));
    ck_ok(cn_model_append(model, "pool", layer));
    ck_ok(cn_flatten_new(ctx, &layer));
    ck_ok(cn_model_append(model, "flatten", layer));
    ck_ok(cn_model_init(model, 1));
    return model;
}

START_TEST(class_names_and_normalisation_come_back) {
    cn_model *model = classifier();
    const float *given_mean, *given_std;
    ck_ok(cn_model_set_class_names(model, 4, classes));
    ck_ok(cn_model_set_normalization(model, 3, mean, deviation));
    cn_model *again = there_and_back(model, NULL);
    ck_assert_int_eq(cn_model_class_count(again), 4);
    for (int i = 0; i < 4; i++)
        ck_assert_str_eq(cn_model_class_name(again, i), classes[i]);
    ck_assert_int_eq(cn_model_normalization(again, &given_mean, &given_std), 3);
    ck_assert_mem_eq(given_mean, mean, sizeof mean);
    ck_assert_mem_eq(given_std, deviation, sizeof deviation);
    cn_model_free(model);
    cn_model_free(again);
}
END_TEST

START_TEST(what_is_not_known_is_not_written) {
    cn_model *model = classifier(), *again = there_and_back(model, NULL);
    const float *given_mean, *given_std;
    ck_assert_int_eq(cn_model_class_count(again), 0);
    ck_assert_int_eq(cn_model_normalization(again, &given_mean, &given_std), 0);
    cn_model_free(model);
    cn_model_free(again);
}
END_TEST

static void predict(const cn_model *model, const cn_tensor *input, cn_tensor *output) {
    cn_predictor *predictor;
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    ck_ok(cn_predictor_run(predictor, input, output));
    cn_predictor_free(predictor);
}

/* 8-bit images give what they gave, and so do the same numbers as floats. */
START_TEST(preprocessing_is_part_of_the_graph) {
    enum { IMAGES = 2, VALUES = IMAGES * 3 * 6 * 5 };
    cn_onnx_options options = CN_ONNX_OPTIONS_INIT;
    cn_tensor *pixels = tensor_of(CN_DTYPE_UINT8, 4, (int64_t[4]){IMAGES, 3, 6, 5}), *floats = images(IMAGES, 3, 6, 5);
    cn_tensor *wanted = images(IMAGES, 4, 1, 1), *given = images(IMAGES, 4, 1, 1);
    cn_model *model = classifier();
    for (int i = 0; i < VALUES; i++) {
        ((uint8_t *)cn_tensor_data(pixels))[i] = (uint8_t)(i * 37);
        ((float *)cn_tensor_data(floats))[i] = (float)(uint8_t)(i * 37);
    }
    ck_ok(cn_model_set_normalization(model, 3, mean, deviation));
    options.include_preprocessing = 1;
    cn_model *again = there_and_back(model, &options);
    predict(model, pixels, wanted);
    predict(again, pixels, given);
    expect_near(wanted, given, 1e-5, "8-bit images");
    predict(again, floats, given);
    expect_near(wanted, given, 1e-5, "floats");
    cn_tensor_free(pixels);
    cn_tensor_free(floats);
    cn_tensor_free(wanted);
    cn_tensor_free(given);
    cn_model_free(model);
    cn_model_free(again);
}
END_TEST

/* The classifier's file with a line of metadata more. */
static cn_status load_with(const char *key, const char *value, cn_model **model) {
    cn_model *plain = classifier();
    cn_tensor *file = written(plain);
    cn__message line = {.ctx = ctx}, more = {.ctx = ctx};
    size_t count = (size_t)cn_tensor_count(file);
    cn__message_text(&line, CN__ENTRY_KEY, key);
    cn__message_text(&line, CN__ENTRY_VALUE, value);
    cn__message_put(&more, CN__MODEL_METADATA, &line);
    unsigned char *bytes = malloc(count + more.count);
    memcpy(bytes, cn_tensor_data_const(file), count);
    memcpy(bytes + count, more.data, more.count);
    cn_status status = cn_model_load_memory(ctx, bytes, count + more.count, model);
    free(bytes);
    cn__message_drop(&line);
    cn__message_drop(&more);
    cn_tensor_free(file);
    cn_model_free(plain);
    return status;
}

static const struct {
    const char *text, *names[4]; /* the first NULL: not taken */
} dicts[] = {
    {"{0: 'frog', 1: 'toad', 2: 'newt', 3: 'eft'}", {"frog", "toad", "newt", "eft"}},
    {"{0: \"bird's nest\", 1: '\\\\', 2: 'it\\'s', 3: '\xc3\xa9'}", {"bird's nest", "\\", "it's", "\xc3\xa9"}},
    {"{0:'a',1:'b',2:'',3:'d'}", {"a", "b", "", "d"}},
    {"{0: 'a', 1: 'b', 2: 'c'}", {NULL}},
    {"{0: 'a', 1: 'b', 2: 'c', 3: 'd', 4: 'e'}", {NULL}},
    {"{0: 'a', 2: 'b', 1: 'c', 3: 'd'}", {NULL}},
    {"{0: 'a', 1: 'b', 2: 'c', 3: 'd'", {NULL}},
    {"{0: 'a', 1: 'b', 2: 'c', 3: 'd'} ", {NULL}},
    {"{0: 'a', 1: 'b', 2: 'c', 3: 'd", {NULL}},
    {"{0: 'a', 1: 'b', 2: 'c', 3: '\\x64'}", {NULL}},
    {"{0: 'a', 1: 'b', 2: 'c', 3: '\\", {NULL}},
    {"{0: 'a', 1: 'b', 2: 'c', 3: '\xff'}", {NULL}},
    {"{0: 1, 1: 2, 2: 3, 3: 4}", {NULL}},
    {"['a', 'b', 'c', 'd']", {NULL}},
    {"{", {NULL}},
    {"", {NULL}},
};

START_TEST(names_are_understood_as_ultralytics_writes_them) {
    cn_model *model;
    ck_ok(load_with("names", dicts[_i].text, &model));
    ck_assert_int_eq(cn_model_class_count(model), dicts[_i].names[0] ? 4 : 0);
    for (int i = 0; i < 4 && dicts[_i].names[0]; i++)
        ck_assert_str_eq(cn_model_class_name(model, i), dicts[_i].names[i]);
    cn_model_free(model);
}
END_TEST

/* Whoever has cut off a network's end has left its classes in the file. */
START_TEST(metadata_that_do_not_fit_are_left_out) {
    cn_model *model;
    ck_ok(load_with("convnet.class_names", "[\"a\", \"b\"]", &model));
    ck_assert_int_eq(cn_model_class_count(model), 0);
    cn_model_free(model);
    ck_ok(load_with("convnet.class_names", "[\"a\", \"b\", 3, 4]", &model));
    ck_assert_int_eq(cn_model_class_count(model), 0);
    cn_model_free(model);
    ck_ok(load_with("convnet.mean", "[0, 0, 0]", &model));
    cn_model_free(model);
}
END_TEST

START_TEST(damaged_metadata_are_refused) {
    cn_model *model;
    ck_fails(load_with("convnet.class_names", "[\"a\", ", &model), CN_ERR_FORMAT, "convnet.class_names");
    ck_assert_ptr_null(model);
    ck_fails(load_with("convnet.class_names", "{}", &model), CN_ERR_FORMAT, "its convnet.class_names is no list");
    ck_fails(load_with("convnet.std", "", &model), CN_ERR_FORMAT, "convnet.std");
}
END_TEST

START_TEST(a_normalisation_that_is_none_is_refused) {
    cn_model *model = classifier(), *again;
    ck_ok(cn_model_set_normalization(model, 3, mean, deviation));
    cn_tensor *file = written(model);
    const char *text = "[0.229";
    unsigned char *at = cn_tensor_data(file), *end = at + cn_tensor_count(file) - strlen(text);
    while (at < end && memcmp(at, text, strlen(text)) != 0)
        at++;
    memcpy(at, "[-0.29", strlen(text));
    ck_fails(cn_model_load_memory(ctx, cn_tensor_data_const(file), (size_t)cn_tensor_count(file), &again),
             CN_ERR_FORMAT, "are no mean and std");
    ck_assert_ptr_null(again);
    cn_tensor_free(file);
    cn_model_free(model);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("onnx_metadata");
    const TTest *const each_dict[] = {names_are_understood_as_ultralytics_writes_them};
    const TTest *const once[] = {class_names_and_normalisation_come_back,
                                 what_is_not_known_is_not_written,
                                 preprocessing_is_part_of_the_graph,
                                 metadata_that_do_not_fit_are_left_out,
                                 damaged_metadata_are_refused,
                                 a_normalisation_that_is_none_is_refused};
    add_tests(suite, "names", set_up, tear_down, each_dict, COUNT(each_dict), (int)COUNT(dicts));
    add_tests(suite, "once", set_up, tear_down, once, COUNT(once), 1);
    return test_run(suite);
}
