/* SPDX-License-Identifier: MIT */
/* model_files.h: what tests of model files share: a context, a folder, a small model, and comparing. */
#ifndef MODEL_FILES_H
#define MODEL_FILES_H

#include "testing.h"
#include "io/io.h"
#include <stddef.h>

/* What each test begins with. */
#define MODEL_FILE "model.safetensors" /* the name of `path` in the folder */
typedef struct model_files {
    cn_context *ctx;
    char folder[64], path[128], other[128]; /* the files are not there yet */
} model_files;
extern model_files files;

/* Adds a group of tests that have these, and leave no other file beside them. */
TCase *model_files_group(Suite *suite);

/* A small model, for what is repeated thousands of times. NULL: there is no memory. */
cn_model *tiny_model(cn_context *context);

void expect_same_tensors(cn_model *a, cn_model *b);
void expect_same_files(const char *a, const char *b);

/* Writes a file of tensors, at the offsets that the entries have, and metadata. */
cn_status write_tensors(cn_context *context, const char *path, const cn__entry *entries, size_t count,
                        const cn__metadata *metadata, size_t metadata_count, const void *data, size_t bytes);

/* A model's file in memory, to be freed with cn__free. */
typedef struct file_bytes {
    unsigned char *data;
    size_t count;
} file_bytes;
file_bytes saved_file(const cn_model *model);

#endif
