/* SPDX-License-Identifier: MIT */
/* test_charts.c: charts of histories are well-formed for any numbers and names, and say what is true; what charts, sheets
 * and pages refuse. */
#include "documents.h"
#include "pieces.h"
#include <locale.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

/* ---- curves ---- */

static cn_history *history_of(const char *name, int epochs, double loss, double accuracy) {
    cn_history *history;
    ck_ok(cn_history_new(ctx, name, &history));
    for (int i = 1; i <= epochs; i++) {
        cn_epoch_info epoch = CN_EPOCH_INFO_INIT;
        epoch.epoch = i;
        epoch.train_loss = epoch.test_loss = loss / i;
        epoch.train_accuracy = accuracy * i / epochs;
        epoch.test_accuracy = accuracy;
        epoch.learning_rate = 0.01 / i;
        ck_ok(cn_history_add(history, &epoch));
    }
    return history;
}

static void chart_all(int count, const cn_history *const *histories, const char *has) {
    char *svg;
    for (int metric = CN_METRIC_LOSS; metric <= CN_METRIC_LEARNING_RATE; metric++) {
        ck_ok(cn_chart_metric(count, histories, (cn_metric)metric, &svg));
        expect_document(svg, NULL);
    }
    ck_ok(cn_chart_curves(count, histories, &svg));
    expect_document(svg, has);
}

START_TEST(curves_of_any_length_and_value_are_drawn) {
    static const int epochs[] = {0, 1, 2, 20, 401, 3000};
    static const double values[] = {0.0, 1.0, -3.0, 1e-30, 1e-310, 1e300, NAN, INFINITY};
    for (size_t i = 0; i < sizeof epochs / sizeof epochs[0]; i++)
        for (size_t k = 0; k < sizeof values / sizeof values[0]; k++) {
            cn_history *history = history_of("", epochs[i], values[k], isfinite(values[k]) ? 0.5 : values[k]);
            const cn_history *one = history;
            chart_all(1, &one, "Accuracy, %");
            cn_history_free(history);
        }
}
END_TEST

START_TEST(no_number_of_a_chart_is_nan) {
    static const double values[] = {NAN, 1e-310, 4.9e-324, DBL_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        cn_history *history = history_of("", 5, values[i], values[i]);
        const cn_history *one = history;
        char *svg;
        ck_ok(cn_chart_curves(1, &one, &svg));
        ck_assert_ptr_null(strstr(svg, "nan"));
        ck_assert_ptr_null(strstr(svg, "inf"));
        ck_assert(isfinite(values[i]) || occurrences(svg, "no values") == 2);
        cn_text_free(svg);
        cn_history_free(history);
    }
}
END_TEST

START_TEST(runs_of_one_name_are_one_curve_with_a_band) {
    cn_history *all[] = {history_of("a", 4, 1.0, 0.5), history_of("b", 4, 2.0, 0.6), history_of("a", 3, 1.5, 0.7)};
    char *svg;
    ck_ok(cn_chart_metric(3, (const cn_history *const *)all, CN_METRIC_ACCURACY, &svg));
    ck_assert_int_eq(occurrences(svg, "cn-b\""), 1); /* of a's test curve */
    ck_assert_int_eq(occurrences(svg, ">a</text>"), 1);
    ck_assert_int_eq(occurrences(svg, ">b</text>"), 1);
    cn_text_free(svg);
    for (int i = 0; i < 3; i++)
        cn_history_free(all[i]);
}
END_TEST

START_TEST(hostile_names_are_escaped) {
    cn_history *all[] = {history_of(hostile_name, 4, 1.0, 0.5), history_of("other", 4, 1.0, 0.5)};
    chart_all(2, (const cn_history *const *)all, "&lt;script&gt;&amp;&quot;&#39;\xEF\xBF\xBD\xEF\xBF\xBD");
    cn_history_free(all[0]);
    cn_history_free(all[1]);
}
END_TEST

START_TEST(a_locale_with_a_decimal_comma_changes_nothing) {
    cn_history *history = history_of("", 7, 1.3, 0.7);
    const cn_history *one = history;
    char *before, *after;
    ck_ok(cn_chart_curves(1, &one, &before));
    setlocale(LC_ALL, "de_DE.UTF-8"); /* where it is installed */
    ck_ok(cn_chart_curves(1, &one, &after));
    setlocale(LC_ALL, "C");
    ck_assert_str_eq(before, after);
    cn_text_free(before);
    cn_text_free(after);
    cn_history_free(history);
}
END_TEST

/* ---- learning rates ---- */

static int heights(const char *svg, double *lowest, double *highest) {
    const char *path = strstr(svg, "class=\"cn-l cn-s0");
    int count = 0;
    ck_assert_ptr_nonnull(path);
    *lowest = -1e9; /* on the page: the largest y */
    *highest = 1e9;
    for (path = strstr(path, " d=\"") + 4; *path != '"'; count++) {
        char *end;
        strtod(path + 1, &end);
        double y = strtod(end, &end);
        *lowest = fmax(*lowest, y);
        *highest = fmin(*highest, y);
        path = end;
    }
    return count;
}

static char *rate_chart(int epochs, double (*rate)(int epoch, int epochs)) {
    cn_history *history;
    char *svg;
    ck_ok(cn_history_new(ctx, "", &history));
    for (int i = 1; i <= epochs; i++) {
        cn_epoch_info epoch = CN_EPOCH_INFO_INIT;
        epoch.epoch = i;
        epoch.learning_rate = rate(i, epochs);
        ck_ok(cn_history_add(history, &epoch));
    }
    const cn_history *one = history;
    ck_ok(cn_chart_metric(1, &one, CN_METRIC_LEARNING_RATE, &svg));
    cn_history_free(history);
    return svg;
}

static double cycle(int epoch, int epochs) {
    return epoch == epochs ? 1e-5 : 0.015 * (1.0 - fabs(2.0 * epoch / epochs - 0.6) / 1.5);
}

static double cuts(int epoch, int epochs) {
    (void)epochs;
    return 0.01 * pow(0.3, epoch);
}

START_TEST(rates_are_steps_and_cycles_can_be_seen) {
    double low, high;
    char *svg = rate_chart(6, cycle);
    ck_assert_int_eq(heights(svg, &low, &high), 12); /* two ends of each epoch */
    ck_assert_ptr_null(strstr(svg, ">1e"));          /* an even axis */
    ck_assert_ptr_nonnull(strstr(svg, ">0.000</text>"));
    expect_document(svg, "Learning rate");
    svg = rate_chart(1, cycle);
    ck_assert_int_eq(heights(svg, &low, &high), 2);
    expect_document(svg, ">1</text>");
    svg = rate_chart(20, cuts);
    expect_document(svg, ">1e−7</text>"); /* even ratios: the cuts can be seen */
}
END_TEST

/* What was tested on goes by its name, in charts and tables. */
START_TEST(histories_say_what_was_tested_on) {
    cn_history *history = history_of("", 3, 1.0, 0.5), *other = history_of("other", 3, 1.0, 0.5);
    cn_report report = CN_REPORT_INIT;
    char *svg, *html;
    ck_ok(cn_history_set_test_name(history, "valid<ation"));
    const cn_history *both[] = {history, other};
    ck_ok(cn_chart_metric(1, both, CN_METRIC_LOSS, &svg));
    ck_assert_ptr_nonnull(strstr(svg, "valid&lt;ation ends at"));
    expect_document(svg, "valid&lt;ation</text>");
    ck_ok(cn_chart_metric(2, both, CN_METRIC_LOSS, &svg));
    expect_document(svg, "valid&lt;ation</text>");
    report.history = history;
    ck_ok(cn_report_page(ctx, &report, &html));
    ck_assert_ptr_nonnull(strstr(html, "valid&lt;ation loss"));
    ck_assert_ptr_nonnull(strstr(html, "best valid&lt;ation, in epoch 1"));
    cn_text_free(html);
    ck_fails(cn_history_set_test_name(history, NULL), CN_ERR_ARGUMENT, "name is NULL");
    cn_history_free(history);
    cn_history_free(other);
}
END_TEST

/* ---- what is refused ---- */

START_TEST(bad_arguments_are_refused) {
    char *svg = (char *)ctx;
    cn_history *history = history_of("", 1, 1.0, 1.0);
    const cn_history *two[] = {history, NULL};
    cn_page *page;
    cn_tensor *tensor;
    ck_fails(cn_chart_curves(0, two, &svg), CN_ERR_ARGUMENT, "0 histories");
    ck_assert_ptr_null(svg);
    ck_fails(cn_chart_curves(2, two, &svg), CN_ERR_ARGUMENT, "histories[1] is NULL");
    ck_fails(cn_chart_metric(1, two, (cn_metric)11, &svg), CN_ERR_ARGUMENT, "no metric 11");
    ck_fails(cn_chart_confusion(NULL, NULL, &svg), CN_ERR_ARGUMENT, "evaluation");
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){1, 2, 3, 3}, &tensor));
    ck_fails(cn_sheet_filters(tensor, NULL, &svg), CN_ERR_SHAPE, "[1, 2, 3, 3]");
    ck_fails(cn_sheet_pictures(tensor, NULL, 0, NULL, &svg), CN_ERR_SHAPE, "uint8");
    ((float *)cn_tensor_data(tensor))[4] = NAN;
    ck_fails(cn_sheet_activations(tensor, NULL, &svg), CN_ERR_DATA, "value 4");
    ck_ok(cn_page_new(ctx, "", &page));
    ck_fails(cn_page_figure(page, "<p>", NULL), CN_ERR_ARGUMENT, "<svg");
    ck_fails(cn_text_save(ctx, "x", "/nowhere/at/all"), CN_ERR_IO, "/nowhere/at/all");
    cn_page_free(page);
    cn_tensor_free(tensor);
    cn_history_free(history);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {curves_of_any_length_and_value_are_drawn,
                                  no_number_of_a_chart_is_nan,
                                  runs_of_one_name_are_one_curve_with_a_band,
                                  hostile_names_are_escaped,
                                  a_locale_with_a_decimal_comma_changes_nothing,
                                  rates_are_steps_and_cycles_can_be_seen,
                                  histories_say_what_was_tested_on,
                                  bad_arguments_are_refused};
    Suite *suite = suite_create("charts");
    add_tests(suite, "charts", set_up, tear_down, tests, COUNT(tests), 1);
    return test_run(suite);
}
