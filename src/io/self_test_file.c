/* SPDX-License-Identifier: MIT */
/* self_test_file.c: a model's self-test in its file, as JSON:
 *
 *   {"inputs": [{"dtype": "U8", "shape": [1, 3, 32, 32], "data": "…"}], "outputs": [{"dtype": "F32", …}]}
 *
 * with what tensors hold as little-endian bytes in base64. */
#include "io/io.h"
#include <math.h>
#include <string.h>

/* ---- writing ---- */

static cn_status append_tensor(cn__text *json, const cn_tensor *tensor) {
    unsigned width = (unsigned)cn__dtype_bytes(tensor->dtype);
    size_t count = (size_t)tensor->count;
    unsigned char *bytes = cn__alloc(tensor->ctx, count, width);
    if (!bytes)
        return cn__no_memory("a self-test");
    cn__numbers_store(tensor->data, width, count, bytes);
    cn__text_append(json, "{\"dtype\":\"%s\",\"shape\":[", tensor->dtype == CN_DTYPE_UINT8 ? "U8" : "F32");
    for (int i = 0; i < tensor->dims; i++)
        cn__text_append(json, "%s%lld", i ? "," : "", (long long)tensor->shape[i]);
    cn__text_append(json, "],\"data\":\"");
    cn__base64_append(json, bytes, count * width);
    cn__text_append(json, "\"}");
    cn__free(tensor->ctx, bytes);
    return CN_OK;
}

static cn_status append_tensors(cn__text *json, const char *name, cn_tensor *const *tensors, int32_t count) {
    cn__text_append(json, "\"%s\":[", name);
    for (int32_t i = 0; i < count; i++) {
        cn__text_append(json, i ? "," : "");
        CN__TRY(append_tensor(json, tensors[i]));
    }
    cn__text_append(json, "]");
    return CN_OK;
}

static cn_status write(cn_context *ctx, const cn__self_test *test, char **text) {
    cn__text json = {.ctx = ctx};
    cn__text_append(&json, "{");
    cn_status status = append_tensors(&json, "inputs", test->inputs, test->input_count);
    cn__text_append(&json, ",");
    if (status == CN_OK)
        status = append_tensors(&json, "outputs", test->outputs, test->output_count);
    cn__text_append(&json, "}");
    if (status == CN_OK)
        return cn__text_take(&json, text);
    cn_text_free(json.data);
    return status;
}

cn_status cn__self_test_write(const cn_model *model, char **text) {
    cn__self_test *anew = NULL;
    *text = NULL;
    if (!model->self_test)
        return CN_OK;
    if (!cn__self_test_is_current(model))
        CN__TRY(cn__self_test_make(model, model->self_test->inputs, &anew));
    cn_status status = write(model->ctx, anew ? anew : model->self_test, text);
    cn__self_test_free(model->ctx, anew);
    return status;
}

/* ---- reading ---- */

static cn_status bad(const char *what) {
    return cn__error(CN_ERR_FORMAT, "its self-test: %s", what);
}

static bool has_shape(const cn__json *json, const cn_tensor *tensor) {
    int64_t side;
    int d = 0;
    if (!cn__json_is(json, CN__JSON_ARRAY) || json->count != (uint32_t)tensor->dims)
        return false;
    for (const cn__json *v = cn__json_first(json); v; v = cn__json_next(json, v))
        if (!cn__json_int64(v, &side) || side != tensor->shape[d++])
            return false;
    return true;
}

static bool is_finite(const cn_tensor *tensor) {
    bool finite = true;
    for (int64_t i = 0; tensor->dtype == CN_DTYPE_FLOAT32 && i < tensor->count; i++)
        finite &= isfinite(((const float *)tensor->data)[i]) != 0;
    return finite;
}

static cn_status decode(const char *text, cn_tensor *tensor) {
    unsigned width = (unsigned)cn__dtype_bytes(tensor->dtype);
    size_t count = (size_t)tensor->count;
    unsigned char *bytes = cn__alloc(tensor->ctx, count, width);
    if (!bytes)
        return cn__no_memory("a self-test");
    bool good = cn__base64_decode(text, bytes, count * width);
    if (good)
        cn__numbers_load(tensor->data, width, count, bytes);
    cn__free(tensor->ctx, bytes);
    return good && is_finite(tensor) ? CN_OK : bad("data that are no numbers");
}

/* Nothing is allocated that the text does not have room for. */
static cn_status read_tensor(const cn_model *model, const cn__json *json, cn__shape shape, bool bytes_too, bool flat,
                             cn_tensor **tensor) {
    const char *dtype = cn__json_string(cn__json_get(json, "dtype")),
               *data = cn__json_string(cn__json_get(json, "data"));
    bool bytes = dtype && bytes_too && strcmp(dtype, "U8") == 0;
    size_t values = (size_t)shape.channels * (size_t)shape.height * (size_t)shape.width;
    if (!data || !dtype || (!bytes && strcmp(dtype, "F32") != 0))
        return bad("a tensor without data or of another type");
    if (strlen(data) != (values * (bytes ? 1 : sizeof(float)) + 2) / 3 * 4)
        return bad("a tensor of another size than the model's");
    CN__TRY(cn_tensor_new(model->ctx, bytes ? CN_DTYPE_UINT8 : CN_DTYPE_FLOAT32, flat ? 2 : 4,
                          (int64_t[]){1, shape.channels, shape.height, shape.width}, tensor));
    return has_shape(cn__json_get(json, "shape"), *tensor) ? decode(data, *tensor)
                                                           : bad("a tensor of another shape than the model's");
}

static cn_status read_inputs(const cn_model *model, const cn__json *json, cn__self_test *test) {
    int32_t i = 0;
    if (!cn__json_is(json, CN__JSON_ARRAY) || json->count != (uint32_t)test->input_count)
        return bad("another number of inputs than the model's");
    for (const cn__json *v = cn__json_first(json); v; v = cn__json_next(json, v), i++)
        CN__TRY(read_tensor(model, v, cn__model_shape(model, cn__model_input_node(model, i)), i == 0 && model->mean,
                            false, &test->inputs[i]));
    return CN_OK;
}

static cn_status read_outputs(const cn_model *model, const cn__json *json, cn__self_test *test) {
    int32_t i = 0;
    if (!cn__json_is(json, CN__JSON_ARRAY) || json->count != (uint32_t)test->output_count)
        return bad("another number of outputs than the model's");
    for (const cn__json *v = cn__json_first(json); v; v = cn__json_next(json, v), i++) {
        cn__shape shape = cn__model_shape(model, cn__model_output_node(model, i));
        CN__TRY(read_tensor(model, v, shape, false, shape.height == 1 && shape.width == 1, &test->outputs[i]));
    }
    return CN_OK;
}

static cn_status read_tensors(const cn_model *model, const cn__json *json, cn__self_test *test) {
    test->input_count = cn__model_input_count(model);
    test->output_count = cn__model_output_count(model);
    test->inputs = cn__alloc(model->ctx, (size_t)test->input_count, sizeof *test->inputs);
    test->outputs = cn__alloc(model->ctx, (size_t)test->output_count, sizeof *test->outputs);
    if (!test->inputs || !test->outputs)
        return cn__no_memory("a self-test");
    CN__TRY(read_inputs(model, cn__json_get(json, "inputs"), test));
    return read_outputs(model, cn__json_get(json, "outputs"), test);
}

static cn_status read(cn_model *model, const char *text) {
    cn__json *json;
    CN__TRY(cn__json_read(model->ctx, text, strlen(text), "its self-test", &json));
    cn__self_test *test = cn__alloc(model->ctx, 1, sizeof *test);
    cn_status status = test ? read_tensors(model, json, test) : cn__no_memory("a self-test");
    cn__free(model->ctx, json);
    if (status != CN_OK) {
        cn__self_test_free(model->ctx, test);
        return status;
    }
    test->crc = cn__self_test_crc(model);
    model->self_test = test;
    return CN_OK;
}

cn_status cn__self_test_read(cn_model *model, const cn__safetensors *file) {
    const char *text = cn__safetensors_metadata(file, CN__KEY_SELF_TEST);
    const char *stored = cn__safetensors_metadata(file, CN__KEY_SELF_TEST_CRC);
    char crc[CN__CRC_TEXT];
    if (!text && !stored)
        return CN_OK;
    if (!text || !stored)
        return bad(text ? "its checksum is missing" : "there is a checksum of one, but not itself");
    cn__crc_text(crc, cn__crc_add(0, text, strlen(text)));
    if (strcmp(stored, crc) != 0)
        return bad("it is damaged, by its checksum");
    return read(model, text);
}
