/* SPDX-License-Identifier: MIT */
/* test_metrics.c: metrics against their definitions, whatever the target, in one batch or in several. */
#include "testing.h"
#include "numbers.h"
#include "loss/loss.h"
#include <math.h>
#include <stdlib.h>

typedef struct metrics_case {
    cn__target_spec spec;
    cn__shape shape;
    bool labels;
    int32_t images;
    float *output;
    void *target;
} metrics_case;

static metrics_case read_case(FILE *file, double values) {
    metrics_case c = {0};
    c.labels = numbers_next(file) != 0.0;
    c.images = (int32_t)numbers_next(file);
    c.shape.channels = (int32_t)numbers_next(file);
    c.shape.height = (int32_t)numbers_next(file);
    c.shape.width = (int32_t)numbers_next(file);
    bool pixels = c.shape.height * c.shape.width > 1, classes = values == 0.0;
    c.spec = (cn__target_spec){classes ? (pixels ? CN_TARGET_MASK : CN_TARGET_CLASS)
                                       : (pixels ? CN_TARGET_IMAGE : CN_TARGET_VECTOR),
                               (int64_t)numbers_next(file), -100, c.shape};
    if (classes)
        c.spec.shape.channels = 1;
    size_t outputs = (size_t)c.images * (size_t)(c.shape.channels * c.shape.height * c.shape.width);
    size_t targets = (size_t)c.images * cn__target_size(&c.spec);
    c.output = calloc(outputs, sizeof *c.output);
    c.target = calloc(targets, classes ? sizeof(int64_t) : sizeof(float));
    for (size_t i = 0; i < outputs; i++)
        c.output[i] = (float)numbers_next(file);
    for (size_t i = 0; i < targets; i++)
        if (classes)
            ((int64_t *)c.target)[i] = (int64_t)numbers_next(file);
        else
            ((float *)c.target)[i] = (float)numbers_next(file);
    return c;
}

static cn__targets targets_from(const metrics_case *c, int32_t first) {
    cn__targets targets = {.spec = c->spec};
    size_t skipped = (size_t)first * cn__target_size(&c->spec);
    if (cn__target_is_classes(&c->spec))
        targets.batch.classes = (int64_t *)c->target + skipped;
    else
        targets.batch.values = (float *)c->target + skipped;
    return targets;
}

static void add(cn__metrics *metrics, const metrics_case *c, int32_t first, int32_t images) {
    size_t size = (size_t)(c->shape.channels * c->shape.height * c->shape.width);
    cn__targets targets = targets_from(c, first);
    cn__metrics_add(metrics, cn__values_of_array(c->output + (size_t)first * size, c->shape), &targets, images);
}

static void same(double got, double wanted, const char *what) {
    bool equal = isnan(wanted) ? isnan(got) : fabs(got - wanted) <= 1e-5 * fmax(1.0, fabs(wanted));
    ck_assert_msg(equal, "%s: got %.9g, wanted %.9g", what, got, wanted);
}

static const cn_metric wholes[] = {CN_METRIC_ACCURACY, CN_METRIC_TOP5_ACCURACY, CN_METRIC_PRECISION, CN_METRIC_RECALL,
                                   CN_METRIC_F1,       CN_METRIC_MEAN_IOU,      CN_METRIC_MAE,       CN_METRIC_RMSE,
                                   CN_METRIC_R2};

static void check_case(cn_context *ctx, FILE *file, const metrics_case *c) {
    cn__metrics m;
    cn_loss_kind loss = c->labels                         ? CN_LOSS_BCE_WITH_LOGITS
                        : cn__target_is_classes(&c->spec) ? CN_LOSS_CROSS_ENTROPY
                                                          : CN_LOSS_MSE;
    ck_ok(cn__metrics_init(&m, ctx, &c->spec, loss, c->shape, true));
    for (size_t i = 0; i < sizeof wholes / sizeof *wholes; i++)
        ck_assert(isnan(cn__metrics_value(&m, wholes[i], -1)));
    add(&m, c, 0, c->images);
    cn__metrics_clear(&m);
    int32_t half = c->images / 2;
    add(&m, c, 0, half);
    add(&m, c, half, c->images - half);
    ck_assert_int_eq(m.images, c->images);
    for (size_t i = 0; i < sizeof wholes / sizeof *wholes; i++)
        same(cn__metrics_value(&m, wholes[i], -1), numbers_next(file), cn_metric_name(wholes[i]));
    cn_metric each = loss == CN_LOSS_MSE ? CN_METRIC_R2 : CN_METRIC_F1;
    for (int64_t k = 0; k < c->shape.channels; k++)
        same(cn__metrics_value(&m, each, k), numbers_next(file), cn_metric_name(each));
    ck_assert(isnan(cn__metrics_value(&m, each, c->shape.channels)));
    ck_assert(isnan(cn__metrics_value(&m, each, -2)));
    ck_assert(isnan(cn__metrics_value(&m, CN_METRIC_LOSS, -1)));
    cn__metrics_drop(&m);
}

START_TEST(metrics_are_what_their_definitions_say) {
    cn_context *ctx = test_context(1);
    FILE *file = numbers_open("metrics.txt");
    int cases = 0;
    for (double values; numbers_more(file, &values); cases++) {
        metrics_case c = read_case(file, values);
        check_case(ctx, file, &c);
        free(c.output);
        free(c.target);
    }
    ck_assert_int_eq(cases, 6);
    fclose(file);
    cn_context_free(ctx);
}
END_TEST

START_TEST(outputs_that_are_no_numbers_predict_nothing) {
    cn_context *ctx = test_context(1);
    float output[2][3] = {{NAN, NAN, NAN}, {0.0f, 1.0f, NAN}};
    int64_t truth[2] = {0, 1};
    metrics_case c = {{CN_TARGET_CLASS, 3, -100, {1, 1, 1}}, {3, 1, 1}, false, 2, output[0], truth};
    cn__metrics m;
    ck_ok(cn__metrics_init(&m, ctx, &c.spec, CN_LOSS_CROSS_ENTROPY, c.shape, true));
    add(&m, &c, 0, 2);
    ck_assert_double_eq(cn__metrics_value(&m, CN_METRIC_ACCURACY, -1), 0.5);
    ck_assert_double_eq(cn__metrics_value(&m, CN_METRIC_RECALL, 0), 0.0);
    ck_assert_double_eq(cn__metrics_value(&m, CN_METRIC_RECALL, 1), 1.0);
    ck_assert(isnan(cn__metrics_value(&m, CN_METRIC_RECALL, 2)));
    cn__metrics_drop(&m);
    cn_context_free(ctx);
}
END_TEST

START_TEST(metrics_have_names_and_directions) {
    int count = 0;
    while (cn_metric_name((cn_metric)count))
        count++;
    ck_assert_int_eq(count, CN_METRIC_R2 + 1);
    ck_assert_ptr_null(cn_metric_name((cn_metric)-1));
    ck_assert_int_eq(cn_metric_increases(CN_METRIC_MEAN_IOU), 1);
    ck_assert_int_eq(cn_metric_increases(CN_METRIC_MAE), 0);
    ck_assert_int_eq(cn_metric_increases((cn_metric)count), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("metrics");
    TCase *group = tcase_create("metrics");
    tcase_add_test(group, metrics_are_what_their_definitions_say);
    tcase_add_test(group, outputs_that_are_no_numbers_predict_nothing);
    tcase_add_test(group, metrics_have_names_and_directions);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
