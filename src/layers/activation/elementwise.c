/* elementwise.c: the passes of layers that compute each element by itself. An item is a plane. */
#include "layers/activation/elementwise.h"

static void activation_forward(const cn__work *work, const cn__run *run, size_t item) {
    const cn__activation *layer = (const cn__activation *)work->layer;
    size_t channels = (size_t)work->out->shape.channels, block = item / channels, channel = item % channels;
    (void)run;
    work->kernels->unary(layer->kind, layer->slope, cn__map_plane(work->in[0], block, channel),
                         cn__map_plane(work->out, block, channel), work->out->shape.height, work->out->shape.width);
    cn__map_border(work->out, block, channel);
}

static void activation_backward(const cn__work *work, const cn__run *run, size_t item) {
    const cn__activation *layer = (const cn__activation *)work->layer;
    size_t channels = (size_t)work->out->shape.channels, block = item / channels, channel = item % channels;
    (void)run;
    work->kernels->unary_backward(layer->kind, layer->slope, cn__map_plane(work->in[0], block, channel),
                                  cn__map_plane(work->d_out, block, channel),
                                  cn__map_plane(work->d_in[0], block, channel), work->out->shape.height,
                                  work->out->shape.width, work->accumulate[0]);
}

const cn__phase cn__activation_forward[] = {{cn__items_out_planes, activation_forward, CN__LOCAL},
                                            {NULL, NULL, CN__LOCAL}};
const cn__phase cn__activation_backward[] = {{cn__items_out_planes, activation_backward, CN__LOCAL},
                                             {NULL, NULL, CN__LOCAL}};

void cn__pointwise_forward(const cn__work *work, const cn__run *run, const cn__fused *fused, size_t item) {
    size_t channels = (size_t)work->out->shape.channels, block = item / channels, channel = item % channels;
    cn__pointwise_args args = {.x = cn__map_plane(work->in[0], block, channel),
                               .y = cn__map_plane(work->out, block, channel)};
    cn__pointwise_fill(&args, work, run, fused, block, channel);
    work->kernels->pointwise(&args);
    cn__map_border(work->out, block, channel);
}

void cn__pointwise_backward(const cn__work *work, const cn__run *run, const cn__fused *fused, size_t item) {
    size_t channels = (size_t)work->out->shape.channels, block = item / channels, channel = item % channels;
    cn__pointwise_args args = {.y = cn__map_plane(work->out, block, channel)};
    cn__pointwise_fill(&args, work, run, fused, block, channel);
    work->kernels->pointwise_backward(&args, cn__map_plane(work->d_out, block, channel),
                                      cn__map_plane(work->d_in[0], block, channel), work->accumulate[0]);
}
