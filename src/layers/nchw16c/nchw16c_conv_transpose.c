/* nchw16c_conv_transpose.c: ConvTranspose2d with channels in the lanes. Outputs that lie `stride` apart, a *phase*,
 * see the same taps, side by side in the input, so each phase is a convolution of stride 1 over its own part of the
 * taps. Packed memory holds the weights as the kernel reads them, [plane of outputs][plane of inputs][tap][channel of
 * the plane][16 outputs], and behind those a line of biases for each plane of outputs. */
#include "layers/conv/conv_transpose2d.h"
#include "layers/nchw16c/nchw16c.h"

typedef struct phase {
    int32_t row, column; /* of its first output */
    size_t first, count; /* taps */
} phase;

typedef struct geometry {
    phase *phases;
    size_t phase_count;
    cn__channel_tap *taps; /* their inputs from the corner of the border */
} geometry;

static const cn__convolution *behind(const cn_layer *layer) {
    return &((const cn__conv_transpose *)layer)->behind;
}

static size_t tap_count(const cn__convolution *c) {
    return (size_t)c->kernel[0] * (size_t)c->kernel[1];
}

static int64_t multiply_adds(const cn_layer *layer, cn__shape in, cn__shape out) {
    const cn__convolution *c = behind(layer);
    (void)out;
    return (int64_t)(cn__nchw16c_planes(c->in_channels) * CN__LANES * (size_t)c->out_channels * tap_count(c)) *
           in.height * in.width;
}

/* The border lets every output find all its taps: rows or columns beyond either end of the input. */
static void requirements(const cn_layer *layer, const cn__sizes *sizes, cn__requirements *requirements) {
    const cn__conv_transpose *t = (const cn__conv_transpose *)layer;
    const cn__convolution *c = &t->behind;
    size_t planes = cn__nchw16c_planes(c->in_channels);
    (void)sizes;
    for (int d = 0; d < 2; d++) {
        int64_t beyond = (int64_t)c->dilation[d] * (c->kernel[d] - 1) - c->padding[d] + t->output_padding[d];
        requirements->pad[d] = beyond > 0 ? (int32_t)(beyond / c->stride[d]) : 0;
    }
    requirements->mode = CN_PADDING_ZEROS;
    requirements->packed_floats = planes * ((size_t)c->out_channels * tap_count(c) + 1) * CN__LANES;
}

/* ---- binding ---- */

/* Whether outputs of a phase see a tap along a dimension, and how far from the output's place / stride it finds its
 * input. */
static bool sees(const cn__convolution *c, int d, int32_t at, int32_t tap, int64_t *offset) {
    int64_t way = (int64_t)at + c->padding[d] - (int64_t)tap * c->dilation[d];
    *offset = way / c->stride[d];
    return way % c->stride[d] == 0;
}

static void list_taps(const cn__op *op, phase *p, geometry *g) {
    const cn__convolution *c = behind(op->layer);
    const cn__fmap *in = op->in[0];
    int64_t down, right;
    for (int32_t y = 0; y < c->kernel[0]; y++)
        for (int32_t x = 0; sees(c, 0, p->row, y, &down) && x < c->kernel[1]; x++)
            if (sees(c, 1, p->column, x, &right)) {
                size_t tap = p->first + p->count++;
                g->taps[tap] =
                    (cn__channel_tap){(in->pad[0] + down) * (ptrdiff_t)in->row + (in->pad[1] + right) * CN__LANES,
                                      (size_t)y * (size_t)c->kernel[1] + (size_t)x};
            }
}

/* Outputs of the first row or column that are of phases of their own. */
static int32_t phases_along(const cn__op *op, int d) {
    int32_t stride = behind(op->layer)->stride[d], size = d ? op->out->shape.width : op->out->shape.height;
    return stride < size ? stride : size;
}

static void list_phases(const cn__op *op, geometry *g) {
    size_t next = 0;
    for (int32_t row = 0; row < phases_along(op, 0); row++)
        for (int32_t column = 0; column < phases_along(op, 1); column++) {
            phase *p = &g->phases[g->phase_count++];
            *p = (phase){row, column, next, 0};
            list_taps(op, p, g);
            next += p->count;
        }
}

static cn_status bind(cn__op *op) {
    size_t taps = tap_count(behind(op->layer)), phases = (size_t)phases_along(op, 0) * (size_t)phases_along(op, 1);
    geometry *g = op->geometry = cn__alloc(op->ctx, 1, sizeof *g);
    if (!g)
        return cn__no_memory("a transposed convolution's taps");
    g->phases = cn__alloc(op->ctx, phases, sizeof *g->phases);
    g->taps = cn__alloc(op->ctx, taps, sizeof *g->taps);
    if (!g->phases || !g->taps)
        return cn__no_memory("a transposed convolution's taps");
    list_phases(op, g);
    return CN_OK;
}

static void unbind(cn__op *op) {
    geometry *g = op->geometry;
    cn__free(op->ctx, g->phases);
    cn__free(op->ctx, g->taps);
    cn__free(op->ctx, g);
}

/* ---- packed weights ---- */

/* Weights of a plane of outputs. */
static size_t plane_weights(const cn__convolution *c) {
    return (size_t)c->out_channels * tap_count(c) * CN__LANES;
}

static float *bias_of(const cn__op *op, size_t plane) {
    const cn__convolution *c = behind(op->layer);
    return op->packed + cn__nchw16c_planes(c->in_channels) * plane_weights(c) + plane * CN__LANES;
}

/* The weights of one output go into one lane. */
static void pack_lane(const cn__op *op, int32_t output, float *to) {
    const cn__convolution *c = behind(op->layer);
    for (int32_t first = 0; first < c->out_channels; first += CN__LANES)
        for (size_t t = 0; t < tap_count(c); t++)
            for (int32_t i = first; i < first + CN__LANES && i < c->out_channels; i++, to += CN__LANES) {
                size_t filter = (size_t)i * (size_t)c->in_channels + (size_t)output;
                *to = ((const float *)op->tensor[0])[filter * tap_count(c) + t];
            }
}

static cn__grid pack_grid(const cn__op *op, const cn__pass *pass) {
    (void)pass;
    return (cn__grid){cn__nchw16c_planes(behind(op->layer)->in_channels), 1};
}

static void pack(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__conv_transpose *t = (const cn__conv_transpose *)op->layer;
    size_t plane = at.outer;
    (void)pass;
    for (size_t lane = 0; lane < CN__LANES; lane++) {
        size_t o = plane * CN__LANES + lane;
        if (o >= (size_t)t->behind.in_channels)
            break; /* memory begins as zeros */
        bias_of(op, plane)[lane] = t->bias ? ((const float *)op->tensor[1])[o] : 0.0f;
        pack_lane(op, (int32_t)o, op->packed + plane * plane_weights(&t->behind) + lane);
    }
}

/* ---- forward: shares of the rows of each phase ---- */

/* Outputs of a phase along a dimension of `size`. */
static int32_t outputs(int32_t size, int32_t at, int32_t stride) {
    return (size - at + stride - 1) / stride;
}

static cn__grid shares(const cn__op *op, const cn__pass *pass) {
    int32_t most = outputs(op->out->shape.height, 0, behind(op->layer)->stride[0]);
    int64_t products = multiply_adds(op->layer, op->in[0]->shape, op->out->shape);
    return (cn__grid){cn__nchw16c_shares(op, pass, most, products), 1};
}

/* Rows first … end - 1 of a phase. */
static void compute(const cn__op *op, const phase *p, int32_t first, int32_t end) {
    const cn__convolution *c = behind(op->layer);
    const geometry *g = op->geometry;
    const cn__fmap *in = op->in[0], *out = op->out;
    cn__channel_conv_args args = {
        .channels = c->in_channels,
        .height = end - first,
        .width = outputs(out->shape.width, p->column, c->stride[1]),
        .in = in->data - cn__fmap_origin(in) + (size_t)first * in->row,
        .in_plane = in->channel,
        .in_row = in->row,
        .in_step = CN__LANES,
        .in_channels = c->out_channels,
        .taps = g->taps + p->first,
        .tap_count = p->count,
        .weights = op->packed,
        .filter_taps = tap_count(c),
        .weight_plane = plane_weights(c),
        .bias = bias_of(op, 0),
        .out = out->data + ((size_t)first * (size_t)c->stride[0] + (size_t)p->row) * out->row +
               (size_t)p->column * CN__LANES,
        .out_plane = out->channel,
        .out_row = (size_t)c->stride[0] * out->row,
        .out_step = (size_t)c->stride[1] * CN__LANES,
    };
    if (args.height > 0)
        op->kernels->channel_conv(&args);
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    const geometry *g = op->geometry;
    int64_t count = (int64_t)shares(op, pass).outer, share = (int64_t)at.outer;
    for (const phase *p = g->phases; p < g->phases + g->phase_count; p++) {
        int64_t rows = outputs(op->out->shape.height, p->row, behind(op->layer)->stride[0]);
        compute(op, p, (int32_t)(rows * share / count), (int32_t)(rows * (share + 1) / count));
    }
}

/* The weights of a line of outputs must see the same inputs. */
static bool one_group(const cn_layer *layer, bool backward) {
    (void)backward;
    return behind(layer)->groups == 1;
}

const cn__layer_impl cn__conv_transpose2d_nchw16c = {
    .infers_only = true,
    .serves = one_group,
    .multiply_adds = multiply_adds,
    .requirements = requirements,
    .bind = bind,
    .unbind = unbind,
    .prepare = {pack_grid, pack, CN__SCOPE_DEFERRED},
    .forward = {{shares, forward, CN__SCOPE_LOCAL}, {cn__nchw16c_border_grid, cn__nchw16c_border, CN__SCOPE_LOCAL}},
};
