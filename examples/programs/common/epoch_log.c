/* SPDX-License-Identifier: MIT */
/* epoch_log.c: training as a CSV file, a line an epoch: whole lines, whatever happens. */
#include "outputs.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER_TEXT = 256, MOST_LINE = 512, MOST_BYTES = 16 << 20 };

/* ---- writing ---- */

static bool cannot_write(const char *path) {
    complain("cannot write '%s': %s", path, strerror(errno));
    return false;
}

static const char *header_text(const char *tested, cn_metric metric, char text[HEADER_TEXT]) {
    char name[METRIC_TEXT];
    metric_key(metric, name);
    snprintf(text, HEADER_TEXT, EPOCH_LOG_BEGINS "%s,%.40s_loss,%.40s_%s,learning_rate,seconds,images_per_second\n",
             name, tested, tested, name);
    return text;
}

/* Shares are percentages. */
static double column_value(const cn_epoch_info *epoch, double value) {
    return metric_is_share(epoch->metric) ? 100.0 * value : value;
}

/* A line that could not be written whole is taken back, where that can be done. */
static bool write_line(epoch_log *log, const char *line) {
    struct stat info;
    bool plain = fstat(log->file, &info) == 0 && S_ISREG(info.st_mode);
    if (file_write(log->file, line, strlen(line)))
        return true;
    cannot_write(log->path);
    if (plain)
        (void)!ftruncate(log->file, info.st_size);
    return false;
}

/* It is made for a moment, under its own name: a temporary file beside it would stay if we were killed. */
bool epoch_log_possible(const char *path) {
    struct stat info;
    char real[PATH_MAX];
    bool there = stat(path, &info) == 0;
    if (there && S_ISFIFO(info.st_mode) && realpath(path, real)) { /* to open one waits for a reader */
        complain("cannot write '%s': it is not a plain file", path);
        return false;
    }
    if (there && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode))
        return true; /* such as /dev/stdout, also as a pipe, which has no path */
    int file = file_open(path, O_WRONLY | (there ? 0 : O_CREAT | O_EXCL));
    if (file < 0)
        return errno == EEXIST || cannot_write(path); /* a link that leads nowhere yet */
    close(file);
    if (!there)
        unlink(path);
    return true;
}

bool epoch_log_open(epoch_log *log, const char *path, const char *tested, cn_metric metric) {
    char header[HEADER_TEXT];
    *log = (epoch_log){path, file_open(path, O_WRONLY | O_CREAT | O_TRUNC)};
    if (log->file < 0) {
        log->path = NULL;
        return cannot_write(path);
    }
    if (write_line(log, header_text(tested, metric, header)))
        return true;
    close(log->file);
    log->path = NULL;
    return false;
}

bool epoch_log_write(epoch_log *log, const cn_epoch_info *epoch) {
    char line[MOST_LINE];
    snprintf(line, sizeof line, "%lld,%.9g,%.6g,%.9g,%.6g,%.7g,%.3f,%.1f\n", (long long)epoch->epoch, epoch->train_loss,
             column_value(epoch, epoch->train_metric), epoch->test_loss, column_value(epoch, epoch->test_metric),
             epoch->learning_rate, epoch->seconds, epoch->images_per_second);
    return write_line(log, line);
}

bool epoch_log_write_part(epoch_log *log, const part_epoch *part) {
    char line[MOST_LINE];
    const cn_epoch_info *so_far = &part->so_far;
    if (part->share <= 0.0)
        return true;
    double share = part->share < 0.0005 ? 0.001 : part->share > 0.999 ? 0.999 : part->share; /* never a whole epoch */
    snprintf(line, sizeof line, "%.3f,%.9g,%.6g,,,%.7g,%.3f,%.1f\n", (double)(so_far->epoch - 1) + share,
             so_far->train_loss, column_value(so_far, so_far->train_metric), so_far->learning_rate, so_far->seconds,
             so_far->images_per_second);
    return write_line(log, line);
}

bool epoch_log_close(epoch_log *log) {
    const char *path = log->path;
    if (!path)
        return true;
    log->path = NULL;
    return close(log->file) == 0 || errno == EINTR || cannot_write(path); /* after EINTR it is closed all the same */
}

/* ---- reading ---- */

/* The metric of the header's third column, and what the fourth says of the images that were tested on. */
static bool parse_header(const char *line, logged_epochs *log) {
    char wanted[HEADER_TEXT], name[METRIC_TEXT];
    size_t begins = strlen(EPOCH_LOG_BEGINS);
    if (strncmp(line, EPOCH_LOG_BEGINS, begins) != 0)
        return false;
    for (int metric = 0; cn_metric_name((cn_metric)metric); metric++) {
        size_t length = strlen(metric_key((cn_metric)metric, name));
        const char *tested = line + begins + length + 1;
        if (strncmp(line + begins, name, length) != 0 || tested[-1] != ',')
            continue;
        snprintf(log->tested, sizeof log->tested, "%.*s", (int)strcspn(tested, "_,\n"), tested);
        log->metric = (cn_metric)metric;
        header_text(log->tested, log->metric, wanted);
        if (strncmp(line, wanted, strlen(wanted)) == 0)
            return true;
    }
    return false;
}

/* Eight numbers with commas between them and nothing after them; the first is `number`. */
static bool parse_epoch(const char **text, int number, cn_metric metric, cn_epoch_info *epoch) {
    double value[8], unit = metric_is_share(metric) ? 100.0 : 1.0;
    const char *line = *text;
    for (size_t i = 0; i < COUNT(value); i++) {
        char *end;
        value[i] = strtod(line, &end);
        if (end == line || *end != (i + 1 < COUNT(value) ? ',' : '\n'))
            return false;
        line = end + 1;
    }
    if (value[0] != number)
        return false;
    *text = line;
    bool accuracy = metric == CN_METRIC_ACCURACY;
    *epoch = (cn_epoch_info){.size = sizeof *epoch,
                             .epoch = number,
                             .train_loss = value[1],
                             .train_accuracy = accuracy ? value[2] / unit : (double)NAN,
                             .test_loss = value[3],
                             .test_accuracy = accuracy ? value[4] / unit : (double)NAN,
                             .learning_rate = value[5],
                             .seconds = value[6],
                             .images_per_second = value[7],
                             .train_metric = value[2] / unit,
                             .test_metric = value[4] / unit,
                             .metric = metric};
    return true;
}

/* Lines behind the header. */
static int line_count(const char *text) {
    int count = 0;
    for (const char *at = strchr(text, '\n'); at; at = strchr(at + 1, '\n'))
        count++;
    return count;
}

bool epoch_log_read(const char *path, const char *run, logged_epochs *log) {
    *log = (logged_epochs){.count = 0};
    char *text = file_text(path, MOST_BYTES);
    if (!text) {
        complain("cannot read '%s': %s", path, strerror(errno));
        return false;
    }
    bool good = parse_header(text, log);
    if (!good)
        complain("'%s' is no run: want the folder of a --report, or the CSV file of a --log", run);
    if (good && !(log->epochs = calloc((size_t)line_count(text) + 1, sizeof *log->epochs))) {
        complain("no memory for the epochs of '%s'", run);
        good = false;
    }
    const char *at = good ? strchr(text, '\n') + 1 : text;
    while (good && parse_epoch(&at, log->count + 1, log->metric, &log->epochs[log->count]))
        log->count++;
    free(text);
    return good;
}
