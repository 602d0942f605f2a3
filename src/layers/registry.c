/* registry.c: the list of all layers, and how one comes into being. */
#include "layers/layers.h"
#include <string.h>

/* One line a layer. */
#define CN__LAYERS(X)                                                                                                  \
    X(conv2d)                                                                                                          \
    X(linear)                                                                                                          \
    X(batch_norm)                                                                                                      \
    X(group_norm)                                                                                                      \
    X(relu)                                                                                                            \
    X(leaky_relu)                                                                                                      \
    X(sigmoid)                                                                                                         \
    X(tanh)                                                                                                            \
    X(silu)                                                                                                            \
    X(gelu)                                                                                                            \
    X(dropout)                                                                                                         \
    X(max_pool2d)                                                                                                      \
    X(avg_pool2d)                                                                                                      \
    X(adaptive_avg_pool2d)                                                                                             \
    X(flatten)                                                                                                         \
    X(add)                                                                                                             \
    X(softmax)                                                                                                         \
    X(log_softmax)

#define CN__DECLARE(name) extern const cn__layer_ops cn__##name##_ops;
CN__LAYERS(CN__DECLARE)

#define CN__ENTRY(name) &cn__##name##_ops,
static const cn__layer_ops *const layers[] = {CN__LAYERS(CN__ENTRY)};

const cn__layer_ops *cn__layer_ops_find(const char *type) {
    for (size_t i = 0; i < CN__COUNT(layers); i++)
        if (strcmp(layers[i]->type, type) == 0)
            return layers[i];
    return NULL;
}

cn_status cn__layer_alloc(cn_context *ctx, const cn__layer_ops *ops, cn_layer **layer) {
    *layer = cn__alloc(ctx, 1, ops->bytes);
    if (!*layer)
        return cn__no_memory(ops->type);
    (*layer)->ops = ops;
    (*layer)->ctx = ctx;
    return CN_OK;
}

cn_status cn__layer_finish(cn_layer *made, cn_layer **layer) {
    cn_status status = made->ops->validate ? made->ops->validate(made) : CN_OK;
    if (status != CN_OK) {
        cn_layer_free(made);
        made = NULL;
    }
    *layer = made;
    return status;
}

cn_status cn__layer_copy(const cn_layer *layer, cn_layer **copy) {
    CN__TRY(cn__layer_alloc(layer->ctx, layer->ops, copy));
    memcpy(*copy, layer, layer->ops->bytes); /* a layer owns nothing */
    return CN_OK;
}

void cn_layer_free(cn_layer *layer) {
    if (layer)
        cn__free(layer->ctx, layer);
}
