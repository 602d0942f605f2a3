/* SPDX-License-Identifier: MIT */
/* cgroup.c: the processor time that control groups leave this process: a container's quota (docker --cpus), in whole
 * cores, rounded up. Both versions are read: cpu.max of version 2, cpu.cfs_quota_us and cpu.cfs_period_us of version 1,
 * of the process's own group and all groups above it that can be seen. */
#include "base/base.h"
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_LINE 1024 /* longer lines are cut off, and so are not understood */

/* ---- files, without the C library's buffers, which would come from another allocator than the caller's ---- */

typedef struct lines {
    int file;
    size_t at, end;
    char buffer[512];
} lines;

static bool next_byte(lines *l, char *byte) {
    if (l->at == l->end) {
        ssize_t got = read(l->file, l->buffer, sizeof l->buffer);
        if (got <= 0)
            return false;
        l->at = 0;
        l->end = (size_t)got;
    }
    *byte = l->buffer[l->at++];
    return true;
}

static bool next_line(lines *l, char line[MAX_LINE]) {
    size_t length = 0;
    char byte;
    bool any = false;
    while (next_byte(l, &byte) && (any = true) && byte != '\n')
        if (length + 1 < MAX_LINE)
            line[length++] = byte;
    line[length] = '\0';
    return any;
}

static bool open_lines(lines *l, const char *root, const char *path) {
    char whole[CN__MAX_PATH];
    l->at = l->end = 0;
    l->file =
        snprintf(whole, sizeof whole, "%s%s", root, path) < (int)sizeof whole ? open(whole, O_RDONLY | O_CLOEXEC) : -1;
    return l->file >= 0;
}

static bool first_line(const char *root, const char *folder, const char *name, char line[MAX_LINE]) {
    char path[CN__MAX_PATH];
    lines l;
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path || !open_lines(&l, root, path))
        return false;
    bool found = next_line(&l, line);
    close(l.file);
    return found;
}

/* ---- one group ---- */

static double cores_of(double quota, double period) {
    return quota > 0.0 && period > 0.0 ? quota / period : (double)INT_MAX;
}

/* Version 2: "max 100000" or "50000 100000". */
static double cores_v2(const char *root, const char *folder) {
    char line[MAX_LINE], *rest;
    if (!first_line(root, folder, "cpu.max", line))
        return (double)INT_MAX;
    double quota = strtod(line, &rest);
    return rest == line ? (double)INT_MAX : cores_of(quota, strtod(rest, NULL));
}

/* Version 1: -1 for no quota. */
static double cores_v1(const char *root, const char *folder) {
    char quota[MAX_LINE], period[MAX_LINE];
    if (!first_line(root, folder, "cpu.cfs_quota_us", quota) || !first_line(root, folder, "cpu.cfs_period_us", period))
        return (double)INT_MAX;
    return cores_of(strtod(quota, NULL), strtod(period, NULL));
}

/* ---- where groups are ---- */

/* Whether a list such as "cpu,cpuacct" holds "cpu". */
static bool lists_cpu(const char *list, size_t length) {
    for (const char *end = list + length; list < end;) {
        size_t word = strcspn(list, ",: ");
        if (word == 3 && strncmp(list, "cpu", 3) == 0)
            return true;
        list += word + 1;
    }
    return false;
}

/* The process's group: the path behind "0::" or "N:…cpu…:" in /proc/self/cgroup. */
static bool find_group(const char *root, bool v2, char group[MAX_LINE]) {
    char line[MAX_LINE];
    lines l;
    bool found = false;
    if (!open_lines(&l, root, "/proc/self/cgroup"))
        return false;
    while (!found && next_line(&l, line)) {
        const char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;
        if (!path)
            continue;
        found = v2 ? strncmp(line, "0::", 3) == 0 : lists_cpu(list + 1, (size_t)(path - list - 1));
        if (found)
            memmove(group, path + 1, strlen(path + 1) + 1);
    }
    close(l.file);
    return found;
}

/* A line of /proc/self/mountinfo: which group is mounted, and where, if it is one of that version. */
static bool read_mount(char *line, bool v2, const char **mounted, char **point) {
    char *kind = strstr(line, " - "), *field = line;
    if (!kind || strncmp(kind + 3, v2 ? "cgroup2 " : "cgroup ", v2 ? 8 : 7) != 0)
        return false;
    const char *options = strrchr(kind, ' ') + 1;
    if (!v2 && !lists_cpu(options, strlen(options)))
        return false;
    for (int skipped = 0; skipped < 3 && field; skipped++)
        field = strchr(field, ' ') ? strchr(field, ' ') + 1 : NULL;
    char *end = field ? strchr(field, ' ') : NULL;
    if (!end)
        return false;
    *end = '\0';
    *mounted = field;
    *point = end + 1;
    (*point)[strcspn(*point, " ")] = '\0';
    return true;
}

/* The folder of the process's group, whose first `*top` bytes are the mount point. A container sees its own group as
 * the mount's top, but may be told its path as the host has it. */
static bool find_folder(const char *root, bool v2, char folder[MAX_LINE], size_t *top) {
    char line[MAX_LINE], group[MAX_LINE], *point = NULL;
    const char *mounted = NULL;
    lines l;
    bool found = false;
    if (!find_group(root, v2, group) || !open_lines(&l, root, "/proc/self/mountinfo"))
        return false;
    while (!found && next_line(&l, line))
        found = read_mount(line, v2, &mounted, &point);
    close(l.file);
    if (!found)
        return false;
    size_t above = strcmp(mounted, "/") == 0 ? 0 : strlen(mounted);
    bool inside = strncmp(group, mounted, above) == 0 && (group[above] == '/' || group[above] == '\0');
    const char *below = inside ? group + above : "";
    *top = strlen(point);
    return snprintf(folder, MAX_LINE, "%s%s", point, strcmp(below, "/") == 0 ? "" : below) < MAX_LINE;
}

static double cores_within(const char *root, bool v2) {
    char folder[MAX_LINE];
    size_t top;
    double cores = (double)INT_MAX;
    if (!find_folder(root, v2, folder, &top))
        return cores;
    for (;;) {
        double here = v2 ? cores_v2(root, folder) : cores_v1(root, folder);
        char *last = strrchr(folder, '/');
        cores = here < cores ? here : cores;
        if (!last || (size_t)(last - folder) < top || strlen(folder) <= top)
            return cores;
        *last = '\0';
    }
}

int cn__cgroup_cores(const char *root) {
    double v1 = cores_within(root, false), v2 = cores_within(root, true), cores = v1 < v2 ? v1 : v2;
    int whole = cores < (double)INT_MAX ? (int)cores : INT_MAX;
    return whole < INT_MAX && (double)whole < cores ? whole + 1 : whole;
}
