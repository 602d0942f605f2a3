/* SPDX-License-Identifier: MIT */
/* shapes.c: shapes of all that a model computes, for images of its own or of another size. */
#include "model/model.h"

cn_status cn__layer_infer(const cn_layer *layer, const char *name, int32_t count, const cn__shape *in, cn__shape *out) {
    const cn__layer_type *type = layer->type;
    if (count < type->min_inputs || count > type->max_inputs)
        return cn__error(CN_ERR_ARGUMENT, "%s '%s' reads %d inputs, wanted %s%d", type->name, name, count,
                         type->max_inputs > type->min_inputs ? "at least " : "", type->min_inputs);
    CN__TRY(type->infer(layer, name, count, in, out));
    if (cn__too_large(out->channels, out->height, out->width))
        return cn__error(CN_ERR_SHAPE, "%s '%s': its output of %d×%d×%d has more than %d values", type->name, name,
                         out->channels, out->height, out->width, INT32_MAX);
    return CN_OK;
}

bool cn__shape_equal(cn__shape a, cn__shape b) {
    return a.channels == b.channels && a.height == b.height && a.width == b.width;
}

bool cn__model_own_size(const cn_model *model, const cn__shape *inputs) {
    for (int32_t i = 0; inputs && i < cn__model_input_count(model); i++)
        if (!cn__shape_equal(inputs[i], cn__model_shape(model, cn__model_input_node(model, i))))
            return false;
    return true;
}

/* Of the layers that are no inputs; `in` has room for what one of them reads. */
static cn_status infer_nodes(const cn_model *model, cn__shape *in, cn__shape *shapes) {
    for (size_t n = 0; n < model->node_count; n++) {
        const cn__node *node = &model->nodes[n];
        for (int32_t i = 0; i < node->input_count; i++)
            in[i] = shapes[node->inputs[i] + 1];
        if (!cn__node_is_input(node))
            CN__TRY(cn__layer_infer(node->layer, node->name, node->input_count, in, &shapes[n + 1]));
    }
    return CN_OK;
}

/* Says for which images a layer does not do. */
static cn_status other_size(const cn_model *model, const cn__shape *inputs) {
    int32_t i = 0;
    while (cn__shape_equal(inputs[i], cn__model_shape(model, cn__model_input_node(model, i))))
        i++;
    cn__shape own = cn__model_shape(model, cn__model_input_node(model, i));
    return cn__error(CN_ERR_SHAPE, "%d×%d×%d for '%s', of a model made for %d×%d×%d: %s", inputs[i].channels,
                     inputs[i].height, inputs[i].width, cn_model_input_name(model, i), own.channels, own.height,
                     own.width, cn_last_error());
}

static cn_status infer_all(const cn_model *model, const cn__shape *inputs, cn__shape *shapes) {
    int32_t most = 1;
    for (size_t n = 0; n < model->node_count; n++)
        if (most < model->nodes[n].input_count)
            most = model->nodes[n].input_count;
    cn__shape *in = cn__alloc(model->ctx, (size_t)most, sizeof *in);
    if (!in)
        return cn__no_memory("a model's shapes");
    for (int32_t i = 0; i < cn__model_input_count(model); i++)
        shapes[cn__model_input_node(model, i) + 1] = inputs[i];
    cn_status status = infer_nodes(model, in, shapes);
    cn__free(model->ctx, in);
    return status == CN_ERR_MEMORY || status == CN_OK ? status : other_size(model, inputs);
}

cn_status cn__model_shapes(const cn_model *model, const cn__shape *inputs, cn__shape *shapes) {
    if (!cn__model_own_size(model, inputs))
        return infer_all(model, inputs, shapes);
    for (int32_t v = 0; v <= (int32_t)model->node_count; v++)
        shapes[v] = cn__model_shape(model, v - 1);
    return CN_OK;
}

/* ---- for callers ---- */

static cn_status read_inputs(const cn_model *model, const int64_t *sizes, cn__shape *inputs) {
    for (int32_t i = 0; i < cn__model_input_count(model); i++, sizes += 3) {
        int32_t channels = cn__model_shape(model, cn__model_input_node(model, i)).channels;
        if (sizes[0] != channels)
            return cn__error(CN_ERR_SHAPE, "'%s' has %d channels, not %lld", cn_model_input_name(model, i), channels,
                             (long long)sizes[0]);
        for (int d = 1; d < 3; d++)
            if (sizes[d] < 1 || sizes[d] > CN__MAX_SIDE)
                return cn__error(CN_ERR_SHAPE, "%s of '%s' is %lld, wanted 1 to %d", d == 1 ? "height" : "width",
                                 cn_model_input_name(model, i), (long long)sizes[d], CN__MAX_SIDE);
        CN__TRY(cn__input_check(cn_model_input_name(model, i), channels, (int)sizes[1], (int)sizes[2]));
        inputs[i] = (cn__shape){channels, (int32_t)sizes[1], (int32_t)sizes[2]};
    }
    return CN_OK;
}

cn_status cn_model_output_shape_for(const cn_model *model, const int64_t *inputs, int64_t index, int64_t shape[3]) {
    CN__REQUIRE(model);
    CN__REQUIRE(inputs);
    CN__REQUIRE(shape);
    if (index < 0 || index >= cn__model_output_count(model))
        return cn__error(CN_ERR_NOT_FOUND, "cn_model_output_shape_for: no output %lld, the model has %d",
                         (long long)index, cn__model_output_count(model));
    size_t input_count = (size_t)cn__model_input_count(model);
    cn__shape *shapes = cn__alloc(model->ctx, input_count + model->node_count + 1, sizeof *shapes);
    if (!shapes)
        return cn__no_memory("a model's shapes");
    cn_status status = read_inputs(model, inputs, shapes);
    if (status == CN_OK)
        status = cn__model_shapes(model, shapes, shapes + input_count);
    if (status == CN_OK)
        cn__shape_out((shapes + input_count)[cn__model_output_node(model, (int32_t)index) + 1], shape);
    cn__free(model->ctx, shapes);
    return status == CN_OK ? CN_OK : cn__error(status, "cn_model_output_shape_for: %s", cn_last_error());
}
