/* SPDX-License-Identifier: MIT */
/* mul.c: the product of two inputs, torch.mul: an image and the factors of its channels, as in squeeze-and-excitation.
 * The gradient of one is dy times the other. */
#include "layers/broadcast.h"

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    cn__broadcast_forward(op, at, true);
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    for (int32_t i = 0; i < 2; i++)
        cn__broadcast_backward(op, at, i, op->in[1 - i]);
}

static const cn__layer_impl batch = {
    .forward = {{cn__out_planes, forward, CN__SCOPE_LOCAL}},
    .backward = {{cn__out_planes, backward, CN__SCOPE_LOCAL}},
    .backward_reads_in = true,
};

const cn__layer_type cn__mul_type = {
    .name = "Mul",
    .bytes = sizeof(cn_layer),
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = cn__broadcast_infer,
    .batch = &batch,
    .nchw16c = &batch,
};

cn_status cn_mul_new(cn_context *context, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__mul_type, &made));
    return cn__layer_finish(made, layer);
}
