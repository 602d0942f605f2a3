/* dataset.h: what a data set is made of, for the files of this folder. */
#ifndef CN_DATASET_H
#define CN_DATASET_H

#include "data/data.h"
#include "data/augmentation.h"
#include <stdatomic.h>

/* Images and their labels, shared by a data set and all views of it. They are 8-bit or float32 and in memory, or
 * 8-bit and asked from a source. */
typedef struct cn__images {
    cn_context *ctx;
    atomic_size_t owners; /* data sets that use them */
    int64_t count, classes;
    int channels, height, width;
    const uint8_t *bytes;  /* one of these, or neither: */
    const float *floats;   /* image i begins at bytes or floats + i · stride */
    size_t stride;         /* elements from one image to the next */
    const int64_t *labels; /* count of them, unless a source knows */
    cn_dataset_source source;
    int64_t skipped;                   /* files of a folder that were no pictures */
    char **file_names;                 /* of a folder's pictures; one block of memory, texts included */
    void *owned_pixels, *owned_labels; /* freed with the last owner, as file_names; NULL where memory is borrowed */
} cn__images;

struct cn_dataset {
    cn_context *ctx;
    cn__images *images;
    int64_t count;
    int64_t *indices;             /* of a view: which images, in which order; NULL: all */
    cn__target_spec target;       /* a class */
    int32_t *labels;              /* what becomes of each label of the images; NULL: they stay */
    char **class_names;           /* one block of memory, texts included */
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

/* Names the classes by the lines of a file that are not blank, where there is one. CN_ERR_FORMAT: another number. */
cn_status cn__class_names_read(cn_dataset *dataset, const char *directory, const char *name);

/* Makes a view with all that `parent` has. It takes `indices`, counted in the parent, which are freed on failure. */
cn_status cn__dataset_view(const cn_dataset *parent, int64_t count, int64_t *indices, cn_dataset **view);

/* All indices of a data set, in random order. */
cn_status cn__random_order(const cn_dataset *dataset, uint64_t seed, uint32_t stream, int64_t **order);
/* The first `count` of all those indices as a view, and the others as another. */
cn_status cn__dataset_divide(const cn_dataset *dataset, const int64_t *order, int64_t count, cn_dataset **part,
                             cn_dataset **rest);

/* Channels, height and width of images that somebody describes: each 1 to CN__MAX_SIDE and not too many values in all,
 * else CN_ERR_SHAPE; count at least 1, else CN_ERR_ARGUMENT. `what` begins the message. */
cn_status cn__check_images(const char *what, int64_t count, int64_t channels, int64_t height, int64_t width);

/* Checks an index of a data set, CN_ERR_NOT_FOUND, and gives the one that counts in its images. */
cn_status cn__dataset_locate(const cn_dataset *dataset, int64_t index, int64_t *at);

/* 1 to CN__MAX_SIDE classes, else CN_ERR_ARGUMENT. */
cn_status cn__check_classes(const char *what, int64_t classes);

/* CN_ERR_ARGUMENT unless it is CN_SPLIT_TRAIN or CN_SPLIT_TEST. */
cn_status cn__check_split(const char *what, cn_split split);

/* Of CIFAR-10 as session 8 has it, and so of pictures for a model that was trained on it. */
extern const float cn__cifar10_mean[3], cn__cifar10_std[3];

static inline size_t cn__image_values(const cn__images *images) {
    return (size_t)images->channels * (size_t)images->height * (size_t)images->width;
}

#endif
