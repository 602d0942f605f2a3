/* SPDX-License-Identifier: MIT */
/* test_callbacks.c: functions of the program that the library calls, and that call the library: from each of those that a
 * training calls, everything that a program could want there. What may be is done, and the training has the bits that it
 * has without; what may not be is a status, and the training goes on; nobody hangs. */
#include "testing.h"
#include "toys.h"
#include "training.h"
#include <stdatomic.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

enum { THREADS = 3, EPOCHS = 2 };

/* Functions that a training calls, and where it then is. */
typedef enum function { ON_BATCH, ON_EPOCH, ON_GRADIENT, RATE, LOSS, FETCH, FORWARD, BACKWARD, TRACE, PLACES } function;
#define BIT(place)      (1u << (place))
#define BETWEEN_BATCHES (BIT(ON_BATCH) | BIT(ON_EPOCH))
#define ON_THE_CALLER   (BETWEEN_BATCHES | BIT(ON_GRADIENT) | BIT(RATE) | BIT(LOSS))
#define EVERYWHERE      (BIT(PLACES) - 1)

/* ---- a training that calls all of them ---- */

typedef struct host {
    cn_context *ctx;
    cn_model *model;
    cn_dataset *set;
    cn_trainer *trainer, *rival; /* of the same model */
    cn_optimizer *optimizer;     /* of the same model, too */
    cn_predictor *predictor;     /* of what the model was before */
    toy_data data;               /* other data */
    cn_tensor *images, *wanted;  /* and what the predictor says of some of them */
    cn_tensor *saved;            /* the model as it was when that function was called first */
    void *alone;                 /* what small_training leaves if nobody disturbs it */
    size_t alone_bytes;
    int place, deed; /* what is to be done where; -1: nothing */
    atomic_bool begun, done;
    atomic_int warnings;
    cn_status status; /* of what was done */
} host;
static host h; /* each test has a process of its own */

static void visit(function here);

static int on_batch(void *user, const cn_batch_info *batch) {
    (void)user;
    if (batch->batch == 2)
        visit(ON_BATCH);
    return 0;
}

static int on_epoch(void *user, const cn_epoch_info *epoch) {
    (void)user;
    (void)epoch;
    visit(ON_EPOCH);
    return 0;
}

static int on_gradient(void *user, cn_model *model, const cn_batch_info *batch) {
    (void)user;
    (void)model;
    (void)batch;
    visit(ON_GRADIENT);
    return 0;
}

static double rate(void *user, const cn_rate_info *at) {
    (void)user;
    if (at->step == 1)
        visit(RATE);
    return 0.02;
}

static int loss_of(void *user, const cn_tensor *output, const cn_tensor *target, double *loss, cn_tensor *gradient) {
    (void)user;
    visit(LOSS);
    *loss = training_loss(CN_LOSS_NLL, 0.0f, output, target, gradient);
    return 0;
}

static int fetch(void *user, int64_t index, uint8_t *pixels, int64_t *label) {
    (void)user;
    visit(FETCH);
    for (int i = 0; i < TOY_PIXELS; i++)
        pixels[i] = (uint8_t)(index * 31 + i * 17 + (index * i) % 29);
    *label = index % TOY_CLASSES;
    return 0;
}

static void trace(void *user, const cn_trace_event *event) {
    (void)user;
    if (event->pass == CN_PASS_BACKWARD)
        visit(TRACE);
}

static void log_to(void *user, cn_log_level level, const char *message) {
    (void)user;
    if (level == CN_LOG_WARNING && strstr(message, "stays, since"))
        atomic_fetch_add(&h.warnings, 1);
}

/* A layer of the program's own that changes nothing. */

static int64_t floats_of(const cn_layer_pass *pass) {
    const int64_t *shape = pass->output_shape;
    return pass->images * shape[0] * shape[1] * shape[2];
}

static cn_status forward(const cn_layer_pass *pass) {
    visit(FORWARD);
    memcpy(pass->output, pass->inputs[0], (size_t)floats_of(pass) * sizeof(float));
    return CN_OK;
}

static cn_status backward(const cn_layer_pass *pass) {
    visit(BACKWARD);
    for (int64_t i = 0; i < floats_of(pass); i++)
        pass->grad_inputs[0][i] += pass->grad_output[i];
    return CN_OK;
}

/* The toy network with that layer in the place of its ReLU. */
static cn_model *through_model(cn_context *context) {
    cn_model *model = toy_model(context, CN_NORM_BATCH, 0.1f);
    cn_layer_definition definition = CN_LAYER_DEFINITION_INIT;
    cn_layer *layer;
    definition.type = "test.Through";
    definition.forward = forward;
    definition.backward = backward;
    ck_ok(cn_context_register_layer(context, &definition));
    ck_ok(cn_custom_layer_new(context, "test.Through", NULL, &layer));
    ck_ok(cn_model_replace(model, "relu", layer));
    ck_ok(cn_model_init(model, 1));
    return model;
}

static cn_dataset *fetched_data(cn_context *context) {
    cn_dataset_source source = CN_DATASET_SOURCE_INIT;
    cn_dataset *set;
    source.count = TRAINING_COUNT;
    source.channels = 1;
    source.height = source.width = TOY_SIDE;
    source.classes = TOY_CLASSES;
    source.fetch = fetch;
    ck_ok(cn_dataset_callback(context, &source, &set));
    ck_ok(cn_dataset_set_normalization(set, 1, (float[]){0.4f}, (float[]){0.25f}));
    return set;
}

static cn_trainer *trainer_for(cn_model *model, const cn_dataset *set) {
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    cn_schedule_options schedule = CN_SCHEDULE_OPTIONS_INIT;
    cn_loss_options loss = CN_LOSS_OPTIONS_INIT;
    const cn_loss_options *losses[] = {&loss};
    cn_trainer *trainer;
    schedule.kind = CN_SCHEDULE_CUSTOM;
    schedule.rate = rate;
    loss.kind = CN_LOSS_CUSTOM;
    loss.function = loss_of;
    options.schedule = &schedule;
    options.loss_count = 1;
    options.losses = losses;
    options.on_batch = on_batch;
    options.on_gradient = on_gradient;
    options.batch_size = TRAINING_BATCH;
    options.accumulate = 2;
    options.ema_decay = 0.9f;
    ck_ok(cn_trainer_new(model, set, set, &options, &trainer));
    return trainer;
}

/* ---- work of its own, which whatever calls it may not disturb ---- */

/* What is left of a model that is trained in that context, to be freed. */
static void *small_training(cn_context *context, size_t *bytes) {
    cn_model *model = toy_model(context, CN_NORM_BATCH, 0.1f);
    toy_data data = toy_data_new(context, TRAINING_COUNT, 3);
    cn_trainer *trainer;
    ck_ok(cn_trainer_new(model, data.set, data.set, NULL, &trainer));
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL));
    void *all = toy_tensors(model, bytes);
    cn_trainer_free(trainer);
    toy_data_free(&data);
    cn_model_free(model);
    return all;
}

static cn_status train_apart(cn_context *context) {
    size_t bytes;
    void *all = small_training(context, &bytes);
    ck_assert_uint_eq(bytes, h.alone_bytes);
    ck_assert_mem_eq(all, h.alone, bytes);
    free(all);
    return CN_OK;
}

static cn_tensor *predictions_of(cn_predictor *predictor) {
    cn_tensor *output;
    ck_ok(cn_tensor_new(h.ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){8, TOY_CLASSES}, &output));
    ck_ok(cn_predictor_run(predictor, h.images, output));
    return output;
}

/* ---- what is done ---- */

static cn_status predict(void) {
    cn_tensor *output = predictions_of(h.predictor);
    ck_assert_mem_eq(cn_tensor_data(output), cn_tensor_data(h.wanted), 8 * TOY_CLASSES * sizeof(float));
    cn_tensor_free(output);
    return CN_OK;
}

/* With the model as it is, twice. */
static cn_status predict_anew(void) {
    cn_predictor *predictor, *clone;
    ck_ok(cn_predictor_new(h.model, NULL, &predictor));
    ck_ok(cn_predictor_clone(predictor, &clone));
    cn_tensor *a = predictions_of(predictor), *b = predictions_of(clone);
    ck_assert_mem_eq(cn_tensor_data(a), cn_tensor_data(b), 8 * TOY_CLASSES * sizeof(float));
    cn_tensor_free(a);
    cn_tensor_free(b);
    cn_predictor_free(predictor);
    cn_predictor_free(clone);
    return CN_OK;
}

static cn_status evaluate_other_data(void) {
    cn_evaluation *evaluation;
    ck_ok(evaluate_with(h.model, h.data.set, CN_LOSS_NLL, &evaluation));
    ck_assert_int_eq(cn_evaluation_count(evaluation), TRAINING_COUNT);
    cn_evaluation_free(evaluation);
    return CN_OK;
}

static cn_status evaluate_same_data(void) {
    cn_evaluation *evaluation;
    ck_ok(evaluate_with(h.model, h.set, CN_LOSS_NLL, &evaluation));
    cn_evaluation_free(evaluation);
    return CN_OK;
}

static cn_status save_model(void) {
    cn_tensor *file;
    cn_model *loaded;
    ck_ok(cn_model_save_memory(h.model, &file));
    ck_ok(cn_model_load_memory(h.ctx, cn_tensor_data(file), (size_t)cn_tensor_count(file), &loaded));
    toy_expect_equal(loaded, h.model);
    cn_model_free(loaded);
    cn_tensor_free(file);
    return CN_OK;
}

static cn_status save_checkpoint(void) {
    cn_checkpoint checkpoint = CN_CHECKPOINT_INIT;
    cn_tensor *file;
    checkpoint.trainer = h.trainer;
    cn_status status = cn_checkpoint_save_memory(&checkpoint, &file);
    cn_tensor_free(file);
    return status;
}

static cn_status resume(void) {
    cn_checkpoint checkpoint = CN_CHECKPOINT_INIT;
    checkpoint.trainer = h.trainer;
    return cn_checkpoint_load_memory(&checkpoint, cn_tensor_data(h.saved), (size_t)cn_tensor_count(h.saved));
}

static cn_status fit(void) {
    return cn_trainer_fit(h.trainer, 1, NULL, NULL);
}

static cn_status fit_rival(void) {
    return cn_trainer_fit(h.rival, 1, NULL, NULL);
}

static cn_status train_another(void) {
    return train_apart(h.ctx);
}

static cn_status make_a_context(void) {
    cn_context *own = test_context(2);
    cn_status status = train_apart(own);
    cn_context_free(own);
    return status;
}

/* With schedules that compute each rate, as here, there is nothing to set (test_step has the others). */
static cn_status set_rate(void) {
    ck_fails(cn_trainer_set_learning_rate(h.trainer, -1.0), CN_ERR_ARGUMENT, "-1");
    return cn_trainer_set_learning_rate(h.trainer, 0.5);
}

static cn_status pass_through(void) {
    cn_tensor *output;
    ck_ok(cn_tensor_new(h.ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){8, TOY_CLASSES}, &output));
    cn_status status = cn_model_forward(h.model, 0, h.images, output);
    cn_tensor_free(output);
    return status;
}

static cn_status step(void) {
    return cn_optimizer_step(h.optimizer);
}

static cn_status draw_anew(void) {
    return cn_model_init(h.model, 7);
}

static cn_status freeze_and_thaw(void) {
    cn_status status = cn_model_freeze(h.model, "conv", 1);
    return status == CN_OK ? cn_model_freeze(h.model, "conv", 0) : status;
}

/* What it has already. */
static cn_status load_again(void) {
    cn_tensor *file;
    ck_ok(cn_model_save_memory(h.model, &file));
    cn_status status = cn_model_load_tensors_memory(h.model, cn_tensor_data(file), (size_t)cn_tensor_count(file), NULL);
    cn_tensor_free(file);
    return status;
}

static cn_status rebuild(void) {
    cn_layer *layer;
    ck_ok(cn_relu_new(h.ctx, &layer));
    return cn_model_append(h.model, "more", layer);
}

static cn_status free_all(void) {
    int before = atomic_load(&h.warnings);
    cn_trainer_free(h.trainer);
    cn_model_free(h.model);
    ck_assert_int_eq(atomic_load(&h.warnings), before + 2);
    return CN_OK;
}

static cn_status look_at_data(void) {
    cn_tensor *image;
    int64_t label;
    ck_ok(cn_tensor_new(h.ctx, CN_DTYPE_UINT8, 4, (int64_t[]){1, 1, TOY_SIDE, TOY_SIDE}, &image));
    ck_ok(cn_dataset_image(h.set, 5, image, &label));
    ck_assert_int_eq(label, 5 % TOY_CLASSES);
    cn_tensor_free(image);
    return CN_OK;
}

static cn_status fail_to_load(void) {
    cn_model *none;
    ck_fails(cn_model_load(h.ctx, "tests/no such file", &none), CN_ERR_IO, "no such file");
    return CN_OK;
}

/* Where it is CN_OK, elsewhere CN_ERR_STATE; but where it must not be done at all, since workers are in the model then. */
static const struct deed {
    const char *name;
    cn_status (*act)(void);
    unsigned fine, never;
    bool changes; /* the bits of what is trained */
} deeds[] = {
    {"predict", predict, EVERYWHERE, 0, false},
    {"predict anew", predict_anew, ON_THE_CALLER | BIT(FETCH), BIT(FORWARD) | BIT(BACKWARD) | BIT(TRACE), false},
    {"evaluate other data", evaluate_other_data, ON_THE_CALLER | BIT(FETCH), BIT(FORWARD) | BIT(BACKWARD) | BIT(TRACE),
     false},
    {"evaluate the same data", evaluate_same_data, ON_THE_CALLER | BIT(FETCH),
     BIT(FORWARD) | BIT(BACKWARD) | BIT(TRACE), false},
    {"save the model", save_model, ON_THE_CALLER | BIT(FETCH), BIT(FORWARD) | BIT(BACKWARD) | BIT(TRACE), false},
    {"save a checkpoint", save_checkpoint, BETWEEN_BATCHES, 0, false},
    {"resume", resume, 0, 0, false},
    {"fit", fit, 0, 0, false},
    {"fit another trainer of the model", fit_rival, BETWEEN_BATCHES, 0, true},
    {"train another", train_another, EVERYWHERE, 0, false},
    {"make a context", make_a_context, EVERYWHERE, 0, false},
    {"set the rate", set_rate, 0, 0, false},
    {"forward", pass_through, BETWEEN_BATCHES, 0, false},
    {"step", step, BETWEEN_BATCHES, 0, true},
    {"draw anew", draw_anew, BETWEEN_BATCHES, 0, true},
    {"freeze and thaw", freeze_and_thaw, BETWEEN_BATCHES, 0, false},
    {"load", load_again, BETWEEN_BATCHES, BIT(FORWARD) | BIT(BACKWARD) | BIT(TRACE), false},
    {"rebuild", rebuild, 0, 0, false},
    {"free", free_all, EVERYWHERE, 0, false},
    {"look at the data", look_at_data, EVERYWHERE, 0, false},
    {"fail to load", fail_to_load, EVERYWHERE, 0, false},
};
enum { DEEDS = sizeof deeds / sizeof *deeds };

/* Once, from the training that is watched; what is done then calls these functions, too. */
static void visit(function here) {
    if (!atomic_load(&h.begun) || (int)here != h.place || atomic_exchange(&h.done, true))
        return;
    h.status = deeds[h.deed].act();
    ck_assert(h.status == CN_OK || strlen(cn_last_error()) > 0);
}

/* ---- with and without ---- */

static void begin(int place, int deed) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_checkpoint checkpoint = CN_CHECKPOINT_INIT;
    int64_t indices[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    h = (host){.place = place, .deed = deed};
    options.threads = THREADS;
    options.trace = trace;
    options.log = log_to;
    ck_ok(cn_context_new(&options, &h.ctx));
    h.model = through_model(h.ctx);
    h.set = fetched_data(h.ctx);
    h.data = toy_data_new(h.ctx, TRAINING_COUNT, 1);
    h.trainer = trainer_for(h.model, h.set);
    h.rival = trainer_for(h.model, h.set);
    ck_ok(cn_optimizer_new(h.model, NULL, &h.optimizer));
    checkpoint.trainer = h.trainer;
    ck_ok(cn_checkpoint_save_memory(&checkpoint, &h.saved));
    ck_ok(cn_predictor_new(h.model, NULL, &h.predictor));
    ck_ok(cn_tensor_new(h.ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){8, 1, TOY_SIDE, TOY_SIDE}, &h.images));
    ck_ok(cn_dataset_batch(h.data.set, 8, indices, 0, 0, 0, h.images, NULL));
    h.wanted = predictions_of(h.predictor);
    h.alone = small_training(h.ctx, &h.alone_bytes);
}

static void end(void) {
    free(h.alone);
    cn_tensor_free(h.wanted);
    cn_tensor_free(h.images);
    cn_tensor_free(h.saved);
    cn_predictor_free(h.predictor);
    cn_optimizer_free(h.optimizer);
    cn_trainer_free(h.rival);
    cn_trainer_free(h.trainer);
    toy_data_free(&h.data);
    cn_dataset_free(h.set);
    cn_model_free(h.model);
    cn_context_free(h.ctx);
}

static void *trained(int place, int deed, size_t *bytes) {
    begin(place, deed);
    atomic_store(&h.begun, true);
    ck_ok(cn_trainer_fit(h.trainer, EPOCHS, on_epoch, NULL));
    ck_assert_int_eq(cn_trainer_epoch_count(h.trainer), EPOCHS);
    ck_assert_int_eq(atomic_load(&h.done), place >= 0);
    void *all = toy_tensors(h.model, bytes);
    return all;
}

static void do_there(int place, int deed, const void *wanted, size_t wanted_bytes) {
    const struct deed *d = &deeds[deed];
    cn_status expected = d->fine & BIT(place) ? CN_OK : CN_ERR_STATE;
    size_t bytes;
    void *all = trained(place, deed, &bytes);
    ck_assert_msg(h.status == expected, "'%s' at place %d: %s: %s", d->name, place, cn_status_string(h.status),
                  cn_last_error());
    ck_assert_uint_eq(bytes, wanted_bytes);
    ck_assert_msg((d->changes && expected == CN_OK) || memcmp(all, wanted, bytes) == 0,
                  "'%s' at place %d: the training has other bits", d->name, place);
    free(all);
    end();
}

START_TEST(all_is_as_the_header_says) {
    size_t bytes;
    void *wanted = trained(-1, -1, &bytes);
    end();
    for (int deed = 0; deed < DEEDS; deed++)
        if (!(deeds[deed].never & BIT(_i)))
            do_there(_i, deed, wanted, bytes);
    free(wanted);
}
END_TEST

int main(void) {
    const TTest *const in_training[] = {all_is_as_the_header_says};
    Suite *suite = suite_create("callbacks");
    test_add(suite, "training", in_training, sizeof in_training / sizeof *in_training, PLACES);
    return test_run(suite);
}
