/* SPDX-License-Identifier: MIT */
/* report_files.c: reports of training runs as files in a folder: a page, its charts and sheets, the history as CSV. */
#include "outputs.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

const char *const report_names[] = {
    "report.html",       "curves.svg", "learning-rate.svg", "confusion.svg", "class-accuracy.svg",
    "misclassified.svg", HISTORY_FILE, RATES_FILE,          SETTINGS_FILE,   NULL};

bool report_folder(const char *directory, const char *const *names) {
    struct stat info;
    bool good = true;
    if (mkdir(directory, 0777) != 0 && (errno != EEXIST || stat(directory, &info) != 0 || !S_ISDIR(info.st_mode))) {
        complain("cannot make the folder '%s': %s", directory, strerror(errno));
        return false;
    }
    for (size_t i = 0; good && names[i]; i++) {
        char *trial = path_join(directory, names[i]);
        good = trial && output_possible(trial, NULL);
        free(trial);
    }
    return good;
}

char *path_join(const char *directory, const char *name) {
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s/%s", directory, name);
    else
        complain("no memory for a path");
    return path;
}

bool report_save(cn_context *context, const char *directory, const char *name, cn_status made, char *text) {
    char *path = path_join(directory, name);
    bool good = path != NULL;
    if (good && made == CN_ERR_UNSUPPORTED) {
        complain("left out '%s': %s", path, library_error());
    } else if (good && (made != CN_OK || cn_text_save(context, text, path) != CN_OK)) {
        complain("cannot make '%s': %s", path, library_error());
        good = false;
    }
    cn_text_free(text);
    free(path);
    return good;
}

static bool write_log(const char *directory, const cn_trainer *trainer, const char *tested, const task *asked,
                      const part_epoch *part) {
    char *path = path_join(directory, HISTORY_FILE);
    epoch_log log = {NULL, -1};
    bool good = path && epoch_log_open(&log, path, tested, asked->metric);
    for (int64_t i = 0; good && i < cn_trainer_epoch_count(trainer); i++) {
        cn_epoch_info epoch = CN_EPOCH_INFO_INIT;
        good = cn_trainer_epoch_info(trainer, i, &epoch) == CN_OK && epoch_log_write(&log, &epoch);
    }
    good = good && epoch_log_write_part(&log, part);
    if (!epoch_log_close(&log))
        good = false;
    free(path);
    return good;
}

static bool write_rates(cn_context *context, const char *directory, const cn_history *history) {
    char *text = rates_csv(history), *path = path_join(directory, RATES_FILE);
    bool good = text && path && cn_text_save(context, text, path) == CN_OK;
    if (!good)
        complain("cannot make '%s/" RATES_FILE "': %s", directory, text ? library_error() : "no memory");
    free(text);
    free(path);
    return good;
}

/* And what library it was, which the page knows by itself. */
static bool write_settings(cn_context *context, const char *directory, const cn_report *run) {
    const char *names[SETTINGS + 2], *values[SETTINGS + 2];
    cn_device device = CN_DEVICE_INIT;
    int64_t count = 0;
    for (; count < run->setting_count && count < SETTINGS; count++) {
        names[count] = run->setting_names[count];
        values[count] = run->setting_values[count];
    }
    names[count] = "library";
    values[count++] = cn_version_string();
    if (cn_context_device(context, &device) == CN_OK) {
        names[count] = "processor";
        values[count++] = device.processor;
    }
    char *text = settings_csv(count, names, values), *path = path_join(directory, SETTINGS_FILE);
    bool good = text && path && cn_text_save(context, text, path) == CN_OK;
    if (!good)
        complain("cannot make '%s/" SETTINGS_FILE "': %s", directory, text ? library_error() : "no memory");
    free(text);
    free(path);
    return good;
}

static bool write_charts(cn_context *context, const char *directory, const task *asked, const cn_report *report) {
    const cn_history *history = report->history;
    char *svg;
    cn_status status = cn_chart_curves(1, &history, &svg);
    bool good = report_save(context, directory, "curves.svg", status, svg);
    status = cn_chart_metric(1, &history, CN_METRIC_LEARNING_RATE, &svg);
    good = report_save(context, directory, "learning-rate.svg", status, svg) && good;
    if (task_has_classes(asked)) {
        status = cn_chart_confusion(report->evaluation, report->dataset, &svg);
        good = report_save(context, directory, "confusion.svg", status, svg) && good;
    }
    if (metric_is_share(asked->metric)) {
        status = cn_chart_class_accuracy(report->evaluation, report->dataset, &svg);
        good = report_save(context, directory, "class-accuracy.svg", status, svg) && good;
    }
    if (asked->kind != CN_TARGET_CLASS)
        return good;
    status = cn_sheet_misclassified(report->evaluation, report->dataset, 10, 0, NULL, &svg);
    return report_save(context, directory, "misclassified.svg", status, svg) && good;
}

bool report_write(cn_context *context, const char *directory, const cn_trainer *trainer, const char *tested,
                  const task *asked, const cn_report *run, const part_epoch *part) {
    cn_report report = *run;
    cn_history *history = NULL;
    cn_evaluation *evaluation = NULL;
    char *html;
    bool good = false;
    cn_evaluation_options options = CN_EVALUATION_OPTIONS_INIT;
    options.loss = asked->loss;
    cn_status status = cn_trainer_history(trainer, "", &history);
    if (status == CN_OK)
        status = cn_history_set_test_name(history, tested);
    if (status == CN_OK)
        status = cn_evaluation_new(report.model, report.dataset, &options, &evaluation);
    if (status == CN_OK) {
        report.history = history;
        report.evaluation = evaluation;
        good = write_log(directory, trainer, tested, asked, part);
        good = write_rates(context, directory, history) && good;
        good = write_settings(context, directory, run) && good;
        good = write_charts(context, directory, asked, &report) && good;
        status = cn_report_page(context, &report, &html);
        good = report_save(context, directory, "report.html", status, html) && good;
    } else {
        complain_library("cannot report");
    }
    cn_evaluation_free(evaluation);
    cn_history_free(history);
    return good;
}
