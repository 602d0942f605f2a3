/* silu.c: the sigmoid-weighted linear unit, torch.nn.SiLU: y = x / (1 + e^-x) (Elfwing et al. 2018). */
#include "layers/activation/elementwise.h"

static cn_status validate(cn_layer *layer) {
    ((cn__activation *)layer)->kind = CN__SILU;
    return CN_OK;
}

const cn__layer_type cn__silu_type = {
    .name = "SiLU",
    .bytes = sizeof(cn__activation),
    .min_inputs = 1,
    .max_inputs = 1,
    .validate = validate,
    .infer = cn__infer_same,
    .batch = &cn__activation_impl,
    .small_batch = &cn__activation_impl,
};

cn_status cn_silu_new(cn_context *context, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__silu_type, &made));
    return cn__layer_finish(made, layer);
}
