/* SPDX-License-Identifier: MIT */
/* load_tensors.c: tensors by name into a model that exists, out of files and collections, and out of a model. */
#include "base/zip.h"
#include "io/tensors.h"
#include <string.h>

/* ---- out of an opened file ---- */

/* A file of a model's, whatever model its tensors are for, is what was saved. */
static cn_status check_saved(cn__safetensors *file, const char *source) {
    cn__state_dict dict = {.file = file, .source = source};
    const char *architecture = cn__safetensors_metadata(file, CN__KEY_MODEL);
    cn_model *saved;
    if (!architecture && !cn__safetensors_metadata(file, CN__KEY_CRC))
        return CN_OK;
    if (!architecture)
        return cn__error(CN_ERR_FORMAT, "it has a checksum, but the model that it is of is missing");
    if (cn__file_version(file, CN__KEY_VERSION) > CN__MODEL_VERSION) {
        cn__log(file->ctx, CN_LOG_WARNING, "'%s': a later version wrote it, so it is not checked for damage", source);
        return CN_OK;
    }
    CN__TRY(cn__architecture_read(file->ctx, architecture, &saved));
    cn__state_dict_find_prefix(&dict, saved);
    cn_status status = cn__checksum_check(&dict, saved);
    cn_model_free(saved);
    return status;
}

static cn_status load_tensors(cn_model *model, cn__state_dict *dict, bool find_prefix) {
    CN__TAKES(model, "cn_model_load_tensors");
    CN__TRY(cn__state_dict_check_renames(dict, model));
    if (find_prefix)
        cn__state_dict_find_prefix(dict, model);
    CN__TRY(cn__state_dict_match(dict, model));
    if (!dict->strict && dict->fitting == 0)
        return cn__error(CN_ERR_NOT_FOUND, "none of its %zu tensors fits the model", dict->file->count);
    CN__TRY(cn__safetensors_fetch(dict->file));
    CN__TRY(check_saved(dict->file, dict->source));
    return cn__state_dict_load(dict, model);
}

static cn_status check_beginning(const char *what, const char *text) {
    if (text && strlen(text) > CN__STATE_DICT_PREFIX)
        return cn__error(CN_ERR_ARGUMENT, "cn_load_options: %s has %zu bytes, wanted at most %d", what, strlen(text),
                         CN__STATE_DICT_PREFIX);
    return CN_OK;
}

static cn_status check_renames(const char *const *renames) {
    for (int i = 0; renames && renames[i]; i++) {
        if (i % 2 == 0 && !renames[i + 1])
            return cn__error(CN_ERR_ARGUMENT, "cn_load_options: renames end with '%.200s', wanted pairs", renames[i]);
        CN__TRY(check_beginning("a rename", renames[i]));
    }
    return CN_OK;
}

static cn_status read_load_options(const cn_load_options *given, cn_load_options *options) {
    CN__TRY(CN__READ_OPTIONS(options, cn_load_options, given));
    CN__TRY(cn__check_reserved("cn_load_options", options->reserved == 0));
    if (options->strict != 0 && options->strict != 1)
        return cn__error(CN_ERR_ARGUMENT, "cn_load_options: strict is %d, wanted 0 or 1", options->strict);
    CN__TRY(check_beginning("prefix", options->prefix));
    return check_renames(options->renames);
}

static cn_status finish_tensors(cn_model *model, cn_status status, cn__safetensors *file, const char *source,
                                const cn_load_options *options) {
    cn__state_dict dict = {.file = file,
                           .source = source,
                           .strict = options->strict,
                           .renames = options->renames,
                           .report = options->report,
                           .user = options->user};
    if (status == CN_OK) {
        if (options->prefix)
            memcpy(dict.prefix, options->prefix, strlen(options->prefix) + 1);
        status = load_tensors(model, &dict, !options->prefix);
        cn__safetensors_drop(file);
    }
    return cn__in_file(status, source);
}

/* ---- files of either kind ---- */

/* A collection that has been loaded with `status`, as a file, which takes it over. */
static cn_status as_file(cn_status status, cn_tensors *tensors, cn__safetensors *file) {
    if (status == CN_OK)
        status = cn__tensors_as_file(tensors, file);
    if (status == CN_OK)
        file->owned_tensors = tensors;
    else
        cn_tensors_free(tensors);
    return status;
}

static cn_status open_file(cn_context *ctx, const char *path, cn__safetensors *file) {
    unsigned char begin[CN__FILE_BEGIN];
    size_t bytes;
    cn_tensors *tensors;
    CN__TRY(cn__file_begin(ctx, path, begin, &bytes));
    if (!cn__zip_recognised(begin, bytes))
        return cn__safetensors_open(ctx, path, file);
    cn_status status = cn__tensors_open(ctx, path, &tensors);
    return as_file(status, tensors, file);
}

static cn_status read_file(cn_context *ctx, const void *data, size_t bytes, cn__safetensors *file) {
    cn_tensors *tensors;
    if (!cn__zip_recognised(data, bytes))
        return cn__safetensors_read(ctx, data, bytes, file);
    cn_status status = cn__tensors_read(ctx, data, bytes, &tensors);
    return as_file(status, tensors, file);
}

cn_status cn_model_load_tensors(cn_model *model, const char *path) {
    CN__COMPUTES;
    cn_load_options options = CN_LOAD_OPTIONS_INIT;
    cn__safetensors file;
    CN__TRY(cn__model_ready(model, __func__));
    CN__REQUIRE(path);
    return finish_tensors(model, open_file(model->ctx, path, &file), &file, path, &options);
}

cn_status cn_model_load_tensors_with(cn_model *model, const char *path, const cn_load_options *options) {
    CN__COMPUTES;
    cn_load_options known = CN_LOAD_OPTIONS_INIT;
    cn__safetensors file;
    CN__TRY(cn__model_ready(model, __func__));
    CN__REQUIRE(path);
    CN__TRY(read_load_options(options, &known));
    return finish_tensors(model, open_file(model->ctx, path, &file), &file, path, &known);
}

cn_status cn_model_load_tensors_memory(cn_model *model, const void *data, size_t bytes,
                                       const cn_load_options *options) {
    CN__COMPUTES;
    cn_load_options known = CN_LOAD_OPTIONS_INIT;
    cn__safetensors file;
    CN__TRY(cn__model_ready(model, __func__));
    CN__REQUIRE(data);
    CN__TRY(read_load_options(options, &known));
    return finish_tensors(model, read_file(model->ctx, data, bytes, &file), &file, "(memory)", &known);
}

/* ---- collections ---- */

cn_status cn_model_load_state_dict(cn_model *model, const cn_tensors *tensors, const cn_load_options *options) {
    CN__COMPUTES;
    cn_load_options known = CN_LOAD_OPTIONS_INIT;
    cn__safetensors file;
    CN__TRY(cn__model_ready(model, __func__));
    CN__REQUIRE(tensors);
    CN__TRY(read_load_options(options, &known));
    return finish_tensors(model, cn__tensors_as_file(tensors, &file), &file, "(tensors)", &known);
}

static cn_status add_all(const cn_model *model, cn_tensors *tensors) {
    for (size_t i = 0; i < model->tensor_count; i++)
        CN__TRY(cn_tensors_add(tensors, model->tensors[i].name, &model->tensors[i].value));
    return CN_OK;
}

cn_status cn_model_state_dict(const cn_model *model, cn_tensors **tensors) {
    CN__REQUIRE(tensors);
    *tensors = NULL;
    CN__TRY(cn__model_ready(model, __func__));
    CN__TRY(cn_tensors_new(model->ctx, tensors));
    cn_status status = add_all(model, *tensors);
    if (status != CN_OK) {
        cn_tensors_free(*tensors);
        *tensors = NULL;
    }
    return status;
}
