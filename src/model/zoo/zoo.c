/* SPDX-License-Identifier: MIT */
/* zoo.c: networks of the literature by name. */
#include "model/zoo/zoo.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* One line a network. */
static const struct network {
    const char *name;
    void (*build)(cn__zoo *zoo, int variant);
    int variant;
    int sides[3]; /* channels, height, width of images where options do not say */
    int classes;
    float dropout;
    void (*own_init)(const cn_model *model, cn__initializer *from); /* NULL: as all layers begin */
} networks[] = {
    {"resnet18", cn__zoo_resnet, 18, {3, 224, 224}, 1000, 0.0f, cn__zoo_init_resnet},
    {"resnet34", cn__zoo_resnet, 34, {3, 224, 224}, 1000, 0.0f, cn__zoo_init_resnet},
    {"resnet50", cn__zoo_resnet, 50, {3, 224, 224}, 1000, 0.0f, cn__zoo_init_resnet},
    {"resnet20", cn__zoo_cifar_resnet, 20, {3, 32, 32}, 10, 0.0f, cn__zoo_init_resnet},
    {"resnet32", cn__zoo_cifar_resnet, 32, {3, 32, 32}, 10, 0.0f, cn__zoo_init_resnet},
    {"resnet56", cn__zoo_cifar_resnet, 56, {3, 32, 32}, 10, 0.0f, cn__zoo_init_resnet},
    {"mobilenet_v2", cn__zoo_mobilenet_v2, 0, {3, 224, 224}, 1000, 0.2f, cn__zoo_init_mobilenet},
    {"mobilenet_v3_small", cn__zoo_mobilenet_v3_small, 0, {3, 224, 224}, 1000, 0.2f, cn__zoo_init_mobilenet},
    {"squeezenet1_1", cn__zoo_squeezenet, 0, {3, 224, 224}, 1000, 0.5f, cn__zoo_init_squeezenet},
    {"unet", cn__zoo_unet, 0, {3, 64, 64}, 2, 0.0f, NULL},
};

const char *cn_zoo_name(int index) {
    return index >= 0 && index < (int)CN__COUNT(networks) ? networks[index].name : NULL;
}

static const struct network *find(const char *name) {
    for (size_t i = 0; i < CN__COUNT(networks); i++)
        if (strcmp(networks[i].name, name) == 0)
            return &networks[i];
    return NULL;
}

static cn_status fail_unknown(const char *name) {
    char names[256] = "";
    size_t end = 0;
    for (size_t i = 0; i < CN__COUNT(networks) && end < sizeof names; i++)
        end += (size_t)snprintf(names + end, sizeof names - end, "%s%s", i > 0 ? ", " : "", networks[i].name);
    return cn__error(CN_ERR_NOT_FOUND, "cn_model_zoo: there is no network '%.80s', but %s", name, names);
}

/* The network's own values where options leave it to it; checks the others, but for the sides, which cn_model_new
 * checks. */
static cn_status fill_options(cn_zoo_options *o, const struct network *network) {
    int *const sides[3] = {&o->channels, &o->height, &o->width};
    for (int i = 0; i < 3; i++)
        if (*sides[i] == CN_ZOO_DEFAULT)
            *sides[i] = network->sides[i];
    if (o->classes == CN_ZOO_DEFAULT)
        o->classes = network->classes;
    if (o->dropout == (float)CN_ZOO_DEFAULT)
        o->dropout = network->dropout;
    CN__TRY(cn__check_reserved("cn_zoo_options", o->reserved == 0));
    if (o->classes < 1 || o->classes > CN__MAX_SIDE)
        return cn__error(CN_ERR_ARGUMENT, "cn_zoo_options: classes is %lld, wanted 1 to %d", (long long)o->classes,
                         CN__MAX_SIDE);
    if (!(o->width_mult > 0.0f && o->width_mult <= 16.0f))
        return cn__error(CN_ERR_ARGUMENT, "cn_zoo_options: width_mult is %g, wanted above 0 to 16",
                         (double)o->width_mult);
    if (!(o->dropout >= 0.0f && o->dropout < 1.0f))
        return cn__error(CN_ERR_ARGUMENT, "cn_zoo_options: dropout is %g, wanted 0 to below 1", (double)o->dropout);
    return CN_OK;
}

static cn_status build(cn_model *model, const struct network *network, const cn_zoo_options *o) {
    cn__zoo zoo = {.ctx = model->ctx,
                   .model = model,
                   .at = -1,
                   .width_mult = (double)o->width_mult,
                   .classes = o->classes,
                   .dropout = o->dropout,
                   .norm = CN_NORM_OPTIONS_INIT};
    network->build(&zoo, network->variant);
    CN__TRY(zoo.status);
    model->own_init = network->own_init;
    return cn_model_init(model, o->seed);
}

cn_status cn_model_zoo(cn_context *context, const char *name, const cn_zoo_options *options, cn_model **model) {
    CN__COMPUTES;
    cn_zoo_options o = CN_ZOO_OPTIONS_INIT;
    cn_model *made;
    CN__REQUIRE(model);
    *model = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(name);
    CN__TRY(CN__READ_OPTIONS(&o, cn_zoo_options, options));
    const struct network *network = find(name);
    if (!network)
        return fail_unknown(name);
    CN__TRY(fill_options(&o, network));
    CN__TRY(cn_model_new(context, o.channels, o.height, o.width, &made));
    cn_status status = build(made, network, &o);
    if (status != CN_OK) {
        cn_model_free(made);
        return status;
    }
    *model = made;
    return CN_OK;
}
