/* SPDX-License-Identifier: MIT */
/* idx.c: IDX files of unsigned bytes, the format of MNIST (LeCun, Cortes & Burges 1998): two zero bytes, the type 8,
 * the number of dimensions, each shape as four big-endian bytes, then the data. */
#include "data/dataset.h"
#include "data/idx.h"
#include <stdio.h>
#include <string.h>

#define UNSIGNED_BYTES 8
#define MNIST_CLASSES  10
#define MAX_LABELS     256
#define MAX_DIMENSIONS 4

static const float mnist_mean = 0.1307f, mnist_std = 0.3081f;

typedef struct header {
    int dimensions;
    int64_t shape[MAX_DIMENSIONS];
} header;

/* Reads the header and its extents, of which there must be `fewest` to `most`. `left`: what else the file can hold. */
static cn_status read_header(cn__file *file, int fewest, int most, header *h, uint64_t *left) {
    uint8_t magic[4], shape[4];
    CN__TRY(cn__file_read(file, magic, sizeof magic));
    if (magic[0] != 0 || magic[1] != 0 || magic[2] != UNSIGNED_BYTES)
        return cn__error(CN_ERR_FORMAT, "'%s' begins with %02x %02x %02x, wanted 00 00 08: IDX of unsigned bytes",
                         file->path, magic[0], magic[1], magic[2]);
    h->dimensions = magic[3];
    if (h->dimensions < fewest || h->dimensions > most)
        return cn__error(CN_ERR_FORMAT, "'%s', byte 3: %d dimensions, wanted %s", file->path, h->dimensions,
                         most == 1 ? "1 for labels" : "3 or 4 for images");
    for (int i = 0; i < h->dimensions; i++) {
        CN__TRY(cn__file_read(file, shape, sizeof shape));
        h->shape[i] = (int64_t)shape[0] << 24 | shape[1] << 16 | shape[2] << 8 | shape[3];
    }
    uint64_t bytes = 4 + 4 * (uint64_t)h->dimensions;
    *left = file->size > bytes ? file->size - bytes : 0;
    return CN_OK;
}

/* CN_ERR_FORMAT if the file cannot hold what its header says: nothing is allocated on its word alone. */
static cn_status check_size(const cn__file *file, int64_t items, int64_t bytes, uint64_t left) {
    if (items < 1)
        return cn__error(CN_ERR_FORMAT, "'%s' is empty", file->path);
    if ((uint64_t)items * (uint64_t)bytes > left)
        return cn__error(CN_ERR_FORMAT, "'%s' ends too early: its header says %lld times %lld bytes, %s%llu are there",
                         file->path, (long long)items, (long long)bytes, file->stream ? "at most " : "",
                         (unsigned long long)left);
    return CN_OK;
}

/* What will take `times` as much memory. */
static cn_status read_body(cn__file *file, int64_t items, int64_t bytes, uint64_t times, uint8_t **body) {
    CN__TRY(cn__file_has(file, (uint64_t)items * (uint64_t)bytes, times));
    *body = cn__alloc(file->ctx, (size_t)items, (size_t)bytes);
    if (!*body)
        return cn__error(CN_ERR_MEMORY, "no memory for the %lld times %lld bytes of '%s'", (long long)items,
                         (long long)bytes, file->path);
    CN__TRY(cn__file_read(file, *body, (size_t)items * (size_t)bytes));
    return cn__file_end(file);
}

static cn_status read_images(cn__file *file, cn__images *images) {
    header h;
    uint64_t left = 0;
    int64_t values = 1;
    uint8_t *pixels = NULL;
    CN__TRY(cn__file_unzip(file));
    CN__TRY(read_header(file, 3, 4, &h, &left));
    for (int i = 1; i < h.dimensions; i++)
        if (h.shape[i] < 1 || h.shape[i] > CN__MAX_SIDE || (values *= h.shape[i]) > INT32_MAX)
            return cn__error(CN_ERR_FORMAT,
                             "'%s', byte %d: dimension %d is %lld, which makes its images empty or too large",
                             file->path, 4 + 4 * i, i, (long long)h.shape[i]);
    CN__TRY(check_size(file, h.shape[0], values, left));
    cn_status status = read_body(file, h.shape[0], values, 1, &pixels);
    images->count = h.shape[0];
    images->channels = h.dimensions == 4 ? (int)h.shape[1] : 1;
    images->height = (int)h.shape[h.dimensions - 2];
    images->width = (int)h.shape[h.dimensions - 1];
    images->pixels = images->owned_pixels = pixels;
    images->stride = (size_t)values;
    return status;
}

/* Labels from bytes to numbers; as many classes as the largest label needs. */
static cn_status take_labels(const cn__file *file, const uint8_t *bytes, cn__images *images) {
    int64_t *labels = cn__alloc(file->ctx, (size_t)images->count, sizeof *labels);
    images->labels = images->owned_targets = labels;
    if (!labels)
        return cn__no_memory("labels");
    for (int64_t i = 0; i < images->count; i++) {
        labels[i] = bytes[i];
        if (bytes[i] >= images->classes)
            images->classes = bytes[i] + 1;
    }
    return CN_OK;
}

/* As many as `images` counts, or any number if that is 0. */
static cn_status read_labels(cn__file *file, cn__images *images) {
    header h;
    uint64_t left = 0;
    uint8_t *bytes = NULL;
    CN__TRY(cn__file_unzip(file));
    CN__TRY(read_header(file, 1, 1, &h, &left));
    CN__TRY(check_size(file, h.shape[0], 1, left));
    if (images->count == 0)
        images->count = h.shape[0];
    if (h.shape[0] != images->count)
        return cn__error(CN_ERR_FORMAT, "'%s' has %lld labels for %lld images", file->path, (long long)h.shape[0],
                         (long long)images->count);
    cn_status status = read_body(file, images->count, 1, 1 + sizeof *images->labels, &bytes);
    if (status == CN_OK)
        status = take_labels(file, bytes, images);
    cn__free(file->ctx, bytes);
    return status;
}

/* A pair of open files to a data set. */
static cn_status load(cn_context *ctx, cn__file *images, cn__file *labels, cn__images *found) {
    *found = (cn__images){.ctx = ctx};
    cn_status status = read_images(images, found);
    if (status == CN_OK)
        status = read_labels(labels, found);
    if (status == CN_OK)
        return CN_OK;
    cn__free(ctx, found->owned_pixels);
    cn__free(ctx, found->owned_targets);
    return status;
}

static cn_status load_files(cn_context *ctx, const char *images, const char *labels, cn__images *found) {
    cn__file files[2];
    CN__TRY(cn__file_open(ctx, images, &files[0]));
    cn_status status = cn__file_open(ctx, labels, &files[1]);
    if (status == CN_OK)
        status = load(ctx, &files[0], &files[1], found);
    cn__file_close(&files[0]);
    cn__file_close(&files[1]);
    return status;
}

cn_status cn_dataset_idx_files(cn_context *context, const char *images, const char *labels, cn_dataset **dataset) {
    cn__images found;
    CN__REQUIRE(dataset);
    *dataset = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(images);
    CN__REQUIRE(labels);
    CN__TRY(load_files(context, images, labels, &found));
    return cn__dataset_new(context, found, dataset);
}

/* ---- MNIST and its relatives ---- */

/* What the training labels say of the classes. */
typedef struct label_range {
    int64_t first, count; /* the label that is class 0, and how many follow */
} label_range;

/* Ten classes, or more where labels go beyond 9; from 1 on if they do and none is 0, as EMNIST's letters. */
static label_range find_range(const cn__images *images) {
    int64_t least = MAX_LABELS;
    for (int64_t i = 0; i < images->count; i++)
        least = images->labels[i] < least ? images->labels[i] : least;
    if (images->classes <= MNIST_CLASSES)
        return (label_range){0, MNIST_CLASSES};
    return least == 1 ? (label_range){1, images->classes - 1} : (label_range){0, images->classes};
}

/* The same of the training labels when the test images are opened, so that both parts have the same classes. */
static cn_status training_range(cn_context *ctx, const char *directory, const cn__images *own, label_range *range) {
    char path[CN__MAX_PATH];
    cn__images found = {.ctx = ctx};
    cn__file file;
    *range = find_range(own);
    cn_status status = cn__idx_find(ctx, directory, CN_SPLIT_TRAIN, true, path);
    if (status != CN_OK)
        return status == CN_ERR_MEMORY ? status : CN_OK; /* without them the test labels must do */
    CN__TRY(cn__file_open(ctx, path, &file));
    status = read_labels(&file, &found);
    cn__file_close(&file);
    if (status == CN_OK)
        *range = find_range(&found);
    cn__free(ctx, found.owned_targets);
    return status;
}

static cn_status relabel(cn__images *images, const char *path, label_range range) {
    int64_t *labels = images->owned_targets;
    for (int64_t i = 0; i < images->count; i++) {
        labels[i] -= range.first;
        if (labels[i] < 0 || labels[i] >= range.count)
            return cn__error(CN_ERR_DATA, "'%s', byte %lld: label %lld, wanted %lld to %lld", path, (long long)i + 8,
                             (long long)(labels[i] + range.first), (long long)range.first,
                             (long long)(range.first + range.count - 1));
    }
    images->classes = range.count;
    return CN_OK;
}

/* Classes that do not begin with 0 are called by the labels that the files have. */
static cn_status name_by_label(cn_dataset *dataset, label_range range) {
    char texts[MAX_LABELS][8];
    const char *names[MAX_LABELS];
    for (int64_t k = 0; k < range.count; k++) {
        snprintf(texts[k], sizeof texts[k], "%d", (int)(range.first + k));
        names[k] = texts[k];
    }
    return range.first == 0 ? CN_OK : cn_dataset_set_class_names(dataset, range.count, names);
}

/* From a text file beside the labels, a line each. */
static cn_status read_names(cn_dataset *dataset, const char *labels) {
    static const char *const files[] = {"classes.txt", "labels.txt", "names.txt"};
    char directory[CN__MAX_PATH];
    const char *slash = strrchr(labels, '/');
    snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash - labels) : 1, slash ? labels : ".");
    for (size_t i = 0; i < CN__COUNT(files) && !dataset->named; i++)
        CN__TRY(cn__class_names_read(dataset, directory, files[i]));
    return CN_OK;
}

static cn_status describe(cn_dataset *dataset, const char *labels, label_range range) {
    for (int c = 0; c < dataset->images->channels; c++) {
        dataset->mean[c] = mnist_mean;
        dataset->std[c] = mnist_std;
    }
    cn__dataset_default_normalization(dataset, dataset->mean, dataset->std);
    CN__TRY(read_names(dataset, labels));
    return dataset->named ? CN_OK : name_by_label(dataset, range);
}

static cn_status make(cn_context *ctx, const char *directory, cn_split split, cn__images *found, const char *labels,
                      cn_dataset **dataset) {
    label_range range = find_range(found);
    cn_dataset *made = NULL;
    cn_status status = split == CN_SPLIT_TEST ? training_range(ctx, directory, found, &range) : CN_OK;
    if (status == CN_OK)
        status = relabel(found, labels, range);
    if (status != CN_OK) {
        cn__free(ctx, found->owned_pixels);
        cn__free(ctx, found->owned_targets);
        return status;
    }
    CN__TRY(cn__dataset_new(ctx, *found, &made));
    status = describe(made, labels, range);
    if (status == CN_OK)
        *dataset = made;
    else
        cn_dataset_free(made);
    return status;
}

cn_status cn_dataset_idx(cn_context *context, const char *directory, cn_split split, cn_dataset **dataset) {
    char images[CN__MAX_PATH], labels[CN__MAX_PATH];
    cn__images found;
    CN__REQUIRE(dataset);
    *dataset = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(directory);
    CN__TRY(cn__check_split("cn_dataset_idx", split));
    CN__TRY(cn__idx_find(context, directory, split, false, images));
    CN__TRY(cn__idx_find(context, directory, split, true, labels));
    CN__TRY(load_files(context, images, labels, &found));
    return make(context, directory, split, &found, labels, dataset);
}
