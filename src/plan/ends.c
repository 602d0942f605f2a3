/* SPDX-License-Identifier: MIT */
/* ends.c: the inputs and outputs of a plan with channels in the lanes whose callers know them, and their gradients, with
 * images in the lanes, whatever lies in the lanes between. */
#include "plan/compiled.h"

cn_status cn__ends_make(cn__plan *plan) {
    int32_t count = plan->input_count + plan->output_count;
    if (!plan->options.ends)
        return CN_OK;
    plan->ends = cn__alloc(plan->ctx, (size_t)count, sizeof *plan->ends);
    if (!plan->ends)
        return cn__no_memory("a plan");
    for (int32_t i = 0; i < count; i++) {
        int32_t value = i < plan->input_count ? plan->inputs[i] : plan->outputs[i - plan->input_count];
        cn__fmap_layout(&plan->ends[i].value, plan->shapes[value], 0, 0, CN_PADDING_ZEROS);
        cn__fmap_layout(&plan->ends[i].gradient, plan->shapes[value], 0, 0, CN_PADDING_ZEROS);
    }
    return CN_OK;
}

typedef struct transfer {
    const cn__fmap *images;   /* images in the lanes */
    const cn__fmap *channels; /* channels in the lanes */
    bool in;                  /* to the latter */
} transfer;

static void move_row(const transfer *t, size_t image, size_t channel, size_t y) {
    float *one = cn__fmap_plane(t->images, image / CN__LANES, channel).data + y * t->images->row + image % CN__LANES;
    float *other =
        cn__fmap_plane(t->channels, image, channel / CN__LANES).data + y * t->channels->row + channel % CN__LANES;
    for (size_t x = 0; x < (size_t)t->images->shape.width * CN__LANES; x += CN__LANES)
        if (t->in)
            other[x] = one[x];
        else
            one[x] = other[x];
}

static void move_image(void *argument, size_t image, int thread) {
    const transfer *t = argument;
    (void)thread;
    for (size_t channel = 0; channel < (size_t)t->images->shape.channels; channel++)
        for (size_t y = 0; y < (size_t)t->images->shape.height; y++)
            move_row(t, image, channel, y);
}

static void move(const cn__plan *plan, const cn__pass *pass, const cn__fmap *images, const cn__fmap *channels,
                 bool in) {
    transfer t = {images, channels, in};
    cn__parallel(plan->ctx, (size_t)pass->images, move_image, &t);
}

void cn__ends_read_inputs(const cn__plan *plan, const cn__pass *pass) {
    for (int32_t i = 0; plan->ends && i < plan->input_count; i++)
        move(plan, pass, cn__plan_input(plan, i), &plan->values[plan->inputs[i]], true);
}

void cn__ends_write_outputs(const cn__plan *plan, const cn__pass *pass) {
    for (int32_t i = 0; plan->ends && i < plan->output_count; i++)
        move(plan, pass, cn__plan_output(plan, i), &plan->values[plan->outputs[i]], false);
}

void cn__ends_read_gradients(const cn__plan *plan, const cn__pass *pass) {
    for (int32_t i = 0; plan->ends && i < plan->output_count; i++)
        move(plan, pass, cn__plan_output_gradient(plan, i), &plan->gradients[plan->outputs[i]], true);
}

void cn__ends_write_gradients(const cn__plan *plan, const cn__pass *pass) {
    for (int32_t i = 0; plan->ends && plan->options.input_gradient && i < plan->input_count; i++)
        move(plan, pass, cn__plan_input_gradient(plan, i), &plan->gradients[plan->inputs[i]], false);
}
