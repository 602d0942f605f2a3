/* SPDX-License-Identifier: MIT */
/* interruption.c: signals that end a long run in good order. */
#include "common.h"
#include <errno.h>
#include <signal.h>
#include <time.h>

#define ECHO 0.1 /* seconds: timeout(1) and others send a signal to the program and to its group, so twice */

/* A hang-up, a reader of our output that is gone, limits and batch systems' warnings end a run as Ctrl-C does. */
static const struct {
    int number;
    const char *name;
} ending[] = {{SIGINT, "Ctrl-C (SIGINT)"},
              {SIGTERM, "SIGTERM"},
              {SIGHUP, "a hang-up (SIGHUP)"},
              {SIGPIPE, "a reader of the output that was gone (SIGPIPE)"},
              {SIGUSR1, "SIGUSR1"},
              {SIGUSR2, "SIGUSR2"},
              {SIGXCPU, "the limit of processor time (SIGXCPU)"}};

static volatile sig_atomic_t caught;
static struct timespec since; /* the handler's own: it is never interrupted by itself */

/* A person who asks again does not want to wait. The other signals come several at a time. */
static bool insists(int number) {
    struct timespec now;
    if (!caught || (number != SIGINT && number != SIGTERM))
        return false;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - since.tv_sec) + 1e-9 * (double)(now.tv_nsec - since.tv_nsec) > ECHO;
}

static void take_note(int number) {
    int error = errno;
    if (insists(number)) {
        signal(number, SIG_DFL);
        raise(number); /* takes effect when this returns */
    } else if (!caught) {
        clock_gettime(CLOCK_MONOTONIC, &since);
        caught = number;
    }
    errno = error;
}

/* Unless whoever started the program wants it ignored, as nohup and shells do for what runs in the background. */
static void handle(int number, void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART}, old;
    sigfillset(&action.sa_mask);
    if (sigaction(number, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        sigaction(number, &action, NULL);
}

void interruption_catch(void) {
    for (size_t i = 0; i < COUNT(ending); i++)
        handle(ending[i].number, take_note);
}

const char *interruption_name(int number) {
    for (size_t i = 0; i < COUNT(ending); i++)
        if (ending[i].number == number)
            return ending[i].name;
    return "a signal";
}

int interruption(void) {
    return caught;
}
