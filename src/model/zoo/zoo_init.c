/* SPDX-License-Identifier: MIT */
/* zoo_init.c: the weights that networks of the zoo begin with where torchvision draws them anew, after all layers have
 * drawn theirs. */
#include "model/zoo/zoo.h"
#include <math.h>

/* A convolution or linear layer. */
typedef struct drawn {
    bool conv, last;          /* no other comes behind it */
    cn_tensor *weight, *bias; /* NULL: none */
} drawn;

/* Calls `draw` for each, in the order of the model. */
static void draw_each(const cn_model *model, cn__initializer *from,
                      void (*draw)(cn__initializer *from, const drawn *at)) {
    size_t last = 0;
    for (size_t i = 0; i < model->node_count; i++)
        if (cn__layer_convolves(model->nodes[i].layer))
            last = i;
    for (size_t i = 0; i < model->node_count; i++) {
        const cn__node *node = &model->nodes[i];
        cn__model_tensor *tensors = &model->tensors[node->first_tensor];
        if (!cn__layer_convolves(node->layer))
            continue;
        cn__initializer_layer(from, i);
        draw(from, &(drawn){node->layer->type->kind == CN__KIND_CONV2D, i == last, &tensors[0].value,
                            node->tensor_count > 1 ? &tensors[1].value : NULL});
    }
}

static void draw_normal(cn__initializer *from, cn_tensor *weight, double std) {
    cn__init_normal(from, weight->data, weight->count, std);
}

static void clear(cn_tensor *bias) {
    if (bias)
        cn__init_constant(bias->data, bias->count, 0.0f);
}

/* torch.nn.init.kaiming_normal_ with mode="fan_out" (He et al. 2015): output channels times the kernel's size, whatever
 * the groups. */
static void draw_kaiming_out(cn__initializer *from, cn_tensor *weight) {
    double fan_out = (double)(weight->shape[0] * weight->shape[2] * weight->shape[3]);
    draw_normal(from, weight, sqrt(2.0) / sqrt(fan_out));
}

/* torch.nn.init.kaiming_uniform_. */
static void draw_kaiming_in(cn__initializer *from, cn_tensor *weight) {
    double fan_in = (double)(weight->shape[1] * weight->shape[2] * weight->shape[3]);
    cn__init_uniform(from, weight->data, weight->count, 0.0f, (float)(sqrt(3.0) * (sqrt(2.0) / sqrt(fan_in))));
}

/* ---- the families ---- */

static void draw_resnet(cn__initializer *from, const drawn *at) {
    if (at->conv)
        draw_kaiming_out(from, at->weight);
}

static void draw_mobilenet(cn__initializer *from, const drawn *at) {
    if (at->conv)
        draw_kaiming_out(from, at->weight);
    else
        draw_normal(from, at->weight, 0.01);
    clear(at->bias);
}

static void draw_squeezenet(cn__initializer *from, const drawn *at) {
    if (at->last)
        draw_normal(from, at->weight, 0.01);
    else
        draw_kaiming_in(from, at->weight);
    clear(at->bias);
}

void cn__zoo_init_resnet(const cn_model *model, cn__initializer *from) {
    draw_each(model, from, draw_resnet);
}

void cn__zoo_init_mobilenet(const cn_model *model, cn__initializer *from) {
    draw_each(model, from, draw_mobilenet);
}

void cn__zoo_init_squeezenet(const cn_model *model, cn__initializer *from) {
    draw_each(model, from, draw_squeezenet);
}
