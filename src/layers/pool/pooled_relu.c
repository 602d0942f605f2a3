/* pooled_relu.c: a ReLU and the max pool behind it: the largest of four, or zero. Which of the four it was is kept, a
 * byte a lane, so that the way back reads neither what went in nor what came out. */
#include "layers/layers.h"

static void demand(const cn_layer *layer, cn__shape in, cn__shape out, int32_t max_blocks, bool training,
                   cn__demand *demand) {
    size_t pixels = (size_t)in.channels * (size_t)(in.height / 2) * (size_t)(in.width / 2);
    (void)layer;
    (void)out;
    (void)max_blocks;
    (void)training;
    demand->kept_floats = pixels * CN__LANES / sizeof(float);
}

static uint8_t *which_of(const cn__work *work, size_t block, size_t channel) {
    size_t pixels = (size_t)work->out->shape.height * (size_t)work->out->shape.width;
    return (uint8_t *)cn__kept(work, block) + channel * pixels * CN__LANES;
}

static void forward(const cn__work *work, const cn__run *run, size_t item) {
    size_t channels = (size_t)work->out->shape.channels, block = item / channels, channel = item % channels;
    (void)run;
    work->kernels->max_pool2(cn__map_plane(work->in[0], block, channel), cn__map_plane(work->out, block, channel),
                             work->out->shape.height, work->out->shape.width, true, which_of(work, block, channel));
    cn__map_border(work->out, block, channel);
}

static size_t wanted_planes(const cn__work *work, const cn__run *run) {
    return work->d_in[0] ? cn__items_out_planes(work, run) : 0;
}

static void backward(const cn__work *work, const cn__run *run, size_t item) {
    size_t channels = (size_t)work->out->shape.channels, block = item / channels, channel = item % channels;
    (void)run;
    work->kernels->max_pool2_backward(which_of(work, block, channel), cn__map_plane(work->d_out, block, channel),
                                      cn__map_plane(work->d_in[0], block, channel), work->out->shape.height,
                                      work->out->shape.width);
}

static const cn__phase forward_phases[] = {{cn__items_out_planes, forward, CN__LOCAL}, {NULL, NULL, CN__LOCAL}};
static const cn__phase backward_phases[] = {{wanted_planes, backward, CN__LOCAL}, {NULL, NULL, CN__LOCAL}};

const cn__layer_ops cn__pooled_relu_ops = {
    .demand = demand,
    .forward = forward_phases,
    .backward = backward_phases,
};
