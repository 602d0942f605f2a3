/* SPDX-License-Identifier: MIT */
/* architecture.c: a model's structure, without its tensors, as JSON and back:
 *
 *   {"input": [3, 32, 32],
 *    "layers": [{"name": "conv", "type": "Conv2d", "inputs": ["input"], "options": {"in_channels": 3, …},
 *                "constants": ["weight", …]}, …],
 *    "outputs": ["conv", …], "normalization": {"mean": […], "std": […]}, "classes": ["airplane", …]}
 *
 * The last two are there if the model knows them; outputs, if these are not the last layer alone; constants, the tensors
 * of a layer that are frozen from the first, if there are any. Readers pass over members they do not know, but not over
 * a layer's options: these would change what it computes. */
#include "io/io.h"

#include <stdio.h>
#include <string.h>

#define MAX_INPUTS 4096 /* of a layer, in a file */

/* ---- writing ---- */

static void append_option(cn__text *json, const cn_layer *layer, const cn__attr *attr) {
    int32_t integer;
    float real;
    const char *place = (const char *)layer + attr->offset;
    memcpy(&integer, place, sizeof integer);
    memcpy(&real, place, sizeof real);
    cn__text_append(json, "\"%s\":", attr->name);
    if (attr->kind == CN__ATTR_INT)
        cn__text_append(json, "%d", integer);
    else if (attr->kind == CN__ATTR_ENUM)
        cn__text_append(json, "\"%s\"", attr->names[integer]);
    else if (attr->kind == CN__ATTR_FLOAT)
        cn__json_append_float(json, real);
    else
        cn__json_append_double(json, *(const double *)(const void *)place);
}

static void append_constants(cn__text *json, const cn__node *node) {
    cn__tensor_spec specs[CN__MAX_TENSORS];
    int count = cn__node_specs(node, specs);
    bool any = false;
    cn__text_append(json, ",\"constants\":[");
    for (int t = 0; t < count; t++)
        if (node->constants >> t & 1) {
            cn__text_append(json, "%s\"%s\"", any ? "," : "", specs[t].name);
            any = true;
        }
    cn__text_append(json, "]");
}

static void append_layer(cn__text *json, const cn_model *model, const cn__node *node) {
    const cn__layer_type *type = node->layer->type;
    cn__text_append(json, "{\"name\":");
    cn__json_append_string(json, node->name);
    cn__text_append(json, ",\"type\":\"%s\",\"inputs\":[", type->name);
    for (int32_t i = 0; i < node->input_count; i++) {
        cn__text_append(json, i ? "," : "");
        cn__json_append_string(json, cn__model_name(model, node->inputs[i]));
    }
    cn__text_append(json, "],\"options\":{");
    for (const cn__attr *attr = type->attrs; attr && attr->name; attr++) {
        cn__text_append(json, attr == type->attrs ? "" : ",");
        append_option(json, node->layer, attr);
    }
    cn__text_append(json, "}");
    if (node->constants)
        append_constants(json, node);
    cn__text_append(json, "}");
}

static void append_numbers(cn__text *json, const char *name, const float *values, int32_t count) {
    cn__text_append(json, "\"%s\":[", name);
    for (int32_t i = 0; i < count; i++) {
        cn__text_append(json, i ? "," : "");
        cn__json_append_float(json, values[i]);
    }
    cn__text_append(json, "]");
}

static void append_outputs(cn__text *json, const cn_model *model) {
    int32_t count = cn__model_output_count(model);
    if (count == 1 && cn__model_output_node(model, 0) == (int32_t)model->node_count - 1)
        return;
    cn__text_append(json, ",\"outputs\":[");
    for (int32_t i = 0; i < count; i++) {
        cn__text_append(json, i ? "," : "");
        cn__json_append_string(json, cn_model_output_name(model, i));
    }
    cn__text_append(json, "]");
}

static void append_classes(cn__text *json, const cn_model *model) {
    cn__text_append(json, ",\"classes\":[");
    for (int64_t i = 0; i < model->class_count; i++) {
        cn__text_append(json, i ? "," : "");
        cn__json_append_string(json, model->class_names[i]);
    }
    cn__text_append(json, "]");
}

static void append_model(cn__text *json, const cn_model *model) {
    cn__text_append(json, "{\"input\":[%d,%d,%d],\"layers\":[", model->input.channels, model->input.height,
                    model->input.width);
    for (size_t i = 0; i < model->node_count; i++) {
        cn__text_append(json, i ? "," : "");
        append_layer(json, model, &model->nodes[i]);
    }
    cn__text_append(json, "]");
    append_outputs(json, model);
    if (model->mean) {
        cn__text_append(json, ",\"normalization\":{");
        append_numbers(json, "mean", model->mean, model->input.channels);
        cn__text_append(json, ",");
        append_numbers(json, "std", model->std, model->input.channels);
        cn__text_append(json, "}");
    }
    if (model->class_count)
        append_classes(json, model);
    cn__text_append(json, "}");
}

cn_status cn__architecture_write(const cn_model *model, char **text) {
    cn__text json = {.ctx = model->ctx};
    *text = NULL;
    if (model->node_count > CN__MAX_LAYERS)
        return cn__error(CN_ERR_ARGUMENT, "the model has %zu layers, files hold at most %d", model->node_count,
                         CN__MAX_LAYERS);
    for (size_t i = 0; i < model->node_count; i++)
        if (model->nodes[i].input_count > MAX_INPUTS)
            return cn__error(CN_ERR_ARGUMENT, "layer '%s' reads %d inputs, files hold at most %d", model->nodes[i].name,
                             model->nodes[i].input_count, MAX_INPUTS);
    append_model(&json, model);
    return cn__text_take(&json, text);
}

/* ---- reading ---- */

static cn_status bad(const char *what) {
    return cn__error(CN_ERR_FORMAT, "its architecture: %s", what);
}

static cn_status bad_option(const char *layer, const char *option, const char *what) {
    return cn__error(CN_ERR_FORMAT, "layer '%.200s': option '%.200s' %s", layer, option, what);
}

static bool read_int(const cn__json *json, int32_t *value) {
    int64_t wide;
    if (!cn__json_int64(json, &wide) || wide < INT32_MIN || wide > INT32_MAX)
        return false;
    *value = (int32_t)wide;
    return true;
}

static bool read_enum(const cn__json *json, const char *const *names, int32_t *value) {
    const char *text = cn__json_string(json);
    for (*value = 0; text && names[*value]; ++*value)
        if (strcmp(names[*value], text) == 0)
            return true;
    return false;
}

static bool read_value(const cn__json *json, const cn__attr *attr, cn_layer *layer) {
    char *place = (char *)layer + attr->offset;
    switch (attr->kind) {
    case CN__ATTR_INT:
        return read_int(json, (int32_t *)(void *)place);
    case CN__ATTR_ENUM:
        return read_enum(json, attr->names, (int32_t *)(void *)place);
    case CN__ATTR_FLOAT:
        return cn__json_float(json, (float *)(void *)place);
    case CN__ATTR_DOUBLE:
        return cn__json_double(json, (double *)(void *)place);
    }
    return false;
}

static const cn__attr *find_attr(const cn__layer_type *type, const char *name) {
    for (const cn__attr *attr = type->attrs; attr && attr->name; attr++)
        if (strcmp(attr->name, name) == 0)
            return attr;
    return NULL;
}

static cn_status read_options(const cn__json *options, const char *name, cn_layer *layer) {
    if (options && !cn__json_is(options, CN__JSON_OBJECT))
        return cn__error(CN_ERR_FORMAT, "layer '%.200s': its options are not an object", name);
    for (const cn__json *v = cn__json_first(options); v; v = cn__json_next(options, v)) {
        const cn__attr *attr = find_attr(layer->type, v->key);
        if (!attr)
            return bad_option(name, v->key, "is not known to this version");
        if (!read_value(v, attr, layer))
            return bad_option(name, v->key, "has a value of another kind");
    }
    return CN_OK;
}

static cn_status read_layer(cn_context *ctx, const cn__json *json, const char *name, cn_layer **layer) {
    const char *type_name = cn__json_string(cn__json_get(json, "type"));
    const cn__layer_type *type = type_name ? cn__layer_type_find(ctx, type_name) : NULL;
    cn_layer *made;
    *layer = NULL;
    if (!type)
        return cn__error(CN_ERR_FORMAT,
                         "layer '%.200s' is of type '%.200s', which is neither one of this version's nor registered "
                         "with the context (cn_context_register_layer)",
                         name, type_name ? type_name : "");
    CN__TRY(cn__layer_alloc(ctx, type, &made));
    cn_status status = read_options(cn__json_get(json, "options"), name, made);
    if (status != CN_OK) {
        cn_layer_free(made);
        return status;
    }
    return cn__layer_finish(made, layer);
}

/* Reads an array of texts; the array is to be freed, the texts belong to the JSON. */
static cn_status read_texts(cn_context *ctx, const cn__json *json, const char *what, int most, const char ***texts,
                            int *count) {
    *texts = NULL;
    *count = 0;
    if (!cn__json_is(json, CN__JSON_ARRAY) || json->count == 0)
        return cn__error(CN_ERR_FORMAT, "%s are not a list of texts", what);
    if (json->count > (uint32_t)most)
        return cn__error(CN_ERR_FORMAT, "%s are %u, files hold at most %d", what, json->count, most);
    *texts = cn__alloc(ctx, json->count, sizeof **texts);
    if (!*texts)
        return cn__no_memory(what);
    for (const cn__json *v = cn__json_first(json); v; v = cn__json_next(json, v)) {
        const char *text = cn__json_string(v);
        if (!text)
            return cn__error(CN_ERR_FORMAT, "%s are not a list of texts", what);
        (*texts)[(*count)++] = text;
    }
    return CN_OK;
}

/* An Input has none. */
static cn_status read_inputs(cn_context *ctx, const cn__json *layer, const char *name, const char ***inputs,
                             int *count) {
    char what[256];
    const char *type = cn__json_string(cn__json_get(layer, "type"));
    *inputs = NULL;
    *count = 0;
    if (type && strcmp(type, cn__input_type.name) == 0)
        return cn__json_first(cn__json_get(layer, "inputs"))
                   ? cn__error(CN_ERR_FORMAT, "layer '%.200s' is an input, but reads others", name)
                   : CN_OK;
    snprintf(what, sizeof what, "the inputs of layer '%.200s'", name);
    return read_texts(ctx, cn__json_get(layer, "inputs"), what, MAX_INPUTS, inputs, count);
}

static cn_status read_constants(cn_context *ctx, const cn__json *json, cn__node *node) {
    cn__tensor_spec specs[CN__MAX_TENSORS];
    const char **names;
    int count, known = cn__node_specs(node, specs);
    cn_status status = read_texts(ctx, json, "its constants", CN__MAX_TENSORS, &names, &count);
    for (int i = 0; status == CN_OK && i < count; i++) {
        int t = 0;
        while (t < known && strcmp(specs[t].name, names[i]) != 0)
            t++;
        if (t == known)
            status = cn__error(CN_ERR_FORMAT, "layer '%.200s' has no tensor '%.200s'", node->name, names[i]);
        else
            node->constants |= 1u << t;
    }
    cn__free(ctx, (void *)names);
    return status;
}

static cn_status add_layer(cn_model *model, const cn__json *json) {
    const char *name = cn__json_string(cn__json_get(json, "name")), **inputs;
    const cn__json *constants = cn__json_get(json, "constants");
    cn_layer *layer;
    int count;
    if (!name)
        return bad("a layer has no name");
    cn_status status = read_inputs(model->ctx, json, name, &inputs, &count);
    if (status == CN_OK)
        status = read_layer(model->ctx, json, name, &layer);
    if (status == CN_OK)
        status = cn_model_add(model, name, layer, count, inputs);
    cn__free(model->ctx, (void *)inputs);
    if (status == CN_OK && constants)
        status = read_constants(model->ctx, constants, &model->nodes[model->node_count - 1]);
    return status;
}

static cn_status read_floats(cn_model *model, const cn__json *json, float **values) {
    size_t count = 0;
    *values = NULL;
    if (!cn__json_is(json, CN__JSON_ARRAY) || json->count != (uint32_t)model->input.channels)
        return bad("the normalisation does not have a number for each channel");
    *values = cn__alloc(model->ctx, json->count, sizeof **values);
    if (!*values)
        return cn__no_memory("the normalisation");
    for (const cn__json *v = cn__json_first(json); v; v = cn__json_next(json, v))
        if (!cn__json_float(v, &(*values)[count++]))
            return bad("the normalisation does not have a number for each channel");
    return CN_OK;
}

static cn_status read_normalization(cn_model *model, const cn__json *json) {
    float *mean, *std = NULL;
    cn_status status = read_floats(model, cn__json_get(json, "mean"), &mean);
    if (status == CN_OK)
        status = read_floats(model, cn__json_get(json, "std"), &std);
    if (status == CN_OK)
        status = cn_model_set_normalization(model, model->input.channels, mean, std);
    cn__free(model->ctx, mean);
    cn__free(model->ctx, std);
    return status;
}

static cn_status read_classes(cn_model *model, const cn__json *json) {
    const char **names;
    int count;
    int outputs = cn__model_shape(model, cn__model_output_node(model, 0)).channels;
    cn_status status = read_texts(model->ctx, json, "its classes", INT32_MAX, &names, &count);
    if (status == CN_OK && count != outputs)
        status = cn__error(CN_ERR_FORMAT, "it has %d class names for %d outputs", count, outputs);
    if (status == CN_OK)
        status = cn_model_set_class_names(model, count, names);
    cn__free(model->ctx, (void *)names);
    return status;
}

static cn_status read_outputs(cn_model *model, const cn__json *json) {
    const char **names;
    int count;
    cn_status status = read_texts(model->ctx, json, "its outputs", CN__MAX_LAYERS, &names, &count);
    if (status == CN_OK)
        status = cn_model_set_outputs(model, count, names);
    cn__free(model->ctx, (void *)names);
    return status;
}

static cn_status read_layers(cn_model *model, const cn__json *layers) {
    uint32_t count = cn__json_is(layers, CN__JSON_ARRAY) ? layers->count : 0;
    if (count == 0 || count > CN__MAX_LAYERS)
        return cn__error(CN_ERR_FORMAT, "its architecture has %u layers, wanted 1 to %d", count, CN__MAX_LAYERS);
    for (const cn__json *v = cn__json_first(layers); v; v = cn__json_next(layers, v))
        CN__TRY(add_layer(model, v));
    return CN_OK;
}

static bool read_sides(const cn__json *json, int32_t sides[3]) {
    if (!cn__json_is(json, CN__JSON_ARRAY) || json->count != 3)
        return false;
    const cn__json *v = cn__json_first(json);
    for (int i = 0; i < 3; i++, v = cn__json_next(json, v))
        if (!read_int(v, &sides[i]))
            return false;
    return true;
}

static cn_status read_model(cn_context *ctx, const cn__json *json, cn_model **model) {
    const cn__json *normalization = cn__json_get(json, "normalization"), *classes = cn__json_get(json, "classes");
    const cn__json *outputs = cn__json_get(json, "outputs");
    int32_t sides[3];
    if (!read_sides(cn__json_get(json, "input"), sides))
        return bad("its input is not three numbers");
    CN__TRY(cn_model_new(ctx, sides[0], sides[1], sides[2], model));
    CN__TRY(read_layers(*model, cn__json_get(json, "layers")));
    if (outputs)
        CN__TRY(read_outputs(*model, outputs));
    if (normalization)
        CN__TRY(read_normalization(*model, normalization));
    return classes ? read_classes(*model, classes) : CN_OK;
}

cn_status cn__architecture_read(cn_context *ctx, const char *text, cn_model **model) {
    cn__json *json;
    *model = NULL;
    CN__TRY(cn__json_read(ctx, text, strlen(text), "its architecture", &json));
    cn_status status = read_model(ctx, json, model);
    cn__free(ctx, json);
    if (status == CN_OK)
        return CN_OK;
    cn_model_free(*model);
    *model = NULL;
    /* What a caller would be told of an argument is here a fault of the file. */
    return status == CN_ERR_MEMORY ? status : cn__error(CN_ERR_FORMAT, "%s", cn_last_error());
}
