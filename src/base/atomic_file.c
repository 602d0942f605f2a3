/* SPDX-License-Identifier: MIT */
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
#define TEMPORARY_BYTES 32 /* of what is added to a name */

/* First thing after the call that failed, while errno is that call's. */
static cn_status failed(const char *what, const char *path) {
    return cn__error(CN_ERR_IO, "cannot %s '%s': %s", what, path, strerror(errno));
}

/* ---- where it goes ---- */

typedef struct replacement {
    cn_context *ctx;
    const char *path; /* the caller's */
    char *target;     /* the file behind links, which need not be there yet */
    char *temporary;  /* beside it */
    size_t size;      /* of the memory of both names, each */
    size_t folder;    /* bytes of target in front of its name */
    size_t stem;      /* bytes of target that temporary's name begins with */
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

/* All of the target, unless what is added made a name or path too long; then characters of UTF-8 stay whole. */
static size_t find_stem(const char *target, size_t folder) {
    size_t whole = strlen(target), most = folder + NAME_MAX - TEMPORARY_BYTES;
    if (most > PATH_MAX - 1 - TEMPORARY_BYTES)
        most = PATH_MAX - 1 - TEMPORARY_BYTES;
    if (whole <= most)
        return whole;
    while (most > folder && (target[most] & 0xc0) == 0x80)
        most--;
    return most > folder ? most : folder;
}

static cn_status find_target(replacement *r) {
    int result;
    if (r->path[0] == '\0')
        return cn__error(CN_ERR_IO, "cannot write a file whose name is empty");
    memcpy(r->target, r->path, strlen(r->path) + 1);
    for (int links = 0; (result = lstat(r->target, &r->old)) == 0 && S_ISLNK(r->old.st_mode); links++) {
        if (links == MAX_LINKS)
            return cn__error(CN_ERR_IO, "cannot replace '%s': a loop of links", r->path);
        CN__TRY(follow(r->target, r->size - TEMPORARY_BYTES));
    }
    r->exists = result == 0;
    if (!r->exists && errno != ENOENT)
        return failed("write", r->target);
    if (r->exists && !S_ISREG(r->old.st_mode))
        return cn__error(CN_ERR_IO, "cannot replace '%s': it is not a regular file", r->path);
    char *slash = strrchr(r->target, '/');
    r->folder = slash ? (size_t)(slash + 1 - r->target) : 0;
    r->stem = find_stem(r->target, r->folder);
    return CN_OK;
}

/* ---- what earlier processes have left ---- */

/* Whether the name is that of a temporary file, of a process that is gone, or of this one: after a restart of its
 * container a process often has the number that it had. */
static bool may_be_stale(const char *name, const char *stem, size_t length) {
    char *end;
    if (strncmp(name, stem, length) != 0 || strncmp(name + length, TEMPORARY, strlen(TEMPORARY)) != 0)
        return false;
    name += length + strlen(TEMPORARY);
    long pid = *name >= '0' && *name <= '9' ? strtol(name, &end, 10) : 0;
    if (pid <= 0 || pid > INT_MAX || *end != '-')
        return false;
    size_t digits = strspn(end + 1, "0123456789");
    if (digits == 0 || end[1 + digits] != '\0')
        return false;
    return (pid_t)pid == getpid() || (kill((pid_t)pid, 0) != 0 && errno == ESRCH);
}

/* Whether the name is still that of the open file, which may have been renamed before it was locked. */
static bool is_called(int file, int folder, const char *name) {
    struct stat info, named;
    return fstat(file, &info) == 0 && S_ISREG(info.st_mode) &&
           fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && named.st_ino == info.st_ino &&
           named.st_dev == info.st_dev;
}

/* A process of another container or machine cannot be seen from here, but it holds a lock while it writes; so does
 * another thread. */
static void remove_unlocked(int folder, const char *name) {
    int file = openat(folder, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0)
        return;
    if (flock(file, LOCK_EX | LOCK_NB) == 0 && is_called(file, folder, name))
        (void)unlinkat(folder, name, 0);
    close(file);
}

static void remove_stale(const replacement *r) {
    memcpy(r->temporary, r->target, r->folder);
    r->temporary[r->folder] = '\0';
    DIR *folder = opendir(r->folder ? r->temporary : ".");
    if (!folder)
        return; /* the next one will do it */
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (may_be_stale(entry->d_name, r->target + r->folder, r->stem - r->folder))
            remove_unlocked(dirfd(folder), entry->d_name);
    closedir(folder);
}

/* ---- writing ---- */

/* Takes a new file for its own until it is closed. False: another process has taken it for a stale one, which it removes
 * or has removed. Where files cannot be locked, nobody removes any. */
static bool claim(int file) {
    struct stat info;
    int result;
    CN__RETRY(result, flock(file, LOCK_EX | LOCK_NB));
    if (result != 0 && errno == EWOULDBLOCK)
        return false;
    return fstat(file, &info) != 0 || info.st_nlink > 0;
}

/* A new file beside the target, under a name that nobody uses; -1: errno says why not. Made with open, not mkstemp, so
 * that its permissions are those of any new file. */
static int create(replacement *r) {
    for (int i = 0; i < TRIES; i++) {
        int file;
        snprintf(r->temporary, r->size, "%.*s" TEMPORARY "%ld-%d", (int)r->stem, r->target, (long)getpid(), i);
        CN__RETRY(file, open(r->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
        if (file < 0 && errno != EEXIST)
            return -1;
        if (file >= 0 && claim(file))
            return file;
        if (file >= 0)
            close(file);
    }
    errno = EEXIST;
    return -1;
}

static cn_status write_piece(int file, const char *target, const char *data, size_t bytes) {
    while (bytes > 0) {
        ssize_t written = write(file, data, bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written == 0)
            errno = EIO; /* which no regular file should give */
        if (written <= 0)
            return failed("write", target);
        data += written;
        bytes -= (size_t)written;
    }
    return CN_OK;
}

static cn_status write_pieces(int file, const char *target, const struct iovec *pieces, int count) {
    for (int i = 0; i < count; i++)
        CN__TRY(write_piece(file, target, pieces[i].iov_base, pieces[i].iov_len));
    return CN_OK;
}

static cn_status sync_file(int file, const char *target) {
    int result;
    CN__RETRY(result, fsync(file));
    return result == 0 ? CN_OK : failed("sync", target);
}

/* Closes it whatever came before. After EINTR a file is closed on Linux, and must not be closed twice on any system. */
static cn_status close_after(cn_status status, int file, const char *target) {
    return close(file) != 0 && errno != EINTR && status == CN_OK ? failed("close", target) : status;
}

/* Those of the file that is replaced. Asked for only where they differ: not every file system can. */
static cn_status keep_permissions(int file, const replacement *r) {
    struct stat made;
    int result;
    if (!r->exists || (fstat(file, &made) == 0 && ((made.st_mode ^ r->old.st_mode) & 0777) == 0))
        return CN_OK;
    CN__RETRY(result, fchmod(file, r->old.st_mode & 0777));
    return result == 0 ? CN_OK : failed("set the permissions of", r->target);
}

/* Makes the new name lasting. The file has been replaced by now, so a file system that cannot is no failure. */
static void sync_folder(char *path) {
    char *slash = strrchr(path, '/');
    int folder, result;
    if (slash)
        slash[slash == path] = '\0';
    CN__RETRY(folder, open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder < 0)
        return;
    CN__RETRY(result, fsync(folder));
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

/* Writes the pieces over what is in the file, and cuts off the rest of that. */
static cn_status overwrite(int file, const char *target, const struct iovec *pieces, int count, off_t length) {
    int result;
    if (lseek(file, 0, SEEK_SET) < 0)
        return failed("write", target);
    CN__TRY(write_pieces(file, target, pieces, count));
    CN__RETRY(result, ftruncate(file, length));
    return result == 0 ? sync_file(file, target) : failed("cut off the rest of", target);
}

/* What is in the file now; NULL, without a failure, if it may not be read. */
static cn_status read_old(const replacement *r, struct iovec *old) {
    cn__file file;
    *old = (struct iovec){NULL, 0};
    if (cn__file_open(r->ctx, r->target, &file) != CN_OK)
        return CN_OK;
    old->iov_len = (size_t)file.size;
    old->iov_base = cn__alloc(r->ctx, old->iov_len + 1, 1);
    cn_status status = old->iov_base ? cn__file_read(&file, old->iov_base, old->iov_len) : cn__no_memory("an old file");
    cn__file_close(&file);
    return status;
}

/* If writing fails in the middle, the old content is put back; if that fails, too, it is `lost`. */
static cn_status exchange(int file, const replacement *r, const struct iovec *old, bool *lost) {
    char message[512];
    off_t length = 0;
    for (int i = 0; i < r->count; i++)
        length += (off_t)r->pieces[i].iov_len;
    CN__TRY(make_room(file, r, length));
    cn_status status = overwrite(file, r->target, r->pieces, r->count, length);
    if (status == CN_OK)
        return CN_OK;
    snprintf(message, sizeof message, "%s", cn_last_error());
    *lost = !old->iov_base || overwrite(file, r->target, old, 1, (off_t)old->iov_len) != CN_OK;
    return cn__error(status, "%s%s", message, *lost ? "; what it held is damaged" : "");
}

static cn_status write_in_place(const replacement *r, bool *lost) {
    struct iovec old = {NULL, 0};
    int file;
    *lost = false;
    CN__RETRY(file, open(r->target, O_WRONLY | O_CLOEXEC));
    if (file < 0)
        return failed("write", r->target);
    cn_status status = read_old(r, &old);
    if (status == CN_OK)
        status = exchange(file, r, &old, lost);
    cn__free(r->ctx, old.iov_base);
    return close_after(status, file, r->target);
}

/* The file may be written to, but nothing may be made beside it or put in its place: for want of a permission, or
 * because it is mounted by itself, as into a container. */
static bool is_fixed(const replacement *r, int error) {
    return r->exists && (error == EACCES || error == EPERM || error == EROFS || error == EBUSY);
}

/* The temporary file could not take the target's place. It is all there is if the old content is lost. */
static cn_status instead_of_renaming(const replacement *r) {
    int error = errno;
    bool lost = false;
    cn_status status = failed("replace", r->target);
    if (is_fixed(r, error))
        status = write_in_place(r, &lost);
    if (lost)
        return cn__error(status, "%s; the new content is in '%s'", cn_last_error(), r->temporary);
    unlink(r->temporary);
    return status;
}

static cn_status instead_of_creating(const replacement *r) {
    int error = errno;
    bool lost;
    cn_status status = failed("create a file beside", r->target);
    return is_fixed(r, error) ? write_in_place(r, &lost) : status;
}

/* Synced, so that the new name never stands for less than the new content. */
static cn_status fill(int file, const replacement *r) {
    CN__TRY(keep_permissions(file, r));
    CN__TRY(write_pieces(file, r->target, r->pieces, r->count));
    return sync_file(file, r->target);
}

static cn_status replace(replacement *r) {
    int result, file = create(r);
    if (file < 0)
        return instead_of_creating(r);
    cn_status status = fill(file, r);
    if (status == CN_OK) {
        CN__RETRY(result, rename(r->temporary, r->target));
        if (result != 0)
            status = instead_of_renaming(r);
        else
            sync_folder(r->temporary);
    } else {
        unlink(r->temporary);
    }
    close(file); /* last, since that gives the lock up; what has been synced cannot fail any more */
    return status;
}

cn_status cn__replace_file(cn_context *ctx, const char *path, const struct iovec *pieces, int count) {
    replacement r = {
        .ctx = ctx, .path = path, .size = strlen(path) + PATH_MAX + TEMPORARY_BYTES, .pieces = pieces, .count = count};
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
