/* SPDX-License-Identifier: MIT */
/* receptive_field.c: how much of the image a pixel of each layer sees (Araujo, Norris & Sim, Distill 2019):
 *
 *   jump_out = jump_in · stride,   RF_out = RF_in + dilation (kernel - 1) · jump_in
 *
 * from RF 1 and jump 1 of the image itself. Where paths meet the widest counts. */
#include "model/model.h"

/* A long chain of strides goes beyond any integer; then the result stays at the largest. */
static int64_t multiply_capped(int64_t a, int64_t b) {
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

/* What comes in: the widest of the inputs. */
static void gather(const cn__node *node, const cn__receptive_field *fields, cn__receptive_field *field, int d) {
    field->rf_in[d] = field->jump_in[d] = 1;
    for (int32_t i = 0; i < node->input_count; i++) {
        if (node->inputs[i] < 0)
            continue;
        const cn__receptive_field *source = &fields[node->inputs[i]];
        field->rf_in[d] = source->rf_out[d] > field->rf_in[d] ? source->rf_out[d] : field->rf_in[d];
        field->jump_in[d] = source->jump_out[d] > field->jump_in[d] ? source->jump_out[d] : field->jump_in[d];
    }
}

static void grow(cn__receptive_field *field, int d) {
    const cn__window *window = &field->window;
    field->rf_out[d] = field->rf_in[d];
    field->jump_out[d] = field->jump_in[d];
    if (!field->present)
        return;
    field->rf_out[d] = cn__add_capped(
        field->rf_in[d], multiply_capped((int64_t)window->dilation[d] * (window->kernel[d] - 1), field->jump_in[d]));
    field->jump_out[d] = multiply_capped(field->jump_in[d], window->stride[d]);
}

cn_status cn__receptive_fields(const cn_model *model, cn__receptive_field **fields) {
    *fields = cn__alloc(model->ctx, model->node_count, sizeof **fields);
    if (!*fields)
        return cn__no_memory("receptive fields");
    for (size_t i = 0; i < model->node_count; i++) {
        const cn__node *node = &model->nodes[i];
        const cn__layer_type *type = node->layer->type;
        cn__receptive_field *field = &(*fields)[i];
        field->present =
            type->window && type->window(node->layer, cn__model_shape(model, node->inputs[0]), &field->window);
        for (int d = 0; d < 2; d++) {
            gather(node, *fields, field, d);
            grow(field, d);
        }
    }
    return CN_OK;
}

/* ---- the table ---- */

/* Both sides as one number, if they are equal. */
static void append_sides(cn__text *cells, int64_t height, int64_t width) {
    cn__text_append(cells, "\t%lld", (long long)height);
    if (width != height)
        cn__text_append(cells, "×%lld", (long long)width);
}

static void append_row(cn__text *cells, const cn_model *model, const cn__node *node, const cn__receptive_field *field) {
    cn__shape in = cn__model_shape(model, node->inputs[0]);
    const cn__window *window = &field->window;
    cn__text_append(cells, "%s", node->name);
    append_sides(cells, in.height, in.width);
    append_sides(cells, field->rf_in[0], field->rf_in[1]);
    append_sides(cells, field->jump_in[0], field->jump_in[1]);
    append_sides(cells, window->padding[0], window->padding[1]);
    append_sides(cells, window->kernel[0], window->kernel[1]);
    append_sides(cells, window->stride[0], window->stride[1]);
    append_sides(cells, node->shape.height, node->shape.width);
    append_sides(cells, field->rf_out[0], field->rf_out[1]);
    append_sides(cells, field->jump_out[0], field->jump_out[1]);
    cn__text_append(cells, "\n");
}

cn_status cn_model_receptive_field(const cn_model *model, char **text) {
    CN__COMPUTES;
    cn__receptive_field *fields;
    CN__REQUIRE(text);
    *text = NULL;
    CN__REQUIRE(model);
    CN__TRY(cn__receptive_fields(model, &fields));
    cn__text cells = {.ctx = model->ctx};
    cn__text_append(&cells, "layer\tin\trf\tjump\tpad\tkernel\tstride\tout\trf out\tjump out\n");
    for (size_t i = 0; i < model->node_count; i++)
        if (fields[i].present)
            append_row(&cells, model, &model->nodes[i], &fields[i]);
    cn__free(model->ctx, fields);
    return cn__text_table(&cells, "<>>>>>>>>>", text);
}
