/* SPDX-License-Identifier: MIT */
/* test_self_test.c: one input of a model with its outputs, in its file: it survives, tells what has changed, and is not
 * believed blindly. */
#include "io/io.h"
#include "testing.h"
#include <math.h>
#include <stdlib.h>

static cn_context *shared;

static void begin(void) {
    shared = test_context(1);
}

static void end(void) {
    cn_context_free(shared);
}

/* Of colour pictures with batch norm, which knows how to normalise them. */
static cn_model *picture_model(void) {
    static const float mean[] = {0.4f, 0.5f, 0.6f}, std[] = {0.2f, 0.25f, 0.3f};
    cn_zoo_options options = CN_ZOO_OPTIONS_INIT;
    cn_model *model;
    options.width_mult = 0.5f;
    options.seed = 4;
    ck_ok(cn_model_zoo(shared, "resnet20", &options, &model));
    ck_ok(cn_model_set_normalization(model, 3, mean, std));
    return model;
}

static cn_tensor *picture(cn_dtype dtype, int64_t channels, int64_t side) {
    cn_tensor *tensor;
    ck_ok(cn_tensor_new(shared, dtype, 4, (int64_t[]){1, channels, side, side}, &tensor));
    for (int64_t i = 0; i < channels * side * side; i++)
        if (dtype == CN_DTYPE_UINT8)
            ((uint8_t *)cn_tensor_data(tensor))[i] = (uint8_t)(i / (side * side) * 60 + i * 7 % 50);
        else
            ((float *)cn_tensor_data(tensor))[i] = (float)(i % 13) / 7.0f - 1.0f;
    return tensor;
}

static cn_model *with_test(cn_dtype dtype) {
    cn_model *model = picture_model();
    cn_tensor *input = picture(dtype, 3, 32);
    ck_ok(cn_model_set_self_test(model, 1, (const cn_tensor *const *)&input));
    cn_tensor_free(input);
    return model;
}

static cn_model *reload(const cn_model *model) {
    cn_tensor *file;
    cn_model *loaded;
    ck_ok(cn_model_save_memory(model, &file));
    ck_ok(cn_model_load_memory(shared, cn_tensor_data(file), (size_t)cn_tensor_count(file), &loaded));
    cn_tensor_free(file);
    return loaded;
}

static void expect_same(const cn_tensor *a, const cn_tensor *b, size_t width) {
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_nonnull(b);
    ck_assert_int_eq(cn_tensor_dtype(a), cn_tensor_dtype(b));
    ck_assert_int_eq(cn_tensor_count(a), cn_tensor_count(b));
    ck_assert_int_eq(cn_tensor_dims(a), cn_tensor_dims(b));
    ck_assert_mem_eq(cn_tensor_data_const(a), cn_tensor_data_const(b), (size_t)cn_tensor_count(a) * width);
}

static void change_weight(cn_model *model) {
    cn_tensor *weight;
    ck_ok(cn_model_tensor(model, "conv1.weight", &weight));
    ((float *)cn_tensor_data(weight))[3] += 0.5f;
}

/* Loop index: pixels or floats. */
START_TEST(a_self_test_survives_in_the_file) {
    cn_dtype dtype = _i ? CN_DTYPE_FLOAT32 : CN_DTYPE_UINT8;
    cn_model *model = with_test(dtype), *loaded = reload(model), *again = reload(loaded);
    double off = 1.0;
    expect_same(cn_model_self_test_input(loaded, 0), cn_model_self_test_input(model, 0), _i ? 4 : 1);
    expect_same(cn_model_self_test_output(again, 0), cn_model_self_test_output(model, 0), 4);
    ck_assert_int_eq(cn_tensor_dims(cn_model_self_test_output(model, 0)), 2);
    ck_assert_ptr_null(cn_model_self_test_input(loaded, 1));
    ck_assert_ptr_null(cn_model_self_test_output(loaded, -1));
    ck_ok(cn_model_self_test(again, 1e-6, &off));
    ck_assert_double_le(off, 1e-6);
    ck_ok(cn_model_self_test(again, 0.01, NULL));
    cn_model_free(model);
    cn_model_free(loaded);
    cn_model_free(again);
}
END_TEST

/* What the interface is for: a program that exchanges red and blue finds out. */
START_TEST(other_preprocessing_is_found_out) {
    cn_model *model = with_test(CN_DTYPE_UINT8);
    const cn_tensor *pixels = cn_model_self_test_input(model, 0), *wanted = cn_model_self_test_output(model, 0);
    cn_tensor *exchanged = picture(CN_DTYPE_UINT8, 3, 32), *got;
    cn_predictor *predictor;
    for (int64_t c = 0; c < 3; c++)
        memcpy((uint8_t *)cn_tensor_data(exchanged) + c * 1024,
               (const uint8_t *)cn_tensor_data_const(pixels) + (2 - c) * 1024, 1024);
    ck_ok(cn_tensor_new(shared, CN_DTYPE_FLOAT32, 2, (int64_t[]){1, 10}, &got));
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    for (int wrong = 0; wrong < 2; wrong++) {
        double off = 0.0, most = 0.0;
        ck_ok(cn_predictor_run(predictor, wrong ? exchanged : pixels, got));
        for (int k = 0; k < 10; k++) {
            double w = (double)((const float *)cn_tensor_data_const(wanted))[k];
            off = fmax(off, fabs((double)((const float *)cn_tensor_data(got))[k] - w));
            most = fmax(most, fabs(w));
        }
        ck_assert_int_eq(off > 1e-4 * most, wrong);
    }
    cn_predictor_free(predictor);
    cn_tensor_free(exchanged);
    cn_tensor_free(got);
    cn_model_free(model);
}
END_TEST

START_TEST(a_changed_model_says_so_and_is_saved_with_what_it_gives_now) {
    static const float mean[] = {0.1f, 0.2f, 0.3f}, std[] = {1.0f, 1.0f, 1.0f};
    cn_model *model = with_test(CN_DTYPE_UINT8), *loaded;
    float before = ((const float *)cn_tensor_data_const(cn_model_self_test_output(model, 0)))[0];
    change_weight(model);
    ck_fails(cn_model_self_test(model, 1.0, NULL), CN_ERR_STATE, "has been changed");
    loaded = reload(model);
    ck_ok(cn_model_self_test(loaded, 1e-6, NULL));
    ck_assert_float_ne(((const float *)cn_tensor_data_const(cn_model_self_test_output(loaded, 0)))[0], before);
    ck_ok(cn_model_set_normalization(loaded, 3, mean, std)); /* no parameter, but another output */
    ck_fails(cn_model_self_test(loaded, 1.0, NULL), CN_ERR_STATE, "has been changed");
    cn_model *again = reload(loaded);
    ck_ok(cn_model_self_test(again, 1e-6, NULL));
    cn_model_free(again);
    cn_model_free(loaded);
    cn_model_free(model);
}
END_TEST

/* A layer without parameters in place of another: only that the model has been changed tells. */
START_TEST(a_replaced_layer_counts_as_a_change) {
    cn_model *model = with_test(CN_DTYPE_FLOAT32), *loaded;
    cn_layer *layer;
    ck_ok(cn_silu_new(shared, &layer));
    ck_ok(cn_model_replace(model, "relu", layer));
    ck_ok(cn_model_init(model, 4));
    ck_fails(cn_model_self_test(model, 1.0, NULL), CN_ERR_STATE, "has been changed");
    loaded = reload(model);
    ck_ok(cn_model_self_test(loaded, 1e-6, NULL));
    cn_model_free(loaded);
    cn_model_free(model);
}
END_TEST

START_TEST(several_inputs_and_outputs_go_along) {
    cn_model *model, *loaded;
    cn_layer *layer;
    ck_ok(cn_model_new(shared, 3, 6, 6, &model));
    ck_ok(cn_model_add_input(model, "more", 2, 6, 6));
    ck_ok(cn_concat_new(shared, &layer));
    ck_ok(cn_model_add(model, "all", layer, 2, (const char *[]){"input", "more"}));
    ck_ok(cn_conv2d_new(shared, 5, 2, 3, 3, NULL, &layer));
    ck_ok(cn_model_add(model, "map", layer, 1, (const char *[]){"all"}));
    ck_ok(cn_adaptive_avg_pool2d_new(shared, 1, 1, &layer));
    ck_ok(cn_model_add(model, "mean", layer, 1, (const char *[]){"map"}));
    ck_ok(cn_model_set_outputs(model, 2, (const char *[]){"mean", "map"}));
    ck_ok(cn_model_init(model, 1));
    cn_tensor *inputs[] = {picture(CN_DTYPE_FLOAT32, 3, 6), picture(CN_DTYPE_FLOAT32, 2, 6)};
    ck_ok(cn_model_set_self_test(model, 2, (const cn_tensor *const *)inputs));
    loaded = reload(model);
    ck_ok(cn_model_self_test(loaded, 1e-6, NULL));
    ck_assert_int_eq(cn_tensor_count(cn_model_self_test_input(loaded, 1)), 72);
    ck_assert_int_eq(cn_tensor_count(cn_model_self_test_output(loaded, 0)), 2);
    ck_assert_int_eq(cn_tensor_shape(cn_model_self_test_output(loaded, 1), 3), 4);
    ck_fails(cn_model_set_self_test(loaded, 1, (const cn_tensor *const *)inputs), CN_ERR_SHAPE, "the model has 2");
    ck_assert_ptr_nonnull(cn_model_self_test_input(loaded, 1)); /* as it was */
    ck_ok(cn_model_set_self_test(loaded, 0, NULL));
    ck_assert_ptr_null(cn_model_self_test_input(loaded, 0));
    cn_tensor_free(inputs[0]);
    cn_tensor_free(inputs[1]);
    cn_model_free(model);
    cn_model_free(loaded);
}
END_TEST

START_TEST(what_is_no_self_test_is_refused) {
    cn_model *model = picture_model(), *bare;
    cn_tensor *small = picture(CN_DTYPE_UINT8, 3, 16), *nan = picture(CN_DTYPE_FLOAT32, 3, 32);
    cn_tensor *bytes = picture(CN_DTYPE_UINT8, 3, 32), *none = NULL;
    ((float *)cn_tensor_data(nan))[7] = NAN;
    ck_fails(cn_model_self_test(model, 1e-4, NULL), CN_ERR_NOT_FOUND, "has no self-test");
    ck_fails(cn_model_set_self_test(model, 1, (const cn_tensor *const *)&small), CN_ERR_SHAPE, "[1, 3, 32, 32]");
    ck_fails(cn_model_set_self_test(model, 1, (const cn_tensor *const *)&nan), CN_ERR_DATA, "not finite");
    ck_fails(cn_model_set_self_test(model, 1, (const cn_tensor *const *)&none), CN_ERR_ARGUMENT, "input 0 is NULL");
    ck_fails(cn_model_set_self_test(model, 1, NULL), CN_ERR_ARGUMENT, "NULL");
    ck_ok(cn_model_set_self_test(model, 1, (const cn_tensor *const *)&bytes));
    ck_fails(cn_model_self_test(model, NAN, NULL), CN_ERR_ARGUMENT, "tolerance");
    ck_ok(cn_model_mnist(shared, 2, 1, &bare));
    cn_tensor *digit = picture(CN_DTYPE_UINT8, 1, 28);
    ck_fails(cn_model_set_self_test(bare, 1, (const cn_tensor *const *)&digit), CN_ERR_STATE, "does not know how");
    cn_tensor_free(small);
    cn_tensor_free(nan);
    cn_tensor_free(bytes);
    cn_tensor_free(digit);
    cn_model_free(model);
    cn_model_free(bare);
}
END_TEST

START_TEST(what_is_too_large_for_a_file_is_refused) {
    cn_model *model;
    cn_layer *layer;
    cn_tensor *input = picture(CN_DTYPE_FLOAT32, 3, 600);
    ck_ok(cn_model_new(shared, 3, 600, 600, &model));
    ck_ok(cn_relu_new(shared, &layer));
    ck_ok(cn_model_add(model, "relu", layer, 1, (const char *[]){"input"}));
    ck_ok(cn_model_init(model, 1));
    ck_fails(cn_model_set_self_test(model, 1, (const cn_tensor *const *)&input), CN_ERR_SHAPE,
             "8640000 bytes, files hold at most 4194304");
    ck_assert_ptr_null(cn_model_self_test_input(model, 0));
    cn_tensor_free(input);
    cn_model_free(model);
}
END_TEST

/* ---- files ---- */

/* A file whose metadata have another text in place of one, of the same length. */
static cn_status load_changed(const cn_tensor *file, const char *from, const char *to, cn_model **loaded) {
    size_t bytes = (size_t)cn_tensor_count(file), length = strlen(from);
    char *copy = malloc(bytes);
    memcpy(copy, cn_tensor_data_const(file), bytes);
    ck_assert_uint_eq(length, strlen(to));
    size_t i = 0;
    while (i + length <= bytes && memcmp(copy + i, from, length) != 0)
        i++;
    ck_assert_msg(i + length <= bytes, "no '%s'", from);
    memcpy(copy + i, to, length);
    cn_status status = cn_model_load_memory(shared, copy, bytes, loaded);
    free(copy);
    return status;
}

START_TEST(damage_is_found_out) {
    static const char *const changes[][3] = {
        {"\\\"U8\\\"", "\\\"U9\\\"", "by its checksum"},
        {"convnet.self_test\"", "convnet.self_tesu\"", "a checksum of one, but not itself"},
        {"self_test.crc32", "self_test.crc33", "its checksum is missing"},
    };
    cn_model *model = with_test(CN_DTYPE_UINT8), *loaded;
    cn_tensor *file;
    ck_ok(cn_model_save_memory(model, &file));
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        ck_fails(load_changed(file, changes[i][0], changes[i][1], &loaded), CN_ERR_FORMAT, changes[i][2]);
        ck_assert_ptr_null(loaded);
    }
    cn_tensor_free(file);
    cn_model_free(model);
}
END_TEST

/* A file of the model with that text for a self-test, and a checksum that fits it. */
static cn_status load_forged(const cn_model *model, const char *text, cn_model **loaded) {
    char crc[CN__CRC_TEXT], *architecture;
    cn_tensor *file;
    cn__crc_text(crc, cn__crc_add(0, text, strlen(text)));
    const cn__metadata metadata[] = {{CN__KEY_SELF_TEST, text}, {CN__KEY_SELF_TEST_CRC, crc}};
    ck_ok(cn__architecture_write(model, &architecture));
    ck_ok(cn__model_pack(model, architecture, CN_WEIGHTS_FLOAT32,
                         &(cn__beside){.metadata = metadata, .metadata_count = 2}, &file));
    cn_status status = cn_model_load_memory(shared, cn_tensor_data(file), (size_t)cn_tensor_count(file), loaded);
    cn_tensor_free(file);
    cn_text_free(architecture);
    return status;
}

START_TEST(hostile_texts_are_refused) {
#define TENSOR(dtype, shape, data) "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data\":\"" data "\"}"
#define IN                         "{\"inputs\":[" TENSOR("F32", "[1,1,1,2]", "AACAPwAAAEA=") "],\"outputs\":"
    static const char *const texts[][2] = {
        {"", "its self-test"},
        {"[]", "another number of inputs"},
        {"{\"inputs\":7,\"outputs\":[]}", "another number of inputs"},
        {"{\"inputs\":[{}],\"outputs\":[]}", "without data"},
        {"{\"inputs\":[" TENSOR("F32", "[1,1,1,2]", "AACAPwAAAEA=") "]}", "another number of outputs"},
        {IN "[" TENSOR("U8", "[1,1,1,2]", "AAA=") "]}", "of another type"},
        {"{\"inputs\":[" TENSOR("U8", "[1,1,1,2]", "AAA=") "],\"outputs\":[]}", "of another type"}, /* no mean */
        {IN "[" TENSOR("F32", "[1,1,1,2]", "AACAPwAAAE") "]}", "of another size"},
        {IN "[" TENSOR("F32", "[1,1,1,2]", "AACAPwAAAEA=AAAA") "]}", "of another size"},
        {IN "[" TENSOR("F32", "[1,1,2,1]", "AACAPwAAAEA=") "]}", "of another shape"},
        {IN "[" TENSOR("F32", "[1,1,2]", "AACAPwAAAEA=") "]}", "of another shape"},
        {IN "[" TENSOR("F32", "[1,1,1,2]", "AACAPw!AAEA=") "]}", "no numbers"},
        {IN "[" TENSOR("F32", "[1,1,1,2]", "AACAPwAAAEAA") "]}", "no numbers"},
        {IN "[" TENSOR("F32", "[1,1,1,2]", "AADAfwAAAEA=") "]}", "no numbers"}, /* NaN */
    };
    cn_model *model, *loaded;
    cn_layer *layer;
    ck_ok(cn_model_new(shared, 1, 1, 2, &model));
    ck_ok(cn_relu_new(shared, &layer));
    ck_ok(cn_model_add(model, "relu", layer, 1, (const char *[]){"input"}));
    ck_ok(cn_model_init(model, 1));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ck_fails(load_forged(model, texts[i][0], &loaded), CN_ERR_FORMAT, texts[i][1]);
        ck_assert_ptr_null(loaded);
    }
    ck_ok(load_forged(model, IN "[" TENSOR("F32", "[1,1,1,2]", "AACAPwAAAEA=") "]}", &loaded));
    ck_ok(cn_model_self_test(loaded, 0.0, NULL)); /* 1 and 2 */
    cn_model_free(loaded);
    double off;
    ck_ok(load_forged(model, IN "[" TENSOR("F32", "[1,1,1,2]", "AACAPwAAgEA=") "]}", &loaded));
    ck_fails(cn_model_self_test(loaded, 0.1, &off), CN_ERR_NUMERIC, "output 'relu' is off by 0.5 of its largest");
    ck_assert_double_eq(off, 0.5);
    cn_model_free(loaded);
    cn_model_free(model);
}
END_TEST

START_TEST(each_allocation_may_fail) {
    counting_allocator counter = {0};
    cn_context *own = shared, *counted = counting_context(&counter, 1);
    cn_model *model, *loaded;
    cn_tensor *file, *input;
    shared = counted;
    ck_ok(cn_model_mnist(counted, 4, 1, &model));
    input = picture(CN_DTYPE_FLOAT32, 1, 28);
    cn_tensor *none = NULL;
    ck_survives(&counter, cn_model_set_self_test(model, 1, (const cn_tensor *const *)&input), none, 5);
    ck_survives(&counter, cn_model_save_memory(model, &file), file, 5);
    ck_survives(&counter, cn_model_load_memory(counted, cn_tensor_data(file), (size_t)cn_tensor_count(file), &loaded),
                loaded, 20);
    ck_ok(cn_model_self_test(loaded, 1e-6, NULL));
    cn_tensor_free(file);
    cn_tensor_free(input);
    cn_model_free(loaded);
    cn_model_free(model);
    shared = own;
    cn_context_free(counted);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("self_test");
    TCase *group = tcase_create("self_test");
    tcase_add_checked_fixture(group, begin, end);
    tcase_add_loop_test(group, a_self_test_survives_in_the_file, 0, 2);
    tcase_add_test(group, other_preprocessing_is_found_out);
    tcase_add_test(group, a_changed_model_says_so_and_is_saved_with_what_it_gives_now);
    tcase_add_test(group, a_replaced_layer_counts_as_a_change);
    tcase_add_test(group, several_inputs_and_outputs_go_along);
    tcase_add_test(group, what_is_no_self_test_is_refused);
    tcase_add_test(group, what_is_too_large_for_a_file_is_refused);
    tcase_add_test(group, damage_is_found_out);
    tcase_add_test(group, hostile_texts_are_refused);
    tcase_add_test(group, each_allocation_may_fail);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
