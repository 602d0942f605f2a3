/* SPDX-License-Identifier: MIT */
/* test_outputs.c: models with several outputs: they compute what a model for each would, whatever a plan fuses. */
#include "pieces.h"
#include <math.h>

TEST_BOTH_LAYOUTS;

enum { SIDE = 12, CLASSES = 5, BATCH = 19 };

static const char *const names[] = {"c1", "n1", "r1", "p1", "c2", "n2", "sum", "r2", "drop", "c3", "p3", "tanh", "fc"};
enum { LAST = COUNT(names) - 1 };

static cn_layer *padded(int in, int out, int kernel) {
    cn_conv2d_options options = CN_CONV2D_OPTIONS_INIT;
    cn_layer *layer;
    options.bias = 0; /* before a norm its gradient is noise */
    options.padding[0] = options.padding[1] = kernel / 2;
    ck_ok(cn_conv2d_new(ctx, in, out, kernel, kernel, &options, &layer));
    return layer;
}

static cn_layer *pool(void) {
    cn_layer *layer;
    ck_ok(cn_max_pool2d_new(ctx, 2, 2, NULL, &layer));
    return layer;
}

/* With everything that plans fuse. NULL names: the usual output. */
static cn_model *network(int count, const char *const *outputs) {
    cn_model *model = model_for(3, SIDE, SIDE);
    cn_layer *layer;
    ck_ok(cn_model_append(model, "c1", padded(3, 8, 3)));
    ck_ok(cn_model_append(model, "n1", norm(CN_NORM_BATCH, 8)));
    ck_ok(cn_model_append(model, "r1", relu()));
    ck_ok(cn_model_append(model, "p1", pool()));
    ck_ok(cn_model_append(model, "c2", padded(8, 8, 3)));
    ck_ok(cn_model_append(model, "n2", norm(CN_NORM_BATCH, 8)));
    ck_ok(cn_add_new(ctx, &layer));
    ck_ok(cn_model_add(model, "sum", layer, 2, (const char *const[]){"n2", "p1"}));
    ck_ok(cn_model_append(model, "r2", relu()));
    ck_ok(cn_dropout_new(ctx, 0.0f, &layer));
    ck_ok(cn_model_append(model, "drop", layer));
    ck_ok(cn_model_append(model, "c3", padded(8, 16, 1)));
    ck_ok(cn_model_append(model, "p3", pool()));
    ck_ok(cn_tanh_new(ctx, &layer));
    ck_ok(cn_model_append(model, "tanh", layer));
    ck_ok(cn_conv2d_new(ctx, 16, CLASSES, SIDE / 4, SIDE / 4, NULL, &layer));
    ck_ok(cn_model_append(model, "fc", layer));
    if (outputs)
        ck_ok(cn_model_set_outputs(model, count, outputs));
    ck_ok(cn_model_init(model, 5));
    return model;
}

/* ---- tensors ---- */

static float *floats(cn_tensor *tensor) {
    return cn_tensor_data(tensor);
}

static cn_tensor *noise(int64_t n, const int64_t shape[3], unsigned seed) {
    cn_tensor *made = images(n, shape[0], shape[1], shape[2]);
    for (int64_t i = 0; i < cn_tensor_count(made); i++)
        floats(made)[i] = (float)(int32_t)(((uint32_t)i + 977u * seed + 1) * 2654435761u) / 2147483648.0f;
    return made;
}

static cn_tensor *output_for(const cn_model *model, int64_t index, int64_t n) {
    int64_t shape[3];
    cn_model_output_shape_at(model, index, shape);
    return images(n, shape[0], shape[1], shape[2]);
}

/* All values within `error` of the largest. */
static void expect_near(const cn_tensor *got, const cn_tensor *wanted, double error, const char *what) {
    const float *a = cn_tensor_data_const(got), *b = cn_tensor_data_const(wanted);
    double most = 1e-3;
    ck_assert_int_eq(cn_tensor_count(got), cn_tensor_count(wanted));
    for (int64_t i = 0; i < cn_tensor_count(wanted); i++)
        most = fmax(most, fabs((double)b[i]));
    for (int64_t i = 0; i < cn_tensor_count(wanted); i++)
        ck_assert_msg(fabs((double)a[i] - (double)b[i]) <= error * most, "%s: value %d is %.9g, wanted %.9g", what,
                      (int)i, (double)a[i], (double)b[i]);
}

static void expect_same(const cn_tensor *got, const cn_tensor *wanted, const char *what) {
    expect_near(got, wanted, 0.0, what);
}

/* ---- every layer as an output beside the last ---- */

static void predict(const cn_model *model, const cn_tensor *input, cn_tensor *const *outputs) {
    cn_predictor *predictor;
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    ck_ok(cn_predictor_run_all(predictor, 1, &input, cn_model_output_count(model), outputs));
    cn_predictor_free(predictor);
}

/* Layer names[_i] and the last, in either order, after training steps that moved the running statistics. */
typedef struct both {
    cn_model *model, *whole, *part; /* with both outputs; each by itself */
    int at, last;                   /* places of the outputs */
} both;

static both make_both(int layer) {
    both b = {.at = layer % 2, .last = 1 - layer % 2};
    const char *outputs[2];
    outputs[b.at] = names[layer];
    outputs[b.last] = names[LAST];
    b.model = network(2, outputs);
    b.whole = network(0, NULL);
    ck_ok(cn_model_until(b.whole, names[layer], &b.part));
    return b;
}

static void free_both(both *b) {
    cn_model_free(b->model);
    cn_model_free(b->whole);
    cn_model_free(b->part);
}

START_TEST(any_layer_can_be_predicted_beside_the_last) {
    both b = make_both(_i);
    for (int n = 1; n <= BATCH; n += BATCH - 1) {
        cn_tensor *input = noise(n, (int64_t[]){3, SIDE, SIDE}, 1), *got[2], *part, *whole;
        got[b.at] = output_for(b.part, 0, n);
        got[b.last] = output_for(b.whole, 0, n);
        part = output_for(b.part, 0, n);
        whole = output_for(b.whole, 0, n);
        predict(b.model, input, got);
        predict(b.part, input, &part);
        predict(b.whole, input, &whole);
        expect_near(got[b.at], part, 1e-5, names[_i]);
        expect_near(got[b.last], whole, 1e-5, names[LAST]);
        for (int i = 0; i < 2; i++)
            cn_tensor_free(got[i]);
        cn_tensor_free(input);
        cn_tensor_free(part);
        cn_tensor_free(whole);
    }
    free_both(&b);
}
END_TEST

/* Forward and backward of a model with one output. */
static cn_tensor *step(cn_model *model, const cn_tensor *input, const cn_tensor *gradient, cn_tensor *grad_input) {
    cn_tensor *output = output_for(model, 0, BATCH);
    ck_ok(cn_model_forward(model, 1, input, output));
    ck_ok(cn_model_backward(model, gradient, grad_input));
    return output;
}

static void add_to(cn_tensor *sum, const cn_tensor *term) {
    for (int64_t i = 0; i < cn_tensor_count(sum); i++)
        floats(sum)[i] += ((const float *)cn_tensor_data_const(term))[i];
}

/* The part's gradients are added to the whole's, which then are what both outputs together give. */
static void expect_summed_gradients(const both *b) {
    for (int64_t i = 0; i < cn_model_tensor_count(b->model); i++) {
        const char *name = cn_model_tensor_name(b->model, i);
        cn_tensor *got, *whole, *part;
        if (cn_model_gradient(b->model, name, &got) != CN_OK)
            continue; /* a buffer */
        ck_ok(cn_model_gradient(b->whole, name, &whole));
        if (cn_model_gradient(b->part, name, &part) == CN_OK)
            add_to(whole, part);
        expect_near(got, whole, 2e-5, name);
    }
}

START_TEST(gradients_of_two_outputs_add_up) {
    both b = make_both(_i);
    int64_t image[3] = {3, SIDE, SIDE}, shape[3];
    cn_tensor *input = noise(BATCH, image, 2), *gradient[2], *output[2], *grad_input = noise(BATCH, image, 3);
    cn_tensor *grad_part = noise(BATCH, image, 4), *grad_whole = noise(BATCH, image, 5);
    cn_model_output_shape(b.part, shape);
    gradient[b.at] = noise(BATCH, shape, 6);
    cn_model_output_shape(b.whole, shape);
    gradient[b.last] = noise(BATCH, shape, 7);
    for (int i = 0; i < 2; i++)
        output[i] = output_for(b.model, i, BATCH);
    ck_ok(cn_model_forward_all(b.model, 1, 1, (const cn_tensor *[]){input}, 2, output));
    ck_ok(cn_model_backward_all(b.model, 2, (const cn_tensor *[]){gradient[0], gradient[1]}, 1, &grad_input));
    cn_tensor *part = step(b.part, input, gradient[b.at], grad_part);
    cn_tensor *whole = step(b.whole, input, gradient[b.last], grad_whole);
    expect_near(output[b.at], part, 1e-5, names[_i]);
    expect_near(output[b.last], whole, 1e-5, names[LAST]);
    expect_summed_gradients(&b);
    add_to(grad_whole, grad_part);
    expect_near(grad_input, grad_whole, 2e-5, "the input's gradient");
    for (int i = 0; i < 2; i++) {
        cn_tensor_free(gradient[i]);
        cn_tensor_free(output[i]);
    }
    cn_tensor_free(input);
    cn_tensor_free(grad_input);
    cn_tensor_free(grad_part);
    cn_tensor_free(grad_whole);
    cn_tensor_free(part);
    cn_tensor_free(whole);
    free_both(&b);
}
END_TEST

/* ---- two heads ---- */

/* A trunk with two linear heads; `heads`: 1, the first alone, 2, the second, 3 both. */
static cn_model *forked(int heads) {
    static const char *const outputs[] = {"class", "box"};
    cn_model *model = model_for(2, 6, 6);
    cn_layer *layer;
    ck_ok(cn_model_append(model, "conv", padded(2, 4, 3)));
    ck_ok(cn_model_append(model, "relu", relu()));
    ck_ok(cn_flatten_new(ctx, &layer));
    ck_ok(cn_model_append(model, "flat", layer));
    for (int i = 0; i < 2; i++)
        if (heads & 1 << i) {
            ck_ok(cn_linear_new(ctx, 4 * 36, i ? 4 : 3, 1, &layer));
            ck_ok(cn_model_add(model, outputs[i], layer, 1, (const char *const[]){"flat"}));
        }
    if (heads == 3)
        ck_ok(cn_model_set_outputs(model, 2, outputs));
    ck_ok(cn_model_init(model, 8));
    return model;
}

static void copy_tensors(cn_model *from, cn_model *to) {
    for (int64_t i = 0; i < cn_model_tensor_count(to); i++) {
        const cn_tensor *source;
        cn_tensor *target;
        const char *name = cn_model_tensor_name(to, i);
        ck_ok(cn_model_tensor_const(from, name, &source));
        ck_ok(cn_model_tensor(to, name, &target));
        memcpy(cn_tensor_data(target), cn_tensor_data_const(source), (size_t)cn_tensor_count(target) * sizeof(float));
    }
}

static void expect_same_gradients(cn_model *got, cn_model *wanted) {
    for (int64_t i = 0; i < cn_model_tensor_count(wanted); i++) {
        cn_tensor *a, *b;
        const char *name = cn_model_tensor_name(wanted, i);
        ck_ok(cn_model_gradient(got, name, &a));
        ck_ok(cn_model_gradient(wanted, name, &b));
        expect_same(a, b, name);
    }
}

/* What an output that the loss does not depend on adds is zeros. */
START_TEST(a_head_alone_has_the_bits_of_a_model_of_its_own) {
    cn_model *model = forked(3);
    int64_t image[3] = {2, 6, 6}, shape[3];
    cn_tensor *input = noise(BATCH, image, 1);
    for (int i = 0; i < 2; i++) {
        cn_model *alone = forked(1 << i);
        copy_tensors(model, alone);
        cn_tensor *output[2] = {NULL, NULL};
        const cn_tensor *gradient[2] = {NULL, NULL};
        output[i] = output_for(alone, 0, BATCH);
        cn_model_output_shape(alone, shape);
        cn_tensor *given = noise(BATCH, shape, 2);
        gradient[i] = given;
        ck_ok(cn_model_forward_all(model, 1, 1, (const cn_tensor *[]){input}, 2, output));
        ck_ok(cn_model_backward_all(model, 2, gradient, 1, NULL));
        cn_tensor *wanted = step(alone, input, given, NULL);
        expect_same(output[i], wanted, "output");
        expect_same_gradients(model, alone);
        predict(model, input, output);
        predict(alone, input, &wanted);
        expect_same(output[i], wanted, "prediction");
        cn_tensor_free(output[i]);
        cn_tensor_free(given);
        cn_tensor_free(wanted);
        cn_model_free(alone);
    }
    cn_tensor_free(input);
    cn_model_free(model);
}
END_TEST

START_TEST(outputs_are_listed_in_the_order_given) {
    cn_model *model = forked(3), *part;
    int64_t shape[3];
    char *summary;
    ck_assert_int_eq(cn_model_output_count(model), 2);
    ck_assert_str_eq(cn_model_output_name(model, 0), "class");
    ck_assert_str_eq(cn_model_output_name(model, 1), "box");
    ck_assert_ptr_null(cn_model_output_name(model, 2));
    ck_assert_ptr_null(cn_model_output_name(model, -1));
    cn_model_output_shape(model, shape);
    ck_assert_int_eq(shape[0], 3);
    cn_model_output_shape_at(model, 1, shape);
    ck_assert_int_eq(shape[0], 4);
    cn_model_output_shape_at(model, 2, shape);
    ck_assert_int_eq(shape[0], 0);
    ck_ok(cn_model_summary(model, &summary));
    ck_assert_ptr_nonnull(strstr(summary, "Linear, output 0"));
    ck_assert_ptr_nonnull(strstr(summary, "Linear of flat, output 1"));
    cn_text_free(summary);
    ck_ok(cn_model_set_class_names(model, 3, (const char *const[]){"a", "b", "c"})); /* of the first */
    ck_ok(cn_model_until(model, "class", &part));
    ck_assert_str_eq(cn_model_class_name(part, 2), "c");
    ck_assert_int_eq(cn_model_output_count(part), 1);
    cn_model_free(part);
    ck_ok(cn_model_until(model, "box", &part));
    ck_assert_ptr_null(cn_model_class_name(part, 0));
    cn_model_free(part);
    cn_model_free(model);
}
END_TEST

START_TEST(files_keep_the_outputs) {
    cn_model *model = forked(3), *loaded;
    cn_tensor *file, *input = noise(3, (int64_t[]){2, 6, 6}, 1), *a[2], *b[2];
    ck_ok(cn_model_save_memory(model, &file));
    ck_ok(cn_model_load_memory(ctx, cn_tensor_data_const(file), (size_t)cn_tensor_count(file), &loaded));
    ck_assert_int_eq(cn_model_output_count(loaded), 2);
    ck_assert_str_eq(cn_model_output_name(loaded, 1), "box");
    for (int i = 0; i < 2; i++) {
        a[i] = output_for(model, i, 3);
        b[i] = output_for(model, i, 3);
    }
    predict(model, input, a);
    predict(loaded, input, b);
    for (int i = 0; i < 2; i++) {
        expect_same(b[i], a[i], cn_model_output_name(model, i));
        cn_tensor_free(a[i]);
        cn_tensor_free(b[i]);
    }
    cn_tensor_free(file);
    cn_tensor_free(input);
    cn_model_free(model);
    cn_model_free(loaded);
}
END_TEST

/* ---- what is refused ---- */

START_TEST(outputs_that_are_none_are_refused) {
    cn_model *model = model_for(1, 4, 4);
    ck_fails(cn_model_set_outputs(model, 1, names), CN_ERR_ARGUMENT, "1 outputs of a model with 0 layers");
    ck_ok(cn_model_add_input(model, "more", 1, 4, 4));
    ck_ok(cn_model_add(model, "a", relu(), 1, (const char *const[]){"input"}));
    ck_ok(cn_model_add(model, "b", relu(), 1, (const char *const[]){"more"}));
    ck_fails(cn_model_set_outputs(model, 0, names), CN_ERR_ARGUMENT, "0 outputs");
    ck_fails(cn_model_set_outputs(model, 4, names), CN_ERR_ARGUMENT, "4 outputs of a model with 3 layers");
    ck_fails(cn_model_set_outputs(model, 1, NULL), CN_ERR_ARGUMENT, "names is NULL");
    ck_fails(cn_model_set_outputs(model, 1, (const char *const[]){NULL}), CN_ERR_ARGUMENT, "a name is NULL");
    ck_fails(cn_model_set_outputs(model, 1, (const char *const[]){"c"}), CN_ERR_NOT_FOUND, "no layer 'c'");
    ck_fails(cn_model_set_outputs(model, 1, (const char *const[]){"input"}), CN_ERR_ARGUMENT, "'input' is an input");
    ck_fails(cn_model_set_outputs(model, 1, (const char *const[]){"more"}), CN_ERR_ARGUMENT, "'more' is an input");
    ck_fails(cn_model_set_outputs(model, 2, (const char *const[]){"a", "a"}), CN_ERR_ARGUMENT, "'a' is named twice");
    ck_fails(cn_model_init(model, 0), CN_ERR_STATE, "nothing reads layer 'a'");
    ck_ok(cn_model_set_outputs(model, 1, (const char *const[]){"a"}));
    ck_fails(cn_model_init(model, 0), CN_ERR_STATE, "nothing reads layer 'b'");
    ck_ok(cn_model_set_outputs(model, 2, (const char *const[]){"b", "a"}));
    ck_ok(cn_model_init(model, 0));
    ck_assert_str_eq(cn_model_output_name(model, 0), "b");
    ck_fails(cn_model_set_outputs(model, 1, (const char *const[]){"a"}), CN_ERR_STATE, "after cn_model_init");
    cn_model_free(model);
}
END_TEST

START_TEST(calls_for_one_output_refuse_several) {
    cn_model *model = forked(3);
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    cn_predictor *predictor;
    cn_tensor *input = images(2, 2, 6, 6), *output = tensor_of(CN_DTYPE_FLOAT32, 2, (int64_t[]){2, 3});
    cn_tensor *box = tensor_of(CN_DTYPE_FLOAT32, 2, (int64_t[]){2, 4});
    cn_tensor *labels = tensor_of(CN_DTYPE_INT64, 1, (int64_t[]){2});
    cn_evaluation *evaluation;
    cn_trainer *trainer;
    cn_dataset *data;
    ck_fails(cn_model_forward(model, 1, input, output), CN_ERR_SHAPE,
             "inputs: 1 of 1 that the model has, outputs: 1 of 2");
    ck_fails(cn_model_backward(model, output, NULL), CN_ERR_SHAPE,
             "inputs: 1 of 1 that the model has, outputs: 1 of 2");
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    ck_fails(cn_predictor_run(predictor, input, output), CN_ERR_SHAPE, "cn_predictor_run_all");
    const cn_tensor *const inputs[] = {input};
    ck_fails(cn_predictor_run_all(predictor, 1, inputs, 2, (cn_tensor *[]){output, output}), CN_ERR_SHAPE,
             "output 'box' is float32 [2, 3]");
    ck_fails(cn_model_forward_all(model, 0, 1, inputs, 2, (cn_tensor *[]){box, box}), CN_ERR_SHAPE, "output 'class'");
    ck_fails(cn_model_forward_all(model, 0, 1, (const cn_tensor *[]){NULL}, 2, (cn_tensor *[]){output, box}),
             CN_ERR_ARGUMENT, "input is NULL");
    ck_fails(cn_model_forward_all(model, 0, 2, inputs, 2, (cn_tensor *[]){output, box}), CN_ERR_SHAPE, "inputs: 2");
    ck_ok(cn_model_forward_all(model, 1, 1, inputs, 2, (cn_tensor *[]){NULL, NULL}));
    ck_fails(cn_model_backward_all(model, 2, (const cn_tensor *[]){NULL, output}, 1, NULL), CN_ERR_SHAPE,
             "grad_output 'box'");
    options.flip = 1;
    cn_predictor_free(predictor);
    ck_fails(cn_predictor_new(model, &options, &predictor), CN_ERR_SHAPE, "1 inputs and 2 outputs");
    ck_ok(cn_dataset_memory(ctx, input, labels, 3, &data));
    ck_fails(evaluate_with(model, data, CN_LOSS_CROSS_ENTROPY, &evaluation), CN_ERR_SHAPE,
             "1 losses, but the model has 2 outputs and the data set 1 targets");
    ck_fails(cn_trainer_new(model, data, NULL, NULL, &trainer), CN_ERR_SHAPE,
             "1 losses, but the model has 2 outputs and the data set 1 targets");
    cn_dataset_free(data);
    cn_tensor_free(input);
    cn_tensor_free(output);
    cn_tensor_free(box);
    cn_tensor_free(labels);
    cn_model_free(model);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("outputs");
    const TTest *const every_layer[] = {any_layer_can_be_predicted_beside_the_last, gradients_of_two_outputs_add_up};
    const TTest *const tests[] = {a_head_alone_has_the_bits_of_a_model_of_its_own,
                                  outputs_are_listed_in_the_order_given, files_keep_the_outputs,
                                  outputs_that_are_none_are_refused, calls_for_one_output_refuse_several};
    add_tests(suite, "every layer", set_up, tear_down, every_layer, COUNT(every_layer), LAST);
    add_tests(suite, "outputs", set_up, tear_down, tests, COUNT(tests), 1);
    return test_run(suite);
}
