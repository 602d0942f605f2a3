/* nchw16c_winograd_weight.c: the weights' gradient of 3×3 convolutions by Winograd with channels in the lanes. An item
 * is a group of images and a portion of the planes of outputs: the products of some tiles after others are added to
 * sums in the thread's scratch, one transform at the end makes weights of those. Groups are added up in their order. */
#include "layers/nchw16c/nchw16c_winograd.h"
#include <string.h>

#define WEIGHT_TILES 64        /* at a time */
#define PORTION      4096      /* input channels × planes of outputs, at most, whose sums a thread keeps */
#define GROUPS       8         /* of images, whose sums are apart */
#define GROUP_TILES  100       /* that one has at least: the last transform is paid for by each */
#define APART        (1 << 20) /* floats that they may take */
#define SUMS         4096      /* over groups, that make an item */

static size_t weight_count(const cn__convolution *c) {
    return (size_t)c->out_channels * (size_t)c->in_channels * 9;
}

int32_t cn__nchw16c_winograd_groups(const cn__convolution *c, cn__shape out, int32_t images) {
    size_t tiles = (size_t)cn__winograd_count(out.height, out.width) * (size_t)images;
    size_t most = APART / weight_count(c), groups = GROUPS;
    while (groups > 1 && (groups > most || groups > (size_t)images || groups * GROUP_TILES > tiles))
        groups /= 2;
    return (int32_t)groups;
}

static size_t group_count(const cn__op *op, const cn__pass *pass) {
    return (size_t)cn__nchw16c_winograd_groups((const cn__convolution *)op->layer, op->out->shape, pass->images);
}

static int32_t portion_planes(const cn__convolution *c) {
    int32_t most = PORTION / c->in_channels, planes = cn__winograd_planes(c->out_channels);
    return most < 1 ? 1 : most < planes ? most : planes;
}

size_t cn__nchw16c_winograd_weight_shared(const cn__conv_problem *problem, int32_t images) {
    const cn__convolution *c = (const cn__convolution *)problem->layer;
    size_t groups = (size_t)cn__nchw16c_winograd_groups(c, problem->out, images);
    return groups > 1 ? groups * weight_count(c) : 0;
}

/* A thread's memory. */
typedef struct weight_parts {
    size_t patches, gradients, sums; /* floats */
} weight_parts;

static weight_parts weight_scratch(const cn__convolution *c) {
    int32_t planes = portion_planes(c);
    return (weight_parts){.patches = CN__WINOGRAD_FLOATS(cn__winograd_planes(c->in_channels), WEIGHT_TILES),
                          .gradients = CN__WINOGRAD_FLOATS(planes, WEIGHT_TILES),
                          .sums = CN__WINOGRAD_POINTS * CN__WINOGRAD_SUMS_POINT(c->in_channels, planes)};
}

size_t cn__nchw16c_winograd_weight_scratch(const cn__conv_problem *problem) {
    weight_parts parts = weight_scratch((const cn__convolution *)problem->layer);
    return parts.patches + parts.gradients + parts.sums;
}

cn__grid cn__nchw16c_winograd_weight_grid(const cn__op *op, const cn__pass *pass) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    size_t groups = group_count(op, pass), threads = (size_t)op->ctx->threads;
    size_t planes = (size_t)op->out->shape.channels, least = (planes - 1) / (size_t)portion_planes(c) + 1;
    size_t wanted = (threads - 1) / groups + 1;
    if (op->unread[0] && (!c->bias || op->unread[1]))
        return (cn__grid){0, 0};
    wanted = wanted < planes ? wanted : planes;
    return (cn__grid){groups, least > wanted ? least : wanted};
}

/* Planes first … first + count - 1 of outputs, over the images of a group. */
typedef struct portion {
    int32_t image, images, first, count;
} portion;

static void sum_products(const cn__op *op, const cn__pass *pass, const portion *p, float *sums) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    weight_parts parts = weight_scratch(c);
    cn__winograd_tiles x = cn__nchw16c_input_tiles(op, p->image, p->images),
                       dy = cn__nchw16c_gradient_tiles(op, p->image, p->images);
    int32_t count = p->images * cn__winograd_count(op->out->shape.height, op->out->shape.width);
    int32_t step = cn__winograd_steps(count, cn__winograd_steps(count, WEIGHT_TILES));
    float *v = pass->scratch, *d = v + parts.patches;
    cn__winograd_cut(&dy, op->out->shape.height, op->out->shape.width);
    dy.data += (size_t)p->first * dy.channel;
    dy.channels = p->count;
    memset(sums, 0, CN__WINOGRAD_POINTS * CN__WINOGRAD_SUMS_POINT(c->in_channels, p->count) * sizeof *sums);
    for (int32_t tile = 0; tile < count; tile += step) {
        x.tile = dy.tile = tile;
        x.count = dy.count = count - tile < step ? count - tile : step;
        op->kernels->winograd_input(&x, v);
        op->kernels->channel_winograd_gradient(&dy, d);
        op->kernels->channel_winograd_weight(&(cn__channel_winograd_weight_args){
            .tiles = x, .v = v, .d = d, .channels = c->in_channels, .out_planes = p->count, .sums = sums});
    }
}

/* As PyTorch has them. */
static void finish(const cn__op *op, const portion *p, const float *sums, float *to) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    size_t point = CN__WINOGRAD_SUMS_POINT(c->in_channels, p->count);
    for (int32_t i = 0; i < c->in_channels; i += CN__LANES)
        for (int32_t plane = p->first; plane < p->first + p->count; plane++) {
            int32_t o = plane * CN__LANES, rows = c->in_channels - i, columns = c->out_channels - o;
            rows = rows < CN__LANES ? rows : CN__LANES;
            op->kernels->winograd_weight_finish(sums, CN__LANES, point, rows, columns < CN__LANES ? columns : CN__LANES,
                                                to + ((size_t)o * (size_t)c->in_channels + (size_t)i) * 9,
                                                (size_t)c->in_channels * 9, false);
            sums += rows * CN__LANES;
        }
}

/* Of all images. */
static void bias_grad(const cn__op *op, const cn__pass *pass, const portion *p) {
    const cn__fmap *dy = op->d_out;
    float sums[CN__LANES] __attribute__((aligned(CN__ALIGN)));
    for (int32_t plane = p->first; plane < p->first + p->count; plane++) {
        int32_t left = ((const cn__convolution *)op->layer)->out_channels - plane * CN__LANES;
        memset(sums, 0, sizeof sums);
        for (size_t image = 0; image < (size_t)pass->images; image++)
            op->kernels->channel_conv_weight(
                &(cn__channel_conv_weight_args){.images = 1,
                                                .height = dy->shape.height,
                                                .width = dy->shape.width,
                                                .dy = cn__fmap_plane(dy, image, (size_t)plane).data,
                                                .dy_row = dy->row,
                                                .dy_step = CN__LANES,
                                                .lines = 1,
                                                .bias_sums = sums});
        memcpy(op->gradient[1] + plane * CN__LANES, sums, (size_t)(left < CN__LANES ? left : CN__LANES) * sizeof *sums);
    }
}

void cn__nchw16c_winograd_weight_grad(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    weight_parts parts = weight_scratch(c);
    cn__grid shares = cn__nchw16c_winograd_weight_grid(op, pass);
    int32_t planes = op->out->shape.channels;
    portion p = {.image = cn__winograd_share(pass->images, at.outer, shares.outer),
                 .first = cn__winograd_share(planes, at.inner, shares.inner)};
    p.images = cn__winograd_share(pass->images, at.outer + 1, shares.outer) - p.image;
    p.count = cn__winograd_share(planes, at.inner + 1, shares.inner) - p.first;
    float *sums = pass->scratch + parts.patches + parts.gradients;
    if (!op->unread[0]) {
        sum_products(op, pass, &p, sums);
        finish(op, &p, sums, shares.outer > 1 ? op->shared + at.outer * weight_count(c) : op->gradient[0]);
    }
    if (at.outer == 0 && c->bias && !op->unread[1])
        bias_grad(op, pass, &p);
}

cn__grid cn__nchw16c_winograd_sum_grid(const cn__op *op, const cn__pass *pass) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    bool apart = !op->unread[0] && group_count(op, pass) > 1;
    return (cn__grid){apart ? (weight_count(c) - 1) / SUMS + 1 : 0, 1};
}

void cn__nchw16c_winograd_sum(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    size_t first = at.outer * SUMS, left = weight_count(c) - first, count = left < SUMS ? left : SUMS;
    float *to = op->gradient[0] + first;
    memcpy(to, op->shared + first, count * sizeof *to);
    for (size_t group = 1; group < group_count(op, pass); group++) {
        const float *from = op->shared + group * weight_count(c) + first;
        for (size_t i = 0; i < count; i++)
            to[i] += from[i];
    }
}
