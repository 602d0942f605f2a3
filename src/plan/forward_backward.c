/* SPDX-License-Identifier: MIT */
/* forward_backward.c: forward and backward for a training loop of one's own. Backward goes on to the inputs only once
 * that has been asked for, since a frozen beginning then costs nothing. */
#include "plan/plan.h"
#include <stdio.h>
#include <string.h>

#define TENSOR_NAME 256 /* bytes of a tensor's name in a message */

/* Input or output `layer`, of `count`, as a message calls it. */
static const char *tensor_name(char name[TENSOR_NAME], const char *what, int64_t count, const char *layer) {
    snprintf(name, TENSOR_NAME, count > 1 ? "%s '%s'" : "%s", what, layer);
    return name;
}

static cn_status expect(const cn_tensor *tensor, const char *name, cn_dtype dtype, int64_t images, cn__shape size) {
    int64_t shape[4] = {images, 0, 0, 0};
    cn__shape_out(size, shape + 1);
    return cn__tensor_expect(tensor, name, dtype, 4, shape);
}

/* Whether these are images of a model's channels, and their size. */
static bool read_size(const cn_tensor *tensor, cn_dtype dtype, int64_t images, int32_t channels, cn__shape *size) {
    const int64_t *shape = tensor->shape;
    if (tensor->dtype != dtype || tensor->dims != 4 || shape[0] != images || shape[1] != channels)
        return false;
    if (shape[2] < 1 || shape[2] > CN__MAX_SIDE || shape[3] < 1 || shape[3] > CN__MAX_SIDE ||
        cn__too_large(channels, shape[2], shape[3]))
        return false;
    *size = (cn__shape){channels, (int32_t)shape[2], (int32_t)shape[3]};
    return true;
}

cn_status cn__model_expect_input(const cn_model *model, int32_t index, const cn_tensor *tensor, const char *what,
                                 cn_dtype dtype, int64_t images, cn__shape *size) {
    char name[TENSOR_NAME];
    tensor_name(name, what, cn_model_input_count(model), cn_model_input_name(model, index));
    *size = cn__model_shape(model, cn__model_input_node(model, index));
    if (!tensor)
        return cn__error(CN_ERR_ARGUMENT, "%s is NULL", name);
    return read_size(tensor, dtype, images, size->channels, size) ? CN_OK : expect(tensor, name, dtype, images, *size);
}

/* [N, K] where the output has one pixel, else [N, C, H, W]; that form is taken for one pixel too. */
cn_status cn__model_expect_output(const cn_model *model, int32_t index, cn__shape size, const cn_tensor *tensor,
                                  const char *what, int64_t images) {
    char name[TENSOR_NAME];
    tensor_name(name, what, cn_model_output_count(model), cn_model_output_name(model, index));
    if (size.height == 1 && size.width == 1 && cn_tensor_dims(tensor) != 4)
        return cn__tensor_expect(tensor, name, CN_DTYPE_FLOAT32, 2, (int64_t[]){images, size.channels});
    return expect(tensor, name, CN_DTYPE_FLOAT32, images, size);
}

cn_status cn__model_expect_counts(const cn_model *model, const char *function, int64_t inputs, int64_t outputs) {
    int64_t has_inputs = cn_model_input_count(model), has_outputs = cn_model_output_count(model);
    if (inputs == has_inputs && outputs == has_outputs)
        return CN_OK;
    return cn__error(
        CN_ERR_SHAPE, "%s: inputs: %lld of %lld that the model has, outputs: %lld of %lld (%s_all takes several)",
        function, (long long)inputs, (long long)has_inputs, (long long)outputs, (long long)has_outputs, function);
}

/* ---- what a loop of one's own keeps between calls ---- */

/* For images of one size. */
typedef struct sized {
    cn__plan *plan;
    int32_t images;      /* that the plan is for */
    bool input_gradient; /* it goes on to the inputs */
} sized;

struct cn__session {
    cn__size_cache sizes;
    uint32_t *image; /* 0 … images - 1: what dropout knows images by */
    int32_t images;
    uint32_t passes;   /* training passes so far */
    bool can_backward; /* the last forward pass was a training one, and backward has not used it up */
    bool accumulates;  /* backward adds to the gradients, */
    float *sum;        /* which are here meanwhile; NULL until that is asked for */
    cn__pass last;     /* such a pass, and its plan */
    sized *last_sized;
    bool input_gradient; /* of inputs has been asked for */
};

static void release_sized(cn_context *ctx, void *made) {
    cn__plan_free(((sized *)made)->plan);
    cn__free(ctx, made);
}

static void session_free(cn_model *model) {
    cn__size_cache_drop(&model->session->sizes);
    cn__free(model->ctx, model->session->image);
    cn__free(model->ctx, model->session->sum);
    cn__free(model->ctx, model->session);
    model->session = NULL;
}

static cn_status ensure_session(cn_model *model) {
    if (model->session)
        return CN_OK;
    cn__session *made = cn__alloc(model->ctx, 1, sizeof *made);
    if (!made)
        return cn__no_memory("a pass");
    cn_status status = cn__size_cache_init(&made->sizes, model, release_sized);
    if (status != CN_OK) {
        cn__free(model->ctx, made);
        return status;
    }
    model->session = made;
    model->session_free = session_free;
    return CN_OK;
}

static cn_status ensure_images(const cn_model *model, int32_t images) {
    cn__session *session = model->session;
    size_t lanes = cn__whole_lines((size_t)images);
    if (session->images >= images)
        return CN_OK;
    uint32_t *image = cn__alloc(model->ctx, lanes, sizeof *image);
    if (!image)
        return cn__no_memory("a pass");
    for (size_t i = 0; i < lanes; i++)
        image[i] = (uint32_t)i;
    cn__free(model->ctx, session->image);
    session->image = image;
    session->last.image = image;
    session->images = images;
    return CN_OK;
}

static bool serves(const cn__session *session, const sized *found, int32_t images) {
    return found && found->images >= images && found->input_gradient >= session->input_gradient &&
           cn__plan_is_current(found->plan);
}

/* A plan for at least `images` images of the size that is asked for. */
static cn_status ensure_plan(cn_model *model, int32_t images, sized **made) {
    cn__session *session = model->session;
    sized *found = cn__size_cache_find(&session->sizes);
    cn__plan *plan;
    *made = found;
    if (serves(session, found, images))
        return CN_OK;
    images = found && found->images > images ? found->images : images;
    cn__plan_options options = {.images = images,
                                .training = true,
                                .input_gradient = session->input_gradient,
                                .inputs = cn__size_cache_asked(&session->sizes)};
    cn_status status = cn__plan_new(model, &options, &plan);
    if (status != CN_OK)
        return cn__error(status, "cn_model_forward: %s", cn_last_error());
    session->can_backward = false; /* the plan of the last pass goes, or may go */
    if (found) {
        cn__plan_free(found->plan);
    } else if (!(found = cn__alloc(model->ctx, 1, sizeof *found))) {
        cn__plan_free(plan);
        return cn__no_memory("a pass");
    } else {
        cn__size_cache_keep(&session->sizes, found);
    }
    *found = (sized){plan, images, session->input_gradient};
    *made = found;
    return CN_OK;
}

/* ---- forward ---- */

/* Leaves their size as the one that is asked for. */
static cn_status check_inputs(const cn_model *model, int64_t images, const cn_tensor *const *inputs) {
    cn__shape *asked = cn__size_cache_asked(&model->session->sizes);
    for (int32_t i = 0; i < cn__model_input_count(model); i++)
        CN__TRY(cn__model_expect_input(model, i, inputs[i], "cn_model_forward: input", CN_DTYPE_FLOAT32, images,
                                       &asked[i]));
    if (images < 1 || images > CN__MAX_BATCH)
        return cn__error(CN_ERR_SHAPE, "cn_model_forward: %lld images, wanted 1 to %d", (long long)images,
                         CN__MAX_BATCH);
    return CN_OK;
}

static cn_status check_outputs(const cn_model *model, const cn__plan *plan, int64_t images, cn_tensor *const *outputs) {
    for (int32_t i = 0; i < cn__model_output_count(model); i++)
        if (outputs[i]) {
            CN__TRY(cn__model_expect_output(model, i, cn__plan_output_shape(plan, i), outputs[i],
                                            "cn_model_forward: output", images));
            CN__TRY(cn__tensor_writable(outputs[i], "cn_model_forward: output"));
        }
    return CN_OK;
}

/* All that is passed in has been checked. */
static cn_status forward(cn_model *model, sized *with, bool training, int32_t images, const cn_tensor *const *inputs,
                         cn_tensor *const *outputs) {
    cn__session *session = model->session;
    cn__plan *plan = with->plan;
    cn__pass pass = {.images = images,
                     .blocks = (images - 1) / CN__LANES + 1,
                     .training = training,
                     .seed = model->seed,
                     .step = session->passes,
                     .image = session->image};
    session->can_backward = false;
    for (int32_t i = 0; i < cn__model_input_count(model); i++)
        cn__fmap_pack(cn__plan_input(plan, i), cn_tensor_data_const(inputs[i]), images);
    cn__plan_prepare(plan);
    CN__TRY(cn__plan_forward(plan, &pass));
    for (int32_t i = 0; i < cn__model_output_count(model); i++)
        if (outputs[i])
            cn__fmap_unpack(cn__plan_output(plan, i), cn_tensor_data(outputs[i]), images);
    if (training) {
        session->can_backward = true;
        session->last = pass;
        session->last_sized = with;
        session->passes++;
    }
    return CN_OK;
}

cn_status cn_model_forward_all(cn_model *model, int training, int64_t input_count, const cn_tensor *const *inputs,
                               int64_t output_count, cn_tensor *const *outputs) {
    CN__COMPUTES;
    sized *with;
    CN__TRY(cn__model_ready(model, __func__));
    CN__REQUIRE(inputs);
    CN__REQUIRE(outputs);
    CN__TRY(cn__model_expect_counts(model, "cn_model_forward", input_count, output_count));
    if (training != 0 && training != 1)
        return cn__error(CN_ERR_ARGUMENT, "cn_model_forward: training is %d, wanted 0 or 1", training);
    CN__TAKES(model, "cn_model_forward");
    int64_t images = cn_tensor_shape(inputs[0], 0);
    CN__TRY(ensure_session(model));
    CN__TRY(check_inputs(model, images, inputs));
    CN__TRY(ensure_images(model, (int32_t)images));
    CN__TRY(ensure_plan(model, (int32_t)images, &with));
    CN__TRY(check_outputs(model, with->plan, images, outputs));
    return forward(model, with, training == 1, (int32_t)images, inputs, outputs);
}

cn_status cn_model_forward(cn_model *model, int training, const cn_tensor *input, cn_tensor *output) {
    CN__COMPUTES;
    CN__TRY(cn__model_ready(model, __func__));
    CN__REQUIRE(input);
    CN__REQUIRE(output);
    return cn_model_forward_all(model, training, 1, &input, 1, &output);
}

/* ---- the inputs' gradients ---- */

static cn_status copy_inputs(const cn_model *model, const cn__plan *from, cn__plan *to, int32_t images) {
    for (int32_t i = 0; i < cn__model_input_count(model); i++) {
        cn__shape shape = cn__plan_input(from, i)->shape;
        size_t values = (size_t)shape.channels * (size_t)shape.height * (size_t)shape.width;
        float *all = cn__alloc(model->ctx, values, (size_t)images * sizeof *all);
        if (!all)
            return cn__no_memory("the inputs' gradients");
        cn__fmap_unpack(cn__plan_input(from, i), all, images);
        cn__fmap_pack(cn__plan_input(to, i), all, images);
        cn__free(model->ctx, all);
    }
    return CN_OK;
}

/* The last pass in another plan. The statistics stay, since it is the same batch. */
static cn_status pass_again(cn_model *model, cn__plan *plan) {
    const cn__pass *last = &model->session->last;
    size_t buffer_bytes = model->buffer_count * sizeof(float), counter_bytes = model->counter_count * sizeof(int64_t);
    float *buffers = cn__alloc(model->ctx, model->buffer_count + 1, sizeof *buffers);
    int64_t *counters = cn__alloc(model->ctx, model->counter_count + 1, sizeof *counters);
    cn_status status = buffers && counters ? copy_inputs(model, model->session->last_sized->plan, plan, last->images)
                                           : cn__no_memory("the inputs' gradients");
    if (status == CN_OK) {
        memcpy(buffers, model->buffers, buffer_bytes);
        memcpy(counters, model->counters, counter_bytes);
        cn__plan_prepare(plan);
        status = cn__plan_forward(plan, last);
        memcpy(model->buffers, buffers, buffer_bytes);
        memcpy(model->counters, counters, counter_bytes);
    }
    cn__free(model->ctx, buffers);
    cn__free(model->ctx, counters);
    return status;
}

static cn_status plan_to_inputs(const cn_model *model, const sized *like, cn__plan **plan) {
    cn__shape *inputs = cn__alloc(model->ctx, (size_t)cn__model_input_count(model), sizeof *inputs);
    if (!inputs)
        return cn__no_memory("the inputs' gradients");
    for (int32_t i = 0; i < cn__model_input_count(model); i++)
        inputs[i] = cn__plan_input(like->plan, i)->shape;
    cn__plan_options options = {.images = like->images, .training = true, .input_gradient = true, .inputs = inputs};
    cn_status status = cn__plan_new(model, &options, plan);
    cn__free(model->ctx, inputs);
    return status;
}

/* A plan that goes on to the inputs, with the last pass in it. */
static cn_status ensure_input_gradient(cn_model *model) {
    cn__session *session = model->session;
    sized *last = session->last_sized;
    cn__plan *plan;
    if (last->input_gradient)
        return CN_OK;
    CN__TRY(plan_to_inputs(model, last, &plan));
    cn_status status = pass_again(model, plan);
    if (status != CN_OK) {
        cn__plan_free(plan);
        return status;
    }
    cn__plan_free(last->plan);
    last->plan = plan;
    last->input_gradient = session->input_gradient = true;
    return CN_OK;
}

static bool wants_any(int64_t count, cn_tensor *const *grad_inputs) {
    bool any = false;
    for (int64_t i = 0; grad_inputs && i < count; i++)
        any |= grad_inputs[i] != NULL;
    return any;
}

/* ---- backward ---- */

/* Gradients of images are shaped as those of the last forward pass. */
static cn_status expect_grad_input(const cn_model *model, int32_t index, cn_tensor *tensor, int64_t images) {
    char name[TENSOR_NAME];
    tensor_name(name, "cn_model_backward: grad_input", cn_model_input_count(model), cn_model_input_name(model, index));
    CN__TRY(
        expect(tensor, name, CN_DTYPE_FLOAT32, images, cn__plan_input(model->session->last_sized->plan, index)->shape));
    return cn__tensor_writable(tensor, name);
}

static cn_status check_backward(const cn_model *model, int64_t images, const cn_tensor *const *grad_outputs,
                                cn_tensor *const *grad_inputs) {
    const cn__plan *plan = model->session->last_sized->plan;
    for (int32_t i = 0; i < cn__model_output_count(model); i++)
        if (grad_outputs[i])
            CN__TRY(cn__model_expect_output(model, i, cn__plan_output_shape(plan, i), grad_outputs[i],
                                            "cn_model_backward: grad_output", images));
    for (int32_t i = 0; grad_inputs && i < cn__model_input_count(model); i++)
        if (grad_inputs[i])
            CN__TRY(expect_grad_input(model, i, grad_inputs[i], images));
    return CN_OK;
}

cn_status cn_model_accumulate_gradients(cn_model *model, int accumulate) {
    CN__TRY(cn__model_ready(model, "cn_model_accumulate_gradients"));
    CN__TRY(cn__check_range("cn_model_accumulate_gradients", "accumulate", accumulate, 0, 1));
    CN__TAKES(model, "cn_model_accumulate_gradients");
    CN__TRY(ensure_session(model));
    cn__session *session = model->session;
    if (accumulate && !session->sum)
        session->sum = cn__alloc(model->ctx, model->flat_count + 1, sizeof *session->sum);
    if (accumulate && !session->sum)
        return cn__no_memory("accumulated gradients");
    session->accumulates = accumulate != 0;
    return CN_OK;
}

/* A pass that fails leaves the gradients that were there, if it would have added to them. */
static cn_status run_backward(cn_model *model) {
    cn__session *session = model->session;
    if (!session->accumulates)
        return cn__plan_backward(session->last_sized->plan, &session->last);
    memcpy(session->sum, model->gradients, model->flat_count * sizeof *session->sum);
    cn_status status = cn__plan_backward(session->last_sized->plan, &session->last);
    if (status == CN_OK)
        cn__gradients_end_sum(model, 1.0f, session->sum);
    else
        memcpy(model->gradients, session->sum, model->flat_count * sizeof *session->sum);
    return status;
}

cn_status cn_model_backward_all(cn_model *model, int64_t output_count, const cn_tensor *const *grad_outputs,
                                int64_t input_count, cn_tensor *const *grad_inputs) {
    CN__COMPUTES;
    CN__TRY(cn__model_ready(model, __func__));
    CN__REQUIRE(grad_outputs);
    if (!grad_inputs && input_count == 0)
        input_count = cn_model_input_count(model);
    CN__TRY(cn__model_expect_counts(model, "cn_model_backward", input_count, output_count));
    CN__TAKES(model, "cn_model_backward");
    cn__session *session = model->session;
    if (!session || !session->can_backward)
        return cn__error(CN_ERR_STATE, "cn_model_backward: no training forward pass since the last backward pass");
    if (!cn__plan_is_current(session->last_sized->plan))
        return cn__error(CN_ERR_STATE, "cn_model_backward: cn_model_freeze was called since the last forward pass");
    int32_t images = session->last.images;
    CN__TRY(check_backward(model, images, grad_outputs, grad_inputs));
    if (wants_any(input_count, grad_inputs))
        CN__TRY(ensure_input_gradient(model));
    cn__plan *plan = session->last_sized->plan;
    for (int32_t i = 0; i < output_count; i++) {
        const cn__fmap *gradient = cn__plan_output_gradient(plan, i);
        if (grad_outputs[i])
            cn__fmap_pack(gradient, cn_tensor_data_const(grad_outputs[i]), images);
        else
            cn__fmap_zero(gradient, session->last.blocks);
    }
    session->can_backward = false; /* the pass overwrites what it reads */
    CN__TRY(run_backward(model));
    for (int32_t i = 0; grad_inputs && i < input_count; i++)
        if (grad_inputs[i])
            cn__fmap_unpack(cn__plan_input_gradient(plan, i), cn_tensor_data(grad_inputs[i]), images);
    return CN_OK;
}

cn_status cn_model_backward(cn_model *model, const cn_tensor *grad_output, cn_tensor *grad_input) {
    CN__COMPUTES;
    CN__TRY(cn__model_ready(model, __func__));
    CN__REQUIRE(grad_output);
    return cn_model_backward_all(model, 1, &grad_output, 1, &grad_input);
}

/* ---- how many training passes there were ---- */

int64_t cn_model_training_passes(const cn_model *model) {
    return model && model->session ? (int64_t)model->session->passes : 0;
}

cn_status cn_model_set_training_passes(cn_model *model, int64_t passes) {
    CN__TRY(cn__model_ready(model, __func__));
    if (passes < 0 || passes > UINT32_MAX)
        return cn__error(CN_ERR_ARGUMENT, "cn_model_set_training_passes: %lld, wanted 0 to %lu", (long long)passes,
                         (unsigned long)UINT32_MAX);
    CN__TRY(ensure_session(model));
    model->session->passes = (uint32_t)passes;
    return CN_OK;
}
