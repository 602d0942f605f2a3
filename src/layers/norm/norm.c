/* SPDX-License-Identifier: MIT */
/* norm.c: what batch and group norm have in common; see norm.h. The add, ReLU and dropout behind a norm are computed in
 * its passes, so that each plane is read and written as rarely as the mathematics allows. */
#include "layers/norm/norm.h"
#include "layers/tree.h"
#include <math.h>

extern const cn__layer_type cn__batch_norm_type, cn__group_norm_type;

#define PAIR     (2 * CN__LANES) /* floats of two lines */
#define CELL     (5 * CN__LANES) /* of a cell: center and inv, b and c, what rounding took from the center */
#define CHANNELS 32              /* that are finalized by an item */

static const cn__norm_layer *norm_of(const cn__op *op) {
    return (const cn__norm_layer *)op->layer;
}

/* ---- hyper-parameters and tensors ---- */

cn_status cn__norm_validate(cn_layer *layer) {
    cn__norm_layer *n = (cn__norm_layer *)layer;
    const char *type = layer->type->name;
    CN__TRY(cn__check_range(type, "channels", n->channels, 1, CN__MAX_SIDE));
    CN__TRY(cn__check_range(type, "affine", n->affine, 0, 1));
    if (!(n->eps >= 0.0f && isfinite(n->eps)))
        return cn__error(CN_ERR_ARGUMENT, "%s: eps is %g, wanted a finite number, 0 or more", type, (double)n->eps);
    return CN_OK;
}

cn_status cn__norm_infer(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in, cn__shape *out) {
    const cn__norm_layer *n = (const cn__norm_layer *)layer;
    (void)inputs;
    if (in->channels != n->channels)
        return cn__error(CN_ERR_SHAPE, "%s '%s': its input has %d channels, wanted %d", layer->type->name, name,
                         in->channels, n->channels);
    *out = *in;
    return CN_OK;
}

int cn__norm_tensors(const cn_layer *layer, cn__tensor_spec *specs) {
    const cn__norm_layer *n = (const cn__norm_layer *)layer;
    if (!n->affine)
        return 0;
    specs[0] = (cn__tensor_spec){"weight", CN_DTYPE_FLOAT32, 1, {n->channels}, true};
    specs[1] = (cn__tensor_spec){"bias", CN_DTYPE_FLOAT32, 1, {n->channels}, true};
    return 2;
}

void cn__norm_init(const cn_layer *layer, cn__initializer *from, void *const *tensors) {
    const cn__norm_layer *n = (const cn__norm_layer *)layer;
    (void)from;
    if (!n->affine)
        return;
    cn__init_constant(tensors[0], n->channels, 1.0f);
    cn__init_constant(tensors[1], n->channels, 0.0f);
}

float cn__norm_weight(const cn__op *op, size_t channel) {
    return norm_of(op)->affine ? ((const float *)op->tensor[0])[channel] : 1.0f;
}

/* ---- memory ---- */

/* Batch norm has a cell a channel, which all blocks share; group norm one a block and group, or with channels in the
 * lanes as many copies as the group has. */
static bool shares_cells(const cn_layer *layer) {
    return layer->type->kind == CN__KIND_BATCH_NORM;
}

static float *plane_cell(const cn__op *op, size_t block, size_t plane) {
    size_t planes = (size_t)op->out->shape.channels, groups = (size_t)norm_of(op)->groups;
    if (shares_cells(op->layer))
        return op->shared + plane * CELL;
    size_t cell = op->out->lane_channels ? plane : plane * groups / planes;
    return cn__saved(op, block) + planes * CN__NORM_SUMS + cell * CELL;
}

void cn__norm_requirements(const cn_layer *layer, const cn__sizes *sizes, cn__requirements *requirements) {
    const cn__norm_layer *n = (const cn__norm_layer *)layer;
    size_t planes = cn__sizes_planes(sizes, n->channels);
    requirements->packed_floats = sizes->nchw16c ? planes * PAIR : 0;
    requirements->saved_floats = planes * CN__NORM_SUMS;
    if (shares_cells(layer))
        requirements->shared_floats = planes * CELL;
    else
        requirements->saved_floats += (sizes->nchw16c ? planes : (size_t)n->groups) * CELL;
}

cn__grid cn__norm_packing(const cn__op *op, const cn__pass *pass) {
    (void)pass;
    return (cn__grid){op->out->lane_channels > 0, 1};
}

void cn__norm_pack(const cn__op *op, const cn__pass *pass, cn__item at) {
    float *weights = op->packed, *biases = weights + (size_t)op->out->shape.channels * CN__LANES;
    (void)pass;
    (void)at;
    for (size_t c = 0; c < (size_t)op->out->lane_channels; c++) {
        weights[c] = cn__norm_weight(op, c);
        biases[c] = norm_of(op)->affine ? ((const float *)op->tensor[1])[c] : 0.0f;
    }
}

const float *cn__norm_weights(const cn__op *op, size_t plane) {
    return op->packed + plane * CN__LANES;
}

const float *cn__norm_biases(const cn__op *op, size_t plane) {
    return op->packed + ((size_t)op->out->shape.channels + plane) * CN__LANES;
}

float *cn__norm_plane_sums(const cn__op *op, size_t block, size_t plane) {
    return cn__saved(op, block) + plane * CN__NORM_SUMS;
}

/* Where a channel is: its plane, and its lane if it does not have all. */
static size_t plane_of(const cn__op *op, size_t channel) {
    return op->out->lane_channels ? channel / CN__LANES : channel;
}

static size_t lane_of(const cn__op *op, size_t channel) {
    return op->out->lane_channels ? channel % CN__LANES : 0;
}

float *cn__norm_sums(const cn__op *op, size_t block, size_t channel) {
    return cn__norm_plane_sums(op, block, plane_of(op, channel)) + lane_of(op, channel);
}

float *cn__norm_center(const cn__op *op, size_t block, size_t channel) {
    return plane_cell(op, block, plane_of(op, channel)) + lane_of(op, channel);
}

float *cn__norm_backward_coefficients(const cn__op *op, size_t block, size_t channel) {
    return cn__norm_center(op, block, channel) + PAIR;
}

float *cn__norm_center_rest(const cn__op *op, size_t block, size_t channel) {
    return cn__norm_center(op, block, channel) + 2 * PAIR;
}

/* ---- finalizing ---- */

const float *cn__norm_leaf_sums(const cn__op *op, size_t leaf, size_t channel) {
    return cn__norm_sums(op, op->out->lane_channels ? leaf * CN__LANES : leaf, channel);
}

double cn__norm_leaf_sum(const cn__op *op, const cn__pass *pass, size_t leaf, size_t channel, int which) {
    double lane[CN__LANES] = {0};
    const float *sums = cn__norm_leaf_sums(op, leaf, channel) + which * CN__LANES;
    for (int32_t l = 0; l < cn__pass_lanes(pass, leaf); l++, sums += cn__norm_image_step(op))
        lane[l] = (double)*sums;
    for (int half = CN__LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}

cn__grid cn__norm_channels(const cn__op *op, const cn__pass *pass) {
    (void)pass;
    return (cn__grid){((size_t)norm_of(op)->channels + CHANNELS - 1) / CHANNELS, 1};
}

void cn__norm_each_channel(const cn__op *op, const cn__pass *pass, cn__item at, cn__norm_finalize *finalize) {
    size_t channels = (size_t)norm_of(op)->channels, end = (at.outer + 1) * CHANNELS;
    for (size_t channel = at.outer * CHANNELS; channel < end && channel < channels; channel++)
        finalize(op, pass, channel);
}

static double weight_sum(const cn__op *op, const cn__pass *pass, size_t leaf, size_t channel) {
    return cn__norm_leaf_sum(op, pass, leaf, channel, 1);
}

static double bias_sum(const cn__op *op, const cn__pass *pass, size_t leaf, size_t channel) {
    return cn__norm_leaf_sum(op, pass, leaf, channel, 0);
}

void cn__norm_parameter_gradient(const cn__op *op, const cn__pass *pass, size_t channel) {
    cn__sum_leaves(op, pass, 0, channel, weight_sum);
    cn__sum_leaves(op, pass, 1, channel, bias_sum);
}

/* ---- planes ---- */

static double moment(const float *lines, int line, int lane) {
    return (double)lines[line * CN__LANES + lane];
}

/* A lane's sums from the moments that a convolution has left, share by share (Chan, Golub & LeVeque 1979). */
static void take_moments(const cn__op *op, size_t block, size_t channel, float *sums) {
    cn__shape shape = op->in[0]->shape;
    size_t pixels = (size_t)shape.height * (size_t)shape.width, shares = cn__moment_shares(shape);
    size_t most = cn__moment_rows(shape) * (size_t)shape.width;
    double all[CN__LANES] = {0}, all_squares[CN__LANES] = {0};
    for (size_t share = 0; share < shares; share++) {
        const float *lines = cn__moments_of(op, shape, block, share, channel);
        double before = (double)(share * most), after = (double)(share + 1 < shares ? (share + 1) * most : pixels);
        double count = after - before, weight = count / after;
        for (int l = 0; l < CN__LANES; l++) {
            double sum = moment(lines, CN__MOMENT_SUM, l) + moment(lines, CN__MOMENT_EARLIER_SUM, l);
            double squares = moment(lines, CN__MOMENT_SQUARES, l) + moment(lines, CN__MOMENT_EARLIER_SQUARES, l);
            double offset = sum / count, delta = moment(lines, CN__MOMENT_PIVOT, l) + offset - all[l];
            all[l] += delta * weight;
            all_squares[l] += squares - sum * offset + delta * delta * before * weight;
        }
    }
    for (int l = 0; l < CN__LANES; l++) {
        sums[l] = (float)all[l];
        sums[2 * CN__LANES + l] = (float)(all[l] - (double)sums[l]);
        sums[CN__LANES + l] = (float)(all_squares[l] < 0.0 ? 0.0 : all_squares[l]);
    }
}

void cn__norm_measure(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t block = at.block, plane = at.outer;
    float *sums = cn__norm_plane_sums(op, block, plane);
    (void)pass;
    if (op->moments) {
        take_moments(op, block, plane, sums);
        return;
    }
    op->kernels->lane_moments(cn__fmap_plane(op->in[0], block, plane), op->out->shape.height, op->out->shape.width,
                              sums, sums + CN__LANES, sums + 2 * CN__LANES);
}

/* What the passes over a plane have in common. */
static cn__pointwise_args plane_args(const cn__op *op, const cn__pass *pass, size_t block, size_t plane) {
    const float *center = plane_cell(op, block, plane);
    cn__pointwise_args args = {
        .x = cn__fmap_plane(op->in[0], block, plane), .center = center, .inv = center + CN__LANES};
    if (op->out->data)
        args.y = cn__fmap_plane(op->out, block, plane);
    if (op->out->lane_channels) {
        args.weights = cn__norm_weights(op, plane);
        args.biases = cn__norm_biases(op, plane);
    } else {
        args.weight = cn__norm_weight(op, plane);
        args.bias = norm_of(op)->affine ? ((const float *)op->tensor[1])[plane] : 0.0f;
    }
    cn__pointwise_fill(&args, op, pass, &op->post, block, plane);
    args.masks_again = args.relu && !args.threshold && !op->post.skip;
    return args;
}

void cn__norm_plane(const cn__op *op, const cn__pass *pass, size_t block, size_t plane, cn__plane y) {
    cn__pointwise_args args = plane_args(op, pass, block, plane);
    args.y = y;
    op->kernels->pointwise(&args);
}

cn__grid cn__norm_stored_planes(const cn__op *op, const cn__pass *pass) {
    return op->out->data ? cn__in_planes(op, pass) : (cn__grid){0, 0};
}

void cn__norm_apply(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t block = at.block, plane = at.outer;
    cn__pointwise_args args = plane_args(op, pass, block, plane);
    if (op->post.skip)
        args.skip = cn__fmap_plane(op->post.skip, block, plane);
    op->kernels->pointwise(&args);
    cn__fmap_border(op->out, block, plane);
}

void cn__norm_reduce(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t block = at.block, plane = at.outer;
    cn__pointwise_args args = plane_args(op, pass, block, plane);
    float *sums = cn__norm_plane_sums(op, block, plane);
    cn__plane d_skip = {0};
    if (op->post.d_skip)
        d_skip = cn__fmap_plane(op->post.d_skip, block, plane);
    op->kernels->norm_reduce(&args, cn__fmap_plane(op->d_out, block, plane), d_skip, op->post.skip_accumulate, sums,
                             sums + CN__LANES);
}

void cn__norm_backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t block = at.block, plane = at.outer;
    cn__pointwise_args args = plane_args(op, pass, block, plane);
    const float *b = plane_cell(op, block, plane) + PAIR;
    /* Where norm_reduce has left it. */
    const cn__fmap *dz = op->post.d_skip && !op->post.skip_accumulate ? op->post.d_skip : op->d_out;
    op->kernels->norm_backward(&args, cn__fmap_plane(dz, block, plane), cn__fmap_plane(op->d_in[0], block, plane), b,
                               b + CN__LANES, op->accumulate[0]);
}

/* ---- the constructor of all kinds ---- */

cn_status cn_norm_new(cn_context *context, cn_norm_kind norm, int channels, const cn_norm_options *options,
                      cn_layer **layer) {
    CN__COMPUTES;
    cn_norm_options o = CN_NORM_OPTIONS_INIT;
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(CN__READ_OPTIONS(&o, cn_norm_options, options));
    CN__TRY(cn__check_reserved("cn_norm_options", o.reserved == 0));
    CN__TRY(cn__check_range("cn_norm_new", "norm", (int32_t)norm, CN_NORM_BATCH, CN_NORM_INSTANCE));
    CN__TRY(cn__check_range("cn_norm_new", "affine", o.affine, 0, 1));
    CN__TRY(cn__check_range("cn_norm_new", "track_running_stats", o.track_running_stats, 0, 1));
    CN__TRY(cn__layer_alloc(context, norm == CN_NORM_BATCH ? &cn__batch_norm_type : &cn__group_norm_type, &made));
    cn__norm_layer *n = (cn__norm_layer *)made;
    n->channels = channels;
    n->groups = norm == CN_NORM_LAYER ? 1 : norm == CN_NORM_INSTANCE ? channels : o.groups;
    n->eps = o.eps;
    n->momentum = o.momentum;
    n->affine = o.affine;
    n->track_running_stats = o.track_running_stats;
    return cn__layer_finish(made, layer);
}
