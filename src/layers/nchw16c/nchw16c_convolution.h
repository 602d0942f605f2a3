/* SPDX-License-Identifier: MIT */
/* nchw16c_convolution.h: the algorithms that convolve with channels in the lanes; nchw16c_convolution.c chooses among
 * them and runs them, each has a file of its own. */
#ifndef CN_NCHW16C_CONVOLUTION_H
#define CN_NCHW16C_CONVOLUTION_H

#include "layers/conv/convolution.h"
#include "layers/nchw16c/nchw16c.h"

#define CN__NCHW16C_STEPS 2

typedef struct cn__nchw16c_geometry cn__nchw16c_geometry;

/* A loop of a pass over independent items: those of a block (an image) forward and in the input's gradient, those of
 * all blocks in the weights' gradient. */
typedef struct cn__nchw16c_step {
    cn__grid (*grid)(const cn__op *op, const cn__pass *pass);
    void (*run)(const cn__op *op, const cn__pass *pass, cn__item at);
} cn__nchw16c_step;

/* Weights are packed for each plane of what a pass writes: 16 output channels forward, 16 input channels in the input's
 * gradient. What is not there, is NULL. */
typedef struct cn__nchw16c_algorithm {
    const char *name;
    bool all_blocks; /* its first steps go over all blocks, once they are there */
    bool (*applies)(const cn__conv_problem *problem, cn__conv_pass pass);
    /* Packed weights of all planes, forward or for the input's gradient. They may not depend on the images' size. */
    size_t (*packed_floats)(const cn_layer *layer, cn__conv_pass pass);
    /* Those of one plane; `to` is where the pass's begin, which hold zeros. Forward times scale[CN__LANES]. */
    void (*pack_forward)(const cn__op *op, size_t plane, const double *scale, float *to);
    void (*pack_input_grad)(const cn__op *op, size_t plane, float *to);
    size_t (*scratch_floats)(const cn__conv_problem *problem, cn__conv_pass pass); /* of each thread */
    size_t (*block_floats)(const cn__conv_problem *problem, cn__conv_pass pass);   /* between the steps of a pass */
    size_t (*shared_floats)(const cn__conv_problem *problem); /* of the weights' gradient, of all */
    /* Makes a pass's lists in op->geometry; NULL: there are none. */
    cn_status (*bind)(const cn__op *op, cn__nchw16c_geometry *geometry, cn__conv_pass pass);
    cn__nchw16c_step forward[CN__NCHW16C_STEPS], input_grad[CN__NCHW16C_STEPS], weight_grad[CN__NCHW16C_STEPS];
} cn__nchw16c_algorithm;

/* Inputs that the same outputs read, relative to their place: rows and columns `stride` apart. */
typedef struct cn__nchw16c_job {
    int32_t row, column; /* of the first */
    int32_t rows, columns;
    const cn__channel_tap *taps; /* from the output's gradient at (row / stride, column / stride) */
    size_t tap_count;
} cn__nchw16c_job;

typedef struct cn__nchw16c_jobs {
    cn__nchw16c_job *list;
    size_t count;
    bool border_only;      /* of what is read through a border alone: goes on top of what is there */
    cn__channel_tap *taps; /* that they point into */
} cn__nchw16c_jobs;

/* How a convolution bound to maps is computed; op->geometry. */
struct cn__nchw16c_geometry {
    const cn__nchw16c_algorithm *algorithm[CN__CONV_PASSES];
    size_t packed[CN__CONV_PASSES]; /* where each pass's weights begin; in front of all are forward's biases */
    cn__nchw16c_jobs jobs;          /* the input's gradient */
    bool accumulate;                /* forward adds to what the output holds */
    const float *input_biases;      /* what that begins with, see cn__conv_geometry; NULL: nothing */
    ptrdiff_t *terms;      /* the weights' gradient: per (input channel, tap): floats from where the first falls */
    int32_t *term_weights; /* and its place in a filter */
    size_t tap_count;
    cn__channel_tap taps[]; /* forward: from where the first tap of an output falls */
};

extern const cn__nchw16c_algorithm cn__nchw16c_depthwise, cn__nchw16c_winograd, cn__nchw16c_joined, cn__nchw16c_direct;

/* nchw16c_convolution.c, for transposed convolutions, too: op->geometry, of which the taps are filled in. */
cn_status cn__nchw16c_geometry_new(cn__op *op);
void cn__nchw16c_unbind(cn__op *op);

/* Each channel by itself. */
static inline bool cn__nchw16c_is_depthwise(const cn__convolution *c) {
    return c->groups > 1 && c->groups == c->in_channels && c->groups == c->out_channels;
}

/* Channels first … end - 1, of which the first begins a plane. */
typedef struct cn__nchw16c_span {
    int32_t first, end;
} cn__nchw16c_span;

/* Of the `others` channels on the other side of a convolution, those that share a group with any of a plane of
 * `channels`. */
static inline cn__nchw16c_span cn__nchw16c_partners(size_t plane, int32_t channels, int32_t others, int32_t groups) {
    int32_t own = channels / groups, other = others / groups, first = (int32_t)plane * CN__LANES;
    int32_t last = (first + CN__LANES < channels ? first + CN__LANES : channels) - 1, begin = first / own * other;
    return (cn__nchw16c_span){begin - begin % CN__LANES, (last / own + 1) * other};
}

static inline bool cn__nchw16c_same_span(cn__nchw16c_span a, cn__nchw16c_span b) {
    return a.first == b.first && a.end == b.end;
}

/* nchw16c_input_grad.c: the input's gradient as plain sums. */
cn_status cn__nchw16c_jobs_make(const cn__op *op, bool border_only, cn__nchw16c_jobs *jobs);
void cn__nchw16c_jobs_drop(cn_context *ctx, cn__nchw16c_jobs *jobs);
size_t cn__nchw16c_input_filters(const cn__convolution *c); /* floats */
void cn__nchw16c_pack_input_grad(const cn__op *op, size_t plane, float *to);
cn__grid cn__nchw16c_input_grid(const cn__op *op, const cn__pass *pass);
void cn__nchw16c_input_grad(const cn__op *op, const cn__pass *pass, cn__item at);
cn__grid cn__nchw16c_joined_input_grid(const cn__op *op, const cn__pass *pass); /* of several images at a time */
void cn__nchw16c_joined_input_grad(const cn__op *op, const cn__pass *pass, cn__item at);

/* nchw16c_weight_timing.c: when the weights' gradient is computed, by maps and images at most, and whether each leaf's
 * sums, of so many floats, are kept; of an op, and while memory is planned. */
typedef struct cn__nchw16c_maps {
    const cn__convolution *layer;
    cn__shape in, out; /* height and width alone count */
    int32_t max_images;
} cn__nchw16c_maps;
static inline cn__nchw16c_maps cn__nchw16c_maps_of(const cn__op *op) {
    return (cn__nchw16c_maps){(const cn__convolution *)op->layer, op->in[0]->shape, op->out->shape, op->max_blocks};
}
static inline cn__nchw16c_maps cn__nchw16c_planned_maps(const cn__conv_problem *problem) {
    return (cn__nchw16c_maps){(const cn__convolution *)problem->layer, problem->in, problem->out, problem->max_blocks};
}
bool cn__nchw16c_weights_wait(cn__nchw16c_maps maps);
bool cn__nchw16c_leaves_apart(cn__nchw16c_maps maps, size_t floats);

/* nchw16c_weight_grad.c: the weights' and biases' gradients as plain sums, in two steps, see there. */
cn_status cn__nchw16c_terms_make(const cn__op *op, cn__nchw16c_geometry *geometry);
size_t cn__nchw16c_weight_grad_shared(const cn__conv_problem *problem);
size_t cn__nchw16c_weight_grad_scratch(const cn__conv_problem *problem);
cn__grid cn__nchw16c_weight_grid(const cn__op *op, const cn__pass *pass);
void cn__nchw16c_weight_grad(const cn__op *op, const cn__pass *pass, cn__item at);
cn__grid cn__nchw16c_weight_sum_grid(const cn__op *op, const cn__pass *pass);
void cn__nchw16c_weight_sum(const cn__op *op, const cn__pass *pass, cn__item at);

/* Weights as a pass's algorithm has packed them, and forward's biases, a line for each plane of outputs. */
static inline const float *cn__nchw16c_weights(const cn__op *op, cn__conv_pass pass) {
    const cn__nchw16c_geometry *g = op->geometry;
    return op->packed + g->packed[pass];
}
static inline const float *cn__nchw16c_biases(const cn__op *op) {
    return op->packed;
}
/* Memory of a block between the steps of a pass. */
static inline float *cn__nchw16c_between(const cn__op *op, size_t block) {
    return cn__saved(op, block);
}

/* nchw16c_direct.c: a part of the outputs of an image, or of some: some rows or some planes, and what the kernels of
 * plain sums are told of it; `in` is of plane 0, `weights` are all. */
typedef struct cn__nchw16c_part {
    int32_t images;
    size_t plane, planes, row, rows;
} cn__nchw16c_part;
cn__grid cn__nchw16c_joined_grid(const cn__op *op, const cn__pass *pass, size_t planes, int64_t multiply_adds);
cn__grid cn__nchw16c_parts(const cn__op *op, const cn__pass *pass, int64_t multiply_adds);
cn__nchw16c_part cn__nchw16c_part_of(const cn__op *op, size_t index, size_t count);
cn__channel_conv_args cn__nchw16c_forward_args(const cn__op *op, const cn__fmap *in, size_t block,
                                               const cn__nchw16c_part *part);

/* nchw16c_depthwise.c: floats of a plane of the input, with its border; and a plane that op->front makes there, as a
 * map of its own. */
size_t cn__nchw16c_plane_floats(const cn__convolution *c, cn__shape in);
cn__fmap cn__nchw16c_front_plane(const cn__op *op, const cn__pass *pass, size_t block, size_t plane, float *memory);

#endif
