/* SPDX-License-Identifier: MIT */
/* parameters.c: a model's tensors by name, and what its images and classes were. */
#include "model/model.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

cn_status cn__model_ready(const cn_model *model, const char *function) {
    if (!model)
        return cn__error(CN_ERR_ARGUMENT, "%s: model is NULL", function);
    if (!model->initialized)
        return cn__error(CN_ERR_STATE, "%s: the model is not initialised (cn_model_init)", function);
    return CN_OK;
}

cn_status cn__model_check_class_count(const cn_model *model, int64_t names, cn_status status, const char *function) {
    int64_t outputs = cn__model_shape(model, cn__model_output_node(model, 0)).channels;
    if (names == outputs)
        return CN_OK;
    return cn__error(status, "%s: %lld class names for %lld outputs", function, (long long)names, (long long)outputs);
}

int64_t cn_model_tensor_count(const cn_model *model) {
    return model && model->initialized ? (int64_t)model->tensor_count : 0;
}

const char *cn_model_tensor_name(const cn_model *model, int64_t index) {
    return index >= 0 && index < cn_model_tensor_count(model) ? model->tensors[index].name : NULL;
}

cn__model_tensor *cn__model_find_tensor(const cn_model *model, const char *name) {
    for (size_t i = 0; i < model->tensor_count; i++)
        if (strcmp(model->tensors[i].name, name) == 0)
            return &model->tensors[i];
    return NULL;
}

static cn_status no_entry(const char *name) {
    return cn__error(CN_ERR_NOT_FOUND, "the model has no tensor '%s'", name);
}

static cn_status find_tensor(const cn_model *model, const char *name, const char *function, cn_tensor **tensor) {
    CN__TRY(cn__model_ready(model, function));
    if (!name)
        return cn__error(CN_ERR_ARGUMENT, "%s: name is NULL", function);
    cn__model_tensor *entry = cn__model_find_tensor(model, name);
    if (!entry)
        return no_entry(name);
    *tensor = &entry->value;
    return CN_OK;
}

cn_status cn_model_tensor(cn_model *model, const char *name, cn_tensor **tensor) {
    CN__REQUIRE(tensor);
    *tensor = NULL;
    return find_tensor(model, name, "cn_model_tensor", tensor);
}

cn_status cn_model_tensor_const(const cn_model *model, const char *name, const cn_tensor **tensor) {
    cn_tensor *found = NULL;
    CN__REQUIRE(tensor);
    *tensor = NULL;
    CN__TRY(find_tensor(model, name, "cn_model_tensor_const", &found));
    *tensor = found;
    return CN_OK;
}

cn_status cn_model_gradient(cn_model *model, const char *name, cn_tensor **gradient) {
    CN__REQUIRE(gradient);
    *gradient = NULL;
    CN__TRY(cn__model_ready(model, "cn_model_gradient"));
    CN__REQUIRE(name);
    cn__model_tensor *entry = cn__model_find_tensor(model, name);
    if (!entry)
        return no_entry(name);
    if (!entry->parameter)
        return cn__error(CN_ERR_NOT_FOUND, "'%s' is a buffer and has no gradient", name);
    if (entry->frozen)
        return cn__error(CN_ERR_NOT_FOUND, "'%s' is frozen and has no gradient", name);
    *gradient = &entry->gradient;
    return CN_OK;
}

int64_t cn_model_parameter_count(const cn_model *model) {
    int64_t count = 0;
    for (int64_t i = 0; i < cn_model_tensor_count(model); i++)
        count += model->tensors[i].parameter ? model->tensors[i].value.count : 0;
    return count;
}

cn_status cn_model_set_normalization(cn_model *model, int channels, const float *mean, const float *std) {
    CN__COMPUTES;
    CN__REQUIRE(model);
    CN__REQUIRE(mean);
    CN__REQUIRE(std);
    if (channels != model->input.channels)
        return cn__error(CN_ERR_SHAPE, "normalisation of %d channels, the model reads %d", channels,
                         model->input.channels);
    for (int c = 0; c < channels; c++)
        if (!isfinite(mean[c]) || !isfinite(std[c]) || std[c] <= 0.0f)
            return cn__error(CN_ERR_ARGUMENT, "normalisation of channel %d: mean %g, std %g (wanted above 0)", c,
                             (double)mean[c], (double)std[c]);
    size_t bytes = (size_t)channels * sizeof(float);
    float *new_mean = cn__alloc(model->ctx, 1, bytes), *new_std = cn__alloc(model->ctx, 1, bytes);
    if (!new_mean || !new_std) {
        cn__free(model->ctx, new_mean);
        cn__free(model->ctx, new_std);
        return cn__no_memory("the normalisation");
    }
    memcpy(new_mean, mean, bytes);
    memcpy(new_std, std, bytes);
    cn__free(model->ctx, model->mean);
    cn__free(model->ctx, model->std);
    model->mean = new_mean;
    model->std = new_std;
    cn__model_outdate_self_test(model);
    return CN_OK;
}

int cn_model_normalization(const cn_model *model, const float **mean, const float **std) {
    if (mean)
        *mean = model->mean;
    if (std)
        *std = model->std;
    return model->mean ? model->input.channels : 0;
}

static void free_names(cn_context *ctx, char **names, int64_t count) {
    for (int64_t i = 0; names && i < count; i++)
        cn__free(ctx, names[i]);
    cn__free(ctx, names);
}

void cn__model_drop_class_names(cn_model *model) {
    free_names(model->ctx, model->class_names, model->class_count);
    model->class_names = NULL;
    model->class_count = 0;
}

cn_status cn_model_set_class_names(cn_model *model, int64_t classes, const char *const *names) {
    CN__REQUIRE(model);
    CN__REQUIRE(names);
    if (classes < 1 || classes > CN__MAX_SIDE)
        return cn__error(CN_ERR_ARGUMENT, "cn_model_set_class_names: %lld classes, wanted 1 to %d", (long long)classes,
                         CN__MAX_SIDE);
    if (model->initialized)
        CN__TRY(cn__model_check_class_count(model, classes, CN_ERR_ARGUMENT, "cn_model_set_class_names"));
    CN__TRY(cn__check_class_names("cn_model_set_class_names", classes, names));
    char **copies = cn__alloc(model->ctx, (size_t)classes, sizeof *copies);
    if (!copies)
        return cn__no_memory("class names");
    for (int64_t i = 0; i < classes; i++) {
        copies[i] = cn__strdup(model->ctx, names[i]);
        if (!copies[i]) {
            free_names(model->ctx, copies, classes);
            return cn__no_memory("class names");
        }
    }
    cn__model_drop_class_names(model);
    model->class_names = copies;
    model->class_count = classes;
    return CN_OK;
}

int64_t cn_model_class_count(const cn_model *model) {
    return model ? model->class_count : 0;
}

const char *cn_model_class_name(const cn_model *model, int64_t index) {
    return model && index >= 0 && index < model->class_count ? model->class_names[index] : NULL;
}
