/* fetch.c: from a stored image to one that a model reads: fetched, augmented, normalised, alone or in a batch. */
#include "data/dataset.h"
#include <string.h>

static cn__shape extent_of(const cn__images *images) {
    return (cn__shape){images->channels, images->height, images->width};
}

/* Where a normalised image goes: its first pixel and the floats from one pixel, row and channel to the next. */
typedef struct place {
    float *out;
    ptrdiff_t pixel, row, channel;
} place;

static place mirrored(place to, int width) {
    return (place){to.out + (width - 1) * to.pixel, -to.pixel, to.row, to.channel};
}

static size_t source_bytes(const cn__images *images) {
    return images->source.fetch ? (cn__image_values(images) + CN__ALIGN - 1) / CN__ALIGN * CN__ALIGN : 0;
}

size_t cn__dataset_scratch(const cn_dataset *dataset) {
    const cn__images *images = dataset->images;
    return images->floats ? 0 : source_bytes(images) + cn__augment_scratch(extent_of(images));
}

/* An 8-bit image and its label; the caller's source writes into `scratch`. */
static cn_status find_bytes(const cn__images *images, int64_t at, uint8_t *scratch, const uint8_t **pixels,
                            int64_t *label) {
    if (images->bytes) {
        *pixels = images->bytes + (size_t)at * images->stride;
        *label = images->labels[at];
        return CN_OK;
    }
    *label = -1;
    int answer = images->source.fetch(images->source.user, at, scratch, label);
    if (answer != 0)
        return cn__error(CN_ERR_IO, "the source of the data set returned %d for image %lld", answer, (long long)at);
    *pixels = scratch;
    return CN_OK;
}

/* The label of image `at` as the images have it, checked, becomes the data set's own. */
static cn_status own_label(const cn_dataset *dataset, int64_t at, int64_t *label) {
    int64_t classes = dataset->images->classes;
    if (*label < 0 || *label >= classes)
        return cn__error(CN_ERR_DATA, "image %lld has label %lld, wanted 0 to %lld", (long long)at, (long long)*label,
                         (long long)classes - 1);
    if (dataset->labels)
        *label = dataset->labels[*label];
    return CN_OK;
}

/* ---- normalisation on the way into place ---- */

static void place_bytes(const cn_dataset *dataset, const uint8_t *pixels, const cn__fetch *how, place to) {
    cn__shape shape = extent_of(dataset->images);
    const cn__variant *variant = &how->variant;
    const float *levels = how->levels ? how->levels : dataset->levels;
    for (int c = 0; c < shape.channels; c++, pixels += shape.height * shape.width, levels += CN__LEVELS)
        for (int y = 0; y < shape.height; y++) {
            const uint8_t *row = pixels + cn__reflected(y - variant->down, shape.height) * shape.width;
            float *out = to.out + c * to.channel + y * to.row;
            for (int x = 0; x < shape.width; x++, out += to.pixel)
                *out = levels[row[cn__reflected(x - variant->right, shape.width)]];
        }
}

static void place_floats(const cn_dataset *dataset, const float *pixels, const cn__variant *variant, place to) {
    cn__shape shape = extent_of(dataset->images);
    for (int c = 0; c < shape.channels; c++, pixels += shape.height * shape.width)
        for (int y = 0; y < shape.height; y++) {
            const float *row = pixels + cn__reflected(y - variant->down, shape.height) * shape.width;
            float *out = to.out + c * to.channel + y * to.row;
            for (int x = 0; x < shape.width; x++, out += to.pixel)
                *out = (row[cn__reflected(x - variant->right, shape.width)] - dataset->mean[c]) / dataset->std[c];
        }
}

/* An image as one of those of its epoch. */
static uint64_t drawn(const cn__fetch *how, int64_t index) {
    return (uint64_t)(how->repeat % 256) << 32 ^ (uint64_t)index;
}

/* One generator for each; epochs beyond 2^24 begin anew. */
static cn__rng augmentation_rng(const cn__fetch *how, int64_t index) {
    return cn__rng_new(how->seed, CN__STREAM_AUGMENT, (uint64_t)how->epoch << 40 ^ drawn(how, index));
}

/* Alternating flip (Jordan 2024): half of the images in the first epoch, the others in the next, and so on. */
static bool turn_to_flip(const cn__fetch *how, int64_t index) {
    cn__rng rng = cn__rng_new(how->seed, CN__STREAM_FLIP, drawn(how, index));
    return ((uint64_t)how->epoch + cn__rng_u32(&rng)) % 2 == 0;
}

/* 0 after normalisation: the mean colour. */
static void clear(cn__hole hole, int channels, place to) {
    for (int c = 0; c < channels; c++)
        for (int y = hole.top; y < hole.bottom; y++) {
            float *row = to.out + c * to.channel + y * to.row;
            for (int x = hole.left; x < hole.right; x++)
                row[x * to.pixel] = 0.0f;
        }
}

static cn_status fetch(const cn_dataset *dataset, int64_t index, const cn__fetch *how, uint8_t *scratch, place to,
                       int64_t *label) {
    const cn__images *images = dataset->images;
    const uint8_t *pixels = NULL;
    cn__hole hole = {0};
    int64_t at = 0;
    CN__TRY(cn__dataset_locate(dataset, index, &at));
    if (how->variant.mirror)
        to = mirrored(to, images->width);
    if (images->floats) {
        *label = images->labels[at];
        place_floats(dataset, images->floats + (size_t)at * images->stride, &how->variant, to);
        return own_label(dataset, at, label);
    }
    CN__TRY(find_bytes(images, at, scratch, &pixels, label));
    CN__TRY(own_label(dataset, at, label));
    if (how->augment) {
        cn__rng rng = augmentation_rng(how, index);
        pixels = cn__augment(&dataset->augmentation, extent_of(images), &rng, turn_to_flip(how, index), pixels,
                             scratch + source_bytes(images));
        hole = cn__cutout(&dataset->augmentation, extent_of(images), &rng);
    }
    place_bytes(dataset, pixels, how, to);
    clear(hole, images->channels, to);
    return CN_OK;
}

cn_status cn__dataset_fetch(const cn_dataset *dataset, int64_t index, const cn__fetch *how, void *scratch, float *out,
                            size_t row, size_t channel, const cn__target_place *targets) {
    place to = {out, CN__LANES, (ptrdiff_t)row, (ptrdiff_t)channel};
    return fetch(dataset, index, how, scratch, to, targets[0].classes);
}

/* ---- one stored image ---- */

cn_status cn_dataset_image(const cn_dataset *dataset, int64_t index, cn_tensor *image, int64_t *label) {
    int64_t at = 0, found = 0;
    const uint8_t *pixels = NULL;
    CN__REQUIRE(dataset);
    CN__REQUIRE(image);
    const cn__images *images = dataset->images;
    const int64_t shape[4] = {1, images->channels, images->height, images->width};
    CN__TRY(cn__dataset_locate(dataset, index, &at));
    CN__TRY(cn__tensor_expect(image, "cn_dataset_image: image", images->floats ? CN_DTYPE_FLOAT32 : CN_DTYPE_UINT8, 4,
                              shape));
    CN__TRY(cn__tensor_writable(image, "cn_dataset_image: image"));
    if (images->floats) {
        memcpy(image->data, images->floats + (size_t)at * images->stride, cn__image_values(images) * sizeof(float));
        found = images->labels[at];
    } else {
        CN__TRY(find_bytes(images, at, image->data, &pixels, &found));
        if (pixels != image->data)
            memcpy(image->data, pixels, cn__image_values(images));
    }
    CN__TRY(own_label(dataset, at, &found));
    if (label)
        *label = found;
    return CN_OK;
}

/* A source only knows the label with the image. */
static cn_status ask_for_label(const cn_dataset *dataset, int64_t at, int64_t *label) {
    const uint8_t *pixels = NULL;
    uint8_t *scratch = cn__alloc(dataset->ctx, cn__image_values(dataset->images), 1);
    if (!scratch)
        return cn__no_memory("an image");
    cn_status status = find_bytes(dataset->images, at, scratch, &pixels, label);
    cn__free(dataset->ctx, scratch);
    return status;
}

cn_status cn_dataset_label(const cn_dataset *dataset, int64_t index, int64_t *label) {
    int64_t at = 0, found = 0;
    CN__REQUIRE(dataset);
    CN__REQUIRE(label);
    CN__TRY(cn__dataset_locate(dataset, index, &at));
    if (dataset->images->labels)
        found = dataset->images->labels[at];
    else
        CN__TRY(ask_for_label(dataset, at, &found));
    CN__TRY(own_label(dataset, at, &found));
    *label = found;
    return CN_OK;
}

/* ---- batches: each worker takes a range of the images, with scratch memory of its own ---- */

typedef struct range {
    cn_status status;
    char message[512]; /* of the worker's thread, for the caller's */
} range;

typedef struct batch {
    const cn_dataset *dataset;
    int64_t count;
    const int64_t *indices;
    cn__fetch how;
    float *images;
    int64_t *labels; /* or NULL */
    size_t ranges, scratch_bytes;
    uint8_t *scratch;
    range *range;
} batch;

static cn_status fetch_one(const batch *b, int64_t i, uint8_t *scratch) {
    const cn__images *images = b->dataset->images;
    ptrdiff_t width = images->width, plane = images->height * width;
    place to = {b->images + (size_t)i * cn__image_values(images), 1, width, plane};
    int64_t label = 0;
    CN__TRY(fetch(b->dataset, b->indices[i], &b->how, scratch, to, &label));
    if (b->labels)
        b->labels[i] = label;
    return CN_OK;
}

static void fetch_range(void *argument, size_t item, int thread) {
    const batch *b = argument;
    range *r = &b->range[item];
    int64_t first = b->count * (int64_t)item / (int64_t)b->ranges;
    int64_t last = b->count * ((int64_t)item + 1) / (int64_t)b->ranges;
    (void)thread;
    for (int64_t i = first; i < last && r->status == CN_OK; i++)
        r->status = fetch_one(b, i, b->scratch + item * b->scratch_bytes);
    if (r->status != CN_OK)
        strncpy(r->message, cn_last_error(), sizeof r->message - 1);
}

static cn_status fetch_batch(batch *b) {
    cn_context *ctx = b->dataset->ctx;
    b->ranges = b->count < ctx->threads ? (size_t)b->count : (size_t)ctx->threads;
    b->scratch_bytes = cn__dataset_scratch(b->dataset);
    b->scratch = cn__alloc(ctx, b->ranges, b->scratch_bytes);
    b->range = cn__alloc(ctx, b->ranges, sizeof *b->range);
    cn_status status = b->scratch && b->range ? CN_OK : cn__no_memory("a batch");
    if (status == CN_OK)
        cn__parallel(ctx, b->ranges, fetch_range, b);
    for (size_t r = 0; status == CN_OK && r < b->ranges; r++)
        if (b->range[r].status != CN_OK)
            status = cn__error(b->range[r].status, "%s", b->range[r].message);
    cn__free(ctx, b->range);
    cn__free(ctx, b->scratch);
    return status;
}

cn_status cn_dataset_batch(const cn_dataset *dataset, int64_t count, const int64_t *indices, int augment, uint64_t seed,
                           int64_t epoch, cn_tensor *images, cn_tensor *labels) {
    CN__REQUIRE(dataset);
    CN__REQUIRE(indices);
    CN__REQUIRE(images);
    const cn__images *stored = dataset->images;
    const int64_t shape[4] = {count, stored->channels, stored->height, stored->width};
    if (count < 1)
        return cn__error(CN_ERR_ARGUMENT, "cn_dataset_batch: count is %lld, wanted at least 1", (long long)count);
    CN__TRY(cn__tensor_expect(images, "cn_dataset_batch: images", CN_DTYPE_FLOAT32, 4, shape));
    CN__TRY(cn__tensor_writable(images, "cn_dataset_batch: images"));
    if (labels) {
        CN__TRY(cn__tensor_expect(labels, "cn_dataset_batch: labels", CN_DTYPE_INT64, 1, shape));
        CN__TRY(cn__tensor_writable(labels, "cn_dataset_batch: labels"));
    }
    batch b = {.dataset = dataset,
               .count = count,
               .indices = indices,
               .how = {.augment = augment != 0, .seed = seed, .epoch = epoch},
               .images = images->data,
               .labels = labels ? labels->data : NULL};
    return fetch_batch(&b);
}
