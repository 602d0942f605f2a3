/* SPDX-License-Identifier: MIT */
/* pictures.c: pictures in files that are decoded when they are asked for. Which ones are kept depends on their numbers
 * alone: every epoch asks for each once, so no other choice would be found there more often. */
#include "data/pictures.h"
#include "image/image.h"
#include <stdio.h>
#include <string.h>

enum { EMPTY, BEING_FILLED, FILLED };

struct cn__pictures {
    cn_context *ctx;
    int channels, height, width;
    int64_t count, kept;
    char **files, **masks; /* each one block of memory; masks may be NULL */
    size_t bytes;          /* of a picture; its mask comes behind it */
    size_t mask_bytes;
    uint8_t *memory; /* of the first `kept` */
    _Atomic unsigned char *state;
};

/* ---- one ---- */

static cn_status fit_mask(const cn__pictures *p, int64_t index, const cn_tensor *image, uint8_t *to) {
    cn_tensor *mask, *fitted = NULL;
    const char *path = p->masks[index];
    CN__TRY(cn_image_load_mask(p->ctx, path, &mask));
    cn_status status = CN_OK;
    if (image && memcmp(image->shape + 2, mask->shape + 2, 2 * sizeof *mask->shape) != 0)
        status = cn__error(CN_ERR_DATA, "'%s' is of %lld×%lld pixels, its picture '%s' of %lld×%lld", path,
                           (long long)mask->shape[3], (long long)mask->shape[2], p->files[index],
                           (long long)image->shape[3], (long long)image->shape[2]);
    if (status == CN_OK)
        status = cn__image_fit_nearest(mask, p->height, p->width, &fitted);
    if (status == CN_OK)
        memcpy(to, fitted->data, p->mask_bytes);
    cn_tensor_free(fitted);
    cn_tensor_free(mask);
    return status;
}

static cn_status decode(const cn__pictures *p, int64_t index, uint8_t *to) {
    cn_tensor *image, *fitted = NULL;
    CN__TRY(cn_image_load(p->ctx, p->files[index], &image));
    cn_status status = cn_image_fit(image, p->channels, p->height, p->width, &fitted);
    if (status == CN_OK)
        memcpy(to, fitted->data, p->bytes);
    cn_tensor_free(fitted);
    if (status == CN_OK && p->masks)
        status = fit_mask(p, index, image, to + p->bytes);
    cn_tensor_free(image);
    return status;
}

/* The place where a picture is kept; NULL: there is none, or somebody else is just filling it. */
static cn_status find_kept(cn__pictures *p, int64_t index, const uint8_t **pixels) {
    *pixels = NULL;
    if (index >= p->kept)
        return CN_OK;
    uint8_t *place = p->memory + (size_t)index * (p->bytes + p->mask_bytes);
    unsigned char empty = EMPTY;
    if (atomic_load_explicit(&p->state[index], memory_order_acquire) == FILLED) {
        *pixels = place;
    } else if (atomic_compare_exchange_strong(&p->state[index], &empty, BEING_FILLED)) {
        cn_status status = decode(p, index, place);
        atomic_store_explicit(&p->state[index], status == CN_OK ? FILLED : EMPTY, memory_order_release);
        CN__TRY(status);
        *pixels = place;
    }
    return CN_OK;
}

static void hand_over(const cn__pictures *p, const uint8_t *from, uint8_t *image, void *const *targets) {
    memcpy(image, from, p->bytes);
    for (size_t i = 0; i < p->mask_bytes; i++)
        ((int64_t *)targets[0])[i] = from[p->bytes + i];
}

static cn_status fetch(void *user, int64_t index, void *image, void *const *targets) {
    cn__pictures *p = user;
    const uint8_t *kept;
    CN__TRY(find_kept(p, index, &kept));
    if (kept) {
        hand_over(p, kept, image, targets);
        return CN_OK;
    }
    uint8_t *fresh = cn__alloc(p->ctx, p->bytes + p->mask_bytes, 1);
    if (!fresh)
        return cn__no_memory("a picture");
    cn_status status = decode(p, index, fresh);
    if (status == CN_OK)
        hand_over(p, fresh, image, targets);
    cn__free(p->ctx, fresh);
    return status;
}

/* ---- all ---- */

typedef struct outcome {
    cn_status status;
    int largest;
    char message[256];
} outcome;

typedef struct work {
    cn__pictures *pictures;
    int64_t count, ignored;
    cn_status (*one)(const struct work *w, int64_t index, outcome *o);
    size_t ranges;
    outcome *outcomes; /* of each range of pictures */
} work;

static void do_range(void *argument, size_t range, int thread) {
    const work *w = argument;
    outcome *o = &w->outcomes[range];
    int64_t first = w->count * (int64_t)range / (int64_t)w->ranges;
    int64_t end = w->count * ((int64_t)range + 1) / (int64_t)w->ranges;
    (void)thread;
    for (int64_t i = first; i < end && o->status == CN_OK; i++)
        o->status = w->one(w, i, o);
    if (o->status != CN_OK)
        snprintf(o->message, sizeof o->message, "%s", cn_last_error());
}

static cn_status do_all(work *w, int *largest) {
    cn_context *ctx = w->pictures->ctx;
    w->ranges = w->count < ctx->threads ? (size_t)w->count : (size_t)ctx->threads;
    w->outcomes = cn__alloc(ctx, w->ranges + 1, sizeof *w->outcomes);
    if (!w->outcomes)
        return cn__no_memory("the pictures of a folder");
    for (size_t r = 0; r < w->ranges; r++)
        w->outcomes[r].largest = -1;
    cn__parallel(ctx, w->ranges, do_range, w);
    cn_status status = CN_OK;
    *largest = -1;
    for (size_t r = 0; r < w->ranges && status == CN_OK; r++) {
        const outcome *o = &w->outcomes[r];
        *largest = o->largest > *largest ? o->largest : *largest;
        if (o->status != CN_OK)
            status = cn__error(o->status, "%s", o->message);
    }
    cn__free(ctx, w->outcomes);
    return status;
}

static cn_status keep_one(const work *w, int64_t index, outcome *o) {
    const uint8_t *pixels;
    (void)o;
    return find_kept(w->pictures, index, &pixels);
}

cn_status cn__pictures_decode(cn__pictures *pictures) {
    int unused;
    return do_all(&(work){.pictures = pictures, .count = pictures->kept, .one = keep_one}, &unused);
}

static cn_status look_at_one(const work *w, int64_t index, outcome *o) {
    const cn__pictures *p = w->pictures;
    uint8_t *fresh = NULL, *mask;
    if (index < p->kept && p->state[index] == FILLED) {
        mask = p->memory + (size_t)index * (p->bytes + p->mask_bytes) + p->bytes;
    } else {
        mask = fresh = cn__alloc(p->ctx, p->mask_bytes, 1);
        if (!fresh)
            return cn__no_memory("a mask");
    }
    cn_status status = fresh ? fit_mask(p, index, NULL, fresh) : CN_OK;
    for (size_t i = 0; status == CN_OK && i < p->mask_bytes; i++)
        if (mask[i] > o->largest && mask[i] != w->ignored)
            o->largest = mask[i];
    cn__free(p->ctx, fresh);
    return status;
}

cn_status cn__pictures_largest(cn__pictures *pictures, int64_t ignored, int *largest) {
    return do_all(&(work){.pictures = pictures, .count = pictures->count, .ignored = ignored, .one = look_at_one},
                  largest);
}

/* ---- making and freeing ---- */

cn_status cn__pictures_new(cn_context *ctx, const cn_folder_options *options, int64_t count, const char *const *files,
                           const char *const *masks, cn__pictures **pictures) {
    cn__pictures *p = cn__alloc(ctx, 1, sizeof *p);
    if (!p)
        return cn__no_memory("the pictures of a folder");
    p->ctx = ctx;
    p->channels = options->channels;
    p->height = options->height;
    p->width = options->width;
    p->count = count;
    p->mask_bytes = masks ? (size_t)options->height * (size_t)options->width : 0;
    p->bytes = (size_t)options->channels * (size_t)options->height * (size_t)options->width;
    uint64_t room = options->memory / (p->bytes + p->mask_bytes);
    p->kept = options->memory == 0 || room > (uint64_t)count ? count : (int64_t)room;
    p->files = cn__texts_copy(ctx, count, files);
    p->masks = masks ? cn__texts_copy(ctx, count, masks) : NULL;
    p->memory = cn__alloc(ctx, (size_t)p->kept + 1, p->bytes + p->mask_bytes);
    p->state = cn__alloc(ctx, (size_t)p->kept + 1, sizeof *p->state);
    if (p->files && (p->masks || !masks) && p->memory && p->state) {
        *pictures = p;
        return CN_OK;
    }
    cn__pictures_free(p);
    return cn__error(CN_ERR_MEMORY, "no memory for %lld pictures", (long long)count);
}

void cn__pictures_free(cn__pictures *pictures) {
    if (!pictures)
        return;
    cn_context *ctx = pictures->ctx;
    cn__free(ctx, pictures->files);
    cn__free(ctx, pictures->masks);
    cn__free(ctx, pictures->memory);
    cn__free(ctx, (void *)pictures->state);
    cn__free(ctx, pictures);
}

static void release(cn_context *ctx, void *user) {
    (void)ctx;
    cn__pictures_free(user);
}

cn__source cn__pictures_source(cn__pictures *pictures) {
    return (cn__source){.fetch = fetch, .release = release, .user = pictures};
}
