/* SPDX-License-Identifier: MIT */
/* test_soak.c: a long life in one process: round after round of everything, while threads predict. Nothing is lost, nothing
 * grows. SOAK_SECONDS and SOAK_PREDICTIONS say how long at least; `make soak` asks for an hour and ten million. */
#include "errands.h"
#include "predictions.h"
#include "process.h"
#include "scratch.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

TEST_RUNS_ONCE;

enum { PREDICTING = 3, TURNS = 40, MOST_AT_ONCE = 20, WARM_UP = 5, ALLOWED_KIB = 4096 };

static int64_t asked(const char *variable, int64_t otherwise) {
    const char *text = getenv(variable);
    return text ? atoll(text) : otherwise;
}

static int64_t seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* ---- what the system says of this process ---- */

typedef struct vitals {
    long kib, descriptors, threads; /* -1: not told */
} vitals;

static vitals vitals_now(void) {
    return (vitals){process_number("VmRSS:"), process_open_files(), process_number("Threads:")};
}

/* ---- threads that predict ---- */

typedef struct answer {
    float values[MOST_AT_ONCE * TOY_CLASSES];
} answer;

typedef struct life {
    predictions of;
    cn_predictor *predictor; /* whose first answers are those that all others must be */
    answer first_answers[TURNS];
    int64_t share; /* predictions a thread and round */
    atomic_llong made;
    errands first;
    scratch files;
    long rounds;
} life;

/* Question `turn`: some of the images, 1 to MOST_AT_ONCE. Returns how many. */
static int64_t ask(const life *l, cn_predictor *predictor, int turn, answer *given) {
    int64_t count = 1 + turn % MOST_AT_ONCE, first = turn * 7 % (PREDICTIONS - count + 1);
    const float *pixels = (const float *)cn_tensor_data_const(l->of.images) + first * TOY_PIXELS;
    cn_tensor *images, *out;
    memset(given, 0xFF, sizeof *given);
    ck_ok(cn_tensor_borrow_const(l->of.ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){count, 1, TOY_SIDE, TOY_SIDE}, pixels,
                                 &images));
    ck_ok(cn_tensor_borrow(l->of.ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){count, TOY_CLASSES}, given->values, &out));
    ck_ok(cn_predictor_run(predictor, images, out));
    cn_tensor_free(images);
    cn_tensor_free(out);
    return count;
}

static void *predict(void *argument) {
    life *l = argument;
    cn_predictor *predictor;
    answer given;
    ck_ok(cn_predictor_clone(l->predictor, &predictor));
    int64_t made = 0;
    for (long turn = l->rounds; made < l->share; turn++) {
        made += ask(l, predictor, (int)(turn % TURNS), &given);
        ck_assert_msg(memcmp(&given, &l->first_answers[turn % TURNS], sizeof given) == 0,
                      "round %ld, question %ld: another answer than at first", l->rounds, turn % TURNS);
    }
    atomic_fetch_add(&l->made, made);
    cn_predictor_free(predictor);
    return NULL;
}

/* ---- a round ---- */

/* One of everything, in a context that comes and goes, beside the threads. */
static void live_a_round(life *l) {
    pthread_t threads[PREDICTING];
    for (int i = 0; i < PREDICTING; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, predict, l), 0);
    cn_context *ctx = test_context(2);
    errands done = errands_run(ctx, l->files.path);
    cn_context_free(ctx);
    for (int i = 0; i < PREDICTING; i++)
        pthread_join(threads[i], NULL);
    if (l->rounds++ == 0)
        l->first = done;
    errands_expect_same(&done, &l->first);
}

/* A thread that has been joined is still counted for a moment. */
static vitals vitals_settled(long threads) {
    vitals now = vitals_now();
    for (int i = 0; i < 1000 && now.threads > threads; i++) {
        nanosleep(&(struct timespec){0, 1000000}, NULL);
        now = vitals_now();
    }
    return now;
}

static void expect_constant(const life *l, vitals before) {
    vitals now = vitals_settled(before.threads);
    ck_assert_int_eq(now.descriptors, before.descriptors);
    ck_assert_int_eq(now.threads, before.threads);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* which keep what was freed */
    ck_assert_msg(now.kib - before.kib <= ALLOWED_KIB, "round %ld: %ld KiB, after the first %d rounds %ld", l->rounds,
                  now.kib, WARM_UP, before.kib);
#endif
}

static void tell(const life *l, int64_t since, vitals before) {
    vitals now = vitals_now();
    printf("%lld s, %ld rounds, %lld predictions: %ld KiB (%+ld), %ld descriptors, %ld threads\n",
           (long long)(seconds() - since), l->rounds, (long long)atomic_load(&l->made), now.kib, now.kib - before.kib,
           now.descriptors, now.threads);
    fflush(stdout);
}

static life life_begin(int64_t wanted) {
    life l = {.of = predictions_begin(2), .share = wanted / 100 < 2000 ? wanted / 100 : 2000, .files = scratch_new()};
    l.predictor = predictor_for(l.of.model, 0);
    for (int turn = 0; turn < TURNS; turn++)
        ask(&l, l.predictor, turn, &l.first_answers[turn]);
    return l;
}

static void life_end(life *l) {
    scratch_free(&l->files);
    cn_predictor_free(l->predictor);
    predictions_end(&l->of);
}

START_TEST(nothing_is_lost_and_nothing_grows) {
    const int64_t wanted_seconds = asked("SOAK_SECONDS", 0), begun = seconds(),
                  wanted = asked("SOAK_PREDICTIONS", test_quick() ? 2000 : 50000);
    life l = life_begin(wanted);
    vitals before = {0};
    for (int64_t told = 0;
         l.rounds <= WARM_UP || seconds() - begun < wanted_seconds || atomic_load(&l.made) < wanted;) {
        live_a_round(&l);
        if (l.rounds == WARM_UP)
            before = vitals_settled(2); /* this thread, and the worker of the lasting context */
        if (l.rounds > WARM_UP)
            expect_constant(&l, before);
        if (wanted_seconds > 0 && l.rounds > WARM_UP && seconds() - begun >= told + 60) {
            tell(&l, begun, before);
            told = seconds() - begun;
        }
    }
    if (wanted_seconds > 0)
        tell(&l, begun, before);
    life_end(&l);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("soak");
    TCase *group = tcase_create("soak");
    tcase_set_timeout(group, 0);
    tcase_add_test(group, nothing_is_lost_and_nothing_grows);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
