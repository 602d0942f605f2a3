/* SPDX-License-Identifier: MIT */
/* norm.h: what batch_norm.c and group_norm.c share: one struct, the passes over planes, and how these find what the
 * statistics came to; layer_norm2d.c has struct and sums with them.
 *
 * Both work in three stages. Each plane is read and leaves lines of 16 sums, one for each lane: forward a lane's mean,
 * m2 = Σ (x - mean)² and what rounding took from the mean, backward Σ dz and Σ dz·x̂. Then each *cell*, the planes that
 * share a mean and variance (a channel of all blocks, or a group of a block), is finalized from its sums: forward it gets
 * center = mean and inv = 1 / sqrt(variance + eps), backward b and c of dx = inv · (weight·dz + b·(x - center) + c). With
 * these each plane is normalised, or its gradient computed.
 *
 * With channels in the lanes each lane of a plane is a channel, and finds its numbers in its lane of the same lines;
 * with images in the lanes it has a plane, and lines, of its own. What is called `channel` here is one in either case.
 */
#ifndef CN_NORM_H
#define CN_NORM_H

#include "layers/layers.h"

typedef struct cn__norm_layer {
    cn_layer base;
    int32_t channels;
    int32_t groups; /* GroupNorm */
    float eps;
    float momentum;              /* BatchNorm2d */
    int32_t affine;              /* has weight and bias */
    int32_t track_running_stats; /* BatchNorm2d */
} cn__norm_layer;

cn_status cn__norm_validate(cn_layer *layer);
cn_status cn__norm_infer(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in, cn__shape *out);
/* The tensors that both kinds have: weight and bias, if affine. */
int cn__norm_tensors(const cn_layer *layer, cn__tensor_spec *specs);
void cn__norm_init(const cn_layer *layer, cn__initializer *from, void *const *tensors);
void cn__norm_requirements(const cn_layer *layer, const cn__sizes *sizes, cn__requirements *requirements);
/* Weights and biases as lines of all planes, where channels lie in the lanes; none of them otherwise. */
cn__grid cn__norm_packing(const cn__op *op, const cn__pass *pass);
void cn__norm_pack(const cn__op *op, const cn__pass *pass, cn__item at);
const float *cn__norm_weights(const cn__op *op, size_t plane);
const float *cn__norm_biases(const cn__op *op, size_t plane);

/* Floats that a channel has of a line: all, or one. */
static inline size_t cn__norm_lanes(const cn__op *op) {
    return op->out->lane_channels ? 1 : CN__LANES;
}
/* How many of a block's count. */
static inline int32_t cn__norm_images(const cn__op *op, const cn__pass *pass, size_t block) {
    return op->out->lane_channels ? 1 : cn__pass_lanes(pass, block);
}
/* A channel's first float of lines that follow each other: its sums; center and inv of its cell, kept for backward; b and
 * c of its cell; what rounding took from the center. */
#define CN__NORM_SUMS (3 * CN__LANES) /* floats of a plane's sums */
float *cn__norm_sums(const cn__op *op, size_t block, size_t channel);
float *cn__norm_center(const cn__op *op, size_t block, size_t channel);
float *cn__norm_backward_coefficients(const cn__op *op, size_t block, size_t channel);
float *cn__norm_center_rest(const cn__op *op, size_t block, size_t channel);
/* The lines of a plane's sums. */
float *cn__norm_plane_sums(const cn__op *op, size_t block, size_t plane);

/* A channel's weight; 1 without. */
float cn__norm_weight(const cn__op *op, size_t channel);

/* A channel's first float of the lines that the first image of a leaf has; how far the next image's is. */
const float *cn__norm_leaf_sums(const cn__op *op, size_t leaf, size_t channel);
static inline size_t cn__norm_image_step(const cn__op *op) {
    return op->out->lane_channels ? op->block : 1;
}
/* A channel's sums of line `which` over the images of a leaf, as if they lay in its lanes. */
double cn__norm_leaf_sum(const cn__op *op, const cn__pass *pass, size_t leaf, size_t channel, int which);

/* Finalizing goes over the channels, 32 an item: a few are not worth waking a thread for. */
typedef void cn__norm_finalize(const cn__op *op, const cn__pass *pass, size_t channel);
cn__grid cn__norm_channels(const cn__op *op, const cn__pass *pass); /* as many items as the channels make */
void cn__norm_each_channel(const cn__op *op, const cn__pass *pass, cn__item at, cn__norm_finalize *finalize);
/* Where that is what the sums backward are: of a channel's weight and bias. */
void cn__norm_parameter_gradient(const cn__op *op, const cn__pass *pass, size_t channel);

/* A plane of what comes out of a norm without a skip, into memory of the caller's. */
void cn__norm_plane(const cn__op *op, const cn__pass *pass, size_t block, size_t plane, cn__plane y);

/* Stages over planes. */
void cn__norm_measure(const cn__op *op, const cn__pass *pass, cn__item at);
void cn__norm_apply(const cn__op *op, const cn__pass *pass, cn__item at);
cn__grid cn__norm_stored_planes(const cn__op *op, const cn__pass *pass); /* none where the reader makes them */
void cn__norm_reduce(const cn__op *op, const cn__pass *pass, cn__item at);
void cn__norm_backward(const cn__op *op, const cn__pass *pass, cn__item at);

#endif
