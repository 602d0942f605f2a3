/* SPDX-License-Identifier: MIT */
/* model_files.c: a context and a folder for each test, a small model, and comparing. */
#include "model_files.h"
#include "scratch.h"
#include "whole_file.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

model_files files;

static void setup(void) {
    files.ctx = test_context(1);
    snprintf(files.folder, sizeof files.folder, "%s", scratch_new().path);
    snprintf(files.path, sizeof files.path, "%s/" MODEL_FILE, files.folder);
    snprintf(files.other, sizeof files.other, "%s/other.safetensors", files.folder);
}

static void teardown(void) {
    unlink(files.path);
    unlink(files.other);
    ck_assert_msg(rmdir(files.folder) == 0, "files are left in %s", files.folder);
    cn_context_free(files.ctx);
}

TCase *model_files_group(Suite *suite) {
    TCase *group = tcase_create("model files");
    tcase_add_checked_fixture(group, setup, teardown);
    suite_add_tcase(suite, group);
    return group;
}

cn_model *tiny_model(cn_context *context) {
    static const float mean[] = {0.5f, 0.25f}, std[] = {0.1f, 1.0f};
    cn_model *model;
    cn_layer *layer = NULL;
    if (cn_model_new(context, 2, 3, 3, &model) != CN_OK)
        return NULL;
    if (cn_conv2d_new(context, 2, 2, 3, 3, NULL, &layer) != CN_OK || cn_model_append(model, "c", layer) != CN_OK ||
        cn_norm_new(context, CN_NORM_BATCH, 2, NULL, &layer) != CN_OK || cn_model_append(model, "n", layer) != CN_OK ||
        cn_log_softmax_new(context, &layer) != CN_OK || cn_model_append(model, "s", layer) != CN_OK ||
        cn_model_init(model, 5) != CN_OK || cn_model_set_normalization(model, 2, mean, std) != CN_OK ||
        cn_model_set_class_names(model, 2, (const char *[]){"yes", "no"}) != CN_OK) {
        cn_model_free(model);
        return NULL;
    }
    return model;
}

/* ---- comparing ---- */

void expect_same_tensors(cn_model *a, cn_model *b) {
    ck_assert_int_eq(cn_model_tensor_count(a), cn_model_tensor_count(b));
    for (int i = 0; i < cn_model_tensor_count(a); i++) {
        cn_tensor *x, *y;
        const char *name = cn_model_tensor_name(a, i);
        ck_assert_str_eq(name, cn_model_tensor_name(b, i));
        ck_ok(cn_model_tensor(a, name, &x));
        ck_ok(cn_model_tensor(b, name, &y));
        ck_assert_int_eq(cn_tensor_count(x), cn_tensor_count(y));
        size_t bytes = (size_t)cn_tensor_count(x) * (cn_tensor_dtype(x) == CN_DTYPE_INT64 ? 8 : 4);
        ck_assert_msg(memcmp(cn_tensor_data(x), cn_tensor_data(y), bytes) == 0, "%s differs", name);
    }
}

void expect_same_files(const char *a, const char *b) {
    unsigned char *x, *y;
    size_t x_bytes, y_bytes;
    ck_ok(load_file(files.ctx, a, &x, &x_bytes));
    ck_ok(load_file(files.ctx, b, &y, &y_bytes));
    ck_assert_uint_eq(x_bytes, y_bytes);
    ck_assert_int_eq(memcmp(x, y, x_bytes), 0);
    cn__free(files.ctx, x);
    cn__free(files.ctx, y);
}

cn_status write_tensors(cn_context *context, const char *path, const cn__entry *entries, size_t count,
                        const cn__metadata *metadata, size_t metadata_count, const void *data, size_t bytes) {
    cn_tensor *file;
    CN__TRY(cn__safetensors_pack(context, entries, count, metadata, metadata_count, bytes, &file));
    memcpy((char *)file->data + (size_t)file->count - bytes, data, bytes);
    cn_status status = cn__replace_file(context, path, &(struct iovec){file->data, (size_t)file->count}, 1);
    cn_tensor_free(file);
    return status;
}

file_bytes saved_file(const cn_model *model) {
    file_bytes file;
    ck_ok(cn_model_save(model, files.path));
    ck_ok(load_file(files.ctx, files.path, &file.data, &file.count));
    return file;
}
