/* SPDX-License-Identifier: MIT */
/* test_learning_rate.c: histories have the rates of steps as they were used, in a bounded number of corners, whatever stops or
 * changes a run; charts draw them where they were. */
#include "train/train.h"

#include "checkpoints.h"
#include "documents.h"
#include "pieces.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TEST_RUNS_ONCE;

enum { MOST_STEPS = 1024 };

/* ---- a run, and the rates that its batches were told ---- */

typedef struct told {
    int count, stop_after; /* batches; 0: it does not */
    double rates[MOST_STEPS];
    int64_t batches;
    cn_trainer *sets; /* half its rate in the middle of epoch 2; or NULL */
} told;

static int tell(void *user, const cn_batch_info *batch) {
    told *t = user;
    t->rates[t->count++] = batch->learning_rate;
    t->batches = batch->batches;
    if (t->sets && batch->epoch == 2 && batch->batch == batch->batches / 2)
        ck_ok(cn_trainer_set_learning_rate(t->sets, batch->learning_rate / 2.0));
    return t->count == t->stop_after;
}

typedef struct rig {
    training f;
    cn_schedule_options schedule;
    told told;
    cn_trainer *trainer;
} rig;

/* `images` in batches of 2. */
static void rig_begin(rig *r, int images) {
    *r = (rig){.f = training_begin(CN_NORM_GROUP, 0.0f), .schedule = CN_SCHEDULE_OPTIONS_INIT};
    toy_data_free(&r->f.train);
    r->f.train = toy_data_new(r->f.ctx, images, 1);
    r->f.options.batch_size = 2;
    r->f.options.schedule = &r->schedule;
    r->f.options.on_batch = tell;
    r->f.options.user = &r->told;
}

static void rig_make(rig *r) {
    r->trainer = training_trainer(&r->f, r->f.model);
}

static void rig_end(rig *r) {
    cn_trainer_free(r->trainer);
    training_end(&r->f);
}

static cn_history *history_of(const cn_trainer *trainer) {
    cn_history *history;
    ck_ok(cn_trainer_history(trainer, "", &history));
    return history;
}

static cn__rate_corner corner_of(const cn_history *history, int64_t i) {
    cn__rate_corner corner;
    ck_ok(cn_history_rate(history, i, &corner.place, &corner.rate));
    return corner;
}

/* Each corner stands where a step begins or ends that had its rate. */
static void expect_corners_of_steps(const rig *r, const cn_history *history) {
    double last = 0.0;
    for (int64_t i = 0; i < cn_history_rate_count(history); i++) {
        cn__rate_corner corner = corner_of(history, i);
        int step = (int)lround(corner.place * (double)r->told.batches);
        bool begins = step < r->told.count && r->told.rates[step] == corner.rate;
        bool ends = step > 0 && r->told.rates[step - 1] == corner.rate;
        ck_assert_msg(begins || ends, "corner %d: %g at %g", (int)i, corner.rate, corner.place);
        ck_assert_double_ge(corner.place, last);
        last = corner.place;
    }
    ck_assert_double_eq(corner_of(history, 0).place, 0.0);
}

/* By drawing the line: the rate in the middle of a step. */
static double drawn_rate(const cn_history *history, double place) {
    for (int64_t i = 1; i < cn_history_rate_count(history); i++) {
        cn__rate_corner from = corner_of(history, i - 1), to = corner_of(history, i);
        if (from.place <= place && place < to.place)
            return from.rate + (to.rate - from.rate) * (place - from.place) / (to.place - from.place);
    }
    return (double)NAN;
}

START_TEST(each_step_of_few_is_in_the_line) {
    rig r;
    rig_begin(&r, 24);
    r.schedule.kind = CN_SCHEDULE_ONE_CYCLE;
    r.schedule.warmup_steps = 5;
    rig_make(&r);
    ck_ok(cn_trainer_fit(r.trainer, 3, NULL, NULL));
    cn_history *history = history_of(r.trainer);
    expect_corners_of_steps(&r, history);
    ck_assert_int_eq(r.told.count, 36);
    for (int step = 0; step < r.told.count; step++)
        ck_assert_double_eq(drawn_rate(history, (step + 0.5) / 12.0), r.told.rates[step]);
    cn_history_free(history);
    rig_end(&r);
}
END_TEST

START_TEST(of_many_steps_some_are_evenly_spread) {
    rig r;
    rig_begin(&r, 400);
    r.schedule.kind = CN_SCHEDULE_ONE_CYCLE;
    rig_make(&r);
    ck_ok(cn_trainer_fit(r.trainer, 3, NULL, NULL));
    cn_history *history = history_of(r.trainer);
    expect_corners_of_steps(&r, history);
    ck_assert_int_le(cn_history_rate_count(history), 3 * (CN__RATE_STEPS + 1));
    ck_assert_int_ge(cn_history_rate_count(history), 3 * CN__RATE_STEPS);
    ck_assert_double_eq(corner_of(history, cn_history_rate_count(history) - 1).place, 3.0);
    for (int step = 0; step < r.told.count; step++) /* one-cycle's rates do not turn within a few steps */
        ck_assert_double_eq_tol(drawn_rate(history, step / 200.0 + 1e-9), r.told.rates[step], 1e-3);
    cn_history_free(history);
    rig_end(&r);
}
END_TEST

START_TEST(rates_that_stay_are_two_corners_however_long) {
    rig r;
    rig_begin(&r, _i ? 400 : 10);
    r.schedule.kind = CN_SCHEDULE_CONSTANT;
    rig_make(&r);
    ck_ok(cn_trainer_fit(r.trainer, 5, NULL, NULL));
    cn_history *history = history_of(r.trainer);
    ck_assert_int_eq(cn_history_rate_count(history), 2);
    ck_assert_double_eq(corner_of(history, 1).place, 5.0);
    cn_history_free(history);
    rig_end(&r);
}
END_TEST

/* By schedules, and by who may set the rate: there are two corners at one place. */
START_TEST(rates_jump_where_they_are_cut) {
    rig r;
    rig_begin(&r, 20);
    r.schedule.kind = _i ? CN_SCHEDULE_CONSTANT : CN_SCHEDULE_STEP;
    r.schedule.step_size = 2;
    rig_make(&r);
    r.told.sets = _i ? r.trainer : NULL;
    ck_ok(cn_trainer_fit(r.trainer, 3, NULL, NULL));
    cn_history *history = history_of(r.trainer);
    ck_assert_int_eq(cn_history_rate_count(history), 4);
    ck_assert_double_eq(corner_of(history, 1).place, _i ? 1.5 : 2.0);
    ck_assert_double_eq(corner_of(history, 2).place, _i ? 1.5 : 2.0);
    ck_assert_double_eq_tol(corner_of(history, 2).rate, (_i ? 0.5 : 0.3) * corner_of(history, 1).rate, 1e-9);
    expect_corners_of_steps(&r, history);
    cn_history_free(history);
    rig_end(&r);
}
END_TEST

static double climb(void *user, const cn_rate_info *at) {
    (void)user;
    return 1e-3 * (double)(1 + at->step % 7);
}

static void expect_same_line(const cn_trainer *a, const cn_trainer *b) {
    cn_history *x = history_of(a), *y = history_of(b);
    ck_assert_int_eq(cn_history_rate_count(x), cn_history_rate_count(y));
    for (int64_t i = 0; i < cn_history_rate_count(x); i++) {
        ck_assert_double_eq(corner_of(x, i).place, corner_of(y, i).place);
        ck_assert_double_eq(corner_of(x, i).rate, corner_of(y, i).rate);
    }
    cn_history_free(x);
    cn_history_free(y);
}

/* A program's own rates, in a run that is stopped within an epoch, saved, and gone on with by another trainer. */
START_TEST(a_run_that_goes_on_has_one_line) {
    rig whole, part, rest;
    rig *const all[] = {&whole, &part, &rest};
    for (int i = 0; i < 3; i++) {
        rig_begin(all[i], _i ? 300 : 40);
        all[i]->schedule.kind = CN_SCHEDULE_CUSTOM;
        all[i]->schedule.rate = climb;
        all[i]->schedule.epochs = 3;
        rig_make(all[i]);
    }
    ck_ok(cn_trainer_fit(whole.trainer, 3, NULL, NULL));
    part.told.stop_after = _i ? 225 : 31;
    ck_ok(cn_trainer_fit(part.trainer, 3, NULL, NULL));
    cn_history *history = history_of(part.trainer);
    double end = corner_of(history, cn_history_rate_count(history) - 1).place;
    ck_assert_double_gt(end, 1.45);
    ck_assert_double_le(end, (double)part.told.stop_after / (double)part.told.batches + 1e-12);
    cn_history_free(history);
    file saved = saved_checkpoint(part.trainer);
    ck_ok(load_checkpoint(rest.trainer, saved));
    expect_same_line(part.trainer, rest.trainer);
    ck_ok(cn_trainer_fit(rest.trainer, 2, NULL, NULL));
    expect_same_line(whole.trainer, rest.trainer);
    free(saved.data);
    for (int i = 0; i < 3; i++)
        rig_end(all[i]);
}
END_TEST

/* A line in a checkpoint that goes back in the run is none. */
START_TEST(rates_of_a_file_that_are_no_line_are_refused) {
    rig r;
    rig_begin(&r, 20);
    r.schedule.kind = CN_SCHEDULE_EXPONENTIAL;
    rig_make(&r);
    ck_ok(cn_trainer_fit(r.trainer, 3, NULL, NULL));
    file good = saved_checkpoint(r.trainer);
    r.trainer->rates.corners[2].place = 0.5;
    file bad = saved_checkpoint(r.trainer);
    ck_fails(load_checkpoint(r.trainer, bad), CN_ERR_FORMAT,
             "its rate 2 is 0.003 at 0.5, wanted 0 or more, at 1 or more");
    ck_ok(load_checkpoint(r.trainer, good));
    free(good.data);
    free(bad.data);
    rig_end(&r);
}
END_TEST

/* Neither a batch that fails nor a search, which here begins at the rate that the run was at, leaves a rate behind. */
START_TEST(what_was_no_step_is_not_in_the_line) {
    rig r;
    cn_rate_search search = CN_RATE_SEARCH_INIT;
    double found;
    rig_begin(&r, 20);
    r.schedule.kind = CN_SCHEDULE_CONSTANT;
    rig_make(&r);
    ck_ok(cn_trainer_fit(r.trainer, 1, NULL, NULL));
    ck_ok(cn_trainer_set_learning_rate(r.trainer, 0.25));
    training_values(r.f.model, "fc.weight")[0] = NAN;
    ck_fails(cn_trainer_fit(r.trainer, 1, NULL, NULL), CN_ERR_NUMERIC, "batch 1");
    training_values(r.f.model, "fc.weight")[0] = 0.0f;
    search.first = r.told.rates[0];
    ck_ok(cn_trainer_find_rate(r.trainer, &search, &found, NULL));
    cn_history *history = history_of(r.trainer);
    ck_assert_int_eq(cn_history_rate_count(history), 2);
    ck_assert_double_eq(corner_of(history, 1).place, 1.0);
    cn_history_free(history);
    rig_end(&r);
}
END_TEST

/* ---- histories of a program's own ---- */

START_TEST(rates_are_added_in_the_order_of_their_places) {
    cn_history *history;
    double place, rate;
    ck_ok(cn_history_new(ctx, "", &history));
    ck_ok(cn_history_add_rate(history, 0.0, 0.1));
    ck_ok(cn_history_add_rate(history, 1.5, 0.1));
    ck_ok(cn_history_add_rate(history, 2.0, 0.1)); /* would not show */
    ck_ok(cn_history_add_rate(history, 2.0, 0.01));
    ck_assert_int_eq(cn_history_rate_count(history), 3);
    ck_assert_double_eq(corner_of(history, 1).place, 2.0);
    ck_fails(cn_history_add_rate(history, 1.0, 0.1), CN_ERR_ARGUMENT, "place is 1, wanted 2 or more");
    ck_fails(cn_history_add_rate(history, NAN, 0.1), CN_ERR_ARGUMENT, "place is nan");
    ck_fails(cn_history_add_rate(history, INFINITY, 0.1), CN_ERR_ARGUMENT, "place is inf");
    ck_fails(cn_history_add_rate(history, 3.0, -1.0), CN_ERR_ARGUMENT, "rate is -1, wanted 0 to ");
    ck_fails(cn_history_add_rate(history, 3.0, NAN), CN_ERR_ARGUMENT, "rate is nan");
    ck_fails(cn_history_rate(history, 3, &place, &rate), CN_ERR_NOT_FOUND, "index 3, the history has 3 rates");
    ck_fails(cn_history_rate(history, -1, &place, &rate), CN_ERR_NOT_FOUND, "index -1");
    ck_assert_int_eq(cn_history_rate_count(history), 3);
    ck_assert_int_eq(cn_history_rate_count(NULL), 0);
    cn_history_free(history);
}
END_TEST

/* ---- charts ---- */

/* `epochs` of them; of those whose line is drawn, that corners are added to. */
static cn_history *history_with(const char *name, int epochs) {
    cn_history *history;
    ck_ok(cn_history_new(ctx, name, &history));
    for (int i = 1; i <= epochs; i++) {
        cn_epoch_info epoch = CN_EPOCH_INFO_INIT;
        epoch.epoch = i;
        epoch.train_loss = epoch.test_loss = 1.0 / i;
        epoch.learning_rate = 0.01;
        ck_ok(cn_history_add(history, &epoch));
    }
    return history;
}

typedef struct drawn {
    int count;
    double x[MOST_STEPS], y[MOST_STEPS];
} drawn;

/* The line of that colour. */
static drawn line_of(const char *svg, int colour) {
    char begins[32];
    drawn d = {0};
    snprintf(begins, sizeof begins, "class=\"cn-l cn-s%d\" d=\"M", colour);
    const char *at = strstr(svg, begins);
    while (at && at[strlen(begins) + strcspn(at + strlen(begins), "hL\"")] == 'h') /* a swatch of the legend */
        at = strstr(at + 1, begins);
    ck_assert_msg(at != NULL, "no line of colour %d", colour);
    for (at = strstr(at, " d=\"") + 4; *at != '"'; d.count++) {
        char *end;
        ck_assert_int_lt(d.count, MOST_STEPS);
        d.x[d.count] = strtod(at + 1, &end);
        d.y[d.count] = strtod(end, &end);
        at = end;
    }
    return d;
}

/* GCC 12 would have it that what the library stores in `svg` is its own address. */
__attribute__((noinline)) static char *chart(int count, cn_history *const *histories, cn_metric metric) {
    char *svg;
    ck_ok(cn_chart_metric(count, (const cn_history *const *)histories, metric, &svg));
    return svg;
}

/* The plot is from 64 to 444 across; a warm-up of half an epoch rises over an eighth of four. */
START_TEST(steps_within_an_epoch_are_drawn_where_they_were) {
    cn_history *history = history_with("", 4);
    for (int i = 0; i <= 64; i++)
        ck_ok(cn_history_add_rate(history, i / 128.0, 0.01 * i / 64.0));
    ck_ok(cn_history_add_rate(history, 2.0, 0.01));
    ck_ok(cn_history_add_rate(history, 2.0, 0.001));
    ck_ok(cn_history_add_rate(history, 4.0, 0.001));
    char *svg = chart(1, &history, CN_METRIC_LEARNING_RATE);
    drawn d = line_of(svg, 0);
    ck_assert_double_eq_tol(d.x[0], 64.0, 0.1);
    ck_assert_double_eq_tol(d.x[d.count - 1], 444.0, 0.1);
    ck_assert_int_gt(d.count, 40);
    for (int i = 1; i < d.count - 4; i++) { /* the warm-up */
        ck_assert_double_le(d.x[i], 64.0 + 380.0 / 8.0 + 0.1);
        ck_assert_double_lt(d.y[i], d.y[i - 1]);
    }
    ck_assert_double_eq_tol(d.x[d.count - 3], 254.0, 0.1); /* the cut is upright */
    ck_assert_double_eq_tol(d.x[d.count - 2], 254.0, 0.1);
    ck_assert_ptr_nonnull(
        strstr(svg, "Learning rate, step by step, over 4 epochs. It begins at 0, is at most 0.01 and ends at 0.001."));
    expect_document(svg, ">Learning rate, step by step</text>");
    cn_history_free(history);
}
END_TEST

/* "64>0 190>1 …": where the numbers of the axis stand. */
static void copy_axis(const char *svg, char *axis, size_t size) {
    const char *at = strstr(svg, "<path class=\"cn-a\""), *end = strstr(svg, ">epoch</text>");
    size_t used = 0;
    ck_assert(at && end && at < end);
    axis[0] = '\0';
    for (at = strstr(at, " x=\""); at && at < end; at = strstr(at + 1, " x=\"")) {
        const char *number = strchr(at, '>');
        used += (size_t)snprintf(axis + used, size - used, "%d%.*s ", atoi(at + 4), (int)strcspn(number, "<"), number);
    }
    ck_assert_uint_gt(used, 20);
}

/* Also of a run that was stopped within its fourth epoch. */
START_TEST(all_charts_of_a_run_have_one_axis) {
    static const cn_metric metrics[] = {CN_METRIC_LOSS, CN_METRIC_ACCURACY, CN_METRIC_LEARNING_RATE};
    cn_history *history = history_with("", 3);
    char first[4096], other[4096];
    if (_i) {
        ck_ok(cn_history_add_rate(history, 0.0, 0.1));
        ck_ok(cn_history_add_rate(history, 3.5, 0.1));
    }
    for (size_t i = 0; i < COUNT(metrics); i++) {
        char *svg = chart(1, &history, metrics[i]);
        copy_axis(svg, i ? other : first, sizeof first);
        expect_document(svg, ">0</text>");
        if (i)
            ck_assert_str_eq(first, other);
    }
    cn_history_free(history);
}
END_TEST

START_TEST(epochs_alone_are_stairs) {
    cn_history *history = history_with("", 2);
    char *svg = chart(1, &history, CN_METRIC_LEARNING_RATE);
    drawn d = line_of(svg, 0);
    ck_assert_double_eq_tol(d.x[0], 64.0, 0.1);
    ck_assert_double_eq_tol(d.x[d.count - 1], 444.0, 0.1);
    expect_document(svg, ">Learning rate, mean of each epoch</text>");
    cn_history_free(history);
}
END_TEST

/* Of one name: as they were if they were the same, else their mean, which is half way between 0.1 and 0.3. */
START_TEST(runs_of_one_name_have_one_line) {
    cn_history *all[] = {history_with("a", 2), history_with("a", 2), history_with("b", 2)};
    for (int i = 0; i < 3; i++) {
        ck_ok(cn_history_add_rate(all[i], 0.0, i == 2 ? 0.4 : 0.1));
        ck_ok(cn_history_add_rate(all[i], 2.0, i == 2 ? 0.4 : 0.1));
    }
    char *svg = chart(3, all, CN_METRIC_LEARNING_RATE);
    drawn same = line_of(svg, 0);
    ck_assert_int_eq(same.count, 2);
    cn_text_free(svg);
    cn_history_free(all[1]);
    all[1] = history_with("a", 2);
    ck_ok(cn_history_add_rate(all[1], 0.0, 0.3));
    ck_ok(cn_history_add_rate(all[1], 2.0, 0.3));
    svg = chart(3, all, CN_METRIC_LEARNING_RATE);
    drawn mean = line_of(svg, 0), b = line_of(svg, 1);
    double foot = same.y[0] + (same.y[0] - b.y[0]) / 3.0; /* of an even axis from 0 */
    ck_assert_double_eq_tol(mean.y[mean.count / 2], foot + (b.y[0] - foot) / 2.0, 0.2);
    expect_document(svg, ">a</text>");
    for (int i = 0; i < 3; i++)
        cn_history_free(all[i]);
}
END_TEST

/* However many corners there are, only those are drawn that show. */
START_TEST(long_runs_are_drawn_in_a_bounded_number_of_places) {
    cn_history *history = history_with("", 1000);
    for (int i = 0; i <= 128000; i++)
        ck_ok(cn_history_add_rate(history, i / 128.0, 0.01 * (1.0 + sin(i / 30000.0))));
    char *svg = chart(1, &history, CN_METRIC_LEARNING_RATE);
    drawn d = line_of(svg, 0);
    ck_assert_int_lt(d.count, 1000);
    ck_assert_int_gt(d.count, 300);
    expect_document(svg, NULL);
    cn_history_free(history);
}
END_TEST

START_TEST(odd_rates_are_drawn) {
    static const double rates[] = {0.0, 1e-310, 1e-30, 1.0, 3e38};
    for (size_t i = 0; i < COUNT(rates); i++)
        for (size_t k = 0; k < COUNT(rates); k++) {
            cn_history *history = history_with("", (int)i);
            ck_ok(cn_history_add_rate(history, 0.0, rates[i]));
            ck_ok(cn_history_add_rate(history, 1.0 + (double)k, rates[k]));
            char *svg = chart(1, &history, CN_METRIC_LEARNING_RATE);
            ck_assert_ptr_null(strstr(svg, "nan"));
            ck_assert_ptr_null(strstr(svg, "inf"));
            expect_document(svg, NULL);
            cn_history_free(history);
        }
}
END_TEST

int main(void) {
    const TTest *const charts[] = {steps_within_an_epoch_are_drawn_where_they_were,
                                   epochs_alone_are_stairs,
                                   runs_of_one_name_have_one_line,
                                   long_runs_are_drawn_in_a_bounded_number_of_places,
                                   odd_rates_are_drawn,
                                   rates_are_added_in_the_order_of_their_places};
    const TTest *const axes[] = {all_charts_of_a_run_have_one_axis};
    Suite *suite = suite_create("learning rates");
    TCase *lines = tcase_create("lines");
    tcase_add_test(lines, each_step_of_few_is_in_the_line);
    tcase_add_test(lines, of_many_steps_some_are_evenly_spread);
    tcase_add_loop_test(lines, rates_that_stay_are_two_corners_however_long, 0, 2);
    tcase_add_loop_test(lines, rates_jump_where_they_are_cut, 0, 2);
    tcase_add_loop_test(lines, a_run_that_goes_on_has_one_line, 0, 2);
    tcase_add_test(lines, rates_of_a_file_that_are_no_line_are_refused);
    tcase_add_test(lines, what_was_no_step_is_not_in_the_line);
    suite_add_tcase(suite, lines);
    add_tests(suite, "charts", set_up, tear_down, charts, COUNT(charts), 1);
    add_tests(suite, "axes", set_up, tear_down, axes, COUNT(axes), 2);
    return test_run(suite);
}
