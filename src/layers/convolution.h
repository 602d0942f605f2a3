/* convolution.h: what conv2d.c and linear.c share: one struct, since a linear layer is a 1×1 convolution of 1×1 pixels,
 * and its phases (convolution_phases.c), computed by our kernels or by CBLAS (convolution_gemm.c). */
#ifndef CN_CONVOLUTION_H
#define CN_CONVOLUTION_H

#include "layers/layers.h"

typedef struct cn__convolution {
    cn_layer base;
    int32_t in_channels, out_channels;
    int32_t kernel[2], stride[2], padding[2], dilation[2]; /* height, width */
    int32_t groups, bias, padding_mode;
} cn__convolution;

/* Index lists of a convolution bound to maps; work->geometry. */
typedef struct cn__conv_geometry {
    bool gemm;                   /* CBLAS where the operation is a matrix product */
    int32_t taps;                /* of a filter */
    int32_t in, out;             /* channels of a group */
    int32_t in_tiles, out_tiles; /* of CN__CONV_TILE channels, of a group */
    cn__conv_job forward;        /* all output pixels */
    cn__conv_job *backward;      /* input pixels by the outputs that read them */
    int32_t backward_jobs;
    int32_t *column;                       /* per (input channel of a group, tap): floats from the input's group */
    cn__tap *forward_taps, *backward_taps; /* that the jobs point into */
    int32_t *forward_pixels, *backward_pixels, *skip_pixels;
} cn__conv_geometry;

/* For the tables of both layers. */
cn_status cn__convolution_check(cn__convolution *layer, const char *type);
void cn__convolution_init(const cn_layer *layer, cn__rng *rng, void *const *tensors);
int64_t cn__convolution_multiply_adds(const cn_layer *layer, cn__shape in, cn__shape out);
void cn__convolution_demand(const cn_layer *layer, cn__shape in, cn__shape out, int32_t max_blocks, bool training,
                            cn__demand *demand);
cn_status cn__convolution_bind(cn__work *work);
void cn__convolution_unbind(cn__work *work);
extern const cn__phase cn__convolution_prepare, cn__convolution_forward[], cn__convolution_backward[];

/* convolution_geometry.c: fill the lists of work->geometry. */
cn_status cn__convolution_forward_lists(cn__work *work);
cn_status cn__convolution_backward_lists(cn__work *work);

/* convolution_weights.c: packed weights and biases of a tile, and how many tiles there are. */
size_t cn__convolution_forward_tiles(const cn__work *work);
size_t cn__convolution_backward_tiles(const cn__work *work);
float *cn__convolution_bias(const cn__work *work, size_t tile);
float *cn__convolution_forward_weights(const cn__work *work, size_t tile);
float *cn__convolution_backward_weights(const cn__work *work, size_t tile);
/* What output channel `channel` multiplies its weights with and adds to its sums: bias and a folded norm. */
void cn__convolution_factors(const cn__work *work, size_t channel, double *scale, double *shift);

/* Whether each block's weight gradient has a place of its own until all are added up, so that the thread that has a
 * block at hand computes it; not if that were too much memory. The sums are the same. */
bool cn__convolution_sums_apart(const cn_layer *layer, int32_t max_blocks);

/* convolution_gemm.c: whether CBLAS should and can do it; one item of a phase. Items are (block) forward and for the
 * input, (group) for the weights. */
bool cn__convolution_wants_gemm(const cn__work *work);
void cn__convolution_gemm_forward(const cn__work *work, size_t block);
void cn__convolution_gemm_input(const cn__work *work, size_t block);
void cn__convolution_gemm_weight(const cn__work *work, const cn__run *run, size_t group);

#endif
