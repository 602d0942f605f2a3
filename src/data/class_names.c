/* SPDX-License-Identifier: MIT */
/* class_names.c: files with the names of classes, a line each. */
#include "data/dataset.h"
#include <errno.h>
#include <string.h>

#define MAX_NAMES   65536 /* bytes of such a file */
#define MAX_CLASSES 256   /* what the formats that have them know */

/* Cuts the text into lines and lists those that are not blank; their number, counting beyond `most`. */
static int split_lines(char *text, const char **lines, int most) {
    int count = 0;
    for (char *line = text, *end; *line; line = end) {
        end = line + strcspn(line, "\r\n");
        if (*end)
            *end++ = '\0';
        if (*line && count++ < most)
            lines[count - 1] = line;
    }
    return count;
}

static cn_status set_names(cn_dataset *dataset, cn__file *file, char *text) {
    const char *lines[MAX_CLASSES];
    int64_t classes = cn_dataset_classes(dataset);
    if (file->size >= MAX_NAMES)
        return cn__error(CN_ERR_FORMAT, "'%s' has %llu bytes, too many for class names", file->path,
                         (unsigned long long)file->size);
    CN__TRY(cn__file_read(file, text, (size_t)file->size));
    int count = split_lines(text, lines, MAX_CLASSES);
    if (count != classes)
        return cn__error(CN_ERR_FORMAT, "'%s' names %d classes, wanted %lld", file->path, count, (long long)classes);
    return cn_dataset_set_class_names(dataset, classes, lines);
}

cn_status cn__class_names_read(cn_dataset *dataset, const char *directory, const char *name) {
    char path[CN__MAX_PATH];
    cn__file file;
    CN__TRY(cn__path(path, directory, name, ""));
    cn_status status = cn__file_open(dataset->ctx, path, &file);
    if (status != CN_OK)
        return file.error == ENOENT ? CN_OK : status;
    char *text = cn__alloc(dataset->ctx, MAX_NAMES, 1);
    status = text ? set_names(dataset, &file, text) : cn__no_memory("class names");
    cn__free(dataset->ctx, text);
    cn__file_close(&file);
    return status;
}
