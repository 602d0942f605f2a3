/* SPDX-License-Identifier: MIT */
/* joint_training.c: see joint_training.h. */
#include "joint_training.h"
#include "numbers.h"
#include "toys.h"
#include <stdlib.h>

enum { TEST_COUNT = 40, SIDE = 32, PIXELS = 3 * SIDE * SIDE, CLASSES = 10 };

const joint_recipe joint_usual = {.name = "usual", .network = "session8", .norm = CN_NORM_BATCH, .batch = 64};

/* ---- data, of which only images that are asked for exist ---- */

static int draw(void *user, int64_t index, uint8_t *pixels, int64_t *label) {
    joint_source *s = user;
    s->asked[index] = true;
    for (uint32_t i = 0; i < PIXELS; i++)
        pixels[i] = (uint8_t)(numbers_hashed((uint32_t)index, i / 5) * 256.0f);
    *label = index * 7 % CLASSES;
    return index == s->broken || s->broken == JOINT_EVERY_IMAGE;
}

static cn_dataset *new_data(cn_context *ctx, joint_source *from, int64_t count, bool augmented) {
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

typedef struct callbacks {
    joint_outcome *out;
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

static cn_model *new_model(cn_context *ctx, const joint_recipe *r) {
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

static void keep_message(joint_outcome *out) {
    snprintf(out->message, sizeof out->message, "%s", cn_last_error());
}

static void keep_outcome(joint_outcome *out, cn_model *model, const cn_trainer *trainer) {
    out->epochs = cn_trainer_epoch_count(trainer);
    out->last = (cn_epoch_info)CN_EPOCH_INFO_INIT;
    if (out->epochs > 0)
        ck_ok(cn_trainer_epoch_info(trainer, out->epochs - 1, &out->last));
    out->tensors = toy_tensors(model, &out->bytes);
}

static void evaluate(joint_outcome *out, const cn_model *model, const cn_dataset *data, cn_loss_kind loss,
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

/* To a last rate at which the loss has grown. */
static void search(int steps, cn_trainer *trainer, cn_model *model, joint_outcome *out) {
    cn_rate_search search = CN_RATE_SEARCH_INIT;
    cn_rate_curve *curve;
    size_t bytes;
    void *before = toy_tensors(model, &bytes);
    search.steps = steps;
    out->search_status = cn_trainer_find_rate(trainer, &search, &out->rate, &curve);
    snprintf(out->search_message, sizeof out->search_message, "%s", cn_last_error());
    out->steps = cn_rate_curve_count(curve);
    for (int64_t i = 0; i < out->steps; i++) {
        cn_rate_point point = CN_RATE_POINT_INIT;
        ck_ok(cn_rate_curve_point(curve, i, &point));
        out->losses[i] = point.loss;
    }
    void *after = toy_tensors(model, &bytes);
    out->trace = memcmp(before, after, bytes) != 0;
    out->batches = 0;
    cn_rate_curve_free(curve);
    free(after);
    free(before);
}

void joint_train(const joint_recipe *r, const cn_communicator *communicator, joint_outcome *out) {
    int rank = communicator ? communicator->rank : 0;
    cn_context *ctx = test_context(communicator ? 1 : 2);
    joint_source test_source = {.broken = -1};
    callbacks c = {out, rank == r->stop_rank ? r->stop_after : 0};
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    cn_optimizer_options optimizer = CN_OPTIMIZER_OPTIONS_INIT;
    cn_trainer *trainer;
    *out = (joint_outcome){.train.broken = r->broken > 0 && rank == r->broken_rank ? r->broken : -1};
    cn_dataset *data = new_data(ctx, &out->train, JOINT_COUNT, true),
               *test = new_data(ctx, &test_source, TEST_COUNT, false);
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
    if (r->change && (rank == r->changed_rank || r->changed_rank == JOINT_ALL))
        r->change(&options, &optimizer, model);
    out->made = cn_trainer_new(model, data, test, &options, &trainer);
    keep_message(out);
    memset(out->train.asked, 0, sizeof out->train.asked); /* all ranks look at a few images */
    if (out->made == CN_OK && r->resume)
        ck_ok(cn_trainer_resume(trainer, r->resume));
    if (out->made == CN_OK && r->search)
        search(r->other_search && rank == r->changed_rank ? r->other_search : r->search, trainer, model, out);
    if (out->made == CN_OK) {
        out->status = cn_trainer_fit(trainer, r->epochs ? r->epochs : 1, NULL, NULL);
        if (out->status == CN_OK && r->fails_later) {
            out->train.broken = rank == r->broken_rank ? JOINT_EVERY_IMAGE : -1;
            out->status = cn_trainer_fit(trainer, 1, NULL, NULL);
        }
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
    joint_job *j = argument;
    joint_train(j->recipe, communicator, &j->outcomes[communicator->rank]);
}

void joint_run(const joint_recipe *r, ranks *all, joint_job *j) {
    *j = (joint_job){.recipe = r};
    ranks_run(all, train_rank, j);
    ck_assert_msg(!all->complaint, "%s, %d ranks: %s", r->name, all->count, all->complaint);
}

void joint_free(joint_job *j) {
    for (int r = 0; r < RANKS_MOST; r++)
        free(j->outcomes[r].tensors);
}
