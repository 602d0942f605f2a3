/* SPDX-License-Identifier: MIT */
/* pooled_convolution.c: a 1×1 convolution and the max pool behind it, a strip of some rows at a time. What the
 * convolution puts out, and the gradient of that, exist for one strip only, in the thread's scratch: whole maps of them
 * would be the largest there are, and drive everything else from the cache. Which of four pixels was the largest is
 * kept, a byte a lane. To the convolution, a strip is an image. */
#include "layers/conv/convolution.h"
#include "layers/tree.h"

#define LINES 1536 /* that a strip has about */
#define SUMS  256  /* over blocks and strips, that make an item */

typedef struct pooled {
    cn__conv_geometry geometry; /* first, so that this is a convolution's geometry as well */
    cn__fmap out;               /* the layout of a strip of the convolution's output */
} pooled;

static const cn__convolution *layer_of(const cn__op *op) {
    return (const cn__convolution *)op->layer;
}

/* ---- strips ---- */

/* Rows of the convolution's output: an even share of them, by shape alone, so that sums do not depend on threads. */
static int32_t strip_rows(int32_t channels, int32_t height, int32_t width) {
    int32_t rows = 2;
    for (int32_t r = 4; (int64_t)r * width * channels <= LINES && r <= height; r += 2)
        if (height % r == 0)
            rows = r;
    return rows;
}

static int32_t rows_of(const cn__op *op) {
    return strip_rows(op->out->shape.channels, op->in[0]->shape.height, op->in[0]->shape.width);
}

static size_t strips_of(const cn__op *op) {
    return (size_t)(op->in[0]->shape.height / rows_of(op));
}

static size_t weight_count(const cn__convolution *c) {
    return (size_t)c->out_channels * (size_t)(c->in_channels / c->groups);
}

/* ---- memory: kept, the parameters' gradients for each strip, then which pixels were the largest ---- */

static size_t parameter_count(const cn__convolution *c) {
    return weight_count(c) + (c->bias ? (size_t)c->out_channels : 0);
}

static float *strip_sums(const cn__op *op, size_t block, size_t strip) {
    return cn__saved(op, block) + strip * cn__whole_lines(parameter_count(layer_of(op)));
}

static uint8_t *which_of(const cn__op *op, size_t block, size_t channel, size_t row) {
    size_t width = (size_t)op->out->shape.width, height = (size_t)op->out->shape.height;
    return (uint8_t *)strip_sums(op, block, strips_of(op)) + (channel * height + row) * width * CN__LANES;
}

static bool takes_pool(const cn_layer *layer, const cn_layer *pool, cn__shape in, int32_t max_blocks) {
    const cn__convolution *c = (const cn__convolution *)layer;
    const int64_t most = 1 << 20; /* floats for sums */
    bool fits = cn__pool_halves(pool, in);
    for (int d = 0; d < 2; d++)
        fits &= c->kernel[d] == 1 && c->stride[d] == 1 && c->padding[d] == 0;
    int64_t strips = fits ? in.height / strip_rows(c->out_channels, in.height, in.width) : 0;
    return fits && (int64_t)weight_count(c) * strips <= most / max_blocks;
}

static cn__shape strip_shape(cn__shape whole, int32_t rows) {
    return (cn__shape){whole.channels, rows, whole.width};
}

/* `out`: of the convolution by itself. */
static void requirements(const cn_layer *layer, const cn__sizes *sizes, cn__requirements *requirements) {
    const cn__convolution *c = (const cn__convolution *)layer;
    cn__shape in = sizes->in[0], out = sizes->out;
    int32_t rows = strip_rows(out.channels, in.height, in.width);
    cn__shape strip_in = strip_shape(in, rows);
    cn__sizes of_strip = *sizes;
    cn__fmap strip;
    of_strip.in = &strip_in;
    of_strip.out = strip_shape(out, rows);
    cn__convolution_requirements(layer, &of_strip, requirements);
    cn__fmap_layout(&strip, of_strip.out, 0, 0, CN_PADDING_ZEROS);
    requirements->scratch_floats += cn__fmap_floats(&strip, 1);
    size_t pixels = (size_t)out.channels * (size_t)(out.height / 2) * (size_t)(out.width / 2);
    requirements->saved_floats = (size_t)(in.height / rows) * cn__whole_lines(parameter_count(c)) +
                                 cn__whole_lines(pixels * CN__LANES / sizeof(float));
}

/* ---- a strip as an image ---- */

typedef struct strip {
    cn__op op;
    cn__fmap in, out, d_in;
    const cn__fmap *in_list[1];
    cn__fmap *d_in_list[1];
    cn__pass pass;
    size_t row; /* the first, of the pool's output */
} strip;

/* The part of a block of a map that is a strip of `rows` rows. */
static cn__fmap part_of(const cn__fmap *map, size_t block, size_t first, int32_t rows) {
    cn__fmap part = *map;
    part.data += block * map->block + first * map->row;
    part.shape.height = rows;
    return part;
}

/* Fills `s`, which points into itself. The convolution's output and the gradient of that share their place. */
static void take_strip(const cn__op *op, size_t block, size_t index, strip *s) {
    const pooled *p = op->geometry;
    size_t first = index * (size_t)p->out.shape.height;
    bool wanted = op->training && op->d_in[0];
    s->row = first / 2;
    s->op = *op;
    s->in = part_of(op->in[0], block, first, p->out.shape.height);
    s->out = p->out;
    if (wanted)
        s->d_in = part_of(op->d_in[0], block, first, p->out.shape.height);
    s->in_list[0] = &s->in;
    s->d_in_list[0] = wanted ? &s->d_in : NULL;
    s->op.in = s->in_list;
    s->op.d_in = s->d_in_list;
    s->op.out = s->op.d_out = &s->out;
}

/* The same for a pass: only this strip, in the thread's scratch. */
static void begin_strip(const cn__op *op, const cn__pass *pass, size_t block, size_t index, strip *s) {
    take_strip(op, block, index, s);
    s->out.data = pass->scratch;
    s->pass = *pass;
    s->pass.images = cn__pass_lanes(pass, block);
    s->pass.blocks = 1;
    s->pass.scratch += cn__fmap_floats(&s->out, 1);
}

static cn_status bind(cn__op *op) {
    strip s;
    pooled *p = cn__alloc(op->ctx, 1, sizeof *p);
    if (!p)
        return cn__no_memory("a convolution's index lists");
    op->geometry = p;
    cn__fmap_layout(&p->out, (cn__shape){op->out->shape.channels, rows_of(op), op->in[0]->shape.width}, 0, 0,
                    CN_PADDING_ZEROS);
    take_strip(op, 0, 0, &s);
    return cn__convolution_fill(&s.op);
}

/* ---- stages ---- */

static cn__grid strip_grid(const cn__op *op, const cn__pass *pass) {
    (void)pass;
    return (cn__grid){strips_of(op), 1};
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    strip s;
    size_t block = at.block;
    begin_strip(op, pass, block, at.outer, &s);
    cn__convolution_forward_block(&s.op, &s.pass);
    for (size_t channel = 0; channel < (size_t)op->out->shape.channels; channel++) {
        cn__plane pool = cn__fmap_plane(op->out, block, channel);
        pool.data += s.row * pool.row;
        op->kernels->max_pool2(cn__fmap_plane(&s.out, 0, channel), pool, s.out.shape.height / 2, s.out.shape.width / 2,
                               false, which_of(op, block, channel, s.row));
    }
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    strip s;
    size_t block = at.block, index = at.outer;
    begin_strip(op, pass, block, index, &s);
    for (size_t channel = 0; channel < (size_t)op->out->shape.channels; channel++) {
        cn__plane pool = cn__fmap_plane(op->d_out, block, channel);
        pool.data += s.row * pool.row;
        op->kernels->max_pool2_backward(which_of(op, block, channel, s.row), pool, cn__fmap_plane(&s.out, 0, channel),
                                        s.out.shape.height / 2, s.out.shape.width / 2);
    }
    cn__convolution_backward_block(&s.op, &s.pass, strip_sums(op, block, index));
}

static cn__grid sum_grid(const cn__op *op, const cn__pass *pass) {
    (void)pass;
    return (cn__grid){(parameter_count(layer_of(op)) + SUMS - 1) / SUMS, 1};
}

/* Of parameter `place`, the weights first. */
static double strips_sum(const cn__op *op, size_t block, size_t place) {
    float sum = 0.0f;
    for (size_t index = 0; index < strips_of(op); index++)
        sum += strip_sums(op, block, index)[place];
    return (double)sum;
}

static double weight_sum(const cn__op *op, const cn__pass *pass, size_t leaf, size_t index) {
    (void)pass;
    return strips_sum(op, leaf, index);
}

static double bias_sum(const cn__op *op, const cn__pass *pass, size_t leaf, size_t index) {
    (void)pass;
    return strips_sum(op, leaf, weight_count(layer_of(op)) + index);
}

static void add_strips(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t end = (at.outer + 1) * SUMS, count = parameter_count(layer_of(op)), weights = weight_count(layer_of(op));
    for (size_t i = at.outer * SUMS; i < end && i < count; i++)
        if (i < weights && !op->unread[0])
            cn__sum_leaves(op, pass, 0, i, weight_sum);
        else if (i >= weights && !op->unread[1])
            cn__sum_leaves(op, pass, 1, i - weights, bias_sum);
}

const cn__layer_impl cn__convolution_with_pool = {
    .takes_pool = takes_pool,
    .requirements = requirements,
    .bind = bind,
    .unbind = cn__convolution_unbind,
    .prepare = {cn__convolution_pack_grid, cn__convolution_pack, CN__SCOPE_DEFERRED},
    .forward = {{strip_grid, forward, CN__SCOPE_LOCAL}, {cn__border_planes, cn__border, CN__SCOPE_LOCAL}},
    .backward = {{strip_grid, backward, CN__SCOPE_LOCAL}, {sum_grid, add_strips, CN__SCOPE_DEFERRED}},
    .backward_reads_in = true,
};
