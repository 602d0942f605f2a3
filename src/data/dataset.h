/* SPDX-License-Identifier: MIT */
/* dataset.h: what a data set is made of, for the files of this folder. */
#ifndef CN_DATASET_H
#define CN_DATASET_H

#include "data/data.h"
#include "data/augmentation.h"
#include <stdatomic.h>

/* Hands over images that are not in memory, and their targets; from several threads at once. */
typedef struct cn__source {
    cn_status (*fetch)(void *user, int64_t index, void *image, void *const *targets);
    void (*release)(cn_context *ctx, void *user); /* or NULL */
    void *user;
    int target_count;
    cn__target_spec *targets; /* owned */
} cn__source;

/* Images, shared by a data set and all views of it. They are 8-bit or float32, in memory or asked from a source. */
typedef struct cn__images {
    cn_context *ctx;
    atomic_size_t owners; /* data sets that use them */
    int64_t count;
    int channels, height, width;
    cn__pixel_kind kind; /* bytes or floats */
    const void *pixels;  /* image i begins at element i · stride; NULL: a source has them */
    size_t stride;
    cn__source source;
    int64_t classes;                    /* of these labels, the first target; 0: none */
    const int64_t *labels;              /* count of them */
    int64_t skipped;                    /* files of a folder that were no pictures */
    char **file_names;                  /* of a folder's pictures; one block of memory, texts included */
    void *owned_pixels, *owned_targets; /* freed with the last owner, as file_names; NULL where memory is borrowed */
} cn__images;

typedef enum cn__target_origin { CN__TARGET_STORED, CN__TARGET_OF_SOURCE, CN__TARGET_IS_IMAGE } cn__target_origin;

/* A target of all images of a data set. */
typedef struct cn__target {
    cn__target_spec spec;
    cn_vector_kind vector;
    int *mirrored; /* of points; owned */
    cn__target_origin origin;
    const void *data; /* stored: rows of dtype, borrowed or the images' own */
    cn_dtype dtype;
    int64_t *rows; /* which row is image i's; owned. NULL: that of the image as stored */
    int place;     /* among those of the source */
    int64_t stored_classes;
    int32_t *classes; /* what becomes of each stored class; owned. NULL: they stay */
} cn__target;

struct cn_dataset {
    cn_context *ctx;
    cn__images *images;
    int64_t count;
    int64_t *indices; /* of a view: which images, in which order; NULL: all */
    cn__target *targets;
    size_t target_count, target_capacity;
    char **class_names;           /* of cn__dataset_classes; one block of memory, texts included. NULL: no classes */
    bool named;                   /* somebody gave those names; else they are numbers */
    float *mean, *std;            /* a channel each */
    bool normalization_set;       /* by the caller */
    float *levels;                /* 8-bit: what each value becomes, [channels][CN__LEVELS]; NULL: float32 */
    cn_augmentation augmentation; /* all zero: none */
};

/* Makes a data set of `images`, normalised with mean 0 and std 1, its classes called by number. It owns what `images`
 * owns, which is freed if this fails. */
cn_status cn__dataset_new(cn_context *ctx, cn__images images, cn_dataset **dataset);

/* The normalisation of a model that is first trained on these images; `mean` and `std` of all channels, or NULL: 0 and
 * 1. */
void cn__dataset_default_normalization(cn_dataset *dataset, const float *mean, const float *std);
/* A list of texts, copied into one block of memory with its pointers; NULL: there is none. */
char **cn__texts_copy(cn_context *ctx, int64_t count, const char *const *texts);
/* Classes called by their numbers, likewise. */
char **cn__number_names(cn_context *ctx, int64_t classes);

/* Names the classes by the lines of a file that are not blank, where there is one. CN_ERR_FORMAT: another number. */
cn_status cn__class_names_read(cn_dataset *dataset, const char *directory, const char *name);

/* Makes a view with all that `parent` has. It takes `indices`, counted in the parent, which are freed on failure. */
cn_status cn__dataset_view(const cn_dataset *parent, int64_t count, int64_t *indices, cn_dataset **view);

/* All indices of a data set, in random order. */
cn_status cn__random_order(const cn_dataset *dataset, uint64_t seed, uint32_t stream, int64_t **order);
/* The first `count` of all those indices as a view, and the others as another. */
cn_status cn__dataset_divide(const cn_dataset *dataset, const int64_t *order, int64_t count, cn_dataset **part,
                             cn_dataset **rest);
/* A caller's folder options over the defaults in `known`; CN_ERR_ARGUMENT, CN_ERR_SHAPE. */
cn_status cn__folder_options_read(cn_folder_options *known, const cn_folder_options *options);

/* Channels, height and width of images that somebody describes: each 1 to CN__MAX_SIDE and not too many values in all,
 * else CN_ERR_SHAPE; count at least 1, else CN_ERR_ARGUMENT. `what` begins the message. */
cn_status cn__check_images(const char *what, int64_t count, int64_t channels, int64_t height, int64_t width);

/* ---- targets (targets.c) ---- */

/* The first target that has classes, or NULL. */
cn__target *cn__dataset_classes(const cn_dataset *dataset);
/* Takes over what the target owns, also on failure. */
cn_status cn__target_add(cn_dataset *dataset, cn__target target);
/* For a new view, whose indices count in `parent`: all that it has. */
cn_status cn__targets_view(const cn_dataset *parent, cn_dataset *view, const int64_t *indices);
void cn__targets_clear(cn_dataset *dataset);
/* Reads a target's description with its shape, which only a class may leave out. `what` begins messages. */
cn_status cn__target_read(const cn_target_options *options, const char *what, cn_context *ctx, cn__target *target);
/* CN_ERR_ARGUMENT: the augmentation makes one of the targets untrue; begins with `function`. */
cn_status cn__targets_allow(const cn_dataset *dataset, const cn_augmentation *augmentation, const char *function);

/* ---- one image (fetch.c) ---- */

/* Where a normalised image goes: its first pixel and the floats from one pixel, row and channel to the next. */
typedef struct cn__strided {
    float *out;
    ptrdiff_t pixel, row, channel;
} cn__strided;

/* As cn__dataset_fetch, to any place; targets whose place is NULL are not wanted. */
cn_status cn__fetch_image(const cn_dataset *dataset, int64_t index, const cn__fetch *how, void *scratch, cn__strided to,
                          const cn__target_place *targets);

/* ---- one image's targets (target_fetch.c) ---- */

/* What there is of an image on its way to the model. */
typedef struct cn__fetched {
    int64_t index, at;   /* in the data set, in its images */
    const void *pixels;  /* augmented, not yet normalised */
    void *source_memory; /* what the source has written, its targets too; NULL: no source */
    cn__changes changes;
    void *scratch; /* cn__target_scratch bytes */
} cn__fetched;

/* Bytes of scratch memory that any of the targets needs: a multiple of CN__ALIGN. */
size_t cn__target_scratch(const cn_dataset *dataset);
/* CN_ERR_DATA: a class outside, NaN or infinity. */
cn_status cn__target_fetch(const cn_dataset *dataset, const cn__target *target, const cn__fetched *fetched,
                           cn__target_place to);
/* CN_ERR_DATA naming image, channel, row and column of the first value that is not finite. `what` has them. */
cn_status cn__check_finite(const char *what, int64_t image, cn__shape shape, const float *values);

/* ---- sources (source.c) ---- */

/* Bytes of memory that an image and its targets take: a multiple of CN__ALIGN. */
size_t cn__source_bytes(const cn__images *images);
/* Asks for image `at`: its pixels come first in `memory`. */
cn_status cn__source_fetch(const cn__images *images, int64_t at, void *memory);
/* Where in that memory a target is. */
const void *cn__source_target(const cn__images *images, const void *memory, int target);

/* Checks an index of a data set, CN_ERR_NOT_FOUND, and gives the one that counts in its images. */
cn_status cn__dataset_locate(const cn_dataset *dataset, int64_t index, int64_t *at);

/* The first value of an image that is in memory. */
static inline const void *cn__stored_pixels(const cn__images *images, int64_t at) {
    return (const char *)images->pixels + (size_t)at * images->stride * cn__pixel_bytes(images->kind);
}

/* 1 to CN__MAX_SIDE classes, else CN_ERR_ARGUMENT. */
cn_status cn__check_classes(const char *what, int64_t classes);
/* Each from 0 to classes - 1, else CN_ERR_DATA. */
cn_status cn__check_labels(const char *what, const int64_t *labels, int64_t count, int64_t classes);

/* CN_ERR_ARGUMENT unless it is CN_SPLIT_TRAIN or CN_SPLIT_TEST. */
cn_status cn__check_split(const char *what, cn_split split);

/* Of CIFAR-10 as session 8 has it, and so of pictures for a model that was trained on it. */
extern const float cn__cifar10_mean[3], cn__cifar10_std[3];

static inline cn__planes cn__image_planes(const cn__images *images) {
    return (cn__planes){{images->channels, images->height, images->width}, images->kind};
}

static inline size_t cn__image_values(const cn__images *images) {
    return (size_t)images->channels * (size_t)images->height * (size_t)images->width;
}

#endif
