/* SPDX-License-Identifier: MIT */
/* test_own_layer_failures.c: what goes wrong with layers that a program computes itself: functions that fail, definitions,
 * layers and shapes that cannot be, memory that runs out; and that they are released. */
#include "own_layers.h"
#include "toys.h"
#include <math.h>
#include <stdlib.h>

/* ---- functions that fail ---- */

START_TEST(a_failing_function_fails_the_pass) {
    cn_model *model = own_network(ctx, true);
    own_pass r = own_pass_new(ctx, model, 40);
    cn_predictor *predictor;
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    own_given.trigger =
        ((float *)cn_tensor_data(r.input))[33 * OWN_IN]; /* in one of the blocks, of one of the layers */
    own_given.forward = CN_ERR_DATA;
    ck_fails(cn_model_forward(model, 1, r.input, r.output), CN_ERR_DATA,
             "test.Affine 'a': its forward function failed: invalid data");
    ck_fails(cn_model_backward(model, r.grad_output, NULL), CN_ERR_STATE, "no training forward pass");
    ck_fails(cn_predictor_run(predictor, r.input, r.output), CN_ERR_DATA, "'a': its forward function failed");
    own_given.forward = (cn_status)77;
    ck_fails(cn_predictor_run(predictor, r.input, r.output), CN_ERR_STATE, "'a': its forward function failed");
    own_given.forward = CN_OK;
    own_given.backward = CN_ERR_MEMORY;
    ck_ok(cn_predictor_run(predictor, r.input, r.output));
    ck_ok(cn_model_forward(model, 1, r.input, r.output));
    ck_fails(cn_model_backward(model, r.grad_output, NULL), CN_ERR_MEMORY,
             "its backward function failed: out of memory");
    own_given.backward = CN_OK;
    ck_ok(cn_model_forward(model, 1, r.input, r.output));
    ck_ok(cn_model_backward(model, r.grad_output, r.grad_input));
    cn_predictor_free(predictor);
    own_pass_free(&r);
    cn_model_free(model);
}
END_TEST

/* One image alone goes with channels in the lanes, and fails as well. */
START_TEST(a_single_image_fails_too) {
    cn_model *model = own_network(ctx, true);
    cn_tensor *input = images(1, 3, 7, 6), *output = images(1, 2, 4, 3);
    cn_predictor *predictor;
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    own_noise(input, 3);
    own_given.forward = CN_ERR_NUMERIC;
    ck_fails(cn_predictor_run(predictor, input, output), CN_ERR_NUMERIC, "test.Affine 'a'");
    own_given.forward = CN_OK;
    ck_ok(cn_predictor_run(predictor, input, output));
    cn_predictor_free(predictor);
    cn_tensor_free(input);
    cn_tensor_free(output);
    cn_model_free(model);
}
END_TEST

/* Loop index: forward or backward. Parameters and statistics are then as before the batch, and training can go on. */
START_TEST(a_failing_function_ends_training_in_good_order) {
    cn_model *model = own_classifier();
    toy_data train = toy_data_new(ctx, 60, 1), test = toy_data_new(ctx, 40, 2);
    cn_trainer *trainer;
    size_t bytes;
    ck_ok(cn_trainer_new(model, train.set, test.set, NULL, &trainer));
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL));
    void *before = toy_tensors(model, &bytes);
    *(_i ? &own_given.backward : &own_given.forward) = CN_ERR_UNSUPPORTED;
    ck_fails(cn_trainer_fit(trainer, 1, NULL, NULL), CN_ERR_UNSUPPORTED, _i ? "its backward function" : "its forward");
    void *after = toy_tensors(model, &bytes);
    ck_assert_mem_eq(before, after, bytes);
    own_given.forward = own_given.backward = CN_OK;
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL));
    ck_assert_int_eq(cn_trainer_epoch_count(trainer), 2);
    free(before);
    free(after);
    cn_trainer_free(trainer);
    toy_data_free(&train);
    toy_data_free(&test);
    cn_model_free(model);
}
END_TEST

START_TEST(a_failing_function_fails_an_evaluation) {
    cn_model *model = own_classifier();
    toy_data data = toy_data_new(ctx, 60, 1);
    cn_evaluation *evaluation;
    own_given.forward = CN_ERR_DATA;
    ck_fails(cn_evaluation_new(model, data.set, NULL, &evaluation), CN_ERR_DATA, "test.Affine 'own'");
    ck_assert_ptr_null(evaluation);
    toy_data_free(&data);
    cn_model_free(model);
}
END_TEST

/* ---- definitions ---- */

typedef void (*mistake)(cn_layer_definition *d, cn_layer_option *options);

#define MISTAKE(name, change)                                                                                          \
    static void name(cn_layer_definition *d, cn_layer_option *options) {                                               \
        (void)d, (void)options;                                                                                        \
        change;                                                                                                        \
    }
MISTAKE(no_type, d->type = NULL)
MISTAKE(blank_type, d->type = "my type")
MISTAKE(long_type, d->type = "a123456789012345678901234567890123456789012345678901234567890123")
MISTAKE(librarys_type, d->type = "Conv2d")
MISTAKE(no_forward, d->forward = NULL)
MISTAKE(no_backward, d->backward = NULL)
MISTAKE(no_inputs, d->min_inputs = 0)
MISTAKE(fewer_inputs, d->max_inputs = 0)
MISTAKE(many_inputs, d->max_inputs = CN_MAX_LAYER_INPUTS + 1)
MISTAKE(no_options, d->options = NULL)
MISTAKE(negative_options, d->option_count = -1)
MISTAKE(large_options, d->options_size = 4097)
MISTAKE(unnamed, options[1].name = NULL)
MISTAKE(dotted, options[1].name = "a.b")
MISTAKE(twice, options[1].name = "num_channels")
MISTAKE(kind, options[1].kind = (cn_option_kind)2)
MISTAKE(outside, options[1].offset = 12)
MISTAKE(before, options[1].offset = -4)
MISTAKE(odd, options[1].offset = 2)
MISTAKE(unusual, options[1].usual = 11)
MISTAKE(endless, options[1].most = (double)INFINITY)
MISTAKE(no_number, options[1].usual = (double)NAN)
MISTAKE(no_int, options[0].most = 3e9)
MISTAKE(fraction, options[0].usual = 1.5)
MISTAKE(reserved, d->reserved = 1)

START_TEST(definitions_that_cannot_be_are_refused) {
    static const struct {
        mistake make;
        cn_status status;
        const char *message;
    } cases[] = {{no_type, CN_ERR_ARGUMENT, "type is '(NULL)'"},
                 {blank_type, CN_ERR_ARGUMENT, "type is 'my type'"},
                 {long_type, CN_ERR_ARGUMENT, "wanted 1 to 63 letters"},
                 {librarys_type, CN_ERR_ARGUMENT, "type 'Conv2d': there is a type of that name already"},
                 {no_forward, CN_ERR_ARGUMENT, "type 'test.Affine': forward is NULL"},
                 {no_backward, CN_ERR_ARGUMENT, "backward is NULL"},
                 {no_inputs, CN_ERR_ARGUMENT, "1 <= min_inputs"},
                 {fewer_inputs, CN_ERR_ARGUMENT, "min_inputs <= max_inputs"},
                 {many_inputs, CN_ERR_ARGUMENT, "max_inputs <= CN_MAX_LAYER_INPUTS"},
                 {no_options, CN_ERR_ARGUMENT, "options is NULL, and option_count is not 0"},
                 {negative_options, CN_ERR_ARGUMENT, "option_count is not 0 to 256"},
                 {large_options, CN_ERR_ARGUMENT, "options_size is above 4096"},
                 {unnamed, CN_ERR_ARGUMENT, "option 1 is called '(NULL)'"},
                 {dotted, CN_ERR_ARGUMENT, "option 1 is called 'a.b'"},
                 {twice, CN_ERR_ARGUMENT, "option 1, 'num_channels': there is one of that name already"},
                 {kind, CN_ERR_ARGUMENT, "'scale': its kind is unknown"},
                 {outside, CN_ERR_ARGUMENT, "'scale': its offset"},
                 {before, CN_ERR_ARGUMENT, "'scale': its offset"},
                 {odd, CN_ERR_ARGUMENT, "'scale': its offset"},
                 {unusual, CN_ERR_ARGUMENT, "least <= usual <= most"},
                 {endless, CN_ERR_ARGUMENT, "all finite"},
                 {no_number, CN_ERR_ARGUMENT, "all finite"},
                 {no_int, CN_ERR_ARGUMENT, "go beyond its kind"},
                 {fraction, CN_ERR_ARGUMENT, "go beyond its kind"},
                 {reserved, CN_ERR_VERSION, "a reserved member is set"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        cn_layer_option options[OWN_AFFINE_OPTIONS];
        memcpy(options, own_affine_options, sizeof options);
        cn_layer_definition d = own_affine_definition(&own_given);
        d.options = options;
        cases[i].make(&d, options);
        ck_fails(cn_context_register_layer(ctx, &d), cases[i].status, cases[i].message);
    }
    ck_fails(cn_context_register_layer(ctx, NULL), CN_ERR_ARGUMENT, "definition is NULL");
    ck_fails(cn_context_register_layer(NULL, &(cn_layer_definition)CN_LAYER_DEFINITION_INIT), CN_ERR_ARGUMENT,
             "context is NULL");
    ck_assert_int_eq(own_given.released, 0);
    own_register(ctx);
    cn_layer_definition d = own_affine_definition(&own_given);
    ck_fails(cn_context_register_layer(ctx, &d), CN_ERR_ARGUMENT, "there is a type of that name already");
}
END_TEST

START_TEST(layers_that_cannot_be_are_refused) {
    cn_layer *layer;
    ck_fails(cn_custom_layer_new(ctx, "Conv2d", NULL, &layer), CN_ERR_NOT_FOUND, "no type 'Conv2d' is registered");
    ck_assert_ptr_null(layer);
    ck_fails(cn_custom_layer_new(ctx, NULL, NULL, &layer), CN_ERR_ARGUMENT, "type is NULL");
    ck_fails(cn_custom_layer_new(NULL, "test.Sum", NULL, &layer), CN_ERR_ARGUMENT, "context is NULL");
    ck_fails(cn_custom_layer_new(ctx, "test.Sum", NULL, NULL), CN_ERR_ARGUMENT, "layer is NULL");
    ck_fails(cn_custom_layer_new(ctx, "test.Affine", &(own_affine){0, 1.0f, 1}, &layer), CN_ERR_ARGUMENT,
             "test.Affine: num_channels is 0, wanted 1 to 1000");
    ck_fails(cn_custom_layer_new(ctx, "test.Affine", &(own_affine){1, NAN, 1}, &layer), CN_ERR_ARGUMENT,
             "scale is nan");
    own_given.parameters = 3; /* the third is all zero */
    ck_fails(cn_custom_layer_new(ctx, "test.Affine", NULL, &layer), CN_ERR_ARGUMENT, "parameter 2 is called '(NULL)'");
    own_given.parameters = CN_MAX_LAYER_PARAMETERS + 1;
    ck_fails(cn_custom_layer_new(ctx, "test.Affine", NULL, &layer), CN_ERR_ARGUMENT, "returned 9, wanted 0 to 8");
    own_given.parameters = 0;
    ck_ok(cn_custom_layer_new(ctx, "test.Affine", NULL, &layer));
    cn_layer_free(layer);
}
END_TEST

START_TEST(shapes_that_cannot_be_are_refused) {
    cn_model *model = model_for(3, 7, 6);
    ck_fails(cn_model_append(model, "a", own_layer(ctx, "test.Affine", &(own_affine){2, 1.0f, 1})), CN_ERR_SHAPE,
             "test.Affine 'a': its shape function refuses an input of 3×7×6: shapes do not fit");
    own_given.shape = CN_ERR_UNSUPPORTED;
    ck_fails(cn_model_append(model, "a", own_layer(ctx, "test.Affine", &(own_affine){3, 1.0f, 1})), CN_ERR_UNSUPPORTED,
             "refuses");
    own_given.shape = CN_OK;
    for (int i = 0; i < 2; i++) {
        own_given.channels = i ? -1 : (1 << 24) + 1;
        ck_fails(cn_model_append(model, "a", own_layer(ctx, "test.Affine", &(own_affine){3, 1.0f, 1})), CN_ERR_SHAPE,
                 i ? "gives -1×7×6" : "gives 16777217×7×6");
    }
    ck_fails(cn_model_append(model, "a", own_layer(ctx, "test.Sum", NULL)), CN_ERR_ARGUMENT, "reads 1 inputs");
    ck_ok(cn_model_append(model, "a", conv(3, 3, 3)));
    ck_fails(cn_model_add(model, "b", own_layer(ctx, "test.Sum", NULL), 2, (const char *const[]){"input", "a"}),
             CN_ERR_SHAPE, "test.Sum 'b': input 1 is 3×5×4, but input 0 is 3×7×6");
    cn_model_free(model);
}
END_TEST

START_TEST(they_are_released_with_the_context) {
    cn_context *context = test_context(1);
    own_register(context);
    ck_assert_int_eq(own_given.released, 0);
    cn_context_free(context);
    ck_assert_int_eq(own_given.released, 1);
}
END_TEST

/* ---- memory ---- */

static cn_status scenario(cn_context *context) {
    cn_layer_definition d = own_affine_definition(&own_given);
    cn_tensor *input = NULL, *output = NULL;
    cn_model *model = NULL, *loaded = NULL;
    cn_tensor *file = NULL;
    cn_predictor *predictor = NULL;
    cn_layer *layer;
    cn_status status = cn_context_register_layer(context, &d);
    if (status == CN_ERR_ARGUMENT) /* an earlier run had the memory for it */
        status = CN_OK;
    if (status == CN_OK && (status = cn_model_new(context, 2, 3, 3, &model)) == CN_OK &&
        (status = cn_custom_layer_new(context, "test.Affine", &(own_affine){2, 1.0f, 1}, &layer)) == CN_OK &&
        (status = cn_model_append(model, "a", layer)) == CN_OK && (status = cn_model_init(model, 1)) == CN_OK &&
        (status = cn_tensor_new(context, CN_DTYPE_FLOAT32, 4, (int64_t[]){20, 2, 3, 3}, &input)) == CN_OK &&
        (status = cn_tensor_new(context, CN_DTYPE_FLOAT32, 4, (int64_t[]){20, 2, 3, 3}, &output)) == CN_OK &&
        (status = cn_model_forward(model, 1, input, output)) == CN_OK &&
        (status = cn_model_backward(model, output, input)) == CN_OK &&
        (status = cn_model_save_memory(model, &file)) == CN_OK &&
        (status = cn_model_load_memory(context, cn_tensor_data(file), (size_t)cn_tensor_count(file), &loaded)) ==
            CN_OK &&
        (status = cn_predictor_new(loaded, NULL, &predictor)) == CN_OK)
        status = cn_predictor_run(predictor, input, output);
    cn_predictor_free(predictor);
    cn_model_free(loaded);
    cn_model_free(model);
    cn_tensor_free(file);
    cn_tensor_free(input);
    cn_tensor_free(output);
    return status;
}

/* Loop index: once or for good. */
START_TEST(out_of_memory_is_a_status) {
    counting_allocator counter = {.persistent = _i};
    cn_context *poor = counting_context(&counter, 1);
    long failures = 0;
    for (cn_status status = CN_ERR_MEMORY; status != CN_OK; failures++) {
        counter.fail_at = counter.calls + 1 + failures;
        status = scenario(poor);
        counter.fail_at = 0;
        ck_assert(status == CN_OK || status == CN_ERR_MEMORY);
    }
    ck_assert_int_gt(failures, 60);
    cn_context_free(poor);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

int main(void) {
    const TTest *const failures[] = {a_failing_function_fails_the_pass, a_single_image_fails_too,
                                     a_failing_function_fails_an_evaluation};
    const TTest *const training[] = {a_failing_function_ends_training_in_good_order};
    const TTest *const layers[] = {layers_that_cannot_be_are_refused, shapes_that_cannot_be_are_refused,
                                   they_are_released_with_the_context};
    const TTest *const definitions[] = {definitions_that_cannot_be_are_refused};
    const TTest *const memory[] = {out_of_memory_is_a_status};
    Suite *suite = suite_create("failures of layers of one's own");
    add_tests(suite, "failures", own_begin, tear_down, failures, COUNT(failures), 1);
    add_tests(suite, "training", own_begin, tear_down, training, COUNT(training), 2);
    add_tests(suite, "layers", own_begin, tear_down, layers, COUNT(layers), 1);
    add_tests(suite, "definitions", own_begin_bare, tear_down, definitions, COUNT(definitions), 1);
    add_tests(suite, "memory", NULL, NULL, memory, COUNT(memory), 2);
    return test_run(suite);
}
