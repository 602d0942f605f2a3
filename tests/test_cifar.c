/* SPDX-License-Identifier: MIT */
/* test_cifar.c: CIFAR-10 and CIFAR-100 files, their labels and class names, and files that are damaged. */
#include "data_files.h"
#include "testing.h"
#include "base/base.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

TEST_RUNS_ONCE;

START_TEST(cifar10_is_read_file_after_file) {
    cn_context *ctx = test_context(1);
    scratch s = scratch_new();
    cn_dataset *train, *test;
    cifar10_write(&s);
    ck_ok(cn_dataset_cifar10(ctx, s.path, CN_SPLIT_TRAIN, &train));
    ck_ok(cn_dataset_cifar10(ctx, s.path, CN_SPLIT_TEST, &test));
    ck_assert_int_eq(cn_dataset_count(train), 12);
    ck_assert_int_eq(cn_dataset_count(test), 3);
    ck_assert_int_eq(cn_dataset_classes(train), 10);
    ck_assert_str_eq(cn_dataset_class_name(train, 3), "3");
    for (int i = 0; i < 12; i++)
        cifar_expect(train, ctx, i, i, i % 10);
    for (int i = 0; i < 3; i++)
        cifar_expect(test, ctx, i, 20 + i, i);
    cn_dataset_free(train);
    cn_dataset_free(test);
    scratch_free(&s);
    cn_context_free(ctx);
}
END_TEST

START_TEST(cifar100_has_fine_and_coarse_labels) {
    cn_context *ctx = test_context(1);
    scratch s = scratch_new();
    cn_dataset *fine, *coarse;
    cifar_write(&s, "train.bin", 2, 0, 5);
    cifar_write(&s, "test.bin", 2, 7, 1);
    ck_ok(cn_dataset_cifar100(ctx, s.path, CN_SPLIT_TRAIN, 0, &fine));
    ck_ok(cn_dataset_cifar100(ctx, s.path, CN_SPLIT_TEST, 1, &coarse));
    ck_assert_int_eq(cn_dataset_classes(fine), 100);
    ck_assert_int_eq(cn_dataset_classes(coarse), 20);
    ck_assert_int_eq(cn_dataset_count(coarse), 1);
    for (int i = 0; i < 5; i++)
        cifar_expect(fine, ctx, i, i, 99 - i);
    cifar_expect(coarse, ctx, 0, 7, 7);
    cn_dataset_free(fine);
    cn_dataset_free(coarse);
    scratch_free(&s);
    cn_context_free(ctx);
}
END_TEST

START_TEST(class_names_come_from_their_file) {
    static const char names[] = "plane\ncar\r\nbird\ncat\ndeer\n\ndog\nfrog\nhorse\nship\nbig truck";
    cn_context *ctx = test_context(1);
    scratch s = scratch_new();
    cn_dataset *set;
    cifar10_write(&s);
    scratch_write(&s, "batches.meta.txt", names, sizeof names - 1);
    ck_ok(cn_dataset_cifar10(ctx, s.path, CN_SPLIT_TEST, &set));
    ck_assert_str_eq(cn_dataset_class_name(set, 0), "plane");
    ck_assert_str_eq(cn_dataset_class_name(set, 1), "car");
    ck_assert_str_eq(cn_dataset_class_name(set, 5), "dog");
    ck_assert_str_eq(cn_dataset_class_name(set, 9), "big truck");
    cn_dataset_free(set);
    scratch_write(&s, "batches.meta.txt", names, 9);
    ck_fails(cn_dataset_cifar10(ctx, s.path, CN_SPLIT_TEST, &set), CN_ERR_FORMAT,
             "batches.meta.txt' names 2 classes, wanted");
    scratch_write(&s, "batches.meta.txt", "", 0);
    ck_fails(cn_dataset_cifar10(ctx, s.path, CN_SPLIT_TEST, &set), CN_ERR_FORMAT, "names 0 classes");
    ck_assert_int_eq(truncate(scratch_path(&s, "batches.meta.txt"), 1 << 20), 0);
    ck_fails(cn_dataset_cifar10(ctx, s.path, CN_SPLIT_TEST, &set), CN_ERR_FORMAT, "too many for class names");
    ck_assert_ptr_null(set);
    scratch_free(&s);
    cn_context_free(ctx);
}
END_TEST

START_TEST(damaged_cifar_files_are_named) {
    cn_context *ctx = test_context(1);
    scratch s = scratch_new();
    cn_dataset *set;
    uint8_t *bytes = malloc(4 * 3073);
    ck_fails(cn_dataset_cifar10(ctx, s.path, CN_SPLIT_TRAIN, &set), CN_ERR_IO, "data_batch_1.bin': No such file");
    cifar10_write(&s);
    scratch_read(&s, "data_batch_4.bin", bytes, 4 * 3073);
    scratch_write(&s, "data_batch_4.bin", bytes, 4 * 3073 - 1);
    ck_fails(cn_dataset_cifar10(ctx, s.path, CN_SPLIT_TRAIN, &set), CN_ERR_FORMAT,
             "data_batch_4.bin' has 12291 bytes, not a whole number of records of 3073");
    bytes[2 * 3073] = 10;
    scratch_write(&s, "data_batch_4.bin", bytes, 4 * 3073);
    ck_fails(cn_dataset_cifar10(ctx, s.path, CN_SPLIT_TRAIN, &set), CN_ERR_DATA,
             "data_batch_4.bin', byte 6146: label 10, wanted 0 to 9");
    scratch_write(&s, "data_batch_4.bin", bytes, 0);
    ck_fails(cn_dataset_cifar10(ctx, s.path, CN_SPLIT_TRAIN, &set), CN_ERR_FORMAT, "data_batch_4.bin' has 0 bytes");
    remove(scratch_path(&s, "data_batch_4.bin"));
    ck_fails(cn_dataset_cifar10(ctx, s.path, CN_SPLIT_TRAIN, &set), CN_ERR_IO, "data_batch_4.bin': No such file");
    ck_assert_int_eq(mkfifo(scratch_path(&s, "data_batch_4.bin"), 0600), 0);
    ck_fails(cn_dataset_cifar10(ctx, s.path, CN_SPLIT_TRAIN, &set), CN_ERR_IO, "not a regular file");
    ck_fails(cn_dataset_cifar10(ctx, s.path, (cn_split)7, &set), CN_ERR_ARGUMENT, "split is 7");
    ck_fails(cn_dataset_cifar10(ctx, NULL, CN_SPLIT_TRAIN, &set), CN_ERR_ARGUMENT, "directory is NULL");
    char *long_path = calloc(6000, 1);
    memset(long_path, 'x', 5999);
    ck_fails(cn_dataset_cifar100(ctx, long_path, CN_SPLIT_TRAIN, 0, &set), CN_ERR_ARGUMENT, "more than 4095 bytes");
    ck_assert_ptr_null(set);
    free(long_path);
    free(bytes);
    scratch_free(&s);
    cn_context_free(ctx);
}
END_TEST

/* What is named instead of the folder: the one above it, the archive, the version for Python. */
START_TEST(other_forms_of_cifar_are_found_or_named) {
    cn_context *ctx = test_context(1);
    scratch s = scratch_new();
    cn_dataset *set;
    scratch inner = {0};
    ck_assert_int_eq(mkdir(scratch_path(&s, "cifar-10-batches-bin"), 0700), 0);
    snprintf(inner.path, sizeof inner.path, "%s", scratch_path(&s, "cifar-10-batches-bin"));
    cifar10_write(&inner);
    ck_ok(cn_dataset_cifar10(ctx, s.path, CN_SPLIT_TRAIN, &set));
    cifar_expect(set, ctx, 0, 0, 0);
    cn_dataset_free(set);
    scratch_write(&s, "cifar-10-binary.tar.gz", "x", 1);
    ck_fails(cn_dataset_cifar10(ctx, scratch_path(&s, "cifar-10-binary.tar.gz"), CN_SPLIT_TEST, &set), CN_ERR_IO,
             "unpack the archive of the binary version");
    ck_assert_int_eq(mkdir(scratch_path(&s, "cifar-100-python"), 0700), 0);
    scratch_write(&s, "cifar-100-python/train", "x", 1);
    ck_fails(cn_dataset_cifar100(ctx, s.path, CN_SPLIT_TRAIN, 0, &set), CN_ERR_IO, "the binary version is wanted");
    ck_fails(cn_dataset_cifar100(ctx, scratch_path(&s, "cifar-100-python"), CN_SPLIT_TEST, 0, &set), CN_ERR_IO,
             "those are the files for Python");
    ck_assert_ptr_null(set);
    scratch_free(&s);
    cn_context_free(ctx);
}
END_TEST

/* ---- the suite ---- */

int main(void) {
    const TTest *const cifar[] = {cifar10_is_read_file_after_file, cifar100_has_fine_and_coarse_labels,
                                  class_names_come_from_their_file, damaged_cifar_files_are_named,
                                  other_forms_of_cifar_are_found_or_named};
    Suite *suite = suite_create("cifar");
    test_add(suite, "cifar", cifar, CN__COUNT(cifar), 1);
    return test_run(suite);
}
