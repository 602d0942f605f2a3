/* SPDX-License-Identifier: MIT */
/* folder_masks.c: folders of pictures with a mask beside each: where the two lie, which mask is whose, and the data set. */
#include "data/folder_layout.h"
#include "data/pictures.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const image_folders[] = {"images", "image", "imgs", "pictures", "JPEGImages"};
static const char *const mask_folders[] = {"masks", "mask", "labels", "annotations", "SegmentationClass"};

typedef struct loading {
    cn_context *ctx;
    const char *directory;
    size_t base; /* of paths, the bytes of the directory */
    cn_folder_options options;
    cn_target_options mask;
    cn__folder_list images, masks;
    bool divided;               /* there are no parts */
    const char **files, **pair; /* of each picture: its file, its mask's */
    const char **names;
    int64_t skipped;
} loading;

/* ---- where they lie ---- */

/* The folder in `path` that has one of these names; "": there is none. */
static cn_status find_folder(cn_context *ctx, const char *path, const char *const *names, size_t count,
                             char found[CN__MAX_PATH]) {
    cn__names entries = {.ctx = ctx};
    bool folder = false;
    cn_status status = cn__directory_read(path, &entries);
    found[0] = '\0';
    for (size_t n = 0; n < count && status == CN_OK && !found[0]; n++)
        for (size_t i = 0; i < entries.count && status == CN_OK && !found[0]; i++)
            if (strcasecmp(entries.name[i], names[n]) == 0) {
                status = cn__path(found, path, entries.name[i], "");
                if (status == CN_OK)
                    status = cn__is_directory(found, &folder);
                if (status == CN_OK && !folder)
                    found[0] = '\0';
            }
    cn__names_drop(&entries);
    return status;
}

typedef struct pair {
    char images[CN__MAX_PATH], masks[CN__MAX_PATH];
} pair;

static cn_status find_pair(cn_context *ctx, const char *path, pair *p) {
    CN__TRY(find_folder(ctx, path, image_folders, CN__COUNT(image_folders), p->images));
    return find_folder(ctx, path, mask_folders, CN__COUNT(mask_folders), p->masks);
}

static bool is_whole(const pair *p) {
    return p->images[0] && p->masks[0];
}

static cn_status add_pair(loading *l, const pair *p) {
    CN__TRY(cn__folder_list_add(&l->images, p->images, l->base));
    return cn__folder_list_add(&l->masks, p->masks, l->base);
}

/* The parts that are folders in `path`. */
typedef struct parts {
    char name[CN__PART_COUNT][CN__PART_NAME];
    int count;
} parts;

static cn_status find_parts(cn_context *ctx, const char *path, parts *found) {
    char below[CN__MAX_PATH];
    cn__names entries = {.ctx = ctx};
    cn_status status = cn__directory_read(path, &entries);
    *found = (parts){.count = 0};
    for (size_t i = 0; i < entries.count && status == CN_OK; i++) {
        int part = cn__folder_part(entries.name[i]);
        bool folder = false;
        status = cn__path(below, path, entries.name[i], "");
        if (status == CN_OK && part >= 0)
            status = cn__is_directory(below, &folder);
        if (status != CN_OK || !folder)
            continue;
        if (found->name[part][0])
            status = cn__error(CN_ERR_DATA, "'%s' has two parts of one kind, '%s' and '%s'", path, found->name[part],
                               entries.name[i]);
        snprintf(found->name[part], CN__PART_NAME, "%s", entries.name[i]);
        found->count++;
    }
    cn__names_drop(&entries);
    return status;
}

static bool is_wanted(const parts *p, int part, cn_split split) {
    int test = p->name[CN__PART_TEST][0] ? CN__PART_TEST : CN__PART_VALIDATION;
    if (split == CN_SPLIT_VALIDATION)
        return part == CN__PART_VALIDATION; /* which is there */
    return p->name[part][0] && (split == CN_SPLIT_ALL || part == (split == CN_SPLIT_TRAIN ? CN__PART_TRAIN : test));
}

/* DIR/train/images and DIR/train/masks; or, within both folders of `whole`, DIR/images/train and DIR/masks/train. */
static cn_status add_parts(loading *l, const parts *found, const pair *whole) {
    char path[CN__MAX_PATH];
    for (int part = 0; part < CN__PART_COUNT; part++) {
        pair p = {"", ""};
        if (!is_wanted(found, part, l->options.split))
            continue;
        CN__TRY(cn__path(path, l->directory, found->name[part], ""));
        if (is_whole(whole)) {
            CN__TRY(cn__path(p.images, whole->images, found->name[part], ""));
            CN__TRY(cn__path(p.masks, whole->masks, found->name[part], ""));
        } else {
            CN__TRY(find_pair(l->ctx, path, &p));
        }
        if (!is_whole(&p))
            return cn__error(CN_ERR_NOT_FOUND, "'%s' has no folder '%s'", path, p.images[0] ? "masks" : "images");
        CN__TRY(add_pair(l, &p));
    }
    return CN_OK;
}

static cn_status list_files(loading *l) {
    pair whole;
    parts found;
    CN__TRY(find_pair(l->ctx, l->directory, &whole));
    CN__TRY(find_parts(l->ctx, is_whole(&whole) ? whole.images : l->directory, &found));
    if (l->options.split == CN_SPLIT_VALIDATION &&
        !(found.name[CN__PART_TEST][0] && found.name[CN__PART_VALIDATION][0]))
        return cn__no_validation(l->directory);
    if (found.count > 0)
        return add_parts(l, &found, &whole);
    if (!is_whole(&whole))
        return cn__error(CN_ERR_NOT_FOUND,
                         "'%s' has no folders 'images' and 'masks', nor parts, such as 'train', that "
                         "have",
                         l->directory);
    l->divided = true;
    return add_pair(l, &whole);
}

/* ---- which mask is whose ---- */

/* What a picture and its mask have in common: the name below their folders without its ending. */
typedef struct stem {
    const char *text;
    size_t bytes;
} stem;

static stem stem_of(const cn__folder_file *file) {
    const char *own = file->path + file->own, *slash = strrchr(own, '/'), *dot = strrchr(own, '.');
    bool ends = dot && dot > own && (!slash || dot > slash + 1);
    return (stem){own, ends ? (size_t)(dot - own) : strlen(own)};
}

static int compare_files(const void *a, const void *b) {
    stem x = stem_of(a), y = stem_of(b);
    int order = memcmp(x.text, y.text, x.bytes < y.bytes ? x.bytes : y.bytes);
    return order != 0 ? order : (x.bytes > y.bytes) - (x.bytes < y.bytes);
}

/* Keeps what may be a picture by its name. */
static void keep_pictures(loading *l, cn__folder_list *list) {
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (cn__is_picture_name(list->files[i].path)) {
            list->files[kept++] = list->files[i];
        } else {
            l->skipped++;
            cn__log(l->ctx, CN_LOG_WARNING, "skipped: '%s' is no picture by its name", list->files[i].path);
            cn__free(l->ctx, list->files[i].path);
        }
    list->count = kept;
}

static cn_status check_twins(const cn__folder_list *sorted) {
    for (size_t i = 1; i < sorted->count; i++)
        if (compare_files(&sorted->files[i - 1], &sorted->files[i]) == 0)
            return cn__error(CN_ERR_DATA, "'%s' and '%s' differ by their endings only", sorted->files[i - 1].path,
                             sorted->files[i].path);
    return CN_OK;
}

static void say_extra(const loading *l) {
    for (size_t i = 0; i < l->masks.count; i++)
        if (!bsearch(&l->masks.files[i], l->images.files, l->images.count, sizeof *l->images.files, compare_files))
            cn__log(l->ctx, CN_LOG_WARNING, "passed over: '%s', a mask without a picture", l->masks.files[i].path);
}

/* Both lists are sorted by their stems, so that it does not matter how a system sorts endings. */
static cn_status match(loading *l) {
    keep_pictures(l, &l->images);
    keep_pictures(l, &l->masks);
    if (l->images.count == 0)
        return cn__error(CN_ERR_DATA, "'%s' has no pictures", l->directory);
    qsort(l->images.files, l->images.count, sizeof *l->images.files, compare_files);
    if (l->masks.count > 0)
        qsort(l->masks.files, l->masks.count, sizeof *l->masks.files, compare_files);
    CN__TRY(check_twins(&l->images));
    CN__TRY(check_twins(&l->masks));
    say_extra(l);
    if (l->divided && l->options.split != CN_SPLIT_ALL)
        cn__folder_list_divide(&l->images, l->options.split);
    return l->images.count > 0
               ? CN_OK
               : cn__error(CN_ERR_DATA, "'%s' has too few pictures to leave a fifth of them", l->directory);
}

static cn_status pair_up(loading *l) {
    size_t count = l->images.count;
    l->files = cn__alloc(l->ctx, count, sizeof *l->files);
    l->pair = cn__alloc(l->ctx, count, sizeof *l->pair);
    l->names = cn__alloc(l->ctx, count, sizeof *l->names);
    if (!l->files || !l->pair || !l->names)
        return cn__no_memory("the names of the pictures");
    for (size_t i = 0; i < count; i++) {
        const cn__folder_file *file = &l->images.files[i];
        const cn__folder_file *mask =
            l->masks.count ? bsearch(file, l->masks.files, l->masks.count, sizeof *file, compare_files) : NULL;
        if (!mask)
            return cn__error(CN_ERR_DATA, "'%s' has no mask: there is no '%.*s.png' beside it", file->path,
                             (int)stem_of(file).bytes, stem_of(file).text);
        l->files[i] = file->path;
        l->names[i] = file->path + file->name;
        l->pair[i] = mask->path;
    }
    return CN_OK;
}

/* ---- the data set ---- */

/* The target's description, once all masks have been looked at if nobody said how many classes there are. */
static cn_status describe_mask(loading *l, cn__pictures *pictures, cn__target *target) {
    cn_target_options *o = &l->mask;
    int largest;
    o->kind = CN_TARGET_MASK;
    o->shape[0] = 1;
    o->shape[1] = l->options.height;
    o->shape[2] = l->options.width;
    if (o->classes == 0) {
        CN__TRY(cn__pictures_largest(pictures, o->ignore_index, &largest));
        if (largest < 0)
            return cn__error(CN_ERR_DATA, "the masks of '%s' have no class: all pixels are %lld", l->directory,
                             (long long)o->ignore_index);
        o->classes = largest + 1;
    }
    CN__TRY(cn__target_read(o, "cn_dataset_folder_masks: mask", l->ctx, target));
    target->origin = CN__TARGET_OF_SOURCE;
    return CN_OK;
}

static cn_status make(loading *l, cn__pictures *pictures, const cn__target *target, cn_dataset **dataset) {
    cn_dataset *made = NULL;
    cn__images images = {.count = (int64_t)l->images.count,
                         .channels = l->options.channels,
                         .height = l->options.height,
                         .width = l->options.width,
                         .source = cn__pictures_source(pictures),
                         .skipped = l->skipped,
                         .file_names = cn__texts_copy(l->ctx, (int64_t)l->images.count, l->names)};
    images.source.release = NULL; /* the pictures stay with the caller if this fails */
    images.source.targets = cn__alloc(l->ctx, 1, sizeof *images.source.targets);
    images.source.target_count = 1;
    if (!images.file_names || !images.source.targets) {
        cn__free(l->ctx, images.file_names);
        cn__free(l->ctx, images.source.targets);
        return cn__no_memory("a data set");
    }
    images.source.targets[0] = target->spec;
    CN__TRY(cn__dataset_new(l->ctx, images, &made));
    cn_status status = cn__target_add(made, *target);
    if (status != CN_OK) {
        cn_dataset_free(made);
        return status;
    }
    if (images.channels == 3)
        cn__dataset_default_normalization(made, cn__cifar10_mean, cn__cifar10_std);
    made->images->source.release = cn__pictures_source(pictures).release;
    *dataset = made;
    return CN_OK;
}

static cn_status load(loading *l, cn_dataset **dataset) {
    cn__pictures *pictures = NULL;
    cn__target target;
    CN__TRY(list_files(l));
    CN__TRY(match(l));
    CN__TRY(pair_up(l));
    CN__TRY(cn__pictures_new(l->ctx, &l->options, (int64_t)l->images.count, l->files, l->pair, &pictures));
    cn_status status = l->options.memory == 0 ? cn__pictures_decode(pictures) : CN_OK;
    if (status == CN_OK)
        status = describe_mask(l, pictures, &target);
    if (status == CN_OK)
        status = make(l, pictures, &target, dataset);
    if (status != CN_OK)
        cn__pictures_free(pictures);
    return status;
}

static void drop(loading *l) {
    cn__free(l->ctx, l->files);
    cn__free(l->ctx, l->pair);
    cn__free(l->ctx, l->names);
    cn__folder_list_drop(&l->images);
    cn__folder_list_drop(&l->masks);
}

cn_status cn_dataset_folder_masks(cn_context *context, const char *directory, const cn_folder_options *options,
                                  const cn_target_options *mask, cn_dataset **dataset) {
    CN__COMPUTES;
    loading l = {.ctx = context,
                 .directory = directory,
                 .options = CN_FOLDER_OPTIONS_INIT,
                 .mask = CN_TARGET_OPTIONS_INIT,
                 .images = {.ctx = context, .classes = {.ctx = context}},
                 .masks = {.ctx = context, .classes = {.ctx = context}}};
    CN__REQUIRE(dataset);
    *dataset = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(directory);
    l.mask.ignore_index = 255;
    CN__TRY(cn__folder_options_read(&l.options, options));
    CN__TRY(CN__READ_OPTIONS(&l.mask, cn_target_options, mask));
    l.base = strlen(directory);
    while (l.base > 1 && directory[l.base - 1] == '/')
        l.base--;
    cn_status status = load(&l, dataset);
    drop(&l);
    return status;
}
