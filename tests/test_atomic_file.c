/* SPDX-License-Identifier: MIT */
/* test_atomic_file.c: files are read and replaced whole, or not at all. */
#include "model_files.h"
#include "whole_file.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TEST_RUNS_ONCE;

static cn_status replace(const char *name, const char *text) {
    const struct iovec pieces[] = {{"<", 1}, {(void *)(uintptr_t)text, strlen(text)}, {">", 1}};
    return cn__replace_file(files.ctx, name, pieces, 3);
}

static void expect_content(const char *name, const char *wanted) {
    unsigned char *data;
    size_t bytes;
    ck_ok(load_file(files.ctx, name, &data, &bytes));
    ck_assert_uint_eq(bytes, strlen(wanted));
    ck_assert_mem_eq(data, wanted, bytes);
    cn__free(files.ctx, data);
}

static mode_t mode_of(const char *name) {
    struct stat status;
    ck_assert_int_eq(stat(name, &status), 0);
    return status.st_mode & 07777;
}

START_TEST(files_are_replaced_whole) {
    ck_ok(replace(files.path, "one"));
    expect_content(files.path, "<one>");
    ck_ok(replace(files.path, ""));
    expect_content(files.path, "<>");
}
END_TEST

START_TEST(a_new_file_has_the_permissions_of_any_new_file) {
    mode_t old = umask(027);
    ck_ok(replace(files.path, "one"));
    umask(old);
    ck_assert_int_eq(mode_of(files.path), 0640);
}
END_TEST

START_TEST(an_old_files_permissions_stay) {
    ck_ok(replace(files.path, "one"));
    ck_assert_int_eq(chmod(files.path, 0604), 0);
    ck_ok(replace(files.path, "two"));
    ck_assert_int_eq(mode_of(files.path), 0604);
    expect_content(files.path, "<two>");
}
END_TEST

START_TEST(a_link_stays_one) {
    char link[128];
    struct stat status;
    snprintf(link, sizeof link, "%s/link", files.folder);
    ck_ok(replace(files.path, "one"));
    ck_assert_int_eq(symlink(MODEL_FILE, link), 0);
    ck_ok(replace(link, "two"));
    ck_assert_int_eq(lstat(link, &status), 0);
    ck_assert(S_ISLNK(status.st_mode));
    expect_content(files.path, "<two>");
    unlink(link);
}
END_TEST

static void make_link(const char *to, const char *name) {
    char link[192];
    snprintf(link, sizeof link, "%s/%s", files.folder, name);
    ck_assert_int_eq(symlink(to, link), 0);
}

static void remove_link(const char *name) {
    char link[192];
    struct stat status;
    snprintf(link, sizeof link, "%s/%s", files.folder, name);
    ck_assert_int_eq(lstat(link, &status), 0);
    ck_assert(S_ISLNK(status.st_mode));
    unlink(link);
}

/* Links to links, relative to where each lies; what they point to need not be there. */
START_TEST(a_dangling_link_is_written_behind) {
    char link[192], sub[192];
    snprintf(sub, sizeof sub, "%s/sub", files.folder);
    snprintf(link, sizeof link, "%s/sub/a", files.folder);
    ck_assert_int_eq(mkdir(sub, 0700), 0);
    make_link("../b", "sub/a");
    make_link(MODEL_FILE, "b");
    for (int i = 0; i < 2; i++) {
        ck_ok(replace(link, "one"));
        expect_content(files.path, "<one>");
    }
    make_link("nowhere/file", "c");
    snprintf(link, sizeof link, "%s/c", files.folder);
    ck_fails(replace(link, "one"), CN_ERR_IO, "nowhere/file': No such file");
    make_link("loop", "loop");
    snprintf(link, sizeof link, "%s/loop", files.folder);
    ck_fails(replace(link, "one"), CN_ERR_IO, "a loop of links");
    remove_link("loop");
    remove_link("c");
    remove_link("b");
    remove_link("sub/a");
    rmdir(sub);
}
END_TEST

static void make_file(const char *name) {
    int file = open(name, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(file, 0);
    close(file);
}

/* Killed while it saved: the next save beside it clears up, but only what is certainly such a file. */
START_TEST(files_that_dead_processes_left_are_removed) {
    static const char *const kept[] = {".tmp-1-0",    ".tmp-%ld",    ".tmp-%ld-", ".tmp-%ld-0x",
                                       ".tmp--%ld-0", "2.tmp-%ld-0", ".tmp-0-0"};
    char name[192], end[64];
    int exited;
    pid_t dead = fork();
    if (dead == 0)
        _exit(0);
    ck_assert_int_eq(waitpid(dead, &exited, 0), dead);
    for (size_t i = 0; i < CN__COUNT(kept); i++) {
        snprintf(end, sizeof end, kept[i], (long)dead);
        snprintf(name, sizeof name, "%s%s", files.path, end);
        make_file(name);
    }
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s.tmp-%ld-%d", files.path, (long)dead, i);
        make_file(name);
    }
    ck_ok(replace(files.path, "one"));
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s.tmp-%ld-%d", files.path, (long)dead, i);
        ck_assert_int_eq(access(name, F_OK), -1);
    }
    for (size_t i = 0; i < CN__COUNT(kept); i++) {
        snprintf(end, sizeof end, kept[i], (long)dead);
        snprintf(name, sizeof name, "%s%s", files.path, end);
        ck_assert_msg(unlink(name) == 0, "%s was removed", name);
    }
}
END_TEST

/* root may do anything, so it becomes somebody else. */
static bool become_nobody(void) {
    return geteuid() == 0 && seteuid(65534) == 0;
}

START_TEST(where_no_file_can_be_made_it_is_written_in_place) {
    static const char *const texts[] = {"longer than before", "short"};
    ck_ok(replace(files.path, "one"));
    ck_assert_int_eq(chmod(files.path, 0666), 0);
    ck_assert_int_eq(chmod(files.folder, 0555), 0);
    bool root = become_nobody();
    for (int i = 0; i < 2; i++)
        ck_ok(replace(files.path, texts[i]));
    expect_content(files.path, "<short>");
    if (root)
        ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chmod(files.path, 0444), 0);
    root = become_nobody();
    ck_fails(replace(files.path, "two"), CN_ERR_IO, "cannot write '");
    if (root)
        ck_assert_int_eq(seteuid(0), 0);
    expect_content(files.path, "<short>");
    ck_assert_int_eq(chmod(files.folder, 0755), 0);
}
END_TEST

/* In a folder such as /tmp nobody may put a file in the place of another's. Only root can make that of others'. */
START_TEST(where_no_file_can_be_replaced_nothing_is_lost) {
    ck_ok(replace(files.path, "one"));
    ck_assert_int_eq(chmod(files.path, 0666), 0);
    ck_assert_int_eq(chmod(files.folder, 01777), 0);
    if (!become_nobody())
        return;
    ck_ok(replace(files.path, "two"));
    expect_content(files.path, "<two>");
    ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chmod(files.path, 0444), 0);
    ck_assert(become_nobody());
    ck_fails(replace(files.path, "three"), CN_ERR_IO, "cannot write '");
    ck_assert_int_eq(seteuid(0), 0);
    expect_content(files.path, "<two>"); /* and there is no temporary file */
}
END_TEST

START_TEST(what_is_no_file_is_left_alone) {
    ck_fails(replace("/dev/full", "one"), CN_ERR_IO, "'/dev/full': it is not a regular file");
    ck_fails(replace(files.folder, "one"), CN_ERR_IO, "is not a regular file");
    ck_fails(replace("/nowhere/at/all", "one"), CN_ERR_IO, "cannot create a file beside '/nowhere/at/all'");
    ck_fails(replace("", "one"), CN_ERR_IO, "cannot");
}
END_TEST

START_TEST(a_name_in_the_current_folder_will_do) {
    char before[1024];
    ck_assert_ptr_nonnull(getcwd(before, sizeof before));
    ck_assert_int_eq(chdir(files.folder), 0);
    ck_ok(replace(MODEL_FILE, "here"));
    ck_assert_int_eq(chdir(before), 0);
    expect_content(files.path, "<here>");
}
END_TEST

/* The limit stands in for a full disk: writing fails half-way. */
START_TEST(a_full_disk_leaves_the_old_file) {
    struct rlimit limit, small;
    char long_text[3000];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    ck_ok(replace(files.path, "old"));
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 1000;
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    cn_status status = replace(files.path, long_text);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, SIG_DFL);
    ck_assert_int_eq(status, CN_ERR_IO);
    ck_assert_ptr_nonnull(strstr(cn_last_error(), "cannot write '"));
    expect_content(files.path, "<old>"); /* and the folder, when it is removed, has nothing else */
}
END_TEST

/* A file of this process's number is another thread's, if it is locked, or else of a process that had the number. */
START_TEST(files_that_are_being_written_are_not_touched) {
    char other[192];
    snprintf(other, sizeof other, "%s.tmp-%ld-0", files.path, (long)getpid());
    int file = open(other, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(flock(file, LOCK_EX), 0);
    ck_ok(replace(files.path, "one"));
    ck_assert_int_eq(access(other, F_OK), 0);
    close(file);
    ck_ok(replace(files.path, "two"));
    ck_assert_int_eq(access(other, F_OK), -1);
    expect_content(files.path, "<two>");
}
END_TEST

/* In a container a process may have the same number each time, and may be killed each time. */
START_TEST(any_number_of_left_files_is_no_hindrance) {
    char name[192];
    for (int i = 0; i < 120; i++) {
        snprintf(name, sizeof name, "%s.tmp-%ld-%d", files.path, (long)getpid(), i);
        make_file(name);
    }
    ck_ok(replace(files.path, "one"));
    expect_content(files.path, "<one>"); /* and when the folder is removed, it has nothing else */
}
END_TEST

/* A name may have 255 bytes, and a path 4095, but a temporary file's is longer than its target's. */
START_TEST(names_may_be_as_long_as_they_can_be) {
    static const char *const characters[] = {"x", "\u00e9"};
    char path[512];
    for (size_t c = 0; c < CN__COUNT(characters); c++)
        for (size_t length = 200; length <= 256; length++) {
            size_t end = (size_t)snprintf(path, sizeof path, "%s/%s", files.folder, length % 2 ? "a" : "");
            size_t name = strlen(files.folder) + 1;
            while (end - name + strlen(characters[c]) <= length)
                end += (size_t)snprintf(path + end, sizeof path - end, "%s", characters[c]);
            if (end - name > 255) {
                ck_fails(replace(path, "one"), CN_ERR_IO, "File name too long");
                continue;
            }
            ck_ok(replace(path, "one"));
            ck_ok(replace(path, "two"));
            expect_content(path, "<two>");
            ck_assert_int_eq(unlink(path), 0);
        }
}
END_TEST

static void *save_often(void *text) {
    for (int i = 0; i < 100; i++)
        if (replace(files.path, text) != CN_OK)
            return strdup(cn_last_error());
    return NULL;
}

START_TEST(threads_may_save_one_file_at_once) {
    static char texts[4][2] = {"a", "b", "c", "d"};
    pthread_t threads[4];
    void *failure;
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, save_often, texts[i]), 0);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_join(threads[i], &failure), 0);
        ck_assert_msg(!failure, "%s", (const char *)failure);
    }
    ck_ok(replace(files.path, "last"));
    expect_content(files.path, "<last>"); /* and when the folder is removed, it has nothing else */
}
END_TEST

START_TEST(only_files_are_read) {
    unsigned char *data = (unsigned char *)files.folder;
    size_t bytes;
    ck_fails(load_file(files.ctx, files.path, &data, &bytes), CN_ERR_IO, "cannot open '");
    ck_assert_ptr_null(data);
    ck_fails(load_file(files.ctx, "/dev/zero", &data, &bytes), CN_ERR_IO,
             "cannot read '/dev/zero': it is not a regular file");
    ck_fails(load_file(files.ctx, files.folder, &data, &bytes), CN_ERR_IO, "is not a regular file");
    ck_assert_int_eq(mkfifo(files.path, 0600), 0);
    ck_fails(load_file(files.ctx, files.path, &data, &bytes), CN_ERR_IO, "is not a regular file");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("atomic_file");
    TCase *whole = model_files_group(suite);
    tcase_add_test(whole, files_are_replaced_whole);
    tcase_add_test(whole, a_new_file_has_the_permissions_of_any_new_file);
    tcase_add_test(whole, an_old_files_permissions_stay);
    tcase_add_test(whole, a_link_stays_one);
    tcase_add_test(whole, a_dangling_link_is_written_behind);
    tcase_add_test(whole, files_that_dead_processes_left_are_removed);
    tcase_add_test(whole, where_no_file_can_be_made_it_is_written_in_place);
    tcase_add_test(whole, where_no_file_can_be_replaced_nothing_is_lost);
    tcase_add_test(whole, what_is_no_file_is_left_alone);
    tcase_add_test(whole, a_name_in_the_current_folder_will_do);
    tcase_add_test(whole, a_full_disk_leaves_the_old_file);
    tcase_add_test(whole, files_that_are_being_written_are_not_touched);
    tcase_add_test(whole, any_number_of_left_files_is_no_hindrance);
    tcase_add_test(whole, names_may_be_as_long_as_they_can_be);
    tcase_add_test(whole, threads_may_save_one_file_at_once);
    tcase_add_test(whole, only_files_are_read);
    return test_run(suite);
}
