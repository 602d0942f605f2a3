/* SPDX-License-Identifier: MIT */
/* compared_runs.c: reads runs, and sorts them into groups that differ by their seeds alone. */
#include "comparison.h"
#include <math.h>
#include <string.h>
#include <sys/stat.h>

/* ---- one run ---- */

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), wanted = strlen(end);
    return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

char *comparison_file(const char *given, const char *name, bool *good) {
    char *path;
    *good = true;
    if (is_folder(given)) {
        path = path_join(given, name);
    } else if (ends_with(given, "/" HISTORY_FILE) || strcmp(given, HISTORY_FILE) == 0) {
        size_t folder = strlen(given) - strlen(HISTORY_FILE), size = folder + strlen(name) + 1;
        path = malloc(size);
        if (path)
            snprintf(path, size, "%.*s%s", (int)folder, given, name);
        else
            complain("no memory for a path");
    } else {
        return NULL;
    }
    *good = path != NULL;
    return path;
}

static bool read_history(compared_run *run) {
    struct stat info;
    char *inside = is_folder(run->given) ? path_join(run->given, HISTORY_FILE) : NULL;
    if (inside && stat(inside, &info) != 0) {
        complain("'%s' is no run: a folder without " HISTORY_FILE ", which --report leaves", run->given);
        free(inside);
        return false;
    }
    bool good = epoch_log_read(inside ? inside : run->given, run->given, &run->log);
    free(inside);
    if (good && run->log.count == 0) {
        complain("'%s' has no whole epoch yet", run->given);
        good = false;
    }
    return good;
}

bool comparison_add(comparison *c, const char *path) {
    compared_run *run = &c->runs[c->run_count];
    bool good;
    if (c->run_count == COMPARISON_RUNS) {
        complain("more than %d runs", COMPARISON_RUNS);
        return false;
    }
    *run = (compared_run){.given = path};
    c->run_count++;
    char *settings = comparison_file(path, SETTINGS_FILE, &good);
    good = good && read_history(run) && (!settings || settings_read(settings, &run->settings));
    free(settings);
    for (int i = 1; good && i < run->log.count; i++)
        if (epoch_is_better(&run->log.epochs[i], &run->log.epochs[run->best]))
            run->best = i;
    return good;
}

void comparison_free(comparison *c) {
    for (int i = 0; i < c->run_count; i++) {
        free(c->runs[i].log.epochs);
        free(c->runs[i].settings.text);
    }
}

/* ---- what tells runs apart ---- */

/* Of which results do not depend, or only by chance. */
static bool says_nothing(const char *name) {
    static const char *const names[] = {"seed", "begun", "command", "ended", "kept", "processor", NULL};
    int i = 0;
    while (names[i] && strcmp(names[i], name) != 0)
        i++;
    return names[i] != NULL;
}

static bool same_value(const compared_run *a, const compared_run *b, const char *name) {
    const char *x = settings_value(&a->settings, name), *y = settings_value(&b->settings, name);
    return x && y ? strcmp(x, y) == 0 : x == y;
}

static bool covers(const compared_run *a, const compared_run *b) {
    for (int i = 0; i < a->settings.count; i++)
        if (!says_nothing(a->settings.names[i]) && !same_value(a, b, a->settings.names[i]))
            return false;
    return true;
}

/* Runs of whose settings nothing is known are alone. */
static bool same_settings(const compared_run *a, const compared_run *b) {
    return a->settings.count > 0 && b->settings.count > 0 && covers(a, b) && covers(b, a);
}

static void find_groups(comparison *c) {
    for (int i = 0; i < c->run_count; i++) {
        int group = 0;
        while (group < c->group_count && !same_settings(&c->runs[c->groups[group].first], &c->runs[i]))
            group++;
        if (group == c->group_count)
            c->groups[c->group_count++] = (run_group){.first = i};
        c->groups[group].count++;
        c->runs[i].group = group;
    }
}

static bool is_known(const comparison *c, const char *name) {
    for (int i = 0; i < c->differing_count; i++)
        if (strcmp(c->differing[i], name) == 0)
            return true;
    return false;
}

static void find_differing(comparison *c) {
    for (int group = 0; group < c->group_count; group++) {
        const compared_run *run = &c->runs[c->groups[group].first];
        for (int i = 0; i < run->settings.count; i++) {
            const char *name = run->settings.names[i];
            bool differs = false;
            for (int k = 0; k < c->group_count && !differs; k++) {
                const compared_run *other = &c->runs[c->groups[k].first];
                differs = other->settings.count > 0 && !same_value(run, other, name);
            }
            if (differs && !says_nothing(name) && !is_known(c, name) && c->differing_count < SETTINGS)
                c->differing[c->differing_count++] = name;
        }
    }
}

/* ---- names ---- */

/* The path without what all have in front, and without what is said by every one. */
static void name_by_path(comparison *c, run_group *group) {
    const char *path = c->runs[group->first].given;
    size_t common = strlen(path), length;
    for (int i = 0; i < c->run_count; i++) {
        size_t same = 0;
        while (same < common && c->runs[i].given[same] == path[same])
            same++;
        common = same;
    }
    while (!path[common] && common > 0 && path[common - 1] == '/') /* at its own end */
        common--;
    while (common > 0 && path[common - 1] != '/')
        common--;
    path += common;
    length = strlen(path);
    if (ends_with(path, "/" HISTORY_FILE))
        length -= strlen("/" HISTORY_FILE);
    else if (ends_with(path, ".csv"))
        length -= strlen(".csv");
    while (length > 1 && path[length - 1] == '/')
        length--;
    snprintf(group->name, sizeof group->name, "%.*s", (int)length, path);
}

/* By their values where few settings differ and all are known. */
static void name_groups(comparison *c) {
    enum { FEW = 2 };
    bool by_values = c->differing_count > 0 && c->differing_count <= FEW;
    for (int i = 0; i < c->run_count; i++)
        by_values = by_values && c->runs[i].settings.count > 0;
    for (int i = 0; i < c->group_count; i++) {
        run_group *group = &c->groups[i];
        int used = 0;
        for (int k = 0; by_values && k < c->differing_count && used < COMPARISON_NAME; k++)
            used += snprintf(group->name + used, sizeof group->name - (size_t)used, "%s%s", k ? ", " : "",
                             comparison_setting(c, i, c->differing[k]));
        if (c->group_count == 1 && c->run_count > 1)
            snprintf(group->name, sizeof group->name, "all");
        else if (!by_values)
            name_by_path(c, group);
    }
}

/* Charts and findings know groups by their names alone. */
static void tell_apart(comparison *c) {
    enum { NUMBER = 16 };
    for (int i = 1; i < c->group_count; i++) {
        bool taken = false;
        for (int k = 0; k < i; k++)
            taken = taken || strcmp(c->groups[i].name, c->groups[k].name) == 0;
        size_t end = strlen(c->groups[i].name), most = COMPARISON_NAME - NUMBER;
        if (taken)
            snprintf(c->groups[i].name + (end < most ? end : most), NUMBER, " (%d)", i + 1);
    }
}

const char *comparison_setting(const comparison *c, int group, const char *name) {
    const char *value = settings_value(&c->runs[c->groups[group].first].settings, name);
    return value ? value : "-";
}

/* ---- all ---- */

bool comparison_sort(comparison *c) {
    c->metric = c->runs[0].log.metric;
    for (int i = 1; i < c->run_count; i++)
        if (c->runs[i].log.metric != c->metric) {
            complain("'%s' has %s, but '%s' %s: they cannot be laid over each other", c->runs[0].given,
                     cn_metric_name(c->metric), c->runs[i].given, cn_metric_name(c->runs[i].log.metric));
            return false;
        }
    for (int i = 1; i < c->run_count; i++)
        if (strcmp(c->runs[i].log.tested, c->runs[0].log.tested) != 0) {
            warn("'%s' was tested on %s images, but '%s' on %s images", c->runs[0].given, c->runs[0].log.tested,
                 c->runs[i].given, c->runs[i].log.tested);
            break;
        }
    find_groups(c);
    find_differing(c);
    name_groups(c);
    tell_apart(c);
    return true;
}
