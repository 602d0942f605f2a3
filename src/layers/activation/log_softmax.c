/* log_softmax.c: the logarithm of softmax over the channels, torch.nn.LogSoftmax: x - log Σ e^x. */
#include "layers/activation/softmax.h"

static cn_status validate(cn_layer *layer) {
    ((cn__softmax_layer *)layer)->logarithm = true;
    return CN_OK;
}

const cn__layer_ops cn__log_softmax_ops = {
    .type = "LogSoftmax",
    .bytes = sizeof(cn__softmax_layer),
    .min_inputs = 1,
    .max_inputs = 1,
    .validate = validate,
    .infer = cn__infer_same,
    .forward = cn__softmax_forward,
    .backward = cn__softmax_backward,
    .backward_reads_out = true,
};

cn_status cn_log_softmax_new(cn_context *context, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__log_softmax_ops, &made));
    return cn__layer_finish(made, layer);
}
