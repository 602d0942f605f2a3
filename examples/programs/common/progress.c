/* SPDX-License-Identifier: MIT */
/* progress.c: shows training as it goes: a live line on a terminal, and a line an epoch everywhere. */
#include "common.h"
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define REFRESH 0.1 /* seconds between two live lines */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int columns_of(FILE *file) {
    const char *kind = getenv("TERM"), *asked = getenv("COLUMNS");
    struct winsize size;
    if (!isatty(fileno(file)) || !kind || strcmp(kind, "dumb") == 0)
        return 0;
    if (ioctl(fileno(file), TIOCGWINSZ, &size) == 0) {
        if (size.ws_col > 0)
            return size.ws_col;
        if (getenv("OMPI_COMM_WORLD_SIZE"))
            return 0; /* Open MPI's own, for an mpirun that writes to a file */
    }
    int columns = asked ? atoi(asked) : 0;
    return columns > 0 ? columns : 80;
}

int terminal_columns(void) {
    return columns_of(stdout);
}

void print_fitting(const char *text) {
    int columns = terminal_columns();
    print_wrapped(shown(text), columns ? columns : INT_MAX);
}

/* ---- a table with a line an epoch ---- */

enum { CELL_TEXT = METRIC_TEXT };

typedef struct column {
    const char *heading;
    int width;                          /* with the space before it, at least */
    int rank;                           /* a narrow terminal shows the first ones only */
    enum { ALONE, TRAINED, TESTED } of; /* the heading goes behind what was trained or tested on */
} column;

/* NULL: the metric. */
static const column columns[] = {{"epoch", 7, 0, ALONE},   {"loss", 12, 4, TRAINED},  {NULL, 10, 2, TRAINED},
                                 {"loss", 11, 3, TESTED},  {NULL, 10, 1, TESTED},     {"rate", 11, 5, ALONE},
                                 {"seconds", 9, 6, ALONE}, {"images/s", 10, 7, ALONE}};

/* Accuracies are known by their "%". */
static const char *heading_text(const progress *p, size_t i, char text[CELL_TEXT]) {
    const char *tested = strcmp(p->tested, "test") == 0 ? "test " : "val. ";
    const char *of = columns[i].of == TRAINED ? "train " : columns[i].of == TESTED ? tested : "";
    if (columns[i].heading)
        snprintf(text, CELL_TEXT, "%s%s", of, columns[i].heading);
    else if (p->metric == CN_METRIC_ACCURACY)
        snprintf(text, CELL_TEXT, "%s%%", of);
    else
        snprintf(text, CELL_TEXT, "%s%s%s", of, cn_metric_name(p->metric), metric_is_share(p->metric) ? " %" : "");
    return text;
}

static int column_width(const progress *p, size_t i) {
    char text[CELL_TEXT];
    int least = (int)strlen(heading_text(p, i, text)) + 2;
    return columns[i].width > least ? columns[i].width : least;
}

/* How many columns, by rank, a terminal has room for. */
static int ranks_shown(const progress *p, int room) {
    int used = 0;
    for (int rank = 0; rank < (int)COUNT(columns); rank++)
        for (size_t i = 0; i < COUNT(columns); i++) {
            used += columns[i].rank == rank ? column_width(p, i) : 0;
            if (room > 0 && used > room)
                return rank > 0 ? rank : 1;
        }
    return (int)COUNT(columns);
}

static void print_row(const progress *p, char text[COUNT(columns)][CELL_TEXT]) {
    int shown = ranks_shown(p, p->columns);
    for (size_t i = 0; i < COUNT(columns); i++)
        if (columns[i].rank < shown)
            printf("%*s", column_width(p, i), text[i]);
    printf("\n");
    fflush(stdout);
}

static void print_headings(const progress *p) {
    char text[COUNT(columns)][CELL_TEXT];
    for (size_t i = 0; i < COUNT(columns); i++)
        heading_text(p, i, text[i]);
    print_row(p, text);
}

/* Where the live line goes: standard error, or standard output where only that is a terminal, as under mpirun. */
static FILE *live_file(void) {
    return columns_of(stderr) ? stderr : stdout;
}

static int live_columns(void) {
    return output_quiet ? 0 : columns_of(live_file());
}

progress progress_begin(int64_t epochs, const char *tested, cn_metric metric) {
    progress p = {.epochs = epochs, .tested = tested, .metric = metric, .columns = terminal_columns()};
    p.live_columns = live_columns();
    print_headings(&p);
    return p;
}

/* The terminal may have become another one since. */
static void look_again(progress *p) {
    int before = p->columns;
    p->columns = terminal_columns();
    p->live_columns = live_columns();
    if (p->shown > p->live_columns)
        fprintf(live_file(), "\n"); /* the old line does not fit any more, and cannot be wiped as one */
    if (ranks_shown(p, p->columns) != ranks_shown(p, before)) {
        progress_wipe(p);
        print_headings(p);
    }
}

/* ---- the live line ---- */

/* Seconds until the whole run will be over, going by what it took so far. */
static double time_left(const progress *p, const cn_batch_info *batch) {
    double a_batch = batch->seconds / (double)batch->batch;
    double an_epoch = p->epoch_seconds > 0.0 ? p->epoch_seconds : a_batch * (double)batch->batches;
    double this_epoch = an_epoch - batch->seconds, rest = a_batch * (double)(batch->batches - batch->batch);
    if (this_epoch < rest)
        this_epoch = rest;
    return this_epoch + an_epoch * (double)(p->epochs - batch->epoch + p->later);
}

/* "1:05" or "2:03:04". */
static void clock_text(double seconds, char *text, size_t size) {
    long long all = (long long)(seconds + 0.5);
    if (all >= 3600)
        snprintf(text, size, "%lld:%02lld:%02lld", all / 3600, all / 60 % 60, all % 60);
    else
        snprintf(text, size, "%lld:%02lld", all / 60, all % 60);
}

/* As many of the parts, by their ranks, as there is room for; returns the line's length. */
static int print_parts(int room, size_t count, char part[][CELL_TEXT + 16], const int *rank) {
    char line[256] = "";
    for (int ranks = (int)count; ranks > 0; ranks--) {
        int used = 0;
        for (size_t i = 0; i < count; i++)
            if (rank[i] < ranks)
                used += snprintf(line + used, sizeof line - (size_t)used, "%s%s", used ? "  " : "", part[i]);
        if (used < room)
            break;
    }
    return fprintf(live_file(), "\r\033[K%.*s", room - 1, line) - 4;
}

void progress_batch(progress *p, const cn_batch_info *batch) {
    static const int rank[] = {0, 3, 4, 2, 5, 1};
    char part[COUNT(rank)][CELL_TEXT + 16], left[CELL_TEXT], value[METRIC_TEXT];
    bool last = batch->batch == batch->batches; /* the line then stands while the test images are run */
    double time = p->live_columns ? now() : 0.0;
    if (!p->live_columns || (!last && time - p->shown_at < REFRESH))
        return;
    p->shown_at = time;
    look_again(p);
    clock_text(time_left(p, batch), left, sizeof left);
    snprintf(part[0], sizeof part[0], "epoch %lld/%lld", (long long)batch->epoch, (long long)p->epochs);
    snprintf(part[1], sizeof part[1], "%s %lld/%lld", last ? "testing" : "batch", (long long)batch->batch,
             (long long)batch->batches);
    snprintf(part[2], sizeof part[2], "loss %.4f", batch->average_loss);
    snprintf(part[3], sizeof part[3], "%s%s%s", p->metric == CN_METRIC_ACCURACY ? "" : cn_metric_name(p->metric),
             p->metric == CN_METRIC_ACCURACY ? "" : " ", metric_text(p->metric, batch->average_metric, value));
    snprintf(part[4], sizeof part[4], "%.0f images/s",
             batch->seconds > 0.0 ? (double)batch->images / batch->seconds : 0.0);
    snprintf(part[5], sizeof part[5], "%s left", left);
    p->shown = print_parts(p->live_columns, COUNT(rank), part, rank);
    fflush(live_file());
}

void progress_wipe(progress *p) {
    if (p->live_columns && p->shown) {
        fprintf(live_file(), "\r\033[K");
        fflush(live_file());
    }
    p->shown = 0;
}

void progress_epoch(progress *p, const cn_epoch_info *epoch) {
    char text[COUNT(columns)][CELL_TEXT];
    p->epoch_seconds = epoch->seconds;
    if (p->columns || p->live_columns)
        look_again(p);
    progress_wipe(p);
    snprintf(text[0], CELL_TEXT, "%lld", (long long)epoch->epoch);
    snprintf(text[1], CELL_TEXT, "%.4f", epoch->train_loss);
    metric_number(p->metric, epoch->train_metric, text[2]);
    snprintf(text[3], CELL_TEXT, "%.4f", epoch->test_loss);
    metric_number(p->metric, epoch->test_metric, text[4]);
    snprintf(text[5], CELL_TEXT, "%.3g", epoch->learning_rate);
    snprintf(text[6], CELL_TEXT, "%.2f", epoch->seconds);
    snprintf(text[7], CELL_TEXT, "%.0f", epoch->images_per_second);
    print_row(p, text);
}
