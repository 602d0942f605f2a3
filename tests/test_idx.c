/* SPDX-License-Identifier: MIT */
/* test_idx.c: IDX files, plain and compressed, whole, cut short, too long and wrong. */
#include "data_files.h"
#include "testing.h"
#include "base/base.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

TEST_RUNS_ONCE;

START_TEST(mnist_is_found_plain_and_compressed) {
    cn_context *ctx = test_context(1);
    scratch s = scratch_new();
    idx_file images = idx_images(), labels = idx_labels();
    cn_dataset *train, *test;
    scratch_write(&s, "train-images-idx3-ubyte", images.bytes, images.count);
    scratch_gzip(&s, "train-labels-idx1-ubyte.gz", labels.bytes, labels.count);
    scratch_gzip(&s, "t10k-images-idx3-ubyte.gz", images.bytes, images.count);
    scratch_write(&s, "t10k-labels-idx1-ubyte", labels.bytes, labels.count);
    ck_ok(cn_dataset_idx(ctx, s.path, CN_SPLIT_TRAIN, &train));
    ck_ok(cn_dataset_idx(ctx, s.path, CN_SPLIT_TEST, &test));
    ck_assert_int_eq(cn_dataset_classes(train), 10);
    idx_expect(train, ctx);
    idx_expect(test, ctx);
    const int64_t shape[4] = {1, 1, IDX_HEIGHT, IDX_WIDTH}, first = 0;
    cn_tensor *batch;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, shape, &batch));
    ck_ok(cn_dataset_batch(test, 1, &first, 0, 0, 0, batch, NULL));
    ck_assert_float_eq(((float *)cn_tensor_data(batch))[0], (1.0f / 255.0f - 0.1307f) / 0.3081f);
    cn_tensor_free(batch);
    cn_dataset_free(train);
    cn_dataset_free(test);
    scratch_free(&s);
    cn_context_free(ctx);
}
END_TEST

/* Writes both files as they are and opens them. */
static cn_status open_pair(const scratch *s, cn_context *ctx, const idx_file *images, const idx_file *labels,
                           cn_dataset **set) {
    scratch_write(s, "images", images->bytes, images->count);
    scratch_write(s, "labels", labels->bytes, labels->count);
    return cn_dataset_idx_files(ctx, scratch_path(s, "images"), scratch_path(s, "labels"), set);
}

START_TEST(any_idx_files_can_be_paired) {
    cn_context *ctx = test_context(1);
    scratch s = scratch_new();
    const uint32_t extents[4] = {IDX_COUNT, 2, 3, 2};
    idx_file images = idx_images(), labels = idx_labels(), colours = idx_begin(4, extents);
    cn_dataset *set;
    int64_t shape[3];
    ck_ok(open_pair(&s, ctx, &images, &labels, &set));
    ck_assert_int_eq(cn_dataset_classes(set), 8); /* labels 0, 5, 2, 7, 4, 1 */
    idx_expect(set, ctx);
    cn_dataset_free(set);
    memcpy(colours.bytes + colours.count, images.bytes + 16, IDX_COUNT * IDX_VALUES);
    colours.count += IDX_COUNT * IDX_VALUES;
    ck_ok(open_pair(&s, ctx, &colours, &labels, &set));
    cn_dataset_shape(set, shape);
    ck_assert(shape[0] == 2 && shape[1] == 3 && shape[2] == 2);
    cn_dataset_free(set);
    scratch_free(&s);
    cn_context_free(ctx);
}
END_TEST

START_TEST(idx_files_cut_anywhere_end_too_early) {
    cn_context *ctx = test_context(1);
    scratch s = scratch_new();
    const idx_file images = idx_images(), labels = idx_labels();
    cn_dataset *set;
    for (size_t count = 0; count < images.count; count++) {
        idx_file cut = images;
        cut.count = count;
        ck_fails(open_pair(&s, ctx, &cut, &labels, &set), CN_ERR_FORMAT, "images' ends too early");
    }
    for (size_t count = 0; count < labels.count; count++) {
        idx_file cut = labels;
        cut.count = count;
        ck_fails(open_pair(&s, ctx, &images, &cut, &set), CN_ERR_FORMAT, "labels' ends too early");
    }
    ck_assert_ptr_null(set);
    scratch_free(&s);
    cn_context_free(ctx);
}
END_TEST

START_TEST(wrong_idx_headers_are_named) {
    cn_context *ctx = test_context(1);
    scratch s = scratch_new();
    const idx_file images = idx_images(), labels = idx_labels();
    idx_file bad = images;
    cn_dataset *set;
    bad.bytes[2] = 13; /* float32 */
    ck_fails(open_pair(&s, ctx, &bad, &labels, &set), CN_ERR_FORMAT, "images' begins with 00 00 0d");
    ck_fails(open_pair(&s, ctx, &labels, &labels, &set), CN_ERR_FORMAT, "byte 3: 1 dimensions, wanted 3 or 4");
    ck_fails(open_pair(&s, ctx, &images, &images, &set), CN_ERR_FORMAT, "byte 3: 3 dimensions, wanted 1");
    bad = images;
    bad.count++;
    ck_fails(open_pair(&s, ctx, &bad, &labels, &set), CN_ERR_FORMAT, "images' goes on after");
    bad = labels;
    bad.count++;
    ck_fails(open_pair(&s, ctx, &images, &bad, &set), CN_ERR_FORMAT, "labels' goes on after");
    bad = labels;
    bad.bytes[7] = IDX_COUNT - 1;
    ck_fails(open_pair(&s, ctx, &images, &bad, &set), CN_ERR_FORMAT, "labels' has 5 labels for 6 images");
    bad = images;
    bad.bytes[7] = 0;
    ck_fails(open_pair(&s, ctx, &bad, &labels, &set), CN_ERR_FORMAT, "images' is empty");
    bad = images;
    bad.bytes[11] = 0;
    ck_fails(open_pair(&s, ctx, &bad, &labels, &set), CN_ERR_FORMAT, "byte 8: dimension 1 is 0");
    scratch_free(&s);
    cn_context_free(ctx);
}
END_TEST

static void *no_large_memory(void *user, size_t bytes, size_t alignment) {
    void *memory = NULL;
    (void)user;
    ck_assert_uint_le(bytes, 1 << 20);
    return posix_memalign(&memory, alignment, bytes) == 0 ? memory : NULL;
}

static void release(void *user, void *memory) {
    (void)user;
    free(memory);
}

START_TEST(a_header_alone_makes_nobody_allocate) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *ctx;
    scratch s = scratch_new();
    const idx_file labels = idx_labels();
    const uint32_t hostile[][4] = {
        {0xffffffff, 28, 28, 0},        {1, 65536, 65536, 0},          {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
        {0x80000000, 0x80000000, 2, 1}, {0x7fffffff, 1, 32768, 32768}, {1, 1, 1, 16777217}};
    cn_dataset *set;
    options.threads = 1;
    options.allocate = no_large_memory;
    options.release = release;
    ck_ok(cn_context_new(&options, &ctx));
    for (size_t i = 0; i < CN__COUNT(hostile); i++)
        for (int dimensions = 3; dimensions <= 4; dimensions++) {
            idx_file bad = idx_begin(dimensions, hostile[i]);
            bad.count += 60;
            ck_fails(open_pair(&s, ctx, &bad, &labels, &set), CN_ERR_FORMAT, "images'");
            remove(scratch_path(&s, "images.gz"));
            scratch_gzip(&s, "images.gz", bad.bytes, bad.count);
            ck_fails(cn_dataset_idx_files(ctx, scratch_path(&s, "images.gz"), scratch_path(&s, "labels"), &set),
                     CN_ERR_FORMAT, "images.gz'");
        }
    scratch_free(&s);
    cn_context_free(ctx);
}
END_TEST

START_TEST(labels_outside_mnists_classes_are_named) {
    cn_context *ctx = test_context(1);
    scratch s = scratch_new();
    idx_file images = idx_images(), labels = idx_labels();
    cn_dataset *set;
    labels.bytes[8 + 2] = 17;
    scratch_write(&s, "t10k-images-idx3-ubyte", images.bytes, images.count);
    scratch_write(&s, "t10k-labels-idx1-ubyte", labels.bytes, labels.count);
    scratch_write(&s, "train-labels-idx1-ubyte", idx_labels().bytes, labels.count);
    ck_fails(cn_dataset_idx(ctx, s.path, CN_SPLIT_TEST, &set), CN_ERR_DATA,
             "t10k-labels-idx1-ubyte', byte 10: label 17, wanted 0 to 9");
    ck_fails(cn_dataset_idx(ctx, s.path, CN_SPLIT_TRAIN, &set), CN_ERR_IO,
             "has no 'train-images-idx3-ubyte', as MNIST's site calls it, plain or .gz");
    ck_ok(open_pair(&s, ctx, &images, &labels, &set));
    ck_assert_int_eq(cn_dataset_classes(set), 18);
    cn_dataset_free(set);
    scratch_free(&s);
    cn_context_free(ctx);
}
END_TEST

/* ---- the names that people have ---- */

/* Both files of a split, under names of which "IMAGES-idx3" and "LABELS-idx1" stand for the parts that differ. */
static void put_pair(const scratch *s, const char *folder, const char *split, char dot, int extra_folder,
                     const idx_file *labels) {
    static const char *const kinds[2] = {"images", "labels"};
    const idx_file images = idx_images();
    char path[256], *slash;
    for (int i = 0; i < 2; i++) {
        const idx_file *file = i == 0 ? &images : labels;
        char name[64];
        snprintf(name, sizeof name, "%s-%s%cidx%d-ubyte", split, kinds[i], dot, i == 0 ? 3 : 1);
        snprintf(path, sizeof path, "%s%s%s%s", folder, extra_folder ? name : "", extra_folder ? "/" : "", name);
        for (slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
            *slash = '\0';
            mkdir(scratch_path(s, path), 0755);
            *slash = '/';
        }
        scratch_write(s, path, file->bytes, file->count);
    }
}

static void expect_set(cn_context *ctx, const char *path, int64_t classes, const char *last) {
    for (int split = 0; split < 2; split++) {
        cn_dataset *set;
        ck_ok(cn_dataset_idx(ctx, path, (cn_split)split, &set));
        ck_assert_int_eq(cn_dataset_count(set), IDX_COUNT);
        ck_assert_int_eq(cn_dataset_classes(set), classes);
        ck_assert_str_eq(cn_dataset_class_name(set, classes - 1), last);
        cn_dataset_free(set);
    }
}

START_TEST(files_are_found_under_the_names_that_people_have) {
    static const struct {
        const char *folder, *prefix;
        char dot;
        int extra;
    } names[] = {{"", "", '.', 0}, {"MNIST/raw/", "", '-', 0}, {"", "", '-', 1}, {"", "emnist-digits-", '-', 0}};
    const idx_file labels = idx_labels();
    for (size_t i = 0; i < CN__COUNT(names); i++) {
        cn_context *ctx = test_context(1);
        scratch s = scratch_new();
        char split[64];
        snprintf(split, sizeof split, "%strain", names[i].prefix);
        put_pair(&s, names[i].folder, split, names[i].dot, names[i].extra, &labels);
        snprintf(split, sizeof split, "%s%s", names[i].prefix, names[i].prefix[0] ? "test" : "t10k");
        put_pair(&s, names[i].folder, split, names[i].dot, names[i].extra, &labels);
        expect_set(ctx, s.path, 10, "9");
        scratch_free(&s);
        cn_context_free(ctx);
    }
}
END_TEST

START_TEST(of_several_sets_one_must_be_named) {
    cn_context *ctx = test_context(1);
    scratch s = scratch_new();
    idx_file labels = idx_labels(), letters = labels;
    cn_dataset *set;
    for (int i = 0; i < IDX_COUNT; i++)
        letters.bytes[8 + i] = (uint8_t)(i == 0 ? 26 : i); /* 26, 1 … 5 */
    put_pair(&s, "", "emnist-digits-train", '-', 0, &labels);
    put_pair(&s, "", "emnist-digits-test", '-', 0, &labels);
    put_pair(&s, "", "emnist-letters-train", '-', 0, &letters);
    letters.bytes[8] = 2; /* the classes are those of the training labels */
    put_pair(&s, "", "emnist-letters-test", '-', 0, &letters);
    ck_fails(cn_dataset_idx(ctx, s.path, CN_SPLIT_TRAIN, &set), CN_ERR_DATA, "there are several sets of images");
    expect_set(ctx, scratch_path(&s, "emnist-digits"), 10, "9");
    expect_set(ctx, scratch_path(&s, "emnist-letters"), 26, "26");
    scratch_write(&s, "classes.txt", "a\nb\n\nc\nd\ne\nf\ng\nh\ni\nj\n", 21);
    expect_set(ctx, scratch_path(&s, "emnist-digits"), 10, "j");
    ck_fails(cn_dataset_idx(ctx, scratch_path(&s, "emnist-letters"), CN_SPLIT_TRAIN, &set), CN_ERR_FORMAT,
             "classes.txt' names 10 classes, wanted 26");
    scratch_free(&s);
    cn_context_free(ctx);
}
END_TEST

/* ---- gzip ---- */

static cn_status open_gzip(const scratch *s, cn_context *ctx, const uint8_t *bytes, size_t count, cn_dataset **set) {
    const idx_file labels = idx_labels();
    scratch_write(s, "images", bytes, count);
    scratch_write(s, "labels", labels.bytes, labels.count);
    return cn_dataset_idx_files(ctx, scratch_path(s, "images"), scratch_path(s, "labels"), set);
}

START_TEST(damaged_gzip_files_are_found_out) {
    cn_context *ctx = test_context(1);
    scratch s = scratch_new();
    const idx_file images = idx_images();
    uint8_t bytes[2 * IDX_MOST_BYTES];
    cn_dataset *set;
    scratch_gzip(&s, "whole.gz", images.bytes, images.count);
    size_t count = scratch_read(&s, "whole.gz", bytes, sizeof bytes);
    ck_ok(open_gzip(&s, ctx, bytes, count, &set));
    idx_expect(set, ctx);
    cn_dataset_free(set);
    for (size_t cut = 2; cut < count; cut++)
        ck_fails(open_gzip(&s, ctx, bytes, cut, &set), CN_ERR_FORMAT, "images' ends too early");
    for (size_t i = count - 8; i < count; i++) { /* checksum and length */
        bytes[i] ^= 0x10;
        ck_fails(open_gzip(&s, ctx, bytes, count, &set), CN_ERR_FORMAT, "images' is damaged: incorrect");
        bytes[i] ^= 0x10;
    }
    ck_assert_ptr_null(set);
    for (int byte = 0; byte < 256; byte += 85) { /* padding, and what gzip would ignore, too */
        memset(bytes + count, byte, 20);
        ck_ok(open_gzip(&s, ctx, bytes, count + 20, &set));
        idx_expect(set, ctx);
        cn_dataset_free(set);
    }
    bytes[count] = 0x1f; /* another member, which is none */
    ck_fails(open_gzip(&s, ctx, bytes, count + 20, &set), CN_ERR_FORMAT, "images' is damaged");
    scratch_free(&s);
    cn_context_free(ctx);
}
END_TEST

START_TEST(gzip_files_may_have_several_members) {
    cn_context *ctx = test_context(1);
    scratch s = scratch_new();
    const idx_file images = idx_images();
    uint8_t bytes[4 * IDX_MOST_BYTES];
    cn_dataset *set;
    scratch_gzip(&s, "whole.gz", images.bytes, 30);
    scratch_gzip(&s, "whole.gz", images.bytes, 0);
    scratch_gzip(&s, "whole.gz", images.bytes + 30, images.count - 30);
    scratch_gzip(&s, "whole.gz", images.bytes, 0);
    size_t count = scratch_read(&s, "whole.gz", bytes, sizeof bytes);
    ck_ok(open_gzip(&s, ctx, bytes, count, &set));
    idx_expect(set, ctx);
    cn_dataset_free(set);
    scratch_gzip(&s, "whole.gz", images.bytes, 1);
    count = scratch_read(&s, "whole.gz", bytes, sizeof bytes);
    ck_fails(open_gzip(&s, ctx, bytes, count, &set), CN_ERR_FORMAT, "images' goes on after");
    scratch_free(&s);
    cn_context_free(ctx);
}
END_TEST

/* Zeros are packed a thousandfold. Whether they are all there is looked at before memory is taken for them. */
START_TEST(what_is_packed_a_thousandfold_is_there_or_takes_no_memory) {
    enum { SIDE = 1000 };
    cn_context *ctx = test_context(1);
    scratch s = scratch_new();
    const uint32_t extents[3] = {1, SIDE, SIDE}, one[1] = {1};
    idx_file head = idx_begin(3, extents), label = idx_begin(1, one);
    uint8_t *images = calloc(1, head.count + SIDE * SIDE);
    cn_dataset *set;
    ck_assert_ptr_nonnull(images);
    memcpy(images, head.bytes, head.count);
    label.bytes[label.count++] = 0;
    scratch_write(&s, "label", label.bytes, label.count);
    scratch_gzip(&s, "short", images, head.count + SIDE * SIDE - 1);
    scratch_gzip(&s, "whole", images, head.count + SIDE * SIDE);
    ck_fails(cn_dataset_idx_files(ctx, scratch_path(&s, "short"), scratch_path(&s, "label"), &set), CN_ERR_FORMAT,
             "ends too early");
    ck_assert_uint_lt(cn_context_memory_peak(ctx), SIDE * SIDE / 2);
    ck_ok(cn_dataset_idx_files(ctx, scratch_path(&s, "whole"), scratch_path(&s, "label"), &set));
    ck_assert_uint_lt(cn_context_memory_peak(ctx), 2 * SIDE * SIDE);
    cn_dataset_free(set);
    free(images);
    scratch_free(&s);
    cn_context_free(ctx);
}
END_TEST

/* Any bytes at all give a status, never more. */
START_TEST(random_changes_do_no_harm) {
    cn_context *ctx = test_context(1);
    scratch s = scratch_new();
    const idx_file images = idx_images();
    uint8_t compressed[IDX_MOST_BYTES], bytes[IDX_MOST_BYTES];
    scratch_gzip(&s, "whole.gz", images.bytes, images.count);
    size_t count = scratch_read(&s, "whole.gz", compressed, sizeof compressed);
    for (uint64_t i = 0; i < (test_quick() ? 100 : 1000); i++) {
        cn__rng rng = cn__rng_new(1, 99, i);
        bool plain = cn__rng_below(&rng, 2);
        size_t size = plain ? images.count : count;
        cn_dataset *set;
        memcpy(bytes, plain ? images.bytes : compressed, size);
        for (uint32_t changes = 1 + cn__rng_below(&rng, 4); changes > 0; changes--)
            bytes[cn__rng_below(&rng, changes > 2 ? 20 : (uint32_t)size)] = (uint8_t)cn__rng_u32(&rng);
        cn_status status = open_gzip(&s, ctx, bytes, size, &set);
        ck_assert_msg(status == CN_OK || status == CN_ERR_FORMAT, "%d: %s", (int)i, cn_last_error());
        ck_assert((status == CN_OK) == (set != NULL));
        cn_dataset_free(set);
    }
    scratch_free(&s);
    cn_context_free(ctx);
}
END_TEST

/* ---- the suite ---- */

int main(void) {
    const TTest *const idx[] = {mnist_is_found_plain_and_compressed,  any_idx_files_can_be_paired,
                                idx_files_cut_anywhere_end_too_early, wrong_idx_headers_are_named,
                                a_header_alone_makes_nobody_allocate, files_are_found_under_the_names_that_people_have,
                                of_several_sets_one_must_be_named,    labels_outside_mnists_classes_are_named};
    const TTest *const gzip[] = {damaged_gzip_files_are_found_out, gzip_files_may_have_several_members,
                                 random_changes_do_no_harm, what_is_packed_a_thousandfold_is_there_or_takes_no_memory};
    Suite *suite = suite_create("idx");
    test_add(suite, "idx", idx, CN__COUNT(idx), 1);
    test_add(suite, "gzip", gzip, CN__COUNT(gzip), 1);
    return test_run(suite);
}
