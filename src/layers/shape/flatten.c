/* SPDX-License-Identifier: MIT */
/* flatten.c: [C, H, W] to C·H·W features, torch.nn.Flatten. */
#include "layers/shape/shape.h"

static cn_status infer(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in, cn__shape *out) {
    int64_t features = (int64_t)in->channels * in->height * in->width;
    (void)layer;
    (void)inputs;
    if (features > CN__MAX_SIDE)
        return cn__error(CN_ERR_SHAPE, "Flatten '%s': %d×%d×%d are %lld features, wanted at most %d", name,
                         in->channels, in->height, in->width, (long long)features, CN__MAX_SIDE);
    *out = (cn__shape){(int32_t)features, 1, 1};
    return CN_OK;
}

const cn__layer_type cn__flatten_type = {
    .name = "Flatten",
    .bytes = sizeof(cn_layer),
    .kind = CN__KIND_FLATTEN,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .batch = &cn__reshape_impl,
    .nchw16c = &cn__reshape_impl,
};

cn_status cn_flatten_new(cn_context *context, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__flatten_type, &made));
    return cn__layer_finish(made, layer);
}
