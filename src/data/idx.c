/* idx.c: IDX files of unsigned bytes, the format of MNIST (LeCun, Cortes & Burges 1998): two zero bytes, the type 8,
 * the number of dimensions, each shape as four big-endian bytes, then the data. */
#include "data/dataset.h"
#include <errno.h>
#include <string.h>

#define UNSIGNED_BYTES 8
#define MNIST_CLASSES  10
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

static cn_status read_body(cn__file *file, int64_t items, int64_t bytes, uint8_t **body) {
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
    cn_status status = read_body(file, h.shape[0], values, &pixels);
    images->count = h.shape[0];
    images->channels = h.dimensions == 4 ? (int)h.shape[1] : 1;
    images->height = (int)h.shape[h.dimensions - 2];
    images->width = (int)h.shape[h.dimensions - 1];
    images->bytes = images->owned_pixels = pixels;
    images->stride = (size_t)values;
    return status;
}

/* Labels from bytes to numbers; the classes are `classes`, or as many as the largest label needs if that is 0. */
static cn_status take_labels(const cn__file *file, const uint8_t *bytes, int classes, cn__images *images) {
    int64_t *labels = cn__alloc(file->ctx, (size_t)images->count, sizeof *labels);
    images->labels = images->owned_labels = labels;
    if (!labels)
        return cn__no_memory("labels");
    for (int64_t i = 0; i < images->count; i++) {
        labels[i] = bytes[i];
        if (classes && bytes[i] >= classes)
            return cn__error(CN_ERR_DATA, "'%s', byte %lld: label %d, wanted 0 to %d", file->path, (long long)i + 8,
                             bytes[i], classes - 1);
        if (bytes[i] >= images->classes)
            images->classes = bytes[i] + 1;
    }
    if (classes)
        images->classes = classes;
    return CN_OK;
}

static cn_status read_labels(cn__file *file, int classes, cn__images *images) {
    header h;
    uint64_t left = 0;
    uint8_t *bytes = NULL;
    CN__TRY(cn__file_unzip(file));
    CN__TRY(read_header(file, 1, 1, &h, &left));
    CN__TRY(check_size(file, h.shape[0], 1, left));
    if (h.shape[0] != images->count)
        return cn__error(CN_ERR_FORMAT, "'%s' has %lld labels for %lld images", file->path, (long long)h.shape[0],
                         (long long)images->count);
    cn_status status = read_body(file, images->count, 1, &bytes);
    if (status == CN_OK)
        status = take_labels(file, bytes, classes, images);
    cn__free(file->ctx, bytes);
    return status;
}

/* A pair of open files to a data set. */
static cn_status load(cn_context *ctx, cn__file *images, cn__file *labels, int classes, cn_dataset **dataset) {
    cn__images found = {.ctx = ctx};
    cn_status status = read_images(images, &found);
    if (status == CN_OK)
        status = read_labels(labels, classes, &found);
    if (status == CN_OK)
        return cn__dataset_new(ctx, found, dataset);
    cn__free(ctx, found.owned_pixels);
    cn__free(ctx, found.owned_labels);
    return status;
}

cn_status cn_dataset_idx_files(cn_context *context, const char *images, const char *labels, cn_dataset **dataset) {
    cn__file files[2];
    CN__REQUIRE(dataset);
    *dataset = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(images);
    CN__REQUIRE(labels);
    CN__TRY(cn__file_open(context, images, &files[0]));
    cn_status status = cn__file_open(context, labels, &files[1]);
    if (status == CN_OK)
        status = load(context, &files[0], &files[1], 0, dataset);
    cn__file_close(&files[0]);
    cn__file_close(&files[1]);
    return status;
}

/* ---- the four files of MNIST ---- */

/* Opens `directory/name`, or the same with .gz. */
static cn_status open_either(cn_context *ctx, const char *directory, const char *name, char path[CN__MAX_PATH],
                             cn__file *file) {
    CN__TRY(cn__path(path, directory, name, ""));
    cn_status status = cn__file_open(ctx, path, file);
    if (status == CN_OK || file->error != ENOENT)
        return status;
    CN__TRY(cn__path(path, directory, name, ".gz"));
    status = cn__file_open(ctx, path, file);
    if (status != CN_OK && file->error == ENOENT)
        return cn__error(CN_ERR_IO, "cannot open '%s/%s', nor the same with .gz: %s", directory, name,
                         strerror(ENOENT));
    return status;
}

static void normalize(cn_dataset *dataset) {
    for (int c = 0; c < dataset->images->channels; c++) {
        dataset->mean[c] = mnist_mean;
        dataset->std[c] = mnist_std;
    }
    cn__dataset_default_normalization(dataset, dataset->mean, dataset->std);
}

cn_status cn_dataset_idx(cn_context *context, const char *directory, cn_split split, cn_dataset **dataset) {
    static const char *const names[2][2] = {{"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},
                                            {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}};
    char paths[2][CN__MAX_PATH];
    cn__file files[2] = {{.descriptor = -1}, {.descriptor = -1}};
    CN__REQUIRE(dataset);
    *dataset = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(directory);
    CN__TRY(cn__check_split("cn_dataset_idx", split));
    cn_status status = CN_OK;
    for (int i = 0; i < 2 && status == CN_OK; i++)
        status = open_either(context, directory, names[split][i], paths[i], &files[i]);
    if (status == CN_OK)
        status = load(context, &files[0], &files[1], MNIST_CLASSES, dataset);
    for (int i = 0; i < 2; i++)
        cn__file_close(&files[i]);
    if (status == CN_OK)
        normalize(*dataset);
    return status;
}
