/* summary.c: what a model's layers are and cost, as data and as a table. */
#include "model/model.h"
#include <stdio.h>

#define SHAPE_TEXT 40

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
    cn__shape in = cn__model_shape(model, node->inputs[0]), out = node->shape;
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
    info->in = in.height;
    info->rf_in = field->rf_in;
    info->jump_in = field->jump_in;
    info->padding = field->window.padding;
    info->kernel = field->window.kernel;
    info->stride = field->window.stride;
    info->out = out.height;
    info->rf_out = field->rf_out;
    info->jump_out = field->jump_out;
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

/* ---- the table ---- */

typedef struct totals {
    int64_t parameters, multiply_adds, activation_bytes;
} totals;

static const char *shape_text(char text[SHAPE_TEXT], const int64_t shape[3]) {
    snprintf(text, SHAPE_TEXT, "%lld×%lld×%lld", (long long)shape[0], (long long)shape[1], (long long)shape[2]);
    return text;
}

/* Blank instead of 0, so that the layers that cost something stand out. */
static const char *cost(char text[CN__GROUPED_TEXT], int64_t value) {
    return value ? cn__grouped(text, value) : "";
}

static void append_costs(cn__text *cells, const totals *costs, int64_t all_parameters) {
    char text[CN__GROUPED_TEXT], share[16] = "";
    int64_t hundredths = all_parameters ? (10000 * costs->parameters + all_parameters / 2) / all_parameters : 0;
    if (costs->parameters)
        snprintf(share, sizeof share, "%d.%02d %%", (int)(hundredths / 100), (int)(hundredths % 100));
    cn__text_append(cells, "\t%s\t%s", cost(text, costs->parameters), share);
    cn__text_append(cells, "\t%s", cost(text, costs->multiply_adds));
    cn__text_append(cells, "\t%s\n", cost(text, costs->activation_bytes));
}

static void append_layer(cn__text *cells, const cn_model *model, const cn__node *node, int64_t all_parameters,
                         totals *sum) {
    cn_layer_info info = CN_LAYER_INFO_INIT;
    char input[SHAPE_TEXT], output[SHAPE_TEXT];
    describe(model, node, &(cn__receptive_field){.present = false}, &info);
    totals costs = {info.parameters, info.multiply_adds, info.activation_bytes};
    cn__text_append(cells, "%s\t%s\t%s\t%s", info.name, info.type, shape_text(input, info.input),
                    shape_text(output, info.output));
    append_costs(cells, &costs, all_parameters);
    sum->parameters += costs.parameters;
    sum->multiply_adds = cn__add_capped(sum->multiply_adds, costs.multiply_adds);
    sum->activation_bytes += costs.activation_bytes;
}

cn_status cn_model_summary(const cn_model *model, char **text) {
    totals sum = {0, 0, 0};
    int64_t all_parameters = 0;
    CN__REQUIRE(text);
    *text = NULL;
    CN__REQUIRE(model);
    for (size_t i = 0; i < model->node_count; i++)
        all_parameters += count_parameters(model->nodes[i].layer);
    cn__text cells = {.ctx = model->ctx};
    cn__text_append(&cells, "layer\ttype\tinput\toutput\tparameters\tshare\tmultiply-adds\tactivation bytes\n-\n");
    for (size_t i = 0; i < model->node_count; i++)
        append_layer(&cells, model, &model->nodes[i], all_parameters, &sum);
    cn__text_append(&cells, "-\ntotal\t\t\t");
    append_costs(&cells, &sum, all_parameters);
    return cn__text_table(&cells, "<<>>>>>>", text);
}
