/* test_model_tensors.c: tensors by name into a model that is there: PyTorch's files, all or none. */
#include "model_files.h"
#include "io/io.h"
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

static const float *golden_tensor(const golden_file *golden, const char *name, int64_t *count) {
    const cn__entry *entry = cn__safetensors_find(&golden->file, name);
    ck_assert_ptr_nonnull(entry);
    *count = (int64_t)(entry->end - entry->begin) / 4;
    return (const float *)(const void *)(golden->file.data + entry->begin);
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
    int64_t inputs, outputs;
    options.threads = 1;
    options.log = count_warnings;
    ck_ok(cn_context_new(&options, &logging));
    cn_model *model = pytorch_network(logging);
    warnings = 0;
    ck_ok(cn_model_load_tensors(model, golden_path));
    ck_assert_int_eq(warnings, 2); /* the file also has the input and the output */
    ck_assert_ptr_nonnull(strstr(last_warning, "the model has no tensor 'reference.output'"));
    ck_ok(cn__file_load(logging, golden_path, &golden.memory, &count));
    ck_ok(cn__safetensors_read(logging, golden.memory, count, &golden.file));
    const float *in = golden_tensor(&golden, "reference.input", &inputs);
    const float *wanted = golden_tensor(&golden, "reference.output", &outputs);
    cn_tensor *input, *output;
    ck_ok(cn_tensor_borrow(logging, CN_DTYPE_FLOAT32, 4, (int64_t[]){inputs / 90, 3, 6, 5}, (void *)(uintptr_t)in,
                           &input));
    ck_ok(cn_tensor_new(logging, CN_DTYPE_FLOAT32, 2, (int64_t[]){inputs / 90, 3}, &output));
    ck_ok(cn_model_forward(model, 0, input, output));
    ck_assert_int_eq(cn_tensor_count(output), outputs);
    for (int64_t i = 0; i < outputs; i++)
        ck_assert_float_eq_tol(((float *)cn_tensor_data(output))[i], wanted[i], 1e-5f);
    cn_tensor_free(input);
    cn_tensor_free(output);
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

static void add_tests(TCase *group) {
    tcase_add_test(group, a_state_dict_of_pytorch_loads_and_computes_the_same);
    tcase_add_test(group, a_file_of_tensors_alone_is_no_model);
    tcase_add_test(group, tensors_load_all_or_none);
    tcase_add_test(group, the_number_of_batches_may_be_missing);
    tcase_add_test(group, damaged_tensors_are_not_loaded);
}

int main(void) {
    Suite *suite = suite_create("model tensors");
    add_tests(model_files_group(suite));
    return test_run(suite);
}
