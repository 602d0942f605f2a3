/* test_report.c: charts, sheets and pages are well-formed whatever they are given, and say what is true. */
#include "documents.h"
#include "toys.h"
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

/* A name that nobody should have: markup, quotes, control characters, bytes that are no UTF-8, a surrogate. */
static const char hostile[] = "<script>&\"'\x01\x7f\xff\xed\xa0\x80\xc0\xaf]]>";

static cn_context *ctx;

static void setup(void) {
    ctx = test_context(1);
}

static void teardown(void) {
    cn_context_free(ctx);
}

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
    static const double values[] = {0.0, 1.0, -3.0, 1e-30, 1e300, NAN, INFINITY};
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
    cn_history *history = history_of("", 5, NAN, NAN);
    const cn_history *one = history;
    char *svg;
    ck_ok(cn_chart_curves(1, &one, &svg));
    ck_assert_ptr_null(strstr(svg, "nan"));
    ck_assert_ptr_null(strstr(svg, "inf"));
    ck_assert_int_eq(occurrences(svg, "no values"), 2);
    cn_text_free(svg);
    cn_history_free(history);
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
    cn_history *all[] = {history_of(hostile, 4, 1.0, 0.5), history_of("other", 4, 1.0, 0.5)};
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

/* ---- what a model gets right and wrong ---- */

typedef struct judged {
    toy_data data;
    cn_model *model;
    cn_evaluation *evaluation;
} judged;

static judged judged_new(cn_context *context) {
    static const char *const names[] = {hostile, "a\nb", "third"};
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

/* ---- pages ---- */

static cn_status whole_report(cn_context *context, const judged *j, char **html) {
    static const char *const names[] = {"a\ttab", hostile}, *const values[] = {hostile, NULL};
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
        report.title = hostile;
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
    ck_assert_int_eq(occurrences(html, "tabindex=\"0\" role=\"region\""), occurrences(html, " aria-label=\""));
    ck_assert_int_ge(occurrences(html, "<th scope=\"row\""), occurrences(html, "<table>"));
    ck_assert_ptr_null(strstr(html, "alt=\"\""));
    expect_document(html, "40.00 %");
    ck_ok(cn_report_page(ctx, &nothing, &html));
    expect_document(html, "Training report");
    judged_free(&j);
}
END_TEST

/* ---- what is no class of an image ---- */

/* Of 12 noisy images: a model that is a single layer, and how it does on such targets. */
typedef struct measured {
    cn_tensor *images, *targets;
    cn_dataset *set;
    cn_model *model;
    cn_evaluation *evaluation;
} measured;

enum { MEASURED = 12, MEASURED_SIDE = 4, MEASURED_VALUES = 3 };

static cn_tensor *noise(cn_dtype dtype, int dims, const int64_t *shape) {
    cn_tensor *tensor;
    uint32_t state = 7;
    ck_ok(cn_tensor_new(ctx, dtype, dims, shape, &tensor));
    for (int64_t i = 0; i < cn_tensor_count(tensor); i++) {
        state = state * 1664525u + 1013904223u;
        if (dtype == CN_DTYPE_UINT8)
            ((uint8_t *)cn_tensor_data(tensor))[i] = (uint8_t)(state >> 24);
        else if (dtype == CN_DTYPE_INT64)
            ((int64_t *)cn_tensor_data(tensor))[i] = state >> 30 == 3 ? 0 : state >> 30;
        else
            ((float *)cn_tensor_data(tensor))[i] = (float)(state >> 31);
    }
    return tensor;
}

static measured measured_new(cn_target_kind kind, cn_loss_kind loss) {
    static const char *const names[MEASURED_VALUES] = {"sky", "sea", hostile};
    measured m = {.images = noise(CN_DTYPE_UINT8, 4, (int64_t[]){MEASURED, 1, MEASURED_SIDE, MEASURED_SIDE})};
    bool mask = kind == CN_TARGET_MASK;
    cn_target_options target = CN_TARGET_OPTIONS_INIT;
    cn_layer *layer;
    target.kind = kind;
    target.classes = mask ? MEASURED_VALUES : 0;
    m.targets = mask ? noise(CN_DTYPE_INT64, 3, (int64_t[]){MEASURED, MEASURED_SIDE, MEASURED_SIDE})
                     : noise(CN_DTYPE_FLOAT32, 2, (int64_t[]){MEASURED, MEASURED_VALUES});
    ck_ok(cn_dataset_memory(ctx, m.images, NULL, 0, &m.set));
    ck_ok(cn_dataset_add_target(m.set, m.targets, &target));
    if (mask)
        ck_ok(cn_dataset_set_class_names(m.set, MEASURED_VALUES, names));
    ck_ok(cn_model_new(ctx, 1, MEASURED_SIDE, MEASURED_SIDE, &m.model));
    if (!mask) {
        ck_ok(cn_flatten_new(ctx, &layer));
        ck_ok(cn_model_append(m.model, "flatten", layer));
    }
    ck_ok(mask ? cn_conv2d_new(ctx, 1, MEASURED_VALUES, 1, 1, NULL, &layer)
               : cn_linear_new(ctx, MEASURED_SIDE * MEASURED_SIDE, MEASURED_VALUES, 1, &layer));
    ck_ok(cn_model_append(m.model, "out", layer));
    ck_ok(cn_model_init(m.model, 1));
    ck_ok(evaluate_with(m.model, m.set, loss, &m.evaluation));
    return m;
}

static void measured_free(measured *m) {
    cn_evaluation_free(m->evaluation);
    cn_model_free(m->model);
    cn_dataset_free(m->set);
    cn_tensor_free(m->targets);
    cn_tensor_free(m->images);
}

/* Two epochs of that metric, of which the second is worse. */
static cn_history *history_with(cn_metric metric) {
    cn_history *history;
    ck_ok(cn_history_new(ctx, "", &history));
    for (int i = 1; i <= 2; i++) {
        cn_epoch_info epoch = CN_EPOCH_INFO_INIT;
        epoch.epoch = i;
        epoch.train_loss = epoch.test_loss = 0.5 / i;
        epoch.train_accuracy = epoch.test_accuracy = NAN;
        epoch.metric = metric;
        epoch.train_metric = 0.25;
        epoch.test_metric = cn_metric_increases(metric) ? 0.75 / i : 0.75 * i;
        epoch.learning_rate = 0.01;
        ck_ok(cn_history_add(history, &epoch));
    }
    return history;
}

static char *page_of(const measured *m, const cn_history *history) {
    cn_report report = CN_REPORT_INIT;
    char *html;
    report.history = history;
    report.evaluation = m->evaluation;
    report.dataset = m->set;
    report.model = m->model;
    ck_ok(cn_report_page(ctx, &report, &html));
    ck_assert_ptr_null(strstr(html, ">nan<"));
    ck_assert_ptr_null(strstr(html, "no values"));
    return html;
}

START_TEST(masks_have_mean_iou_and_their_classes) {
    measured m = measured_new(CN_TARGET_MASK, CN_LOSS_CROSS_ENTROPY);
    cn_history *history = history_with(CN_METRIC_MEAN_IOU);
    char *html = page_of(&m, history), *svg;
    ck_assert_ptr_nonnull(strstr(html, "<span>mean IoU</span>"));
    ck_assert_ptr_nonnull(strstr(html, "<span>pixel accuracy</span>"));
    ck_assert_ptr_nonnull(strstr(html, "<strong>75.00 %</strong><span>best, in epoch 1</span>"));
    ck_assert_ptr_nonnull(strstr(html, ">Mean IoU, %</text>"));
    ck_assert_ptr_nonnull(strstr(html, "The epochs: loss, mean IoU, mean learning rate"));
    ck_assert_ptr_nonnull(strstr(html, ">IoU, %</th>"));
    ck_assert_ptr_nonnull(strstr(html, "Pixels of each true class"));
    ck_assert_ptr_nonnull(strstr(html, ">pixels</th>"));
    ck_assert_ptr_null(strstr(html, "Surest mistakes"));
    expect_document(html, ">sky</th>");
    ck_ok(cn_chart_class_accuracy(m.evaluation, m.set, &svg));
    expect_document(svg, "IoU by class, %");
    if (have_images(ctx)) {
        ck_ok(cn_sheet_examples(m.set, 2, NULL, NULL, &svg));
        ck_assert_ptr_null(strstr(svg, "sky"));
        expect_document(svg, ">image 1</text>");
        ck_ok(cn_sheet_augmented(m.set, 0, 2, 1, NULL, &svg));
        expect_document(svg, ">as it is</text>");
    }
    cn_history_free(history);
    measured_free(&m);
}
END_TEST

START_TEST(values_have_errors_and_no_confusion) {
    measured m = measured_new(CN_TARGET_VECTOR, CN_LOSS_MSE);
    cn_history *history = history_with(CN_METRIC_MAE);
    char *html = page_of(&m, history), *svg;
    ck_assert_ptr_nonnull(strstr(html, "<span>MAE</span>"));
    ck_assert_ptr_nonnull(strstr(html, "<span>RMSE</span>"));
    ck_assert_ptr_nonnull(strstr(html, "<span>R²</span>"));
    ck_assert_ptr_nonnull(strstr(html, "<strong>0.75</strong><span>best, in epoch 1</span>"));
    ck_assert_ptr_nonnull(strstr(html, ">MAE</text>"));
    ck_assert_ptr_null(strstr(html, "ccuracy"));
    ck_assert_ptr_null(strstr(html, "onfusion"));
    expect_document(html, "The errors of each value");
    ck_fails(cn_chart_confusion(m.evaluation, NULL, &svg), CN_ERR_ARGUMENT, "does not tell classes apart");
    ck_fails(cn_chart_class_accuracy(m.evaluation, NULL, &svg), CN_ERR_ARGUMENT, "MAE, wanted classes or labels");
    cn_history_free(history);
    measured_free(&m);
}
END_TEST

START_TEST(labels_have_f1_each) {
    measured m = measured_new(CN_TARGET_VECTOR, CN_LOSS_BCE_WITH_LOGITS);
    char *html = page_of(&m, NULL), *svg;
    ck_assert_ptr_nonnull(strstr(html, "<span>F1</span>"));
    ck_assert_ptr_null(strstr(html, "onfusion"));
    expect_document(html, ">label</th>");
    ck_ok(cn_chart_class_accuracy(m.evaluation, NULL, &svg));
    expect_document(svg, "F1 by label, %");
    measured_free(&m);
}
END_TEST

/* The measures of each, the names of classes only where classes are. */
START_TEST(several_outputs_have_their_measures_each) {
    const int64_t vectors[] = {MEASURED, 2};
    measured m = measured_new(CN_TARGET_MASK, CN_LOSS_CROSS_ENTROPY);
    const char *const outputs[] = {"out", "fc"}, *const input[] = {"input"}, *const flat[] = {"flatten"};
    cn_loss_options classes = CN_LOSS_OPTIONS_INIT, values = CN_LOSS_OPTIONS_INIT;
    const cn_loss_options *const losses[] = {&classes, &values};
    cn_target_options target = CN_TARGET_OPTIONS_INIT;
    cn_evaluation_options options = CN_EVALUATION_OPTIONS_INIT;
    cn_tensor *targets = noise(CN_DTYPE_FLOAT32, 2, vectors);
    cn_layer *layer;
    target.kind = CN_TARGET_VECTOR;
    ck_ok(cn_dataset_add_target(m.set, targets, &target));
    cn_model_free(m.model);
    cn_evaluation_free(m.evaluation);
    ck_ok(cn_model_new(ctx, 1, MEASURED_SIDE, MEASURED_SIDE, &m.model));
    ck_ok(cn_conv2d_new(ctx, 1, MEASURED_VALUES, 1, 1, NULL, &layer));
    ck_ok(cn_model_add(m.model, "out", layer, 1, input));
    ck_ok(cn_flatten_new(ctx, &layer));
    ck_ok(cn_model_add(m.model, "flatten", layer, 1, input));
    ck_ok(cn_linear_new(ctx, MEASURED_SIDE * MEASURED_SIDE, 2, 1, &layer));
    ck_ok(cn_model_add(m.model, "fc", layer, 1, flat));
    ck_ok(cn_model_set_outputs(m.model, 2, outputs));
    ck_ok(cn_model_init(m.model, 1));
    values.kind = CN_LOSS_MSE;
    options.loss_count = 2;
    options.losses = losses;
    ck_ok(cn_evaluation_new(m.model, m.set, &options, &m.evaluation));
    char *html = page_of(&m, NULL);
    ck_assert_ptr_nonnull(strstr(html, "<span>mean IoU, output 1</span>"));
    ck_assert_ptr_nonnull(strstr(html, "<span>MAE, output 2</span>"));
    ck_assert_int_eq(occurrences(html, ">sky</th>"), 3); /* measures; the matrix's row and column */
    expect_document(html, "<h2>Output 2</h2>");
    measured_free(&m);
    cn_tensor_free(targets);
}
END_TEST

START_TEST(curves_have_the_metric_of_their_epochs) {
    cn_history *history = history_with(CN_METRIC_MAE);
    const cn_history *one = history;
    char *svg;
    ck_ok(cn_chart_curves(1, &one, &svg));
    ck_assert_ptr_null(strstr(svg, "no values"));
    ck_assert_ptr_nonnull(strstr(svg, "test ends at 1.5, at least 0.75."));
    expect_document(svg, "<title>Loss and MAE</title>");
    ck_ok(cn_chart_metric(1, &one, CN_METRIC_MEAN_IOU, &svg));
    expect_document(svg, "no values"); /* of which it holds none */
    cn_history_free(history);
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
    Suite *suite = suite_create("report");
    TCase *tests = tcase_create("report");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, curves_of_any_length_and_value_are_drawn);
    tcase_add_test(tests, no_number_of_a_chart_is_nan);
    tcase_add_test(tests, runs_of_one_name_are_one_curve_with_a_band);
    tcase_add_test(tests, hostile_names_are_escaped);
    tcase_add_test(tests, a_locale_with_a_decimal_comma_changes_nothing);
    tcase_add_test(tests, bad_arguments_are_refused);
    tcase_add_test(tests, evaluations_are_drawn_with_any_names);
    tcase_add_test(tests, sheets_have_a_picture_and_a_title_each);
    tcase_add_test(tests, rates_are_steps_and_cycles_can_be_seen);
    tcase_add_test(tests, histories_say_what_was_tested_on);
    tcase_add_test(tests, a_report_is_one_small_page_that_needs_nothing);
    tcase_add_test(tests, masks_have_mean_iou_and_their_classes);
    tcase_add_test(tests, values_have_errors_and_no_confusion);
    tcase_add_test(tests, labels_have_f1_each);
    tcase_add_test(tests, several_outputs_have_their_measures_each);
    tcase_add_test(tests, curves_have_the_metric_of_their_epochs);
    tcase_add_loop_test(tests, running_out_of_memory_is_a_status, 0, 2);
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
