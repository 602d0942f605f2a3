/* SPDX-License-Identifier: MIT */
/* target_fetch.c: an image's targets on their way to a loss: found, moved as augmentation moves the image, checked,
 * written out as integers or floats. */
#include "data/dataset.h"
#include <math.h>
#include <string.h>

static size_t value_count(const cn__target *target) {
    const cn__shape *shape = &target->spec.shape;
    return (size_t)shape->channels * (size_t)shape->height * (size_t)shape->width;
}

static const void *find(const cn_dataset *dataset, const cn__target *target, const cn__fetched *f) {
    if (target->origin == CN__TARGET_IS_IMAGE)
        return f->pixels;
    if (target->origin == CN__TARGET_OF_SOURCE)
        return cn__source_target(dataset->images, f->source_memory, target->place);
    int64_t row = target->rows ? target->rows[f->index] : f->at;
    return (const char *)target->data + (size_t)row * value_count(target) * cn__dtype_bytes(target->dtype);
}

cn_status cn__check_finite(const char *what, int64_t image, cn__shape shape, const float *values) {
    int64_t width = shape.width, plane = shape.height * width, count = shape.channels * plane;
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return cn__error(CN_ERR_DATA, "%s %lld, channel %lld, row %lld, column %lld is %f", what, (long long)image,
                             (long long)(i / plane), (long long)(i % plane / width), (long long)(i % width),
                             (double)values[i]);
    return CN_OK;
}

/* ---- classes ---- */

static cn_status fetch_class(const cn__target *target, const cn__fetched *f, const int64_t *label, int64_t *to) {
    if (*label < 0 || *label >= target->stored_classes)
        return cn__error(CN_ERR_DATA, "image %lld has label %lld, wanted 0 to %lld", (long long)f->at,
                         (long long)*label, (long long)target->stored_classes - 1);
    *to = target->classes ? target->classes[*label] : *label;
    return CN_OK;
}

/* ---- masks ---- */

static cn__planes places_of(const cn__target *target) {
    return (cn__planes){target->spec.shape, CN__PIXEL_PLACES};
}

/* Of each pixel of the moved mask, which it was, counted from 1; 0: none. NULL: all are where they were. */
static const uint32_t *places(const cn__target *target, const cn__fetched *f) {
    size_t count = value_count(target);
    if (!cn__changes_move(&f->changes))
        return NULL;
    uint32_t *numbers = f->scratch;
    for (size_t i = 0; i < count; i++)
        numbers[i] = (uint32_t)i + 1;
    cn__changes moves = f->changes;
    moves.grayscale = false;
    return cn__changes_apply(&moves, places_of(target), numbers, numbers + cn__whole_lines(count));
}

static cn_status fetch_mask(const cn__target *target, const cn__fetched *f, const void *stored, int64_t *to) {
    const uint32_t *place = places(target, f);
    const cn__target_spec *spec = &target->spec;
    bool bytes = target->origin == CN__TARGET_STORED && target->dtype == CN_DTYPE_UINT8;
    size_t count = value_count(target), width = (size_t)spec->shape.width;
    for (size_t i = 0; i < count; i++) {
        size_t at = place ? (size_t)place[i] - 1 : i;
        int64_t value = place && place[i] == 0 ? spec->ignore_index
                        : bytes                ? ((const uint8_t *)stored)[at]
                                               : ((const int64_t *)stored)[at];
        to[i] = value;
        if (value == spec->ignore_index)
            continue;
        if (value < 0 || value >= target->stored_classes)
            return cn__error(CN_ERR_DATA,
                             "image %lld: row %zu, column %zu of its mask is %lld, wanted 0 to %lld or %lld",
                             (long long)f->at, at / width, at % width, (long long)value,
                             (long long)target->stored_classes - 1, (long long)spec->ignore_index);
        if (target->classes)
            to[i] = target->classes[value];
    }
    return CN_OK;
}

/* ---- vectors ---- */

static cn_status fetch_vector(const cn_dataset *dataset, const cn__target *target, const cn__fetched *f,
                              const float *stored, float *to) {
    cn__shape image = cn__image_planes(dataset->images).shape;
    CN__TRY(cn__check_finite("the vector of image", f->at, target->spec.shape, stored));
    if (target->vector != CN_VECTOR_POINTS || !cn__changes_move(&f->changes)) {
        memcpy(to, stored, value_count(target) * sizeof *to);
        return CN_OK;
    }
    cn__changes_points(&f->changes, image, target->spec.shape.channels / 2, target->mirrored, stored, to);
    return cn__check_finite("the augmented vector of image", f->at, target->spec.shape, to);
}

/* ---- images ---- */

static cn__planes planes_of(const cn_dataset *dataset, const cn__target *target) {
    bool bytes = target->origin == CN__TARGET_IS_IMAGE
                     ? dataset->images->kind == CN__PIXEL_BYTES
                     : target->origin == CN__TARGET_STORED && target->dtype == CN_DTYPE_UINT8;
    return (cn__planes){target->spec.shape, bytes ? CN__PIXEL_BYTES : CN__PIXEL_FLOATS};
}

static cn_status fetch_image(const cn_dataset *dataset, const cn__target *target, const cn__fetched *f,
                             const void *stored, float *to) {
    cn__planes planes = planes_of(dataset, target);
    size_t count = value_count(target);
    cn__changes moves = f->changes;
    moves.grayscale = false;
    if (target->origin != CN__TARGET_IS_IMAGE)
        stored = cn__changes_apply(&moves, planes, stored, f->scratch);
    for (size_t i = 0; planes.kind == CN__PIXEL_BYTES && i < count; i++)
        to[i] = (float)((const uint8_t *)stored)[i] / 255.0f;
    if (planes.kind == CN__PIXEL_BYTES)
        return CN_OK;
    memcpy(to, stored, count * sizeof *to);
    return target->origin == CN__TARGET_OF_SOURCE
               ? cn__check_finite("the target of image", f->at, target->spec.shape, to)
               : CN_OK;
}

/* ---- any ---- */

static size_t scratch_bytes(const cn_dataset *dataset, const cn__target *target) {
    if (target->spec.kind == CN_TARGET_MASK)
        return cn__whole_lines(value_count(target)) * sizeof(uint32_t) + cn__changes_scratch(places_of(target));
    if (target->spec.kind == CN_TARGET_IMAGE && target->origin != CN__TARGET_IS_IMAGE)
        return cn__changes_scratch(planes_of(dataset, target));
    return 0;
}

size_t cn__target_scratch(const cn_dataset *dataset) {
    size_t most = 0;
    for (size_t t = 0; t < dataset->target_count; t++) {
        size_t bytes = scratch_bytes(dataset, &dataset->targets[t]);
        most = bytes > most ? bytes : most;
    }
    return most;
}

cn_status cn__target_fetch(const cn_dataset *dataset, const cn__target *target, const cn__fetched *fetched,
                           cn__target_place to) {
    const void *stored = find(dataset, target, fetched);
    switch (target->spec.kind) {
    case CN_TARGET_CLASS:
        return fetch_class(target, fetched, stored, to.classes);
    case CN_TARGET_MASK:
        return fetch_mask(target, fetched, stored, to.classes);
    case CN_TARGET_VECTOR:
        return fetch_vector(dataset, target, fetched, stored, to.values);
    default:
        return fetch_image(dataset, target, fetched, stored, to.values);
    }
}
