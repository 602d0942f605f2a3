/* SPDX-License-Identifier: MIT */
/* test_sizes.c: images of other sizes than a model was made for: what it gives is what the same model made for that size
 * gives. */
#include "pieces.h"
#include <math.h>

TEST_BOTH_LAYOUTS;

enum { CHANNELS = 2, CLASSES = 3, OWN_HEIGHT = 12, OWN_WIDTH = 10 };

typedef struct size {
    int height, width;
} size;
static const size own = {OWN_HEIGHT, OWN_WIDTH}, larger = {37, 21}, smaller = {5, 9}, odd = {13, 11}, wide = {4, 64};
static const size *const sizes[] = {&own, &larger, &smaller, &odd, &wide};

static cn_layer *padded(int in, int out, int kernel, cn_padding_mode mode) {
    cn_conv2d_options options = CN_CONV2D_OPTIONS_INIT;
    cn_layer *layer;
    options.padding[0] = options.padding[1] = kernel / 2;
    options.padding_mode = mode;
    ck_ok(cn_conv2d_new(ctx, in, out, kernel, kernel, &options, &layer));
    return layer;
}

/* Convolutions, norms, a skip, a concat, a border and pools, with an output before the global pool ("map") and one behind it ("out"). */
static cn_model *network(size of) {
    cn_model *model = model_for(CHANNELS, of.height, of.width);
    cn_layer *layer;
    ck_ok(cn_model_append(model, "c1", padded(CHANNELS, 16, 3, CN_PADDING_ZEROS)));
    ck_ok(cn_model_append(model, "n1", norm(CN_NORM_BATCH, 16)));
    ck_ok(cn_model_append(model, "r1", relu()));
    ck_ok(cn_max_pool2d_new(ctx, 2, 2, NULL, &layer));
    ck_ok(cn_model_append(model, "pool", layer));
    ck_ok(cn_model_append(model, "c2", padded(16, 16, 3, CN_PADDING_REPLICATE)));
    ck_ok(cn_model_append(model, "n2", norm(CN_NORM_GROUP, 16)));
    ck_ok(cn_add_new(ctx, &layer));
    ck_ok(cn_model_add(model, "sum", layer, 2, (const char *const[]){"n2", "pool"}));
    ck_ok(cn_model_append(model, "r2", relu()));
    ck_ok(cn_concat_new(ctx, &layer));
    ck_ok(cn_model_add(model, "both", layer, 2, (const char *const[]){"r2", "pool"}));
    ck_ok(cn_identity_new(ctx, &layer));
    ck_ok(cn_model_append(model, "same", layer));
    ck_ok(cn_prelu_new(ctx, 32, &layer));
    ck_ok(cn_model_append(model, "prelu", layer));
    ck_ok(cn_channel_shuffle_new(ctx, 4, &layer));
    ck_ok(cn_model_append(model, "shuffle", layer));
    ck_ok(cn_pad2d_new(ctx, (const int[4]){1, 0, 0, 1}, CN_PADDING_CIRCULAR, 0.0f, &layer));
    ck_ok(cn_model_append(model, "pad", layer));
    ck_ok(cn_model_append(model, "map", conv(32, CLASSES, 2)));
    ck_ok(cn_adaptive_avg_pool2d_new(ctx, 1, 1, &layer));
    ck_ok(cn_model_append(model, "mean", layer));
    ck_ok(cn_flatten_new(ctx, &layer));
    ck_ok(cn_model_append(model, "flat", layer));
    ck_ok(cn_linear_new(ctx, CLASSES, CLASSES, 1, &layer));
    ck_ok(cn_model_append(model, "out", layer));
    ck_ok(cn_model_set_outputs(model, 2, (const char *const[]){"out", "map"}));
    ck_ok(cn_model_init(model, 6));
    return model;
}

static float *floats(cn_tensor *tensor) {
    return cn_tensor_data(tensor);
}

static cn_tensor *noise(int64_t n, int64_t channels, size of, unsigned seed) {
    cn_tensor *made = images(n, channels, of.height, of.width);
    for (int64_t i = 0; i < cn_tensor_count(made); i++)
        floats(made)[i] = (float)(int32_t)(((uint32_t)i + 977u * seed + 1) * 2654435761u) / 2147483648.0f;
    return made;
}

static size map_size(size of) {
    return (size){of.height / 2, of.width / 2};
}

/* What goes through a model and back. */
typedef struct batch {
    cn_tensor *input, *output[2], *grad_output[2], *grad_input;
} batch;

static batch make_batch(int n, size of) {
    size map = map_size(of), one = {1, 1};
    return (batch){noise(n, CHANNELS, of, 1),
                   {images(n, CLASSES, 1, 1), images(n, CLASSES, map.height, map.width)},
                   {noise(n, CLASSES, one, 2), noise(n, CLASSES, map, 3)},
                   images(n, CHANNELS, of.height, of.width)};
}

static void free_batch(batch *b) {
    cn_tensor_free(b->input);
    for (int i = 0; i < 2; i++) {
        cn_tensor_free(b->output[i]);
        cn_tensor_free(b->grad_output[i]);
    }
    cn_tensor_free(b->grad_input);
}

static void expect_same(const cn_tensor *got, const cn_tensor *wanted, const char *what) {
    ck_assert_int_eq(cn_tensor_count(got), cn_tensor_count(wanted));
    ck_assert_msg(memcmp(cn_tensor_data_const(got), cn_tensor_data_const(wanted),
                         (size_t)cn_tensor_count(wanted) * sizeof(float)) == 0,
                  "%s differs", what);
}

/* To rounding: weights that are shared between sizes decide how a convolution is computed. */
static void expect_close(const cn_tensor *got, const cn_tensor *wanted, const char *what) {
    const float *a = cn_tensor_data_const(got), *b = cn_tensor_data_const(wanted);
    ck_assert_int_eq(cn_tensor_count(got), cn_tensor_count(wanted));
    for (int64_t i = 0; i < cn_tensor_count(got); i++)
        ck_assert_msg(fabsf(a[i] - b[i]) <= 1e-5f * fmaxf(1.0f, fabsf(b[i])), "%s differs: %g, wanted %g", what,
                      (double)a[i], (double)b[i]);
}

static void predict(cn_predictor *predictor, const batch *b) {
    ck_ok(cn_predictor_run_all(predictor, 1, (const cn_tensor *const *)&b->input, 2, b->output));
}

static void train(cn_model *model, const batch *b) {
    ck_ok(cn_model_forward_all(model, 1, 1, (const cn_tensor *const *)&b->input, 2, b->output));
    ck_ok(cn_model_backward_all(model, 2, (const cn_tensor *const *)b->grad_output, 1,
                                (cn_tensor *const *)&b->grad_input));
}

/* Few images, which go one by one, and many; all sizes in turn, twice, through one predictor. */
START_TEST(predictions_are_those_of_a_model_of_that_size) {
    cn_model *model = network(own);
    cn_predictor *predictor, *fresh;
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    for (size_t i = 0; i < 2 * COUNT(sizes); i++)
        for (int n = 3; n <= 35; n += 32) {
            size of = *sizes[i % COUNT(sizes)];
            cn_model *made = network(of);
            batch got = make_batch(n, of), wanted = make_batch(n, of);
            predict(predictor, &got);
            ck_ok(cn_predictor_new(made, NULL, &fresh));
            predict(fresh, &wanted);
            expect_close(got.output[0], wanted.output[0], "out");
            expect_close(got.output[1], wanted.output[1], "map");
            cn_predictor_free(fresh);
            free_batch(&got);
            free_batch(&wanted);
            cn_model_free(made);
        }
    cn_predictor_free(predictor);
    cn_model_free(model);
}
END_TEST

static void expect_same_gradients(cn_model *got, cn_model *wanted) {
    for (int64_t i = 0; i < cn_model_tensor_count(wanted); i++) {
        const char *name = cn_model_tensor_name(wanted, i);
        cn_tensor *a, *b;
        if (cn_model_gradient(wanted, name, &b) != CN_OK)
            continue; /* a buffer */
        ck_ok(cn_model_gradient(got, name, &a));
        expect_same(a, b, name);
    }
}

START_TEST(training_is_that_of_a_model_of_that_size) {
    cn_model *model = network(own);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        size of = *sizes[i];
        cn_model *made = network(of);
        batch got = make_batch(18, of), wanted = make_batch(18, of);
        train(model, &got);
        train(made, &wanted);
        expect_same(got.output[0], wanted.output[0], "out");
        expect_same(got.output[1], wanted.output[1], "map");
        expect_same(got.grad_input, wanted.grad_input, "the input's gradient");
        expect_same_gradients(model, made);
        free_batch(&got);
        free_batch(&wanted);
        cn_model_free(made);
    }
    cn_model_free(model);
}
END_TEST

/* Backward goes with the last forward pass, whatever sizes were refused since. */
START_TEST(a_refused_size_leaves_the_last_pass) {
    cn_model *model = network(own), *made = network(larger);
    batch got = make_batch(4, larger), wanted = make_batch(4, larger), tiny = make_batch(4, smaller);
    cn_tensor *nothing = images(4, CHANNELS, 1, 1);
    train(made, &wanted);
    ck_ok(cn_model_forward_all(model, 1, 1, (const cn_tensor *const *)&got.input, 2, got.output));
    ck_fails(cn_model_forward_all(model, 1, 1, (const cn_tensor *const *)&nothing, 2, got.output), CN_ERR_SHAPE,
             "cn_model_forward: 2×1×1 for 'input', of a model made for 2×12×10: MaxPool2d 'pool'");
    ck_fails(cn_model_backward_all(model, 2, (const cn_tensor *const *)got.grad_output, 1, &tiny.grad_input),
             CN_ERR_SHAPE, "grad_input is float32 [4, 2, 5, 9], wanted float32 [4, 2, 37, 21]");
    ck_fails(cn_model_backward_all(model, 2, (const cn_tensor *const *)tiny.grad_output, 1, NULL), CN_ERR_SHAPE,
             "grad_output 'map'");
    ck_ok(cn_model_backward_all(model, 2, (const cn_tensor *const *)got.grad_output, 1, &got.grad_input));
    expect_same(got.grad_input, wanted.grad_input, "the input's gradient");
    expect_same_gradients(model, made);
    cn_tensor_free(nothing);
    free_batch(&got);
    free_batch(&wanted);
    free_batch(&tiny);
    cn_model_free(model);
    cn_model_free(made);
}
END_TEST

START_TEST(a_predictor_keeps_what_the_model_was_at_every_size) {
    cn_model *model = network(own);
    cn_predictor *predictor;
    cn_tensor *weight;
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    ck_ok(cn_model_tensor(model, "c1.weight", &weight));
    for (int64_t i = 0; i < cn_tensor_count(weight); i++)
        floats(weight)[i] = 0.0f;
    for (int n = 1; n <= 20; n += 19) {
        cn_model *unchanged = network(odd);
        cn_predictor *fresh;
        batch got = make_batch(n, odd), wanted = make_batch(n, odd);
        ck_ok(cn_predictor_new(unchanged, NULL, &fresh));
        predict(predictor, &got);
        predict(fresh, &wanted);
        expect_same(got.output[0], wanted.output[0], "out");
        cn_predictor_free(fresh);
        cn_model_free(unchanged);
        free_batch(&got);
        free_batch(&wanted);
    }
    cn_predictor_free(predictor);
    cn_model_free(model);
}
END_TEST

START_TEST(shapes_are_told_for_any_size) {
    cn_model *model = network(own), *linear;
    cn_layer *layer;
    int64_t shape[3];
    ck_ok(cn_model_output_shape_for(model, (int64_t[]){CHANNELS, 37, 21}, 1, shape));
    ck_assert(shape[0] == CLASSES && shape[1] == 18 && shape[2] == 10);
    ck_ok(cn_model_output_shape_for(model, (int64_t[]){CHANNELS, 37, 21}, 0, shape));
    ck_assert(shape[0] == CLASSES && shape[1] == 1 && shape[2] == 1);
    ck_fails(cn_model_output_shape_for(model, (int64_t[]){CHANNELS, 37, 21}, 2, shape), CN_ERR_NOT_FOUND, "output 2");
    ck_fails(cn_model_output_shape_for(model, (int64_t[]){3, 37, 21}, 0, shape), CN_ERR_SHAPE, "has 2 channels, not 3");
    ck_fails(cn_model_output_shape_for(model, (int64_t[]){CHANNELS, 0, 21}, 0, shape), CN_ERR_SHAPE,
             "height of 'input' is 0");
    ck_fails(cn_model_output_shape_for(model, (int64_t[]){CHANNELS, 1, INT64_MAX}, 0, shape), CN_ERR_SHAPE,
             "width of 'input'");
    ck_fails(cn_model_output_shape_for(model, (int64_t[]){CHANNELS, 60000, 60000}, 0, shape), CN_ERR_SHAPE, "more");
    ck_fails(cn_model_output_shape_for(model, (int64_t[]){CHANNELS, 1, 21}, 0, shape), CN_ERR_SHAPE,
             "2×1×21 for 'input', of a model made for 2×12×10: MaxPool2d 'pool'");
    linear = model_for(1, 4, 4);
    ck_ok(cn_flatten_new(ctx, &layer));
    ck_ok(cn_model_append(linear, "flat", layer));
    ck_ok(cn_linear_new(ctx, 16, 2, 1, &layer));
    ck_ok(cn_model_append(linear, "fc", layer));
    ck_fails(cn_model_output_shape_for(linear, (int64_t[]){1, 5, 4}, 0, shape), CN_ERR_SHAPE,
             "Linear 'fc': its input has 20 features, its weights want 16");
    ck_ok(cn_model_output_shape_for(linear, (int64_t[]){1, 2, 8}, 0, shape)); /* as many features */
    cn_model_free(linear);
    cn_model_free(model);
}
END_TEST

/* Two inputs of any size, as long as their maps meet. */
START_TEST(each_input_has_a_size) {
    cn_model *model = model_for(1, 8, 8);
    cn_layer *layer;
    cn_predictor *predictor;
    cn_conv2d_options halve = {.size = sizeof halve, .stride = {2, 2}, .dilation = {1, 1}, .groups = 1};
    ck_ok(cn_model_add_input(model, "coarse", 1, 4, 4));
    ck_ok(cn_conv2d_new(ctx, 1, 1, 2, 2, &halve, &layer));
    ck_ok(cn_model_add(model, "fine", layer, 1, (const char *const[]){"input"}));
    ck_ok(cn_add_new(ctx, &layer));
    ck_ok(cn_model_add(model, "sum", layer, 2, (const char *const[]){"fine", "coarse"}));
    ck_ok(cn_model_init(model, 1));
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    cn_tensor *fine = images(2, 1, 20, 6), *coarse = noise(2, 1, (size){10, 3}, 1), *output = images(2, 1, 10, 3);
    ck_ok(cn_predictor_run_all(predictor, 2, (const cn_tensor *[]){fine, coarse}, 1, &output));
    expect_same(output, coarse, "sum");
    ck_fails(cn_predictor_run_all(predictor, 2, (const cn_tensor *[]){coarse, coarse}, 1, &output), CN_ERR_SHAPE,
             "cn_predictor_run: 1×10×3 for 'input', of a model made for 1×8×8: Add 'sum'");
    cn_tensor_free(fine);
    cn_tensor_free(coarse);
    cn_tensor_free(output);
    cn_predictor_free(predictor);
    cn_model_free(model);
}
END_TEST

/* ---- large ones ---- */

/* A training step, and predictions alone and together: all see the same. */
static void expect_works(cn_model *model, cn_tensor *input, int classes) {
    int64_t n = cn_tensor_shape(input, 0);
    cn_tensor *trained = tensor_of(CN_DTYPE_FLOAT32, 2, (int64_t[]){n, classes});
    cn_tensor *output = tensor_of(CN_DTYPE_FLOAT32, 2, (int64_t[]){n, classes}),
              *gradient = noise(n, classes, (size){1, 1}, 1);
    cn_predictor_options few = CN_PREDICTOR_OPTIONS_INIT;
    ck_ok(cn_model_forward(model, 1, input, trained));
    ck_ok(cn_model_backward(model, gradient, NULL));
    for (int i = 0; i < 2; i++) {
        cn_predictor *predictor;
        few.max_batch_size = i ? 1 : 16;
        ck_ok(cn_predictor_new(model, &few, &predictor));
        ck_ok(cn_predictor_run(predictor, input, output));
        for (int64_t k = 0; k < cn_tensor_count(output); k++)
            ck_assert_float_eq_tol(floats(output)[k], floats(trained)[k], 1e-4);
        cn_predictor_free(predictor);
    }
    cn_tensor_free(trained);
    cn_tensor_free(output);
    cn_tensor_free(gradient);
}

static void append_pool(cn_model *model, const char *name, int height, int width) {
    cn_layer *layer;
    ck_ok(cn_max_pool2d_new(ctx, height, width, NULL, &layer));
    ck_ok(cn_model_append(model, name, layer));
}

static void append_flat_linear(cn_model *model, int features, int classes) {
    cn_layer *layer;
    ck_ok(cn_flatten_new(ctx, &layer));
    ck_ok(cn_model_append(model, "flat", layer));
    ck_ok(cn_linear_new(ctx, features, classes, 1, &layer));
    ck_ok(cn_model_append(model, "fc", layer));
}

/* As in many a tutorial. */
START_TEST(a_picture_of_224_pixels_goes_flat_into_a_linear_layer) {
    if (test_quick())
        return;
    cn_model *model = model_for(3, 224, 224);
    cn_tensor *input = noise(2, 3, (size){224, 224}, 1);
    ck_ok(cn_model_append(model, "c1", conv(3, 2, 3)));
    append_pool(model, "p1", 2, 2);
    ck_ok(cn_model_append(model, "c2", conv(2, 32, 3)));
    append_pool(model, "p2", 2, 2);
    append_flat_linear(model, 93312, 3);
    ck_ok(cn_model_init(model, 1));
    expect_works(model, input, 3);
    cn_tensor_free(input);
    cn_model_free(model);
}
END_TEST

START_TEST(a_signal_has_200000_samples) {
    if (test_quick())
        return;
    cn_model *model = model_for(1, 1, 200000);
    cn_conv2d_options options = CN_CONV2D_OPTIONS_INIT;
    cn_layer *layer;
    cn_tensor *input = noise(2, 1, (size){1, 200000}, 1);
    options.padding[1] = 4;
    ck_ok(cn_conv2d_new(ctx, 1, 2, 1, 9, &options, &layer));
    ck_ok(cn_model_append(model, "c1", layer));
    ck_ok(cn_model_append(model, "n1", norm(CN_NORM_LAYER, 2)));
    ck_ok(cn_model_append(model, "r1", relu()));
    append_pool(model, "p1", 1, 2);
    append_flat_linear(model, 200000, 2);
    ck_ok(cn_model_init(model, 1));
    expect_works(model, input, 2);
    cn_tensor_free(input);
    cn_model_free(model);
}
END_TEST

START_TEST(sizes_end_where_the_header_says) {
    const int most = 1 << 24;
    cn_model *model, *vast = model_for(1, 1, most);
    cn_layer *layer;
    ck_fails(cn_model_new(ctx, 1, 1, most + 1, &model), CN_ERR_ARGUMENT, "width is 16777217, wanted 1 to 16777216");
    ck_fails(cn_model_new(ctx, 1, most, most, &model), CN_ERR_SHAPE, "has more than 2147483647 values");
    ck_fails(cn_linear_new(ctx, most + 1, 1, 1, &layer), CN_ERR_ARGUMENT, "in_features is 16777217");
    ck_fails(cn_model_append(vast, "c", conv(1, 128, 1)), CN_ERR_SHAPE, "has more than 2147483647 values");
    ck_ok(cn_model_append(vast, "c", conv(1, 2, 1)));
    ck_ok(cn_flatten_new(ctx, &layer));
    ck_fails(cn_model_append(vast, "flat", layer), CN_ERR_SHAPE, "are 33554432 features, wanted at most 16777216");
    cn_model_free(vast);
}
END_TEST

/* ---- what is kept ---- */

START_TEST(the_last_sizes_are_kept) {
    counting_allocator counter = {0};
    cn_context *counted = counting_context(&counter, 2), *before = ctx;
    ctx = counted;
    cn_model *model = network(own);
    cn_predictor *predictor;
    batch b[6];
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    for (int i = 0; i < 6; i++)
        b[i] = make_batch(1, i ? (size){6 + i, 8} : own);
    for (int i = 0; i < 5; i++)
        predict(predictor, &b[i]);
    long calls = counter.calls, live = counter.live;
    for (int i = 4; i >= 0; i--)
        predict(predictor, &b[i]); /* the first of the others was used last */
    ck_assert_int_eq(counter.calls, calls);
    predict(predictor, &b[5]);
    ck_assert_int_gt(counter.calls, calls);
    ck_assert_int_eq(counter.live, live);
    calls = counter.calls;
    for (int i = 0; i < 4; i++)
        predict(predictor, &b[i]);
    ck_assert_int_eq(counter.calls, calls);
    predict(predictor, &b[4]); /* it went */
    ck_assert_int_gt(counter.calls, calls);
    for (int i = 0; i < 6; i++)
        free_batch(&b[i]);
    cn_predictor_free(predictor);
    cn_model_free(model);
    cn_context_free(counted);
    ck_assert_int_eq(counter.live, 0);
    ctx = before;
}
END_TEST

START_TEST(out_of_memory_is_a_status) {
    counting_allocator counter = {0};
    cn_context *counted = counting_context(&counter, 2), *before = ctx;
    ctx = counted;
    cn_model *model = network(own);
    cn_predictor *predictor;
    batch b = make_batch(20, larger);
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    int failures = 0;
    for (int done = 0; done < 2; failures++) {
        counter.persistent = _i;
        counter.fail_at = counter.calls + 1 + failures;
        cn_status status = done ? cn_model_forward_all(model, 1, 1, (const cn_tensor *const *)&b.input, 2, b.output)
                                : cn_predictor_run_all(predictor, 1, (const cn_tensor *const *)&b.input, 2, b.output);
        counter.fail_at = 0;
        ck_assert(status == CN_OK || status == CN_ERR_MEMORY);
        if (status == CN_OK) {
            done++;
            failures = -1;
        }
    }
    predict(predictor, &b);
    cn_predictor *clone;
    ck_ok(cn_predictor_clone(predictor, &clone));
    cn_predictor_free(predictor);
    batch other = make_batch(20, larger), few = make_batch(2, larger);
    predict(clone, &other);
    predict(clone, &few);
    cn_predictor_free(clone);
    expect_same(other.output[1], b.output[1], "a clone's");
    free_batch(&other);
    free_batch(&few);
    free_batch(&b);
    cn_model_free(model);
    cn_context_free(counted);
    ck_assert_int_eq(counter.live, 0);
    ctx = before;
}
END_TEST

int main(void) {
    Suite *suite = suite_create("sizes");
    const TTest *const tests[] = {predictions_are_those_of_a_model_of_that_size,
                                  training_is_that_of_a_model_of_that_size,
                                  a_refused_size_leaves_the_last_pass,
                                  a_predictor_keeps_what_the_model_was_at_every_size,
                                  shapes_are_told_for_any_size,
                                  each_input_has_a_size,
                                  the_last_sizes_are_kept};
    const TTest *const large[] = {a_picture_of_224_pixels_goes_flat_into_a_linear_layer, a_signal_has_200000_samples,
                                  sizes_end_where_the_header_says};
    const TTest *const memory[] = {out_of_memory_is_a_status};
    add_tests(suite, "sizes", set_up, tear_down, tests, COUNT(tests), 1);
    add_tests(suite, "large", set_up, tear_down, large, COUNT(large), 1);
    if (!test_again())
        add_tests(suite, "memory", set_up, tear_down, memory, COUNT(memory), 2);
    return test_run(suite);
}
