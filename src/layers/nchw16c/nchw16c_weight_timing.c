/* SPDX-License-Identifier: MIT */
/* nchw16c_weight_timing.c: when the gradient of a convolution's weights is computed with channels in the lanes: once all
 * images have come to the layer, leaf by leaf or all at once; or, of small maps, at the end of the pass. A leaf's sum is
 * one chain of multiply-adds and so an item: where leaves are fewer than threads, or one has few images, some threads
 * would wait for the others at each layer, while in the end items of all layers are shared out. */
#include "layers/nchw16c/nchw16c_convolution.h"

#define WAITING (1 << 20) /* floats of maps that stay for it, at most */
#define APART   (1 << 20) /* floats that the sums of all leaves may take */

static size_t map_floats(int32_t channels, cn__shape shape) {
    return cn__nchw16c_planes(channels) * CN__LANES * (size_t)shape.height * (size_t)shape.width;
}

bool cn__nchw16c_weights_wait(cn__nchw16c_maps maps) {
    const cn__convolution *c = maps.layer;
    int32_t threads = c->base.ctx->threads;
    size_t floats = map_floats(c->in_channels, maps.in) + map_floats(c->out_channels, maps.out);
    bool even = maps.max_images % ((int64_t)threads * CN__LANES) == 0;
    return threads > 1 && !even && floats * (size_t)maps.max_images <= WAITING;
}

bool cn__nchw16c_leaves_apart(cn__nchw16c_maps maps, size_t floats) {
    size_t leaves = ((size_t)maps.max_images - 1) / CN__LANES + 1;
    return leaves > 1 && leaves * floats <= APART && !cn__nchw16c_weights_wait(maps);
}
