/* SPDX-License-Identifier: MIT */
/* test_model_resaved.c: model files that another program has written again: the same model, whatever the order; what it
 * changed is said; and what is neither is damage. */
#include "model_files.h"
#include "io/io.h"
#include <stdio.h>
#include <stdlib.h>

static int warnings, notes;
static char last_message[512];

static void keep_message(void *user, cn_log_level level, const char *message) {
    (void)user;
    *(level == CN_LOG_WARNING ? &warnings : &notes) += 1;
    snprintf(last_message, sizeof last_message, "%s", message);
}

/* A saved model, taken apart: what it is written again from. */
typedef struct parts {
    cn_context *ctx; /* whose log is kept */
    cn_model *model;
    file_bytes bytes;
    cn__safetensors file;
    cn__entry entries[16]; /* of no offsets: those of `file` say where the values are */
    cn__metadata metadata[4];
    unsigned char data[4096];
} parts;

static parts take_apart(void) {
    static const char *const keys[] = {"format", "convnet.version", "convnet.model", "convnet.crc32"};
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    parts p = {0};
    options.threads = 1;
    options.log = keep_message;
    warnings = notes = 0;
    ck_ok(cn_context_new(&options, &p.ctx));
    p.model = tiny_model(p.ctx);
    for (size_t i = 0; i < p.model->tensor_count; i++) /* no two tensors alike */
        if (p.model->tensors[i].value.dtype == CN_DTYPE_FLOAT32)
            *(float *)p.model->tensors[i].value.data = 0.5f + (float)i;
    p.bytes = saved_file(p.model);
    ck_ok(cn__safetensors_read(files.ctx, p.bytes.data, p.bytes.count, &p.file));
    ck_assert_uint_eq(p.file.count, 7);
    ck_assert_uint_le(p.file.bytes, sizeof p.data);
    for (size_t i = 0; i < p.file.count; i++)
        p.entries[i] = p.file.entries[i];
    for (size_t i = 0; i < CN__COUNT(keys); i++)
        p.metadata[i] = (cn__metadata){keys[i], cn__safetensors_metadata(&p.file, keys[i])};
    return p;
}

/* As other programs write: data in the order of the header. Here the header's order is that of the names. */
static void write_again(parts *p, size_t metadata_count) {
    uint64_t at = 0;
    for (size_t i = 0; i < p->file.count; i++) {
        cn__entry *entry = &p->entries[i];
        uint64_t bytes = p->file.entries[i].end - p->file.entries[i].begin;
        memcpy(p->data + at, p->file.data + p->file.entries[i].begin, bytes);
        entry->begin = at;
        entry->end = at += bytes;
    }
    ck_ok(write_tensors(files.ctx, files.path, p->entries, p->file.count, p->metadata, metadata_count, p->data, at));
}

static void put_away(parts *p) {
    cn__safetensors_drop(&p->file);
    cn__free(files.ctx, p->bytes.data);
    cn_model_free(p->model);
    cn_context_free(p->ctx);
}

static void expect_loads(parts *p, cn_model *same) {
    cn_model *loaded;
    ck_ok(cn_model_load(p->ctx, files.path, &loaded));
    expect_same_tensors(loaded, same);
    cn_model_free(loaded);
}

static cn__entry *entry_of(parts *p, const char *name) {
    size_t i = 0;
    while (strcmp(p->entries[i].name, name) != 0)
        i++;
    return &p->entries[i];
}

START_TEST(another_order_fits_the_checksum) {
    parts p = take_apart();
    write_again(&p, 4);
    expect_loads(&p, p.model);
    ck_ok(cn_model_load_tensors(p.model, files.path));
    ck_assert_int_eq(warnings + notes, 0);
    put_away(&p);
}
END_TEST

START_TEST(a_dropped_checksum_is_noted) {
    parts p = take_apart();
    write_again(&p, 3);
    expect_loads(&p, p.model);
    ck_assert_int_eq(warnings, 0);
    ck_assert_int_eq(notes, 1);
    ck_assert_ptr_nonnull(strstr(last_message, "has no checksum"));
    put_away(&p);
}
END_TEST

/* As old builds laid it out, with types that this library does not write. */
START_TEST(other_types_are_another_programs_writing) {
    parts p = take_apart();
    cn_model *loaded;
    for (size_t i = 0; i < p.file.count; i++)
        if (strcmp(p.entries[i].dtype, "F32") == 0)
            p.entries[i].dtype = "F64";
    cn__safetensors_place(p.entries, p.file.count);
    size_t bytes = 0;
    for (size_t i = 0; i < p.file.count; i++)
        bytes = p.entries[i].end > bytes ? p.entries[i].end : bytes;
    ck_ok(write_tensors(files.ctx, files.path, p.entries, p.file.count, p.metadata, 3, p.data, bytes));
    ck_ok(cn_model_load(p.ctx, files.path, &loaded));
    ck_assert_int_eq(notes, 1);
    cn_model_free(loaded);
    put_away(&p);
}
END_TEST

START_TEST(changed_values_are_warned_of) {
    parts p = take_apart();
    cn_tensor *weight;
    unsigned char *values = p.bytes.data + (p.file.data - p.bytes.data);
    values[cn__safetensors_find(&p.file, "c.weight")->begin] ^= 1;
    write_again(&p, 4);
    ck_ok(cn_model_tensor(p.model, "c.weight", &weight));
    uint32_t bits;
    memcpy(&bits, cn_tensor_data(weight), sizeof bits);
    bits ^= 1;
    memcpy(cn_tensor_data(weight), &bits, sizeof bits);
    expect_loads(&p, p.model);
    ck_assert_int_eq(warnings, 1);
    ck_assert_ptr_nonnull(strstr(last_message, "its checksum does not fit"));
    put_away(&p);
}
END_TEST

static void expect_refused(parts *p, const char *message) {
    cn_model *loaded;
    ck_fails(cn_model_load(p->ctx, files.path, &loaded), CN_ERR_FORMAT, message);
    ck_fails(cn_model_load_tensors(p->model, files.path), CN_ERR_FORMAT, message);
    ck_assert_int_eq(warnings, 0);
}

/* Whoever writes the header: the values are those that were saved, under names that are not. */
START_TEST(swapped_names_are_damage) {
    static const char *const pairs[][2] = {{"c.bias", "n.bias"}, {"n.weight", "n.running_var"}};
    parts p = take_apart();
    cn__entry *a = entry_of(&p, pairs[_i][0]), *b = entry_of(&p, pairs[_i][1]);
    const char *name = a->name;
    a->name = b->name;
    b->name = name;
    ck_ok(write_tensors(files.ctx, files.path, p.entries, p.file.count, p.metadata, 4, p.file.data, p.file.bytes));
    expect_refused(&p, "under other names or in other places");
    put_away(&p);
}
END_TEST

START_TEST(swapped_places_are_damage) {
    parts p = take_apart();
    cn__entry *a = entry_of(&p, "n.weight"), *b = entry_of(&p, "n.running_mean"), old = *a;
    a->begin = b->begin, a->end = b->end;
    b->begin = old.begin, b->end = old.end;
    ck_ok(write_tensors(files.ctx, files.path, p.entries, p.file.count, p.metadata, 4, p.file.data, p.file.bytes));
    expect_refused(&p, "under other names or in other places");
    put_away(&p);
}
END_TEST

/* In the library's own writing a bit that flips in the key must not switch the check off. */
START_TEST(a_checksum_under_another_key_is_damage) {
    parts p = take_apart();
    unsigned char *key = p.bytes.data;
    while (memcmp(key, "convnet.crc32", 13) != 0)
        key++;
    for (int i = 0; i < 13; i++) {
        cn_model *loaded;
        key[i] ^= 1;
        ck_fails(cn_model_load_memory(p.ctx, p.bytes.data, p.bytes.count, &loaded), CN_ERR_FORMAT,
                 "its checksum is missing");
        key[i] ^= 1;
    }
    put_away(&p);
}
END_TEST

START_TEST(a_dropped_counter_is_damage) {
    parts p = take_apart();
    entry_of(&p, "n.num_batches_tracked")->name = "n.num_batches_trackee";
    ck_ok(write_tensors(files.ctx, files.path, p.entries, p.file.count, p.metadata, 4, p.file.data, p.file.bytes));
    expect_refused(&p, "damaged");
    put_away(&p);
}
END_TEST

START_TEST(a_file_in_memory_is_the_file_on_disk) {
    cn_model *model = tiny_model(files.ctx), *loaded;
    file_bytes disk = saved_file(model);
    cn_tensor *memory, *none = (cn_tensor *)files.ctx;
    ck_ok(cn_model_save_memory(model, &memory));
    ck_assert_int_eq(cn_tensor_dtype(memory), CN_DTYPE_UINT8);
    ck_assert_uint_eq((size_t)cn_tensor_count(memory), disk.count);
    ck_assert_mem_eq(cn_tensor_data(memory), disk.data, disk.count);
    ck_ok(cn_model_load_memory(files.ctx, cn_tensor_data(memory), (size_t)cn_tensor_count(memory), &loaded));
    expect_same_tensors(model, loaded);
    ck_fails(cn_model_save_memory(model, NULL), CN_ERR_ARGUMENT, "file");
    ck_fails(cn_model_save_memory(NULL, &none), CN_ERR_ARGUMENT, "model");
    ck_assert_ptr_null(none);
    cn_tensor_free(memory);
    cn__free(files.ctx, disk.data);
    cn_model_free(loaded);
    cn_model_free(model);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("model resaved");
    TCase *group = model_files_group(suite);
    tcase_add_test(group, another_order_fits_the_checksum);
    tcase_add_test(group, a_dropped_checksum_is_noted);
    tcase_add_test(group, other_types_are_another_programs_writing);
    tcase_add_test(group, changed_values_are_warned_of);
    tcase_add_loop_test(group, swapped_names_are_damage, 0, 2);
    tcase_add_test(group, swapped_places_are_damage);
    tcase_add_test(group, a_checksum_under_another_key_is_damage);
    tcase_add_test(group, a_dropped_counter_is_damage);
    tcase_add_test(group, a_file_in_memory_is_the_file_on_disk);
    return test_run(suite);
}
