/* SPDX-License-Identifier: MIT */
/* network_fit.c: whether a network and data belong together: images of one shape, and the same classes. */
#include "common.h"
#include <string.h>

enum { NAMES_SHOWN = 12, LIST_TEXT = 600 };

/* ---- images ---- */

static bool is_shape(const int64_t shape[3], int channels, int side) {
    return shape[0] == channels && shape[1] == side && shape[2] == side;
}

/* A network of our own that reads such images, as advice; "" where there is none, or the user has chosen a file. */
static const char *advice(const char *name, const int64_t shape[3]) {
    if (!network_is_named(name))
        return "";
    return is_shape(shape, 1, 28) ? "; try --model mnist3" : is_shape(shape, 3, 32) ? "; try --model session8" : "";
}

bool network_reads(const cn_model *model, const char *name, const cn_dataset *dataset, const char *data) {
    int64_t reads[3], has[3];
    cn_model_input_shape(model, reads);
    cn_dataset_shape(dataset, has);
    if (memcmp(reads, has, sizeof has) == 0)
        return true;
    complain("the images of '%s' are %d×%d×%d, but '%s' reads %d×%d×%d%s", data, (int)has[0], (int)has[1], (int)has[2],
             name, (int)reads[0], (int)reads[1], (int)reads[2], advice(name, has));
    return false;
}

/* ---- classes ---- */

/* Names of classes: the model's, or the data set's where there is none. */
typedef struct names {
    const cn_model *model;
    const cn_dataset *dataset;
    int count;
} names;

static const char *name_at(const names *n, int k) {
    return n->model ? cn_model_class_name(n->model, k) : cn_dataset_class_name(n->dataset, k);
}

/* "cat, dog, owl". */
static const char *list(const names *n, char text[LIST_TEXT]) {
    size_t used = 0;
    text[0] = '\0';
    for (int k = 0; k < n->count && used < LIST_TEXT; k++) {
        const char *name = name_at(n, k);
        used += (size_t)snprintf(text + used, LIST_TEXT - used, "%s%.40s", k ? ", " : "",
                                 k == NAMES_SHOWN ? "…"
                                 : name           ? name
                                                  : "?");
        if (k == NAMES_SHOWN)
            break;
    }
    return text;
}

/* Whether all are known by their numbers only. */
static bool nameless(const names *n) {
    char number[32];
    for (int k = 0; k < n->count; k++) {
        const char *name = name_at(n, k);
        snprintf(number, sizeof number, "%d", k);
        if (name && strcmp(name, number) != 0)
            return false;
    }
    return true;
}

static int first_difference(const names *a, const names *b) {
    int k = 0;
    while (k < a->count && strcmp(name_at(a, k), name_at(b, k)) == 0)
        k++;
    return k;
}

static bool has(const names *n, const char *wanted) {
    for (int k = 0; k < n->count; k++)
        if (strcmp(name_at(n, k), wanted) == 0)
            return true;
    return false;
}

static bool has_all(const names *n, const names *wanted) {
    for (int k = 0; k < wanted->count; k++)
        if (!has(n, name_at(wanted, k)))
            return false;
    return true;
}

static names names_of_model(const cn_model *model) {
    return (names){.model = model, .count = (int)cn_model_class_count(model)};
}

static names names_of_data(const cn_dataset *dataset) {
    return (names){.dataset = dataset, .count = (int)cn_dataset_classes(dataset)};
}

classes_fit network_classes(const cn_model *model, const cn_dataset *dataset, const char *data) {
    names ours = names_of_model(model), theirs = names_of_data(dataset);
    char our_list[LIST_TEXT], their_list[LIST_TEXT];
    int64_t output[3];
    cn_model_output_shape(model, output);
    if (output[0] != theirs.count)
        return CLASSES_OTHER;
    if (ours.count == 0)
        return CLASSES_SAME;
    if (nameless(&ours) != nameless(&theirs)) {
        warn("%s knows its classes by number only, so they are taken by position. The model's: %s. The "
             "data's: %s",
             nameless(&ours) ? "the model" : data, list(&ours, our_list), list(&theirs, their_list));
        return CLASSES_SAME;
    }
    if (first_difference(&ours, &theirs) == ours.count)
        return CLASSES_SAME;
    return has_all(&ours, &theirs) && has_all(&theirs, &ours) ? CLASSES_REORDERED : CLASSES_OTHER;
}

/* Why they do not go together. */
static void complain_classes(const cn_model *model, const char *name, const cn_dataset *dataset, const char *data) {
    names ours = names_of_model(model), theirs = names_of_data(dataset);
    char our_list[LIST_TEXT], their_list[LIST_TEXT];
    int64_t output[3];
    cn_model_output_shape(model, output);
    list(&ours, our_list);
    list(&theirs, their_list);
    if (ours.count == 0) {
        complain("'%s' has %d outputs, but '%s' has %d classes", name, (int)output[0], data, theirs.count);
    } else if (ours.count != theirs.count) {
        complain("the model tells %d classes apart, but '%s' has %d. The model's: %s. The data's: %s", ours.count, data,
                 theirs.count, our_list, their_list);
    } else {
        int k = first_difference(&ours, &theirs);
        complain("class %d is '%s' to the model, but '%s' in '%s'. The model's: %s. The data's: %s", k,
                 name_at(&ours, k), name_at(&theirs, k), data, our_list, their_list);
    }
}

bool network_fits(const cn_model *model, const char *name, const cn_dataset *dataset, const char *data) {
    if (!network_reads(model, name, dataset, data))
        return false;
    bool same = network_classes(model, dataset, data) == CLASSES_SAME;
    if (!same)
        complain_classes(model, name, dataset, data);
    return same;
}

const char *model_class_list(const cn_model *model, char text[CLASS_LIST_TEXT]) {
    names ours = names_of_model(model);
    char whole[LIST_TEXT];
    snprintf(text, CLASS_LIST_TEXT, "%.*s", CLASS_LIST_TEXT - 1, ours.count ? list(&ours, whole) : "by number");
    return text;
}
