/* SPDX-License-Identifier: MIT */
/* classes.c: a data set's classes matched with those of a model. */
#include "data/dataset.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LIST 200 /* bytes of names in a message */

/* As many of the model's names as a message holds. */
static const char *list_names(const cn_model *model, int64_t classes, char text[MAX_LIST]) {
    size_t length = 0;
    text[0] = '\0';
    for (int64_t k = 0; k < classes && length < MAX_LIST / 2; k++)
        length += (size_t)snprintf(text + length, MAX_LIST - length, "%s'%.32s'", k ? ", " : "",
                                   cn_model_class_name(model, k));
    if (length >= MAX_LIST / 2)
        snprintf(text + length, MAX_LIST - length, ", …");
    return text;
}

typedef struct numbered {
    const char *name;
    int32_t label;
} numbered;

static int by_name(const void *a, const void *b) {
    const numbered *first = a, *second = b;
    int order = strcmp(first->name, second->name);
    return order != 0 ? order : (first->label > second->label) - (first->label < second->label);
}

/* The first class called `name`, or -1. */
static int32_t find_class(const numbered *sorted, int64_t classes, const char *name) {
    int64_t low = 0, high = classes;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (strcmp(sorted[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < classes && strcmp(sorted[low].name, name) == 0 ? sorted[low].label : -1;
}

static cn_status match_by_name(const cn_dataset *dataset, const cn_model *model, int64_t classes, int32_t *labels) {
    char text[MAX_LIST];
    cn_status status = CN_OK;
    numbered *sorted = cn__alloc(dataset->ctx, (size_t)classes, sizeof *sorted);
    if (!sorted)
        return cn__no_memory("class names");
    for (int32_t k = 0; k < classes; k++)
        sorted[k] = (numbered){cn_model_class_name(model, k), k};
    qsort(sorted, (size_t)classes, sizeof *sorted, by_name);
    for (int64_t k = 0; k < cn_dataset_classes(dataset) && status == CN_OK; k++) {
        labels[k] = find_class(sorted, classes, dataset->class_names[k]);
        if (labels[k] < 0)
            status = cn__error(CN_ERR_DATA, "class '%s' of the data is none of the %lld of the model: %s",
                               dataset->class_names[k], (long long)classes, list_names(model, classes, text));
    }
    cn__free(dataset->ctx, sorted);
    return status;
}

/* Whether the model's names, if any, are no more than the numbers of its outputs. */
static bool knows_numbers_only(const cn_model *model, int64_t names) {
    char number[24];
    for (int64_t k = 0; k < names; k++) {
        snprintf(number, sizeof number, "%lld", (long long)k);
        if (strcmp(cn_model_class_name(model, k), number) != 0)
            return false;
    }
    return true;
}

/* Where one side has no names, the order is all there is; that is said where the other side has some. */
static cn_status match_by_number(const cn_dataset *dataset, const cn_model *model, int64_t outputs, int32_t *labels) {
    char text[MAX_LIST];
    bool named = !knows_numbers_only(model, cn_model_class_count(model));
    if (cn_dataset_classes(dataset) != outputs)
        return cn__error(CN_ERR_DATA, "the data has %lld classes, the model tells %lld apart",
                         (long long)cn_dataset_classes(dataset), (long long)outputs);
    if (named)
        cn__log(dataset->ctx, CN_LOG_WARNING,
                "the data's classes have no names; they are taken as the model's, in order: %s",
                list_names(model, outputs, text));
    else if (dataset->named)
        cn__log(dataset->ctx, CN_LOG_WARNING,
                "the model's classes have no names; its outputs are taken as the data's, in order");
    for (int32_t k = 0; k < cn_dataset_classes(dataset); k++)
        labels[k] = k;
    return CN_OK;
}

/* What becomes of each of the data set's labels. */
static cn_status match(const cn_dataset *dataset, const cn_model *model, int64_t outputs, int32_t *labels) {
    int64_t names = cn_model_class_count(model);
    return names > 0 && dataset->named ? match_by_name(dataset, model, names, labels)
                                       : match_by_number(dataset, model, outputs, labels);
}

/* The view has the data set's own labels and names until here. */
static cn_status relabel(cn_dataset *view, const cn_model *model, int64_t outputs, const int32_t *labels) {
    cn_context *ctx = view->ctx;
    cn__target *target = cn__dataset_classes(view);
    int32_t *own = cn__alloc(ctx, (size_t)target->stored_classes, sizeof *own);
    const char **names = cn__alloc(ctx, (size_t)outputs, sizeof *names);
    for (int64_t i = 0; own && i < target->stored_classes; i++)
        own[i] = labels[target->classes ? target->classes[i] : i];
    for (int64_t k = 0; names && k < outputs; k++) {
        names[k] = cn_model_class_name(model, k);
        if (!names[k])
            names[k] = k < target->spec.classes ? view->class_names[k] : "?";
    }
    cn_status status = CN_ERR_MEMORY;
    target->spec.classes = outputs;
    if (names && own)
        status = cn_dataset_set_class_names(view, outputs, names);
    cn__free(ctx, names);
    if (status != CN_OK) {
        cn__free(ctx, own);
        return cn__no_memory("class names");
    }
    cn__free(ctx, target->classes);
    target->classes = own;
    return CN_OK;
}

static cn_status make_view(const cn_dataset *dataset, const cn_model *model, int64_t outputs, const int32_t *labels,
                           cn_dataset **view) {
    int64_t *all = cn__alloc(dataset->ctx, (size_t)dataset->count, sizeof *all);
    cn_dataset *made = NULL;
    if (!all)
        return cn__no_memory("the indices of a data set");
    for (int64_t i = 0; i < dataset->count; i++)
        all[i] = i;
    CN__TRY(cn__dataset_view(dataset, dataset->count, all, &made));
    cn_status status = relabel(made, model, outputs, labels);
    if (status == CN_OK)
        *view = made;
    else
        cn_dataset_free(made);
    return status;
}

cn_status cn_dataset_match_classes(const cn_dataset *dataset, const cn_model *model, cn_dataset **matched) {
    CN__COMPUTES;
    int64_t shape[3];
    CN__REQUIRE(matched);
    *matched = NULL;
    CN__REQUIRE(dataset);
    CN__REQUIRE(model);
    cn_model_output_shape(model, shape);
    if (!cn__dataset_classes(dataset))
        return cn__error(CN_ERR_STATE, "cn_dataset_match_classes: no target of the data set has classes");
    int32_t *labels = cn__alloc(dataset->ctx, (size_t)cn_dataset_classes(dataset), sizeof *labels);
    if (!labels)
        return cn__no_memory("labels");
    cn_status status = match(dataset, model, shape[0], labels);
    if (status == CN_OK)
        status = make_view(dataset, model, shape[0], labels, matched);
    cn__free(dataset->ctx, labels);
    return status;
}
