/* SPDX-License-Identifier: MIT */
/* status.c: version, statuses and this thread's last error message. */
#include "base/base.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STATUSES(X)                                                                                                    \
    X(CN_OK, "success")                                                                                                \
    X(CN_ERR_ARGUMENT, "invalid argument")                                                                             \
    X(CN_ERR_SHAPE, "shapes do not fit")                                                                               \
    X(CN_ERR_MEMORY, "out of memory")                                                                                  \
    X(CN_ERR_IO, "input or output failed")                                                                             \
    X(CN_ERR_FORMAT, "malformed file")                                                                                 \
    X(CN_ERR_DATA, "invalid data")                                                                                     \
    X(CN_ERR_UNSUPPORTED, "not supported here")                                                                        \
    X(CN_ERR_STATE, "call out of order")                                                                               \
    X(CN_ERR_NOT_FOUND, "not found")                                                                                   \
    X(CN_ERR_NUMERIC, "not a finite number")                                                                           \
    X(CN_ERR_VERSION, "options of a newer version")                                                                    \
    X(CN_ERR_COMMUNICATION, "another process did not answer")

#define MAX_MESSAGE 1024

static _Thread_local char last_error[MAX_MESSAGE];
static _Thread_local struct {
    size_t limit, in_use, asked;
} refused; /* by a context's limit, and not yet told; limit 0: nothing */

const char *cn_status_string(cn_status status) {
    switch (status) {
#define TEXT(code, text)                                                                                               \
    case code:                                                                                                         \
        return text;
        STATUSES(TEXT)
#undef TEXT
    }
    return "unknown status";
}

const char *cn_last_error(void) {
    return last_error;
}

void cn__note_limit(size_t limit, size_t in_use, size_t asked) {
    refused.limit = limit;
    refused.in_use = in_use;
    refused.asked = asked;
}

static void append_limit(char *message) {
    size_t length = strlen(message);
    snprintf(message + length, MAX_MESSAGE - length,
             ": of memory_limit's %zu bytes %zu are in use, and %zu were wanted", refused.limit, refused.in_use,
             refused.asked);
    refused.limit = 0;
}

void cn__set_error(cn_status status, const char *format, ...) {
    char message[MAX_MESSAGE]; /* arguments may point into last_error */
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (status == CN_ERR_MEMORY && refused.limit)
        append_limit(message);
    memcpy(last_error, message, sizeof last_error);
}

cn_status cn__callback_status(cn_status returned) {
    switch (returned) {
#define KNOWN(code, text) case code:
        STATUSES(KNOWN)
#undef KNOWN
        return returned;
    }
    return CN_ERR_STATE;
}

#define STRING(x)        #x
#define VERSION(a, b, c) STRING(a) "." STRING(b) "." STRING(c)

int cn_version_number(void) {
    return CN_VERSION_NUMBER;
}

const char *cn_version_string(void) {
    return VERSION(CN_VERSION_MAJOR, CN_VERSION_MINOR, CN_VERSION_PATCH) CN_VERSION_SUFFIX;
}
