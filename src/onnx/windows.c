/* SPDX-License-Identifier: MIT */
/* windows.c: what convolutions and pools say of their windows. */
#include "onnx/importer.h"

cn_status cn__onnx_sides(const cn__onnx_node *node, const char *name, int sides, int64_t fallback, int64_t least,
                         int64_t to[2]) {
    int64_t list[CN_MAX_DIMS];
    int count;
    CN__TRY(cn__onnx_ints(node, name, list, &count));
    if (count != 0 && count != sides)
        return cn__error(CN_ERR_FORMAT, "its %s are %d numbers, wanted %d", name, count, sides);
    to[0] = to[1] = fallback;
    for (int d = 0; d < sides; d++) {
        int64_t *side = &to[d + 2 - sides];
        if (count)
            *side = list[d];
        if (*side < least || *side > CN__MAX_SIDE)
            return cn__error(CN_ERR_FORMAT, "its %s have %lld, wanted %lld to %d", name, (long long)*side,
                             (long long)least, CN__MAX_SIDE);
    }
    return CN_OK;
}

static cn_status read_pads(const cn__onnx_node *node, int sides, cn__onnx_window *window) {
    int64_t list[CN_MAX_DIMS];
    int count;
    CN__TRY(cn__onnx_ints(node, "pads", list, &count));
    if (count != 0 && count != 2 * sides)
        return cn__error(CN_ERR_FORMAT, "its pads are %d numbers, wanted %d", count, 2 * sides);
    for (int d = 0; d < sides && count; d++) {
        window->begin[d + 2 - sides] = list[d];
        window->end[d + 2 - sides] = list[d + sides];
        if (list[d] < 0 || list[d] > CN__MAX_SIDE || list[d + sides] < 0 || list[d + sides] > CN__MAX_SIDE)
            return cn__error(CN_ERR_FORMAT, "its pads have %lld and %lld, wanted 0 to %d", (long long)list[d],
                             (long long)list[d + sides], CN__MAX_SIDE);
    }
    return CN_OK;
}

/* As much as makes the output's size that of the input divided by the stride. */
static void pad_to_same(cn__onnx_window *window, const int64_t size[2], bool upper) {
    for (int d = 0; d < 2; d++) {
        int64_t out = (size[d] + window->stride[d] - 1) / window->stride[d];
        int64_t wanted = (out - 1) * window->stride[d] + (window->kernel[d] - 1) * window->dilation[d] + 1;
        int64_t all = wanted > size[d] ? wanted - size[d] : 0;
        window->begin[d] = upper ? all / 2 : all - all / 2;
        window->end[d] = all - window->begin[d];
    }
}

cn_status cn__onnx_window_read(const cn__onnx_node *node, const cn__onnx_view *in, cn__shape shape,
                               const int64_t *kernel, cn__onnx_window *window) {
    const int64_t size[2] = {shape.height, shape.width};
    int sides = in->dims - 2;
    *window = (cn__onnx_window){{1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}};
    if (sides < 1)
        return cn__error(CN_ERR_FORMAT, "its input has %d dimensions, wanted 3 or more", in->dims);
    CN__TRY(cn__onnx_sides(node, "kernel_shape", sides, 1, 1, window->kernel));
    for (int d = 0; d < sides && kernel; d++)
        window->kernel[d + 2 - sides] = kernel[d];
    CN__TRY(cn__onnx_sides(node, "strides", sides, 1, 1, window->stride));
    CN__TRY(cn__onnx_sides(node, "dilations", sides, 1, 1, window->dilation));
    if (sides == 1)
        window->kernel[0] = window->stride[0] = window->dilation[0] = 1;
    bool upper = cn__onnx_string_is(node, "auto_pad", "NOTSET", "SAME_UPPER");
    if (cn__onnx_string_is(node, "auto_pad", "NOTSET", "NOTSET"))
        return read_pads(node, sides, window);
    if (upper || cn__onnx_string_is(node, "auto_pad", "NOTSET", "SAME_LOWER"))
        pad_to_same(window, size, upper);
    else if (!cn__onnx_string_is(node, "auto_pad", "NOTSET", "VALID"))
        return cn__error(CN_ERR_FORMAT, "its auto_pad is none of NOTSET, SAME_UPPER, SAME_LOWER and VALID");
    return CN_OK;
}
