/* SPDX-License-Identifier: MIT */
/* activations.c: the layers of kernels/activations.def: their types and public constructors. */
#include "layers/activation/elementwise.h"
#include <math.h>

static cn_status check_finite(const cn_layer *layer) {
    const cn__activation *a = (const cn__activation *)layer;
    for (int i = 0; layer->type->attrs[i].name; i++)
        if (!isfinite(a->parameter[i]))
            return cn__error(CN_ERR_ARGUMENT, "%s: %s is %g, wanted a finite number", layer->type->name,
                             layer->type->attrs[i].name, (double)a->parameter[i]);
    return CN_OK;
}

static cn_status check_pair(const cn_layer *layer, bool valid, const char *wanted) {
    const cn__activation *a = (const cn__activation *)layer;
    const cn__attr *attrs = layer->type->attrs;
    CN__TRY(check_finite(layer));
    if (!valid)
        return cn__error(CN_ERR_ARGUMENT, "%s: %s is %g and %s %g, wanted %s", layer->type->name, attrs[0].name,
                         (double)a->parameter[0], attrs[1].name, (double)a->parameter[1], wanted);
    return CN_OK;
}

static cn_status make(cn_context *context, const cn__layer_type *type, float first, float second, cn_layer **layer) {
    cn_layer *made;
    CN__TRY(cn__layer_alloc(context, type, &made));
    ((cn__activation *)made)->parameter[0] = first;
    ((cn__activation *)made)->parameter[1] = second;
    return cn__layer_finish(made, layer);
}

#define TYPE(word, Type, ...)                                                                                          \
    const cn__layer_type cn__##word##_type = {                                                                         \
        .name = #Type,                                                                                                 \
        .bytes = sizeof(cn__activation),                                                                               \
        .min_inputs = 1,                                                                                               \
        .max_inputs = 1,                                                                                               \
        .validate = word##_validate,                                                                                   \
        .infer = cn__infer_same,                                                                                       \
        .batch = &cn__activation_impl,                                                                                 \
        .nchw16c = &cn__activation_impl,                                                                               \
        __VA_ARGS__,                                                                                                   \
    };

#define FUNCTION(KIND, name)
#define PLAIN(KIND, name, Type)                                                                                        \
    static cn_status name##_validate(cn_layer *layer) {                                                                \
        ((cn__activation *)layer)->function = CN__##KIND;                                                              \
        return CN_OK;                                                                                                  \
    }                                                                                                                  \
    TYPE(name, Type, .kind = CN__##KIND == CN__RELU6 ? CN__KIND_RELU6 : CN__KIND_OTHER)                                \
    cn_status cn_##name##_new(cn_context *context, cn_layer **layer) {                                                 \
        CN__REQUIRE(layer);                                                                                            \
        *layer = NULL;                                                                                                 \
        CN__REQUIRE(context);                                                                                          \
        return make(context, &cn__##name##_type, 0.0f, 0.0f, layer);                                                   \
    }
#define SCALED(KIND, name, Type, parameter_name, usual)                                                                \
    static const cn__attr name##_attrs[] = {                                                                           \
        {#parameter_name, CN__ATTR_FLOAT, offsetof(cn__activation, parameter[0]), NULL, usual},                        \
        {NULL, CN__ATTR_INT, 0, NULL, 0},                                                                              \
    };                                                                                                                 \
    static cn_status name##_validate(cn_layer *layer) {                                                                \
        ((cn__activation *)layer)->function = CN__##KIND;                                                              \
        return check_finite(layer);                                                                                    \
    }                                                                                                                  \
    TYPE(name, Type, .attrs = name##_attrs)                                                                            \
    cn_status cn_##name##_new(cn_context *context, float parameter_name, cn_layer **layer) {                           \
        CN__COMPUTES;                                                                                                  \
        CN__REQUIRE(layer);                                                                                            \
        *layer = NULL;                                                                                                 \
        CN__REQUIRE(context);                                                                                          \
        return make(context, &cn__##name##_type, parameter_name, 0.0f, layer);                                         \
    }
#define PAIRED(KIND, name, Type, first, first_usual, second, second_usual, valid, wanted)                              \
    static const cn__attr name##_attrs[] = {                                                                           \
        {#first, CN__ATTR_FLOAT, offsetof(cn__activation, parameter[0]), NULL, first_usual},                           \
        {#second, CN__ATTR_FLOAT, offsetof(cn__activation, parameter[1]), NULL, second_usual},                         \
        {NULL, CN__ATTR_INT, 0, NULL, 0},                                                                              \
    };                                                                                                                 \
    static cn_status name##_validate(cn_layer *layer) {                                                                \
        __attribute__((unused)) float a = ((cn__activation *)layer)->parameter[0];                                     \
        __attribute__((unused)) float b = ((cn__activation *)layer)->parameter[1];                                     \
        ((cn__activation *)layer)->function = CN__##KIND;                                                              \
        return check_pair(layer, valid, wanted);                                                                       \
    }                                                                                                                  \
    TYPE(name, Type, .attrs = name##_attrs)                                                                            \
    cn_status cn_##name##_new(cn_context *context, float first, float second, cn_layer **layer) {                      \
        CN__COMPUTES;                                                                                                  \
        CN__REQUIRE(layer);                                                                                            \
        *layer = NULL;                                                                                                 \
        CN__REQUIRE(context);                                                                                          \
        return make(context, &cn__##name##_type, first, second, layer);                                                \
    }
#include "kernels/activations.def"
