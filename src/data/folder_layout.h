/* SPDX-License-Identifier: MIT */
/* folder_layout.h: where in a folder of pictures the folders of the classes lie, and which pictures they hold. */
#ifndef CN_FOLDER_LAYOUT_H
#define CN_FOLDER_LAYOUT_H

#include "data/directory.h"
#include <sys/stat.h>

#define CN__PART_NAME 64 /* bytes */

enum { CN__PART_TRAIN, CN__PART_TEST, CN__PART_VALIDATION, CN__PART_COUNT };

/* The folder `root` holds the classes, or parts that each do. */
typedef struct cn__folder_layout {
    char root[CN__MAX_PATH];
    bool parts, quiet;                        /* quiet: nothing is said in the log */
    char part[CN__PART_COUNT][CN__PART_NAME]; /* its name; "": there is none */
} cn__folder_layout;

/* Which part a folder is by its name: "train", "Training", "train_set", "val-images" …; -1: none. */
int cn__folder_part(const char *name);
/* CN_ERR_NOT_FOUND. */
cn_status cn__no_validation(const char *path);

/* Looks into folders whose only content is another one; tells parts from classes by their usual names. What is passed
 * over is said in the log unless `quiet`. CN_ERR_IO; CN_ERR_NOT_FOUND: no classes; CN_ERR_DATA: parts and classes side
 * by side, or two parts of one kind. */
cn_status cn__folder_layout_find(cn_context *ctx, const char *directory, bool quiet, cn__folder_layout *layout);

typedef struct cn__folder_file {
    char *path;
    size_t name; /* where in the path the part below the data set's folder begins, */
    size_t own;  /* and below the folder of classes */
    int64_t label;
} cn__folder_file;

/* Folders, whatever they are called (folder_set.c). */
typedef struct cn__folder_set {
    struct cn__folder_id {
        dev_t device;
        ino_t inode;
        bool taken;
    } * slots;
    size_t count, capacity;
} cn__folder_set;

/* Adds one; `fresh`: it was not in it. */
cn_status cn__folder_set_add(cn_context *ctx, cn__folder_set *set, const struct stat *info, bool *fresh);
void cn__folder_set_clear(cn_context *ctx, cn__folder_set *set);

/* All files that may be pictures, class by class, in the order of their paths; and the classes, by name. */
typedef struct cn__folder_list {
    cn_context *ctx;
    cn__names classes;
    cn__folder_file *files;
    size_t count, capacity;
    int64_t skipped; /* links that lead nowhere, back or to what has been read, folders too deep */
    cn__folder_set read;
} cn__folder_list;

/* The pictures of a split. Without parts, whether a picture is for testing depends on its name below the folder of
 * classes alone. Errors as above; CN_ERR_DATA also: a split without a picture, or a class that is missing in the
 * training part. To be dropped also after a failure. */
cn_status cn__folder_list_read(cn_context *ctx, const char *directory, cn_split split, cn__folder_list *list);
/* Adds all files of a folder, whose classes play no part, to a list that has a context; `base` bytes of the path are the
 * data set's folder. */
cn_status cn__folder_list_add(cn__folder_list *list, const char *path, size_t base);
/* Keeps the files of a split, as they are divided without parts. They are in order of their labels. */
void cn__folder_list_divide(cn__folder_list *list, cn_split split);
void cn__folder_list_drop(cn__folder_list *list);

#endif
