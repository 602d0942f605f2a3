/* SPDX-License-Identifier: MIT */
/* own_layers.c: layers that a program computes itself, networks of them, and the library's in their place. */
#include "own_layers.h"
#include "toys.h"
#include <math.h>

/* ---- the layers ---- */

const cn_layer_option own_affine_options[OWN_AFFINE_OPTIONS] = {CN_INT_OPTION(own_affine, num_channels, 1, 1, 1000),
                                                                CN_FLOAT_OPTION(own_affine, scale, 0.5, -10.0, 10.0),
                                                                CN_INT_OPTION(own_affine, shifts, 1, 0, 1)};

static int affine_parameters(void *user, const void *options, cn_layer_parameter *parameter) {
    const own_affine *o = options;
    const own_orders *given = user;
    parameter[0] =
        (cn_layer_parameter){.name = "scale", .dims = 1, .shape = {o->num_channels}, .value = o->scale, .bound = 0.25f};
    parameter[1] = (cn_layer_parameter){.name = "shift", .dims = 1, .shape = {o->num_channels}};
    return given->parameters ? given->parameters : 1 + o->shifts;
}

static cn_status affine_shape(void *user, const void *options, int inputs, const int64_t (*in)[3], int64_t out[3]) {
    const own_orders *given = user;
    ck_assert_int_eq(inputs, 1);
    memcpy(out, in[0], 3 * sizeof *out);
    if (given->channels)
        out[0] = given->channels;
    return in[0][0] == ((const own_affine *)options)->num_channels ? given->shape : CN_ERR_SHAPE;
}

static int64_t affine_multiply_adds(void *user, const void *options, const int64_t in[3], const int64_t out[3]) {
    (void)user, (void)options, (void)in;
    return out[0] * out[1] * out[2];
}

/* The order, if one of the images is the one. */
static cn_status order(const cn_layer_pass *pass, cn_status wanted) {
    const own_orders *given = pass->user;
    int64_t image = pass->input_shapes[0][0] * pass->input_shapes[0][1] * pass->input_shapes[0][2];
    ck_assert_uint_eq(pass->size, sizeof *pass);
    ck_assert(pass->images >= 1 && pass->images <= 16);
    for (int64_t n = 0; n < pass->images; n++)
        if (given->trigger == 0.0f || pass->inputs[0][n * image] == given->trigger)
            return wanted;
    return CN_OK;
}

static cn_status affine_forward(const cn_layer_pass *pass) {
    const own_affine *o = pass->options;
    int64_t pixels = pass->output_shape[1] * pass->output_shape[2];
    for (int64_t i = 0; i < pass->images * o->num_channels * pixels; i++) {
        int64_t c = i / pixels % o->num_channels;
        pass->output[i] = pass->parameters[0][c] * pass->inputs[0][i] + (o->shifts ? pass->parameters[1][c] : 0.0f);
    }
    return order(pass, ((const own_orders *)pass->user)->forward);
}

static cn_status affine_backward(const cn_layer_pass *pass) {
    const own_affine *o = pass->options;
    int64_t pixels = pass->output_shape[1] * pass->output_shape[2];
    for (int64_t i = 0; i < pass->images * o->num_channels * pixels; i++) {
        int64_t c = i / pixels % o->num_channels;
        pass->grad_inputs[0][i] = pass->parameters[0][c] * pass->grad_output[i];
        pass->grad_parameters[0][c] += pass->inputs[0][i] * pass->grad_output[i];
        if (o->shifts)
            pass->grad_parameters[1][c] += pass->grad_output[i];
    }
    return order(pass, ((const own_orders *)pass->user)->backward);
}

static void release(void *user) {
    ((own_orders *)user)->released++;
}

cn_layer_definition own_affine_definition(own_orders *given) {
    cn_layer_definition d = CN_LAYER_DEFINITION_INIT;
    d.type = "test.Affine";
    d.options = own_affine_options;
    d.option_count = OWN_AFFINE_OPTIONS;
    d.options_size = sizeof(own_affine);
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

own_orders own_given; /* of the running test, which has a process of its own */

void own_register(cn_context *context) {
    cn_layer_definition all[] = {own_affine_definition(&own_given), sum_definition(), every_second_definition()};
    for (size_t i = 0; i < COUNT(all); i++)
        ck_ok(cn_context_register_layer(context, &all[i]));
}

void own_begin(void) {
    own_given = (own_orders){0};
    set_up();
    own_register(ctx);
}

void own_begin_bare(void) {
    own_given = (own_orders){0};
    set_up();
}

/* ---- networks with them, and with the library's layers in their place ---- */

cn_layer *own_layer(cn_context *context, const char *type, const void *options) {
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

cn_model *own_network(cn_context *context, bool ours) {
    cn_pool2d_options stride = CN_POOL2D_OPTIONS_INIT;
    cn_model *model;
    cn_layer *layer;
    stride.stride[0] = stride.stride[1] = 2;
    ck_ok(cn_model_new(context, 3, 7, 6, &model));
    ck_ok(cn_model_append(model, "a",
                          ours ? own_layer(context, "test.Affine", &(own_affine){3, 1.5f, 1})
                               : library_affine(context, 3, 1)));
    ck_ok(cn_model_append(model, "b", padded_conv(context, 3, 3)));
    ck_ok(cn_model_append(model, "c",
                          ours ? own_layer(context, "test.Affine", &(own_affine){3, 1.5f, 0})
                               : library_affine(context, 3, 0)));
    if (ours)
        layer = own_layer(context, "test.Sum", NULL);
    else
        ck_ok(cn_add_new(context, &layer));
    ck_ok(cn_model_add(model, "d", layer, 3, (const char *const[]){"a", "b", "c"}));
    if (ours)
        layer = own_layer(context, "test.EverySecond", NULL);
    else
        ck_ok(cn_max_pool2d_new(context, 1, 1, &stride, &layer));
    ck_ok(cn_model_append(model, "e", layer));
    ck_ok(cn_model_append(model, "f", padded_conv(context, 3, 2)));
    ck_ok(cn_model_init(model, 11));
    return model;
}

/* What the library's layers call the parameters. */
static const char *const renamed[][2] = {{"a.scale", "a.weight"}, {"a.shift", "a.bias"}, {"c.scale", "c.weight"}};

const char *own_library_name(const char *name) {
    for (size_t i = 0; i < COUNT(renamed); i++)
        if (strcmp(renamed[i][0], name) == 0)
            return renamed[i][1];
    return name;
}

void own_copy_parameters(cn_model *ours, cn_model *library) {
    ck_assert_int_eq(cn_model_parameter_count(ours), cn_model_parameter_count(library));
    for (int64_t i = 0; i < cn_model_tensor_count(ours); i++) {
        cn_tensor *from, *to;
        ck_ok(cn_model_tensor(ours, cn_model_tensor_name(ours, i), &from));
        ck_ok(cn_model_tensor(library, own_library_name(cn_model_tensor_name(ours, i)), &to));
        memcpy(cn_tensor_data(to), cn_tensor_data(from), (size_t)cn_tensor_count(to) * sizeof(float));
    }
}

void own_noise(cn_tensor *tensor, uint32_t seed) {
    float *to = cn_tensor_data(tensor);
    for (int64_t i = 0; i < cn_tensor_count(tensor); i++)
        to[i] = (float)(int32_t)(((uint32_t)i + 1 + 7919 * seed) * 2654435761u) / 2147483648.0f;
}

static cn_tensor *floats_in(cn_context *context, int64_t n, int64_t c, int64_t h, int64_t w) {
    cn_tensor *tensor;
    ck_ok(cn_tensor_new(context, CN_DTYPE_FLOAT32, 4, (int64_t[]){n, c, h, w}, &tensor));
    return tensor;
}

own_pass own_pass_new(cn_context *context, cn_model *model, int64_t count) {
    own_pass r = {floats_in(context, count, 3, 7, 6), floats_in(context, count, 2, 4, 3),
                  floats_in(context, count, 2, 4, 3), floats_in(context, count, 3, 7, 6)};
    own_noise(r.input, 1);
    own_noise(r.grad_output, 2);
    ck_ok(cn_model_forward(model, 1, r.input, r.output));
    ck_ok(cn_model_backward(model, r.grad_output, r.grad_input));
    return r;
}

void own_pass_free(own_pass *r) {
    cn_tensor_free(r->input);
    cn_tensor_free(r->output);
    cn_tensor_free(r->grad_output);
    cn_tensor_free(r->grad_input);
}

void own_expect_close(const cn_tensor *a, const cn_tensor *b, const char *what) {
    const float *x = cn_tensor_data_const(a), *y = cn_tensor_data_const(b);
    double largest = 0.0;
    ck_assert_int_eq(cn_tensor_count(a), cn_tensor_count(b));
    for (int64_t i = 0; i < cn_tensor_count(a); i++)
        largest = fmax(largest, fabs((double)x[i]));
    for (int64_t i = 0; i < cn_tensor_count(a); i++)
        ck_assert_msg(fabs((double)x[i] - (double)y[i]) <= 1e-5 * (1.0 + largest), "%s: value %d is %g, wanted %g",
                      what, (int)i, (double)x[i], (double)y[i]);
}

cn_model *own_classifier(void) {
    cn_model *model = model_for(1, TOY_SIDE, TOY_SIDE);
    cn_layer *layer;
    ck_ok(cn_model_append(model, "norm", norm(CN_NORM_BATCH, 1)));
    ck_ok(cn_model_append(model, "own", own_layer(ctx, "test.Affine", &(own_affine){1, 1.0f, 1})));
    ck_ok(cn_flatten_new(ctx, &layer));
    ck_ok(cn_model_append(model, "flatten", layer));
    ck_ok(cn_linear_new(ctx, TOY_PIXELS, TOY_CLASSES, 1, &layer));
    ck_ok(cn_model_append(model, "fc", layer));
    ck_ok(cn_log_softmax_new(ctx, &layer));
    ck_ok(cn_model_append(model, "out", layer));
    ck_ok(cn_model_init(model, 4));
    return model;
}
