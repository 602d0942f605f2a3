/* SPDX-License-Identifier: MIT */
/* directory.h: what lies in a folder, without what systems and programs leave there. */
#ifndef CN_DIRECTORY_H
#define CN_DIRECTORY_H

#include "base/base.h"
#include <sys/stat.h>

/* Names that are the list's own. */
typedef struct cn__names {
    cn_context *ctx;
    char **name;
    size_t count, capacity;
} cn__names;

cn_status cn__names_add(cn__names *names, const char *name);
void cn__names_drop(cn__names *names);

/* Adds the entries of a folder, sorted, but for those that begin with a dot or are a system's or file server's own
 * (__MACOSX, @eaDir, lost+found, Thumbs.db …). CN_ERR_IO. `names` is to be dropped also after a failure. */
cn_status cn__directory_read(const char *path, cn__names *names);

/* What a path leads to, through links; false in `there`: nothing. CN_ERR_IO: it cannot be told. */
cn_status cn__look_at(const char *path, bool *there, struct stat *info);
cn_status cn__is_directory(const char *path, bool *is);

/* By the ending of its name, also where this library cannot read it. */
bool cn__is_picture_name(const char *name);

#endif
