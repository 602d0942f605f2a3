/* SPDX-License-Identifier: MIT */
/* scratch.h: a folder for the files of one test, which goes with all that is in it. */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <stddef.h>
#include <stdint.h>

typedef struct scratch {
    char path[64];
} scratch;

scratch scratch_new(void);
void scratch_free(const scratch *s);

/* The path of a file in it: one of the last few that were asked for. */
const char *scratch_path(const scratch *s, const char *name);

void scratch_write(const scratch *s, const char *name, const void *bytes, size_t count);
void scratch_gzip(const scratch *s, const char *name, const void *bytes, size_t count); /* appends a gzip member */

/* Up to `most` bytes of a file; returns how many there were. */
size_t scratch_read(const scratch *s, const char *name, uint8_t *bytes, size_t most);

#endif
