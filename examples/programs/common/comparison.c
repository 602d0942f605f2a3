/* SPDX-License-Identifier: MIT */
/* comparison.c: means and deviations over seeds, which differences exceed them, and a page about it. */
#include "comparison.h"
#include "outputs.h"
#include <math.h>
#include <string.h>

/* ---- statistics ---- */

typedef struct sample {
    double value[COMPARISON_SEEDS];
    int count;
} sample;

static double mean(const sample *s) {
    double sum = 0.0;
    for (int i = 0; i < s->count; i++)
        sum += s->value[i];
    return sum / s->count;
}

/* Of the sample, with count - 1; NaN for fewer than two values. */
static double deviation(const sample *s) {
    double centre = mean(s), sum = 0.0;
    for (int i = 0; i < s->count; i++)
        sum += (s->value[i] - centre) * (s->value[i] - centre);
    return s->count > 1 ? sqrt(sum / (s->count - 1)) : NAN;
}

/* Half the width of the 95 % interval of the mean, from Student's t; beyond the table its last value, a little wide. */
static double margin(const sample *s) {
    static const double t[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228};
    int freedom = s->count - 1 < (int)COUNT(t) ? s->count - 1 : (int)COUNT(t);
    return freedom > 0 ? t[freedom - 1] * deviation(s) / sqrt(s->count) : NAN;
}

/* ---- what is measured of a run ---- */

typedef double (*measure)(const comparison_run *run, int epoch);

static double best(const comparison_run *run, bool test) {
    double most = -INFINITY;
    for (int i = 0; i < run->count; i++)
        most = fmax(most, test ? run->epochs[i].test_accuracy : run->epochs[i].train_accuracy);
    return 100.0 * most;
}

static double best_test(const comparison_run *run, int epoch) {
    (void)epoch;
    return best(run, true);
}

static double best_train(const comparison_run *run, int epoch) {
    (void)epoch;
    return best(run, false);
}

static double test_after(const comparison_run *run, int epoch) {
    return 100.0 * run->epochs[epoch - 1].test_accuracy;
}

static double seconds(const comparison_run *run, int epoch) {
    double sum = 0.0;
    (void)epoch;
    for (int i = 0; i < run->count; i++)
        sum += run->epochs[i].seconds;
    return sum / run->count;
}

static sample collect(const comparison *c, int norm, measure what, int epoch) {
    sample s = {.count = 0};
    for (int i = 0; i < c->run_count; i++)
        if (c->runs[i].norm == norm)
            s.value[s.count++] = what(&c->runs[i], epoch);
    return s;
}

/* Differences seed by seed: both saw the same order and the same changes to images. */
static sample differences(const comparison *c, int better, int worse) {
    sample a = collect(c, better, best_test, 0), b = collect(c, worse, best_test, 0), d = {.count = 0};
    for (int i = 0; i < a.count && i < b.count; i++)
        d.value[d.count++] = a.value[i] - b.value[i];
    return d;
}

/* Norms that have a run, best first; returns their number. */
static int rank(const comparison *c, int order[COMPARISON_NORMS]) {
    double value[COMPARISON_NORMS];
    int count = 0;
    for (int n = 0; n < c->norm_count; n++) {
        sample s = collect(c, c->norms[n], best_test, 0);
        if (s.count == 0)
            continue;
        int at = count++;
        for (double m = mean(&s); at > 0 && value[at - 1] < m; at--) {
            value[at] = value[at - 1];
            order[at] = order[at - 1];
        }
        value[at] = mean(&s);
        order[at] = c->norms[n];
    }
    return count;
}

/* ---- text ---- */

enum { CELL = 48, SENTENCE = 256 };

static void spread_text(char text[CELL], sample s) {
    if (s.count > 1)
        snprintf(text, CELL, "%.2f ± %.2f", mean(&s), deviation(&s));
    else
        snprintf(text, CELL, "%.2f", mean(&s));
}

static void difference_text(char text[SENTENCE], const comparison *c, int better, int worse) {
    sample d = differences(c, better, worse);
    double difference = mean(&d), half = margin(&d);
    const char *first = network_norms[better], *second = network_norms[worse];
    if (d.count < 2)
        snprintf(text, SENTENCE, "%s is %.2f points ahead of %s, from one seed, which says nothing about chance.",
                 first, difference, second);
    else if (difference > half)
        snprintf(
            text, SENTENCE,
            "%s is ahead of %s, by %.2f points: more than chance explains (95 %% interval %.2f to %.2f, %d seeds).",
            first, second, difference, difference - half, difference + half, d.count);
    else
        snprintf(text, SENTENCE,
                 "%s and %s cannot be told apart: %s is %.2f points ahead, 95 %% interval %.2f to %.2f, %d seeds.",
                 first, second, first, difference, difference - half, difference + half, d.count);
}

/* ---- the page ---- */

static cn_status add_settings(cn_page *page, const comparison *c) {
    char train[GROUPED_TEXT], test[GROUPED_TEXT], text[1024];
    cn_device device = CN_DEVICE_INIT;
    cn_status status = cn_context_device(c->context, &device);
    snprintf(
        text, sizeof text,
        "The session-8 network, recipe “%s”, %d epochs from %d seed%s (%lld on); %s training and %s test images in "
        "%lld classes. libconvnet %s; this page was made on: %.200s. Values are percentages, mean ± standard deviation "
        "over the seeds.",
        c->recipe_name, c->epochs, c->seed_count, c->seed_count == 1 ? "" : "s", (long long)c->runs[0].seed,
        grouped(cn_dataset_count(c->train), train), grouped(cn_dataset_count(c->test), test),
        (long long)cn_dataset_classes(c->train), cn_version_string(), device.processor);
    return status == CN_OK ? cn_page_paragraph(page, text) : status;
}

static cn_status add_results(cn_page *page, const comparison *c, const int *order, int count) {
    static const char *const headings[] = {"norm", "best train", "best test", "seconds an epoch", "runs"};
    char text[COMPARISON_NORMS][COUNT(headings)][CELL];
    const char *cells[COMPARISON_NORMS * COUNT(headings)];
    cn_status status = cn_page_heading(page, "Best accuracy");
    for (int i = 0; i < count; i++) {
        sample time = collect(c, order[i], seconds, 0);
        snprintf(text[i][0], CELL, "%s", network_norms[order[i]]);
        spread_text(text[i][1], collect(c, order[i], best_train, 0));
        spread_text(text[i][2], collect(c, order[i], best_test, 0));
        snprintf(text[i][3], CELL, "%.1f", mean(&time));
        snprintf(text[i][4], CELL, "%d", time.count);
        for (size_t k = 0; k < COUNT(headings); k++)
            cells[(size_t)i * COUNT(headings) + k] = text[i][k];
    }
    return status == CN_OK ? cn_page_table(page, NULL, count, COUNT(headings), headings, cells) : status;
}

/* After the first epoch and each quarter of the run. */
static cn_status add_course(cn_page *page, const comparison *c, const int *order, int count) {
    enum { MOST = 6 };
    char heading[MOST][CELL] = {"norm", "1"}, text[COMPARISON_NORMS][MOST][CELL];
    const char *headings[MOST] = {heading[0], heading[1]}, *cells[COMPARISON_NORMS * MOST];
    int after[MOST] = {0, 1}, columns = 2;
    for (int quarter = 1; quarter <= 4; quarter++)
        if (c->epochs * quarter / 4 > after[columns - 1]) {
            after[columns] = c->epochs * quarter / 4;
            snprintf(heading[columns], CELL, "%d", after[columns]);
            headings[columns] = heading[columns];
            columns++;
        }
    for (int i = 0; i < count; i++)
        for (int k = 0; k < columns; k++) {
            if (k == 0)
                snprintf(text[i][k], CELL, "%s", network_norms[order[i]]);
            else
                spread_text(text[i][k], collect(c, order[i], test_after, after[k]));
            cells[i * columns + k] = text[i][k];
        }
    cn_status status = cn_page_heading(page, "Test accuracy after epoch");
    return status == CN_OK ? cn_page_table(page, NULL, count, columns, headings, cells) : status;
}

static cn_status add_finding(cn_page *page, const comparison *c, const int *order, int count) {
    cn_status status = cn_page_heading(page, "The finding");
    for (int i = 0; i + 1 < count && status == CN_OK; i++) {
        char text[SENTENCE];
        difference_text(text, c, order[i], order[i + 1]);
        status = cn_page_paragraph(page, text);
    }
    return status == CN_OK ? cn_page_paragraph(page, "By best test accuracy, compared seed by seed; intervals are "
                                                     "Student's, of the mean difference.")
                           : status;
}

static cn_status add_curves(cn_page *page, const comparison *c, const cn_history *const *histories) {
    cn_status status = CN_OK;
    for (int metric = CN_METRIC_LOSS; metric <= CN_METRIC_ACCURACY && status == CN_OK; metric++) {
        char *svg;
        status = cn_chart_metric(c->run_count, histories, (cn_metric)metric, &svg);
        if (status == CN_OK)
            status = cn_page_figure(
                page, svg, c->seed_count > 1 ? "Means over the seeds; bands from the lowest to the highest." : NULL);
        cn_text_free(svg);
    }
    return status;
}

static cn_status compose(cn_page *page, const comparison *c, const cn_history *const *histories) {
    int order[COMPARISON_NORMS], count = rank(c, order);
    cn_status status = add_settings(page, c);
    if (status == CN_OK)
        status = add_curves(page, c, histories);
    if (status == CN_OK)
        status = add_results(page, c, order, count);
    if (status == CN_OK)
        status = add_course(page, c, order, count);
    return status == CN_OK && count > 1 ? add_finding(page, c, order, count) : status;
}

/* The runs as the library's histories: those of one name are one curve in its charts. */
static cn_status make_histories(const comparison *c, cn_history **histories) {
    cn_status status = CN_OK;
    for (int i = 0; i < c->run_count && status == CN_OK; i++) {
        status = cn_history_new(c->context, network_norms[c->runs[i].norm], &histories[i]);
        for (int e = 0; e < c->runs[i].count && status == CN_OK; e++)
            status = cn_history_add(histories[i], &c->runs[i].epochs[e]);
    }
    return status;
}

static bool write_files(const comparison *c, const char *directory, const cn_history *const *histories) {
    cn_page *page;
    char *html = NULL, *svg = NULL;
    cn_status status = cn_page_new(c->context, "Normalisations compared", &page);
    if (status == CN_OK)
        status = compose(page, c, histories);
    if (status == CN_OK)
        status = cn_page_html(page, &html);
    cn_page_free(page);
    bool good = report_save(c->context, directory, "report.html", status, html);
    status = cn_chart_curves(c->run_count, histories, &svg);
    return report_save(c->context, directory, "curves.svg", status, svg) && good;
}

static void print_summary(const comparison *c) {
    int order[COMPARISON_NORMS], count = rank(c, order);
    printf("\n%-10s %15s %15s\n", "norm", "best train %", "best test %");
    for (int i = 0; i < count; i++) {
        char train[CELL], test[CELL];
        spread_text(train, collect(c, order[i], best_train, 0));
        spread_text(test, collect(c, order[i], best_test, 0));
        int wide = strstr(train, "±") != NULL; /* two bytes */
        printf("%-10s %*s %*s\n", network_norms[order[i]], 15 + wide, train, 15 + wide, test);
    }
    printf("\n");
    for (int i = 0; i + 1 < count; i++) {
        char text[SENTENCE];
        difference_text(text, c, order[i], order[i + 1]);
        printf("%s\n", text);
    }
}

bool comparison_report(const comparison *c, const char *directory) {
    if (c->run_count == 0)
        return true; /* nothing to tell yet */
    print_summary(c);
    cn_history **histories = calloc((size_t)c->run_count, sizeof *histories);
    bool good = histories && make_histories(c, histories) == CN_OK;
    if (good)
        good = write_files(c, directory, (const cn_history *const *)histories);
    else
        complain("cannot report: %s", histories ? library_error() : "no memory");
    for (int i = 0; histories && i < c->run_count; i++)
        cn_history_free(histories[i]);
    free(histories);
    if (good)
        printf("\nReport in %s/report.html\n", directory);
    return good;
}
