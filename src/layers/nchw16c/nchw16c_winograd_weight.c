/* SPDX-License-Identifier: MIT */
/* nchw16c_winograd_weight.c: the weights' gradient of 3×3 convolutions by Winograd with channels in the lanes. An item
 * is a portion of the planes of outputs, and a leaf of the images or, where weights are so many that the sums of all
 * leaves would take too much memory, all of them: the products of some tiles after others are added to sums in the
 * thread's scratch, and one transform at the end of a leaf makes weights of those. Where a leaf has few tiles, its sums
 * are more than its inputs: they are made and transformed slice by slice, while they are in the cache. */
#include "layers/nchw16c/nchw16c_winograd.h"
#include "layers/tree.h"
#include <string.h>

#define WEIGHT_TILES 64   /* at a time */
#define PORTION      4096 /* input channels × planes of outputs, at most, whose sums a thread keeps */
#define SLICE        256  /* lines of a point of the output gradients whose products are finished at once */
#define SLICE_PLANES 4    /* at least: as many as make a kernel's tile */
#define SUMS         4096 /* over leaves, that make an item */

static size_t weight_count(const cn__convolution *c) {
    return (size_t)c->out_channels * (size_t)c->in_channels * 9;
}

/* Whether each leaf's sums are kept. */
static bool apart(const cn__op *op) {
    return cn__nchw16c_leaves_apart(cn__nchw16c_maps_of(op), weight_count((const cn__convolution *)op->layer));
}

static int32_t portion_planes(const cn__convolution *c) {
    int32_t most = PORTION / c->in_channels, planes = cn__winograd_planes(c->out_channels);
    return most < 1 ? 1 : most < planes ? most : planes;
}

/* Sums of each leaf, or those that cannot be added up yet. */
size_t cn__nchw16c_winograd_weight_shared(const cn__conv_problem *problem) {
    const cn__convolution *c = (const cn__convolution *)problem->layer;
    size_t leaves = ((size_t)problem->max_blocks - 1) / CN__LANES + 1;
    bool keeps = cn__nchw16c_leaves_apart(cn__nchw16c_planned_maps(problem), weight_count(c));
    return (keeps ? leaves : (size_t)problem->depth - 1) * weight_count(c);
}

/* Planes of outputs whose gradients, and whose sums with those of a plane of inputs, stay in a second-level cache. */
static int32_t slice_planes(int32_t tiles, int32_t planes) {
    int32_t most = SLICE / tiles < SLICE_PLANES ? SLICE_PLANES : SLICE / tiles;
    return most < planes ? most : planes;
}

/* A thread's memory: for sums of a portion or, where a leaf is transformed at once, of a slice of it. */
typedef struct weight_parts {
    size_t patches, gradients, sums; /* floats */
} weight_parts;

static weight_parts weight_scratch(const cn__convolution *c, int64_t tiles) {
    int32_t planes = portion_planes(c), channels = c->in_channels;
    size_t some = CN__WINOGRAD_SUMS_POINT(channels < CN__LANES ? channels : CN__LANES, planes);
    return (weight_parts){.patches = CN__WINOGRAD_FLOATS(cn__winograd_planes(channels), WEIGHT_TILES),
                          .gradients = CN__WINOGRAD_FLOATS(planes, WEIGHT_TILES),
                          .sums = CN__WINOGRAD_POINTS *
                                  (tiles > WEIGHT_TILES ? CN__WINOGRAD_SUMS_POINT(channels, planes) : some)};
}

size_t cn__nchw16c_winograd_weight_scratch(const cn__conv_problem *problem) {
    int32_t images = problem->max_blocks < CN__LANES ? problem->max_blocks : CN__LANES;
    int64_t tiles = (int64_t)images * cn__winograd_count(problem->out.height, problem->out.width);
    weight_parts parts = weight_scratch((const cn__convolution *)problem->layer, tiles);
    return parts.patches + parts.gradients + parts.sums;
}

/* Portions that threads want of each of so many leaves; each transforms the inputs anew. Of layers that wait for the end,
 * two or more are under way at a time. */
static size_t wanted_portions(const cn__op *op, const cn__pass *pass, size_t leaves) {
    size_t threads = (size_t)op->ctx->threads;
    bool whole = pass->images % CN__LANES == 0;
    if (leaves == 0 || leaves >= 4 * threads)
        return 1;
    if (cn__nchw16c_weights_wait(cn__nchw16c_maps_of(op)))
        return (threads + 1) / 2;
    return whole && (leaves % threads == 0 || threads % leaves == 0) ? (threads - 1) / leaves + 1 : threads;
}

cn__grid cn__nchw16c_winograd_weight_grid(const cn__op *op, const cn__pass *pass) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    size_t planes = (size_t)op->out->shape.channels, least = (planes - 1) / (size_t)portion_planes(c) + 1;
    size_t leaves = apart(op) ? cn__pass_leaves(pass) : 1, wanted = wanted_portions(op, pass, leaves);
    if (op->unread[0] && (!c->bias || op->unread[1]))
        return (cn__grid){0, 0};
    wanted = wanted < planes ? wanted : planes;
    return (cn__grid){leaves, least > wanted ? least : wanted};
}

/* Planes first … first + count - 1 of outputs, over the images of a leaf. */
typedef struct portion {
    int32_t image, images, first, count;
} portion;

/* As PyTorch has them, of some channels of inputs. */
static void finish(const cn__op *op, const portion *p, int32_t first, int32_t channels, const float *sums, float *to) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    size_t point = CN__WINOGRAD_SUMS_POINT(channels, p->count);
    for (int32_t i = first; i < first + channels; i += CN__LANES)
        for (int32_t plane = p->first; plane < p->first + p->count; plane++) {
            int32_t o = plane * CN__LANES, rows = first + channels - i, columns = c->out_channels - o;
            rows = rows < CN__LANES ? rows : CN__LANES;
            op->kernels->winograd_weight_finish(sums, CN__LANES, point, rows, columns < CN__LANES ? columns : CN__LANES,
                                                to + ((size_t)o * (size_t)c->in_channels + (size_t)i) * 9,
                                                (size_t)c->in_channels * 9, false);
            sums += rows * CN__LANES;
        }
}

/* Tiles that are transformed, and where they are. */
typedef struct transformed {
    cn__winograd_tiles x, dy;
    float *v, *d;
} transformed;

static void transform(const cn__op *op, const transformed *t) {
    op->kernels->winograd_input(&t->x, t->v);
    op->kernels->channel_winograd_gradient(&t->dy, t->d);
}

/* With all channels of inputs. */
static cn__channel_winograd_weight_args products_of(const cn__op *op, const transformed *t, float *sums) {
    return (cn__channel_winograd_weight_args){
        .tiles = t->x,
        .v = t->v,
        .d = t->d,
        .v_point = CN__WINOGRAD_FLOATS(t->x.channels, t->x.count) / CN__WINOGRAD_POINTS,
        .d_point = CN__WINOGRAD_FLOATS(t->dy.channels, t->dy.count) / CN__WINOGRAD_POINTS,
        .channels = ((const cn__convolution *)op->layer)->in_channels,
        .out_planes = t->dy.channels,
        .spare = t->dy.spare,
        .sums = sums};
}

/* Tiles step by step, all sums under way. */
static void sum_steps(const cn__op *op, const portion *p, transformed *t, int32_t count, float *sums, float *to) {
    int32_t step = cn__winograd_steps(count, cn__winograd_steps(count, WEIGHT_TILES));
    for (int32_t tile = 0; tile < count; tile += step) {
        t->x.tile = t->dy.tile = tile;
        t->x.count = t->dy.count = count - tile < step ? count - tile : step;
        transform(op, t);
        cn__channel_winograd_weight_args args = products_of(op, t, sums);
        args.accumulate = tile > 0;
        op->kernels->channel_winograd_weight(&args);
    }
    finish(op, p, 0, ((const cn__convolution *)op->layer)->in_channels, sums, to);
}

/* Few tiles: their sums slice by slice. */
static void sum_slices(const cn__op *op, const portion *p, transformed *t, int32_t count, float *sums, float *to) {
    int32_t channels = ((const cn__convolution *)op->layer)->in_channels, step = slice_planes(count, p->count);
    t->x.count = t->dy.count = count;
    transform(op, t);
    for (int32_t done = 0; done < p->count; done += step) {
        portion some = {.first = p->first + done, .count = p->count - done < step ? p->count - done : step};
        for (int32_t i = 0; i < channels; i += CN__LANES) {
            cn__channel_winograd_weight_args args = products_of(op, t, sums);
            args.v += (size_t)i * (size_t)count;
            args.d += (size_t)done * (size_t)count * CN__LANES;
            args.channels = channels - i < CN__LANES ? channels - i : CN__LANES;
            args.out_planes = some.count;
            args.spare = done + some.count < p->count ? 0 : t->dy.spare;
            op->kernels->channel_winograd_weight(&args);
            finish(op, &some, i, args.channels, sums, to);
        }
    }
}

static portion portion_of(const cn__op *op, const cn__pass *pass, size_t leaf, size_t share) {
    size_t shares = cn__nchw16c_winograd_weight_grid(op, pass).inner;
    int32_t planes = op->out->shape.channels;
    portion p = {.image = (int32_t)leaf * CN__LANES,
                 .images = cn__pass_lanes(pass, leaf),
                 .first = cn__winograd_share(planes, share, shares)};
    p.count = cn__winograd_share(planes, share + 1, shares) - p.first;
    return p;
}

static void sum_leaf(const cn__op *op, const cn__pass *pass, const portion *p, float *to) {
    int32_t count = p->images * cn__winograd_count(op->out->shape.height, op->out->shape.width);
    weight_parts parts = weight_scratch((const cn__convolution *)op->layer, count);
    transformed t = {.x = cn__nchw16c_input_tiles(op, p->image, p->images),
                     .dy = cn__nchw16c_gradient_tiles(op, p->image, p->images),
                     .v = pass->scratch,
                     .d = pass->scratch + parts.patches};
    float *sums = t.d + parts.gradients;
    cn__winograd_cut(&t.dy, op->out->shape.height, op->out->shape.width);
    t.dy.data += (size_t)p->first * t.dy.channel;
    t.dy.channels = p->count;
    t.dy.spare = cn__fmap_spare(op->d_out, (size_t)(p->first + p->count) - 1);
    if (count <= WEIGHT_TILES)
        sum_slices(op, p, &t, count, sums, to);
    else
        sum_steps(op, p, &t, count, sums, to);
}

/* Sums of all weights: those that will be gradients, or others that go into these. */
static float *weight_sums(const cn__op *op, const cn__pass *pass, int32_t place) {
    return place < pass->spans
               ? cn__span_gradient(op, pass, 0, place)
               : op->shared + (size_t)(place - pass->spans) * weight_count((const cn__convolution *)op->layer);
}

static void sum_all_leaves(const cn__op *op, const cn__pass *pass, size_t share) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    size_t filter = (size_t)c->in_channels * 9;
    cn__tree tree = cn__tree_begin(pass);
    for (size_t leaf = 0; leaf < cn__pass_leaves(pass); leaf++) {
        portion p = portion_of(op, pass, leaf, share);
        size_t first = (size_t)p.first * CN__LANES, end = first + (size_t)p.count * CN__LANES;
        end = end < (size_t)c->out_channels ? end : (size_t)c->out_channels;
        cn__tree_push(&tree);
        sum_leaf(op, pass, &p, weight_sums(op, pass, tree.count - 1));
        while (cn__tree_merge(&tree))
            cn__add_floats(weight_sums(op, pass, tree.count - 1) + first * filter,
                           weight_sums(op, pass, tree.count) + first * filter, (end - first) * filter);
    }
}

/* ---- biases: of a plane of all images ---- */

static void sum_plane(const cn__op *op, const cn__pass *pass, size_t leaf, size_t plane, float sums[CN__LANES]) {
    const cn__fmap *dy = op->d_out;
    size_t first = leaf * CN__LANES;
    memset(sums, 0, CN__LANES * sizeof *sums);
    for (size_t image = first; image < first + (size_t)cn__pass_lanes(pass, leaf); image++)
        op->kernels->channel_conv_weight(&(cn__channel_conv_weight_args){.images = 1,
                                                                         .height = dy->shape.height,
                                                                         .width = dy->shape.width,
                                                                         .dy = cn__fmap_plane(dy, image, plane).data,
                                                                         .dy_row = dy->row,
                                                                         .dy_step = CN__LANES,
                                                                         .lines = 1,
                                                                         .bias_sums = sums});
}

static void bias_grad(const cn__op *op, const cn__pass *pass, size_t plane) {
    size_t channels = (size_t)((const cn__convolution *)op->layer)->out_channels, first = plane * CN__LANES;
    size_t count = channels - first < CN__LANES ? channels - first : CN__LANES;
    float at[CN__TREE_DEPTH][CN__LANES] __attribute__((aligned(CN__ALIGN)));
    cn__tree tree = cn__tree_begin(pass);
    for (size_t leaf = 0; leaf < cn__pass_leaves(pass); leaf++) {
        cn__tree_push(&tree);
        sum_plane(op, pass, leaf, plane, at[tree.count - 1]);
        while (cn__tree_merge(&tree))
            cn__add_floats(at[tree.count - 1], at[tree.count], CN__LANES);
    }
    for (int32_t span = 0; span < tree.count; span++)
        memcpy(cn__span_gradient(op, pass, 1, span) + first, at[span], count * sizeof(float));
}

/* ---- the steps ---- */

void cn__nchw16c_winograd_weight_grad(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    portion p = portion_of(op, pass, at.outer, at.inner);
    if (!op->unread[0] && apart(op))
        sum_leaf(op, pass, &p, op->shared + at.outer * weight_count(c));
    else if (!op->unread[0])
        sum_all_leaves(op, pass, at.inner);
    for (int32_t plane = p.first; at.outer == 0 && c->bias && !op->unread[1] && plane < p.first + p.count; plane++)
        bias_grad(op, pass, (size_t)plane);
}

cn__grid cn__nchw16c_winograd_sum_grid(const cn__op *op, const cn__pass *pass) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    (void)pass;
    return (cn__grid){!op->unread[0] && apart(op) ? (weight_count(c) - 1) / SUMS + 1 : 0, 1};
}

void cn__nchw16c_winograd_sum(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t weights = weight_count((const cn__convolution *)op->layer), first = at.outer * SUMS, left = weights - first;
    cn__sum_arrays(op, pass, op->shared + first, weights, 0, first, left < SUMS ? left : SUMS);
}
