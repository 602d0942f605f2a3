/* test_own_layer.c: layers that a program computes itself: against the library's own, in all that runs models, in
 * files, and when their functions fail. */
#include "pieces.h"
#include "toys.h"
#include <math.h>
#include <stdlib.h>

/* ---- the layers: y = scale_c · x + shift_c; the sum of inputs; every second pixel ---- */

typedef struct affine {
    int num_channels;
    float scale; /* that it begins with */
    int shifts;
} affine;

static const cn_layer_option affine_options[] = {CN_INT_OPTION(affine, num_channels, 1, 1, 1000),
                                                 CN_FLOAT_OPTION(affine, scale, 0.5, -10.0, 10.0),
                                                 CN_INT_OPTION(affine, shifts, 1, 0, 1)};

/* What functions are told by `user`, and what they are to do. */
typedef struct orders {
    cn_status forward, backward, shape; /* to return, from the call with an image that begins with `trigger` on */
    float trigger;
    int parameters;   /* to claim; 0: the right number */
    int64_t channels; /* of the output; 0: the right number */
    int released;
} orders;

static int affine_parameters(void *user, const void *options, cn_layer_parameter *parameter) {
    const affine *o = options;
    const orders *given = user;
    parameter[0] =
        (cn_layer_parameter){.name = "scale", .dims = 1, .shape = {o->num_channels}, .value = o->scale, .bound = 0.25f};
    parameter[1] = (cn_layer_parameter){.name = "shift", .dims = 1, .shape = {o->num_channels}};
    return given->parameters ? given->parameters : 1 + o->shifts;
}

static cn_status affine_shape(void *user, const void *options, int inputs, const int64_t (*in)[3], int64_t out[3]) {
    const orders *given = user;
    ck_assert_int_eq(inputs, 1);
    memcpy(out, in[0], 3 * sizeof *out);
    if (given->channels)
        out[0] = given->channels;
    return in[0][0] == ((const affine *)options)->num_channels ? given->shape : CN_ERR_SHAPE;
}

static int64_t affine_multiply_adds(void *user, const void *options, const int64_t in[3], const int64_t out[3]) {
    (void)user, (void)options, (void)in;
    return out[0] * out[1] * out[2];
}

/* The order, if one of the images is the one. */
static cn_status order(const cn_layer_pass *pass, cn_status wanted) {
    const orders *given = pass->user;
    int64_t image = pass->input_shapes[0][0] * pass->input_shapes[0][1] * pass->input_shapes[0][2];
    ck_assert_uint_eq(pass->size, sizeof *pass);
    ck_assert(pass->images >= 1 && pass->images <= 16);
    for (int64_t n = 0; n < pass->images; n++)
        if (given->trigger == 0.0f || pass->inputs[0][n * image] == given->trigger)
            return wanted;
    return CN_OK;
}

static cn_status affine_forward(const cn_layer_pass *pass) {
    const affine *o = pass->options;
    int64_t pixels = pass->output_shape[1] * pass->output_shape[2];
    for (int64_t i = 0; i < pass->images * o->num_channels * pixels; i++) {
        int64_t c = i / pixels % o->num_channels;
        pass->output[i] = pass->parameters[0][c] * pass->inputs[0][i] + (o->shifts ? pass->parameters[1][c] : 0.0f);
    }
    return order(pass, ((const orders *)pass->user)->forward);
}

static cn_status affine_backward(const cn_layer_pass *pass) {
    const affine *o = pass->options;
    int64_t pixels = pass->output_shape[1] * pass->output_shape[2];
    for (int64_t i = 0; i < pass->images * o->num_channels * pixels; i++) {
        int64_t c = i / pixels % o->num_channels;
        pass->grad_inputs[0][i] = pass->parameters[0][c] * pass->grad_output[i];
        pass->grad_parameters[0][c] += pass->inputs[0][i] * pass->grad_output[i];
        if (o->shifts)
            pass->grad_parameters[1][c] += pass->grad_output[i];
    }
    return order(pass, ((const orders *)pass->user)->backward);
}

static void release(void *user) {
    ((orders *)user)->released++;
}

static cn_layer_definition affine_definition(orders *given) {
    cn_layer_definition d = CN_LAYER_DEFINITION_INIT;
    d.type = "test.Affine";
    d.options = affine_options;
    d.option_count = (int)COUNT(affine_options);
    d.options_size = sizeof(affine);
    d.parameters = affine_parameters;
    d.shape = affine_shape;
    d.multiply_adds = affine_multiply_adds;
    d.forward = affine_forward;
    d.backward = affine_backward;
    d.release = release;
    d.user = given;
    return d;
}

static int64_t output_values(const cn_layer_pass *pass) {
    return pass->images * pass->output_shape[0] * pass->output_shape[1] * pass->output_shape[2];
}

static cn_status sum_forward(const cn_layer_pass *pass) {
    for (int64_t i = 0; i < output_values(pass); i++) {
        pass->output[i] = pass->inputs[0][i];
        for (int k = 1; k < pass->input_count; k++)
            pass->output[i] += pass->inputs[k][i];
    }
    return CN_OK;
}

static cn_status sum_backward(const cn_layer_pass *pass) {
    for (int64_t i = 0; i < output_values(pass); i++)
        for (int k = 0; k < pass->input_count; k++)
            pass->grad_inputs[k][i] = pass->grad_output[i];
    return CN_OK;
}

static cn_layer_definition sum_definition(void) {
    cn_layer_definition d = CN_LAYER_DEFINITION_INIT;
    d.type = "test.Sum";
    d.min_inputs = 2;
    d.max_inputs = 3;
    d.forward = sum_forward;
    d.backward = sum_backward;
    return d;
}

static cn_status every_second_shape(void *user, const void *options, int inputs, const int64_t (*in)[3],
                                    int64_t out[3]) {
    (void)user, (void)options, (void)inputs;
    out[0] = in[0][0];
    out[1] = (in[0][1] + 1) / 2;
    out[2] = (in[0][2] + 1) / 2;
    return CN_OK;
}

/* Place in the input of value i of the output. */
static int64_t source(const cn_layer_pass *pass, int64_t i) {
    int64_t height = pass->output_shape[1], width = pass->output_shape[2], plane = i / (height * width);
    int64_t y = 2 * (i / width % height), x = 2 * (i % width);
    return (plane * pass->input_shapes[0][1] + y) * pass->input_shapes[0][2] + x;
}

static cn_status every_second_forward(const cn_layer_pass *pass) {
    for (int64_t i = 0; i < output_values(pass); i++)
        pass->output[i] = pass->inputs[0][source(pass, i)];
    return CN_OK;
}

static cn_status every_second_backward(const cn_layer_pass *pass) {
    for (int64_t i = 0; i < output_values(pass); i++)
        pass->grad_inputs[0][source(pass, i)] = pass->grad_output[i];
    return CN_OK;
}

static cn_layer_definition every_second_definition(void) {
    cn_layer_definition d = CN_LAYER_DEFINITION_INIT;
    d.type = "test.EverySecond";
    d.shape = every_second_shape;
    d.forward = every_second_forward;
    d.backward = every_second_backward;
    return d;
}

/* ---- contexts that know them ---- */

static orders given; /* of the running test, which has a process of its own */

static void register_all(cn_context *context) {
    cn_layer_definition all[] = {affine_definition(&given), sum_definition(), every_second_definition()};
    for (size_t i = 0; i < COUNT(all); i++)
        ck_ok(cn_context_register_layer(context, &all[i]));
}

static void begin(void) {
    given = (orders){0};
    set_up();
    register_all(ctx);
}

static void begin_bare(void) {
    given = (orders){0};
    set_up();
}

/* ---- networks with them, and with the library's layers in their place ---- */

static cn_layer *own(cn_context *context, const char *type, const void *options) {
    cn_layer *layer;
    ck_ok(cn_custom_layer_new(context, type, options, &layer));
    return layer;
}

/* A convolution of each channel by itself is the same as `affine`. */
static cn_layer *library_affine(cn_context *context, int channels, int shifts) {
    cn_conv2d_options options = CN_CONV2D_OPTIONS_INIT;
    cn_layer *layer;
    options.groups = channels;
    options.bias = shifts;
    ck_ok(cn_conv2d_new(context, channels, channels, 1, 1, &options, &layer));
    return layer;
}

static cn_layer *padded_conv(cn_context *context, int in, int out) {
    cn_conv2d_options options = CN_CONV2D_OPTIONS_INIT;
    cn_layer *layer;
    options.padding[0] = options.padding[1] = 1;
    options.padding_mode = CN_PADDING_REPLICATE;
    ck_ok(cn_conv2d_new(context, in, out, 3, 3, &options, &layer));
    return layer;
}

/* 3×7×6 → affine "a" → padded convolution "b" → affine without shift "c"; a + b + c "d" → every second pixel of 1×1
 * windows "e" → padded convolution "f". The library's layers in place of all that are not convolutions if not `ours`. */
static cn_model *network(cn_context *context, bool ours) {
    cn_pool2d_options stride = CN_POOL2D_OPTIONS_INIT;
    cn_model *model;
    cn_layer *layer;
    stride.stride[0] = stride.stride[1] = 2;
    ck_ok(cn_model_new(context, 3, 7, 6, &model));
    ck_ok(cn_model_append(model, "a",
                          ours ? own(context, "test.Affine", &(affine){3, 1.5f, 1}) : library_affine(context, 3, 1)));
    ck_ok(cn_model_append(model, "b", padded_conv(context, 3, 3)));
    ck_ok(cn_model_append(model, "c",
                          ours ? own(context, "test.Affine", &(affine){3, 1.5f, 0}) : library_affine(context, 3, 0)));
    if (ours)
        layer = own(context, "test.Sum", NULL);
    else
        ck_ok(cn_add_new(context, &layer));
    ck_ok(cn_model_add(model, "d", layer, 3, (const char *const[]){"a", "b", "c"}));
    if (ours)
        layer = own(context, "test.EverySecond", NULL);
    else
        ck_ok(cn_max_pool2d_new(context, 1, 1, &stride, &layer));
    ck_ok(cn_model_append(model, "e", layer));
    ck_ok(cn_model_append(model, "f", padded_conv(context, 3, 2)));
    ck_ok(cn_model_init(model, 11));
    return model;
}

/* What the library's layers call the parameters. */
static const char *const renamed[][2] = {{"a.scale", "a.weight"}, {"a.shift", "a.bias"}, {"c.scale", "c.weight"}};

static const char *library_name(const char *name) {
    for (size_t i = 0; i < COUNT(renamed); i++)
        if (strcmp(renamed[i][0], name) == 0)
            return renamed[i][1];
    return name;
}

static void copy_parameters(cn_model *ours, cn_model *library) {
    ck_assert_int_eq(cn_model_parameter_count(ours), cn_model_parameter_count(library));
    for (int64_t i = 0; i < cn_model_tensor_count(ours); i++) {
        cn_tensor *from, *to;
        ck_ok(cn_model_tensor(ours, cn_model_tensor_name(ours, i), &from));
        ck_ok(cn_model_tensor(library, library_name(cn_model_tensor_name(ours, i)), &to));
        memcpy(cn_tensor_data(to), cn_tensor_data(from), (size_t)cn_tensor_count(to) * sizeof(float));
    }
}

enum { IN = 3 * 7 * 6, OUT = 2 * 4 * 3 };

/* One pass in both directions: all that goes in and comes out. */
typedef struct result {
    cn_tensor *input, *output, *grad_output, *grad_input;
} result;

static void noise(cn_tensor *tensor, uint32_t seed) {
    float *to = cn_tensor_data(tensor);
    for (int64_t i = 0; i < cn_tensor_count(tensor); i++)
        to[i] = (float)(int32_t)(((uint32_t)i + 1 + 7919 * seed) * 2654435761u) / 2147483648.0f;
}

static cn_tensor *floats_in(cn_context *context, int64_t n, int64_t c, int64_t h, int64_t w) {
    cn_tensor *tensor;
    ck_ok(cn_tensor_new(context, CN_DTYPE_FLOAT32, 4, (int64_t[]){n, c, h, w}, &tensor));
    return tensor;
}

static result there_and_back(cn_context *context, cn_model *model, int64_t count) {
    result r = {floats_in(context, count, 3, 7, 6), floats_in(context, count, 2, 4, 3),
                floats_in(context, count, 2, 4, 3), floats_in(context, count, 3, 7, 6)};
    noise(r.input, 1);
    noise(r.grad_output, 2);
    ck_ok(cn_model_forward(model, 1, r.input, r.output));
    ck_ok(cn_model_backward(model, r.grad_output, r.grad_input));
    return r;
}

static void result_free(result *r) {
    cn_tensor_free(r->input);
    cn_tensor_free(r->output);
    cn_tensor_free(r->grad_output);
    cn_tensor_free(r->grad_input);
}

static void expect_close(const cn_tensor *a, const cn_tensor *b, const char *what) {
    const float *x = cn_tensor_data_const(a), *y = cn_tensor_data_const(b);
    double largest = 0.0;
    ck_assert_int_eq(cn_tensor_count(a), cn_tensor_count(b));
    for (int64_t i = 0; i < cn_tensor_count(a); i++)
        largest = fmax(largest, fabs((double)x[i]));
    for (int64_t i = 0; i < cn_tensor_count(a); i++)
        ck_assert_msg(fabs((double)x[i] - (double)y[i]) <= 1e-5 * (1.0 + largest), "%s: value %d is %g, wanted %g",
                      what, (int)i, (double)x[i], (double)y[i]);
}

/* ---- what they compute ---- */

/* Loop index: images. */
START_TEST(own_layers_compute_what_the_librarys_do) {
    static const int64_t counts[] = {1, 16, 21, 50};
    cn_model *ours = network(ctx, true), *library = network(ctx, false);
    copy_parameters(ours, library);
    result a = there_and_back(ctx, ours, counts[_i]), b = there_and_back(ctx, library, counts[_i]);
    expect_close(b.output, a.output, "output");
    expect_close(b.grad_input, a.grad_input, "grad_input");
    for (int64_t i = 0; i < cn_model_tensor_count(ours); i++) {
        cn_tensor *x, *y;
        const char *name = cn_model_tensor_name(ours, i);
        ck_ok(cn_model_gradient(ours, name, &x));
        ck_ok(cn_model_gradient(library, library_name(name), &y));
        expect_close(y, x, name);
    }
    result_free(&a);
    result_free(&b);
    cn_model_free(ours);
    cn_model_free(library);
}
END_TEST

START_TEST(parameters_begin_as_they_say) {
    cn_model *model = network(ctx, true);
    cn_tensor *scale, *shift;
    ck_ok(cn_model_tensor(model, "a.scale", &scale));
    ck_ok(cn_model_tensor(model, "a.shift", &shift));
    const float *s = cn_tensor_data(scale);
    for (int i = 0; i < 3; i++) {
        ck_assert_float_ge(s[i], 1.25f);
        ck_assert_float_le(s[i], 1.75f);
        ck_assert_float_eq(((float *)cn_tensor_data(shift))[i], 0.0f);
    }
    ck_assert(s[0] != s[1] && s[1] != s[2]);
    cn_model_free(model);
}
END_TEST

/* Loop index: threads of the other context. */
START_TEST(bits_do_not_depend_on_threads) {
    static const int threads[] = {1, 3, 8};
    cn_context *other = test_context(threads[_i]);
    register_all(other);
    cn_model *a = network(ctx, true), *b = network(other, true);
    result x = there_and_back(ctx, a, 77), y = there_and_back(other, b, 77);
    ck_assert_mem_eq(cn_tensor_data(x.output), cn_tensor_data(y.output), 77 * OUT * sizeof(float));
    ck_assert_mem_eq(cn_tensor_data(x.grad_input), cn_tensor_data(y.grad_input), 77 * IN * sizeof(float));
    for (int64_t i = 0; i < cn_model_tensor_count(a); i++) {
        cn_tensor *ours, *theirs;
        ck_ok(cn_model_gradient(a, cn_model_tensor_name(a, i), &ours));
        ck_ok(cn_model_gradient(b, cn_model_tensor_name(a, i), &theirs));
        ck_assert_mem_eq(cn_tensor_data(ours), cn_tensor_data(theirs), (size_t)cn_tensor_count(ours) * sizeof(float));
    }
    result_free(&x);
    result_free(&y);
    cn_model_free(a);
    cn_model_free(b);
    cn_context_free(other);
}
END_TEST

/* Few images go one by one, many in blocks; the predictor keeps parameters of its own. */
START_TEST(predictors_run_them) {
    cn_model *model = network(ctx, true);
    cn_predictor *predictor;
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    for (int64_t count = 1; count <= 40; count += 13) {
        cn_tensor *input = images(count, 3, 7, 6), *forward = images(count, 2, 4, 3), *run = images(count, 2, 4, 3);
        noise(input, 3);
        ck_ok(cn_model_forward(model, 0, input, forward));
        ck_ok(cn_predictor_run(predictor, input, run));
        expect_close(forward, run, "output");
        cn_tensor_free(input);
        cn_tensor_free(forward);
        cn_tensor_free(run);
    }
    cn_predictor_free(predictor);
    cn_model_free(model);
}
END_TEST

START_TEST(they_take_images_of_other_sizes) {
    cn_model *ours = network(ctx, true), *library = network(ctx, false);
    cn_predictor *predictor[2];
    copy_parameters(ours, library);
    ck_ok(cn_predictor_new(ours, NULL, &predictor[0]));
    ck_ok(cn_predictor_new(library, NULL, &predictor[1]));
    for (int64_t count = 1; count <= 20; count += 19) {
        cn_tensor *input = images(count, 3, 9, 10), *output[2];
        noise(input, 4);
        for (int i = 0; i < 2; i++) {
            output[i] = images(count, 2, 5, 5);
            ck_ok(cn_predictor_run(predictor[i], input, output[i]));
        }
        expect_close(output[1], output[0], "output");
        cn_tensor_free(input);
        cn_tensor_free(output[0]);
        cn_tensor_free(output[1]);
    }
    cn_predictor_free(predictor[0]);
    cn_predictor_free(predictor[1]);
    cn_model_free(ours);
    cn_model_free(library);
}
END_TEST

START_TEST(summaries_count_them) {
    cn_model *model = network(ctx, true);
    cn_layer_info info = CN_LAYER_INFO_INIT;
    char *text;
    ck_ok(cn_model_layer_info(model, 0, &info));
    ck_assert_str_eq(info.type, "test.Affine");
    ck_assert_int_eq(info.parameters, 6);
    ck_assert_int_eq(info.multiply_adds, IN);
    ck_ok(cn_model_layer_info(model, 4, &info));
    ck_assert_int_eq(info.parameters, 0);
    ck_assert_int_eq(info.multiply_adds, 0);
    ck_ok(cn_model_summary(model, &text));
    ck_assert_ptr_nonnull(strstr(text, "test.Affine, scale 1.5, no shifts"));
    ck_assert_ptr_nonnull(strstr(text, "test.Sum of a, b, c"));
    cn_text_free(text);
    cn_model_free(model);
}
END_TEST

START_TEST(parts_have_them) {
    cn_model *model = network(ctx, true), *part;
    cn_tensor *a, *b;
    ck_ok(cn_model_until(model, "c", &part));
    ck_assert_int_eq(cn_model_layer_count(part), 3);
    ck_ok(cn_model_tensor(model, "c.scale", &a));
    ck_ok(cn_model_tensor(part, "c.scale", &b));
    ck_assert_mem_eq(cn_tensor_data(a), cn_tensor_data(b), 3 * sizeof(float));
    cn_model_free(part);
    cn_model_free(model);
}
END_TEST

/* ---- training ---- */

/* affine "own" → batch norm → flatten → linear → log-softmax, for toy data. */
static cn_model *classifier(void) {
    cn_model *model = model_for(1, TOY_SIDE, TOY_SIDE);
    cn_layer *layer;
    ck_ok(cn_model_append(model, "norm", norm(CN_NORM_BATCH, 1)));
    ck_ok(cn_model_append(model, "own", own(ctx, "test.Affine", &(affine){1, 1.0f, 1})));
    ck_ok(cn_flatten_new(ctx, &layer));
    ck_ok(cn_model_append(model, "flatten", layer));
    ck_ok(cn_linear_new(ctx, TOY_PIXELS, TOY_CLASSES, 1, &layer));
    ck_ok(cn_model_append(model, "fc", layer));
    ck_ok(cn_log_softmax_new(ctx, &layer));
    ck_ok(cn_model_append(model, "out", layer));
    ck_ok(cn_model_init(model, 4));
    return model;
}

START_TEST(trainers_train_them) {
    cn_model *model = classifier();
    toy_data train = toy_data_new(ctx, 60, 1), test = toy_data_new(ctx, 40, 2);
    cn_epoch_info first = CN_EPOCH_INFO_INIT, last = CN_EPOCH_INFO_INIT;
    cn_trainer *trainer;
    cn_tensor *scale;
    ck_ok(cn_model_tensor(model, "own.scale", &scale));
    float before = ((float *)cn_tensor_data(scale))[0];
    ck_ok(cn_trainer_new(model, train.set, test.set, NULL, &trainer));
    ck_ok(cn_trainer_fit(trainer, 10, NULL, NULL));
    ck_ok(cn_trainer_epoch_info(trainer, 0, &first));
    ck_ok(cn_trainer_epoch_info(trainer, 9, &last));
    ck_assert_double_lt(last.train_loss, 0.7 * first.train_loss);
    ck_assert_float_ne(((float *)cn_tensor_data(scale))[0], before);
    cn_trainer_free(trainer);
    toy_data_free(&train);
    toy_data_free(&test);
    cn_model_free(model);
}
END_TEST

/* ---- functions that fail ---- */

START_TEST(a_failing_function_fails_the_pass) {
    cn_model *model = network(ctx, true);
    result r = there_and_back(ctx, model, 40);
    cn_predictor *predictor;
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    given.trigger = ((float *)cn_tensor_data(r.input))[33 * IN]; /* in one of the blocks, of one of the layers */
    given.forward = CN_ERR_DATA;
    ck_fails(cn_model_forward(model, 1, r.input, r.output), CN_ERR_DATA,
             "test.Affine 'a': its forward function failed: invalid data");
    ck_fails(cn_model_backward(model, r.grad_output, NULL), CN_ERR_STATE, "no training forward pass");
    ck_fails(cn_predictor_run(predictor, r.input, r.output), CN_ERR_DATA, "'a': its forward function failed");
    given.forward = (cn_status)77;
    ck_fails(cn_predictor_run(predictor, r.input, r.output), CN_ERR_STATE, "'a': its forward function failed");
    given.forward = CN_OK;
    given.backward = CN_ERR_MEMORY;
    ck_ok(cn_predictor_run(predictor, r.input, r.output));
    ck_ok(cn_model_forward(model, 1, r.input, r.output));
    ck_fails(cn_model_backward(model, r.grad_output, NULL), CN_ERR_MEMORY,
             "its backward function failed: out of memory");
    given.backward = CN_OK;
    ck_ok(cn_model_forward(model, 1, r.input, r.output));
    ck_ok(cn_model_backward(model, r.grad_output, r.grad_input));
    cn_predictor_free(predictor);
    result_free(&r);
    cn_model_free(model);
}
END_TEST

/* One image alone goes with channels in the lanes, and fails as well. */
START_TEST(a_single_image_fails_too) {
    cn_model *model = network(ctx, true);
    cn_tensor *input = images(1, 3, 7, 6), *output = images(1, 2, 4, 3);
    cn_predictor *predictor;
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    noise(input, 3);
    given.forward = CN_ERR_NUMERIC;
    ck_fails(cn_predictor_run(predictor, input, output), CN_ERR_NUMERIC, "test.Affine 'a'");
    given.forward = CN_OK;
    ck_ok(cn_predictor_run(predictor, input, output));
    cn_predictor_free(predictor);
    cn_tensor_free(input);
    cn_tensor_free(output);
    cn_model_free(model);
}
END_TEST

/* Loop index: forward or backward. Parameters and statistics are then as before the batch, and training can go on. */
START_TEST(a_failing_function_ends_training_in_good_order) {
    cn_model *model = classifier();
    toy_data train = toy_data_new(ctx, 60, 1), test = toy_data_new(ctx, 40, 2);
    cn_trainer *trainer;
    size_t bytes;
    ck_ok(cn_trainer_new(model, train.set, test.set, NULL, &trainer));
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL));
    void *before = toy_tensors(model, &bytes);
    *(_i ? &given.backward : &given.forward) = CN_ERR_UNSUPPORTED;
    ck_fails(cn_trainer_fit(trainer, 1, NULL, NULL), CN_ERR_UNSUPPORTED, _i ? "its backward function" : "its forward");
    void *after = toy_tensors(model, &bytes);
    ck_assert_mem_eq(before, after, bytes);
    given.forward = given.backward = CN_OK;
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
    cn_model *model = classifier();
    toy_data data = toy_data_new(ctx, 60, 1);
    cn_evaluation *evaluation;
    given.forward = CN_ERR_DATA;
    ck_fails(cn_evaluation_new(model, data.set, NULL, &evaluation), CN_ERR_DATA, "test.Affine 'own'");
    ck_assert_ptr_null(evaluation);
    toy_data_free(&data);
    cn_model_free(model);
}
END_TEST

/* ---- files ---- */

START_TEST(files_keep_them) {
    cn_model *model = network(ctx, true), *loaded;
    cn_tensor *file, *again;
    result a = there_and_back(ctx, model, 20);
    ck_ok(cn_model_save_memory(model, &file));
    ck_ok(cn_model_load_memory(ctx, cn_tensor_data(file), (size_t)cn_tensor_count(file), &loaded));
    result b = there_and_back(ctx, loaded, 20);
    ck_assert_mem_eq(cn_tensor_data(a.output), cn_tensor_data(b.output), 20 * OUT * sizeof(float));
    ck_ok(cn_model_save_memory(loaded, &again));
    ck_assert_int_eq(cn_tensor_count(file), cn_tensor_count(again));
    ck_assert_mem_eq(cn_tensor_data(file), cn_tensor_data(again), (size_t)cn_tensor_count(file));
    result_free(&a);
    result_free(&b);
    cn_tensor_free(file);
    cn_tensor_free(again);
    cn_model_free(loaded);
    cn_model_free(model);
}
END_TEST

/* Changes a place of a file, of which there is one. */
static void replace(cn_tensor *file, const char *from, const char *to) {
    char *bytes = cn_tensor_data(file), *place = NULL;
    for (int64_t i = 0; !place && i + (int64_t)strlen(from) <= cn_tensor_count(file); i++)
        if (memcmp(bytes + i, from, strlen(from)) == 0)
            place = bytes + i;
    ck_assert_ptr_nonnull(place);
    ck_assert_uint_eq(strlen(from), strlen(to));
    memcpy(place, to, strlen(to));
}

START_TEST(files_say_what_they_lack) {
    cn_context *bare = test_context(1);
    cn_model *model = network(ctx, true), *loaded = model;
    cn_tensor *file;
    ck_ok(cn_model_save_memory(model, &file));
    const void *bytes = cn_tensor_data(file);
    size_t count = (size_t)cn_tensor_count(file);
    ck_fails(cn_model_load_memory(bare, bytes, count, &loaded), CN_ERR_FORMAT,
             "layer 'a' is of type 'test.Affine', which is neither");
    ck_assert_ptr_null(loaded);
    replace(file, "\\\"scale\\\":1.5", "\\\"scale\\\":999");
    ck_fails(cn_model_load_memory(ctx, bytes, count, &loaded), CN_ERR_FORMAT,
             "test.Affine: scale is 999, wanted -10 to 10");
    replace(file, "\\\"scale\\\":999", "\\\"slope\\\":1.5");
    ck_fails(cn_model_load_memory(ctx, bytes, count, &loaded), CN_ERR_FORMAT, "option 'slope' is not known");
    replace(file, "\\\"slope\\\":1.5", "\\\"scale\\\":1.5");
    replace(file, "\\\"num_channels\\\":3", "\\\"num_channels\\\":2");
    ck_fails(cn_model_load_memory(ctx, bytes, count, &loaded), CN_ERR_FORMAT, "refuses an input of 3×7×6");
    cn_tensor_free(file);
    cn_model_free(model);
    cn_context_free(bare);
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
        cn_layer_option options[COUNT(affine_options)];
        memcpy(options, affine_options, sizeof options);
        cn_layer_definition d = affine_definition(&given);
        d.options = options;
        cases[i].make(&d, options);
        ck_fails(cn_context_register_layer(ctx, &d), cases[i].status, cases[i].message);
    }
    ck_fails(cn_context_register_layer(ctx, NULL), CN_ERR_ARGUMENT, "definition is NULL");
    ck_fails(cn_context_register_layer(NULL, &(cn_layer_definition)CN_LAYER_DEFINITION_INIT), CN_ERR_ARGUMENT,
             "context is NULL");
    ck_assert_int_eq(given.released, 0);
    register_all(ctx);
    cn_layer_definition d = affine_definition(&given);
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
    ck_fails(cn_custom_layer_new(ctx, "test.Affine", &(affine){0, 1.0f, 1}, &layer), CN_ERR_ARGUMENT,
             "test.Affine: num_channels is 0, wanted 1 to 1000");
    ck_fails(cn_custom_layer_new(ctx, "test.Affine", &(affine){1, NAN, 1}, &layer), CN_ERR_ARGUMENT, "scale is nan");
    given.parameters = 3; /* the third is all zero */
    ck_fails(cn_custom_layer_new(ctx, "test.Affine", NULL, &layer), CN_ERR_ARGUMENT, "parameter 2 is called '(NULL)'");
    given.parameters = CN_MAX_LAYER_PARAMETERS + 1;
    ck_fails(cn_custom_layer_new(ctx, "test.Affine", NULL, &layer), CN_ERR_ARGUMENT, "returned 9, wanted 0 to 8");
    given.parameters = 0;
    ck_ok(cn_custom_layer_new(ctx, "test.Affine", NULL, &layer));
    cn_layer_free(layer);
}
END_TEST

START_TEST(shapes_that_cannot_be_are_refused) {
    cn_model *model = model_for(3, 7, 6);
    ck_fails(cn_model_append(model, "a", own(ctx, "test.Affine", &(affine){2, 1.0f, 1})), CN_ERR_SHAPE,
             "test.Affine 'a': its shape function refuses an input of 3×7×6: shapes do not fit");
    given.shape = CN_ERR_UNSUPPORTED;
    ck_fails(cn_model_append(model, "a", own(ctx, "test.Affine", &(affine){3, 1.0f, 1})), CN_ERR_UNSUPPORTED,
             "refuses");
    given.shape = CN_OK;
    for (int i = 0; i < 2; i++) {
        given.channels = i ? -1 : (1 << 24) + 1;
        ck_fails(cn_model_append(model, "a", own(ctx, "test.Affine", &(affine){3, 1.0f, 1})), CN_ERR_SHAPE,
                 i ? "gives -1×7×6" : "gives 16777217×7×6");
    }
    ck_fails(cn_model_append(model, "a", own(ctx, "test.Sum", NULL)), CN_ERR_ARGUMENT, "reads 1 inputs");
    ck_ok(cn_model_append(model, "a", conv(3, 3, 3)));
    ck_fails(cn_model_add(model, "b", own(ctx, "test.Sum", NULL), 2, (const char *const[]){"input", "a"}), CN_ERR_SHAPE,
             "test.Sum 'b': input 1 is 3×5×4, but input 0 is 3×7×6");
    cn_model_free(model);
}
END_TEST

START_TEST(they_are_released_with_the_context) {
    cn_context *context = test_context(1);
    register_all(context);
    ck_assert_int_eq(given.released, 0);
    cn_context_free(context);
    ck_assert_int_eq(given.released, 1);
}
END_TEST

/* ---- memory ---- */

static cn_status scenario(cn_context *context) {
    cn_layer_definition d = affine_definition(&given);
    cn_tensor *input = NULL, *output = NULL;
    cn_model *model = NULL, *loaded = NULL;
    cn_tensor *file = NULL;
    cn_predictor *predictor = NULL;
    cn_layer *layer;
    cn_status status = cn_context_register_layer(context, &d);
    if (status == CN_ERR_ARGUMENT) /* an earlier run had the memory for it */
        status = CN_OK;
    if (status == CN_OK && (status = cn_model_new(context, 2, 3, 3, &model)) == CN_OK &&
        (status = cn_custom_layer_new(context, "test.Affine", &(affine){2, 1.0f, 1}, &layer)) == CN_OK &&
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
    const TTest *const numbers[] = {own_layers_compute_what_the_librarys_do}, *const threads[] = {
                                                                                  bits_do_not_depend_on_threads};
    const TTest *const use[] = {parameters_begin_as_they_say, predictors_run_them, they_take_images_of_other_sizes,
                                summaries_count_them,         parts_have_them,     trainers_train_them};
    const TTest *const failures[] = {a_failing_function_fails_the_pass, a_single_image_fails_too,
                                     a_failing_function_fails_an_evaluation};
    const TTest *const training[] = {a_failing_function_ends_training_in_good_order};
    const TTest *const files[] = {files_keep_them, files_say_what_they_lack};
    const TTest *const layers[] = {layers_that_cannot_be_are_refused, shapes_that_cannot_be_are_refused,
                                   they_are_released_with_the_context};
    const TTest *const definitions[] = {definitions_that_cannot_be_are_refused};
    const TTest *const memory[] = {out_of_memory_is_a_status};
    Suite *suite = suite_create("layers of one's own");
    add_tests(suite, "numbers", begin, tear_down, numbers, COUNT(numbers), 4);
    add_tests(suite, "threads", begin, tear_down, threads, COUNT(threads), 3);
    add_tests(suite, "use", begin, tear_down, use, COUNT(use), 1);
    add_tests(suite, "failures", begin, tear_down, failures, COUNT(failures), 1);
    add_tests(suite, "training", begin, tear_down, training, COUNT(training), 2);
    add_tests(suite, "files", begin, tear_down, files, COUNT(files), 1);
    add_tests(suite, "layers", begin, tear_down, layers, COUNT(layers), 1);
    add_tests(suite, "definitions", begin_bare, tear_down, definitions, COUNT(definitions), 1);
    add_tests(suite, "memory", NULL, NULL, memory, COUNT(memory), 2);
    return test_run(suite);
}
