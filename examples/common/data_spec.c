/* data_spec.c: data sets by name, such as cifar10:DIR and synthetic:2000. */
#include "common.h"
#include <errno.h>
#include <string.h>

enum { SYNTHETIC_COUNT = 10000, SYNTHETIC_MOST = 10000000, SYNTHETIC_SEED = 1 };

static const char *const kinds[] = {"cifar10", "cifar100", "idx", "synthetic", "folder"};

static int64_t read_count(const char *text) {
    char *end;
    errno = 0;
    long long count = strtoll(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno == ERANGE || count < 1 || count > SYNTHETIC_MOST)
        complain_usage("--data 'synthetic:%s': want a number of images from 1 to %d", text, SYNTHETIC_MOST);
    return count;
}

data_spec data_spec_read(const char *text) {
    const char *colon = strchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : strlen(text), kind = 0;
    while (kind < COUNT(kinds) && (strlen(kinds[kind]) != length || memcmp(kinds[kind], text, length) != 0))
        kind++;
    if (kind == COUNT(kinds))
        complain_usage("--data '%s': want cifar10:DIR, cifar100:DIR, idx:DIR, folder:DIR or synthetic[:COUNT]", text);
    data_spec spec = {.kind = (data_kind)kind, .text = text, .count = SYNTHETIC_COUNT, .shape = {3, 32, 32}};
    if (spec.kind == DATA_SYNTHETIC && colon)
        spec.count = read_count(colon + 1);
    if (spec.kind != DATA_SYNTHETIC && (!colon || !colon[1]))
        complain_usage("--data '%s': the folder is missing; want %s:DIR", text, kinds[kind]);
    if (spec.kind != DATA_SYNTHETIC)
        spec.directory = colon + 1;
    return spec;
}

/* ---- opening ---- */

static cn_status open_folder(cn_context *context, const data_spec *spec, cn_split split, cn_dataset **dataset) {
    cn_folder_options options = CN_FOLDER_OPTIONS_INIT;
    options.channels = (int)spec->shape[0];
    options.height = (int)spec->shape[1];
    options.width = (int)spec->shape[2];
    options.split = split;
    return cn_dataset_folder(context, spec->directory, &options, dataset);
}

cn_status data_open(cn_context *context, const data_spec *spec, cn_split split, cn_dataset **dataset) {
    int64_t count = split == CN_SPLIT_TRAIN ? spec->count : (spec->count + 4) / 5;
    static const char *const splits[] = {"training images", "test images", "images"};
    cn_status status = CN_OK;
    switch (spec->kind) {
    case DATA_CIFAR10:
        status = cn_dataset_cifar10(context, spec->directory, split, dataset);
        break;
    case DATA_CIFAR100:
        status = cn_dataset_cifar100(context, spec->directory, split, 0, dataset);
        break;
    case DATA_IDX:
        status = cn_dataset_idx(context, spec->directory, split, dataset);
        break;
    case DATA_SYNTHETIC:
        status = cn_dataset_synthetic(context, split, count, SYNTHETIC_SEED, dataset);
        break;
    case DATA_FOLDER:
        status = open_folder(context, spec, split, dataset);
        break;
    }
    if (status != CN_OK)
        complain("cannot read the %s of '%s': %s", splits[split], spec->text, library_error());
    return status;
}

/* ---- both parts ---- */

static bool same_classes(const cn_dataset *train, const cn_dataset *test) {
    int64_t classes = cn_dataset_classes(train), others = cn_dataset_classes(test);
    if (classes != others)
        complain("there are %lld classes of training images, but %lld of test images", (long long)classes,
                 (long long)others);
    for (int64_t k = 0; k < classes && classes == others; k++)
        if (strcmp(cn_dataset_class_name(train, k), cn_dataset_class_name(test, k)) != 0) {
            complain("class %lld is '%s' in the training images, but '%s' in the test images", (long long)k,
                     cn_dataset_class_name(train, k), cn_dataset_class_name(test, k));
            return false;
        }
    return classes == others;
}

static bool several_classes(const data_spec *spec, const cn_dataset *train) {
    if (cn_dataset_classes(train) > 1)
        return true;
    complain("'%s' has a single class, '%s': there is nothing to tell apart", spec->text,
             cn_dataset_class_name(train, 0));
    return false;
}

cn_status data_open_both(cn_context *context, const data_spec *spec, cn_dataset **train, cn_dataset **test) {
    cn_status status = data_open(context, spec, CN_SPLIT_TRAIN, train);
    if (status == CN_OK)
        status = data_open(context, spec, CN_SPLIT_TEST, test);
    if (status != CN_OK)
        return status;
    if (!several_classes(spec, *train) || !same_classes(*train, *test))
        return CN_ERR_DATA;
    duplicates_say(context, *train, *test);
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

cn_augmentation data_augmentation(const data_spec *spec, cn_augmentation changes) {
    if (spec->kind == DATA_IDX)
        changes.horizontal_flip = 0.0f, changes.alternating_flip = 0;
    if (spec->kind == DATA_IDX || (spec->kind == DATA_FOLDER && spec->shape[0] == 1))
        changes.grayscale = 0.0f;
    return changes;
}
