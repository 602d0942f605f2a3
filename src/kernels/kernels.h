/* SPDX-License-Identifier: MIT */
/* kernels.h: arithmetic on arrays of 16-image lines. Pure functions: no handles, no allocation, no status.
 *
 * Layout: a *plane* is one channel of one block: rows of pixels, each pixel a line of CN__LANES floats (one image a
 * lane), 64-byte aligned. `row` strides are in floats and cover the border that a plane may carry around its interior;
 * pointers point at the interior's first pixel. Every kernel exists once per instruction set, from the same source
 * (see simd.h), and every sum has one order, so those with fused multiply-add agree to the bit.
 */
#ifndef CN_KERNELS_H
#define CN_KERNELS_H

#include "kernels/convolutions.h"

/* ---- products of matrices ----
 *
 * C (+)= A · B, where columns of B and C lie in lines: 16 images, or 16 channels. A is read as its strides say, and
 * packed: [panel of CN__GEMM_ROWS rows][term][row]. */

#define CN__GEMM_ROWS 12
#define CN__GEMM_WORK (8 * CN__GEMM_ROWS * 256) /* floats that rows are packed into as they are needed */

/* Element (r, t) lies at data[r · row + t / 16 · line + t % 16 · term]. */
typedef struct cn__gemm_operand {
    const float *data;
    size_t row, term, line;
} cn__gemm_operand;

typedef struct cn__gemm_args {
    int32_t rows, columns, terms;
    const float *packed; /* A as gemm_pack leaves it; NULL: `a` is packed bit by bit */
    size_t panel;        /* floats from a packed panel to the next */
    cn__gemm_operand a;
    float *work;    /* for `a`: CN__GEMM_WORK floats */
    const float *b; /* aligned; the last line must be there whole */
    size_t b_term, b_line;
    float *c; /* at any address */
    size_t c_row, c_line;
    bool accumulate; /* add to what C holds */
} cn__gemm_args;

/* ---- the table ---- */

typedef struct cn__pointwise_args {
    int32_t height, width;
    cn__plane x, y;
    cn__plane skip; /* added before the ReLU; data NULL: none */
    /* Normalisation, (x - center) · inv · weight + bias; center and inv are CN__LANES values. inv NULL: none. */
    const float *center, *inv;
    float weight, bias;
    const float *weights, *biases; /* channels in the lanes: lines of them instead; else NULL */
    bool relu;
    bool
        masks_again; /* on the way back of a norm with nothing behind it but a ReLU: y comes from x once more, so that it
                         need not be read, and dy stays as it is until the last pass */
    float most;      /* the ReLU's upper bound; 0: none */
    /* Dropout, if threshold > 0: an element whose 16 random bits are below `threshold` becomes zero, others are times
     * `keep`. Pixel p (row-major) in lane l reads half-word p % 8 (low half of word 0 first) of
     * philox({p / 8, counter1, image[l], counter3}, key), with channels in the lanes of
     * philox({p / 8, counter1 + l, image[0], counter3}, key). */
    uint32_t threshold;
    float keep;
    uint32_t counter1;     /* layer and channel */
    uint32_t counter3;     /* epoch or step */
    const uint32_t *image; /* which image each lane holds, or all do */
    bool channels;         /* in the lanes */
    uint64_t key;
} cn__pointwise_args;

typedef struct cn__pool_args {
    int32_t in_height, in_width, out_height, out_width;
    int32_t kernel[2], stride[2], padding[2], dilation[2];
    bool count_include_pad;
    int32_t divisor; /* 0: by the window's size */
    bool overwrite;  /* max_pool_backward: windows share no pixel, and what they see is written, not added to */
} cn__pool_args;

/* One of two planes that are added or multiplied. A step is 0 where one row or column counts for all. */
typedef struct cn__operand {
    const float *data;
    size_t row, column; /* floats to the next row and pixel */
    bool one_lane;      /* the first lane counts for all */
} cn__operand;

/* The gradient of one, stepped through the same way. */
typedef struct cn__target {
    float *data;
    size_t row, column;
    int32_t lanes; /* 0: each lane has its own; else the first gets the sum of so many */
} cn__target;

/* A row of pixels, each of which is normalised over its channels. */
typedef struct cn__layer_norm_args {
    int32_t channels, width;
    const float *x; /* channel 0 */
    size_t x_channel, y_channel, x_gradient_channel;
    const float *weight, *bias; /* of each channel; NULL: 1 and 0 */
    float eps;
} cn__layer_norm_args;

/* A row of pixels, in each of which a channel is divided by what it and its neighbours hold. */
typedef struct cn__local_response_args {
    int32_t channels, width, before, after; /* neighbours on both sides, at most `channels` */
    float scale, beta, k;                   /* (k + scale · Σ x²)^beta */
    const float *x;                         /* channel 0 */
    size_t x_channel, y_channel, x_gradient_channel;
    float *scratch; /* CN__LOCAL_RESPONSE_SCRATCH floats, from a line on; forward with channels in the lanes only */
} cn__local_response_args;
/* Slopes and gradients of a vector's channels; or the channels of a pixel, twice with as many zeros before and behind as
 * windows reach, and once more. */
#define CN__LOCAL_RESPONSE_SCRATCH(channels) (2 * CN__LANES * cn__whole_lines((size_t)(channels)))

/* How the rows or columns of a plane come out of another's: each is a weighted sum of some. */
typedef struct cn__resample_axis {
    int32_t size;         /* of the result */
    const int32_t *first; /* [size + 1]: the terms of i are first[i] … first[i + 1] - 1 */
    const int32_t *from;  /* of each term, the row or column */
    const float *weight;  /* and what it counts */
} cn__resample_axis;

typedef enum cn__unary {
#define FUNCTION(KIND, name) CN__##KIND,
#include "kernels/activations.def"
} cn__unary;

typedef struct cn__kernels {
    int isa; /* a cn_isa */

    /* out (+)= Σ over input channels, then taps, of weight · in, for each pixel of `job` and each output channel. One accumulator per output, starting from bias, what is there (accumulate) or zero. */
    void (*conv)(const cn__conv_args *args, const cn__conv_job *job);

    /* Weight gradient of one block: for rows r < rows and columns q < columns
     * out[r · out_row + q] (+)= Σ_lanes Σ_pixels dy[…] · x[column[q] + …], pixels row-major, lanes last (l + 8, then l
     * + 4, l + 2, l + 1). */
    void (*conv_weight)(const cn__conv_weight_args *args);

    /* Bᵀ d B of each tile's patch. */
    void (*winograd_input)(const cn__winograd_tiles *tiles, float *v);
    /* Outputs of one block of output channels: products summed over input channels, then Aᵀ m A and what follows. */
    void (*winograd_conv)(const cn__winograd_args *args);
    /* u (36 lines `point` floats apart) = G g Gᵀ of CN__LANES filters, each a line of 9 taps, rotated by 180° or not.
     */
    void (*winograd_filter)(const float *filters, bool rotated180, float *u, size_t point);
    /* Lines side by side, `runs` times, past the caches. */
    void (*stream_lines)(const float *from, size_t from_run, float *to, size_t to_run, size_t runs, size_t lines);
    /* G g Gᵀ of each tile's output gradients, but for G's factors, as columns. */
    void (*winograd_gradient)(const cn__winograd_tiles *tiles, float *d);
    /* sums (+)= Σ_tiles Σ_lanes v · d. */
    void (*winograd_weight)(const cn__winograd_weight_args *args);
    /* out[column · out_column + row · 9 + tap] (+)= Aᵀ sums A, of sums whose points and rows lie so far apart. */
    void (*winograd_weight_finish)(const float *sums, size_t row_floats, size_t point, int32_t rows, int32_t columns,
                                   float *out, size_t out_column, bool accumulate);

    /* Σ over pixels and the first `lanes` lanes of a plane, lanes last as above. */
    float (*plane_sum)(cn__plane x, int32_t height, int32_t width, int32_t lanes);

    /* Per lane: mean[16], m2[16] = Σ (x - mean)² and what rounding took from the mean, rest[16]; two passes. */
    void (*lane_moments)(cn__plane x, int32_t height, int32_t width, float *mean, float *m2, float *rest);

    /* y = dropout(relu(norm(x) + skip)). */
    void (*pointwise)(const cn__pointwise_args *args);

    /* Backward of pointwise up to the normalisation: dz = dy · [y > 0] · keep (if relu; with dropout and no relu the
     * mask is drawn again), and per lane sum_dz[16] = Σ dz, sum_dzx[16] = Σ dz · (x - center) · inv. dz is left in
     * dskip if its data is not NULL and it is not to be added to (skip_accumulate), else in dy, in place. */
    void (*norm_reduce)(const cn__pointwise_args *args, cn__plane dy, cn__plane dskip, bool skip_accumulate,
                        float *sum_dz, float *sum_dzx);

    /* dx (+)= inv · (weight · dz + b · (x - center) + c), all but weight per lane; dz and dx may be the same. */
    void (*norm_backward)(const cn__pointwise_args *args, cn__plane dz, cn__plane dx, const float *b, const float *c,
                          bool accumulate);

    /* Backward of pointwise without a normalisation (relu, dropout or both, inv NULL): dx (+)= dz, from y. */
    void (*pointwise_backward)(const cn__pointwise_args *args, cn__plane dy, cn__plane dx, bool accumulate);

    /* y (+)= x. */
    void (*copy)(cn__plane x, cn__plane y, int32_t height, int32_t width, bool accumulate);

    /* Activation functions; a and b are the parameters of those that have some. */
    void (*unary)(cn__unary kind, float a, float b, cn__plane x, cn__plane y, int32_t height, int32_t width);
    /* dx (+)= dy · f'(x). */
    void (*unary_backward)(cn__unary kind, float a, float b, cn__plane x, cn__plane dy, cn__plane dx, int32_t height,
                           int32_t width, bool accumulate);

    /* Σ dy · min(x, 0) over pixels and the first `lanes` lanes, lanes last as above: what PReLU's weight gets of a
     * plane. */
    float (*prelu_weight)(cn__plane x, cn__plane dy, int32_t height, int32_t width, int32_t lanes);

    /* y = a · b or a + b. */
    void (*binary)(bool product, cn__operand a, cn__operand b, cn__plane y, int32_t height, int32_t width);
    /* dx (+)= dy · other (other.data NULL: dy), summed where dx has one row, column or lane for all. */
    void (*binary_backward)(cn__plane dy, cn__operand other, cn__target dx, int32_t height, int32_t width,
                            bool accumulate);

    /* y (+)= Σ over the terms of its row, then of its column, of weight · x. */
    void (*resample)(const cn__resample_axis *rows, const cn__resample_axis *columns, cn__plane x, cn__plane y,
                     bool accumulate);

    void (*max_pool)(const cn__pool_args *args, cn__plane x, cn__plane y);
    /* dx must hold zeros or earlier gradients, which windows add to, but for `overwrite`. */
    void (*max_pool_backward)(const cn__pool_args *args, cn__plane x, cn__plane y, cn__plane dy, cn__plane dx);
    /* The same for windows of 2×2 pixels that tile a plane of 2 rows × 2 columns, keeping which of the four was the
     * largest, 0 to 3, a byte a lane. With `relu`, y = max(largest, 0), and where that is 0 no pixel counts: 4.
     * Backward: all of dx is written. */
    void (*max_pool2)(cn__plane x, cn__plane y, int32_t rows, int32_t columns, bool relu, uint8_t *which);
    void (*max_pool2_backward)(const uint8_t *which, cn__plane dy, cn__plane dx, int32_t rows, int32_t columns);
    void (*avg_pool)(const cn__pool_args *args, cn__plane x, cn__plane y);
    void (*avg_pool_backward)(const cn__pool_args *args, cn__plane dy, cn__plane dx); /* adds to dx too */
    /* torch's windows: floor(i·in/out) … ceil((i+1)·in/out); args gives the sizes, dilation 1 and `overwrite` only. */
    void (*adaptive_max_pool)(const cn__pool_args *args, cn__plane x, cn__plane y);
    void (*adaptive_max_pool_backward)(const cn__pool_args *args, cn__plane x, cn__plane y, cn__plane dy, cn__plane dx);
    void (*adaptive_avg_pool)(const cn__pool_args *args, cn__plane x, cn__plane y);
    void (*adaptive_avg_pool_backward)(const cn__pool_args *args, cn__plane dy, cn__plane dx);

    /* Over `channels` planes, x_channel floats apart, per pixel and lane. */
    void (*softmax)(bool logarithm, int32_t channels, cn__plane x, size_t x_channel, cn__plane y, size_t y_channel,
                    int32_t height, int32_t width);
    void (*softmax_backward)(bool logarithm, int32_t channels, cn__plane y, size_t y_channel, cn__plane dy,
                             size_t dy_channel, cn__plane dx, size_t dx_channel, int32_t height, int32_t width,
                             bool accumulate);

    /* y = (x - mean) · inv · weight + bias; mean and inv, a line a pixel, are kept where they are not NULL. */
    void (*layer_norm)(const cn__layer_norm_args *args, float *y, float *mean, float *inv);
    void (*layer_norm_backward)(const cn__layer_norm_args *args, const float *dy, float *dx, const float *mean,
                                const float *inv, bool accumulate);
    /* Per lane of one channel: Σ dy and Σ dy · (x - mean) · inv. */
    void (*layer_norm_sums)(cn__plane x, cn__plane dy, const float *mean, const float *inv, int32_t height,
                            int32_t width, float *sum_dy, float *sum_dyx);

    void (*local_response)(const cn__local_response_args *args, float *y);
    void (*local_response_backward)(const cn__local_response_args *args, const float *dy, float *dx, bool accumulate);

    /* One accumulator per output, from its bias on, over planes of inputs, then taps, then the plane's channels. Lanes
     * beyond the channels become zero if their weights and biases are. */
    void (*channel_conv)(const cn__channel_conv_args *args);
    /* The same of each channel of one image by itself: weights are [plane][filter tap][CN__LANES], and `images` and
     * `in_channels` do not count. */
    void (*channel_depthwise)(const cn__channel_conv_args *args);
    /* sums += Σ over pixels, in their order, of x · dy for each term and output channel; bias_sums += Σ dy. */
    void (*channel_conv_weight)(const cn__channel_conv_weight_args *args);
    /* The same of the 16 channels of one plane, each by itself: a term's input lies in the channel's lane. */
    void (*channel_depthwise_weight)(const cn__channel_conv_weight_args *args);
    /* The same as winograd_conv, of planes of outputs. */
    void (*channel_winograd_conv)(const cn__winograd_args *args);
    /* G g Gᵀ of each tile's output gradients, but for G's factors, as in scratch. */
    void (*channel_winograd_gradient)(const cn__winograd_tiles *tiles, float *d);
    /* sums += Σ_tiles v · d, one accumulator each. */
    void (*channel_winograd_weight)(const cn__channel_winograd_weight_args *args);
    /* y = x, below 0 weight · x, with a weight for each lane. */
    void (*channel_prelu)(const float *weight, cn__plane x, cn__plane y, int32_t height, int32_t width);
    /* dx (+)= dy, below 0 weight · dy (dx.data NULL: not wanted), and of each lane sums[16] = Σ dy · min(x, 0). */
    void (*channel_prelu_backward)(const float *weight, cn__plane x, cn__plane dy, cn__plane dx, int32_t height,
                                   int32_t width, bool accumulate, float *sums);
    /* The same as without `channel_`, over `channels` channels in the lanes of one plane after the other: x_channel and
     * the like lead from plane to plane. What lanes without a channel hold does not count; softmax makes them zero.
     * Weights and biases are whole lines, and mean and inv fill theirs. */
    void (*channel_layer_norm)(const cn__layer_norm_args *args, float *y, float *mean, float *inv);
    void (*channel_layer_norm_backward)(const cn__layer_norm_args *args, const float *dy, float *dx, const float *mean,
                                        const float *inv, bool accumulate);
    void (*channel_local_response)(const cn__local_response_args *args, float *y);
    void (*channel_local_response_backward)(const cn__local_response_args *args, const float *dy, float *dx,
                                            bool accumulate);
    void (*channel_softmax)(bool logarithm, int32_t channels, cn__plane x, size_t x_channel, cn__plane y,
                            size_t y_channel, int32_t height, int32_t width);
    void (*channel_softmax_backward)(bool logarithm, int32_t channels, cn__plane y, size_t y_channel, cn__plane dy,
                                     size_t dy_channel, cn__plane dx, size_t dx_channel, int32_t height, int32_t width,
                                     bool accumulate);

    /* One chain of fused multiply-adds for each element of C, over the terms in their order. */
    void (*gemm)(const cn__gemm_args *args);
    /* `rows` rows of A, panels `panel` floats apart; rows that the last one lacks are zero. */
    void (*gemm_pack)(const cn__gemm_operand *a, int32_t rows, int32_t terms, float *to, size_t panel);
    /* Lane i of line j of `count` (at most 16) lines, `line` floats apart, becomes lane j of line i of `to`, whose
     * other lanes become zero. */
    void (*gemm_transpose)(const float *lines, size_t line, int32_t count, float *to);

    /* Optimizers, over flat arrays of n floats (n a multiple of 16, arrays 64-byte aligned). */
    void (*sgd)(size_t n, float *parameter, const float *gradient, float *momentum_buffer, float rate, float momentum,
                float dampening, bool nesterov, bool first, float weight_decay, float l1);
    void (*adam)(size_t n, float *parameter, const float *gradient, float *m, float *v, float rate, float beta1,
                 float beta2, float eps, float correction1, float correction2_sqrt, float weight_decay, bool decoupled,
                 float l1);
    /* average = decay · average + (1 - decay) · value */
    void (*average)(size_t n, float *average, const float *value, float decay);
    /* x, [rows][columns], rows a multiple of 4 and at most columns, columns a multiple of 16, both filled up with
     * zeros: makes all singular values that are not 0 about 1 (Muon). `work`: cn__orthogonalize_work floats. */
    void (*orthogonalize)(size_t rows, size_t columns, float *x, float *work);
} cn__kernels;

/* Floats from one row of a square matrix to the next, and in all. */
static inline size_t cn__orthogonalize_side(size_t rows) {
    return cn__whole_lines(rows);
}
static inline size_t cn__orthogonalize_work(size_t rows, size_t columns) {
    return rows * columns + 2 * rows * cn__orthogonalize_side(rows);
}

/* The table for a cn_isa, or NULL if this build has none (dispatch.c). */
const cn__kernels *cn__kernels_for(int isa);

#endif
