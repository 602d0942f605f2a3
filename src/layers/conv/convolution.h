/* SPDX-License-Identifier: MIT */
/* convolution.h: what conv2d.c, linear.c and conv_transpose2d.c share: one struct, since a linear layer is a 1×1 convolution of 1×1 pixels,
 * the algorithms that compute it (convolution_algorithms.c), and its stages (convolution_stages.c). */
#ifndef CN_CONVOLUTION_H
#define CN_CONVOLUTION_H

#include "layers/layers.h"

typedef struct cn__convolution {
    cn_layer base;
    int32_t in_channels, out_channels;
    int32_t kernel[2], stride[2], padding[2], dilation[2]; /* height, width */
    int32_t groups, bias, padding_mode;
} cn__convolution;

typedef struct cn__conv_geometry cn__conv_geometry;

/* The passes, each of which chooses its algorithm. */
typedef enum cn__conv_pass {
    CN__CONV_FORWARD,
    CN__CONV_INPUT_GRAD,
    CN__CONV_WEIGHT_GRAD,
    CN__CONV_PASSES
} cn__conv_pass;

/* What an algorithm is chosen for. */
typedef struct cn__conv_problem {
    const cn_layer *layer;
    cn__shape in, out;
    const cn__op *op; /* NULL while memory is planned: maps and what follows are not known yet */
    int32_t max_blocks;
    bool training; /* with a backward pass */
    int32_t batch; /* images that it is chosen for */
    int32_t depth; /* of sums over the images of a pass, while memory is planned */
} cn__conv_problem;

/* The weights that an item of the weights' gradient computes, in floats from the first of all. */
typedef struct cn__conv_area {
    size_t first, rows, columns, row; /* row: from one to the next */
} cn__conv_area;

/* A way to compute passes of a convolution. Output channels (in the input's gradient, those are the input's) go in
 * blocks. Items of a grid are those of a block of images, or of all. */
typedef struct cn__conv_algorithm {
    const char *name;
    int32_t oc_block; /* output channels whose weights are packed together */
    bool (*applies)(const cn__conv_problem *problem, cn__conv_pass pass);
    bool all_blocks;  /* its items are of all blocks of images, once they are there; it applies to all passes or none */
    bool zero_border; /* its input gradient leaves out what outputs read through a border that repeats pixels */
    /* Packed weights of one block of output channels, `first` of `group` and on, forward times scale[oc_block].
     * pack_input_grad NULL: with a backward pass it reads the weights as they are. */
    size_t (*filter_floats)(int32_t summed_channels, int32_t taps);
    void (*pack_forward)(const cn__op *op, size_t group, int32_t first, const double *scale, float *to);
    void (*pack_input_grad)(const cn__op *op, size_t group, int32_t first, float *to);
    /* Of each thread; NULL: none. */
    size_t (*scratch_floats)(const cn__conv_geometry *geometry, cn__shape out, cn__conv_pass pass);
    cn__grid (*forward_grid)(const cn__op *op, const cn__pass *pass);
    void (*forward)(const cn__op *op, const cn__pass *pass, cn__item at);
    cn__grid (*input_grid)(const cn__op *op, const cn__pass *pass);
    void (*input_grad)(const cn__op *op, const cn__pass *pass, cn__item at);
    /* Into the sums of all weights. */
    cn__grid (*weight_grid)(const cn__op *op, const cn__pass *pass);
    void (*weight_grad)(const cn__op *op, const cn__pass *pass, cn__item at, float *sums);
    cn__conv_area (*weight_area)(const cn__op *op, const cn__pass *pass, cn__item at); /* unless all_blocks */
} cn__conv_algorithm;

/* How a convolution bound to maps is computed; op->geometry. */
struct cn__conv_geometry {
    const cn__conv_algorithm *algorithm[CN__CONV_PASSES];
    int32_t taps;                        /* of a filter */
    int32_t in, out;                     /* channels of a group */
    int32_t in_oc_blocks, out_oc_blocks; /* blocks of channels of a group */
    size_t forward_block_floats;         /* packed for a block of outputs: biases, a line, then filters */
    size_t input_block_floats;           /* for a block of inputs: filters, then direct's for a repeated border */
    size_t direct_input_filters;         /* where the latter begin */
    float *input_biases;                 /* what the input's gradient begins with, a line for each block of inputs: a
                                            transposed convolution's biases; NULL: nothing */
    cn__conv_job forward;                /* all output pixels */
    cn__conv_job *backward;              /* input pixels by the outputs that read them; with an algorithm of zero_border
                                            only through the border, to be added */
    int32_t backward_jobs;
    int32_t *column;                       /* per (input channel of a group, tap): floats from the input's group */
    cn__tap *forward_taps, *backward_taps; /* that the jobs point into */
    int32_t *forward_pixels, *backward_pixels, *skip_pixels;
};

/* For the tables of both layers. */
cn_status cn__convolution_check(cn__convolution *layer, const char *type);
/* Parameters begin within ± this: 1 / √(inputs of an output), as PyTorch's. */
float cn__convolution_bound(const cn__convolution *layer);
void cn__convolution_init(const cn_layer *layer, cn__initializer *from, void *const *tensors);
int64_t cn__convolution_multiply_adds(const cn_layer *layer, cn__shape in, cn__shape out);
void cn__convolution_requirements(const cn_layer *layer, const cn__sizes *sizes, cn__requirements *requirements);
cn_status cn__convolution_fill(cn__op *op); /* op->geometry, which is there */
void cn__convolution_unbind(cn__op *op);
/* convolution_stages.c, pooled_convolution.c, nchw16c_convolution.c: the ways to compute both. */
extern const cn__layer_impl cn__convolution_batch, cn__convolution_with_pool, cn__convolution_nchw16c;

/* convolution.c: chooses the algorithms and fills in all of a geometry but its lists. */
void cn__convolution_measure(const cn__conv_problem *problem, cn__conv_geometry *geometry);

/* convolution_algorithms.c and the algorithms' own files. */
extern const cn__conv_algorithm cn__convolution_winograd, cn__convolution_gemm, cn__convolution_direct;
const cn__conv_algorithm *cn__convolution_choose(const cn__conv_problem *problem, cn__conv_pass pass);
const char *cn__convolution_algorithm(const cn__op *op, cn__conv_pass pass); /* its name */

/* convolution_geometry.c: fill the lists of work->geometry. */
cn_status cn__convolution_forward_lists(cn__op *op);
cn_status cn__convolution_backward_lists(cn__op *op);

/* convolution_weights.c: packed filters and biases of a block of output channels, and how many blocks there are. */
size_t cn__convolution_forward_oc_blocks(const cn__op *op);
size_t cn__convolution_input_oc_blocks(const cn__op *op); /* 0 if the input's gradient is not wanted */
float *cn__convolution_bias(const cn__op *op, size_t oc_block);
float *cn__convolution_forward_filters(const cn__op *op, size_t oc_block);
float *cn__convolution_input_filters(const cn__op *op, size_t oc_block);
float *cn__convolution_direct_input_filters(const cn__op *op, size_t oc_block);
/* The stage that packs all. */
cn__grid cn__convolution_pack_grid(const cn__op *op, const cn__pass *pass);
void cn__convolution_pack(const cn__op *op, const cn__pass *pass, cn__item at);
/* The layer's own weights from (output channel o, input channel i) of a group on. */
const float *cn__convolution_filter(const cn__op *op, size_t group, int32_t o, int32_t i);
/* What output channel `channel` multiplies its weights with and adds to its sums: bias and a folded norm. */
void cn__convolution_factors(const cn__op *op, size_t channel, double *scale, double *shift);

/* convolution.c: whether each block's weight gradient may have memory of its own until all are added up, so that the
 * thread that has a block at hand computes it; not if that were too much. */
bool cn__convolution_sums_apart(const cn_layer *layer, int32_t max_blocks);

/* convolution.c: shares into which the blocks of output channels are cut, each of which reads the inputs anew: one where
 * there are items enough for all threads without. */
size_t cn__convolution_channel_shares(const cn__op *op, size_t items, int32_t oc_blocks);

/* convolution_direct.c: a stage after an input gradient of zero_border: adds what outputs read through the border. */
cn__grid cn__convolution_border_grid(const cn__op *op, const cn__pass *pass);
void cn__convolution_border_grad(const cn__op *op, const cn__pass *pass, cn__item at);

/* convolution_stages.c: all of the only block of a pass: outputs; the input's gradient, and the weights' and behind
 * them the biases' as `sums`. */
void cn__convolution_forward_block(const cn__op *op, const cn__pass *pass);
void cn__convolution_backward_block(const cn__op *op, const cn__pass *pass, float *sums);
/* The stages of the weights' and biases' gradients: of a block, of all blocks, over blocks. With the input's gradient, if
 * that is wanted. */
cn__grid cn__convolution_block_grid(const cn__op *op, const cn__pass *pass);
void cn__convolution_block_grad(const cn__op *op, const cn__pass *pass, cn__item at);
cn__grid cn__convolution_all_blocks_grid(const cn__op *op, const cn__pass *pass);
void cn__convolution_all_blocks_grad(const cn__op *op, const cn__pass *pass, cn__item at);
cn__grid cn__convolution_sum_grid(const cn__op *op, const cn__pass *pass);
void cn__convolution_sum_blocks(const cn__op *op, const cn__pass *pass, cn__item at);
/* convolution_gathered.c: a layer of one pixel whose weights' gradient takes all images at once, where processes share a
 * batch: each gets the inputs and the outputs' gradients of all, which are fewer than weights, and sums up as one process
 * would. Floats of op->shared that it takes; the exchange; the sums of an item. */
size_t cn__convolution_gathered_floats(const cn_layer *layer, const cn__sizes *sizes);
void cn__convolution_gather(const cn__op *op, const cn__pass *pass);
void cn__convolution_gathered_grad(const cn__op *op, const cn__pass *pass, cn__item at);
/* Whether this pass gathers moments. */
bool cn__convolution_gathers(const cn__op *op, const cn__pass *pass);

#endif
