/* SPDX-License-Identifier: MIT */
/* layout.c: whether a model is computed with images in the lanes or with channels. By shapes alone, so that what comes
 * out does not depend on the machine. */
#include "plan/plan.h"

/* A whole block of images is worth more than 16 images one by one: there is less to do for each. But not where maps of 16
 * images are more than the second-level cache of most processors holds, and those of one are not. */
#define ONE_BY_ONE  1.12
#define FROM_BEYOND 1.3
#define ONE_TAP     1.2       /* 1×1: not by Winograd, and from there each input is read for as few outputs */
#define MOVED       1.0       /* multiply-adds that a byte of such maps takes, in and out of the cache */
#define CACHE       (2 << 20) /* bytes */

bool cn__plan_serves_nchw16c(const cn_model *model, bool training) {
    for (size_t n = 0; n < model->node_count; n++)
        if (!cn__node_is_input(&model->nodes[n]) && !cn__layer_nchw16c(model->nodes[n].layer, training))
            return false;
    return true;
}

static double block_bytes(cn__shape shape) {
    return (double)shape.channels * shape.height * shape.width * CN__LANES * sizeof(float);
}

static bool has_one_tap(const cn_layer *layer, cn__shape in) {
    cn__window window;
    return layer->type->window && layer->type->window(layer, in, &window) && window.kernel[0] * window.kernel[1] == 1;
}

/* What a layer takes for an image of a whole block, in multiply-adds. With a backward pass maps wait in memory anyway,
 * whatever lies in the lanes. */
static double cost_in_block(const cn__node *node, cn__shape in, bool training) {
    double products = (double)node->layer->type->multiply_adds(node->layer, in, node->shape);
    double bytes = block_bytes(in) + block_bytes(node->shape);
    if (has_one_tap(node->layer, in))
        products *= ONE_TAP;
    if (bytes <= CACHE)
        return products;
    return FROM_BEYOND * products + (training ? 0.0 : MOVED * bytes / CN__LANES);
}

/* And for one by itself, where whole lines of channels are computed, useful or not. */
static double cost_alone(const cn__node *node, cn__shape in, bool training) {
    const cn__layer_impl *impl = cn__layer_nchw16c(node->layer, training);
    return ONE_BY_ONE * (double)cn__impl_multiply_adds(impl, node->layer, in, node->shape);
}

/* How many images of a block one image takes as long as, by itself. */
static double images_of_one(const cn_model *model, bool training) {
    double block = 1.0, alone = ONE_BY_ONE;
    for (size_t n = 0; n < model->node_count; n++) {
        const cn__node *node = &model->nodes[n];
        if (!node->layer->type->multiply_adds)
            continue;
        cn__shape in = cn__model_shape(model, node->inputs[0]);
        block += cost_in_block(node, in, training);
        alone += cost_alone(node, in, training);
    }
    return alone / block;
}

/* Whether one of the two needs no thought. */
static bool is_given(const cn_model *model, bool training, bool *nchw16c) {
    cn_layout asked = model->ctx->options.layout;
    *nchw16c = asked != CN_LAYOUT_IMAGES && cn__plan_serves_nchw16c(model, training);
    return asked == CN_LAYOUT_CHANNELS || !*nchw16c;
}

bool cn__plan_trains_nchw16c(const cn_model *model, int32_t images) {
    bool nchw16c;
    if (is_given(model, true, &nchw16c))
        return nchw16c;
    return images * images_of_one(model, true) <= (double)cn__whole_lines((size_t)images);
}

int32_t cn__nchw16c_limit(const cn_model *model) {
    bool nchw16c;
    if (is_given(model, false, &nchw16c))
        return nchw16c ? CN__MAX_BATCH : 0;
    double images = images_of_one(model, false);
    return images <= 1.0 ? CN__MAX_BATCH : (int32_t)(CN__LANES / images);
}

bool cn__plan_tests_nchw16c(const cn_model *model) {
    return cn__nchw16c_limit(model) >= CN__LANES;
}
