/* SPDX-License-Identifier: MIT */
/* timed_networks.c: see timed_networks.h. All are made with the public interface. */
#include "timed_networks.h"
#include <stdio.h>
#include <string.h>

#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        cn_status tried = (call);                                                                                      \
        if (tried != CN_OK)                                                                                            \
            return tried;                                                                                              \
    } while (0)
#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { NAME = 32 };

/* ---- pieces ---- */

typedef struct filter {
    int in, out, kernel, stride, groups;
} filter;

/* Without bias; keeps the size, or divides it by the stride. */
static cn_status new_conv(cn_context *context, filter f, cn_layer **layer) {
    cn_conv2d_options options = CN_CONV2D_OPTIONS_INIT;
    options.bias = 0;
    options.groups = f.groups;
    options.stride[0] = options.stride[1] = f.stride;
    options.padding[0] = options.padding[1] = f.kernel / 2;
    return cn_conv2d_new(context, f.in, f.out, f.kernel, f.kernel, &options, layer);
}

/* A convolution, its batch norm and ReLU. */
static cn_status append_unit(cn_context *context, cn_model *model, const char *name, filter f) {
    char part[NAME + 8];
    cn_layer *layer;
    TRY(new_conv(context, f, &layer));
    snprintf(part, sizeof part, "%s.conv", name);
    TRY(cn_model_append(model, part, layer));
    TRY(cn_norm_new(context, CN_NORM_BATCH, f.out, NULL, &layer));
    snprintf(part, sizeof part, "%s.norm", name);
    TRY(cn_model_append(model, part, layer));
    TRY(cn_relu_new(context, &layer));
    return cn_model_append(model, name, layer);
}

static cn_status append_end(cn_context *context, cn_model *model, int channels, int classes) {
    cn_layer *layer;
    TRY(cn_adaptive_avg_pool2d_new(context, 1, 1, &layer));
    TRY(cn_model_append(model, "pool", layer));
    TRY(cn_flatten_new(context, &layer));
    TRY(cn_model_append(model, "flatten", layer));
    TRY(cn_linear_new(context, channels, classes, 1, &layer));
    return cn_model_append(model, "linear", layer);
}

/* ---- networks ---- */

static cn_status session8(cn_context *context, cn_norm_kind norm, cn_model **model) {
    cn_session8_options options = CN_SESSION8_OPTIONS_INIT;
    options.norm = norm;
    return cn_model_session8(context, &options, model);
}

static cn_status zero(cn_context *context, cn_model **model) {
    cn_session8_options options = CN_SESSION8_OPTIONS_INIT;
    options.dropout = 0.0f;
    TRY(cn_model_session8(context, &options, model));
    for (int block = 0; block < 6; block++) {
        char name[NAME];
        cn_layer *layer;
        int channels = block < 3 ? 24 : 32;
        snprintf(name, sizeof name, "cblock%d.%d.convlayer", 2 + block / 3, block % 3);
        TRY(new_conv(context, (filter){channels, channels, 3, 1, 1}, &layer));
        TRY(cn_model_replace(*model, name, layer));
    }
    return CN_OK;
}

static cn_status zoo(cn_context *context, const char *name, int side, int classes, cn_model **model) {
    cn_zoo_options options = CN_ZOO_OPTIONS_INIT;
    options.height = options.width = side;
    options.classes = classes;
    return cn_model_zoo(context, name, &options, model);
}

static cn_status resnet18_cifar(cn_context *context, cn_model **model) {
    cn_layer *layer;
    TRY(zoo(context, "resnet18", 32, 10, model));
    TRY(new_conv(context, (filter){3, 64, 3, 1, 1}, &layer));
    TRY(cn_model_replace(*model, "conv1", layer));
    TRY(cn_identity_new(context, &layer));
    return cn_model_replace(*model, "maxpool", layer);
}

static cn_status mobilenet_v1(cn_context *context, cn_model **model) {
    static const struct {
        int out, stride;
    } pairs[] = {{64, 1},  {128, 2}, {128, 1}, {256, 2}, {256, 1},  {512, 2}, {512, 1},
                 {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1}};
    TRY(cn_model_new(context, 3, 96, 96, model));
    TRY(append_unit(context, *model, "start", (filter){3, 32, 3, 2, 1}));
    int in = 32;
    for (size_t i = 0; i < COUNT(pairs); i++) {
        char name[NAME];
        snprintf(name, sizeof name, "depthwise%d", (int)i);
        TRY(append_unit(context, *model, name, (filter){in, in, 3, pairs[i].stride, in}));
        snprintf(name, sizeof name, "pointwise%d", (int)i);
        TRY(append_unit(context, *model, name, (filter){in, pairs[i].out, 1, 1, 1}));
        in = pairs[i].out;
    }
    return append_end(context, *model, in, 1000);
}

static cn_status plain256(cn_context *context, cn_model **model) {
    TRY(cn_model_new(context, 3, 32, 32, model));
    for (int i = 0, in = 3; i < 6; i++) {
        char name[NAME];
        cn_layer *layer;
        int out = 64 << i / 2;
        if (i == 2 || i == 4) {
            TRY(cn_max_pool2d_new(context, 2, 2, NULL, &layer));
            snprintf(name, sizeof name, "pool%d", i / 2);
            TRY(cn_model_append(*model, name, layer));
        }
        snprintf(name, sizeof name, "unit%d", i);
        TRY(append_unit(context, *model, name, (filter){in, out, 3, 1, 1}));
        in = out;
    }
    return append_end(context, *model, 256, 10);
}

static cn_status linear(cn_context *context, cn_model **model) {
    cn_layer *layer;
    TRY(cn_model_new(context, 3, 32, 32, model));
    TRY(cn_flatten_new(context, &layer));
    TRY(cn_model_append(*model, "flatten", layer));
    TRY(cn_linear_new(context, 3072, 1000, 1, &layer));
    return cn_model_append(*model, "linear", layer);
}

static cn_status build(cn_context *context, const char *name, cn_model **model) {
    static const char *const norms[] = {"none", "batch", "layer", "group", "instance"};
    static const struct {
        const char *name;
        cn_status (*build)(cn_context *, cn_model **);
    } own[] = {{"zero", zero},
               {"resnet18_cifar", resnet18_cifar},
               {"mobilenet_v1", mobilenet_v1},
               {"plain256", plain256},
               {"linear", linear}};
    for (size_t i = 0; i < COUNT(norms); i++)
        if (strcmp(name, norms[i]) == 0)
            return session8(context, (cn_norm_kind)i, model);
    for (size_t i = 0; i < COUNT(own); i++)
        if (strcmp(name, own[i].name) == 0)
            return own[i].build(context, model);
    if (strcmp(name, "mnist2") == 0)
        return cn_model_mnist(context, 2, 0, model);
    if (strcmp(name, "resnet20") == 0 || strcmp(name, "resnet18") == 0)
        return zoo(context, name, CN_ZOO_DEFAULT, CN_ZOO_DEFAULT, model);
    return strcmp(name, "mobilenet_v2") == 0 ? zoo(context, name, 96, 1000, model) : CN_OK;
}

cn_status timed_network_new(cn_context *context, const char *name, cn_model **model) {
    *model = NULL;
    cn_status status = build(context, name, model);
    if (status == CN_OK && *model)
        status = cn_model_init(*model, 0);
    if (status != CN_OK) {
        cn_model_free(*model);
        *model = NULL;
    }
    return status;
}
