/* SPDX-License-Identifier: MIT */
/* test_freeze.c: patterns, right and wrong; training leaves what is frozen, and goes on with what is thawed. That frozen
 * layers compute what they should is test_graphs' part. */
#include "base/base.h"
#include "testing.h"
#include "training.h"
#include <stdlib.h>

TEST_BOTH_LAYOUTS;

/* ---- patterns ---- */

START_TEST(patterns_are_globs) {
    static const struct {
        const char *pattern, *text;
        bool fits;
    } cases[] = {
        {"conv", "conv", true},
        {"conv", "conv1", false},
        {"conv", "con", false},
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"*", "a.b", true},
        {"**", "a", true},
        {"?", "", false},
        {"?", "a", true},
        {"?", "ab", false},
        {"?", "é", true},
        {"??", "é", false},
        {"a*c", "abcbc", true},
        {"a*c", "abcb", false},
        {"*.weight", "a.b.weight", true},
        {"*.weight", "weight", false},
        {"layer1.*", "layer1.0.conv1.weight", true},
        {"layer1.*", "layer10.0.conv1.weight", false},
        {"*a*b*", "xxaxxbxx", true},
        {"*a*b*", "xxbxxaxx", false},
        {"[a-z]", "b", false},
        {"[a-z]", "[a-z]", true},
        {"a?b*", "axb", true},
        {"*?", "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(cn__glob(cases[i].pattern, cases[i].text) == cases[i].fits, "'%s' and '%s'", cases[i].pattern,
                      cases[i].text);
}
END_TEST

/* Which of these are frozen, a letter each. */
static const char *const all[] = {"conv",
                                  "conv.weight",
                                  "conv.bias",
                                  "norm",
                                  "norm.weight",
                                  "norm.bias",
                                  "norm.running_mean",
                                  "norm.running_var",
                                  "norm.num_batches_tracked",
                                  "dropout",
                                  "fc.weight",
                                  "fc.bias"};
enum { ALL = sizeof all / sizeof *all };

static void expect_frozen(const cn_model *model, const char *wanted) {
    char got[ALL + 1] = "";
    for (int i = 0; i < ALL; i++)
        got[i] = cn_model_frozen(model, all[i]) ? 'x' : '.';
    ck_assert_str_eq(got, wanted);
}

START_TEST(tensors_and_layers_are_matched) {
    static const struct {
        const char *pattern, *frozen;
    } cases[] = {
        {"conv.weight", ".x.........."}, {"conv", "xxx........."},   {"conv.*", ".xx........."},
        {"norm", "...xxxxxx..."},        {"norm.*", "...xxxxxx..."}, {"norm.running_var", "...x..xxx..."},
        {"norm.weight", "....x......."}, {"*.bias", "..x..x.....x"}, {"dropout", ".........x.."},
        {"drop*", ".........x.."},       {"*", "xxxxxxxxxxxx"},      {"relu", "............"},
        {"?c.*", "..........xx"},        {"c*v", "xxx........."},
    };
    cn_context *ctx = test_context(1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cn_model *model = toy_model(ctx, CN_NORM_BATCH, 0.1f);
        expect_frozen(model, "............");
        ck_ok(cn_model_freeze(model, cases[i].pattern, 1));
        expect_frozen(model, cases[i].frozen);
        ck_ok(cn_model_freeze(model, cases[i].pattern, 0));
        expect_frozen(model, "............");
        cn_model_free(model);
    }
    cn_context_free(ctx);
}
END_TEST

START_TEST(what_matches_nothing_is_refused) {
    cn_context *ctx = test_context(1);
    cn_model *model = toy_model(ctx, CN_NORM_BATCH, 0.1f), *empty;
    ck_ok(cn_model_freeze(model, "conv", 1));
    static const char *const patterns[] = {"", "con", "conv.", "conv?", "convolution", "CONV", "*.weights", "input"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        ck_fails(cn_model_freeze(model, patterns[i], 1), CN_ERR_NOT_FOUND, "matches no layer or tensor");
        ck_fails(cn_model_freeze(model, patterns[i], 0), CN_ERR_NOT_FOUND, patterns[i]);
    }
    ck_fails(cn_model_freeze(model, NULL, 1), CN_ERR_ARGUMENT, "pattern");
    ck_fails(cn_model_freeze(NULL, "*", 1), CN_ERR_ARGUMENT, "model");
    ck_fails(cn_model_freeze(model, "*", 2), CN_ERR_ARGUMENT, "frozen is 2");
    ck_fails(cn_model_freeze(model, "*", -1), CN_ERR_ARGUMENT, "frozen is -1");
    expect_frozen(model, "xxx.........");
    ck_ok(cn_model_new(ctx, 1, 2, 2, &empty));
    ck_fails(cn_model_freeze(empty, "*", 1), CN_ERR_STATE, "not initialised");
    ck_assert_int_eq(cn_model_frozen(NULL, "conv"), 0);
    ck_assert_int_eq(cn_model_frozen(model, NULL), 0);
    ck_assert_int_eq(cn_model_frozen(model, "nothing"), 0);
    cn_model_free(empty);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

START_TEST(parts_of_models_stay_frozen_and_files_do_not) {
    cn_context *ctx = test_context(1);
    cn_model *model = toy_model(ctx, CN_NORM_BATCH, 0.1f), *part, *loaded;
    cn_tensor *file;
    ck_ok(cn_model_freeze(model, "norm", 1));
    ck_ok(cn_model_freeze(model, "fc.weight", 1));
    ck_ok(cn_model_freeze(model, "dropout", 1));
    ck_ok(cn_model_until(model, "out", &part));
    expect_frozen(part, "...xxxxxxxx.");
    ck_ok(cn_model_init(part, 7));
    expect_frozen(part, "...xxxxxxxx.");
    ck_ok(cn_model_save_memory(model, &file));
    ck_ok(cn_model_load_memory(ctx, cn_tensor_data(file), (size_t)cn_tensor_count(file), &loaded));
    expect_frozen(loaded, "............");
    cn_tensor_free(file);
    cn_model_free(loaded);
    cn_model_free(part);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

/* ---- trainers ---- */

/* What a model holds under a name. */
static const void *held(cn_model *model, const char *name, size_t *bytes) {
    cn_tensor *tensor;
    ck_ok(cn_model_tensor(model, name, &tensor));
    *bytes = (size_t)cn_tensor_count(tensor) * (cn_tensor_dtype(tensor) == CN_DTYPE_INT64 ? 8 : 4);
    return cn_tensor_data(tensor);
}

static bool same(cn_model *a, cn_model *b, const char *name) {
    size_t bytes;
    const void *of_a = held(a, name, &bytes);
    return memcmp(of_a, held(b, name, &bytes), bytes) == 0;
}

/* Of all tensors, those differ that are not frozen in `model`, and no others. */
static void expect_only_thawed_differ(cn_model *model, cn_model *before) {
    for (int64_t i = 0; i < cn_model_tensor_count(model); i++) {
        const char *name = cn_model_tensor_name(model, i);
        ck_assert_msg(same(model, before, name) == cn_model_frozen(model, name), "%s", name);
    }
}

static const cn_optimizer_kind kinds[] = {CN_OPTIMIZER_SGD, CN_OPTIMIZER_ADAM, CN_OPTIMIZER_ADAMW, CN_OPTIMIZER_MUON};
enum { KINDS = sizeof kinds / sizeof *kinds };

static cn_optimizer_options decaying(cn_optimizer_kind kind) {
    cn_optimizer_options options = CN_OPTIMIZER_OPTIONS_INIT;
    options.kind = kind;
    options.weight_decay = 0.1f;
    return options;
}

/* Weight decay, an L1 penalty, clipping, accumulation and a moving average leave it alone, too. */
START_TEST(training_leaves_what_is_frozen) {
    static const char *const patterns[] = {"conv", "norm", "conv.weight", "*.bias", "norm.running_*", "norm.weight"};
    training f = training_begin(CN_NORM_BATCH, 0.1f);
    cn_optimizer_options optimizer = decaying(kinds[_i]);
    f.options.optimizer = &optimizer;
    f.options.l1 = 0.01f;
    f.options.ema_decay = 0.7f;
    f.options.clip_norm = 0.5f;
    f.options.accumulate = 2;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        cn_model *model = toy_model(f.ctx, CN_NORM_BATCH, 0.1f), *before;
        ck_ok(cn_model_until(f.model, "out", &before));
        ck_ok(cn_model_freeze(model, patterns[i], 1));
        cn_trainer *trainer = training_trainer(&f, model);
        ck_ok(cn_trainer_fit(trainer, 2, NULL, NULL));
        expect_only_thawed_differ(model, before);
        cn_trainer_free(trainer);
        cn_model_free(before);
        cn_model_free(model);
    }
    training_end(&f);
}
END_TEST

/* One that is frozen and thawed before it is trained is as if nothing had happened. */
START_TEST(what_is_thawed_trains_as_ever) {
    training f = training_begin(CN_NORM_BATCH, 0.1f);
    cn_optimizer_options optimizer = decaying(kinds[_i]);
    cn_model *twin = toy_model(f.ctx, CN_NORM_BATCH, 0.1f);
    f.options.optimizer = &optimizer;
    cn_trainer *plain = training_trainer(&f, f.model);
    ck_ok(cn_model_freeze(twin, "*", 1));
    cn_trainer *thawed = training_trainer(&f, twin);
    ck_ok(cn_model_freeze(twin, "*", 0));
    ck_ok(cn_trainer_fit(plain, 2, NULL, NULL));
    ck_ok(cn_trainer_fit(thawed, 2, NULL, NULL));
    toy_expect_equal(f.model, twin);
    training_expect_same_history(plain, thawed);
    cn_trainer_free(plain);
    cn_trainer_free(thawed);
    cn_model_free(twin);
    training_end(&f);
}
END_TEST

/* With all frozen there is nothing to do, and it is done. */
START_TEST(a_model_that_is_all_frozen_stays) {
    training f = training_begin(CN_NORM_BATCH, 0.1f);
    cn_model *before;
    ck_ok(cn_model_until(f.model, "out", &before));
    ck_ok(cn_model_freeze(f.model, "*", 1));
    cn_trainer *trainer = training_trainer(&f, f.model);
    ck_ok(cn_trainer_fit(trainer, 2, NULL, NULL));
    toy_expect_equal(f.model, before);
    cn_trainer_free(trainer);
    cn_model_free(before);
    training_end(&f);
}
END_TEST

static int thaw(void *user, const cn_epoch_info *epoch) {
    if (epoch->epoch == 1)
        ck_ok(cn_model_freeze(user, "conv*", 0));
    return 0;
}

/* The head first, then all: a trainer goes on, and a parameter begins as it would in a new optimizer. */
START_TEST(callbacks_may_thaw) {
    training f = training_begin(CN_NORM_BATCH, 0.0f);
    cn_optimizer_options optimizer = decaying(kinds[_i]);
    cn_model *twin = toy_model(f.ctx, CN_NORM_BATCH, 0.0f), *before;
    f.options.optimizer = &optimizer;
    ck_ok(cn_model_until(twin, "out", &before));
    ck_ok(cn_model_freeze(f.model, "conv", 1));
    ck_ok(cn_model_freeze(twin, "conv", 1));
    cn_trainer *one = training_trainer(&f, f.model), *two = training_trainer(&f, twin);
    ck_ok(cn_trainer_fit(one, 3, thaw, f.model));
    ck_ok(cn_trainer_fit(two, 1, NULL, NULL));
    ck_assert(same(twin, before, "conv.weight"));
    ck_ok(cn_model_freeze(twin, "conv", 0));
    ck_ok(cn_trainer_fit(two, 2, NULL, NULL));
    ck_assert(!same(twin, before, "conv.weight"));
    toy_expect_equal(f.model, twin);
    cn_trainer_free(one);
    cn_trainer_free(two);
    cn_model_free(before);
    cn_model_free(twin);
    training_end(&f);
}
END_TEST

/* Adam's first step has the length of the rate, whenever a parameter takes it. */
START_TEST(what_is_thawed_late_takes_a_first_step) {
    cn_context *ctx = test_context(1);
    cn_model *model = toy_model(ctx, CN_NORM_NONE, 0.0f);
    cn_optimizer_options options = CN_OPTIMIZER_OPTIONS_INIT;
    cn_optimizer *optimizer;
    cn_tensor *bias, *gradient;
    options.kind = CN_OPTIMIZER_ADAM;
    options.learning_rate = 0.125f;
    ck_ok(cn_model_freeze(model, "conv", 1));
    ck_ok(cn_optimizer_new(model, &options, &optimizer));
    for (int step = 0; step < 50; step++)
        ck_ok(cn_optimizer_step(optimizer));
    ck_ok(cn_model_freeze(model, "conv", 0));
    ck_ok(cn_model_tensor(model, "conv.bias", &bias));
    ck_ok(cn_model_gradient(model, "conv.bias", &gradient));
    float before = *(float *)cn_tensor_data(bias);
    *(float *)cn_tensor_data(gradient) = 3.0f;
    ck_ok(cn_optimizer_step(optimizer));
    ck_assert_float_eq_tol(before - *(float *)cn_tensor_data(bias), 0.125f, 1e-6);
    cn_optimizer_free(optimizer);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

START_TEST(threads_do_not_change_bits) {
    static const int threads[] = {1, 2, 3, 8};
    size_t bytes;
    void *wanted = NULL;
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        cn_context *ctx = test_context(threads[i]);
        cn_model *model = toy_model(ctx, CN_NORM_BATCH, 0.1f);
        toy_data data = toy_data_new(ctx, 90, 1);
        cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
        cn_trainer *trainer;
        options.batch_size = 40;
        ck_ok(cn_model_freeze(model, "conv", 1));
        ck_ok(cn_model_freeze(model, "norm.running_mean", 1));
        ck_ok(cn_trainer_new(model, data.set, NULL, &options, &trainer));
        ck_ok(cn_trainer_fit(trainer, 2, NULL, NULL));
        void *got = toy_tensors(model, &bytes);
        if (wanted)
            ck_assert_mem_eq(got, wanted, bytes);
        else
            wanted = toy_tensors(model, &bytes);
        free(got);
        cn_trainer_free(trainer);
        toy_data_free(&data);
        cn_model_free(model);
        cn_context_free(ctx);
    }
    free(wanted);
}
END_TEST

/* ---- memory ---- */

START_TEST(out_of_memory_leaves_the_trainer_as_it_was) {
    counting_allocator counter = {0};
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *ctx;
    cn_trainer *trainer;
    counting_options(&counter, &options);
    options.threads = 1;
    ck_ok(cn_context_new(&options, &ctx));
    cn_model *model = toy_model(ctx, CN_NORM_BATCH, 0.1f);
    toy_data data = toy_data_new(ctx, 20, 1);
    ck_ok(cn_trainer_new(model, data.set, NULL, NULL, &trainer));
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL));
    ck_ok(cn_model_freeze(model, "conv", 1));
    int failures = 0;
    for (counter.persistent = _i;; failures++) {
        counter.fail_at = counter.calls + 1 + failures;
        cn_status status = cn_trainer_fit(trainer, 1, NULL, NULL);
        counter.fail_at = 0;
        if (status == CN_OK)
            break;
        ck_assert_int_eq(status, CN_ERR_MEMORY);
    }
    ck_assert_int_gt(failures, 10);
    ck_assert_int_eq(cn_trainer_epoch_count(trainer), 2);
    cn_trainer_free(trainer);
    toy_data_free(&data);
    cn_model_free(model);
    cn_context_free(ctx);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("freeze");
    const TTest *const single[] = {patterns_are_globs,
                                   tensors_and_layers_are_matched,
                                   what_matches_nothing_is_refused,
                                   parts_of_models_stay_frozen_and_files_do_not,
                                   a_model_that_is_all_frozen_stays,
                                   what_is_thawed_late_takes_a_first_step,
                                   threads_do_not_change_bits};
    const TTest *const by_kind[] = {training_leaves_what_is_frozen, what_is_thawed_trains_as_ever, callbacks_may_thaw};
    const TTest *const twice[] = {out_of_memory_leaves_the_trainer_as_it_was};
    test_add(suite, "freezing", single, sizeof single / sizeof *single, 1);
    test_add(suite, "optimizers", by_kind, sizeof by_kind / sizeof *by_kind, KINDS);
    test_add(suite, "memory", twice, sizeof twice / sizeof *twice, 2);
    return test_run(suite);
}
