/* SPDX-License-Identifier: MIT */
/* test_model_tensors.c: tensors by name into a model that is there: PyTorch's files, all or none. */
#include "model_files.h"
#include "io/io.h"
#include "whole_file.h"
#include <float.h>
#include <math.h>
#include <stdio.h>

static int warnings;
static char last_warning[256];

static void count_warnings(void *user, cn_log_level level, const char *message) {
    (void)user;
    ck_assert_int_eq(level, CN_LOG_WARNING);
    warnings++;
    snprintf(last_warning, sizeof last_warning, "%s", message);
}

typedef struct golden_file {
    cn__safetensors file;
    unsigned char *memory;
} golden_file;

/* In memory of its own, in this machine's order of bytes. */
static cn_tensor *golden_tensor(cn_context *context, const golden_file *golden, const char *name) {
    const cn__entry *entry = cn__safetensors_find(&golden->file, name);
    cn_tensor *tensor;
    ck_assert_ptr_nonnull(entry);
    ck_ok(cn_tensor_new(context, CN_DTYPE_FLOAT32, entry->dims, entry->shape, &tensor));
    cn__values_load(entry->dtype, golden->file.data + entry->begin, tensor);
    return tensor;
}

/* The network of tests/golden/model_file.py. */
static cn_model *pytorch_network(cn_context *context) {
    cn_conv2d_options options = CN_CONV2D_OPTIONS_INIT;
    cn_model *model;
    cn_layer *layer;
    options.padding[0] = options.padding[1] = 1;
    ck_ok(cn_model_new(context, 3, 6, 5, &model));
    ck_ok(cn_conv2d_new(context, 3, 4, 3, 3, &options, &layer));
    ck_ok(cn_model_append(model, "features.0", layer));
    ck_ok(cn_norm_new(context, CN_NORM_BATCH, 4, NULL, &layer));
    ck_ok(cn_model_append(model, "features.1", layer));
    ck_ok(cn_relu_new(context, &layer));
    ck_ok(cn_model_append(model, "features.2", layer));
    ck_ok(cn_max_pool2d_new(context, 2, 2, NULL, &layer));
    ck_ok(cn_model_append(model, "features.3", layer));
    ck_ok(cn_flatten_new(context, &layer));
    ck_ok(cn_model_append(model, "flatten", layer));
    ck_ok(cn_linear_new(context, 24, 3, 1, &layer));
    ck_ok(cn_model_append(model, "classifier", layer));
    ck_ok(cn_model_init(model, 0));
    return model;
}

START_TEST(a_state_dict_of_pytorch_loads_and_computes_the_same) {
    static const char golden_path[] = "tests/golden/pytorch.safetensors";
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *logging;
    golden_file golden;
    size_t count;
    options.threads = 1;
    options.log = count_warnings;
    ck_ok(cn_context_new(&options, &logging));
    cn_model *model = pytorch_network(logging);
    warnings = 0;
    ck_ok(cn_model_load_tensors(model, golden_path));
    ck_assert_int_eq(warnings, 2); /* the file also has the input and the output */
    ck_assert_ptr_nonnull(strstr(last_warning, "the model has no tensor 'reference.output'"));
    ck_ok(load_file(logging, golden_path, &golden.memory, &count));
    ck_ok(cn__safetensors_read(logging, golden.memory, count, &golden.file));
    cn_tensor *output, *input = golden_tensor(logging, &golden, "reference.input");
    cn_tensor *wanted = golden_tensor(logging, &golden, "reference.output");
    ck_ok(cn_tensor_new(logging, CN_DTYPE_FLOAT32, 2, (int64_t[]){cn_tensor_shape(input, 0), 3}, &output));
    ck_ok(cn_model_forward(model, 0, input, output));
    ck_assert_int_eq(cn_tensor_count(output), cn_tensor_count(wanted));
    for (int64_t i = 0; i < cn_tensor_count(output); i++)
        ck_assert_float_eq_tol(((float *)cn_tensor_data(output))[i], ((float *)cn_tensor_data(wanted))[i], 1e-5f);
    cn_tensor_free(input);
    cn_tensor_free(output);
    cn_tensor_free(wanted);
    cn__safetensors_drop(&golden.file);
    cn__free(logging, golden.memory);
    cn_model_free(model);
    cn_context_free(logging);
}
END_TEST

START_TEST(a_file_of_tensors_alone_is_no_model) {
    cn_model *model;
    ck_fails(cn_model_load(files.ctx, "tests/golden/pytorch.safetensors", &model), CN_ERR_FORMAT,
             "it holds 11 tensors but no model of this library");
}
END_TEST

/* Writes the tiny model's tensors, with one changed: dropped, of another shape, or of another type. */
typedef enum change { NOTHING, DROP, RESHAPE, RETYPE } change;
static void write_changed(const char *name, change what) {
    cn__entry entries[] = {{"n.num_batches_tracked", "I64", 0, {0}, 0, 8, false},
                           {"c.weight", "F32", 4, {2, 2, 3, 3}, 8, 152, false},
                           {"c.bias", "F32", 1, {2}, 152, 160, false},
                           {"n.weight", "F32", 1, {2}, 160, 168, false},
                           {"n.bias", "F32", 1, {2}, 168, 176, false},
                           {"n.running_mean", "F32", 1, {2}, 176, 184, false},
                           {"n.running_var", "F32", 1, {2}, 184, 192, false}};
    static const float data[48];
    for (size_t i = 0; i < CN__COUNT(entries); i++) {
        if (strcmp(entries[i].name, name) != 0)
            continue;
        if (what == DROP)
            entries[i].name = "unknown";
        if (what == RESHAPE)
            entries[i].shape[entries[i].dims++] = 1;
        if (what == RETYPE)
            entries[i].dtype = entries[i].dtype[0] == 'I' ? "C64" : "I32";
    }
    ck_ok(write_tensors(files.ctx, files.path, entries, CN__COUNT(entries), NULL, 0, data, sizeof data));
}

START_TEST(tensors_load_all_or_none) {
    cn_model *model = tiny_model(files.ctx), *untouched = tiny_model(files.ctx);
    static const char *const names[] = {"c.weight", "c.bias", "n.weight", "n.running_var", "n.num_batches_tracked"};
    for (size_t i = 0; i < CN__COUNT(names); i++) {
        if (i < 4) {
            write_changed(names[i], DROP);
            ck_fails(cn_model_load_tensors(model, files.path), CN_ERR_NOT_FOUND, names[i]);
        }
        if (i < 4) { /* one number may be [] or [1] */
            write_changed(names[i], RESHAPE);
            ck_fails(cn_model_load_tensors(model, files.path), CN_ERR_SHAPE, names[i]);
        }
        write_changed(names[i], RETYPE);
        ck_fails(cn_model_load_tensors(model, files.path), CN_ERR_SHAPE, names[i]);
        expect_same_tensors(model, untouched);
    }
    cn_model_free(untouched);
    cn_model_free(model);
}
END_TEST

START_TEST(the_number_of_batches_may_be_missing) {
    cn_model *model = tiny_model(files.ctx);
    cn_tensor *tracked, *weight;
    ck_ok(cn_model_tensor(model, "n.num_batches_tracked", &tracked));
    ck_ok(cn_model_tensor(model, "n.weight", &weight));
    *(int64_t *)cn_tensor_data(tracked) = 9;
    write_changed("n.num_batches_tracked", DROP);
    ck_ok(cn_model_load_tensors(model, files.path));
    ck_assert_int_eq(*(int64_t *)cn_tensor_data(tracked), 9);
    ck_assert(*(float *)cn_tensor_data(weight) == 0.0f);
    write_changed("", NOTHING);
    ck_ok(cn_model_load_tensors(model, files.path));
    ck_assert_int_eq(*(int64_t *)cn_tensor_data(tracked), 0);
    cn_model_free(model);
}
END_TEST

START_TEST(damaged_tensors_are_not_loaded) {
    cn_model *model = tiny_model(files.ctx), *untouched = tiny_model(files.ctx);
    file_bytes file = saved_file(model);
    file.data[file.count - 1] ^= 1;
    ck_ok(cn__replace_file(files.ctx, files.path, &(struct iovec){file.data, file.count}, 1));
    ck_fails(cn_model_load_tensors(model, files.path), CN_ERR_FORMAT, "damaged");
    expect_same_tensors(model, untouched);
    cn__free(files.ctx, file.data);
    cn_model_free(untouched);
    cn_model_free(model);
}
END_TEST

/* ---- other types ---- */

/* Writes the tiny model's tensors, all zero but for c.bias, whose two values are these bytes, and the counter. */
static void write_types(const char *type, const void *values, const char *counter_type, const void *counter) {
    cn__entry entries[] = {{"n.num_batches_tracked", counter_type, 1, {1}, 0, 0, false},
                           {"c.weight", type, 4, {2, 2, 3, 3}, 0, 0, false},
                           {"c.bias", type, 1, {2}, 0, 0, false},
                           {"n.weight", "F32", 1, {2}, 0, 0, false},
                           {"n.bias", type, 1, {2}, 0, 0, false},
                           {"n.running_mean", type, 1, {2}, 0, 0, false},
                           {"n.running_var", "F32", 1, {2}, 0, 0, false}};
    unsigned char data[1024] = {0};
    size_t bytes = 0;
    cn__safetensors_place(entries, CN__COUNT(entries));
    memcpy(data + entries[0].begin, counter, cn__value_bytes(counter_type));
    memcpy(data + entries[2].begin, values, 2 * cn__value_bytes(type));
    for (size_t i = 0; i < CN__COUNT(entries); i++)
        bytes = entries[i].end > bytes ? entries[i].end : bytes;
    ck_ok(write_tensors(files.ctx, files.path, entries, CN__COUNT(entries), NULL, 0, data, bytes));
}

#define NO_COUNTER "I64", "\0\0\0\0\0\0\0\0"

static const struct {
    const char *type;
    unsigned char bytes[16];
    float wanted[2];
} conversions[] = {
    {"F16", {0x00, 0x3c, 0x01, 0x80}, {1.0f, -5.9604644775390625e-8f}}, /* the smallest subnormal */
    {"F16", {0xff, 0x7b, 0xff, 0x03}, {65504.0f, 6.097555160522461e-5f}},
    {"F16", {0x00, 0xfc, 0x55, 0x35}, {-INFINITY, 0.333251953125f}},
    {"F16", {0x00, 0x80, 0x00, 0x04}, {-0.0f, 6.103515625e-5f}},
    {"BF16", {0x80, 0x3f, 0x49, 0xc0}, {1.0f, -3.140625f}},
    {"BF16", {0x80, 0x7f, 0x01, 0x00}, {INFINITY, 9.183549615799121e-41f}},
    {"F64", {0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x9a, 0x99, 0x99, 0x99, 0x99, 0x99, 0xb9, 0xbf}, {1.0f, -0.1f}},
    {"F64", {0, 0, 0, 0xe0, 0xff, 0xff, 0xef, 0x47, 0, 0, 0, 0, 0, 0, 0xf0, 0xff}, {FLT_MAX, -INFINITY}},
    {"F32", {0, 0, 0x80, 0x3f, 1, 0, 0, 0x80}, {1.0f, -1.4e-45f}},
};

START_TEST(other_floats_become_float32) {
    cn_model *model = tiny_model(files.ctx);
    cn_tensor *bias;
    write_types(conversions[_i].type, conversions[_i].bytes, NO_COUNTER);
    ck_ok(cn_model_load_tensors(model, files.path));
    ck_ok(cn_model_tensor(model, "c.bias", &bias));
    ck_assert_mem_eq(cn_tensor_data(bias), conversions[_i].wanted, sizeof conversions[_i].wanted);
    cn_model_free(model);
}
END_TEST

START_TEST(what_float32_cannot_hold_is_refused) {
    cn_model *model = tiny_model(files.ctx), *untouched = tiny_model(files.ctx);
    write_types("F64", "\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\xf0\x47", NO_COUNTER);
    ck_fails(cn_model_load_tensors(model, files.path), CN_ERR_DATA,
             "'c.bias' has 3.40282e+38 at place 1, which float32");
    expect_same_tensors(model, untouched);
    cn_model_free(untouched);
    cn_model_free(model);
}
END_TEST

static const struct {
    const char *type;
    unsigned char bytes[8];
    int64_t wanted; /* -1: none */
} counters[] = {
    {"I32", {7, 1}, 263},
    {"I64", {1, 2, 3}, 197121},
    {"F32", {0, 0, 0x40, 0x41}, 12},
    {"F16", {0, 0x40}, 2},
    {"F64", {0, 0, 0, 0, 0, 0, 0x08, 0x40}, 3},
    {"U8", {255}, 255},
    {"I8", {255}, -2},
    {"U64", {1}, 1},
    {"U64", {0, 0, 0, 0, 0, 0, 0, 0x80}, -1},
    {"F32", {0, 0, 0xc0, 0x3f}, -1},
    {"F32", {0, 0, 0xc0, 0x7f}, -1},
    {"F64", {0, 0, 0, 0, 0, 0, 0xf0, 0x7f}, -1},
};

START_TEST(counters_may_be_of_any_type) {
    cn_model *model = tiny_model(files.ctx);
    cn_tensor *counter;
    static const float zeros[2];
    write_types("F32", zeros, counters[_i].type, counters[_i].bytes);
    ck_ok(cn_model_tensor(model, "n.num_batches_tracked", &counter));
    if (counters[_i].wanted == -1) {
        ck_fails(cn_model_load_tensors(model, files.path), CN_ERR_DATA, "'n.num_batches_tracked' has ");
    } else {
        ck_ok(cn_model_load_tensors(model, files.path));
        int64_t wanted = counters[_i].wanted == -2 ? -1 : counters[_i].wanted;
        ck_assert_int_eq(*(const int64_t *)cn_tensor_data(counter), wanted);
    }
    cn_model_free(model);
}
END_TEST

/* ---- prefixes and parts ---- */

/* Writes the tensors of a tiny model, set to 2, under other names and without those that begin with `without`. */
static void write_prefixed(const char *prefix, const char *without) {
    cn_model *model = tiny_model(files.ctx);
    static char names[8][128];
    cn__entry entries[8];
    static float data[64];
    size_t count = 0, at = 0;
    for (size_t i = 0; i < 64; i++)
        data[i] = 2.0f;
    for (size_t i = 0; i < model->tensor_count; i++) {
        const cn_tensor *tensor = &model->tensors[i].value;
        if (tensor->dtype != CN_DTYPE_FLOAT32 || strncmp(model->tensors[i].name, without, strlen(without)) == 0)
            continue;
        snprintf(names[count], sizeof names[count], "%s%s", prefix, model->tensors[i].name);
        entries[count] = (cn__entry){.name = names[count], .dtype = "F32", .dims = tensor->dims, .begin = at};
        memcpy(entries[count].shape, tensor->shape, sizeof tensor->shape);
        at += (size_t)tensor->count * sizeof(float);
        entries[count++].end = at;
    }
    ck_ok(write_tensors(files.ctx, files.path, entries, count, NULL, 0, data, at));
    cn_model_free(model);
}

static float first_of(cn_model *model, const char *name) {
    cn_tensor *tensor;
    ck_ok(cn_model_tensor(model, name, &tensor));
    return *(const float *)cn_tensor_data(tensor);
}

START_TEST(wrappers_of_pytorch_are_left_out) {
    static const char *const prefixes[] = {"module.", "model.", "_orig_mod.", "module._orig_mod.", "model.module."};
    for (size_t i = 0; i < CN__COUNT(prefixes); i++) {
        cn_model *model = tiny_model(files.ctx);
        write_prefixed(prefixes[i], "none");
        ck_ok(cn_model_load_tensors(model, files.path));
        ck_assert(first_of(model, "c.weight") == 2.0f && first_of(model, "n.running_var") == 2.0f);
        cn_model_free(model);
    }
    cn_model *model = tiny_model(files.ctx);
    write_prefixed("backbone.", "none");
    ck_fails(cn_model_load_tensors(model, files.path), CN_ERR_NOT_FOUND,
             "it has no tensor 'c.weight' (but 6 others, such as 'backbone.c.bias')");
    cn_model_free(model);
}
END_TEST

START_TEST(another_prefix_can_be_said) {
    cn_load_options options = CN_LOAD_OPTIONS_INIT;
    cn_model *model = tiny_model(files.ctx);
    write_prefixed("backbone.", "none");
    options.prefix = "backbone.";
    ck_ok(cn_model_load_tensors_with(model, files.path, &options));
    ck_assert(first_of(model, "c.weight") == 2.0f);
    options.prefix = "backbone";
    ck_fails(cn_model_load_tensors_with(model, files.path, &options), CN_ERR_NOT_FOUND, "no tensor 'backbonec.weight'");
    write_prefixed("module.", "none");
    options.prefix = ""; /* none, not even a wrapper's */
    ck_fails(cn_model_load_tensors_with(model, files.path, &options), CN_ERR_NOT_FOUND, "no tensor 'c.weight'");
    cn_model_free(model);
}
END_TEST

START_TEST(parts_are_taken_on_request) {
    cn_load_options options = CN_LOAD_OPTIONS_INIT;
    cn_model *model = tiny_model(files.ctx), *untouched = tiny_model(files.ctx);
    float kept = first_of(model, "n.weight");
    write_prefixed("", "n.");
    ck_fails(cn_model_load_tensors_with(model, files.path, NULL), CN_ERR_NOT_FOUND, "'n.weight'");
    expect_same_tensors(model, untouched);
    options.strict = 0;
    ck_ok(cn_model_load_tensors_with(model, files.path, &options));
    ck_assert(first_of(model, "c.weight") == 2.0f);
    ck_assert(first_of(model, "n.weight") == kept);
    write_changed("c.weight", RESHAPE); /* a head of another shape keeps the model's values, the rest are zero */
    ck_ok(cn_model_load_tensors_with(model, files.path, &options));
    ck_assert(first_of(model, "c.weight") == 2.0f && first_of(model, "n.weight") == 0.0f);
    write_prefixed("backbone.", "none");
    ck_fails(cn_model_load_tensors_with(model, files.path, &options), CN_ERR_NOT_FOUND,
             "none of its 6 tensors fits the model");
    cn_model_free(untouched);
    cn_model_free(model);
}
END_TEST

START_TEST(tensors_load_from_memory) {
    cn_model *model = tiny_model(files.ctx);
    unsigned char *data;
    size_t bytes;
    write_prefixed("module.", "none");
    ck_ok(load_file(files.ctx, files.path, &data, &bytes));
    ck_ok(cn_model_load_tensors_memory(model, data, bytes, NULL));
    ck_assert(first_of(model, "c.weight") == 2.0f);
    ck_fails(cn_model_load_tensors_memory(model, data, bytes - 1, NULL), CN_ERR_FORMAT, "'(memory)': ");
    ck_fails(cn_model_load_tensors_memory(model, NULL, 8, NULL), CN_ERR_ARGUMENT, "data");
    cn__free(files.ctx, data);
    cn_model_free(model);
}
END_TEST

START_TEST(load_options_are_checked) {
    static char long_prefix[300];
    cn_load_options options = CN_LOAD_OPTIONS_INIT;
    cn_model *model = tiny_model(files.ctx);
    options.strict = 2;
    ck_fails(cn_model_load_tensors_with(model, files.path, &options), CN_ERR_ARGUMENT, "strict is 2, wanted 0 or 1");
    options.strict = 1;
    memset(long_prefix, 'x', sizeof long_prefix - 1);
    options.prefix = long_prefix;
    ck_fails(cn_model_load_tensors_with(model, files.path, &options), CN_ERR_ARGUMENT, "prefix has 299 bytes");
    options.prefix = NULL;
    options.reserved = 1;
    ck_fails(cn_model_load_tensors_with(model, files.path, &options), CN_ERR_VERSION, "reserved");
    cn_model_free(model);
}
END_TEST

static void add_tests(TCase *group) {
    tcase_add_test(group, a_state_dict_of_pytorch_loads_and_computes_the_same);
    tcase_add_test(group, a_file_of_tensors_alone_is_no_model);
    tcase_add_test(group, tensors_load_all_or_none);
    tcase_add_test(group, the_number_of_batches_may_be_missing);
    tcase_add_loop_test(group, other_floats_become_float32, 0, (int)CN__COUNT(conversions));
    tcase_add_test(group, what_float32_cannot_hold_is_refused);
    tcase_add_loop_test(group, counters_may_be_of_any_type, 0, (int)CN__COUNT(counters));
    tcase_add_test(group, wrappers_of_pytorch_are_left_out);
    tcase_add_test(group, another_prefix_can_be_said);
    tcase_add_test(group, parts_are_taken_on_request);
    tcase_add_test(group, tensors_load_from_memory);
    tcase_add_test(group, load_options_are_checked);
    tcase_add_test(group, damaged_tensors_are_not_loaded);
}

int main(void) {
    Suite *suite = suite_create("model tensors");
    add_tests(model_files_group(suite));
    return test_run(suite);
}
