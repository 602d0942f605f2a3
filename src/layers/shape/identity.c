/* SPDX-License-Identifier: MIT */
/* identity.c: its input as it is, torch.nn.Identity. Behind a layer that it alone reads it is nothing but another name
 * for what that gives (plan/fusion.c). */
#include "layers/layers.h"

/* An item is a plane; lane by lane, so that it does not matter what they hold. */
static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    op->kernels->copy(cn__fmap_plane(op->in[0], at.block, at.outer), cn__fmap_plane(op->out, at.block, at.outer),
                      op->out->shape.height, op->out->shape.width, false);
    cn__fmap_border(op->out, at.block, at.outer);
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    op->kernels->copy(cn__fmap_plane(op->d_out, at.block, at.outer), cn__fmap_plane(op->d_in[0], at.block, at.outer),
                      op->out->shape.height, op->out->shape.width, op->accumulate[0]);
}

const cn__layer_impl cn__identity_impl = {
    .forward = {{cn__out_planes, forward, CN__SCOPE_LOCAL}},
    .backward = {{cn__out_planes, backward, CN__SCOPE_LOCAL}},
};

const cn__layer_type cn__identity_type = {
    .name = "Identity",
    .bytes = sizeof(cn_layer),
    .kind = CN__KIND_IDENTITY,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = cn__infer_same,
    .batch = &cn__identity_impl,
    .nchw16c = &cn__identity_impl,
};

cn_status cn_identity_new(cn_context *context, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__identity_type, &made));
    return cn__layer_finish(made, layer);
}
