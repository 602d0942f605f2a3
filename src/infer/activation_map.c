/* SPDX-License-Identifier: MIT */
/* activation_map.c: where in an image a model sees a class (Zhou et al. 2016, "Learning Deep Features for
 * Discriminative Localization"): M[y, x] = Σ_k weight[class, k] · f[k, y, x] over the maps f that are averaged at the
 * model's end. Their mean plus the class's bias is its score, so the map is that score's sum, spread over the image. */
#include "layers/conv/convolution.h"
#include "layers/pool/pool2d.h"
#include "plan/plan.h"

/* A model's end. */
typedef struct tail {
    const cn__node *pool, *weights; /* the latter a 1×1 convolution or linear layer */
    int32_t features;               /* what the pool reads */
} tail;

static bool is(const cn__node *node, cn__layer_kind kind) {
    return node->layer->type->kind == kind;
}

/* Values pass it as they are. */
static bool is_transparent(const cn__node *node) {
    return is(node, CN__KIND_FLATTEN) || is(node, CN__KIND_IDENTITY) || is(node, CN__KIND_DROPOUT);
}

static bool is_weights(const cn__node *node) {
    const cn__convolution *c = (const cn__convolution *)node->layer;
    if (is(node, CN__KIND_LINEAR))
        return true;
    return is(node, CN__KIND_CONV2D) && c->kernel[0] == 1 && c->kernel[1] == 1 && c->padding[0] == 0 &&
           c->padding[1] == 0 && c->groups == 1;
}

static bool is_global_pool(const cn_model *model, const cn__node *node) {
    const cn__pool2d *p = (const cn__pool2d *)node->layer;
    if (node->shape.height != 1 || node->shape.width != 1 || node->inputs[0] < 0)
        return false;
    cn__shape in = cn__model_shape(model, node->inputs[0]);
    return is(node, CN__KIND_ADAPTIVE_AVG_POOL2D) ||
           (is(node, CN__KIND_AVG_POOL2D) && p->kernel[0] == in.height && p->kernel[1] == in.width &&
            p->padding[0] == 0 && p->padding[1] == 0 && p->divisor_override == 0);
}

/* The layer before those that do not matter; NULL: it is the input. */
static const cn__node *before(const cn_model *model, const cn__node *node) {
    do
        node = node->inputs[0] >= 0 ? &model->nodes[node->inputs[0]] : NULL;
    while (node && is_transparent(node));
    return node;
}

static cn_status find_tail(const cn_model *model, tail *found) {
    const cn__node *node = &model->nodes[cn__model_output_node(model, 0)];
    while (node && (is_transparent(node) || is(node, CN__KIND_LOG_SOFTMAX) || is(node, CN__KIND_SOFTMAX)))
        node = before(model, node);
    found->weights = node && is_weights(node) ? node : NULL;
    if (found->weights)
        node = before(model, node);
    if (!found->weights || !node || !is_global_pool(model, node))
        return cn__error(CN_ERR_UNSUPPORTED,
                         "a class-activation map wants a model that ends with a global average pool and one 1×1 "
                         "convolution or linear layer, not with %s '%s'",
                         node ? node->layer->type->name : "its", node ? node->name : "input");
    found->pool = node;
    found->features = node->inputs[0];
    return CN_OK;
}

/* What the model's layers make of the image up to `node`. */
static cn_status run_until(const cn_model *model, int32_t node, const cn_tensor *image, cn_tensor *features) {
    cn_model *part;
    cn_predictor *predictor;
    cn_predictor_options options = {.size = sizeof options, .max_batch_size = 1};
    CN__TRY(cn_model_until(model, model->nodes[node].name, &part));
    cn_status status = cn_predictor_new(part, &options, &predictor);
    if (status == CN_OK)
        status = cn_predictor_run(predictor, image, features);
    cn_predictor_free(predictor);
    cn_model_free(part);
    return status;
}

static void add_up(const cn_tensor *features, const float *weights, float *map) {
    int64_t pixels = features->shape[2] * features->shape[3];
    for (int64_t k = 0; k < features->shape[1]; k++)
        for (int64_t i = 0; i < pixels; i++)
            map[i] += weights[k] * ((const float *)features->data)[k * pixels + i];
}

/* The shape of what the pool reads, for images of that size. */
static cn_status find_shape(const cn_model *model, const tail *end, cn__shape size, cn__shape *shape) {
    cn__shape *shapes = cn__alloc(model->ctx, model->node_count + 1, sizeof *shapes);
    if (!shapes)
        return cn__no_memory("a model's shapes");
    cn_status status = cn__model_shapes(model, &size, shapes);
    *shape = shapes[end->features + 1];
    cn__free(model->ctx, shapes);
    return status;
}

static cn_status make_map(const cn_model *model, const tail *end, const cn_tensor *image, cn__shape size, int64_t label,
                          cn_tensor **map) {
    cn__shape shape = {0};
    cn_tensor *features;
    CN__TRY(find_shape(model, end, size, &shape));
    CN__TRY(cn_tensor_new(model->ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){1, shape.channels, shape.height, shape.width},
                          &features));
    cn_status status = run_until(model, end->features, image, features);
    if (status == CN_OK)
        status = cn_tensor_new(model->ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){1, 1, shape.height, shape.width}, map);
    if (status == CN_OK) {
        const float *weights = model->tensors[end->weights->first_tensor].value.data;
        add_up(features, weights + label * shape.channels, (*map)->data);
    }
    cn_tensor_free(features);
    return status;
}

cn_status cn_model_class_activation_map(const cn_model *model, const cn_tensor *image, int64_t label, cn_tensor **map) {
    CN__COMPUTES;
    tail end = {0};
    cn__shape size;
    CN__REQUIRE(map);
    *map = NULL;
    CN__TRY(cn__model_ready(model, "cn_model_class_activation_map"));
    CN__REQUIRE(image);
    if (cn__model_input_count(model) > 1)
        return cn__error(CN_ERR_UNSUPPORTED, "cn_model_class_activation_map: the model has %d inputs, wanted one",
                         cn__model_input_count(model));
    CN__TRY(find_tail(model, &end));
    if (label < 0 || label >= end.weights->shape.channels)
        return cn__error(CN_ERR_NOT_FOUND, "cn_model_class_activation_map: class %lld of a model with %d",
                         (long long)label, end.weights->shape.channels);
    CN__TRY(cn__model_expect_input(model, 0, image, "cn_model_class_activation_map: image",
                                   image->dtype == CN_DTYPE_UINT8 ? CN_DTYPE_UINT8 : CN_DTYPE_FLOAT32, 1, &size));
    if (!cn__model_own_size(model, &size) && !is(end.pool, CN__KIND_ADAPTIVE_AVG_POOL2D))
        return cn__error(CN_ERR_SHAPE, "cn_model_class_activation_map: %s '%s' averages all of images of %d×%d only",
                         end.pool->layer->type->name, end.pool->name, model->input.height, model->input.width);
    return make_map(model, &end, image, size, label, map);
}
