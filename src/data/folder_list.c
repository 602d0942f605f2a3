/* SPDX-License-Identifier: MIT */
/* folder_list.c: which files lie in a folder of classes, and which of them are of a split. */
#include "data/folder_layout.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_DEPTH  16 /* folders within each other */
#define TEST_SHARE 5  /* without parts, one of so many pictures is for testing */

/* ---- the files of a class ---- */

/* The folders around the one that is read, by which links that lead back are known. */
typedef struct level {
    const struct level *above;
    dev_t device;
    ino_t inode;
} level;

/* Where files are being listed. */
typedef struct place {
    int64_t label;
    size_t name, own; /* as cn__folder_file has them */
} place;

static cn_status skip(cn__folder_list *list, const char *path, const char *why) {
    list->skipped++;
    cn__log(list->ctx, CN_LOG_WARNING, "skipped: '%s' %s", path, why);
    return CN_OK;
}

static cn_status add_file(cn__folder_list *list, const char *path, const place *at) {
    CN__TRY(cn__grow(list->ctx, (void **)&list->files, &list->capacity, list->count, sizeof *list->files));
    char *copy = cn__strdup(list->ctx, path);
    if (!copy)
        return cn__no_memory("the names of a folder");
    list->files[list->count++] = (cn__folder_file){copy, at->name, at->own, at->label};
    return CN_OK;
}

static bool leads_back(const level *inner, const struct stat *info) {
    for (; inner; inner = inner->above)
        if (inner->device == info->st_dev && inner->inode == info->st_ino)
            return true;
    return false;
}

static bool is_link(const char *path) {
    struct stat info;
    return lstat(path, &info) == 0 && S_ISLNK(info.st_mode);
}

static cn_status add_folder(cn__folder_list *list, const char *path, const place *at, const level *above, int depth);

/* A file, or a folder with all that is in it. Links are followed to each folder once: a few that lead to the same ones over
 * and over would be more pictures than anyone can count. */
static cn_status add_entry(cn__folder_list *list, const char *path, const place *at, const level *above, int depth) {
    struct stat info;
    bool there, fresh;
    CN__TRY(cn__look_at(path, &there, &info));
    if (!there || !S_ISDIR(info.st_mode))
        return add_file(list, path, at);
    if (leads_back(above, &info))
        return skip(list, path, "is a link to a folder that it lies in, which would be endlessly many folders deep");
    if (depth > MAX_DEPTH)
        return skip(list, path, "is more than 16 folders deep");
    CN__TRY(cn__folder_set_add(list->ctx, &list->read, &info, &fresh));
    if (!fresh && is_link(path))
        return skip(list, path, "is a link to a folder that has been read already");
    const level here = {above, info.st_dev, info.st_ino};
    return add_folder(list, path, at, &here, depth);
}

static cn_status add_folder(cn__folder_list *list, const char *path, const place *at, const level *above, int depth) {
    char below[CN__MAX_PATH];
    cn__names n = {.ctx = list->ctx};
    cn_status status = cn__directory_read(path, &n);
    for (size_t i = 0; i < n.count && status == CN_OK; i++) {
        status = cn__path(below, path, n.name[i], "");
        if (status == CN_OK)
            status = add_entry(list, below, at, above, depth + 1);
    }
    cn__names_drop(&n);
    return status;
}

/* ---- classes ---- */

/* The folders in a folder of classes. A link that leads nowhere would have been one, or a file that does not matter. */
static cn_status read_classes(cn__folder_list *list, const char *path, bool complain, cn__names *classes) {
    char below[CN__MAX_PATH];
    struct stat info;
    bool there;
    cn__names n = {.ctx = list->ctx};
    cn_status status = cn__directory_read(path, &n);
    for (size_t i = 0; i < n.count && status == CN_OK; i++) {
        status = cn__path(below, path, n.name[i], "");
        if (status == CN_OK)
            status = cn__look_at(below, &there, &info);
        if (status == CN_OK && !there) {
            if (complain)
                skip(list, below, "leads nowhere, so that it is not known whether it is a class");
        } else if (status == CN_OK && S_ISDIR(info.st_mode)) {
            status = cn__utf8_valid(n.name[i], strlen(n.name[i]))
                         ? cn__names_add(classes, n.name[i])
                         : cn__error(CN_ERR_DATA, "'%s': the name of a class is not UTF-8", below);
        }
    }
    cn__names_drop(&n);
    return status;
}

static int by_name(const void *name, const void *class_name) {
    return strcmp(name, *(char *const *)class_name);
}

/* They are in order. */
static int64_t label_of(const cn__folder_list *list, const char *name) {
    const cn__names *classes = &list->classes;
    char **found = classes->count ? bsearch(name, classes->name, classes->count, sizeof *classes->name, by_name) : NULL;
    return found ? found - classes->name : -1;
}

/* A folder that is read as the outermost one. */
static cn_status find_root(const char *path, level *root) {
    struct stat info;
    bool there;
    CN__TRY(cn__look_at(path, &there, &info));
    *root = there ? (level){NULL, info.st_dev, info.st_ino} : (level){NULL, 0, 0};
    return CN_OK;
}

/* The files of the classes in `path`, of which the data set's folder is the first `base` bytes. */
static cn_status add_classes(cn__folder_list *list, const char *path, size_t base, const char *train) {
    char below[CN__MAX_PATH];
    cn__names found = {.ctx = list->ctx};
    place at = {0, base + 1, strlen(path) + 1};
    level root;
    CN__TRY(find_root(path, &root));
    cn__folder_set_clear(list->ctx, &list->read);
    cn_status status = read_classes(list, path, true, &found);
    for (size_t i = 0; i < found.count && status == CN_OK; i++) {
        at.label = label_of(list, found.name[i]);
        if (at.label < 0)
            status =
                cn__error(CN_ERR_DATA, "'%s' has a class '%s', which '%s' does not have", path, found.name[i], train);
        else
            status = cn__path(below, path, found.name[i], "");
        if (status == CN_OK)
            status = add_entry(list, below, &at, &root, 1);
    }
    cn__names_drop(&found);
    return status;
}

cn_status cn__folder_list_add(cn__folder_list *list, const char *path, size_t base) {
    place at = {0, base + 1, strlen(path) + 1};
    level root;
    CN__TRY(find_root(path, &root));
    return add_folder(list, path, &at, &root, 1);
}

/* ---- parts ---- */

/* The part that a split is; all other splits of it are in `layout`, too. */
static int part_of_split(const cn__folder_layout *l, cn_split split) {
    if (split == CN_SPLIT_TRAIN)
        return CN__PART_TRAIN;
    if (split == CN_SPLIT_VALIDATION)
        return CN__PART_VALIDATION;
    return l->part[CN__PART_TEST][0] ? CN__PART_TEST : CN__PART_VALIDATION;
}

static cn_status add_parts(cn__folder_list *list, const cn__folder_layout *l, size_t base, cn_split split) {
    char path[CN__MAX_PATH], first[CN__MAX_PATH];
    int classes = l->part[CN__PART_TRAIN][0] ? CN__PART_TRAIN : part_of_split(l, CN_SPLIT_TEST);
    if (split == CN_SPLIT_TRAIN && !l->part[CN__PART_TRAIN][0])
        return cn__error(CN_ERR_NOT_FOUND, "'%s' has '%s' and '%s', but no part for training, such as 'train'", l->root,
                         l->part[CN__PART_TEST], l->part[CN__PART_VALIDATION]);
    if (split == CN_SPLIT_VALIDATION && !(l->part[CN__PART_TEST][0] && l->part[CN__PART_VALIDATION][0]))
        return cn__no_validation(l->root);
    CN__TRY(cn__path(first, l->root, l->part[classes], ""));
    CN__TRY(read_classes(list, first, false, &list->classes));
    for (int part = 0; part < CN__PART_COUNT; part++)
        if (l->part[part][0] && (split == CN_SPLIT_ALL || part == part_of_split(l, split))) {
            CN__TRY(cn__path(path, l->root, l->part[part], ""));
            CN__TRY(add_classes(list, path, base, first));
        }
    return CN_OK;
}

/* ---- the division of a folder without parts: by each file's own name ---- */

/* FNV-1a, its bits mixed as MurmurHash3 does. Part of what a folder means: never to be changed. */
static uint64_t name_hash(const char *name) {
    uint64_t hash = 0xcbf29ce484222325;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3;
    hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccd;
    hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53;
    return hash ^ hash >> 33;
}

static uint64_t file_hash(const cn__folder_file *file) {
    return name_hash(file->path + file->own);
}

/* Below which hash the `count` files of a class are for testing: a fifth of all hashes, but of three files or more at
 * least one is, and of any number at least one is not. */
static uint64_t class_limit(const cn__folder_file *files, size_t count) {
    uint64_t limit = UINT64_MAX / TEST_SHARE, least = UINT64_MAX, most = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t hash = file_hash(&files[i]);
        least = hash < least ? hash : least;
        most = hash > most ? hash : most;
    }
    if (most < limit)
        return most;
    return least >= limit && count >= 3 && least < UINT64_MAX ? least + 1 : limit;
}

void cn__folder_list_divide(cn__folder_list *list, cn_split split) {
    size_t kept = 0;
    for (size_t first = 0, end; first < list->count; first = end) {
        for (end = first; end < list->count && list->files[end].label == list->files[first].label;)
            end++;
        uint64_t limit = class_limit(list->files + first, end - first);
        for (size_t i = first; i < end; i++) {
            bool test = file_hash(&list->files[i]) < limit;
            if (test == (split == CN_SPLIT_TEST))
                list->files[kept++] = list->files[i];
            else
                cn__free(list->ctx, list->files[i].path);
        }
    }
    list->count = kept;
}

static cn_status add_divided(cn__folder_list *list, const cn__folder_layout *l, size_t base, cn_split split) {
    if (split == CN_SPLIT_VALIDATION)
        return cn__no_validation(l->root);
    CN__TRY(read_classes(list, l->root, false, &list->classes));
    CN__TRY(add_classes(list, l->root, base, l->root));
    if (split == CN_SPLIT_ALL || list->count == 0)
        return CN_OK;
    cn__folder_list_divide(list, split);
    return list->count > 0
               ? CN_OK
               : cn__error(CN_ERR_DATA, "no class of '%s' has pictures enough to leave a fifth of them", l->root);
}

cn_status cn__folder_list_read(cn_context *ctx, const char *directory, cn_split split, cn__folder_list *list) {
    cn__folder_layout *layout = cn__alloc(ctx, 1, sizeof *layout);
    size_t base = strlen(directory);
    *list = (cn__folder_list){.ctx = ctx, .classes = {.ctx = ctx}};
    if (!layout)
        return cn__no_memory("the names of a folder");
    while (base > 1 && directory[base - 1] == '/')
        base--;
    cn_status status = cn__folder_layout_find(ctx, directory, false, layout);
    if (status == CN_OK)
        status = layout->parts ? add_parts(list, layout, base, split) : add_divided(list, layout, base, split);
    cn__free(ctx, layout);
    return status;
}

void cn__folder_list_drop(cn__folder_list *list) {
    for (size_t i = 0; i < list->count; i++)
        cn__free(list->ctx, list->files[i].path);
    cn__free(list->ctx, list->files);
    cn__folder_set_clear(list->ctx, &list->read);
    cn__names_drop(&list->classes);
}
