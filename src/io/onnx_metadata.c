/* SPDX-License-Identifier: MIT */
/* onnx_metadata.c: what goes with a model into the metadata of an ONNX file, as JSON, and what is found there:
 *
 *   convnet.class_names       ["airplane", …]
 *   convnet.mean, .std        [0.485, …]: a number for each channel; the graph's input is (pixel / 255 - mean) / std
 *   names                     {0: 'airplane', …}: Ultralytics' names of classes, as Python shows a dict */
#include "io/io.h"
#include <stdio.h>
#include <string.h>

#define KEY_CLASSES "convnet.class_names"
#define KEY_MEAN    "convnet.mean"
#define KEY_STD     "convnet.std"
#define KEY_NAMES   "names"

/* ---- writing ---- */

static cn_status add_line(cn__onnx_notes *notes, const char *key, cn__text *json) {
    char **text = &notes->texts[notes->count];
    CN__TRY(cn__text_take(json, text));
    notes->lines[notes->count++] = (cn__onnx_metadata){key, *text};
    return CN_OK;
}

/* `values`, or (NULL) the same number for all channels. */
static cn_status add_numbers(const cn_model *model, cn__onnx_notes *notes, const char *key, const float *values,
                             float number) {
    cn__text json = {.ctx = model->ctx};
    for (int32_t i = 0; i < model->input.channels; i++) {
        cn__text_append(&json, i ? "," : "[");
        cn__json_append_float(&json, values ? values[i] : number);
    }
    cn__text_append(&json, "]");
    return add_line(notes, key, &json);
}

static cn_status add_classes(const cn_model *model, cn__onnx_notes *notes) {
    cn__text json = {.ctx = model->ctx};
    for (int64_t i = 0; i < model->class_count; i++) {
        cn__text_append(&json, i ? "," : "[");
        cn__json_append_string(&json, model->class_names[i]);
    }
    cn__text_append(&json, "]");
    return add_line(notes, KEY_CLASSES, &json);
}

/* A graph that takes pixels as they are has a mean of 0, and a std that undoes the division by 255. */
cn_status cn__onnx_notes_write(const cn_model *model, bool preprocessing, cn__onnx_notes *notes) {
    if (model->class_count)
        CN__TRY(add_classes(model, notes));
    if (!model->mean)
        return CN_OK;
    CN__TRY(add_numbers(model, notes, KEY_MEAN, preprocessing ? NULL : model->mean, 0.0f));
    return add_numbers(model, notes, KEY_STD, preprocessing ? NULL : model->std, 1.0f / 255.0f);
}

void cn__onnx_notes_drop(cn__onnx_notes *notes) {
    for (size_t i = 0; i < notes->count; i++)
        cn_text_free(notes->texts[i]);
}

/* ---- reading ---- */

/* A file, and the model that was made of it. */
typedef struct reader {
    cn_model *model;
    const void *data;
    size_t bytes;
    const char *source;
} reader;

/* An array that a key has; NULL: there is none. */
static cn_status read_array(const reader *r, const char *key, cn__json **array) {
    char what[64];
    size_t length;
    const char *text = cn__onnx_metadata_find(r->data, r->bytes, key, &length);
    *array = NULL;
    if (!text)
        return CN_OK;
    snprintf(what, sizeof what, "its %s", key);
    cn_status status = cn__json_read(r->model->ctx, text, length, what, array);
    if (status == CN_OK && !cn__json_is(*array, CN__JSON_ARRAY))
        status = cn__error(CN_ERR_FORMAT, "%s is no list", what);
    if (status == CN_OK)
        return CN_OK;
    cn__free(r->model->ctx, *array);
    *array = NULL;
    return status == CN_ERR_MEMORY ? status : cn__error(CN_ERR_FORMAT, "'%s': %s", r->source, cn_last_error());
}

static cn_status misfit(const reader *r, const char *what) {
    cn__log(r->model->ctx, CN_LOG_WARNING, "'%s': %s of its metadata do not fit the network, and are left out",
            r->source, what);
    return CN_OK;
}

/* ---- names of classes ---- */

static cn_status set_class_names(const reader *r, const cn__json *names) {
    int64_t classes = cn__model_shape(r->model, cn__model_output_node(r->model, 0)).channels, count = 0;
    if (names->count != (uint64_t)classes)
        return misfit(r, "the names of classes");
    const char **texts = cn__alloc(r->model->ctx, names->count, sizeof *texts);
    if (!texts)
        return cn__no_memory("names of classes");
    for (const cn__json *v = cn__json_first(names); v; v = cn__json_next(names, v))
        if (cn__json_string(v))
            texts[count++] = cn__json_string(v);
    cn_status status =
        count == classes ? cn_model_set_class_names(r->model, count, texts) : misfit(r, "the names of classes");
    cn__free(r->model->ctx, (void *)texts);
    return status;
}

/* Python's text of a dict from 0, 1, 2, … to strings, as a JSON array. What begins as one and is none is not taken. */
typedef struct dict {
    const char *at, *end;
} dict;

static bool take(dict *d, char wanted) {
    while (d->at < d->end && *d->at == ' ')
        d->at++;
    if (d->at == d->end || *d->at != wanted)
        return false;
    d->at++;
    return true;
}

static bool take_index(dict *d, int64_t wanted) {
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)wanted);
    while (d->at < d->end && *d->at == ' ')
        d->at++;
    if (d->end - d->at < length || memcmp(d->at, digits, (size_t)length) != 0)
        return false;
    d->at += length;
    return true;
}

/* A string in quotes of either kind, of which `text` has as many bytes at least; only quotes and backslashes are escaped. */
static bool take_string(dict *d, char *text) {
    char quote = (char)(take(d, '\'') ? '\'' : take(d, '"') ? '"' : '\0');
    while (quote && d->at < d->end && *d->at != quote) {
        bool escaped = *d->at == '\\';
        d->at += escaped;
        if (d->at == d->end || *d->at == '\0' || (escaped && !strchr("\\'\"", *d->at)))
            return false;
        *text++ = *d->at++;
    }
    *text = '\0';
    return quote && take(d, quote);
}

static bool dict_to_json(dict *d, char *text, cn__text *json) {
    bool good = take(d, '{');
    cn__text_append(json, "[");
    for (int64_t i = 0; good && (i == 0 || take(d, ',')); i++) {
        good = take_index(d, i) && take(d, ':') && take_string(d, text);
        cn__text_append(json, i ? "," : "");
        good = good && cn__json_append_string(json, text);
    }
    cn__text_append(json, "]");
    return good && take(d, '}') && d->at == d->end;
}

/* As JSON; *json stays NULL where the dict is written in another way, which is no fault of the file's. */
static cn_status read_dict(const reader *r, dict *d, cn__json **json) {
    cn__text text = {.ctx = r->model->ctx};
    char *list, *room = cn__alloc(r->model->ctx, (size_t)(d->end - d->at) + 1, 1);
    if (!room)
        return cn__no_memory("names of classes");
    bool good = dict_to_json(d, room, &text);
    cn__free(r->model->ctx, room);
    CN__TRY(cn__text_take(&text, &list));
    cn_status status =
        good ? cn__json_read(r->model->ctx, list, strlen(list), "its " KEY_NAMES, json) : misfit(r, "the " KEY_NAMES);
    cn_text_free(list);
    return status;
}

static cn_status read_classes(const reader *r) {
    cn__json *names;
    size_t length;
    CN__TRY(read_array(r, KEY_CLASSES, &names));
    const char *text = names ? NULL : cn__onnx_metadata_find(r->data, r->bytes, KEY_NAMES, &length);
    if (text)
        CN__TRY(read_dict(r, &(dict){text, text + length}, &names));
    cn_status status = names ? set_class_names(r, names) : CN_OK;
    cn__free(r->model->ctx, names);
    return status;
}

/* ---- normalisation ---- */

static bool read_numbers(const cn__json *list, float *values) {
    for (const cn__json *v = cn__json_first(list); v; v = cn__json_next(list, v))
        if (!cn__json_float(v, values++))
            return false;
    return true;
}

static cn_status set_normalization(const reader *r, const cn__json *mean, const cn__json *std) {
    int32_t channels = r->model->input.channels;
    if (mean->count != (uint32_t)channels || std->count != (uint32_t)channels)
        return misfit(r, "mean and std");
    float *values = cn__alloc(r->model->ctx, (size_t)channels, 2 * sizeof *values);
    if (!values)
        return cn__no_memory("a normalisation");
    bool good = read_numbers(mean, values) && read_numbers(std, values + channels);
    cn_status status =
        good ? cn_model_set_normalization(r->model, channels, values, values + channels) : CN_ERR_ARGUMENT;
    cn__free(r->model->ctx, values);
    return status == CN_ERR_ARGUMENT
               ? cn__error(CN_ERR_FORMAT, "'%s': its " KEY_MEAN " and " KEY_STD " are no mean and std", r->source)
               : status;
}

static cn_status read_normalization(const reader *r) {
    cn__json *mean, *std = NULL;
    cn_status status = read_array(r, KEY_MEAN, &mean);
    if (status == CN_OK)
        status = read_array(r, KEY_STD, &std);
    if (status == CN_OK && mean && std)
        status = set_normalization(r, mean, std);
    cn__free(r->model->ctx, mean);
    cn__free(r->model->ctx, std);
    return status;
}

cn_status cn__onnx_notes_read(cn_model *model, const void *data, size_t bytes, const char *source) {
    const reader r = {model, data, bytes, source};
    CN__TRY(read_classes(&r));
    return read_normalization(&r);
}
