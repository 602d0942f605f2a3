/* SPDX-License-Identifier: MIT */
/* test_summary.c: what a model says of its layers, as data and as tables. */
#include "testing.h"
#include <stdio.h>

TEST_RUNS_ONCE;

static cn_context *ctx;

static void setup(void) {
    ctx = test_context(1);
}

static void teardown(void) {
    cn_context_free(ctx);
}

static void append_conv(cn_model *model, const char *name, int in, int out, int kernel, int stride, int padding,
                        int dilation) {
    cn_conv2d_options options = CN_CONV2D_OPTIONS_INIT;
    cn_layer *layer;
    options.stride[0] = options.stride[1] = stride;
    options.padding[0] = options.padding[1] = padding;
    options.dilation[0] = options.dilation[1] = dilation;
    ck_ok(cn_conv2d_new(ctx, in, out, kernel, kernel, &options, &layer));
    ck_ok(cn_model_append(model, name, layer));
}

static void append_relu(cn_model *model, const char *name) {
    cn_layer *layer;
    ck_ok(cn_relu_new(ctx, &layer));
    ck_ok(cn_model_append(model, name, layer));
}

static cn_layer_info layer_info(const cn_model *model, int index) {
    cn_layer_info info = CN_LAYER_INFO_INIT;
    ck_ok(cn_model_layer_info(model, index, &info));
    return info;
}

static cn_layer_info named_info(const cn_model *model, const char *name) {
    for (int i = 0; i < cn_model_layer_count(model); i++) {
        cn_layer_info info = layer_info(model, i);
        if (strcmp(info.name, name) == 0)
            return info;
    }
    ck_abort_msg("no layer '%s'", name);
    return (cn_layer_info)CN_LAYER_INFO_INIT;
}

/* ---- the study's network ---- */

START_TEST(session8_has_the_studys_receptive_field) {
    static const char wanted[] = "layer                in  rf  jump  pad  kernel  stride  out  rf out  jump out\n"
                                 "cblock1.0.convlayer  32   1     1    0       3       1   30       3         1\n"
                                 "cblock1.1.convlayer  30   3     1    0       3       1   28       5         1\n"
                                 "tblock1.0            28   5     1    0       1       1   28       5         1\n"
                                 "tblock1.1            28   5     1    0       2       2   14       6         2\n"
                                 "cblock2.0.convlayer  14   6     2    1       3       1   14      10         2\n"
                                 "cblock2.1.convlayer  14  10     2    1       3       1   14      14         2\n"
                                 "cblock2.2.convlayer  14  14     2    1       3       1   14      18         2\n"
                                 "tblock2.0            14  18     2    0       1       1   14      18         2\n"
                                 "tblock2.1            14  18     2    0       2       2    7      20         4\n"
                                 "cblock3.0.convlayer   7  20     4    1       3       1    7      28         4\n"
                                 "cblock3.1.convlayer   7  28     4    1       3       1    7      36         4\n"
                                 "cblock3.2.convlayer   7  36     4    1       3       1    7      44         4\n"
                                 "oblock.0              7  44     4    0       7       7    1      68        28\n"
                                 "oblock.1              1  68    28    0       1       1    1      68        28\n";
    cn_session8_options options = CN_SESSION8_OPTIONS_INIT;
    for (options.skip = 0; options.skip < 2; options.skip++) {
        cn_model *model;
        char *text;
        ck_ok(cn_model_session8(ctx, &options, &model));
        ck_ok(cn_model_receptive_field(model, &text));
        ck_assert_str_eq(text, wanted);
        cn_text_free(text);
        cn_model_free(model);
    }
}
END_TEST

START_TEST(session8_costs_what_the_study_says) {
    cn_model *model;
    int64_t parameters = 0, multiply_adds = 0;
    ck_ok(cn_model_session8(ctx, NULL, &model));
    for (int i = 0; i < cn_model_layer_count(model); i++) {
        cn_layer_info info = layer_info(model, i);
        parameters += info.parameters;
        multiply_adds += info.multiply_adds;
    }
    ck_assert_int_eq(parameters, 47818);
    ck_assert_int_eq(multiply_adds, 7049984);
    cn_model_free(model);
}
END_TEST

/* ---- one layer ---- */

START_TEST(a_row_says_all_of_its_layer) {
    cn_model *model;
    ck_ok(cn_model_new(ctx, 3, 9, 11, &model));
    append_conv(model, "conv", 3, 5, 3, 2, 1, 1);
    append_relu(model, "relu");
    ck_assert_int_eq(cn_model_layer_count(model), 2);
    cn_layer_info conv = layer_info(model, 0), relu = layer_info(model, 1);
    ck_assert_str_eq(conv.name, "conv");
    ck_assert_str_eq(conv.type, "Conv2d");
    ck_assert_mem_eq(conv.input, ((int64_t[]){3, 9, 11}), sizeof conv.input);
    ck_assert_mem_eq(conv.output, ((int64_t[]){5, 5, 6}), sizeof conv.output);
    ck_assert_int_eq(conv.parameters, 5 * 3 * 3 * 3 + 5);
    ck_assert_int_eq(conv.multiply_adds, 5 * 3 * 3 * 3 * 5 * 6);
    ck_assert_int_eq(conv.activation_bytes, 4 * 5 * 5 * 6);
    ck_assert_int_eq(conv.has_receptive_field, 1);
    const int64_t *field[] = {conv.in,     conv.rf_in, conv.jump_in, conv.padding, conv.kernel,
                              conv.stride, conv.out,   conv.rf_out,  conv.jump_out};
    static const int64_t wanted[][2] = {{9, 11}, {1, 1}, {1, 1}, {1, 1}, {3, 3}, {2, 2}, {5, 6}, {3, 3}, {2, 2}};
    for (size_t i = 0; i < sizeof field / sizeof field[0]; i++)
        ck_assert_mem_eq(field[i], wanted[i], sizeof wanted[i]);
    ck_assert_str_eq(relu.type, "ReLU");
    ck_assert_int_eq(relu.parameters, 0);
    ck_assert_int_eq(relu.multiply_adds, 0);
    ck_assert_int_eq(relu.has_receptive_field, 0);
    ck_assert_int_eq(relu.rf_out[0], 0);
    cn_model_free(model);
}
END_TEST

START_TEST(an_older_struct_is_refused_and_a_newer_one_zeroed) {
    struct {
        cn_layer_info info;
        int64_t newer;
    } larger = {CN_LAYER_INFO_INIT, 7};
    cn_model *model;
    ck_ok(cn_model_new(ctx, 1, 2, 2, &model));
    append_relu(model, "relu");
    larger.info.size = sizeof larger;
    ck_ok(cn_model_layer_info(model, 0, &larger.info));
    ck_assert_str_eq(larger.info.name, "relu");
    ck_assert_int_eq(larger.newer, 0);
    larger.info.size = 8;
    ck_fails(cn_model_layer_info(model, 0, &larger.info), CN_ERR_ARGUMENT, "cn_layer_info");
    cn_model_free(model);
}
END_TEST

START_TEST(bad_arguments_are_refused) {
    cn_layer_info info = CN_LAYER_INFO_INIT;
    cn_model *model;
    char *text = (char *)ctx;
    ck_ok(cn_model_new(ctx, 1, 2, 2, &model));
    ck_fails(cn_model_layer_info(model, 0, &info), CN_ERR_NOT_FOUND, "no layer 0");
    ck_fails(cn_model_layer_info(model, -1, &info), CN_ERR_NOT_FOUND, "no layer -1");
    ck_fails(cn_model_layer_info(NULL, 0, &info), CN_ERR_ARGUMENT, "model");
    ck_fails(cn_model_summary(NULL, &text), CN_ERR_ARGUMENT, "model");
    ck_assert_ptr_null(text);
    ck_fails(cn_model_summary(model, NULL), CN_ERR_ARGUMENT, "text");
    ck_fails(cn_model_receptive_field(model, NULL), CN_ERR_ARGUMENT, "text");
    ck_fails(cn_model_receptive_field(NULL, &text), CN_ERR_ARGUMENT, "model");
    append_relu(model, "relu");
    ck_fails(cn_model_layer_info(model, 0, NULL), CN_ERR_ARGUMENT, "info");
    ck_fails(cn_model_layer_info(model, 1, &info), CN_ERR_NOT_FOUND, "no layer 1, the model has 1");
    cn_model_free(model);
}
END_TEST

/* Products cost nothing that is counted; of an upsampling, shapes show by how much. */
START_TEST(gates_and_upsamplings_are_in_words) {
    cn_model *model;
    cn_layer *layer;
    cn_upsample_options options = CN_UPSAMPLE_OPTIONS_INIT;
    char *text;
    ck_ok(cn_model_new(ctx, 2, 4, 6, &model));
    ck_ok(cn_adaptive_avg_pool2d_new(ctx, 1, 1, &layer));
    ck_ok(cn_model_append(model, "pool", layer));
    ck_ok(cn_mul_new(ctx, &layer));
    ck_ok(cn_model_add(model, "gate", layer, 2, (const char *[]){"input", "pool"}));
    options.scale_factor[0] = 2.0;
    options.scale_factor[1] = 1.5;
    options.mode = CN_UPSAMPLE_BILINEAR;
    options.align_corners = 1;
    ck_ok(cn_upsample_new(ctx, &options, &layer));
    ck_ok(cn_model_append(model, "up", layer));
    ck_ok(cn_model_summary(model, &text));
    ck_assert_msg(strstr(text, "\ngate   Mul of input, pool   ") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "\nup     Upsample, bilinear, align_corners 1   2×8×9 ") != NULL, "%s", text);
    cn_text_free(text);
    cn_model_free(model);
}
END_TEST

/* ---- receptive fields ---- */

START_TEST(dilation_and_stride_widen_the_field) {
    cn_model *model;
    ck_ok(cn_model_new(ctx, 1, 40, 40, &model));
    append_conv(model, "a", 1, 1, 3, 2, 0, 2);
    append_relu(model, "relu");
    append_conv(model, "b", 1, 1, 3, 3, 0, 1);
    append_conv(model, "c", 1, 1, 2, 1, 0, 1);
    ck_assert_int_eq(named_info(model, "a").rf_out[0], 5);
    ck_assert_int_eq(named_info(model, "b").rf_in[0], 5);
    ck_assert_int_eq(named_info(model, "b").jump_in[0], 2);
    ck_assert_int_eq(named_info(model, "b").rf_out[0], 9);
    ck_assert_int_eq(named_info(model, "b").jump_out[0], 6);
    ck_assert_int_eq(named_info(model, "c").rf_out[0], 15);
    cn_model_free(model);
}
END_TEST

START_TEST(where_paths_meet_the_widest_counts) {
    cn_model *model;
    cn_layer *layer;
    ck_ok(cn_model_new(ctx, 1, 12, 12, &model));
    append_conv(model, "narrow", 1, 1, 1, 1, 0, 1);
    append_conv(model, "wide", 1, 1, 5, 1, 2, 1);
    ck_ok(cn_add_new(ctx, &layer));
    ck_ok(cn_model_add(model, "add", layer, 3, (const char *[]){"narrow", "wide", "input"}));
    append_conv(model, "after", 1, 1, 3, 1, 1, 1);
    ck_assert_int_eq(named_info(model, "add").has_receptive_field, 0);
    ck_assert_int_eq(named_info(model, "after").rf_in[0], 5);
    ck_assert_int_eq(named_info(model, "after").rf_out[0], 7);
    cn_model_free(model);
}
END_TEST

START_TEST(endless_strides_do_not_overflow) {
    cn_model *model;
    char name[8];
    ck_ok(cn_model_new(ctx, 1, 1, 1, &model));
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "c%d", i);
        append_conv(model, name, 1, 1, 2, 65536, 1, 1);
    }
    ck_assert_int_eq(named_info(model, "c2").jump_out[0], (int64_t)1 << 48);
    ck_assert_int_eq(named_info(model, "c5").jump_out[0], INT64_MAX);
    ck_assert_int_eq(named_info(model, "c5").rf_out[0], INT64_MAX);
    cn_model_free(model);
}
END_TEST

/* Signals [N, 3, 1, 128]: nothing grows by height. */
START_TEST(height_and_width_count_apart) {
    static const char wanted[] = "layer     in    rf  jump  pad  kernel  stride   out  rf out  jump out\n"
                                 "wide   1×128     1     1  0×2     1×5     1×2  1×64     1×5       1×2\n"
                                 "pool    1×64   1×5   1×2    0     1×4     1×4  1×16    1×11       1×8\n"
                                 "mean    1×16  1×11   1×8    0    1×16    1×16     1   1×131     1×128\n";
    cn_conv2d_options options = CN_CONV2D_OPTIONS_INIT;
    cn_model *model;
    cn_layer *layer;
    char *text;
    options.stride[1] = 2;
    options.padding[1] = 2;
    ck_ok(cn_model_new(ctx, 3, 1, 128, &model));
    ck_ok(cn_conv2d_new(ctx, 3, 4, 1, 5, &options, &layer));
    ck_ok(cn_model_append(model, "wide", layer));
    ck_ok(cn_max_pool2d_new(ctx, 1, 4, NULL, &layer));
    ck_ok(cn_model_append(model, "pool", layer));
    ck_ok(cn_adaptive_avg_pool2d_new(ctx, 1, 1, &layer));
    ck_ok(cn_model_append(model, "mean", layer));
    ck_ok(cn_model_receptive_field(model, &text));
    ck_assert_str_eq(text, wanted);
    cn_text_free(text);
    cn_model_free(model);
}
END_TEST

/* ---- the table ---- */

START_TEST(columns_line_up_and_numbers_are_grouped) {
    static const char wanted[] = "layer   what it is            output  params  mult-adds\n"
                                 "-------------------------------------------------------\n"
                                 "größe   Conv2d 3×3, pad 1  40×50×100   1,120  5,400,000\n"
                                 "二つ目  ReLU               40×50×100                   \n"
                                 "-------------------------------------------------------\n"
                                 "total                                  1,120  5,400,000\n"
                                 "parameters: 0.004 MB; all outputs for an image: 1.600 MB (float32)\n";
    cn_model *model;
    char *text;
    ck_ok(cn_model_new(ctx, 3, 50, 100, &model));
    append_conv(model, "größe", 3, 40, 3, 1, 1, 1);
    append_relu(model, "二つ目");
    ck_ok(cn_model_summary(model, &text));
    ck_assert_str_eq(text, wanted);
    cn_text_free(text);
    cn_model_free(model);
}
END_TEST

START_TEST(a_layer_is_told_with_what_is_special_about_it) {
    cn_conv2d_options options = CN_CONV2D_OPTIONS_INIT;
    cn_model *model;
    cn_layer *layer;
    char *text;
    ck_ok(cn_model_new(ctx, 4, 9, 9, &model));
    options.groups = 2;
    options.stride[1] = 2;
    options.padding[0] = options.padding[1] = 1;
    options.padding_mode = CN_PADDING_REFLECT;
    ck_ok(cn_conv2d_new(ctx, 4, 8, 3, 1, &options, &layer));
    ck_ok(cn_model_append(model, "special", layer));
    ck_ok(cn_leaky_relu_new(ctx, 0.25f, &layer));
    ck_ok(cn_model_append(model, "leaky", layer));
    ck_ok(cn_add_new(ctx, &layer));
    ck_ok(cn_model_add(model, "skip", layer, 2, (const char *[]){"leaky", "special"}));
    ck_ok(cn_add_new(ctx, &layer));
    ck_ok(cn_model_add(model, "again", layer, 2, (const char *[]){"special", "skip"}));
    ck_ok(cn_max_pool2d_new(ctx, 2, 2, NULL, &layer));
    ck_ok(cn_model_append(model, "pool", layer));
    ck_ok(cn_flatten_new(ctx, &layer));
    ck_ok(cn_model_append(model, "flat", layer));
    ck_ok(cn_model_summary(model, &text));
    ck_assert_ptr_nonnull(strstr(text, "Conv2d 3×1, stride 1×2, pad 1, groups 2, reflect "));
    ck_assert_ptr_nonnull(strstr(text, "LeakyReLU, negative_slope 0.25 "));
    ck_assert_ptr_nonnull(strstr(text, "Add with special "));
    ck_assert_ptr_nonnull(strstr(text, "Add of special, skip "));
    ck_assert_ptr_nonnull(strstr(text, "MaxPool2d 2×2 "));
    ck_assert_ptr_nonnull(strstr(text, "Flatten  ")); /* features, not channels×1×1: */
    ck_assert_ptr_nonnull(strstr(text, "   96 "));
    cn_text_free(text);
    cn_model_free(model);
}
END_TEST

START_TEST(session8_fits_into_80_columns) {
    cn_model *model;
    char *text;
    ck_ok(cn_model_session8(ctx, NULL, &model));
    for (int table = 0; table < 2; table++) {
        ck_ok((table ? cn_model_receptive_field : cn_model_summary)(model, &text));
        for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
            size_t columns = 0;
            for (const char *c = line; *c != '\n'; c++)
                columns += ((unsigned char)*c & 0xC0) != 0x80;
            ck_assert_uint_le(columns, 80);
        }
        cn_text_free(text);
    }
    cn_model_free(model);
}
END_TEST

START_TEST(an_empty_model_has_an_empty_table) {
    cn_model *model;
    char *text;
    ck_ok(cn_model_new(ctx, 3, 5, 5, &model));
    ck_assert_int_eq(cn_model_layer_count(model), 0);
    ck_ok(cn_model_summary(model, &text));
    ck_assert_ptr_nonnull(strstr(text, "total"));
    cn_text_free(text);
    ck_ok(cn_model_receptive_field(model, &text));
    ck_assert_str_eq(text, "layer  in  rf  jump  pad  kernel  stride  out  rf out  jump out\n");
    cn_text_free(text);
    cn_model_free(model);
}
END_TEST

/* One allocation fails (_i = 0), or all from one on. */
START_TEST(running_out_of_memory_is_a_status) {
    counting_allocator counter = {.persistent = _i};
    cn_status (*const tables[])(const cn_model *, char **) = {cn_model_summary, cn_model_receptive_field};
    cn_model *model;
    cn_context *own = counting_context(&counter, 1);
    ck_ok(cn_model_session8(own, NULL, &model));
    long live = counter.live;
    for (int table = 0; table < 2; table++) {
        cn_status status = CN_ERR_MEMORY;
        for (long n = 1; status != CN_OK; n++) {
            char *text;
            counter.fail_at = counter.calls + n;
            status = tables[table](model, &text);
            counter.fail_at = 0;
            ck_assert(status == CN_OK || status == CN_ERR_MEMORY);
            ck_assert((status == CN_OK) == (text != NULL));
            cn_text_free(text);
            ck_assert_int_eq(counter.live, live);
        }
    }
    cn_model_free(model);
    cn_context_free(own);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("summary");
    TCase *tcase = tcase_create("summary");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, session8_has_the_studys_receptive_field);
    tcase_add_test(tcase, session8_costs_what_the_study_says);
    tcase_add_test(tcase, a_row_says_all_of_its_layer);
    tcase_add_test(tcase, an_older_struct_is_refused_and_a_newer_one_zeroed);
    tcase_add_test(tcase, bad_arguments_are_refused);
    tcase_add_test(tcase, dilation_and_stride_widen_the_field);
    tcase_add_test(tcase, where_paths_meet_the_widest_counts);
    tcase_add_test(tcase, endless_strides_do_not_overflow);
    tcase_add_test(tcase, height_and_width_count_apart);
    tcase_add_test(tcase, columns_line_up_and_numbers_are_grouped);
    tcase_add_test(tcase, gates_and_upsamplings_are_in_words);
    tcase_add_test(tcase, a_layer_is_told_with_what_is_special_about_it);
    tcase_add_test(tcase, session8_fits_into_80_columns);
    tcase_add_test(tcase, an_empty_model_has_an_empty_table);
    tcase_add_loop_test(tcase, running_out_of_memory_is_a_status, 0, 2);
    suite_add_tcase(suite, tcase);
    return test_run(suite);
}
