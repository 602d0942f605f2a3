/* interruption.c: Ctrl-C and SIGTERM, for programs that run long. */
#include "common.h"
#include <signal.h>

static volatile sig_atomic_t caught;

static void take_note(int signal) {
    caught = signal;
}

void interruption_catch(void) {
    struct sigaction action = {.sa_handler = take_note, .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int interruption(void) {
    return caught;
}
