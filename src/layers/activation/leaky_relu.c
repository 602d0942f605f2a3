/* leaky_relu.c: a ReLU that lets a share of the negative side through, torch.nn.LeakyReLU: y = x above 0, slope · x
 * below. */
#include "layers/activation/elementwise.h"
#include <math.h>

static const cn__attr attrs[] = {
    {"negative_slope", CN__ATTR_FLOAT, offsetof(cn__activation, slope), NULL},
    {NULL, CN__ATTR_INT, 0, NULL},
};

static cn_status validate(cn_layer *layer) {
    cn__activation *a = (cn__activation *)layer;
    a->kind = CN__LEAKY_RELU;
    if (!isfinite(a->slope))
        return cn__error(CN_ERR_ARGUMENT, "LeakyReLU: negative_slope is %g, wanted a finite number", (double)a->slope);
    return CN_OK;
}

const cn__layer_type cn__leaky_relu_type = {
    .name = "LeakyReLU",
    .bytes = sizeof(cn__activation),
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = attrs,
    .validate = validate,
    .infer = cn__infer_same,
    .batch = &cn__activation_impl,
    .small_batch = &cn__activation_impl,
};

cn_status cn_leaky_relu_new(cn_context *context, float slope, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__leaky_relu_type, &made));
    ((cn__activation *)made)->slope = slope;
    return cn__layer_finish(made, layer);
}
