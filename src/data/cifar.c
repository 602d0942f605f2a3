/* SPDX-License-Identifier: MIT */
/* cifar.c: the binary files of CIFAR-10 and CIFAR-100 (Krizhevsky 2009): records of one or two label bytes and the
 * 3·32·32 bytes of an image. */
#include "data/dataset.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PIXELS    (3 * 32 * 32)
#define MAX_FILES 5

/* Session 8's; the study used the same for all of its experiments. */
const float cn__cifar10_mean[3] = {0.49139968f, 0.48215827f, 0.44653124f};
const float cn__cifar10_std[3] = {0.24703233f, 0.24348505f, 0.26158768f};

/* One of the two formats, as it is to be read. */
typedef struct format {
    int label_bytes, label; /* of a record, and which of them counts */
    int classes;
    const char *names;     /* the file of class names */
    const char *folder;    /* what the archive of the binary version unpacks to */
    const char *python[2]; /* the first file of the version for Python, unpacked here and in its own folder */
} format;

/* ---- where the files are ---- */

static bool is_there(const char *directory, const char *name) {
    char path[CN__MAX_PATH];
    struct stat found;
    return cn__path(path, directory, name, "") == CN_OK && stat(path, &found) == 0;
}

/* What `directory` looks like that does not have the files, as advice. */
static const char *advice(const char *directory, const format *kind) {
    struct stat found;
    if (stat(directory, &found) == 0 && S_ISREG(found.st_mode))
        return "; that is a file: unpack the archive of the binary version, and name its folder";
    if (is_there(directory, kind->python[0]) || is_there(directory, kind->python[1]))
        return "; those are the files for Python: the binary version is wanted";
    return "";
}

/* The folder with the first of the files: `directory` itself, or in it that which the archive unpacks to. */
static cn_status find_folder(const char *directory, const format *kind, const char *first, char folder[CN__MAX_PATH]) {
    char path[CN__MAX_PATH];
    CN__TRY(cn__path(path, directory, first, ""));
    if (is_there(directory, first)) {
        snprintf(folder, CN__MAX_PATH, "%s", directory);
        return CN_OK;
    }
    CN__TRY(cn__path(folder, directory, kind->folder, ""));
    if (is_there(folder, first))
        return CN_OK;
    return cn__error(CN_ERR_IO, "cannot open '%s': %s%s", path, strerror(ENOENT), advice(directory, kind));
}

/* ---- records ---- */

typedef struct files {
    int count;
    char path[MAX_FILES][CN__MAX_PATH];
    cn__file file[MAX_FILES];
    int64_t records[MAX_FILES], total;
} files;

static cn_status count_records(files *f, size_t record, int i) {
    uint64_t size = f->file[i].size;
    if (size == 0 || size % record != 0)
        return cn__error(CN_ERR_FORMAT, "'%s' has %llu bytes, not a whole number of records of %zu", f->path[i],
                         (unsigned long long)size, record);
    f->records[i] = (int64_t)(size / record);
    f->total += f->records[i];
    return CN_OK;
}

/* The labels out of the records of file `i`, which begin at `first`. */
static cn_status take_labels(const files *f, const format *kind, int i, const uint8_t *records, int64_t *labels) {
    size_t record = (size_t)kind->label_bytes + PIXELS;
    for (int64_t r = 0; r < f->records[i]; r++) {
        labels[r] = records[(size_t)r * record + (size_t)kind->label];
        if (labels[r] >= kind->classes)
            return cn__error(CN_ERR_DATA, "'%s', byte %lld: label %lld, wanted 0 to %d", f->path[i],
                             (long long)r * (long long)record + kind->label, (long long)labels[r], kind->classes - 1);
    }
    return CN_OK;
}

static cn_status read_records(files *f, const format *kind, uint8_t *records, int64_t *labels) {
    size_t record = (size_t)kind->label_bytes + PIXELS;
    for (int i = 0; i < f->count; i++) {
        size_t bytes = (size_t)f->records[i] * record;
        CN__TRY(cn__file_read(&f->file[i], records, bytes));
        CN__TRY(cn__file_end(&f->file[i]));
        CN__TRY(take_labels(f, kind, i, records, labels));
        records += bytes;
        labels += f->records[i];
    }
    return CN_OK;
}

/* Reads all records into one piece of memory, where the images stay. */
static cn_status load(cn_context *ctx, files *f, const format *kind, cn_dataset **dataset) {
    size_t record = (size_t)kind->label_bytes + PIXELS;
    for (int i = 0; i < f->count; i++) {
        CN__TRY(cn__file_open(ctx, f->path[i], &f->file[i]));
        CN__TRY(count_records(f, record, i));
    }
    uint8_t *records = cn__alloc(ctx, (size_t)f->total, record);
    int64_t *labels = cn__alloc(ctx, (size_t)f->total, sizeof *labels);
    cn_status status = records && labels ? read_records(f, kind, records, labels)
                                         : cn__error(CN_ERR_MEMORY, "no memory for the %lld images of '%s'",
                                                     (long long)f->total, f->path[0]);
    if (status != CN_OK) {
        cn__free(ctx, records);
        cn__free(ctx, labels);
        return status;
    }
    cn__images images = {.count = f->total,
                         .channels = 3,
                         .height = 32,
                         .width = 32,
                         .classes = kind->classes,
                         .pixels = records + kind->label_bytes,
                         .stride = record,
                         .labels = labels,
                         .owned_pixels = records,
                         .owned_targets = labels};
    return cn__dataset_new(ctx, images, dataset);
}

static cn_status open_set(cn_context *ctx, const char *directory, const format *kind, int count,
                          const char *const *names, cn_dataset **dataset) {
    cn_dataset *made = NULL;
    char folder[CN__MAX_PATH];
    CN__TRY(find_folder(directory, kind, names[0], folder));
    files *f = cn__alloc(ctx, 1, sizeof *f);
    if (!f)
        return cn__no_memory("a data set");
    cn_status status = CN_OK;
    f->count = count;
    for (int i = 0; i < count; i++) {
        f->file[i].descriptor = -1;
        if (status == CN_OK)
            status = cn__path(f->path[i], folder, names[i], "");
    }
    if (status == CN_OK)
        status = load(ctx, f, kind, &made);
    for (int i = 0; i < count; i++)
        cn__file_close(&f->file[i]);
    cn__free(ctx, f);
    if (status == CN_OK) {
        cn__dataset_default_normalization(made, cn__cifar10_mean, cn__cifar10_std);
        status = cn__class_names_read(made, folder, kind->names);
    }
    if (status != CN_OK) {
        cn_dataset_free(made);
        return status;
    }
    *dataset = made;
    return CN_OK;
}

cn_status cn_dataset_cifar10(cn_context *context, const char *directory, cn_split split, cn_dataset **dataset) {
    static const char *const train[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                                        "data_batch_5.bin"};
    static const char *const test[] = {"test_batch.bin"};
    static const format format10 = {
        1, 0, 10, "batches.meta.txt", "cifar-10-batches-bin", {"data_batch_1", "cifar-10-batches-py/data_batch_1"}};
    CN__REQUIRE(dataset);
    *dataset = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(directory);
    CN__TRY(cn__check_split("cn_dataset_cifar10", split));
    if (split == CN_SPLIT_TEST)
        return open_set(context, directory, &format10, 1, test, dataset);
    return open_set(context, directory, &format10, CN__COUNT(train), train, dataset);
}

cn_status cn_dataset_cifar100(cn_context *context, const char *directory, cn_split split, int coarse,
                              cn_dataset **dataset) {
    static const char *const names[] = {"train.bin", "test.bin"};
    static const format fine100 = {
        2, 1, 100, "fine_label_names.txt", "cifar-100-binary", {"train", "cifar-100-python/train"}};
    static const format coarse20 = {
        2, 0, 20, "coarse_label_names.txt", "cifar-100-binary", {"train", "cifar-100-python/train"}};
    CN__REQUIRE(dataset);
    *dataset = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(directory);
    CN__TRY(cn__check_split("cn_dataset_cifar100", split));
    return open_set(context, directory, coarse ? &coarse20 : &fine100, 1, &names[split], dataset);
}
