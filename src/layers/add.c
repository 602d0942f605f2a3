/* add.c: the sum of two or more inputs of one shape: a skip. Behind a norm the sum of two is computed in the norm's
 * passes instead (plan/fusion.c). */
#include "layers/layers.h"

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t block = at.block, channel = at.outer;
    cn__pointwise_args args = {.x = cn__fmap_plane(op->in[0], block, channel),
                               .y = cn__fmap_plane(op->out, block, channel),
                               .skip = cn__fmap_plane(op->in[1], block, channel)};
    cn__post_ops nothing = {0};
    cn__pointwise_fill(&args, op, pass, &nothing, block, channel);
    op->kernels->pointwise(&args);
    for (int32_t i = 2; i < op->input_count; i++)
        op->kernels->copy(cn__fmap_plane(op->in[i], block, channel), args.y, args.height, args.width, true);
    cn__fmap_border(op->out, block, channel);
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t block = at.block, channel = at.outer;
    (void)pass;
    for (int32_t i = 0; i < op->input_count; i++)
        if (op->d_in[i])
            op->kernels->copy(cn__fmap_plane(op->d_out, block, channel), cn__fmap_plane(op->d_in[i], block, channel),
                              op->out->shape.height, op->out->shape.width, op->accumulate[i]);
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
    .infer = cn__infer_equal,
    .batch = &batch,
    .small_batch = &batch,
};

cn_status cn_add_new(cn_context *context, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__add_type, &made));
    return cn__layer_finish(made, layer);
}
