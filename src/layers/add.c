/* add.c: the sum of two or more inputs of one shape: a skip. Behind a norm the sum of two is computed in the norm's
 * passes instead (model/units.c). */
#include "layers/layers.h"

static cn_status infer(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in, cn__shape *out) {
    (void)layer;
    for (int32_t i = 1; i < inputs; i++)
        if (in[i].channels != in[0].channels || in[i].height != in[0].height || in[i].width != in[0].width)
            return cn__error(CN_ERR_SHAPE, "Add '%s': input %d is %d×%d×%d, but input 0 is %d×%d×%d", name, i,
                             in[i].channels, in[i].height, in[i].width, in[0].channels, in[0].height, in[0].width);
    *out = in[0];
    return CN_OK;
}

static void forward(const cn__work *work, const cn__run *run, size_t item) {
    size_t channels = (size_t)work->out->shape.channels, block = item / channels, channel = item % channels;
    cn__pointwise_args args = {.x = cn__map_plane(work->in[0], block, channel),
                               .y = cn__map_plane(work->out, block, channel),
                               .skip = cn__map_plane(work->in[1], block, channel)};
    cn__fused nothing = {0};
    cn__pointwise_fill(&args, work, run, &nothing, block, channel);
    work->kernels->pointwise(&args);
    for (int32_t i = 2; i < work->input_count; i++)
        work->kernels->copy(cn__map_plane(work->in[i], block, channel), args.y, args.height, args.width, true);
    cn__map_border(work->out, block, channel);
}

static void backward(const cn__work *work, const cn__run *run, size_t item) {
    size_t channels = (size_t)work->out->shape.channels, block = item / channels, channel = item % channels;
    (void)run;
    for (int32_t i = 0; i < work->input_count; i++)
        if (work->d_in[i])
            work->kernels->copy(cn__map_plane(work->d_out, block, channel),
                                cn__map_plane(work->d_in[i], block, channel), work->out->shape.height,
                                work->out->shape.width, work->accumulate[i]);
}

static const cn__phase forward_phases[] = {{cn__items_out_planes, forward, CN__LOCAL}, {NULL, NULL, CN__LOCAL}};
static const cn__phase backward_phases[] = {{cn__items_out_planes, backward, CN__LOCAL}, {NULL, NULL, CN__LOCAL}};

const cn__layer_ops cn__add_ops = {
    .type = "Add",
    .bytes = sizeof(cn_layer),
    .role = CN__ROLE_ADD,
    .min_inputs = 2,
    .max_inputs = INT32_MAX,
    .infer = infer,
    .forward = forward_phases,
    .backward = backward_phases,
};

cn_status cn_add_new(cn_context *context, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__add_ops, &made));
    return cn__layer_finish(made, layer);
}
