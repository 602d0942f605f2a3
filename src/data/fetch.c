/* SPDX-License-Identifier: MIT */
/* fetch.c: from a stored image to one that a model reads: fetched, augmented, normalised; and its targets with it. */
#include "data/dataset.h"

static cn__strided mirrored(cn__strided to, int width) {
    return (cn__strided){to.out + (width - 1) * to.pixel, -to.pixel, to.row, to.channel};
}

/* ---- normalisation on the way into place ---- */

static void place_bytes(const cn_dataset *dataset, const uint8_t *pixels, const cn__fetch *how, cn__strided to) {
    cn__shape shape = cn__image_planes(dataset->images).shape;
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

static void place_floats(const cn_dataset *dataset, const float *pixels, const cn__variant *variant, cn__strided to) {
    cn__shape shape = cn__image_planes(dataset->images).shape;
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
static void clear(cn__hole hole, int channels, cn__strided to) {
    for (int c = 0; c < channels; c++)
        for (int y = hole.top; y < hole.bottom; y++) {
            float *row = to.out + c * to.channel + y * to.row;
            for (int x = hole.left; x < hole.right; x++)
                row[x * to.pixel] = 0.0f;
        }
}

/* ---- one image ---- */

/* What lies one after the other in a fetch's scratch memory. */
typedef struct workspace {
    char *source, *picture, *target, *end;
} workspace;

static workspace divide(const cn_dataset *dataset, char *scratch) {
    const cn__images *images = dataset->images;
    workspace w = {.source = scratch};
    w.picture = w.source + (images->source.fetch ? cn__source_bytes(images) : 0);
    w.target = w.picture + cn__changes_scratch(cn__image_planes(images));
    w.end = w.target + cn__target_scratch(dataset);
    return w;
}

size_t cn__dataset_scratch(const cn_dataset *dataset) {
    static char nothing;
    const workspace w = divide(dataset, &nothing);
    return (size_t)(w.end - w.source);
}

/* The pixels as they are stored, and what else the source says. */
static cn_status find(const cn_dataset *dataset, int64_t index, char *scratch, cn__fetched *found) {
    const cn__images *images = dataset->images;
    workspace w = divide(dataset, scratch);
    *found = (cn__fetched){.index = index, .scratch = w.target};
    CN__TRY(cn__dataset_locate(dataset, index, &found->at));
    if (images->source.fetch) {
        CN__TRY(cn__source_fetch(images, found->at, w.source));
        found->pixels = found->source_memory = w.source;
    } else {
        found->pixels = cn__stored_pixels(images, found->at);
    }
    return CN_OK;
}

static void augment(const cn_dataset *dataset, const cn__fetch *how, char *scratch, cn__fetched *f) {
    cn__planes planes = cn__image_planes(dataset->images);
    cn__rng rng = augmentation_rng(how, f->index);
    f->changes = cn__changes_draw(&dataset->augmentation, planes.shape, &rng, turn_to_flip(how, f->index));
    f->pixels = cn__changes_apply(&f->changes, planes, f->pixels, divide(dataset, scratch).picture);
}

static void place_image(const cn_dataset *dataset, const cn__fetch *how, const cn__fetched *f, cn__strided to) {
    const cn__images *images = dataset->images;
    if (how->variant.mirror)
        to = mirrored(to, images->width);
    if (images->kind == CN__PIXEL_BYTES)
        place_bytes(dataset, f->pixels, how, to);
    else
        place_floats(dataset, f->pixels, &how->variant, to);
    clear(f->changes.hole, images->channels, to);
}

cn_status cn__fetch_image(const cn_dataset *dataset, int64_t index, const cn__fetch *how, void *scratch, cn__strided to,
                          const cn__target_place *targets) {
    cn__fetched f;
    CN__TRY(find(dataset, index, scratch, &f));
    if (how->augment)
        augment(dataset, how, scratch, &f);
    for (size_t t = 0; t < dataset->target_count; t++)
        if (targets[t].classes)
            CN__TRY(cn__target_fetch(dataset, &dataset->targets[t], &f, targets[t]));
    place_image(dataset, how, &f, to);
    return CN_OK;
}

cn_status cn__dataset_fetch(const cn_dataset *dataset, int64_t index, const cn__fetch *how, void *scratch, float *out,
                            size_t row, size_t channel, const cn__target_place *targets) {
    cn__strided to = {out, CN__LANES, (ptrdiff_t)row, (ptrdiff_t)channel};
    return cn__fetch_image(dataset, index, how, scratch, to, targets);
}
