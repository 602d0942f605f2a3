/* SPDX-License-Identifier: MIT */
/* convolution_gathered.c: the weights' gradient of a layer that takes all images at once (convolution_gemm.c), where several
 * processes share a batch. Its sums run over all images in one chain, so they are not made of the processes' own. But its
 * maps have one pixel: inputs and gradients of all images are far fewer than weights, and so they are what is sent. */
#include "layers/conv/convolution.h"
#include <string.h>

/* A leaf in a message: planes of the input, then of the output's gradient, a line each. */
static size_t leaf_floats(const cn__op *op) {
    return ((size_t)op->in[0]->shape.channels + (size_t)op->d_out->shape.channels) * CN__LANES;
}

static size_t leaves_of(int32_t images) {
    return ((size_t)images - 1) / CN__LANES + 1;
}

size_t cn__convolution_gathered_floats(const cn_layer *layer, const cn__sizes *sizes) {
    const cn__convolution *c = (const cn__convolution *)layer;
    size_t floats = ((size_t)c->in_channels + (size_t)c->out_channels) * CN__LANES;
    return ((size_t)sizes->max_blocks + leaves_of(sizes->batch)) * floats;
}

/* Those of all processes; behind them this one's. */
static float *of_all(const cn__op *op) {
    return op->shared;
}

static float *own(const cn__op *op) {
    return op->shared + leaves_of(op->batch) * leaf_floats(op);
}

static float *write_leaf(const cn__fmap *map, size_t leaf, float *to) {
    for (size_t c = 0; c < (size_t)map->shape.channels; c++, to += CN__LANES)
        memcpy(to, cn__fmap_plane(map, leaf, c).data, CN__LANES * sizeof *to);
    return to;
}

void cn__convolution_gather(const cn__op *op, const cn__pass *pass) {
    const cn__together *with = pass->together;
    int ranks = with->group->with.ranks;
    size_t most = ((size_t)with->leaves - 1) / (size_t)ranks + 1, floats = leaf_floats(op), place = 0;
    float *to = own(op), *all = of_all(op);
    for (size_t leaf = 0; leaf < cn__pass_leaves(pass); leaf++)
        to = write_leaf(op->d_out, leaf, write_leaf(op->in[0], leaf, to));
    (void)cn__group_all_gather(with->group, own(op), all, most * floats * sizeof *all, op->name);
    for (int rank = 0; rank < ranks; rank++) { /* some may have one leaf less than others */
        size_t count = (size_t)(cn__group_first(with->group, with->leaves, rank + 1) -
                                cn__group_first(with->group, with->leaves, rank));
        memmove(all + place * floats, all + (size_t)rank * most * floats, count * floats * sizeof *all);
        place += count;
    }
}

static cn__fmap map_of_all(const cn__op *op, const cn__fmap *like, size_t offset) {
    cn__fmap map = *like;
    map.data = of_all(op) + offset;
    map.row = map.channel = CN__LANES;
    map.block = leaf_floats(op);
    return map;
}

void cn__convolution_gathered_grad(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__conv_geometry *g = op->geometry;
    cn__fmap in = map_of_all(op, op->in[0], 0),
             d_out = map_of_all(op, op->d_out, (size_t)in.shape.channels * CN__LANES);
    const cn__fmap *const inputs[] = {&in};
    cn__op all = *op;
    cn__pass whole = *pass;
    all.in = inputs;
    all.d_out = &d_out;
    whole.images = pass->together->images;
    whole.blocks = pass->together->leaves;
    g->algorithm[CN__CONV_WEIGHT_GRAD]->weight_grad(&all, &whole, at, op->gradient[0]);
}
