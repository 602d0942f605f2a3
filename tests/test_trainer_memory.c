/* SPDX-License-Identifier: MIT */
/* test_trainer_memory.c: what cn_trainer_memory says that a trainer will take is what it takes. */
#include "base/base.h"
#include "ranks.h"
#include "testing.h"
#include <sys/resource.h>

TEST_BOTH_LAYOUTS;

typedef struct wanted {
    const char *network;
    int batch, images, tested; /* tested 0: no test data */
    cn_optimizer_kind optimizer;
    int threads, accumulate;
    float ema, clip, mixup;
} wanted;

static const wanted all_wanted[] = {
    {.network = "session8", .batch = 16, .images = 40, .tested = 20, .threads = 1},
    {.network = "session8", .batch = 128, .images = 128, .tested = 130, .threads = 2, .optimizer = CN_OPTIMIZER_ADAM},
    {.network = "session8", .batch = 64, .images = 70, .threads = 2, .accumulate = 2, .ema = 0.9f, .clip = 1.0f},
    {.network = "resnet20", .batch = 48, .images = 60, .tested = 16, .threads = 2, .optimizer = CN_OPTIMIZER_MUON},
    {.network = "resnet20", .batch = 16, .images = 16, .threads = 3, .mixup = 0.5f, .optimizer = CN_OPTIMIZER_ADAMW},
    {.network = "mobilenet_v2", .batch = 8, .images = 10, .tested = 3, .threads = 2},
};

static cn_model *new_model(cn_context *ctx, const char *name) {
    cn_zoo_options options = CN_ZOO_OPTIONS_INIT;
    cn_model *model;
    options.classes = 10;
    options.height = options.width = 32;
    if (strcmp(name, "session8") == 0)
        ck_ok(cn_model_session8(ctx, NULL, &model));
    else
        ck_ok(cn_model_zoo(ctx, name, &options, &model));
    return model;
}

static cn_dataset *new_data(cn_context *ctx, int images) {
    cn_dataset *data = NULL;
    if (images > 0)
        ck_ok(cn_dataset_synthetic(ctx, CN_SPLIT_TRAIN, images, 1, &data));
    return data;
}

static void fill(const wanted *w, cn_trainer_options *options, cn_optimizer_options *optimizer) {
    *options = (cn_trainer_options)CN_TRAINER_OPTIONS_INIT;
    *optimizer = (cn_optimizer_options)CN_OPTIMIZER_OPTIONS_INIT;
    optimizer->kind = w->optimizer;
    options->optimizer = optimizer;
    options->batch_size = options->test_batch_size = w->batch;
    options->loss = strcmp(w->network, "session8") == 0 ? CN_LOSS_NLL : CN_LOSS_CROSS_ENTROPY;
    options->accumulate = w->accumulate ? w->accumulate : 1;
    options->ema_decay = w->ema;
    options->clip_norm = w->clip;
    options->mixup_alpha = w->mixup;
}

/* What it was told to take beyond what was in use, and what it took to train an epoch. */
typedef struct taken {
    size_t told, took;
} taken;

static taken train(const wanted *w, const cn_communicator *communicator) {
    cn_context *ctx = test_context(w->threads);
    cn_model *model = new_model(ctx, w->network);
    cn_dataset *data = new_data(ctx, w->images), *tested = new_data(ctx, w->tested);
    cn_optimizer_options optimizer;
    cn_trainer_options options;
    cn_trainer *trainer;
    taken t;
    fill(w, &options, &optimizer);
    options.communicator = communicator;
    size_t before = cn_context_memory(ctx);
    ck_ok(cn_trainer_memory(model, data, tested, &options, &t.told));
    ck_assert_uint_eq(cn_context_memory(ctx), before);
    ck_assert_uint_lt(cn_context_memory_peak(ctx), before + t.told);
    ck_ok(cn_trainer_new(model, data, tested, &options, &trainer));
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL));
    t.took = cn_context_memory_peak(ctx) - before;
    cn_trainer_free(trainer);
    cn_dataset_free(tested);
    cn_dataset_free(data);
    cn_model_free(model);
    cn_context_free(ctx);
    return t;
}

START_TEST(it_takes_what_was_told) {
    taken t = train(&all_wanted[_i], NULL);
    ck_assert_uint_gt(t.told, 0);
    ck_assert_msg(t.told == t.took, "%s: told %zu bytes, took %zu", all_wanted[_i].network, t.told, t.took);
}
END_TEST

static void train_as_rank(const cn_communicator *communicator, void *argument) {
    taken *of = argument;
    static const wanted shared = {
        .network = "session8", .batch = 64, .images = 100, .tested = 30, .threads = 1, .mixup = 0.2f};
    of[communicator->rank] = train(&shared, communicator);
}

/* What ranks ask each other, such as whether their options are the same, comes on top: some 16 KiB for each. */
START_TEST(so_does_a_rank) {
    taken of[RANKS_MOST] = {{0}};
    ranks all = {.count = 4};
    ranks_run(&all, train_as_rank, of);
    ck_assert_ptr_null(all.complaint);
    for (int rank = 0; rank < all.count; rank++) {
        ck_assert_uint_le(of[rank].told, of[rank].took);
        ck_assert_uint_le(of[rank].took, of[rank].told + of[rank].told / 50);
    }
}
END_TEST

/* Nothing is written to: not to what it would take, and not to the model. */
START_TEST(asking_takes_hardly_anything) {
    wanted w = {.network = "session8", .batch = 4096, .optimizer = CN_OPTIMIZER_ADAM};
    cn_context *ctx = test_context(2);
    cn_model *model = new_model(ctx, w.network);
    cn_dataset *data = new_data(ctx, 4096);
    cn_optimizer_options optimizer;
    cn_trainer_options options;
    size_t before = cn_context_memory(ctx), at_once, in_pieces;
    struct rusage used, then;
    fill(&w, &options, &optimizer);
    getrusage(RUSAGE_SELF, &used);
    ck_ok(cn_trainer_memory(model, data, NULL, &options, &at_once));
    getrusage(RUSAGE_SELF, &then);
    ck_assert_uint_eq(cn_context_memory(ctx), before);
    ck_assert_uint_lt(cn_context_memory_peak(ctx) - before, 4 << 20);
    ck_assert_int_lt(then.ru_maxrss - used.ru_maxrss, 16 << 10); /* KiB */
    ck_assert_int_eq(cn_model_class_count(model), 0);
    ck_assert_int_eq(cn_model_normalization(model, NULL, NULL), 0);
    options.batch_size = 128;
    options.accumulate = 32;
    ck_ok(cn_trainer_memory(model, data, NULL, &options, &in_pieces));
    ck_assert_uint_gt(at_once, 25 * in_pieces);
    cn_dataset_free(data);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

/* In the words of cn_trainer_new. */
START_TEST(what_cannot_be_trained_has_no_size) {
    cn_context *ctx = test_context(1);
    cn_model *model = new_model(ctx, "session8"), *fresh;
    cn_dataset *data = new_data(ctx, 16);
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    size_t bytes = 1;
    options.batch_size = 0;
    ck_fails(cn_trainer_memory(model, data, NULL, &options, &bytes), CN_ERR_ARGUMENT, "batch_size is 0");
    ck_assert_uint_eq(bytes, 0);
    options.batch_size = 16;
    options.loss = CN_LOSS_MSE;
    ck_fails(cn_trainer_memory(model, data, NULL, &options, &bytes), CN_ERR_ARGUMENT, "");
    ck_ok(cn_model_new(ctx, 3, 32, 32, &fresh));
    ck_fails(cn_trainer_memory(fresh, data, NULL, NULL, &bytes), CN_ERR_STATE, "cn_trainer_memory");
    cn_model_free(fresh);
    cn_dataset_free(data);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("trainer memory");
    TCase *told = tcase_create("told");
    tcase_add_loop_test(told, it_takes_what_was_told, 0, test_quick() ? 2 : (int)CN__COUNT(all_wanted));
    tcase_add_test(told, so_does_a_rank);
    tcase_add_test(told, asking_takes_hardly_anything);
    tcase_add_test(told, what_cannot_be_trained_has_no_size);
    suite_add_tcase(suite, told);
    return test_run(suite);
}
