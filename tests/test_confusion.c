/* SPDX-License-Identifier: MIT */
/* test_confusion.c: confusion matrices of any content can be read: numbers on their cells, headings, names. */
#include "documents.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

static cn_context *ctx;

static void setup(void) {
    ctx = test_context(1);
}

static void teardown(void) {
    cn_context_free(ctx);
}

/* Looks up `count` answers in a table that a model without layers of its own hands on: image i is predicted[i]. */
static cn_evaluation *evaluation_of(int classes, int count, const int64_t *truths, const int64_t *predicted,
                                    const char *const *names, cn_dataset **set) {
    static float pixels[4096];
    static int64_t labels[256];
    cn_tensor *images, *truth;
    cn_evaluation *evaluation;
    cn_model *model;
    cn_layer *layer;
    memset(pixels, 0, sizeof pixels);
    for (int i = 0; i < count; i++) {
        labels[i] = truths[i];
        pixels[i * classes + predicted[i]] = 1.0f;
    }
    ck_ok(cn_tensor_borrow(ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){count, classes, 1, 1}, pixels, &images));
    ck_ok(cn_tensor_borrow(ctx, CN_DTYPE_INT64, 1, (int64_t[]){count}, labels, &truth));
    ck_ok(cn_dataset_memory(ctx, images, truth, classes, set));
    if (names)
        ck_ok(cn_dataset_set_class_names(*set, classes, names));
    ck_ok(cn_model_new(ctx, classes, 1, 1, &model));
    ck_ok(cn_log_softmax_new(ctx, &layer));
    ck_ok(cn_model_append(model, "answer", layer));
    ck_ok(cn_model_init(model, 0));
    ck_ok(cn_evaluation_new(model, *set, NULL, &evaluation));
    cn_model_free(model);
    cn_tensor_free(truth);
    cn_tensor_free(images);
    return evaluation;
}

/* One chart of two classes, of which the first has `right` images recognised and `wrong` not. */
static char *confusion_of(int right, int wrong, const char *const *names) {
    int64_t truths[256], predicted[256];
    cn_dataset *set;
    char *svg;
    for (int i = 0; i < right + wrong; i++) {
        truths[i] = 0;
        predicted[i] = i >= right;
    }
    cn_evaluation *evaluation = evaluation_of(2, right + wrong, truths, predicted, names, &set);
    ck_ok(cn_chart_confusion(evaluation, set, &svg));
    cn_evaluation_free(evaluation);
    cn_dataset_free(set);
    return svg;
}

static double luminance(const double colour[3]) {
    static const double weight[] = {0.2126, 0.7152, 0.0722};
    double sum = 0.0;
    for (int c = 0; c < 3; c++)
        sum += weight[c] * (colour[c] <= 0.03928 ? colour[c] / 12.92 : pow((colour[c] + 0.055) / 1.055, 2.4));
    return sum;
}

/* The fill of a class as the style has it, in light surroundings or, where they say otherwise, in dark ones. */
static void style_colour(const char *svg, const char *name, int dark, double colour[3]) {
    const char *darker = strstr(svg, "prefers-color-scheme:dark"), *found = NULL;
    for (const char *at = svg; (at = strstr(at, name)) != NULL && (dark || at < darker); at++) {
        const char *fill = strstr(at, "{");
        if ((at[strlen(name)] == '{' || at[strlen(name)] == ',') && fill && strncmp(fill, "{fill:#", 7) == 0)
            found = fill + 7;
    }
    ck_assert_msg(found != NULL, "no colour of %s", name);
    size_t digits = strspn(found, "0123456789abcdef");
    for (int c = 0; c < 3; c++) {
        char text[3] = {found[digits == 3 ? c : 2 * c], found[digits == 3 ? c : 2 * c + 1], 0};
        colour[c] = (double)strtol(text, NULL, 16) / 255.0;
    }
}

/* The number `value` of a chart stands out from its cell, of fill class `fill`, by so much. */
static double contrast(const char *svg, const char *fill, int value, int dark) {
    char wanted[32], look[8];
    double ground[3], cell[3], number[3];
    const char *group = strstr(svg, fill), *at;
    snprintf(wanted, sizeof wanted, ">%d</text>", value);
    ck_assert_ptr_nonnull(group);
    ck_assert_ptr_nonnull(at = strstr(svg, wanted));
    while (strncmp(at, "class=\"", 7) != 0)
        at--;
    snprintf(look, sizeof look, ".%.5s", at + 7);
    double opacity = atof(strstr(group, "fill-opacity=\"") + 14);
    fill = fill + 6; /* after <g class=" */
    char name[8];
    snprintf(name, sizeof name, ".%.5s", strchr(group, '"') + 1);
    style_colour(svg, ".cn-bg", dark, ground);
    style_colour(svg, name, dark, cell);
    style_colour(svg, look, dark, number);
    for (int c = 0; c < 3; c++)
        cell[c] = opacity * cell[c] + (1.0 - opacity) * ground[c];
    double a = luminance(cell) + 0.05, b = luminance(number) + 0.05;
    return a > b ? a / b : b / a;
}

START_TEST(numbers_stand_out_from_their_cells) {
    for (int right = 101; right < 240; right++) { /* 240 images; counts that occur once in the text */
        char *svg = confusion_of(right, 240 - right, NULL);
        for (int dark = 0; dark < 2; dark++) {
            double blue = contrast(svg, "<g class=\"cn-f0", right, dark);
            double orange = contrast(svg, "<g class=\"cn-f1", 240 - right, dark);
            ck_assert_msg(blue >= 4.5 && orange >= 4.5, "%d of 240, dark %d: %.2f and %.2f", right, dark, blue, orange);
        }
        cn_text_free(svg);
    }
}
END_TEST

START_TEST(cells_say_what_they_are) {
    static const char *const names[] = {"a name of thirty-nine letters, all shown", "cat"};
    char *svg = confusion_of(3, 5, names);
    ck_assert_ptr_nonnull(strstr(svg, "<title>a name of thirty-nine letters, all shown taken for cat: 5 of 8, 62.5 %"));
    ck_assert_ptr_nonnull(strstr(svg, "<title>a name of thirty-nine letters, all shown recognised: 3 of 8, 37.5 %"));
    ck_assert_ptr_nonnull(strstr(svg, ">a name of thirty-nine letters, all shown</text>"));
    expect_document(svg, "Most often: a name of thirty-nine letters, all shown taken for cat, 5 of 8</desc>");
}
END_TEST

START_TEST(headings_of_many_classes_do_not_overlap) {
    enum { CLASSES = 60 };
    int64_t truths[CLASSES], predicted[CLASSES];
    cn_dataset *set;
    char *svg;
    for (int64_t k = 0; k < CLASSES; k++) {
        truths[k] = k;
        predicted[k] = k / 2;
    }
    cn_evaluation *evaluation = evaluation_of(CLASSES, CLASSES, truths, predicted, NULL, &set);
    ck_ok(cn_chart_confusion(evaluation, set, &svg));
    double last = -100.0;
    int headings = 0;
    for (const char *at = svg; (at = strstr(at, "rotate(-45)")) != NULL; at++, headings++) {
        const char *translate = at;
        while (strncmp(translate, "translate(", 10) != 0)
            translate--;
        double x = atof(translate + 10);
        ck_assert_msg((x - last) * sqrt(0.5) >= 13.0, "headings at %g and %g", last, x);
        last = x;
    }
    ck_assert_int_ge(headings, 10);
    ck_assert_int_ge(occurrences(svg, " taken for "), CLASSES - 1);
    expect_document(svg, NULL);
    cn_evaluation_free(evaluation);
    cn_dataset_free(set);
}
END_TEST

START_TEST(classes_without_names_are_called_by_their_number_once) {
    const int64_t truths[] = {9, 3, 3}, predicted[] = {7, 3, 3};
    cn_dataset *set;
    cn_evaluation *evaluation = evaluation_of(10, 3, truths, predicted, NULL, &set);
    char *svg;
    if (have_images(ctx)) {
        ck_ok(cn_sheet_misclassified(evaluation, set, 1, 0, NULL, &svg));
        ck_assert_ptr_nonnull(strstr(svg, ">image 0</text>"));
        expect_document(svg, ">7/9</text>");
    }
    cn_evaluation_free(evaluation);
    cn_dataset_free(set);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("confusion");
    TCase *tests = tcase_create("confusion");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, numbers_stand_out_from_their_cells);
    tcase_add_test(tests, cells_say_what_they_are);
    tcase_add_test(tests, headings_of_many_classes_do_not_overlap);
    tcase_add_test(tests, classes_without_names_are_called_by_their_number_once);
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
