/* SPDX-License-Identifier: MIT */
/* nchw16c_conv_transpose.c: ConvTranspose2d with channels in the lanes, by the convolution behind it, bound to this
 * layer's maps the other way round, see conv_transpose2d_stages.c: forward is that one's input gradient, which begins
 * with biases, the input's gradient is that one's outputs, and the weights' gradients are the same sums. All as plain
 * sums. */
#include "layers/conv/conv_transpose2d.h"
#include "layers/tree.h"
#include "layers/nchw16c/nchw16c_convolution.h"
#include <string.h>

/* What is bound; op->geometry. */
typedef struct binding {
    cn__op behind;     /* the convolution */
    cn__fmap gradient; /* of this layer's output, with the border that the convolution wants of its input */
    cn__fmap out;
    const cn__fmap *in[1];
    cn__fmap *d_in[1];
    bool accumulate[1];
} binding;

static const cn__conv_transpose *layer_of(const cn__op *op) {
    return (const cn__conv_transpose *)op->layer;
}

static const cn__op *behind(const cn__op *op) {
    return &((const binding *)op->geometry)->behind;
}

static int64_t multiply_adds(const cn_layer *layer, cn__shape in, cn__shape out) {
    (void)out;
    return (int64_t)cn__nchw16c_input_filters((const cn__convolution *)layer) * in.height * in.width;
}

/* ---- memory ---- */

static bool wants_border(const cn_layer *layer) {
    const cn__convolution *c = (const cn__convolution *)layer;
    return c->padding[0] > 0 || c->padding[1] > 0;
}

static size_t bias_floats(const cn_layer *layer) {
    return cn__nchw16c_planes(((const cn__convolution *)layer)->in_channels) * CN__LANES;
}

/* Packed are zeros, which the convolution behind has for biases, then this layer's biases, the filters of its outputs,
 * and those of its inputs if there is a way back. */
static size_t bias_offset(const cn_layer *layer) {
    return cn__nchw16c_planes(((const cn__convolution *)layer)->out_channels) * CN__LANES;
}

static size_t output_filters(const cn_layer *layer) {
    return bias_offset(layer) + bias_floats(layer);
}

static size_t input_filters(const cn_layer *layer) {
    return output_filters(layer) + cn__nchw16c_input_filters((const cn__convolution *)layer);
}

static cn__fmap gradient_map(const cn_layer *layer, cn__shape out) {
    const cn__convolution *c = (const cn__convolution *)layer;
    cn__fmap map = {0};
    cn__nchw16c_layout(&map, (cn__shape){c->in_channels, out.height, out.width}, c->padding[0], c->padding[1],
                       CN_PADDING_ZEROS);
    return map;
}

/* A block saves the biases' gradient and the output's gradient with its border. */
static void requirements(const cn_layer *layer, const cn__sizes *sizes, cn__requirements *requirements) {
    cn__conv_problem problem = {layer,           sizes->out,   sizes->in[0], NULL, sizes->max_blocks,
                                sizes->training, sizes->batch, sizes->depth};
    requirements->packed_floats = input_filters(layer);
    if (!sizes->training)
        return;
    requirements->packed_floats += cn__nchw16c_direct.packed_floats(layer, CN__CONV_FORWARD);
    requirements->until_end = cn__nchw16c_weights_wait(cn__nchw16c_planned_maps(&problem));
    requirements->scratch_floats = cn__nchw16c_weight_grad_scratch(&problem);
    requirements->shared_floats = cn__nchw16c_weight_grad_shared(&problem);
    requirements->saved_floats = bias_floats(layer);
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
    b->gradient.data = op->saved + bias_floats(op->layer) + cn__fmap_origin(&b->gradient);
    b->gradient.block = op->block;
}

static void bind_behind(const cn__op *op, binding *b) {
    b->out = *op->out;
    b->in[0] = &b->gradient;
    b->d_in[0] = &b->out;
    b->behind = *op;
    b->behind.in = b->in;
    b->behind.out = op->d_in && op->d_in[0] ? op->d_in[0] : op->in[0]; /* that one for its shape alone */
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
    CN__TRY(cn__nchw16c_geometry_new(&b->behind));
    cn__nchw16c_geometry *g = b->behind.geometry;
    g->packed[CN__CONV_FORWARD] = input_filters(op->layer);
    g->packed[CN__CONV_INPUT_GRAD] = output_filters(op->layer);
    g->input_biases = op->packed + bias_offset(op->layer);
    g->accumulate = op->training && op->d_in[0] && op->accumulate[0];
    CN__TRY(cn__nchw16c_jobs_make(&b->behind, false, &g->jobs));
    return op->training ? cn__nchw16c_terms_make(&b->behind, g) : CN_OK;
}

static void unbind(cn__op *op) {
    binding *b = op->geometry;
    if (b->behind.geometry)
        cn__nchw16c_unbind(&b->behind);
    cn__free(op->ctx, b);
}

/* ---- packed weights: planes of outputs, then those of inputs if there is a way back ---- */

static cn__grid pack_grid(const cn__op *op, const cn__pass *pass) {
    (void)pass;
    return (cn__grid){(size_t)op->out->shape.channels + (op->training ? (size_t)op->in[0]->shape.channels : 0), 1};
}

static void pack_output(const cn__op *op, size_t plane) {
    size_t first = plane * CN__LANES, channels = (size_t)layer_of(op)->behind.in_channels;
    for (size_t o = first; layer_of(op)->bias && o < first + CN__LANES && o < channels; o++)
        op->packed[bias_offset(op->layer) + o] = ((const float *)op->tensor[1])[o];
    cn__nchw16c_pack_input_grad(behind(op), plane, op->packed + output_filters(op->layer));
}

static void pack_input(const cn__op *op, size_t plane) {
    double scale[CN__LANES];
    for (size_t lane = 0; lane < CN__LANES; lane++)
        scale[lane] = 1.0;
    cn__nchw16c_direct.pack_forward(behind(op), plane, scale, op->packed + input_filters(op->layer));
}

static void pack(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t outputs = (size_t)op->out->shape.channels;
    (void)pass;
    if (at.outer < outputs)
        pack_output(op, at.outer);
    else
        pack_input(op, at.outer - outputs);
}

/* ---- forward ---- */

static cn__grid forward_grid(const cn__op *op, const cn__pass *pass) {
    return cn__nchw16c_input_grid(behind(op), pass);
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__nchw16c_input_grad(behind(op), pass, at);
}

/* ---- backward: what planes of the output's gradient come to, and where they get their border ---- */

static bool wants_bias(const cn__op *op) {
    return layer_of(op)->bias && !op->unread[1];
}

static cn__grid gradient_grid(const cn__op *op, const cn__pass *pass) {
    return wants_border(op->layer) || wants_bias(op) ? cn__out_planes(op, pass) : (cn__grid){0, 0};
}

static void sum_plane(const cn__op *op, cn__plane dy, float *sums) {
    cn__channel_conv_weight_args args = {.images = 1,
                                         .height = op->out->shape.height,
                                         .width = op->out->shape.width,
                                         .dy = dy.data,
                                         .dy_row = dy.row,
                                         .dy_step = CN__LANES,
                                         .lines = 1,
                                         .bias_sums = sums};
    memset(sums, 0, CN__LANES * sizeof *sums);
    op->kernels->channel_conv_weight(&args);
}

static void read_gradient(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__fmap *to = &((const binding *)op->geometry)->gradient;
    cn__plane dy = cn__fmap_plane(op->d_out, at.block, at.outer);
    (void)pass;
    if (wants_bias(op))
        sum_plane(op, dy, cn__saved(op, at.block) + at.outer * CN__LANES);
    if (wants_border(op->layer)) {
        op->kernels->copy(dy, cn__fmap_plane(to, at.block, at.outer), to->shape.height, to->shape.width, false);
        cn__fmap_border(to, at.block, at.outer);
    }
}

/* ---- backward: the input's gradient ---- */

static cn__grid input_grid(const cn__op *op, const cn__pass *pass) {
    return op->d_in[0] ? cn__nchw16c_direct.forward[0].grid(behind(op), pass) : (cn__grid){0, 0};
}

static void input_grad(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__nchw16c_direct.forward[0].run(behind(op), pass, at);
}

/* ---- backward: the weights' and biases' gradients ---- */

static bool waits(const cn__op *op) {
    return cn__nchw16c_weights_wait(cn__nchw16c_maps_of(behind(op)));
}

static cn__grid weight_grid(const cn__op *op, const cn__pass *pass) {
    return waits(op) ? (cn__grid){0, 0} : cn__nchw16c_weight_grid(behind(op), pass);
}

static cn__grid late_weight_grid(const cn__op *op, const cn__pass *pass) {
    return waits(op) ? cn__nchw16c_weight_grid(behind(op), pass) : (cn__grid){0, 0};
}

static void weight_grad(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__nchw16c_weight_grad(behind(op), pass, at);
}

static cn__grid sum_grid(const cn__op *op, const cn__pass *pass) {
    return (cn__grid){cn__grid_items(cn__nchw16c_weight_sum_grid(behind(op), pass)) + wants_bias(op), 1};
}

static void sum(const cn__op *op, const cn__pass *pass, cn__item at) {
    if (at.outer < cn__grid_items(cn__nchw16c_weight_sum_grid(behind(op), pass)))
        cn__nchw16c_weight_sum(behind(op), pass, at);
    else
        cn__sum_saved(op, pass, 0, 1, 0, (size_t)layer_of(op)->behind.in_channels);
}

const cn__layer_impl cn__conv_transpose2d_nchw16c = {
    .multiply_adds = multiply_adds,
    .requirements = requirements,
    .bind = bind,
    .unbind = unbind,
    .prepare = {pack_grid, pack, CN__SCOPE_DEFERRED},
    .forward = {{forward_grid, forward, CN__SCOPE_LOCAL},
                {cn__nchw16c_border_grid, cn__nchw16c_border, CN__SCOPE_LOCAL}},
    .backward = {{gradient_grid, read_gradient, CN__SCOPE_LOCAL},
                 {input_grid, input_grad, CN__SCOPE_LOCAL},
                 {weight_grid, weight_grad, CN__SCOPE_SOON},
                 {late_weight_grid, weight_grad, CN__SCOPE_DEFERRED},
                 {sum_grid, sum, CN__SCOPE_DEFERRED}},
    .backward_reads_in = true,
};
