/* SPDX-License-Identifier: MIT */
/* output_files.c: files that a long run writes, which are tried out before it begins. */
#include "outputs.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <strings.h> /* strcasecmp */
#include <sys/stat.h>
#include <unistd.h>

#define LONGEST_STEM 223 /* bytes of a name, of at most 255, to which something is added */

/* ---- plain files: signals interrupt these calls on some file systems ---- */

int file_open(const char *path, int flags) {
    int file;
    do {
        file = open(path, flags | O_CLOEXEC, 0666);
    } while (file < 0 && errno == EINTR);
    return file;
}

bool file_write(int file, const void *data, size_t bytes) {
    const char *at = data;
    while (bytes > 0) {
        ssize_t written = write(file, at, bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        at += written;
        bytes -= (size_t)written;
    }
    return true;
}

/* As many bytes as there are, up to `most`; -1: errno says why not. */
static ssize_t file_read(int file, char *to, size_t most) {
    size_t got = 0;
    while (got < most) {
        ssize_t now = read(file, to + got, most - got);
        if (now < 0 && errno == EINTR)
            continue;
        if (now < 0)
            return -1;
        if (now == 0)
            break;
        got += (size_t)now;
    }
    return (ssize_t)got;
}

char *file_text(const char *path, size_t most) {
    int file = file_open(path, O_RDONLY);
    if (file < 0)
        return NULL;
    char *text = malloc(most + 1);
    ssize_t got = text ? file_read(file, text, most) : -1;
    int error = errno;
    close(file);
    if (got >= 0) {
        text[got] = '\0';
        return text;
    }
    free(text);
    errno = error;
    return NULL;
}

/* ---- which file a path means ---- */

/* An existing file, or the name that a new one would have in its folder. */
typedef struct identity {
    bool known;
    dev_t device;
    ino_t node;
    char name[NAME_MAX + 1]; /* "" for an existing one */
} identity;

static identity folder_entry(const char *path) {
    struct stat status;
    identity id = {.known = false};
    char *folder = strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;
    snprintf(id.name, sizeof id.name, "%s", slash ? slash + 1 : path);
    if (slash)
        slash[slash == folder] = '\0';
    if (folder && stat(slash ? folder : ".", &status) == 0) {
        id.known = true;
        id.device = status.st_dev;
        id.node = status.st_ino;
    }
    free(folder);
    return id;
}

/* /dev/null and terminals take anything, so they are not known. */
static identity identify(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0)
        return folder_entry(path);
    return (identity){.known = !S_ISCHR(status.st_mode), .device = status.st_dev, .node = status.st_ino};
}

static bool same_file(const identity *a, const identity *b) {
    return a->known && b->known && a->device == b->device && a->node == b->node && strcmp(a->name, b->name) == 0;
}

/* Of files that were given; to be freed. */
static identity *identify_all(const named_file *files, size_t count) {
    identity *id = calloc(count + 1, sizeof *id);
    if (!id) {
        complain("no memory to tell %zu files apart", count);
        exit(EXIT_FAILURE);
    }
    for (size_t i = 0; i < count; i++)
        if (files[i].path)
            id[i] = identify(files[i].path);
    return id;
}

static _Noreturn void complain_same(const named_file *a, const named_file *b) {
    if (strcmp(a->path, b->path) == 0)
        complain_usage("%s and %s are both '%s'", a->option, b->option, a->path);
    complain_usage("%s '%s' and %s '%s' are the same file", a->option, a->path, b->option, b->path);
}

void files_must_differ(const named_file *files, size_t count) {
    identity *id = identify_all(files, count);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (same_file(&id[k], &id[i]))
                complain_same(&files[k], &files[i]);
    free(id);
}

void files_must_spare(const named_file *inputs, size_t input_count, const named_file *outputs, size_t output_count) {
    identity *in = identify_all(inputs, input_count), *out = identify_all(outputs, output_count);
    for (size_t i = 0; i < output_count; i++)
        for (size_t k = 0; k < input_count; k++)
            if (same_file(&in[k], &out[i]))
                complain_same(&inputs[k], &outputs[i]);
    free(in);
    free(out);
}

void output_is_model(const char *option, const char *path) {
    static const char *const others[] = {".onnx", ".npz", ".npy", ".pt", ".pth", ".h5", ".keras", ".tflite", ".pb"};
    const char *ending = path ? strrchr(path, '.') : NULL;
    for (size_t i = 0; ending && i < COUNT(others); i++)
        if (strcasecmp(ending, others[i]) == 0)
            complain_usage("%s '%s': want a name such as %.*s.safetensors; convnet-convert makes .onnx and .npz of it",
                           option, path, (int)(ending - path), path);
}

void output_is_svg(const char *option, const char *path) {
    const char *name = path ? strrchr(path, '/') : NULL, *ending = path ? strrchr(path, '.') : NULL;
    if (path && (!ending || ending < name || strcasecmp(ending, ".svg") != 0))
        complain_usage("%s '%s': it is drawn as SVG: want a name that ends in .svg", option, path);
}

/* ---- trying them out ---- */

char *output_unique(const char *stem) {
    static const char ending[] = ".XXXXXX"; /* mkstemp's */
    char *path = malloc(strlen(stem) + sizeof ending);
    if (!path)
        return NULL;
    strcpy(path, stem);
    strcat(path, ending);
    int file = mkstemp(path);
    if (file >= 0) {
        close(file);
        return path;
    }
    free(path);
    return NULL;
}

static bool writable(const char *path) {
    int file = file_open(path, O_WRONLY);
    if (file >= 0)
        close(file);
    return file >= 0;
}

/* A new file beside that of `path`, called as the library calls its temporary ones, so that if we are killed the next save
 * removes it. -1: errno says why there is none. */
static int trial_open(const char *path, char *trial, size_t size) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    int file, stem = (int)(name - path) + (int)(strlen(name) < LONGEST_STEM ? strlen(name) : LONGEST_STEM), number = 0;
    do {
        snprintf(trial, size, "%.*s.tmp-%ld-%d", stem, path, (long)getpid(), number++);
        file = file_open(trial, O_WRONLY | O_CREAT | O_EXCL);
    } while (file < 0 && errno == EEXIST && number < 100);
    return file;
}

/* Whether there is room for the model. */
static bool trial_write(int file, const char *path, const cn_model *model) {
    cn_tensor *bytes;
    if (!model)
        return true;
    if (cn_model_save_memory(model, &bytes) != CN_OK) {
        complain("cannot save the model as '%s': %s", path, library_error());
        return false;
    }
    bool good = file_write(file, cn_tensor_data(bytes), (size_t)cn_tensor_count(bytes));
    if (!good)
        complain("cannot save the model as '%s': %s", path, strerror(errno));
    cn_tensor_free(bytes);
    return good;
}

static bool trial_beside(const char *path, const cn_model *model, bool open) {
    size_t size = strlen(path) + 64;
    char *trial = malloc(size);
    errno = ENOMEM;
    int file = trial ? trial_open(path, trial, size) : -1;
    bool good = file >= 0 || open; /* if nothing can be put beside it, it will be written in place */
    if (!good)
        complain("cannot write '%s': %s", path, strerror(errno));
    if (file >= 0) {
        good = trial_write(file, path, model);
        close(file);
        unlink(trial);
    }
    free(trial);
    return good;
}

/* The name that a link means which leads to no file yet, into `end`; false: errno says why it means none. */
static bool link_end(const char *path, char end[PATH_MAX]) {
    char next[PATH_MAX];
    enum { MOST_LINKS = 40 };
    snprintf(end, PATH_MAX, "%s", path);
    for (int links = 0; links < MOST_LINKS; links++) {
        ssize_t length = readlink(end, next, sizeof next - 1);
        if (length < 0)
            return errno == EINVAL || errno == ENOENT; /* no link, or nothing there */
        next[length] = '\0';
        char *slash = strrchr(end, '/');
        size_t folder = next[0] == '/' || !slash ? 0 : (size_t)(slash + 1 - end);
        if (folder + (size_t)length >= PATH_MAX) {
            errno = ENAMETOOLONG;
            return false;
        }
        memcpy(end + folder, next, (size_t)length + 1);
    }
    errno = ELOOP;
    return false;
}

/* A new file, or the one that a link would lead to. */
static bool new_possible(const char *path, const cn_model *model) {
    char end[PATH_MAX];
    if (errno != ENOENT || !link_end(path, end)) {
        complain("cannot write '%s': %s", path, strerror(errno));
        return false;
    }
    return trial_beside(end, model, false);
}

bool output_possible(const char *path, const cn_model *model) {
    struct stat status;
    bool there = stat(path, &status) == 0;
    if (!there)
        return new_possible(path, model);
    if (!S_ISREG(status.st_mode)) {
        complain("cannot write '%s': it is not a plain file", path);
        return false;
    }
    errno = 0;
    bool open = writable(path);
    if (!open && (errno == EPERM || errno == EROFS)) { /* chattr +i, a read-only file system */
        complain("cannot write '%s': %s", path, strerror(errno));
        return false;
    }
    return trial_beside(path, model, open);
}

bool output_holds_something(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0)
        return errno != ENOENT && errno != ENOTDIR;
    return S_ISREG(status.st_mode) && status.st_size > 0;
}

/* ---- data ---- */

/* Also if that cannot be told. */
static bool may_lie_in(const char *path, const char *folder) {
    char file[PATH_MAX], base[PATH_MAX];
    if (!realpath(path, file))
        return errno != ENOENT && errno != ENOTDIR;
    if (!realpath(folder, base))
        return true;
    size_t length = strlen(base);
    return strncmp(file, base, length) == 0 && (file[length] == '/' || base[length - 1] == '/');
}

/* By its first bytes: a log's header, or a safetensors file's length of its header, below 4 GiB, which is JSON; or empty.
 * A pixel may be a brace. */
static bool is_ours(const char *start, size_t bytes) {
    return bytes == 0 || strncmp(start, EPOCH_LOG_BEGINS, strlen(EPOCH_LOG_BEGINS)) == 0 ||
           (bytes > 8 && memcmp(start + 4, "\0\0\0\0{", 5) == 0);
}

/* Files that are data are named, and files_must_spare sees to them. */
static bool is_folder(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool output_spares_data(const char *path, const char *folder) {
    char start[64] = "";
    if (!folder || !is_folder(folder) || !may_lie_in(path, folder))
        return true;
    int file = file_open(path, O_RDONLY);
    ssize_t bytes = file < 0 ? -1 : file_read(file, start, sizeof start - 1);
    if (bytes < 0)
        complain("cannot read '%s', to see whether it belongs to the data: %s", path, strerror(errno));
    else if (!is_ours(start, (size_t)bytes))
        complain("'%s' lies with the data, and is neither a model nor a log; choose another name", path);
    if (file >= 0)
        close(file);
    return bytes >= 0 && is_ours(start, (size_t)bytes);
}
