/* SPDX-License-Identifier: MIT */
/* session8.c: the study's CIFAR-10 network, 47,818 parameters with a norm: conv blocks of 16, 24 and 32 channels,
 * between them 1×1 convolutions and pools, at the end a classifier over the mean of each channel. */
#include "model/model.h"
#include <stdio.h>

enum { STAGES = 3, CLASSES = 10, GROUPS = 4 };

static const struct stage { int channels, blocks, padding; } stages[STAGES] = {{16, 2, 0}, {24, 3, 1}, {32, 3, 1}};

static cn_status check_options(const cn_session8_options *o) {
    if (o->norm < CN_NORM_NONE || o->norm > CN_NORM_INSTANCE)
        return cn__error(CN_ERR_ARGUMENT, "cn_model_session8: unknown norm %d", (int)o->norm);
    if (o->norm == CN_NORM_GROUP && (o->groups < 1 || 8 % o->groups != 0))
        return cn__error(CN_ERR_ARGUMENT, "cn_model_session8: groups is %d, wanted a divisor of 16, 24 and 32",
                         o->groups);
    if (!(o->dropout >= 0.0f && o->dropout < 1.0f))
        return cn__error(CN_ERR_ARGUMENT, "cn_model_session8: dropout is %g, wanted 0 to below 1", (double)o->dropout);
    if (o->skip != 0 && o->skip != 1)
        return cn__error(CN_ERR_ARGUMENT, "cn_model_session8: skip is %d, wanted 0 or 1", o->skip);
    if (o->classes < 1 || o->classes > CN__MAX_SIDE)
        return cn__error(CN_ERR_ARGUMENT, "cn_model_session8: classes is %lld, wanted 1 to %d", (long long)o->classes,
                         CN__MAX_SIDE);
    return CN_OK;
}

/* Without bias, as all but the last are; padding repeats the border's pixels. */
static cn_status new_conv(cn_model *model, int in, int out, int kernel, int padding, cn_layer **layer) {
    cn_conv2d_options options = CN_CONV2D_OPTIONS_INIT;
    options.bias = 0;
    options.padding[0] = options.padding[1] = padding;
    options.padding_mode = CN_PADDING_REPLICATE;
    return cn_conv2d_new(model->ctx, in, out, kernel, kernel, &options, layer);
}

static const char *last_name(const cn_model *model) {
    return cn__model_name(model, (int32_t)model->node_count - 1);
}

static cn_status append_norm(cn_model *model, const cn_session8_options *o, int channels, int s, int b) {
    cn_norm_options options = CN_NORM_OPTIONS_INIT;
    cn_layer *layer;
    options.groups = o->groups;
    CN__TRY(cn_norm_new(model->ctx, o->norm, channels, &options, &layer));
    return cn__model_append(model, layer, "cblock%d.%d.normlayer", s, b);
}

static cn_status add_skip(cn_model *model, const char *input, int s, int b) {
    const char *const inputs[2] = {last_name(model), input};
    char name[48];
    cn_layer *layer;
    snprintf(name, sizeof name, "cblock%d.%d.skiplayer", s, b);
    CN__TRY(cn_add_new(model->ctx, &layer));
    return cn_model_add(model, name, layer, 2, inputs);
}

/* Block b of stage s, both as they are called: conv, norm, skip, ReLU, dropout. */
static cn_status append_block(cn_model *model, const cn_session8_options *o, int in, int s, int b) {
    const struct stage *stage = &stages[s - 1];
    const char *input = last_name(model);
    cn_layer *layer;
    CN__TRY(new_conv(model, in, stage->channels, 3, stage->padding, &layer));
    CN__TRY(cn__model_append(model, layer, "cblock%d.%d.convlayer", s, b));
    if (o->norm != CN_NORM_NONE)
        CN__TRY(append_norm(model, o, stage->channels, s, b));
    if (o->skip && stage->padding)
        CN__TRY(add_skip(model, input, s, b));
    CN__TRY(cn_relu_new(model->ctx, &layer));
    CN__TRY(cn__model_append(model, layer, "cblock%d.%d.relulayer", s, b));
    if (o->dropout > 0.0f) {
        CN__TRY(cn_dropout_new(model->ctx, o->dropout, &layer));
        CN__TRY(cn__model_append(model, layer, "cblock%d.%d.droplayer", s, b));
    }
    return CN_OK;
}

/* The passage from stage s to the next: more channels, half the size. */
static cn_status append_transition(cn_model *model, int s) {
    cn_layer *layer;
    CN__TRY(new_conv(model, stages[s - 1].channels, stages[s].channels, 1, 0, &layer));
    CN__TRY(cn__model_append(model, layer, "tblock%d.0", s));
    CN__TRY(cn_max_pool2d_new(model->ctx, 2, 2, NULL, &layer));
    return cn__model_append(model, layer, "tblock%d.1", s);
}

static cn_status append_classifier(cn_model *model, int classes) {
    cn_layer *layer;
    CN__TRY(cn_adaptive_avg_pool2d_new(model->ctx, 1, 1, &layer));
    CN__TRY(cn__model_append(model, layer, "oblock.0"));
    CN__TRY(cn_conv2d_new(model->ctx, stages[STAGES - 1].channels, classes, 1, 1, NULL, &layer));
    CN__TRY(cn__model_append(model, layer, "oblock.1"));
    CN__TRY(cn_flatten_new(model->ctx, &layer));
    CN__TRY(cn__model_append(model, layer, "oblock.2"));
    CN__TRY(cn_log_softmax_new(model->ctx, &layer));
    return cn__model_append(model, layer, "oblock.3");
}

static cn_status build(cn_model *model, const cn_session8_options *o) {
    for (int s = 1; s <= STAGES; s++) {
        for (int b = 0; b < stages[s - 1].blocks; b++)
            CN__TRY(append_block(model, o, s == 1 && b == 0 ? 3 : stages[s - 1].channels, s, b));
        if (s < STAGES)
            CN__TRY(append_transition(model, s));
    }
    CN__TRY(append_classifier(model, (int)o->classes));
    return cn_model_init(model, o->seed);
}

cn_status cn_model_session8(cn_context *context, const cn_session8_options *options, cn_model **model) {
    CN__COMPUTES;
    cn_session8_options o = CN_SESSION8_OPTIONS_INIT;
    cn_model *made;
    CN__REQUIRE(model);
    *model = NULL;
    CN__REQUIRE(context);
    CN__TRY(CN__READ_OPTIONS(&o, cn_session8_options, options));
    CN__TRY(check_options(&o));
    CN__TRY(cn_model_new(context, 3, 32, 32, &made));
    cn_status status = build(made, &o);
    if (status != CN_OK) {
        cn_model_free(made);
        return status;
    }
    *model = made;
    return CN_OK;
}
