/* SPDX-License-Identifier: MIT */
/* delayed_link.c: a cable between two network namespaces that is as long and as slow as one asks for: what tc's netem does,
 * where the kernel has that.
 *
 *     delayed_link NAME NAMESPACE NAME_THERE MICROSECONDS MBIT
 *
 * makes a device of that name here and one in the namespace, a file such as /run/netns/m1, and hands each frame over after
 * the delay, and not faster than the rate (0: as fast as it goes). Ends when it is killed. */
#define _GNU_SOURCE /* setns, ppoll */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { FRAMES = 4096, LARGEST = 65536 };

typedef struct frame {
    int64_t due; /* nanoseconds */
    ssize_t bytes;
    unsigned char *data;
} frame;

/* One way. */
typedef struct way {
    int from, to;
    int64_t free_at; /* when the last frame has been sent */
    unsigned head, tail;
    frame frames[FRAMES];
} way;

static way ways[2];

static void give_up(const char *what) {
    perror(what);
    exit(1);
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int open_device(const char *name) {
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int file = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    if (file < 0 || ioctl(file, TUNSETIFF, &request) < 0)
        give_up(name);
    return file;
}

static int open_device_there(const char *name, const char *namespace) {
    int here = open("/proc/self/ns/net", O_RDONLY), there = open(namespace, O_RDONLY);
    if (here < 0 || there < 0 || setns(there, CLONE_NEWNET) != 0)
        give_up(namespace);
    int file = open_device(name);
    if (setns(here, CLONE_NEWNET) != 0)
        give_up(namespace);
    return file;
}

/* Takes in all that is there, as long as there is room. What there is none for stays, so that nothing is lost. */
static void take(way *w, int64_t delay, double nanoseconds_a_byte) {
    while (w->head - w->tail < FRAMES) {
        frame *f = &w->frames[w->head % FRAMES];
        f->bytes = read(w->from, f->data, LARGEST);
        if (f->bytes <= 0)
            return;
        int64_t time = now();
        w->free_at = (w->free_at > time ? w->free_at : time) + (int64_t)(nanoseconds_a_byte * (double)f->bytes);
        f->due = w->free_at + delay;
        w->head++;
    }
}

static void give(way *w) {
    while (w->tail != w->head && w->frames[w->tail % FRAMES].due <= now()) {
        frame *f = &w->frames[w->tail++ % FRAMES];
        (void)!write(w->to, f->data, (size_t)f->bytes); /* lost if the other side is down */
    }
}

/* Until the next frame is due. */
static void rest(void) {
    struct pollfd files[2];
    int64_t left = 1000000000, time = now();
    for (int i = 0; i < 2; i++) {
        way *w = &ways[i];
        files[i] = (struct pollfd){.fd = w->from, .events = w->head - w->tail < FRAMES ? POLLIN : 0};
        if (w->tail != w->head && w->frames[w->tail % FRAMES].due - time < left)
            left = w->frames[w->tail % FRAMES].due - time;
    }
    struct timespec timeout = {left > 0 ? left / 1000000000 : 0, left > 0 ? left % 1000000000 : 0};
    ppoll(files, 2, &timeout, NULL);
}

int main(int argc, char **argv) {
    if (argc != 6)
        return fprintf(stderr, "usage: delayed_link NAME NAMESPACE NAME_THERE MICROSECONDS MBIT\n"), 2;
    int64_t delay = 1000 * (int64_t)atoi(argv[4]);
    double nanoseconds_a_byte = atof(argv[5]) > 0.0 ? 8000.0 / atof(argv[5]) : 0.0;
    ways[0].from = ways[1].to = open_device(argv[1]);
    ways[0].to = ways[1].from = open_device_there(argv[3], argv[2]);
    for (int i = 0; i < 2 * FRAMES; i++)
        if (!(ways[i % 2].frames[i / 2].data = malloc(LARGEST)))
            give_up("malloc");
    for (;;) {
        for (int i = 0; i < 2; i++)
            take(&ways[i], delay, nanoseconds_a_byte);
        for (int i = 0; i < 2; i++)
            give(&ways[i]);
        rest();
    }
}
