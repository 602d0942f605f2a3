/* SPDX-License-Identifier: MIT */
/* test_fork.c: after fork() the child can use what it inherited, alone, and a context of its own with threads; the parent
 * goes on; nobody hangs. */
#include "base/base.h"
#include "errands.h"
#include "predictions.h"
#include "scratch.h"
#include "training.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

TEST_RUNS_ONCE;

enum { PATIENCE = 60 }; /* seconds until who hangs is ended */

static pid_t fork_patiently(void) {
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        sigset_t only; /* which workers block */
        sigemptyset(&only);
        sigaddset(&only, SIGALRM);
        pthread_sigmask(SIG_UNBLOCK, &only, NULL);
        alarm(PATIENCE);
    }
    return child;
}

static void expect_good_end(pid_t child) {
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(!WIFSIGNALED(status), "ended by signal %d", WTERMSIG(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}

/* ---- between calls ---- */

typedef struct inherited {
    predictions of;
    cn_predictor *predictor;
    errands wanted;
    scratch files;
} inherited;

static void expect_same_predictions(inherited *i) {
    ck_ok(cn_predictor_run(i->predictor, i->of.images, i->of.output));
    ck_assert_mem_eq(cn_tensor_data(i->of.output), cn_tensor_data(i->of.wanted),
                     PREDICTIONS * TOY_CLASSES * sizeof(float));
}

static inherited inherited_begin(void) {
    inherited i = {.of = predictions_begin(3), .files = scratch_new()};
    i.predictor = predictor_for(i.of.model, 0);
    i.wanted = errands_run(i.of.ctx, i.files.path);
    ck_ok(cn_predictor_run(i.predictor, i.of.images, i.of.wanted));
    return i;
}

/* Everything, in the context from before. */
static void use(inherited *i) {
    scratch files = scratch_new();
    expect_same_predictions(i);
    errands done = errands_run(i->of.ctx, files.path);
    errands_expect_same(&done, &i->wanted);
    scratch_free(&files);
}

/* The same in a context with threads that live. */
static void use_own(const errands *wanted) {
#if !defined(__SANITIZE_THREAD__) /* which does not bear new threads after a fork */
    scratch files = scratch_new();
    cn_context *own = test_context(3);
    errands done = errands_run(own, files.path);
    cn_context_free(own);
    errands_expect_same(&done, wanted);
    scratch_free(&files);
#else
    (void)wanted;
#endif
}

static void inherited_end(inherited *i) {
    cn_predictor_free(i->predictor);
    predictions_end(&i->of);
}

/* The first child and its own do the same. exit(), and not _exit(): what runs then must not hang. */
static void live_as_child(inherited *i) {
    use(i);
    use_own(&i->wanted);
    pid_t grandchild = fork_patiently();
    use(i);
    if (grandchild == 0)
        use_own(&i->wanted);
    else
        expect_good_end(grandchild);
    inherited_end(i);
    exit(0);
}

START_TEST(children_and_their_children_do_everything) {
    inherited i = inherited_begin();
    pid_t child = fork_patiently();
    if (child == 0)
        live_as_child(&i);
    use(&i);
    use_own(&i.wanted);
    expect_good_end(child);
    use(&i);
    scratch_free(&i.files);
    inherited_end(&i);
}
END_TEST

/* ---- from the functions that a training calls on its caller's thread ---- */

typedef struct splitting {
    training f;
    cn_trainer *trainer;
    scratch files;
    int at; /* which function forks */
    pid_t child;
    bool forked, is_child;
} splitting;
enum { ON_BATCH, ON_EPOCH, ON_GRADIENT, RATE, LOSS, SPLITTING };

static void fork_at(void *user, int here) {
    splitting *s = user;
    if (s->forked || here != s->at || !s->trainer)
        return;
    s->forked = true;
    s->child = fork_patiently();
    s->is_child = s->child == 0;
}

static int on_batch(void *user, const cn_batch_info *batch) {
    if (batch->batch == 2)
        fork_at(user, ON_BATCH);
    return 0;
}

static int on_epoch(void *user, const cn_epoch_info *epoch) {
    (void)epoch;
    fork_at(user, ON_EPOCH);
    return 0;
}

static int on_gradient(void *user, cn_model *model, const cn_batch_info *batch) {
    (void)model;
    (void)batch;
    fork_at(user, ON_GRADIENT);
    return 0;
}

static double rate(void *user, const cn_rate_info *at) {
    if (at->step == 1)
        fork_at(user, RATE);
    return 0.02;
}

static int loss_of(void *user, const cn_tensor *output, const cn_tensor *target, double *loss, cn_tensor *gradient) {
    fork_at(user, LOSS);
    *loss = training_loss(CN_LOSS_NLL, 0.0f, output, target, gradient);
    return 0;
}

static cn_trainer *splitting_trainer(splitting *s, cn_model *model) {
    cn_schedule_options schedule = CN_SCHEDULE_OPTIONS_INIT;
    cn_loss_options loss = CN_LOSS_OPTIONS_INIT;
    const cn_loss_options *losses[] = {&loss};
    schedule.kind = CN_SCHEDULE_CUSTOM;
    schedule.rate = rate;
    loss.kind = CN_LOSS_CUSTOM;
    loss.function = loss_of;
    schedule.user = loss.user = s->f.options.user = s;
    s->f.options.schedule = &schedule;
    s->f.options.loss_count = 1;
    s->f.options.losses = losses;
    s->f.options.on_batch = on_batch;
    s->f.options.on_gradient = on_gradient;
    return training_trainer(&s->f, model);
}

/* Both go on with the training, and the child saves what has become of it for the parent to compare. */
START_TEST(both_go_on_from_a_callback) {
    splitting s = {.f = training_begin_with(test_context(3), CN_NORM_BATCH, 0.1f), .files = scratch_new(), .at = _i};
    cn_trainer *trainer = s.trainer = splitting_trainer(&s, s.f.model);
    const char *path = scratch_path(&s.files, "child");
    ck_ok(cn_trainer_fit(trainer, 2, on_epoch, &s));
    if (s.is_child) {
        ck_ok(cn_trainer_save(trainer, path));
        cn_trainer_free(trainer);
        training_end(&s.f);
        exit(0);
    }
    ck_assert(s.forked);
    expect_good_end(s.child);
    cn_model *of_child = toy_model(s.f.ctx, CN_NORM_BATCH, 0.1f);
    cn_trainer *resumed = splitting_trainer(&s, of_child);
    ck_ok(cn_trainer_resume(resumed, path));
    ck_assert_int_eq(cn_trainer_epoch_count(resumed), 2);
    scratch_free(&s.files);
    training_end_alike(&s.f, of_child, trainer, resumed);
}
END_TEST

/* ---- from what any thread may call ---- */

typedef struct asked {
    atomic_int calls;
    int fork_at;
    atomic_bool is_child; /* in the process that it is true of */
    pid_t child;
    pthread_t caller;
} asked;

static atomic_bool without_stacks;
#if defined(__SANITIZE_ADDRESS__)
/* LeakSanitizer asks: what a stack held that is not in the child is no leak. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) {
    return atomic_load(&without_stacks);
}
#endif

static int fetch(void *user, int64_t index, uint8_t *pixels, int64_t *label) {
    asked *a = user;
    if (atomic_fetch_add(&a->calls, 1) == a->fork_at) {
        pid_t child = fork_patiently();
        if (child == 0) {
            atomic_store(&a->is_child, true);
            atomic_store(&without_stacks, true);
        } else
            a->child = child;
    }
    memset(pixels, (int)index, TOY_PIXELS);
    *label = index % TOY_CLASSES;
    return 0;
}

static cn_dataset *asked_data(cn_context *ctx, asked *a) {
    cn_dataset_source source = CN_DATASET_SOURCE_INIT;
    cn_dataset *set;
    source.count = 64;
    source.channels = 1;
    source.height = source.width = TOY_SIDE;
    source.classes = TOY_CLASSES;
    source.fetch = fetch;
    source.user = a;
    ck_ok(cn_dataset_callback(ctx, &source, &set));
    return set;
}

/* A child may only exec() or _exit() here, since whoever called the function may be a worker. One that does not know that
 * ends all the same: on the caller's thread it goes on alone, on a worker there is nothing to go on with. */
START_TEST(a_child_of_fetch_does_not_hang) {
    cn_context *ctx = test_context(4);
    asked a = {.fork_at = _i * 7};
    cn_dataset *set = asked_data(ctx, &a);
    cn_model *model = toy_model(ctx, CN_NORM_NONE, 0.0f);
    cn_evaluation *evaluation;
    ck_ok(evaluate_with(model, set, CN_LOSS_NLL, &evaluation));
    ck_assert_int_eq(cn_evaluation_count(evaluation), 64);
    cn_evaluation_free(evaluation);
    cn_model_free(model);
    cn_dataset_free(set);
    cn_context_free(ctx);
    if (atomic_load(&a.is_child))
        exit(0);
    expect_good_end(a.child);
}
END_TEST

/* ---- from an item of a pool whose threads help each other ---- */

enum { ITEMS = 40 };

typedef struct marks {
    atomic_int begun; /* items that workers have taken */
    atomic_bool forked, done[ITEMS];
    pid_t child;
} marks;

/* The caller forks when a worker is within an item, which ends only after that. */
static void mark(void *argument, size_t item, int thread) {
    marks *m = argument;
    if (thread != 0)
        atomic_fetch_add(&m->begun, 1);
    else if (!atomic_load(&m->forked)) {
        while (atomic_load(&m->begun) == 0)
            sched_yield();
        m->child = fork_patiently();
        atomic_store(&m->forked, true);
    }
    while (!atomic_load(&m->forked))
        sched_yield();
    atomic_store(&m->done[item], true);
}

/* In the child nobody ends what a worker had begun: the caller does all of it again. */
START_TEST(a_child_of_an_item_does_what_others_had_begun) {
    cn_context *ctx = test_context(3);
    marks m = {.child = -1};
    int done = 0;
    cn__parallel_helping(ctx, ITEMS, mark, &m);
    for (int i = 0; i < ITEMS; i++)
        done += atomic_load(&m.done[i]);
    cn_context_free(ctx);
    if (m.child == 0)
        _exit(done == ITEMS ? 0 : 1);
    ck_assert_int_eq(done, ITEMS);
    expect_good_end(m.child);
}
END_TEST

/* ---- a thread that trains meanwhile ---- */

static atomic_bool enough;

static void *train_on(void *context) {
    while (!atomic_load(&enough)) {
        training f = {.ctx = context, .options = CN_TRAINER_OPTIONS_INIT};
        f.model = toy_model(f.ctx, CN_NORM_BATCH, 0.0f);
        f.train = toy_data_new(f.ctx, TRAINING_COUNT, 1);
        cn_trainer *trainer;
        ck_ok(cn_trainer_new(f.model, f.train.set, NULL, &f.options, &trainer));
        ck_ok(cn_trainer_fit(trainer, 2, NULL, NULL));
        cn_trainer_free(trainer);
        toy_data_free(&f.train);
        cn_model_free(f.model);
    }
    return NULL;
}

/* What a program does that starts another one while it trains. */
START_TEST(others_may_fork_and_exec_at_any_time) {
    cn_context *ctx = test_context(3);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, train_on, ctx), 0);
    for (int i = 0; i < 20; i++) {
        pid_t child = fork_patiently();
        if (child == 0) {
            execl("/bin/sh", "sh", "-c", "exit 0", (char *)NULL);
            _exit(1);
        }
        expect_good_end(child);
    }
    atomic_store(&enough, true);
    pthread_join(thread, NULL);
    cn_context_free(ctx);
}
END_TEST

int main(void) {
    const TTest *const between[] = {children_and_their_children_do_everything, others_may_fork_and_exec_at_any_time,
                                    a_child_of_an_item_does_what_others_had_begun};
    const TTest *const callbacks[] = {both_go_on_from_a_callback};
    const TTest *const fetches[] = {a_child_of_fetch_does_not_hang};
    Suite *suite = suite_create("fork");
    test_add(suite, "between calls", between, sizeof between / sizeof *between, 1);
    test_add(suite, "callbacks", callbacks, sizeof callbacks / sizeof *callbacks, SPLITTING);
    test_add(suite, "fetch", fetches, sizeof fetches / sizeof *fetches, 9);
    return test_run(suite);
}
