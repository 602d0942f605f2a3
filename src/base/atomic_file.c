/* atomic_file.c: replaces a file whole or not at all, also if the machine stops in the middle: the new content goes
 * into a temporary file beside it, TARGET.tmp-PID-N, which is synced and then renamed. */
#include "base/base.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h> /* flock */
#include <sys/stat.h>
#include <unistd.h>

#define TRIES           100 /* names for the temporary file */
#define MAX_LINKS       40
#define TEMPORARY       ".tmp-"
#define TEMPORARY_BYTES 64 /* of what is added to a name */

/* Signals interrupt these on some file systems, such as NFS. */
#define RETRY(result, call)                                                                                            \
    do {                                                                                                               \
        (result) = (call);                                                                                             \
    } while ((result) < 0 && errno == EINTR)

/* First thing after the call that failed, while errno is that call's. */
static cn_status failed(const char *what, const char *path) {
    return cn__error(CN_ERR_IO, "cannot %s '%s': %s", what, path, strerror(errno));
}

/* ---- where it goes ---- */

typedef struct replacement {
    const char *path; /* the caller's */
    char *target;     /* the file behind links, which need not be there yet */
    char *temporary;  /* beside it */
    size_t size;      /* of the memory of both names, each */
    bool exists;      /* the target does, and `old` is of it */
    struct stat old;
    const struct iovec *pieces;
    int count;
} replacement;

/* Turns *name, a link, into where it points. */
static cn_status follow(char *name, size_t size) {
    char to[PATH_MAX];
    ssize_t length = readlink(name, to, sizeof to - 1);
    if (length < 0)
        return failed("follow the link", name);
    to[length] = '\0';
    char *slash = to[0] == '/' ? NULL : strrchr(name, '/');
    size_t folder = slash ? (size_t)(slash + 1 - name) : 0; /* of the link, which `to` is relative to */
    if (folder + (size_t)length >= size)
        return cn__error(CN_ERR_IO, "cannot follow the link '%s': its path is too long", name);
    memcpy(name + folder, to, (size_t)length + 1);
    return CN_OK;
}

static cn_status find_target(replacement *r) {
    struct stat info;
    if (r->path[0] == '\0')
        return cn__error(CN_ERR_IO, "cannot write a file whose name is empty");
    memcpy(r->target, r->path, strlen(r->path) + 1);
    for (int links = 0; lstat(r->target, &info) == 0 && S_ISLNK(info.st_mode); links++) {
        if (links == MAX_LINKS)
            return cn__error(CN_ERR_IO, "cannot replace '%s': a loop of links", r->path);
        CN__TRY(follow(r->target, r->size - TEMPORARY_BYTES));
    }
    r->exists = stat(r->target, &r->old) == 0;
    if (r->exists && !S_ISREG(r->old.st_mode))
        return cn__error(CN_ERR_IO, "cannot replace '%s': it is not a regular file", r->path);
    return CN_OK;
}

/* ---- what earlier processes have left ---- */

/* Whether the name is that of a temporary file of `base`, of a process that is gone. */
static bool is_stale(const char *name, const char *base) {
    size_t length = strlen(base);
    char *end;
    if (strncmp(name, base, length) != 0 || strncmp(name + length, TEMPORARY, strlen(TEMPORARY)) != 0)
        return false;
    name += length + strlen(TEMPORARY);
    long pid = *name >= '0' && *name <= '9' ? strtol(name, &end, 10) : 0;
    if (pid <= 0 || pid > INT_MAX || *end != '-')
        return false;
    size_t digits = strspn(end + 1, "0123456789");
    if (digits == 0 || end[1 + digits] != '\0')
        return false;
    return kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

/* A process of another container or machine cannot be seen from here, but it holds a lock while it writes. */
static void remove_unlocked(int folder, const char *name) {
    struct stat info;
    int file = openat(folder, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0)
        return;
    if (fstat(file, &info) == 0 && S_ISREG(info.st_mode) && flock(file, LOCK_EX | LOCK_NB) == 0)
        (void)unlinkat(folder, name, 0);
    close(file);
}

static void remove_stale(const replacement *r) {
    char *slash = strrchr(r->target, '/');
    const char *base = slash ? slash + 1 : r->target;
    memcpy(r->temporary, r->target, (size_t)(base - r->target));
    r->temporary[base - r->target] = '\0';
    DIR *folder = opendir(slash ? r->temporary : ".");
    if (!folder)
        return;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (is_stale(entry->d_name, base))
            remove_unlocked(dirfd(folder), entry->d_name);
    closedir(folder);
}

/* ---- writing ---- */

/* A new file beside the target, under a name that nobody uses; -1: errno says why not. Made with open, not mkstemp, so
 * that its permissions are those of any new file. */
static int create(replacement *r) {
    int file = -1;
    for (int i = 0; i < TRIES; i++) {
        snprintf(r->temporary, r->size, "%s" TEMPORARY "%ld-%d", r->target, (long)getpid(), i);
        RETRY(file, open(r->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
        if (file >= 0)
            (void)flock(file, LOCK_EX | LOCK_NB); /* until it is closed: in use */
        if (file >= 0 || errno != EEXIST)
            break;
    }
    return file;
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

static cn_status write_all(int file, const replacement *r) {
    int result;
    for (int i = 0; i < r->count; i++)
        CN__TRY(write_piece(file, r->target, r->pieces[i].iov_base, r->pieces[i].iov_len));
    RETRY(result, fsync(file));
    return result == 0 ? CN_OK : failed("sync", r->target);
}

/* Closes it whatever came before. After EINTR a file is closed on Linux, and must not be closed twice on any system. */
static cn_status close_after(cn_status status, int file, const char *target) {
    return close(file) != 0 && errno != EINTR && status == CN_OK ? failed("close", target) : status;
}

/* Those of the file that is replaced. Asked for only where they differ: not every file system can. */
static cn_status keep_permissions(int file, const replacement *r) {
    struct stat made;
    if (!r->exists || (fstat(file, &made) == 0 && ((made.st_mode ^ r->old.st_mode) & 0777) == 0))
        return CN_OK;
    return fchmod(file, r->old.st_mode & 0777) == 0 ? CN_OK : failed("set the permissions of", r->target);
}

/* Makes the new name lasting. The file has been replaced by now, so a file system that cannot is no failure. */
static void sync_folder(char *path) {
    char *slash = strrchr(path, '/');
    int folder, result;
    if (slash)
        slash[slash == path] = '\0';
    RETRY(folder, open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder < 0)
        return;
    RETRY(result, fsync(folder));
    close(folder);
}

/* ---- in place, where nothing can be put beside the file or over it ---- */

/* The room that the new content needs beyond the old, before any of the old is gone. */
static cn_status make_room(int file, const replacement *r, off_t length) {
#if defined(_POSIX_ADVISORY_INFO) && _POSIX_ADVISORY_INFO > 0
    int error = length > r->old.st_size ? posix_fallocate(file, 0, length) : 0;
    if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
        (void)!ftruncate(file, r->old.st_size);
        errno = error;
        return failed("write", r->target);
    }
#endif
    return CN_OK;
}

static cn_status write_in_place(const replacement *r) {
    off_t length = 0;
    int file;
    for (int i = 0; i < r->count; i++)
        length += (off_t)r->pieces[i].iov_len;
    RETRY(file, open(r->target, O_WRONLY | O_CLOEXEC));
    if (file < 0)
        return failed("write", r->target);
    cn_status status = make_room(file, r, length);
    if (status == CN_OK)
        status = write_all(file, r);
    if (status == CN_OK && ftruncate(file, length) != 0)
        status = failed("cut off the rest of", r->target);
    return close_after(status, file, r->target);
}

/* The temporary file could not take the target's place: so its content goes into the target, and only when that has
 * come to its end is the temporary file removed. */
static cn_status instead_of_renaming(const replacement *r) {
    cn_status status = failed("replace", r->target);
    if (r->exists)
        status = write_in_place(r);
    if (status == CN_OK)
        unlink(r->temporary);
    else
        status = cn__error(status, "%s; the new content is in '%s'", cn_last_error(), r->temporary);
    return status;
}

/* Nothing may be made beside the target. */
static cn_status instead_of_creating(const replacement *r) {
    cn_status status = failed("create a file beside", r->target);
    bool may_not = errno == EACCES || errno == EPERM || errno == EROFS;
    return r->exists && may_not ? write_in_place(r) : status;
}

static cn_status replace(replacement *r) {
    int result, file = create(r);
    if (file < 0)
        return instead_of_creating(r);
    cn_status status = keep_permissions(file, r);
    if (status == CN_OK)
        status = write_all(file, r);
    status = close_after(status, file, r->target);
    if (status != CN_OK) {
        unlink(r->temporary);
        return status;
    }
    RETRY(result, rename(r->temporary, r->target));
    if (result != 0)
        return instead_of_renaming(r);
    sync_folder(r->temporary);
    return CN_OK;
}

cn_status cn__replace_file(cn_context *ctx, const char *path, const struct iovec *pieces, int count) {
    replacement r = {.path = path, .size = strlen(path) + PATH_MAX + TEMPORARY_BYTES, .pieces = pieces, .count = count};
    r.target = cn__alloc(ctx, 2, r.size);
    if (!r.target)
        return cn__no_memory("a file's name");
    r.temporary = r.target + r.size;
    cn_status status = find_target(&r);
    if (status == CN_OK) {
        remove_stale(&r);
        status = replace(&r);
    }
    cn__free(ctx, r.target);
    return status;
}
