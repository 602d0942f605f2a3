/* SPDX-License-Identifier: MIT */
/* test_report_measures.c: reports of masks, values, labels and several outputs have the measures that are theirs. */
#include "documents.h"
#include "pieces.h"
#include <math.h>

TEST_RUNS_ONCE;

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
    static const char *const names[MEASURED_VALUES] = {"sky", "sea", hostile_class};
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
    ck_assert_int_eq(occurrences(html, ">sky</th>"), 4); /* measures, mistakes; the matrix's row and column */
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

int main(void) {
    const TTest *const tests[] = {masks_have_mean_iou_and_their_classes, values_have_errors_and_no_confusion,
                                  labels_have_f1_each, several_outputs_have_their_measures_each,
                                  curves_have_the_metric_of_their_epochs};
    Suite *suite = suite_create("measures in reports");
    add_tests(suite, "measures in reports", set_up, tear_down, tests, COUNT(tests), 1);
    return test_run(suite);
}
