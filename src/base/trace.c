/* SPDX-License-Identifier: MIT */
/* trace.c: the clock, and work timed for those who want to know. */
#include "base/base.h"
#include <time.h>

int64_t cn__nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int64_t cn__trace_begin(const cn_context *ctx) {
    return ctx->options.trace ? cn__nanoseconds() : 0;
}

void cn__trace_end(const cn_context *ctx, int64_t begun, cn_trace_event event) {
    if (!ctx->options.trace)
        return;
    event.size = sizeof event;
    event.start = begun;
    event.end = cn__nanoseconds();
    CN__IN_HOSTS_MODE;
    ctx->options.trace(ctx->options.user, &event);
}
