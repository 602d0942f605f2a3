/* SPDX-License-Identifier: MIT */
/* test_schedule.c: learning rates against torch.optim.lr_scheduler, and options that are refused. */
#include "testing.h"
#include "numbers.h"
#include "train/train.h"
#include <math.h>

TEST_RUNS_ONCE;

static double rate_of(cn__schedule *s, int64_t step) {
    double rate;
    ck_ok(cn__schedule_step(s, step, &rate));
    return rate;
}

/* The options as schedule.txt calls them. */
static const struct {
    const char *name;
    size_t offset;
    int is_float;
} members[] = {
#define MEMBER(name, is_float)                                                                                         \
    { #name, offsetof(cn_schedule_options, name), is_float }
    MEMBER(factor, 1),       MEMBER(patience, 0),          MEMBER(threshold, 1),
    MEMBER(step_size, 0),    MEMBER(min_learning_rate, 1), MEMBER(epochs, 0),
    MEMBER(pct_start, 1),    MEMBER(max_learning_rate, 1), MEMBER(div_factor, 1),
    MEMBER(linear, 0),       MEMBER(final_div_factor, 1),  MEMBER(power, 1),
    MEMBER(warmup_steps, 0), MEMBER(warmup_start, 1),      MEMBER(warmup_epochs, 0),
};

static void set_option(cn_schedule_options *o, const char *name, double value) {
    size_t i = 0;
    while (i < CN__COUNT(members) && strcmp(members[i].name, name) != 0)
        i++;
    ck_assert_msg(i < CN__COUNT(members), "schedule.txt has '%s'", name);
    void *member = (char *)o + members[i].offset;
    if (members[i].is_float)
        *(float *)member = (float)value;
    else
        *(int *)member = (int)value;
}

static void read_options(FILE *file, cn_schedule_options *o) {
    char name[32];
    while (fscanf(file, "%31s", name) == 1 && strcmp(name, "end") != 0)
        set_option(o, name, numbers_next(file));
}

START_TEST(rates_are_pytorchs) {
    FILE *file = numbers_open("schedule.txt");
    int cases = 0;
    for (double kind; numbers_more(file, &kind); cases++) {
        cn_schedule_options o = CN_SCHEDULE_OPTIONS_INIT;
        o.kind = (cn_schedule_kind)kind;
        double base = (double)(float)numbers_next(file), losses[64];
        int run = (int)numbers_next(file), batches = (int)numbers_next(file);
        read_options(file, &o);
        ck_assert_int_le(run, 64);
        for (int e = 0; e < run; e++)
            losses[e] = numbers_next(file);
        cn__schedule s;
        ck_ok(cn__schedule_init(&s, &o, base, batches));
        cn__schedule_begin(&s, run);
        double tolerance = 1e-12 * fmax(base, (double)o.max_learning_rate), wanted = 0.0;
        for (int e = 0; e < run; e++) {
            for (int b = 0; b < batches; b++) {
                double rate = rate_of(&s, (int64_t)e * batches + b);
                if (b == 0 || o.kind == CN_SCHEDULE_ONE_CYCLE || o.warmup_steps > 0 || o.warmup_epochs > 0)
                    wanted = numbers_next(file);
                ck_assert_msg(fabs(rate - wanted) <= tolerance, "case %d, epoch %d, batch %d: rate %.17g, wanted %.17g",
                              cases, e, b, rate, wanted);
            }
            cn__schedule_epoch(&s, e + 1, losses[e]);
        }
    }
    ck_assert_int_eq(cases, 26);
    fclose(file);
}
END_TEST

START_TEST(a_constant_rate_stays) {
    cn_schedule_options o = CN_SCHEDULE_OPTIONS_INIT;
    o.kind = CN_SCHEDULE_CONSTANT;
    cn__schedule s;
    ck_ok(cn__schedule_init(&s, &o, 0.25, 3));
    cn__schedule_begin(&s, 2);
    for (int e = 0; e < 50; e++) {
        ck_assert_double_eq(rate_of(&s, 3 * e), 0.25);
        cn__schedule_epoch(&s, e + 1, 1.0);
    }
}
END_TEST

START_TEST(the_recipe_cuts_to_three_tenths_at_once) {
    cn__schedule s;
    ck_ok(cn__schedule_init(&s, NULL, 0.01, 10));
    cn__schedule_epoch(&s, 1, 2.0);
    ck_assert_double_eq(rate_of(&s, 10), 0.01);
    cn__schedule_epoch(&s, 2, 1.9999); /* better, but by less than a ten-thousandth */
    ck_assert_double_eq_tol(rate_of(&s, 20), 0.003, 1e-9);
    cn__schedule_epoch(&s, 3, (double)NAN);
    ck_assert_double_eq_tol(rate_of(&s, 30), 0.0009, 1e-9);
}
END_TEST

START_TEST(a_length_left_open_is_that_of_the_first_run) {
    cn_schedule_options o = CN_SCHEDULE_OPTIONS_INIT;
    o.kind = CN_SCHEDULE_COSINE;
    cn__schedule s;
    ck_ok(cn__schedule_init(&s, &o, 1.0, 1));
    cn__schedule_begin(&s, 4);
    cn__schedule_begin(&s, 100);
    cn__schedule_epoch(&s, 2, 0.0);
    ck_assert_double_eq_tol(s.rate, 0.5, 1e-15);
    cn__schedule_epoch(&s, 4, 0.0);
    ck_assert_double_eq_tol(s.rate, 0.0, 1e-15);
}
END_TEST

START_TEST(one_cycle_peaks_at_ten_times_the_rate_and_stays_at_its_end) {
    cn_schedule_options o = CN_SCHEDULE_OPTIONS_INIT;
    o.kind = CN_SCHEDULE_ONE_CYCLE;
    cn__schedule s;
    double highest = 0.0;
    ck_ok(cn__schedule_init(&s, &o, 0.01, 10));
    cn__schedule_begin(&s, 10);
    ck_assert_double_eq_tol(rate_of(&s, 0), 0.1 / 25.0, 1e-9);
    for (int i = 0; i < 100; i++)
        highest = fmax(highest, rate_of(&s, i));
    ck_assert_double_eq_tol(highest, 0.1, 1e-9);
    double last = rate_of(&s, 99);
    ck_assert_double_eq_tol(last, 0.1 / 25.0 / 1e4, 1e-12);
    ck_assert_double_eq(rate_of(&s, 100), last);
    ck_assert_double_eq(rate_of(&s, 12345), last);
}
END_TEST

static cn_status init(cn_schedule_options o) {
    cn__schedule s;
    return cn__schedule_init(&s, &o, 0.1, 10);
}

START_TEST(options_outside_their_range_are_named) {
    cn_schedule_options o = CN_SCHEDULE_OPTIONS_INIT;
    ck_ok(init(o));
    o.factor = 1.0f;
    ck_fails(init(o), CN_ERR_ARGUMENT, "factor is 1");
    o.kind = CN_SCHEDULE_STEP;
    ck_ok(init(o));
    o.factor = -0.5f;
    ck_fails(init(o), CN_ERR_ARGUMENT, "factor is -0.5");
    o.factor = 0.5f;
    o.step_size = -1;
    ck_fails(init(o), CN_ERR_ARGUMENT, "step_size is -1");
    o = (cn_schedule_options)CN_SCHEDULE_OPTIONS_INIT;
    o.patience = -1;
    ck_fails(init(o), CN_ERR_ARGUMENT, "patience is -1");
    o.patience = 0;
    o.threshold = NAN;
    ck_fails(init(o), CN_ERR_ARGUMENT, "threshold");
    o.threshold = 0.0f;
    o.min_learning_rate = -1.0f;
    ck_fails(init(o), CN_ERR_ARGUMENT, "min_learning_rate is -1");
    o.kind = CN_SCHEDULE_COSINE;
    ck_fails(init(o), CN_ERR_ARGUMENT, "min_learning_rate is -1");
    o.min_learning_rate = 0.0f;
    o.epochs = -3;
    ck_fails(init(o), CN_ERR_ARGUMENT, "epochs is -3");
    o.kind = CN_SCHEDULE_ONE_CYCLE;
    ck_fails(init(o), CN_ERR_ARGUMENT, "epochs is -3");
    o.epochs = 3;
    o.pct_start = 1.5f;
    ck_fails(init(o), CN_ERR_ARGUMENT, "pct_start is 1.5");
    o.pct_start = 0.0f;
    o.max_learning_rate = INFINITY;
    ck_fails(init(o), CN_ERR_ARGUMENT, "max_learning_rate is inf");
    o.max_learning_rate = CN_LEARNING_RATE_DEFAULT;
    o.div_factor = -1.0f;
    ck_fails(init(o), CN_ERR_ARGUMENT, "div_factor is -1");
    o.div_factor = 25.0f;
    o.final_div_factor = -1.0f;
    ck_fails(init(o), CN_ERR_ARGUMENT, "final_div_factor is -1");
    o.kind = CN_SCHEDULE_POLYNOMIAL;
    o.power = -1.0f;
    ck_fails(init(o), CN_ERR_ARGUMENT, "power is -1");
    o.kind = CN_SCHEDULE_EXPONENTIAL;
    o.factor = 0.0f;
    ck_fails(init(o), CN_ERR_ARGUMENT, "factor is 0");
    o.kind = (cn_schedule_kind)8;
    ck_fails(init(o), CN_ERR_ARGUMENT, "kind 8");
    o.size = 3;
    ck_fails(init(o), CN_ERR_ARGUMENT, "cn_schedule_options: its size");
}
END_TEST

/* A rate of zero is one: a warm-up may begin there. */
START_TEST(rates_may_be_zero) {
    cn_schedule_options o = CN_SCHEDULE_OPTIONS_INIT;
    cn__schedule s;
    o.kind = CN_SCHEDULE_ONE_CYCLE;
    o.max_learning_rate = 0.0f;
    ck_ok(cn__schedule_init(&s, &o, 0.01, 10));
    cn__schedule_begin(&s, 2);
    ck_assert_double_eq(rate_of(&s, 5), 0.0);
    o.max_learning_rate = 1.0f;
    o.pct_start = 0.0f; /* no rise: OneCycleLR's second batch is the first of the fall */
    ck_ok(cn__schedule_init(&s, &o, 0.01, 10));
    cn__schedule_begin(&s, 2);
    ck_assert_double_lt(rate_of(&s, 0), 1.0);
    ck_assert_double_gt(rate_of(&s, 0), 0.9);
}
END_TEST

/* ---- warm-up ---- */

START_TEST(a_warmup_of_no_length_or_of_two_is_refused) {
    cn_schedule_options o = CN_SCHEDULE_OPTIONS_INIT;
    o.warmup_start = 1.5f;
    ck_fails(init(o), CN_ERR_ARGUMENT, "warmup_start is 1.5, wanted 0 to 1");
    o.warmup_start = 0.0f;
    o.warmup_epochs = -1;
    ck_fails(init(o), CN_ERR_ARGUMENT, "warmup_epochs is -1");
    o.warmup_epochs = 1;
    o.warmup_steps = -2;
    ck_fails(init(o), CN_ERR_ARGUMENT, "warmup_steps is -2");
    o.warmup_steps = 2;
    ck_fails(init(o), CN_ERR_ARGUMENT, "warmup_epochs is 1 and warmup_steps 2, wanted one");
}
END_TEST

/* A plateau sees nothing of it; one that lasts to the end leaves the schedule no step. */
START_TEST(a_schedule_begins_when_the_warmup_is_over) {
    cn_schedule_options o = CN_SCHEDULE_OPTIONS_INIT;
    cn__schedule s;
    o.warmup_epochs = 2;
    o.warmup_start = 0.0f;
    ck_ok(cn__schedule_init(&s, &o, 0.1, 5));
    for (int e = 0; e < 4; e++) {
        double wanted = e < 2 ? 0.1 * (5 * e + 3) / 10.0 : 0.1;
        ck_assert_double_eq_tol(rate_of(&s, 5 * e + 3), wanted, 1e-15);
        cn__schedule_epoch(&s, e + 1, 1.0 + e); /* ever worse */
    }
    ck_assert_double_eq_tol(rate_of(&s, 20), 0.03, 1e-8);
    o.kind = CN_SCHEDULE_COSINE;
    o.warmup_epochs = 9;
    ck_ok(cn__schedule_init(&s, &o, 0.1, 5));
    cn__schedule_begin(&s, 3);
    for (int e = 0; e < 3; e++)
        cn__schedule_epoch(&s, e + 1, 1.0);
    ck_assert_double_eq_tol(rate_of(&s, 15), 0.1 * 15 / 45, 1e-15);
}
END_TEST

/* ---- the program's own ---- */

static double falling(void *user, const cn_rate_info *at) {
    double *lowest = user;
    ck_assert_int_eq(at->steps, 16); /* 4 epochs of 5 without a warm-up of 4 */
    ck_assert_double_eq(at->learning_rate, 0.1);
    ck_assert(at->epoch == 1 ? isnan(at->loss) : at->loss == (double)(at->epoch - 1));
    return fmax(at->learning_rate * (1.0 - (double)at->step / (double)at->steps), *lowest);
}

START_TEST(a_program_has_a_schedule_of_its_own) {
    cn_schedule_options o = CN_SCHEDULE_OPTIONS_INIT;
    cn__schedule s;
    double lowest = 0.01, rate;
    o.kind = CN_SCHEDULE_CUSTOM;
    ck_fails(init(o), CN_ERR_ARGUMENT, "rate is NULL");
    o.rate = falling;
    o.user = &lowest;
    o.warmup_steps = 4;
    o.warmup_start = 0.5f;
    ck_ok(cn__schedule_init(&s, &o, 0.1, 5));
    cn__schedule_begin(&s, 4);
    ck_assert_double_eq_tol(rate_of(&s, 2), 0.075, 1e-15);
    ck_assert_double_eq(rate_of(&s, 4), 0.1);
    cn__schedule_epoch(&s, 1, 1.0);
    ck_assert_double_eq(rate_of(&s, 8), 0.1 * 0.75);
    cn__schedule_epoch(&s, 2, 2.0);
    cn__schedule_epoch(&s, 3, 3.0);
    ck_assert_double_eq(rate_of(&s, 19), 0.01);
    lowest = (double)INFINITY;
    ck_fails(cn__schedule_step(&s, 16, &rate), CN_ERR_ARGUMENT, "epoch 4, step 2: the schedule's rate is inf");
    o.kind = CN_SCHEDULE_STEP;
    ck_fails(init(o), CN_ERR_ARGUMENT, "wanted kind 'custom', not 'step'");
}
END_TEST

/* ---- rates that are set ---- */

START_TEST(a_rate_that_is_set_is_gone_on_from) {
    cn_schedule_options o = CN_SCHEDULE_OPTIONS_INIT;
    cn__schedule s;
    o.kind = CN_SCHEDULE_EXPONENTIAL;
    o.factor = 0.5f;
    o.warmup_steps = 2;
    o.warmup_start = 0.5f;
    ck_ok(cn__schedule_init(&s, &o, 0.1, 4));
    ck_ok(cn__schedule_set_rate(&s, 1.0));
    ck_assert_double_eq(rate_of(&s, 0), 0.5); /* what the warm-up rises to */
    ck_assert_double_eq(rate_of(&s, 2), 1.0);
    cn__schedule_epoch(&s, 1, 0.0);
    ck_assert_double_eq(rate_of(&s, 4), 0.5);
    ck_ok(cn__schedule_set_rate(&s, 8.0));
    cn__schedule_epoch(&s, 2, 0.0);
    ck_assert_double_eq(rate_of(&s, 8), 4.0);
}
END_TEST

START_TEST(schedules_that_would_not_keep_to_a_rate_refuse_it) {
    static const cn_schedule_kind kinds[] = {CN_SCHEDULE_COSINE, CN_SCHEDULE_ONE_CYCLE, CN_SCHEDULE_POLYNOMIAL,
                                             CN_SCHEDULE_CUSTOM};
    for (size_t i = 0; i < CN__COUNT(kinds); i++) {
        cn_schedule_options o = CN_SCHEDULE_OPTIONS_INIT;
        cn__schedule s;
        o.kind = kinds[i];
        o.rate = o.kind == CN_SCHEDULE_CUSTOM ? falling : NULL;
        ck_ok(cn__schedule_init(&s, &o, 0.1, 4));
        ck_fails(cn__schedule_set_rate(&s, 1.0), CN_ERR_STATE, cn_schedule_name(o.kind));
        ck_assert_double_eq(s.rate, 0.1);
    }
}
END_TEST

START_TEST(every_kind_has_a_name) {
    ck_assert_str_eq(cn_schedule_name(CN_SCHEDULE_CONSTANT), "constant");
    ck_assert_str_eq(cn_schedule_name(CN_SCHEDULE_POLYNOMIAL), "polynomial");
    ck_assert_str_eq(cn_schedule_name(CN_SCHEDULE_EXPONENTIAL), "exponential");
    ck_assert_str_eq(cn_schedule_name(CN_SCHEDULE_CUSTOM), "custom");
    ck_assert_ptr_null(cn_schedule_name((cn_schedule_kind)8));
    ck_assert_ptr_null(cn_schedule_name((cn_schedule_kind)-1));
    ck_assert_str_eq(cn_optimizer_name(CN_OPTIMIZER_MUON), "muon");
    ck_assert_ptr_null(cn_optimizer_name((cn_optimizer_kind)4));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("schedule");
    TCase *group = tcase_create("schedule");
    tcase_add_test(group, rates_are_pytorchs);
    tcase_add_test(group, a_constant_rate_stays);
    tcase_add_test(group, the_recipe_cuts_to_three_tenths_at_once);
    tcase_add_test(group, a_length_left_open_is_that_of_the_first_run);
    tcase_add_test(group, one_cycle_peaks_at_ten_times_the_rate_and_stays_at_its_end);
    tcase_add_test(group, options_outside_their_range_are_named);
    tcase_add_test(group, rates_may_be_zero);
    tcase_add_test(group, a_warmup_of_no_length_or_of_two_is_refused);
    tcase_add_test(group, a_schedule_begins_when_the_warmup_is_over);
    tcase_add_test(group, a_program_has_a_schedule_of_its_own);
    tcase_add_test(group, a_rate_that_is_set_is_gone_on_from);
    tcase_add_test(group, schedules_that_would_not_keep_to_a_rate_refuse_it);
    tcase_add_test(group, every_kind_has_a_name);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
