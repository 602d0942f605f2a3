/* forward_backward.c: forward and backward for a training loop of one's own. */
#include "plan/plan.h"
#include <string.h>

cn_status cn__model_expect_input(const cn_model *model, const cn_tensor *tensor, const char *what, cn_dtype dtype,
                                 int64_t images) {
    int64_t shape[4] = {images, 0, 0, 0};
    cn_model_input_shape(model, shape + 1);
    return cn__tensor_expect(tensor, what, dtype, 4, shape);
}

/* [N, K] where the output has one pixel, else [N, C, H, W]; that form is taken for one pixel too. */
cn_status cn__model_expect_output(const cn_model *model, const cn_tensor *tensor, const char *what, int64_t images) {
    int64_t shape[4] = {images, 0, 0, 0};
    cn_model_output_shape(model, shape + 1);
    bool flat = shape[2] == 1 && shape[3] == 1 && cn_tensor_dims(tensor) != 4;
    return cn__tensor_expect(tensor, what, CN_DTYPE_FLOAT32, flat ? 2 : 4, shape);
}

/* What a loop of one's own keeps between calls. */
struct cn__session {
    cn__plan *plan;
    int32_t images;    /* that the plan is for */
    uint32_t *image;   /* 0 … images - 1: what dropout knows images by */
    uint32_t passes;   /* training passes so far */
    bool can_backward; /* the last forward pass was a training one, and backward has not used it up */
    cn__pass last;
};

static void session_free(cn_model *model) {
    cn__plan_free(model->session->plan);
    cn__free(model->ctx, model->session->image);
    cn__free(model->ctx, model->session);
    model->session = NULL;
}

static cn_status ensure_session(cn_model *model) {
    if (model->session)
        return CN_OK;
    model->session = cn__alloc(model->ctx, 1, sizeof *model->session);
    model->session_free = session_free;
    return model->session ? CN_OK : cn__no_memory("a pass");
}

/* A plan for at least `images` images. */
static cn_status ensure_plan(cn_model *model, int32_t images) {
    cn__session *session = model->session;
    if (session->plan && session->images >= images)
        return CN_OK;
    cn__plan_options options = {.images = images, .training = true, .input_gradient = true};
    cn__plan *plan;
    size_t lanes = cn__whole_lines((size_t)images);
    uint32_t *image = cn__alloc(model->ctx, lanes, sizeof *image);
    if (!image)
        return cn__no_memory("a pass");
    cn_status status = cn__plan_new(model, &options, &plan);
    if (status != CN_OK) {
        cn__free(model->ctx, image);
        return status;
    }
    for (size_t i = 0; i < lanes; i++)
        image[i] = (uint32_t)i;
    cn__plan_free(session->plan);
    cn__free(model->ctx, session->image);
    session->plan = plan;
    session->image = image;
    session->images = images;
    return CN_OK;
}

cn_status cn_model_forward(cn_model *model, int training, const cn_tensor *input, cn_tensor *output) {
    CN__TRY(cn__model_ready(model, "cn_model_forward"));
    CN__REQUIRE(input);
    CN__REQUIRE(output);
    int64_t images = cn_tensor_shape(input, 0);
    if (training != 0 && training != 1)
        return cn__error(CN_ERR_ARGUMENT, "cn_model_forward: training is %d, wanted 0 or 1", training);
    if (images < 1 || images > CN__MAX_BATCH)
        return cn__error(CN_ERR_SHAPE, "cn_model_forward: %lld images, wanted 1 to %d", (long long)images,
                         CN__MAX_BATCH);
    CN__TRY(cn__model_expect_input(model, input, "cn_model_forward: input", CN_DTYPE_FLOAT32, images));
    CN__TRY(cn__model_expect_output(model, output, "cn_model_forward: output", images));
    CN__TRY(cn__tensor_writable(output, "cn_model_forward: output"));
    CN__TRY(ensure_session(model));
    CN__TRY(ensure_plan(model, (int32_t)images));
    cn__session *session = model->session;
    cn__pass pass = {.images = (int32_t)images,
                     .blocks = (int32_t)((images + CN__LANES - 1) / CN__LANES),
                     .training = training == 1,
                     .seed = model->seed,
                     .step = session->passes,
                     .image = session->image};
    session->can_backward = false;
    cn__fmap_pack(cn__plan_input(session->plan), cn_tensor_data_const(input), pass.images);
    cn__plan_prepare(session->plan);
    CN__TRY(cn__plan_forward(session->plan, &pass));
    cn__fmap_unpack(cn__plan_output(session->plan), cn_tensor_data(output), pass.images);
    if (training) {
        session->can_backward = true;
        session->last = pass;
        session->passes++;
    }
    return CN_OK;
}

cn_status cn_model_backward(cn_model *model, const cn_tensor *grad_output, cn_tensor *grad_input) {
    CN__TRY(cn__model_ready(model, "cn_model_backward"));
    CN__REQUIRE(grad_output);
    cn__session *session = model->session;
    if (!session || !session->can_backward)
        return cn__error(CN_ERR_STATE, "cn_model_backward: no training forward pass since the last backward pass");
    CN__TRY(cn__model_expect_output(model, grad_output, "cn_model_backward: grad_output", session->last.images));
    if (grad_input) {
        CN__TRY(cn__model_expect_input(model, grad_input, "cn_model_backward: grad_input", CN_DTYPE_FLOAT32,
                                       session->last.images));
        CN__TRY(cn__tensor_writable(grad_input, "cn_model_backward: grad_input"));
    }
    cn__fmap_pack(cn__plan_output_gradient(session->plan), cn_tensor_data_const(grad_output), session->last.images);
    session->can_backward = false; /* the pass overwrites what it reads */
    CN__TRY(cn__plan_backward(session->plan, &session->last));
    if (grad_input)
        cn__fmap_unpack(cn__plan_input_gradient(session->plan), cn_tensor_data(grad_input), session->last.images);
    return CN_OK;
}
