/* SPDX-License-Identifier: MIT */
/* test_communicator_faults.c: what happens when one of several ranks brings along something else, stops, fails or falls
 * silent. */
#include "base/types.h"
#include "joint_training.h"
#include "toys.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TEST_RUNS_ONCE;

/* ---- what does not belong together ---- */

static void other_batch(cn_trainer_options *options, cn_optimizer_options *optimizer, cn_model *model) {
    (void)optimizer;
    (void)model;
    options->batch_size = 32;
}

static void other_seed(cn_trainer_options *options, cn_optimizer_options *optimizer, cn_model *model) {
    (void)optimizer;
    (void)model;
    options->seed = 4;
}

static void other_momentum(cn_trainer_options *options, cn_optimizer_options *optimizer, cn_model *model) {
    (void)options;
    (void)model;
    optimizer->momentum = 0.5f;
}

static void other_weights(cn_trainer_options *options, cn_optimizer_options *optimizer, cn_model *model) {
    (void)options;
    (void)optimizer;
    ck_ok(cn_model_init(model, 99));
}

static void other_class_weights(cn_trainer_options *options, cn_optimizer_options *optimizer, cn_model *model) {
    static const float weights[10] = {1, 2, 1, 1, 1, 1, 1, 1, 1, 1};
    static cn_loss_options loss = CN_LOSS_OPTIONS_INIT;
    static const cn_loss_options *const losses[] = {&loss};
    (void)optimizer;
    (void)model;
    loss.kind = CN_LOSS_NLL;
    loss.outputs = 10;
    loss.class_weights = weights;
    options->loss_count = 1;
    options->losses = losses;
}

static void bad_option(cn_trainer_options *options, cn_optimizer_options *optimizer, cn_model *model) {
    (void)optimizer;
    (void)model;
    options->l1 = -1.0f;
}

static const struct {
    void (*change)(cn_trainer_options *options, cn_optimizer_options *optimizer, cn_model *model);
    cn_status status;
    const char *message;
} refused[] = {
    {other_batch, CN_ERR_STATE, "rank 1: trainer.batch_size is 32, on rank 0 it is 64"},
    {other_seed, CN_ERR_STATE, "rank 1: seed is 4, on rank 0 it is 3"},
    {other_momentum, CN_ERR_STATE, "rank 1: optimizer.momentum is 0.5, on rank 0 it is 0.9"},
    {other_weights, CN_ERR_STATE, "rank 1: model: weights is checksum "},
    {other_class_weights, CN_ERR_STATE, "class_weights"},
    {bad_option, CN_ERR_ARGUMENT, "rank 1: cn_trainer_options: l1 is -1"},
};

START_TEST(what_differs_is_named_on_all_ranks) {
    joint_recipe r = joint_usual;
    ranks all = {.count = 2};
    joint_job j;
    r.change = refused[_i].change;
    r.changed_rank = 1;
    joint_run(&r, &all, &j);
    for (int rank = 0; rank < all.count; rank++) {
        ck_assert_int_eq(j.outcomes[rank].made, refused[_i].status);
        ck_assert_msg(strstr(j.outcomes[rank].message, refused[_i].message), "rank %d: %s", rank,
                      j.outcomes[rank].message);
    }
    ck_assert_int_eq(all.aborts, 0);
    joint_free(&j);
}
END_TEST

START_TEST(numbers_of_ranks_that_go_are_named) {
    ranks all = {.count = 3};
    joint_job j;
    joint_run(&joint_usual, &all, &j);
    ck_assert_int_eq(j.outcomes[0].made, CN_ERR_ARGUMENT);
    ck_assert_msg(
        strstr(j.outcomes[0].message, "3 ranks cannot share batches of 64 images, which are 4 blocks of 16") &&
            strstr(j.outcomes[0].message, ": 1, 2, 4"),
        "%s", j.outcomes[0].message);
    joint_free(&j);
}
END_TEST

/* ---- what goes wrong ---- */

START_TEST(a_rank_that_stops_stops_all) {
    joint_recipe r = joint_usual;
    ranks all = {.count = 2};
    joint_job j;
    r.stop_rank = 1;
    r.stop_after = _i + 1; /* the first batch of two, or the last */
    joint_run(&r, &all, &j);
    for (int rank = 0; rank < all.count; rank++) {
        ck_assert_msg(j.outcomes[rank].status == CN_OK, "%s", j.outcomes[rank].message);
        ck_assert_int_eq(j.outcomes[rank].batches, r.stop_after);
        ck_assert_int_eq(j.outcomes[rank].epochs, 0);
    }
    ck_assert_mem_eq(j.outcomes[0].tensors, j.outcomes[1].tensors, j.outcomes[0].bytes);
    joint_free(&j);
}
END_TEST

START_TEST(an_image_that_cannot_be_read_ends_training_everywhere) {
    joint_recipe r = joint_usual;
    ranks all = {.count = 2};
    joint_job j;
    int times_met = 0; /* by the rank that has it in this order */
    r.broken = 17;
    for (r.broken_rank = 0; r.broken_rank < 2; r.broken_rank++) {
        joint_run(&r, &all, &j);
        bool met = j.outcomes[0].status != CN_OK;
        times_met += met;
        for (int rank = 0; rank < all.count; rank++) {
            ck_assert_int_eq(j.outcomes[rank].made, CN_OK);
            ck_assert_int_eq(j.outcomes[rank].status, met ? CN_ERR_IO : CN_OK);
            ck_assert_str_eq(j.outcomes[rank].message, j.outcomes[0].message);
        }
        char wanted[32];
        snprintf(wanted, sizeof wanted, "rank %d: ", r.broken_rank);
        ck_assert(!met || strstr(j.outcomes[0].message, wanted));
        ck_assert_mem_eq(j.outcomes[0].tensors, j.outcomes[1].tensors, j.outcomes[0].bytes);
        ck_assert_int_eq(all.aborts, 0);
        joint_free(&j);
    }
    ck_assert_int_eq(times_met, 1);
}
END_TEST

/* The stop of one fit is none of the next. */
START_TEST(what_fails_after_a_stop_is_told) {
    joint_recipe r = joint_usual;
    ranks all = {.count = 2};
    joint_job j;
    r.stop_after = 1;
    r.fails_later = true;
    r.broken_rank = 1;
    joint_run(&r, &all, &j);
    for (int rank = 0; rank < all.count; rank++) {
        ck_assert_int_eq(j.outcomes[rank].status, CN_ERR_IO);
        ck_assert_ptr_nonnull(strstr(j.outcomes[rank].message, "rank 1: "));
        ck_assert_int_eq(j.outcomes[rank].batches, 1);
    }
    joint_free(&j);
}
END_TEST

static void too_fast(cn_trainer_options *options, cn_optimizer_options *optimizer, cn_model *model) {
    (void)options;
    (void)model;
    optimizer->learning_rate = 1e30f;
}

/* As of one process: the same status and message, up to the rank's name. */
START_TEST(a_loss_that_is_not_finite_ends_training_everywhere) {
    joint_recipe r = joint_usual;
    ranks all = {.count = 2};
    joint_job j;
    joint_outcome one;
    r.change = too_fast;
    r.changed_rank = JOINT_ALL;
    joint_train(&r, NULL, &one);
    joint_run(&r, &all, &j);
    ck_assert_int_eq(one.status, CN_ERR_NUMERIC);
    for (int rank = 0; rank < all.count; rank++) {
        ck_assert_int_eq(j.outcomes[rank].status, CN_ERR_NUMERIC);
        ck_assert_str_eq(j.outcomes[rank].message, one.message);
        ck_assert_mem_eq(j.outcomes[rank].tensors, one.tensors, one.bytes);
    }
    ck_assert_int_eq(all.aborts, 0);
    joint_free(&j);
    free(one.tensors);
}
END_TEST

/* Calls of one rank in a whole run, of which some are made to fail, or each. */
START_TEST(a_call_that_fails_ends_training_everywhere) {
    joint_recipe r = joint_usual;
    ranks all = {.count = 2};
    joint_job j;
    joint_run(&r, &all, &j);
    int calls = all.calls[1], step = test_quick() ? calls / 2 : test_whole() ? 1 : calls / 4;
    joint_free(&j);
    for (int at = 1; at <= calls; at += step) {
        ranks faulty = {.count = 2, .fault = {.rank = 1, .fail_at = at}};
        joint_run(&r, &faulty, &j);
        for (int rank = 0; rank < 2; rank++) {
            const joint_outcome *out = &j.outcomes[rank];
            cn_status status = out->made != CN_OK ? out->made : out->status;
            ck_assert_msg(status == CN_ERR_COMMUNICATION || faulty.calls[1] < at, "call %d, rank %d: %s", at, rank,
                          cn_status_string(status));
        }
        ck_assert(faulty.aborts >= 1 || faulty.calls[1] < at); /* it may have asked less often this time */
        joint_free(&j);
    }
}
END_TEST

START_TEST(a_rank_that_falls_silent_is_not_waited_for_for_ever) {
    joint_recipe r = joint_usual;
    ranks faulty = {.count = 2, .timeout = 0.4, .fault = {.rank = 1, .silent_at = _i ? 40 : 1}};
    joint_job j;
    joint_run(&r, &faulty, &j);
    for (int rank = 0; rank < 2; rank++) {
        const joint_outcome *out = &j.outcomes[rank];
        ck_assert_int_eq(out->made != CN_OK ? out->made : out->status, CN_ERR_COMMUNICATION);
    }
    ck_assert_msg(strstr(j.outcomes[0].message, "another rank has not answered for 0.4 seconds") ||
                      strstr(j.outcomes[1].message, "another rank has not answered for 0.4 seconds"),
                  "%s", j.outcomes[0].message);
    joint_free(&j);
}
END_TEST

/* ---- searches for a rate ---- */

static const struct {
    int other; /* steps that rank 1 wants */
    cn_status status;
    const char *message;
} searches[] = {
    {21, CN_ERR_STATE, "cn_trainer_find_rate: ranks search at other rates, or for other numbers of steps"},
    {9, CN_ERR_ARGUMENT, "rank 1: cn_rate_search: 9 steps, wanted 10 to 100000"},
};

/* And the trainer is none the worse. */
START_TEST(another_search_is_refused_on_all_ranks) {
    joint_recipe r = joint_usual;
    ranks all = {.count = 2};
    joint_job j;
    joint_outcome one;
    joint_train(&r, NULL, &one);
    r.search = 20;
    r.other_search = searches[_i].other;
    r.changed_rank = 1;
    joint_run(&r, &all, &j);
    for (int rank = 0; rank < all.count; rank++) {
        ck_assert_int_eq(j.outcomes[rank].search_status, searches[_i].status);
        ck_assert_msg(strstr(j.outcomes[rank].search_message, searches[_i].message), "rank %d: %s", rank,
                      j.outcomes[rank].search_message);
        ck_assert_int_eq(j.outcomes[rank].status, CN_OK);
        ck_assert_mem_eq(j.outcomes[rank].tensors, one.tensors, one.bytes);
    }
    ck_assert_int_eq(all.aborts, 0);
    joint_free(&j);
    free(one.tensors);
}
END_TEST

/* After the same step, whichever rank asked for it, and everything is put back. */
START_TEST(a_rank_that_stops_a_search_stops_all) {
    joint_recipe r = joint_usual;
    ranks all = {.count = 2};
    joint_job j;
    r.search = 20;
    r.stop_rank = 1;
    r.stop_after = 5;
    joint_run(&r, &all, &j);
    for (int rank = 0; rank < all.count; rank++) {
        ck_assert_msg(j.outcomes[rank].search_status == CN_OK, "%s", j.outcomes[rank].search_message);
        ck_assert_int_eq(j.outcomes[rank].steps, 5);
        ck_assert(!j.outcomes[rank].trace);
    }
    ck_assert_int_eq(all.aborts, 0);
    joint_free(&j);
}
END_TEST

START_TEST(an_image_that_cannot_be_read_ends_a_search_everywhere) {
    joint_recipe r = joint_usual;
    ranks all = {.count = 2};
    joint_job j;
    r.search = 20;
    r.broken = 17;
    r.broken_rank = 1;
    joint_run(&r, &all, &j);
    for (int rank = 0; rank < all.count; rank++) {
        ck_assert_int_eq(j.outcomes[rank].search_status, CN_ERR_IO);
        ck_assert_msg(strstr(j.outcomes[rank].search_message, "rank 1: "), "%s", j.outcomes[rank].search_message);
        ck_assert(!j.outcomes[rank].trace);
    }
    ck_assert_int_eq(all.aborts, 0);
    joint_free(&j);
}
END_TEST

/* ---- layers of one's own, whose functions may fail on one rank alone ---- */

typedef struct own_job {
    bool forward; /* which of them */
    cn_status status[RANKS_MOST];
    char message[RANKS_MOST][256];
} own_job;

typedef struct own_user {
    const own_job *job;
    int rank;
} own_user;

static cn_status own_outcome(const cn_layer_pass *pass, bool forward) {
    const own_user *user = pass->user;
    return pass->training && user->rank == 1 && user->job->forward == forward ? CN_ERR_DATA : CN_OK;
}

static cn_status own_forward(const cn_layer_pass *pass) {
    memcpy(pass->output, pass->inputs[0],
           (size_t)(pass->images * pass->output_shape[0]) * TOY_PIXELS * sizeof *pass->output);
    return own_outcome(pass, true);
}

static cn_status own_backward(const cn_layer_pass *pass) {
    memcpy(pass->grad_inputs[0], pass->grad_output,
           (size_t)(pass->images * pass->output_shape[0]) * TOY_PIXELS * sizeof *pass->grad_output);
    return own_outcome(pass, false);
}

static cn_model *own_model(cn_context *ctx, own_user *user) {
    cn_layer_definition definition = CN_LAYER_DEFINITION_INIT;
    cn_model *model;
    cn_layer *layer;
    definition.type = "test.Same";
    definition.forward = own_forward;
    definition.backward = own_backward;
    definition.user = user;
    ck_ok(cn_context_register_layer(ctx, &definition));
    ck_ok(cn_model_new(ctx, 1, TOY_SIDE, TOY_SIDE, &model));
    ck_ok(cn_norm_new(ctx, CN_NORM_BATCH, 1, NULL, &layer));
    ck_ok(cn_model_append(model, "norm", layer));
    ck_ok(cn_custom_layer_new(ctx, "test.Same", NULL, &layer));
    ck_ok(cn_model_append(model, "own", layer));
    ck_ok(cn_flatten_new(ctx, &layer));
    ck_ok(cn_model_append(model, "flatten", layer));
    ck_ok(cn_linear_new(ctx, TOY_PIXELS, TOY_CLASSES, 1, &layer));
    ck_ok(cn_model_append(model, "fc", layer));
    ck_ok(cn_model_init(model, 3));
    return model;
}

static void train_own(const cn_communicator *communicator, void *argument) {
    own_job *j = argument;
    int rank = communicator->rank;
    own_user user = {j, rank};
    cn_context *ctx = test_context(1);
    cn_model *model = own_model(ctx, &user);
    toy_data data = toy_data_new(ctx, 64, 1);
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    cn_trainer *trainer;
    size_t bytes;
    options.loss = CN_LOSS_CROSS_ENTROPY;
    options.communicator = communicator;
    ck_ok(cn_trainer_new(model, data.set, NULL, &options, &trainer));
    void *before = toy_tensors(model, &bytes);
    j->status[rank] = cn_trainer_fit(trainer, 1, NULL, NULL);
    snprintf(j->message[rank], sizeof j->message[rank], "%s", cn_last_error());
    void *after = toy_tensors(model, &bytes);
    ck_assert_mem_eq(before, after, bytes);
    free(before);
    free(after);
    cn_trainer_free(trainer);
    toy_data_free(&data);
    cn_model_free(model);
    cn_context_free(ctx);
}

START_TEST(an_own_layer_that_fails_ends_training_everywhere) {
    own_job j = {.forward = _i == 1};
    ranks all = {.count = 2};
    ranks_run(&all, train_own, &j);
    ck_assert_ptr_null(all.complaint);
    for (int rank = 0; rank < all.count; rank++) {
        ck_assert_int_eq(j.status[rank], CN_ERR_DATA);
        ck_assert_msg(strstr(j.message[rank], "rank 1: ") && strstr(j.message[rank], "test.Same"), "%s",
                      j.message[rank]);
    }
}
END_TEST

/* ---- communicators that are none ---- */

START_TEST(what_a_communicator_lacks_is_named) {
    cn_context *ctx = test_context(1);
    cn_model *model = toy_model(ctx, CN_NORM_BATCH, 0.0f);
    toy_data data = toy_data_new(ctx, 32, 1);
    cn_communicator communicator = CN_COMMUNICATOR_INIT;
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    cn_trainer *trainer;
    options.communicator = &communicator;
    ck_fails(cn_trainer_new(model, data.set, NULL, &options, &trainer), CN_ERR_ARGUMENT, "all_gather");
    communicator.rank = 1;
    ck_fails(cn_trainer_new(model, data.set, NULL, &options, &trainer), CN_ERR_ARGUMENT, "rank is 1 of 1");
    communicator.ranks = 0;
    ck_fails(cn_trainer_new(model, data.set, NULL, &options, &trainer), CN_ERR_ARGUMENT, "ranks is 0");
    cn_model_free(model);
    toy_data_free(&data);
    cn_context_free(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("faults of communicators");
    TCase *refusals = tcase_create("refusals"), *faults = tcase_create("faults");
    tcase_add_loop_test(refusals, what_differs_is_named_on_all_ranks, 0, (int)CN__COUNT(refused));
    tcase_add_test(refusals, numbers_of_ranks_that_go_are_named);
    tcase_add_test(refusals, what_a_communicator_lacks_is_named);
    tcase_add_loop_test(refusals, another_search_is_refused_on_all_ranks, 0, (int)CN__COUNT(searches));
    tcase_add_test(faults, a_rank_that_stops_a_search_stops_all);
    tcase_add_test(faults, an_image_that_cannot_be_read_ends_a_search_everywhere);
    tcase_add_loop_test(faults, a_rank_that_stops_stops_all, 0, 2);
    tcase_add_test(faults, an_image_that_cannot_be_read_ends_training_everywhere);
    tcase_add_test(faults, what_fails_after_a_stop_is_told);
    tcase_add_test(faults, a_loss_that_is_not_finite_ends_training_everywhere);
    tcase_add_loop_test(faults, an_own_layer_that_fails_ends_training_everywhere, 0, 2);
    tcase_add_test(faults, a_call_that_fails_ends_training_everywhere);
    tcase_add_loop_test(faults, a_rank_that_falls_silent_is_not_waited_for_for_ever, 0, 2);
    suite_add_tcase(suite, refusals);
    suite_add_tcase(suite, faults);
    return test_run(suite);
}
