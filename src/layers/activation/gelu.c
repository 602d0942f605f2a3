/* SPDX-License-Identifier: MIT */
/* gelu.c: the Gaussian error linear unit, torch.nn.GELU: y = x Φ(x), or with tanh in place of the error function
 * (Hendrycks & Gimpel 2016). */
#include "layers/activation/elementwise.h"

static const char *const approximations[] = {"none", "tanh", NULL};

static const cn__attr attrs[] = {
    {"approximate", CN__ATTR_ENUM, offsetof(cn__activation, approximate), approximations, 0},
    {NULL, CN__ATTR_INT, 0, NULL, 0},
};

static cn_status validate(cn_layer *layer) {
    cn__activation *a = (cn__activation *)layer;
    CN__TRY(cn__check_range("GELU", "approximate", a->approximate, CN_GELU_EXACT, CN_GELU_TANH));
    a->function = a->approximate == CN_GELU_TANH ? CN__GELU_TANH : CN__GELU;
    return CN_OK;
}

const cn__layer_type cn__gelu_type = {
    .name = "GELU",
    .bytes = sizeof(cn__activation),
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = attrs,
    .validate = validate,
    .infer = cn__infer_same,
    .batch = &cn__activation_impl,
    .nchw16c = &cn__activation_impl,
};

cn_status cn_gelu_new(cn_context *context, cn_gelu_kind approximate, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__gelu_type, &made));
    ((cn__activation *)made)->approximate = (int32_t)approximate;
    return cn__layer_finish(made, layer);
}
