/* read_file.c: a whole file into memory. */
#include "io/io.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static cn_status failed(const char *what, const char *path) {
    return cn__error(CN_ERR_IO, "cannot %s '%s': %s", what, path, strerror(errno));
}

/* The size that fstat has found; a file that turns out shorter is an error, a longer one is cut. */
static cn_status read_all(int file, const char *path, unsigned char *data, size_t bytes) {
    size_t done = 0;
    while (done < bytes) {
        ssize_t got = read(file, data + done, bytes - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return failed("read", path);
        if (got == 0)
            return cn__error(CN_ERR_IO, "cannot read '%s': it ends after %zu of %zu bytes", path, done, bytes);
        done += (size_t)got;
    }
    return CN_OK;
}

static cn_status read_open(cn_context *ctx, int file, const char *path, unsigned char **data, size_t *bytes) {
    struct stat status;
    if (fstat(file, &status) != 0)
        return failed("look at", path);
    if (!S_ISREG(status.st_mode))
        return cn__error(CN_ERR_IO, "cannot read '%s': it is not a regular file", path);
    *bytes = (size_t)status.st_size;
    *data = cn__alloc(ctx, *bytes, 1);
    if (!*data)
        return cn__error(CN_ERR_MEMORY, "no memory for the %zu bytes of '%s'", *bytes, path);
    return read_all(file, path, *data, *bytes);
}

cn_status cn__read_file(cn_context *ctx, const char *path, unsigned char **data, size_t *bytes) {
    *data = NULL;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* so that a pipe without a writer does not block */
    if (file < 0)
        return failed("open", path);
    cn_status status = read_open(ctx, file, path, data, bytes);
    close(file);
    if (status != CN_OK) {
        cn__free(ctx, *data);
        *data = NULL;
    }
    return status;
}
