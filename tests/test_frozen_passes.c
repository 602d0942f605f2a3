/* SPDX-License-Identifier: MIT */
/* test_frozen_passes.c: what frozen layers save, and what they mean to a loop of one's own. */
#include "plan/plan.h"
#include "testing.h"
#include "toys.h"
#include <math.h>

TEST_BOTH_LAYOUTS;

/* ---- what it costs ---- */

static int backward_events;

static void count_backward(void *user, const cn_trace_event *event) {
    (void)user;
    backward_events +=
        event->pass == CN_PASS_BACKWARD && strcmp(event->layer, "fc") != 0 && strcmp(event->layer, "out") != 0;
}

START_TEST(a_frozen_beginning_has_no_backward_pass) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *ctx;
    options.threads = 1;
    options.trace = count_backward;
    ck_ok(cn_context_new(&options, &ctx));
    cn_model *model = toy_model(ctx, CN_NORM_BATCH, 0.1f);
    toy_data data = toy_data_new(ctx, 40, 1);
    cn_trainer *trainer;
    ck_ok(cn_model_freeze(model, "*", 1));
    ck_ok(cn_model_freeze(model, "fc", 0));
    ck_ok(cn_trainer_new(model, data.set, NULL, NULL, &trainer));
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL));
    ck_assert_int_eq(backward_events, 0);
    ck_ok(cn_model_freeze(model, "norm.bias", 0));
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL));
    ck_assert_int_gt(backward_events, 0);
    cn_trainer_free(trainer);
    toy_data_free(&data);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

static size_t plan_bytes(const cn_model *model) {
    cn__plan *plan;
    ck_ok(cn__plan_new(model, &(cn__plan_options){.images = 64, .training = true}, &plan));
    size_t bytes = cn__plan_bytes(plan);
    cn__plan_free(plan);
    return bytes;
}

/* With images in the lanes, where a pool is computed with the convolution ahead of it, whose map is then nowhere. */
START_TEST(a_frozen_beginning_has_no_memory_for_one) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *ctx;
    cn_model *model;
    options.layout = CN_LAYOUT_IMAGES;
    ck_ok(cn_context_new(&options, &ctx));
    ck_ok(cn_model_session8(ctx, NULL, &model));
    size_t all_bytes = plan_bytes(model);
    ck_ok(cn_model_freeze(model, "?block*", 1));
    ck_ok(cn_model_freeze(model, "oblock*", 0));
    ck_assert_uint_lt(plan_bytes(model), all_bytes / 3);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

/* ---- a loop of one's own ---- */

typedef struct loop {
    cn_context *ctx;
    cn_model *model;
    cn_tensor *input, *output, *grad_output, *grad_input;
} loop;

static cn_tensor *filled(cn_context *ctx, int dims, const int64_t *shape, float step) {
    cn_tensor *tensor;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, dims, shape, &tensor));
    for (int64_t i = 0; i < cn_tensor_count(tensor); i++)
        ((float *)cn_tensor_data(tensor))[i] = step * (float)(i * 37 % 64 - 32);
    return tensor;
}

static loop loop_begin(void) {
    loop l = {.ctx = test_context(2)};
    const int64_t in[] = {20, 1, TOY_SIDE, TOY_SIDE}, out[] = {20, TOY_CLASSES};
    l.model = toy_model(l.ctx, CN_NORM_BATCH, 0.2f);
    l.input = filled(l.ctx, 4, in, 0.03f);
    l.output = filled(l.ctx, 2, out, 0.0f);
    l.grad_output = filled(l.ctx, 2, out, 0.01f);
    l.grad_input = filled(l.ctx, 4, in, 0.0f);
    return l;
}

static void loop_end(loop *l) {
    cn_tensor_free(l->input);
    cn_tensor_free(l->output);
    cn_tensor_free(l->grad_output);
    cn_tensor_free(l->grad_input);
    cn_model_free(l->model);
    cn_context_free(l->ctx);
}

START_TEST(frozen_parameters_have_no_gradient) {
    loop l = loop_begin();
    cn_tensor *gradient, *kept;
    ck_ok(cn_model_gradient(l.model, "conv.weight", &kept));
    ck_ok(cn_model_forward(l.model, 1, l.input, l.output));
    ck_ok(cn_model_backward(l.model, l.grad_output, NULL));
    ck_assert_float_ne(*(float *)cn_tensor_data(kept), 0.0f);
    ck_ok(cn_model_freeze(l.model, "conv.weight", 1));
    ck_fails(cn_model_gradient(l.model, "conv.weight", &gradient), CN_ERR_NOT_FOUND, "'conv.weight' is frozen");
    ck_assert_ptr_null(gradient);
    ck_ok(cn_model_gradient(l.model, "conv.bias", &gradient));
    ck_ok(cn_model_forward(l.model, 1, l.input, l.output));
    ck_ok(cn_model_backward(l.model, l.grad_output, NULL));
    for (int64_t i = 0; i < cn_tensor_count(kept); i++)
        ck_assert_float_eq(((float *)cn_tensor_data(kept))[i], 0.0f);
    loop_end(&l);
}
END_TEST

START_TEST(freezing_between_forward_and_backward_is_refused) {
    loop l = loop_begin();
    ck_ok(cn_model_forward(l.model, 1, l.input, l.output));
    ck_ok(cn_model_freeze(l.model, "conv", 1));
    ck_fails(cn_model_backward(l.model, l.grad_output, NULL), CN_ERR_STATE, "cn_model_freeze was called");
    ck_ok(cn_model_forward(l.model, 1, l.input, l.output));
    ck_ok(cn_model_backward(l.model, l.grad_output, NULL));
    loop_end(&l);
}
END_TEST

/* Asked for at once or later, and with all frozen: adversarial images, say. Statistics are counted once. */
START_TEST(the_inputs_gradient_can_be_had_whenever) {
    loop first = loop_begin(), later = loop_begin();
    loop *both[] = {&first, &later};
    for (int i = 0; i < 2; i++) {
        if (_i == 1)
            ck_ok(cn_model_freeze(both[i]->model, "*", 1));
        ck_ok(cn_model_forward(both[i]->model, 1, both[i]->input, both[i]->output));
        ck_ok(cn_model_backward(both[i]->model, both[i]->grad_output, i == 0 ? both[i]->grad_input : NULL));
        ck_ok(cn_model_forward(both[i]->model, 1, both[i]->input, both[i]->output));
        ck_ok(cn_model_backward(both[i]->model, both[i]->grad_output, both[i]->grad_input));
    }
    for (int i = 0; i < 20 * TOY_CLASSES; i++)
        ck_assert(fabsf(((float *)cn_tensor_data(first.output))[i] - ((float *)cn_tensor_data(later.output))[i]) <=
                  (_i == 1 ? 1e-5f : 0.0f));
    ck_assert_mem_eq(cn_tensor_data(first.grad_input), cn_tensor_data(later.grad_input),
                     20 * TOY_PIXELS * sizeof(float));
    ck_assert_float_ne(*(float *)cn_tensor_data(first.grad_input), 0.0f);
    toy_expect_equal(first.model, later.model);
    cn_tensor *tracked;
    ck_ok(cn_model_tensor(later.model, "norm.num_batches_tracked", &tracked));
    ck_assert_int_eq(*(int64_t *)cn_tensor_data(tracked), _i == 1 ? 0 : 2);
    loop_end(&first);
    loop_end(&later);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("frozen passes");
    const TTest *const single[] = {a_frozen_beginning_has_no_backward_pass, a_frozen_beginning_has_no_memory_for_one,
                                   frozen_parameters_have_no_gradient,
                                   freezing_between_forward_and_backward_is_refused};
    const TTest *const twice[] = {the_inputs_gradient_can_be_had_whenever};
    test_add(suite, "passes", single, sizeof single / sizeof *single, 1);
    test_add(suite, "input", twice, sizeof twice / sizeof *twice, 2);
    return test_run(suite);
}
