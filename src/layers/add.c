/* SPDX-License-Identifier: MIT */
/* add.c: the sum of two or more inputs, torch.add: a skip. Behind a norm the sum of two of one shape is computed in the
 * norm's passes instead (plan/fusion.c). */
#include "layers/broadcast.h"

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    cn__broadcast_forward(op, at, false);
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    for (int32_t i = 0; i < op->input_count; i++)
        cn__broadcast_backward(op, at, i, NULL);
}

static const cn__layer_impl batch = {
    .forward = {{cn__out_planes, forward, CN__SCOPE_LOCAL}},
    .backward = {{cn__out_planes, backward, CN__SCOPE_LOCAL}},
};

const cn__layer_type cn__add_type = {
    .name = "Add",
    .bytes = sizeof(cn_layer),
    .kind = CN__KIND_ADD,
    .min_inputs = 2,
    .max_inputs = INT32_MAX,
    .infer = cn__broadcast_infer,
    .batch = &batch,
    .nchw16c = &batch,
};

cn_status cn_add_new(cn_context *context, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__add_type, &made));
    return cn__layer_finish(made, layer);
}
