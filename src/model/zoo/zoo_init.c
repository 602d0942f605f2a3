/* zoo_init.c: the weights that networks of the zoo begin with, by torchvision's distributions. */
#include "model/zoo/zoo.h"
#include <math.h>
#include <string.h>

static void draw_normal(cn_tensor *tensor, double deviation, cn__rng *rng) {
    float *values = tensor->data;
    for (int64_t i = 0; i < tensor->count; i++)
        values[i] = (float)deviation * cn__rng_normal(rng);
}

static void draw_uniform(cn_tensor *tensor, double deviation, cn__rng *rng) {
    float *values = tensor->data, bound = (float)(sqrt(3.0) * deviation);
    for (int64_t i = 0; i < tensor->count; i++)
        values[i] = bound * (2.0f * cn__rng_uniform(rng) - 1.0f);
}

/* torch.nn.init's fan_out: output channels times the kernel's size, whatever the groups. */
static double fan_out(const cn_tensor *weight) {
    return (double)(weight->shape[0] * weight->shape[2] * weight->shape[3]);
}

static double fan_in(const cn_tensor *weight) {
    return (double)(weight->shape[1] * weight->shape[2] * weight->shape[3]);
}

/* Weight and bias of a convolution or linear layer; `last`: no other comes after it. */
static void draw_layer(cn_tensor *weight, cn_tensor *bias, bool conv, bool last, cn__zoo_weights weights,
                       cn__rng *rng) {
    if (weights == CN__ZOO_KAIMING_OUT && !conv)
        return;
    if (!conv || (weights == CN__ZOO_SQUEEZENET && last))
        draw_normal(weight, 0.01, rng);
    else if (weights == CN__ZOO_SQUEEZENET)
        draw_uniform(weight, sqrt(2.0 / fan_in(weight)), rng);
    else
        draw_normal(weight, sqrt(2.0 / fan_out(weight)), rng);
    if (bias)
        memset(bias->data, 0, (size_t)bias->count * sizeof(float));
}

void cn__zoo_draw(cn_model *model, cn__zoo_weights weights, uint64_t seed) {
    size_t last = 0;
    if (weights == CN__ZOO_AS_PYTORCH)
        return;
    for (size_t i = 0; i < model->node_count; i++)
        if (cn__layer_convolves(model->nodes[i].layer))
            last = i;
    for (size_t i = 0; i <= last; i++) {
        const cn__node *node = &model->nodes[i];
        cn__model_tensor *tensors = &model->tensors[node->first_tensor];
        cn__rng rng = cn__rng_new(seed, CN__STREAM_INIT, i);
        if (cn__layer_convolves(node->layer))
            draw_layer(&tensors[0].value, node->tensor_count > 1 ? &tensors[1].value : NULL,
                       node->layer->type->kind == CN__KIND_CONV2D, i == last, weights, &rng);
    }
}
