/* SPDX-License-Identifier: MIT */
/* scratch.c: a folder for the files of one test. */
#define _XOPEN_SOURCE 700 /* nftw */
#include "scratch.h"
#include "testing.h"
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <zlib.h>

scratch scratch_new(void) {
    scratch s;
    const char *below = getenv("TMPDIR");
    ck_assert_int_lt(snprintf(s.path, sizeof s.path, "%s/convnet-test-XXXXXX", below && *below ? below : "/tmp"),
                     sizeof s.path);
    ck_assert_ptr_nonnull(mkdtemp(s.path));
    return s;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk) {
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

void scratch_free(const scratch *s) {
    ck_assert_int_eq(nftw(s->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

const char *scratch_path(const scratch *s, const char *name) {
    static char paths[4][256];
    static int last;
    last = (last + 1) % 4;
    snprintf(paths[last], sizeof paths[last], "%s/%s", s->path, name);
    return paths[last];
}

void scratch_write(const scratch *s, const char *name, const void *bytes, size_t count) {
    FILE *file = fopen(scratch_path(s, name), "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, count, file), count);
    ck_assert_int_eq(fclose(file), 0);
}

void scratch_gzip(const scratch *s, const char *name, const void *bytes, size_t count) {
    gzFile file = gzopen(scratch_path(s, name), "ab");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(gzwrite(file, bytes, (unsigned)count), (int)count);
    ck_assert_int_eq(gzclose(file), Z_OK);
}

size_t scratch_read(const scratch *s, const char *name, uint8_t *bytes, size_t most) {
    FILE *file = fopen(scratch_path(s, name), "rb");
    ck_assert_ptr_nonnull(file);
    size_t count = fread(bytes, 1, most, file);
    fclose(file);
    return count;
}
