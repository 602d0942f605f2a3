/* SPDX-License-Identifier: MIT */
/* test_parameter_groups.c: parameters with rates and decays of their own, against torch.optim's groups, and groups that
 * are refused. */
#include "numbers.h"
#include "testing.h"
#include "training.h"
#include <math.h>

enum { WEIGHTS = 32, BIASES = 4, STEPS = 5, MOST = 3 };

/* Options with groups, which stay where they are. */
typedef struct grouped {
    cn_optimizer_options options;
    cn_parameter_group group[MOST];
    const cn_parameter_group *list[MOST];
} grouped;

static void add_group(grouped *g, const char *pattern, float scale, float decay) {
    int64_t i = g->options.group_count++;
    g->group[i] = (cn_parameter_group)CN_PARAMETER_GROUP_INIT;
    g->group[i].pattern = pattern;
    g->group[i].learning_rate_scale = scale;
    g->group[i].weight_decay = decay;
    g->list[i] = &g->group[i];
    g->options.groups = g->list;
}

static void begin_groups(grouped *g, cn_optimizer_kind kind) {
    *g = (grouped){.options = CN_OPTIMIZER_OPTIONS_INIT};
    g->options.kind = kind;
}

/* ---- against PyTorch ---- */

static void fill(float *weight, float *bias, float (*formula)(int i, int step), int step) {
    for (int i = 0; i < WEIGHTS + BIASES; i++)
        *(i < WEIGHTS ? &weight[i] : &bias[i - WEIGHTS]) = formula(i, step);
}

static float first_value(int i, int step) {
    (void)step;
    return (float)(i * 37 % 64 - 32) / 16.0f;
}

static float gradient_at(int i, int step) {
    return (float)((i + 5 * step) * 29 % 32 - 16) / 8.0f;
}

static void check_steps(FILE *file, const grouped *g, int number) {
    cn_context *ctx = test_context(1);
    cn_model *model = training_linear_model(ctx, 8, BIASES);
    cn_optimizer *optimizer;
    float *weight = training_values(model, "fc.weight"), *bias = training_values(model, "fc.bias");
    ck_ok(cn_optimizer_new(model, &g->options, &optimizer));
    fill(weight, bias, first_value, 0);
    for (int step = 0; step < STEPS; step++) {
        if (step == 3)
            ck_ok(cn_optimizer_set_learning_rate(optimizer, (double)g->options.learning_rate / 2.0));
        fill(training_gradients(model, "fc.weight"), training_gradients(model, "fc.bias"), gradient_at, step);
        ck_ok(cn_optimizer_step(optimizer));
        for (int i = 0; i < WEIGHTS + BIASES; i++) {
            double got = (double)(i < WEIGHTS ? weight[i] : bias[i - WEIGHTS]), wanted = numbers_next(file);
            ck_assert_msg(fabs(got - wanted) <= 4e-7 * fmax(1.0, fabs(wanted)),
                          "case %d, step %d, parameter %d: %.9g, wanted %.9g", number, step, i, got, wanted);
        }
    }
    cn_optimizer_free(optimizer);
    cn_model_free(model);
    cn_context_free(ctx);
}

START_TEST(groups_are_pytorchs) {
    static const char *const patterns[] = {"*.weight", "fc.b?as"};
    FILE *file = numbers_open("groups.txt");
    int cases = 0;
    for (double kind; numbers_more(file, &kind); cases++) {
        grouped g;
        begin_groups(&g, (cn_optimizer_kind)kind);
        g.options.learning_rate = (float)numbers_next(file);
        g.options.momentum = (float)numbers_next(file);
        g.options.weight_decay = (float)numbers_next(file);
        for (int i = 0; i < 2; i++) {
            float scale = (float)numbers_next(file), decay = (float)numbers_next(file);
            add_group(&g, patterns[i], scale, decay);
        }
        check_steps(file, &g, cases);
    }
    ck_assert_int_eq(cases, 9);
    fclose(file);
}
END_TEST

/* ---- with all else ---- */

/* A model after two epochs, trained with these options. */
static cn_model *trained(training *f, const cn_optimizer_options *options, const cn_schedule_options *schedule) {
    cn_model *model = toy_model(f->ctx, CN_NORM_BATCH, 0.0f);
    f->options.optimizer = options;
    f->options.schedule = schedule;
    cn_trainer *trainer = training_trainer(f, model);
    ck_ok(cn_trainer_fit(trainer, 2, NULL, NULL));
    cn_trainer_free(trainer);
    return model;
}

static const cn_optimizer_kind kinds[] = {CN_OPTIMIZER_SGD, CN_OPTIMIZER_ADAM, CN_OPTIMIZER_ADAMW, CN_OPTIMIZER_MUON};

START_TEST(groups_that_say_what_the_options_say_change_no_bit) {
    training f = training_begin(CN_NORM_BATCH, 0.0f);
    grouped g;
    begin_groups(&g, kinds[_i]);
    g.options.weight_decay = 0.1f;
    cn_model *without = trained(&f, &g.options, NULL);
    add_group(&g, "conv", 1.0f, CN_WEIGHT_DECAY_DEFAULT);
    add_group(&g, "fc.*", 1.0f, 0.1f);
    cn_model *with = trained(&f, &g.options, NULL);
    toy_expect_equal(with, without);
    cn_model_free(with);
    cn_model_free(without);
    training_end(&f);
}
END_TEST

/* Twice the rate of all is the same as all in a group of scale 2, whatever the schedule does. */
START_TEST(schedules_scale_all_rates) {
    training f = training_begin(CN_NORM_BATCH, 0.0f);
    cn_schedule_options schedule;
    grouped g;
    training_one_cycle(&schedule);
    schedule.max_learning_rate = 0.02f;
    begin_groups(&g, kinds[_i]);
    g.options.weight_decay = 0.1f;
    cn_model *without = trained(&f, &g.options, &schedule);
    schedule.max_learning_rate = 0.01f;
    add_group(&g, "*", 2.0f, CN_WEIGHT_DECAY_DEFAULT);
    cn_model *with = trained(&f, &g.options, &schedule);
    toy_expect_equal(with, without);
    cn_model_free(with);
    cn_model_free(without);
    training_end(&f);
}
END_TEST

START_TEST(a_rate_of_zero_moves_nothing) {
    training f = training_begin(CN_NORM_BATCH, 0.0f);
    grouped g;
    begin_groups(&g, kinds[_i]);
    g.options.weight_decay = 0.1f;
    add_group(&g, "conv.*", 0.0f, CN_WEIGHT_DECAY_DEFAULT);
    cn_model *fresh = toy_model(f.ctx, CN_NORM_BATCH, 0.0f), *model = trained(&f, &g.options, NULL);
    ck_assert_mem_eq(training_values(model, "conv.weight"), training_values(fresh, "conv.weight"),
                     4 * 9 * sizeof(float));
    ck_assert_mem_ne(training_values(model, "fc.weight"), training_values(fresh, "fc.weight"), 3 * 36 * sizeof(float));
    cn_model_free(fresh);
    cn_model_free(model);
    training_end(&f);
}
END_TEST

/* A group's decay, too, spares what decay_weights_only spares. */
START_TEST(biases_can_be_spared) {
    training f = training_begin(CN_NORM_BATCH, 0.0f);
    grouped g;
    begin_groups(&g, kinds[_i]);
    g.options.decay_weights_only = 1;
    add_group(&g, "*.bias", 1.0f, 0.3f);
    cn_model *with = trained(&f, &g.options, NULL);
    g.options.group_count = 0;
    cn_model *without = trained(&f, &g.options, NULL);
    toy_expect_equal(with, without);
    cn_model_free(with);
    cn_model_free(without);
    training_end(&f);
}
END_TEST

/* ---- what is refused ---- */

static cn_status make(cn_model *model, const grouped *g) {
    cn_optimizer *optimizer = (cn_optimizer *)g;
    cn_status status = cn_optimizer_new(model, &g->options, &optimizer);
    ck_assert(status == CN_OK || !optimizer);
    cn_optimizer_free(optimizer);
    return status;
}

START_TEST(groups_that_mean_nothing_are_refused) {
    cn_context *ctx = test_context(1);
    cn_model *model = toy_model(ctx, CN_NORM_BATCH, 0.1f);
    static const struct {
        const char *pattern, *says;
        float scale, decay;
        cn_status status;
    } bad[] = {
        {"fc2.*", "group 'fc2.*' matches no parameter", 1.0f, 0.0f, CN_ERR_NOT_FOUND},
        {"", "group '' matches no parameter", 1.0f, 0.0f, CN_ERR_NOT_FOUND},
        {"norm.running_*", "group 'norm.running_*' matches no parameter", 1.0f, 0.0f, CN_ERR_NOT_FOUND},
        {"relu", "group 'relu' matches no parameter", 1.0f, 0.0f, CN_ERR_NOT_FOUND},
        {"*.weight", "groups 'conv' and '*.weight' both match 'conv.weight'", 1.0f, 0.0f, CN_ERR_ARGUMENT},
        {NULL, "pattern is NULL", 1.0f, 0.0f, CN_ERR_ARGUMENT},
        {"fc", "'fc': learning_rate_scale is -1", -1.0f, 0.0f, CN_ERR_ARGUMENT},
        {"fc", "'fc': learning_rate_scale is nan", NAN, 0.0f, CN_ERR_ARGUMENT},
        {"fc", "'fc': learning_rate_scale is inf", INFINITY, 0.0f, CN_ERR_ARGUMENT},
        {"fc", "'fc': weight_decay is -2", 1.0f, -2.0f, CN_ERR_ARGUMENT},
        {"fc", "'fc': weight_decay is nan", 1.0f, NAN, CN_ERR_ARGUMENT},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        grouped g;
        begin_groups(&g, CN_OPTIMIZER_SGD);
        add_group(&g, "conv", 1.0f, 0.0f);
        ck_ok(make(model, &g));
        add_group(&g, bad[i].pattern, bad[i].scale, bad[i].decay);
        ck_fails(make(model, &g), bad[i].status, bad[i].says);
    }
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

START_TEST(lists_of_groups_that_are_none_are_refused) {
    cn_context *ctx = test_context(1);
    cn_model *model = toy_model(ctx, CN_NORM_BATCH, 0.1f);
    grouped g;
    begin_groups(&g, CN_OPTIMIZER_SGD);
    g.options.group_count = 1;
    ck_fails(make(model, &g), CN_ERR_ARGUMENT, "group_count is 1, groups is NULL");
    g.options.groups = g.list;
    ck_fails(make(model, &g), CN_ERR_ARGUMENT, "groups[0] is NULL");
    g.options.group_count = -1;
    ck_fails(make(model, &g), CN_ERR_ARGUMENT, "group_count is -1");
    g.options.group_count = 0;
    ck_ok(make(model, &g));
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("parameter groups");
    const TTest *const single[] = {groups_are_pytorchs, groups_that_mean_nothing_are_refused,
                                   lists_of_groups_that_are_none_are_refused};
    const TTest *const by_kind[] = {groups_that_say_what_the_options_say_change_no_bit, schedules_scale_all_rates,
                                    a_rate_of_zero_moves_nothing, biases_can_be_spared};
    test_add(suite, "groups", single, sizeof single / sizeof *single, 1);
    test_add(suite, "optimizers", by_kind, sizeof by_kind / sizeof *by_kind, sizeof kinds / sizeof *kinds);
    return test_run(suite);
}
