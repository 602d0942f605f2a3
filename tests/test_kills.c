/* SPDX-License-Identifier: MIT */
/* test_kills.c: processes that save one file are killed at random moments, save at once, or meet a file that changes while
 * they read it. KILLS kills, 30 unless said. */
#include "model_files.h"
#include "scratch.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

TEST_RUNS_ONCE;

static int wanted(void) {
    const char *kills = getenv("KILLS");
    return kills ? atoi(kills) : 30;
}

/* A tiny model, all of whose parameters are that number. */
static cn_model *model_of(float value) {
    cn_model *model = tiny_model(files.ctx);
    ck_assert_ptr_nonnull(model);
    for (int i = 0; i < cn_model_tensor_count(model); i++) {
        cn_tensor *tensor;
        ck_ok(cn_model_tensor(model, cn_model_tensor_name(model, i), &tensor));
        for (int64_t k = 0; cn_tensor_dtype(tensor) == CN_DTYPE_FLOAT32 && k < cn_tensor_count(tensor); k++)
            ((float *)cn_tensor_data(tensor))[k] = value;
    }
    return model;
}

/* Whose number is in the file. */
static float value_in_file(void) {
    cn_model *model;
    cn_tensor *tensor;
    ck_ok(cn_model_load(files.ctx, files.path, &model));
    ck_ok(cn_model_tensor(model, "c.weight", &tensor));
    float value = ((const float *)cn_tensor_data(tensor))[0];
    for (int64_t k = 0; k < cn_tensor_count(tensor); k++)
        ck_assert(((const float *)cn_tensor_data(tensor))[k] == value);
    cn_model_free(model);
    return value;
}

/* A process that saves both models in turn, for ever or so many times. */
static pid_t saver(const cn_model *a, const cn_model *b, int times) {
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child > 0)
        return child;
    for (int i = 0; times == 0 || i < times; i++)
        if (cn_model_save(i % 2 ? b : a, files.path) != CN_OK)
            _exit(1);
    _exit(0);
}

static void wait_a_moment(long most) {
    nanosleep(&(struct timespec){0, rand() % most}, NULL);
}

static void expect_exit(pid_t child, int killed) {
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(killed ? WIFSIGNALED(status) : WIFEXITED(status) && WEXITSTATUS(status) == 0, "wait status %d",
                  status);
}

START_TEST(a_killed_save_leaves_a_whole_file) {
    cn_model *a = model_of(1.0f), *b = model_of(2.0f);
    int seen[3] = {0};
    ck_ok(cn_model_save(a, files.path));
    srand((unsigned)getpid());
    for (int i = 0; i < wanted(); i++) {
        pid_t child = saver(a, b, 0);
        wait_a_moment(20000000);
        kill(child, SIGKILL);
        expect_exit(child, 1);
        float value = value_in_file();
        ck_assert(value == 1.0f || value == 2.0f);
        seen[(int)value]++;
    }
    ck_assert_int_gt(seen[1] + seen[2], 0);
    ck_ok(cn_model_save(a, files.path)); /* after which the folder has nothing else: see the end of the test */
    cn_model_free(a);
    cn_model_free(b);
}
END_TEST

/* While one process after the other is killed, another saves and is not. */
START_TEST(processes_may_save_one_file_at_once) {
    cn_model *a = model_of(1.0f), *b = model_of(2.0f);
    ck_ok(cn_model_save(a, files.path));
    for (int i = 0; i < wanted() / 10 + 1; i++) {
        pid_t first = saver(a, b, 8), second = saver(b, a, 8), third = saver(a, b, 0);
        wait_a_moment(20000000);
        kill(third, SIGKILL);
        for (int k = 0; k < 10; k++)
            value_in_file();
        expect_exit(third, 1);
        expect_exit(first, 0);
        expect_exit(second, 0);
    }
    ck_ok(cn_model_save(a, files.path));
    ck_assert(value_in_file() == 1.0f);
    cn_model_free(a);
    cn_model_free(b);
}
END_TEST

/* Another program writes a file without care: cut off, and filled bit by bit. */
static pid_t careless_writer(const file_bytes *file) {
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child > 0)
        return child;
    for (;;) {
        int to = open(files.path, O_WRONLY | O_TRUNC);
        for (size_t at = 0; at < file->count; at += 997)
            if (write(to, file->data + at, file->count - at < 997 ? file->count - at : 997) < 0)
                _exit(1);
        close(to);
    }
}

START_TEST(a_file_that_changes_while_it_is_read_is_refused_or_whole) {
    cn_model *a = model_of(1.0f), *model;
    cn_tensors *tensors;
    file_bytes file = saved_file(a);
    pid_t child = careless_writer(&file);
    for (int i = 0; i < 20 * wanted(); i++) {
        cn_status status = cn_model_load(files.ctx, files.path, &model);
        ck_assert_msg(status == CN_OK || status == CN_ERR_FORMAT, "%s", cn_last_error());
        cn_model_free(model);
        status = cn_tensors_load(files.ctx, files.path, &tensors);
        ck_assert_msg(status == CN_OK || status == CN_ERR_FORMAT, "%s", cn_last_error());
        cn_tensors_free(tensors);
    }
    kill(child, SIGKILL);
    expect_exit(child, 1);
    cn__free(files.ctx, file.data);
    cn_model_free(a);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("kills");
    TCase *group = model_files_group(suite);
    tcase_set_timeout(group, 600);
    tcase_add_test(group, a_killed_save_leaves_a_whole_file);
    tcase_add_test(group, processes_may_save_one_file_at_once);
    tcase_add_test(group, a_file_that_changes_while_it_is_read_is_refused_or_whole);
    return test_run(suite);
}
