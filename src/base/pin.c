/* SPDX-License-Identifier: MIT */
/* pin.c: threads that stay on a core. */
#ifdef __linux__
#define _GNU_SOURCE /* CPU_SET and its kin; NOLINT(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): glibc's own */
#endif
#include "base/base.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__

#define MOST_CORES 8192

typedef union cores {
    cpu_set_t set;
    char room[MOST_CORES / 8]; /* the set has 1024 */
} cores;

static bool holds(const cores *of, int core) {
    return core >= 0 && core < MOST_CORES && CPU_ISSET_S((size_t)core, sizeof *of, &of->set);
}

/* Whether a list such as "0,64" or "0-3,8" has one of these cores that is below `core`. */
static bool lists_lower(const char *list, const cores *allowed, int core) {
    for (char *end; *list; list = *end == ',' ? end + 1 : "") {
        long first = strtol(list, &end, 10), last = *end == '-' ? strtol(end + 1, &end, 10) : first;
        for (long i = first; i <= last && i < core; i++)
            if (holds(allowed, (int)i))
                return true;
    }
    return false;
}

/* Whether another hardware thread of the same physical core comes before. */
static bool is_sibling(const cores *allowed, int core) {
    char path[96], list[512];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", core);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t bytes = read(file, list, sizeof list - 1);
    close(file);
    list[bytes > 0 ? bytes : 0] = '\0';
    return lists_lower(list, allowed, core);
}

size_t cn__cpu_pinnable(int *list, size_t most) {
    cores allowed;
    size_t count = 0;
    memset(&allowed, 0, sizeof allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed.set) != 0)
        return 0;
    for (int siblings = 0; siblings < 2; siblings++)
        for (int core = 0; core < MOST_CORES && count < most; core++)
            if (holds(&allowed, core) && is_sibling(&allowed, core) == (siblings == 1))
                list[count++] = core;
    return count;
}

int cn__cpu_pin(pthread_t thread, int core) {
    cores one;
    memset(&one, 0, sizeof one);
    CPU_SET_S((size_t)core, sizeof one, &one.set);
    return pthread_setaffinity_np(thread, sizeof one, &one.set);
}

#else

size_t cn__cpu_pinnable(int *list, size_t most) {
    (void)list;
    (void)most;
    return 0;
}

int cn__cpu_pin(pthread_t thread, int core) {
    (void)thread;
    (void)core;
    return ENOTSUP;
}

#endif
