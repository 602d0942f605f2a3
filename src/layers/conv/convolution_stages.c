/* SPDX-License-Identifier: MIT */
/* convolution_stages.c: the stages of a convolution, whatever algorithm computes them. */
#include "layers/conv/convolution.h"
#include "layers/tree.h"

#define SUMS 4096 /* over blocks, that make an item */

static const cn__grid none = {0, 0};

static const cn__convolution *layer_of(const cn__op *op) {
    return (const cn__convolution *)op->layer;
}

static const cn__conv_algorithm *algorithm(const cn__op *op, cn__conv_pass pass) {
    const cn__conv_geometry *g = op->geometry;
    return g->algorithm[pass];
}

/* Whether its items are of all blocks of images. */
static bool all_blocks(const cn__op *op) {
    return algorithm(op, CN__CONV_FORWARD)->all_blocks;
}

static size_t weight_count(const cn__op *op) {
    const cn__conv_geometry *g = op->geometry;
    return (size_t)op->out->shape.channels * (size_t)g->in * (size_t)g->taps;
}

/* ---- forward ---- */

bool cn__convolution_gathers(const cn__op *op, const cn__pass *pass) {
    return op->moments && op->norm->type->wants_moments(op->norm, pass->training);
}

static cn__grid forward_grid(const cn__op *op, const cn__pass *pass) {
    return algorithm(op, CN__CONV_FORWARD)->forward_grid(op, pass);
}

static cn__grid block_forward_grid(const cn__op *op, const cn__pass *pass) {
    return all_blocks(op) ? none : forward_grid(op, pass);
}

static cn__grid all_forward_grid(const cn__op *op, const cn__pass *pass) {
    return all_blocks(op) ? forward_grid(op, pass) : none;
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    algorithm(op, CN__CONV_FORWARD)->forward(op, pass, at);
}

/* ---- backward: the input's gradient ---- */

static cn__grid input_grid(const cn__op *op, const cn__pass *pass) {
    return op->d_in[0] ? algorithm(op, CN__CONV_INPUT_GRAD)->input_grid(op, pass) : none;
}

static cn__grid block_input_grid(const cn__op *op, const cn__pass *pass) {
    return all_blocks(op) ? none : input_grid(op, pass);
}

static cn__grid all_input_grid(const cn__op *op, const cn__pass *pass) {
    return all_blocks(op) ? input_grid(op, pass) : none;
}

static void input_grad(const cn__op *op, const cn__pass *pass, cn__item at) {
    algorithm(op, CN__CONV_INPUT_GRAD)->input_grad(op, pass, at);
}

/* ---- backward: the weights' gradient ---- */

/* When it is computed. The sums are the same. */
typedef enum timing {
    BLOCK_BY_BLOCK, /* each block's apart, by the thread that has the block at hand; added up at the end */
    ALL_BLOCKS,     /* once all blocks are there: one block alone, or sums that are too large */
    DEFERRED /* at the end of the pass, by an algorithm whose items are of all blocks; their maps stay until then */
} timing;

static timing weight_timing(const cn__op *op, const cn__pass *pass) {
    if (all_blocks(op))
        return DEFERRED; /* see until_end in cn__convolution_requirements */
    bool apart = pass->blocks > 1 && cn__convolution_sums_apart(op->layer, op->max_blocks);
    return apart ? BLOCK_BY_BLOCK : ALL_BLOCKS;
}

/* Of a block. */
static cn__grid weight_items(const cn__op *op, const cn__pass *pass) {
    return op->unread[0] ? none : algorithm(op, CN__CONV_WEIGHT_GRAD)->weight_grid(op, pass);
}

/* If it is computed then. */
static cn__grid weight_grid(const cn__op *op, const cn__pass *pass, timing when) {
    return weight_timing(op, pass) == when ? weight_items(op, pass) : none;
}

/* Into the sums of all weights. */
static void weight_grad(const cn__op *op, const cn__pass *pass, cn__item at, float *sums) {
    algorithm(op, CN__CONV_WEIGHT_GRAD)->weight_grad(op, pass, at, sums);
}

cn__grid cn__convolution_all_blocks_grid(const cn__op *op, const cn__pass *pass) {
    return weight_grid(op, pass, ALL_BLOCKS);
}

static cn__grid deferred_grid(const cn__op *op, const cn__pass *pass) {
    return weight_grid(op, pass, DEFERRED);
}

/* Sums of all weights: those that will be gradients, or others that go into these. */
static float *weight_sums(const cn__op *op, const cn__pass *pass, int32_t place) {
    return place < pass->spans ? cn__span_gradient(op, pass, 0, place)
                               : op->shared + (size_t)(place - pass->spans) * weight_count(op);
}

static void add_area(const cn__conv_area *area, float *sums, const float *more) {
    for (size_t row = 0; row < area->rows; row++)
        cn__add_floats(sums + area->first + row * area->row, more + area->first + row * area->row, area->columns);
}

void cn__convolution_all_blocks_grad(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__conv_area area = algorithm(op, CN__CONV_WEIGHT_GRAD)->weight_area(op, pass, at);
    cn__tree tree = cn__tree_begin(pass);
    for (at.block = 0; at.block < (size_t)pass->blocks; at.block++) {
        cn__tree_push(&tree);
        weight_grad(op, pass, at, weight_sums(op, pass, tree.count - 1));
        while (cn__tree_merge(&tree))
            add_area(&area, weight_sums(op, pass, tree.count - 1), weight_sums(op, pass, tree.count));
    }
}

static void deferred_grad(const cn__op *op, const cn__pass *pass, cn__item at) {
    if (pass->together)
        cn__convolution_gathered_grad(op, pass, at);
    else
        weight_grad(op, pass, at, op->gradient[0]);
}

static void deferred_exchange(const cn__op *op, const cn__pass *pass) {
    if (cn__grid_items(deferred_grid(op, pass)) > 0)
        cn__convolution_gather(op, pass);
}

static bool gives_whole(const cn__op *op, int tensor, bool local_batch_norm) {
    (void)local_batch_norm;
    return tensor == 0 && all_blocks(op);
}

/* ---- backward: the biases' gradient ---- */

/* Where it stands in what a block saves: behind the weights' or alone. */
static size_t bias_offset(const cn__op *op) {
    return !all_blocks(op) && cn__convolution_sums_apart(op->layer, op->max_blocks) ? weight_count(op) : 0;
}

static bool wants_bias(const cn__op *op) {
    return layer_of(op)->bias && !op->unread[1];
}

static cn__grid bias_grid(const cn__op *op) {
    size_t channels = (size_t)op->out->shape.channels;
    return (cn__grid){wants_bias(op) ? (channels + CN__OC_BLOCK - 1) / CN__OC_BLOCK : 0, 1};
}

static void bias_grad(const cn__op *op, const cn__pass *pass, cn__item at, float *sums) {
    size_t channels = (size_t)op->out->shape.channels, first = at.outer * CN__OC_BLOCK;
    for (size_t channel = first; channel < channels && channel < first + CN__OC_BLOCK; channel++)
        sums[channel] = op->kernels->plane_sum(cn__fmap_plane(op->d_out, at.block, channel), op->out->shape.height,
                                               op->out->shape.width, cn__pass_lanes(pass, at.block));
}

/* ---- backward: all that a block can compute by itself, in one stage, so that its items stand together ---- */

cn__grid cn__convolution_block_grid(const cn__op *op, const cn__pass *pass) {
    size_t weights = cn__grid_items(weight_grid(op, pass, BLOCK_BY_BLOCK));
    return (cn__grid){cn__grid_items(block_input_grid(op, pass)) + cn__grid_items(bias_grid(op)) + weights, 1};
}

void cn__convolution_block_grad(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__grid inputs = block_input_grid(op, pass), biases = bias_grid(op);
    size_t input_end = cn__grid_items(inputs), bias_end = input_end + cn__grid_items(biases);
    if (at.outer < input_end)
        input_grad(op, pass, cn__grid_item(inputs, at.block, at.outer));
    else if (at.outer < bias_end)
        bias_grad(op, pass, cn__grid_item(biases, at.block, at.outer - input_end),
                  cn__saved(op, at.block) + bias_offset(op));
    else
        weight_grad(op, pass, cn__grid_item(weight_grid(op, pass, BLOCK_BY_BLOCK), at.block, at.outer - bias_end),
                    cn__saved(op, at.block));
}

/* ---- one block by itself ---- */

void cn__convolution_forward_block(const cn__op *op, const cn__pass *pass) {
    cn__grid outputs = forward_grid(op, pass);
    for (size_t i = 0; i < cn__grid_items(outputs); i++)
        forward(op, pass, cn__grid_item(outputs, 0, i));
}

void cn__convolution_backward_block(const cn__op *op, const cn__pass *pass, float *sums) {
    cn__grid inputs = input_grid(op, pass), biases = bias_grid(op);
    cn__grid weights = weight_items(op, pass);
    for (size_t i = 0; i < cn__grid_items(inputs); i++)
        input_grad(op, pass, cn__grid_item(inputs, 0, i));
    for (size_t i = 0; i < cn__grid_items(weights); i++)
        weight_grad(op, pass, cn__grid_item(weights, 0, i), sums);
    for (size_t i = 0; i < cn__grid_items(biases); i++)
        bias_grad(op, pass, cn__grid_item(biases, 0, i), sums + weight_count(op));
}

/* ---- backward: sums over blocks ---- */

static size_t weight_sum_items(const cn__op *op, const cn__pass *pass) {
    bool apart = !op->unread[0] && weight_timing(op, pass) == BLOCK_BY_BLOCK;
    return apart ? (weight_count(op) + SUMS - 1) / SUMS : 0;
}

cn__grid cn__convolution_sum_grid(const cn__op *op, const cn__pass *pass) {
    return (cn__grid){weight_sum_items(op, pass) + (wants_bias(op) ? 1 : 0), 1};
}

void cn__convolution_sum_blocks(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t first = at.outer * SUMS, left = weight_count(op) - first;
    if (at.outer < weight_sum_items(op, pass))
        cn__sum_saved(op, pass, first, 0, first, left < SUMS ? left : SUMS);
    else
        cn__sum_saved(op, pass, bias_offset(op), 1, 0, (size_t)op->out->shape.channels);
}

/* ---- all together ---- */

static cn_status bind(cn__op *op) {
    op->geometry = cn__alloc(op->ctx, 1, sizeof(cn__conv_geometry));
    return op->geometry ? cn__convolution_fill(op) : cn__no_memory("a convolution's index lists");
}

const cn__layer_impl cn__convolution_batch = {
    .requirements = cn__convolution_requirements,
    .bind = bind,
    .unbind = cn__convolution_unbind,
    .prepare = {cn__convolution_pack_grid, cn__convolution_pack, CN__SCOPE_DEFERRED},
    .forward = {{block_forward_grid, forward, CN__SCOPE_LOCAL},
                {all_forward_grid, forward, CN__SCOPE_GLOBAL},
                {cn__border_planes, cn__border, CN__SCOPE_LOCAL}},
    .backward = {{cn__convolution_block_grid, cn__convolution_block_grad, CN__SCOPE_LOCAL},
                 {all_input_grid, input_grad, CN__SCOPE_GLOBAL},
                 {cn__convolution_border_grid, cn__convolution_border_grad, CN__SCOPE_LOCAL},
                 {cn__convolution_all_blocks_grid, cn__convolution_all_blocks_grad, CN__SCOPE_GLOBAL},
                 {deferred_grid, deferred_grad, CN__SCOPE_DEFERRED, deferred_exchange},
                 {cn__convolution_sum_grid, cn__convolution_sum_blocks, CN__SCOPE_DEFERRED}},
    .gives_whole = gives_whole,
    .backward_reads_in = true,
};
