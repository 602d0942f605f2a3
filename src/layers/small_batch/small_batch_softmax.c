/* small_batch_softmax.c: softmax and its logarithm over channels that lie in the lanes. */
#include "layers/small_batch/small_batch.h"

static void forward(const cn__work *work, bool logarithm) {
    const cn__map *in = work->in[0], *out = work->out;
    work->kernels->channel_softmax(logarithm, out->lane_channels, cn__map_plane(in, 0, 0), in->channel,
                                   cn__map_plane(out, 0, 0), out->channel, out->shape.height, out->shape.width);
}

static void softmax(const cn__work *work, const cn__run *run, size_t item) {
    (void)run;
    (void)item;
    forward(work, false);
}

static void log_softmax(const cn__work *work, const cn__run *run, size_t item) {
    (void)run;
    (void)item;
    forward(work, true);
}

static const cn__phase softmax_pass[] = {{cn__channel_one_item, softmax, CN__LOCAL},
                                         {cn__channel_border_items, cn__channel_border, CN__LOCAL},
                                         {NULL, NULL, CN__LOCAL}};
static const cn__phase log_softmax_pass[] = {{cn__channel_one_item, log_softmax, CN__LOCAL},
                                             {cn__channel_border_items, cn__channel_border, CN__LOCAL},
                                             {NULL, NULL, CN__LOCAL}};

const cn__layer_ops cn__channel_softmax_ops = {.forward = softmax_pass};
const cn__layer_ops cn__channel_log_softmax_ops = {.forward = log_softmax_pass};
