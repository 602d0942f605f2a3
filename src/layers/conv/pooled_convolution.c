/* pooled_convolution.c: a 1×1 convolution and the max pool behind it, a strip of some rows at a time. What the
 * convolution puts out, and the gradient of that, exist for one strip only, in the thread's scratch: whole maps of them
 * would be the largest there are, and drive everything else from the cache. Which of four pixels was the largest is
 * kept, a byte a lane. To the convolution, a strip is an image. */
#include "layers/conv/convolution.h"

#define LINES 1536 /* that a strip has about */
#define SUMS  256  /* over blocks and strips, that make an item */

typedef struct pooled {
    cn__conv_geometry geometry; /* first, so that this is a convolution's geometry as well */
    cn__map out;                /* the layout of a strip of the convolution's output */
} pooled;

static const cn__convolution *layer_of(const cn__work *work) {
    return (const cn__convolution *)work->layer;
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

static int32_t rows_of(const cn__work *work) {
    return strip_rows(work->out->shape.channels, work->in[0]->shape.height, work->in[0]->shape.width);
}

static size_t strips_of(const cn__work *work) {
    return (size_t)(work->in[0]->shape.height / rows_of(work));
}

static size_t weight_count(const cn__convolution *c) {
    return (size_t)c->out_channels * (size_t)(c->in_channels / c->groups);
}

/* ---- memory: kept, the parameters' gradients for each strip, then which pixels were the largest ---- */

static size_t parameter_count(const cn__convolution *c) {
    return weight_count(c) + (c->bias ? (size_t)c->out_channels : 0);
}

static float *strip_sums(const cn__work *work, size_t block, size_t strip) {
    return cn__kept(work, block) + strip * cn__whole_lines(parameter_count(layer_of(work)));
}

static uint8_t *which_of(const cn__work *work, size_t block, size_t channel, size_t row) {
    size_t width = (size_t)work->out->shape.width, height = (size_t)work->out->shape.height;
    return (uint8_t *)strip_sums(work, block, strips_of(work)) + (channel * height + row) * width * CN__LANES;
}

bool cn__convolution_takes_pool(const cn_layer *convolution, const cn_layer *pool, cn__shape in, int32_t max_blocks) {
    const cn__convolution *c = (const cn__convolution *)convolution;
    const int64_t most = 1 << 20; /* floats for sums */
    bool fits = cn__pool_halves(pool, in) && convolution->ops->window;
    for (int d = 0; d < 2; d++)
        fits &= c->kernel[d] == 1 && c->stride[d] == 1 && c->padding[d] == 0;
    int64_t strips = fits ? in.height / strip_rows(c->out_channels, in.height, in.width) : 0;
    return fits && convolution->ctx->options.conv_algorithm != CN_CONV_GEMM &&
           (int64_t)weight_count(c) * strips <= most / max_blocks;
}

static cn__shape strip_shape(cn__shape whole, int32_t rows) {
    return (cn__shape){whole.channels, rows, whole.width};
}

/* `out`: of the convolution by itself. */
static void demand(const cn_layer *layer, cn__shape in, cn__shape out, int32_t max_blocks, bool training,
                   cn__demand *demand) {
    const cn__convolution *c = (const cn__convolution *)layer;
    int32_t rows = strip_rows(out.channels, in.height, in.width);
    cn__map strip;
    cn__convolution_demand(layer, strip_shape(in, rows), strip_shape(out, rows), max_blocks, training, demand);
    cn__map_layout(&strip, strip_shape(out, rows), 0, 0, CN_PADDING_ZEROS);
    demand->scratch_floats += cn__map_floats(&strip, 1);
    size_t pixels = (size_t)out.channels * (size_t)(out.height / 2) * (size_t)(out.width / 2);
    demand->kept_floats = (size_t)(in.height / rows) * cn__whole_lines(parameter_count(c)) +
                          cn__whole_lines(pixels * CN__LANES / sizeof(float));
}

/* ---- a strip as an image ---- */

typedef struct strip {
    cn__work work;
    cn__map in, out, d_in;
    const cn__map *in_list[1];
    cn__map *d_in_list[1];
    cn__run run;
    size_t row; /* the first, of the pool's output */
} strip;

/* The part of a block of a map that is a strip of `rows` rows. */
static cn__map part_of(const cn__map *map, size_t block, size_t first, int32_t rows) {
    cn__map part = *map;
    part.data += block * map->block + first * map->row;
    part.shape.height = rows;
    return part;
}

/* Fills `s`, which points into itself. The convolution's output and the gradient of that share their place. */
static void take_strip(const cn__work *work, size_t block, size_t index, strip *s) {
    const pooled *p = work->geometry;
    size_t first = index * (size_t)p->out.shape.height;
    bool wanted = work->training && work->d_in[0];
    s->row = first / 2;
    s->work = *work;
    s->in = part_of(work->in[0], block, first, p->out.shape.height);
    s->out = p->out;
    if (wanted)
        s->d_in = part_of(work->d_in[0], block, first, p->out.shape.height);
    s->in_list[0] = &s->in;
    s->d_in_list[0] = wanted ? &s->d_in : NULL;
    s->work.in = s->in_list;
    s->work.d_in = s->d_in_list;
    s->work.out = s->work.d_out = &s->out;
}

/* The same for a run: only this strip, in the thread's scratch. */
static void begin_strip(const cn__work *work, const cn__run *run, size_t block, size_t index, strip *s) {
    take_strip(work, block, index, s);
    s->out.data = run->scratch;
    s->run = *run;
    s->run.images = cn__run_lanes(run, block);
    s->run.blocks = 1;
    s->run.scratch += cn__map_floats(&s->out, 1);
}

static cn_status bind(cn__work *work) {
    strip s;
    pooled *p = cn__alloc(work->ctx, 1, sizeof *p);
    if (!p)
        return cn__no_memory("a convolution's index lists");
    work->geometry = p;
    cn__map_layout(&p->out, (cn__shape){work->out->shape.channels, rows_of(work), work->in[0]->shape.width}, 0, 0,
                   CN_PADDING_ZEROS);
    take_strip(work, 0, 0, &s);
    return cn__convolution_fill(&s.work);
}

/* ---- phases ---- */

static size_t strip_items(const cn__work *work, const cn__run *run) {
    return (size_t)run->blocks * strips_of(work);
}

static void forward(const cn__work *work, const cn__run *run, size_t item) {
    strip s;
    size_t block = item / strips_of(work);
    begin_strip(work, run, block, item % strips_of(work), &s);
    cn__convolution_forward_block(&s.work, &s.run);
    for (size_t channel = 0; channel < (size_t)work->out->shape.channels; channel++) {
        cn__plane pool = cn__map_plane(work->out, block, channel);
        pool.data += s.row * pool.row;
        work->kernels->max_pool2(cn__map_plane(&s.out, 0, channel), pool, s.out.shape.height / 2, s.out.shape.width / 2,
                                 false, which_of(work, block, channel, s.row));
    }
}

static void backward(const cn__work *work, const cn__run *run, size_t item) {
    strip s;
    size_t block = item / strips_of(work), index = item % strips_of(work);
    begin_strip(work, run, block, index, &s);
    for (size_t channel = 0; channel < (size_t)work->out->shape.channels; channel++) {
        cn__plane pool = cn__map_plane(work->d_out, block, channel);
        pool.data += s.row * pool.row;
        work->kernels->max_pool2_backward(which_of(work, block, channel, s.row), pool,
                                          cn__map_plane(&s.out, 0, channel), s.out.shape.height / 2,
                                          s.out.shape.width / 2);
    }
    cn__convolution_backward_block(&s.work, &s.run, strip_sums(work, block, index));
}

static size_t sum_items(const cn__work *work, const cn__run *run) {
    (void)run;
    return (parameter_count(layer_of(work)) + SUMS - 1) / SUMS;
}

static void add_strips(const cn__work *work, const cn__run *run, size_t item) {
    size_t end = (item + 1) * SUMS, count = parameter_count(layer_of(work)), weights = weight_count(layer_of(work));
    for (size_t i = item * SUMS; i < end && i < count; i++) {
        float sum = 0.0f;
        for (size_t block = 0; block < (size_t)run->blocks; block++)
            for (size_t index = 0; index < strips_of(work); index++)
                sum += strip_sums(work, block, index)[i];
        *(i < weights ? &work->gradient[0][i] : &work->gradient[1][i - weights]) = sum;
    }
}

static const cn__phase forward_phases[] = {{strip_items, forward, CN__LOCAL},
                                           {cn__convolution_border_items, cn__convolution_border, CN__LOCAL},
                                           {NULL, NULL, CN__LOCAL}};
static const cn__phase backward_phases[] = {
    {strip_items, backward, CN__LOCAL}, {sum_items, add_strips, CN__DEFERRED}, {NULL, NULL, CN__LOCAL}};

const cn__layer_ops cn__pooled_convolution_ops = {
    .demand = demand,
    .bind = bind,
    .unbind = cn__convolution_unbind,
    .multiply_adds = cn__convolution_multiply_adds,
    .prepare = &cn__convolution_prepare,
    .forward = forward_phases,
    .backward = backward_phases,
    .backward_reads_in = true,
};
