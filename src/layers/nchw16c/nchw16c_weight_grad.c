/* SPDX-License-Identifier: MIT */
/* nchw16c_weight_grad.c: the gradients of a convolution's weights and biases as plain sums over all images, with
 * channels in the lanes. Weights are cut into *pieces*, lines of output channels × *terms* (an input channel seen
 * through a tap), whose sums stay in the cache while strips of pixels go by: some rows of an image, or some images where
 * maps are small. Each leaf of the images has sums of its own. An item is a piece of one leaf, whose sums are kept and
 * added up in the end; or, where weights are so many that this would take too much memory, of all leaves, added up on the
 * way. A depthwise convolution is taken for one of groups that are a plane each, whose terms are taps alone. */
#include "layers/nchw16c/nchw16c_convolution.h"
#include "layers/tree.h"
#include <string.h>

#define LINES       4    /* of a piece */
#define TERMS       384  /* of a piece, at most */
#define LEAST_TERMS 48   /* that outputs' gradients are read for */
#define TILE        6    /* terms of a kernel's tile */
#define PIXELS      192  /* of a strip, about */
#define ITEMS       32   /* pieces: enough for some threads to share out evenly */
#define SUMS        4096 /* over leaves, that make an item */

/* ---- what is cut how ---- */

typedef struct sizes {
    bool depthwise;
    size_t groups, in, out;      /* in, out: channels of a group; of a plane, in is one */
    size_t taps, terms;          /* of a filter */
    size_t line_cuts, term_cuts; /* of a group's */
    size_t piece_terms, pieces;
    size_t weights, floats;                  /* floats: of a leaf */
    size_t strip_images, strip_rows, strips; /* strips: of so many images */
    size_t planes;                           /* floats of a strip's planes that op->front may have to make */
} sizes;

static size_t cuts(size_t whole, size_t most) {
    return (whole + most - 1) / most;
}

/* Groups that do not begin with a line may have a part of one more. */
static size_t most_lines(size_t channels) {
    return channels % CN__LANES ? (channels + CN__LANES - 2) / CN__LANES + 1 : channels / CN__LANES;
}

/* Terms of a piece, so that there are enough pieces if that does not make them too small. */
static size_t piece_terms(const sizes *s) {
    size_t wanted = cuts(ITEMS, s->groups * s->line_cuts), most = s->terms / LEAST_TERMS;
    size_t least = cuts(s->terms, TERMS), count = wanted < most ? wanted : most;
    return cuts(cuts(s->terms, count > least ? count : least), TILE) * TILE;
}

/* Strips of rows, or of whole images where two or more of them make one. */
static void cut_strips(sizes *s, cn__shape out) {
    size_t height = (size_t)out.height, width = (size_t)out.width, fit = PIXELS / (height * width);
    s->strip_images = fit > CN__LANES ? CN__LANES : fit > 1 ? fit : 1;
    s->strip_rows = fit > 1 ? height : cuts(PIXELS, width);
    s->strips = cuts(height, s->strip_rows);
}

static sizes sizes_of(const cn_layer *layer, cn__shape in, cn__shape out) {
    const cn__convolution *c = (const cn__convolution *)layer;
    sizes s = {.depthwise = cn__nchw16c_is_depthwise(c),
               .groups = (size_t)c->groups,
               .in = (size_t)(c->in_channels / c->groups),
               .out = (size_t)(c->out_channels / c->groups)};
    if (s.depthwise) {
        s.groups = cn__nchw16c_planes(c->out_channels);
        s.out = CN__LANES;
    }
    s.taps = (size_t)c->kernel[0] * (size_t)c->kernel[1];
    s.terms = s.in * s.taps;
    s.line_cuts = cuts(most_lines(s.out), LINES);
    s.piece_terms = piece_terms(&s);
    s.term_cuts = cuts(s.terms, s.piece_terms);
    s.pieces = s.groups * s.line_cuts * s.term_cuts;
    s.weights = (size_t)c->out_channels * s.terms;
    s.floats = cn__whole_lines(s.weights) + cn__whole_lines((size_t)c->out_channels);
    cut_strips(&s, out);
    s.planes = s.depthwise ? s.strip_images * cn__nchw16c_plane_floats(c, in) : 0;
    return s;
}

size_t cn__nchw16c_weight_grad_shared(const cn__conv_problem *problem) {
    sizes s = sizes_of(problem->layer, problem->in, problem->out);
    return cn__nchw16c_leaves_apart(cn__nchw16c_planned_maps(problem), s.floats)
               ? cuts((size_t)problem->max_blocks, CN__LANES) * s.floats
               : 0;
}

/* Sums of a piece. */
static size_t piece_floats(const sizes *s) {
    return LINES * (s->piece_terms + 1) * CN__LANES;
}

size_t cn__nchw16c_weight_grad_scratch(const cn__conv_problem *problem) {
    sizes s = sizes_of(problem->layer, problem->in, problem->out);
    bool apart = cn__nchw16c_leaves_apart(cn__nchw16c_planned_maps(problem), s.floats);
    return s.planes + (apart ? 1 : (size_t)problem->depth) * piece_floats(&s);
}

/* ---- the terms of all groups, [plane of inputs][tap][channel of the plane] within each ---- */

cn_status cn__nchw16c_terms_make(const cn__op *op, cn__nchw16c_geometry *g) {
    sizes s = sizes_of(op->layer, op->in[0]->shape, op->out->shape);
    ptrdiff_t *term = g->terms = cn__alloc(op->ctx, s.groups * s.terms, sizeof *g->terms);
    int32_t *weight = g->term_weights = cn__alloc(op->ctx, s.terms, sizeof *g->term_weights);
    if (!g->terms || !g->term_weights)
        return cn__no_memory("a convolution's index lists");
    for (size_t group = 0; group < s.groups; group++)
        for (size_t first = 0; first < s.in; first += CN__LANES)
            for (size_t t = 0; t < s.taps; t++)
                for (size_t i = first; i < first + CN__LANES && i < s.in; i++) {
                    size_t channel = s.depthwise ? group * CN__LANES : group * s.in + i;
                    *term++ =
                        (ptrdiff_t)(channel / CN__LANES * op->in[0]->channel + channel % CN__LANES) + g->taps[t].input;
                    if (group == 0)
                        *weight++ = (int32_t)(i * s.taps + t);
                }
    return CN_OK;
}

/* ---- an item: the sums of a piece ---- */

typedef struct piece {
    size_t group;
    size_t line, lines; /* of all output channels */
    size_t term, terms; /* of the group's */
} piece;

static piece piece_of(const sizes *s, size_t number) {
    piece p = {.group = number / (s->line_cuts * s->term_cuts)};
    size_t line_cut = number / s->term_cuts % s->line_cuts, first = p.group * s->out, end = first + s->out;
    p.line = first / CN__LANES + line_cut * LINES;
    p.lines = cuts(end, CN__LANES) > p.line ? cuts(end, CN__LANES) - p.line : 0;
    p.lines = p.lines < LINES ? p.lines : LINES;
    p.term = number % s->term_cuts * s->piece_terms;
    p.terms = s->terms - p.term < s->piece_terms ? s->terms - p.term : s->piece_terms;
    return p;
}

/* What the kernel sees of a strip of a leaf. */
static cn__channel_conv_weight_args strip_of(const cn__op *op, const cn__pass *pass, const sizes *s, size_t leaf,
                                             size_t number) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    const cn__fmap *in = op->in[0], *dy = op->d_out;
    size_t first = number / s->strips * s->strip_images, row = number % s->strips * s->strip_rows;
    size_t image = leaf * CN__LANES + first, images = (size_t)cn__pass_lanes(pass, leaf) - first,
           rows = (size_t)op->out->shape.height - row;
    return (cn__channel_conv_weight_args){
        .images = (int32_t)(images < s->strip_images ? images : s->strip_images),
        .height = (int32_t)(rows < s->strip_rows ? rows : s->strip_rows),
        .width = op->out->shape.width,
        .x = (op->front ? pass->scratch + cn__fmap_origin(in) : cn__fmap_plane(in, image, 0).data) +
             row * (size_t)c->stride[0] * in->row - (size_t)c->padding[0] * in->row - (size_t)c->padding[1] * CN__LANES,
        .x_image = op->front ? s->planes / s->strip_images : in->block,
        .x_row = (size_t)c->stride[0] * in->row,
        .x_step = (size_t)c->stride[1] * CN__LANES,
        .dy = cn__fmap_plane(dy, image, 0).data + row * dy->row,
        .dy_image = dy->block,
        .dy_plane = dy->channel,
        .dy_row = dy->row,
        .dy_step = CN__LANES,
    };
}

/* The planes of a strip's images that the norm in front has. */
static void make_planes(const cn__op *op, const cn__pass *pass, const sizes *s, size_t plane, size_t leaf,
                        size_t number) {
    size_t first = number / s->strips * s->strip_images, lanes = (size_t)cn__pass_lanes(pass, leaf);
    for (size_t i = 0; i < s->strip_images && first + i < lanes; i++)
        cn__nchw16c_front_plane(op, pass, leaf * CN__LANES + first + i, plane,
                                pass->scratch + i * (s->planes / s->strip_images));
}

static bool wants_weights(const cn__op *op) {
    return !op->unread[0];
}

static bool wants_biases(const cn__op *op) {
    return ((const cn__convolution *)op->layer)->bias && !op->unread[1];
}

/* Where a leaf's sums of weights (0) or biases (1) are kept. */
static float *leaf_sums(const cn__op *op, const sizes *s, size_t leaf, int tensor) {
    return op->shared + leaf * s->floats + (tensor ? cn__whole_lines(s->weights) : 0);
}

/* Output channels before it are the group's, or those of the groups in front. */
static size_t group_end(const cn__op *op, const sizes *s, const piece *p) {
    size_t end = (p->group + 1) * s->out, all = (size_t)((const cn__convolution *)op->layer)->out_channels;
    return end < all ? end : all;
}

/* As PyTorch has them. */
static void store_weights(const cn__op *op, const sizes *s, const piece *p, const float *sums, float *to) {
    const cn__nchw16c_geometry *g = op->geometry;
    const int32_t *weight = g->term_weights + p->term;
    size_t first = p->group * s->out, end = group_end(op, s, p);
    for (size_t line = p->line; line < p->line + p->lines; line++, sums += p->terms * CN__LANES)
        for (size_t lane = 0; lane < CN__LANES; lane++) {
            size_t o = line * CN__LANES + lane;
            for (size_t t = 0; t < p->terms && o >= first && o < end; t++)
                to[o * s->terms + (size_t)weight[t]] = sums[t * CN__LANES + lane];
        }
}

static void store_biases(const cn__op *op, const sizes *s, const piece *p, const float *sums, float *to) {
    size_t first = p->group * s->out, end = group_end(op, s, p);
    for (size_t o = p->line * CN__LANES; o < (p->line + p->lines) * CN__LANES; o++)
        if (o >= first && o < end)
            to[o] = sums[o - p->line * CN__LANES];
}

/* Whether each leaf's sums are kept. */
static bool apart(const cn__op *op, const sizes *s) {
    return cn__nchw16c_leaves_apart(cn__nchw16c_maps_of(op), s->floats);
}

cn__grid cn__nchw16c_weight_grid(const cn__op *op, const cn__pass *pass) {
    sizes s = sizes_of(op->layer, op->in[0]->shape, op->out->shape);
    if (!wants_weights(op) && !wants_biases(op))
        return (cn__grid){0, 0};
    return (cn__grid){s.pieces, apart(op, &s) ? cn__pass_leaves(pass) : 1};
}

static bool with_biases(const cn__op *op, const piece *p) {
    return wants_biases(op) && p->term == 0;
}

static float *bias_sums(const piece *p, float *sums) {
    return sums + p->lines * p->terms * CN__LANES;
}

static void sum_leaf(const cn__op *op, const cn__pass *pass, const sizes *s, const piece *p, size_t leaf, float *sums) {
    const cn__nchw16c_geometry *g = op->geometry;
    size_t strips = cuts((size_t)cn__pass_lanes(pass, leaf), s->strip_images) * s->strips;
    memset(sums, 0, p->lines * (p->terms + 1) * CN__LANES * sizeof *sums);
    for (size_t i = 0; i < strips; i++) {
        if (op->front && i % s->strips == 0)
            make_planes(op, pass, s, p->group, leaf, i);
        cn__channel_conv_weight_args strip = strip_of(op, pass, s, leaf, i);
        strip.terms = g->terms + p->group * s->terms + p->term;
        strip.term_count = wants_weights(op) ? (int32_t)p->terms : 0;
        strip.dy += p->line * strip.dy_plane;
        strip.lines = (int32_t)p->lines;
        strip.sums = sums;
        strip.bias_sums = with_biases(op, p) ? bias_sums(p, sums) : NULL;
        if (s->depthwise)
            op->kernels->channel_depthwise_weight(&strip);
        else
            op->kernels->channel_conv_weight(&strip);
    }
}

static void store(const cn__op *op, const sizes *s, const piece *p, float *sums, float *weights, float *biases) {
    if (wants_weights(op))
        store_weights(op, s, p, sums, weights);
    if (with_biases(op, p))
        store_biases(op, s, p, bias_sums(p, sums), biases);
}

/* A piece of all leaves: sums that are not added up yet stand one after the other. */
static void sum_all_leaves(const cn__op *op, const cn__pass *pass, const sizes *s, const piece *p) {
    size_t floats = piece_floats(s);
    float *sums = pass->scratch + s->planes;
    cn__tree tree = cn__tree_begin(pass);
    for (size_t leaf = 0; leaf < cn__pass_leaves(pass); leaf++) {
        cn__tree_push(&tree);
        sum_leaf(op, pass, s, p, leaf, sums + (size_t)(tree.count - 1) * floats);
        while (cn__tree_merge(&tree))
            cn__add_floats(sums + (size_t)(tree.count - 1) * floats, sums + (size_t)tree.count * floats,
                           p->lines * (p->terms + 1) * CN__LANES);
    }
    for (int32_t span = 0; span < tree.count; span++)
        store(op, s, p, sums + (size_t)span * floats, cn__span_gradient(op, pass, 0, span),
              wants_biases(op) ? cn__span_gradient(op, pass, 1, span) : NULL);
}

void cn__nchw16c_weight_grad(const cn__op *op, const cn__pass *pass, cn__item at) {
    sizes s = sizes_of(op->layer, op->in[0]->shape, op->out->shape);
    piece p = piece_of(&s, at.outer);
    if (!apart(op, &s)) {
        sum_all_leaves(op, pass, &s, &p);
        return;
    }
    sum_leaf(op, pass, &s, &p, at.inner, pass->scratch + s.planes);
    store(op, &s, &p, pass->scratch + s.planes, leaf_sums(op, &s, at.inner, 0), leaf_sums(op, &s, at.inner, 1));
}

/* ---- sums over leaves ---- */

static size_t weight_items(const cn__op *op, const sizes *s) {
    return wants_weights(op) ? cuts(s->weights, SUMS) : 0;
}

cn__grid cn__nchw16c_weight_sum_grid(const cn__op *op, const cn__pass *pass) {
    sizes s = sizes_of(op->layer, op->in[0]->shape, op->out->shape);
    (void)pass;
    if (!apart(op, &s))
        return (cn__grid){0, 0};
    return (cn__grid){weight_items(op, &s) + wants_biases(op), 1};
}

void cn__nchw16c_weight_sum(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    sizes s = sizes_of(op->layer, op->in[0]->shape, op->out->shape);
    int tensor = at.outer < weight_items(op, &s) ? 0 : 1;
    size_t first = tensor ? 0 : at.outer * SUMS, left = s.weights - first;
    size_t count = tensor ? (size_t)c->out_channels : left < SUMS ? left : SUMS;
    cn__sum_arrays(op, pass, leaf_sums(op, &s, 0, tensor) + first, s.floats, tensor, first, count);
}
