/* SPDX-License-Identifier: MIT */
/* data_spec.c: data sets by name, such as cifar10:DIR and synthetic:2000. */
#include "outputs.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

const char *data_names;

enum { SYNTHETIC_COUNT = 10000, SYNTHETIC_MOST = 10000000, SYNTHETIC_SEED = 1, SPLIT_SEED = 1 };

/* ---- how each format is opened ---- */

static cn_status open_cifar10(cn_context *context, const data_spec *spec, cn_split split, cn_dataset **dataset) {
    return cn_dataset_cifar10(context, spec->directory, split, dataset);
}

static cn_status open_cifar100(cn_context *context, const data_spec *spec, cn_split split, cn_dataset **dataset) {
    return cn_dataset_cifar100(context, spec->directory, split, 0, dataset);
}

static cn_status open_idx(cn_context *context, const data_spec *spec, cn_split split, cn_dataset **dataset) {
    return cn_dataset_idx(context, spec->directory, split, dataset);
}

static cn_status open_npz(cn_context *context, const data_spec *spec, cn_split split, cn_dataset **dataset) {
    return cn_dataset_npz(context, spec->directory, split, NULL, dataset);
}

static cn_status open_synthetic(cn_context *context, const data_spec *spec, cn_split split, cn_dataset **dataset) {
    int64_t count = split == CN_SPLIT_TRAIN ? spec->count : (spec->count + 4) / 5;
    return cn_dataset_synthetic(context, split, count, SYNTHETIC_SEED, dataset);
}

static cn_folder_options folder_options(const data_spec *spec, cn_split split) {
    cn_folder_options options = CN_FOLDER_OPTIONS_INIT;
    options.channels = (int)spec->shape[0];
    options.height = (int)spec->shape[1];
    options.width = (int)spec->shape[2];
    options.split = split;
    return options;
}

static cn_status open_folder(cn_context *context, const data_spec *spec, cn_split split, cn_dataset **dataset) {
    cn_folder_options options = folder_options(spec, split);
    return cn_dataset_folder(context, spec->directory, &options, dataset);
}

static cn_status open_masks(cn_context *context, const data_spec *spec, cn_split split, cn_dataset **dataset) {
    cn_folder_options options = folder_options(spec, split);
    return cn_dataset_folder_masks(context, spec->directory, &options, NULL, dataset);
}

/* IMAGES.npy,TARGETS.npy: a random fifth is for testing. */
static cn_status open_npy(cn_context *context, const data_spec *spec, cn_split split, cn_dataset **dataset) {
    const char *comma = strrchr(spec->directory, ',');
    char images[4096];
    cn_dataset *all, *part, *rest;
    snprintf(images, sizeof images, "%.*s", comma ? (int)(comma - spec->directory) : (int)strlen(spec->directory),
             spec->directory);
    cn_status status = cn_dataset_npy(context, images, comma ? comma + 1 : NULL, NULL, &all);
    if (status != CN_OK || split == CN_SPLIT_ALL) {
        *dataset = all;
        return status;
    }
    status = cn_dataset_split(all, 0.2, SPLIT_SEED, &part, &rest);
    cn_dataset_free(all);
    *dataset = split == CN_SPLIT_TEST ? part : rest;
    cn_dataset_free(split == CN_SPLIT_TEST ? rest : part);
    return status;
}

data_inputs data_inputs_of(const data_spec *spec) {
    const char *comma = spec->format->open == open_npy ? strrchr(spec->directory, ',') : NULL;
    data_inputs in = {{{"--data", spec->directory}, {"--data", comma ? comma + 1 : NULL}, {"--names", data_names}},
                      NULL};
    if (comma)
        in.files[0].path = in.images = strndup(spec->directory, (size_t)(comma - spec->directory));
    return in;
}

/* ---- the formats ---- */

static const data_format formats[] = {
    {.name = "cifar10", .argument = "DIR", .open = open_cifar10, .mirrored = true},
    {.name = "cifar100", .argument = "DIR", .open = open_cifar100, .mirrored = true},
    {.name = "idx", .argument = "DIR", .open = open_idx, .nameless = true},
    {.name = "npy", .argument = "IMAGES.npy,LABELS.npy", .open = open_npy, .undivided = true, .nameless = true},
    {.name = "npz", .argument = "FILE.npz", .open = open_npz, .undivided = true, .nameless = true},
    {.name = "folder", .argument = "DIR", .open = open_folder, .mirrored = true, .fitted = true, .undivided = true},
    {.name = "masks",
     .argument = "DIR",
     .open = open_masks,
     .target = CN_TARGET_MASK,
     .mirrored = true,
     .fitted = true,
     .undivided = true,
     .nameless = true},
    {.name = "synthetic", .open = open_synthetic, .mirrored = true, .drawn = true},
};

static int64_t read_count(const char *text) {
    char *end;
    errno = 0;
    long long count = strtoll(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno == ERANGE || count < 1 || count > SYNTHETIC_MOST)
        complain_usage("--data 'synthetic:%s': want a number of images from 1 to %d", text, SYNTHETIC_MOST);
    return count;
}

static const data_format *find_format(const char *text, size_t length) {
    for (size_t i = 0; i < COUNT(formats); i++)
        if (strlen(formats[i].name) == length && memcmp(formats[i].name, text, length) == 0)
            return &formats[i];
    return NULL;
}

/* The format of a folder or file that was named without; NULL: there is none. */
static const char *format_of(const char *path) {
    static const struct {
        const char *holds, *format;
    } signs[] = {{"data_batch_1.bin", "cifar10"},
                 {"fine_label_names.txt", "cifar100"},
                 {"train-images-idx3-ubyte", "idx"},
                 {"train-images-idx3-ubyte.gz", "idx"},
                 {"t10k-images-idx3-ubyte", "idx"},
                 {"masks", "masks"},
                 {"train/masks", "masks"}};
    const char *ending = strrchr(path, '.');
    char below[4096];
    if (access(path, F_OK) != 0)
        return NULL;
    for (size_t i = 0; i < COUNT(signs); i++) {
        snprintf(below, sizeof below, "%s/%s", path, signs[i].holds);
        if (access(below, F_OK) == 0)
            return signs[i].format;
    }
    snprintf(below, sizeof below, "%s/.", path);
    return access(below, F_OK) == 0 ? "folder" : ending && strcmp(ending, ".npz") == 0 ? "npz" : NULL;
}

static _Noreturn void complain_format(const char *text) {
    char known[256] = "", name[32], meant[SUGGESTION_TEXT];
    const char *format = format_of(text);
    size_t length = 0;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(text, ":"), text);
    suggestion s = suggestion_begin(name);
    for (size_t i = 0; i < COUNT(formats); i++) {
        suggestion_offer(&s, formats[i].name);
        length += (size_t)snprintf(known + length, sizeof known - length, "%s%s%s%s",
                                   i == 0                   ? ""
                                   : i + 1 < COUNT(formats) ? ", "
                                                            : " or ",
                                   formats[i].name, formats[i].argument ? ":" : "",
                                   formats[i].argument ? formats[i].argument : "[:COUNT]");
    }
    if (format)
        complain_usage("--data '%s': want %s; did you mean %s:%s?", text, known, format, text);
    complain_usage("--data '%s': want %s%s", text, known, suggestion_text(&s, "", meant));
}

data_spec data_spec_read(const char *text) {
    const char *colon = strchr(text, ':');
    const data_format *format = find_format(text, colon ? (size_t)(colon - text) : strlen(text));
    if (!format)
        complain_format(text);
    data_spec spec = {.format = format, .text = text, .count = SYNTHETIC_COUNT, .shape = {3, 32, 32}};
    if (!format->argument && colon)
        spec.count = read_count(colon + 1);
    if (format->argument && (!colon || !colon[1]))
        complain_usage("--data '%s': the %s is missing; want %s:%s", text,
                       strcmp(format->argument, "DIR") == 0 ? "folder" : "file", format->name, format->argument);
    if (format->argument)
        spec.directory = colon + 1;
    if (data_names && !format->nameless)
        complain_usage("--names goes with data whose classes have no names only: idx:, masks:, npy: and npz:");
    return spec;
}

static cn_status set_names(const data_spec *spec, cn_dataset *dataset) {
    name_list list;
    int64_t classes = cn_dataset_classes(dataset);
    if (!data_names)
        return CN_OK;
    bool good = name_list_read(data_names, &list) && name_list_fits(&list, data_names, spec->text, classes);
    cn_status status = good ? cn_dataset_set_class_names(dataset, classes, list.names) : CN_ERR_DATA;
    if (good && status != CN_OK)
        complain_library("cannot name the classes");
    name_list_free(&list);
    return status;
}

/* What is to be done about each part that was opened. Frees it on failure. */
static cn_status complete(cn_context *context, const data_spec *spec, cn_split split, cn_dataset **dataset) {
    cn_status status = set_names(spec, *dataset);
    if (status == CN_OK) {
        doubts_say(context, spec, split, *dataset);
        return CN_OK;
    }
    cn_dataset_free(*dataset);
    *dataset = NULL;
    return status;
}

cn_status data_open(cn_context *context, const data_spec *spec, cn_split split, cn_dataset **dataset) {
    static const char *const splits[] = {"training images", "test images", "images", "validation images"};
    cn_status status = spec->format->open(context, spec, split, dataset);
    if (status != CN_OK)
        complain("cannot read the %s of '%s': %s", splits[split], spec->text, library_error());
    return status == CN_OK ? complete(context, spec, split, dataset) : status;
}

/* ---- both parts ---- */

static bool same_targets(const cn_dataset *train, const cn_dataset *test, const char *name) {
    static const char *const kinds[] = {"a class", "a vector", "a mask", "an image"};
    task ours = task_of(train), others = task_of(test);
    if (ours.kind != others.kind)
        complain("training images have %s each, but %s images %s", kinds[ours.kind], name, kinds[others.kind]);
    else if (!task_has_classes(&ours) && ours.outputs != others.outputs)
        complain("training images have %lld values each, but %s images %lld", (long long)ours.outputs, name,
                 (long long)others.outputs);
    return ours.kind == others.kind && (task_has_classes(&ours) || ours.outputs == others.outputs);
}

static bool same_classes(const cn_dataset *train, const cn_dataset *test, const char *name) {
    int64_t classes = cn_dataset_classes(train), others = cn_dataset_classes(test);
    if (classes != others)
        complain("there are %lld classes of training images, but %lld of %s images", (long long)classes,
                 (long long)others, name);
    for (int64_t k = 0; k < classes && classes == others; k++)
        if (strcmp(cn_dataset_class_name(train, k), cn_dataset_class_name(test, k)) != 0) {
            complain("class %lld is '%s' in the training images, but '%s' in the %s images", (long long)k,
                     cn_dataset_class_name(train, k), cn_dataset_class_name(test, k), name);
            return false;
        }
    return classes == others;
}

cn_status data_open_validation(cn_context *context, const data_spec *spec, const cn_dataset *train,
                               cn_dataset **validation) {
    *validation = NULL;
    if (!spec->format->undivided || spec->format->open == open_npy)
        return CN_OK;
    cn_status status = spec->format->open(context, spec, CN_SPLIT_VALIDATION, validation);
    if (status == CN_ERR_NOT_FOUND)
        return CN_OK;
    if (status != CN_OK) {
        complain("cannot read the validation images of '%s': %s", spec->text, library_error());
        return status;
    }
    if ((status = complete(context, spec, CN_SPLIT_VALIDATION, validation)) != CN_OK)
        return status;
    if (!same_targets(train, *validation, "validation") || !same_classes(train, *validation, "validation"))
        return CN_ERR_DATA;
    duplicates_say(context, train, *validation, "validation");
    return CN_OK;
}

static bool several_classes(const data_spec *spec, const cn_dataset *train) {
    if (cn_dataset_classes(train) != 1)
        return true;
    complain("'%s' has a single class, '%s': there is nothing to tell apart", spec->text,
             cn_dataset_class_name(train, 0));
    return false;
}

static bool has_targets(const data_spec *spec, const cn_dataset *dataset) {
    task t = task_of(dataset);
    if (t.outputs > 0)
        return true;
    if (spec->format->open == open_npy)
        complain("'%s' has images alone, and nothing to learn of them: want npy:%s", spec->text,
                 spec->format->argument);
    else
        complain("'%s' has images alone, and nothing to learn of them", spec->text);
    return false;
}

cn_status data_open_both(cn_context *context, const data_spec *spec, cn_dataset **train, cn_dataset **test) {
    cn_status status = data_open(context, spec, CN_SPLIT_TRAIN, train);
    if (status == CN_OK)
        status = data_open(context, spec, CN_SPLIT_TEST, test);
    if (status != CN_OK)
        return status;
    if (!has_targets(spec, *train))
        return CN_ERR_DATA;
    if (!same_targets(*train, *test, "test") || !several_classes(spec, *train) || !same_classes(*train, *test, "test"))
        return CN_ERR_DATA;
    if (!spec->format->drawn)
        duplicates_say(context, *train, *test, "test");
    return CN_OK;
}

/* "cat, dog, owl", or as many as have room and "…". */
const char *data_class_list(const cn_dataset *dataset, char text[CLASS_LIST_TEXT]) {
    char name[NAME_TEXT];
    size_t length = 0;
    text[0] = '\0';
    for (int64_t k = 0; k < cn_dataset_classes(dataset); k++) {
        const char *next = class_name(dataset, k, name);
        if (length + strlen(next) + sizeof ", , …" > CLASS_LIST_TEXT) {
            snprintf(text + length, CLASS_LIST_TEXT - length, ", …");
            break;
        }
        length += (size_t)snprintf(text + length, CLASS_LIST_TEXT - length, "%s%s", k ? ", " : "", next);
    }
    return text;
}

/* A vector may be about where things lie, so that moving them would make it wrong. */
static void keep_in_place(cn_augmentation *changes) {
    changes->horizontal_flip = changes->rotation = changes->perspective = 0.0f;
    changes->alternating_flip = changes->crop_padding = 0;
}

cn_augmentation data_augmentation(const data_spec *spec, const cn_dataset *dataset, cn_augmentation changes) {
    int64_t shape[3];
    if (task_of(dataset).kind == CN_TARGET_VECTOR)
        keep_in_place(&changes);
    cn_dataset_shape(dataset, shape);
    if (!spec->format->mirrored)
        changes.horizontal_flip = 0.0f, changes.alternating_flip = 0;
    if (!spec->format->mirrored || shape[0] != 3)
        changes.grayscale = 0.0f;
    return changes;
}
