/* SPDX-License-Identifier: MIT */
/* test_save_options.c: model files with weights of 16 bits: what they hold, that they come back, and what is refused. */
#include "every_layer.h"
#include "model_files.h"
#include "base/values.h"
#include "whole_file.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

/* ---- numbers of 16 bits ---- */

enum { HALF_INFINITY = 0x7C00 };

START_TEST(every_half_comes_back) {
    for (uint32_t bits = 0; bits <= 0xFFFF; bits++) {
        float value = cn__half_value(bits);
        if (isnan(value))
            ck_assert(isnan(cn__half_value(cn__half_bits(value))));
        else
            ck_assert_uint_eq(cn__half_bits(value), bits);
    }
}
END_TEST

/* Between each two neighbours, the smallest and zero, the largest and what would come next among them. */
START_TEST(floats_go_to_the_nearest_half) {
    for (uint32_t low = 0; low < HALF_INFINITY; low++) {
        uint32_t high = low + 1, even = low % 2 == 0 ? low : high;
        float top = high == HALF_INFINITY ? 65536.0f : cn__half_value(high);
        float middle = (cn__half_value(low) + top) / 2.0f; /* exact: a float has bits to spare */
        ck_assert_uint_eq(cn__half_bits(middle), even);
        ck_assert_uint_eq(cn__half_bits(-middle), even | 0x8000);
        ck_assert_uint_eq(cn__half_bits(nextafterf(middle, 0.0f)), low);
        ck_assert_uint_eq(cn__half_bits(nextafterf(middle, top)), high);
    }
    ck_assert_uint_eq(cn__half_bits(FLT_TRUE_MIN), 0);
    ck_assert_uint_eq(cn__half_bits(FLT_MAX), HALF_INFINITY);
}
END_TEST

/* The bits that a tensor of one value is stored as. */
static uint32_t bfloat16_of(float value) {
    cn_tensor tensor = {.dtype = CN_DTYPE_FLOAT32, .count = 1, .data = &value};
    unsigned char bytes[2];
    cn__values_store(&tensor, "BF16", 0, 1, bytes);
    return bytes[0] | (uint32_t)bytes[1] << 8;
}

START_TEST(floats_go_to_the_nearest_bfloat16) {
    ck_assert_uint_eq(bfloat16_of(1.0f), 0x3F80);
    ck_assert_uint_eq(bfloat16_of(-1.0f), 0xBF80);
    ck_assert_uint_eq(bfloat16_of(0x1.01p0f), 0x3F80); /* half-way, to the even one */
    ck_assert_uint_eq(bfloat16_of(0x1.03p0f), 0x3F82);
    ck_assert_uint_eq(bfloat16_of(nextafterf(0x1.01p0f, 2.0f)), 0x3F81);
    ck_assert_uint_eq(bfloat16_of(nextafterf(0x1.03p0f, 1.0f)), 0x3F81);
    ck_assert_uint_eq(bfloat16_of(-0.0f), 0x8000);
    ck_assert_uint_eq(bfloat16_of(INFINITY), 0x7F80);
    ck_assert_uint_eq(bfloat16_of(FLT_MAX), 0x7F80);
    ck_assert_uint_gt(bfloat16_of(NAN) & 0x7FFF, 0x7F80);
}
END_TEST

/* ---- files ---- */

static cn_save_options options_of(cn_weights weights) {
    cn_save_options options = CN_SAVE_OPTIONS_INIT;
    options.weights = weights;
    return options;
}

/* What a file with such weights gives for a value. */
static float narrowed(float value, cn_weights weights) {
    uint32_t bits = bfloat16_of(value) << 16;
    float wide;
    memcpy(&wide, &bits, sizeof wide);
    return weights == CN_WEIGHTS_FLOAT32   ? value
           : weights == CN_WEIGHTS_FLOAT16 ? cn__half_value(cn__half_bits(value))
                                           : wide;
}

/* `loaded` is what a file with such weights makes of `model`. */
static void expect_narrowed(const cn_model *model, const cn_model *loaded, cn_weights weights) {
    ck_assert_uint_eq(model->tensor_count, loaded->tensor_count);
    for (size_t i = 0; i < model->tensor_count; i++) {
        const cn_tensor *was = &model->tensors[i].value, *is = &loaded->tensors[i].value;
        if (!model->tensors[i].parameter) {
            ck_assert_mem_eq(is->data, was->data, (size_t)was->count * cn__dtype_bytes(was->dtype));
            continue;
        }
        for (int64_t k = 0; k < was->count; k++)
            ck_assert_float_eq(((float *)is->data)[k], narrowed(((float *)was->data)[k], weights));
    }
}

static void fill(cn_model *model, const char *name, float value) {
    cn_tensor *tensor;
    ck_ok(cn_model_tensor(model, name, &tensor));
    for (int64_t i = 0; i < cn_tensor_count(tensor); i++)
        ((float *)cn_tensor_data(tensor))[i] = value;
}

/* Parameters to the nearest, all else as it is; again and again the same bytes. */
START_TEST(models_come_back_with_narrow_weights) {
    cn_save_options options = options_of((cn_weights)_i);
    cn_model *model = every_layer_model(files.ctx), *loaded;
    ck_ok(cn_model_save_with(model, files.path, &options));
    ck_ok(cn_model_load(files.ctx, files.path, &loaded));
    expect_narrowed(model, loaded, options.weights);
    ck_ok(cn_model_save_with(loaded, files.other, &options));
    expect_same_files(files.path, files.other);
    cn_model_free(loaded);
    cn_model_free(model);
}
END_TEST

START_TEST(running_statistics_keep_their_type) {
    cn_save_options options = options_of(CN_WEIGHTS_FLOAT16);
    cn_model *model = tiny_model(files.ctx), *loaded;
    cn_tensor *tensor;
    fill(model, "n.running_var", 1e6f);
    fill(model, "n.running_mean", 1.0f / 3.0f);
    ck_ok(cn_model_tensor(model, "n.num_batches_tracked", &tensor));
    *(int64_t *)cn_tensor_data(tensor) = 123456789;
    ck_ok(cn_model_save_with(model, files.path, &options));
    ck_ok(cn_model_load(files.ctx, files.path, &loaded));
    expect_narrowed(model, loaded, CN_WEIGHTS_FLOAT16);
    cn_model_free(loaded);
    cn_model_free(model);
}
END_TEST

START_TEST(a_file_in_memory_is_the_file_on_disk) {
    cn_save_options options = options_of((cn_weights)_i);
    cn_model *model = tiny_model(files.ctx);
    cn_tensor *memory;
    ck_ok(cn_model_save_with(model, files.path, &options));
    ck_ok(cn_model_save_memory_with(model, &options, &memory));
    unsigned char *bytes;
    size_t count;
    ck_ok(load_file(files.ctx, files.path, &bytes, &count));
    ck_assert_uint_eq(count, (size_t)memory->count);
    ck_assert_mem_eq(bytes, memory->data, count);
    cn__free(files.ctx, bytes);
    cn_tensor_free(memory);
    cn_model_free(model);
}
END_TEST

/* NULL and the defaults are cn_model_save, and 16 bits are about half of it. */
START_TEST(defaults_are_float32) {
    cn_save_options usual = CN_SAVE_OPTIONS_INIT, half = options_of(CN_WEIGHTS_FLOAT16);
    cn_tensor *large, *small;
    cn_model *model;
    ck_ok(cn_model_session8(files.ctx, NULL, &model));
    ck_ok(cn_model_save(model, files.path));
    ck_ok(cn_model_save_with(model, files.other, NULL));
    expect_same_files(files.path, files.other);
    ck_ok(cn_model_save_with(model, files.other, &usual));
    expect_same_files(files.path, files.other);
    ck_ok(cn_model_save_memory_with(model, NULL, &large));
    ck_ok(cn_model_save_memory_with(model, &half, &small));
    ck_assert_int_lt(small->count, large->count * 6 / 10);
    cn_tensor_free(small);
    cn_tensor_free(large);
    cn_model_free(model);
}
END_TEST

/* Every bit of the data of a file of narrow weights counts. */
START_TEST(damage_to_narrow_weights_is_noticed) {
    cn_save_options options = options_of((cn_weights)_i);
    cn_model *model = tiny_model(files.ctx), *none;
    cn_tensor *file;
    cn__safetensors opened;
    ck_ok(cn_model_save_memory_with(model, &options, &file));
    unsigned char *bytes = file->data;
    ck_ok(cn__safetensors_read(files.ctx, bytes, (size_t)file->count, &opened));
    size_t first = (size_t)(opened.data - bytes);
    cn__safetensors_drop(&opened);
    for (size_t at = first; at < (size_t)file->count; at++) {
        bytes[at] ^= 1;
        ck_fails(cn_model_load_memory(files.ctx, bytes, (size_t)file->count, &none), CN_ERR_FORMAT, "damaged");
        bytes[at] ^= 1;
    }
    cn_tensor_free(file);
    cn_model_free(model);
}
END_TEST

/* ---- what is refused ---- */

START_TEST(weights_that_do_not_fit_are_named_and_no_file_changes) {
    cn_save_options half = options_of(CN_WEIGHTS_FLOAT16), brain = options_of(CN_WEIGHTS_BFLOAT16);
    cn_model *model = tiny_model(files.ctx);
    cn_tensor *weight, *none;
    ck_ok(cn_model_save(model, files.path));
    ck_ok(cn_model_save(model, files.other));
    ck_ok(cn_model_tensor(model, "c.weight", &weight));
    float *value = (float *)cn_tensor_data(weight) + 5;
    *value = 65519.0f;
    ck_ok(cn_model_save_memory_with(model, &half, &none));
    cn_tensor_free(none);
    *value = -65520.0f;
    ck_fails(cn_model_save_with(model, files.path, &half), CN_ERR_DATA,
             "'c.weight' has -65520 at place 5, which float16 cannot hold");
    ck_fails(cn_model_save_memory_with(model, &half, &none), CN_ERR_DATA, "'c.weight'");
    ck_assert_ptr_null(none);
    ck_ok(cn_model_save_memory_with(model, &brain, &none));
    cn_tensor_free(none);
    *value = FLT_MAX;
    ck_fails(cn_model_save_with(model, files.path, &brain), CN_ERR_DATA,
             "'c.weight' has 3.40282e+38 at place 5, which bfloat16 cannot hold");
    expect_same_files(files.path, files.other);
    cn_model_free(model);
}
END_TEST

START_TEST(infinities_and_nan_are_kept) {
    cn_save_options options = options_of((cn_weights)_i);
    cn_model *model = tiny_model(files.ctx), *loaded;
    cn_tensor *tensor;
    ck_ok(cn_model_tensor(model, "c.bias", &tensor));
    float *values = cn_tensor_data(tensor);
    values[0] = -INFINITY;
    values[1] = NAN;
    ck_ok(cn_model_save_with(model, files.path, &options));
    ck_ok(cn_model_load(files.ctx, files.path, &loaded));
    ck_ok(cn_model_tensor(loaded, "c.bias", &tensor));
    values = cn_tensor_data(tensor);
    ck_assert_float_eq(values[0], -INFINITY);
    ck_assert_float_nan(values[1]);
    cn_model_free(loaded);
    cn_model_free(model);
}
END_TEST

START_TEST(bad_options_are_refused) {
    cn_save_options options = options_of((cn_weights)3);
    cn_model *model = tiny_model(files.ctx), *unfinished;
    cn_tensor *none;
    ck_fails(cn_model_save_with(model, files.path, &options), CN_ERR_ARGUMENT, "unknown weights 3");
    options = options_of(CN_WEIGHTS_FLOAT16);
    options.deflate = 1;
    ck_fails(cn_model_save_memory_with(model, &options, &none), CN_ERR_ARGUMENT, "never compressed");
    ck_assert_ptr_null(none);
    ck_fails(cn_model_save_with(NULL, files.path, NULL), CN_ERR_ARGUMENT, "model");
    ck_fails(cn_model_save_with(model, NULL, NULL), CN_ERR_ARGUMENT, "path");
    ck_fails(cn_model_save_memory_with(model, NULL, NULL), CN_ERR_ARGUMENT, "file");
    ck_ok(cn_model_new(files.ctx, 1, 2, 2, &unfinished));
    ck_fails(cn_model_save_with(unfinished, files.path, NULL), CN_ERR_STATE, "cn_model_save_with");
    cn_model_free(unfinished);
    cn_model_free(model);
}
END_TEST

START_TEST(a_name_of_another_kind_of_file_is_refused) {
    cn_model *model = tiny_model(files.ctx);
    ck_fails(cn_model_save(model, "/nowhere/model.onnx"), CN_ERR_ARGUMENT, "cn_model_save_onnx");
    ck_fails(cn_model_save_with(model, "model.ONNX", NULL), CN_ERR_ARGUMENT, "'model.ONNX': ");
    ck_fails(cn_model_save(model, "/nowhere/weights.npz"), CN_ERR_ARGUMENT, "cn_tensors_save");
    cn_model_free(model);
}
END_TEST

START_TEST(running_out_of_memory_is_a_status) {
    counting_allocator counter = {.persistent = _i};
    cn_context *own = counting_context(&counter, 1);
    cn_model *model = tiny_model(own);
    cn_save_options options = options_of(CN_WEIGHTS_FLOAT16);
    cn_tensor *file = NULL, *none = NULL;
    ck_ok(cn_model_save_with(model, files.path, &options));
    ck_ok(cn_model_save_with(model, files.other, &options));
    ck_survives(&counter, cn_model_save_memory_with(model, &options, &file), file, 3);
    cn_tensor_free(file);
    ck_survives(&counter, cn_model_save_with(model, files.path, &options), none, 4);
    expect_same_files(files.path, files.other);
    cn_model_free(model);
    cn_context_free(own);
}
END_TEST

static void add_tests(TCase *group) {
    tcase_add_test(group, every_half_comes_back);
    tcase_add_test(group, floats_go_to_the_nearest_half);
    tcase_add_test(group, floats_go_to_the_nearest_bfloat16);
    tcase_add_loop_test(group, models_come_back_with_narrow_weights, 0, 3);
    tcase_add_test(group, running_statistics_keep_their_type);
    tcase_add_loop_test(group, a_file_in_memory_is_the_file_on_disk, 0, 3);
    tcase_add_test(group, defaults_are_float32);
    tcase_add_loop_test(group, damage_to_narrow_weights_is_noticed, 1, 3);
    tcase_add_test(group, weights_that_do_not_fit_are_named_and_no_file_changes);
    tcase_add_loop_test(group, infinities_and_nan_are_kept, 0, 3);
    tcase_add_test(group, bad_options_are_refused);
    tcase_add_test(group, a_name_of_another_kind_of_file_is_refused);
    tcase_add_loop_test(group, running_out_of_memory_is_a_status, 0, 2);
}

int main(void) {
    Suite *suite = suite_create("save options");
    add_tests(model_files_group(suite));
    return test_run(suite);
}
