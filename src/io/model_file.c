/* SPDX-License-Identifier: MIT */
/* model_file.c: a model into a file, and out of a file. */
#include "io/tensors.h"
#include "onnx/onnx.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h> /* strcasecmp */

/* ---- saving ---- */

/* Running statistics keep their float32: they are few, and a variance may be large. */
static cn_status list_entry(const cn__model_tensor *tensor, cn_weights weights, cn__entry *entry) {
    const cn_tensor *value = &tensor->value;
    entry->name = tensor->name;
    entry->dtype = tensor->parameter ? cn__weights_dtype(weights) : cn__value_dtype(value->dtype);
    entry->dims = value->dims;
    memcpy(entry->shape, value->shape, sizeof value->shape);
    return cn__values_storable(value, tensor->name, entry->dtype);
}

/* The model's tensors first. */
static cn_status list_entries(const cn_model *model, cn_weights weights, const cn__beside *beside, cn__entry *entries) {
    for (size_t i = 0; i < model->tensor_count; i++)
        CN__TRY(list_entry(&model->tensors[i], weights, &entries[i]));
    for (size_t i = 0; i < beside->array_count; i++)
        entries[model->tensor_count + i] = beside->arrays[i].entry;
    cn__safetensors_place(entries, model->tensor_count + beside->array_count);
    return CN_OK;
}

static size_t data_bytes(const cn__entry *entries, size_t count) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += (size_t)(entries[i].end - entries[i].begin);
    return bytes;
}

static void store_data(const cn_model *model, const cn__beside *beside, const cn__entry *entries, unsigned char *data) {
    for (size_t i = 0; i < model->tensor_count; i++)
        cn__values_store(&model->tensors[i].value, entries[i].dtype, 0, model->tensors[i].value.count,
                         data + entries[i].begin);
    entries += model->tensor_count;
    for (size_t i = 0; i < beside->array_count; i++) {
        unsigned width = cn__value_bytes(entries[i].dtype);
        size_t count = (size_t)(entries[i].end - entries[i].begin) / width;
        cn__numbers_store(beside->arrays[i].data, width, count, data + entries[i].begin);
    }
}

enum { MODEL_METADATA = 6 }; /* at most */

static cn_status pack(const cn_model *model, const char *architecture, const char *self_test, const cn__beside *beside,
                      const cn__entry *entries, cn__metadata *metadata, cn_tensor **file) {
    char crc[CN__CRC_TEXT], test_crc[CN__CRC_TEXT], version[12];
    size_t count = model->tensor_count + beside->array_count, own_count = self_test ? MODEL_METADATA : 4;
    cn__checksum(model, architecture, entries, crc);
    snprintf(version, sizeof version, "%d", CN__MODEL_VERSION);
    if (self_test)
        cn__crc_text(test_crc, cn__crc_add(0, self_test, strlen(self_test)));
    const cn__metadata own[MODEL_METADATA] = {
        {"format", "pt"},   {CN__KEY_VERSION, version},     {CN__KEY_MODEL, architecture},
        {CN__KEY_CRC, crc}, {CN__KEY_SELF_TEST, self_test}, {CN__KEY_SELF_TEST_CRC, test_crc}};
    memcpy(metadata, own, own_count * sizeof *own);
    for (size_t i = 0; i < beside->metadata_count; i++)
        metadata[own_count + i] = beside->metadata[i];
    size_t bytes = data_bytes(entries, count);
    CN__TRY(
        cn__safetensors_pack(model->ctx, entries, count, metadata, own_count + beside->metadata_count, bytes, file));
    store_data(model, beside, entries, (unsigned char *)(*file)->data + ((size_t)(*file)->count - bytes));
    return CN_OK;
}

cn_status cn__model_pack(const cn_model *model, const char *architecture, cn_weights weights, const cn__beside *beside,
                         cn_tensor **file) {
    cn__entry *entries = cn__alloc(model->ctx, model->tensor_count + beside->array_count, sizeof *entries);
    cn__metadata *metadata = cn__alloc(model->ctx, MODEL_METADATA + beside->metadata_count, sizeof *metadata);
    char *self_test = NULL;
    *file = NULL;
    cn_status status =
        entries && metadata ? list_entries(model, weights, beside, entries) : cn__no_memory("a file's tensors");
    if (status == CN_OK)
        status = cn__self_test_write(model, &self_test);
    if (status == CN_OK)
        status = pack(model, architecture, self_test, beside, entries, metadata, file);
    cn_text_free(self_test);
    cn__free(model->ctx, metadata);
    cn__free(model->ctx, entries);
    return status;
}

static cn_status save_to_memory(const cn_model *model, const cn_save_options *options, cn_tensor **file) {
    cn_save_options known = CN_SAVE_OPTIONS_INIT;
    char *architecture;
    CN__TRY(cn__save_options_read(options, &known));
    if (known.deflate)
        return cn__error(CN_ERR_ARGUMENT, "cn_save_options: deflate is 1, but models' files are never compressed");
    CN__TRY(cn__architecture_write(model, &architecture));
    cn_status status = cn__model_pack(model, architecture, known.weights, &(cn__beside){0}, file);
    cn_text_free(architecture);
    return status;
}

cn_status cn_model_save_memory_with(const cn_model *model, const cn_save_options *options, cn_tensor **file) {
    CN__COMPUTES;
    CN__REQUIRE(file);
    *file = NULL;
    CN__TRY(cn__model_ready(model, __func__));
    return save_to_memory(model, options, file);
}

cn_status cn_model_save_memory(const cn_model *model, cn_tensor **file) {
    CN__COMPUTES;
    CN__REQUIRE(file);
    *file = NULL;
    CN__TRY(cn__model_ready(model, __func__));
    return save_to_memory(model, NULL, file);
}

/* Whoever names the file so wants another kind of file. */
static cn_status check_ending(const char *path) {
    const char *ending = strrchr(path, '.');
    if (ending && strcasecmp(ending, ".onnx") == 0)
        return cn__error(CN_ERR_ARGUMENT, "this function writes safetensors; cn_model_save_onnx writes ONNX");
    if (ending && strcasecmp(ending, ".npz") == 0)
        return cn__error(CN_ERR_ARGUMENT, "this function writes safetensors; cn_model_state_dict and cn_tensors_save "
                                          "write .npz");
    return CN_OK;
}

static cn_status save(const cn_model *model, const char *path, const cn_save_options *options) {
    cn_tensor *file = NULL;
    cn_status status = check_ending(path);
    if (status == CN_OK)
        status = save_to_memory(model, options, &file);
    CN__TRY(cn__in_file(status, path));
    status = cn__replace_file(model->ctx, path, &(struct iovec){file->data, (size_t)file->count}, 1);
    cn_tensor_free(file);
    return status;
}

cn_status cn_model_save_with(const cn_model *model, const char *path, const cn_save_options *options) {
    CN__COMPUTES;
    CN__TRY(cn__model_ready(model, __func__));
    CN__REQUIRE(path);
    return save(model, path, options);
}

cn_status cn_model_save(const cn_model *model, const char *path) {
    CN__COMPUTES;
    CN__TRY(cn__model_ready(model, __func__));
    CN__REQUIRE(path);
    return save(model, path, NULL);
}

/* ---- loading ---- */

int64_t cn__file_version(const cn__safetensors *file, const char *key) {
    const char *version = cn__safetensors_metadata(file, key);
    size_t digits = version ? strspn(version, "0123456789") : 0;
    return digits > 0 && digits < 10 && version[digits] == '\0' ? strtoll(version, NULL, 10) : 0;
}

static cn_status check_version(const cn__safetensors *file) {
    const char *version = cn__safetensors_metadata(file, CN__KEY_VERSION);
    int64_t number = cn__file_version(file, CN__KEY_VERSION);
    if (!version || !cn__safetensors_metadata(file, CN__KEY_MODEL))
        return cn__error(CN_ERR_FORMAT,
                         "it holds %zu tensor%s but no model of this library, as a PyTorch state dict does: build the "
                         "network that they belong to, then cn_model_load_tensors takes them",
                         file->count, file->count == 1 ? "" : "s");
    if (number < 1)
        return cn__error(CN_ERR_FORMAT, "its version is '%.20s', wanted a number", version);
    if (number > CN__MODEL_VERSION)
        return cn__error(CN_ERR_FORMAT, "its version is %lld, this library (%s) reads up to %d", (long long)number,
                         cn_version_string(), CN__MODEL_VERSION);
    return CN_OK;
}

static cn_status fill_model(cn_model *model, cn__safetensors *file, const char *source) {
    cn__state_dict dict = {.file = file, .source = source, .strict = true};
    cn__state_dict_find_prefix(&dict, model);
    CN__TRY(cn__state_dict_match(&dict, model)); /* before memory is taken for what only the architecture claims */
    CN__TRY(cn__safetensors_fetch(file));
    CN__TRY(cn__checksum_check(&dict, model));
    CN__TRY(cn__model_init_zeros(model)); /* the file has all the rest */
    CN__TRY(cn__state_dict_load(&dict, model));
    return cn__self_test_read(model, file);
}

static cn_status load_model(cn_context *ctx, cn__safetensors *file, const char *source, cn_model **model) {
    CN__TRY(check_version(file));
    CN__TRY(cn__architecture_read(ctx, cn__safetensors_metadata(file, CN__KEY_MODEL), model));
    cn_status status = fill_model(*model, file, source);
    if (status == CN_OK)
        return CN_OK;
    cn_model_free(*model);
    *model = NULL;
    return status == CN_ERR_MEMORY || status == CN_ERR_IO ? status : cn__error(CN_ERR_FORMAT, "%s", cn_last_error());
}

/* The rest of loading a model, after its header has been read with `status`. */
static cn_status finish_model(cn_context *ctx, cn_status status, cn__safetensors *file, const char *source,
                              cn_model **model) {
    if (status == CN_OK) {
        status = load_model(ctx, file, source, model);
        cn__safetensors_drop(file);
    }
    return cn__in_file(status, source);
}

/* What cannot be the length of a header, which comes first; of archives and pickles the reader has more to say. */
static cn_status check_kind(const unsigned char *begin, size_t bytes) {
    bool long_header = bytes >= CN__SAFETENSORS_LENGTH && (begin[4] | begin[5] | begin[6] | begin[7]) != 0;
    if (!long_header || memcmp(begin, "PK\3\4", 4) == 0 || (begin[0] == 0x80 && begin[1] <= 5))
        return CN_OK;
    return cn__error(CN_ERR_FORMAT, "it is neither a safetensors nor an ONNX file");
}

cn_status cn_model_load_memory(cn_context *context, const void *data, size_t bytes, cn_model **model) {
    CN__COMPUTES;
    cn__safetensors file;
    CN__REQUIRE(model);
    *model = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(data);
    if (cn__onnx_recognised(data, bytes))
        return cn__onnx_file_load_memory(context, data, bytes, model);
    CN__TRY(cn__in_file(check_kind(data, bytes), "(memory)"));
    return finish_model(context, cn__safetensors_read(context, data, bytes, &file), &file, "(memory)", model);
}

cn_status cn_model_load(cn_context *context, const char *path, cn_model **model) {
    CN__COMPUTES;
    unsigned char begin[CN__FILE_BEGIN];
    size_t bytes;
    cn__safetensors file;
    CN__REQUIRE(model);
    *model = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(path);
    CN__TRY(cn__file_begin(context, path, begin, &bytes));
    if (cn__onnx_recognised(begin, bytes))
        return cn__onnx_file_load(context, path, model);
    CN__TRY(cn__in_file(check_kind(begin, bytes), path));
    return finish_model(context, cn__safetensors_open(context, path, &file), &file, path, model);
}
