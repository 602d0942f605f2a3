/* SPDX-License-Identifier: MIT */
/* test_float_mode.c: whatever floating-point mode the host is in, the same comes out, nothing traps, and the mode is as it
 * was, also in the host's functions that the library calls. */
#define _GNU_SOURCE /* feenableexcept */
#include "errands.h"
#include "scratch.h"
#include "testing.h"
#include "training.h"
#include <fenv.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

TEST_RUNS_ONCE;

/* ---- modes that a host may be in ---- */

#if defined(__SSE__)
static unsigned subnormals(void) {
    return _mm_getcsr() & 0x8040;
}

static void flush_subnormals(void) {
    _mm_setcsr(_mm_getcsr() | 0x8040);
}
#else
static unsigned subnormals(void) {
    return 0;
}

static void flush_subnormals(void) {}
#endif

#if defined(__GLIBC__)
static int traps(void) {
    return fegetexcept();
}

/* Where the processor has traps (arm64 may not). */
static void trap(void) {
    (void)feenableexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW);
}
#else
static int traps(void) {
    return 0;
}

static void trap(void) {}
#endif

static void round_up(void) {
    fesetround(FE_UPWARD);
}

static void round_down(void) {
    fesetround(FE_DOWNWARD);
}

static void all_at_once(void) {
    fesetround(FE_TOWARDZERO);
    flush_subnormals();
    trap();
}

static void (*const modes[])(void) = {round_up, round_down, flush_subnormals, trap, all_at_once};
enum { MODES = sizeof modes / sizeof *modes };

typedef struct mode {
    int rounding, traps;
    unsigned subnormals;
} mode;

static mode mode_now(void) {
    return (mode){fegetround(), traps(), subnormals()};
}

static bool same(mode a, mode b) {
    return a.rounding == b.rounding && a.traps == b.traps && a.subnormals == b.subnormals;
}

/* ---- what comes out ---- */

START_TEST(the_hosts_mode_plays_no_part) {
    scratch s = scratch_new();
    cn_context *ctx = test_context(2);
    errands wanted = errands_run(ctx, s.path);
    cn_context_free(ctx);
    modes[_i]();
    mode before = mode_now();
    ctx = test_context(2);
    errands got = errands_run(ctx, s.path);
    cn_context_free(ctx);
    mode after = mode_now();
    fesetenv(FE_DFL_ENV);
    errands_expect_same(&got, &wanted);
    ck_assert(same(before, after));
    scratch_free(&s);
}
END_TEST

/* A context that was made before computes for a thread in another mode, then for one in the usual. */
START_TEST(workers_take_no_mode_over) {
    scratch s = scratch_new();
    cn_context *ctx = test_context(3);
    errands wanted = errands_run(ctx, s.path);
    modes[_i]();
    errands got = errands_run(ctx, s.path);
    fesetenv(FE_DFL_ENV);
    errands_expect_same(&got, &wanted);
    got = errands_run(ctx, s.path);
    errands_expect_same(&got, &wanted);
    cn_context_free(ctx);
    scratch_free(&s);
}
END_TEST

/* Exceptions that were noted stay noted; none that the library's arithmetic has is added. */
START_TEST(notes_of_exceptions_are_the_hosts) {
    cn_context *ctx = test_context(1);
    cn_tensor *tensor;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){1, 2}, &tensor));
    ((float *)cn_tensor_data(tensor))[1] = strtof("nan", NULL);
    feclearexcept(FE_ALL_EXCEPT);
    feraiseexcept(FE_DIVBYZERO);
    ck_assert_int_eq(cn_tensor_argmax(tensor, 0), 0); /* comparing with NaN is an exception */
#if defined(__SSE__)
    ck_assert_int_eq(fetestexcept(FE_ALL_EXCEPT), FE_DIVBYZERO);
#endif
    cn_tensor_free(tensor);
    cn_context_free(ctx);
}
END_TEST

/* ---- where the host's functions are called ---- */

typedef struct host {
    mode wanted;
    atomic_int calls[8], wrong;
    toy_data data;
} host;
enum { ALLOCATE, TRACE, FETCH, RATE, BATCH, EPOCH, GRADIENT, LOSS };

static void see(void *user, int function) {
    host *h = user;
    atomic_fetch_add(&h->calls[function], 1);
    if (!same(mode_now(), h->wanted))
        atomic_fetch_add(&h->wrong, 1);
}

static void *allocate(void *user, size_t bytes, size_t alignment) {
    void *memory = NULL;
    see(user, ALLOCATE);
    return posix_memalign(&memory, alignment, bytes) == 0 ? memory : NULL;
}

static void release(void *user, void *memory) {
    see(user, ALLOCATE);
    free(memory);
}

static void trace(void *user, const cn_trace_event *event) {
    (void)event;
    see(user, TRACE);
}

static int fetch(void *user, int64_t index, uint8_t *pixels, int64_t *label) {
    host *h = user;
    see(h, FETCH);
    memcpy(pixels, (const uint8_t *)cn_tensor_data_const(h->data.images) + index * TOY_PIXELS, TOY_PIXELS);
    *label = ((const int64_t *)cn_tensor_data_const(h->data.labels))[index];
    return 0;
}

static double rate(void *user, const cn_rate_info *at) {
    (void)at;
    see(user, RATE);
    return 0.01;
}

static int on_batch(void *user, const cn_batch_info *batch) {
    (void)batch;
    see(user, BATCH);
    return 0;
}

static int on_epoch(void *user, const cn_epoch_info *epoch) {
    (void)epoch;
    see(user, EPOCH);
    return 0;
}

static int on_gradient(void *user, cn_model *model, const cn_batch_info *batch) {
    (void)model;
    (void)batch;
    see(user, GRADIENT);
    return 0;
}

static int loss_of(void *user, const cn_tensor *output, const cn_tensor *target, double *loss, cn_tensor *gradient) {
    (void)output;
    (void)target;
    see(user, LOSS);
    *loss = 1.0;
    if (gradient)
        memset(cn_tensor_data(gradient), 0, (size_t)cn_tensor_count(gradient) * sizeof(float));
    return 0;
}

static cn_context *host_context(host *h) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *ctx;
    options.threads = 3;
    options.allocate = allocate;
    options.release = release;
    options.trace = trace;
    options.user = h;
    ck_ok(cn_context_new(&options, &ctx));
    return ctx;
}

static cn_dataset *host_data(host *h, cn_context *ctx) {
    cn_dataset_source source = CN_DATASET_SOURCE_INIT;
    cn_dataset *set;
    h->data = toy_data_new(ctx, 64, 1);
    source.count = 64;
    source.channels = 1;
    source.height = source.width = TOY_SIDE;
    source.classes = TOY_CLASSES;
    source.fetch = fetch;
    source.user = h;
    ck_ok(cn_dataset_callback(ctx, &source, &set));
    return set;
}

static void host_trains(host *h, cn_model *model, const cn_dataset *set) {
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    cn_schedule_options schedule = CN_SCHEDULE_OPTIONS_INIT;
    cn_loss_options loss = CN_LOSS_OPTIONS_INIT;
    const cn_loss_options *losses[] = {&loss};
    cn_trainer *trainer;
    schedule.kind = CN_SCHEDULE_CUSTOM;
    schedule.rate = rate;
    loss.kind = CN_LOSS_CUSTOM;
    loss.function = loss_of;
    schedule.user = loss.user = options.user = h;
    options.schedule = &schedule;
    options.loss_count = 1;
    options.losses = losses;
    options.on_batch = on_batch;
    options.on_gradient = on_gradient;
    ck_ok(cn_trainer_new(model, set, NULL, &options, &trainer));
    ck_ok(cn_trainer_fit(trainer, 2, on_epoch, h));
    cn_trainer_free(trainer);
}

START_TEST(the_hosts_functions_run_in_its_mode) {
    host h = {0};
    modes[_i]();
    h.wanted = mode_now();
    cn_context *ctx = host_context(&h);
    cn_dataset *set = host_data(&h, ctx);
    cn_model *model = toy_model(ctx, CN_NORM_BATCH, 0.0f);
    host_trains(&h, model, set);
    cn_model_free(model);
    cn_dataset_free(set);
    toy_data_free(&h.data);
    cn_context_free(ctx);
    fesetenv(FE_DFL_ENV);
    for (int i = ALLOCATE; i <= LOSS; i++)
        ck_assert_msg(atomic_load(&h.calls[i]) > 0, "function %d was not called", i);
    ck_assert_int_eq(atomic_load(&h.wrong), 0);
}
END_TEST

/* A mode that one of the host's functions sets is the host's from there on. */
static int round_up_from_here(void *user, const cn_batch_info *batch) {
    (void)user;
    (void)batch;
    fesetround(FE_UPWARD);
    return 1;
}

START_TEST(a_function_may_set_the_mode) {
    training f = training_begin(CN_NORM_NONE, 0.0f);
    f.options.on_batch = round_up_from_here;
    cn_trainer *trainer = training_trainer(&f, f.model);
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL));
    int rounding = fegetround();
    fesetenv(FE_DFL_ENV);
    ck_assert_int_eq(rounding, FE_UPWARD);
    cn_trainer_free(trainer);
    training_end(&f);
}
END_TEST

int main(void) {
    const TTest *const in_each[] = {the_hosts_mode_plays_no_part, workers_take_no_mode_over,
                                    the_hosts_functions_run_in_its_mode};
    const TTest *const once[] = {notes_of_exceptions_are_the_hosts, a_function_may_set_the_mode};
    Suite *suite = suite_create("float mode");
    test_add(suite, "modes", in_each, sizeof in_each / sizeof *in_each, MODES);
    test_add(suite, "notes", once, sizeof once / sizeof *once, 1);
    return test_run(suite);
}
