/* small_batch_softmax.c: softmax and its logarithm over channels that lie in the lanes. */
#include "layers/small_batch/small_batch.h"

static void forward(const cn__op *op, bool logarithm) {
    const cn__fmap *in = op->in[0], *out = op->out;
    op->kernels->channel_softmax(logarithm, out->lane_channels, cn__fmap_plane(in, 0, 0), in->channel,
                                 cn__fmap_plane(out, 0, 0), out->channel, out->shape.height, out->shape.width);
}

static void softmax(const cn__op *op, const cn__pass *pass, size_t item) {
    (void)pass;
    (void)item;
    forward(op, false);
}

static void log_softmax(const cn__op *op, const cn__pass *pass, size_t item) {
    (void)pass;
    (void)item;
    forward(op, true);
}

static const cn__stage softmax_pass[] = {{cn__small_batch_one_item, softmax, CN__SCOPE_LOCAL},
                                         {cn__small_batch_border_items, cn__small_batch_border, CN__SCOPE_LOCAL},
                                         {NULL, NULL, CN__SCOPE_LOCAL}};
static const cn__stage log_softmax_pass[] = {{cn__small_batch_one_item, log_softmax, CN__SCOPE_LOCAL},
                                             {cn__small_batch_border_items, cn__small_batch_border, CN__SCOPE_LOCAL},
                                             {NULL, NULL, CN__SCOPE_LOCAL}};

const cn__layer_ops cn__small_batch_softmax_ops = {.forward = softmax_pass};
const cn__layer_ops cn__small_batch_log_softmax_ops = {.forward = log_softmax_pass};
