/* SPDX-License-Identifier: MIT */
/* test_callbacks_apart.c: functions of the program that the library calls outside of trainings, and that call the library:
 * layers and losses in passes and evaluations, reports of loading, sources, allocators, logs. What may be is done, what may
 * not be is a status; nobody hangs. */
#include "pieces.h"
#include "toys.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

enum { IMAGES = 20 };

static cn_model *model;
static cn_predictor *predictor, *clone;
static cn_tensor *input, *output, *gradient, *inner; /* the last for calls within calls */
static cn_status statuses[8];                        /* of those */
static atomic_bool done;
static atomic_int warnings;

static bool once(void) {
    return !atomic_exchange(&done, true);
}

static void log_to(void *user, cn_log_level level, const char *message) {
    (void)user;
    atomic_fetch_add(&warnings, level == CN_LOG_WARNING && strstr(message, "stays, since"));
}

/* ---- a layer of the program's own, in a model ---- */

static void (*in_forward)(void), (*in_backward)(void);

static int64_t floats_of(const cn_layer_pass *pass) {
    return pass->images * pass->output_shape[0] * pass->output_shape[1] * pass->output_shape[2];
}

static cn_status forward(const cn_layer_pass *pass) {
    if (in_forward && once())
        in_forward();
    memcpy(pass->output, pass->inputs[0], (size_t)floats_of(pass) * sizeof(float));
    return CN_OK;
}

static cn_status backward(const cn_layer_pass *pass) {
    if (in_backward && once())
        in_backward();
    memcpy(pass->grad_inputs[0], pass->grad_output, (size_t)floats_of(pass) * sizeof(float));
    return CN_OK;
}

static cn_status register_through(cn_context *context) {
    cn_layer_definition definition = CN_LAYER_DEFINITION_INIT;
    definition.type = "test.Through";
    definition.forward = forward;
    definition.backward = backward;
    return cn_context_register_layer(context, &definition);
}

static void begin(void) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_layer *layer;
    options.threads = 3;
    options.log = log_to;
    ck_ok(cn_context_new(&options, &ctx));
    ck_ok(register_through(ctx));
    model = toy_model(ctx, CN_NORM_BATCH, 0.0f);
    ck_ok(cn_custom_layer_new(ctx, "test.Through", NULL, &layer));
    ck_ok(cn_model_replace(model, "relu", layer));
    ck_ok(cn_model_init(model, 1));
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    ck_ok(cn_predictor_clone(predictor, &clone));
    input = images(IMAGES, 1, TOY_SIDE, TOY_SIDE);
    for (int64_t i = 0; i < cn_tensor_count(input); i++)
        ((float *)cn_tensor_data(input))[i] = (float)(i * 7 % 23) / 23.0f;
    output = tensor_of(CN_DTYPE_FLOAT32, 2, (int64_t[]){IMAGES, TOY_CLASSES});
    inner = tensor_of(CN_DTYPE_FLOAT32, 2, (int64_t[]){IMAGES, TOY_CLASSES});
    gradient = tensor_of(CN_DTYPE_FLOAT32, 2, (int64_t[]){IMAGES, TOY_CLASSES});
}

static void end(void) {
    cn_tensor_free(gradient);
    cn_tensor_free(inner);
    cn_tensor_free(output);
    cn_tensor_free(input);
    cn_predictor_free(clone);
    cn_predictor_free(predictor);
    cn_model_free(model);
    cn_context_free(ctx);
}

static float *copy_of(cn_tensor *tensor) {
    size_t bytes = (size_t)cn_tensor_count(tensor) * sizeof(float);
    return memcpy(malloc(bytes), cn_tensor_data(tensor), bytes);
}

/* Frees the copy. */
static void expect_copied(cn_tensor *tensor, float *copy) {
    ck_assert_mem_eq(cn_tensor_data(tensor), copy, (size_t)cn_tensor_count(tensor) * sizeof(float));
    free(copy);
}

/* ---- predictors ---- */

static void predict_within(void) {
    statuses[0] = cn_predictor_run(predictor, input, inner);
    cn_predictor_free(predictor);
    statuses[1] = cn_predictor_run(clone, input, inner);
}

START_TEST(a_predictor_that_runs_is_not_run_or_freed) {
    ck_ok(cn_predictor_run(predictor, input, output));
    float *wanted = copy_of(output);
    in_forward = predict_within;
    ck_ok(cn_predictor_run(predictor, input, output));
    ck_assert_int_eq(statuses[0], CN_ERR_STATE);
    ck_assert_int_eq(atomic_load(&warnings), 1);
    ck_ok(statuses[1]);
    ck_assert_mem_eq(cn_tensor_data(inner), wanted, IMAGES * TOY_CLASSES * sizeof(float));
    expect_copied(output, wanted);
    ck_ok(cn_predictor_run(predictor, input, output));
}
END_TEST

/* ---- loops of one's own ---- */

static void use_model_within(void) {
    statuses[0] = cn_model_forward(model, 0, input, inner);
    statuses[1] = cn_model_backward(model, gradient, NULL);
    statuses[2] = cn_model_init(model, 3);
    statuses[3] = cn_model_freeze(model, "fc", 1);
    statuses[4] = cn_model_accumulate_gradients(model, 1);
    statuses[5] = cn_predictor_run(predictor, input, inner);
    cn_model_free(model);
}

static void expect_used_within(void) {
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(statuses[i], CN_ERR_STATE);
    ck_ok(statuses[5]);
    ck_assert_int_eq(atomic_load(&warnings), 1);
}

static void pass_in_both_directions(void) {
    ck_ok(cn_model_forward(model, 1, input, output));
    for (int64_t i = 0; i < cn_tensor_count(gradient); i++)
        ((float *)cn_tensor_data(gradient))[i] = (float)(i % 5) - 2.0f;
    ck_ok(cn_model_backward(model, gradient, NULL));
}

static void expect_same_passes(void) {
    cn_tensor *weights;
    pass_in_both_directions();
    ck_ok(cn_model_gradient(model, "conv.weight", &weights));
    float *wanted = copy_of(output), *wanted_weights = copy_of(weights);
    atomic_store(&done, false);
    pass_in_both_directions();
    expect_used_within();
    expect_copied(output, wanted);
    expect_copied(weights, wanted_weights);
}

START_TEST(a_model_in_its_forward_pass_is_left_alone) {
    atomic_store(&done, true);
    in_forward = use_model_within;
    expect_same_passes();
}
END_TEST

START_TEST(a_model_in_its_backward_pass_is_left_alone) {
    atomic_store(&done, true);
    in_backward = use_model_within;
    expect_same_passes();
}
END_TEST

/* ---- losses ---- */

static toy_data data;

static double nll(const cn_tensor *of, const cn_tensor *target, cn_tensor *grad) {
    cn_loss_options options = CN_LOSS_OPTIONS_INIT;
    double loss;
    options.kind = CN_LOSS_NLL;
    ck_ok(cn_loss_compute(&options, of, target, &loss, grad));
    return loss;
}

/* Evaluations read the model, by any number at a time. */
static int loss_of(void *user, const cn_tensor *of, const cn_tensor *target, double *loss, cn_tensor *grad) {
    cn_evaluation *evaluation = NULL;
    (void)user;
    if (once()) {
        statuses[0] = cn_model_forward(model, 0, input, inner);
        statuses[1] = cn_model_init(model, 3);
        statuses[2] = cn_predictor_run(predictor, input, inner);
        statuses[3] = evaluate_with(model, data.set, CN_LOSS_NLL, &evaluation);
        cn_evaluation_free(evaluation);
        cn_model_free(model);
    }
    *loss = nll(of, target, grad);
    return 0;
}

START_TEST(a_model_that_is_evaluated_is_only_read) {
    cn_evaluation_options options = CN_EVALUATION_OPTIONS_INIT;
    cn_loss_options loss = CN_LOSS_OPTIONS_INIT;
    const cn_loss_options *losses[] = {&loss};
    cn_evaluation *a, *b;
    data = toy_data_new(ctx, 40, 1);
    loss.kind = CN_LOSS_CUSTOM;
    loss.function = loss_of;
    options.losses = losses;
    options.loss_count = 1;
    ck_ok(cn_evaluation_new(model, data.set, &options, &a));
    ck_assert_int_eq(statuses[0], CN_ERR_STATE);
    ck_assert_int_eq(statuses[1], CN_ERR_STATE);
    ck_ok(statuses[2]);
    ck_ok(statuses[3]);
    ck_assert_int_eq(atomic_load(&warnings), 1);
    ck_ok(evaluate_with(model, data.set, CN_LOSS_NLL, &b));
    ck_assert_double_eq_tol(cn_evaluation_loss(a), cn_evaluation_loss(b), 1e-6);
    ck_ok(cn_model_init(model, 3)); /* it is anybody's again */
    cn_evaluation_free(a);
    cn_evaluation_free(b);
    toy_data_free(&data);
}
END_TEST

/* ---- loading ---- */

static void report(void *user, cn_load_result result, const char *name, const char *message) {
    cn_tensor *file;
    (void)user;
    (void)name;
    (void)message;
    ck_assert_int_eq(result, CN_LOAD_MATCHED);
    if (!once())
        return;
    statuses[0] = cn_model_forward(model, 0, input, inner);
    statuses[1] = cn_model_init(model, 3);
    statuses[2] = cn_model_save_memory(model, &file);
    cn_tensor_free(file);
    cn_model_free(model);
}

START_TEST(a_model_that_is_loaded_into_is_only_read) {
    cn_load_options options = CN_LOAD_OPTIONS_INIT;
    cn_tensors *tensors;
    options.report = report;
    ck_ok(cn_model_state_dict(model, &tensors));
    ck_ok(cn_model_load_state_dict(model, tensors, &options));
    ck_assert_int_eq(statuses[0], CN_ERR_STATE);
    ck_assert_int_eq(statuses[1], CN_ERR_STATE);
    ck_ok(statuses[2]);
    ck_assert_int_eq(atomic_load(&warnings), 1);
    cn_tensors_free(tensors);
}
END_TEST

/* ---- sources ---- */

static cn_dataset *composed;

/* Image i of the outer data set is image 2 i of the inner one. */
static int fetch(void *user, int64_t index, uint8_t *pixels, int64_t *label) {
    cn_tensor *image;
    (void)user;
    if (cn_tensor_borrow(ctx, CN_DTYPE_UINT8, 4, (int64_t[]){1, 1, TOY_SIDE, TOY_SIDE}, pixels, &image) != CN_OK)
        return 1;
    cn_status status = cn_dataset_image(data.set, 2 * index, image, label);
    cn_tensor_free(image);
    return status != CN_OK;
}

static void release_source(void *user) {
    cn_context *own = test_context(2);
    (void)user;
    toy_data other = toy_data_new(own, 5, 1);
    toy_data_free(&other);
    cn_context_free(own);
    atomic_store(&done, true);
}

START_TEST(a_source_may_ask_another_data_set) {
    cn_dataset_source source = CN_DATASET_SOURCE_INIT;
    cn_evaluation *a, *b;
    cn_dataset *half;
    int64_t indices[IMAGES];
    data = toy_data_new(ctx, 2 * IMAGES, 1);
    source.count = IMAGES;
    source.channels = 1;
    source.height = source.width = TOY_SIDE;
    source.classes = TOY_CLASSES;
    source.fetch = fetch;
    source.release = release_source;
    for (int i = 0; i < IMAGES; i++)
        indices[i] = 2 * i;
    ck_ok(cn_dataset_callback(ctx, &source, &composed));
    ck_ok(cn_dataset_set_normalization(composed, 1, (float[]){0.4f}, (float[]){0.25f}));
    ck_ok(cn_dataset_subset(data.set, IMAGES, indices, &half));
    ck_ok(evaluate_with(model, composed, CN_LOSS_NLL, &a));
    ck_ok(evaluate_with(model, half, CN_LOSS_NLL, &b));
    ck_assert_double_eq(cn_evaluation_loss(a), cn_evaluation_loss(b));
    cn_evaluation_free(a);
    cn_evaluation_free(b);
    cn_dataset_free(half);
    cn_dataset_free(composed);
    ck_assert(atomic_load(&done));
    toy_data_free(&data);
}
END_TEST

/* ---- types of layers ---- */

static cn_model *growing;

/* Asked while a layer of the type joins the model. */
static cn_status shape(void *user, const void *options, int input_count, const int64_t (*inputs)[3],
                       int64_t result[3]) {
    (void)user;
    (void)options;
    (void)input_count;
    memcpy(result, inputs[0], sizeof inputs[0]);
    if (once()) {
        statuses[0] = cn_model_append(growing, "intruder", relu());
        statuses[1] = cn_model_init(growing, 3);
        statuses[2] = register_through(ctx); /* which it is already */
    }
    return CN_OK;
}

START_TEST(a_model_does_not_grow_while_it_grows) {
    cn_layer_definition definition = CN_LAYER_DEFINITION_INIT;
    cn_layer *layer;
    definition.type = "test.Shape";
    definition.forward = forward;
    definition.backward = backward;
    definition.shape = shape;
    ck_ok(cn_context_register_layer(ctx, &definition));
    ck_ok(cn_custom_layer_new(ctx, "test.Shape", NULL, &layer));
    growing = model_for(1, 4, 4);
    ck_ok(cn_model_append(growing, "a", layer));
    ck_assert_int_eq(statuses[0], CN_ERR_STATE);
    ck_assert_int_eq(statuses[1], CN_ERR_STATE);
    ck_assert_int_eq(statuses[2], CN_ERR_ARGUMENT);
    ck_assert_int_eq(cn_model_layer_count(growing), 1);
    ck_ok(cn_model_init(growing, 3));
    cn_model_free(growing);
}
END_TEST

/* ---- memory and log ---- */

typedef struct meddler {
    cn_context *ctx;
    cn_tensor *victim; /* freed while another is */
    int refused, freed;
} meddler;

static void *allocate(void *user, size_t bytes, size_t alignment) {
    meddler *m = user;
    cn_tensor *tensor;
    void *memory = NULL;
    if (m->ctx && cn_context_memory(m->ctx) > 0)
        m->refused += cn_tensor_new(m->ctx, CN_DTYPE_UINT8, 1, (int64_t[]){5}, &tensor) == CN_ERR_MEMORY;
    return posix_memalign(&memory, alignment, bytes) == 0 ? memory : NULL;
}

static void release(void *user, void *memory) {
    meddler *m = user;
    cn_tensor *victim = m->victim;
    m->victim = NULL;
    cn_tensor_free(victim);
    m->freed++;
    free(memory);
}

START_TEST(an_allocator_that_calls_the_library_gets_no_memory) {
    meddler m = {0};
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *own;
    cn_tensor *tensor;
    options.allocate = allocate;
    options.release = release;
    options.user = &m;
    options.threads = 2;
    ck_ok(cn_context_new(&options, &own));
    ck_ok(cn_tensor_new(own, CN_DTYPE_UINT8, 1, (int64_t[]){5}, &m.victim));
    m.ctx = own;
    ck_ok(cn_tensor_new(own, CN_DTYPE_UINT8, 1, (int64_t[]){5}, &tensor));
    ck_assert_int_gt(m.refused, 0);
    m.ctx = NULL;
    m.freed = 0;
    cn_tensor_free(tensor);
    ck_assert_ptr_null(m.victim);
    ck_assert_int_ge(m.freed, 4); /* two tensors, their elements */
    cn_context_free(own);
}
END_TEST

static void log_by_library(void *user, cn_log_level level, const char *message) {
    cn_tensor *text;
    cn_context *context = *(cn_context **)user;
    (void)level;
    if (context && cn_tensor_new(context, CN_DTYPE_UINT8, 1, (int64_t[]){(int64_t)strlen(message)}, &text) == CN_OK) {
        atomic_store(&done, true);
        cn_tensor_free(text);
    }
}

/* Names that have a wrapper's prefix are a line in the log. */
START_TEST(a_log_may_use_the_library) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *own = NULL;
    cn_tensors *tensors, *wrapped;
    cn_model *into;
    char name[64];
    options.log = log_by_library;
    options.user = &own;
    ck_ok(cn_context_new(&options, &own));
    into = toy_model(own, CN_NORM_NONE, 0.0f);
    ck_ok(cn_model_state_dict(into, &tensors));
    ck_ok(cn_tensors_new(own, &wrapped));
    for (int64_t i = 0; i < cn_tensors_count(tensors); i++) {
        const cn_tensor *tensor;
        ck_ok(cn_tensors_get_const(tensors, cn_tensors_name(tensors, i), &tensor));
        snprintf(name, sizeof name, "module.%s", cn_tensors_name(tensors, i));
        ck_ok(cn_tensors_add(wrapped, name, tensor));
    }
    ck_ok(cn_model_load_state_dict(into, wrapped, NULL));
    ck_assert(atomic_load(&done));
    cn_tensors_free(wrapped);
    cn_tensors_free(tensors);
    cn_model_free(into);
    cn_context_free(own);
}
END_TEST

/* ---- the order in which things are freed ---- */

START_TEST(a_model_stays_while_others_need_it) {
    cn_optimizer *optimizer;
    cn_model_free(model);
    ck_assert_int_eq(atomic_load(&warnings), 1);
    cn_predictor_free(predictor);
    ck_fails(cn_model_append(model, "more", relu()), CN_ERR_STATE, "while 1 trainer, optimizer or predictor of it exists");
    cn_predictor_free(clone);
    ck_ok(cn_optimizer_new(model, NULL, &optimizer));
    cn_model_free(model);
    ck_assert_int_eq(atomic_load(&warnings), 2);
    cn_optimizer_free(optimizer);
    ck_ok(cn_model_append(model, "more", relu()));
    predictor = clone = NULL;
}
END_TEST

int main(void) {
    const TTest *const passes[] = {a_predictor_that_runs_is_not_run_or_freed,
                                   a_model_in_its_forward_pass_is_left_alone,
                                   a_model_in_its_backward_pass_is_left_alone,
                                   a_model_that_is_evaluated_is_only_read,
                                   a_model_that_is_loaded_into_is_only_read,
                                   a_source_may_ask_another_data_set,
                                   a_model_does_not_grow_while_it_grows,
                                   an_allocator_that_calls_the_library_gets_no_memory,
                                   a_log_may_use_the_library,
                                   a_model_stays_while_others_need_it};
    Suite *suite = suite_create("callbacks_apart");
    add_tests(suite, "callbacks", begin, end, passes, COUNT(passes), 1);
    return test_run(suite);
}
