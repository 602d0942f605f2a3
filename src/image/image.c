/* SPDX-License-Identifier: MIT */
/* image.c: what a picture is, and what all formats say of files that hold none. */
#include "image/image.h"

#define MAX_SIDE (1 << 20) /* of a picture in a file: decoders hold rows, of up to 8 bytes a pixel */

cn_status cn__image_check(const cn_tensor *image, const char *what) {
    char text[CN__SHAPE_TEXT];
    const int64_t *shape = image->shape;
    bool picture = image->dtype == CN_DTYPE_UINT8 && image->dims == 4 && shape[0] == 1 &&
                   (shape[1] == 1 || shape[1] == 3) && shape[2] > 0 && shape[3] > 0;
    if (!picture)
        return cn__error(CN_ERR_SHAPE, "%s is %s%s, wanted uint8 [1, 1 or 3, H, W]", what,
                         image->dtype == CN_DTYPE_UINT8 ? "" : "not uint8 but ",
                         cn__shape_text(text, image->dims, shape));
    if (image->count / shape[1] > CN__MAX_PIXELS)
        return cn__error(CN_ERR_SHAPE, "%s has %lld×%lld pixels, more than %d", what, (long long)shape[3],
                         (long long)shape[2], CN__MAX_PIXELS);
    return CN_OK;
}

cn_status cn__image_new(const cn__encoded *file, int channels, uint64_t height, uint64_t width, uint64_t max_pixels,
                        cn_tensor **image) {
    if (height < 1 || width < 1 || height > MAX_SIDE || width > MAX_SIDE || height * width > CN__MAX_PIXELS)
        return cn__error(CN_ERR_FORMAT, "'%s' has %llu×%llu pixels, wanted 1 to %d, and at most %d a side", file->name,
                         (unsigned long long)width, (unsigned long long)height, CN__MAX_PIXELS, MAX_SIDE);
    if (height * width > max_pixels)
        return cn__error(CN_ERR_FORMAT, "'%s' ends too early: %zu bytes for %llu×%llu pixels", file->name, file->bytes,
                         (unsigned long long)width, (unsigned long long)height);
    const int64_t shape[4] = {1, channels, (int64_t)height, (int64_t)width};
    return cn_tensor_new(file->ctx, CN_DTYPE_UINT8, 4, shape, image);
}

cn_status cn__image_failed(const char *name, const char *format, bool no_memory, const char *message) {
    if (no_memory)
        return cn__error(CN_ERR_MEMORY, "no memory for the %s '%s'", format, name);
    return cn__error(CN_ERR_FORMAT, "cannot read '%s' as %s: %s", name, format, message);
}

cn_status cn__image_left_out(const char *format) {
    return cn__error(CN_ERR_UNSUPPORTED, "this build has no %s (WITH_IMAGES=0)", format);
}
