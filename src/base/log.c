/* SPDX-License-Identifier: MIT */
/* log.c: messages for the context's log callback. */
#include "base/base.h"
#include <stdarg.h>
#include <stdio.h>

void cn__log(const cn_context *ctx, cn_log_level level, const char *format, ...) {
    char message[1024];
    if (!ctx->options.log)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    CN__IN_HOSTS_MODE;
    ctx->options.log(ctx->options.user, level, message);
}
