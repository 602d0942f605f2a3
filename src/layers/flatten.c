/* flatten.c: [C, H, W] to C·H·W features, torch.nn.Flatten. In lanes each pixel's line becomes a plane of its own. */
#include "layers/layers.h"
#include "layers/small_batch/small_batch.h"

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

/* A row of pixels as a column of lines, `step` floats apart. */
static cn__plane as_column(float *data, size_t step) {
    return (cn__plane){data, step};
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__shape shape = op->in[0]->shape;
    size_t block = at.block, channel = at.outer;
    size_t width = (size_t)shape.width, feature = channel * (size_t)shape.height * width;
    cn__plane from = cn__fmap_plane(op->in[0], block, channel);
    (void)pass;
    for (size_t y = 0; y < (size_t)shape.height; y++, feature += width) {
        op->kernels->copy(as_column(from.data + y * from.row, CN__LANES),
                          as_column(cn__fmap_plane(op->out, block, feature).data, op->out->channel), shape.width, 1,
                          false);
        for (size_t x = 0; x < width; x++)
            cn__fmap_border(op->out, block, feature + x);
    }
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__shape shape = op->in[0]->shape;
    size_t block = at.block, channel = at.outer;
    size_t width = (size_t)shape.width, feature = channel * (size_t)shape.height * width;
    cn__plane to = cn__fmap_plane(op->d_in[0], block, channel);
    (void)pass;
    for (size_t y = 0; y < (size_t)shape.height; y++, feature += width)
        op->kernels->copy(as_column(cn__fmap_plane(op->d_out, block, feature).data, op->d_out->channel),
                          as_column(to.data + y * to.row, CN__LANES), shape.width, 1, op->accumulate[0]);
}

static const cn__layer_impl batch = {
    .forward = {{cn__in_planes, forward, CN__SCOPE_LOCAL}},
    .backward = {{cn__in_planes, backward, CN__SCOPE_LOCAL}},
};

const cn__layer_type cn__flatten_type = {
    .name = "Flatten",
    .bytes = sizeof(cn_layer),
    .kind = CN__KIND_FLATTEN,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .batch = &batch,
    .small_batch = &cn__flatten_small_batch,
};

cn_status cn_flatten_new(cn_context *context, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__flatten_type, &made));
    return cn__layer_finish(made, layer);
}
