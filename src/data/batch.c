/* SPDX-License-Identifier: MIT */
/* batch.c: images and targets as the caller's tensors: one as it is stored, several ready for a model. */
#include "data/dataset.h"
#include <stdio.h>
#include <string.h>

/* ---- one stored image ---- */

/* The target that is called label. */
static cn_status find_label(const cn_dataset *dataset, const char *function, const cn__target **target) {
    *target = dataset->target_count > 0 ? &dataset->targets[0] : NULL;
    if (*target && (*target)->spec.kind == CN_TARGET_CLASS)
        return CN_OK;
    return cn__error(CN_ERR_STATE, "%s: the data set's images have no labels: %s", function,
                     *target ? "their first target is no class" : "they have no targets");
}

/* A source's image is asked for in `memory`, if there is any; what is stored needs none. */
static cn_status find_image(const cn_dataset *dataset, int64_t at, void *memory, const void **pixels) {
    *pixels = memory;
    if (memory)
        return cn__source_fetch(dataset->images, at, memory);
    if (dataset->images->pixels)
        *pixels = cn__stored_pixels(dataset->images, at);
    return CN_OK;
}

static cn_status take_image(const cn_dataset *dataset, int64_t index, int64_t at, void *memory, cn_tensor *image,
                            const cn__target *target, int64_t *label) {
    cn__fetched f = {.index = index, .at = at, .source_memory = memory};
    CN__TRY(find_image(dataset, at, memory, &f.pixels));
    if (target)
        CN__TRY(cn__target_fetch(dataset, target, &f, (cn__target_place){.classes = label}));
    if (image) /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): stored, or else in memory that take() got */
        memcpy(image->data, f.pixels, (size_t)image->count * cn__dtype_bytes(image->dtype));
    return CN_OK;
}

/* Image, label or both (NULL: not wanted). */
static cn_status take(const cn_dataset *dataset, int64_t index, int64_t at, cn_tensor *image, const cn__target *target,
                      int64_t *label) {
    int64_t found = 0;
    void *memory = NULL;
    bool asks = dataset->images->source.fetch && (image || target->origin == CN__TARGET_OF_SOURCE);
    if (asks) {
        memory = cn__alloc(dataset->ctx, cn__source_bytes(dataset->images), 1);
        if (!memory)
            return cn__no_memory("an image");
    }
    cn_status status = take_image(dataset, index, at, memory, image, target, &found);
    cn__free(dataset->ctx, memory);
    if (status == CN_OK && target)
        *label = found;
    return status;
}

cn_status cn_dataset_image(const cn_dataset *dataset, int64_t index, cn_tensor *image, int64_t *label) {
    CN__COMPUTES;
    const cn__target *target = NULL;
    CN__REQUIRE(dataset);
    CN__REQUIRE(image);
    const cn__images *images = dataset->images;
    const int64_t shape[4] = {1, images->channels, images->height, images->width};
    cn_dtype dtype = images->kind == CN__PIXEL_BYTES ? CN_DTYPE_UINT8 : CN_DTYPE_FLOAT32;
    int64_t at;
    CN__TRY(cn__dataset_locate(dataset, index, &at));
    CN__TRY(cn__tensor_expect(image, "cn_dataset_image: image", dtype, 4, shape));
    CN__TRY(cn__tensor_writable(image, "cn_dataset_image: image"));
    if (label)
        CN__TRY(find_label(dataset, "cn_dataset_image", &target));
    return take(dataset, index, at, image, target, label);
}

cn_status cn_dataset_label(const cn_dataset *dataset, int64_t index, int64_t *label) {
    CN__COMPUTES;
    const cn__target *target = NULL;
    int64_t at;
    CN__REQUIRE(dataset);
    CN__REQUIRE(label);
    CN__TRY(find_label(dataset, "cn_dataset_label", &target));
    CN__TRY(cn__dataset_locate(dataset, index, &at));
    return take(dataset, index, at, NULL, target, label);
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
    cn_tensor *const *targets; /* NULL: not wanted */
    int target_count;
    size_t ranges, scratch_bytes;
    char *scratch;
    range *range;
} batch;

static size_t places_bytes(const cn_dataset *dataset) {
    return cn__whole_lines(dataset->target_count * sizeof(cn__target_place));
}

/* Where target `t` of the batch's image i goes. */
static cn__target_place place_of(const batch *b, int t, int64_t i) {
    const cn_tensor *tensor = t < b->target_count ? b->targets[t] : NULL;
    if (!tensor)
        return (cn__target_place){NULL};
    int64_t at = i * (tensor->count / b->count);
    if (tensor->dtype == CN_DTYPE_INT64)
        return (cn__target_place){.classes = (int64_t *)tensor->data + at};
    return (cn__target_place){.values = (float *)tensor->data + at};
}

static cn_status fetch_one(const batch *b, int64_t i, char *scratch) {
    const cn__images *images = b->dataset->images;
    int count = cn__dataset_target_count(b->dataset);
    ptrdiff_t width = images->width, plane = images->height * width;
    cn__strided to = {b->images + (size_t)i * cn__image_values(images), 1, width, plane};
    cn__target_place *places = (cn__target_place *)(void *)scratch;
    for (int t = 0; t < count; t++)
        places[t] = place_of(b, t, i);
    return cn__fetch_image(b->dataset, b->indices[i], &b->how, scratch + places_bytes(b->dataset), to, places);
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
    b->scratch_bytes = places_bytes(b->dataset) + cn__dataset_scratch(b->dataset);
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

/* A tensor of a target's type, and of the shape in cn_target_kind. */
static cn_status expect_target(const cn_tensor *tensor, const cn__target_spec *spec, int64_t count, const char *what) {
    const int64_t shapes[][4] = {{count},
                                 {count, spec->shape.channels},
                                 {count, spec->shape.height, spec->shape.width},
                                 {count, spec->shape.channels, spec->shape.height, spec->shape.width}};
    bool classes = spec->kind == CN_TARGET_CLASS || spec->kind == CN_TARGET_MASK;
    CN__TRY(cn__tensor_expect(tensor, what, classes ? CN_DTYPE_INT64 : CN_DTYPE_FLOAT32, (int)spec->kind + 1,
                              shapes[spec->kind]));
    return cn__tensor_writable(tensor, what);
}

static cn_status check_batch(const batch *b, const char *function, const cn_tensor *images) {
    char what[80];
    const cn__images *stored = b->dataset->images;
    const int64_t shape[4] = {b->count, stored->channels, stored->height, stored->width};
    if (b->count < 1)
        return cn__error(CN_ERR_ARGUMENT, "%s: count is %lld, wanted at least 1", function, (long long)b->count);
    snprintf(what, sizeof what, "%s: images", function);
    CN__TRY(cn__tensor_expect(images, what, CN_DTYPE_FLOAT32, 4, shape));
    CN__TRY(cn__tensor_writable(images, what));
    if (b->target_count < 0 || b->target_count > cn__dataset_target_count(b->dataset))
        return cn__error(CN_ERR_ARGUMENT, "%s: %d targets wanted, the data set has %d", function, b->target_count,
                         cn__dataset_target_count(b->dataset));
    for (int t = 0; t < b->target_count; t++) {
        snprintf(what, sizeof what, "%s: target %d", function, t);
        if (b->targets[t])
            CN__TRY(expect_target(b->targets[t], cn__dataset_target(b->dataset, t), b->count, what));
    }
    return CN_OK;
}

cn_status cn_dataset_batch_targets(const cn_dataset *dataset, int64_t count, const int64_t *indices, int augment,
                                   uint64_t seed, int64_t epoch, cn_tensor *images, int target_count,
                                   cn_tensor *const *targets) {
    CN__COMPUTES;
    CN__REQUIRE(dataset);
    CN__REQUIRE(indices);
    CN__REQUIRE(images);
    if (target_count > 0)
        CN__REQUIRE(targets);
    batch b = {.dataset = dataset,
               .count = count,
               .indices = indices,
               .how = {.augment = augment != 0, .seed = seed, .epoch = epoch},
               .targets = targets,
               .target_count = target_count};
    CN__TRY(check_batch(&b, "cn_dataset_batch_targets", images));
    b.images = images->data;
    return fetch_batch(&b);
}

cn_status cn_dataset_batch(const cn_dataset *dataset, int64_t count, const int64_t *indices, int augment, uint64_t seed,
                           int64_t epoch, cn_tensor *images, cn_tensor *targets) {
    CN__COMPUTES;
    CN__REQUIRE(dataset);
    CN__REQUIRE(indices);
    CN__REQUIRE(images);
    batch b = {.dataset = dataset,
               .count = count,
               .indices = indices,
               .how = {.augment = augment != 0, .seed = seed, .epoch = epoch},
               .targets = &targets,
               .target_count = targets ? 1 : 0};
    CN__TRY(check_batch(&b, "cn_dataset_batch", images));
    b.images = images->data;
    return fetch_batch(&b);
}
