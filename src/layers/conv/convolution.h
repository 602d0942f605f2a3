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

/* How a convolution bound to maps is computed; work->geometry. */
typedef struct cn__conv_geometry {
    bool gemm; /* CBLAS where the operation is a matrix product */
    struct {
        bool forward, input, weight;
    } winograd;                  /* passes by minimal filtering */
    int32_t taps;                /* of a filter */
    int32_t in, out;             /* channels of a group */
    int32_t in_tiles, out_tiles; /* of CN__CONV_TILE channels, of a group */
    size_t forward_tile_floats;  /* packed for a tile of outputs: biases, a line, then weights */
    size_t backward_tile_floats; /* for a tile of inputs: transformed weights, then plain ones */
    size_t backward_plain;       /* where the latter begin */
    cn__conv_job forward;        /* all output pixels */
    cn__conv_job *backward;      /* input pixels by the outputs that read them; with winograd.input only through the
                                    border, to be added */
    int32_t backward_jobs;
    int32_t *column;                       /* per (input channel of a group, tap): floats from the input's group */
    cn__tap *forward_taps, *backward_taps; /* that the jobs point into */
    int32_t *forward_pixels, *backward_pixels, *skip_pixels;
} cn__conv_geometry;

/* For the tables of both layers. */
cn_status cn__convolution_check(cn__convolution *layer, const char *type);
void cn__convolution_init(const cn_layer *layer, cn__rng *rng, void *const *tensors);
int64_t cn__convolution_multiply_adds(const cn_layer *layer, cn__shape in, cn__shape out);
void cn__convolution_requirements(const cn_layer *layer, cn__shape in, cn__shape out, int32_t max_blocks, bool training,
                                  cn__requirements *requirements);
cn_status cn__convolution_fill(cn__op *op); /* op->geometry, which is there */
void cn__convolution_unbind(cn__op *op);
/* convolution_stages.c, pooled_convolution.c, small_batch_convolution.c: the ways to compute both. */
extern const cn__layer_impl cn__convolution_batch, cn__convolution_with_pool, cn__convolution_small_batch;

/* convolution.c: fills in all of a geometry but its lists and gemm. */
void cn__convolution_measure(const cn_layer *layer, cn__shape in, cn__shape out, cn__conv_geometry *geometry);

/* convolution_geometry.c: fill the lists of work->geometry. */
cn_status cn__convolution_forward_lists(cn__op *op);
cn_status cn__convolution_backward_lists(cn__op *op);

/* convolution_weights.c: packed weights and biases of a tile, and how many tiles there are. */
size_t cn__convolution_forward_tiles(const cn__op *op);
size_t cn__convolution_backward_tiles(const cn__op *op);
float *cn__convolution_bias(const cn__op *op, size_t tile);
float *cn__convolution_forward_weights(const cn__op *op, size_t tile);
float *cn__convolution_backward_weights(const cn__op *op, size_t tile); /* plain */
float *cn__convolution_backward_winograd(const cn__op *op, size_t tile);
/* The stage that packs all. */
size_t cn__convolution_pack_items(const cn__op *op, const cn__pass *pass);
void cn__convolution_pack(const cn__op *op, const cn__pass *pass, size_t item);
/* What output channel `channel` multiplies its weights with and adds to its sums: bias and a folded norm. */
void cn__convolution_factors(const cn__op *op, size_t channel, double *scale, double *shift);

/* Whether each block's weight gradient has a place of its own until all are added up, so that the thread that has a
 * block at hand computes it; not if that were too much memory. The sums are the same. */
bool cn__convolution_sums_apart(const cn_layer *layer, int32_t max_blocks);

/* convolution_phases.c: all of the only block of a run: outputs; the input's gradient, and the weights' and behind them
 * the biases' as `sums`. */
void cn__convolution_forward_block(const cn__op *op, const cn__pass *pass);
void cn__convolution_backward_block(const cn__op *op, const cn__pass *pass, float *sums);

/* convolution_gemm.c: whether CBLAS should and can do it; one item of a phase. Items are (block) forward and for the
 * input, (group) for the weights. */
bool cn__convolution_wants_gemm(const cn__op *op);
void cn__convolution_gemm_forward(const cn__op *op, size_t block);
void cn__convolution_gemm_input(const cn__op *op, size_t block);
void cn__convolution_gemm_weight(const cn__op *op, const cn__pass *pass, size_t group);

/* convolution_winograd.c: which passes are worth it, by shapes alone; scratch of a thread; items, of a block. */
void cn__convolution_choose_winograd(const cn_layer *layer, cn__shape in, cn__shape out, cn__conv_geometry *geometry);
size_t cn__convolution_winograd_scratch(const cn__conv_geometry *geometry, cn__shape out);
size_t cn__convolution_winograd_forward_items(const cn__op *op, const cn__pass *pass);
size_t cn__convolution_winograd_input_items(const cn__op *op, const cn__pass *pass);
size_t cn__convolution_winograd_weight_items(const cn__op *op, const cn__pass *pass);
void cn__convolution_winograd_forward(const cn__op *op, const cn__pass *pass, size_t block, size_t item);
void cn__convolution_winograd_input(const cn__op *op, const cn__pass *pass, size_t block, size_t item);
void cn__convolution_winograd_weight(const cn__op *op, const cn__pass *pass, size_t block, size_t item, float *sums,
                                     bool accumulate);
/* Whether this pass gathers moments. */
bool cn__convolution_gathers(const cn__op *op, const cn__pass *pass);

#endif
