/* SPDX-License-Identifier: MIT */
/* test_inputs.c: models with several inputs: they compute what their branches do by themselves. */
#include "pieces.h"
#include <math.h>

TEST_BOTH_LAYOUTS;

enum { BATCH = 18 };

/* input 3×6×5 → convolution "a"; more 2×8×7 → convolution, tanh "b"; both 4×6×5, and scale 4×6×5; their sum "c" → ReLU
 * "d". The first input reaches its layer last. */
static cn_model *joined(void) {
    cn_model *model = model_for(3, 6, 5);
    cn_layer *layer;
    ck_ok(cn_model_add_input(model, "more", 2, 8, 7));
    ck_ok(cn_model_append(model, "conv", conv(2, 4, 3)));
    ck_ok(cn_tanh_new(ctx, &layer));
    ck_ok(cn_model_append(model, "b", layer));
    ck_ok(cn_model_add_input(model, "scale", 4, 6, 5));
    ck_ok(cn_model_add(model, "a", conv(3, 4, 1), 1, (const char *const[]){"input"}));
    ck_ok(cn_add_new(ctx, &layer));
    ck_ok(cn_model_add(model, "c", layer, 3, (const char *const[]){"a", "b", "scale"}));
    ck_ok(cn_model_append(model, "d", relu()));
    ck_ok(cn_model_init(model, 4));
    return model;
}

static float *floats(cn_tensor *tensor) {
    return cn_tensor_data(tensor);
}

static cn_tensor *noise(int64_t n, int64_t c, int64_t h, int64_t w) {
    cn_tensor *made = images(n, c, h, w);
    for (int64_t i = 0; i < cn_tensor_count(made); i++)
        floats(made)[i] = (float)(int32_t)((uint32_t)(i + 7 * c) * 2654435761u) / 2147483648.0f;
    return made;
}

typedef struct given {
    cn_tensor *input[3], *gradient[3]; /* by input: what goes in, and the gradients that come back */
    cn_tensor *output, *grad_output;
} given;

static given make_given(int n) {
    given g = {{noise(n, 3, 6, 5), noise(n, 2, 8, 7), noise(n, 4, 6, 5)},
               {noise(n, 3, 6, 5), noise(n, 2, 8, 7), noise(n, 4, 6, 5)},
               images(n, 4, 6, 5),
               noise(n, 4, 6, 5)};
    return g;
}

static void free_given(given *g) {
    for (int i = 0; i < 3; i++) {
        cn_tensor_free(g->input[i]);
        cn_tensor_free(g->gradient[i]);
    }
    cn_tensor_free(g->output);
    cn_tensor_free(g->grad_output);
}

static void run(cn_model *model, given *g) {
    ck_ok(cn_model_forward_all(model, 1, 3, (const cn_tensor *const *)g->input, 1, &g->output));
    ck_ok(cn_model_backward_all(model, 1, (const cn_tensor *const *)&g->grad_output, 3, g->gradient));
}

/* The gradient of the sum: what the ReLU lets through. */
static cn_tensor *through_relu(const given *g) {
    cn_tensor *made = images(cn_tensor_shape(g->output, 0), 4, 6, 5);
    for (int64_t i = 0; i < cn_tensor_count(made); i++)
        floats(made)[i] = floats(g->output)[i] > 0.0f ? floats(g->grad_output)[i] : 0.0f;
    return made;
}

static void expect_same(const cn_tensor *got, const cn_tensor *wanted, const char *what) {
    const float *a = cn_tensor_data_const(got), *b = cn_tensor_data_const(wanted);
    for (int64_t i = 0; i < cn_tensor_count(wanted); i++)
        ck_assert_msg(a[i] == b[i], "%s: value %d is %.9g, wanted %.9g", what, (int)i, (double)a[i], (double)b[i]);
}

/* Forward and backward of a branch, whose gradients are those in the whole. */
static cn_tensor *expect_branch(cn_model *model, const char *layer, const char *weight, const given *g, int input) {
    cn_model *part;
    cn_tensor *sum = through_relu(g), *output = images(BATCH, 4, 6, 5), *a, *b, *grad;
    const int64_t shape[4] = {BATCH, cn_tensor_shape(g->input[input], 1), cn_tensor_shape(g->input[input], 2),
                              cn_tensor_shape(g->input[input], 3)};
    grad = tensor_of(CN_DTYPE_FLOAT32, 4, shape);
    ck_ok(cn_model_until(model, layer, &part));
    ck_assert_int_eq(cn_model_input_count(part), 1);
    ck_ok(cn_model_forward(part, 1, g->input[input], output));
    ck_ok(cn_model_backward(part, sum, grad));
    ck_ok(cn_model_gradient(model, weight, &a));
    ck_ok(cn_model_gradient(part, weight, &b));
    expect_same(a, b, weight);
    expect_same(g->gradient[input], grad, layer);
    cn_tensor_free(sum);
    cn_tensor_free(grad);
    cn_model_free(part);
    return output;
}

START_TEST(branches_compute_what_they_do_alone) {
    cn_model *model = joined();
    given g = make_given(BATCH);
    run(model, &g);
    cn_tensor *a = expect_branch(model, "a", "a.weight", &g, 0), *b = expect_branch(model, "b", "conv.weight", &g, 1);
    cn_tensor *sum = through_relu(&g);
    for (int64_t i = 0; i < cn_tensor_count(g.output); i++)
        ck_assert_float_eq(floats(g.output)[i], fmaxf(floats(a)[i] + floats(b)[i] + floats(g.input[2])[i], 0.0f));
    expect_same(g.gradient[2], sum, "scale");
    cn_tensor_free(a);
    cn_tensor_free(b);
    cn_tensor_free(sum);
    free_given(&g);
    cn_model_free(model);
}
END_TEST

START_TEST(predictors_take_all_inputs) {
    cn_model *model = joined();
    for (int n = 1; n <= 40; n += 13) {
        given g = make_given(n);
        cn_tensor *output = images(n, 4, 6, 5);
        cn_predictor *predictor;
        run(model, &g);
        ck_ok(cn_predictor_new(model, NULL, &predictor));
        ck_ok(cn_predictor_run_all(predictor, 3, (const cn_tensor *const *)g.input, 1, &output));
        for (int64_t i = 0; i < cn_tensor_count(output); i++)
            ck_assert_float_eq_tol(floats(output)[i], floats(g.output)[i], 1e-6);
        cn_predictor_free(predictor);
        cn_tensor_free(output);
        free_given(&g);
    }
    cn_model_free(model);
}
END_TEST

START_TEST(only_the_first_input_takes_bytes) {
    cn_model *model = joined();
    given g = make_given(2), floats_given = make_given(2);
    cn_predictor *predictor;
    cn_tensor *output = images(2, 4, 6, 5);
    ck_ok(cn_model_set_normalization(model, 3, (float[]){0.5f, 0.4f, 0.3f}, (float[]){0.5f, 0.25f, 1.0f}));
    cn_tensor *bytes = tensor_of(CN_DTYPE_UINT8, 4, (int64_t[]){2, 3, 6, 5});
    cn_tensor *more = tensor_of(CN_DTYPE_UINT8, 4, (int64_t[]){2, 2, 8, 7});
    for (int i = 0; i < 180; i++) {
        static const float mean[] = {0.5f, 0.4f, 0.3f}, std[] = {0.5f, 0.25f, 1.0f};
        uint8_t byte = (uint8_t)(37 * i);
        ((uint8_t *)cn_tensor_data(bytes))[i] = byte;
        floats(floats_given.input[0])[i] = ((float)byte / 255.0f - mean[i / 30 % 3]) / std[i / 30 % 3];
    }
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    ck_ok(cn_predictor_run_all(predictor, 3, (const cn_tensor *[]){bytes, g.input[1], g.input[2]}, 1, &output));
    run(model, &floats_given);
    for (int64_t i = 0; i < cn_tensor_count(output); i++)
        ck_assert_float_eq_tol(floats(output)[i], floats(floats_given.output)[i], 1e-5);
    ck_fails(cn_predictor_run_all(predictor, 3, (const cn_tensor *[]){bytes, more, g.input[2]}, 1, &output),
             CN_ERR_SHAPE, "input 'more' is uint8");
    cn_predictor_free(predictor);
    cn_tensor_free(bytes);
    cn_tensor_free(more);
    cn_tensor_free(output);
    free_given(&g);
    free_given(&floats_given);
    cn_model_free(model);
}
END_TEST

START_TEST(inputs_are_listed_in_the_order_of_adding) {
    static const char *const names[] = {"input", "more", "scale"};
    cn_model *model = joined();
    cn_layer_info info = CN_LAYER_INFO_INIT;
    int64_t shape[3];
    char *summary;
    ck_assert_int_eq(cn_model_input_count(model), 3);
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(cn_model_input_name(model, i), names[i]);
    ck_assert_ptr_null(cn_model_input_name(model, 3));
    cn_model_input_shape_at(model, 1, shape);
    ck_assert(shape[0] == 2 && shape[1] == 8 && shape[2] == 7);
    cn_model_input_shape_at(model, 3, shape);
    ck_assert_int_eq(shape[0], 0);
    ck_ok(cn_model_layer_info(model, 0, &info));
    ck_assert_str_eq(info.type, "Input");
    ck_assert(info.input[1] == 8 && info.output[2] == 7 && info.parameters == 0);
    ck_ok(cn_model_summary(model, &summary));
    ck_assert_ptr_nonnull(strstr(summary, "\nmore   Input "));
    ck_assert_ptr_nonnull(strstr(summary, "Conv2d 1×1 of input "));
    cn_text_free(summary);
    cn_model_free(model);
}
END_TEST

START_TEST(files_keep_the_inputs) {
    cn_model *model = joined(), *loaded, *part;
    cn_tensor *file;
    given g = make_given(3), h = make_given(3);
    ck_ok(cn_model_save_memory(model, &file));
    ck_ok(cn_model_load_memory(ctx, cn_tensor_data_const(file), (size_t)cn_tensor_count(file), &loaded));
    ck_assert_str_eq(cn_model_input_name(loaded, 2), "scale");
    run(model, &g);
    run(loaded, &h);
    expect_same(h.output, g.output, "loaded");
    ck_ok(cn_model_until(loaded, "c", &part)); /* all of them go along */
    ck_assert_str_eq(cn_model_input_name(part, 1), "more");
    cn_model_free(part);
    ck_fails(cn_model_until(loaded, "more", &part), CN_ERR_NOT_FOUND, "'more' is an input");
    cn_tensor_free(file);
    free_given(&g);
    free_given(&h);
    cn_model_free(model);
    cn_model_free(loaded);
}
END_TEST

START_TEST(inputs_that_do_not_fit_are_refused) {
    cn_model *model = joined(), *bare = model_for(1, 2, 2);
    given g = make_given(2), other = make_given(3);
    cn_tensor *map;
    const cn_tensor *wrong[3] = {g.input[0], other.input[1], g.input[2]};
    ck_fails(cn_model_forward_all(model, 0, 3, wrong, 1, &g.output), CN_ERR_SHAPE, "input 'more' is float32 [3, 2");
    wrong[1] = NULL;
    ck_fails(cn_model_forward_all(model, 0, 3, wrong, 1, &g.output), CN_ERR_ARGUMENT, "input 'more' is NULL");
    ck_fails(cn_model_forward_all(model, 0, 2, wrong, 1, &g.output), CN_ERR_SHAPE, "inputs: 2");
    ck_fails(cn_model_forward(model, 0, g.input[0], g.output), CN_ERR_SHAPE,
             "inputs: 1 of 3 that the model has, outputs: 1 of 1");
    ck_fails(cn_model_class_activation_map(model, g.input[0], 0, &map), CN_ERR_UNSUPPORTED, "3 inputs");
    ck_fails(cn_model_add_input(bare, "more", 0, 1, 1), CN_ERR_ARGUMENT, "cn_model_add_input: channels is 0");
    ck_fails(cn_model_add_input(bare, "more", 60000, 60000, 1), CN_ERR_SHAPE, "more than");
    ck_fails(cn_model_add_input(bare, "input", 1, 1, 1), CN_ERR_ARGUMENT, "already has");
    ck_fails(cn_model_add_input(bare, NULL, 1, 1, 1), CN_ERR_ARGUMENT, "name is NULL");
    ck_ok(cn_model_add_input(bare, "more", 1, 2, 2));
    ck_ok(cn_model_append(bare, "relu", relu()));
    ck_fails(cn_model_init(bare, 0), CN_ERR_STATE, "nothing reads 'input'");
    ck_ok(cn_model_add(bare, "last", relu(), 1, (const char *const[]){"input"}));
    ck_ok(cn_model_set_outputs(bare, 2, (const char *const[]){"relu", "last"}));
    ck_ok(cn_model_add_input(bare, "idle", 1, 2, 2));
    ck_fails(cn_model_init(bare, 0), CN_ERR_STATE, "nothing reads layer 'idle'");
    free_given(&g);
    free_given(&other);
    cn_model_free(model);
    cn_model_free(bare);
}
END_TEST

START_TEST(out_of_memory_is_a_status) {
    counting_allocator counter = {0};
    cn_context *counted = counting_context(&counter, 2), *before = ctx;
    ctx = counted;
    cn_model *model = joined(), *part, *loaded;
    cn_tensor *file;
    cn_predictor *predictor;
    ck_ok(cn_model_save_memory(model, &file));
    long live = counter.live;
    int done = 0;
    for (long failing = 1; done < 3; failing++) {
        cn_status status;
        counter.persistent = _i;
        counter.fail_at = counter.calls + failing;
        part = loaded = NULL;
        predictor = NULL;
        if (done == 0)
            status = cn_model_until(model, "c", &part);
        else if (done == 1)
            status = cn_model_load_memory(counted, cn_tensor_data_const(file), (size_t)cn_tensor_count(file), &loaded);
        else
            status = cn_predictor_new(model, NULL, &predictor);
        counter.fail_at = 0;
        cn_model_free(part);
        cn_model_free(loaded);
        cn_predictor_free(predictor);
        ck_assert_int_eq(counter.live, live);
        ck_assert(status == CN_OK || status == CN_ERR_MEMORY);
        if (status == CN_OK) {
            done++;
            failing = 0;
        }
    }
    cn_tensor_free(file);
    cn_model_free(model);
    cn_context_free(counted);
    ctx = before;
}
END_TEST

int main(void) {
    Suite *suite = suite_create("inputs");
    const TTest *const tests[] = {
        branches_compute_what_they_do_alone,      predictors_take_all_inputs, only_the_first_input_takes_bytes,
        inputs_are_listed_in_the_order_of_adding, files_keep_the_inputs,      inputs_that_do_not_fit_are_refused};
    const TTest *const memory[] = {out_of_memory_is_a_status};
    add_tests(suite, "inputs", set_up, tear_down, tests, COUNT(tests), 1);
    add_tests(suite, "memory", set_up, tear_down, memory, COUNT(memory), 2);
    return test_run(suite);
}
