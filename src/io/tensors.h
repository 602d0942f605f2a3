/* SPDX-License-Identifier: MIT */
/* tensors.h: collections of named tensors: tensors.c keeps them, tensors_load.c and tensors_save.c bring them out of files
 * and into them, load_tensors.c into models. */
#ifndef CN_TENSORS_H
#define CN_TENSORS_H

#include "io/io.h"

typedef struct cn__named {
    char *name;
    cn_tensor *tensor; /* its own */
} cn__named;

typedef struct cn__pair {
    char *key, *value;
} cn__pair;

struct cn_tensors {
    cn_context *ctx;
    cn__named **items;   /* in their order */
    cn__named **by_name; /* the same, sorted */
    size_t count, capacity, by_name_capacity;
    cn__pair *metadata;
    size_t metadata_count, metadata_capacity;
};

/* Adds a tensor, which the collection takes over, also on failure. Names may be in any order, and even twice, until
 * cn__tensors_sort, which refuses those: CN_ERR_FORMAT. */
cn_status cn__tensors_append(cn_tensors *tensors, const char *name, cn_tensor *tensor);
cn_status cn__tensors_sort(cn_tensors *tensors);
/* Adds a text whose key is new. */
cn_status cn__tensors_append_metadata(cn_tensors *tensors, const char *key, const char *value);

/* A collection out of a file. Messages do not name the file. */
cn_status cn__tensors_open(cn_context *ctx, const char *path, cn_tensors **tensors);
cn_status cn__tensors_read(cn_context *ctx, const void *memory, size_t bytes, cn_tensors **tensors);

/* A file that holds the tensors, as if it had been read and fetched; to be dropped before them, or as `owned_tensors`
 * with them. */
cn_status cn__tensors_as_file(const cn_tensors *tensors, cn__safetensors *file);

/* CN_ERR_ARGUMENT: members that cannot be. */
cn_status cn__save_options_read(const cn_save_options *given, cn_save_options *options);

#endif
