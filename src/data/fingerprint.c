/* SPDX-License-Identifier: MIT */
/* fingerprint.c: tells one data set from another by what is in it: a few images with all their targets, and, where they
 * are classes in memory, the first targets of all images. */
#include "data/dataset.h"
#include <string.h>

enum { SAMPLES = 8 };

/* Memory for one image and its targets. */
typedef struct sample {
    float *levels, *pixels; /* each 8-bit value as it is; [channels][height][width][CN__LANES] */
    void *scratch;
    void *targets[CN__MAX_TARGETS];
    int target_count;
} sample;

static size_t target_values(const cn__target_spec *spec) {
    return (size_t)spec->shape.channels * (size_t)spec->shape.height * (size_t)spec->shape.width;
}

/* A mask's and a class's are int64_t, the others' float; both have room. */
static cn_status sample_init(sample *s, const cn_dataset *dataset) {
    cn_context *ctx = dataset->ctx;
    size_t channels = (size_t)dataset->images->channels;
    *s = (sample){.levels = cn__alloc(ctx, channels, CN__LEVELS * sizeof(float)),
                  .pixels = cn__alloc(ctx, cn__image_values(dataset->images), CN__LANES * sizeof(float)),
                  .scratch = cn__alloc(ctx, cn__dataset_scratch(dataset) + 1, 1),
                  .target_count = cn__dataset_target_count(dataset)};
    bool all = s->levels && s->pixels && s->scratch;
    for (int i = 0; i < s->target_count; i++) {
        s->targets[i] = cn__alloc(ctx, target_values(cn__dataset_target(dataset, i)), sizeof(int64_t));
        all = all && s->targets[i];
    }
    for (size_t i = 0; all && i < channels * CN__LEVELS; i++)
        s->levels[i] = (float)(i % CN__LEVELS);
    return all ? CN_OK : cn__no_memory("an image");
}

static void sample_drop(sample *s, cn_context *ctx) {
    cn__free(ctx, s->levels);
    cn__free(ctx, s->pixels);
    cn__free(ctx, s->scratch);
    for (int i = 0; i < s->target_count; i++)
        cn__free(ctx, s->targets[i]);
}

/* ---- checksums, little-endian on any machine ---- */

static uint32_t add_number(uint32_t crc, uint64_t number, int bytes) {
    unsigned char text[8];
    for (int i = 0; i < bytes; i++)
        text[i] = (unsigned char)(number >> (8 * i));
    return cn__crc_add(crc, text, (size_t)bytes);
}

static uint32_t add_floats(uint32_t crc, const float *values, size_t count, size_t step) {
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i * step], sizeof bits);
        crc = add_number(crc, bits, sizeof bits);
    }
    return crc;
}

static uint32_t add_target(uint32_t crc, const cn__target_spec *spec, const void *target) {
    bool classes = spec->kind == CN_TARGET_CLASS || spec->kind == CN_TARGET_MASK;
    if (!classes)
        return add_floats(crc, target, target_values(spec), 1);
    for (size_t i = 0; i < target_values(spec); i++)
        crc = add_number(crc, (uint64_t)((const int64_t *)target)[i], sizeof(int64_t));
    return crc;
}

/* ---- images from the first to the last, as far apart as each other ---- */

static cn_status look_at(const cn_dataset *dataset, int64_t index, sample *s, cn__fingerprint *print) {
    const cn__images *images = dataset->images;
    size_t row = (size_t)images->width * CN__LANES, channel = (size_t)images->height * row;
    cn__target_place places[CN__MAX_TARGETS];
    for (int i = 0; i < s->target_count; i++) {
        const cn__target_spec *spec = cn__dataset_target(dataset, i);
        if (spec->kind == CN_TARGET_CLASS || spec->kind == CN_TARGET_MASK)
            places[i].classes = s->targets[i];
        else
            places[i].values = s->targets[i];
    }
    CN__TRY(cn__dataset_fetch(dataset, index, &(cn__fetch){.levels = s->levels}, s->scratch, s->pixels, row, channel,
                              places));
    print->images = add_floats(print->images, s->pixels, cn__image_values(images), CN__LANES);
    for (int i = 0; i < s->target_count; i++)
        print->targets = add_target(print->targets, cn__dataset_target(dataset, i), s->targets[i]);
    return CN_OK;
}

static cn_status look_at_samples(const cn_dataset *dataset, cn__fingerprint *print) {
    sample s;
    cn_status status = sample_init(&s, dataset);
    for (int64_t i = 0; i < SAMPLES && status == CN_OK; i++)
        status = look_at(dataset, (int64_t)((double)(dataset->count - 1) * (double)i / (SAMPLES - 1)), &s, print);
    sample_drop(&s, dataset->ctx);
    return status;
}

/* To ask a source for a class is to ask it for an image. */
static cn_status look_at_classes(const cn_dataset *dataset, cn__fingerprint *print) {
    const cn__target *first = dataset->targets;
    if (dataset->target_count == 0 || first->spec.kind != CN_TARGET_CLASS || first->origin != CN__TARGET_STORED)
        return CN_OK;
    for (int64_t i = 0; i < dataset->count; i++) {
        int64_t label;
        CN__TRY(cn_dataset_label(dataset, i, &label));
        print->targets = add_number(print->targets, (uint64_t)label, sizeof label);
    }
    return CN_OK;
}

cn_status cn__dataset_fingerprint(const cn_dataset *dataset, cn__fingerprint *print) {
    *print = (cn__fingerprint){0};
    CN__TRY(look_at_samples(dataset, print));
    return look_at_classes(dataset, print);
}
