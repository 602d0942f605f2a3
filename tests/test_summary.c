/* test_summary.c: what a model says of its layers, as data and as tables. */
#include "testing.h"
#include <stdio.h>

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
    static const char wanted[] = "layer  in  RF in  jump in  pad  kernel  stride  out  RF out  jump out\n"
                                 "    1  32      1        1    0       3       1   30       3         1\n"
                                 "    2  30      3        1    0       3       1   28       5         1\n"
                                 "    3  28      5        1    0       1       1   28       5         1\n"
                                 "    4  28      5        1    0       2       2   14       6         2\n"
                                 "    5  14      6        2    1       3       1   14      10         2\n"
                                 "    6  14     10        2    1       3       1   14      14         2\n"
                                 "    7  14     14        2    1       3       1   14      18         2\n"
                                 "    8  14     18        2    0       1       1   14      18         2\n"
                                 "    9  14     18        2    0       2       2    7      20         4\n"
                                 "   10   7     20        4    1       3       1    7      28         4\n"
                                 "   11   7     28        4    1       3       1    7      36         4\n"
                                 "   12   7     36        4    1       3       1    7      44         4\n"
                                 "   13   7     44        4    0       7       7    1      68        28\n"
                                 "   14   1     68       28    0       1       1    1      68        28\n";
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
    const int64_t field[] = {conv.in,     conv.rf_in, conv.jump_in, conv.padding, conv.kernel,
                             conv.stride, conv.out,   conv.rf_out,  conv.jump_out};
    ck_assert_mem_eq(field, ((int64_t[]){9, 1, 1, 1, 3, 2, 5, 3, 2}), sizeof field);
    ck_assert_str_eq(relu.type, "ReLU");
    ck_assert_int_eq(relu.parameters, 0);
    ck_assert_int_eq(relu.multiply_adds, 0);
    ck_assert_int_eq(relu.has_receptive_field, 0);
    ck_assert_int_eq(relu.rf_out, 0);
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

/* ---- receptive fields ---- */

START_TEST(dilation_and_stride_widen_the_field) {
    cn_model *model;
    ck_ok(cn_model_new(ctx, 1, 40, 40, &model));
    append_conv(model, "a", 1, 1, 3, 2, 0, 2);
    append_relu(model, "relu");
    append_conv(model, "b", 1, 1, 3, 3, 0, 1);
    append_conv(model, "c", 1, 1, 2, 1, 0, 1);
    ck_assert_int_eq(named_info(model, "a").rf_out, 5);
    ck_assert_int_eq(named_info(model, "b").rf_in, 5);
    ck_assert_int_eq(named_info(model, "b").jump_in, 2);
    ck_assert_int_eq(named_info(model, "b").rf_out, 9);
    ck_assert_int_eq(named_info(model, "b").jump_out, 6);
    ck_assert_int_eq(named_info(model, "c").rf_out, 15);
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
    ck_assert_int_eq(named_info(model, "after").rf_in, 5);
    ck_assert_int_eq(named_info(model, "after").rf_out, 7);
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
    ck_assert_int_eq(named_info(model, "c2").jump_out, (int64_t)1 << 48);
    ck_assert_int_eq(named_info(model, "c5").jump_out, INT64_MAX);
    ck_assert_int_eq(named_info(model, "c5").rf_out, INT64_MAX);
    cn_model_free(model);
}
END_TEST

/* ---- the table ---- */

START_TEST(columns_line_up_and_numbers_are_grouped) {
    static const char wanted[] =
        "layer   type        input     output  parameters     share  multiply-adds  activation bytes\n"
        "-------------------------------------------------------------------------------------------\n"
        "größe   Conv2d   3×50×100  40×50×100       1,120  100.00 %      5,400,000           800,000\n"
        "second  ReLU    40×50×100  40×50×100                                                800,000\n"
        "-------------------------------------------------------------------------------------------\n"
        "total                                      1,120  100.00 %      5,400,000         1,600,000\n";
    cn_model *model;
    char *text;
    ck_ok(cn_model_new(ctx, 3, 50, 100, &model));
    append_conv(model, "größe", 3, 40, 3, 1, 1, 1);
    append_relu(model, "second");
    ck_ok(cn_model_summary(model, &text));
    ck_assert_str_eq(text, wanted);
    cn_text_free(text);
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
    ck_assert_str_eq(text, "layer  in  RF in  jump in  pad  kernel  stride  out  RF out  jump out\n");
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
    tcase_add_test(tcase, columns_line_up_and_numbers_are_grouped);
    tcase_add_test(tcase, an_empty_model_has_an_empty_table);
    tcase_add_loop_test(tcase, running_out_of_memory_is_a_status, 0, 2);
    suite_add_tcase(suite, tcase);
    return test_run(suite);
}
