/* SPDX-License-Identifier: MIT */
/* source.c: images and targets that are not in memory: one of them asked for, and where its parts then lie. First come
 * the pixels, then pointers to the targets, then these, each aligned. */
#include "data/dataset.h"

static size_t round_up(size_t bytes) {
    return (bytes + CN__ALIGN - 1) / CN__ALIGN * CN__ALIGN;
}

static size_t pixel_bytes(const cn__images *images) {
    return round_up(cn__image_values(images) * cn__pixel_bytes(images->kind));
}

static size_t pointer_bytes(const cn__images *images) {
    return round_up((size_t)images->source.target_count * sizeof(void *));
}

/* Integers for classes, floats for values. */
static size_t target_bytes(const cn__target_spec *spec) {
    bool classes = spec->kind == CN_TARGET_CLASS || spec->kind == CN_TARGET_MASK;
    size_t count = (size_t)spec->shape.channels * (size_t)spec->shape.height * (size_t)spec->shape.width;
    return round_up(count * (classes ? sizeof(int64_t) : sizeof(float)));
}

static size_t target_offset(const cn__images *images, int target) {
    size_t at = pixel_bytes(images) + pointer_bytes(images);
    for (int t = 0; t < target; t++)
        at += target_bytes(&images->source.targets[t]);
    return at;
}

size_t cn__source_bytes(const cn__images *images) {
    return target_offset(images, images->source.target_count);
}

const void *cn__source_target(const cn__images *images, const void *memory, int target) {
    return (const char *)memory + target_offset(images, target);
}

cn_status cn__source_fetch(const cn__images *images, int64_t at, void *memory) {
    const cn__source *source = &images->source;
    void **targets = (void **)(void *)((char *)memory + pixel_bytes(images));
    for (int t = 0; t < source->target_count; t++)
        targets[t] = (char *)memory + target_offset(images, t);
    CN__TRY(source->fetch(source->user, at, memory, targets));
    return images->kind == CN__PIXEL_FLOATS ? cn__check_finite("image", at, cn__image_planes(images).shape, memory)
                                            : CN_OK;
}
