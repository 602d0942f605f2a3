/* SPDX-License-Identifier: MIT */
/* idx_search.c: where the files of MNIST and its relatives lie, under the names that they have where they come from. */
#include "data/idx.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define MAX_NAME  256
#define MAX_DEPTH 2 /* folders below the one that is named: torchvision's MNIST/raw */

/* What is looked for, and the best that has been found. */
typedef struct search {
    cn_context *ctx;
    const char *only; /* what the names begin with, such as "emnist-letters"; NULL: anything */
    cn_split split;
    const char *what;        /* "images" or "labels" */
    char prefix[MAX_NAME];   /* of what has been found */
    char path[CN__MAX_PATH]; /* "": nothing */
    int rank;                /* the lower the better */
} search;

/* In small letters, with '-' for '.' and '_', and without ".gz", which gives `packed`. */
static void plain_name(const char *name, char plain[MAX_NAME], bool *packed) {
    size_t length = 0;
    for (; length < MAX_NAME - 1 && name[length]; length++)
        plain[length] = (char)(strchr("._", name[length]) ? '-' : tolower((unsigned char)name[length]));
    plain[length] = '\0';
    *packed = length > 3 && strcmp(plain + length - 3, "-gz") == 0;
    if (*packed)
        plain[length - 3] = '\0';
}

/* Whether a file has such a name: [prefix-]train-images-idx3-ubyte. */
static bool fits(const search *s, const char *name, char prefix[MAX_NAME], bool *packed) {
    static const char *const words[2][2] = {{"train", "train"}, {"t10k", "test"}};
    char plain[MAX_NAME], pattern[64];
    plain_name(name, plain, packed);
    for (int i = 0; i < 2; i++) {
        snprintf(pattern, sizeof pattern, "%s-%s-idx", words[s->split][i], s->what);
        const char *at = strstr(plain, pattern);
        if (!at || (at > plain && at[-1] != '-'))
            continue;
        snprintf(prefix, MAX_NAME, "%.*s", (int)(at > plain ? at - plain - 1 : 0), plain);
        return !s->only || strcmp(prefix, s->only) == 0;
    }
    return false;
}

/* Takes a file if it is better than what there is: plain before packed, alone before in a folder of its name. */
static cn_status take(search *s, const char *path, const char *prefix, int rank) {
    if (s->path[0] && strcmp(prefix, s->prefix) != 0)
        return cn__error(
            CN_ERR_DATA,
            "there are several sets of images: '%s' and '%s'; name one by what its files' names begin with, "
            "such as DIR/emnist-letters",
            s->path, path);
    if (s->path[0] && s->rank <= rank)
        return CN_OK;
    s->rank = rank;
    snprintf(s->prefix, sizeof s->prefix, "%s", prefix);
    snprintf(s->path, sizeof s->path, "%s", path);
    return CN_OK;
}

/* A file of that name, or a folder around one, as some archives have it. */
static cn_status look_at(search *s, const char *path, const char *name) {
    char prefix[MAX_NAME], inner[CN__MAX_PATH];
    bool packed, folder;
    if (!fits(s, name, prefix, &packed))
        return CN_OK;
    CN__TRY(cn__is_directory(path, &folder));
    if (!folder)
        return take(s, path, prefix, packed);
    CN__TRY(cn__path(inner, path, name, ""));
    cn__names n = {.ctx = s->ctx};
    cn_status status = cn__directory_read(path, &n);
    for (size_t i = 0; i < n.count && status == CN_OK; i++)
        if (fits(s, n.name[i], prefix, &packed)) {
            status = cn__path(inner, path, n.name[i], "");
            if (status == CN_OK)
                status = cn__is_directory(inner, &folder);
            if (status == CN_OK && !folder)
                status = take(s, inner, prefix, 2 + packed);
        }
    cn__names_drop(&n);
    return status;
}

static cn_status look_in(search *s, const char *directory, int depth) {
    char path[CN__MAX_PATH];
    cn__names n = {.ctx = s->ctx};
    cn_status status = cn__directory_read(directory, &n);
    for (size_t i = 0; i < n.count && status == CN_OK; i++) {
        status = cn__path(path, directory, n.name[i], "");
        if (status == CN_OK)
            status = look_at(s, path, n.name[i]);
    }
    bool here = s->path[0] != '\0';
    for (size_t i = 0; i < n.count && status == CN_OK && !here && depth < MAX_DEPTH; i++) {
        char before[CN__MAX_PATH];
        bool folder = false;
        status = cn__path(path, directory, n.name[i], "");
        if (status == CN_OK)
            status = cn__is_directory(path, &folder);
        if (status != CN_OK || !folder)
            continue;
        memcpy(before, s->path, sizeof before);
        s->path[0] = '\0';
        status = look_in(s, path, depth + 1);
        if (status == CN_OK && before[0] && s->path[0])
            status = cn__error(CN_ERR_DATA, "there are several sets of images: '%s' and '%s'; name the folder of one",
                               before, s->path);
        if (!s->path[0])
            memcpy(s->path, before, sizeof before);
    }
    cn__names_drop(&n);
    return status;
}

/* DIR, or DIR/PREFIX where there is no such folder. */
static cn_status find(search *s, const char *directory) {
    char parent[CN__MAX_PATH], prefix[MAX_NAME];
    bool packed, is_folder, in_folder;
    const char *slash = strrchr(directory, '/');
    s->path[0] = '\0';
    CN__TRY(cn__is_directory(directory, &is_folder));
    if (slash && slash > directory && slash[1] && !is_folder) {
        snprintf(parent, sizeof parent, "%.*s", (int)(slash - directory), directory);
        CN__TRY(cn__is_directory(parent, &in_folder));
        if (!in_folder)
            return look_in(s, directory, 0);
        plain_name(slash + 1, prefix, &packed);
        s->only = prefix;
        cn_status status = look_in(s, parent, 0);
        s->only = NULL;
        if (status != CN_OK || s->path[0])
            return status;
    }
    return look_in(s, directory, 0);
}

cn_status cn__idx_find(cn_context *ctx, const char *directory, cn_split split, bool labels, char path[CN__MAX_PATH]) {
    search *s = cn__alloc(ctx, 1, sizeof *s);
    if (!s)
        return cn__no_memory("the names of a folder");
    s->ctx = ctx;
    s->split = split;
    s->what = labels ? "labels" : "images";
    cn_status status = find(s, directory);
    if (status == CN_OK && !s->path[0])
        status =
            cn__error(CN_ERR_IO,
                      "'%s' has no '%s-%s-idx%d-ubyte', as MNIST's site calls it, plain or .gz, nor one of the other "
                      "usual names",
                      directory, split == CN_SPLIT_TRAIN ? "train" : "t10k", s->what, labels ? 1 : 3);
    memcpy(path, s->path, CN__MAX_PATH);
    cn__free(ctx, s);
    return status;
}
