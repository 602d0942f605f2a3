/* comparison.c: means and deviations over seeds, which differences exceed them, and a page about it. */
#include "comparison.h"
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

static void print_spread(FILE *out, const sample *s, int decimals) {
    fprintf(out, "%.*f", decimals, mean(s));
    if (s->count > 1)
        fprintf(out, " ± %.*f", decimals, deviation(s));
}

static void print_difference(FILE *out, const comparison *c, int better, int worse) {
    sample d = differences(c, better, worse);
    double difference = mean(&d), half = margin(&d);
    const char *first = network_norms[better], *second = network_norms[worse];
    if (d.count < 2)
        fprintf(out, "%s is %.2f points ahead of %s, from one seed, which says nothing about chance.", first,
                difference, second);
    else if (difference > half)
        fprintf(out,
                "%s is ahead of %s, by %.2f points: more than chance explains (95 %% interval %.2f to %.2f, %d seeds).",
                first, second, difference, difference - half, difference + half, d.count);
    else
        fprintf(out, "%s and %s cannot be told apart: %.2f points, 95 %% interval %.2f to %.2f, %d seeds.", first,
                second, difference, difference - half, difference + half, d.count);
}

/* ---- the page ---- */

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Normalisations compared</title>\n"
    "<style>\n"
    ":root { color-scheme: light dark; }\n"
    "body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }\n"
    "h1 { line-height: 1.2; }\n"
    "svg { max-width: 100%; height: auto; }\n"
    "div { overflow-x: auto; }\n"
    "table { border-collapse: collapse; font-variant-numeric: tabular-nums; }\n"
    "th, td { padding: 0.3rem 0.9rem; text-align: right; border-bottom: 1px solid #8884; white-space: nowrap; }\n"
    "th:first-child, td:first-child { text-align: left; padding-left: 0; }\n"
    "</style>\n</head>\n<body>\n<main>\n<h1>Normalisations compared</h1>\n";

static void print_settings(FILE *out, const comparison *c) {
    char train[GROUPED_TEXT], test[GROUPED_TEXT];
    cn_device device = CN_DEVICE_INIT;
    fprintf(
        out,
        "<p>The session-8 network, recipe “%s”, %d epochs from %d seed%s (%lld on); %s training and %s test images in "
        "%d classes. libconvnet %s",
        c->recipe_name, c->epochs, c->seed_count, c->seed_count == 1 ? "" : "s", (long long)c->runs[0].seed,
        grouped(cn_dataset_count(c->train), train), grouped(cn_dataset_count(c->test), test),
        cn_dataset_classes(c->train), cn_version_string());
    if (cn_context_device(c->context, &device) == CN_OK)
        fprintf(out, ", %s", cn_isa_name(device.isa));
    fprintf(out, ". Values are percentages, mean ± standard deviation over the seeds.</p>\n");
}

static void print_results(FILE *out, const comparison *c, const int *order, int count) {
    fprintf(out, "<h2>Best accuracy</h2>\n<div><table>\n<thead><tr><th>norm</th><th>best train</th><th>best test</th>"
                 "<th>seconds an epoch</th><th>runs</th></tr></thead>\n<tbody>\n");
    for (int i = 0; i < count; i++) {
        sample train = collect(c, order[i], best_train, 0), test = collect(c, order[i], best_test, 0);
        sample time = collect(c, order[i], seconds, 0);
        fprintf(out, "<tr><td>%s</td><td>", network_norms[order[i]]);
        print_spread(out, &train, 2);
        fprintf(out, "</td><td>");
        print_spread(out, &test, 2);
        fprintf(out, "</td><td>%.1f</td><td>%d</td></tr>\n", mean(&time), test.count);
    }
    fprintf(out, "</tbody>\n</table></div>\n");
}

/* After the first epoch and each quarter of the run. */
static void print_course(FILE *out, const comparison *c, const int *order, int count) {
    int after[5] = {1}, columns = 1;
    for (int quarter = 1; quarter <= 4; quarter++)
        if (c->epochs * quarter / 4 > after[columns - 1])
            after[columns++] = c->epochs * quarter / 4;
    fprintf(out, "<h2>Test accuracy after epoch</h2>\n<div><table>\n<thead><tr><th>norm</th>");
    for (int i = 0; i < columns; i++)
        fprintf(out, "<th>%d</th>", after[i]);
    fprintf(out, "</tr></thead>\n<tbody>\n");
    for (int n = 0; n < count; n++) {
        fprintf(out, "<tr><td>%s</td>", network_norms[order[n]]);
        for (int i = 0; i < columns; i++) {
            sample s = collect(c, order[n], test_after, after[i]);
            fprintf(out, "<td>");
            print_spread(out, &s, 2);
            fprintf(out, "</td>");
        }
        fprintf(out, "</tr>\n");
    }
    fprintf(out, "</tbody>\n</table></div>\n");
}

static void print_finding(FILE *out, const comparison *c, const int *order, int count) {
    fprintf(out, "<h2>The finding</h2>\n<ul>\n");
    for (int i = 0; i + 1 < count; i++) {
        fprintf(out, "<li>");
        print_difference(out, c, order[i], order[i + 1]);
        fprintf(out, "</li>\n");
    }
    fprintf(out, "</ul>\n<p>By best test accuracy, compared seed by seed; intervals are Student's, of the mean "
                 "difference.</p>\n");
}

/* The runs as the library's histories, and its chart of them: runs of one norm are one curve. */
static cn_status make_chart(const comparison *c, char **svg) {
    cn_history **histories = calloc((size_t)c->run_count, sizeof *histories);
    cn_status status = histories ? CN_OK : CN_ERR_MEMORY;
    for (int i = 0; i < c->run_count && status == CN_OK; i++) {
        status = cn_history_new(c->context, network_norms[c->runs[i].norm], &histories[i]);
        for (int e = 0; e < c->runs[i].count && status == CN_OK; e++)
            status = cn_history_add(histories[i], &c->runs[i].epochs[e]);
    }
    if (status == CN_OK)
        status = cn_chart_curves(c->run_count, (const cn_history *const *)histories, svg);
    for (int i = 0; histories && i < c->run_count; i++)
        cn_history_free(histories[i]);
    free(histories);
    return status;
}

static cn_status write_page(const comparison *c, const char *path, const char *svg, const int *order, int count) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return CN_ERR_MEMORY;
    fputs(head, out);
    print_settings(out, c);
    fprintf(out, "<figure>\n%s</figure>\n", svg);
    print_results(out, c, order, count);
    print_course(out, c, order, count);
    if (count > 1)
        print_finding(out, c, order, count);
    fprintf(out, "</main>\n</body>\n</html>\n");
    bool whole = !ferror(out);
    cn_status status = fclose(out) == 0 && whole ? cn_text_save(c->context, text, path) : CN_ERR_MEMORY;
    free(text);
    return status;
}

static void print_column(const sample *s) {
    if (s->count > 1)
        printf(" %8.2f ± %5.2f", mean(s), deviation(s));
    else
        printf(" %16.2f", mean(s));
}

static void print_summary(const comparison *c, const int *order, int count) {
    printf("\n%-10s %16s %16s\n", "norm", "best train %", "best test %");
    for (int i = 0; i < count; i++) {
        sample train = collect(c, order[i], best_train, 0), test = collect(c, order[i], best_test, 0);
        printf("%-10s", network_norms[order[i]]);
        print_column(&train);
        print_column(&test);
        printf("\n");
    }
    printf("\n");
    for (int i = 0; i + 1 < count; i++) {
        print_difference(stdout, c, order[i], order[i + 1]);
        printf("\n");
    }
}

bool comparison_report(const comparison *c, const char *page, const char *chart) {
    int order[COMPARISON_NORMS], count = rank(c, order);
    char *svg = NULL;
    if (c->run_count == 0)
        return true; /* nothing to tell yet */
    print_summary(c, order, count);
    cn_status status = make_chart(c, &svg);
    if (status == CN_OK)
        status = write_page(c, page, svg, order, count);
    if (status == CN_OK)
        status = cn_text_save(c->context, svg, chart);
    cn_text_free(svg);
    if (status == CN_OK)
        printf("\nWritten: %s and %s\n", page, chart);
    else
        complain("cannot write the page: %s", status == CN_ERR_MEMORY ? cn_status_string(status) : cn_last_error());
    return status == CN_OK;
}
