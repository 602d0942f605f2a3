/* atomic_file.c: replaces a file whole or not at all, also if the machine stops in the middle. */
#include "base/base.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 100 /* names for the temporary file */

/* First thing after the call that failed, while errno is that call's. */
static cn_status failed(const char *what, const char *path) {
    return cn__error(CN_ERR_IO, "cannot %s '%s': %s", what, path, strerror(errno));
}

/* A new file beside `target`, under a name that nobody uses. Made with open, not mkstemp, so that its permissions are
 * those of any new file. */
static cn_status create(const char *target, char *name, size_t size, int *file) {
    for (int i = 0; i < TRIES; i++) {
        snprintf(name, size, "%s.tmp-%ld-%d", target, (long)getpid(), i);
        *file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (*file >= 0)
            return CN_OK;
        if (errno != EEXIST)
            break;
    }
    return failed("create a file beside", target);
}

static cn_status write_piece(int file, const char *target, const char *data, size_t bytes) {
    while (bytes > 0) {
        ssize_t written = write(file, data, bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return failed("write", target);
        data += written;
        bytes -= (size_t)written;
    }
    return CN_OK;
}

/* Those of the file that is replaced. Asked for only where they differ: not every file system can. */
static cn_status keep_permissions(int file, const char *target, const struct stat *old) {
    struct stat made;
    if (fstat(file, &made) == 0 && ((made.st_mode ^ old->st_mode) & 0777) == 0)
        return CN_OK;
    return fchmod(file, old->st_mode & 0777) == 0 ? CN_OK : failed("set the permissions of", target);
}

static cn_status fill(int file, const char *target, const struct stat *old, const struct iovec *pieces, int count) {
    if (old)
        CN__TRY(keep_permissions(file, target, old));
    for (int i = 0; i < count; i++)
        CN__TRY(write_piece(file, target, pieces[i].iov_base, pieces[i].iov_len));
    return fsync(file) == 0 ? CN_OK : failed("sync", target);
}

/* Makes the new name lasting. The file has been replaced by now, so a file system that cannot is no failure. */
static void sync_folder(char *path) {
    char *slash = strrchr(path, '/');
    if (slash)
        slash[slash == path] = '\0';
    int folder = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) {
        (void)fsync(folder);
        close(folder);
    }
}

static cn_status replace(const char *target, char *name, size_t size, const struct stat *old,
                         const struct iovec *pieces, int count) {
    int file;
    CN__TRY(create(target, name, size, &file));
    cn_status status = fill(file, target, old, pieces, count);
    if (close(file) != 0 && status == CN_OK)
        status = failed("close", target);
    if (status == CN_OK && rename(name, target) != 0)
        status = failed("replace", target);
    if (status != CN_OK)
        unlink(name);
    else
        sync_folder(name);
    return status;
}

cn_status cn__replace_file(cn_context *ctx, const char *path, const struct iovec *pieces, int count) {
    char real[PATH_MAX];
    const char *target = realpath(path, real) ? real : path; /* the file behind a link, not the link */
    struct stat old;
    bool exists = stat(target, &old) == 0;
    if (exists && !S_ISREG(old.st_mode))
        return cn__error(CN_ERR_IO, "cannot replace '%s': it is not a regular file", path);
    size_t size = strlen(target) + 64;
    char *name = cn__alloc(ctx, size, 1);
    if (!name)
        return cn__no_memory("a file's name");
    cn_status status = replace(target, name, size, exists ? &old : NULL, pieces, count);
    cn__free(ctx, name);
    return status;
}
