/* SPDX-License-Identifier: MIT */
/* rates_file.c: the learning rates of a run, step by step, as a CSV file: corners of a line, whose places are in epochs. */
#include "outputs.h"
#include <errno.h>
#include <string.h>

#define HEADER "epoch,learning_rate\n"

enum { LINE = 64, MOST_BYTES = 16 << 20 };

char *rates_csv(const cn_history *history) {
    int64_t count = cn_history_rate_count(history);
    double place, rate;
    char *text = malloc(sizeof HEADER + (size_t)count * LINE), *at = text;
    if (!text)
        return NULL;
    at += snprintf(at, sizeof HEADER, HEADER);
    for (int64_t i = 0; i < count && cn_history_rate(history, i, &place, &rate) == CN_OK; i++)
        at += snprintf(at, LINE, "%.10g,%.7g\n", place, rate);
    return text;
}

/* Two numbers with a comma between them and nothing after them. */
static bool parse_corner(const char **text, double *place, double *rate) {
    char *end;
    *place = strtod(*text, &end);
    if (end == *text || *end != ',')
        return false;
    const char *second = end + 1;
    *rate = strtod(second, &end);
    if (end == second || *end != '\n')
        return false;
    *text = end + 1;
    return true;
}

void rates_read(const char *path, cn_history *history) {
    char *text = file_text(path, MOST_BYTES);
    double place, rate;
    if (!text && errno == ENOENT)
        return;
    const char *at = text && strncmp(text, HEADER, strlen(HEADER)) == 0 ? text + strlen(HEADER) : NULL;
    bool good = at != NULL;
    while (good && *at)
        good = parse_corner(&at, &place, &rate) && cn_history_add_rate(history, place, rate) == CN_OK;
    if (!good)
        warn("'%s' %s: learning rates are shown as far as they are known", path,
             text ? "is not as convnet-train leaves it" : "cannot be read");
    free(text);
}
