/* activations.c: the layers of kernels/activations.def: their types and public constructors. */
#include "layers/activation/elementwise.h"
#include <math.h>

static cn_status check_parameter(const cn_layer *layer) {
    const cn__activation *a = (const cn__activation *)layer;
    if (!isfinite(a->parameter))
        return cn__error(CN_ERR_ARGUMENT, "%s: %s is %g, wanted a finite number", layer->type->name,
                         layer->type->attrs[0].name, (double)a->parameter);
    return CN_OK;
}

static cn_status make(cn_context *context, const cn__layer_type *type, float parameter, cn_layer **layer) {
    cn_layer *made;
    CN__TRY(cn__layer_alloc(context, type, &made));
    ((cn__activation *)made)->parameter = parameter;
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
        .small_batch = &cn__activation_impl,                                                                           \
        __VA_ARGS__,                                                                                                   \
    };

#define FUNCTION(KIND, name)
#define PLAIN(KIND, name, Type)                                                                                        \
    static cn_status name##_validate(cn_layer *layer) {                                                                \
        ((cn__activation *)layer)->function = CN__##KIND;                                                              \
        return CN_OK;                                                                                                  \
    }                                                                                                                  \
    TYPE(name, Type, .attrs = NULL)                                                                                    \
    cn_status cn_##name##_new(cn_context *context, cn_layer **layer) {                                                 \
        CN__REQUIRE(layer);                                                                                            \
        *layer = NULL;                                                                                                 \
        CN__REQUIRE(context);                                                                                          \
        return make(context, &cn__##name##_type, 0.0f, layer);                                                         \
    }
#define SCALED(KIND, name, Type, parameter_name, usual)                                                                \
    static const cn__attr name##_attrs[] = {                                                                           \
        {#parameter_name, CN__ATTR_FLOAT, offsetof(cn__activation, parameter), NULL, usual},                           \
        {NULL, CN__ATTR_INT, 0, NULL, 0},                                                                              \
    };                                                                                                                 \
    static cn_status name##_validate(cn_layer *layer) {                                                                \
        ((cn__activation *)layer)->function = CN__##KIND;                                                              \
        return check_parameter(layer);                                                                                 \
    }                                                                                                                  \
    TYPE(name, Type, .attrs = name##_attrs)                                                                            \
    cn_status cn_##name##_new(cn_context *context, float parameter_name, cn_layer **layer) {                           \
        CN__REQUIRE(layer);                                                                                            \
        *layer = NULL;                                                                                                 \
        CN__REQUIRE(context);                                                                                          \
        return make(context, &cn__##name##_type, parameter_name, layer);                                               \
    }
#include "kernels/activations.def"
