/* SPDX-License-Identifier: MIT */
/* nchw16c_convolution.c: Conv2d and Linear with channels in the lanes, whatever algorithm computes them. A norm of fixed
 * statistics that follows is folded into the weights. */
#include "layers/nchw16c/nchw16c_convolution.h"

/* ---- the choice ---- */

/* Best first. */
static const cn__nchw16c_algorithm *const algorithms[] = {
    &cn__nchw16c_depthwise,
    &cn__nchw16c_winograd,
    &cn__nchw16c_joined,
    &cn__nchw16c_direct,
};

static const cn__nchw16c_algorithm *choose(const cn__conv_problem *problem, cn__conv_pass pass) {
    for (size_t i = 0; i < CN__COUNT(algorithms); i++)
        if (algorithms[i]->applies(problem, pass))
            return algorithms[i];
    return NULL;
}

/* Fills in all but the taps; returns how many floats are packed. A plan that shares another's weights has its
 * algorithms. */
static size_t measure(const cn__conv_problem *problem, const cn__op *packed_by, bool training,
                      cn__nchw16c_geometry *g) {
    size_t floats = cn__nchw16c_planes(problem->out.channels) * CN__LANES;
    for (cn__conv_pass pass = 0; pass < (training ? CN__CONV_PASSES : CN__CONV_INPUT_GRAD); pass++) {
        const cn__nchw16c_geometry *other = packed_by ? packed_by->geometry : NULL;
        const cn__nchw16c_algorithm *algorithm = other ? other->algorithm[pass] : choose(problem, pass);
        g->algorithm[pass] = algorithm;
        g->packed[pass] = floats;
        if (pass != CN__CONV_WEIGHT_GRAD && algorithm->packed_floats)
            floats += cn__whole_lines(algorithm->packed_floats(problem->layer, pass));
    }
    return floats;
}

/* As kernels do them: whole lines of outputs. */
static int64_t multiply_adds(const cn_layer *layer, cn__shape in, cn__shape out) {
    const cn__convolution *c = (const cn__convolution *)layer;
    cn__shape whole = {(int32_t)(cn__nchw16c_planes(c->out_channels) * CN__LANES), out.height, out.width};
    return cn__convolution_multiply_adds(layer, in, whole);
}

static bool takes_front(const cn_layer *layer) {
    return cn__nchw16c_is_depthwise((const cn__convolution *)layer);
}

static void at_least(size_t *floats, size_t (*wanted)(const cn__conv_problem *problem, cn__conv_pass pass),
                     const cn__conv_problem *problem, cn__conv_pass pass) {
    size_t more = wanted ? wanted(problem, pass) : 0;
    *floats = more > *floats ? more : *floats;
}

static void requirements(const cn_layer *layer, const cn__sizes *sizes, cn__requirements *requirements) {
    const cn__convolution *c = (const cn__convolution *)layer;
    cn__conv_problem problem = {layer,           sizes->in[0], sizes->out,  NULL, sizes->max_blocks,
                                sizes->training, sizes->batch, sizes->depth};
    cn__nchw16c_geometry g = {0};
    requirements->pad[0] = c->padding[0];
    requirements->pad[1] = c->padding[1];
    requirements->mode = (cn_padding_mode)c->padding_mode;
    requirements->until_end = sizes->training && cn__nchw16c_weights_wait(cn__nchw16c_planned_maps(&problem));
    requirements->packed_floats = measure(&problem, sizes->packed_by, sizes->training, &g);
    for (cn__conv_pass pass = 0; pass < CN__CONV_PASSES && g.algorithm[pass]; pass++) {
        at_least(&requirements->scratch_floats, g.algorithm[pass]->scratch_floats, &problem, pass);
        at_least(&requirements->saved_floats, g.algorithm[pass]->block_floats, &problem, pass);
        if (g.algorithm[pass]->shared_floats && pass == CN__CONV_WEIGHT_GRAD)
            requirements->shared_floats = g.algorithm[pass]->shared_floats(&problem);
    }
}

/* ---- binding ---- */

/* Of the passes that there will be. */
static cn_status bind_passes(const cn__op *op, cn__nchw16c_geometry *g) {
    for (cn__conv_pass pass = 0; pass < CN__CONV_PASSES && g->algorithm[pass]; pass++) {
        bool wanted = pass != CN__CONV_INPUT_GRAD || op->d_in[0];
        if (wanted && g->algorithm[pass]->bind)
            CN__TRY(g->algorithm[pass]->bind(op, g, pass));
    }
    return CN_OK;
}

cn_status cn__nchw16c_geometry_new(cn__op *op) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    size_t taps = (size_t)c->kernel[0] * (size_t)c->kernel[1];
    cn__nchw16c_geometry *g = op->geometry = cn__alloc(op->ctx, 1, sizeof *g + taps * sizeof *g->taps);
    if (!g)
        return cn__no_memory("a convolution's taps");
    for (size_t y = 0; y < (size_t)c->kernel[0]; y++)
        for (size_t x = 0; x < (size_t)c->kernel[1]; x++)
            g->taps[g->tap_count++] = (cn__channel_tap){
                (ptrdiff_t)(y * (size_t)c->dilation[0] * op->in[0]->row + x * (size_t)c->dilation[1] * CN__LANES),
                y * (size_t)c->kernel[1] + x};
    return CN_OK;
}

static cn_status bind(cn__op *op) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    cn__conv_problem problem = {op->layer,      op->in[0]->shape, op->out->shape, op,
                                op->max_blocks, op->training,     op->batch,      0};
    problem.in.channels = c->in_channels;
    problem.out.channels = c->out_channels;
    CN__TRY(cn__nchw16c_geometry_new(op));
    measure(&problem, op->packed_by, op->training, op->geometry);
    return bind_passes(op, op->geometry);
}

void cn__nchw16c_unbind(cn__op *op) {
    cn__nchw16c_geometry *g = op->geometry;
    cn__nchw16c_jobs_drop(op->ctx, &g->jobs);
    cn__free(op->ctx, g->terms);
    cn__free(op->ctx, g->term_weights);
    cn__free(op->ctx, g);
}

/* ---- packed weights: the planes of outputs, then those of inputs if their gradient is wanted ---- */

static cn__grid pack_grid(const cn__op *op, const cn__pass *pass) {
    (void)pass;
    bool backward = op->training && op->d_in[0];
    return (cn__grid){(size_t)op->out->shape.channels + (backward ? (size_t)op->in[0]->shape.channels : 0), 1};
}

static void pack_forward(const cn__op *op, size_t plane) {
    const cn__nchw16c_geometry *g = op->geometry;
    int32_t left = ((const cn__convolution *)op->layer)->out_channels - (int32_t)(plane * CN__LANES);
    double scale[CN__LANES] = {0.0};
    for (size_t lane = 0; lane < CN__LANES && (int32_t)lane < left; lane++) {
        double shift;
        cn__convolution_factors(op, plane * CN__LANES + lane, &scale[lane], &shift);
        op->packed[plane * CN__LANES + lane] = (float)shift;
    }
    g->algorithm[CN__CONV_FORWARD]->pack_forward(op, plane, scale, op->packed + g->packed[CN__CONV_FORWARD]);
}

static void pack(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__nchw16c_geometry *g = op->geometry;
    size_t out_planes = (size_t)op->out->shape.channels;
    (void)pass;
    if (at.outer < out_planes)
        pack_forward(op, at.outer);
    else if (g->algorithm[CN__CONV_INPUT_GRAD]->pack_input_grad)
        g->algorithm[CN__CONV_INPUT_GRAD]->pack_input_grad(op, at.outer - out_planes,
                                                           op->packed + g->packed[CN__CONV_INPUT_GRAD]);
}

/* ---- the steps of the passes as stages ---- */

static const cn__nchw16c_step *steps(const cn__op *op, cn__conv_pass pass) {
    const cn__nchw16c_geometry *g = op->geometry;
    const cn__nchw16c_algorithm *algorithm = g->algorithm[pass];
    return pass == CN__CONV_FORWARD      ? algorithm->forward
           : pass == CN__CONV_INPUT_GRAD ? algorithm->input_grad
                                         : algorithm->weight_grad;
}

static bool takes_all(const cn__op *op, cn__conv_pass pass) {
    const cn__nchw16c_geometry *g = op->geometry;
    return g->algorithm[pass]->all_blocks;
}

static bool waits(const cn__op *op) {
    return cn__nchw16c_weights_wait(cn__nchw16c_maps_of(op));
}

#define STEP(name, PASS, number, wanted)                                                                               \
    static cn__grid name##_grid(const cn__op *op, const cn__pass *pass) {                                              \
        const cn__nchw16c_step *step = &steps(op, PASS)[number];                                                       \
        return (wanted) && step->run ? step->grid(op, pass) : (cn__grid){0, 0};                                        \
    }                                                                                                                  \
    static void name(const cn__op *op, const cn__pass *pass, cn__item at) {                                            \
        steps(op, PASS)[number].run(op, pass, at);                                                                     \
    }
STEP(forward_all, CN__CONV_FORWARD, 0, takes_all(op, CN__CONV_FORWARD))
STEP(forward_first, CN__CONV_FORWARD, 0, !takes_all(op, CN__CONV_FORWARD))
STEP(forward_second, CN__CONV_FORWARD, 1, true)
STEP(input_all, CN__CONV_INPUT_GRAD, 0, op->d_in[0] && takes_all(op, CN__CONV_INPUT_GRAD))
STEP(input_first, CN__CONV_INPUT_GRAD, 0, op->d_in[0] && !takes_all(op, CN__CONV_INPUT_GRAD))
STEP(input_second, CN__CONV_INPUT_GRAD, 1, op->d_in[0])
STEP(weight_first, CN__CONV_WEIGHT_GRAD, 0, !waits(op))
STEP(weight_late, CN__CONV_WEIGHT_GRAD, 0, waits(op))
STEP(weight_second, CN__CONV_WEIGHT_GRAD, 1, true)

/* ---- all together ---- */

const cn__layer_impl cn__convolution_nchw16c = {
    .takes_relu6 = true,
    .multiply_adds = multiply_adds,
    .takes_front = takes_front,
    .requirements = requirements,
    .bind = bind,
    .unbind = cn__nchw16c_unbind,
    .prepare = {pack_grid, pack, CN__SCOPE_DEFERRED},
    .forward = {{forward_all_grid, forward_all, CN__SCOPE_GLOBAL},
                {forward_first_grid, forward_first, CN__SCOPE_LOCAL},
                {forward_second_grid, forward_second, CN__SCOPE_LOCAL},
                {cn__nchw16c_border_grid, cn__nchw16c_border, CN__SCOPE_LOCAL}},
    .backward = {{input_all_grid, input_all, CN__SCOPE_GLOBAL},
                 {input_first_grid, input_first, CN__SCOPE_LOCAL},
                 {input_second_grid, input_second, CN__SCOPE_LOCAL},
                 {weight_first_grid, weight_first, CN__SCOPE_SOON},
                 {weight_late_grid, weight_late, CN__SCOPE_DEFERRED},
                 {weight_second_grid, weight_second, CN__SCOPE_DEFERRED}},
    .backward_reads_in = true,
};
