/* SPDX-License-Identifier: MIT */
/* whole_file.c: all of a file at once. */
#include "whole_file.h"

static cn_status load(cn__file *file, unsigned char **data) {
    *data = cn__alloc(file->ctx, (size_t)file->size, 1);
    if (!*data)
        return cn__error(CN_ERR_MEMORY, "no memory for the %llu bytes of '%s'", (unsigned long long)file->size,
                         file->path);
    return cn__file_read(file, *data, (size_t)file->size);
}

cn_status load_file(cn_context *ctx, const char *path, unsigned char **data, size_t *bytes) {
    cn__file file;
    *data = NULL;
    CN__TRY(cn__file_open(ctx, path, &file));
    cn_status status = load(&file, data);
    *bytes = (size_t)file.size;
    cn__file_close(&file);
    if (status != CN_OK) {
        cn__free(ctx, *data);
        *data = NULL;
    }
    return status;
}
