/* progress.c: shows training as it goes: a live line on a terminal, and a line an epoch everywhere. */
#include "common.h"
#include <string.h>
#include <time.h>
#include <unistd.h>

#define REFRESH 0.1 /* seconds between two live lines */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

progress progress_begin(int64_t epochs) {
    const char *terminal = getenv("TERM");
    progress p = {.epochs = epochs};
    p.live = isatty(STDOUT_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
    printf("%7s %11s %9s %10s %9s %10s %8s %9s\n", "epoch", "train loss", "train %", "test loss", "test %", "rate",
           "seconds", "images/s");
    fflush(stdout);
    return p;
}

/* Seconds until the whole run will be over, going by what it took so far. */
static double time_left(const progress *p, const cn_batch_info *batch) {
    double a_batch = batch->seconds / (double)batch->batch;
    double an_epoch = p->epoch_seconds > 0.0 ? p->epoch_seconds : a_batch * (double)batch->batches;
    double this_epoch = an_epoch - batch->seconds, rest = a_batch * (double)(batch->batches - batch->batch);
    if (this_epoch < rest)
        this_epoch = rest;
    return this_epoch + an_epoch * (double)(p->epochs - batch->epoch);
}

/* "1:05" or "2:03:04". */
static void clock_text(double seconds, char *text, size_t size) {
    long long all = (long long)(seconds + 0.5);
    if (all >= 3600)
        snprintf(text, size, "%lld:%02lld:%02lld", all / 3600, all / 60 % 60, all % 60);
    else
        snprintf(text, size, "%lld:%02lld", all / 60, all % 60);
}

void progress_batch(progress *p, const cn_batch_info *batch) {
    bool last = batch->batch == batch->batches; /* the line then stands while the test images are run */
    double time = p->live ? now() : 0.0;
    if (!p->live || (!last && time - p->shown < REFRESH))
        return;
    p->shown = time;
    char left[32];
    clock_text(time_left(p, batch), left, sizeof left);
    printf("\r\033[Kepoch %lld/%lld  %s %lld/%lld  loss %.4f  %.2f %%  %.0f images/s  %s left", (long long)batch->epoch,
           (long long)p->epochs, last ? "testing" : "batch", (long long)batch->batch, (long long)batch->batches,
           batch->average_loss, 100.0 * batch->average_accuracy,
           batch->seconds > 0.0 ? (double)batch->images / batch->seconds : 0.0, left);
    fflush(stdout);
}

void progress_wipe(const progress *p) {
    if (p->live) {
        printf("\r\033[K");
        fflush(stdout);
    }
}

void progress_epoch(progress *p, const cn_epoch_info *epoch) {
    p->epoch_seconds = epoch->seconds;
    progress_wipe(p);
    printf("%7lld %11.4f %9.2f %10.4f %9.2f %10.3g %8.2f %9.0f\n", (long long)epoch->epoch, epoch->train_loss,
           100.0 * epoch->train_accuracy, epoch->test_loss, 100.0 * epoch->test_accuracy, epoch->learning_rate,
           epoch->seconds, epoch->images_per_second);
    fflush(stdout);
}
