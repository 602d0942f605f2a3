/* SPDX-License-Identifier: MIT */
/* test_model_renames.c: tensors of a file under other names than the model's, and reports of what became of each. */
#include "pieces.h"
#include <stdio.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

/* 1×4×4 → conv → batch norm → flatten → linear, the first two called after `trunk`. */
static cn_model *network(const char *trunk, const char *head, int classes, uint64_t seed) {
    char name[64];
    cn_model *model = model_for(1, 4, 4);
    cn_layer *layer;
    snprintf(name, sizeof name, "%s0", trunk);
    ck_ok(cn_model_append(model, name, conv(1, 2, 3)));
    snprintf(name, sizeof name, "%s1", trunk);
    ck_ok(cn_model_append(model, name, norm(CN_NORM_BATCH, 2)));
    ck_ok(cn_flatten_new(ctx, &layer));
    ck_ok(cn_model_append(model, "flatten", layer));
    ck_ok(cn_linear_new(ctx, 8, classes, 1, &layer));
    ck_ok(cn_model_append(model, head, layer));
    ck_ok(cn_model_init(model, seed));
    return model;
}

static cn_status load(cn_model *to, const cn_model *from, const cn_load_options *options) {
    cn_tensor *file;
    ck_ok(cn_model_save_memory(from, &file));
    cn_status status = cn_model_load_tensors_memory(to, cn_tensor_data(file), (size_t)cn_tensor_count(file), options);
    cn_tensor_free(file);
    return status;
}

/* Tensor i of both is the same. */
static bool same_at(cn_model *a, cn_model *b, int64_t i) {
    cn_tensor *of_a, *of_b;
    ck_ok(cn_model_tensor(a, cn_model_tensor_name(a, i), &of_a));
    ck_ok(cn_model_tensor(b, cn_model_tensor_name(b, i), &of_b));
    return cn_tensor_count(of_a) == cn_tensor_count(of_b) &&
           memcmp(cn_tensor_data(of_a), cn_tensor_data(of_b), (size_t)cn_tensor_count(of_a) * 4) == 0;
}

enum { CONV_WEIGHT, HEAD_WEIGHT = 7, TENSORS = 9 };

/* ---- renames ---- */

START_TEST(beginnings_are_exchanged) {
    static const char *const renames[][5] = {
        {"encoder.", "features.", "fc.", "head.", NULL},
        {"encoder.0", "features.0", "encoder.1", "features.1", NULL},
        {"encoder.0.", "features.0.", "encoder.", "features.", NULL}, /* the first that fits */
        {"encoder.", "features.", "nothing.", "features.0.", NULL},
    };
    cn_load_options options = CN_LOAD_OPTIONS_INIT;
    cn_model *from = network("encoder.", _i == 0 ? "fc" : "head", 3, 1), *to = network("features.", "head", 3, 2);
    options.renames = renames[_i];
    ck_ok(load(to, from, &options));
    for (int64_t i = 0; i < TENSORS; i++)
        ck_assert_msg(same_at(from, to, i), "%s", cn_model_tensor_name(to, i));
    cn_model_free(from);
    cn_model_free(to);
}
END_TEST

START_TEST(renames_go_with_prefixes) {
    static const char *const trunks[] = {"backbone.encoder.", "module.encoder."};
    static const char *const heads[] = {"backbone.fc", "module.fc"};
    static const char *const renames[] = {"encoder.", "features.", "fc", "head", NULL};
    for (int i = 0; i < 2; i++) {
        cn_load_options options = CN_LOAD_OPTIONS_INIT;
        cn_model *from = network(trunks[i], heads[i], 3, 1), *to = network("features.", "head", 3, 2);
        options.renames = renames;
        options.prefix = i == 0 ? "backbone." : NULL; /* a wrapper is found */
        ck_ok(load(to, from, &options));
        ck_assert(same_at(from, to, CONV_WEIGHT) && same_at(from, to, HEAD_WEIGHT));
        cn_model_free(from);
        cn_model_free(to);
    }
}
END_TEST

START_TEST(a_rename_may_take_away_or_add) {
    static const char *const add[] = {"", "features.", NULL}, *const take_away[] = {"features.", "", NULL};
    cn_load_options options = CN_LOAD_OPTIONS_INIT;
    cn_model *bare = network("", "fc", 3, 1), *longer = network("features.", "features.fc", 3, 2);
    options.renames = add;
    ck_ok(load(longer, bare, &options));
    ck_assert(same_at(bare, longer, CONV_WEIGHT) && same_at(bare, longer, HEAD_WEIGHT));
    ck_ok(cn_model_init(bare, 5));
    options.renames = take_away;
    ck_ok(load(bare, longer, &options));
    ck_assert(same_at(bare, longer, CONV_WEIGHT) && same_at(bare, longer, HEAD_WEIGHT));
    cn_model_free(bare);
    cn_model_free(longer);
}
END_TEST

START_TEST(renames_that_mean_nothing_are_refused) {
    static char endless[300];
    static const char *const wrong[] = {"encoder.", "feature.", NULL}, *const half[] = {"encoder.", NULL};
    static const char *const elsewhere[] = {"decoder.", "features.", NULL};
    const char *const too_long[] = {"encoder.", endless, NULL};
    memset(endless, 'x', sizeof endless - 1);
    cn_model *from = network("encoder.", "head", 3, 1), *to = network("features.", "head", 3, 2);
    cn_model *before = network("features.", "head", 3, 2);
    for (int strict = 0; strict < 2; strict++) {
        cn_load_options options = CN_LOAD_OPTIONS_INIT;
        options.strict = strict;
        options.renames = wrong;
        ck_fails(load(to, from, &options), CN_ERR_NOT_FOUND, "'encoder.' should be taken for 'feature.'");
        options.renames = half;
        ck_fails(load(to, from, &options), CN_ERR_ARGUMENT, "renames end with 'encoder.', wanted pairs");
        options.renames = too_long;
        ck_fails(load(to, from, &options), CN_ERR_ARGUMENT, "a rename has 299 bytes");
        options.renames = elsewhere;
        if (strict)
            ck_fails(load(to, from, &options), CN_ERR_NOT_FOUND, "no tensor 'decoder.0.weight'");
    }
    for (int64_t i = 0; i < TENSORS; i++)
        ck_assert(same_at(before, to, i));
    cn_model_free(before);
    cn_model_free(from);
    cn_model_free(to);
}
END_TEST

/* ---- reports ---- */

static char told[1000];

static void tell(void *user, cn_load_result result, const char *name, const char *message) {
    size_t used = strlen(told);
    ck_assert_ptr_eq(user, told);
    ck_assert_int_eq(message[0] == '\0', result == CN_LOAD_MATCHED);
    snprintf(told + used, sizeof told - used, "%c %s;", "=-~+"[result], name);
}

/* What does not fit is told with or without strictness, and only then does the call fail. */
START_TEST(each_tensor_is_reported) {
    static const char *const renames[] = {"features.0", "features.1", "encoder.", "features.", NULL};
    cn_load_options options = CN_LOAD_OPTIONS_INIT;
    cn_model *from = network("encoder.", "head", 3, 1), *to = network("features.", "head", 4, 2);
    options.renames = renames;
    options.report = tell;
    options.user = told;
    for (options.strict = 0; options.strict < 2; options.strict++) {
        told[0] = '\0';
        if (options.strict)
            ck_fails(load(to, from, &options), CN_ERR_NOT_FOUND, "it has no tensor 'features.0.weight'");
        else
            ck_ok(load(to, from, &options));
        ck_assert_str_eq(told, "= features.0.weight;= features.0.bias;- features.1.weight;- features.1.bias;"
                               "- features.1.running_mean;- features.1.running_var;- features.1.num_batches_tracked;"
                               "~ head.weight;~ head.bias;"
                               "+ encoder.1.bias;+ encoder.1.num_batches_tracked;+ encoder.1.running_mean;"
                               "+ encoder.1.running_var;+ encoder.1.weight;");
    }
    ck_assert(same_at(from, to, CONV_WEIGHT));
    cn_model_free(from);
    cn_model_free(to);
}
END_TEST

static void meddle(void *user, cn_load_result result, const char *name, const char *message) {
    cn_model *model;
    (void)result;
    (void)name;
    (void)message;
    ck_assert_int_ne(cn_model_new(user, 0, 1, 1, &model), CN_OK); /* leaves a message of its own */
}

START_TEST(reports_may_call_the_library) {
    cn_load_options options = CN_LOAD_OPTIONS_INIT;
    cn_model *from = network("encoder.", "head", 3, 1), *to = network("features.", "head", 3, 2);
    options.report = meddle;
    options.user = ctx;
    ck_fails(load(to, from, &options), CN_ERR_NOT_FOUND, "it has no tensor 'features.0.weight'");
    cn_model_free(from);
    cn_model_free(to);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("model renames");
    const TTest *const four[] = {beginnings_are_exchanged};
    const TTest *const single[] = {renames_go_with_prefixes, a_rename_may_take_away_or_add,
                                   renames_that_mean_nothing_are_refused, each_tensor_is_reported,
                                   reports_may_call_the_library};
    add_tests(suite, "lists", set_up, tear_down, four, COUNT(four), 4);
    add_tests(suite, "renames", set_up, tear_down, single, COUNT(single), 1);
    return test_run(suite);
}
