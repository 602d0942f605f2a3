/* test_data_files.c: CIFAR and IDX files, whole, compressed, cut short, too long and wrong. */
#include "testing.h"
#include "base/base.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* ---- a folder for the files of one test ---- */

typedef struct folder {
    char path[64];
    char file[400]; /* the last name that folder_file made */
} folder;

static folder folder_new(void) {
    folder f = {"/tmp/convnet-test-XXXXXX", ""};
    ck_assert_ptr_nonnull(mkdtemp(f.path));
    return f;
}

static const char *folder_file(folder *f, const char *name) {
    snprintf(f->file, sizeof f->file, "%s/%s", f->path, name);
    return f->file;
}

static void folder_free(folder *f) {
    DIR *directory = opendir(f->path);
    ck_assert_ptr_nonnull(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (entry->d_name[0] != '.')
            remove(folder_file(f, entry->d_name));
    closedir(directory);
    ck_assert_int_eq(rmdir(f->path), 0);
}

static void write_file(folder *f, const char *name, const void *bytes, size_t count) {
    FILE *file = fopen(folder_file(f, name), "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, count, file), count);
    ck_assert_int_eq(fclose(file), 0);
}

/* Appends a gzip member. */
static void write_gzip(folder *f, const char *name, const void *bytes, size_t count) {
    gzFile file = gzopen(folder_file(f, name), "ab");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(gzwrite(file, bytes, (unsigned)count), (int)count);
    ck_assert_int_eq(gzclose(file), Z_OK);
}

static size_t read_file(folder *f, const char *name, uint8_t *bytes, size_t most) {
    FILE *file = fopen(folder_file(f, name), "rb");
    ck_assert_ptr_nonnull(file);
    size_t count = fread(bytes, 1, most, file);
    fclose(file);
    return count;
}

/* ---- CIFAR ---- */

enum { PIXELS = 3072, MOST_RECORDS = 8 };

static uint8_t cifar_pixel(int record, int at) {
    return (uint8_t)(record * 97 + at * 13 + at / 32);
}

/* Records number first … first + count - 1 of CIFAR-10 (label_bytes 1) or CIFAR-100 (2). */
static void write_records(folder *f, const char *name, int label_bytes, int first, int count) {
    static uint8_t records[MOST_RECORDS * (2 + PIXELS)];
    uint8_t *at = records;
    for (int r = first; r < first + count; r++) {
        if (label_bytes == 2)
            *at++ = (uint8_t)(r % 20);
        *at++ = (uint8_t)(label_bytes == 2 ? 99 - r : r % 10);
        for (int v = 0; v < PIXELS; v++)
            *at++ = cifar_pixel(r, v);
    }
    write_file(f, name, records, (size_t)(at - records));
}

static void write_cifar10(folder *f) {
    static const int counts[5] = {2, 3, 1, 4, 2};
    int first = 0;
    for (int i = 0; i < 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "data_batch_%d.bin", i + 1);
        write_records(f, name, 1, first, counts[i]);
        first += counts[i];
    }
    write_records(f, "test_batch.bin", 1, 20, 3);
}

static void assert_record(const cn_dataset *set, cn_context *ctx, int64_t index, int record, int64_t label) {
    const int64_t shape[4] = {1, 3, 32, 32};
    cn_tensor *image;
    int64_t got;
    ck_ok(cn_tensor_new(ctx, CN_UINT8, 4, shape, &image));
    ck_ok(cn_dataset_image(set, index, image, &got));
    ck_assert_int_eq(got, label);
    for (int v = 0; v < PIXELS; v++)
        ck_assert_int_eq(((uint8_t *)cn_tensor_data(image))[v], cifar_pixel(record, v));
    cn_tensor_free(image);
}

START_TEST(cifar10_is_read_file_after_file) {
    cn_context *ctx = test_context(1);
    folder f = folder_new();
    cn_dataset *train, *test;
    write_cifar10(&f);
    ck_ok(cn_dataset_cifar10(ctx, f.path, CN_TRAIN, &train));
    ck_ok(cn_dataset_cifar10(ctx, f.path, CN_TEST, &test));
    ck_assert_int_eq(cn_dataset_count(train), 12);
    ck_assert_int_eq(cn_dataset_count(test), 3);
    ck_assert_int_eq(cn_dataset_classes(train), 10);
    ck_assert_str_eq(cn_dataset_class_name(train, 3), "3");
    for (int i = 0; i < 12; i++)
        assert_record(train, ctx, i, i, i % 10);
    for (int i = 0; i < 3; i++)
        assert_record(test, ctx, i, 20 + i, i);
    cn_dataset_free(train);
    cn_dataset_free(test);
    folder_free(&f);
    cn_context_free(ctx);
}
END_TEST

START_TEST(cifar100_has_fine_and_coarse_labels) {
    cn_context *ctx = test_context(1);
    folder f = folder_new();
    cn_dataset *fine, *coarse;
    write_records(&f, "train.bin", 2, 0, 5);
    write_records(&f, "test.bin", 2, 7, 1);
    ck_ok(cn_dataset_cifar100(ctx, f.path, CN_TRAIN, 0, &fine));
    ck_ok(cn_dataset_cifar100(ctx, f.path, CN_TEST, 1, &coarse));
    ck_assert_int_eq(cn_dataset_classes(fine), 100);
    ck_assert_int_eq(cn_dataset_classes(coarse), 20);
    ck_assert_int_eq(cn_dataset_count(coarse), 1);
    for (int i = 0; i < 5; i++)
        assert_record(fine, ctx, i, i, 99 - i);
    assert_record(coarse, ctx, 0, 7, 7);
    cn_dataset_free(fine);
    cn_dataset_free(coarse);
    folder_free(&f);
    cn_context_free(ctx);
}
END_TEST

START_TEST(class_names_come_from_their_file) {
    static const char names[] = "plane\ncar\r\nbird\ncat\ndeer\n\ndog\nfrog\nhorse\nship\nbig truck";
    cn_context *ctx = test_context(1);
    folder f = folder_new();
    cn_dataset *set;
    write_cifar10(&f);
    write_file(&f, "batches.meta.txt", names, sizeof names - 1);
    ck_ok(cn_dataset_cifar10(ctx, f.path, CN_TEST, &set));
    ck_assert_str_eq(cn_dataset_class_name(set, 0), "plane");
    ck_assert_str_eq(cn_dataset_class_name(set, 1), "car");
    ck_assert_str_eq(cn_dataset_class_name(set, 5), "dog");
    ck_assert_str_eq(cn_dataset_class_name(set, 9), "big truck");
    cn_dataset_free(set);
    write_file(&f, "batches.meta.txt", names, 9);
    ck_fails(cn_dataset_cifar10(ctx, f.path, CN_TEST, &set), CN_ERR_FORMAT,
             "batches.meta.txt' names 2 classes, wanted");
    write_file(&f, "batches.meta.txt", "", 0);
    ck_fails(cn_dataset_cifar10(ctx, f.path, CN_TEST, &set), CN_ERR_FORMAT, "names 0 classes");
    ck_assert_int_eq(truncate(folder_file(&f, "batches.meta.txt"), 1 << 20), 0);
    ck_fails(cn_dataset_cifar10(ctx, f.path, CN_TEST, &set), CN_ERR_FORMAT, "too many for class names");
    ck_assert_ptr_null(set);
    folder_free(&f);
    cn_context_free(ctx);
}
END_TEST

START_TEST(damaged_cifar_files_are_named) {
    cn_context *ctx = test_context(1);
    folder f = folder_new();
    cn_dataset *set;
    uint8_t *bytes = malloc(4 * 3073);
    ck_fails(cn_dataset_cifar10(ctx, f.path, CN_TRAIN, &set), CN_ERR_IO, "data_batch_1.bin': No such file");
    write_cifar10(&f);
    read_file(&f, "data_batch_4.bin", bytes, 4 * 3073);
    write_file(&f, "data_batch_4.bin", bytes, 4 * 3073 - 1);
    ck_fails(cn_dataset_cifar10(ctx, f.path, CN_TRAIN, &set), CN_ERR_FORMAT,
             "data_batch_4.bin' has 12291 bytes, not a whole number of records of 3073");
    bytes[2 * 3073] = 10;
    write_file(&f, "data_batch_4.bin", bytes, 4 * 3073);
    ck_fails(cn_dataset_cifar10(ctx, f.path, CN_TRAIN, &set), CN_ERR_DATA,
             "data_batch_4.bin', byte 6146: label 10, wanted 0 to 9");
    write_file(&f, "data_batch_4.bin", bytes, 0);
    ck_fails(cn_dataset_cifar10(ctx, f.path, CN_TRAIN, &set), CN_ERR_FORMAT, "data_batch_4.bin' has 0 bytes");
    remove(folder_file(&f, "data_batch_4.bin"));
    ck_fails(cn_dataset_cifar10(ctx, f.path, CN_TRAIN, &set), CN_ERR_IO, "data_batch_4.bin': No such file");
    ck_assert_int_eq(mkfifo(folder_file(&f, "data_batch_4.bin"), 0600), 0);
    ck_fails(cn_dataset_cifar10(ctx, f.path, CN_TRAIN, &set), CN_ERR_IO, "not a regular file");
    ck_fails(cn_dataset_cifar10(ctx, f.path, (cn_split)7, &set), CN_ERR_ARGUMENT, "split is 7");
    ck_fails(cn_dataset_cifar10(ctx, NULL, CN_TRAIN, &set), CN_ERR_ARGUMENT, "directory is NULL");
    char *long_path = calloc(6000, 1);
    memset(long_path, 'x', 5999);
    ck_fails(cn_dataset_cifar100(ctx, long_path, CN_TRAIN, 0, &set), CN_ERR_ARGUMENT, "more than 4095 bytes");
    ck_assert_ptr_null(set);
    free(long_path);
    free(bytes);
    folder_free(&f);
    cn_context_free(ctx);
}
END_TEST

/* ---- IDX ---- */

enum { IDX_COUNT = 6, IDX_HEIGHT = 4, IDX_WIDTH = 3, IDX_VALUES = IDX_HEIGHT * IDX_WIDTH, MOST_BYTES = 200 };

typedef struct idx_file {
    uint8_t bytes[MOST_BYTES];
    size_t count;
} idx_file;

static idx_file idx_begin(int dimensions, const uint32_t *extents) {
    idx_file file = {{0, 0, 8, (uint8_t)dimensions}, 4};
    for (int i = 0; i < dimensions; i++)
        for (int shift = 24; shift >= 0; shift -= 8)
            file.bytes[file.count++] = (uint8_t)(extents[i] >> shift);
    return file;
}

static idx_file idx_images(void) {
    const uint32_t extents[3] = {IDX_COUNT, IDX_HEIGHT, IDX_WIDTH};
    idx_file file = idx_begin(3, extents);
    for (int v = 0; v < IDX_COUNT * IDX_VALUES; v++)
        file.bytes[file.count++] = (uint8_t)(v * 3 + 1);
    return file;
}

static idx_file idx_labels(void) {
    const uint32_t extents[1] = {IDX_COUNT};
    idx_file file = idx_begin(1, extents);
    for (int i = 0; i < IDX_COUNT; i++)
        file.bytes[file.count++] = (uint8_t)(i * 5 % 8);
    return file;
}

static void assert_idx(const cn_dataset *set, cn_context *ctx) {
    const int64_t shape[4] = {1, 1, IDX_HEIGHT, IDX_WIDTH};
    cn_tensor *image;
    ck_ok(cn_tensor_new(ctx, CN_UINT8, 4, shape, &image));
    ck_assert_int_eq(cn_dataset_count(set), IDX_COUNT);
    for (int i = 0; i < IDX_COUNT; i++) {
        int64_t label;
        ck_ok(cn_dataset_image(set, i, image, &label));
        ck_assert_int_eq(label, i * 5 % 8);
        for (int v = 0; v < IDX_VALUES; v++)
            ck_assert_int_eq(((uint8_t *)cn_tensor_data(image))[v], (uint8_t)((i * IDX_VALUES + v) * 3 + 1));
    }
    cn_tensor_free(image);
}

START_TEST(mnist_is_found_plain_and_compressed) {
    cn_context *ctx = test_context(1);
    folder f = folder_new();
    idx_file images = idx_images(), labels = idx_labels();
    cn_dataset *train, *test;
    write_file(&f, "train-images-idx3-ubyte", images.bytes, images.count);
    write_gzip(&f, "train-labels-idx1-ubyte.gz", labels.bytes, labels.count);
    write_gzip(&f, "t10k-images-idx3-ubyte.gz", images.bytes, images.count);
    write_file(&f, "t10k-labels-idx1-ubyte", labels.bytes, labels.count);
    ck_ok(cn_dataset_idx(ctx, f.path, CN_TRAIN, &train));
    ck_ok(cn_dataset_idx(ctx, f.path, CN_TEST, &test));
    ck_assert_int_eq(cn_dataset_classes(train), 10);
    assert_idx(train, ctx);
    assert_idx(test, ctx);
    const int64_t shape[4] = {1, 1, IDX_HEIGHT, IDX_WIDTH}, first = 0;
    cn_tensor *batch;
    ck_ok(cn_tensor_new(ctx, CN_FLOAT32, 4, shape, &batch));
    ck_ok(cn_dataset_batch(test, 1, &first, 0, 0, 0, batch, NULL));
    ck_assert_float_eq(((float *)cn_tensor_data(batch))[0], (1.0f / 255.0f - 0.1307f) / 0.3081f);
    cn_tensor_free(batch);
    cn_dataset_free(train);
    cn_dataset_free(test);
    folder_free(&f);
    cn_context_free(ctx);
}
END_TEST

/* Writes both files as they are and opens them. */
static cn_status open_pair(folder *f, cn_context *ctx, const idx_file *images, const idx_file *labels,
                           cn_dataset **set) {
    char first[400];
    write_file(f, "images", images->bytes, images->count);
    write_file(f, "labels", labels->bytes, labels->count);
    snprintf(first, sizeof first, "%s", folder_file(f, "images"));
    return cn_dataset_idx_files(ctx, first, folder_file(f, "labels"), set);
}

START_TEST(any_idx_files_can_be_paired) {
    cn_context *ctx = test_context(1);
    folder f = folder_new();
    const uint32_t extents[4] = {IDX_COUNT, 2, 3, 2};
    idx_file images = idx_images(), labels = idx_labels(), colours = idx_begin(4, extents);
    cn_dataset *set;
    int64_t shape[3];
    ck_ok(open_pair(&f, ctx, &images, &labels, &set));
    ck_assert_int_eq(cn_dataset_classes(set), 8); /* labels 0, 5, 2, 7, 4, 1 */
    assert_idx(set, ctx);
    cn_dataset_free(set);
    memcpy(colours.bytes + colours.count, images.bytes + 16, IDX_COUNT * IDX_VALUES);
    colours.count += IDX_COUNT * IDX_VALUES;
    ck_ok(open_pair(&f, ctx, &colours, &labels, &set));
    cn_dataset_shape(set, shape);
    ck_assert(shape[0] == 2 && shape[1] == 3 && shape[2] == 2);
    cn_dataset_free(set);
    folder_free(&f);
    cn_context_free(ctx);
}
END_TEST

START_TEST(idx_files_cut_anywhere_end_too_early) {
    cn_context *ctx = test_context(1);
    folder f = folder_new();
    const idx_file images = idx_images(), labels = idx_labels();
    cn_dataset *set;
    for (size_t count = 0; count < images.count; count++) {
        idx_file cut = images;
        cut.count = count;
        ck_fails(open_pair(&f, ctx, &cut, &labels, &set), CN_ERR_FORMAT, "images' ends too early");
    }
    for (size_t count = 0; count < labels.count; count++) {
        idx_file cut = labels;
        cut.count = count;
        ck_fails(open_pair(&f, ctx, &images, &cut, &set), CN_ERR_FORMAT, "labels' ends too early");
    }
    ck_assert_ptr_null(set);
    folder_free(&f);
    cn_context_free(ctx);
}
END_TEST

START_TEST(wrong_idx_headers_are_named) {
    cn_context *ctx = test_context(1);
    folder f = folder_new();
    const idx_file images = idx_images(), labels = idx_labels();
    idx_file bad = images;
    cn_dataset *set;
    bad.bytes[2] = 13; /* float32 */
    ck_fails(open_pair(&f, ctx, &bad, &labels, &set), CN_ERR_FORMAT, "images' begins with 00 00 0d");
    ck_fails(open_pair(&f, ctx, &labels, &labels, &set), CN_ERR_FORMAT, "byte 3: 1 dimensions, wanted 3 or 4");
    ck_fails(open_pair(&f, ctx, &images, &images, &set), CN_ERR_FORMAT, "byte 3: 3 dimensions, wanted 1");
    bad = images;
    bad.count++;
    ck_fails(open_pair(&f, ctx, &bad, &labels, &set), CN_ERR_FORMAT, "images' goes on after");
    bad = labels;
    bad.count++;
    ck_fails(open_pair(&f, ctx, &images, &bad, &set), CN_ERR_FORMAT, "labels' goes on after");
    bad = labels;
    bad.bytes[7] = IDX_COUNT - 1;
    ck_fails(open_pair(&f, ctx, &images, &bad, &set), CN_ERR_FORMAT, "labels' has 5 labels for 6 images");
    bad = images;
    bad.bytes[7] = 0;
    ck_fails(open_pair(&f, ctx, &bad, &labels, &set), CN_ERR_FORMAT, "images' is empty");
    bad = images;
    bad.bytes[11] = 0;
    ck_fails(open_pair(&f, ctx, &bad, &labels, &set), CN_ERR_FORMAT, "byte 8: dimension 1 is 0");
    folder_free(&f);
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
    folder f = folder_new();
    const idx_file labels = idx_labels();
    const uint32_t hostile[][4] = {
        {0xffffffff, 28, 28, 0},        {1, 65536, 65536, 0},          {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
        {0x80000000, 0x80000000, 2, 1}, {0x7fffffff, 1, 32768, 32768}, {1, 1, 1, 65537}};
    cn_dataset *set;
    options.threads = 1;
    options.allocate = no_large_memory;
    options.release = release;
    ck_ok(cn_context_new(&options, &ctx));
    for (size_t i = 0; i < CN__COUNT(hostile); i++)
        for (int dimensions = 3; dimensions <= 4; dimensions++) {
            idx_file bad = idx_begin(dimensions, hostile[i]);
            bad.count += 60;
            ck_fails(open_pair(&f, ctx, &bad, &labels, &set), CN_ERR_FORMAT, "images'");
            remove(folder_file(&f, "images.gz"));
            write_gzip(&f, "images.gz", bad.bytes, bad.count);
            char images[400];
            snprintf(images, sizeof images, "%s", folder_file(&f, "images.gz"));
            ck_fails(cn_dataset_idx_files(ctx, images, folder_file(&f, "labels"), &set), CN_ERR_FORMAT, "images.gz'");
        }
    folder_free(&f);
    cn_context_free(ctx);
}
END_TEST

START_TEST(labels_outside_mnists_classes_are_named) {
    cn_context *ctx = test_context(1);
    folder f = folder_new();
    idx_file images = idx_images(), labels = idx_labels();
    cn_dataset *set;
    labels.bytes[8 + 2] = 17;
    write_file(&f, "t10k-images-idx3-ubyte", images.bytes, images.count);
    write_file(&f, "t10k-labels-idx1-ubyte", labels.bytes, labels.count);
    ck_fails(cn_dataset_idx(ctx, f.path, CN_TEST, &set), CN_ERR_DATA,
             "t10k-labels-idx1-ubyte', byte 10: label 17, wanted 0 to 9");
    ck_fails(cn_dataset_idx(ctx, f.path, CN_TRAIN, &set), CN_ERR_IO, "nor the same with .gz");
    ck_ok(open_pair(&f, ctx, &images, &labels, &set));
    ck_assert_int_eq(cn_dataset_classes(set), 18);
    cn_dataset_free(set);
    folder_free(&f);
    cn_context_free(ctx);
}
END_TEST

/* ---- gzip ---- */

static cn_status open_gzip(folder *f, cn_context *ctx, const uint8_t *bytes, size_t count, cn_dataset **set) {
    const idx_file labels = idx_labels();
    char images[400];
    write_file(f, "images", bytes, count);
    write_file(f, "labels", labels.bytes, labels.count);
    snprintf(images, sizeof images, "%s", folder_file(f, "images"));
    return cn_dataset_idx_files(ctx, images, folder_file(f, "labels"), set);
}

START_TEST(damaged_gzip_files_are_found_out) {
    cn_context *ctx = test_context(1);
    folder f = folder_new();
    const idx_file images = idx_images();
    uint8_t bytes[2 * MOST_BYTES];
    cn_dataset *set;
    write_gzip(&f, "whole.gz", images.bytes, images.count);
    size_t count = read_file(&f, "whole.gz", bytes, sizeof bytes);
    ck_ok(open_gzip(&f, ctx, bytes, count, &set));
    assert_idx(set, ctx);
    cn_dataset_free(set);
    for (size_t cut = 2; cut < count; cut++)
        ck_fails(open_gzip(&f, ctx, bytes, cut, &set), CN_ERR_FORMAT, "images' ends too early");
    for (size_t i = count - 8; i < count; i++) { /* checksum and length */
        bytes[i] ^= 0x10;
        ck_fails(open_gzip(&f, ctx, bytes, count, &set), CN_ERR_FORMAT, "images' is damaged: incorrect");
        bytes[i] ^= 0x10;
    }
    memset(bytes + count, 0, 20);
    ck_fails(open_gzip(&f, ctx, bytes, count + 20, &set), CN_ERR_FORMAT, "images' is damaged");
    ck_assert_ptr_null(set);
    folder_free(&f);
    cn_context_free(ctx);
}
END_TEST

START_TEST(gzip_files_may_have_several_members) {
    cn_context *ctx = test_context(1);
    folder f = folder_new();
    const idx_file images = idx_images();
    uint8_t bytes[4 * MOST_BYTES];
    cn_dataset *set;
    write_gzip(&f, "whole.gz", images.bytes, 30);
    write_gzip(&f, "whole.gz", images.bytes, 0);
    write_gzip(&f, "whole.gz", images.bytes + 30, images.count - 30);
    write_gzip(&f, "whole.gz", images.bytes, 0);
    size_t count = read_file(&f, "whole.gz", bytes, sizeof bytes);
    ck_ok(open_gzip(&f, ctx, bytes, count, &set));
    assert_idx(set, ctx);
    cn_dataset_free(set);
    write_gzip(&f, "whole.gz", images.bytes, 1);
    count = read_file(&f, "whole.gz", bytes, sizeof bytes);
    ck_fails(open_gzip(&f, ctx, bytes, count, &set), CN_ERR_FORMAT, "images' goes on after");
    folder_free(&f);
    cn_context_free(ctx);
}
END_TEST

/* Any bytes at all give a status, never more. */
START_TEST(random_changes_do_no_harm) {
    cn_context *ctx = test_context(1);
    folder f = folder_new();
    const idx_file images = idx_images();
    uint8_t compressed[MOST_BYTES], bytes[MOST_BYTES];
    write_gzip(&f, "whole.gz", images.bytes, images.count);
    size_t count = read_file(&f, "whole.gz", compressed, sizeof compressed);
    for (uint64_t i = 0; i < (test_quick() ? 100 : 1000); i++) {
        cn__rng rng = cn__rng_new(1, 99, i);
        bool plain = cn__rng_below(&rng, 2);
        size_t size = plain ? images.count : count;
        cn_dataset *set;
        memcpy(bytes, plain ? images.bytes : compressed, size);
        for (uint32_t changes = 1 + cn__rng_below(&rng, 4); changes > 0; changes--)
            bytes[cn__rng_below(&rng, changes > 2 ? 20 : (uint32_t)size)] = (uint8_t)cn__rng_u32(&rng);
        cn_status status = open_gzip(&f, ctx, bytes, size, &set);
        ck_assert_msg(status == CN_OK || status == CN_ERR_FORMAT, "%d: %s", (int)i, cn_last_error());
        ck_assert((status == CN_OK) == (set != NULL));
        cn_dataset_free(set);
    }
    folder_free(&f);
    cn_context_free(ctx);
}
END_TEST

/* ---- out of memory: every allocation of each constructor fails once ---- */

static cn_status make_cifar10(cn_context *ctx, folder *f, cn_dataset **set) {
    return cn_dataset_cifar10(ctx, f->path, CN_TRAIN, set);
}

static cn_status make_cifar100(cn_context *ctx, folder *f, cn_dataset **set) {
    return cn_dataset_cifar100(ctx, f->path, CN_TEST, 1, set);
}

static cn_status make_idx(cn_context *ctx, folder *f, cn_dataset **set) {
    return cn_dataset_idx(ctx, f->path, CN_TRAIN, set);
}

static cn_status make_idx_files(cn_context *ctx, folder *f, cn_dataset **set) {
    char images[400];
    snprintf(images, sizeof images, "%s", folder_file(f, "train-images-idx3-ubyte"));
    return cn_dataset_idx_files(ctx, images, folder_file(f, "train-labels-idx1-ubyte.gz"), set);
}

static cn_status (*const constructors[])(cn_context *ctx, folder *f, cn_dataset **set) = {make_cifar10, make_cifar100,
                                                                                          make_idx, make_idx_files};

START_TEST(out_of_memory_is_a_status) {
    static const char names[] = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n";
    counting_allocator counter = {0};
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *ctx;
    cn_status status = CN_ERR_MEMORY;
    folder f = folder_new();
    idx_file images = idx_images(), labels = idx_labels();
    write_cifar10(&f);
    write_file(&f, "batches.meta.txt", names, sizeof names - 1);
    write_records(&f, "test.bin", 2, 7, 1);
    write_file(&f, "train-images-idx3-ubyte", images.bytes, images.count);
    write_gzip(&f, "train-labels-idx1-ubyte.gz", labels.bytes, labels.count);
    options.threads = 1;
    counting_options(&counter, &options);
    counter.persistent = _i % 2;
    ck_ok(cn_context_new(&options, &ctx));
    for (long failure = 1; status != CN_OK; failure++) {
        cn_dataset *set;
        long live = counter.live;
        counter.fail_at = counter.calls + failure;
        status = constructors[_i / 2](ctx, &f, &set);
        counter.fail_at = 0;
        ck_assert_msg(status == CN_OK || status == CN_ERR_MEMORY, "%s", cn_last_error());
        ck_assert((status == CN_OK) == (set != NULL));
        cn_dataset_free(set);
        ck_assert_int_eq(counter.live, live);
    }
    cn_context_free(ctx);
    ck_assert_int_eq(counter.live, 0);
    folder_free(&f);
}
END_TEST

/* ---- the suite ---- */

int main(void) {
    const TTest *const cifar[] = {cifar10_is_read_file_after_file, cifar100_has_fine_and_coarse_labels,
                                  class_names_come_from_their_file, damaged_cifar_files_are_named};
    const TTest *const idx[] = {mnist_is_found_plain_and_compressed,  any_idx_files_can_be_paired,
                                idx_files_cut_anywhere_end_too_early, wrong_idx_headers_are_named,
                                a_header_alone_makes_nobody_allocate, labels_outside_mnists_classes_are_named};
    const TTest *const gzip[] = {damaged_gzip_files_are_found_out, gzip_files_may_have_several_members,
                                 random_changes_do_no_harm};
    const TTest *const out_of_memory[] = {out_of_memory_is_a_status};
    Suite *suite = suite_create("data files");
    test_add(suite, "cifar", cifar, CN__COUNT(cifar), 1);
    test_add(suite, "idx", idx, CN__COUNT(idx), 1);
    test_add(suite, "gzip", gzip, CN__COUNT(gzip), 1);
    test_add(suite, "out of memory", out_of_memory, CN__COUNT(out_of_memory), 2 * (int)CN__COUNT(constructors));
    return test_run(suite);
}
