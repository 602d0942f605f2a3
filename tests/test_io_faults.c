/* SPDX-License-Identifier: MIT */
/* test_io_faults.c: each call for files that the library makes fails in turn, in every way that it can, once and, with
 * FAULTS in the environment, from then on: what was there stays whole, no failure passes for success, and nothing is left behind. */
#include "fail_io.h"
#include "io_cases.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

TEST_RUNS_ONCE;

enum { MOST_CALLS = 5000, MOST_SAVED = 2 };

/* ---- what there is, seen through calls that never fail ---- */

typedef struct content {
    unsigned char *bytes;
    size_t count;
} content;

static content content_of(const char *name) {
    content c = {NULL, 0};
    struct stat info;
    FILE *stream = fopen(io_path(name), "rb");
    ck_assert_msg(stream && stat(io_path(name), &info) == 0, "%s is lost", name);
    c.count = (size_t)info.st_size;
    c.bytes = malloc(c.count + 1);
    ck_assert_uint_eq(fread(c.bytes, 1, c.count, stream), c.count);
    fclose(stream);
    return c;
}

static bool same(content a, content b) {
    return a.count == b.count && memcmp(a.bytes, b.bytes, a.count) == 0;
}

static int entries(const char *folder) {
    int count = 0;
    DIR *open = opendir(folder);
    while (open && readdir(open))
        count++;
    if (open)
        closedir(open); /* not every system has /proc */
    return count;
}

/* ---- one case ---- */

static const char *const names[FAIL_IO_WAYS] = {"EIO", "ENOSPC", "EACCES", "EINTR", "SHORT", "KILL"};
static const char old_text[] = "what was there before, and is longer or shorter than what comes";

typedef struct attempt {
    const io_case *c;
    content saved[MOST_SAVED], loaded; /* as they are when nothing fails */
    int files, descriptors;            /* in the folder, and open */
    fail_io_how how;
    bool on;
    long failures;
} attempt;

static content loaded_content(cn_tensor *loaded) {
    content c = {malloc((size_t)cn_tensor_count(loaded)), (size_t)cn_tensor_count(loaded)};
    memcpy(c.bytes, cn_tensor_data(loaded), c.count);
    cn_tensor_free(loaded);
    return c;
}

static void put_old_files(const io_case *c) {
    for (int i = 0; i < MOST_SAVED && c->saved[i]; i++)
        scratch_write(&io.folder, c->saved[i], old_text, sizeof old_text - 1);
}

static attempt attempt_begin(const io_case *c) {
    attempt a = {.c = c};
    cn_tensor *loaded = NULL;
    io_begin(c);
    put_old_files(c);
    ck_ok(c->act(&loaded));
    for (int i = 0; i < MOST_SAVED && c->saved[i]; i++)
        a.saved[i] = content_of(c->saved[i]);
    if (loaded)
        a.loaded = loaded_content(loaded);
    a.files = entries(io.folder.path);
    a.descriptors = entries("/proc/self/fd");
    return a;
}

static void attempt_end(attempt *a) {
    for (int i = 0; i < MOST_SAVED; i++)
        free(a->saved[i].bytes);
    free(a->loaded.bytes);
    io_end();
}

/* Each file is the old one or the new one, and after success the new one. */
static void expect_files(const attempt *a, cn_status status, const char *what) {
    const content old = {(unsigned char *)(uintptr_t)old_text, sizeof old_text - 1};
    for (int i = 0; i < MOST_SAVED && a->c->saved[i]; i++) {
        content now = content_of(a->c->saved[i]);
        bool is_new = same(now, a->saved[i]), is_old = same(now, old);
        ck_assert_msg(is_new || is_old, "%s: %s is neither the old file nor the new one", what, a->c->saved[i]);
        ck_assert_msg(is_new || status != CN_OK, "%s: %s is not there", what, a->c->saved[i]);
        free(now.bytes);
    }
}

static void expect_loaded(const attempt *a, cn_tensor *loaded, const char *what) {
    content now = loaded_content(loaded);
    ck_assert_msg(same(now, a->loaded), "%s: something else was loaded", what);
    free(now.bytes);
}

/* Where unlink fails, too, a temporary file stays; the next save sees to it. */
static void expect_tidy(const attempt *a, const char *what) {
    cn_tensor *loaded = NULL;
    if (a->on && entries(io.folder.path) != a->files) {
        ck_ok(a->c->act(&loaded));
        cn_tensor_free(loaded);
    }
    ck_assert_msg(entries(io.folder.path) == a->files, "%s: something is left in the folder", what);
    ck_assert_msg(entries("/proc/self/fd") == a->descriptors, "%s: a file is left open", what);
}

/* False: there is no such call. */
static bool is_failed(attempt *a, int at) {
    char what[256];
    cn_tensor *loaded = NULL;
    put_old_files(a->c);
    fail_io_arm(io.folder.path, a->how, at, a->on);
    cn_status status = a->c->act(&loaded);
    const char *failed = fail_io_failed();
    fail_io_arm(NULL, a->how, 0, false);
    snprintf(what, sizeof what, "%s, %s at call %d%s, %s", a->c->name, names[a->how], at, a->on ? " and on" : "",
             failed ? failed : "none");
    if (status != CN_OK) {
        ck_assert_msg(failed && a->how != FAIL_IO_EINTR && a->how != FAIL_IO_SHORT, "%s: %s", what, cn_last_error());
        ck_assert_msg(status == CN_ERR_IO || (status == CN_ERR_DATA && a->c->skips), "%s: status %s: %s", what,
                      cn_status_string(status), cn_last_error());
        ck_assert_msg(strstr(cn_last_error(), io.folder.path) != NULL, "%s: names no file: %s", what, cn_last_error());
        ck_assert_msg(!loaded, "%s: failed, and gave something", what);
    }
    expect_files(a, status, what);
    if (loaded && a->c->skips && a->how == FAIL_IO_EACCES)
        cn_tensor_free(loaded);
    else if (loaded)
        expect_loaded(a, loaded, what);
    expect_tidy(a, what);
    a->failures += failed != NULL;
    return failed != NULL;
}

START_TEST(each_call_fails_in_turn) {
    attempt a = attempt_begin(&io_cases[_i]);
    bool all = getenv("FAULTS") != NULL;
    for (int how = 0; how < FAIL_IO_KILL; how++)
        for (int on = 0; on <= (all && how != FAIL_IO_EINTR); on++) { /* a signal at every call would be endless */
            a.how = (fail_io_how)how;
            a.on = on;
            for (int at = 1; is_failed(&a, at); at++)
                ck_assert_int_lt(at, MOST_CALLS);
        }
    ck_assert_int_gt(a.failures, 0);
    if (all)
        printf("%-34s %5ld calls failed\n", a.c->name, a.failures);
    attempt_end(&a);
}
END_TEST

/* The limit as it would be with so many descriptors more than are in use. */
static void limit_descriptors(int more, const struct rlimit *usual) {
    struct rlimit limit = *usual;
    int lowest = dup(0);
    close(lowest);
    limit.rlim_cur = (rlim_t)(lowest + more);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, more < 0 ? usual : &limit), 0);
}

/* None, one, two are left …: the data set is whole, or there is none. */
START_TEST(descriptors_run_out) {
    attempt a = attempt_begin(&io_cases[_i]);
    struct rlimit usual;
    cn_status status = CN_ERR_IO;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &usual), 0);
    for (int more = 0; status != CN_OK; more++) {
        cn_tensor *loaded = NULL;
        put_old_files(a.c);
        limit_descriptors(more, &usual);
        status = a.c->act(&loaded);
        limit_descriptors(-1, &usual);
        if (status == CN_OK)
            ck_assert_int_gt(more, 0);
        else
            ck_assert_msg(status == CN_ERR_IO && strstr(cn_last_error(), "Too many open files"), "%s: %s: %s",
                          a.c->name, cn_status_string(status), cn_last_error());
        expect_files(&a, status, a.c->name);
        if (loaded)
            expect_loaded(&a, loaded, a.c->name);
        expect_tidy(&a, a.c->name);
    }
    attempt_end(&a);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("io_faults");
    TCase *group = tcase_create("calls that fail");
    tcase_set_timeout(group, 120);
    if (FAIL_IO_WORKS)
        tcase_add_loop_test(group, each_call_fails_in_turn, 0, io_case_count);
    tcase_add_loop_test(group, descriptors_run_out, 0, io_case_count);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
