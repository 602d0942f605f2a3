/* SPDX-License-Identifier: MIT */
/* test_numpy_data.c: data sets from numpy's files: which array is what, in which shape, and what is refused. */
#include "scratch.h"
#include "testing.h"
#include "base/base.h"
#include <stdio.h>

TEST_RUNS_ONCE;

static cn_context *ctx;
static scratch root;

static void setup(void) {
    ctx = test_context(2);
    root = scratch_new();
}

static void teardown(void) {
    scratch_free(&root);
    cn_context_free(ctx);
}

/* An array that counts: number i is i % period. */
static void save(const char *name, cn_dtype dtype, int dims, const int64_t *shape, int period) {
    cn_tensor *tensor;
    ck_ok(cn_tensor_new(ctx, dtype, dims, shape, &tensor));
    for (int64_t i = 0; i < cn_tensor_count(tensor); i++)
        if (dtype == CN_DTYPE_UINT8)
            ((uint8_t *)cn_tensor_data(tensor))[i] = (uint8_t)(i % period);
        else if (dtype == CN_DTYPE_INT64)
            ((int64_t *)cn_tensor_data(tensor))[i] = i % period;
        else
            ((float *)cn_tensor_data(tensor))[i] = (float)(i % period);
    ck_ok(cn_tensor_save_npy(tensor, scratch_path(&root, name)));
    cn_tensor_free(tensor);
}

#define SHAPE(...) ((const int64_t[]){__VA_ARGS__})

static cn_status open_pair(const char *targets, const cn_target_options *options, cn_dataset **set) {
    return cn_dataset_npy(ctx, scratch_path(&root, "x.npy"), targets ? scratch_path(&root, targets) : NULL, options,
                          set);
}

/* ---- shapes ---- */

START_TEST(channels_may_be_missing_first_or_last) {
    static const struct {
        int dims;
        int64_t shape[4], wanted[3];
        int64_t second; /* the number in column 1 of the first channel's first row */
    } cases[] = {{3, {5, 4, 6}, {1, 4, 6}, 1},
                 {4, {5, 2, 4, 6}, {2, 4, 6}, 1},
                 {4, {5, 4, 6, 3}, {3, 4, 6}, 3},
                 {4, {5, 4, 6, 1}, {1, 4, 6}, 1},
                 {4, {5, 3, 6, 3}, {3, 6, 3}, 1}};
    for (size_t c = 0; c < CN__COUNT(cases); c++)
        for (int floats = 0; floats < 2; floats++) {
            cn_dtype dtype = floats ? CN_DTYPE_FLOAT32 : CN_DTYPE_UINT8;
            int64_t shape[3];
            cn_dataset *set;
            cn_tensor *image;
            save("x.npy", dtype, cases[c].dims, cases[c].shape, 200);
            ck_ok(open_pair(NULL, NULL, &set));
            cn_dataset_shape(set, shape);
            ck_assert_mem_eq(shape, cases[c].wanted, sizeof shape);
            ck_assert_int_eq(cn_dataset_count(set), 5);
            ck_assert_int_eq(cn_dataset_target_count(set), 0);
            ck_ok(cn_tensor_new(ctx, dtype, 4, SHAPE(1, shape[0], shape[1], shape[2]), &image));
            ck_ok(cn_dataset_image(set, 0, image, NULL));
            double second =
                floats ? (double)((float *)cn_tensor_data(image))[1] : ((uint8_t *)cn_tensor_data(image))[1];
            ck_assert_double_eq(second, (double)cases[c].second);
            cn_tensor_free(image);
            cn_dataset_free(set);
        }
    save("x.npy", CN_DTYPE_INT64, 3, SHAPE(5, 4, 6), 200);
    cn_dataset *set;
    ck_fails(open_pair(NULL, NULL, &set), CN_ERR_SHAPE, "x.npy': images are int64 [5, 4, 6]");
    save("x.npy", CN_DTYPE_UINT8, 2, SHAPE(5, 4), 200);
    ck_fails(open_pair(NULL, NULL, &set), CN_ERR_SHAPE, "images are uint8 [5, 4]");
}
END_TEST

/* ---- targets ---- */

typedef struct target_case {
    cn_dtype dtype;
    int dims;
    int64_t shape[4];
    cn_target_kind kind;
    int64_t classes, wanted[3];
} target_case;

static void expect_target(const target_case *c, const cn_target_options *options) {
    cn_dataset *set;
    cn_target_options told = CN_TARGET_OPTIONS_INIT;
    save("y.npy", c->dtype, c->dims, c->shape, 5);
    ck_ok(open_pair("y.npy", options, &set));
    ck_assert_int_eq(cn_dataset_target_count(set), 1);
    ck_ok(cn_dataset_target(set, 0, &told));
    ck_assert_int_eq(told.kind, c->kind);
    ck_assert_int_eq(told.classes, c->classes);
    ck_assert_mem_eq(told.shape, c->wanted, sizeof told.shape);
    cn_dataset_free(set);
}

START_TEST(arrays_are_what_their_types_and_shapes_say) {
    static const target_case cases[] = {
        {CN_DTYPE_INT64, 1, {8}, CN_TARGET_CLASS, 5, {1, 1, 1}},
        {CN_DTYPE_UINT8, 2, {8, 1}, CN_TARGET_CLASS, 5, {1, 1, 1}},
        {CN_DTYPE_FLOAT32, 1, {8}, CN_TARGET_VECTOR, 0, {1, 1, 1}},
        {CN_DTYPE_FLOAT32, 2, {8, 1}, CN_TARGET_VECTOR, 0, {1, 1, 1}},
        {CN_DTYPE_FLOAT32, 2, {8, 3}, CN_TARGET_VECTOR, 0, {3, 1, 1}},
        {CN_DTYPE_UINT8, 2, {8, 14}, CN_TARGET_VECTOR, 0, {14, 1, 1}},
        {CN_DTYPE_UINT8, 3, {8, 4, 6}, CN_TARGET_MASK, 5, {1, 4, 6}},
        {CN_DTYPE_INT64, 3, {8, 4, 6}, CN_TARGET_MASK, 5, {1, 4, 6}},
        {CN_DTYPE_FLOAT32, 3, {8, 4, 6}, CN_TARGET_IMAGE, 0, {1, 4, 6}},
        {CN_DTYPE_UINT8, 4, {8, 4, 6, 3}, CN_TARGET_IMAGE, 0, {3, 4, 6}},
    };
    save("x.npy", CN_DTYPE_UINT8, 3, SHAPE(8, 4, 6), 200);
    for (size_t c = 0; c < CN__COUNT(cases); c++)
        expect_target(&cases[c], NULL);
}
END_TEST

START_TEST(options_say_otherwise) {
    static const target_case vector = {CN_DTYPE_INT64, 1, {8}, CN_TARGET_VECTOR, 0, {1, 1, 1}};
    static const target_case mask = {CN_DTYPE_UINT8, 4, {8, 4, 6, 1}, CN_TARGET_MASK, 4, {1, 4, 6}};
    static const target_case class = {CN_DTYPE_UINT8, 1, {8}, CN_TARGET_CLASS, 9, {1, 1, 1}};
    cn_target_options o = CN_TARGET_OPTIONS_INIT;
    cn_dataset *set;
    save("x.npy", CN_DTYPE_UINT8, 3, SHAPE(8, 4, 6), 200);
    o.kind = CN_TARGET_VECTOR;
    expect_target(&vector, &o);
    o.kind = CN_TARGET_MASK, o.ignore_index = 4;
    expect_target(&mask, &o);
    o.kind = CN_TARGET_CLASS, o.classes = 9;
    expect_target(&class, &o);
    o.classes = 3;
    ck_fails(open_pair("y.npy", &o, &set), CN_ERR_DATA, "label 3 is 3, wanted 0 to 2");
    o.kind = CN_TARGET_IMAGE, o.classes = 0;
    ck_fails(open_pair("y.npy", &o, &set), CN_ERR_SHAPE, "y.npy': images are uint8 [8]");
    save("y.npy", CN_DTYPE_INT64, 1, SHAPE(7), 3);
    ck_fails(open_pair("y.npy", NULL, &set), CN_ERR_SHAPE, "with N = 8 for classes");
    ck_assert_ptr_null(set);
}
END_TEST

START_TEST(a_stray_label_takes_no_memory) {
    cn_target_options o = CN_TARGET_OPTIONS_INIT;
    cn_dataset *set;
    cn_tensor *labels;
    save("x.npy", CN_DTYPE_UINT8, 3, SHAPE(4, 4, 6), 200);
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_INT64, 1, SHAPE(4), &labels));
    for (int64_t label = 1003; label <= 1004; label++) {
        ((int64_t *)cn_tensor_data(labels))[2] = label;
        ck_ok(cn_tensor_save_npy(labels, scratch_path(&root, "y.npy")));
        if (label == 1004)
            ck_fails(open_pair("y.npy", NULL, &set), CN_ERR_DATA, "y.npy': its largest class is 1004, too large");
        o.kind = CN_TARGET_CLASS, o.classes = label == 1004 ? 5000 : 0;
        ck_ok(open_pair("y.npy", &o, &set));
        ck_assert_int_eq(cn_dataset_classes(set), label == 1004 ? 5000 : 1004);
        cn_dataset_free(set);
    }
    cn_tensor_free(labels);
}
END_TEST

/* ---- archives ---- */

static uint32_t crc(const uint8_t *bytes, size_t count) {
    uint32_t sum = 0xFFFFFFFF;
    for (size_t i = 0; i < count; i++) {
        sum ^= bytes[i];
        for (int b = 0; b < 8; b++)
            sum = sum & 1 ? sum >> 1 ^ 0xEDB88320 : sum >> 1;
    }
    return ~sum;
}

typedef struct archive {
    uint8_t bytes[1 << 16], directory[4096];
    size_t size, directory_size;
    int count;
} archive;

static void put(uint8_t *to, size_t *at, uint64_t value, int bytes) {
    for (int b = 0; b < bytes; b++)
        to[(*at)++] = b < 8 ? (uint8_t)(value >> 8 * b) : 0;
}

/* The saved array `file` as a member called `name`, stored. */
static void add_member(archive *a, const char *file, const char *name) {
    static uint8_t content[1 << 15];
    size_t count = scratch_read(&root, file, content, sizeof content), at = a->size, length = strlen(name);
    uint64_t sum = crc(content, count);
    put(a->bytes, &a->size, 0x04034b50, 4);
    put(a->bytes, &a->size, 20, 10);
    put(a->bytes, &a->size, sum, 4);
    put(a->bytes, &a->size, count, 4);
    put(a->bytes, &a->size, count, 4);
    put(a->bytes, &a->size, length, 4);
    memcpy(a->bytes + a->size, name, length);
    memcpy(a->bytes + a->size + length, content, count);
    a->size += length + count;
    put(a->directory, &a->directory_size, 0x02014b50, 4);
    put(a->directory, &a->directory_size, 20 | 20 << 16, 12);
    put(a->directory, &a->directory_size, sum, 4);
    put(a->directory, &a->directory_size, count, 4);
    put(a->directory, &a->directory_size, count, 4);
    put(a->directory, &a->directory_size, length, 8);
    put(a->directory, &a->directory_size, 0, 6);
    put(a->directory, &a->directory_size, at, 4);
    memcpy(a->directory + a->directory_size, name, length);
    a->directory_size += length;
    a->count++;
}

static void write_archive(archive *a, const char *name) {
    size_t at = a->size;
    memcpy(a->bytes + a->size, a->directory, a->directory_size);
    a->size += a->directory_size;
    put(a->bytes, &a->size, 0x06054b50, 8);
    put(a->bytes, &a->size, (uint64_t)a->count, 2);
    put(a->bytes, &a->size, (uint64_t)a->count, 2);
    put(a->bytes, &a->size, a->directory_size, 4);
    put(a->bytes, &a->size, at, 4);
    put(a->bytes, &a->size, 0, 2);
    scratch_write(&root, name, a->bytes, a->size);
}

static cn_dataset *open_archive(cn_split split) {
    cn_dataset *set;
    ck_ok(cn_dataset_npz(ctx, scratch_path(&root, "a.npz"), split, NULL, &set));
    return set;
}

START_TEST(archives_have_parts) {
    static const char *const names[2][4] = {
        {"train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy"},
        {"x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy"}};
    save("many", CN_DTYPE_UINT8, 4, SHAPE(9, 4, 4, 3), 200);
    save("few", CN_DTYPE_UINT8, 4, SHAPE(4, 4, 4, 3), 200);
    save("many_labels", CN_DTYPE_UINT8, 2, SHAPE(9, 1), 6);
    save("few_labels", CN_DTYPE_UINT8, 2, SHAPE(4, 1), 6); /* up to 3 */
    for (int n = 0; n < 2; n++) {
        static archive a;
        cn_dataset *train, *test, *all;
        a = (archive){.count = 0};
        add_member(&a, "many", names[n][0]);
        add_member(&a, "many_labels", names[n][1]);
        add_member(&a, "few", names[n][2]);
        add_member(&a, "few_labels", names[n][3]);
        write_archive(&a, "a.npz");
        train = open_archive(CN_SPLIT_TRAIN);
        test = open_archive(CN_SPLIT_TEST);
        ck_assert(cn_dataset_count(train) == 9 && cn_dataset_count(test) == 4);
        ck_assert(cn_dataset_classes(train) == 6 && cn_dataset_classes(test) == 6);
        ck_fails(cn_dataset_npz(ctx, scratch_path(&root, "a.npz"), CN_SPLIT_ALL, NULL, &all), CN_ERR_NOT_FOUND,
                 names[n][0]);
        ck_fails(cn_dataset_npz(ctx, scratch_path(&root, "a.npz"), CN_SPLIT_VALIDATION, NULL, &all), CN_ERR_NOT_FOUND,
                 "val_images");
        cn_dataset_free(train);
        cn_dataset_free(test);
    }
}
END_TEST

START_TEST(archives_may_have_a_part_for_validation) {
    static archive a;
    cn_dataset *parts[3];
    static const cn_split splits[] = {CN_SPLIT_TRAIN, CN_SPLIT_TEST, CN_SPLIT_VALIDATION};
    static const char *const images[] = {"x_train.npy", "x_test.npy", "x_val.npy"};
    static const char *const labels[] = {"y_train.npy", "y_test.npy", "y_val.npy"};
    for (int p = 0; p < 3; p++) {
        save("images", CN_DTYPE_UINT8, 4, SHAPE(5 + p, 4, 4, 3), 200);
        save("labels", CN_DTYPE_UINT8, 2, SHAPE(5 + p, 1), p == 2 ? 7 : 3); /* a class that only the last one has */
        add_member(&a, "images", images[p]);
        add_member(&a, "labels", labels[p]);
    }
    write_archive(&a, "a.npz");
    for (int p = 0; p < 3; p++) {
        parts[p] = open_archive(splits[p]);
        ck_assert_int_eq(cn_dataset_count(parts[p]), 5 + p);
        ck_assert_int_eq(cn_dataset_classes(parts[p]), 7);
        cn_dataset_free(parts[p]);
    }
}
END_TEST

START_TEST(archives_without_parts_are_divided) {
    static archive a;
    save("x", CN_DTYPE_FLOAT32, 3, SHAPE(10, 4, 4), 200);
    save("y", CN_DTYPE_INT64, 1, SHAPE(10), 10);
    add_member(&a, "x", "images.npy");
    add_member(&a, "y", "labels.npy");
    write_archive(&a, "a.npz");
    cn_dataset *train = open_archive(CN_SPLIT_TRAIN), *test = open_archive(CN_SPLIT_TEST),
               *all = open_archive(CN_SPLIT_ALL);
    const cn_dataset *const parts[2] = {train, test};
    int seen[10] = {0};
    ck_assert(cn_dataset_count(train) == 8 && cn_dataset_count(test) == 2 && cn_dataset_count(all) == 10);
    for (int p = 0; p < 2; p++)
        for (int64_t i = 0; i < cn_dataset_count(parts[p]); i++) {
            int64_t label;
            ck_ok(cn_dataset_label(parts[p], i, &label));
            seen[label]++;
        }
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(seen[i], 1);
    cn_dataset_free(train);
    cn_dataset_free(test);
    cn_dataset_free(all);
}
END_TEST

START_TEST(out_of_memory_is_a_status) {
    static archive a;
    save("x.npy", CN_DTYPE_UINT8, 4, SHAPE(6, 4, 4, 3), 200);
    save("y.npy", CN_DTYPE_UINT8, 2, SHAPE(6, 1), 3);
    a = (archive){.count = 0};
    add_member(&a, "x.npy", "x.npy");
    add_member(&a, "y.npy", "y.npy");
    write_archive(&a, "a.npz");
    for (int way = 0; way < 4; way++) {
        counting_allocator counter = {.persistent = way % 2};
        cn_context *poor = counting_context(&counter, 1);
        cn_status status = CN_ERR_MEMORY;
        for (long failure = 1; status != CN_OK; failure++) {
            cn_dataset *set;
            long live = counter.live;
            counter.fail_at = counter.calls + failure;
            status = way / 2
                         ? cn_dataset_npz(poor, scratch_path(&root, "a.npz"), CN_SPLIT_TEST, NULL, &set)
                         : cn_dataset_npy(poor, scratch_path(&root, "x.npy"), scratch_path(&root, "y.npy"), NULL, &set);
            counter.fail_at = 0;
            ck_assert_msg(status == CN_OK || status == CN_ERR_MEMORY, "%s", cn_last_error());
            ck_assert((status == CN_OK) == (set != NULL));
            cn_dataset_free(set);
            ck_assert_int_eq(counter.live, live);
        }
        cn_context_free(poor);
    }
}
END_TEST

int main(void) {
    const TTest *const tests[] = {channels_may_be_missing_first_or_last,
                                  arrays_are_what_their_types_and_shapes_say,
                                  options_say_otherwise,
                                  a_stray_label_takes_no_memory,
                                  archives_have_parts,
                                  archives_may_have_a_part_for_validation,
                                  archives_without_parts_are_divided,
                                  out_of_memory_is_a_status};
    Suite *suite = suite_create("numpy data");
    TCase *group = tcase_create("numpy data");
    tcase_add_checked_fixture(group, setup, teardown);
    for (size_t i = 0; i < CN__COUNT(tests); i++)
        tcase_add_test(group, tests[i]);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
