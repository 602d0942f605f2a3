/* SPDX-License-Identifier: MIT */
/* process.h: what Linux says of this process, for tests of what grows; also for programs that know no other file of the
 * tests. */
#ifndef PROCESS_H
#define PROCESS_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number behind a word of /proc/self/status, such as "VmRSS:", in KiB, or "Threads:"; -1: it is not told. */
static inline long process_number(const char *what) {
    char line[256];
    long value = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, what, strlen(what)) == 0)
            value = atol(line + strlen(what));
    if (file)
        fclose(file);
    return value;
}

/* Descriptors, and three entries more; -1: they are not told. */
static inline long process_open_files(void) {
    DIR *folder = opendir("/proc/self/fd");
    long count = folder ? 0 : -1;
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count;
}

#endif
