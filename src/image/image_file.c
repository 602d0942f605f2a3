/* image_file.c: pictures saved as the ending of their name says. */
#include "image/image.h"
#include <string.h>
#include <strings.h>

cn_status cn__image_check(const cn_tensor *image, const char *what) {
    char text[CN__SHAPE_TEXT];
    const int64_t *shape = image->shape;
    bool picture = image->dtype == CN_UINT8 && image->dims == 4 && shape[0] == 1 && (shape[1] == 1 || shape[1] == 3) &&
                   shape[2] > 0 && shape[3] > 0;
    if (!picture)
        return cn__error(CN_ERR_SHAPE, "%s is %s%s, wanted uint8 [1, 1 or 3, H, W]", what,
                         image->dtype == CN_UINT8 ? "" : "not uint8 but ", cn__shape_text(text, image->dims, shape));
    if (image->count / shape[1] > CN__MAX_PIXELS)
        return cn__error(CN_ERR_SHAPE, "%s has %lld×%lld pixels, more than %d", what, (long long)shape[3],
                         (long long)shape[2], CN__MAX_PIXELS);
    return CN_OK;
}

cn_status cn__image_failed(const char *name, const char *format, bool no_memory, const char *message) {
    if (no_memory)
        return cn__error(CN_ERR_MEMORY, "no memory for %s as %s", name, format);
    return cn__error(CN_ERR_FORMAT, "%s as %s: %s", name, format, message);
}

cn_status cn__image_left_out(const char *format) {
    return cn__error(CN_ERR_UNSUPPORTED, "this build has no %s (WITH_IMAGES=0)", format);
}

/* ---- saving ---- */

static bool ends_with(const char *path, const char *ending) {
    size_t length = strlen(path), end = strlen(ending);
    return length >= end && strcasecmp(path + length - end, ending) == 0;
}

cn_status cn_image_save(const cn_tensor *image, const char *path) {
    cn_tensor *file = NULL;
    CN__REQUIRE(image);
    CN__REQUIRE(path);
    CN__TRY(cn__image_check(image, "cn_image_save: image"));
    if (!ends_with(path, ".png"))
        return cn__error(CN_ERR_ARGUMENT, "cn_image_save: '%s' does not end with .png", path);
    CN__TRY(cn_image_encode_png(image, &file));
    cn_status status = cn__replace_file(image->ctx, path, &(struct iovec){file->data, (size_t)file->count}, 1);
    cn_tensor_free(file);
    return status;
}
