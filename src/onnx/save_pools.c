/* SPDX-License-Identifier: MIT */
/* save_pools.c: pools. */
#include "onnx/exporter.h"

/* ---- windows that move ---- */

/* What a pool's windows cover. torch's rounding up leaves out a window that would begin behind the image, which ONNX's does
 * not say: there padding that no window reads is left out, or what is beyond it becomes padding. */
typedef struct windows {
    int64_t begin[2], end[2], beyond[2]; /* padding, and what the last window has behind it */
    bool ceil_mode;                      /* as ONNX has it */
} windows;

static windows windows_of(const cn__export *x, const int64_t dilation[2]) {
    const int64_t in[2] = {cn__export_shape(x, 0).height, cn__export_shape(x, 0).width};
    const int64_t out[2] = {cn__export_out(x).height, cn__export_out(x).width};
    windows w = {.ceil_mode = cn__export_int(x, "ceil_mode") != 0};
    int64_t kernel[2], stride[2];
    cn__export_pair(x, "kernel", kernel);
    cn__export_pair(x, "stride", stride);
    cn__export_pair(x, "padding", w.begin);
    cn__export_pair(x, "padding", w.end);
    for (int d = 0; d < 2; d++) {
        int64_t room = in[d] + 2 * w.end[d] - (kernel[d] - 1) * dilation[d] - 1, last = (out[d] - 1) * stride[d];
        bool left_out = cn__export_int(x, "ceil_mode") && out[d] != (room + stride[d] - 1) / stride[d] + 1;
        w.beyond[d] = last > room ? last - room : 0;
        if (left_out && room - last <= w.end[d])
            w.end[d] -= room - last;
        else if (left_out)
            w.ceil_mode = false;
    }
    return w;
}

/* The attributes that both kinds have. */
static void put_windows(cn__export *x, const windows *w) {
    int64_t end[2];
    for (int d = 0; d < 2; d++)
        end[d] = w->end[d] + (w->ceil_mode ? 0 : w->beyond[d]);
    cn__export_attr_int(x, "ceil_mode", w->ceil_mode);
    cn__export_window(x, w->begin, end);
}

cn__exported cn__export_max_pool(cn__export *x) {
    cn__exported image = cn__export_image(x, 0);
    int64_t dilation[2];
    cn__export_pair(x, "dilation", dilation);
    windows w = windows_of(x, dilation);
    cn__export_begin(x, "MaxPool");
    cn__export_reads(x, image);
    cn__export_attr_ints(x, "dilations", 2, dilation);
    put_windows(x, &w);
    return cn__export_end(x, CN__EXPORT_LAST);
}

/* Zeros around the image, so that padding counts as the image does: all that windows cover, or without what is beyond. */
static cn__exported pad(cn__export *x, cn__exported image, windows *w, bool all) {
    int64_t *beyond = w->beyond;
    const int64_t sides[4] = {w->begin[1], w->end[1] + (all ? beyond[1] : 0), w->begin[0],
                              w->end[0] + (all ? beyond[0] : 0)};
    image = cn__export_padded(x, image, sides, CN_PADDING_ZEROS, 0.0f, CN__EXPORT_PIECE);
    *w = (windows){.beyond = {all ? 0 : beyond[0], all ? 0 : beyond[1]}, .ceil_mode = w->ceil_mode && !all};
    return image;
}

/* ONNX's count_include_pad does not say whether what is beyond the padding counts: in torch it never does, but for a
 * divisor of one's own. */
cn__exported cn__export_average_pool(cn__export *x) {
    static const int64_t dilation[2] = {1, 1};
    int32_t divisor = cn__export_int(x, "divisor_override");
    bool counts = divisor || cn__export_int(x, "count_include_pad");
    cn__exported image = cn__export_image(x, 0);
    windows w = windows_of(x, dilation);
    int64_t kernel[2];
    cn__export_pair(x, "kernel", kernel);
    if (counts && (w.beyond[0] || w.beyond[1])) {
        image = pad(x, image, &w, divisor != 0);
        counts = false;
    }
    cn__export_begin(x, "AveragePool");
    cn__export_reads(x, image);
    cn__export_attr_int(x, "count_include_pad", counts);
    put_windows(x, &w);
    if (!divisor)
        return cn__export_end(x, CN__EXPORT_LAST);
    cn__exported mean = cn__export_end(x, CN__EXPORT_PIECE);
    double factor = (double)(kernel[0] * kernel[1]) / divisor;
    return cn__export_binary(x, "Mul", mean, cn__export_number(x, (float)factor), CN__EXPORT_LAST);
}

/* ---- windows that cover the image ---- */

/* Both kinds, by ONNX's names. */
typedef struct adaptive {
    const char *global, *moving, *reduction;
} adaptive;

static cn__exported reduce(cn__export *x, const char *op, cn__exported value, int64_t axis, cn__export_place place) {
    cn__export_begin(x, op);
    cn__export_reads(x, value);
    cn__export_attr_ints(x, "axes", 1, &axis);
    return cn__export_end(x, place);
}

/* One window after the other, along height or width. */
static cn__exported reduce_windows(cn__export *x, const char *op, cn__exported value, int64_t axis, int64_t in,
                                   int64_t out, cn__export_place place) {
    cn__exported *parts = cn__alloc(x->ctx, (size_t)out, sizeof *parts);
    if (!parts) {
        cn__export_fail(x, cn__no_memory("a pool's windows"));
        return value;
    }
    for (int64_t i = 0; i < out; i++) {
        int64_t first = i * in / out, end = ((i + 1) * in + out - 1) / out;
        parts[i] = cn__export_slice(x, value, axis, first, end, CN__EXPORT_PIECE);
        parts[i] = reduce(x, op, parts[i], axis, CN__EXPORT_PIECE);
    }
    cn__export_begin(x, "Concat");
    for (int64_t i = 0; i < out; i++)
        cn__export_reads(x, parts[i]);
    cn__export_attr_int(x, "axis", axis);
    cn__free(x->ctx, parts);
    return cn__export_end(x, place);
}

/* Windows that all have one size are those of a pool that moves; ONNX has no others. */
static cn__exported adaptive_pool(cn__export *x, const adaptive *kind) {
    cn__shape in = cn__export_shape(x, 0), out = cn__export_out(x);
    cn__exported image = cn__export_image(x, 0);
    if (out.height == 1 && out.width == 1)
        return cn__export_unary(x, kind->global, image, CN__EXPORT_LAST);
    if (in.height % out.height == 0 && in.width % out.width == 0) {
        const int64_t window[2] = {in.height / out.height, in.width / out.width};
        cn__export_begin(x, kind->moving);
        cn__export_reads(x, image);
        cn__export_attr_ints(x, "kernel_shape", 2, window);
        cn__export_attr_ints(x, "strides", 2, window);
        return cn__export_end(x, CN__EXPORT_LAST);
    }
    image = reduce_windows(x, kind->reduction, image, 2, in.height, out.height, CN__EXPORT_PIECE);
    return reduce_windows(x, kind->reduction, image, 3, in.width, out.width, CN__EXPORT_LAST);
}

cn__exported cn__export_adaptive_max_pool(cn__export *x) {
    return adaptive_pool(x, &(adaptive){"GlobalMaxPool", "MaxPool", "ReduceMax"});
}

cn__exported cn__export_adaptive_average_pool(cn__export *x) {
    return adaptive_pool(x, &(adaptive){"GlobalAveragePool", "AveragePool", "ReduceMean"});
}
