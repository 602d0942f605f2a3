/* SPDX-License-Identifier: MIT */
/* checkpoint.h: what a checkpoint is made of, for the files of this folder that have to do with them. */
#ifndef CN_CHECKPOINT_H
#define CN_CHECKPOINT_H

#include "io/io.h"
#include "train/train.h"
#include <stddef.h>

#define CN__CHECKPOINT_OWN "own/" /* before the names that a program has for its tensors */

/* ---- what it is made of (checkpoint_contents.c) ---- */

typedef struct cn__contents {
    cn_checkpoint given;
    cn_context *ctx;
    cn_model *model;
    cn__state state;       /* in place, but for */
    int64_t passes;        /* a loop's training passes, and */
    unsigned char *frozen; /* what is frozen */
    int64_t epochs;        /* of a trainer's history, as are: */
    double *history;       /* a row an epoch */
    double *outputs;       /* a row an epoch and output */
    int64_t corners;       /* of the line of its rates; -1: a file of before there were any */
    double *rates;         /* a row a corner */
    cn__array *arrays;     /* the state's values, then a trainer's history, then the program's tensors */
    size_t array_count;
    char *names;              /* of the program's tensors */
    char *architecture, *run; /* what must be the same */
} cn__contents;

/* Reads and checks what the caller gives. */
cn_status cn__checkpoint_read(const cn_checkpoint *given, const char *function, cn_checkpoint *known);
/* Whatever it gives, cn__contents_drop is due. `epochs` and `corners`: how many the history has, which is not filled. */
cn_status cn__contents_init(cn__contents *contents, const cn_checkpoint *given, int64_t epochs, int64_t corners);
void cn__contents_drop(cn__contents *contents);
/* One more array, of that shape. */
void cn__contents_add(cn__contents *contents, const char *name, const char *dtype, void *data, int dims,
                      const int64_t *shape);

/* ---- a trainer's history (checkpoint_history.c) ---- */

/* Arrays for it, which are not filled. */
cn_status cn__checkpoint_add_history(cn__contents *contents);
/* From the trainer, and to it, which must have room. */
void cn__checkpoint_fill_history(cn__contents *contents);
cn_status cn__checkpoint_make_room(cn__contents *contents);
void cn__checkpoint_take_history(const cn__contents *contents);
/* How many epochs a file has, 0 also if it has no such history, and corners of rates. */
int64_t cn__checkpoint_epochs(const cn__safetensors *file);
int64_t cn__checkpoint_corners(const cn__safetensors *file);
/* CN_ERR_FORMAT: the rates of a file, whose data are there, are no line. */
cn_status cn__checkpoint_check_rates(const cn__contents *contents, const cn__safetensors *file);

/* ---- checksums (checkpoint_seal.c) ---- */

/* The metadata that a file must have, last, to be sealed. */
#define CN__UNSEALED                                                                                                   \
    {CN__KEY_CHECKPOINT ".data_crc32", "00000000"}, {                                                                  \
        CN__KEY_CHECKPOINT ".header_crc32", "00000000"                                                                 \
    }
/* Puts the checksums into a file. */
void cn__checkpoint_seal(cn_tensor *file);
/* CN_ERR_FORMAT: header, or data, which must have been fetched, are not what was sealed. */
cn_status cn__checkpoint_check_header(const cn__safetensors *file);
cn_status cn__checkpoint_check_data(const cn__safetensors *file);

#endif
