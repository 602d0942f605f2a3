/* SPDX-License-Identifier: MIT */
/* relu.c: y = max(x, 0), torch.nn.ReLU. Behind a norm it is computed in the norm's passes instead (plan/fusion.c). */
#include "layers/activation/elementwise.h"

static const cn__post_ops relu = {.relu = true};

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__pointwise_forward(op, pass, &relu, at);
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__pointwise_backward(op, pass, &relu, at);
}

static const cn__layer_impl batch = {
    .forward = {{cn__out_planes, forward, CN__SCOPE_LOCAL}},
    .backward = {{cn__out_planes, backward, CN__SCOPE_LOCAL}},
    .backward_reads_out = true,
};

const cn__layer_type cn__relu_type = {
    .name = "ReLU",
    .bytes = sizeof(cn_layer),
    .kind = CN__KIND_RELU,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = cn__infer_same,
    .batch = &batch,
    .nchw16c = &batch,
    .with_pool = &cn__relu_with_pool,
};

cn_status cn_relu_new(cn_context *context, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__relu_type, &made));
    return cn__layer_finish(made, layer);
}
