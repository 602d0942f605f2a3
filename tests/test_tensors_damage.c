/* SPDX-License-Identifier: MIT */
/* test_tensors_damage.c: files of named tensors that are cut, changed or hostile, and memory that runs out on the way. */
#include "model_files.h"
#include "whole_file.h"
#include "fuzzing.h"
#include <stdio.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

static const char *const corpus[] = {"half.safetensors", "two.safetensors", "stored.npz", "deflated.npz"};

static const char *corpus_path(int file, char path[80]) {
    snprintf(path, 80, "tests/corpus/tensors/%s", corpus[file]);
    return path;
}

/* Whatever happens to a file, it is read or refused. */
START_TEST(damage_is_refused) {
    char path[80];
    unsigned char *whole, *hurt;
    size_t count;
    ck_ok(load_file(files.ctx, corpus_path(_i, path), &whole, &count));
    ck_assert_ptr_nonnull(hurt = cn__alloc(files.ctx, count, 1));
    int step = test_quick() ? 7 : 1;
    fuzz_tensors(whole, count);
    for (size_t at = 0; at < count; at += (size_t)step) {
        fuzz_tensors(whole, at);
        for (int bit = 0; bit < 8; bit++) {
            memcpy(hurt, whole, count);
            hurt[at] ^= (unsigned char)(1 << bit);
            fuzz_tensors(hurt, count);
        }
        memset(hurt + at, 255, count - at < 8 ? count - at : 8);
        fuzz_tensors(hurt, count);
    }
    cn__free(files.ctx, hurt);
    cn__free(files.ctx, whole);
}
END_TEST

/* Each bit of an array in an archive is under its checksum. */
START_TEST(checksums_of_archives_are_looked_at) {
    char path[80];
    unsigned char *bytes;
    size_t count, hurt = 0;
    cn_tensors *tensors;
    ck_ok(load_file(files.ctx, corpus_path(2, path), &bytes, &count));
    for (size_t i = 4; i < count; i++)
        if (memcmp(bytes + i, "PK\1\2", 4) == 0 || memcmp(bytes + i, "PK\3\4", 4) == 0) { /* behind an array */
            bytes[i - 1] ^= 1;
            ck_fails(cn_tensors_load_memory(files.ctx, bytes, count, &tensors), CN_ERR_FORMAT, "a checksum is wrong");
            bytes[i - 1] ^= 1;
            hurt++;
            if (bytes[i + 2] == 1)
                break;
        }
    ck_assert_uint_gt(hurt, 1);
    cn__free(files.ctx, bytes);
}
END_TEST

/* ---- memory ---- */

START_TEST(loading_without_memory_is_a_status) {
    char path[80];
    unsigned char *bytes;
    size_t count;
    for (int persistent = 0; persistent < 2; persistent++) {
        counting_allocator counter = {.persistent = persistent};
        cn_context *own = counting_context(&counter, 1);
        cn_tensors *tensors = NULL;
        ck_survives(&counter, cn_tensors_load(own, corpus_path(_i, path), &tensors), tensors, 8);
        cn_tensors_free(tensors);
        tensors = NULL;
        ck_ok(load_file(files.ctx, path, &bytes, &count));
        ck_survives(&counter, cn_tensors_load_memory(own, bytes, count, &tensors), tensors, 8);
        cn_tensors_free(tensors);
        cn__free(files.ctx, bytes);
        cn_context_free(own);
        ck_assert_int_eq(counter.live, 0);
    }
}
END_TEST

/* Adds, sets, saves and looks again; nothing is half there. */
START_TEST(building_and_saving_without_memory_is_a_status) {
    counting_allocator counter = {.persistent = _i};
    cn_context *own = counting_context(&counter, 1);
    cn_save_options deflate = CN_SAVE_OPTIONS_INIT;
    cn_tensors *tensors = NULL;
    cn_tensor *file = NULL, *tensor, *none = NULL;
    char path[160];
    deflate.deflate = 1;
    deflate.weights = CN_WEIGHTS_FLOAT16;
    ck_survives(&counter, cn_tensors_new(own, &tensors), tensors, 0);
    ck_ok(cn_tensor_new(own, CN_DTYPE_FLOAT32, 1, (int64_t[]){20}, &tensor));
    for (long failure = 1;; failure++) {
        counter.fail_at = counter.calls + failure;
        cn_status status = cn_tensors_add(tensors, "a", tensor);
        counter.fail_at = 0;
        ck_assert_int_eq(cn_tensors_count(tensors), status == CN_OK);
        if (status == CN_OK)
            break;
        ck_assert_int_eq(status, CN_ERR_MEMORY);
    }
    for (long failure = 1;; failure++) {
        counter.fail_at = counter.calls + failure;
        cn_status status = cn_tensors_set_metadata(tensors, "k", failure < 3 ? "short" : "longer");
        counter.fail_at = 0;
        if (status == CN_OK)
            break;
        ck_assert_ptr_null(cn_tensors_metadata(tensors, "k"));
    }
    snprintf(path, sizeof path, "%s/a.npz", files.folder);
    ck_survives(&counter, cn_tensors_save_memory(tensors, ".safetensors", NULL, &file), file, 3);
    cn_tensor_free(file);
    file = NULL;
    ck_survives(&counter, cn_tensors_save_memory(tensors, ".npz", &deflate, &file), file, 6);
    cn_tensor_free(file);
    ck_survives(&counter, cn_tensors_save(tensors, path, NULL), none, 5);
    remove(path);
    cn_tensor_free(tensor);
    cn_tensors_free(tensors);
    cn_context_free(own);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

START_TEST(state_dicts_without_memory_are_a_status) {
    counting_allocator counter = {.persistent = _i};
    cn_context *own = counting_context(&counter, 1);
    cn_model *model = tiny_model(own), *same = tiny_model(own);
    cn_tensors *tensors = NULL;
    cn_tensor *file, *none = NULL;
    ck_survives(&counter, cn_model_state_dict(model, &tensors), tensors, 10);
    ck_survives(&counter, cn_model_load_state_dict(model, tensors, NULL), none, 1);
    expect_same_tensors(model, same);
    ck_ok(cn_tensors_save_memory(tensors, ".npz", NULL, &file));
    ck_survives(&counter, cn_model_load_tensors_memory(model, file->data, (size_t)file->count, NULL), none, 10);
    expect_same_tensors(model, same);
    cn_tensor_free(file);
    cn_tensors_free(tensors);
    cn_model_free(same);
    cn_model_free(model);
    cn_context_free(own);
}
END_TEST

static const char *golden_folder;

/* The corpus, as it was written once. */
START_TEST(write_corpus) {
    cn_save_options options = CN_SAVE_OPTIONS_INIT;
    cn_tensors *tensors;
    cn_tensor *tensor;
    char path[512];
    ck_ok(cn_tensors_new(files.ctx, &tensors));
    ck_ok(cn_tensor_new(files.ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){2, 3}, &tensor));
    for (int i = 0; i < 6; i++)
        ((float *)tensor->data)[i] = (float)i / 4.0f;
    ck_ok(cn_tensors_add(tensors, "c.weight", tensor));
    cn_tensor_free(tensor);
    ck_ok(cn_tensor_new(files.ctx, CN_DTYPE_INT64, 0, NULL, &tensor));
    ck_ok(cn_tensors_add(tensors, "n", tensor));
    cn_tensor_free(tensor);
    ck_ok(cn_tensors_set_metadata(tensors, "k", "v"));
    for (int i = 0; i < 4; i++) {
        options.weights = i == 0 ? CN_WEIGHTS_FLOAT16 : CN_WEIGHTS_FLOAT32;
        options.deflate = i == 3;
        snprintf(path, sizeof path, "%s/%s", golden_folder, corpus[i]);
        ck_ok(cn_tensors_save(tensors, path, &options));
    }
    cn_tensors_free(tensors);
}
END_TEST

static void add_tests(TCase *group, const char *folder_to_write) {
    golden_folder = folder_to_write;
    if (golden_folder) {
        tcase_add_test(group, write_corpus);
        return;
    }
    tcase_add_loop_test(group, damage_is_refused, 0, (int)CN__COUNT(corpus));
    tcase_add_test(group, checksums_of_archives_are_looked_at);
    tcase_add_loop_test(group, loading_without_memory_is_a_status, 0, (int)CN__COUNT(corpus));
    tcase_add_loop_test(group, building_and_saving_without_memory_is_a_status, 0, 2);
    tcase_add_loop_test(group, state_dicts_without_memory_are_a_status, 0, 2);
}

int main(int argc, char **argv) {
    Suite *suite = suite_create("tensors damage");
    add_tests(model_files_group(suite), argc > 1 ? argv[1] : NULL);
    return test_run(suite);
}
