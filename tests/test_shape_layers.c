/* SPDX-License-Identifier: MIT */
/* test_shape_layers.c: layers that put values elsewhere, and PReLU: what their constructors and models refuse, the
 * sides that a reshape finds by itself, an identity that costs nothing, and their words in a summary. What they compute
 * is in test_layers, test_gradients, test_graphs and test_nchw16c. */
#include "plan/compiled.h"

#include "network.h"
#include "pieces.h"
#include <limits.h>
#include <math.h>

TEST_RUNS_ONCE;

/* ---- constructors ---- */

static cn_layer *made; /* what a constructor that fails hands out: NULL */

/* Calls a constructor with a wrong value. */
#define bad_layer(call, part)                                                                                          \
    do {                                                                                                               \
        made = (cn_layer *)&ctx;                                                                                       \
        ck_fails(call, CN_ERR_ARGUMENT, part);                                                                         \
        ck_assert_ptr_null(made);                                                                                      \
    } while (0)

static const int no_padding[4];

START_TEST(layers_want_a_context_and_a_place) {
    bad_layer(cn_reshape_new(NULL, 1, 1, 1, &made), "cn_reshape_new: context is NULL");
    bad_layer(cn_pixel_shuffle_new(NULL, 1, &made), "cn_pixel_shuffle_new: context is NULL");
    bad_layer(cn_pixel_unshuffle_new(NULL, 1, &made), "cn_pixel_unshuffle_new: context is NULL");
    bad_layer(cn_channel_shuffle_new(NULL, 1, &made), "cn_channel_shuffle_new: context is NULL");
    bad_layer(cn_pad2d_new(NULL, no_padding, CN_PADDING_ZEROS, 0.0f, &made), "cn_pad2d_new: context is NULL");
    bad_layer(cn_pad2d_new(ctx, NULL, CN_PADDING_ZEROS, 0.0f, &made), "cn_pad2d_new: padding is NULL");
    bad_layer(cn_prelu_new(NULL, 1, &made), "cn_prelu_new: context is NULL");
    ck_fails(cn_reshape_new(ctx, 1, 1, 1, NULL), CN_ERR_ARGUMENT, "layer is NULL");
    ck_fails(cn_pixel_shuffle_new(ctx, 1, NULL), CN_ERR_ARGUMENT, "layer is NULL");
    ck_fails(cn_pixel_unshuffle_new(ctx, 1, NULL), CN_ERR_ARGUMENT, "layer is NULL");
    ck_fails(cn_channel_shuffle_new(ctx, 1, NULL), CN_ERR_ARGUMENT, "layer is NULL");
    ck_fails(cn_pad2d_new(ctx, no_padding, CN_PADDING_ZEROS, 0.0f, NULL), CN_ERR_ARGUMENT, "layer is NULL");
    ck_fails(cn_prelu_new(ctx, 1, NULL), CN_ERR_ARGUMENT, "layer is NULL");
}
END_TEST

START_TEST(layers_check_their_numbers) {
    static const int negative[4] = {0, 0, -1, 0}, huge[4] = {0, INT_MAX, 0, 0}, least[4] = {INT_MIN, 0, 0, 0};
    bad_layer(cn_reshape_new(ctx, 0, 1, 1, &made), "Reshape: channels is 0");
    bad_layer(cn_reshape_new(ctx, 1, -2, 1, &made), "Reshape: height is -2");
    bad_layer(cn_reshape_new(ctx, 1, 1, INT_MAX, &made), "Reshape: width is 2147483647");
    bad_layer(cn_reshape_new(ctx, -1, 4, -1, &made), "Reshape: to -1×4×-1, wanted at most one -1");
    bad_layer(cn_pixel_shuffle_new(ctx, 0, &made), "PixelShuffle: upscale_factor is 0");
    bad_layer(cn_pixel_unshuffle_new(ctx, -3, &made), "PixelUnshuffle: downscale_factor is -3");
    bad_layer(cn_channel_shuffle_new(ctx, 0, &made), "ChannelShuffle: groups is 0");
    bad_layer(cn_narrow_new(ctx, -1, 2, &made), "Narrow: start is -1");
    bad_layer(cn_narrow_new(ctx, 0, 0, &made), "Narrow: length is 0");
    bad_layer(cn_narrow_new(NULL, 0, 1, &made), "cn_narrow_new: context is NULL");
    bad_layer(cn_pad2d_new(ctx, no_padding, (cn_padding_mode)4, 0.0f, &made), "Pad2d: mode is 4");
    bad_layer(cn_pad2d_new(ctx, no_padding, (cn_padding_mode)-1, 0.0f, &made), "Pad2d: mode is -1");
    bad_layer(cn_pad2d_new(ctx, no_padding, CN_PADDING_ZEROS, NAN, &made), "Pad2d: value is nan");
    bad_layer(cn_pad2d_new(ctx, no_padding, CN_PADDING_REFLECT, 1.0f, &made), "Pad2d: value is 1, wanted 0");
    bad_layer(cn_pad2d_new(ctx, negative, CN_PADDING_CIRCULAR, 0.0f, &made), "Pad2d: top is -1, wanted 0 to");
    bad_layer(cn_pad2d_new(ctx, huge, CN_PADDING_ZEROS, 0.0f, &made), "Pad2d: right is 2147483647");
    bad_layer(cn_pad2d_new(ctx, least, CN_PADDING_ZEROS, 0.0f, &made), "Pad2d: left is -2147483648");
    bad_layer(cn_prelu_new(ctx, 0, &made), "PReLU: num_parameters is 0");
    bad_layer(cn_prelu_new(ctx, INT_MAX, &made), "PReLU: num_parameters is 2147483647");
}
END_TEST

/* ---- what they cannot read ---- */

static void refused(cn_model *model, cn_status status, cn_layer *layer, const char *part) {
    ck_assert_int_eq(status, CN_OK);
    ck_fails(cn_model_append(model, "x", layer), CN_ERR_SHAPE, part);
}

#define refuse(model, call, part)                                                                                      \
    do {                                                                                                               \
        cn_layer *layer;                                                                                               \
        cn_status status_ = call;                                                                                      \
        refused(model, status_, layer, part);                                                                          \
    } while (0)

static cn_status pad(int left, int right, int top, int bottom, cn_padding_mode mode, cn_layer **layer) {
    return cn_pad2d_new(ctx, (const int[4]){left, right, top, bottom}, mode, 0.0f, layer);
}

START_TEST(inputs_that_do_not_fit_are_named) {
    cn_model *model = model_for(6, 4, 5), *large = model_for(1, 10000000, 3);
    refuse(model, cn_reshape_new(ctx, 3, 4, 5, &layer), "Reshape 'x': its input, 6×4×5, does not fit 3×4×5");
    refuse(model, cn_reshape_new(ctx, 7, -1, 1, &layer), "does not fit 7×-1×1");
    refuse(model, cn_reshape_new(ctx, 60, -1, 4, &layer), "does not fit 60×-1×4");
    refuse(model, cn_reshape_new(ctx, 65536, 65536, 65536, &layer), "does not fit 65536×65536×65536");
    refuse(model, cn_reshape_new(ctx, 65536, -1, 65536, &layer), "does not fit");
    refuse(large, cn_reshape_new(ctx, -1, 1, 1, &layer), "does not fit -1×1×1");
    refuse(model, cn_pixel_shuffle_new(ctx, 2, &layer), "'x': its input is 6×4×5, wanted a multiple of 4 channels");
    refuse(large, cn_pixel_shuffle_new(ctx, 60000, &layer), "a multiple of 3600000000 channels");
    refuse(model, cn_pixel_unshuffle_new(ctx, 2, &layer), "its input is 6×4×5, wanted sides that are multiples of 2");
    refuse(large, cn_pixel_unshuffle_new(ctx, 40001, &layer), "multiples of 40001");
    refuse(model, cn_channel_shuffle_new(ctx, 4, &layer), "its input has 6 channels, wanted a multiple of 4 groups");
    refuse(model, cn_narrow_new(ctx, 2, 5, &layer), "its input has 6 channels, wanted 2 to 6 of them");
    refuse(model, cn_narrow_new(ctx, 1 << 24, 1 << 24, &layer), "wanted 16777216 to 33554431");
    refuse(model, pad(5, 0, 0, 0, CN_PADDING_REFLECT, &layer), "reflect padding 5 left, 0 right, 0 top, 0 bottom");
    refuse(model, pad(0, 0, 0, 5, CN_PADDING_CIRCULAR, &layer), "circular padding");
    refuse(model, pad(-2, -3, 0, 0, CN_PADDING_ZEROS, &layer), "does not fit the input, 4×5");
    refuse(model, pad(-5, 3, 0, 0, CN_PADDING_ZEROS, &layer), "does not fit the input, 4×5");
    refuse(large, pad(0, 0, 7000000, 0, CN_PADDING_REPLICATE, &layer), "7000000 top");
    refuse(model, cn_prelu_new(ctx, 4, &layer), "PReLU 'x': its input has 6 channels, wanted 4");
    cn_model_free(model);
    cn_model_free(large);
}
END_TEST

START_TEST(a_concat_wants_inputs_of_one_size) {
    static const char *const both[] = {"input", "thin"}, *const wide[] = {"many", "many"};
    cn_model *model = model_for(6, 4, 5), *flat = model_for(10000000, 1, 1);
    cn_layer *layer;
    ck_ok(cn_model_append(model, "thin", conv(6, 2, 2)));
    ck_ok(cn_concat_new(ctx, &layer));
    ck_fails(cn_model_add(model, "c", layer, 2, both), CN_ERR_SHAPE,
             "Concat 'c': input 1 is 2×3×4, but input 0 is 6×4×5");
    ck_ok(cn_concat_new(ctx, &layer));
    ck_fails(cn_model_append(model, "c", layer), CN_ERR_ARGUMENT, "'c' reads 1 inputs, wanted at least 2");
    ck_ok(cn_model_append(flat, "many", relu()));
    ck_ok(cn_concat_new(ctx, &layer));
    ck_fails(cn_model_add(flat, "c", layer, 2, wide), CN_ERR_SHAPE, "20000000 channels");
    cn_model_free(model);
    cn_model_free(flat);
}
END_TEST

/* ---- what they do ---- */

static void expect_shape(cn_model *model, int64_t channels, int64_t height, int64_t width) {
    int64_t shape[3];
    cn_model_output_shape(model, shape);
    ck_assert_int_eq(shape[0], channels);
    ck_assert_int_eq(shape[1], height);
    ck_assert_int_eq(shape[2], width);
}

START_TEST(a_reshape_finds_the_side_that_is_left_open) {
    static const int to[][3] = {{-1, 2, 5}, {2, -1, 3}, {4, 15, -1}},
                     wanted[][3] = {{12, 2, 5}, {2, 20, 3}, {4, 15, 2}};
    cn_model *model = model_for(6, 4, 5);
    for (size_t i = 0; i < COUNT(to); i++) {
        cn_layer *layer;
        ck_ok(cn_reshape_new(ctx, to[i][0], to[i][1], to[i][2], &layer));
        ck_ok(cn_model_append(model, (const char *const[]){"a", "b", "c"}[i], layer));
        expect_shape(model, wanted[i][0], wanted[i][1], wanted[i][2]);
    }
    cn_model_free(model);
}
END_TEST

START_TEST(prelus_start_at_a_quarter) {
    cn_model *model = model_for(6, 4, 5);
    cn_layer *layer;
    cn_tensor *weight;
    ck_ok(cn_prelu_new(ctx, 6, &layer));
    ck_ok(cn_model_append(model, "p", layer));
    ck_ok(cn_model_init(model, 3));
    ck_ok(cn_model_tensor(model, "p.weight", &weight));
    ck_assert_int_eq(cn_tensor_dims(weight), 1);
    ck_assert_int_eq(cn_tensor_count(weight), 6);
    for (int i = 0; i < 6; i++)
        ck_assert_float_eq(((float *)cn_tensor_data(weight))[i], 0.25f);
    cn_model_free(model);
}
END_TEST

/* Fused ops of a plan for `text`, with images in the lanes: it is for as many as these are. */
static int ops_of(const char *text, bool training) {
    cn__plan *plan;
    network net = network_of(text);
    cn_model *model = net_make_model(ctx, &net, 1);
    ck_ok(cn__plan_new(model, &(cn__plan_options){.images = CN__LANES, .training = training}, &plan));
    int count = plan->fused_op_count;
    cn__plan_free(plan);
    cn_model_free(model);
    return count;
}

START_TEST(an_identity_costs_nothing_behind_a_layer_that_it_alone_reads) {
    for (int training = 0; training < 2; training++) {
        ck_assert_int_eq(ops_of("train 4x3x4x4 | sigmoid | identity | identity", training), 1);
        ck_assert_int_eq(ops_of("train 4x3x4x4 | batch_norm | identity | relu | identity", training), 1);
        ck_assert_int_eq(ops_of("train 4x3x4x4 | relu | identity | max_pool kernel=2 | identity", training), 1);
        ck_assert_int_eq(ops_of("train 4x3x4x4 | identity", training), 1);
        ck_assert_int_eq(ops_of("train 4x3x4x4 | sigmoid | identity | add @1 @2", training), 3);
    }
}
END_TEST

START_TEST(a_summary_tells_what_is_special) {
    cn_model *model;
    char *text;
    network net = network_of("eval 1x4x6x6 | reshape to=6x4x6 | pixel_unshuffle factor=2 | pixel_shuffle "
                             "factor=2 | channel_shuffle groups=3 | pad pad=1x2x0x1 value=0.5 | pad pad=1 "
                             "mode=reflect | prelu weights=6 | softplus beta=2 | identity | concat @9 @8");
    model = net_make_model(ctx, &net, 1);
    ck_ok(cn_model_summary(model, &text));
    ck_assert_ptr_nonnull(strstr(text, " Reshape  "));
    ck_assert_ptr_nonnull(strstr(text, " PixelUnshuffle, downscale_factor 2 "));
    ck_assert_ptr_nonnull(strstr(text, " PixelShuffle, upscale_factor 2 "));
    ck_assert_ptr_nonnull(strstr(text, " ChannelShuffle, groups 3 "));
    ck_assert_ptr_nonnull(strstr(text, " Pad2d, left 1, right 2, bottom 1, value 0.5 "));
    ck_assert_ptr_nonnull(strstr(text, " Pad2d, left 1, right 1, top 1, bottom 1, reflect "));
    ck_assert_ptr_nonnull(strstr(text, " PReLU  "));
    ck_assert_ptr_nonnull(strstr(text, " Softplus, beta 2, threshold 20 "));
    ck_assert_ptr_nonnull(strstr(text, " Identity  "));
    ck_assert_ptr_nonnull(strstr(text, " Concat with 8 "));
    cn_text_free(text);
    cn_model_free(model);
}
END_TEST

int main(void) {
    const TTest *const constructors[] = {layers_want_a_context_and_a_place, layers_check_their_numbers};
    const TTest *const models[] = {inputs_that_do_not_fit_are_named,
                                   a_concat_wants_inputs_of_one_size,
                                   a_reshape_finds_the_side_that_is_left_open,
                                   prelus_start_at_a_quarter,
                                   an_identity_costs_nothing_behind_a_layer_that_it_alone_reads,
                                   a_summary_tells_what_is_special};
    Suite *suite = suite_create("shape layers");
    add_tests(suite, "constructors", set_up, tear_down, constructors, COUNT(constructors), 1);
    add_tests(suite, "models", set_up, tear_down, models, COUNT(models), 1);
    return test_run(suite);
}
