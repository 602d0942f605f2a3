/* SPDX-License-Identifier: MIT */
/* test_report.c: sheets of pictures, charts of what a model gets right and wrong, and pages of all of it are well-formed
 * whatever they are given, and say what is true. */
#include "documents.h"
#include "pieces.h"
#include "toys.h"
#include <stdio.h>

TEST_RUNS_ONCE;

/* ---- what a model gets right and wrong ---- */

typedef struct judged {
    toy_data data;
    cn_model *model;
    cn_evaluation *evaluation;
} judged;

static judged judged_new(cn_context *context) {
    static const char *const names[] = {hostile_class, "a\nb", "third"};
    judged j = {.data = toy_data_new(context, 30, 1), .model = toy_model(context, CN_NORM_BATCH, 0.0f)};
    ck_ok(cn_dataset_set_class_names(j.data.set, TOY_CLASSES, names));
    ck_ok(evaluate_with(j.model, j.data.set, CN_LOSS_NLL, &j.evaluation));
    return j;
}

static void judged_free(judged *j) {
    cn_evaluation_free(j->evaluation);
    cn_model_free(j->model);
    toy_data_free(&j->data);
}

START_TEST(evaluations_are_drawn_with_any_names) {
    judged j = judged_new(ctx);
    char *svg;
    ck_ok(cn_chart_confusion(j.evaluation, j.data.set, &svg));
    ck_assert_int_ge(occurrences(svg, ">third</text>"), 2);
    expect_document(svg, "&lt;script&gt;");
    ck_ok(cn_chart_confusion(j.evaluation, NULL, &svg));
    expect_document(svg, ">2</text>");
    ck_ok(cn_chart_class_accuracy(j.evaluation, j.data.set, &svg));
    expect_document(svg, "Accuracy by class");
    judged_free(&j);
}
END_TEST

/* Both ends of a name that has no room: classes of a data set may differ at either. */
START_TEST(long_names_are_cut_in_their_middle) {
    static const char *const names[] = {"a bird seen from below, number one", "a bird seen from below, number two",
                                        "x"};
    judged j = judged_new(ctx);
    char *svg;
    ck_ok(cn_dataset_set_class_names(j.data.set, TOY_CLASSES, names));
    ck_ok(cn_chart_class_accuracy(j.evaluation, j.data.set, &svg));
    ck_assert_ptr_nonnull(strstr(svg, ">a bird se…mber one</text>"));
    expect_document(svg, ">a bird se…mber two</text>");
    judged_free(&j);
}
END_TEST

/* Where the mistakes of a class went, and how many there are, by the numbers of the evaluation. */
START_TEST(a_report_tells_the_mistakes_of_each_class) {
    static const char *const names[] = {"red", "green", "blue"};
    judged j = judged_new(ctx);
    cn_report report = CN_REPORT_INIT;
    char *html, text[160];
    int mistaken = 0;
    ck_ok(cn_dataset_set_class_names(j.data.set, TOY_CLASSES, names));
    report.evaluation = j.evaluation;
    report.dataset = j.data.set;
    ck_ok(cn_report_page(ctx, &report, &html));
    const char *table = strstr(html, "most mistaken first</caption>");
    ck_assert_ptr_nonnull(table);
    for (int truth = 0; truth < TOY_CLASSES; truth++) {
        int first = (truth + 1) % TOY_CLASSES, second = (truth + 2) % TOY_CLASSES;
        int64_t a = cn_evaluation_confusion(j.evaluation, truth, first);
        int64_t b = cn_evaluation_confusion(j.evaluation, truth, second);
        if (b > a || (a == b && second < first)) {
            int swapped = first;
            first = second;
            second = swapped;
        }
        int64_t more = a > b ? a : b, less = a > b ? b : a;
        if (more == 0)
            continue;
        int used =
            snprintf(text, sizeof text,
                     "<tr><th scope=\"row\">%s</th><td class=\"n\">%d</td><td class=\"n\">%d</td>"
                     "<td>%s (%d)",
                     names[truth], (int)(a + b), (int)(a + b + cn_evaluation_confusion(j.evaluation, truth, truth)),
                     names[first], (int)more);
        if (less > 0)
            snprintf(text + used, sizeof text - (size_t)used, ", %s (%d)", names[second], (int)less);
        ck_assert_msg(strstr(table, text) != NULL, "no %s", text);
        mistaken++;
    }
    ck_assert_int_gt(mistaken, 0);
    expect_document(html, "The confusion matrix as a table");
    judged_free(&j);
}
END_TEST

/* The place of the class's surest mistake in the list; -1: it has none. */
static int64_t surest_of(const cn_evaluation *evaluation, int64_t truth) {
    int64_t surest = -1;
    double most = -1.0;
    for (int64_t i = 0; i < cn_evaluation_misclassified_count(evaluation); i++) {
        cn_misclassified entry = CN_MISCLASSIFIED_INIT;
        ck_ok(cn_evaluation_misclassified(evaluation, i, &entry));
        if (entry.truth == truth && entry.probability > most) {
            surest = i;
            most = entry.probability;
        }
    }
    return surest;
}

/* One picture a class, in the order of the classes; then others, each image once, ten in all where there are so many. */
START_TEST(a_report_shows_the_surest_mistake_of_each_class) {
    static const char *const names[] = {"red", "green", "blue"};
    judged j = judged_new(ctx);
    cn_report report = CN_REPORT_INIT;
    char *html, title[256], image[32];
    int64_t wrong = cn_evaluation_misclassified_count(j.evaluation);
    int shown = 0;
    ck_ok(cn_dataset_set_class_names(j.data.set, TOY_CLASSES, names));
    report.evaluation = j.evaluation;
    report.dataset = j.data.set;
    ck_ok(cn_report_page(ctx, &report, &html));
    const char *at = strstr(html, "<h2>The surest mistake of each class</h2>");
    if (have_images(ctx)) {
        ck_assert_ptr_nonnull(at);
        for (int truth = 0; truth < TOY_CLASSES; truth++) {
            cn_misclassified entry = CN_MISCLASSIFIED_INIT;
            int64_t surest = surest_of(j.evaluation, truth);
            if (surest < 0)
                continue;
            ck_ok(cn_evaluation_misclassified(j.evaluation, surest, &entry));
            snprintf(title, sizeof title,
                     "<figcaption><b>%s</b><br>taken for %s: %.1f\u00a0%%<br>%s: %.1f\u00a0%%<br>image %d</figcaption>",
                     names[truth], names[entry.predicted], 100.0 * entry.probability, names[truth],
                     100.0 * entry.truth_probability, (int)entry.index);
            at = strstr(at, title);
            ck_assert_msg(at != NULL, "not there, or not in its place: %s", title);
            shown++;
        }
        ck_assert_int_gt(shown, 0);
        ck_assert_int_eq(occurrences(html, "<img alt=\"picture"), wrong < 10 ? (int)wrong : 10);
        ck_assert(wrong == shown || strstr(at, "The surest of the other mistakes, of whatever class."));
        for (int64_t i = 0; i < cn_dataset_count(j.data.set); i++) {
            snprintf(image, sizeof image, "<br>image %d<", (int)i);
            ck_assert_int_le(occurrences(html, image), 1);
        }
    }
    expect_document(html, NULL);
    judged_free(&j);
}
END_TEST

START_TEST(sheets_have_a_picture_and_a_title_each) {
    judged j = judged_new(ctx);
    const int64_t wrong = cn_evaluation_misclassified_count(j.evaluation), chosen[] = {2, 2};
    const int images = have_images(ctx);
    cn_tensor *weight;
    char *svg;
    cn_status status = cn_sheet_examples(j.data.set, 12, NULL, NULL, &svg);
    ck_assert_int_eq(status, images ? CN_OK : CN_ERR_UNSUPPORTED);
    if (images) {
        ck_assert_int_eq(occurrences(svg, "data:image/png;base64,iVBOR"), 12);
        ck_assert_int_ge(occurrences(svg, ">1:a b</text>"), 1);
        expect_document(svg, "0:&lt;script&gt;");
        ck_ok(cn_sheet_examples(j.data.set, 2, chosen, NULL, &svg));
        expect_document(svg, NULL);
        ck_fails(cn_sheet_examples(j.data.set, 1, (int64_t[]){30}, NULL, &svg), CN_ERR_NOT_FOUND, "30");
        ck_ok(cn_sheet_augmented(j.data.set, 3, 4, 1, NULL, &svg));
        expect_document(svg, ">epoch 3</text>");
        ck_ok(cn_sheet_misclassified(j.evaluation, j.data.set, 1000, 1, NULL, &svg));
        ck_assert_int_eq(occurrences(svg, "<image"), (int)wrong);
        expect_document(svg, NULL);
        ck_ok(cn_model_tensor(j.model, "conv.weight", &weight));
        ck_ok(cn_sheet_filters(weight, "My filters − of a layer", &svg));
        expect_document(svg, "3: ±");
    }
    judged_free(&j);
}
END_TEST

/* ---- pages ---- */

static cn_status whole_report(cn_context *context, const judged *j, char **html) {
    static const char *const names[] = {"a\ttab", hostile_name}, *const values[] = {hostile_name, NULL};
    cn_history *history = NULL;
    cn_epoch_info epoch = {.size = sizeof epoch,
                           .epoch = 1,
                           .train_loss = 1.5,
                           .train_accuracy = 0.3,
                           .test_loss = 1.4,
                           .test_accuracy = 0.4,
                           .learning_rate = 0.01,
                           .seconds = 2.0,
                           .images_per_second = 100.0};
    cn_report report = CN_REPORT_INIT;
    cn_status status = cn_history_new(context, "", &history);
    if (status == CN_OK)
        status = cn_history_add(history, &epoch);
    *html = NULL;
    if (status == CN_OK) {
        report.title = hostile_name;
        report.subtitle = "toys, hostile & <small>";
        report.notice = "Interrupted in epoch 2";
        report.planned_epochs = 7;
        report.train = j->data.set;
        report.model = j->model;
        report.history = history;
        report.evaluation = j->evaluation;
        report.dataset = j->data.set;
        report.setting_count = 2;
        report.setting_names = names;
        report.setting_values = values;
        status = cn_report_page(context, &report, html);
    }
    cn_history_free(history);
    return status;
}

START_TEST(a_report_is_one_small_page_that_needs_nothing) {
    judged j = judged_new(ctx);
    cn_report nothing = CN_REPORT_INIT;
    char *html;
    ck_ok(whole_report(ctx, &j, &html));
    ck_assert_uint_lt(strlen(html), 1000000);
    ck_assert_ptr_null(strstr(html, " src=\"http"));
    ck_assert_ptr_null(strstr(html, " href=\"http"));
    ck_assert_int_eq(occurrences(html, "http"), occurrences(html, "xmlns=\"http://www.w3.org/2000/svg\""));
    ck_assert_int_eq(occurrences(html, "<h1>"), 1);
    ck_assert_ptr_nonnull(strstr(html, "Receptive field"));
    ck_assert_ptr_nonnull(strstr(html, "<p>toys, hostile &amp; &lt;small&gt;</p>\n<p class=\"notice\">Interrupted in"));
    ck_assert_ptr_nonnull(strstr(html, "<strong>1 of 7</strong><span>epochs done</span>"));
    ck_assert_ptr_nonnull(strstr(html, "<strong>30</strong><span>training images</span>"));
    ck_assert_ptr_nonnull(strstr(html, "The confusion matrix as a table"));
    ck_assert_int_eq(occurrences(html, "<table>"), occurrences(html, "<caption>"));
    ck_assert_int_eq(occurrences(html, "<table>"), occurrences(html, "class=\"table"));
    ck_assert_int_eq(occurrences(html, "<section class="), occurrences(html, " aria-label=\""));
    ck_assert_int_ge(occurrences(html, "<th scope=\"row\""), occurrences(html, "<table>"));
    ck_assert_ptr_null(strstr(html, "alt=\"\""));
    expect_document(html, "40.00 %");
    ck_ok(cn_report_page(ctx, &nothing, &html));
    expect_document(html, "Training report");
    judged_free(&j);
}
END_TEST

/* The first, second, third … allocation fails, once (_i = 0) or for good. */
START_TEST(running_out_of_memory_is_a_status) {
    counting_allocator counter = {.persistent = _i};
    cn_context *own = counting_context(&counter, 1);
    judged j = judged_new(own);
    const long live = counter.live, step = test_quick() ? 37 : 1;
    for (long n = 1;; n += step) {
        char *html = (char *)own;
        counter.fail_at = counter.calls + n;
        cn_status status = whole_report(own, &j, &html);
        counter.fail_at = 0;
        ck_assert_msg(status == CN_OK || (status == CN_ERR_MEMORY && !html), "allocation %ld: %s", n, cn_last_error());
        cn_text_free(html);
        ck_assert_msg(counter.live == live, "allocation %ld: %ld pieces leaked", n, counter.live - live);
        if (status == CN_OK)
            break;
    }
    judged_free(&j);
    cn_context_free(own);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        evaluations_are_drawn_with_any_names,      long_names_are_cut_in_their_middle,
        a_report_tells_the_mistakes_of_each_class, a_report_shows_the_surest_mistake_of_each_class,
        sheets_have_a_picture_and_a_title_each,    a_report_is_one_small_page_that_needs_nothing};
    const TTest *const memory[] = {running_out_of_memory_is_a_status};
    Suite *suite = suite_create("report");
    add_tests(suite, "report", set_up, tear_down, tests, COUNT(tests), 1);
    add_tests(suite, "memory", set_up, tear_down, memory, COUNT(memory), 2);
    return test_run(suite);
}
