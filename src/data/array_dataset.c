/* SPDX-License-Identifier: MIT */
/* array_dataset.c: data sets over the caller's arrays, 8-bit or float32. */
#include "data/dataset.h"

static cn_status check_images(const cn_tensor *images) {
    char text[CN__SHAPE_TEXT];
    const int64_t *s = images->shape;
    if ((images->dtype != CN_DTYPE_UINT8 && images->dtype != CN_DTYPE_FLOAT32) || images->dims != 4)
        return cn__error(CN_ERR_SHAPE, "cn_dataset_memory: images are %s %s, wanted uint8 or float32 [N, C, H, W]",
                         cn__dtype_name(images->dtype), cn__shape_text(text, images->dims, s));
    CN__TRY(cn__check_images("cn_dataset_memory", s[0], s[1], s[2], s[3]));
    cn__shape shape = {(int32_t)s[1], (int32_t)s[2], (int32_t)s[3]};
    for (int64_t n = 0; images->dtype == CN_DTYPE_FLOAT32 && n < s[0]; n++)
        CN__TRY(cn__check_finite("cn_dataset_memory: image", n, shape,
                                 (const float *)images->data + n * (images->count / s[0])));
    return CN_OK;
}

static cn_status check(const cn_tensor *images, const cn_tensor *labels, int64_t classes) {
    CN__TRY(check_images(images));
    if (!labels)
        return classes == 0 ? CN_OK
                            : cn__error(CN_ERR_ARGUMENT, "cn_dataset_memory: classes is %lld, but labels is NULL",
                                        (long long)classes);
    CN__TRY(cn__tensor_expect(labels, "cn_dataset_memory: labels", CN_DTYPE_INT64, 1, images->shape));
    CN__TRY(cn__check_classes("cn_dataset_memory", classes));
    return cn__check_labels("cn_dataset_memory", labels->data, labels->count, classes);
}

cn_status cn_dataset_memory(cn_context *context, const cn_tensor *images, const cn_tensor *labels, int64_t classes,
                            cn_dataset **dataset) {
    CN__COMPUTES;
    CN__REQUIRE(dataset);
    *dataset = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(images);
    CN__TRY(check(images, labels, classes));
    cn__images described = {.count = images->shape[0],
                            .channels = (int)images->shape[1],
                            .height = (int)images->shape[2],
                            .width = (int)images->shape[3],
                            .kind = images->dtype == CN_DTYPE_UINT8 ? CN__PIXEL_BYTES : CN__PIXEL_FLOATS,
                            .pixels = images->data,
                            .classes = classes,
                            .labels = labels ? labels->data : NULL};
    described.stride = cn__image_values(&described);
    return cn__dataset_new(context, described, dataset);
}
