/* SPDX-License-Identifier: MIT */
/* summary.c: what a model's layers are and cost, as data and as a table. */
#include "model/model.h"
#include <string.h>

int64_t cn_model_layer_count(const cn_model *model) {
    return model ? (int64_t)model->node_count : 0;
}

/* Known before cn_model_init allocates them. */
static int64_t count_parameters(const cn_layer *layer) {
    cn__tensor_spec specs[CN__MAX_TENSORS];
    int count = layer->type->tensors ? layer->type->tensors(layer, specs) : 0;
    int64_t parameters = 0;
    for (int t = 0; t < count; t++) {
        int64_t elements = specs[t].parameter;
        for (int i = 0; i < specs[t].dims; i++)
            elements *= specs[t].shape[i];
        parameters += elements;
    }
    return parameters;
}

static void describe(const cn_model *model, const cn__node *node, const cn__receptive_field *field,
                     cn_layer_info *info) {
    const cn_layer *layer = node->layer;
    cn__shape out = node->shape, in = cn__node_is_input(node) ? out : cn__model_shape(model, node->inputs[0]);
    info->name = node->name;
    info->type = layer->type->name;
    cn__shape_out(in, info->input);
    cn__shape_out(out, info->output);
    info->parameters = count_parameters(layer);
    info->multiply_adds = layer->type->multiply_adds ? layer->type->multiply_adds(layer, in, out) : 0;
    info->activation_bytes = (int64_t)sizeof(float) * out.channels * out.height * out.width;
    if (!field->present)
        return;
    info->has_receptive_field = 1;
    const int32_t in_size[2] = {in.height, in.width}, out_size[2] = {out.height, out.width};
    for (int d = 0; d < 2; d++) {
        info->in[d] = in_size[d];
        info->rf_in[d] = field->rf_in[d];
        info->jump_in[d] = field->jump_in[d];
        info->padding[d] = field->window.padding[d];
        info->kernel[d] = field->window.kernel[d];
        info->stride[d] = field->window.stride[d];
        info->out[d] = out_size[d];
        info->rf_out[d] = field->rf_out[d];
        info->jump_out[d] = field->jump_out[d];
    }
}

cn_status cn_model_layer_info(const cn_model *model, int64_t index, cn_layer_info *info) {
    cn__receptive_field *fields;
    cn_layer_info found = CN_LAYER_INFO_INIT;
    CN__REQUIRE(model);
    CN__REQUIRE(info);
    if (index < 0 || (size_t)index >= model->node_count)
        return cn__error(CN_ERR_NOT_FOUND, "cn_model_layer_info: no layer %lld, the model has %zu", (long long)index,
                         model->node_count);
    CN__TRY(cn__receptive_fields(model, &fields));
    describe(model, &model->nodes[index], &fields[index], &found);
    cn__free(model->ctx, fields);
    return cn__struct_write(info, &found, sizeof found, sizeof found, "cn_layer_info");
}

/* ---- a layer in words, such as "Conv2d 3×3, stride 2, no bias" ---- */

/* Options that say nothing: what shapes and numbers of parameters show, and the values that nearly every layer has. */
static bool is_usual(const char *name, int64_t integer, double real) {
    static const struct {
        const char *name;
        int64_t value; /* ANY: whatever it is */
    } usual[] = {
#define ANY INT64_MIN
        {"channels", ANY},
        {"height", ANY},
        {"width", ANY},
        {"in_channels", ANY},
        {"out_channels", ANY},
        {"in_features", ANY},
        {"out_features", ANY},
        {"num_channels", ANY},
        {"num_features", ANY},
        {"num_parameters", ANY},
        {"channels", ANY},
        {"height", ANY},
        {"width", ANY},
        {"output_height", ANY},
        {"output_width", ANY},
        {"scale_factor_height", ANY},
        {"scale_factor_width", ANY},
        {"stride", 1},
        {"padding", 0},
        {"output_padding", 0},
        {"dilation", 1},
        {"groups", 1},
        {"bias", ANY},
        {"padding_mode", 0},
        {"ceil_mode", 0},
        {"count_include_pad", 1},
        {"divisor_override", 0},
        {"affine", 1},
        {"track_running_stats", 1},
        {"align_corners", 0},
        {"approximate", 0},
        {"left", 0},
        {"right", 0},
        {"top", 0},
        {"bottom", 0},
        {"mode", 0},
        {"value", 0}};
    for (size_t i = 0; i < CN__COUNT(usual); i++)
        if (strcmp(usual[i].name, name) == 0)
            return usual[i].value == ANY || usual[i].value == integer;
    return (strcmp(name, "eps") == 0 && (float)real == 1e-5f) || (strcmp(name, "momentum") == 0 && (float)real == 0.1f);
}

static void append_option(cn__text *cells, const cn_layer *layer, const cn__attr *attr) {
    int32_t integer;
    float real;
    const char *place = (const char *)layer + attr->offset;
    memcpy(&integer, place, sizeof integer);
    memcpy(&real, place, sizeof real);
    if (is_usual(attr->name, integer, (double)real))
        return;
    cn__text_append(cells, ", ");
    if (attr->kind == CN__ATTR_ENUM)
        cn__text_append(cells, "%s", attr->names[integer]);
    else if (attr->kind == CN__ATTR_FLOAT)
        cn__text_append(cells, "%s %g", attr->name, (double)real);
    else if (attr->kind == CN__ATTR_DOUBLE)
        cn__text_append(cells, "%s %g", attr->name, *(const double *)(const void *)place);
    else if (integer == 0)
        cn__text_append(cells, "no %s", attr->name);
    else
        cn__text_append(cells, "%s %d", attr->name, (int)integer);
}

/* "stride_height" and "stride_width" as one: returns whether `attr` begins such a pair. */
static bool append_pair(cn__text *cells, const cn_layer *layer, const cn__attr *attr) {
    static const char ending[] = "_height";
    size_t length = strlen(attr->name), stem = length - strlen(ending);
    char name[32];
    int32_t size[2];
    if (length <= strlen(ending) || stem >= sizeof name || strcmp(attr->name + stem, ending) != 0)
        return false;
    for (int d = 0; d < 2; d++)
        memcpy(&size[d], (const char *)layer + attr[d].offset, sizeof size[d]);
    memcpy(name, attr->name, stem);
    name[stem] = '\0';
    bool kernel = strcmp(name, "kernel") == 0, pad = strcmp(name, "padding") == 0, both = size[0] == size[1];
    if (is_usual(attr->name, 0, 0.0) || (both && is_usual(name, size[0], 0.0)))
        return true;
    if (kernel)
        cn__text_append(cells, " %d×%d", (int)size[0], (int)size[1]);
    else if (both)
        cn__text_append(cells, ", %s %d", pad ? "pad" : name, (int)size[0]);
    else
        cn__text_append(cells, ", %s %d×%d", pad ? "pad" : name, (int)size[0], (int)size[1]);
    return true;
}

/* A pool moves by its own size unless it says otherwise. */
static bool moves_by_kernel(const cn__receptive_field *field) {
    const cn__window *w = &field->window;
    return field->present && w->stride[0] == w->kernel[0] && w->stride[1] == w->kernel[1];
}

static void append_inputs(cn__text *cells, const cn_model *model, size_t index) {
    const cn__node *node = &model->nodes[index];
    bool reads_above = node->input_count > 0 && node->inputs[0] == (int32_t)index - 1;
    const char *join = reads_above ? " with " : " of ";
    for (int32_t i = reads_above; i < node->input_count; i++) {
        cn__text_append(cells, "%s%s", join, cn__model_name(model, node->inputs[i]));
        join = ", ";
    }
}

/* Where there are several outputs, which one this is. */
static void append_output(cn__text *cells, const cn_model *model, size_t index) {
    for (int32_t i = 0; i < cn__model_output_count(model) && cn__model_output_count(model) > 1; i++)
        if (cn__model_output_node(model, i) == (int32_t)index)
            cn__text_append(cells, ", output %d", (int)i);
}

static void append_words(cn__text *cells, const cn_model *model, size_t index, const cn__receptive_field *field) {
    const cn_layer *layer = model->nodes[index].layer;
    cn__text_append(cells, "%s", layer->type->name);
    for (const cn__attr *attr = layer->type->attrs; attr && attr->name; attr++) {
        bool usual = strcmp(attr->name, "stride_height") == 0 && layer->type->tensors == NULL && moves_by_kernel(field);
        if (usual || append_pair(cells, layer, attr))
            attr++;
        else
            append_option(cells, layer, attr);
    }
    append_inputs(cells, model, index);
    append_output(cells, model, index);
}

/* ---- the table ---- */

static void append_shape(cn__text *cells, cn__shape shape) {
    cn__text_append(cells, "\t%d", (int)shape.channels);
    if (shape.height != 1 || shape.width != 1)
        cn__text_append(cells, "×%d×%d", (int)shape.height, (int)shape.width);
}

/* Blank instead of 0, so that the layers that cost something stand out. */
static void append_cost(cn__text *cells, int64_t value) {
    char text[CN__GROUPED_TEXT];
    cn__text_append(cells, "\t%s", value ? cn__grouped(text, value) : "");
}

static void append_megabytes(cn__text *text, int64_t bytes) {
    int64_t thousands = (bytes + 500) / 1000;
    cn__text_append(text, "%lld.%03lld MB", (long long)(thousands / 1000), (long long)(thousands % 1000));
}

typedef struct totals {
    int64_t parameters, multiply_adds, activation_bytes;
} totals;

static void append_layer(cn__text *cells, const cn_model *model, size_t index, const cn__receptive_field *field,
                         totals *sum) {
    const cn__node *node = &model->nodes[index];
    cn_layer_info info = CN_LAYER_INFO_INIT;
    describe(model, node, field, &info);
    cn__text_append(cells, "%s\t", node->name);
    append_words(cells, model, index, field);
    append_shape(cells, node->shape);
    append_cost(cells, info.parameters);
    append_cost(cells, info.multiply_adds);
    cn__text_append(cells, "\n");
    sum->parameters += info.parameters;
    sum->multiply_adds = cn__add_capped(sum->multiply_adds, info.multiply_adds);
    sum->activation_bytes += info.activation_bytes;
}

/* Below the table, which says nothing of memory. */
static cn_status append_memory(const cn_model *model, const totals *sum, char **text) {
    cn__text out = {.ctx = model->ctx};
    cn__text_append(&out, "%sparameters: ", *text);
    append_megabytes(&out, (int64_t)sizeof(float) * sum->parameters);
    cn__text_append(&out, "; all outputs for an image: ");
    append_megabytes(&out, sum->activation_bytes);
    cn__text_append(&out, " (float32)\n");
    cn_text_free(*text);
    *text = NULL;
    return cn__text_take(&out, text);
}

cn_status cn_model_summary(const cn_model *model, char **text) {
    CN__COMPUTES;
    cn__receptive_field *fields;
    totals sum = {0, 0, 0};
    CN__REQUIRE(text);
    *text = NULL;
    CN__REQUIRE(model);
    CN__TRY(cn__receptive_fields(model, &fields));
    cn__text cells = {.ctx = model->ctx};
    cn__text_append(&cells, "layer\twhat it is\toutput\tparams\tmult-adds\n-\n");
    for (size_t i = 0; i < model->node_count; i++)
        append_layer(&cells, model, i, &fields[i], &sum);
    cn__free(model->ctx, fields);
    cn__text_append(&cells, "-\ntotal\t\t");
    append_cost(&cells, sum.parameters);
    append_cost(&cells, sum.multiply_adds);
    cn__text_append(&cells, "\n");
    CN__TRY(cn__text_table(&cells, "<<>>>", text));
    return append_memory(model, &sum, text);
}
