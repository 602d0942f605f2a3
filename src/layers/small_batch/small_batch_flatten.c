/* small_batch_flatten.c: [C, H, W] to C·H·W features, from channels in the lanes to features in the lanes. */
#include "layers/small_batch/small_batch.h"

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__fmap *in = op->in[0], *out = op->out;
    size_t feature = 0;
    (void)pass;
    (void)at;
    for (size_t c = 0; c < (size_t)in->lane_channels; c++)
        for (size_t y = 0; y < (size_t)in->shape.height; y++) {
            const float *row = cn__nchw16c_row(in, c, y);
            for (size_t x = 0; x < (size_t)in->shape.width; x++)
                *cn__nchw16c_row(out, feature++, 0) = row[x * CN__LANES];
        }
    for (; feature % CN__LANES; feature++)
        *cn__nchw16c_row(out, feature, 0) = 0.0f;
}

const cn__layer_impl cn__flatten_small_batch = {
    .forward = {{cn__small_batch_one_item, forward, CN__SCOPE_LOCAL},
                {cn__small_batch_border_grid, cn__small_batch_border, CN__SCOPE_LOCAL}},
};
