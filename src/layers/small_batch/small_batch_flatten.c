/* small_batch_flatten.c: [C, H, W] to C·H·W features, from channels in the lanes to features in the lanes. */
#include "layers/small_batch/small_batch.h"

static void forward(const cn__work *work, const cn__run *run, size_t item) {
    const cn__map *in = work->in[0], *out = work->out;
    size_t feature = 0;
    (void)run;
    (void)item;
    for (size_t c = 0; c < (size_t)in->lane_channels; c++)
        for (size_t y = 0; y < (size_t)in->shape.height; y++) {
            const float *row = cn__channel_map_row(in, c, y);
            for (size_t x = 0; x < (size_t)in->shape.width; x++)
                *cn__channel_map_row(out, feature++, 0) = row[x * CN__LANES];
        }
    for (; feature % CN__LANES; feature++)
        *cn__channel_map_row(out, feature, 0) = 0.0f;
}

static const cn__phase pass[] = {{cn__channel_one_item, forward, CN__LOCAL},
                                 {cn__channel_border_items, cn__channel_border, CN__LOCAL},
                                 {NULL, NULL, CN__LOCAL}};

const cn__layer_ops cn__channel_flatten_ops = {.forward = pass};
