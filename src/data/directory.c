/* SPDX-License-Identifier: MIT */
/* directory.c: the entries of a folder. Whatever order the file system has, ours is that of names. */
#include "data/directory.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Left by archives of macOS, Windows, file systems, and the file servers of Synology and QNAP. */
static const char *const system_names[] = {"__MACOSX",
                                           "@eaDir",
                                           "#recycle",
                                           "#snapshot",
                                           "@Recycle",
                                           "@Recently-Snapshot",
                                           "lost+found",
                                           "$RECYCLE.BIN",
                                           "RECYCLER",
                                           "RECYCLED",
                                           "Thumbs.db",
                                           "ehthumbs.db",
                                           "desktop.ini",
                                           "__pycache__",
                                           "System Volume Information",
                                           "Network Trash Folder",
                                           "Temporary Items"};

static const char *const picture_endings[] = {"png", "jpg",  "jpeg", "jpe", "jfif", "ppm",  "pgm",  "pnm",
                                              "bmp", "webp", "gif",  "tif", "tiff", "heic", "avif", "jp2"};

static bool is_system_name(const char *name) {
    for (size_t i = 0; i < CN__COUNT(system_names); i++)
        if (strcasecmp(name, system_names[i]) == 0)
            return true;
    return name[0] == '.';
}

cn_status cn__names_add(cn__names *names, const char *name) {
    CN__TRY(cn__grow(names->ctx, (void **)&names->name, &names->capacity, names->count, sizeof *names->name));
    names->name[names->count] = cn__strdup(names->ctx, name);
    if (!names->name[names->count])
        return cn__no_memory("the names of a folder");
    names->count++;
    return CN_OK;
}

void cn__names_drop(cn__names *names) {
    for (size_t i = 0; i < names->count; i++)
        cn__free(names->ctx, names->name[i]);
    cn__free(names->ctx, names->name);
    *names = (cn__names){.ctx = names->ctx};
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static cn_status read_entries(DIR *folder, const char *path, cn__names *names) {
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (!entry && errno)
            return cn__error(CN_ERR_IO, "cannot read the folder '%s': %s", path, strerror(errno));
        if (!entry)
            return CN_OK;
        if (!is_system_name(entry->d_name))
            CN__TRY(cn__names_add(names, entry->d_name));
    }
}

cn_status cn__directory_read(const char *path, cn__names *names) {
    DIR *folder;
    do {
        folder = opendir(path);
    } while (!folder && errno == EINTR);
    if (!folder && errno == ENOMEM)
        return cn__no_memory("the entries of a folder");
    if (!folder)
        return cn__error(CN_ERR_IO, "cannot read the folder '%s': %s", path, strerror(errno));
    cn_status status = read_entries(folder, path, names);
    closedir(folder);
    if (names->count > 0)
        qsort(names->name, names->count, sizeof *names->name, by_name);
    return status;
}

cn_status cn__look_at(const char *path, bool *there, struct stat *info) {
    *there = stat(path, info) == 0;
    if (*there || errno == ENOENT || errno == ENOTDIR || errno == ELOOP)
        return CN_OK;
    return cn__error(CN_ERR_IO, "cannot look at '%s': %s", path, strerror(errno));
}

cn_status cn__is_directory(const char *path, bool *is) {
    struct stat info;
    cn_status status = cn__look_at(path, is, &info);
    *is = *is && S_ISDIR(info.st_mode);
    return status;
}

bool cn__is_picture_name(const char *name) {
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < CN__COUNT(picture_endings); i++)
        if (strcasecmp(dot + 1, picture_endings[i]) == 0)
            return true;
    return false;
}
