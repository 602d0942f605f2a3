/* SPDX-License-Identifier: MIT */
/* registry.c: the list of all layers, and how one comes into being. */
#include "layers/custom/custom.h"
#include "layers/layers.h"
#include <math.h>
#include <string.h>

/* One line a layer; kernels/activations.def has more. */
#define CN__LAYERS(X)                                                                                                  \
    X(input)                                                                                                           \
    X(conv2d)                                                                                                          \
    X(conv_transpose2d)                                                                                                \
    X(linear)                                                                                                          \
    X(batch_norm)                                                                                                      \
    X(group_norm)                                                                                                      \
    X(layer_norm2d)                                                                                                    \
    X(local_response_norm)                                                                                             \
    X(relu)                                                                                                            \
    X(gelu)                                                                                                            \
    X(prelu)                                                                                                           \
    X(dropout)                                                                                                         \
    X(max_pool2d)                                                                                                      \
    X(avg_pool2d)                                                                                                      \
    X(adaptive_avg_pool2d)                                                                                             \
    X(adaptive_max_pool2d)                                                                                             \
    X(flatten)                                                                                                         \
    X(reshape)                                                                                                         \
    X(identity)                                                                                                        \
    X(concat)                                                                                                          \
    X(pixel_shuffle)                                                                                                   \
    X(pixel_unshuffle)                                                                                                 \
    X(channel_shuffle)                                                                                                 \
    X(narrow)                                                                                                          \
    X(pad2d)                                                                                                           \
    X(add)                                                                                                             \
    X(mul)                                                                                                             \
    X(upsample)                                                                                                        \
    X(softmax)                                                                                                         \
    X(log_softmax)

#define CN__DECLARE(name) extern const cn__layer_type cn__##name##_type;
CN__LAYERS(CN__DECLARE)
#define FUNCTION(KIND, name)
#define PLAIN(KIND, name, Type)                    CN__DECLARE(name)
#define SCALED(KIND, name, Type, parameter, usual) CN__DECLARE(name)
#define PAIRED(KIND, name, ...)                    CN__DECLARE(name)
#include "kernels/activations.def"

#define CN__ENTRY(name) &cn__##name##_type,
static const cn__layer_type *const layers[] = {CN__LAYERS(CN__ENTRY)
#define FUNCTION(KIND, name)
#define PLAIN(KIND, name, Type)                    CN__ENTRY(name)
#define SCALED(KIND, name, Type, parameter, usual) CN__ENTRY(name)
#define PAIRED(KIND, name, ...)                    CN__ENTRY(name)
#include "kernels/activations.def"
};

const cn__layer_type *cn__layer_type_find(const cn_context *ctx, const char *name) {
    for (size_t i = 0; i < CN__COUNT(layers); i++)
        if (strcmp(layers[i]->name, name) == 0)
            return layers[i];
    const cn__custom_type *custom = cn__custom_type_find(ctx, name);
    return custom ? &custom->type : NULL;
}

static void set_fallback(cn_layer *layer, const cn__attr *attr) {
    void *member = (char *)layer + attr->offset;
    if (attr->kind == CN__ATTR_FLOAT)
        *(float *)member = (float)attr->fallback;
    else if (attr->kind == CN__ATTR_DOUBLE)
        *(double *)member = attr->fallback;
    else
        *(int32_t *)member = (int32_t)attr->fallback;
}

cn_status cn__layer_alloc(cn_context *ctx, const cn__layer_type *type, cn_layer **layer) {
    *layer = cn__alloc(ctx, 1, type->bytes);
    if (!*layer)
        return cn__no_memory(type->name);
    (*layer)->type = type;
    (*layer)->ctx = ctx;
    for (const cn__attr *attr = type->attrs; attr && attr->name; attr++)
        set_fallback(*layer, attr);
    return CN_OK;
}

cn_status cn__layer_finish(cn_layer *made, cn_layer **layer) {
    cn_status status = made->type->validate ? made->type->validate(made) : CN_OK;
    if (status != CN_OK) {
        cn_layer_free(made);
        made = NULL;
    }
    *layer = made;
    return status;
}

cn_status cn__layer_copy(const cn_layer *layer, cn_layer **copy) {
    CN__TRY(cn__layer_alloc(layer->ctx, layer->type, copy));
    memcpy(*copy, layer, layer->type->bytes); /* a layer owns nothing */
    return CN_OK;
}

double cn__layer_attr(const cn_layer *layer, const char *name) {
    const cn__attr *attr = layer->type->attrs;
    while (attr && attr->name && strcmp(attr->name, name) != 0)
        attr++;
    if (!attr || !attr->name)
        return NAN;
    const void *member = (const char *)layer + attr->offset;
    return attr->kind == CN__ATTR_FLOAT    ? (double)*(const float *)member
           : attr->kind == CN__ATTR_DOUBLE ? *(const double *)member
                                           : (double)*(const int32_t *)member;
}

void cn_layer_free(cn_layer *layer) {
    if (layer)
        cn__free(layer->ctx, layer);
}
