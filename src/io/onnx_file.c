/* SPDX-License-Identifier: MIT */
/* onnx_file.c: models as ONNX files, and out of them. */
#include "io/io.h"

/* ---- saving ---- */

static cn_status save_to_memory(const cn_model *model, const cn_onnx_options *options, cn_tensor **file) {
    cn_onnx_options o = CN_ONNX_OPTIONS_INIT;
    cn__onnx_notes notes = {.count = 0};
    CN__TRY(CN__READ_OPTIONS(&o, cn_onnx_options, options));
    CN__TRY(cn__check_reserved("cn_onnx_options", o.reserved == 0));
    if (o.include_preprocessing != 0 && o.include_preprocessing != 1)
        return cn__error(CN_ERR_ARGUMENT, "cn_onnx_options: include_preprocessing is %d, wanted 0 or 1",
                         o.include_preprocessing);
    if (o.include_preprocessing && !model->mean)
        return cn__error(CN_ERR_STATE,
                         "cn_onnx_options: include_preprocessing is 1, but the model does not know how its "
                         "images are normalised (cn_model_set_normalization)");
    cn_status status = cn__onnx_notes_write(model, o.include_preprocessing, &notes);
    if (status == CN_OK)
        status = cn__onnx_save(model, o.include_preprocessing, notes.lines, notes.count, file);
    cn__onnx_notes_drop(&notes);
    return status;
}

cn_status cn_model_save_onnx_memory(const cn_model *model, const cn_onnx_options *options, cn_tensor **file) {
    CN__COMPUTES;
    CN__REQUIRE(file);
    *file = NULL;
    CN__TRY(cn__model_ready(model, __func__));
    return save_to_memory(model, options, file);
}

cn_status cn_model_save_onnx(const cn_model *model, const char *path, const cn_onnx_options *options) {
    CN__COMPUTES;
    cn_tensor *file = NULL;
    CN__TRY(cn__model_ready(model, __func__));
    CN__REQUIRE(path);
    CN__TRY(cn__in_file(save_to_memory(model, options, &file), path));
    cn_status status = cn__replace_file(model->ctx, path, &(struct iovec){file->data, (size_t)file->count}, 1);
    cn_tensor_free(file);
    return status;
}

/* ---- loading ---- */

static cn_status load(cn_context *ctx, const void *data, size_t bytes, const char *path, cn_model **model) {
    CN__TRY(cn__onnx_load(ctx, data, bytes, path, model));
    cn_status status = cn__onnx_notes_read(*model, data, bytes, path ? path : "(memory)");
    if (status != CN_OK) {
        cn_model_free(*model);
        *model = NULL;
    }
    return status;
}

cn_status cn__onnx_file_load_memory(cn_context *ctx, const void *data, size_t bytes, cn_model **model) {
    return load(ctx, data, bytes, NULL, model);
}

static cn_status read_file(cn__file *file, unsigned char **data) {
    if (file->size > CN__ONNX_MAX_FILE)
        return cn__error(CN_ERR_UNSUPPORTED,
                         "'%s' is larger than the 2 GiB of an ONNX file, which has more in files beside it",
                         file->path);
    *data = cn__alloc(file->ctx, (size_t)file->size + 1, 1);
    return *data ? cn__file_read(file, *data, (size_t)file->size) : cn__no_memory("an ONNX file");
}

cn_status cn__onnx_file_load(cn_context *ctx, const char *path, cn_model **model) {
    unsigned char *data = NULL;
    cn__file file;
    *model = NULL;
    CN__TRY(cn__file_open(ctx, path, &file));
    cn_status status = read_file(&file, &data);
    if (status == CN_OK)
        status = load(ctx, data, (size_t)file.size, path, model);
    cn__file_close(&file);
    cn__free(ctx, data);
    return status;
}
