/* SPDX-License-Identifier: MIT */
/* folder.c: folders of pictures as a data set: all decoded at once, by all threads, and then in memory; or each when it
 * is asked for. */
#include "data/folder_layout.h"
#include "data/pictures.h"
#include "image/image.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const in_split[] = {" for training", " for testing", "", " for validation"};

/* What became of a file. */
typedef struct outcome {
    cn_status status;
    int error;     /* errno, with CN_ERR_IO; 0: it is no regular file */
    char *message; /* of a failure */
} outcome;

typedef struct loading {
    cn_context *ctx;
    const char *directory;
    cn_folder_options options;
    cn__folder_list list;
    size_t image_bytes;
    uint8_t *pixels; /* a place for each file, */
    int64_t *labels; /* later for each picture */
    const char **names;
    const char **paths;
    outcome *outcomes;
    cn__pictures *pictures; /* that are decoded when they are asked for */
    int64_t count, skipped;
} loading;

/* ---- decoding ---- */

static cn_status load_image(const loading *l, size_t file, int *error) {
    cn_tensor *image, *fitted = NULL;
    const cn_folder_options *o = &l->options;
    CN__TRY(cn__image_load(l->ctx, l->list.files[file].path, error, &image));
    cn_status status = cn_image_fit(image, o->channels, o->height, o->width, &fitted);
    if (status == CN_OK)
        memcpy(l->pixels + file * l->image_bytes, fitted->data, l->image_bytes);
    cn_tensor_free(fitted);
    cn_tensor_free(image);
    return status;
}

/* Messages belong to threads, so they are taken down here. */
static void load_item(void *argument, size_t file, int thread) {
    const loading *l = argument;
    outcome *o = &l->outcomes[file];
    (void)thread;
    o->status = load_image(l, file, &o->error);
    if (o->status == CN_OK)
        return;
    o->message = cn__strdup(l->ctx, cn_last_error());
    if (!o->message)
        o->status = CN_ERR_MEMORY;
}

static cn_status load_images(loading *l) {
    char before[1024]; /* what a skipped file did wrong is no failure of the call */
    l->pixels = cn__alloc(l->ctx, l->list.count, l->image_bytes);
    l->labels = cn__alloc(l->ctx, l->list.count, sizeof *l->labels);
    l->names = cn__alloc(l->ctx, l->list.count, sizeof *l->names);
    l->outcomes = cn__alloc(l->ctx, l->list.count, sizeof *l->outcomes);
    if (!l->pixels || !l->labels || !l->names || !l->outcomes)
        return cn__error(CN_ERR_MEMORY, "no memory for the %zu pictures of '%s'", l->list.count, l->directory);
    snprintf(before, sizeof before, "%s", cn_last_error());
    cn__parallel(l->ctx, l->list.count, load_item, l);
    cn__set_error(CN_OK, "%s", before);
    return CN_OK;
}

/* ---- what was readable ---- */

/* Whether it is the file that could not be read, not the disk, the network or the process, which would make another data
 * set of the same folder. */
static bool is_no_fault_but_the_files(int error) {
    return error == 0 || error == ENOENT || error == EACCES || error == EPERM || error == ENOTDIR || error == ELOOP ||
           error == ENXIO || error == EISDIR;
}

/* Moves a picture to the end of those that stay, or counts and names it. */
static cn_status keep_or_skip(loading *l, size_t file) {
    const outcome *o = &l->outcomes[file];
    const cn__folder_file *from = &l->list.files[file];
    if (o->status == CN_OK) {
        memmove(l->pixels + (size_t)l->count * l->image_bytes, l->pixels + file * l->image_bytes, l->image_bytes);
        l->names[l->count] = from->path + from->name;
        l->labels[l->count++] = from->label;
        return CN_OK;
    }
    if (o->status == CN_ERR_IO && !is_no_fault_but_the_files(o->error))
        return cn__error(CN_ERR_IO, "%s", o->message);
    if (o->status == CN_ERR_MEMORY || o->status == CN_ERR_UNSUPPORTED)
        return cn__error(o->status, "'%s': %s", from->path, o->message ? o->message : "no memory");
    l->skipped++;
    cn__log(l->ctx, CN_LOG_WARNING, "skipped: %s", o->message);
    return CN_OK;
}

static cn_status name_empty_classes(const loading *l) {
    bool *seen = cn__alloc(l->ctx, l->list.classes.count, sizeof *seen);
    if (!seen)
        return cn__no_memory("labels");
    for (int64_t i = 0; i < l->count; i++)
        seen[l->labels[i]] = true;
    for (size_t k = 0; k < l->list.classes.count; k++)
        if (!seen[k])
            cn__log(l->ctx, CN_LOG_WARNING, "class '%s' of '%s' has no readable picture%s", l->list.classes.name[k],
                    l->directory, in_split[l->options.split]);
    cn__free(l->ctx, seen);
    return CN_OK;
}

static cn_status check_any(const loading *l) {
    if (l->count == 0)
        return cn__error(CN_ERR_DATA, "'%s' has %zu class%s and no readable picture%s (%lld file%s skipped)",
                         l->directory, l->list.classes.count, l->list.classes.count == 1 ? "" : "es",
                         in_split[l->options.split], (long long)l->skipped, l->skipped == 1 ? " was" : "s were");
    return name_empty_classes(l);
}

static cn_status choose(loading *l) {
    l->skipped = l->list.skipped;
    for (size_t i = 0; i < l->list.count; i++)
        CN__TRY(keep_or_skip(l, i));
    return check_any(l);
}

/* ---- decoded when they are asked for ---- */

/* What is a picture by its name; whether it is one nobody knows yet. */
static cn_status list_images(loading *l) {
    l->labels = cn__alloc(l->ctx, l->list.count + 1, sizeof *l->labels);
    l->names = cn__alloc(l->ctx, l->list.count + 1, sizeof *l->names);
    l->paths = cn__alloc(l->ctx, l->list.count + 1, sizeof *l->paths);
    if (!l->labels || !l->names || !l->paths)
        return cn__no_memory("the names of the pictures");
    l->skipped = l->list.skipped;
    for (size_t i = 0; i < l->list.count; i++) {
        const cn__folder_file *file = &l->list.files[i];
        if (!cn__is_picture_name(file->path)) {
            l->skipped++;
            cn__log(l->ctx, CN_LOG_WARNING, "skipped: '%s' is no picture by its name", file->path);
            continue;
        }
        l->names[l->count] = file->path + file->name;
        l->paths[l->count] = file->path;
        l->labels[l->count++] = file->label;
    }
    CN__TRY(check_any(l));
    return cn__pictures_new(l->ctx, &l->options, l->count, l->paths, NULL, &l->pictures);
}

/* ---- the data set ---- */

/* Hands pixels and labels over. */
static cn_status make(loading *l, cn_dataset **dataset) {
    char **names = cn__texts_copy(l->ctx, l->count, l->names);
    if (!names)
        return cn__no_memory("the names of the pictures");
    cn__images images = {.count = l->count,
                         .channels = l->options.channels,
                         .height = l->options.height,
                         .width = l->options.width,
                         .classes = (int64_t)l->list.classes.count,
                         .pixels = l->pixels,
                         .stride = l->image_bytes,
                         .labels = l->labels,
                         .skipped = l->skipped,
                         .file_names = names,
                         .owned_pixels = l->pixels,
                         .owned_targets = l->labels};
    if (l->pictures)
        images.source = (cn__source){.fetch = cn__pictures_source(l->pictures).fetch, .user = l->pictures};
    l->pixels = NULL;
    l->labels = NULL;
    CN__TRY(cn__dataset_new(l->ctx, images, dataset));
    cn_status status = cn_dataset_set_class_names(*dataset, images.classes, (const char *const *)l->list.classes.name);
    if (images.channels == 3)
        cn__dataset_default_normalization(*dataset, cn__cifar10_mean, cn__cifar10_std);
    if (status != CN_OK) {
        cn_dataset_free(*dataset);
        *dataset = NULL;
        return status;
    }
    (*dataset)->images->source.release = l->pictures ? cn__pictures_source(l->pictures).release : NULL;
    l->pictures = NULL;
    return CN_OK;
}

static cn_status load(loading *l, cn_dataset **dataset) {
    CN__TRY(cn__folder_list_read(l->ctx, l->directory, l->options.split, &l->list));
    CN__TRY(cn__check_classes("cn_dataset_folder", (int64_t)l->list.classes.count));
    if (l->options.memory > 0) {
        CN__TRY(list_images(l));
        return make(l, dataset);
    }
    CN__TRY(load_images(l));
    CN__TRY(choose(l));
    return make(l, dataset);
}

static void drop(loading *l) {
    for (size_t i = 0; l->outcomes && i < l->list.count; i++)
        cn__free(l->ctx, l->outcomes[i].message);
    cn__free(l->ctx, l->outcomes);
    cn__free(l->ctx, l->names);
    cn__free(l->ctx, l->labels);
    cn__free(l->ctx, l->paths);
    cn__free(l->ctx, l->pixels);
    cn__pictures_free(l->pictures);
    cn__folder_list_drop(&l->list);
}

cn_status cn__folder_options_read(cn_folder_options *known, const cn_folder_options *options) {
    CN__TRY(CN__READ_OPTIONS(known, cn_folder_options, options));
    if (known->split < CN_SPLIT_TRAIN || known->split > CN_SPLIT_VALIDATION)
        return cn__error(CN_ERR_ARGUMENT,
                         "cn_folder_options: split is %d, wanted CN_SPLIT_TRAIN, _TEST, _VALIDATION or _ALL",
                         (int)known->split);
    if (known->channels != 1 && known->channels != 3)
        return cn__error(CN_ERR_ARGUMENT, "cn_folder_options: channels is %d, wanted 1 or 3", known->channels);
    return cn__check_images("cn_folder_options", 1, known->channels, known->height, known->width);
}

cn_status cn_dataset_folder(cn_context *context, const char *directory, const cn_folder_options *options,
                            cn_dataset **dataset) {
    CN__COMPUTES;
    loading l = {.ctx = context, .directory = directory, .options = CN_FOLDER_OPTIONS_INIT};
    cn_folder_options *o = &l.options;
    CN__REQUIRE(dataset);
    *dataset = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(directory);
    CN__TRY(cn__folder_options_read(o, options));
    l.image_bytes = (size_t)o->channels * (size_t)o->height * (size_t)o->width;
    cn_status status = load(&l, dataset);
    drop(&l);
    return status;
}
