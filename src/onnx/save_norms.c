/* SPDX-License-Identifier: MIT */
/* save_norms.c: normalisation. */
#include "onnx/exporter.h"

/* The layer's tensor, or without it constants that change nothing. */
static cn__exported or_filled(cn__export *x, const char *name, float value) {
    cn__exported tensor = cn__export_tensor(x, name, 0, NULL);
    return tensor.name ? tensor : cn__export_filled(x, cn__export_out(x).channels, value);
}

static float eps_of(const cn__export *x) {
    return (float)cn__export_real(x, "eps");
}

/* By running statistics. */
static cn__exported batch_norm(cn__export *x, cn__exported in) {
    cn__exported weight = or_filled(x, "weight", 1.0f), bias = or_filled(x, "bias", 0.0f);
    cn__exported mean = cn__export_tensor(x, "running_mean", 0, NULL);
    cn__exported variance = cn__export_tensor(x, "running_var", 0, NULL);
    cn__export_begin(x, "BatchNormalization");
    cn__export_reads(x, in);
    cn__export_reads(x, weight);
    cn__export_reads(x, bias);
    cn__export_reads(x, mean);
    cn__export_reads(x, variance);
    cn__export_attr_float(x, "epsilon", eps_of(x));
    cn__export_attr_float(x, "momentum", 1.0f - (float)cn__export_real(x, "momentum"));
    return cn__export_end(x, CN__EXPORT_LAST);
}

/* y · weight + bias, which are the layer's end if it has them. */
static cn__exported scaled(cn__export *x, cn__exported (*normalise)(cn__export *x, cn__export_place place)) {
    if (!cn__export_int(x, "affine"))
        return normalise(x, CN__EXPORT_LAST);
    cn__exported y = normalise(x, CN__EXPORT_PIECE);
    y = cn__export_binary(x, "Mul", y, cn__export_by_channel(x, "weight", y.dims), CN__EXPORT_PIECE);
    return cn__export_binary(x, "Add", y, cn__export_by_channel(x, "bias", y.dims), CN__EXPORT_LAST);
}

/* Over images, height and width. */
static cn__exported mean_of(cn__export *x, cn__exported in) {
    static const int64_t axes[3] = {0, 2, 3};
    cn__export_begin(x, "ReduceMean");
    cn__export_reads(x, in);
    cn__export_attr_ints(x, "axes", in.dims == 2 ? 1 : 3, axes);
    return cn__export_end(x, CN__EXPORT_PIECE);
}

/* By the batch's statistics, written out: BatchNormalization's training_mode is understood in several ways. */
static cn__exported standardise_batch(cn__export *x, cn__export_place place) {
    cn__exported in = cn__export_input(x, 0), eps = cn__export_number(x, eps_of(x));
    cn__exported centred = cn__export_binary(x, "Sub", in, mean_of(x, in), CN__EXPORT_PIECE);
    cn__exported variance = mean_of(x, cn__export_binary(x, "Mul", centred, centred, CN__EXPORT_PIECE));
    cn__exported sum = cn__export_binary(x, "Add", variance, eps, CN__EXPORT_PIECE);
    return cn__export_binary(x, "Div", centred, cn__export_unary(x, "Sqrt", sum, CN__EXPORT_PIECE), place);
}

cn__exported cn__export_batch_norm(cn__export *x) {
    return cn__export_int(x, "track_running_stats") ? batch_norm(x, cn__export_input(x, 0))
                                                    : scaled(x, standardise_batch);
}

static cn__exported instance_norm(cn__export *x, cn__exported in, cn__exported weight, cn__exported bias,
                                  cn__export_place place) {
    cn__export_begin(x, "InstanceNormalization");
    cn__export_reads(x, in);
    cn__export_reads(x, weight);
    cn__export_reads(x, bias);
    cn__export_attr_float(x, "epsilon", eps_of(x));
    return cn__export_end(x, place);
}

/* GroupNormalization is of opset 18, and of 21 with a weight for each channel; so this is PyTorch's way: an instance norm
 * of groups for channels. */
static cn__exported standardise_groups(cn__export *x, cn__export_place place) {
    const int64_t groups = cn__export_int(x, "num_groups"), rows[3] = {0, groups, -1};
    cn__exported in = cn__export_image(x, 0), shape = cn__export_ints(x, 3, rows);
    cn__exported y = cn__export_binary(x, "Reshape", in, shape, CN__EXPORT_PIECE);
    cn__exported ones = cn__export_filled(x, groups, 1.0f), zeros = cn__export_filled(x, groups, 0.0f);
    y = instance_norm(x, y, ones, zeros, CN__EXPORT_PIECE);
    return cn__export_reshaped(x, y, cn__export_out(x), place);
}

cn__exported cn__export_group_norm(cn__export *x) {
    if (cn__export_int(x, "num_groups") != cn__export_int(x, "num_channels"))
        return scaled(x, standardise_groups);
    cn__exported in = cn__export_image(x, 0), weight = or_filled(x, "weight", 1.0f), bias = or_filled(x, "bias", 0.0f);
    return instance_norm(x, in, weight, bias, CN__EXPORT_LAST);
}

static cn__exported transposed(cn__export *x, cn__exported in, const int64_t perm[4], cn__export_place place) {
    cn__export_begin(x, "Transpose");
    cn__export_reads(x, in);
    cn__export_attr_ints(x, "perm", 4, perm);
    return cn__export_end(x, place);
}

/* Over the last axis, to which images bring their channels. */
cn__exported cn__export_layer_norm(cn__export *x) {
    static const int64_t there[4] = {0, 2, 3, 1}, back[4] = {0, 3, 1, 2};
    cn__exported in = cn__export_input(x, 0), weight = or_filled(x, "weight", 1.0f), bias = or_filled(x, "bias", 0.0f);
    bool image = in.dims == 4;
    cn__export_needs_opset(x, 17);
    if (image)
        in = transposed(x, in, there, CN__EXPORT_PIECE);
    cn__export_begin(x, "LayerNormalization");
    cn__export_reads(x, in);
    cn__export_reads(x, weight);
    cn__export_reads(x, bias);
    cn__export_attr_int(x, "axis", -1);
    cn__export_attr_float(x, "epsilon", eps_of(x));
    cn__exported y = cn__export_end(x, image ? CN__EXPORT_PIECE : CN__EXPORT_LAST);
    return image ? transposed(x, y, back, CN__EXPORT_LAST) : y;
}

static cn__exported with_real(cn__export *x, const char *op, cn__exported a, const char *option) {
    return cn__export_binary(x, op, a, cn__export_number(x, (float)cn__export_real(x, option)), CN__EXPORT_PIECE);
}

/* LRN has as many neighbours on both sides. Of an even number torch has one more below, so that is written out: x / (k +
 * alpha · mean(x²))^beta, where the mean is a pool over channels that are rows. */
static cn__exported even_response_norm(cn__export *x, cn__exported in, int64_t size) {
    cn__shape shape = cn__export_out(x);
    const int64_t rows[4] = {0, 1, shape.channels, (int64_t)shape.height * shape.width};
    const int64_t window[2] = {size, 1}, pads[4] = {size / 2, 0, (size - 1) / 2, 0};
    cn__exported squares = cn__export_binary(x, "Mul", in, in, CN__EXPORT_PIECE), list = cn__export_ints(x, 4, rows);
    squares = cn__export_binary(x, "Reshape", squares, list, CN__EXPORT_PIECE);
    cn__export_begin(x, "AveragePool");
    cn__export_reads(x, squares);
    cn__export_attr_int(x, "count_include_pad", 1);
    cn__export_attr_ints(x, "kernel_shape", 2, window);
    cn__export_attr_ints(x, "pads", 4, pads);
    cn__exported means = cn__export_end(x, CN__EXPORT_PIECE);
    means = cn__export_reshaped(x, means, shape, CN__EXPORT_PIECE);
    cn__exported sum = with_real(x, "Add", with_real(x, "Mul", means, "alpha"), "k");
    return cn__export_binary(x, "Div", in, with_real(x, "Pow", sum, "beta"), CN__EXPORT_LAST);
}

cn__exported cn__export_response_norm(cn__export *x) {
    cn__exported in = cn__export_image(x, 0);
    int64_t size = cn__export_int(x, "size");
    if (size % 2 == 0)
        return even_response_norm(x, in, size);
    cn__export_begin(x, "LRN");
    cn__export_reads(x, in);
    cn__export_attr_float(x, "alpha", (float)cn__export_real(x, "alpha"));
    cn__export_attr_float(x, "beta", (float)cn__export_real(x, "beta"));
    cn__export_attr_float(x, "bias", (float)cn__export_real(x, "k"));
    cn__export_attr_int(x, "size", size);
    return cn__export_end(x, CN__EXPORT_LAST);
}
