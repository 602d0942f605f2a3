/* folder_list.c: which files lie in a folder of classes. Whatever order the file system has, ours is that of names. */
#include "data/dataset.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_DEPTH 16 /* folders within each other: links may go in circles */

/* ---- the entries of one folder ---- */

typedef struct names {
    cn_context *ctx;
    char **name;
    size_t count, capacity;
} names;

static void names_drop(names *n) {
    for (size_t i = 0; i < n->count; i++)
        cn__free(n->ctx, n->name[i]);
    cn__free(n->ctx, n->name);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static cn_status read_entries(DIR *folder, const char *path, names *n) {
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (!entry && errno)
            return cn__error(CN_ERR_IO, "cannot read the folder '%s': %s", path, strerror(errno));
        if (!entry)
            return CN_OK;
        if (entry->d_name[0] == '.')
            continue;
        CN__TRY(cn__grow(n->ctx, (void **)&n->name, &n->capacity, n->count, sizeof *n->name));
        n->name[n->count] = cn__strdup(n->ctx, entry->d_name);
        if (!n->name[n->count])
            return cn__no_memory("the names of a folder");
        n->count++;
    }
}

/* Sorted. To be dropped also after a failure. */
static cn_status read_names(const char *path, names *n) {
    DIR *folder = opendir(path);
    if (!folder)
        return cn__error(CN_ERR_IO, "cannot read the folder '%s': %s", path, strerror(errno));
    cn_status status = read_entries(folder, path, n);
    closedir(folder);
    if (n->count > 0)
        qsort(n->name, n->count, sizeof *n->name, by_name);
    return status;
}

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* ---- the files of a class ---- */

static cn_status add_file(cn__folder_list *list, const char *path, int64_t label) {
    CN__TRY(cn__grow(list->ctx, (void **)&list->files, &list->capacity, list->count, sizeof *list->files));
    char *copy = cn__strdup(list->ctx, path);
    if (!copy)
        return cn__no_memory("the names of a folder");
    list->files[list->count++] = (cn__folder_file){copy, label};
    return CN_OK;
}

static cn_status add_folder(cn__folder_list *list, const char *path, int64_t label, int depth) {
    char below[CN__MAX_PATH];
    names n = {.ctx = list->ctx};
    if (depth > MAX_DEPTH)
        return cn__error(CN_ERR_FORMAT, "'%s' is more than %d folders deep", path, MAX_DEPTH);
    cn_status status = read_names(path, &n);
    for (size_t i = 0; i < n.count && status == CN_OK; i++) {
        status = cn__path(below, path, n.name[i], "");
        if (status == CN_OK)
            status = is_folder(below) ? add_folder(list, below, label, depth + 1) : add_file(list, below, label);
    }
    names_drop(&n);
    return status;
}

/* ---- classes ---- */

static cn_status add_class(cn__folder_list *list, const char *path, const char *name) {
    CN__TRY(
        cn__grow(list->ctx, (void **)&list->classes, &list->class_capacity, list->class_count, sizeof *list->classes));
    char *copy = cn__strdup(list->ctx, name);
    if (!copy)
        return cn__no_memory("the names of a folder");
    list->classes[list->class_count++] = copy;
    return add_folder(list, path, (int64_t)list->class_count - 1, 1);
}

cn_status cn__folder_list_read(cn_context *ctx, const char *directory, cn__folder_list *list) {
    char path[CN__MAX_PATH];
    names n = {.ctx = ctx};
    *list = (cn__folder_list){.ctx = ctx};
    cn_status status = read_names(directory, &n);
    for (size_t i = 0; i < n.count && status == CN_OK; i++) {
        status = cn__path(path, directory, n.name[i], "");
        if (status == CN_OK && is_folder(path))
            status = add_class(list, path, n.name[i]);
    }
    names_drop(&n);
    if (status == CN_OK && list->class_count == 0)
        status = cn__error(CN_ERR_NOT_FOUND, "'%s' has no subfolders, which would be the classes", directory);
    return status;
}

void cn__folder_list_drop(cn__folder_list *list) {
    for (size_t i = 0; i < list->class_count; i++)
        cn__free(list->ctx, list->classes[i]);
    for (size_t i = 0; i < list->count; i++)
        cn__free(list->ctx, list->files[i].path);
    cn__free(list->ctx, list->classes);
    cn__free(list->ctx, list->files);
}
