/* SPDX-License-Identifier: MIT */
/* folder_layout.c: which folder holds the classes, and whether it holds parts for training and testing instead. */
#include "data/folder_layout.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MAX_WRAPPERS 4 /* folders around the one that counts, as archives make them */

/* ---- the names of parts ---- */

static const struct {
    const char *word;
    int part;
} part_words[] = {{"train", CN__PART_TRAIN},    {"training", CN__PART_TRAIN},   {"test", CN__PART_TEST},
                  {"testing", CN__PART_TEST},   {"eval", CN__PART_TEST},        {"evaluation", CN__PART_TEST},
                  {"val", CN__PART_VALIDATION}, {"valid", CN__PART_VALIDATION}, {"validation", CN__PART_VALIDATION},
                  {"dev", CN__PART_VALIDATION}};
static const char *const part_endings[] = {"", "set", "data", "dataset", "images", "imgs", "pictures", "split"};

int cn__folder_part(const char *name) {
    for (size_t i = 0; i < CN__COUNT(part_words); i++) {
        size_t length = strlen(part_words[i].word);
        if (strncasecmp(name, part_words[i].word, length) != 0)
            continue;
        const char *rest = name + length + (name[length] == '_' || name[length] == '-' || name[length] == ' ');
        for (size_t k = 0; k < CN__COUNT(part_endings); k++)
            if (strcasecmp(rest, part_endings[k]) == 0)
                return part_words[i].part;
    }
    return -1;
}

cn_status cn__no_validation(const char *path) {
    return cn__error(CN_ERR_NOT_FOUND, "'%s' has no part for validation beside one for testing", path);
}

/* ---- what a folder holds ---- */

typedef struct survey {
    cn__names folders;
    size_t pictures, parts; /* parts: of the folders */
} survey;

static cn_status survey_entries(const char *path, const cn__names *entries, survey *s) {
    char below[CN__MAX_PATH];
    bool folder;
    for (size_t i = 0; i < entries->count; i++) {
        CN__TRY(cn__path(below, path, entries->name[i], ""));
        CN__TRY(cn__is_directory(below, &folder));
        if (folder) {
            CN__TRY(cn__names_add(&s->folders, entries->name[i]));
            s->parts += cn__folder_part(entries->name[i]) >= 0;
        } else {
            s->pictures += cn__is_picture_name(entries->name[i]);
        }
    }
    return CN_OK;
}

/* Its `folders` are to be dropped also after a failure. */
static cn_status survey_folder(cn_context *ctx, const char *path, survey *s) {
    cn__names entries = {.ctx = ctx};
    *s = (survey){.folders = {.ctx = ctx}};
    cn_status status = cn__directory_read(path, &entries);
    if (status == CN_OK)
        status = survey_entries(path, &entries, s);
    cn__names_drop(&entries);
    return status;
}

/* How many folders and pictures lie in root/name. */
static cn_status look_into(cn_context *ctx, const char *root, const char *name, size_t *folders, size_t *pictures) {
    char path[CN__MAX_PATH];
    survey s;
    CN__TRY(cn__path(path, root, name, ""));
    cn_status status = survey_folder(ctx, path, &s);
    *folders = s.folders.count;
    *pictures = s.pictures;
    cn__names_drop(&s.folders);
    return status;
}

/* ---- what that makes it ---- */

static cn_status no_classes(const char *path, const survey *s) {
    if (s->pictures > 0)
        return cn__error(CN_ERR_NOT_FOUND,
                         "'%s' has no subfolders, which would be the classes, but %zu picture%s; wanted is the folder "
                         "that has a folder for each class",
                         path, s->pictures, s->pictures == 1 ? "" : "s");
    return cn__error(CN_ERR_NOT_FOUND, "'%s' has no subfolders, which would be the classes", path);
}

static cn_status note_parts(cn__folder_layout *l, const survey *s) {
    for (size_t i = 0; i < s->folders.count; i++) {
        const char *name = s->folders.name[i];
        int part = cn__folder_part(name);
        if (part < 0)
            continue;
        if (l->part[part][0])
            return cn__error(CN_ERR_DATA, "'%s' has two parts of one kind, '%s' and '%s'", l->root, l->part[part],
                             name);
        snprintf(l->part[part], CN__PART_NAME, "%s", name);
    }
    return CN_OK;
}

/* A part beside other folders must be a class, which holds pictures and no folders (vehicles: bus, car, train). */
static cn_status check_classes(cn_context *ctx, const cn__folder_layout *l, const survey *s) {
    for (size_t i = 0; i < s->folders.count; i++) {
        size_t folders, pictures;
        if (cn__folder_part(s->folders.name[i]) < 0)
            continue;
        CN__TRY(look_into(ctx, l->root, s->folders.name[i], &folders, &pictures));
        if (folders > 0)
            return cn__error(
                CN_ERR_DATA,
                "'%s/%s' looks like a part for training or testing, but lies beside folders that look like "
                "classes",
                l->root, s->folders.name[i]);
    }
    return CN_OK;
}

static void say_passed_over(cn_context *ctx, const cn__folder_layout *l, const survey *s) {
    for (size_t i = 0; i < s->folders.count && !l->quiet; i++)
        if (cn__folder_part(s->folders.name[i]) < 0)
            cn__log(ctx, CN_LOG_WARNING, "passed over: '%s/%s', which is none of the parts beside it", l->root,
                    s->folders.name[i]);
}

/* Parts for training and testing, whatever else is there. */
static cn_status take_parts(cn_context *ctx, cn__folder_layout *l, const survey *s) {
    l->parts = true;
    CN__TRY(note_parts(l, s));
    say_passed_over(ctx, l, s);
    return CN_OK;
}

/* The training part, or if there is none the first. */
static const char *main_part(const survey *s) {
    const char *first = NULL;
    for (size_t i = 0; i < s->folders.count; i++) {
        int part = cn__folder_part(s->folders.name[i]);
        if (part == CN__PART_TRAIN)
            return s->folders.name[i];
        if (part >= 0 && !first)
            first = s->folders.name[i];
    }
    return first;
}

/* Whether there are two parts or more, and the main one holds folders, which would be classes. */
static cn_status find_parts(cn_context *ctx, const cn__folder_layout *l, const survey *s, bool *found) {
    size_t folders = 0, pictures;
    *found = false;
    if (s->parts < 2)
        return CN_OK;
    CN__TRY(look_into(ctx, l->root, main_part(s), &folders, &pictures));
    *found = folders > 0;
    if (folders == 0 && s->parts == s->folders.count)
        return cn__error(CN_ERR_NOT_FOUND, "'%s/%s' has no subfolders, which would be the classes", l->root,
                         main_part(s));
    return CN_OK;
}

/* Whether the only folder is but a wrapper: it has folders and no picture of its own. */
static cn_status find_wrapper(cn_context *ctx, const cn__folder_layout *l, const survey *s, bool *wrapped) {
    size_t folders, pictures;
    *wrapped = false;
    if (s->folders.count != 1 || s->pictures > 0)
        return CN_OK;
    CN__TRY(look_into(ctx, l->root, s->folders.name[0], &folders, &pictures));
    *wrapped = folders > 0 && pictures == 0;
    if (folders == 0 && s->parts == 1)
        return cn__error(CN_ERR_NOT_FOUND, "'%s/%s' has no subfolders, which would be the classes", l->root,
                         s->folders.name[0]);
    return CN_OK;
}

/* One folder: `deeper` if another one within it is to be looked at instead, which becomes the root. */
static cn_status decide(cn_context *ctx, cn__folder_layout *l, const survey *s, bool may_go_deeper, bool *deeper) {
    char below[CN__MAX_PATH];
    bool parts;
    *deeper = false;
    if (s->folders.count == 0)
        return no_classes(l->root, s);
    CN__TRY(find_parts(ctx, l, s, &parts));
    if (parts)
        return take_parts(ctx, l, s);
    if (may_go_deeper)
        CN__TRY(find_wrapper(ctx, l, s, deeper));
    if (*deeper) {
        CN__TRY(cn__path(below, l->root, s->folders.name[0], ""));
        memcpy(l->root, below, sizeof below);
        return CN_OK;
    }
    if (s->pictures > 0 && !l->quiet)
        cn__log(ctx, CN_LOG_WARNING, "passed over: %zu picture%s of '%s' beside the folders of the classes",
                s->pictures, s->pictures == 1 ? "" : "s", l->root);
    return check_classes(ctx, l, s);
}

cn_status cn__folder_layout_find(cn_context *ctx, const char *directory, bool quiet, cn__folder_layout *layout) {
    size_t length = strlen(directory);
    *layout = (cn__folder_layout){.quiet = quiet};
    while (length > 1 && directory[length - 1] == '/')
        length--;
    if (length >= CN__MAX_PATH)
        return cn__error(CN_ERR_ARGUMENT, "the path '%.100s…' has more than %d bytes", directory, CN__MAX_PATH - 1);
    memcpy(layout->root, directory, length);
    for (int depth = 0;; depth++) {
        survey s;
        bool deeper = false;
        cn_status status = survey_folder(ctx, layout->root, &s);
        if (status == CN_OK)
            status = decide(ctx, layout, &s, depth < MAX_WRAPPERS, &deeper);
        cn__names_drop(&s.folders);
        if (status != CN_OK || !deeper)
            return status;
    }
}

cn_status cn_dataset_folder_has_parts(cn_context *context, const char *directory, int *parts) {
    CN__REQUIRE(context);
    CN__REQUIRE(directory);
    CN__REQUIRE(parts);
    cn__folder_layout *layout = cn__alloc(context, 1, sizeof *layout);
    if (!layout)
        return cn__no_memory("the names of a folder");
    cn_status status = cn__folder_layout_find(context, directory, true, layout);
    *parts = status == CN_OK && layout->parts;
    cn__free(context, layout);
    return status;
}
