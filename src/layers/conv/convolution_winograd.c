/* convolution_winograd.c: 3×3 convolutions by minimal filtering, where that is less work: a strip of a block's tiles is
 * transformed into the thread's scratch, then multiplied by one tile of channels' weights after the other. Strips are
 * those that moments are gathered by; a thread takes some tiles at a time, as many as its second-level cache holds. */
#include "layers/conv/convolution.h"

/* ---- tiles ---- */

/* Tiles along `size` outputs: of side 4, and of 3 as many as 4 are too large by. */
static int32_t tiles_along(int32_t size) {
    return (size + CN__WINOGRAD_SIDE - 1) / CN__WINOGRAD_SIDE;
}

static int32_t threes_along(int32_t size) {
    int32_t tiles = tiles_along(size), over = tiles * CN__WINOGRAD_SIDE - size;
    return over < tiles ? over : tiles;
}

/* Points that they have. */
static int32_t points_along(int32_t size) {
    return tiles_along(size) * CN__WINOGRAD_PATCH - threes_along(size);
}

static void cut(cn__winograd_tiles *tiles, int32_t height, int32_t width) {
    tiles->threes[0] = threes_along(height);
    tiles->threes[1] = threes_along(width);
    tiles->fours[0] = tiles_along(height) - tiles->threes[0];
    tiles->fours[1] = tiles_along(width) - tiles->threes[1];
}

static int32_t tiles_of(int32_t height, int32_t width) {
    return tiles_along(height) * tiles_along(width);
}

/* Whole tiles that would take as much work. */
static double winograd_cost(cn__shape shape) {
    return (double)points_along(shape.height) * points_along(shape.width) / CN__WINOGRAD_PLACES;
}

/* ---- what it is worth ---- */

/* What passes cost, in vector multiply-adds, as measured with AVX-512; AVX2 gains more. */
#define PRODUCT   41  /* of a pair of channels and a tile, all 36 places */
#define PATCH     440 /* transforms of a channel and a tile */
#define OUTPUT    270
#define GRADIENT  280
#define FINISH    8
#define TAPS      10 /* plain sums: of a pair and a pixel */
#define PAIR_TAPS 11 /* the same for weight gradients */

static bool winograd_pays(double in, double out, cn__shape shape) {
    double pixels = (double)shape.height * shape.width;
    return winograd_cost(shape) * (PRODUCT * in * out + PATCH * in + OUTPUT * out) < TAPS * pixels * in * out;
}

/* Tiles and output channels that a weight gradient takes at once. */
typedef struct portion {
    int32_t tiles, columns, tile_steps, column_steps;
} portion;

static int32_t steps(int32_t count, int32_t most) {
    return (count + most - 1) / most;
}

static portion weight_portion(int32_t out, cn__shape shape) {
    const int32_t lines = 192, least = 4, most_lines = 512; /* of a place */
    int32_t columns = (int32_t)cn__whole_lines((size_t)out), tiles = tiles_of(shape.height, shape.width);
    int32_t most = lines / columns < least ? least : lines / columns;
    portion p = {.tile_steps = steps(tiles, most < CN__WINOGRAD_MAX_TILES ? most : CN__WINOGRAD_MAX_TILES)};
    p.tiles = steps(tiles, p.tile_steps);
    p.columns = (int32_t)cn__whole_lines((size_t)steps(out, steps(p.tiles * columns, most_lines)));
    p.column_steps = steps(out, p.columns);
    return p;
}

static bool weight_winograd_pays(int32_t in, int32_t out, cn__shape shape) {
    double pixels = (double)shape.height * shape.width, columns = (double)cn__whole_lines((size_t)out);
    double patches = (double)PATCH * in * weight_portion(out, shape).column_steps;
    double cost = winograd_cost(shape) * (PRODUCT * in * columns + patches + GRADIENT * columns);
    return cost + FINISH * in * columns < PAIR_TAPS * (pixels + 4) * in * out;
}

void cn__convolution_choose_winograd(const cn_layer *layer, cn__shape in, cn__shape out, cn__conv_geometry *g) {
    const cn__convolution *c = (const cn__convolution *)layer;
    for (int d = 0; d < 2; d++)
        if (c->kernel[d] != 3 || c->stride[d] != 1 || c->dilation[d] != 1)
            return;
    if (c->groups != 1 || layer->ctx->options.conv_algorithm != CN_CONV_AUTO)
        return;
    g->winograd.forward = winograd_pays(in.channels, out.channels, out);
    g->winograd.input = winograd_pays(out.channels, in.channels, in);
    g->winograd.weight = weight_winograd_pays(in.channels, out.channels, out);
}

/* ---- scratch ---- */

/* Tiles at a time when `channels` are summed over. */
static int32_t tiles_at_once(int32_t channels) {
    const int32_t lines = 280; /* of a place */
    return lines / channels < 2 ? 2 : lines / channels > 8 ? 8 : lines / channels;
}

static size_t strip_scratch(int32_t channels) {
    int32_t tiles = tiles_at_once(channels);
    return CN__WINOGRAD_FLOATS(channels, tiles) + CN__WINOGRAD_FLOATS(CN__CONV_TILE, tiles);
}

/* Scratch of a weight gradient, in floats. */
typedef struct weight_parts {
    size_t columns, patches, sums;
} weight_parts;

/* Sums of one tile of input channels, or of all if there are several steps. */
static weight_parts weight_scratch(const cn__conv_geometry *g, portion p) {
    return (weight_parts){
        .columns = CN__WINOGRAD_PLACES * CN__WINOGRAD_COLUMNS(p.columns, p.tiles),
        .patches = CN__WINOGRAD_FLOATS(CN__CONV_TILE, p.tiles),
        .sums = (p.tile_steps > 1 ? (size_t)g->in_tiles : 1) * CN__WINOGRAD_SUMS(p.columns),
    };
}

size_t cn__convolution_winograd_scratch(const cn__conv_geometry *g, cn__shape out) {
    size_t forward = g->winograd.forward ? strip_scratch(g->in) : 0;
    size_t input = g->winograd.input ? strip_scratch(g->out) : 0;
    weight_parts parts = {0};
    if (g->winograd.weight)
        parts = weight_scratch(g, weight_portion(g->out, out));
    size_t weight = parts.columns + parts.patches + parts.sums;
    size_t most = forward > input ? forward : input;
    return most > weight ? most : weight;
}

/* ---- strips of outputs ---- */

/* Shares into which tiles of channels are cut, each of which transforms the inputs anew: one where there are items
 * enough for all threads without. */
static size_t channel_shares(const cn__op *op, size_t items, int32_t tiles) {
    size_t threads = (size_t)op->ctx->threads;
    if (items % threads == 0 || items >= 4 * threads)
        return 1;
    size_t shares = (2 * threads + items - 1) / items;
    return shares < (size_t)tiles ? shares : (size_t)tiles;
}

/* Forward, or for the input's gradient. */
typedef struct direction {
    cn__winograd_args args; /* of the first tile of output channels */
    cn__shape out;
    size_t tile_floats; /* from a tile's weights and biases to the next one's */
    int32_t tiles;
} direction;

static cn__winograd_args of_tile(const direction *d, const cn__winograd_args *first, int32_t tile) {
    cn__winograd_args a = *first;
    size_t channel = (size_t)tile * CN__CONV_TILE;
    int32_t left = d->out.channels - (int32_t)channel;
    a.out_channels = left < CN__CONV_TILE ? left : CN__CONV_TILE;
    a.weights += (size_t)tile * d->tile_floats;
    a.out += channel * a.out_channel;
    if (a.bias)
        a.bias += (size_t)tile * d->tile_floats;
    if (a.skip)
        a.skip += channel * a.skip_channel;
    if (a.moments)
        a.moments += channel * CN__MOMENT_LINES * CN__LANES;
    return a;
}

static void run_strip(const cn__op *op, const cn__pass *pass, const direction *d, size_t strip, size_t share,
                      size_t shares) {
    cn__winograd_args a = d->args;
    int32_t rows = (int32_t)cn__moment_rows(d->out), y = (int32_t)strip * rows, left = d->out.height - y;
    int32_t height = left < rows ? left : rows, count = tiles_of(height, d->out.width);
    int32_t step = steps(count, steps(count, tiles_at_once(a.tiles.channels)));
    float *v = pass->scratch;
    cut(&a.tiles, height, d->out.width);
    a.tiles.first[0] += y;
    a.v = v;
    a.m = v + CN__WINOGRAD_FLOATS(a.tiles.channels, step);
    a.out += (size_t)y * a.out_row;
    a.skip = a.skip ? a.skip + (size_t)y * a.skip_row : NULL;
    a.out_height = height;
    a.out_width = d->out.width;
    for (a.tiles.tile = 0; a.tiles.tile < count; a.tiles.tile += step) {
        a.tiles.count = count - a.tiles.tile < step ? count - a.tiles.tile : step;
        a.add_moments = a.tiles.tile > 0;
        op->kernels->winograd_input(&a.tiles, v);
        for (int32_t tile = (int32_t)((size_t)d->tiles * share / shares);
             tile < (int32_t)((size_t)d->tiles * (share + 1) / shares); tile++) {
            cn__winograd_args one = of_tile(d, &a, tile);
            op->kernels->winograd_conv(&one);
        }
    }
}

/* The padded input, as the kernel sees it. */
static cn__winograd_tiles input_tiles(const cn__op *op, size_t block) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    const cn__fmap *in = op->in[0];
    return (cn__winograd_tiles){
        .data = cn__fmap_plane(in, block, 0).data - (size_t)c->padding[0] * in->row - (size_t)c->padding[1] * CN__LANES,
        .channel = in->channel,
        .row = in->row,
        .channels = in->shape.channels,
        .height = op->out->shape.height + 2,
        .width = op->out->shape.width + 2,
    };
}

static size_t forward_shares(const cn__op *op, const cn__pass *pass) {
    const cn__conv_geometry *g = op->geometry;
    return channel_shares(op, (size_t)pass->blocks * cn__moment_shares(op->out->shape), g->out_tiles);
}

size_t cn__convolution_winograd_forward_items(const cn__op *op, const cn__pass *pass) {
    return cn__moment_shares(op->out->shape) * forward_shares(op, pass);
}

void cn__convolution_winograd_forward(const cn__op *op, const cn__pass *pass, size_t block, size_t item) {
    const cn__conv_geometry *g = op->geometry;
    const cn__fmap *out = op->out, *skip = op->post.skip;
    size_t shares = forward_shares(op, pass), strip = item / shares;
    direction d = {.out = out->shape, .tile_floats = g->forward_tile_floats, .tiles = g->out_tiles};
    d.args = (cn__winograd_args){.tiles = input_tiles(op, block),
                                 .weights = cn__convolution_forward_weights(op, 0),
                                 .bias = cn__convolution_bias(op, 0),
                                 .out = cn__fmap_plane(out, block, 0).data,
                                 .out_channel = out->channel,
                                 .out_row = out->row,
                                 .relu = op->post.relu};
    if (skip) {
        d.args.skip = cn__fmap_plane(skip, block, 0).data;
        d.args.skip_channel = skip->channel;
        d.args.skip_row = skip->row;
    }
    if (cn__convolution_gathers(op, pass))
        d.args.moments = cn__moments_of(op, out->shape, block, strip, 0);
    run_strip(op, pass, &d, strip, item % shares, shares);
}

/* ---- the input's gradient: a convolution of the output's, zeros around it, with the filters turned ---- */

static size_t input_shares(const cn__op *op, const cn__pass *pass) {
    const cn__conv_geometry *g = op->geometry;
    return channel_shares(op, (size_t)pass->blocks * cn__moment_shares(op->in[0]->shape), g->in_tiles);
}

size_t cn__convolution_winograd_input_items(const cn__op *op, const cn__pass *pass) {
    return cn__moment_shares(op->in[0]->shape) * input_shares(op, pass);
}

static cn__winograd_tiles gradient_tiles(const cn__op *op, size_t block) {
    const cn__fmap *d_out = op->d_out;
    return (cn__winograd_tiles){.data = cn__fmap_plane(d_out, block, 0).data,
                                .channel = d_out->channel,
                                .row = d_out->row,
                                .channels = d_out->shape.channels,
                                .height = d_out->shape.height,
                                .width = d_out->shape.width};
}

void cn__convolution_winograd_input(const cn__op *op, const cn__pass *pass, size_t block, size_t item) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    const cn__conv_geometry *g = op->geometry;
    const cn__fmap *d_in = op->d_in[0];
    size_t shares = input_shares(op, pass);
    direction d = {.out = d_in->shape, .tile_floats = g->backward_tile_floats, .tiles = g->in_tiles};
    d.args = (cn__winograd_args){.tiles = gradient_tiles(op, block),
                                 .weights = cn__convolution_backward_winograd(op, 0),
                                 .out = cn__fmap_plane(d_in, block, 0).data,
                                 .out_channel = d_in->channel,
                                 .out_row = d_in->row,
                                 .accumulate = op->accumulate[0]};
    for (int i = 0; i < 2; i++)
        d.args.tiles.first[i] = c->padding[i] - 2;
    run_strip(op, pass, &d, item / shares, item % shares, shares);
}

/* ---- the weights ---- */

size_t cn__convolution_winograd_weight_items(const cn__op *op, const cn__pass *pass) {
    const cn__conv_geometry *g = op->geometry;
    return channel_shares(op, (size_t)pass->blocks, g->in_tiles);
}

/* A tile of input channels and the portion of output channels from `column` on, with the tiles that args holds. */
static void weight_tile(const cn__op *op, size_t block, int32_t column, int32_t tile, cn__winograd_weight_args args,
                        float *v, float *gradient, bool accumulate) {
    const cn__conv_geometry *g = op->geometry;
    cn__shape out = op->out->shape;
    cn__winograd_tiles x = input_tiles(op, block);
    int32_t channel = tile * CN__CONV_TILE;
    x.data += (size_t)channel * x.channel;
    x.channels = g->in - channel < CN__CONV_TILE ? g->in - channel : CN__CONV_TILE;
    cut(&x, out.height, out.width);
    x.tile = args.tiles.tile;
    x.count = args.tiles.count;
    op->kernels->winograd_input(&x, v);
    args.v = v;
    args.rows = x.channels;
    args.accumulate = x.tile > 0;
    op->kernels->winograd_weight(&args);
    if (x.tile + x.count == tiles_of(out.height, out.width))
        op->kernels->winograd_weight_finish(args.sums, args.rows, args.columns,
                                            gradient + ((size_t)column * (size_t)g->in + (size_t)channel) * 9,
                                            (size_t)g->in * 9, accumulate);
}

void cn__convolution_winograd_weight(const cn__op *op, const cn__pass *pass, size_t block, size_t item, float *gradient,
                                     bool accumulate) {
    const cn__conv_geometry *g = op->geometry;
    cn__shape out = op->out->shape;
    size_t shares = cn__convolution_winograd_weight_items(op, pass);
    portion p = weight_portion(g->out, out);
    weight_parts parts = weight_scratch(g, p);
    int32_t count = tiles_of(out.height, out.width);
    float *d = pass->scratch, *v = d + parts.columns, *sums = v + parts.patches;
    cn__winograd_tiles dy = gradient_tiles(op, block);
    cut(&dy, out.height, out.width);
    for (int32_t column = 0; column < g->out; column += p.columns) {
        dy.channels = g->out - column < p.columns ? g->out - column : p.columns;
        for (dy.tile = 0; dy.tile < count; dy.tile += p.tiles) {
            dy.count = count - dy.tile < p.tiles ? count - dy.tile : p.tiles;
            op->kernels->winograd_gradient(&dy, d);
            for (int32_t tile = (int32_t)((size_t)g->in_tiles * item / shares);
                 tile < (int32_t)((size_t)g->in_tiles * (item + 1) / shares); tile++) {
                cn__winograd_weight_args args = {
                    .tiles = dy, .lanes = cn__pass_lanes(pass, block), .d = d, .columns = dy.channels, .sums = sums};
                args.sums += p.tile_steps > 1 ? (size_t)tile * CN__WINOGRAD_SUMS(p.columns) : 0;
                weight_tile(op, block, column, tile, args, v, gradient, accumulate);
            }
        }
        dy.data += (size_t)p.columns * dy.channel;
    }
}
