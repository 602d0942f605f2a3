/* onnx_file.c: models as ONNX files, and what goes with them in the metadata: names of classes and the normalisation, as
 * JSON. */
#include "io/io.h"
#include "onnx/onnx.h"
#include <string.h>

#define KEY_CLASSES "convnet.class_names"
#define KEY_MEAN    "convnet.mean"
#define KEY_STD     "convnet.std"

enum { MAX_METADATA = 3 };

/* ---- saving ---- */

/* Texts that are handed to cn__onnx_save. */
typedef struct metadata {
    cn__onnx_metadata lines[MAX_METADATA];
    char *texts[MAX_METADATA];
    size_t count;
} metadata;

static cn_status add_line(metadata *m, const char *key, cn__text *json) {
    char **text = &m->texts[m->count];
    CN__TRY(cn__text_take(json, text));
    m->lines[m->count++] = (cn__onnx_metadata){key, *text};
    return CN_OK;
}

static cn_status add_numbers(const cn_model *model, metadata *m, const char *key, const float *values, float other) {
    cn__text json = {.ctx = model->ctx};
    for (int32_t i = 0; i < model->input.channels; i++) {
        cn__text_append(&json, i ? "," : "[");
        cn__json_append_float(&json, values ? values[i] : other);
    }
    cn__text_append(&json, "]");
    return add_line(m, key, &json);
}

static cn_status add_classes(const cn_model *model, metadata *m) {
    cn__text json = {.ctx = model->ctx};
    bool good = true;
    for (int64_t i = 0; i < model->class_count; i++) {
        cn__text_append(&json, i ? "," : "[");
        good = cn__json_append_string(&json, model->class_names[i]) && good;
    }
    cn__text_append(&json, "]");
    CN__TRY(add_line(m, KEY_CLASSES, &json));
    return good ? CN_OK : cn__error(CN_ERR_ARGUMENT, "the name of a class is not UTF-8");
}

/* A graph that takes pixels as they are has a mean of 0, and a std that makes of 1/255 one. */
static cn_status fill_metadata(const cn_model *model, bool preprocessing, metadata *m) {
    if (model->class_count)
        CN__TRY(add_classes(model, m));
    if (!model->mean && !preprocessing)
        return CN_OK;
    CN__TRY(add_numbers(model, m, KEY_MEAN, preprocessing ? NULL : model->mean, 0.0f));
    return add_numbers(model, m, KEY_STD, preprocessing ? NULL : model->std, 1.0f / 255.0f);
}

static cn_status save_to_memory(const cn_model *model, const cn_onnx_options *options, cn_tensor **file) {
    cn_onnx_options o = CN_ONNX_OPTIONS_INIT;
    metadata m = {.count = 0};
    CN__TRY(CN__READ_OPTIONS(&o, cn_onnx_options, options));
    CN__TRY(cn__check_reserved("cn_onnx_options", o.reserved == 0));
    if (o.include_preprocessing != 0 && o.include_preprocessing != 1)
        return cn__error(CN_ERR_ARGUMENT, "cn_onnx_options: include_preprocessing is %d, wanted 0 or 1",
                         o.include_preprocessing);
    cn_status status = fill_metadata(model, o.include_preprocessing, &m);
    if (status == CN_OK)
        status = cn__onnx_save(model, o.include_preprocessing, m.lines, m.count, file);
    for (size_t i = 0; i < m.count; i++)
        cn_text_free(m.texts[i]);
    return status;
}

cn_status cn_model_save_onnx_memory(const cn_model *model, const cn_onnx_options *options, cn_tensor **file) {
    CN__REQUIRE(file);
    *file = NULL;
    CN__TRY(cn__model_ready(model, __func__));
    return save_to_memory(model, options, file);
}

cn_status cn_model_save_onnx(const cn_model *model, const char *path, const cn_onnx_options *options) {
    cn_tensor *file = NULL;
    CN__TRY(cn__model_ready(model, __func__));
    CN__REQUIRE(path);
    CN__TRY(cn__in_file(save_to_memory(model, options, &file), path));
    cn_status status = cn__replace_file(model->ctx, path, &(struct iovec){file->data, (size_t)file->count}, 1);
    cn_tensor_free(file);
    return status;
}
