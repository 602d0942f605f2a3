/* SPDX-License-Identifier: MIT */
/* isa.h: the kernels of this folder under the names of the instruction set being compiled; table.c lists them. What
 * each does is said in kernels.h. */
#ifndef CN_ISA_H
#define CN_ISA_H

#include "kernels/isa/simd.h"

/* direct_conv.c */
void CN__ISA_NAME(conv)(const cn__conv_args *args, const cn__conv_job *job);
/* depthwise_conv.c: conv of one input and one output channel. */
void CN__ISA_NAME(depthwise_conv)(const cn__conv_args *args, const cn__conv_job *job);
/* direct_conv_weight.c */
void CN__ISA_NAME(conv_weight)(const cn__conv_weight_args *args);
/* winograd.c */
void CN__ISA_NAME(winograd_input)(const cn__winograd_tiles *tiles, float *v);
void CN__ISA_NAME(winograd_conv)(const cn__winograd_args *args);
void CN__ISA_NAME(stream_lines)(const float *from, size_t from_run, float *to, size_t to_run, size_t runs,
                                size_t lines);
void CN__ISA_NAME(winograd_filter)(const float *filters, bool rotated180, float *u, size_t point);
void CN__ISA_NAME(channel_winograd_conv)(const cn__winograd_args *args);
/* winograd_weight.c */
void CN__ISA_NAME(winograd_gradient)(const cn__winograd_tiles *tiles, float *d);
void CN__ISA_NAME(winograd_weight)(const cn__winograd_weight_args *args);
void CN__ISA_NAME(winograd_weight_finish)(const float *sums, size_t row_floats, size_t point, int32_t rows,
                                          int32_t columns, float *out, size_t out_column, bool accumulate);
void CN__ISA_NAME(channel_winograd_gradient)(const cn__winograd_tiles *tiles, float *d);
void CN__ISA_NAME(channel_winograd_weight)(const cn__channel_winograd_weight_args *args);
/* moments.c */
float CN__ISA_NAME(plane_sum)(cn__plane x, int32_t height, int32_t width, int32_t lanes);
void CN__ISA_NAME(lane_moments)(cn__plane x, int32_t height, int32_t width, float *mean, float *m2, float *rest);
/* pointwise.c */
void CN__ISA_NAME(pointwise)(const cn__pointwise_args *args);
void CN__ISA_NAME(pointwise_backward)(const cn__pointwise_args *args, cn__plane dy, cn__plane dx, bool accumulate);
void CN__ISA_NAME(norm_reduce)(const cn__pointwise_args *args, cn__plane dy, cn__plane dskip, bool skip_accumulate,
                               float *sum_dz, float *sum_dzx);
void CN__ISA_NAME(norm_backward)(const cn__pointwise_args *args, cn__plane dz, cn__plane dx, const float *b,
                                 const float *c, bool accumulate);
void CN__ISA_NAME(copy)(cn__plane x, cn__plane y, int32_t height, int32_t width, bool accumulate);
/* unary.c */
void CN__ISA_NAME(unary)(cn__unary kind, float a, float b, cn__plane x, cn__plane y, int32_t height, int32_t width);
void CN__ISA_NAME(unary_backward)(cn__unary kind, float a, float b, cn__plane x, cn__plane dy, cn__plane dx,
                                  int32_t height, int32_t width, bool accumulate);
float CN__ISA_NAME(prelu_weight)(cn__plane x, cn__plane dy, int32_t height, int32_t width, int32_t lanes);
/* binary.c */
void CN__ISA_NAME(binary)(bool product, cn__operand a, cn__operand b, cn__plane y, int32_t height, int32_t width);
void CN__ISA_NAME(binary_backward)(cn__plane dy, cn__operand other, cn__target dx, int32_t height, int32_t width,
                                   bool accumulate);
/* resample.c */
void CN__ISA_NAME(resample)(const cn__resample_axis *rows, const cn__resample_axis *columns, cn__plane x, cn__plane y,
                            bool accumulate);
/* pooling.c */
void CN__ISA_NAME(max_pool)(const cn__pool_args *args, cn__plane x, cn__plane y);
void CN__ISA_NAME(max_pool_backward)(const cn__pool_args *args, cn__plane x, cn__plane y, cn__plane dy, cn__plane dx);
void CN__ISA_NAME(max_pool2)(cn__plane x, cn__plane y, int32_t rows, int32_t columns, bool relu, uint8_t *which);
void CN__ISA_NAME(max_pool2_backward)(const uint8_t *which, cn__plane dy, cn__plane dx, int32_t rows, int32_t columns);
void CN__ISA_NAME(avg_pool)(const cn__pool_args *args, cn__plane x, cn__plane y);
void CN__ISA_NAME(avg_pool_backward)(const cn__pool_args *args, cn__plane dy, cn__plane dx);
void CN__ISA_NAME(adaptive_max_pool)(const cn__pool_args *args, cn__plane x, cn__plane y);
void CN__ISA_NAME(adaptive_max_pool_backward)(const cn__pool_args *args, cn__plane x, cn__plane y, cn__plane dy,
                                              cn__plane dx);
void CN__ISA_NAME(adaptive_avg_pool)(const cn__pool_args *args, cn__plane x, cn__plane y);
void CN__ISA_NAME(adaptive_avg_pool_backward)(const cn__pool_args *args, cn__plane dy, cn__plane dx);
/* softmax_kernel.c */
void CN__ISA_NAME(softmax)(bool logarithm, int32_t channels, cn__plane x, size_t x_channel, cn__plane y,
                           size_t y_channel, int32_t height, int32_t width);
void CN__ISA_NAME(softmax_backward)(bool logarithm, int32_t channels, cn__plane y, size_t y_channel, cn__plane dy,
                                    size_t dy_channel, cn__plane dx, size_t dx_channel, int32_t height, int32_t width,
                                    bool accumulate);
/* layer_norm.c */
void CN__ISA_NAME(layer_norm)(const cn__layer_norm_args *args, float *y, float *mean, float *inv);
void CN__ISA_NAME(layer_norm_backward)(const cn__layer_norm_args *args, const float *dy, float *dx, const float *mean,
                                       const float *inv, bool accumulate);
void CN__ISA_NAME(layer_norm_sums)(cn__plane x, cn__plane dy, const float *mean, const float *inv, int32_t height,
                                   int32_t width, float *sum_dy, float *sum_dyx);
/* local_response.c */
void CN__ISA_NAME(local_response)(const cn__local_response_args *args, float *y);
void CN__ISA_NAME(local_response_backward)(const cn__local_response_args *args, const float *dy, float *dx,
                                           bool accumulate);
void CN__ISA_NAME(channel_local_response)(const cn__local_response_args *args, float *y);
void CN__ISA_NAME(channel_local_response_backward)(const cn__local_response_args *args, const float *dy, float *dx,
                                                   bool accumulate);
/* conv_nchw16c.c */
void CN__ISA_NAME(channel_conv)(const cn__channel_conv_args *args);
/* depthwise_nchw16c.c */
void CN__ISA_NAME(channel_depthwise)(const cn__channel_conv_args *args);
/* conv_weight_nchw16c.c */
void CN__ISA_NAME(channel_conv_weight)(const cn__channel_conv_weight_args *args);
void CN__ISA_NAME(channel_depthwise_weight)(const cn__channel_conv_weight_args *args);
/* norm_softmax_nchw16c.c */
void CN__ISA_NAME(channel_prelu)(const float *weight, cn__plane x, cn__plane y, int32_t height, int32_t width);
void CN__ISA_NAME(channel_prelu_backward)(const float *weight, cn__plane x, cn__plane dy, cn__plane dx, int32_t height,
                                          int32_t width, bool accumulate, float *sums);
void CN__ISA_NAME(channel_layer_norm)(const cn__layer_norm_args *args, float *y, float *mean, float *inv);
void CN__ISA_NAME(channel_layer_norm_backward)(const cn__layer_norm_args *args, const float *dy, float *dx,
                                               const float *mean, const float *inv, bool accumulate);
void CN__ISA_NAME(channel_softmax)(bool logarithm, int32_t channels, cn__plane x, size_t x_channel, cn__plane y,
                                   size_t y_channel, int32_t height, int32_t width);
void CN__ISA_NAME(channel_softmax_backward)(bool logarithm, int32_t channels, cn__plane y, size_t y_channel,
                                            cn__plane dy, size_t dy_channel, cn__plane dx, size_t dx_channel,
                                            int32_t height, int32_t width, bool accumulate);
/* update.c */
void CN__ISA_NAME(sgd)(size_t n, float *parameter, const float *gradient, float *momentum_buffer, float rate,
                       float momentum, float dampening, bool nesterov, bool first, float weight_decay, float l1);
void CN__ISA_NAME(adam)(size_t n, float *parameter, const float *gradient, float *m, float *v, float rate, float beta1,
                        float beta2, float eps, float correction1, float correction2_sqrt, float weight_decay,
                        bool decoupled, float l1);
void CN__ISA_NAME(average)(size_t n, float *average, const float *value, float decay);
/* gemm.c */
void CN__ISA_NAME(gemm)(const cn__gemm_args *args);
void CN__ISA_NAME(gemm_pack)(const cn__gemm_operand *a, int32_t rows, int32_t terms, float *to, size_t panel);
void CN__ISA_NAME(gemm_transpose)(const float *lines, size_t line, int32_t count, float *to);
/* orthogonalize.c */
void CN__ISA_NAME(orthogonalize)(size_t rows, size_t columns, float *x, float *work);

#endif
