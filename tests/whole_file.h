/* SPDX-License-Identifier: MIT */
/* whole_file.h: all of a file at once, as tests want it. */
#ifndef WHOLE_FILE_H
#define WHOLE_FILE_H

#include "base/base.h"

/* All of a regular file, as it is, into memory to be freed with cn__free. */
cn_status load_file(cn_context *ctx, const char *path, unsigned char **data, size_t *bytes);

#endif
