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
static void gather(const cn__node *node, const cn__receptive_field *fields, cn__receptive_field *field) {
    field->rf_in = field->jump_in = 1;
    for (int32_t i = 0; i < node->input_count; i++) {
        if (node->inputs[i] < 0)
            continue;
        const cn__receptive_field *source = &fields[node->inputs[i]];
        field->rf_in = source->rf_out > field->rf_in ? source->rf_out : field->rf_in;
        field->jump_in = source->jump_out > field->jump_in ? source->jump_out : field->jump_in;
    }
}

static void grow(const cn_model *model, const cn__node *node, cn__receptive_field *field) {
    const cn__layer_type *type = node->layer->type;
    field->rf_out = field->rf_in;
    field->jump_out = field->jump_in;
    field->present = type->window && type->window(node->layer, cn__model_shape(model, node->inputs[0]), &field->window);
    if (!field->present)
        return;
    const cn__window *window = &field->window;
    field->rf_out =
        cn__add_capped(field->rf_in, multiply_capped((int64_t)window->dilation * (window->kernel - 1), field->jump_in));
    field->jump_out = multiply_capped(field->jump_in, window->stride);
}

cn_status cn__receptive_fields(const cn_model *model, cn__receptive_field **fields) {
    *fields = cn__alloc(model->ctx, model->node_count, sizeof **fields);
    if (!*fields)
        return cn__no_memory("receptive fields");
    for (size_t i = 0; i < model->node_count; i++) {
        gather(&model->nodes[i], *fields, &(*fields)[i]);
        grow(model, &model->nodes[i], &(*fields)[i]);
    }
    return CN_OK;
}

static void append_row(cn__text *cells, const cn_model *model, const cn__node *node, const cn__receptive_field *field,
                       int row) {
    int32_t in = cn__model_shape(model, node->inputs[0]).height, out = node->shape.height;
    cn__text_append(cells, "%d\t%d\t%lld\t%lld\t%d\t%d\t%d\t%d\t%lld\t%lld\n", row, in, (long long)field->rf_in,
                    (long long)field->jump_in, field->window.padding, field->window.kernel, field->window.stride, out,
                    (long long)field->rf_out, (long long)field->jump_out);
}

cn_status cn_model_receptive_field(const cn_model *model, char **text) {
    cn__receptive_field *fields;
    int row = 0;
    CN__REQUIRE(text);
    *text = NULL;
    CN__REQUIRE(model);
    CN__TRY(cn__receptive_fields(model, &fields));
    cn__text cells = {.ctx = model->ctx};
    cn__text_append(&cells, "layer\tin\tRF in\tjump in\tpad\tkernel\tstride\tout\tRF out\tjump out\n");
    for (size_t i = 0; i < model->node_count; i++)
        if (fields[i].present)
            append_row(&cells, model, &model->nodes[i], &fields[i], ++row);
    cn__free(model->ctx, fields);
    return cn__text_table(&cells, ">>>>>>>>>>", text);
}
