/* forward_backward.c: forward and backward for a training loop of one's own. */
#include "model/model.h"
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
    return cn__tensor_expect(tensor, what, CN_FLOAT32, flat ? 2 : 4, shape);
}

/* A plan for at least `images` images. */
static cn_status ensure_plan(cn_model *model, int32_t images) {
    if (model->plan && model->plan_images >= images)
        return CN_OK;
    cn__plan_options options = {.images = images, .training = true, .input_gradient = true};
    cn__plan *plan;
    size_t lanes = ((size_t)images + CN__LANES - 1) / CN__LANES * CN__LANES;
    uint32_t *places = cn__alloc(model->ctx, lanes, sizeof *places);
    if (!places)
        return cn__no_memory("a pass");
    cn_status status = cn__plan_new(model, &options, &plan);
    if (status != CN_OK) {
        cn__free(model->ctx, places);
        return status;
    }
    for (size_t i = 0; i < lanes; i++)
        places[i] = (uint32_t)i;
    cn__plan_free(model->plan);
    cn__free(model->ctx, model->places);
    model->plan = plan;
    model->places = places;
    model->plan_images = images;
    return CN_OK;
}

cn_status cn_model_forward(cn_model *model, int training, const cn_tensor *input, cn_tensor *output) {
    CN__TRY(cn__model_ready(model, "cn_model_forward"));
    CN__REQUIRE(input);
    CN__REQUIRE(output);
    int64_t images = cn_tensor_shape(input, 0);
    if (images < 1 || images > CN__MAX_BATCH)
        return cn__error(CN_ERR_SHAPE, "cn_model_forward: %lld images, wanted 1 to %d", (long long)images,
                         CN__MAX_BATCH);
    CN__TRY(cn__model_expect_input(model, input, "cn_model_forward: input", CN_FLOAT32, images));
    CN__TRY(cn__model_expect_output(model, output, "cn_model_forward: output", images));
    CN__TRY(ensure_plan(model, (int32_t)images));
    cn__run run = {.images = (int32_t)images,
                   .blocks = (int32_t)((images + CN__LANES - 1) / CN__LANES),
                   .training = training != 0,
                   .seed = model->seed,
                   .step = model->passes,
                   .image = model->places};
    model->can_go_back = false;
    cn__map_pack(cn__plan_input(model->plan), cn_tensor_data(input), run.images);
    cn__plan_prepare(model->plan);
    CN__TRY(cn__plan_forward(model->plan, &run));
    cn__map_unpack(cn__plan_output(model->plan), cn_tensor_data(output), run.images);
    if (training) {
        model->can_go_back = true;
        model->last_run = run;
        model->passes++;
    }
    return CN_OK;
}

cn_status cn_model_backward(cn_model *model, const cn_tensor *grad_output, cn_tensor *grad_input) {
    CN__TRY(cn__model_ready(model, "cn_model_backward"));
    CN__REQUIRE(grad_output);
    if (!model->can_go_back)
        return cn__error(CN_ERR_STATE, "cn_model_backward: no training forward pass since the last backward pass");
    CN__TRY(cn__model_expect_output(model, grad_output, "cn_model_backward: grad_output", model->last_run.images));
    if (grad_input)
        CN__TRY(cn__model_expect_input(model, grad_input, "cn_model_backward: grad_input", CN_FLOAT32,
                                       model->last_run.images));
    cn__map_pack(cn__plan_output_gradient(model->plan), cn_tensor_data(grad_output), model->last_run.images);
    cn__plan_backward(model->plan, &model->last_run);
    if (grad_input)
        cn__map_unpack(cn__plan_input_gradient(model->plan), cn_tensor_data(grad_input), model->last_run.images);
    model->can_go_back = false; /* the pass has overwritten what it read */
    return CN_OK;
}
