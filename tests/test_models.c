/* SPDX-License-Identifier: MIT */
/* test_models.c: models used wrongly, and what they promise: names, graphs and shapes that do not fit, calls in the
 * wrong order, tensors by name, what a pass takes. After each failure the model is still usable. */
#include "pieces.h"
#include <math.h>

TEST_RUNS_ONCE;

/* ---- graphs that do not fit ---- */

START_TEST(names_are_unique_and_plain) {
    cn_model *model = model_for(3, 4, 5);
    char longest[202];
    memset(longest, 'x', 201);
    longest[201] = '\0';
    ck_ok(cn_model_append(model, "a", relu()));
    ck_fails(cn_model_append(model, "a", relu()), CN_ERR_ARGUMENT, "already has a layer 'a'");
    ck_fails(cn_model_append(model, "input", relu()), CN_ERR_ARGUMENT, "'input'");
    ck_fails(cn_model_append(model, "", relu()), CN_ERR_ARGUMENT, "0 bytes");
    ck_fails(cn_model_append(model, longest, relu()), CN_ERR_ARGUMENT, "201 bytes");
    ck_fails(cn_model_append(model, "b\n", relu()), CN_ERR_ARGUMENT, "control character 10 at byte 1");
    ck_fails(cn_model_append(model, "\x7f", relu()), CN_ERR_ARGUMENT, "127");
    ck_ok(cn_model_append(model, longest + 1, relu()));
    ck_ok(cn_model_append(model, "Σ/ü \"name\"", relu()));
    ck_assert_int_eq(cn_model_layer_count(model), 3);
    cn_model_free(model);
}
END_TEST

START_TEST(layers_stay_in_their_context) {
    cn_context *other = test_context(1);
    cn_model *model;
    ck_ok(cn_model_new(other, 3, 4, 5, &model));
    ck_fails(cn_model_append(model, "a", relu()), CN_ERR_ARGUMENT, "'a' was made in another context");
    cn_model_free(model);
    cn_context_free(other);
}
END_TEST

START_TEST(building_ends_with_init) {
    cn_model *model = model_for(3, 4, 5);
    cn_tensor *tensor = (cn_tensor *)&ctx;
    cn_tensor *in = images(1, 3, 4, 5);
    ck_fails(cn_model_init(model, 0), CN_ERR_STATE, "no layers");
    ck_ok(cn_model_append(model, "norm", norm(CN_NORM_BATCH, 3)));
    ck_assert_int_eq(cn_model_tensor_count(model), 0);
    ck_assert_ptr_null(cn_model_tensor_name(model, 0));
    ck_fails(cn_model_tensor(model, "norm.weight", &tensor), CN_ERR_STATE, "not initialised");
    ck_assert_ptr_null(tensor);
    ck_fails(cn_model_gradient(model, "norm.weight", &tensor), CN_ERR_STATE, "not initialised");
    ck_fails(cn_model_forward(model, 0, in, in), CN_ERR_STATE, "cn_model_forward: the model is not initialised");
    ck_fails(cn_model_backward(model, in, NULL), CN_ERR_STATE, "not initialised");
    ck_fails(cn_model_save(model, "nowhere"), CN_ERR_STATE, "not initialised");
    ck_ok(cn_model_init(model, 0));
    ck_ok(cn_model_init(model, 1));
    ck_ok(cn_model_forward(model, 0, in, in));
    cn_tensor_free(in);
    cn_model_free(model);
}
END_TEST

START_TEST(every_layer_is_read_but_the_last) {
    cn_model *model = model_for(3, 4, 5);
    static const char *const input[] = {"input"}, *const both[] = {"loose", "end"};
    cn_layer *add;
    ck_ok(cn_model_append(model, "loose", relu()));
    ck_ok(cn_model_add(model, "end", relu(), 1, input));
    ck_fails(cn_model_init(model, 0), CN_ERR_STATE, "nothing reads layer 'loose'");
    ck_ok(cn_add_new(ctx, &add));
    ck_ok(cn_model_add(model, "sum", add, 2, both));
    ck_ok(cn_model_init(model, 0));
    cn_model_free(model);
}
END_TEST

START_TEST(layers_read_what_they_were_made_for) {
    cn_model *model = model_for(3, 4, 5);
    cn_layer *layer;
    static const char *const two[] = {"input", "thin"}, *const three[] = {"input", "input", "input"};
    cn_upsample_options upsample = CN_UPSAMPLE_OPTIONS_INIT;
    cn_conv_transpose2d_options transposed = CN_CONV_TRANSPOSE2D_OPTIONS_INIT;
    cn_pool2d_options wide = CN_POOL2D_OPTIONS_INIT;
    wide.dilation[0] = 4;
    cn_conv2d_options mirror = CN_CONV2D_OPTIONS_INIT;
    mirror.padding[0] = 4;
    mirror.padding_mode = CN_PADDING_REFLECT;
    ck_fails(cn_model_append(model, "c", conv(4, 2, 3)), CN_ERR_SHAPE, "'c': its input has 3 channels");
    ck_fails(cn_model_append(model, "c", conv(3, 2, 5)), CN_ERR_SHAPE, "kernel 5×5");
    ck_ok(cn_conv2d_new(ctx, 3, 2, 3, 3, &mirror, &layer));
    ck_fails(cn_model_append(model, "c", layer), CN_ERR_SHAPE, "reflect padding 4");
    mirror.padding[0] = 5;
    mirror.padding_mode = CN_PADDING_CIRCULAR;
    ck_ok(cn_conv2d_new(ctx, 3, 2, 3, 3, &mirror, &layer));
    ck_fails(cn_model_append(model, "c", layer), CN_ERR_SHAPE, "circular padding 5");
    ck_fails(cn_model_append(model, "n", norm(CN_NORM_BATCH, 4)), CN_ERR_SHAPE, "'n'");
    ck_assert_ptr_nonnull(strstr(cn_last_error(), "3 channels"));
    ck_fails(cn_model_append(model, "n", norm(CN_NORM_GROUP, 8)), CN_ERR_SHAPE, "3 channels");
    ck_ok(cn_linear_new(ctx, 60, 2, 1, &layer));
    ck_fails(cn_model_append(model, "l", layer), CN_ERR_SHAPE, "'l': its input is 3×4×5");
    ck_ok(cn_max_pool2d_new(ctx, 3, 3, &wide, &layer));
    ck_fails(cn_model_append(model, "p", layer), CN_ERR_SHAPE, "'p'");
    ck_ok(cn_avg_pool2d_new(ctx, 2, 6, NULL, &layer));
    ck_fails(cn_model_append(model, "p", layer), CN_ERR_SHAPE, "'p'");
    ck_ok(cn_model_append(model, "thin", conv(3, 2, 1)));
    ck_ok(cn_add_new(ctx, &layer));
    ck_fails(cn_model_add(model, "s", layer, 2, two), CN_ERR_SHAPE,
             "Add 's': input 1 is 2×4×5, but input 0 is 3×4×5; sides must be equal, or 1");
    ck_ok(cn_mul_new(ctx, &layer));
    ck_fails(cn_model_add(model, "s", layer, 2, two), CN_ERR_SHAPE, "Mul 's': input 1 is 2×4×5");
    ck_ok(cn_mul_new(ctx, &layer));
    ck_fails(cn_model_add(model, "s", layer, 3, three), CN_ERR_ARGUMENT, "'s' reads 3 inputs, wanted 2");
    upsample.scale_factor[0] = upsample.scale_factor[1] = 0.24;
    ck_ok(cn_upsample_new(ctx, &upsample, &layer));
    ck_fails(cn_model_append(model, "u", layer), CN_ERR_SHAPE, "scale_factor 0.24 makes its input's height of 4 0");
    upsample.scale_factor[0] = upsample.scale_factor[1] = 1e300;
    ck_ok(cn_upsample_new(ctx, &upsample, &layer));
    ck_fails(cn_model_append(model, "u", layer), CN_ERR_SHAPE, "'u': scale_factor 1e+300");
    ck_ok(cn_conv_transpose2d_new(ctx, 3, 4, 3, 3, NULL, &layer));
    ck_fails(cn_model_append(model, "t", layer), CN_ERR_SHAPE, "'t': its input has 2 channels, its weights want 3");
    transposed.padding[0] = 3;
    ck_ok(cn_conv_transpose2d_new(ctx, 2, 3, 3, 3, &transposed, &layer));
    ck_fails(cn_model_append(model, "t", layer), CN_ERR_SHAPE, "'t': its output's height would be 0");
    transposed.stride[1] = 1 << 24;
    transposed.padding[0] = 0;
    ck_ok(cn_conv_transpose2d_new(ctx, 2, 3, 3, 3, &transposed, &layer));
    ck_fails(cn_model_append(model, "t", layer), CN_ERR_SHAPE, "its output's width would be 67108867");
    ck_ok(cn_layer_norm2d_new(ctx, 4, NULL, &layer));
    ck_fails(cn_model_append(model, "n", layer), CN_ERR_SHAPE, "LayerNorm2d 'n': its input has 2 channels, wanted 4");
    ck_ok(cn_add_new(ctx, &layer));
    ck_fails(cn_model_append(model, "s", layer), CN_ERR_ARGUMENT, "'s' reads 1 inputs");
    ck_fails(cn_model_add(model, "r", relu(), 2, two), CN_ERR_ARGUMENT, "'r' reads 2 inputs");
    ck_assert_int_eq(cn_model_layer_count(model), 1);
    ck_ok(cn_model_init(model, 0));
    cn_model_free(model);
}
END_TEST

/* Sizes that are fine one by one and not together. */
START_TEST(sizes_do_not_overflow) {
    cn_model *model = model_for(1, 4096, 4097), *deep = model_for(60000, 1, 1);
    cn_layer *layer;
    cn_conv2d_options o = CN_CONV2D_OPTIONS_INIT;
    ck_fails(cn_model_append(model, "wide", conv(1, 60000, 1)), CN_ERR_SHAPE, "60000×4096×4097");
    ck_fails(cn_model_append(deep, "heavy", conv(60000, 60000, 1)), CN_ERR_SHAPE, "'heavy': its weight");
    ck_ok(cn_linear_new(ctx, 60000, 60000, 1, &layer));
    ck_fails(cn_model_append(deep, "heavy", layer), CN_ERR_SHAPE, "'heavy': its weight");
    o.padding[0] = o.padding[1] = 1 << 24;
    ck_ok(cn_conv2d_new(ctx, 60000, 1, 1, 1, &o, &layer));
    ck_fails(cn_model_append(deep, "padded", layer), CN_ERR_SHAPE, "'padded'");
    ck_ok(cn_adaptive_avg_pool2d_new(ctx, 60000, 60000, &layer));
    ck_fails(cn_model_append(deep, "blown", layer), CN_ERR_SHAPE, "'blown'");
    ck_ok(cn_flatten_new(ctx, &layer));
    ck_fails(cn_model_append(model, "flat", layer), CN_ERR_SHAPE, "'flat'");
    cn_model_free(model);
    cn_model_free(deep);
}
END_TEST

/* ---- tensors by name ---- */

START_TEST(tensors_are_found_by_name_in_torchs_order) {
    static const char *const names[] = {"conv.weight",
                                        "conv.bias",
                                        "norm.weight",
                                        "norm.bias",
                                        "norm.running_mean",
                                        "norm.running_var",
                                        "norm.num_batches_tracked"};
    cn_model *model = small_model();
    cn_tensor *tensor = (cn_tensor *)&ctx;
    ck_assert_int_eq(cn_model_tensor_count(model), COUNT(names));
    for (size_t i = 0; i < COUNT(names); i++) {
        ck_assert_str_eq(cn_model_tensor_name(model, (int)i), names[i]);
        ck_ok(cn_model_tensor(model, names[i], &tensor));
        if (i >= 4)
            ck_fails(cn_model_gradient(model, names[i], &tensor), CN_ERR_NOT_FOUND, "is a buffer");
        else
            ck_ok(cn_model_gradient(model, names[i], &tensor));
    }
    ck_assert_ptr_null(cn_model_tensor_name(model, COUNT(names)));
    ck_assert_ptr_null(cn_model_tensor_name(model, -1));
    ck_fails(cn_model_tensor(model, "conv", &tensor), CN_ERR_NOT_FOUND, "no tensor 'conv'");
    ck_assert_ptr_null(tensor);
    ck_fails(cn_model_gradient(model, "conv.weights", &tensor), CN_ERR_NOT_FOUND, "'conv.weights'");
    ck_ok(cn_model_tensor(model, "conv.weight", &tensor));
    ck_assert_int_eq(cn_tensor_dims(tensor), 4);
    ck_assert_int_eq(cn_tensor_count(tensor), 2 * 3 * 3 * 3);
    ck_ok(cn_model_tensor(model, "norm.num_batches_tracked", &tensor));
    ck_assert_int_eq(cn_tensor_dtype(tensor), CN_DTYPE_INT64);
    ck_assert_int_eq(cn_tensor_dims(tensor), 0);
    ck_assert_int_eq(cn_model_parameter_count(model), 54 + 2 + 2 + 2);
    cn_model_free(model);
}
END_TEST

START_TEST(seeds_repeat_and_differ) {
    cn_model *model = small_model();
    cn_tensor *weight;
    float first[54];
    ck_ok(cn_model_tensor(model, "conv.weight", &weight));
    memcpy(first, cn_tensor_data(weight), sizeof first);
    ck_ok(cn_model_init(model, 2));
    ck_assert_int_ne(memcmp(first, cn_tensor_data(weight), sizeof first), 0);
    ck_ok(cn_model_init(model, 1));
    ck_assert_int_eq(memcmp(first, cn_tensor_data(weight), sizeof first), 0);
    for (int i = 0; i < 54; i++)
        ck_assert_float_le(fabsf(first[i]), 1.0f / sqrtf(27.0f));
    cn_model_free(model);
}
END_TEST

START_TEST(every_output_has_a_name) {
    const char *const names[] = {"a", "b", "c"};
    cn_model *model = small_model(), *later;
    ck_fails(cn_model_set_class_names(model, 1, names), CN_ERR_ARGUMENT, "1 class names for 2 outputs");
    ck_fails(cn_model_set_class_names(model, 3, names), CN_ERR_ARGUMENT, "3 class names for 2 outputs");
    ck_assert_ptr_null(cn_model_class_name(model, 0));
    ck_ok(cn_model_set_class_names(model, 2, names));
    ck_assert_str_eq(cn_model_class_name(model, 1), "b");
    cn_model_free(model);
    later = model_for(3, 4, 5); /* named before it is complete */
    ck_ok(cn_model_append(later, "relu", relu()));
    ck_ok(cn_model_set_class_names(later, 2, names));
    ck_fails(cn_model_init(later, 0), CN_ERR_STATE, "2 class names for 3 outputs");
    ck_ok(cn_model_set_class_names(later, 3, names));
    ck_ok(cn_model_init(later, 0));
    cn_model_free(later);
}
END_TEST

/* ---- passes ---- */

START_TEST(passes_check_shapes_and_types) {
    cn_model *model = small_model();
    cn_tensor *in = images(3, 3, 4, 5), *out = images(3, 2, 2, 3), *none = images(0, 3, 4, 5);
    cn_tensor *narrow = images(3, 3, 4, 4), *few = images(2, 2, 2, 3),
              *flat = tensor_of(CN_DTYPE_FLOAT32, 2, (int64_t[]){3, 60});
    cn_tensor *bytes = tensor_of(CN_DTYPE_UINT8, 4, (int64_t[]){3, 3, 4, 5});
    ck_fails(cn_model_forward(model, 1, narrow, out), CN_ERR_SHAPE,
             "output is float32 [3, 2, 2, 3], wanted float32 [3, 2, 2, 2]");
    ck_fails(cn_model_forward(model, 1, flat, out), CN_ERR_SHAPE, "input is float32 [3, 60]");
    ck_fails(cn_model_forward(model, 1, bytes, out), CN_ERR_SHAPE, "input is uint8");
    ck_fails(cn_model_forward(model, 1, none, out), CN_ERR_SHAPE, "0 images");
    ck_fails(cn_model_forward(model, 7, in, out), CN_ERR_ARGUMENT, "training is 7");
    ck_fails(cn_model_forward(model, 1, in, few), CN_ERR_SHAPE,
             "output is float32 [2, 2, 2, 3], wanted float32 [3, 2, 2, 3]");
    ck_fails(cn_model_forward(model, 1, in, flat), CN_ERR_SHAPE, "output is float32 [3, 60]");
    ck_ok(cn_model_forward(model, 1, in, out));
    ck_fails(cn_model_backward(model, few, NULL), CN_ERR_SHAPE, "grad_output is float32 [2, 2, 2, 3]");
    ck_fails(cn_model_backward(model, out, narrow), CN_ERR_SHAPE, "grad_input is float32 [3, 3, 4, 4]");
    ck_ok(cn_model_backward(model, out, in));
    cn_tensor *all[] = {in, out, none, narrow, few, flat, bytes};
    for (size_t i = 0; i < COUNT(all); i++)
        cn_tensor_free(all[i]);
    cn_model_free(model);
}
END_TEST

START_TEST(backward_follows_one_training_pass) {
    cn_model *model = small_model();
    cn_tensor *in = images(3, 3, 4, 5), *out = images(3, 2, 2, 3), *other = images(20, 3, 4, 5);
    cn_tensor *other_out = images(20, 2, 2, 3);
    ck_fails(cn_model_backward(model, out, NULL), CN_ERR_STATE, "no training forward pass");
    ck_ok(cn_model_forward(model, 0, in, out));
    ck_fails(cn_model_backward(model, out, NULL), CN_ERR_STATE, "no training forward pass");
    ck_ok(cn_model_forward(model, 1, in, out));
    ck_ok(cn_model_backward(model, out, NULL));
    ck_fails(cn_model_backward(model, out, NULL), CN_ERR_STATE, "no training forward pass");
    ck_ok(cn_model_forward(model, 1, in, out));
    ck_ok(cn_model_forward(model, 0, other, other_out));
    ck_fails(cn_model_backward(model, out, NULL), CN_ERR_STATE, "no training forward pass");
    ck_ok(cn_model_forward(model, 1, in, out));
    ck_ok(cn_model_init(model, 5));
    ck_fails(cn_model_backward(model, out, NULL), CN_ERR_STATE, "no training forward pass");
    ck_ok(cn_model_forward(model, 1, other, other_out));
    ck_ok(cn_model_backward(model, other_out, other));
    cn_tensor *all[] = {in, out, other, other_out};
    for (size_t i = 0; i < COUNT(all); i++)
        cn_tensor_free(all[i]);
    cn_model_free(model);
}
END_TEST

START_TEST(batch_norm_needs_two_values_to_train) {
    cn_model *model = model_for(3, 1, 1);
    cn_tensor *one = images(1, 3, 1, 1), *two = images(2, 3, 1, 1);
    ck_ok(cn_model_append(model, "norm", norm(CN_NORM_BATCH, 3)));
    ck_ok(cn_model_init(model, 1));
    ck_fails(cn_model_forward(model, 1, one, one), CN_ERR_SHAPE, "'norm'");
    ck_fails(cn_model_backward(model, one, NULL), CN_ERR_STATE, "no training forward pass");
    ck_ok(cn_model_forward(model, 0, one, one));
    ck_ok(cn_model_forward(model, 1, two, two));
    cn_tensor_free(one);
    cn_tensor_free(two);
    cn_model_free(model);
}
END_TEST

/* One pixel an image comes out as [N, K] or as [N, C, 1, 1], whichever the caller brings. */
START_TEST(a_flat_output_has_two_or_four_dimensions) {
    cn_model *model = model_for(3, 1, 1);
    cn_tensor *in = images(2, 3, 1, 1), *four = images(2, 4, 1, 1),
              *two = tensor_of(CN_DTYPE_FLOAT32, 2, (int64_t[]){2, 4});
    cn_layer *linear;
    for (int i = 0; i < 6; i++)
        ((float *)cn_tensor_data(in))[i] = (float)i;
    ck_ok(cn_linear_new(ctx, 3, 4, 1, &linear));
    ck_ok(cn_model_append(model, "linear", linear));
    ck_ok(cn_model_init(model, 1));
    ck_ok(cn_model_forward(model, 1, in, four));
    ck_ok(cn_model_forward(model, 1, in, two));
    ck_assert_int_eq(memcmp(cn_tensor_data(two), cn_tensor_data(four), 8 * sizeof(float)), 0);
    ck_ok(cn_model_backward(model, two, in));
    cn_tensor_free(in);
    cn_tensor_free(four);
    cn_tensor_free(two);
    cn_model_free(model);
}
END_TEST

START_TEST(parameters_written_between_calls_count) {
    cn_model *model = model_for(1, 1, 1);
    cn_tensor *one = images(1, 1, 1, 1), *out = images(1, 1, 1, 1), *weight, *bias;
    ck_ok(cn_model_append(model, "conv", conv(1, 1, 1)));
    ck_ok(cn_model_init(model, 1));
    ck_ok(cn_model_tensor(model, "conv.weight", &weight));
    ck_ok(cn_model_tensor(model, "conv.bias", &bias));
    *(float *)cn_tensor_data(one) = 3.0f;
    for (int i = 1; i < 4; i++) {
        *(float *)cn_tensor_data(weight) = (float)i;
        *(float *)cn_tensor_data(bias) = 0.5f;
        ck_ok(cn_model_forward(model, i % 2, one, out));
        ck_assert_float_eq(*(float *)cn_tensor_data(out), 3.0f * (float)i + 0.5f);
    }
    cn_tensor_free(one);
    cn_tensor_free(out);
    cn_model_free(model);
}
END_TEST

int main(void) {
    const TTest *const graphs[] = {
        names_are_unique_and_plain,       layers_stay_in_their_context,        building_ends_with_init,
        every_layer_is_read_but_the_last, layers_read_what_they_were_made_for, sizes_do_not_overflow};
    const TTest *const tensors[] = {tensors_are_found_by_name_in_torchs_order, seeds_repeat_and_differ,
                                    every_output_has_a_name};
    const TTest *const passes[] = {passes_check_shapes_and_types, backward_follows_one_training_pass,
                                   batch_norm_needs_two_values_to_train, a_flat_output_has_two_or_four_dimensions,
                                   parameters_written_between_calls_count};
    Suite *suite = suite_create("models");
    add_tests(suite, "graphs", set_up, tear_down, graphs, COUNT(graphs), 1);
    add_tests(suite, "tensors", set_up, tear_down, tensors, COUNT(tensors), 1);
    add_tests(suite, "passes", set_up, tear_down, passes, COUNT(passes), 1);
    return test_run(suite);
}
