/* SPDX-License-Identifier: MIT */
/* fail_io.c: stands between a program and the C library's calls for files, and has the n-th one fail (fail_io.h). Reading
 * through stdio is made of the same calls, by a stream of our own. */
#define _GNU_SOURCE      /* RTLD_NEXT, fopencookie */
#undef _FILE_OFFSET_BITS /* would rename open to open64, which both are here */
#include "fail_io.h"
#if FAIL_IO_WORKS
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_FILES 1024
#define EXPORT     __attribute__((visibility("default")))

/* What a call can fail with. */
enum {
    EIO_ = 1 << FAIL_IO_EIO,
    NOSPC = 1 << FAIL_IO_ENOSPC,
    ACCES = 1 << FAIL_IO_EACCES,
    INTR = 1 << FAIL_IO_EINTR,
    SHORT_ = 1 << FAIL_IO_SHORT,
    DEATH = 1 << FAIL_IO_KILL /* only where something changes: what comes between two changes is all the same */
};
static const struct {
    const char *name;
    int error;
} ways[FAIL_IO_WAYS] = {{"EIO", EIO},     {"ENOSPC", ENOSPC}, {"EACCES", EACCES},
                        {"EINTR", EINTR}, {"SHORT", 0},       {"KILL", 0}};

static struct {
    const char *below, *log;
    fail_io_how how;
    int at;
    bool on;
} plan;
static atomic_int counted;
static _Atomic(const char *) failed;
static atomic_bool watched[MOST_FILES]; /* descriptors of files below the folder */

/* The C library's own, or a sanitizer's. */
#define REAL(name) (*(__typeof__(name) **)next(#name, (void *[1]){NULL}))

static void *next(const char *name, void **place) {
    *place = dlsym(RTLD_NEXT, name);
    return place;
}

/* ---- which call it is ---- */

static bool lies_below(const char *path) {
    size_t length = plan.below ? strlen(plan.below) : 0;
    return length > 0 && path && strncmp(path, plan.below, length) == 0 && (path[length] == '/' || !path[length]);
}

static bool is_watched(int file) {
    return file >= 0 && file < MOST_FILES && watched[file];
}

static int watch(int file, bool below) {
    if (file >= 0 && file < MOST_FILES)
        watched[file] = below;
    return file;
}

static void note(const char *call, const char *path, int file) {
    char name[PATH_MAX] = "", link[64];
    const char *none = NULL;
    atomic_compare_exchange_strong(&failed, &none, call);
    if (!plan.log)
        return;
    if (!path) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", file);
        ssize_t length = REAL(readlink)(link, name, sizeof name - 1);
        name[length > 0 ? length : 0] = '\0';
    }
    int log = REAL(open)(plan.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0)
        return;
    dprintf(log, "%s %s\n", call, path ? path : name);
    REAL(close)(log);
}

/* Whether this call, for `path` or an open file, fails, and errno then says how. */
static bool fails(const char *call, bool below, int ways_to_fail, const char *path, int file) {
    if (!below || plan.at == 0 || !(ways_to_fail >> plan.how & 1))
        return false;
    int number = atomic_fetch_add(&counted, 1) + 1;
    if (plan.on ? number < plan.at : number != plan.at)
        return false;
    note(call, path, file);
    if (plan.how == FAIL_IO_KILL)
        kill(getpid(), SIGKILL);
    errno = ways[plan.how].error;
    return true;
}

#define PATH_FAILS(ways_to_fail, path) fails(__func__, lies_below(path), ways_to_fail, path, -1)
#define FILE_FAILS(ways_to_fail, file) fails(__func__, is_watched(file), ways_to_fail, NULL, file)

/* ---- being told ---- */

void fail_io_arm(const char *below, fail_io_how how, int at, bool on) {
    plan.at = 0;
    plan.below = below;
    plan.how = how;
    plan.on = on;
    counted = 0;
    failed = NULL;
    plan.at = at;
}

const char *fail_io_failed(void) {
    return failed;
}

__attribute__((constructor)) static void read_environment(void) {
    const char *how = getenv("FAIL_IO_HOW"), *at = getenv("FAIL_IO_AT");
    plan.log = getenv("FAIL_IO_LOG");
    for (int i = 0; i < FAIL_IO_WAYS; i++)
        if (how && at && strcmp(how, ways[i].name) == 0)
            fail_io_arm(getenv("FAIL_IO_BELOW"), (fail_io_how)i, atoi(at), getenv("FAIL_IO_ON") != NULL);
}

/* ---- opening and closing ---- */

static int open_ways(int flags) {
    return EIO_ | ACCES | INTR | (flags & O_CREAT ? NOSPC | DEATH : 0);
}

#define OPEN(name)                                                                                                     \
    EXPORT int name(const char *path, int flags, ...) {                                                                \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;                                                      \
        va_end(more);                                                                                                  \
        return PATH_FAILS(open_ways(flags), path) ? -1 : watch(REAL(name)(path, flags, mode), lies_below(path));       \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                                                   \
    EXPORT int name(int folder, const char *path, int flags, ...) {                                                    \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;                                                      \
        va_end(more);                                                                                                  \
        bool below = is_watched(folder) || lies_below(path);                                                           \
        return fails(#name, below, open_ways(flags), path, -1) ? -1                                                    \
                                                               : watch(REAL(name)(folder, path, flags, mode), below);  \
    }
OPENAT(openat)
OPENAT(openat64)

EXPORT int close(int file) {
    bool bad = FILE_FAILS(EIO_ | NOSPC | INTR, file);
    int error = errno;
    watch(file, false);
    int result = REAL(close)(file); /* it is closed whatever close says */
    if (bad)
        errno = error;
    return bad ? -1 : result;
}

#define TEMPORARY(name)                                                                                                \
    EXPORT int name(char *path) {                                                                                      \
        return PATH_FAILS(EIO_ | NOSPC | ACCES | DEATH, path) ? -1 : watch(REAL(name)(path), lies_below(path));        \
    }
TEMPORARY(mkstemp)
TEMPORARY(mkstemp64)

/* ---- reading and writing ---- */

static size_t half(bool shorter, size_t bytes) {
    return shorter && bytes > 1 ? bytes / 2 : bytes;
}

#define FAILS_BUT_SHORT(bad) ((bad) && plan.how != FAIL_IO_SHORT)

EXPORT ssize_t read(int file, void *to, size_t bytes) {
    bool bad = FILE_FAILS(EIO_ | INTR | SHORT_, file);
    return FAILS_BUT_SHORT(bad) ? -1 : REAL(read)(file, to, half(bad, bytes));
}

EXPORT ssize_t write(int file, const void *from, size_t bytes) {
    bool bad = FILE_FAILS(EIO_ | NOSPC | INTR | SHORT_ | DEATH, file);
    return FAILS_BUT_SHORT(bad) ? -1 : REAL(write)(file, from, half(bad, bytes));
}

#define POSITIONED(name, pointer, ways_to_fail)                                                                        \
    EXPORT ssize_t name(int file, pointer buffer, size_t bytes, off_t offset) {                                        \
        bool bad = FILE_FAILS(ways_to_fail, file);                                                                     \
        return FAILS_BUT_SHORT(bad) ? -1 : REAL(name)(file, buffer, half(bad, bytes), offset);                         \
    }
POSITIONED(pread, void *, EIO_ | INTR | SHORT_)
POSITIONED(pread64, void *, EIO_ | INTR | SHORT_)
POSITIONED(pwrite, const void *, EIO_ | NOSPC | INTR | SHORT_ | DEATH)
POSITIONED(pwrite64, const void *, EIO_ | NOSPC | INTR | SHORT_ | DEATH)

#define SEEK(name)                                                                                                     \
    EXPORT off_t name(int file, off_t offset, int from) {                                                              \
        return FILE_FAILS(EIO_, file) ? -1 : REAL(name)(file, offset, from);                                           \
    }
SEEK(lseek)
SEEK(lseek64)

#define ON_FILE(name, ways_to_fail)                                                                                    \
    EXPORT int name(int file) {                                                                                        \
        return FILE_FAILS(ways_to_fail, file) ? -1 : REAL(name)(file);                                                 \
    }
ON_FILE(fsync, EIO_ | NOSPC | INTR | DEATH)
ON_FILE(fdatasync, EIO_ | NOSPC | INTR | DEATH)

#define CUT(name)                                                                                                      \
    EXPORT int name(int file, off_t length) {                                                                          \
        return FILE_FAILS(EIO_ | INTR | DEATH, file) ? -1 : REAL(name)(file, length);                                  \
    }
CUT(ftruncate)
CUT(ftruncate64)

#define ALLOCATE(name)                                                                                                 \
    EXPORT int name(int file, off_t offset, off_t length) {                                                            \
        return FILE_FAILS(EIO_ | NOSPC | INTR | DEATH, file) ? errno : REAL(name)(file, offset, length);               \
    }
ALLOCATE(posix_fallocate)
ALLOCATE(posix_fallocate64)

EXPORT int fchmod(int file, mode_t mode) {
    return FILE_FAILS(EIO_ | INTR | DEATH, file) ? -1 : REAL(fchmod)(file, mode);
}

EXPORT int flock(int file, int operation) {
    return FILE_FAILS(EIO_ | INTR, file) ? -1 : REAL(flock)(file, operation);
}

/* ---- names ---- */

EXPORT int rename(const char *from, const char *to) {
    return PATH_FAILS(EIO_ | NOSPC | ACCES | DEATH, from) ? -1 : REAL(rename)(from, to);
}

EXPORT int unlink(const char *path) {
    return PATH_FAILS(EIO_ | ACCES | DEATH, path) ? -1 : REAL(unlink)(path);
}

EXPORT int unlinkat(int folder, const char *path, int flags) {
    return FILE_FAILS(EIO_ | ACCES | DEATH, folder) ? -1 : REAL(unlinkat)(folder, path, flags);
}

EXPORT int mkdir(const char *path, mode_t mode) {
    return PATH_FAILS(EIO_ | NOSPC | ACCES | DEATH, path) ? -1 : REAL(mkdir)(path, mode);
}

EXPORT int access(const char *path, int mode) {
    return PATH_FAILS(EIO_ | ACCES, path) ? -1 : REAL(access)(path, mode);
}

EXPORT ssize_t readlink(const char *restrict path, char *restrict to, size_t bytes) {
    return PATH_FAILS(EIO_ | ACCES, path) ? -1 : REAL(readlink)(path, to, bytes);
}

EXPORT char *realpath(const char *restrict path, char *restrict to) {
    return PATH_FAILS(EIO_ | ACCES, path) ? NULL : REAL(realpath)(path, to);
}

#define STAT(name, type)                                                                                               \
    EXPORT int name(const char *restrict path, struct type *restrict info) {                                           \
        return PATH_FAILS(EIO_ | ACCES, path) ? -1 : REAL(name)(path, info);                                           \
    }
STAT(stat, stat)
STAT(stat64, stat64)
STAT(lstat, stat)
STAT(lstat64, stat64)

#define FSTAT(name, type)                                                                                              \
    EXPORT int name(int file, struct type *info) {                                                                     \
        return FILE_FAILS(EIO_, file) ? -1 : REAL(name)(file, info);                                                   \
    }
FSTAT(fstat, stat)
FSTAT(fstat64, stat64)

/* ---- folders ---- */

EXPORT DIR *opendir(const char *path) {
    if (PATH_FAILS(EIO_ | ACCES | INTR, path))
        return NULL;
    DIR *folder = REAL(opendir)(path);
    if (folder)
        watch(dirfd(folder), lies_below(path));
    return folder;
}

EXPORT DIR *fdopendir(int file) {
    return FILE_FAILS(EIO_, file) ? NULL : REAL(fdopendir)(file);
}

#define LIST(name, type)                                                                                               \
    EXPORT struct type *name(DIR *folder) {                                                                            \
        return FILE_FAILS(EIO_, dirfd(folder)) ? NULL : REAL(name)(folder);                                            \
    }
LIST(readdir, dirent)
LIST(readdir64, dirent64)

EXPORT int closedir(DIR *folder) {
    watch(dirfd(folder), false);
    return REAL(closedir)(folder);
}

/* ---- streams ---- */

static ssize_t stream_read(void *file, char *to, size_t bytes) {
    return read((int)(intptr_t)file, to, bytes);
}

static ssize_t stream_write(void *file, const char *from, size_t bytes) {
    ssize_t written = write((int)(intptr_t)file, from, bytes);
    return written < 0 ? 0 : written;
}

static int stream_close(void *file) {
    return close((int)(intptr_t)file);
}

#define STREAM(name)                                                                                                   \
    EXPORT FILE *name(const char *restrict path, const char *restrict mode) {                                          \
        if (!lies_below(path))                                                                                         \
            return REAL(name)(path, mode);                                                                             \
        int file =                                                                                                     \
            open(path, mode[0] == 'r' ? O_RDONLY : O_WRONLY | O_CREAT | (mode[0] == 'w' ? O_TRUNC : O_APPEND), 0666);  \
        const cookie_io_functions_t calls = {stream_read, stream_write, NULL, stream_close};                           \
        return file < 0 ? NULL : fopencookie((void *)(intptr_t)file, mode, calls);                                     \
    }
STREAM(fopen)
STREAM(fopen64)
#else
void fail_io_arm(const char *below, fail_io_how how, int at, bool on) {
    (void)below;
    (void)how;
    (void)at;
    (void)on;
}

const char *fail_io_failed(void) {
    return NULL;
}
#endif
