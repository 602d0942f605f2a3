/* nchw16c_weight_grad.c: the gradients of a convolution's weights and biases as plain sums over all images, with
 * channels in the lanes. Weights are cut into *pieces*, lines of output channels × *terms* (an input channel seen
 * through a tap), whose sums stay in the cache while strips of pixels go by: some rows of an image, or some images where
 * maps are small. Where pieces are few, the strips are cut into *shares*, too, whose sums are kept apart and then added up in their order. All that goes by shapes
 * and the number of images, so that the order of the sums does. A depthwise convolution is taken for one of groups that
 * are a plane each, whose terms are taps alone. */
#include "layers/nchw16c/nchw16c_convolution.h"
#include <string.h>

#define LINES        4         /* of a piece */
#define TERMS        384       /* of a piece, at most */
#define LEAST_TERMS  48        /* that outputs' gradients are read for */
#define TILE         6         /* terms of a kernel's tile */
#define PIXELS       192       /* of a strip, about */
#define SHARE_PIXELS 768       /* of a share at least: less are not worth sums of their own */
#define ITEMS        32        /* pieces × shares: enough for some threads to share out evenly */
#define APART        (1 << 20) /* floats that the sums of all shares may take */
#define SUMS         4096      /* over shares, that make an item */

/* ---- what is cut how ---- */

typedef struct sizes {
    bool depthwise;
    size_t groups, in, out;      /* in, out: channels of a group; of a plane, in is one */
    size_t taps, terms;          /* of a filter */
    size_t line_cuts, term_cuts; /* of a group's */
    size_t piece_terms, pieces;
    size_t weights, floats;                  /* floats: of a share */
    size_t strip_images, strip_rows, strips; /* strips: of so many images */
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
    s->strip_images = fit > 1 ? fit : 1;
    s->strip_rows = fit > 1 ? height : cuts(PIXELS, width);
    s->strips = cuts(height, s->strip_rows);
}

static sizes sizes_of(const cn_layer *layer, cn__shape out) {
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
    return s;
}

/* Strips of all images. */
static size_t all_strips(const sizes *s, int32_t images) {
    return cuts((size_t)images, s->strip_images) * s->strips;
}

static size_t share_count(const sizes *s, cn__shape out, int32_t images) {
    size_t wanted = cuts(ITEMS, s->pieces), most = APART / s->floats, strips = all_strips(s, images);
    size_t worth = (size_t)images * (size_t)out.height * (size_t)out.width / SHARE_PIXELS;
    size_t count = wanted < most ? wanted : most;
    count = count < worth ? count : worth;
    count = count < strips ? count : strips;
    return count ? count : 1;
}

size_t cn__nchw16c_weight_grad_shared(const cn__conv_problem *problem, int32_t images) {
    sizes s = sizes_of(problem->layer, problem->out);
    size_t shares = share_count(&s, problem->out, images);
    return shares > 1 ? shares * s.floats : 0;
}

size_t cn__nchw16c_weight_grad_scratch(const cn__conv_problem *problem) {
    sizes s = sizes_of(problem->layer, problem->out);
    return LINES * (s.piece_terms + 1) * CN__LANES;
}

/* ---- the terms of all groups, [plane of inputs][tap][channel of the plane] within each ---- */

cn_status cn__nchw16c_terms_make(const cn__op *op, cn__nchw16c_geometry *g) {
    sizes s = sizes_of(op->layer, op->out->shape);
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

/* ---- an item: the sums of a piece over a share of the strips ---- */

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

/* What the kernel sees of a strip. */
static cn__channel_conv_weight_args strip_of(const cn__op *op, const cn__pass *pass, const sizes *s, size_t number) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    const cn__fmap *in = op->in[0], *dy = op->d_out;
    size_t image = number / s->strips * s->strip_images, row = number % s->strips * s->strip_rows;
    size_t images = (size_t)pass->images - image, rows = (size_t)op->out->shape.height - row;
    return (cn__channel_conv_weight_args){
        .images = (int32_t)(images < s->strip_images ? images : s->strip_images),
        .height = (int32_t)(rows < s->strip_rows ? rows : s->strip_rows),
        .width = op->out->shape.width,
        .x = cn__fmap_plane(in, image, 0).data + row * (size_t)c->stride[0] * in->row -
             (size_t)c->padding[0] * in->row - (size_t)c->padding[1] * CN__LANES,
        .x_image = in->block,
        .x_row = (size_t)c->stride[0] * in->row,
        .x_step = (size_t)c->stride[1] * CN__LANES,
        .dy = cn__fmap_plane(dy, image, 0).data + row * dy->row,
        .dy_image = dy->block,
        .dy_plane = dy->channel,
        .dy_row = dy->row,
        .dy_step = CN__LANES,
    };
}

static bool wants_weights(const cn__op *op) {
    return !op->unread[0];
}

static bool wants_biases(const cn__op *op) {
    return ((const cn__convolution *)op->layer)->bias && !op->unread[1];
}

/* Where a share leaves its sums of weights (0) or biases (1). */
static float *share_sums(const cn__op *op, const sizes *s, size_t share, size_t shares, int tensor) {
    if (shares == 1)
        return op->gradient[tensor];
    return op->shared + share * s->floats + (tensor ? cn__whole_lines(s->weights) : 0);
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
    for (size_t line = p->line; line < p->line + p->lines; line++)
        for (size_t t = 0; t < p->terms; t++, sums += CN__LANES)
            for (size_t lane = 0; lane < CN__LANES; lane++) {
                size_t o = line * CN__LANES + lane;
                if (o >= first && o < end)
                    to[o * s->terms + (size_t)weight[t]] = sums[lane];
            }
}

static void store_biases(const cn__op *op, const sizes *s, const piece *p, const float *sums, float *to) {
    size_t first = p->group * s->out, end = group_end(op, s, p);
    for (size_t o = p->line * CN__LANES; o < (p->line + p->lines) * CN__LANES; o++)
        if (o >= first && o < end)
            to[o] = sums[o - p->line * CN__LANES];
}

cn__grid cn__nchw16c_weight_grid(const cn__op *op, const cn__pass *pass) {
    sizes s = sizes_of(op->layer, op->out->shape);
    if (!wants_weights(op) && !wants_biases(op))
        return (cn__grid){0, 0};
    return (cn__grid){s.pieces, share_count(&s, op->out->shape, pass->images)};
}

void cn__nchw16c_weight_grad(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__nchw16c_geometry *g = op->geometry;
    sizes s = sizes_of(op->layer, op->out->shape);
    size_t strips = all_strips(&s, pass->images), shares = share_count(&s, op->out->shape, pass->images);
    piece p = piece_of(&s, at.outer);
    bool biases = wants_biases(op) && p.term == 0;
    float *sums = pass->scratch, *bias_sums = sums + p.lines * p.terms * CN__LANES;
    memset(sums, 0, p.lines * (p.terms + 1) * CN__LANES * sizeof *sums);
    for (size_t i = at.inner * strips / shares; i < (at.inner + 1) * strips / shares; i++) {
        cn__channel_conv_weight_args strip = strip_of(op, pass, &s, i);
        strip.terms = g->terms + p.group * s.terms + p.term;
        strip.term_count = wants_weights(op) ? (int32_t)p.terms : 0;
        strip.dy += p.line * strip.dy_plane;
        strip.lines = (int32_t)p.lines;
        strip.sums = sums;
        strip.bias_sums = biases ? bias_sums : NULL;
        if (s.depthwise)
            op->kernels->channel_depthwise_weight(&strip);
        else
            op->kernels->channel_conv_weight(&strip);
    }
    if (wants_weights(op))
        store_weights(op, &s, &p, sums, share_sums(op, &s, at.inner, shares, 0));
    if (biases)
        store_biases(op, &s, &p, bias_sums, share_sums(op, &s, at.inner, shares, 1));
}

/* ---- sums over shares ---- */

static size_t weight_items(const cn__op *op, const sizes *s) {
    return wants_weights(op) ? cuts(s->weights, SUMS) : 0;
}

cn__grid cn__nchw16c_weight_sum_grid(const cn__op *op, const cn__pass *pass) {
    sizes s = sizes_of(op->layer, op->out->shape);
    if (share_count(&s, op->out->shape, pass->images) == 1)
        return (cn__grid){0, 0};
    return (cn__grid){weight_items(op, &s) + wants_biases(op), 1};
}

void cn__nchw16c_weight_sum(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    sizes s = sizes_of(op->layer, op->out->shape);
    size_t shares = share_count(&s, op->out->shape, pass->images);
    int tensor = at.outer < weight_items(op, &s) ? 0 : 1;
    size_t first = tensor ? 0 : at.outer * SUMS, left = s.weights - first;
    size_t count = tensor ? (size_t)c->out_channels : left < SUMS ? left : SUMS;
    float *to = op->gradient[tensor] + first;
    memcpy(to, share_sums(op, &s, 0, shares, tensor) + first, count * sizeof *to);
    for (size_t share = 1; share < shares; share++) {
        const float *from = share_sums(op, &s, share, shares, tensor) + first;
        for (size_t i = 0; i < count; i++)
            to[i] += from[i];
    }
}
