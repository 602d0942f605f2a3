/* SPDX-License-Identifier: MIT */
/* test_model_file.c: models into files and back: every layer and option, refusals, files of earlier days.
 *
 * With an argument it writes the model of every layer there, as was done once for tests/golden/model_1.safetensors. */
#include "activations.h"
#include "every_layer.h"
#include "model_files.h"
#include "network.h"
#include "io/io.h"
#include "whole_file.h"
#include <locale.h>
#include <math.h>
#include <stdio.h>

/* ---- comparing ---- */

static void compare_layers(const cn_model *a, const cn_model *b) {
    char *x, *y;
    ck_ok(cn_model_summary(a, &x));
    ck_ok(cn_model_summary(b, &y));
    ck_assert_str_eq(x, y);
    cn_text_free(x);
    cn_text_free(y);
    for (int k = 0; cn_model_class_name(a, k) || cn_model_class_name(b, k); k++)
        ck_assert_pstr_eq(cn_model_class_name(a, k), cn_model_class_name(b, k));
    ck_assert_int_eq(!a->mean, !b->mean);
    if (a->mean) {
        ck_assert_mem_eq(a->mean, b->mean, (size_t)a->input.channels * sizeof(float));
        ck_assert_mem_eq(a->std, b->std, (size_t)a->input.channels * sizeof(float));
    }
}

/* The model's answer to two images of quarters. */
static void evaluate(cn_model *model, cn_tensor **output) {
    int64_t in[4] = {2, 0, 0, 0}, out[4] = {2, 0, 0, 0};
    cn_tensor *input;
    cn_model_input_shape(model, in + 1);
    cn_model_output_shape(model, out + 1);
    ck_ok(cn_tensor_new(files.ctx, CN_DTYPE_FLOAT32, 4, in, &input));
    ck_ok(cn_tensor_new(files.ctx, CN_DTYPE_FLOAT32, 4, out, output));
    for (int64_t i = 0; i < cn_tensor_count(input); i++)
        ((float *)cn_tensor_data(input))[i] = (float)((i * 13) % 17 - 8) / 4.0f;
    ck_ok(cn_model_forward(model, 0, input, *output));
    cn_tensor_free(input);
}

static void compare_outputs(cn_model *a, cn_model *b) {
    cn_tensor *x, *y;
    evaluate(a, &x);
    evaluate(b, &y);
    ck_assert_mem_eq(cn_tensor_data(x), cn_tensor_data(y), (size_t)cn_tensor_count(x) * sizeof(float));
    cn_tensor_free(x);
    cn_tensor_free(y);
}

/* Saves, loads, saves again: the same model, and the same bytes. Frees it. */
static void check_round_trip(cn_model *model) {
    cn_model *loaded;
    ck_ok(cn_model_save(model, files.path));
    ck_ok(cn_model_load(files.ctx, files.path, &loaded));
    compare_layers(model, loaded);
    expect_same_tensors(model, loaded);
    compare_outputs(model, loaded);
    ck_ok(cn_model_save(loaded, files.other));
    expect_same_files(files.path, files.other);
    cn_model_free(loaded);
    cn_model_free(model);
}

/* ---- round trips ---- */

START_TEST(every_layer_and_option_comes_back) {
    check_round_trip(every_layer_model(files.ctx));
}
END_TEST

START_TEST(session8_comes_back) {
    cn_session8_options options = CN_SESSION8_OPTIONS_INIT;
    cn_model *model;
    options.norm = (cn_norm_kind)_i;
    options.skip = _i % 2;
    options.seed = 7;
    ck_ok(cn_model_session8(files.ctx, &options, &model));
    check_round_trip(model);
}
END_TEST

START_TEST(mnist_networks_come_back) {
    cn_model *model;
    ck_ok(cn_model_mnist(files.ctx, _i, 3, &model));
    check_round_trip(model);
}
END_TEST

START_TEST(numbers_are_bits) {
    cn_model *model = tiny_model(files.ctx);
    cn_tensor *tensor;
    ck_ok(cn_model_tensor(model, "c.weight", &tensor));
    float *values = cn_tensor_data(tensor);
    values[0] = NAN;
    values[1] = -INFINITY;
    values[2] = -0.0f;
    values[3] = 1e-45f;
    ck_ok(cn_model_tensor(model, "n.num_batches_tracked", &tensor));
    *(int64_t *)cn_tensor_data(tensor) = -0x0123456789abcdef;
    cn_model *loaded;
    ck_ok(cn_model_save(model, files.path));
    ck_ok(cn_model_load(files.ctx, files.path, &loaded));
    expect_same_tensors(model, loaded);
    cn_model_free(loaded);
    cn_model_free(model);
}
END_TEST

START_TEST(a_model_without_tensors_comes_back) {
    cn_model *model;
    cn_layer *relu;
    ck_ok(cn_model_new(files.ctx, 1, 2, 2, &model));
    ck_ok(cn_relu_new(files.ctx, &relu));
    ck_ok(cn_model_append(model, "relu", relu));
    ck_ok(cn_model_init(model, 0));
    check_round_trip(model);
}
END_TEST

START_TEST(every_activation_comes_back) {
    cn_model *model;
    ck_ok(cn_model_new(files.ctx, 3, 4, 5, &model));
    for (int i = 0; i < activation_count; i++) {
        cn_layer *layer;
        ck_ok(activations[i].make(files.ctx, activations[i].example[0], activations[i].example[1], &layer));
        ck_ok(cn_model_append(model, activations[i].word, layer));
    }
    ck_ok(cn_model_init(model, 0));
    check_round_trip(model);
}
END_TEST

/* Those that came after version 1, with options that are not the usual ones, and real numbers that float does not
 * have. */
static const char *const later_layers[] = {
    "eval 1x4x6x6 | reshape to=6x-1x6 | pixel_unshuffle factor=2 | pixel_shuffle factor=2 | channel_shuffle groups=3 | "
    "pad pad=1x-1x0x2 value=0.1 | pad pad=1x0x2x1 mode=circular | pad pad=2 mode=reflect | prelu weights=6 | prelu | "
    "identity | concat @10 @9 @10",
    "eval 2x4x6x5 | adaptive_avg_pool out=1 | mul @0 @1 | add @2 @1 @0",
    "eval 2x4x6x5 | upsample by=1.3x2.7 | upsample bilinear=1 corners=1 out=4x9 | upsample bilinear=1 by=0.7",
    "eval 2x4x6x5 | conv_transpose2d out=6 kernel=3x2 stride=2x3 padding=1x0 output_padding=1x2 dilation=2x1 "
    "groups=2 | layer_norm2d eps=1e-6 | conv_transpose2d out=3 kernel=1 bias=0 | layer_norm2d affine=0 | "
    "adaptive_max_pool out=3x2",
    "eval 2x4x6x5 | local_response_norm size=3 alpha=0.125 beta=0.5 k=2 | local_response_norm",
};

START_TEST(later_layers_come_back) {
    network net = network_of(later_layers[_i]);
    check_round_trip(net_make_model(files.ctx, &net, 1));
}
END_TEST

/* Where there is a locale with a decimal comma, files do not get one. */
START_TEST(the_locale_plays_no_part) {
    static const char *const locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "ru_RU.UTF-8", "de_DE", "fr_FR"};
    size_t i = 0;
    cn_model *model = every_layer_model(files.ctx), *loaded;
    ck_ok(cn_model_save(model, files.path));
    while (i < CN__COUNT(locales) && !setlocale(LC_ALL, locales[i]))
        i++;
    ck_ok(cn_model_save(model, files.other));
    ck_ok(cn_model_load(files.ctx, files.path, &loaded));
    setlocale(LC_ALL, "C");
    expect_same_files(files.path, files.other);
    compare_layers(model, loaded);
    cn_model_free(loaded);
    cn_model_free(model);
}
END_TEST

/* ---- refusals ---- */

START_TEST(bad_arguments_are_refused) {
    cn_model *model, *none = (cn_model *)files.ctx;
    ck_ok(cn_model_new(files.ctx, 1, 2, 2, &model));
    ck_fails(cn_model_save(model, files.path), CN_ERR_STATE, "cn_model_save: the model is not initialised");
    ck_fails(cn_model_load_tensors(model, files.path), CN_ERR_STATE, "cn_model_load_tensors");
    cn_model_free(model);
    model = tiny_model(files.ctx);
    ck_fails(cn_model_save(NULL, files.path), CN_ERR_ARGUMENT, "model");
    ck_fails(cn_model_save(model, NULL), CN_ERR_ARGUMENT, "path");
    ck_fails(cn_model_load(files.ctx, files.path, NULL), CN_ERR_ARGUMENT, "model");
    ck_fails(cn_model_load(NULL, files.path, &none), CN_ERR_ARGUMENT, "context");
    ck_assert_ptr_null(none);
    ck_fails(cn_model_load(files.ctx, NULL, &none), CN_ERR_ARGUMENT, "path");
    ck_fails(cn_model_load_memory(files.ctx, NULL, 8, &none), CN_ERR_ARGUMENT, "data");
    ck_fails(cn_model_load_tensors(model, NULL), CN_ERR_ARGUMENT, "path");
    cn_model_free(model);
}
END_TEST

START_TEST(a_file_that_is_not_there_is_an_io_error) {
    cn_model *model = tiny_model(files.ctx), *none = model;
    ck_fails(cn_model_load(files.ctx, files.path, &none), CN_ERR_IO, files.path);
    ck_assert_ptr_null(none);
    ck_fails(cn_model_load_tensors(model, files.path), CN_ERR_IO, files.path);
    ck_fails(cn_model_save(model, "/nowhere/at/all"), CN_ERR_IO, "/nowhere/at/all");
    cn_model_free(model);
}
END_TEST

/* Before there is anything to lose. */
START_TEST(names_that_are_not_utf8_are_refused) {
    cn_model *model = tiny_model(files.ctx);
    cn_dataset *data;
    cn_layer *relu;
    const char *const names[] = {"fine", "\xe4"};
    ck_fails(cn_model_set_class_names(model, 2, names), CN_ERR_ARGUMENT, "the name of class 1, '\xe4', is not UTF-8");
    ck_ok(cn_relu_new(files.ctx, &relu));
    ck_fails(cn_model_append(model, "a\xff", relu), CN_ERR_ARGUMENT, "the name of a layer, 'a\xff', is not UTF-8");
    ck_ok(cn_dataset_synthetic(files.ctx, CN_SPLIT_TEST, 4, 1, &data));
    const char *ten[10] = {"0", "1", "2", "3", "4", "5", "\xc3", "7", "8", "9"};
    ck_fails(cn_dataset_set_class_names(data, 10, ten), CN_ERR_ARGUMENT, "the name of class 6, '\xc3', is not UTF-8");
    ck_ok(cn_model_save(model, files.path));
    cn_dataset_free(data);
    cn_model_free(model);
}
END_TEST

/* ---- files of earlier days, and what fuzzing found ---- */

START_TEST(models_of_version_1_load_for_ever) {
    static const float wanted[2][5] = {{-1.68097281f, -1.68722701f, -1.68856835f, -2.80332255f, -0.958720505f},
                                       {-1.21000898f, -2.10938644f, -1.54784572f, -2.32741022f, -1.30844772f}};
    cn_model *model, *same = every_layer_model(files.ctx);
    cn_tensor *output;
    ck_ok(cn_model_load(files.ctx, "tests/golden/model_1.safetensors", &model));
    compare_layers(model, same);
    expect_same_tensors(model, same);
    evaluate(model, &output);
    for (int i = 0; i < 10; i++)
        ck_assert_float_eq_tol(((float *)cn_tensor_data(output))[i], wanted[i / 5][i % 5], 1e-5f);
    cn_tensor_free(output);
    cn_model_free(same);
    cn_model_free(model);
}
END_TEST

static const char *golden_path;

START_TEST(write_golden) {
    cn_model *model = every_layer_model(files.ctx);
    cn_tensor *output;
    ck_ok(cn_model_save(model, golden_path));
    evaluate(model, &output);
    for (int i = 0; i < 10; i++)
        printf("%.9gf, ", (double)((float *)cn_tensor_data(output))[i]);
    cn_tensor_free(output);
    cn_model_free(model);
}
END_TEST

static void add_tests(TCase *group, const char *path_to_write) {
    golden_path = path_to_write;
    if (golden_path) {
        tcase_add_test(group, write_golden);
        return;
    }
    tcase_add_test(group, every_layer_and_option_comes_back);
    tcase_add_test(group, every_activation_comes_back);
    tcase_add_loop_test(group, later_layers_come_back, 0, (int)CN__COUNT(later_layers));
    tcase_add_loop_test(group, session8_comes_back, CN_NORM_NONE, CN_NORM_INSTANCE + 1);
    tcase_add_loop_test(group, mnist_networks_come_back, 2, 6);
    tcase_add_test(group, numbers_are_bits);
    tcase_add_test(group, a_model_without_tensors_comes_back);
    tcase_add_test(group, the_locale_plays_no_part);
    tcase_add_test(group, bad_arguments_are_refused);
    tcase_add_test(group, a_file_that_is_not_there_is_an_io_error);
    tcase_add_test(group, names_that_are_not_utf8_are_refused);
    tcase_add_test(group, models_of_version_1_load_for_ever);
}

int main(int argc, char **argv) {
    Suite *suite = suite_create("model_file");
    add_tests(model_files_group(suite), argc > 1 ? argv[1] : NULL);
    return test_run(suite);
}
