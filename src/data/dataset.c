/* SPDX-License-Identifier: MIT */
/* dataset.c: the handle: shared images, counts, class names and normalisation. */
#include "data/dataset.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_NUMBER 24 /* bytes of a class number as text */

/* ---- images with several owners ---- */

static void drop_contents(cn_context *ctx, const cn__images *images) {
    cn__free(ctx, images->owned_pixels);
    cn__free(ctx, images->owned_targets);
    cn__free(ctx, images->file_names);
    cn__free(ctx, images->source.targets);
}

static void images_release(cn__images *images) {
    if (!images || atomic_fetch_sub(&images->owners, 1) > 1)
        return;
    if (images->source.release)
        images->source.release(images->ctx, images->source.user);
    drop_contents(images->ctx, images);
    cn__free(images->ctx, images);
}

static cn__images *images_share(cn_context *ctx, const cn__images *described) {
    cn__images *shared = cn__alloc(ctx, 1, sizeof *shared);
    if (!shared) {
        drop_contents(ctx, described);
        return NULL;
    }
    memcpy(shared, described, sizeof *shared);
    shared->ctx = ctx;
    atomic_init(&shared->owners, 1);
    return shared;
}

cn_status cn__check_images(const char *what, int64_t count, int64_t channels, int64_t height, int64_t width) {
    const int64_t sides[3] = {channels, height, width};
    static const char *const names[3] = {"channels", "height", "width"};
    if (count < 1)
        return cn__error(CN_ERR_ARGUMENT, "%s: count is %lld, wanted at least 1", what, (long long)count);
    for (int i = 0; i < 3; i++)
        if (sides[i] < 1 || sides[i] > CN__MAX_SIDE)
            return cn__error(CN_ERR_SHAPE, "%s: %s is %lld, wanted 1 to %d", what, names[i], (long long)sides[i],
                             CN__MAX_SIDE);
    if (cn__too_large(channels, height, width))
        return cn__error(CN_ERR_SHAPE, "%s: images of %lld×%lld×%lld have more than %d values", what,
                         (long long)channels, (long long)height, (long long)width, INT32_MAX);
    return CN_OK;
}

cn_status cn__check_classes(const char *what, int64_t classes) {
    if (classes >= 1 && classes <= CN__MAX_SIDE)
        return CN_OK;
    return cn__error(CN_ERR_ARGUMENT, "%s: classes is %lld, wanted 1 to %d", what, (long long)classes, CN__MAX_SIDE);
}

cn_status cn__check_labels(const char *what, const int64_t *labels, int64_t count, int64_t classes) {
    for (int64_t i = 0; i < count; i++)
        if (labels[i] < 0 || labels[i] >= classes)
            return cn__error(CN_ERR_DATA, "%s: label %lld is %lld, wanted 0 to %lld", what, (long long)i,
                             (long long)labels[i], (long long)classes - 1);
    return CN_OK;
}

cn_status cn__check_split(const char *what, cn_split split) {
    if (split == CN_SPLIT_TRAIN || split == CN_SPLIT_TEST)
        return CN_OK;
    return cn__error(CN_ERR_ARGUMENT, "%s: split is %d, wanted CN_SPLIT_TRAIN or CN_SPLIT_TEST", what, (int)split);
}

/* ---- class names ---- */

char **cn__texts_copy(cn_context *ctx, int64_t count, const char *const *texts) {
    size_t bytes = (size_t)count * sizeof(char *), at = bytes;
    for (int64_t i = 0; i < count; i++)
        bytes += strlen(texts[i]) + 1;
    char *block = cn__alloc(ctx, bytes, 1), **copy = (char **)(void *)block;
    for (int64_t i = 0; copy && i < count; i++) {
        size_t length = strlen(texts[i]) + 1;
        copy[i] = memcpy(block + at, texts[i], length);
        at += length;
    }
    return copy;
}

char **cn__number_names(cn_context *ctx, int64_t classes) {
    size_t pointers = (size_t)classes * sizeof(char *);
    char *block = cn__alloc(ctx, pointers + (size_t)classes * MAX_NUMBER, 1), **names = (char **)(void *)block;
    for (int64_t i = 0; names && i < classes; i++) {
        names[i] = block + pointers + (size_t)i * MAX_NUMBER;
        snprintf(names[i], MAX_NUMBER, "%lld", (long long)i);
    }
    return names;
}

cn_status cn_dataset_set_class_names(cn_dataset *dataset, int64_t classes, const char *const *names) {
    CN__REQUIRE(dataset);
    CN__REQUIRE(names);
    if (classes != cn_dataset_classes(dataset))
        return cn__error(CN_ERR_ARGUMENT, "cn_dataset_set_class_names: %lld names for %lld classes", (long long)classes,
                         (long long)cn_dataset_classes(dataset));
    CN__TRY(cn__check_class_names("cn_dataset_set_class_names", classes, names));
    char **copy = cn__texts_copy(dataset->ctx, classes, names);
    if (!copy)
        return cn__no_memory("class names");
    cn__free(dataset->ctx, dataset->class_names);
    dataset->class_names = copy;
    dataset->named = true;
    return CN_OK;
}

const char *cn_dataset_class_name(const cn_dataset *dataset, int64_t label) {
    return dataset && label >= 0 && label < cn_dataset_classes(dataset) ? dataset->class_names[label] : NULL;
}

/* ---- normalisation ---- */

void cn__normalization_levels(const cn__normalization *normalization, int channels, float *levels) {
    for (int c = 0; c < channels; c++)
        for (int value = 0; value < CN__LEVELS; value++)
            *levels++ = ((float)value / 255.0f - normalization->mean[c]) / normalization->std[c];
}

void cn__dataset_default_normalization(cn_dataset *dataset, const float *mean, const float *std) {
    int channels = dataset->images->channels;
    for (int c = 0; c < channels; c++) {
        dataset->mean[c] = mean ? mean[c] : 0.0f;
        dataset->std[c] = std ? std[c] : 1.0f;
    }
    if (dataset->levels)
        cn__normalization_levels(&(cn__normalization){dataset->mean, dataset->std}, channels, dataset->levels);
}

cn_status cn_dataset_set_normalization(cn_dataset *dataset, int channels, const float *mean, const float *std) {
    CN__COMPUTES;
    CN__REQUIRE(dataset);
    CN__REQUIRE(mean);
    CN__REQUIRE(std);
    if (channels != dataset->images->channels)
        return cn__error(CN_ERR_SHAPE, "cn_dataset_set_normalization: %d channels, the images have %d", channels,
                         dataset->images->channels);
    for (int c = 0; c < channels; c++)
        if (!isfinite(mean[c]) || !isfinite(std[c]) || !(std[c] > 0.0f))
            return cn__error(CN_ERR_ARGUMENT,
                             "cn_dataset_set_normalization: channel %d: mean %g, std %g (wanted above 0)", c,
                             (double)mean[c], (double)std[c]);
    cn__dataset_default_normalization(dataset, mean, std);
    dataset->normalization_set = true;
    return CN_OK;
}

int cn_dataset_normalization(const cn_dataset *dataset, const float **mean, const float **std) {
    if (mean)
        *mean = dataset->mean;
    if (std)
        *std = dataset->std;
    return dataset->images->channels;
}

cn__normalization cn__dataset_normalization(const cn_dataset *dataset) {
    return (cn__normalization){dataset->mean, dataset->std};
}

bool cn__dataset_normalization_is_set(const cn_dataset *dataset) {
    return dataset->normalization_set;
}

bool cn__dataset_is_8bit(const cn_dataset *dataset) {
    return dataset->images->kind == CN__PIXEL_BYTES;
}

/* ---- making and freeing ---- */

/* A handle with room for all it needs, without targets; it takes over one ownership of `images`. */
static cn_status make(cn__images *images, cn_dataset **dataset) {
    cn_context *ctx = images->ctx;
    cn_dataset *made = cn__alloc(ctx, 1, sizeof *made);
    if (!made) {
        images_release(images);
        return cn__no_memory("a data set");
    }
    size_t channels = (size_t)images->channels;
    bool levels = images->kind == CN__PIXEL_BYTES;
    made->ctx = ctx;
    made->images = images;
    made->count = images->count;
    made->augmentation = (cn_augmentation)CN_AUGMENTATION_INIT;
    made->mean = cn__alloc(ctx, channels, sizeof *made->mean);
    made->std = cn__alloc(ctx, channels, sizeof *made->std);
    if (levels)
        made->levels = cn__alloc(ctx, channels, CN__LEVELS * sizeof *made->levels);
    if (!made->mean || !made->std || (levels && !made->levels)) {
        cn_dataset_free(made);
        return cn__no_memory("a data set");
    }
    *dataset = made;
    return CN_OK;
}

/* The labels that the images have, as the first target. */
static cn_status add_labels(cn_dataset *dataset) {
    const cn__images *images = dataset->images;
    return cn__target_add(dataset, (cn__target){.spec = {CN_TARGET_CLASS, images->classes, 0, {1, 1, 1}},
                                                .origin = CN__TARGET_STORED,
                                                .data = images->labels,
                                                .dtype = CN_DTYPE_INT64,
                                                .stored_classes = images->classes});
}

cn_status cn__dataset_new(cn_context *ctx, cn__images images, cn_dataset **dataset) {
    cn_dataset *made = NULL;
    cn__images *shared = images_share(ctx, &images);
    if (!shared)
        return cn__no_memory("a data set");
    CN__TRY(make(shared, &made));
    cn__dataset_default_normalization(made, NULL, NULL);
    cn_status status = images.labels ? add_labels(made) : CN_OK;
    if (status != CN_OK) {
        cn_dataset_free(made);
        return status;
    }
    *dataset = made;
    return CN_OK;
}

/* ---- views ---- */

static cn_status copy_names(const cn_dataset *parent, cn_dataset *view) {
    if (!parent->named)
        return CN_OK;
    return cn_dataset_set_class_names(view, cn_dataset_classes(parent), (const char *const *)parent->class_names);
}

/* The view takes the indices over, once they have served to find the targets' rows. */
static cn_status fill_view(const cn_dataset *parent, int64_t count, int64_t *indices, cn_dataset *view) {
    view->count = count;
    view->indices = indices;
    view->augmentation = parent->augmentation;
    view->normalization_set = parent->normalization_set;
    cn__dataset_default_normalization(view, parent->mean, parent->std);
    CN__TRY(cn__targets_view(parent, view, indices));
    CN__TRY(copy_names(parent, view));
    for (int64_t i = 0; parent->indices && i < count; i++)
        indices[i] = parent->indices[indices[i]];
    return CN_OK;
}

cn_status cn__dataset_view(const cn_dataset *parent, int64_t count, int64_t *indices, cn_dataset **view) {
    cn_dataset *made = NULL;
    atomic_fetch_add(&parent->images->owners, 1);
    cn_status status = make(parent->images, &made);
    if (status != CN_OK) {
        cn__free(parent->ctx, indices);
        return status;
    }
    status = fill_view(parent, count, indices, made);
    if (status != CN_OK) {
        cn_dataset_free(made);
        return status;
    }
    *view = made;
    return CN_OK;
}

void cn_dataset_free(cn_dataset *dataset) {
    if (!dataset)
        return;
    cn_context *ctx = dataset->ctx;
    images_release(dataset->images);
    cn__free(ctx, dataset->indices);
    cn__targets_clear(dataset);
    cn__free(ctx, dataset->mean);
    cn__free(ctx, dataset->std);
    cn__free(ctx, dataset->levels);
    cn__free(ctx, dataset);
}

/* ---- properties ---- */

int64_t cn_dataset_count(const cn_dataset *dataset) {
    return dataset ? dataset->count : 0;
}

int64_t cn_dataset_classes(const cn_dataset *dataset) {
    const cn__target *target = dataset ? cn__dataset_classes(dataset) : NULL;
    return target ? target->spec.classes : 0;
}

cn_status cn__dataset_locate(const cn_dataset *dataset, int64_t index, int64_t *at) {
    if (index < 0 || index >= dataset->count)
        return cn__error(CN_ERR_NOT_FOUND, "image %lld does not exist, the data set has %lld", (long long)index,
                         (long long)dataset->count);
    *at = dataset->indices ? dataset->indices[index] : index;
    return CN_OK;
}

const char *cn_dataset_file_name(const cn_dataset *dataset, int64_t index) {
    if (!dataset || !dataset->images->file_names || index < 0 || index >= dataset->count)
        return NULL;
    return dataset->images->file_names[dataset->indices ? dataset->indices[index] : index];
}

cn_context *cn__dataset_context(const cn_dataset *dataset) {
    return dataset->ctx;
}

int64_t cn_dataset_skipped_count(const cn_dataset *dataset) {
    return dataset ? dataset->images->skipped : 0;
}

void cn_dataset_shape(const cn_dataset *dataset, int64_t shape[3]) {
    shape[0] = dataset ? dataset->images->channels : 0;
    shape[1] = dataset ? dataset->images->height : 0;
    shape[2] = dataset ? dataset->images->width : 0;
}
