/* SPDX-License-Identifier: MIT */
/* channels_last.c: files whose images are [N, H, W, C], as TensorFlow has them and turns them in front of what wants the
 * channels first. The model reads [N, C, H, W] as all do; the file's input is a view of that, and the Transpose nothing. */
#include "onnx/importer.h"

static bool turns(const cn__onnx_node *node, const int64_t wanted[4]) {
    int64_t perm[CN_MAX_DIMS];
    int count;
    return cn__onnx_op_is(node, "Transpose") && cn__onnx_ints(node, "perm", perm, &count) == CN_OK && count == 4 &&
           memcmp(perm, wanted, 4 * sizeof *perm) == 0;
}

/* Leaves dimensions what they are, as normalisation of pixels does. */
static bool goes_by_element(const cn__onnx_node *node) {
    static const char *const ops[] = {"Add", "Sub", "Mul", "Div", "Cast", "Identity"};
    for (size_t i = 0; i < CN__COUNT(ops); i++)
        if (cn__onnx_op_is(node, ops[i]))
            return true;
    return false;
}

/* From the last node to the first, so that what is found of a node's output is known by the time that its inputs are asked
 * for. */
void cn__onnx_find_channels_last(cn__onnx *onnx) {
    static const int64_t to_first[4] = {0, 3, 1, 2};
    for (int32_t n = onnx->node_count - 1; n >= 0; n--) {
        const cn__onnx_node *node = &onnx->nodes[n];
        bool known = node->output_count > 0 && node->outputs[0] >= 0 && onnx->values[node->outputs[0]].channels_last;
        if (!node->needed || node->foreign || !(turns(node, to_first) || (known && goes_by_element(node))))
            continue;
        for (int32_t i = 0; i < node->input_count; i++)
            if (node->inputs[i] >= 0)
                onnx->values[node->inputs[i]].channels_last = true;
    }
}

bool cn__onnx_turn_input(const cn__onnx *onnx, const cn__onnx_value *value, cn__onnx_info *info) {
    const int64_t sides[3] = {info->shape[3], info->shape[1], info->shape[2]};
    if (!value->channels_last || info->dims != 4)
        return false;
    cn__log(onnx->ctx, CN_LOG_INFO, "the ONNX file has '%.*s' as [N, H, W, C]; the model reads it as [N, C, H, W]",
            CN__SHOWN(info->name));
    memcpy(info->shape + 1, sides, sizeof sides);
    return true;
}

static const cn__onnx_axis last[4] = {CN__AXIS_IMAGES, CN__AXIS_HEIGHT, CN__AXIS_WIDTH, CN__AXIS_CHANNELS};

cn__onnx_view cn__onnx_turned_view(const cn__onnx *onnx, int32_t layer) {
    return cn__onnx_view_by_axes(onnx, layer, 4, last);
}

bool cn__onnx_is_turned(const cn__onnx *onnx, const cn__onnx_view *view) {
    if (view->dims != 4 || view->images != 0)
        return false;
    for (int i = 1; i < 4; i++) {
        cn__onnx_axis axis = cn__onnx_axis_at(onnx, view, i);
        if (axis != last[i] && axis != CN__AXIS_ONE)
            return false;
    }
    return true;
}
