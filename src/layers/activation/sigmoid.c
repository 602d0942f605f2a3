/* sigmoid.c: the logistic function, torch.nn.Sigmoid: y = 1 / (1 + e^-x). */
#include "layers/activation/elementwise.h"

static cn_status validate(cn_layer *layer) {
    ((cn__activation *)layer)->kind = CN__SIGMOID;
    return CN_OK;
}

const cn__layer_ops cn__sigmoid_ops = {
    .type = "Sigmoid",
    .bytes = sizeof(cn__activation),
    .min_inputs = 1,
    .max_inputs = 1,
    .validate = validate,
    .infer = cn__infer_same,
    .forward = cn__activation_forward,
    .backward = cn__activation_backward,
    .backward_reads_in = true,
};

cn_status cn_sigmoid_new(cn_context *context, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__sigmoid_ops, &made));
    return cn__layer_finish(made, layer);
}
