/* SPDX-License-Identifier: MIT */
/* network_model.c: the networks of network.h as models of the library, through the public header alone. */
#include "activations.h"
#include "network.h"
#include "testing.h"
#include <stdio.h>
#include <stdlib.h>

cn_context *net_context(int threads, cn_conv_algorithm algorithm, cn_isa isa) {
    return net_context_of((net_way){threads, algorithm, isa, CN_LAYOUT_AUTO});
}

cn_context *net_context_of(net_way way) {
    cn_context *context;
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    options.threads = way.threads;
    options.conv_algorithm = way.algorithm;
    options.isa = way.isa;
    options.layout = way.layout;
    ck_ok(cn_context_new(&options, &context));
    return context;
}

/* ---- layers ---- */

static cn_status make_conv2d(cn_context *ctx, const net_layer *l, int channels, cn_layer **made) {
    cn_conv2d_options options = CN_CONV2D_OPTIONS_INIT;
    memcpy(options.stride, l->stride, sizeof options.stride);
    memcpy(options.padding, l->padding, sizeof options.padding);
    memcpy(options.dilation, l->dilation, sizeof options.dilation);
    options.groups = l->groups;
    options.bias = l->bias;
    options.padding_mode = (cn_padding_mode)l->mode;
    return cn_conv2d_new(ctx, channels, l->out[0], l->kernel[0], l->kernel[1], &options, made);
}

static cn_status make_conv_transpose2d(cn_context *ctx, const net_layer *l, int channels, cn_layer **made) {
    cn_conv_transpose2d_options options = CN_CONV_TRANSPOSE2D_OPTIONS_INIT;
    memcpy(options.stride, l->stride, sizeof options.stride);
    memcpy(options.padding, l->padding, sizeof options.padding);
    memcpy(options.output_padding, l->output_padding, sizeof options.output_padding);
    memcpy(options.dilation, l->dilation, sizeof options.dilation);
    options.groups = l->groups;
    options.bias = l->bias;
    return cn_conv_transpose2d_new(ctx, channels, l->out[0], l->kernel[0], l->kernel[1], &options, made);
}

static cn_status make_norm(cn_context *ctx, const net_layer *l, int channels, cn_layer **made) {
    static const cn_norm_kind norms[NET_KINDS] = {[NET_BATCH_NORM] = CN_NORM_BATCH,
                                                  [NET_GROUP_NORM] = CN_NORM_GROUP,
                                                  [NET_LAYER_NORM] = CN_NORM_LAYER,
                                                  [NET_INSTANCE_NORM] = CN_NORM_INSTANCE};
    cn_norm_options options = CN_NORM_OPTIONS_INIT;
    if (l->kind == NET_GROUP_NORM)
        options.groups = l->groups;
    options.eps = (float)l->eps;
    options.momentum = (float)l->momentum;
    options.affine = l->affine;
    options.track_running_stats = l->running;
    if (l->kind == NET_LAYER_NORM2D)
        return cn_layer_norm2d_new(ctx, channels, &options, made);
    return cn_norm_new(ctx, norms[l->kind], channels, &options, made);
}

static cn_status make_pool(cn_context *ctx, const net_layer *l, cn_layer **made) {
    cn_pool2d_options options = CN_POOL2D_OPTIONS_INIT;
    memcpy(options.stride, l->stride, sizeof options.stride);
    memcpy(options.padding, l->padding, sizeof options.padding);
    memcpy(options.dilation, l->dilation, sizeof options.dilation);
    options.ceil_mode = l->ceil;
    options.count_include_pad = l->include_pad;
    options.divisor_override = l->divisor;
    return (l->kind == NET_MAX_POOL ? cn_max_pool2d_new : cn_avg_pool2d_new)(ctx, l->kernel[0], l->kernel[1], &options,
                                                                             made);
}

static cn_status make_upsample(cn_context *ctx, const net_layer *l, cn_layer **made) {
    cn_upsample_options options = CN_UPSAMPLE_OPTIONS_INIT;
    memcpy(options.scale_factor, l->by, sizeof options.scale_factor);
    if (l->by[0] == 0.0)
        memcpy(options.output_size, l->out, sizeof options.output_size);
    options.mode = l->bilinear ? CN_UPSAMPLE_BILINEAR : CN_UPSAMPLE_NEAREST;
    options.align_corners = l->corners;
    return cn_upsample_new(ctx, &options, made);
}

static cn_status make_layer(cn_context *ctx, const net_layer *l, int channels, cn_layer **made) {
    const activation *function = activation_of(l->kind);
    if (function) {
        double parameter[2];
        function->parameters(l, parameter);
        return function->make(ctx, parameter[0], parameter[1], made);
    }
    switch (l->kind) {
    case NET_CONV2D:
        return make_conv2d(ctx, l, channels, made);
    case NET_CONV_TRANSPOSE2D:
        return make_conv_transpose2d(ctx, l, channels, made);
    case NET_LINEAR:
        return cn_linear_new(ctx, channels, l->out[0], l->bias, made);
    case NET_BATCH_NORM:
    case NET_GROUP_NORM:
    case NET_LAYER_NORM:
    case NET_INSTANCE_NORM:
    case NET_LAYER_NORM2D:
        return make_norm(ctx, l, channels, made);
    case NET_DROPOUT:
        return cn_dropout_new(ctx, (float)l->p, made);
    case NET_MAX_POOL:
    case NET_AVG_POOL:
        return make_pool(ctx, l, made);
    case NET_ADAPTIVE_AVG_POOL:
        return cn_adaptive_avg_pool2d_new(ctx, l->out[0], l->out[1], made);
    case NET_ADAPTIVE_MAX_POOL:
        return cn_adaptive_max_pool2d_new(ctx, l->out[0], l->out[1], made);
    case NET_FLATTEN:
        return cn_flatten_new(ctx, made);
    case NET_ADD:
        return cn_add_new(ctx, made);
    case NET_CONCAT:
        return cn_concat_new(ctx, made);
    case NET_IDENTITY:
        return cn_identity_new(ctx, made);
    case NET_RESHAPE:
        return cn_reshape_new(ctx, l->to[0], l->to[1], l->to[2], made);
    case NET_PIXEL_SHUFFLE:
        return cn_pixel_shuffle_new(ctx, l->factor, made);
    case NET_PIXEL_UNSHUFFLE:
        return cn_pixel_unshuffle_new(ctx, l->factor, made);
    case NET_CHANNEL_SHUFFLE:
        return cn_channel_shuffle_new(ctx, l->groups, made);
    case NET_NARROW:
        return cn_narrow_new(ctx, l->start, l->length, made);
    case NET_PAD:
        return cn_pad2d_new(ctx, l->pad, (cn_padding_mode)l->mode, (float)l->value, made);
    case NET_PRELU:
        return cn_prelu_new(ctx, l->weights, made);
    case NET_MUL:
        return cn_mul_new(ctx, made);
    case NET_UPSAMPLE:
        return make_upsample(ctx, l, made);
    case NET_LOCAL_RESPONSE_NORM:
        return cn_local_response_norm_new(ctx, l->size, (float)l->alpha, (float)l->beta, (float)l->k, made);
    case NET_SOFTMAX:
        return cn_softmax_new(ctx, made);
    default:
        return cn_log_softmax_new(ctx, made);
    }
}

cn_status net_layer_new(cn_context *context, const network *net, int layer, cn_layer **made) {
    const net_layer *l = &net->layer[layer];
    return make_layer(context, l, net->layer[l->input[0]].shape.channels, made);
}

/* ---- models ---- */

static void value_name(char name[16], int value) {
    if (value == 0)
        strcpy(name, "input");
    else
        snprintf(name, 16, "%d", value);
}

cn_status net_layer_add(cn_model *model, const network *net, int layer, cn_layer *made) {
    const net_layer *l = &net->layer[layer];
    char own[16], names[NET_MAX_INPUTS][16];
    const char *inputs[NET_MAX_INPUTS];
    value_name(own, layer);
    for (int i = 0; i < l->inputs; i++) {
        value_name(names[i], l->input[i]);
        inputs[i] = names[i];
    }
    if (l->inputs == 1 && l->input[0] == layer - 1)
        return cn_model_append(model, own, made);
    return cn_model_add(model, own, made, l->inputs, inputs);
}

cn_model *net_make_model(cn_context *context, const network *net, uint64_t seed) {
    cn_model *model;
    net_shape in = net->layer[0].shape;
    ck_ok(cn_model_new(context, in.channels, in.height, in.width, &model));
    cn_status status = CN_OK;
    for (int i = 1; i <= net->layers && status == CN_OK; i++) {
        cn_layer *made;
        status = net_layer_new(context, net, i, &made);
        if (status == CN_OK)
            status = net_layer_add(model, net, i, made);
    }
    if (status == CN_OK)
        status = cn_model_init(model, seed);
    for (int i = 1; i <= net->layers && status == CN_OK; i++) {
        char own[16];
        value_name(own, i);
        if (net->layer[i].frozen)
            status = cn_model_freeze(model, own, 1);
    }
    ck_assert_msg(status == CN_OK, "'%s': %s", net->text, cn_last_error());
    ck_assert_int_eq(cn_model_tensor_count(model), net->tensors);
    return model;
}

/* ---- passes ---- */

static void to_tensor(cn_tensor *tensor, const double *values, size_t count) {
    ck_assert_int_eq(cn_tensor_count(tensor), count);
    if (cn_tensor_dtype(tensor) == CN_DTYPE_INT64)
        for (size_t i = 0; i < count; i++)
            ((int64_t *)cn_tensor_data(tensor))[i] = (int64_t)values[i];
    else
        for (size_t i = 0; i < count; i++)
            ((float *)cn_tensor_data(tensor))[i] = (float)values[i];
}

static void from_tensor(double *values, const cn_tensor *tensor, size_t count) {
    ck_assert_int_eq(cn_tensor_count(tensor), count);
    if (cn_tensor_dtype(tensor) == CN_DTYPE_INT64)
        for (size_t i = 0; i < count; i++)
            values[i] = (double)((const int64_t *)cn_tensor_data_const(tensor))[i];
    else
        for (size_t i = 0; i < count; i++)
            values[i] = ((const float *)cn_tensor_data_const(tensor))[i];
}

static cn_tensor *images(cn_context *context, int batch, net_shape shape) {
    cn_tensor *tensor;
    ck_ok(cn_tensor_new(context, CN_DTYPE_FLOAT32, 4, (int64_t[]){batch, shape.channels, shape.height, shape.width},
                        &tensor));
    return tensor;
}

static void exchange_tensors(cn_model *model, const network *net, net_pass *pass, bool fetch) {
    for (int t = 0; t < net->tensors; t++) {
        cn_tensor *tensor;
        ck_ok(cn_model_tensor(model, net->tensor[t].name, &tensor));
        if (fetch)
            from_tensor(pass->tensor[t], tensor, net->tensor[t].count);
        else
            to_tensor(tensor, pass->tensor[t], net->tensor[t].count);
    }
}

static void run_backward(cn_model *model, const network *net, net_pass *pass, cn_tensor *input, cn_tensor *output) {
    to_tensor(output, pass->grad_output, pass->outputs);
    ck_ok(cn_model_backward(model, output, net->no_input_gradient ? NULL : input));
    if (!net->no_input_gradient)
        from_tensor(pass->grad_input, input, pass->inputs);
    for (int t = 0; t < net->tensors; t++) {
        cn_tensor *gradient;
        if (!net_is_parameter(&net->tensor[t]) || net->layer[net->tensor[t].layer].frozen)
            continue;
        ck_ok(cn_model_gradient(model, net->tensor[t].name, &gradient));
        from_tensor(pass->gradient[t], gradient, net->tensor[t].count);
    }
}

void net_run_model(cn_context *context, cn_model *model, const network *net, net_pass *pass) {
    cn_tensor *input = images(context, net->batch, net->layer[0].shape);
    cn_tensor *output = images(context, net->batch, net->layer[net->layers].shape);
    exchange_tensors(model, net, pass, false);
    to_tensor(input, pass->input, pass->inputs);
    cn_status status = cn_model_forward(model, net->training, input, output);
    ck_assert_msg(status == CN_OK, "'%s': %s", net->text, cn_last_error());
    from_tensor(pass->output, output, pass->outputs);
    exchange_tensors(model, net, pass, true);
    if (net->training)
        run_backward(model, net, pass, input, output);
    cn_tensor_free(input);
    cn_tensor_free(output);
}

void net_run_library(cn_context *context, const network *net, net_pass *pass) {
    cn_model *model = net_make_model(context, net, pass->seed);
    net_run_model(context, model, net, pass);
    cn_model_free(model);
}
