/* SPDX-License-Identifier: MIT */
/* test_interface.c: NULLs and values outside their range: each is a status with a message that names what and which
 * value, and nothing is handed out. */
#include "activations.h"
#include "pieces.h"
#include <limits.h>
#include <math.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

static cn_layer *made; /* what a constructor that fails hands out: NULL */

/* Calls a constructor of a layer with a wrong value. */
#define bad_layer(call, status, part)                                                                                  \
    do {                                                                                                               \
        made = (cn_layer *)&ctx;                                                                                       \
        ck_fails(call, status, part);                                                                                  \
        ck_assert_ptr_null(made);                                                                                      \
    } while (0)

/* ---- NULL ---- */

START_TEST(layers_want_a_context_and_a_place) {
    bad_layer(cn_conv2d_new(NULL, 1, 1, 1, 1, NULL, &made), CN_ERR_ARGUMENT, "cn_conv2d_new: context is NULL");
    bad_layer(cn_linear_new(NULL, 1, 1, 1, &made), CN_ERR_ARGUMENT, "cn_linear_new: context is NULL");
    bad_layer(cn_norm_new(NULL, CN_NORM_BATCH, 1, NULL, &made), CN_ERR_ARGUMENT, "cn_norm_new: context is NULL");
    bad_layer(cn_dropout_new(NULL, 0.1f, &made), CN_ERR_ARGUMENT, "context is NULL");
    bad_layer(cn_max_pool2d_new(NULL, 2, 2, NULL, &made), CN_ERR_ARGUMENT, "context is NULL");
    bad_layer(cn_avg_pool2d_new(NULL, 2, 2, NULL, &made), CN_ERR_ARGUMENT, "context is NULL");
    bad_layer(cn_adaptive_avg_pool2d_new(NULL, 1, 1, &made), CN_ERR_ARGUMENT, "context is NULL");
    bad_layer(cn_adaptive_max_pool2d_new(NULL, 1, 1, &made), CN_ERR_ARGUMENT, "context is NULL");
    bad_layer(cn_layer_norm2d_new(NULL, 1, NULL, &made), CN_ERR_ARGUMENT, "context is NULL");
    bad_layer(cn_conv_transpose2d_new(NULL, 1, 1, 1, 1, NULL, &made), CN_ERR_ARGUMENT, "context is NULL");
    bad_layer(cn_upsample_new(NULL, NULL, &made), CN_ERR_ARGUMENT, "context is NULL");
    ck_fails(cn_conv2d_new(ctx, 1, 1, 1, 1, NULL, NULL), CN_ERR_ARGUMENT, "cn_conv2d_new: layer is NULL");
    ck_fails(cn_linear_new(ctx, 1, 1, 1, NULL), CN_ERR_ARGUMENT, "cn_linear_new: layer is NULL");
    ck_fails(cn_norm_new(ctx, CN_NORM_BATCH, 1, NULL, NULL), CN_ERR_ARGUMENT, "cn_norm_new: layer is NULL");
    ck_fails(cn_dropout_new(ctx, 0.1f, NULL), CN_ERR_ARGUMENT, "layer is NULL");
    ck_fails(cn_max_pool2d_new(ctx, 2, 2, NULL, NULL), CN_ERR_ARGUMENT, "layer is NULL");
    ck_fails(cn_avg_pool2d_new(ctx, 2, 2, NULL, NULL), CN_ERR_ARGUMENT, "layer is NULL");
    ck_fails(cn_adaptive_avg_pool2d_new(ctx, 1, 1, NULL), CN_ERR_ARGUMENT, "layer is NULL");
    cn_layer_free(NULL);
}
END_TEST

START_TEST(activations_want_a_context_and_a_place) {
    for (int i = 0; i < activation_count; i++) {
        const activation *a = &activations[i];
        bad_layer(a->make(NULL, a->example[0], a->example[1], &made), CN_ERR_ARGUMENT, "context is NULL");
        ck_fails(a->make(ctx, a->example[0], a->example[1], NULL), CN_ERR_ARGUMENT, "layer is NULL");
        ck_ok(a->make(ctx, a->example[0], a->example[1], &made));
        cn_layer_free(made);
    }
}
END_TEST

/* Those without options. */
START_TEST(plain_layers_want_a_context_and_a_place) {
    static cn_status (*const constructors[])(cn_context *, cn_layer **) = {
        cn_flatten_new, cn_add_new, cn_mul_new, cn_softmax_new, cn_log_softmax_new, cn_concat_new, cn_identity_new};
    for (size_t i = 0; i < COUNT(constructors); i++) {
        bad_layer(constructors[i](NULL, &made), CN_ERR_ARGUMENT, "context is NULL");
        ck_fails(constructors[i](ctx, NULL), CN_ERR_ARGUMENT, "layer is NULL");
        ck_ok(constructors[i](ctx, &made));
        cn_layer_free(made);
    }
}
END_TEST

START_TEST(models_want_all_their_arguments) {
    cn_model *model = small_model(), *none;
    cn_tensor *tensor, *in = images(2, 3, 4, 5), *out = images(2, 2, 2, 3);
    cn_layer_info info = CN_LAYER_INFO_INIT;
    char *text;
    ck_fails(cn_model_new(NULL, 1, 1, 1, &none), CN_ERR_ARGUMENT, "context is NULL");
    ck_assert_ptr_null(none);
    ck_fails(cn_model_new(ctx, 1, 1, 1, NULL), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_init(NULL, 0), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_tensor(NULL, "x", &tensor), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_tensor(model, NULL, &tensor), CN_ERR_ARGUMENT, "name is NULL");
    ck_fails(cn_model_tensor(model, "conv.weight", NULL), CN_ERR_ARGUMENT, "tensor is NULL");
    ck_fails(cn_model_gradient(NULL, "x", &tensor), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_gradient(model, NULL, &tensor), CN_ERR_ARGUMENT, "name is NULL");
    ck_fails(cn_model_gradient(model, "conv.weight", NULL), CN_ERR_ARGUMENT, "gradient is NULL");
    ck_fails(cn_model_forward(NULL, 0, in, out), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_forward(model, 0, NULL, out), CN_ERR_ARGUMENT, "input is NULL");
    ck_fails(cn_model_forward(model, 0, in, NULL), CN_ERR_ARGUMENT, "output is NULL");
    ck_fails(cn_model_backward(NULL, out, NULL), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_backward(model, NULL, NULL), CN_ERR_ARGUMENT, "grad_output is NULL");
    ck_fails(cn_model_layer_info(NULL, 0, &info), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_layer_info(model, 0, NULL), CN_ERR_ARGUMENT, "info is NULL");
    ck_fails(cn_model_summary(NULL, &text), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_summary(model, NULL), CN_ERR_ARGUMENT, "text is NULL");
    ck_fails(cn_model_receptive_field(NULL, &text), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_receptive_field(model, NULL), CN_ERR_ARGUMENT, "text is NULL");
    cn_tensor_free(in);
    cn_tensor_free(out);
    cn_model_free(model);
    cn_model_free(NULL);
}
END_TEST

/* A model takes a layer over even when it refuses it: the sanitizers would see a leak or a double free. */
START_TEST(building_wants_model_name_and_layer) {
    cn_model *model = model_for(3, 4, 5);
    static const char *const inputs[] = {"input", NULL, "nowhere"};
    ck_fails(cn_model_append(NULL, "a", relu()), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_append(model, NULL, relu()), CN_ERR_ARGUMENT, "name is NULL");
    ck_fails(cn_model_append(model, "a", NULL), CN_ERR_ARGUMENT, "layer is NULL");
    ck_fails(cn_model_add(NULL, "a", relu(), 1, inputs), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_add(model, NULL, relu(), 1, inputs), CN_ERR_ARGUMENT, "name is NULL");
    ck_fails(cn_model_add(model, "a", NULL, 1, inputs), CN_ERR_ARGUMENT, "layer is NULL");
    ck_fails(cn_model_add(model, "a", relu(), 1, NULL), CN_ERR_ARGUMENT, "inputs is NULL");
    ck_fails(cn_model_add(model, "a", relu(), 0, inputs), CN_ERR_ARGUMENT, "'a' has 0 inputs");
    ck_fails(cn_model_add(model, "a", relu(), -3, inputs), CN_ERR_ARGUMENT, "-3");
    ck_fails(cn_model_add(model, "a", relu(), 1, inputs + 1), CN_ERR_NOT_FOUND, "'a' reads '(NULL)'");
    ck_fails(cn_model_add(model, "a", relu(), 1, inputs + 2), CN_ERR_NOT_FOUND, "'a' reads 'nowhere'");
    ck_assert_int_eq(cn_model_layer_count(model), 0);
    ck_ok(cn_model_append(model, "a", relu()));
    ck_ok(cn_model_init(model, 0));
    cn_model_free(model);
}
END_TEST

/* ---- values outside their range ---- */

START_TEST(models_have_sizes) {
    cn_model *model = (cn_model *)&ctx;
    ck_fails(cn_model_new(ctx, 0, 4, 4, &model), CN_ERR_ARGUMENT, "channels is 0");
    ck_assert_ptr_null(model);
    ck_fails(cn_model_new(ctx, 3, -4, 4, &model), CN_ERR_ARGUMENT, "height is -4");
    ck_fails(cn_model_new(ctx, 3, 4, INT_MAX, &model), CN_ERR_ARGUMENT, "width is 2147483647");
    ck_fails(cn_model_new(ctx, 1 << 24, 1 << 24, 1 << 24, &model), CN_ERR_SHAPE, "16777216×16777216×16777216");
    ck_assert_ptr_null(model);
}
END_TEST

#define bad_conv(in, out, height, width, part)                                                                         \
    bad_layer(cn_conv2d_new(ctx, in, out, height, width, NULL, &made), CN_ERR_ARGUMENT, part)

START_TEST(convolutions_have_sizes) {
    bad_conv(0, 1, 1, 1, "in_channels is 0");
    bad_conv(-1, 1, 1, 1, "in_channels is -1");
    bad_conv(1, 0, 1, 1, "out_channels is 0");
    bad_conv(1, INT_MIN, 1, 1, "out_channels is -2147483648");
    bad_conv(1, 1, 0, 1, "kernel");
    bad_conv(1, 1, 1, -7, "-7");
    bad_conv(INT_MAX, 1, 1, 1, "in_channels is 2147483647");
    bad_conv(1, INT_MAX, 1, 1, "out_channels is 2147483647");
    bad_conv(1, 1, INT_MAX, 1, "2147483647");
}
END_TEST

#define bad_option(type, init, member, value, call, part)                                                              \
    do {                                                                                                               \
        type o = init;                                                                                                 \
        o.member = value;                                                                                              \
        bad_layer(call, CN_ERR_ARGUMENT, part);                                                                        \
    } while (0)
#define bad_conv_option(member, value, part)                                                                           \
    bad_option(cn_conv2d_options, CN_CONV2D_OPTIONS_INIT, member, value, cn_conv2d_new(ctx, 6, 8, 3, 3, &o, &made),    \
               part)

START_TEST(convolutions_check_their_options) {
    bad_conv_option(stride[0], -1, "stride");
    bad_conv_option(stride[1], INT_MAX, "2147483647");
    bad_conv_option(padding[0], -1, "padding");
    bad_conv_option(padding[1], INT_MAX, "2147483647");
    bad_conv_option(dilation[0], -2, "-2");
    bad_conv_option(dilation[1], INT_MAX, "dilation");
    bad_conv_option(groups, -1, "groups");
    bad_conv_option(groups, 3, "3 groups do not divide"); /* the outputs */
    bad_conv_option(groups, 4, "4 groups do not divide"); /* the inputs */
    bad_conv_option(padding_mode, (cn_padding_mode)4, "padding_mode");
    bad_conv_option(padding_mode, (cn_padding_mode)-1, "-1");
    bad_conv_option(stride[0], 0, "stride height is 0");
    bad_conv_option(dilation[1], 0, "dilation width is 0");
    bad_conv_option(groups, 0, "groups is 0");
    bad_conv_option(bias, 2, "bias is 2");
}
END_TEST

START_TEST(linear_layers_have_sizes) {
    bad_layer(cn_linear_new(ctx, 0, 1, 1, &made), CN_ERR_ARGUMENT, "in_features is 0");
    bad_layer(cn_linear_new(ctx, 1, -5, 1, &made), CN_ERR_ARGUMENT, "out_features is -5");
    bad_layer(cn_linear_new(ctx, 1, INT_MAX, 1, &made), CN_ERR_ARGUMENT, "2147483647");
}
END_TEST

#define bad_norm(kind, channels, member, value, part)                                                                  \
    bad_option(cn_norm_options, CN_NORM_OPTIONS_INIT, member, value, cn_norm_new(ctx, kind, channels, &o, &made), part)

START_TEST(norms_check_their_options) {
    bad_norm(CN_NORM_NONE, 4, groups, 4, "norm is 0");
    bad_norm((cn_norm_kind)5, 4, groups, 4, "5");
    bad_norm((cn_norm_kind)-1, 4, groups, 4, "-1");
    bad_norm(CN_NORM_BATCH, 0, groups, 4, "0");
    bad_norm(CN_NORM_INSTANCE, -3, groups, 4, "-3");
    bad_norm(CN_NORM_LAYER, INT_MAX, groups, 4, "2147483647");
    bad_norm(CN_NORM_GROUP, 6, groups, 4, "4 groups");
    bad_norm(CN_NORM_GROUP, 6, groups, -2, "-2");
    bad_norm(CN_NORM_GROUP, 6, groups, 7, "7");
    bad_norm(CN_NORM_BATCH, 6, eps, -1e-3f, "eps");
    bad_norm(CN_NORM_BATCH, 6, eps, NAN, "eps");
    bad_norm(CN_NORM_GROUP, 8, eps, INFINITY, "eps");
    bad_norm(CN_NORM_BATCH, 6, momentum, -0.5f, "momentum");
    bad_norm(CN_NORM_BATCH, 6, momentum, 1.5f, "momentum");
    bad_norm(CN_NORM_BATCH, 6, momentum, NAN, "momentum");
    bad_norm(CN_NORM_GROUP, 8, groups, 0, "groups is 0");   /* a zero is a zero */
    ck_ok(cn_norm_new(ctx, CN_NORM_BATCH, 6, NULL, &made)); /* groups play no part */
    cn_layer_free(made);
}
END_TEST

START_TEST(activations_check_their_numbers) {
    bad_layer(cn_leaky_relu_new(ctx, NAN, &made), CN_ERR_ARGUMENT, "slope");
    bad_layer(cn_leaky_relu_new(ctx, INFINITY, &made), CN_ERR_ARGUMENT, "slope");
    bad_layer(cn_hardtanh_new(ctx, 1.0f, 1.0f, &made), CN_ERR_ARGUMENT,
              "Hardtanh: min_val is 1 and max_val 1, wanted min_val below max_val");
    bad_layer(cn_hardtanh_new(ctx, -1.0f, INFINITY, &made), CN_ERR_ARGUMENT, "max_val is inf, wanted a finite number");
    bad_layer(cn_softplus_new(ctx, 0.0f, 20.0f, &made), CN_ERR_ARGUMENT, "Softplus: beta is 0");
    bad_layer(cn_softplus_new(ctx, NAN, 20.0f, &made), CN_ERR_ARGUMENT, "beta is nan");
    bad_layer(cn_affine_new(ctx, INFINITY, 0.0f, &made), CN_ERR_ARGUMENT, "Affine: scale is inf");
    bad_layer(cn_affine_new(ctx, 1.0f, NAN, &made), CN_ERR_ARGUMENT, "Affine: shift is nan");
    bad_layer(cn_gelu_new(ctx, (cn_gelu_kind)2, &made), CN_ERR_ARGUMENT, "2");
    bad_layer(cn_dropout_new(ctx, -0.1f, &made), CN_ERR_ARGUMENT, "-0.1");
    bad_layer(cn_dropout_new(ctx, 1.0f, &made), CN_ERR_ARGUMENT, "1");
    bad_layer(cn_dropout_new(ctx, NAN, &made), CN_ERR_ARGUMENT, "nan");
}
END_TEST

#define bad_pool(constructor, member, value, part)                                                                     \
    bad_option(cn_pool2d_options, CN_POOL2D_OPTIONS_INIT, member, value, constructor(ctx, 3, 3, &o, &made), part)

START_TEST(pools_check_their_options) {
    bad_layer(cn_max_pool2d_new(ctx, 0, 1, NULL, &made), CN_ERR_ARGUMENT, "0");
    bad_layer(cn_avg_pool2d_new(ctx, 1, -1, NULL, &made), CN_ERR_ARGUMENT, "-1");
    bad_layer(cn_max_pool2d_new(ctx, INT_MAX, 1, NULL, &made), CN_ERR_ARGUMENT, "2147483647");
    bad_pool(cn_max_pool2d_new, stride[0], -2, "stride");
    bad_pool(cn_avg_pool2d_new, stride[1], INT_MAX, "2147483647");
    bad_pool(cn_max_pool2d_new, padding[0], -1, "padding");
    bad_pool(cn_max_pool2d_new, padding[1], 2, "padding"); /* more than half the kernel */
    bad_pool(cn_avg_pool2d_new, padding[0], 2, "2");
    bad_pool(cn_max_pool2d_new, dilation[0], -1, "dilation");
    bad_pool(cn_max_pool2d_new, dilation[1], INT_MAX, "2147483647");
    bad_pool(cn_avg_pool2d_new, dilation[0], 2, "dilation"); /* max pool only */
    bad_pool(cn_avg_pool2d_new, divisor_override, -1, "divisor_override");
    bad_layer(cn_adaptive_avg_pool2d_new(ctx, 0, 1, &made), CN_ERR_ARGUMENT, "0");
    bad_layer(cn_adaptive_max_pool2d_new(ctx, 1, 0, &made), CN_ERR_ARGUMENT, "AdaptiveMaxPool2d: output width is 0");
    bad_layer(cn_adaptive_avg_pool2d_new(ctx, 1, -1, &made), CN_ERR_ARGUMENT, "-1");
    bad_layer(cn_adaptive_avg_pool2d_new(ctx, INT_MAX, 1, &made), CN_ERR_ARGUMENT, "2147483647");
}
END_TEST

START_TEST(norms_of_pixels_check_their_options) {
    cn_norm_options o = CN_NORM_OPTIONS_INIT;
    bad_layer(cn_layer_norm2d_new(ctx, 0, NULL, &made), CN_ERR_ARGUMENT, "LayerNorm2d: channels is 0");
    ck_fails(cn_layer_norm2d_new(ctx, 1, &o, NULL), CN_ERR_ARGUMENT, "layer is NULL");
    o.eps = -1.0f;
    bad_layer(cn_layer_norm2d_new(ctx, 1, &o, &made), CN_ERR_ARGUMENT, "eps is -1");
    o.eps = 0.0f;
    o.affine = 2;
    bad_layer(cn_layer_norm2d_new(ctx, 1, &o, &made), CN_ERR_ARGUMENT, "affine is 2");
    bad_layer(cn_local_response_norm_new(NULL, 5, 1e-4f, 0.75f, 1.0f, &made), CN_ERR_ARGUMENT, "context is NULL");
    bad_layer(cn_local_response_norm_new(ctx, 0, 1e-4f, 0.75f, 1.0f, &made), CN_ERR_ARGUMENT,
              "LocalResponseNorm: size is 0");
    bad_layer(cn_local_response_norm_new(ctx, INT_MAX, 1e-4f, 0.75f, 1.0f, &made), CN_ERR_ARGUMENT, "2147483647");
    bad_layer(cn_local_response_norm_new(ctx, 5, -1.0f, 0.75f, 1.0f, &made), CN_ERR_ARGUMENT, "alpha is -1");
    bad_layer(cn_local_response_norm_new(ctx, 5, NAN, 0.75f, 1.0f, &made), CN_ERR_ARGUMENT, "alpha is nan");
    bad_layer(cn_local_response_norm_new(ctx, 5, 1e-4f, INFINITY, 1.0f, &made), CN_ERR_ARGUMENT, "beta is inf");
    bad_layer(cn_local_response_norm_new(ctx, 5, 1e-4f, 0.75f, 0.0f, &made), CN_ERR_ARGUMENT, "k is 0");
}
END_TEST

/* Sizes are named as the caller knows them, not as those of the convolution behind. */
START_TEST(transposed_convolutions_check_their_options) {
    cn_conv_transpose2d_options o = CN_CONV_TRANSPOSE2D_OPTIONS_INIT;
    bad_layer(cn_conv_transpose2d_new(ctx, 0, 1, 1, 1, NULL, &made), CN_ERR_ARGUMENT, "in_channels is 0");
    bad_layer(cn_conv_transpose2d_new(ctx, 1, -1, 1, 1, NULL, &made), CN_ERR_ARGUMENT, "out_channels is -1");
    bad_layer(cn_conv_transpose2d_new(ctx, 1, 1, 1, 0, NULL, &made), CN_ERR_ARGUMENT, "kernel width is 0");
    ck_fails(cn_conv_transpose2d_new(ctx, 1, 1, 1, 1, &o, NULL), CN_ERR_ARGUMENT, "layer is NULL");
    o.output_padding[1] = 1;
    bad_layer(cn_conv_transpose2d_new(ctx, 1, 1, 2, 2, &o, &made), CN_ERR_ARGUMENT,
              "ConvTranspose2d: output_padding width is 1, wanted 0 to 0");
    o.dilation[1] = 2;
    ck_ok(cn_conv_transpose2d_new(ctx, 1, 1, 2, 2, &o, &made));
    cn_layer_free(made);
    o.output_padding[1] = -1;
    bad_layer(cn_conv_transpose2d_new(ctx, 1, 1, 2, 2, &o, &made), CN_ERR_ARGUMENT, "output_padding width is -1");
    o.output_padding[1] = 0;
    o.groups = 2;
    bad_layer(cn_conv_transpose2d_new(ctx, 4, 3, 2, 2, &o, &made), CN_ERR_ARGUMENT,
              "ConvTranspose2d: 2 groups do not divide 4 and 3 channels");
    o.groups = 1;
    o.bias = 2;
    bad_layer(cn_conv_transpose2d_new(ctx, 1, 1, 1, 1, &o, &made), CN_ERR_ARGUMENT, "bias is 2");
}
END_TEST

START_TEST(upsampling_checks_its_options) {
    cn_upsample_options o = CN_UPSAMPLE_OPTIONS_INIT;
    bad_layer(cn_upsample_new(ctx, NULL, &made), CN_ERR_ARGUMENT, "wanted output_size or scale_factor, got neither");
    ck_fails(cn_upsample_new(ctx, &o, NULL), CN_ERR_ARGUMENT, "layer is NULL");
    o.scale_factor[0] = 2.0;
    bad_layer(cn_upsample_new(ctx, &o, &made), CN_ERR_ARGUMENT, "scale_factor's width is 0, wanted");
    o.scale_factor[1] = -1.5;
    bad_layer(cn_upsample_new(ctx, &o, &made), CN_ERR_ARGUMENT, "width is -1.5");
    o.scale_factor[1] = NAN;
    bad_layer(cn_upsample_new(ctx, &o, &made), CN_ERR_ARGUMENT, "width is nan");
    o.scale_factor[1] = 2.0;
    o.align_corners = 1;
    bad_layer(cn_upsample_new(ctx, &o, &made), CN_ERR_ARGUMENT, "align_corners is for bilinear");
    o.align_corners = 0;
    o.output_size[1] = 4;
    bad_layer(cn_upsample_new(ctx, &o, &made), CN_ERR_ARGUMENT, "got both");
    o.scale_factor[0] = o.scale_factor[1] = 0.0;
    bad_layer(cn_upsample_new(ctx, &o, &made), CN_ERR_ARGUMENT, "output_size's height is 0, wanted 1 to");
    o.output_size[0] = 4;
    o.mode = (cn_upsample_mode)2;
    bad_layer(cn_upsample_new(ctx, &o, &made), CN_ERR_ARGUMENT, "mode is 2");
    o.mode = CN_UPSAMPLE_BILINEAR;
    o.align_corners = 2;
    bad_layer(cn_upsample_new(ctx, &o, &made), CN_ERR_ARGUMENT, "align_corners is 2");
}
END_TEST

START_TEST(prebuilt_networks_check_their_options) {
    cn_model *model;
    cn_session8_options o = CN_SESSION8_OPTIONS_INIT;
    o.norm = (cn_norm_kind)9;
    ck_fails(cn_model_session8(ctx, &o, &model), CN_ERR_ARGUMENT, "9");
    o = (cn_session8_options)CN_SESSION8_OPTIONS_INIT;
    o.norm = CN_NORM_GROUP;
    o.groups = 3;
    ck_fails(cn_model_session8(ctx, &o, &model), CN_ERR_ARGUMENT, "3");
    o = (cn_session8_options)CN_SESSION8_OPTIONS_INIT;
    o.dropout = 1.0f;
    ck_fails(cn_model_session8(ctx, &o, &model), CN_ERR_ARGUMENT, "1");
    o = (cn_session8_options)CN_SESSION8_OPTIONS_INIT;
    o.classes = -1;
    ck_fails(cn_model_session8(ctx, &o, &model), CN_ERR_ARGUMENT, "-1");
    ck_assert_ptr_null(model);
    ck_fails(cn_model_session8(NULL, NULL, &model), CN_ERR_ARGUMENT, "context is NULL");
    ck_fails(cn_model_session8(ctx, NULL, NULL), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_mnist(ctx, 1, 0, &model), CN_ERR_ARGUMENT, "1");
    ck_fails(cn_model_mnist(ctx, 6, 0, &model), CN_ERR_ARGUMENT, "6");
    ck_fails(cn_model_mnist(NULL, 2, 0, &model), CN_ERR_ARGUMENT, "context is NULL");
    ck_fails(cn_model_mnist(ctx, 2, 0, NULL), CN_ERR_ARGUMENT, "model is NULL");
}
END_TEST

/* ---- what is only read ---- */

START_TEST(a_borrowed_constant_is_never_written) {
    static const float pixels[4 * 5 * 3];
    const int64_t in[4] = {1, 3, 4, 5}, out[4] = {1, 2, 2, 3};
    cn_model *model = small_model();
    cn_tensor *input, *constant, *output = tensor_of(CN_DTYPE_FLOAT32, 4, out);
    cn_predictor *predictor;
    ck_ok(cn_tensor_borrow_const(ctx, CN_DTYPE_FLOAT32, 4, in, pixels, &input));
    ck_ok(cn_tensor_borrow_const(ctx, CN_DTYPE_FLOAT32, 4, out, pixels, &constant));
    ck_assert_ptr_eq(cn_tensor_data_const(input), pixels);
    ck_assert_ptr_null(cn_tensor_data(input));
    ck_ok(cn_model_forward(model, 1, input, output));
    ck_fails(cn_model_forward(model, 1, input, constant), CN_ERR_ARGUMENT,
             "output is a tensor that is only to be read");
    ck_ok(cn_model_forward(model, 1, input, output));
    ck_fails(cn_model_backward(model, output, input), CN_ERR_ARGUMENT,
             "grad_input is a tensor that is only to be read");
    ck_ok(cn_model_backward(model, constant, NULL));
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    ck_ok(cn_predictor_run(predictor, input, output));
    ck_fails(cn_predictor_run(predictor, input, constant), CN_ERR_ARGUMENT, "only to be read");
    cn_predictor_free(predictor);
    cn_tensor_free(input);
    cn_tensor_free(constant);
    cn_tensor_free(output);
    cn_model_free(model);
}
END_TEST

START_TEST(a_constant_models_tensors_can_be_read) {
    cn_model *model = small_model();
    const cn_model *shared = model;
    const cn_tensor *constant;
    cn_tensor *same;
    for (int64_t i = 0; i < cn_model_tensor_count(shared); i++) {
        ck_ok(cn_model_tensor_const(shared, cn_model_tensor_name(shared, i), &constant));
        ck_ok(cn_model_tensor(model, cn_model_tensor_name(model, i), &same));
        ck_assert_ptr_eq(constant, same);
    }
    ck_fails(cn_model_tensor_const(shared, "no such", &constant), CN_ERR_NOT_FOUND, "no such");
    ck_assert_ptr_null(constant);
    ck_fails(cn_model_tensor_const(NULL, "a", &constant), CN_ERR_ARGUMENT, "cn_model_tensor_const");
    ck_fails(cn_model_tensor_const(shared, NULL, &constant), CN_ERR_ARGUMENT, "name is NULL");
    cn_model_free(model);
}
END_TEST

START_TEST(no_handle_has_no_properties) {
    int64_t shape[3] = {7, 7, 7};
    ck_assert_ptr_null(cn_tensor_data(NULL));
    ck_assert_ptr_null(cn_tensor_data_const(NULL));
    ck_assert_int_eq(cn_tensor_dims(NULL) + cn_tensor_count(NULL) + cn_tensor_shape(NULL, 0), 0);
    ck_assert_int_eq(cn_model_tensor_count(NULL) + cn_model_layer_count(NULL) + cn_model_parameter_count(NULL), 0);
    ck_assert_ptr_null(cn_model_tensor_name(NULL, 0));
    ck_assert_ptr_null(cn_model_class_name(NULL, 0));
    ck_assert_int_eq(cn_model_class_count(NULL), 0);
    cn_model_input_shape(NULL, shape);
    ck_assert_mem_eq(shape, ((int64_t[3]){0, 0, 0}), sizeof shape);
    shape[0] = 7;
    cn_dataset_shape(NULL, shape);
    ck_assert_int_eq(shape[0], 0);
    ck_assert_int_eq(cn_dataset_count(NULL) + cn_dataset_classes(NULL) + cn_dataset_skipped_count(NULL), 0);
    ck_assert_ptr_null(cn_dataset_class_name(NULL, 0));
    ck_assert_int_eq(cn_trainer_epoch_count(NULL) + cn_evaluation_count(NULL) + cn_evaluation_classes(NULL), 0);
    ck_assert_double_nan(cn_optimizer_learning_rate(NULL));
    ck_assert_double_nan(cn_evaluation_loss(NULL));
    ck_assert_double_nan(cn_evaluation_accuracy(NULL));
    ck_assert_double_nan(cn_evaluation_class_accuracy(NULL, 0));
    ck_assert_int_eq(cn_evaluation_confusion(NULL, 0, 0) + cn_evaluation_misclassified_count(NULL), 0);
}
END_TEST

/* ---- names of before the first candidate ---- */

START_TEST(earlier_names_still_compile) {
    cn_model *model, *mnist;
    cn_dataset *data;
    cn_evaluation *evaluation;
    ck_ok(cn_session8_new(ctx, NULL, &model));
    ck_ok(cn_mnist_model_new(ctx, 3, 0, &mnist));
    ck_ok(cn_dataset_synthetic(ctx, CN_TEST, 20, 1, &data));
    ck_ok(cn_evaluate(model, data, CN_LOSS_NLL, &evaluation));
    ck_assert_int_eq(cn_evaluation_count(evaluation), 20);
    ck_assert_int_eq(CN_FLOAT32, CN_DTYPE_FLOAT32);
    ck_assert_int_eq(CN_TRAIN, CN_SPLIT_TRAIN);
    cn_evaluation_free(evaluation);
    cn_dataset_free(data);
    cn_model_free(mnist);
    cn_model_free(model);
}
END_TEST

/* ---- zeros that are legal ---- */

START_TEST(a_norm_may_keep_its_statistics) {
    cn_norm_options o = CN_NORM_OPTIONS_INIT;
    cn_layer *layer;
    cn_model *model = model_for(1, 1, 2);
    cn_tensor *input = images(2, 1, 1, 2), *output = images(2, 1, 1, 2), *mean;
    o.momentum = 0.0f;
    o.eps = 0.0f;
    ck_ok(cn_norm_new(ctx, CN_NORM_BATCH, 1, &o, &layer));
    ck_ok(cn_model_append(model, "norm", layer));
    ck_ok(cn_model_init(model, 1));
    memcpy(cn_tensor_data(input), (float[4]){1.0f, 3.0f, 1.0f, 3.0f}, 4 * sizeof(float));
    ck_ok(cn_model_forward(model, 1, input, output));
    ck_ok(cn_model_tensor(model, "norm.running_mean", &mean));
    ck_assert_float_eq(*(float *)cn_tensor_data(mean), 0.0f);
    const float *y = cn_tensor_data_const(output); /* (x - 2) / 1 without eps */
    ck_assert_float_eq(y[0], -1.0f);
    ck_assert_float_eq(y[1], 1.0f);
    cn_tensor_free(input);
    cn_tensor_free(output);
    cn_model_free(model);
}
END_TEST

int main(void) {
    const TTest *const nulls[] = {layers_want_a_context_and_a_place, activations_want_a_context_and_a_place,
                                  plain_layers_want_a_context_and_a_place, models_want_all_their_arguments,
                                  building_wants_model_name_and_layer};
    const TTest *const values[] = {models_have_sizes,
                                   convolutions_have_sizes,
                                   convolutions_check_their_options,
                                   linear_layers_have_sizes,
                                   norms_check_their_options,
                                   activations_check_their_numbers,
                                   pools_check_their_options,
                                   norms_of_pixels_check_their_options,
                                   transposed_convolutions_check_their_options,
                                   upsampling_checks_its_options,
                                   prebuilt_networks_check_their_options};
    Suite *suite = suite_create("interface");
    add_tests(suite, "NULL", set_up, tear_down, nulls, COUNT(nulls), 1);
    const TTest *const reading[] = {a_borrowed_constant_is_never_written, a_constant_models_tensors_can_be_read,
                                    no_handle_has_no_properties, a_norm_may_keep_its_statistics,
                                    earlier_names_still_compile};
    add_tests(suite, "reading", set_up, tear_down, reading, COUNT(reading), 1);
    add_tests(suite, "values", set_up, tear_down, values, COUNT(values), 1);
    return test_run(suite);
}
