/* SPDX-License-Identifier: MIT */
/* comparison_page.c: what a comparison comes to, on the terminal and as a page. */
#include "comparison.h"
#include <math.h>
#include <string.h>

enum { COLUMNS = 31 };

/* ---- tables, cell by cell ---- */

typedef struct table {
    int columns, count;
    const char *headings[COLUMNS];
    char (*cells)[CELL];
    const char **texts; /* `count` of them */
} table;

static bool table_begin(table *t, int rows, int columns) {
    *t = (table){.columns = columns};
    t->cells = calloc((size_t)(rows * columns), sizeof *t->cells);
    t->texts = calloc((size_t)(rows * columns), sizeof *t->texts);
    return t->cells && t->texts;
}

/* The next cell: a text of the caller's, or `cell` with room for one. */
static char *cell(table *t) {
    t->texts[t->count] = t->cells[t->count];
    return t->cells[t->count++];
}

static void text_cell(table *t, const char *text) {
    t->texts[t->count++] = text;
}

static cn_status table_end(table *t, bool made, cn_page *page, const char *heading, const char *caption) {
    cn_status status = made ? CN_OK : CN_ERR_MEMORY;
    if (status == CN_OK && heading)
        status = cn_page_heading(page, heading);
    if (status == CN_OK)
        status = cn_page_table(page, caption, t->count / t->columns, t->columns, t->headings, t->texts);
    free(t->cells);
    free(t->texts);
    return status;
}

/* ---- what is said first ---- */

static bool has_bands(const comparison *c) {
    for (int i = 0; i < c->group_count; i++)
        if (c->groups[i].count > 1)
            return true;
    return false;
}

static cn_status add_beginning(cn_page *page, const comparison *c) {
    enum { NAMED = 6 };
    char text[512] = "The same settings, as far as they are known.";
    int used = 0;
    if (has_bands(c))
        used = snprintf(text, sizeof text,
                        c->group_count == 1 ? "The same settings from several seeds." : "%d ways to train. ",
                        c->group_count);
    for (int i = 0; i < c->differing_count && i < NAMED; i++)
        used += snprintf(text + used, sizeof text - (size_t)used, "%s%.40s",
                         i ? ", " : "They differ in: ", c->differing[i]);
    if (c->differing_count > 0)
        snprintf(text + used, sizeof text - (size_t)used, "%s.", c->differing_count > NAMED ? " and others" : "");
    return cn_page_paragraph(page, text);
}

/* What makes figures less comparable than they look. */
static cn_status add_remarks(cn_page *page, const comparison *c) {
    char text[1024];
    cn_status status = CN_OK;
    bool other_images = false;
    for (int i = 0; i < c->differing_count; i++)
        other_images = other_images || strcmp(c->differing[i], "data") == 0 || strcmp(c->differing[i], "images") == 0;
    for (int i = 1; i < c->run_count; i++)
        other_images = other_images || strcmp(c->runs[i].log.tested, c->runs[0].log.tested) != 0;
    if (other_images)
        status = cn_page_notice(
            page, "Not all runs were measured on the same images, so their figures say little beside each "
                  "other.");
    for (int i = 0; i < c->run_count && status == CN_OK; i++) {
        if (c->runs[i].settings.count == 0) {
            snprintf(text, sizeof text, "%s is a log alone: its settings are not known.", c->runs[i].given);
            status = cn_page_paragraph(page, text);
        }
        const char *ended = settings_value(&c->runs[i].settings, "ended");
        if (!ended)
            continue;
        snprintf(text, sizeof text, "%s: %s", c->runs[i].given, ended);
        status = cn_page_notice(page, text);
    }
    return status;
}

/* ---- tables ---- */

static cn_status add_figures(cn_page *page, const comparison *c, const int *order) {
    static const char *const headings[] = {"run", "runs", "epochs", "best train", "best", "last", "seconds an epoch"};
    char caption[160];
    table t;
    bool made = table_begin(&t, c->group_count, COUNT(headings));
    memcpy(t.headings, headings, sizeof headings);
    for (int i = 0; made && i < c->group_count; i++) {
        const run_group *group = &c->groups[order[i]];
        text_cell(&t, group->name);
        snprintf(cell(&t), CELL, "%d", group->count);
        snprintf(cell(&t), CELL, "%d", c->runs[group->first].log.count);
        group_text(c, order[i], best_train, 0, cell(&t));
        group_text(c, order[i], best_test, 0, cell(&t));
        group_text(c, order[i], last_test, 0, cell(&t));
        group_text(c, order[i], seconds_an_epoch, 0, cell(&t));
    }
    snprintf(caption, sizeof caption, "%s on the %s images%s, best first; ± is the standard deviation over seeds",
             cn_metric_name(c->metric), c->runs[0].log.tested, metric_is_share(c->metric) ? " in per cent" : "");
    return table_end(&t, made, page, "What came of them", caption);
}

/* After the first epoch and each quarter of the longest run. */
static cn_status add_course(cn_page *page, const comparison *c, const int *order) {
    enum { MOST = 6 };
    char heading[MOST][CELL] = {"run", "1"};
    int after[MOST] = {0, 1}, columns = 2, longest = 0;
    for (int i = 0; i < c->run_count; i++)
        longest = c->runs[i].log.count > longest ? c->runs[i].log.count : longest;
    for (int quarter = 1; quarter <= 4; quarter++)
        if ((int)((int64_t)longest * quarter / 4) > after[columns - 1]) {
            after[columns] = (int)((int64_t)longest * quarter / 4);
            snprintf(heading[columns], CELL, "%d", after[columns]);
            columns++;
        }
    table t;
    bool made = table_begin(&t, c->group_count, columns);
    for (int k = 0; k < columns; k++)
        t.headings[k] = heading[k];
    for (int i = 0; made && i < c->group_count; i++) {
        text_cell(&t, c->groups[order[i]].name);
        for (int k = 1; k < columns; k++)
            group_text(c, order[i], test_after, after[k], cell(&t));
    }
    return table_end(&t, made, page, NULL, "The same after so many epochs");
}

/* Every run by itself, where groups have several. */
static cn_status add_runs(cn_page *page, const comparison *c, const int *order) {
    static const char *const headings[] = {"run", "seed", "best", "in epoch", "last", "from"};
    table t;
    if (c->group_count == c->run_count)
        return CN_OK;
    bool made = table_begin(&t, c->run_count, COUNT(headings));
    memcpy(t.headings, headings, sizeof headings);
    for (int i = 0; made && i < c->group_count; i++)
        for (int k = 0; k < c->run_count; k++) {
            const compared_run *run = &c->runs[k];
            if (run->group != order[i])
                continue;
            const char *seed = settings_value(&run->settings, "seed");
            char best[METRIC_TEXT], last[METRIC_TEXT];
            text_cell(&t, c->groups[order[i]].name);
            text_cell(&t, seed ? seed : "-");
            snprintf(cell(&t), CELL, "%s", metric_number(c->metric, run->log.epochs[run->best].test_metric, best));
            snprintf(cell(&t), CELL, "%d", run->best + 1);
            snprintf(cell(&t), CELL, "%s",
                     metric_number(c->metric, run->log.epochs[run->log.count - 1].test_metric, last));
            text_cell(&t, run->given);
        }
    return table_end(&t, made, page, NULL, "Run by run");
}

static cn_status add_differing(cn_page *page, const comparison *c, const int *order) {
    enum { FEW = 6 };
    int settings = c->differing_count, groups = c->group_count;
    table t;
    if (settings == 0)
        return CN_OK;
    bool across = groups <= FEW; /* groups are columns */
    if (!across && settings > COLUMNS - 1)
        settings = COLUMNS - 1;
    bool made = table_begin(&t, (settings + 1) * (groups + 1), 1);
    t.columns = across ? groups + 1 : settings + 1;
    t.headings[0] = across ? "setting" : "run";
    for (int k = 1; k < t.columns; k++)
        t.headings[k] = across ? c->groups[order[k - 1]].name : c->differing[k - 1];
    for (int row = 0; made && row < (across ? settings : groups); row++) {
        text_cell(&t, across ? c->differing[row] : c->groups[order[row]].name);
        for (int k = 1; k < t.columns; k++)
            text_cell(&t, comparison_setting(c, order[across ? k - 1 : row], c->differing[across ? row : k - 1]));
    }
    return table_end(&t, made, page, "What they differ in", "Settings that are not the same");
}

/* What all have in common, where all have settings. */
static cn_status add_common(cn_page *page, const comparison *c) {
    static const char *const headings[] = {"setting", "value"};
    const read_settings *first = &c->runs[0].settings;
    table t;
    bool made = table_begin(&t, SETTINGS, COUNT(headings));
    memcpy(t.headings, headings, sizeof headings);
    for (int i = 0; made && i < first->count; i++) {
        bool same = true;
        for (int k = 1; k < c->run_count && same; k++) {
            const char *value = settings_value(&c->runs[k].settings, first->names[i]);
            same = value && strcmp(value, first->values[i]) == 0;
        }
        if (!same)
            continue;
        text_cell(&t, first->names[i]);
        text_cell(&t, first->values[i]);
    }
    if (made && t.count > 0)
        return table_end(&t, made, page, "What they have in common", "Settings of all of them");
    free(t.cells);
    free(t.texts);
    return made ? CN_OK : CN_ERR_MEMORY;
}

static cn_status add_finding(cn_page *page, const comparison *c, const int *order) {
    cn_status status = c->group_count > 1 ? cn_page_heading(page, "What can be told") : CN_OK;
    char text[SENTENCE];
    for (int i = 0; i + 1 < c->group_count && status == CN_OK; i++)
        status = cn_page_paragraph(page, difference_text(c, order[i], order[i + 1], text));
    if (status == CN_OK && chance_is_open(c, order))
        status = cn_page_paragraph(page, CHANCE_IS_OPEN);
    if (status == CN_OK && c->group_count > 1) {
        snprintf(text, sizeof text,
                 "By best %s, each beside the next, seed by seed; intervals are Student's, of the mean "
                 "difference.",
                 cn_metric_name(c->metric));
        status = cn_page_paragraph(page, text);
    }
    return status;
}

/* ---- the page ---- */

static cn_status add_curves(cn_page *page, const comparison *c, const cn_history *const *histories) {
    const cn_metric metrics[] = {CN_METRIC_LOSS, c->metric, CN_METRIC_LEARNING_RATE};
    cn_status status = CN_OK;
    for (size_t i = 0; i < COUNT(metrics) && status == CN_OK; i++) {
        char *svg;
        const char *caption = metrics[i] == CN_METRIC_LEARNING_RATE
                                  ? "Means over the seeds."
                                  : "Means over the seeds; bands from the lowest to the highest.";
        status = cn_chart_metric(c->run_count, histories, metrics[i], &svg);
        if (status == CN_OK)
            status = cn_page_figure(page, svg, has_bands(c) ? caption : NULL);
        cn_text_free(svg);
    }
    return status;
}

static cn_status compose(cn_page *page, const comparison *c, const cn_history *const *histories) {
    int order[COMPARISON_RUNS];
    rank_groups(c, order);
    cn_status status = add_beginning(page, c);
    if (status == CN_OK)
        status = add_remarks(page, c);
    if (status == CN_OK)
        status = add_curves(page, c, histories);
    if (status == CN_OK)
        status = add_figures(page, c, order);
    if (status == CN_OK)
        status = add_course(page, c, order);
    if (status == CN_OK)
        status = add_finding(page, c, order);
    if (status == CN_OK)
        status = add_differing(page, c, order);
    if (status == CN_OK)
        status = add_runs(page, c, order);
    return status == CN_OK ? add_common(page, c) : status;
}

/* Of a log epochs' means are all that is known. */
static cn_status add_rates(const compared_run *run, cn_history *history) {
    bool good;
    char *path = comparison_file(run->given, RATES_FILE, &good);
    if (path)
        rates_read(path, history);
    free(path);
    return good ? CN_OK : CN_ERR_MEMORY;
}

/* The runs as the library's histories: those of one name are one curve in its charts. */
static cn_status make_histories(const comparison *c, cn_history **histories) {
    cn_status status = CN_OK;
    for (int i = 0; i < c->run_count && status == CN_OK; i++) {
        const logged_epochs *log = &c->runs[i].log;
        const char *name = c->group_count > 1 ? c->groups[c->runs[i].group].name : "";
        status = cn_history_new(c->context, name, &histories[i]);
        if (status == CN_OK)
            status = cn_history_set_test_name(histories[i], log->tested);
        for (int e = 0; e < log->count && status == CN_OK; e++)
            status = cn_history_add(histories[i], &log->epochs[e]);
        if (status == CN_OK)
            status = add_rates(&c->runs[i], histories[i]);
    }
    return status;
}

static bool write_files(const comparison *c, const char *directory, const cn_history *const *histories) {
    cn_page *page;
    char title[CELL], *html = NULL, *svg = NULL;
    snprintf(title, sizeof title, "%d runs compared", c->run_count);
    cn_status status = cn_page_new(c->context, title, &page);
    if (status == CN_OK)
        status = compose(page, c, histories);
    if (status == CN_OK)
        status = cn_page_html(page, &html);
    cn_page_free(page);
    bool good = report_save(c->context, directory, "report.html", status, html);
    status = cn_chart_curves(c->run_count, histories, &svg);
    return report_save(c->context, directory, "curves.svg", status, svg) && good;
}

bool comparison_report(const comparison *c, const char *directory) {
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
        printf("\nReport in %s/report.html\n", shown(directory));
    return good;
}

/* ---- the terminal ---- */

static int columns_of(const char *text) {
    int columns = 0;
    for (; *text; text++)
        columns += (*text & 0xC0) != 0x80;
    return columns;
}

static void print_padded(const char *text, int columns, bool right) {
    int blanks = columns - columns_of(text);
    printf("%*s%s%*s", right && blanks > 0 ? blanks : 0, "", shown(text), !right && blanks > 0 ? blanks : 0, "");
}

void comparison_print(const comparison *c) {
    enum { NUMBER = 16 };
    int order[COMPARISON_RUNS], widest = 10;
    char text[SENTENCE], figure[CELL], heading[2 * CELL];
    rank_groups(c, order);
    for (int i = 0; i < c->group_count; i++)
        widest = columns_of(c->groups[i].name) > widest ? columns_of(c->groups[i].name) : widest;
    print_padded("run", widest, false);
    print_padded("runs", 6, true);
    print_padded("best train", NUMBER, true);
    snprintf(heading, sizeof heading, "best %s", c->runs[0].log.tested);
    print_padded(heading, NUMBER, true);
    printf("   %s%s\n", cn_metric_name(c->metric), metric_is_share(c->metric) ? ", %" : "");
    for (int i = 0; i < c->group_count; i++) {
        print_padded(c->groups[order[i]].name, widest, false);
        printf("%6d", c->groups[order[i]].count);
        print_padded(group_text(c, order[i], best_train, 0, figure), NUMBER, true);
        print_padded(group_text(c, order[i], best_test, 0, figure), NUMBER, true);
        printf("\n");
    }
    for (int i = 0; i + 1 < c->group_count; i++) {
        if (i == 0)
            printf("\n");
        print_fitting(difference_text(c, order[i], order[i + 1], text));
    }
    if (chance_is_open(c, order))
        print_fitting(CHANCE_IS_OPEN);
}
