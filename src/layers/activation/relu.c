/* relu.c: y = max(x, 0), torch.nn.ReLU. Behind a norm it is computed in the norm's passes instead (model/units.c). */
#include "layers/activation/elementwise.h"

static const cn__fused relu = {.relu = true};

static void forward(const cn__work *work, const cn__run *run, size_t item) {
    cn__pointwise_forward(work, run, &relu, item);
}

static void backward(const cn__work *work, const cn__run *run, size_t item) {
    cn__pointwise_backward(work, run, &relu, item);
}

static const cn__phase forward_phases[] = {{cn__items_out_planes, forward, CN__LOCAL}, {NULL, NULL, CN__LOCAL}};
static const cn__phase backward_phases[] = {{cn__items_out_planes, backward, CN__LOCAL}, {NULL, NULL, CN__LOCAL}};

const cn__layer_ops cn__relu_ops = {
    .type = "ReLU",
    .bytes = sizeof(cn_layer),
    .role = CN__ROLE_RELU,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = cn__infer_same,
    .forward = forward_phases,
    .backward = backward_phases,
    .backward_reads_out = true,
};

cn_status cn_relu_new(cn_context *context, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__relu_ops, &made));
    return cn__layer_finish(made, layer);
}
