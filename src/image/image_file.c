/* SPDX-License-Identifier: MIT */
/* image_file.c: pictures loaded as the first bytes of their file say, and saved as the ending of its name does. */
#include "image/image.h"
#include <string.h>
#include <strings.h>

#define MAX_FILE    (1u << 30) /* bytes */
#define MAGIC_BYTES 8

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
    };
    for (size_t i = 0; i < CN__COUNT(formats); i++)
        if (bytes >= formats[i].bytes && memcmp(data, formats[i].magic, formats[i].bytes) == 0)
            return formats[i].decode;
    return cn__pnm_begins(data, bytes) ? cn__pnm_decode : NULL;
}

static cn_status no_picture(const char *name) {
    return cn__error(CN_ERR_FORMAT, "'%s' is no PNG, JPEG, PPM, PGM or PBM file", name);
}

static cn_status decode(const cn__encoded *file, cn_tensor **image) {
    decoder found = find_decoder(file->data, file->bytes);
    return found ? found(file, image) : no_picture(file->name);
}

static cn_status decode_values(const cn__encoded *file, cn_tensor **image) {
    if (find_decoder(file->data, file->bytes) == cn__png_decode)
        return cn__png_decode_values(file, image);
    return cn__error(CN_ERR_FORMAT, "'%s' is no PNG file", file->name);
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
        return no_picture(file->path);
    *data = cn__alloc(file->ctx, (size_t)file->size, 1);
    if (!*data)
        return cn__error(CN_ERR_MEMORY, "no memory for the %llu bytes of '%s'", (unsigned long long)file->size,
                         file->path);
    memcpy(*data, magic, first);
    return cn__file_read(file, *data + first, (size_t)file->size - first);
}

static cn_status load(cn_context *context, const char *path, decoder decode_file, int *error, cn_tensor **image) {
    cn__file file;
    unsigned char *data = NULL;
    cn_status status = cn__file_open(context, path, &file);
    if (status == CN_OK) {
        status = read_file(&file, &data);
        cn__file_close(&file);
    }
    *error = file.error;
    if (status == CN_OK)
        status = decode_file(&(cn__encoded){context, path, data, (size_t)file.size}, image);
    cn__free(context, data);
    return status;
}

cn_status cn__image_load(cn_context *ctx, const char *path, int *error, cn_tensor **image) {
    *image = NULL;
    return load(ctx, path, decode, error, image);
}

cn_status cn_image_load(cn_context *context, const char *path, cn_tensor **image) {
    CN__COMPUTES;
    int error;
    CN__REQUIRE(image);
    *image = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(path);
    return load(context, path, decode, &error, image);
}

cn_status cn_image_load_mask(cn_context *context, const char *path, cn_tensor **mask) {
    CN__COMPUTES;
    int error;
    CN__REQUIRE(mask);
    *mask = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(path);
    return load(context, path, decode_values, &error, mask);
}

cn_status cn_image_load_memory(cn_context *context, const void *data, size_t bytes, cn_tensor **image) {
    CN__COMPUTES;
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
