/* SPDX-License-Identifier: MIT */
/* save_convolutions.c: convolutions, and linear layers as Gemm. */
#include "onnx/exporter.h"

void cn__export_window(cn__export *x, const int64_t begin[2], const int64_t end[2]) {
    const int64_t pads[4] = {begin[0], begin[1], end[0], end[1]};
    int64_t kernel[2], stride[2];
    cn__export_pair(x, "kernel", kernel);
    cn__export_pair(x, "stride", stride);
    cn__export_attr_ints(x, "kernel_shape", 2, kernel);
    cn__export_attr_ints(x, "pads", 4, pads);
    cn__export_attr_ints(x, "strides", 2, stride);
}

/* What both kinds of convolution have: inputs and attributes. */
static void begin(cn__export *x, const char *op, cn__exported image, const int64_t padding[2], const int64_t end[2]) {
    cn__exported weight = cn__export_tensor(x, "weight", 0, NULL), bias = cn__export_tensor(x, "bias", 0, NULL);
    int64_t dilation[2];
    cn__export_pair(x, "dilation", dilation);
    cn__export_begin(x, op);
    cn__export_reads(x, image);
    cn__export_reads(x, weight);
    if (bias.name)
        cn__export_reads(x, bias);
    cn__export_attr_ints(x, "dilations", 2, dilation);
    cn__export_attr_int(x, "group", cn__export_int(x, "groups"));
    cn__export_window(x, padding, end);
}

cn__exported cn__export_conv(cn__export *x) {
    cn_padding_mode mode = (cn_padding_mode)cn__export_int(x, "padding_mode");
    cn__exported image = cn__export_image(x, 0);
    int64_t padding[2];
    cn__export_pair(x, "padding", padding);
    if (mode != CN_PADDING_ZEROS && (padding[0] || padding[1])) {
        const int64_t sides[4] = {padding[1], padding[1], padding[0], padding[0]};
        image = cn__export_padded(x, image, sides, mode, 0.0f, CN__EXPORT_PIECE);
        padding[0] = padding[1] = 0;
    }
    begin(x, "Conv", image, padding, padding);
    return cn__export_end(x, CN__EXPORT_LAST);
}

/* torch's output may gain as much as stride or dilation, ONNX's less than the stride. What is more comes of rows or columns
 * of zeros behind the input: their outputs are cut off again but for what was to be gained. */
static cn__exported gain_by_zeros(cn__export *x, cn__exported image, int64_t gain[2], int64_t end[2]) {
    int64_t stride[2], zeros[2] = {0, 0};
    cn__export_pair(x, "stride", stride);
    for (int d = 0; d < 2; d++)
        if (gain[d] >= stride[d]) {
            zeros[d] = (gain[d] + stride[d] - 1) / stride[d];
            end[d] += zeros[d] * stride[d] - gain[d];
            gain[d] = 0;
        }
    const int64_t sides[4] = {0, zeros[1], 0, zeros[0]};
    if (zeros[0] == 0 && zeros[1] == 0)
        return image;
    return cn__export_padded(x, image, sides, CN_PADDING_ZEROS, 0.0f, CN__EXPORT_PIECE);
}

cn__exported cn__export_conv_transpose(cn__export *x) {
    int64_t padding[2], end[2], gain[2];
    cn__export_pair(x, "padding", padding);
    cn__export_pair(x, "padding", end);
    cn__export_pair(x, "output_padding", gain);
    cn__exported image = gain_by_zeros(x, cn__export_image(x, 0), gain, end);
    begin(x, "ConvTranspose", image, padding, end);
    cn__export_attr_ints(x, "output_padding", 2, gain);
    return cn__export_end(x, CN__EXPORT_LAST);
}

cn__exported cn__export_linear(cn__export *x) {
    cn__exported features = cn__export_flat(x, 0);
    cn__exported weight = cn__export_tensor(x, "weight", 0, NULL), bias = cn__export_tensor(x, "bias", 0, NULL);
    cn__export_begin(x, "Gemm");
    cn__export_reads(x, features);
    cn__export_reads(x, weight);
    if (bias.name)
        cn__export_reads(x, bias);
    cn__export_attr_int(x, "transB", 1);
    return cn__export_end(x, CN__EXPORT_LAST);
}
