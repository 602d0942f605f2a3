/* array_dataset.c: data sets over the caller's arrays, 8-bit or float32. */
#include "data/dataset.h"
#include <math.h>

static cn_status check_labels(const int64_t *labels, int64_t count, int classes) {
    for (int64_t i = 0; i < count; i++)
        if (labels[i] < 0 || labels[i] >= classes)
            return cn__error(CN_ERR_DATA, "cn_dataset_memory: label %lld is %lld, wanted 0 to %d", (long long)i,
                             (long long)labels[i], classes - 1);
    return CN_OK;
}

static cn_status check_finite(const float *values, const int64_t shape[4]) {
    int64_t pixels = shape[2] * shape[3], image = shape[1] * pixels;
    for (int64_t i = 0; i < shape[0] * image; i++)
        if (!isfinite(values[i]))
            return cn__error(CN_ERR_DATA, "cn_dataset_memory: image %lld, channel %lld, row %lld, column %lld is %f",
                             (long long)(i / image), (long long)(i % image / pixels),
                             (long long)(i % pixels / shape[3]), (long long)(i % shape[3]), (double)values[i]);
    return CN_OK;
}

static cn_status check_tensors(const cn_tensor *images, const cn_tensor *labels, int classes) {
    char text[CN__SHAPE_TEXT];
    if ((images->dtype != CN_DTYPE_UINT8 && images->dtype != CN_DTYPE_FLOAT32) || images->dims != 4)
        return cn__error(CN_ERR_SHAPE, "cn_dataset_memory: images are %s %s, wanted uint8 or float32 [N, C, H, W]",
                         images->dtype == CN_DTYPE_INT64   ? "int64"
                         : images->dtype == CN_DTYPE_UINT8 ? "uint8"
                                                           : "float32",
                         cn__shape_text(text, images->dims, images->shape));
    CN__TRY(
        cn__check_images("cn_dataset_memory", images->shape[0], images->shape[1], images->shape[2], images->shape[3]));
    CN__TRY(cn__tensor_expect(labels, "cn_dataset_memory: labels", CN_DTYPE_INT64, 1, images->shape));
    CN__TRY(cn__check_classes("cn_dataset_memory", classes));
    CN__TRY(check_labels(labels->data, labels->count, classes));
    return images->dtype == CN_DTYPE_FLOAT32 ? check_finite(images->data, images->shape) : CN_OK;
}

cn_status cn_dataset_memory(cn_context *context, const cn_tensor *images, const cn_tensor *labels, int64_t classes,
                            cn_dataset **dataset) {
    CN__REQUIRE(dataset);
    *dataset = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(images);
    CN__REQUIRE(labels);
    CN__TRY(check_tensors(images, labels, classes));
    cn__images described = {.count = images->shape[0],
                            .channels = (int)images->shape[1],
                            .height = (int)images->shape[2],
                            .width = (int)images->shape[3],
                            .classes = classes,
                            .bytes = images->dtype == CN_DTYPE_UINT8 ? images->data : NULL,
                            .floats = images->dtype == CN_DTYPE_FLOAT32 ? images->data : NULL,
                            .labels = labels->data};
    described.stride = cn__image_values(&described);
    return cn__dataset_new(context, described, dataset);
}
