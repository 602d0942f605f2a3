/* SPDX-License-Identifier: MIT */
/* conv_transpose2d_stages.c: how a transposed convolution is computed: by the stages and lists of the convolution behind
 * it, bound to this layer's maps the other way round. Forward is that one's input gradient, the input's gradient is that
 * one's outputs, and weights' gradients are the same sums. */
#include "layers/conv/conv_transpose2d.h"
#include "layers/tree.h"

/* What is bound; op->geometry. */
typedef struct binding {
    cn__op behind;     /* the convolution: it reads the gradient of this layer's output, and this layer's input is the
                       gradient of its output */
    cn__op weights;    /* the same without an input gradient */
    cn__fmap gradient; /* of this layer's output, with the border that the convolution wants */
    cn__fmap out;
    const cn__fmap *in[1];
    cn__fmap *d_in[1], *none[1];
    bool accumulate[1];
} binding;

static const cn__conv_transpose *layer_of(const cn__op *op) {
    return (const cn__conv_transpose *)op->layer;
}

static const cn__op *behind(const cn__op *op) {
    return &((const binding *)op->geometry)->behind;
}

static const cn__op *weights_of(const cn__op *op) {
    return &((const binding *)op->geometry)->weights;
}

/* ---- memory ---- */

static bool wants_border(const cn_layer *layer) {
    const cn__convolution *c = (const cn__convolution *)layer;
    return c->padding[0] > 0 || c->padding[1] > 0;
}

static cn__fmap gradient_map(const cn_layer *layer, cn__shape out) {
    const cn__convolution *c = (const cn__convolution *)layer;
    cn__fmap map = {0};
    cn__fmap_layout(&map, out, c->padding[0], c->padding[1], CN_PADDING_ZEROS);
    return map;
}

/* A block saves sums of the weights' gradient, of the biases', and the output's gradient with its border. */
static size_t bias_offset(const cn_layer *layer, int32_t max_blocks) {
    const cn__convolution *c = (const cn__convolution *)layer;
    size_t weights =
        (size_t)c->out_channels * (size_t)(c->in_channels / c->groups) * (size_t)c->kernel[0] * (size_t)c->kernel[1];
    return cn__convolution_sums_apart(layer, max_blocks) ? cn__whole_lines(weights) : 0;
}

static size_t gradient_offset(const cn_layer *layer, int32_t max_blocks) {
    return bias_offset(layer, max_blocks) + cn__whole_lines((size_t)((const cn__convolution *)layer)->in_channels);
}

static size_t input_filters(const cn__convolution *c, const cn__conv_geometry *g) {
    return (size_t)c->groups * (size_t)g->in_oc_blocks * g->input_block_floats;
}

static size_t forward_filters(const cn__convolution *c, const cn__conv_geometry *g) {
    return (size_t)c->groups * (size_t)g->out_oc_blocks * g->forward_block_floats;
}

static void requirements(const cn_layer *layer, const cn__sizes *sizes, cn__requirements *requirements) {
    const cn__convolution *c = (const cn__convolution *)layer;
    cn__conv_geometry g = {0};
    cn__convolution_measure(&(cn__conv_problem){layer, sizes->out, sizes->in[0], NULL, sizes->max_blocks,
                                                sizes->training, sizes->batch, sizes->depth},
                            &g);
    requirements->packed_floats = input_filters(c, &g) + (size_t)c->groups * (size_t)g.in_oc_blocks * CN__LANES;
    if (!sizes->training)
        return;
    requirements->packed_floats += forward_filters(c, &g);
    requirements->scratch_floats = cn__convolution_direct.scratch_floats(&g, sizes->in[0], CN__CONV_WEIGHT_GRAD);
    requirements->saved_floats = gradient_offset(layer, sizes->max_blocks);
    if (!cn__convolution_sums_apart(layer, sizes->max_blocks))
        requirements->shared_floats =
            (size_t)(sizes->depth - 1) * (size_t)c->out_channels * (size_t)g.in * (size_t)g.taps;
    if (wants_border(layer)) {
        cn__fmap map = gradient_map(layer, sizes->out);
        requirements->saved_floats += cn__fmap_floats(&map, 1);
    }
}

/* ---- binding ---- */

static void bind_gradient(const cn__op *op, binding *b) {
    b->gradient = gradient_map(op->layer, op->out->shape);
    if (!op->training)
        return; /* never read */
    if (!wants_border(op->layer)) {
        b->gradient = *op->d_out;
        return;
    }
    b->gradient.data = op->saved + gradient_offset(op->layer, op->max_blocks) + cn__fmap_origin(&b->gradient);
    b->gradient.block = op->block;
}

static void bind_behind(const cn__op *op, binding *b) {
    b->out = *op->out;
    b->in[0] = &b->gradient;
    b->d_in[0] = &b->out;
    b->behind = *op;
    b->behind.training = true;
    b->behind.in = b->in;
    b->behind.out = op->d_in[0] ? op->d_in[0] : op->in[0]; /* that one for its shape alone */
    b->behind.d_out = op->in[0];
    b->behind.d_in = b->d_in;
    b->behind.accumulate = b->accumulate;
}

static cn_status bind(cn__op *op) {
    binding *b = op->geometry = cn__alloc(op->ctx, 1, sizeof *b);
    if (!b)
        return cn__no_memory("a transposed convolution's index lists");
    bind_gradient(op, b);
    bind_behind(op, b);
    cn__conv_geometry *g = b->behind.geometry = cn__alloc(op->ctx, 1, sizeof *g);
    if (!g)
        return cn__no_memory("a transposed convolution's index lists");
    CN__TRY(cn__convolution_fill(&b->behind));
    if (!op->training)
        g->forward_block_floats = 0; /* its outputs are not wanted */
    g->forward.accumulate = op->d_in[0] && op->accumulate[0];
    const cn__convolution *c = &layer_of(op)->behind;
    if (layer_of(op)->bias)
        g->input_biases = op->packed + forward_filters(c, g) + input_filters(c, g);
    b->weights = b->behind;
    b->weights.d_in = b->none;
    return CN_OK;
}

static void unbind(cn__op *op) {
    binding *b = op->geometry;
    if (b->behind.geometry)
        cn__convolution_unbind(&b->behind);
    cn__free(op->ctx, b);
}

/* ---- packed weights: blocks of this layer's outputs with their biases, then of its inputs if there is a way back ---- */

static cn__grid pack_grid(const cn__op *op, const cn__pass *pass) {
    (void)pass;
    size_t outputs = cn__convolution_input_oc_blocks(behind(op));
    return (cn__grid){outputs + (op->training ? cn__convolution_forward_oc_blocks(behind(op)) : 0), 1};
}

static void pack_biases(const cn__op *op, size_t oc_block) {
    const cn__conv_geometry *g = behind(op)->geometry;
    size_t group = oc_block / (size_t)g->in_oc_blocks, first = oc_block % (size_t)g->in_oc_blocks * CN__OC_BLOCK;
    for (size_t r = 0; r < CN__OC_BLOCK && first + r < (size_t)g->in; r++)
        g->input_biases[oc_block * CN__LANES + r] = ((const float *)op->tensor[1])[group * (size_t)g->in + first + r];
}

static void pack(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t outputs = cn__convolution_input_oc_blocks(behind(op)),
           inputs = cn__convolution_forward_oc_blocks(behind(op));
    size_t oc_block = at.outer;
    at.outer = oc_block < outputs ? inputs + oc_block : oc_block - outputs;
    cn__convolution_pack(behind(op), pass, at);
    if (oc_block < outputs && layer_of(op)->bias)
        pack_biases(op, oc_block);
}

/* ---- forward ---- */

static cn__grid forward_grid(const cn__op *op, const cn__pass *pass) {
    return cn__convolution_direct.input_grid(behind(op), pass);
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__convolution_direct.input_grad(behind(op), pass, at);
}

/* ---- backward ---- */

static cn__grid border_grid(const cn__op *op, const cn__pass *pass) {
    return wants_border(op->layer) ? cn__out_planes(op, pass) : (cn__grid){0, 0};
}

static void fill_border(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__fmap *to = &((const binding *)op->geometry)->gradient;
    (void)pass;
    op->kernels->copy(cn__fmap_plane(op->d_out, at.block, at.outer), cn__fmap_plane(to, at.block, at.outer),
                      to->shape.height, to->shape.width, false);
    cn__fmap_border(to, at.block, at.outer);
}

static cn__grid input_grid(const cn__op *op, const cn__pass *pass) {
    return op->d_in[0] ? cn__convolution_direct.forward_grid(behind(op), pass) : (cn__grid){0, 0};
}

static bool wants_bias(const cn__op *op) {
    return layer_of(op)->bias && !op->unread[1];
}

static cn__grid bias_grid(const cn__op *op, const cn__pass *pass) {
    return wants_bias(op) ? cn__out_planes(op, pass) : (cn__grid){0, 0};
}

/* All that a block can compute by itself, in one stage, so that its items stand together. */
static cn__grid block_grid(const cn__op *op, const cn__pass *pass) {
    size_t weights = cn__grid_items(cn__convolution_block_grid(weights_of(op), pass));
    return (cn__grid){cn__grid_items(input_grid(op, pass)) + cn__grid_items(bias_grid(op, pass)) + weights, 1};
}

static void block_grad(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__grid inputs = input_grid(op, pass), weights = cn__convolution_block_grid(weights_of(op), pass);
    size_t input_end = cn__grid_items(inputs), bias_end = input_end + cn__grid_items(bias_grid(op, pass));
    if (at.outer < input_end) {
        cn__convolution_direct.forward(behind(op), pass, cn__grid_item(inputs, at.block, at.outer));
    } else if (at.outer < bias_end) {
        size_t channel = at.outer - input_end;
        cn__saved(op, at.block)[bias_offset(op->layer, op->max_blocks) + channel] =
            op->kernels->plane_sum(cn__fmap_plane(op->d_out, at.block, channel), op->out->shape.height,
                                   op->out->shape.width, cn__pass_lanes(pass, at.block));
    } else {
        cn__convolution_block_grad(weights_of(op), pass, cn__grid_item(weights, at.block, at.outer - bias_end));
    }
}

static cn__grid all_blocks_grid(const cn__op *op, const cn__pass *pass) {
    return cn__convolution_all_blocks_grid(weights_of(op), pass);
}

static void all_blocks_grad(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__convolution_all_blocks_grad(weights_of(op), pass, at);
}

static cn__grid sum_grid(const cn__op *op, const cn__pass *pass) {
    return (cn__grid){cn__grid_items(cn__convolution_sum_grid(weights_of(op), pass)) + (wants_bias(op) ? 1 : 0), 1};
}

static void sum_blocks(const cn__op *op, const cn__pass *pass, cn__item at) {
    if (at.outer < cn__grid_items(cn__convolution_sum_grid(weights_of(op), pass)))
        cn__convolution_sum_blocks(weights_of(op), pass, at);
    else
        cn__sum_saved(op, pass, bias_offset(op->layer, op->max_blocks), 1, 0, (size_t)op->out->shape.channels);
}

const cn__layer_impl cn__conv_transpose2d_batch = {
    .requirements = requirements,
    .bind = bind,
    .unbind = unbind,
    .prepare = {pack_grid, pack, CN__SCOPE_DEFERRED},
    .forward = {{forward_grid, forward, CN__SCOPE_LOCAL}, {cn__border_planes, cn__border, CN__SCOPE_LOCAL}},
    .backward = {{border_grid, fill_border, CN__SCOPE_LOCAL},
                 {block_grid, block_grad, CN__SCOPE_LOCAL},
                 {all_blocks_grid, all_blocks_grad, CN__SCOPE_GLOBAL},
                 {sum_grid, sum_blocks, CN__SCOPE_DEFERRED}},
    .backward_reads_in = true,
};
