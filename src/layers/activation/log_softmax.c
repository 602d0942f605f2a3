/* SPDX-License-Identifier: MIT */
/* log_softmax.c: the logarithm of softmax over the channels, torch.nn.LogSoftmax: x - log Σ e^x. */
#include "layers/activation/softmax.h"

const cn__layer_type cn__log_softmax_type = {
    .name = "LogSoftmax",
    .bytes = sizeof(cn_layer),
    .kind = CN__KIND_LOG_SOFTMAX,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = cn__infer_same,
    .batch = &cn__softmax_impl,
    .nchw16c = &cn__softmax_impl,
};

cn_status cn_log_softmax_new(cn_context *context, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__log_softmax_type, &made));
    return cn__layer_finish(made, layer);
}
