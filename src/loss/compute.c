/* SPDX-License-Identifier: MIT */
/* compute.c: a loss of tensors, for a training loop of the program's own. */
#include "loss/loss.h"

#define WHAT "cn_loss_compute"

/* [N, K] or [N, C, H, W], with something in it. */
static cn_status read_output(const cn_tensor *output, cn__shape *shape) {
    int dims = cn_tensor_dims(output);
    if (cn_tensor_dtype(output) != CN_DTYPE_FLOAT32 || (dims != 2 && dims != 4))
        return cn__error(CN_ERR_SHAPE, WHAT ": output has %d dimensions, wanted float32 [N, K] or [N, C, H, W]", dims);
    if (cn_tensor_count(output) == 0)
        return cn__error(CN_ERR_SHAPE, WHAT ": output has %lld images of %lld classes",
                         (long long)cn_tensor_shape(output, 0), (long long)cn_tensor_shape(output, 1));
    if (cn_tensor_count(output) > INT32_MAX)
        return cn__error(CN_ERR_SHAPE, WHAT ": output has %lld values, wanted at most %d",
                         (long long)cn_tensor_count(output), INT32_MAX);
    *shape = (cn__shape){(int32_t)cn_tensor_shape(output, 1), dims == 4 ? (int32_t)cn_tensor_shape(output, 2) : 1,
                         dims == 4 ? (int32_t)cn_tensor_shape(output, 3) : 1};
    return CN_OK;
}

/* What kind of target such a tensor is. */
static cn_status read_target(const cn_loss_options *o, const cn_tensor *output, const cn_tensor *target,
                             cn__shape shape, cn__target_spec *spec) {
    const int64_t *dims = output->shape, mask[3] = {dims[0], shape.height, shape.width};
    bool pixels = cn_tensor_dims(output) == 4, classes = cn_tensor_dtype(target) == CN_DTYPE_INT64;
    *spec = (cn__target_spec){classes ? (pixels ? CN_TARGET_MASK : CN_TARGET_CLASS)
                                      : (pixels ? CN_TARGET_IMAGE : CN_TARGET_VECTOR),
                              classes ? shape.channels : 0, o->ignore_index, shape};
    if (classes)
        spec->shape.channels = 1;
    if (classes || (cn__loss_is_of_classes(o->kind) && o->kind != CN_LOSS_CROSS_ENTROPY))
        return pixels ? cn__tensor_expect(target, WHAT ": target", CN_DTYPE_INT64, 3, mask)
                      : cn__tensor_expect(target, WHAT ": target", CN_DTYPE_INT64, 1, mask);
    return cn__tensor_expect(target, WHAT ": target", CN_DTYPE_FLOAT32, cn_tensor_dims(output), dims);
}

static cn_status check_classes(const cn_loss_options *o, const cn_tensor *target, const cn__target_spec *spec) {
    const int64_t *label = cn_tensor_data_const(target);
    int64_t pixels = (int64_t)cn__target_size(spec);
    for (int64_t i = 0; cn__target_is_classes(spec) && i < cn_tensor_count(target); i++)
        if ((label[i] < 0 || label[i] >= spec->classes) && label[i] != o->ignore_index)
            return cn__error(CN_ERR_DATA, WHAT ": label %lld of image %lld is outside 0 to %lld", (long long)label[i],
                             (long long)(i / pixels), (long long)spec->classes - 1);
    return CN_OK;
}

static cn_status check_gradient(const cn_tensor *output, const cn_tensor *gradient) {
    if (!gradient)
        return CN_OK;
    CN__TRY(cn__tensor_expect(gradient, WHAT ": gradient", CN_DTYPE_FLOAT32, cn_tensor_dims(output), output->shape));
    return cn__tensor_writable(gradient, WHAT ": gradient");
}

int cn__call_loss_function(const cn_loss_options *options, const cn_tensor *output, const cn_tensor *target,
                           double *loss, cn_tensor *gradient) {
    CN__IN_HOSTS_MODE;
    return options->function(options->user, output, target, loss, gradient);
}

static cn_status call_function(const cn_loss_options *o, const cn_tensor *output, const cn_tensor *target, double *loss,
                               cn_tensor *gradient) {
    int answer = cn__call_loss_function(o, output, target, loss, gradient);
    if (answer != 0)
        return cn__error(CN_ERR_DATA, WHAT ": the program's loss function returned %d", answer);
    *loss *= (double)o->weight;
    for (int64_t i = 0; gradient && i < gradient->count; i++)
        ((float *)gradient->data)[i] *= o->weight;
    return CN_OK;
}

cn_status cn_loss_compute(const cn_loss_options *options, const cn_tensor *output, const cn_tensor *target,
                          double *loss, cn_tensor *gradient) {
    CN__COMPUTES;
    cn_loss_options known;
    cn__shape shape;
    cn__targets targets = {0};
    cn__loss own;
    cn__loss_sum total = {0};
    CN__REQUIRE(output);
    CN__REQUIRE(target);
    CN__REQUIRE(loss);
    CN__TRY(cn__loss_options_read(&known, options, "cn_loss_options"));
    CN__TRY(read_output(output, &shape));
    CN__TRY(check_gradient(output, gradient));
    if (known.kind == CN_LOSS_CUSTOM)
        return call_function(&known, output, target, loss, gradient);
    CN__TRY(read_target(&known, output, target, shape, &targets.spec));
    CN__TRY(cn__loss_check_target(&known, &targets.spec, shape, WHAT));
    CN__TRY(check_classes(&known, target, &targets.spec));
    int32_t images = (int32_t)cn_tensor_shape(output, 0);
    if (cn__target_is_classes(&targets.spec))
        targets.batch.classes = (int64_t *)cn_tensor_data_const(target);
    else
        targets.batch.values = (float *)cn_tensor_data_const(target);
    CN__TRY(cn__loss_init(&own, output->ctx, &known, &targets.spec, shape, images));
    cn_status status =
        cn__loss_batch(&own, cn__values_of_array((float *)cn_tensor_data_const(output), shape), &targets, images,
                       cn__values_of_array(gradient ? cn_tensor_data(gradient) : NULL, shape), &total, loss);
    cn__loss_drop(&own);
    return status;
}
