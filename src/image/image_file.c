/* image_file.c: pictures loaded as the first bytes of their file say, and saved as the ending of its name does. */
#include "image/image.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MAX_FILE    (1u << 30) /* bytes */
#define MAGIC_BYTES 8

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

cn_status cn__image_new(const cn__encoded *file, int channels, uint64_t height, uint64_t width, uint64_t most_pixels,
                        cn_tensor **image) {
    if (height < 1 || width < 1 || height > CN__MAX_PIXELS || width > CN__MAX_PIXELS / height)
        return cn__error(CN_ERR_FORMAT, "'%s' has %llu×%llu pixels, wanted 1 to %d", file->name,
                         (unsigned long long)width, (unsigned long long)height, CN__MAX_PIXELS);
    if (height * width > most_pixels)
        return cn__error(CN_ERR_FORMAT, "'%s' ends too early: %zu bytes for %llu×%llu pixels", file->name, file->bytes,
                         (unsigned long long)width, (unsigned long long)height);
    const int64_t shape[4] = {1, channels, (int64_t)height, (int64_t)width};
    return cn_tensor_new(file->ctx, CN_DTYPE_UINT8, 4, shape, image);
}

cn_status cn__image_failed(const char *name, const char *format, bool no_memory, const char *message) {
    if (no_memory)
        return cn__error(CN_ERR_MEMORY, "no memory for the %s '%s'", format, name);
    return cn__error(CN_ERR_FORMAT, "'%s' is a damaged %s: %s", name, format, message);
}

cn_status cn__image_left_out(const char *format) {
    return cn__error(CN_ERR_UNSUPPORTED, "this build has no %s (WITH_IMAGES=0)", format);
}

/* ---- loading ---- */

typedef cn_status (*decoder)(const cn__encoded *file, cn_tensor **image);

/* NULL: no picture. */
static decoder find_decoder(const unsigned char *data, size_t bytes) {
    static const struct {
        const char *magic;
        size_t bytes;
        decoder decode;
    } formats[] = {
        {"\x89PNG\r\n\x1a\n", 8, cn__png_decode},
        {"\xff\xd8\xff", 3, cn__jpeg_decode},
        {"P5", 2, cn__pnm_decode},
        {"P6", 2, cn__pnm_decode},
    };
    for (size_t i = 0; i < CN__COUNT(formats); i++)
        if (bytes >= formats[i].bytes && memcmp(data, formats[i].magic, formats[i].bytes) == 0)
            return formats[i].decode;
    return NULL;
}

static cn_status decode(const cn__encoded *file, cn_tensor **image) {
    decoder found = find_decoder(file->data, file->bytes);
    if (!found)
        return cn__error(CN_ERR_FORMAT, "'%s' is no PNG, JPEG, PPM or PGM file", file->name);
    return found(file, image);
}

/* The whole file, if it begins like a picture. */
static cn_status read_file(cn__file *file, unsigned char **data) {
    unsigned char magic[MAGIC_BYTES] = {0};
    size_t first = file->size < sizeof magic ? (size_t)file->size : sizeof magic;
    if (file->size > MAX_FILE)
        return cn__error(CN_ERR_FORMAT, "'%s' has %llu bytes, wanted at most %u", file->path,
                         (unsigned long long)file->size, MAX_FILE);
    CN__TRY(cn__file_read(file, magic, first));
    if (!find_decoder(magic, first))
        return cn__error(CN_ERR_FORMAT, "'%s' is no PNG, JPEG, PPM or PGM file", file->path);
    *data = cn__alloc(file->ctx, (size_t)file->size, 1);
    if (!*data)
        return cn__error(CN_ERR_MEMORY, "no memory for the %llu bytes of '%s'", (unsigned long long)file->size,
                         file->path);
    memcpy(*data, magic, first);
    return cn__file_read(file, *data + first, (size_t)file->size - first);
}

cn_status cn_image_load(cn_context *context, const char *path, cn_tensor **image) {
    cn__file file;
    unsigned char *data = NULL;
    CN__REQUIRE(image);
    *image = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(path);
    CN__TRY(cn__file_open(context, path, &file));
    cn_status status = read_file(&file, &data);
    cn__file_close(&file);
    if (status == CN_OK)
        status = decode(&(cn__encoded){context, path, data, (size_t)file.size}, image);
    cn__free(context, data);
    return status;
}

cn_status cn_image_load_memory(cn_context *context, const void *data, size_t bytes, cn_tensor **image) {
    CN__REQUIRE(image);
    *image = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(data);
    return decode(&(cn__encoded){context, "picture in memory", data, bytes}, image);
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
    if (ends_with(path, ".png"))
        CN__TRY(cn_image_encode_png(image, &file));
    else if (ends_with(path, image->shape[1] == 3 ? ".ppm" : ".pgm"))
        CN__TRY(cn__pnm_encode(image, &file));
    else
        return cn__error(CN_ERR_ARGUMENT, "cn_image_save: '%s' does not end with .png or, for %lld channel%s, %s", path,
                         (long long)image->shape[1], image->shape[1] == 3 ? "s" : "",
                         image->shape[1] == 3 ? ".ppm" : ".pgm");
    cn_status status = cn__replace_file(image->ctx, path, &(struct iovec){file->data, (size_t)file->count}, 1);
    cn_tensor_free(file);
    return status;
}
