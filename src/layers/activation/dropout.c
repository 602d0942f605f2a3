/* SPDX-License-Identifier: MIT */
/* dropout.c: zeros elements at random in training and scales the others up, torch.nn.Dropout (Srivastava et al. 2014).
 * The mask is a function of seed, step, image and layer, so backward draws it again instead of keeping it. */
#include "layers/activation/elementwise.h"

typedef struct dropout {
    cn_layer base;
    float p;
} dropout;

static const cn__attr attrs[] = {
    {"p", CN__ATTR_FLOAT, offsetof(dropout, p), NULL, 0.5},
    {NULL, CN__ATTR_INT, 0, NULL, 0},
};

float cn__dropout_p(const cn_layer *layer) {
    return ((const dropout *)layer)->p;
}

static cn_status validate(cn_layer *layer) {
    float p = cn__dropout_p(layer);
    if (!(p >= 0.0f && p < 1.0f))
        return cn__error(CN_ERR_ARGUMENT, "Dropout: p is %g, wanted 0 <= p < 1", (double)p);
    return CN_OK;
}

/* Frozen it is the identity. */
static cn__post_ops post_ops(const cn__op *op) {
    return (cn__post_ops){.dropout = op->frozen ? 0.0f : cn__dropout_p(op->layer), .dropout_id = op->id};
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__post_ops post = post_ops(op);
    cn__pointwise_forward(op, pass, &post, at);
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__post_ops post = post_ops(op);
    cn__pointwise_backward(op, pass, &post, at);
}

static const cn__layer_impl batch = {
    .forward = {{cn__out_planes, forward, CN__SCOPE_LOCAL}},
    .backward = {{cn__out_planes, backward, CN__SCOPE_LOCAL}},
};

const cn__layer_type cn__dropout_type = {
    .name = "Dropout",
    .bytes = sizeof(dropout),
    .kind = CN__KIND_DROPOUT,
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = attrs,
    .validate = validate,
    .infer = cn__infer_same,
    .batch = &batch,
    .nchw16c = &batch,
};

cn_status cn_dropout_new(cn_context *context, float p, cn_layer **layer) {
    CN__COMPUTES;
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__dropout_type, &made));
    ((dropout *)made)->p = p;
    return cn__layer_finish(made, layer);
}
