/* table.c: the kernels of one instruction set. */
#include "kernels/isa/isa.h"

extern const cn__kernels CN__K(kernels);

const cn__kernels CN__K(kernels) = {
    .isa = (cn_isa)CN__ISA,
    .conv = CN__K(conv),
    .conv_weight = CN__K(conv_weight),
    .plane_sum = CN__K(plane_sum),
    .lane_moments = CN__K(lane_moments),
    .pointwise = CN__K(pointwise),
    .norm_reduce = CN__K(norm_reduce),
    .norm_backward = CN__K(norm_backward),
    .pointwise_backward = CN__K(pointwise_backward),
    .copy = CN__K(copy),
    .unary = CN__K(unary),
    .unary_backward = CN__K(unary_backward),
    .max_pool = CN__K(max_pool),
    .max_pool_backward = CN__K(max_pool_backward),
    .avg_pool = CN__K(avg_pool),
    .avg_pool_backward = CN__K(avg_pool_backward),
    .adaptive_avg_pool = CN__K(adaptive_avg_pool),
    .adaptive_avg_pool_backward = CN__K(adaptive_avg_pool_backward),
    .softmax = CN__K(softmax),
    .softmax_backward = CN__K(softmax_backward),
    .channel_conv = CN__K(channel_conv),
    .channel_norm = CN__K(channel_norm),
    .channel_softmax = CN__K(channel_softmax),
    .sgd = CN__K(sgd),
    .adam = CN__K(adam),
    .average = CN__K(average),
    .orthogonalize = CN__K(orthogonalize),
};
