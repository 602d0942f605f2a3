/* SPDX-License-Identifier: MIT */
/* program.c: what every program starts and ends with: its name, messages, context and exit code. */
#include "common.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

enum { MESSAGE_TEXT = 4096 };

static const char *name = "convnet";
static int rank;       /* above 0: others speak for this process */
static FILE *document; /* NULL: standard output */

int output_json, output_quiet;

void program_set_name(const char *new_name) {
    name = new_name;
}

const char *program_name(void) {
    return name;
}

/* ---- where output goes ---- */

static _Noreturn void complain_output(void) {
    complain("cannot write to standard output: %s", strerror(errno));
    exit(EXIT_FAILURE);
}

FILE *program_document(void) {
    return document ? document : stdout;
}

void output_begin(void) {
    if (output_json) {
        int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
        document = out < 0 ? NULL : fdopen(out, "w");
        if (!document || (!output_quiet && dup2(STDERR_FILENO, STDOUT_FILENO) < 0))
            complain_output();
    }
    if (output_quiet && !freopen("/dev/null", "w", stdout))
        complain_output();
}

bool program_is_rank(int new_rank) {
    rank = new_rank;
    output_quiet = 1; /* --json and live lines would give it standard output back */
    /* cppcheck-suppress leakReturnValNotUsed ; it is the same stream */
    if (freopen("/dev/null", "w", stdout) && (!document || freopen("/dev/null", "w", document)))
        return true;
    complain("cannot open '/dev/null': %s", strerror(errno));
    return false;
}

/* ---- messages ---- */

static void complain_list(const char *format, va_list values) {
    fflush(stdout);          /* keeps the order where both go to one place */
    char text[MESSAGE_TEXT]; /* in one piece, since other processes write, too */
    vsnprintf(text, sizeof text, format, values);
    if (rank > 0)
        fprintf(stderr, "%s: rank %d: %s\n", name, rank, shown(text));
    else
        fprintf(stderr, "%s: %s\n", name, shown(text));
}

void warn(const char *format, ...) {
    char text[MESSAGE_TEXT];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    if (rank == 0)
        complain("warning: %s", text);
}

void complain(const char *format, ...) {
    va_list values;
    va_start(values, format);
    complain_list(format, values);
    va_end(values);
}

void complain_usage(const char *format, ...) {
    va_list values;
    if (rank > 0)
        exit(EXIT_USAGE); /* rank 0 has the same command line */
    va_start(values, format);
    complain_list(format, values);
    va_end(values);
    fprintf(stderr, "Try '%s --help'.\n", name);
    exit(EXIT_USAGE);
}

const char *library_error(void) {
    static char text[MESSAGE_TEXT];
    in_our_words(cn_last_error(), text, sizeof text);
    return text;
}

void complain_library(const char *what) {
    complain("%s: %s", what, library_error());
}

static bool quotes(const char *text, const char *file) {
    size_t length = strlen(file);
    for (const char *at = strchr(text, '\''); at; at = strchr(at + 1, '\''))
        if (strncmp(at + 1, file, length) == 0 && at[1 + length] == '\'')
            return true;
    return false;
}

void complain_file(const char *what, const char *file, const char *error) {
    if (quotes(error, file))
        complain("%s", error);
    else
        complain("cannot %s '%s': %s", what, file, error);
}

enum { REMARKS = 512, REMARKS_ALIKE = 20 };

/* Whether it was not said before: a folder is read for each of its parts. */
static bool is_new(const char *text) {
    static uint64_t said[REMARKS];
    static size_t count;
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
    for (size_t i = 0; i < count; i++)
        if (said[i] == hash)
            return false;
    if (count < REMARKS)
        said[count++] = hash;
    return true;
}

/* Of a thousand files that are no pictures, some are named; how many there are is said in the end. */
static bool is_one_too_many(const char *text) {
    static int skipped;
    if (strncmp(text, "skipped: ", 9) != 0 || ++skipped <= REMARKS_ALIKE)
        return false;
    if (skipped == REMARKS_ALIKE + 1)
        warn("skipped: and others");
    return true;
}

/* On the thread that called the library, which is one. */
static void print_remark(void *user, cn_log_level level, const char *message) {
    char text[MESSAGE_TEXT];
    (void)user;
    in_our_words(message, text, sizeof text);
    if (rank == 0 && (level == CN_LOG_WARNING || !output_quiet) && is_new(text) && !is_one_too_many(text))
        complain("%s: %s", level == CN_LOG_WARNING ? "warning" : "note", text);
}

cn_status program_context(int64_t threads, cn_conv_algorithm algorithm, profile *traced, cn_context **context) {
    return program_pinned_context(threads, 0, algorithm, traced, context);
}

cn_status program_pinned_context(int64_t threads, int pin, cn_conv_algorithm algorithm, profile *traced,
                                 cn_context **context) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    signal(SIGXFSZ, SIG_IGN); /* a file that became too large is a failed write */
    options.threads = (int)threads;
    options.pin = pin;
    options.conv_algorithm = algorithm;
    options.log = print_remark;
    options.trace = traced ? profile_trace : NULL;
    options.user = traced;
    cn_status status = cn_context_new(&options, context);
    if (status != CN_OK)
        complain_library("cannot start");
    return status;
}

static bool flushed(FILE *file) {
    return fflush(file) == 0 && !ferror(file);
}

int program_end(int code) {
    errno = 0; /* of a write that failed long ago nobody knows why */
    if (!flushed(stdout) || !flushed(program_document())) {
        complain("cannot write to standard output%s%s", errno ? ": " : "", errno ? strerror(errno) : "");
        return code == EXIT_SUCCESS ? EXIT_FAILURE : code;
    }
    return code;
}
