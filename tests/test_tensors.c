/* SPDX-License-Identifier: MIT */
/* test_tensors.c: collections of named tensors, and their files: what goes in comes out, what others write is read, and
 * what cannot be is refused. */
#include "model_files.h"
#include "scratch.h"
#include "whole_file.h"
#include <stdio.h>

TEST_RUNS_ONCE;

#define GOLDEN "tests/golden/npy/"

static const char *const kinds[] = {".safetensors", ".npz", ".npz"};
enum { SAFETENSORS, STORED, DEFLATED, KINDS };

static cn_save_options options_of(int kind) {
    cn_save_options options = CN_SAVE_OPTIONS_INIT;
    options.deflate = kind == DEFLATED;
    return options;
}

static void add(cn_tensors *tensors, const char *name, cn_dtype dtype, int dims, const int64_t *shape) {
    cn_tensor *tensor;
    ck_ok(cn_tensor_new(files.ctx, dtype, dims, shape, &tensor));
    unsigned char *bytes = cn_tensor_data(tensor);
    for (size_t i = 0; i < (size_t)tensor->count * cn__dtype_bytes(dtype); i++)
        bytes[i] = (unsigned char)(i * 37 % 100 + strlen(name));
    ck_ok(cn_tensors_add(tensors, name, tensor));
    cn_tensor_free(tensor);
}

static cn_tensors *new_tensors(void) {
    cn_tensors *tensors;
    ck_ok(cn_tensors_new(files.ctx, &tensors));
    return tensors;
}

/* Tensors of all types, numbers of dimensions and none; names that need care. */
static cn_tensors *various(void) {
    static const int64_t shape[CN_MAX_DIMS] = {2, 1, 3, 1, 1, 2, 1, 5}, none[2] = {3, 0};
    static const char *const names[] = {
        "layer1.0.weight", "b", "a", "ü/\"quoted\"", "with\nnewline", "x.npy", "zz", "0", "."};
    cn_tensors *tensors = new_tensors();
    for (int i = 0; i <= CN_MAX_DIMS; i++)
        add(tensors, names[i], (cn_dtype)(1 + i % 3), i, shape);
    add(tensors, "empty", CN_DTYPE_FLOAT32, 2, none);
    return tensors;
}

static void expect_same_tensor(const cn_tensor *a, const cn_tensor *b, const char *name) {
    ck_ok(cn__tensor_expect(a, name, b->dtype, b->dims, b->shape));
    ck_assert_mem_eq(a->data, b->data, (size_t)b->count * cn__dtype_bytes(b->dtype));
}

static void expect_same(const cn_tensors *a, const cn_tensors *b) {
    ck_assert_int_eq(cn_tensors_count(a), cn_tensors_count(b));
    for (int64_t i = 0; i < cn_tensors_count(a); i++) {
        const char *name = cn_tensors_name(a, i);
        const cn_tensor *of_a, *of_b;
        ck_assert_str_eq(name, cn_tensors_name(b, i));
        ck_ok(cn_tensors_get_const(a, name, &of_a));
        ck_ok(cn_tensors_get_const(b, name, &of_b));
        expect_same_tensor(of_a, of_b, name);
    }
}

/* ---- the collection ---- */

START_TEST(tensors_are_found_by_name_in_any_order) {
    static const char *const names[] = {"m", "c", "z", "a", "q", "b"};
    enum { NAMES = 6 };
    cn_tensors *tensors = new_tensors();
    cn_tensor *tensor;
    for (int i = 0; i < NAMES; i++)
        add(tensors, names[i], CN_DTYPE_INT64, 1, (int64_t[]){i + 1});
    for (int removed = 0; removed < NAMES; removed++) {
        ck_assert_int_eq(cn_tensors_count(tensors), NAMES - removed);
        for (int i = 0; i < removed; i++)
            ck_fails(cn_tensors_get(tensors, names[i], &tensor), CN_ERR_NOT_FOUND, names[i]);
        for (int i = removed; i < NAMES; i++) {
            ck_assert_str_eq(cn_tensors_name(tensors, i - removed), names[i]);
            ck_ok(cn_tensors_get(tensors, names[i], &tensor));
            ck_assert_int_eq(cn_tensor_count(tensor), i + 1);
        }
        ck_ok(cn_tensors_remove(tensors, names[removed]));
    }
    ck_assert_ptr_null(cn_tensors_name(tensors, 0));
    ck_assert_ptr_null(cn_tensors_name(tensors, -1));
    cn_tensors_free(tensors);
}
END_TEST

START_TEST(tensors_are_copied_and_can_be_written_to) {
    cn_tensors *tensors = new_tensors();
    cn_tensor *mine, *its;
    ck_ok(cn_tensor_new(files.ctx, CN_DTYPE_FLOAT32, 1, (int64_t[]){2}, &mine));
    ((float *)cn_tensor_data(mine))[0] = 1.0f;
    ck_ok(cn_tensors_add(tensors, "t", mine));
    ((float *)cn_tensor_data(mine))[0] = 2.0f;
    cn_tensor_free(mine);
    ck_ok(cn_tensors_get(tensors, "t", &its));
    ck_assert_float_eq(((float *)cn_tensor_data(its))[0], 1.0f);
    ((float *)cn_tensor_data(its))[1] = 3.0f;
    ck_ok(cn_tensors_get(tensors, "t", &its));
    ck_assert_float_eq(((float *)cn_tensor_data(its))[1], 3.0f);
    cn_tensors_free(tensors);
}
END_TEST

START_TEST(metadata_are_set_changed_and_removed) {
    cn_tensors *tensors = new_tensors();
    ck_assert_ptr_null(cn_tensors_metadata(tensors, "a"));
    ck_ok(cn_tensors_set_metadata(tensors, "a", "1"));
    ck_ok(cn_tensors_set_metadata(tensors, "b", ""));
    ck_ok(cn_tensors_set_metadata(tensors, "c", "ä \"\\\n"));
    ck_ok(cn_tensors_set_metadata(tensors, "a", "one"));
    ck_assert_str_eq(cn_tensors_metadata(tensors, "a"), "one");
    ck_assert_str_eq(cn_tensors_metadata(tensors, "b"), "");
    ck_assert_int_eq(cn_tensors_metadata_count(tensors), 3);
    ck_ok(cn_tensors_set_metadata(tensors, "a", NULL));
    ck_ok(cn_tensors_set_metadata(tensors, "never", NULL));
    ck_assert_int_eq(cn_tensors_metadata_count(tensors), 2);
    ck_assert_str_eq(cn_tensors_metadata_key(tensors, 0), "b");
    ck_assert_str_eq(cn_tensors_metadata_key(tensors, 1), "c");
    ck_assert_ptr_null(cn_tensors_metadata_key(tensors, 2));
    ck_assert_ptr_null(cn_tensors_metadata_key(tensors, -1));
    ck_fails(cn_tensors_set_metadata(tensors, "\xff", ""), CN_ERR_ARGUMENT, "UTF-8");
    ck_fails(cn_tensors_set_metadata(tensors, "d", "\xc3"), CN_ERR_ARGUMENT, "UTF-8");
    cn_tensors_free(tensors);
}
END_TEST

START_TEST(bad_arguments_are_refused) {
    static char name[65002];
    cn_tensors *tensors = new_tensors(), *none = tensors;
    cn_tensor *tensor, *no_tensor;
    const cn_tensor *read;
    ck_ok(cn_tensor_new(files.ctx, CN_DTYPE_UINT8, 0, NULL, &tensor));
    memset(name, 'n', sizeof name - 1);
    ck_fails(cn_tensors_add(tensors, name, tensor), CN_ERR_ARGUMENT, "the name has 65001 bytes");
    name[65000] = '\0';
    ck_ok(cn_tensors_add(tensors, name, tensor));
    ck_fails(cn_tensors_add(tensors, "", tensor), CN_ERR_ARGUMENT, "the name has 0 bytes");
    ck_fails(cn_tensors_add(tensors, "\xfe", tensor), CN_ERR_ARGUMENT, "not UTF-8");
    ck_fails(cn_tensors_add(tensors, name, tensor), CN_ERR_ARGUMENT, "already");
    ck_fails(cn_tensors_add(NULL, "a", tensor), CN_ERR_ARGUMENT, "tensors");
    ck_fails(cn_tensors_add(tensors, NULL, tensor), CN_ERR_ARGUMENT, "name");
    ck_fails(cn_tensors_add(tensors, "a", NULL), CN_ERR_ARGUMENT, "tensor");
    ck_fails(cn_tensors_remove(tensors, "a"), CN_ERR_NOT_FOUND, "no tensor is called 'a', of 1");
    ck_fails(cn_tensors_get(NULL, "a", &no_tensor), CN_ERR_ARGUMENT, "tensors");
    ck_assert_ptr_null(no_tensor);
    ck_fails(cn_tensors_get_const(tensors, NULL, &read), CN_ERR_ARGUMENT, "name");
    ck_fails(cn_tensors_new(NULL, &none), CN_ERR_ARGUMENT, "context");
    ck_assert_ptr_null(none);
    ck_fails(cn_tensors_load(files.ctx, NULL, &none), CN_ERR_ARGUMENT, "path");
    ck_fails(cn_tensors_load_memory(NULL, name, 1, &none), CN_ERR_ARGUMENT, "context");
    ck_fails(cn_tensors_save(tensors, NULL, NULL), CN_ERR_ARGUMENT, "path");
    ck_fails(cn_tensors_save_memory(tensors, ".npz", NULL, NULL), CN_ERR_ARGUMENT, "file");
    ck_assert_int_eq(cn_tensors_count(NULL), 0);
    ck_assert_ptr_null(cn_tensors_metadata(NULL, "a"));
    ck_assert_int_eq(cn_tensors_metadata_count(NULL), 0);
    cn_tensors_free(NULL);
    cn_tensor_free(tensor);
    cn_tensors_free(tensors);
}
END_TEST

/* ---- files ---- */

/* The bytes of a file in memory are those on disk; loaded from either, and saved again, it is the same. */
START_TEST(what_is_saved_is_loaded_again) {
    cn_save_options options = options_of(_i);
    cn_tensors *tensors = various(), *loaded;
    cn_tensor *memory, *again;
    scratch s = scratch_new();
    char name[32];
    snprintf(name, sizeof name, "tensors%s", kinds[_i]);
    ck_ok(cn_tensors_save(tensors, scratch_path(&s, name), &options));
    ck_ok(cn_tensors_load(files.ctx, scratch_path(&s, name), &loaded));
    expect_same(loaded, tensors);
    ck_ok(cn_tensors_save_memory(loaded, kinds[_i], &options, &again));
    cn_tensors_free(loaded);
    ck_ok(cn_tensors_save_memory(tensors, kinds[_i], &options, &memory));
    expect_same_tensor(memory, again, "again");
    ck_ok(cn_tensors_load_memory(files.ctx, memory->data, (size_t)memory->count, &loaded));
    expect_same(loaded, tensors);
    unsigned char *bytes;
    size_t count;
    ck_ok(load_file(files.ctx, scratch_path(&s, name), &bytes, &count));
    ck_assert_uint_eq(count, (size_t)memory->count);
    ck_assert_mem_eq(bytes, memory->data, count);
    cn__free(files.ctx, bytes);
    cn_tensor_free(again);
    cn_tensor_free(memory);
    cn_tensors_free(loaded);
    cn_tensors_free(tensors);
    scratch_free(&s);
}
END_TEST

START_TEST(none_come_back_as_none) {
    cn_save_options options = options_of(_i);
    cn_tensors *tensors = new_tensors(), *loaded;
    cn_tensor *file;
    ck_ok(cn_tensors_save_memory(tensors, kinds[_i], &options, &file));
    ck_ok(cn_tensors_load_memory(files.ctx, file->data, (size_t)file->count, &loaded));
    ck_assert_int_eq(cn_tensors_count(loaded), 0);
    cn_tensors_free(loaded);
    cn_tensor_free(file);
    cn_tensors_free(tensors);
}
END_TEST

static void note(void *user, cn_log_level level, const char *message) {
    (void)level;
    snprintf(user, 200, "%s", message);
}

START_TEST(metadata_go_with_safetensors_and_stay_behind_otherwise) {
    char said[200] = "";
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *own;
    cn_tensors *tensors, *loaded;
    cn_tensor *file;
    options.log = note;
    options.user = said;
    ck_ok(cn_context_new(&options, &own));
    ck_ok(cn_tensors_new(own, &tensors));
    ck_ok(cn_tensors_set_metadata(tensors, "by", "\"ä\"\n"));
    ck_ok(cn_tensors_set_metadata(tensors, "", "2"));
    ck_ok(cn_tensors_save_memory(tensors, ".safetensors", NULL, &file));
    ck_ok(cn_tensors_load_memory(own, file->data, (size_t)file->count, &loaded));
    ck_assert_int_eq(cn_tensors_metadata_count(loaded), 2);
    ck_assert_str_eq(cn_tensors_metadata(loaded, "by"), "\"ä\"\n");
    ck_assert_str_eq(cn_tensors_metadata_key(loaded, 1), "");
    ck_assert_str_eq(said, "");
    cn_tensors_free(loaded);
    cn_tensor_free(file);
    ck_ok(cn_tensors_save_memory(tensors, ".npz", NULL, &file));
    ck_assert_str_eq(said, "a .npz file has no metadata, so 'by' and others stay behind");
    ck_ok(cn_tensors_load_memory(own, file->data, (size_t)file->count, &loaded));
    ck_assert_int_eq(cn_tensors_metadata_count(loaded), 0);
    cn_tensors_free(loaded);
    cn_tensor_free(file);
    cn_tensors_free(tensors);
    cn_context_free(own);
}
END_TEST

/* Compressible as it is, the file is smaller, and numpy's own way to read one array finds it. */
START_TEST(deflated_files_are_smaller_and_are_read_array_by_array) {
    cn_save_options deflate = options_of(DEFLATED);
    cn_tensors *tensors = new_tensors();
    cn_tensor *stored, *deflated, *one;
    const cn_tensor *same;
    scratch s = scratch_new();
    add(tensors, "large", CN_DTYPE_FLOAT32, 3, (int64_t[]){30, 20, 10});
    add(tensors, "small", CN_DTYPE_INT64, 0, NULL);
    ck_ok(cn_tensors_save_memory(tensors, ".npz", NULL, &stored));
    ck_ok(cn_tensors_save_memory(tensors, ".NPZ", &deflate, &deflated));
    ck_assert_int_lt(deflated->count * 10, stored->count);
    scratch_write(&s, "a.npz", deflated->data, (size_t)deflated->count);
    ck_ok(cn_tensor_load_npz(files.ctx, scratch_path(&s, "a.npz"), "large", &one));
    ck_ok(cn_tensors_get_const(tensors, "large", &same));
    expect_same_tensor(one, same, "large");
    cn_tensor_free(one);
    cn_tensor_free(deflated);
    cn_tensor_free(stored);
    cn_tensors_free(tensors);
    scratch_free(&s);
}
END_TEST

/* All arrays of numpy's own files, in their order, as they come one by one. */
START_TEST(numpys_files_are_read) {
    static const char *const paths[] = {GOLDEN "stored.npz", GOLDEN "deflated.npz", GOLDEN "wide.npz"};
    cn_tensors *tensors;
    ck_ok(cn_tensors_load(files.ctx, paths[_i], &tensors));
    ck_assert_int_eq(cn_tensors_count(tensors), _i < 2 ? 48 : 2);
    ck_assert_str_eq(cn_tensors_name(tensors, 0), _i < 2 ? "b1_c_little" : "first");
    for (int64_t i = 0; i < cn_tensors_count(tensors); i++) {
        cn_tensor *one, *its;
        ck_ok(cn_tensor_load_npz(files.ctx, paths[_i], cn_tensors_name(tensors, i), &one));
        ck_ok(cn_tensors_get(tensors, cn_tensors_name(tensors, i), &its));
        expect_same_tensor(its, one, cn_tensors_name(tensors, i));
        cn_tensor_free(one);
    }
    cn_tensors_free(tensors);
}
END_TEST

/* Every type of safetensors that is a number. */
START_TEST(all_types_of_safetensors_become_tensors) {
    static const struct {
        const char *dtype;
        unsigned char bytes[8];
        cn_dtype wanted;
        double value;
    } cases[] = {{"F32", {0, 0, 0xC0, 0xBF}, CN_DTYPE_FLOAT32, -1.5},
                 {"F16", {0, 0xBE}, CN_DTYPE_FLOAT32, -1.5},
                 {"BF16", {0xC0, 0xBF}, CN_DTYPE_FLOAT32, -1.5},
                 {"F64", {0, 0, 0, 0, 0, 0, 0xF8, 0xBF}, CN_DTYPE_FLOAT32, -1.5},
                 {"I8", {0xFE}, CN_DTYPE_INT64, -2},
                 {"I16", {0xFE, 0xFF}, CN_DTYPE_INT64, -2},
                 {"I32", {0xFE, 0xFF, 0xFF, 0xFF}, CN_DTYPE_INT64, -2},
                 {"I64", {0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, CN_DTYPE_INT64, -2},
                 {"U16", {0xFE, 0xFF}, CN_DTYPE_INT64, 65534},
                 {"U32", {0xFE, 0xFF, 0xFF, 0xFF}, CN_DTYPE_INT64, 4294967294},
                 {"U64", {0xFE, 1}, CN_DTYPE_INT64, 510},
                 {"U8", {0xFE}, CN_DTYPE_UINT8, 254},
                 {"BOOL", {2}, CN_DTYPE_UINT8, 1}};
    for (size_t i = 0; i < CN__COUNT(cases); i++) {
        cn__entry entry = {.name = "t", .dtype = cases[i].dtype};
        cn_tensors *tensors;
        cn_tensor *tensor;
        cn__safetensors_place(&entry, 1);
        ck_ok(write_tensors(files.ctx, files.path, &entry, 1, NULL, 0, cases[i].bytes, entry.end));
        ck_ok(cn_tensors_load(files.ctx, files.path, &tensors));
        ck_ok(cn_tensors_get(tensors, "t", &tensor));
        ck_assert_int_eq(cn_tensor_dtype(tensor), cases[i].wanted);
        double value = tensor->dtype == CN_DTYPE_FLOAT32 ? (double)*(float *)tensor->data
                       : tensor->dtype == CN_DTYPE_INT64 ? (double)*(int64_t *)tensor->data
                                                         : *(uint8_t *)tensor->data;
        ck_assert_msg(value == cases[i].value, "%s: %g", cases[i].dtype, value);
        cn_tensors_free(tensors);
    }
}
END_TEST

START_TEST(a_model_file_is_a_collection) {
    cn_model *model = tiny_model(files.ctx);
    cn_tensors *tensors;
    cn_tensor *tensor;
    ck_ok(cn_model_save(model, files.path));
    ck_ok(cn_tensors_load(files.ctx, files.path, &tensors));
    ck_assert_int_eq(cn_tensors_count(tensors), cn_model_tensor_count(model));
    for (int64_t i = 0; i < cn_tensors_count(tensors); i++) {
        ck_assert_str_eq(cn_tensors_name(tensors, i), cn_model_tensor_name(model, i));
        ck_ok(cn_tensors_get(tensors, cn_tensors_name(tensors, i), &tensor));
        expect_same_tensor(tensor, &model->tensors[i].value, cn_tensors_name(tensors, i));
    }
    ck_assert_str_eq(cn_tensors_metadata(tensors, "format"), "pt");
    cn_tensors_free(tensors);
    cn_model_free(model);
}
END_TEST

/* ---- 16 bits ---- */

static void add_floats(cn_tensors *tensors, const char *name, float first, float second) {
    float values[2] = {first, second};
    cn_tensor *tensor;
    ck_ok(cn_tensor_borrow(files.ctx, CN_DTYPE_FLOAT32, 1, (int64_t[]){2}, values, &tensor));
    ck_ok(cn_tensors_add(tensors, name, tensor));
    cn_tensor_free(tensor);
}

static void expect_floats(cn_tensors *tensors, const char *name, float first, float second) {
    cn_tensor *tensor;
    ck_ok(cn_tensors_get(tensors, name, &tensor));
    ck_assert_float_eq(((float *)tensor->data)[0], first);
    ck_assert_float_eq(((float *)tensor->data)[1], second);
}

START_TEST(floats_are_narrowed_but_for_running_statistics) {
    cn_save_options options = options_of(_i);
    cn_tensors *tensors = new_tensors(), *loaded;
    cn_tensor *file;
    options.weights = CN_WEIGHTS_FLOAT16;
    add_floats(tensors, "bn.weight", 1.0f / 3.0f, -65504.0f);
    add_floats(tensors, "bn.running_var", 1.0f / 3.0f, 1e6f);
    add_floats(tensors, "running_mean", 1.0f / 3.0f, -1e6f);
    add_floats(tensors, "bn.running_mean.weight", 1.0f / 3.0f, 0x1p-24f);
    add(tensors, "count", CN_DTYPE_INT64, 0, NULL);
    ck_ok(cn_tensors_save_memory(tensors, kinds[_i], &options, &file));
    ck_ok(cn_tensors_load_memory(files.ctx, file->data, (size_t)file->count, &loaded));
    float third = cn__half_value(cn__half_bits(1.0f / 3.0f));
    expect_floats(loaded, "bn.weight", third, -65504.0f);
    expect_floats(loaded, "bn.running_var", 1.0f / 3.0f, 1e6f);
    expect_floats(loaded, "running_mean", 1.0f / 3.0f, -1e6f);
    expect_floats(loaded, "bn.running_mean.weight", third, 0x1p-24f);
    cn_tensors_free(loaded);
    cn_tensor_free(file);
    add_floats(tensors, "far", 0.0f, 1e5f);
    ck_fails(cn_tensors_save_memory(tensors, kinds[_i], &options, &file), CN_ERR_DATA,
             "'far' has 100000 at place 1, which float16 cannot hold");
    ck_assert_ptr_null(file);
    cn_tensors_free(tensors);
}
END_TEST

START_TEST(bfloat16_is_for_safetensors_alone) {
    cn_save_options options = CN_SAVE_OPTIONS_INIT;
    cn_tensors *tensors = new_tensors(), *loaded;
    cn_tensor *file;
    options.weights = CN_WEIGHTS_BFLOAT16;
    add_floats(tensors, "t", 0x1.01p0f, 1e38f);
    ck_fails(cn_tensors_save_memory(tensors, ".npz", &options, &file), CN_ERR_UNSUPPORTED, "numpy has no bfloat16");
    ck_assert_ptr_null(file);
    ck_ok(cn_tensors_save_memory(tensors, ".safetensors", &options, &file));
    ck_ok(cn_tensors_load_memory(files.ctx, file->data, (size_t)file->count, &loaded));
    expect_floats(loaded, "t", 1.0f, 0x1.2cp126f);
    cn_tensors_free(loaded);
    cn_tensor_free(file);
    cn_tensors_free(tensors);
}
END_TEST

/* ---- what is refused ---- */

START_TEST(files_of_other_kinds_are_refused) {
    static const unsigned char npy[] = "\x93NUMPY\1\0v\0", torch[] = "PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    static const struct {
        const void *bytes;
        size_t count;
        const char *message;
    } cases[] = {{npy, sizeof npy, "cn_tensor_load_npy"},
                 {"PK\3\4", 4, "it is no whole ZIP archive: it is too short"},
                 {torch, sizeof torch - 2, "it is no whole ZIP archive"},
                 {"", 0, "0 bytes are too few"},
                 {"\x80\2}q\1X pickle ", 15, "Python pickle"},
                 {"not such a file at all", 22, "not a safetensors file"}};
    cn_tensors *none;
    scratch s = scratch_new();
    for (size_t i = 0; i < CN__COUNT(cases); i++) {
        ck_fails(cn_tensors_load_memory(files.ctx, cases[i].bytes, cases[i].count, &none), CN_ERR_FORMAT,
                 cases[i].message);
        ck_assert_ptr_null(none);
        scratch_write(&s, "file", cases[i].bytes, cases[i].count);
        ck_fails(cn_tensors_load(files.ctx, scratch_path(&s, "file"), &none), CN_ERR_FORMAT, cases[i].message);
        ck_assert_ptr_null(none);
    }
    ck_fails(cn_tensors_load(files.ctx, "/nowhere/at/all.npz", &none), CN_ERR_IO, "/nowhere/at/all.npz");
    ck_fails(cn_tensors_load(files.ctx, GOLDEN "complex.npy", &none), CN_ERR_FORMAT, "without a name");
    scratch_free(&s);
}
END_TEST

START_TEST(types_that_no_tensor_has_are_refused) {
    const cn__entry entries[] = {{"a", "F32", 0, {0}, 0, 4, false}, {"b", "C64", 0, {0}, 4, 12, false}};
    const cn__entry wide = {"t", "U64", 0, {0}, 0, 8, false}, large = {"t", "F64", 0, {0}, 0, 8, false};
    static const unsigned char zeros[12] = {0}, ones[8] = {255, 255, 255, 255, 255, 255, 255, 255},
                               far[8] = {0, 0, 0, 0, 0, 0, 0xF0, 0x7E};
    cn_tensors *none;
    ck_ok(write_tensors(files.ctx, files.path, entries, 2, NULL, 0, zeros, 12));
    ck_fails(cn_tensors_load(files.ctx, files.path, &none), CN_ERR_UNSUPPORTED, "its tensor 'b' is of type C64");
    ck_ok(write_tensors(files.ctx, files.path, &wide, 1, NULL, 0, ones, 8));
    ck_fails(cn_tensors_load(files.ctx, files.path, &none), CN_ERR_DATA,
             "'t' has 18446744073709551615 at place 0, which int64 cannot hold");
    ck_ok(write_tensors(files.ctx, files.path, &large, 1, NULL, 0, far, 8));
    ck_fails(cn_tensors_load(files.ctx, files.path, &none), CN_ERR_DATA, "which float32 cannot hold");
    ck_assert_ptr_null(none);
}
END_TEST

START_TEST(names_and_options_that_fit_no_file_are_refused) {
    cn_save_options options = CN_SAVE_OPTIONS_INIT;
    cn_tensors *tensors = new_tensors();
    cn_tensor *none;
    static const char *const names[] = {"weights", "weights.pt", "weights.npz.gz", "weights.npy", "", "npz"};
    for (size_t i = 0; i < CN__COUNT(names); i++) {
        ck_fails(cn_tensors_save(tensors, names[i], NULL), CN_ERR_ARGUMENT, "should end with .safetensors or .npz");
        ck_fails(cn_tensors_save_memory(tensors, names[i], NULL, &none), CN_ERR_ARGUMENT, ".safetensors or .npz");
        ck_assert_ptr_null(none);
    }
    options.deflate = 1;
    ck_fails(cn_tensors_save(tensors, files.path, &options), CN_ERR_ARGUMENT, "never compressed");
    options.deflate = 2;
    ck_fails(cn_tensors_save_memory(tensors, ".npz", &options, &none), CN_ERR_ARGUMENT, "deflate is 2");
    ck_fails(cn_tensors_save(tensors, "/nowhere/a.npz", NULL), CN_ERR_IO, "/nowhere/a.npz");
    cn_tensors_free(tensors);
}
END_TEST

static void add_tests(TCase *group) {
    tcase_add_test(group, tensors_are_found_by_name_in_any_order);
    tcase_add_test(group, tensors_are_copied_and_can_be_written_to);
    tcase_add_test(group, metadata_are_set_changed_and_removed);
    tcase_add_test(group, bad_arguments_are_refused);
    tcase_add_loop_test(group, what_is_saved_is_loaded_again, 0, KINDS);
    tcase_add_loop_test(group, none_come_back_as_none, 0, KINDS);
    tcase_add_test(group, metadata_go_with_safetensors_and_stay_behind_otherwise);
    tcase_add_test(group, deflated_files_are_smaller_and_are_read_array_by_array);
    tcase_add_loop_test(group, numpys_files_are_read, 0, 3);
    tcase_add_test(group, all_types_of_safetensors_become_tensors);
    tcase_add_test(group, a_model_file_is_a_collection);
    tcase_add_loop_test(group, floats_are_narrowed_but_for_running_statistics, 0, KINDS);
    tcase_add_test(group, bfloat16_is_for_safetensors_alone);
    tcase_add_test(group, files_of_other_kinds_are_refused);
    tcase_add_test(group, types_that_no_tensor_has_are_refused);
    tcase_add_test(group, names_and_options_that_fit_no_file_are_refused);
}

int main(void) {
    Suite *suite = suite_create("tensors");
    add_tests(model_files_group(suite));
    return test_run(suite);
}
