/* SPDX-License-Identifier: MIT */
/* fuzzing.c: a context that is watched, bytes taken apart, and files of bytes. */
#define _GNU_SOURCE /* nftw */
#include "fuzzing.h"
#include "base/base.h"
#include <fcntl.h>
#include <ftw.h>
#include <unistd.h>

/* ---- memory ---- */

enum { TIMES = 64, A_LITTLE = 256 << 10 /* such as zlib's window and what is read at a time */ };

static size_t before;

/* Messages are texts that end. */
static void read_log(void *user, cn_log_level level, const char *message) {
    (void)user;
    (void)level;
    FUZZ_EXPECT(strlen(message) < 1 << 20);
}

cn_context *fuzz_context(void) {
    static cn_context *context;
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    options.threads = 1;
    options.log = read_log;
    if (!context)
        FUZZ_EXPECT(cn_context_new(&options, &context) == CN_OK);
    return context;
}

void fuzz_begin(void) {
    cn_context *context = fuzz_context();
    before = context->in_use;
    context->peak = before;
}

void fuzz_at_most(size_t bytes, size_t rightly) {
    size_t peak = cn_context_memory_peak(fuzz_context()) - before;
    if (peak > A_LITTLE + TIMES * bytes + rightly)
        fprintf(stderr, "%zu bytes of memory for %zu bytes and %zu that are right\n", peak, bytes, rightly);
    FUZZ_EXPECT(peak <= A_LITTLE + TIMES * bytes + rightly);
}

void fuzz_end(void) {
    FUZZ_EXPECT(cn_context_memory(fuzz_context()) == before);
}

/* ---- bytes ---- */

uint8_t fuzz_byte(fuzz_bytes *from) {
    if (from->count == 0)
        return 0;
    from->count--;
    return *from->at++;
}

int64_t fuzz_number(fuzz_bytes *from, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)fuzz_byte(from) << (8 * i);
    return bytes > 0 && bytes < 8 && value >> (8 * bytes - 1) ? (int64_t)(value - ((uint64_t)1 << (8 * bytes)))
                                                              : (int64_t)value;
}

fuzz_bytes fuzz_part(fuzz_bytes *from) {
    size_t count = fuzz_byte(from);
    count |= (size_t)fuzz_byte(from) << 8;
    fuzz_bytes part = {from->at, count < from->count ? count : from->count};
    from->at += part.count;
    from->count -= part.count;
    return part;
}

char *fuzz_text(fuzz_bytes *from) {
    fuzz_bytes part = fuzz_part(from);
    char *text = malloc(part.count + 1);
    FUZZ_EXPECT(text);
    if (part.count)
        memcpy(text, part.at, part.count);
    text[part.count] = '\0';
    return text;
}

/* ---- files ---- */

static char folder[64];

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where) {
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

void fuzz_remove(const char *path) {
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void remove_folder(void) {
    fuzz_remove(folder);
}

const char *fuzz_directory(void) {
    if (!*folder) {
        snprintf(folder, sizeof folder, "%s/fuzz.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        FUZZ_EXPECT(mkdtemp(folder));
        atexit(remove_folder);
    }
    return folder;
}

const char *fuzz_path(const char *name) {
    static char paths[8][128];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", fuzz_directory(), name);
    return path;
}

const char *fuzz_file(const char *name, const void *bytes, size_t count) {
    const char *path = fuzz_path(name);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    FUZZ_EXPECT(file >= 0 && (count == 0 || write(file, bytes, count) == (ssize_t)count));
    close(file);
    return path;
}
