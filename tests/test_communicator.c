/* SPDX-License-Identifier: MIT */
/* test_communicator.c: ranks that train one model together have the bits of one process, whatever their number; and what
 * happens when one of them brings along something else, fails, or falls silent. */
#include "numbers.h"
#include "ranks.h"
#include "scratch.h"
#include "testing.h"
#include "toys.h"
#include <stdlib.h>

TEST_BOTH_LAYOUTS;

enum { COUNT = 104, TEST_COUNT = 40, SIDE = 32, PIXELS = 3 * SIDE * SIDE, CLASSES = 10, ALL = -1 };

/* ---- data, of which only images that are asked for exist ---- */

typedef struct source {
    bool asked[COUNT];
    int64_t broken; /* index of an image that cannot be read; -1: none */
} source;

static int draw(void *user, int64_t index, uint8_t *pixels, int64_t *label) {
    source *s = user;
    s->asked[index] = true;
    for (uint32_t i = 0; i < PIXELS; i++)
        pixels[i] = (uint8_t)(numbers_hashed((uint32_t)index, i / 5) * 256.0f);
    *label = index * 7 % CLASSES;
    return index == s->broken;
}

static cn_dataset *new_data(cn_context *ctx, source *from, int64_t count, bool augmented) {
    cn_dataset_source description = CN_DATASET_SOURCE_INIT;
    cn_augmentation augmentation = CN_AUGMENTATION_CIFAR10;
    cn_dataset *data;
    description.count = count;
    description.classes = CLASSES;
    description.channels = 3;
    description.height = description.width = SIDE;
    description.fetch = draw;
    description.user = from;
    ck_ok(cn_dataset_callback(ctx, &description, &data));
    if (augmented)
        ck_ok(cn_dataset_set_augmentation(data, &augmentation));
    return data;
}

/* ---- one rank's training, or one process's ---- */

typedef struct recipe {
    const char *name, *network; /* "session8", "resnet20" */
    cn_norm_kind norm;
    cn_optimizer_kind optimizer;
    int batch, test_batch, accumulate;
    float ema, clip, mixup;
    int epochs, stop_after; /* batches; 0: not */
    int stop_rank;
    int changed_rank; /* brings along what `change` makes of it; ALL do */
    void (*change)(cn_trainer_options *options, cn_optimizer_options *optimizer, cn_model *model);
    int64_t broken;
    int broken_rank;
    const char *save, *resume; /* files of checkpoints: rank 0 writes one in the end, all begin with one; or NULL */
} recipe;

typedef struct outcome {
    cn_status made, status;
    char message[512];
    void *tensors;
    size_t bytes;
    cn_epoch_info last;
    int64_t epochs, batches;
    double evaluated;
    source train;
} outcome;

typedef struct job {
    const recipe *recipe;
    outcome outcomes[RANKS_MOST];
} job;

typedef struct callbacks {
    outcome *out;
    int stop_after;
} callbacks;

static int on_batch(void *user, const cn_batch_info *batch) {
    callbacks *c = user;
    c->out->batches++;
    ck_assert_double_eq(batch->loss, batch->loss);
    return c->stop_after && c->out->batches == c->stop_after;
}

/* ---- networks of layers that add up gradients each in its own way ---- */

static void append(cn_model *model, cn_layer *layer) {
    char name[32];
    snprintf(name, sizeof name, "%lld", (long long)cn_model_layer_count(model));
    ck_ok(cn_model_append(model, name, layer));
}
#define APPEND(call)                                                                                                   \
    do {                                                                                                               \
        ck_ok(call);                                                                                                   \
        append(model, layer);                                                                                          \
    } while (0)

static void append_convolution(cn_model *model, cn_context *ctx, int in, int out, int kernel, int stride, int groups) {
    cn_conv2d_options options = CN_CONV2D_OPTIONS_INIT;
    cn_layer *layer;
    options.stride[0] = options.stride[1] = stride;
    options.padding[0] = options.padding[1] = kernel / 2;
    options.groups = groups;
    APPEND(cn_conv2d_new(ctx, in, out, kernel, kernel, &options, &layer));
}

/* Strips of a pooled convolution, one depthwise, one transposed, norms, PReLU, products of matrices. */
static cn_model *many_layers(cn_context *ctx) {
    cn_model *model;
    cn_layer *layer;
    ck_ok(cn_model_new(ctx, 3, SIDE, SIDE, &model));
    append_convolution(model, ctx, 3, 8, 3, 2, 1);
    APPEND(cn_prelu_new(ctx, 8, &layer));
    APPEND(cn_norm_new(ctx, CN_NORM_BATCH, 8, NULL, &layer));
    append_convolution(model, ctx, 8, 16, 1, 1, 1);
    APPEND(cn_max_pool2d_new(ctx, 2, 2, NULL, &layer));
    APPEND(cn_layer_norm2d_new(ctx, 16, NULL, &layer));
    append_convolution(model, ctx, 16, 16, 3, 1, 16);
    APPEND(cn_prelu_new(ctx, 1, &layer));
    APPEND(cn_conv_transpose2d_new(ctx, 16, 16, 3, 3, NULL, &layer));
    APPEND(cn_norm_new(ctx, CN_NORM_INSTANCE, 16, NULL, &layer));
    APPEND(cn_flatten_new(ctx, &layer));
    APPEND(cn_linear_new(ctx, 1600, 32, 1, &layer));
    APPEND(cn_relu_new(ctx, &layer));
    APPEND(cn_linear_new(ctx, 32, CLASSES, 1, &layer));
    ck_ok(cn_model_init(model, 5));
    return model;
}

/* Weights whose sums are not kept for each leaf. */
static cn_model *many_weights(cn_context *ctx) {
    cn_model *model;
    cn_layer *layer;
    ck_ok(cn_model_new(ctx, 3, SIDE, SIDE, &model));
    append_convolution(model, ctx, 3, 16, 3, 2, 1);
    APPEND(cn_adaptive_avg_pool2d_new(ctx, 2, 2, &layer));
    append_convolution(model, ctx, 16, 1024, 1, 1, 1);
    APPEND(cn_relu_new(ctx, &layer));
    append_convolution(model, ctx, 1024, 1024, 1, 1, 1);
    APPEND(cn_adaptive_avg_pool2d_new(ctx, 1, 1, &layer));
    APPEND(cn_flatten_new(ctx, &layer));
    APPEND(cn_linear_new(ctx, 1024, CLASSES, 1, &layer));
    ck_ok(cn_model_init(model, 5));
    return model;
}

static cn_model *new_model(cn_context *ctx, const recipe *r) {
    cn_session8_options session = CN_SESSION8_OPTIONS_INIT;
    cn_zoo_options zoo = CN_ZOO_OPTIONS_INIT;
    cn_model *model;
    if (strcmp(r->network, "many layers") == 0)
        return many_layers(ctx);
    if (strcmp(r->network, "many weights") == 0)
        return many_weights(ctx);
    session.norm = r->norm;
    session.dropout = 0.1f;
    zoo.height = zoo.width = SIDE;
    zoo.classes = CLASSES;
    zoo.width_mult = 0.5f;
    if (strcmp(r->network, "session8") == 0)
        ck_ok(cn_model_session8(ctx, &session, &model));
    else
        ck_ok(cn_model_zoo(ctx, r->network, &zoo, &model));
    return model;
}

static void keep_message(outcome *out) {
    snprintf(out->message, sizeof out->message, "%s", cn_last_error());
}

static void keep_outcome(outcome *out, cn_model *model, const cn_trainer *trainer) {
    out->epochs = cn_trainer_epoch_count(trainer);
    out->last = (cn_epoch_info)CN_EPOCH_INFO_INIT;
    if (out->epochs > 0)
        ck_ok(cn_trainer_epoch_info(trainer, out->epochs - 1, &out->last));
    out->tensors = toy_tensors(model, &out->bytes);
}

static void evaluate(outcome *out, const cn_model *model, const cn_dataset *data, cn_loss_kind loss,
                     const cn_communicator *communicator) {
    cn_evaluation_options options = CN_EVALUATION_OPTIONS_INIT;
    cn_evaluation *evaluation;
    options.loss = loss;
    options.flip = 1;
    options.communicator = communicator;
    out->status = cn_evaluation_new(model, data, &options, &evaluation);
    keep_message(out);
    out->evaluated = cn_evaluation_loss(evaluation);
    cn_evaluation_free(evaluation);
}

static void train(const recipe *r, const cn_communicator *communicator, outcome *out) {
    int rank = communicator ? communicator->rank : 0;
    cn_context *ctx = test_context(communicator ? 1 : 2);
    source test_source = {.broken = -1};
    callbacks c = {out, rank == r->stop_rank ? r->stop_after : 0};
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    cn_optimizer_options optimizer = CN_OPTIMIZER_OPTIONS_INIT;
    cn_trainer *trainer;
    *out = (outcome){.train.broken = r->broken > 0 && rank == r->broken_rank ? r->broken : -1};
    cn_dataset *data = new_data(ctx, &out->train, COUNT, true), *test = new_data(ctx, &test_source, TEST_COUNT, false);
    cn_model *model = new_model(ctx, r);
    optimizer.kind = r->optimizer;
    optimizer.learning_rate = r->optimizer == CN_OPTIMIZER_ADAM ? 0.002f : 0.02f;
    options.loss = strcmp(r->network, "session8") == 0 ? CN_LOSS_NLL : CN_LOSS_CROSS_ENTROPY;
    options.batch_size = r->batch;
    options.test_batch_size = r->test_batch ? r->test_batch : 32;
    options.accumulate = r->accumulate ? r->accumulate : 1;
    options.ema_decay = r->ema;
    options.clip_norm = r->clip;
    options.mixup_alpha = options.cutmix_alpha = r->mixup;
    options.seed = 3;
    options.on_batch = on_batch;
    options.user = &c;
    options.optimizer = &optimizer;
    options.communicator = communicator;
    if (r->change && (rank == r->changed_rank || r->changed_rank == ALL))
        r->change(&options, &optimizer, model);
    out->made = cn_trainer_new(model, data, test, &options, &trainer);
    keep_message(out);
    memset(out->train.asked, 0, sizeof out->train.asked); /* all ranks look at a few images */
    if (out->made == CN_OK && r->resume)
        ck_ok(cn_trainer_resume(trainer, r->resume));
    if (out->made == CN_OK) {
        out->status = cn_trainer_fit(trainer, r->epochs ? r->epochs : 1, NULL, NULL);
        keep_message(out);
        keep_outcome(out, model, trainer);
        if (r->save && rank == 0)
            ck_ok(cn_trainer_save(trainer, r->save));
        if (out->status == CN_OK)
            evaluate(out, model, test, options.loss, communicator);
    }
    cn_trainer_free(trainer);
    cn_model_free(model);
    cn_dataset_free(test);
    cn_dataset_free(data);
    cn_context_free(ctx);
}

static void train_rank(const cn_communicator *communicator, void *argument) {
    job *j = argument;
    train(j->recipe, communicator, &j->outcomes[communicator->rank]);
}

static void run_ranks(const recipe *r, ranks *all, job *j) {
    *j = (job){.recipe = r};
    ranks_run(all, train_rank, j);
    ck_assert_msg(!all->complaint, "%s, %d ranks: %s", r->name, all->count, all->complaint);
}

static void free_outcomes(job *j) {
    for (int r = 0; r < RANKS_MOST; r++)
        free(j->outcomes[r].tensors);
}

/* ---- the same bits ---- */

static const recipe recipes[] = {
    {.name = "batch norm", .network = "session8", .norm = CN_NORM_BATCH, .batch = 64, .epochs = 2},
    {.name = "group norm, Adam, an average",
     .network = "session8",
     .norm = CN_NORM_GROUP,
     .batch = 64,
     .ema = 0.9f,
     .optimizer = CN_OPTIMIZER_ADAM},
    {.name = "three shares", .network = "session8", .norm = CN_NORM_BATCH, .batch = 48, .clip = 0.5f},
    {.name = "six blocks", .network = "session8", .norm = CN_NORM_GROUP, .batch = 96, .test_batch = 24},
    {.name = "layer norm, accumulated", .network = "session8", .norm = CN_NORM_LAYER, .batch = 32, .accumulate = 2},
    {.name = "mixed images", .network = "session8", .norm = CN_NORM_BATCH, .batch = 64, .mixup = 0.5f},
    {.name = "many layers", .network = "many layers", .batch = 48},
    {.name = "many weights", .network = "many weights", .batch = 64},
    {.name = "residual, Muon", .network = "resnet20", .batch = 64, .optimizer = CN_OPTIMIZER_MUON},
};

static void expect_same(const recipe *r, const outcome *one, const outcome *rank, int count) {
    ck_assert_msg(rank->made == CN_OK && rank->status == CN_OK, "%s, %d ranks: %s", r->name, count, rank->message);
    ck_assert_uint_eq(one->bytes, rank->bytes);
    ck_assert_msg(memcmp(one->tensors, rank->tensors, one->bytes) == 0, "%s, %d ranks: other bits", r->name, count);
    ck_assert_double_eq(one->last.train_loss, rank->last.train_loss);
    ck_assert_double_eq(one->last.train_accuracy, rank->last.train_accuracy);
    ck_assert_double_eq(one->last.test_loss, rank->last.test_loss);
    ck_assert_double_eq(one->last.test_accuracy, rank->last.test_accuracy);
    ck_assert_double_eq(one->evaluated, rank->evaluated);
    ck_assert_int_eq(one->batches, rank->batches);
}

START_TEST(ranks_train_to_the_bits_of_one_process) {
    const recipe *r = &recipes[_i];
    outcome one;
    train(r, NULL, &one);
    ck_assert_msg(one.status == CN_OK, "%s: %s", r->name, one.message);
    for (int count = 1; count <= RANKS_MOST; count++) {
        ranks all = {.count = count};
        job j;
        if ((r->batch / 16) % count != 0)
            continue;
        run_ranks(r, &all, &j);
        for (int rank = 0; rank < count; rank++)
            expect_same(r, &one, &j.outcomes[rank], count);
        ck_assert_int_eq(all.aborts, 0);
        free_outcomes(&j);
    }
    free(one.tensors);
}
END_TEST

static const recipe usual = {.name = "usual", .network = "session8", .norm = CN_NORM_BATCH, .batch = 64};

START_TEST(each_rank_asks_for_its_images_alone) {
    ranks all = {.count = 4};
    job j;
    run_ranks(&usual, &all, &j);
    for (int64_t i = 0; i < COUNT; i++) {
        int asked = 0;
        for (int rank = 0; rank < all.count; rank++)
            asked += j.outcomes[rank].train.asked[i];
        ck_assert_msg(asked == 1, "image %lld was asked for by %d ranks", (long long)i, asked);
    }
    free_outcomes(&j);
}
END_TEST

/* After one batch of the first of two epochs on two ranks. */
START_TEST(a_run_goes_on_with_any_number_of_ranks) {
    scratch files = scratch_new();
    recipe begun = usual, left = usual, whole = usual;
    ranks two = {.count = 2}, four = {.count = 4};
    job j;
    outcome one, gone_on;
    whole.epochs = left.epochs = 2;
    begun.stop_after = 1;
    begun.epochs = 2;
    begun.save = left.resume = scratch_path(&files, "checkpoint.safetensors");
    train(&whole, NULL, &one);
    run_ranks(&begun, &two, &j);
    free_outcomes(&j);
    train(&left, NULL, &gone_on);
    ck_assert_mem_eq(gone_on.tensors, one.tensors, one.bytes);
    run_ranks(&left, &four, &j);
    for (int rank = 0; rank < four.count; rank++)
        ck_assert_mem_eq(j.outcomes[rank].tensors, one.tensors, one.bytes);
    free_outcomes(&j);
    free(gone_on.tensors);
    free(one.tensors);
    scratch_free(&files);
}
END_TEST

static void use_local_statistics(cn_trainer_options *options, cn_optimizer_options *optimizer, cn_model *model) {
    (void)optimizer;
    (void)model;
    options->local_batch_norm = 1;
}

/* Of each rank by itself on request: other bits than one process, the same on all ranks. */
START_TEST(local_batch_norm_is_the_same_on_all_ranks) {
    recipe r = usual;
    ranks all = {.count = 2};
    job j;
    outcome one;
    train(&r, NULL, &one);
    r.change = use_local_statistics;
    r.changed_rank = ALL;
    r.epochs = 2;
    run_ranks(&r, &all, &j);
    ck_assert_msg(j.outcomes[0].status == CN_OK, "%s", j.outcomes[0].message);
    ck_assert_mem_eq(j.outcomes[0].tensors, j.outcomes[1].tensors, one.bytes);
    ck_assert_mem_ne(j.outcomes[0].tensors, one.tensors, one.bytes);
    free_outcomes(&j);
    free(one.tensors);
}
END_TEST

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
    {other_batch, CN_ERR_STATE, "rank 1: batch_size is 32, on rank 0 it is 64"},
    {other_seed, CN_ERR_STATE, "rank 1: seed is 4, on rank 0 it is 3"},
    {other_momentum, CN_ERR_STATE, "rank 1: optimizer: momentum is 0.5, on rank 0 it is 0.89"},
    {other_weights, CN_ERR_STATE, "rank 1: model: weights is checksum "},
    {bad_option, CN_ERR_ARGUMENT, "rank 1: cn_trainer_options: l1 is -1"},
};

START_TEST(what_differs_is_named_on_all_ranks) {
    recipe r = usual;
    ranks all = {.count = 2};
    job j;
    r.change = refused[_i].change;
    r.changed_rank = 1;
    run_ranks(&r, &all, &j);
    for (int rank = 0; rank < all.count; rank++) {
        ck_assert_int_eq(j.outcomes[rank].made, refused[_i].status);
        ck_assert_msg(strstr(j.outcomes[rank].message, refused[_i].message), "rank %d: %s", rank,
                      j.outcomes[rank].message);
    }
    ck_assert_int_eq(all.aborts, 0);
    free_outcomes(&j);
}
END_TEST

START_TEST(numbers_of_ranks_that_go_are_named) {
    ranks all = {.count = 3};
    job j;
    run_ranks(&usual, &all, &j);
    ck_assert_int_eq(j.outcomes[0].made, CN_ERR_ARGUMENT);
    ck_assert_msg(
        strstr(j.outcomes[0].message, "3 ranks cannot share batches of 64 images, which are 4 blocks of 16") &&
            strstr(j.outcomes[0].message, ": 1, 2, 4"),
        "%s", j.outcomes[0].message);
    free_outcomes(&j);
}
END_TEST

/* ---- what goes wrong ---- */

START_TEST(a_rank_that_stops_stops_all) {
    recipe r = usual;
    ranks all = {.count = 2};
    job j;
    r.stop_rank = 1;
    r.stop_after = _i + 1; /* the first batch of two, or the last */
    run_ranks(&r, &all, &j);
    for (int rank = 0; rank < all.count; rank++) {
        ck_assert_msg(j.outcomes[rank].status == CN_OK, "%s", j.outcomes[rank].message);
        ck_assert_int_eq(j.outcomes[rank].batches, r.stop_after);
        ck_assert_int_eq(j.outcomes[rank].epochs, 0);
    }
    ck_assert_mem_eq(j.outcomes[0].tensors, j.outcomes[1].tensors, j.outcomes[0].bytes);
    free_outcomes(&j);
}
END_TEST

START_TEST(an_image_that_cannot_be_read_ends_training_everywhere) {
    recipe r = usual;
    ranks all = {.count = 2};
    job j;
    r.broken = 17;
    for (r.broken_rank = 0; r.broken_rank < 2; r.broken_rank++) {
        run_ranks(&r, &all, &j);
        bool met = j.outcomes[0].status != CN_OK; /* the rank that has it in this order */
        for (int rank = 0; rank < all.count; rank++) {
            ck_assert_int_eq(j.outcomes[rank].status, met ? CN_ERR_IO : CN_OK);
            ck_assert_str_eq(j.outcomes[rank].message, j.outcomes[0].message);
        }
        char wanted[32];
        snprintf(wanted, sizeof wanted, "rank %d: ", r.broken_rank);
        ck_assert(!met || strstr(j.outcomes[0].message, wanted));
        ck_assert_mem_eq(j.outcomes[0].tensors, j.outcomes[1].tensors, j.outcomes[0].bytes);
        ck_assert_int_eq(all.aborts, 0);
        free_outcomes(&j);
    }
}
END_TEST

static void too_fast(cn_trainer_options *options, cn_optimizer_options *optimizer, cn_model *model) {
    (void)options;
    (void)model;
    optimizer->learning_rate = 1e30f;
}

/* As of one process: the same status and message, up to the rank's name. */
START_TEST(a_loss_that_is_not_finite_ends_training_everywhere) {
    recipe r = usual;
    ranks all = {.count = 2};
    job j;
    outcome one;
    r.change = too_fast;
    r.changed_rank = ALL;
    train(&r, NULL, &one);
    run_ranks(&r, &all, &j);
    ck_assert_int_eq(one.status, CN_ERR_NUMERIC);
    for (int rank = 0; rank < all.count; rank++) {
        ck_assert_int_eq(j.outcomes[rank].status, CN_ERR_NUMERIC);
        ck_assert_str_eq(j.outcomes[rank].message, one.message);
        ck_assert_mem_eq(j.outcomes[rank].tensors, one.tensors, one.bytes);
    }
    ck_assert_int_eq(all.aborts, 0);
    free_outcomes(&j);
    free(one.tensors);
}
END_TEST

/* Calls of one rank in a whole run, of which each is made to fail, or to be the last that is heard of it. */
START_TEST(a_call_that_fails_ends_training_everywhere) {
    recipe r = usual;
    ranks all = {.count = 2};
    job j;
    run_ranks(&r, &all, &j);
    int calls = all.calls[1], step = test_quick() ? calls / 2 : calls / 4;
    free_outcomes(&j);
    for (int at = 1; at <= calls; at += step) {
        ranks faulty = {.count = 2, .fault = {.rank = 1, .fail_at = at}};
        run_ranks(&r, &faulty, &j);
        for (int rank = 0; rank < 2; rank++) {
            const outcome *out = &j.outcomes[rank];
            cn_status status = out->made != CN_OK ? out->made : out->status;
            ck_assert_msg(status == CN_ERR_COMMUNICATION || faulty.calls[1] < at, "call %d, rank %d: %s", at, rank,
                          cn_status_string(status));
        }
        ck_assert(faulty.aborts >= 1 || faulty.calls[1] < at); /* it may have asked less often this time */
        free_outcomes(&j);
    }
}
END_TEST

START_TEST(a_rank_that_falls_silent_is_not_waited_for_for_ever) {
    recipe r = usual;
    ranks faulty = {.count = 2, .timeout = 0.4, .fault = {.rank = 1, .silent_at = _i ? 40 : 1}};
    job j;
    run_ranks(&r, &faulty, &j);
    for (int rank = 0; rank < 2; rank++) {
        const outcome *out = &j.outcomes[rank];
        ck_assert_int_eq(out->made != CN_OK ? out->made : out->status, CN_ERR_COMMUNICATION);
    }
    ck_assert_msg(strstr(j.outcomes[0].message, "another rank has not answered for 0.4 seconds") ||
                      strstr(j.outcomes[1].message, "another rank has not answered for 0.4 seconds"),
                  "%s", j.outcomes[0].message);
    free_outcomes(&j);
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

#define COUNT_OF(array) ((int)(sizeof(array) / sizeof *(array)))

int main(void) {
    Suite *suite = suite_create("communicators");
    TCase *bits = tcase_create("bits"), *refusals = tcase_create("refusals"), *faults = tcase_create("faults");
    tcase_add_loop_test(bits, ranks_train_to_the_bits_of_one_process, 0, COUNT_OF(recipes));
    tcase_add_test(bits, each_rank_asks_for_its_images_alone);
    tcase_add_test(bits, a_run_goes_on_with_any_number_of_ranks);
    tcase_add_test(bits, local_batch_norm_is_the_same_on_all_ranks);
    tcase_add_loop_test(refusals, what_differs_is_named_on_all_ranks, 0, COUNT_OF(refused));
    tcase_add_test(refusals, numbers_of_ranks_that_go_are_named);
    tcase_add_test(refusals, what_a_communicator_lacks_is_named);
    tcase_add_loop_test(faults, a_rank_that_stops_stops_all, 0, 2);
    tcase_add_test(faults, an_image_that_cannot_be_read_ends_training_everywhere);
    tcase_add_test(faults, a_loss_that_is_not_finite_ends_training_everywhere);
    tcase_add_test(faults, a_call_that_fails_ends_training_everywhere);
    tcase_add_loop_test(faults, a_rank_that_falls_silent_is_not_waited_for_for_ever, 0, 2);
    suite_add_tcase(suite, bits);
    suite_add_tcase(suite, refusals);
    suite_add_tcase(suite, faults);
    return test_run(suite);
}
