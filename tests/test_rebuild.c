/* SPDX-License-Identifier: MIT */
/* test_rebuild.c: models that are added to and changed after they were initialised: what is new is drawn, what was there
 * is kept, and nothing else may point into them. */
#include "pieces.h"
#include "toys.h"
#include <stdlib.h>

static cn_layer *linear(int inputs, int outputs) {
    cn_layer *layer;
    ck_ok(cn_linear_new(ctx, inputs, outputs, 1, &layer));
    return layer;
}

static cn_layer *log_softmax(void) {
    cn_layer *layer;
    ck_ok(cn_log_softmax_new(ctx, &layer));
    return layer;
}

static cn_model *toy(void) {
    return toy_model(ctx, CN_NORM_BATCH, 0.1f);
}

static const char *const toy_classes[] = {"a", "b", "c"};

static const float *values(cn_model *model, const char *name) {
    cn_tensor *tensor;
    ck_ok(cn_model_tensor(model, name, &tensor));
    return cn_tensor_data(tensor);
}

static bool same(cn_model *a, cn_model *b, const char *name) {
    cn_tensor *of_a, *of_b;
    ck_ok(cn_model_tensor(a, name, &of_a));
    ck_ok(cn_model_tensor(b, name, &of_b));
    return cn_tensor_count(of_a) == cn_tensor_count(of_b) &&
           memcmp(cn_tensor_data(of_a), cn_tensor_data(of_b),
                  (size_t)cn_tensor_count(of_a) * (cn_tensor_dtype(of_a) == CN_DTYPE_INT64 ? 8 : 4)) == 0;
}

static const char *const kept[] = {"conv.weight",
                                   "conv.bias",
                                   "norm.weight",
                                   "norm.bias",
                                   "norm.running_mean",
                                   "norm.running_var",
                                   "norm.num_batches_tracked"};

static void expect_kept(cn_model *model, cn_model *before) {
    for (size_t i = 0; i < COUNT(kept); i++)
        ck_assert_msg(same(model, before, kept[i]), "%s", kept[i]);
}

/* A model whose tensors no seed draws. */
static cn_model *trained_toy(void) {
    cn_model *model = toy();
    for (int64_t i = 0; i < cn_model_tensor_count(model); i++) {
        cn_tensor *tensor;
        ck_ok(cn_model_tensor(model, cn_model_tensor_name(model, i), &tensor));
        if (cn_tensor_dtype(tensor) == CN_DTYPE_INT64)
            *(int64_t *)cn_tensor_data(tensor) = 40;
        else
            ((float *)cn_tensor_data(tensor))[0] = 1.0f + 0.01f * (float)i;
    }
    return model;
}

/* ---- adding ---- */

START_TEST(a_part_goes_on_being_built) {
    cn_model *model = trained_toy(), *part, *scratch;
    ck_ok(cn_model_until(model, "flatten", &part));
    ck_ok(cn_model_append(part, "head", linear(TOY_PIXELS, 5)));
    ck_assert_int_eq(cn_model_tensor_count(part), 0);
    ck_assert_ptr_null(cn_model_tensor_name(part, 0));
    ck_assert_int_eq(cn_model_parameter_count(part), 0);
    cn_tensor *tensor;
    ck_fails(cn_model_tensor(part, "conv.weight", &tensor), CN_ERR_STATE, "not initialised");
    ck_fails(cn_model_freeze(part, "conv", 1), CN_ERR_STATE, "not initialised");
    ck_ok(cn_model_append(part, "end", log_softmax()));
    ck_ok(cn_model_init(part, 9));
    expect_kept(part, model);
    ck_assert_int_eq(cn_model_tensor_count(part), 9);
    /* what is new is what the whole would have been given */
    ck_ok(cn_model_until(part, "end", &scratch));
    ck_ok(cn_model_init(scratch, 9));
    ck_assert(same(part, scratch, "head.weight"));
    ck_assert(!same(part, scratch, "conv.weight"));
    cn_model_free(scratch);
    cn_model_free(part);
    cn_model_free(model);
}
END_TEST

START_TEST(a_second_init_starts_afresh) {
    cn_model *model = trained_toy(), *fresh = toy();
    ck_ok(cn_model_init(model, 1));
    toy_expect_equal(model, fresh);
    ck_ok(cn_model_append(model, "end", relu()));
    ck_ok(cn_model_init(model, 2));
    ck_assert(same(model, fresh, "conv.weight"));
    ck_ok(cn_model_init(model, 2));
    ck_assert(!same(model, fresh, "conv.weight"));
    ck_ok(cn_model_init(model, 1));
    ck_assert(same(model, fresh, "conv.weight"));
    cn_model_free(model);
    cn_model_free(fresh);
}
END_TEST

START_TEST(layers_may_come_in_anywhere_behind) {
    cn_model *model = trained_toy(), *before;
    cn_layer *layer;
    ck_ok(cn_model_until(model, "out", &before));
    ck_ok(cn_model_add(model, "branch", conv(4, 2, 3), 1, (const char *const[]){"relu"}));
    ck_fails(cn_model_init(model, 3), CN_ERR_STATE, "nothing reads layer 'out'");
    ck_ok(cn_flatten_new(ctx, &layer));
    ck_ok(cn_model_append(model, "flat", layer));
    ck_ok(cn_model_append(model, "fit", linear(32, TOY_CLASSES)));
    ck_ok(cn_add_new(ctx, &layer));
    ck_ok(cn_model_add(model, "sum", layer, 2, (const char *const[]){"out", "fit"}));
    ck_ok(cn_model_init(model, 3));
    expect_kept(model, before);
    ck_assert(same(model, before, "fc.weight"));
    cn_model_free(before);
    cn_model_free(model);
}
END_TEST

START_TEST(a_layer_that_does_not_fit_leaves_the_model) {
    cn_model *model = trained_toy(), *before;
    ck_ok(cn_model_until(model, "out", &before));
    ck_ok(cn_model_set_class_names(model, 3, toy_classes));
    ck_fails(cn_model_append(model, "head", linear(7, 5)), CN_ERR_SHAPE, "head");
    ck_fails(cn_model_append(model, "fc", linear(3, 5)), CN_ERR_ARGUMENT, "already has a layer 'fc'");
    ck_fails(cn_model_replace(model, "fc", linear(7, 5)), CN_ERR_SHAPE, "fc");
    ck_fails(cn_model_replace(model, "conv", conv(1, 5, 1)), CN_ERR_SHAPE, "norm");
    ck_fails(cn_model_replace(model, "conv", conv(1, 4, 9)), CN_ERR_SHAPE, "conv");
    ck_fails(cn_model_replace(model, "pool", conv(4, 4, 3)), CN_ERR_SHAPE, "fc");
    ck_fails(cn_model_replace(model, "missing", relu()), CN_ERR_NOT_FOUND, "no layer 'missing'");
    ck_fails(cn_model_replace(model, "input", relu()), CN_ERR_NOT_FOUND, "no layer 'input'");
    ck_fails(cn_model_replace(model, NULL, relu()), CN_ERR_ARGUMENT, "name is NULL");
    ck_fails(cn_model_replace(model, "relu", NULL), CN_ERR_ARGUMENT, "layer is NULL");
    ck_fails(cn_model_replace(NULL, "relu", relu()), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_replace_output(NULL, 3), CN_ERR_ARGUMENT, "model");
    ck_fails(cn_model_replace_output(model, 0), CN_ERR_ARGUMENT, "out_features is 0");
    ck_fails(cn_model_replace_output(model, -3), CN_ERR_ARGUMENT, "out_features is -3");
    toy_expect_equal(model, before);
    ck_assert_int_eq(cn_model_class_count(model), 3);
    cn_model_free(before);
    cn_model_free(model);
}
END_TEST

START_TEST(a_layer_of_another_context_is_refused) {
    cn_context *other = test_context(1);
    cn_model *model = toy();
    cn_layer *layer;
    ck_ok(cn_relu_new(other, &layer));
    ck_fails(cn_model_replace(model, "relu", layer), CN_ERR_ARGUMENT, "another context");
    cn_model_free(model);
    cn_context_free(other);
}
END_TEST

/* ---- replacing ---- */

START_TEST(the_output_layer_is_replaced) {
    cn_model *model = trained_toy(), *before;
    int64_t shape[3];
    ck_ok(cn_model_until(model, "out", &before));
    ck_ok(cn_model_set_class_names(model, 3, toy_classes));
    ck_assert_str_eq(cn_model_output_layer(model), "fc");
    ck_ok(cn_model_freeze(model, "*", 1));
    ck_ok(cn_model_replace_output(model, 7));
    ck_ok(cn_model_init(model, 4));
    cn_model_output_shape(model, shape);
    ck_assert_int_eq(shape[0], 7);
    ck_assert_int_eq(cn_model_class_count(model), 0);
    ck_assert_int_eq(cn_model_frozen(model, "fc.weight"), 0);
    ck_assert_int_eq(cn_model_frozen(model, "fc"), 0);
    ck_assert_int_eq(cn_model_frozen(model, "conv.weight"), 1);
    ck_assert_int_eq(cn_model_frozen(model, "dropout"), 1);
    expect_kept(model, before);
    cn_model_free(before);
    cn_model_free(model);
}
END_TEST

/* As many outputs, but of other classes. */
START_TEST(names_go_with_the_layer_that_told_classes_apart) {
    cn_model *model = toy();
    cn_layer *layer;
    ck_ok(cn_model_set_class_names(model, 3, toy_classes));
    ck_ok(cn_model_append(model, "end", relu())); /* no parameters: outputs mean what they did */
    ck_ok(cn_dropout_new(ctx, 0.5f, &layer));
    ck_ok(cn_model_replace(model, "dropout", layer));
    ck_ok(cn_model_replace(model, "norm", norm(CN_NORM_GROUP, 4)));
    ck_ok(cn_model_init(model, 1));
    ck_assert_int_eq(cn_model_class_count(model), 3);
    ck_assert_int_eq(cn_model_tensor_count(model), 6);
    ck_ok(cn_model_replace_output(model, 3));
    ck_assert_int_eq(cn_model_class_count(model), 0);
    ck_ok(cn_model_init(model, 1));
    ck_ok(cn_model_set_class_names(model, 3, toy_classes));
    ck_ok(cn_model_append(model, "more", linear(3, 3)));
    ck_ok(cn_model_init(model, 1));
    ck_assert_int_eq(cn_model_class_count(model), 0);
    cn_model_free(model);
}
END_TEST

START_TEST(shapes_behind_follow) {
    cn_model *model = model_for(1, 6, 6);
    cn_layer *layer;
    int64_t shape[3];
    ck_ok(cn_model_append(model, "a", conv(1, 2, 1)));
    ck_ok(cn_model_append(model, "b", relu()));
    ck_ok(cn_model_replace(model, "a", conv(1, 5, 3))); /* before cn_model_init as well */
    ck_ok(cn_flatten_new(ctx, &layer));
    ck_ok(cn_model_append(model, "c", layer));
    ck_ok(cn_model_init(model, 1));
    cn_model_output_shape(model, shape);
    ck_assert_int_eq(shape[0], 5 * 4 * 4);
    ck_ok(cn_model_replace_output(model, 3));
    cn_model_output_shape(model, shape);
    ck_assert_int_eq(shape[0], 3 * 4 * 4);
    ck_ok(cn_model_init(model, 1));
    ck_assert_int_eq(cn_model_tensor_count(model), 2);
    cn_model_free(model);
}
END_TEST

START_TEST(a_model_without_weights_has_no_output_layer) {
    cn_model *model = model_for(1, 2, 2);
    ck_assert_ptr_null(cn_model_output_layer(NULL));
    ck_assert_ptr_null(cn_model_output_layer(model));
    ck_ok(cn_model_append(model, "norm", norm(CN_NORM_BATCH, 1)));
    ck_assert_ptr_null(cn_model_output_layer(model));
    ck_fails(cn_model_replace_output(model, 3), CN_ERR_NOT_FOUND, "no convolution or linear layer");
    cn_model_free(model);
}
END_TEST

/* ---- who is in the way ---- */

START_TEST(models_in_use_do_not_change) {
    cn_model *model = toy(), *before;
    toy_data data = toy_data_new(ctx, 20, 1);
    cn_trainer *trainer;
    cn_optimizer *optimizer;
    cn_predictor *predictor;
    ck_ok(cn_model_until(model, "out", &before));
    ck_ok(cn_optimizer_new(model, NULL, &optimizer));
    ck_fails(cn_model_append(model, "more", relu()), CN_ERR_STATE,
             "'more' cannot come into a model while 1 trainer, optimizer or predictor of it exists");
    cn_optimizer_free(optimizer);
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    ck_fails(cn_model_replace_output(model, 5), CN_ERR_STATE, "'fc' cannot come into a model while");
    cn_predictor_free(predictor);
    ck_ok(cn_trainer_new(model, data.set, NULL, NULL, &trainer));
    ck_fails(cn_model_replace(model, "relu", relu()), CN_ERR_STATE, "'relu' cannot come into a model while");
    toy_expect_equal(model, before);
    cn_trainer_free(trainer);
    ck_ok(cn_model_replace_output(model, 5));
    ck_fails(cn_predictor_new(model, NULL, &predictor), CN_ERR_STATE, "not initialised");
    ck_fails(cn_trainer_new(model, data.set, NULL, NULL, &trainer), CN_ERR_STATE, "not initialised");
    ck_ok(cn_model_init(model, 1));
    ck_ok(cn_trainer_new(model, data.set, NULL, NULL, &trainer));
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL));
    cn_trainer_free(trainer);
    toy_data_free(&data);
    cn_model_free(before);
    cn_model_free(model);
}
END_TEST

/* A loop of one's own begins anew. */
START_TEST(passes_follow_a_change) {
    cn_model *model = toy();
    cn_tensor *input = images(4, 1, TOY_SIDE, TOY_SIDE), *three = tensor_of(CN_DTYPE_FLOAT32, 2, (int64_t[]){4, 3});
    cn_tensor *five = tensor_of(CN_DTYPE_FLOAT32, 2, (int64_t[]){4, 5});
    ck_ok(cn_model_forward(model, 1, input, three));
    ck_ok(cn_model_replace_output(model, 5));
    ck_fails(cn_model_forward(model, 1, input, five), CN_ERR_STATE, "not initialised");
    ck_fails(cn_model_backward(model, three, NULL), CN_ERR_STATE, "not initialised");
    ck_ok(cn_model_init(model, 1));
    ck_fails(cn_model_backward(model, five, NULL), CN_ERR_STATE, "no training forward pass");
    ck_ok(cn_model_forward(model, 1, input, five));
    ck_ok(cn_model_backward(model, five, NULL));
    cn_tensor_free(input);
    cn_tensor_free(three);
    cn_tensor_free(five);
    cn_model_free(model);
}
END_TEST

/* ---- memory ---- */

/* The model as it was before the change that fails, or after it; it goes on from there. */
START_TEST(out_of_memory_is_a_status) {
    counting_allocator counter = {0};
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    counting_options(&counter, &options);
    options.threads = 1;
    cn_context *saved = ctx;
    ck_ok(cn_context_new(&options, &ctx));
    cn_model *model = trained_toy(), *before = trained_toy();
    int failures = 0, done = 0;
    for (counter.persistent = _i; done < 3; failures++) {
        counter.fail_at = counter.calls + 1 + failures % 40;
        cn_status status = done == 0 ? cn_model_replace_output(model, 5) : CN_OK;
        if (status == CN_OK && done < 1)
            done = 1;
        if (status == CN_OK) {
            cn_layer *layer = NULL;
            status = done == 1 ? cn_relu_new(ctx, &layer) : CN_OK;
            if (status == CN_OK && done == 1)
                status = cn_model_append(model, "end", layer);
        }
        if (status == CN_OK && done < 2)
            done = 2;
        if (status == CN_OK)
            status = cn_model_init(model, 1);
        counter.fail_at = 0;
        if (status == CN_OK)
            done = 3;
        else
            ck_assert_int_eq(status, CN_ERR_MEMORY);
    }
    ck_assert_int_gt(failures, 10);
    expect_kept(model, before);
    ck_assert_int_eq(cn_model_tensor_count(model), 9);
    ck_assert_float_ne(values(model, "fc.weight")[0], values(before, "fc.weight")[0]);
    cn_model_free(model);
    cn_model_free(before);
    cn_context_free(ctx);
    ck_assert_int_eq(counter.live, 0);
    ctx = saved;
}
END_TEST

int main(void) {
    Suite *suite = suite_create("rebuild");
    const TTest *const single[] = {a_part_goes_on_being_built,
                                   a_second_init_starts_afresh,
                                   layers_may_come_in_anywhere_behind,
                                   a_layer_that_does_not_fit_leaves_the_model,
                                   a_layer_of_another_context_is_refused,
                                   the_output_layer_is_replaced,
                                   names_go_with_the_layer_that_told_classes_apart,
                                   shapes_behind_follow,
                                   a_model_without_weights_has_no_output_layer,
                                   models_in_use_do_not_change,
                                   passes_follow_a_change};
    const TTest *const twice[] = {out_of_memory_is_a_status};
    add_tests(suite, "rebuilding", set_up, tear_down, single, COUNT(single), 1);
    add_tests(suite, "memory", set_up, tear_down, twice, COUNT(twice), 2);
    return test_run(suite);
}
