/* SPDX-License-Identifier: MIT */
/* data.h: data sets as the trainer sees them. */
#ifndef CN_DATA_H
#define CN_DATA_H

#include "base/base.h"

/* How an image is looked at: moved by less than its sides, its edges mirrored; then left becomes right. */
typedef struct cn__variant {
    int down, right;
    bool mirror;
} cn__variant;

/* The place that place `i` repeats, where a line of `size` is mirrored at its ends (CN_PADDING_REFLECT). */
static inline int cn__reflected(int i, int size) {
    return i < 0 ? -i : i >= size ? 2 * (size - 1) - i : i;
}

#define CN__LEVELS 256 /* of an 8-bit pixel */

/* How pixels become what a model reads, by channel: (x - mean) / std, where x is an 8-bit pixel / 255. */
typedef struct cn__normalization {
    const float *mean, *std; /* NULL: not known */
} cn__normalization;

/* What each 8-bit pixel becomes, into [channels][CN__LEVELS]. */
void cn__normalization_levels(const cn__normalization *normalization, int channels, float *levels);

/* How one pass wants its images. */
typedef struct cn__fetch {
    bool augment;
    uint64_t seed;
    int64_t epoch;
    uint32_t repeat;     /* times that the image was drawn before in this epoch: other changes, up to 256 of them */
    cn__variant variant; /* after all else */
    const float *levels; /* what 8-bit pixels become, instead of what the data set says; NULL: as it says */
} cn__fetch;

/* What a data set wants a model to give: target i belongs to the model's output i. */
typedef struct cn__target_spec {
    cn_target_kind kind;
    int64_t classes;      /* of a class or a mask */
    int64_t ignore_index; /* of a mask: pixels of this value count for nothing */
    cn__shape shape;      /* class: 1×1×1; vector: K×1×1; mask: 1×H×W; image: C×H×W */
} cn__target_spec;

#define CN__MAX_TARGETS 16 /* of a data set */

int cn__dataset_target_count(const cn_dataset *dataset);
/* Valid as long as the data set is. */
const cn__target_spec *cn__dataset_target(const cn_dataset *dataset, int index);

/* Where one image's target goes, row by row, channel by channel: a class or a mask's into `classes`, the others' into
 * `values`. */
typedef union cn__target_place {
    int64_t *classes;
    float *values;
} cn__target_place;

/* Bytes of scratch memory that one call of cn__dataset_fetch needs (aligned to CN__ALIGN; a multiple of it). */
size_t cn__dataset_scratch(const cn_dataset *dataset);

/* Writes image `index`, augmented and normalised, into lane memory: pixel (c, y, x) at
 * out[c · channel + y · row + x · CN__LANES], and each of its targets to its place, changed as the image is.
 * Thread-safe (each call its own scratch). CN_ERR_IO, CN_ERR_DATA. */
cn_status cn__dataset_fetch(const cn_dataset *dataset, int64_t index, const cn__fetch *fetch, void *scratch, float *out,
                            size_t row, size_t channel, const cn__target_place *targets);

/* Checksums of what is in a data set, to tell it from another of the same size: of a few images with their targets, and
 * of the classes of all where they are in memory. CN_ERR_IO, CN_ERR_DATA: from a callback. */
typedef struct cn__fingerprint {
    uint32_t images, targets;
} cn__fingerprint;
cn_status cn__dataset_fingerprint(const cn_dataset *dataset, cn__fingerprint *print);

cn_context *cn__dataset_context(const cn_dataset *dataset);

/* The data set's own normalisation, valid as long as the data set is and has no other. */
cn__normalization cn__dataset_normalization(const cn_dataset *dataset);

/* It is one that the caller has set, not what such images have for want of a better one. */
bool cn__dataset_normalization_is_set(const cn_dataset *dataset);

/* Its images are 8-bit, so that the normalisation is (pixel / 255 - mean) / std. */
bool cn__dataset_is_8bit(const cn_dataset *dataset);

#endif
