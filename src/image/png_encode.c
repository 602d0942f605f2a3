/* SPDX-License-Identifier: MIT */
/* png_encode.c: pictures as PNG files (ISO/IEC 15948) in memory, through libpng. */
#include "image/image.h"

#if CN_WITH_IMAGES
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

/* A file that grows. */
typedef struct encoder {
    cn_context *ctx;
    void *file;
    size_t bytes, capacity;
    unsigned char *row; /* of interleaved samples */
    bool no_memory;
    char message[128];
} encoder;

static void stop(png_struct *png, const char *message) {
    encoder *e = png_get_error_ptr(png);
    snprintf(e->message, sizeof e->message, "%s", message);
    png_longjmp(png, 1);
}

static void ignore(png_struct *png, const char *message) {
    (void)png;
    (void)message;
}

static void *allocate(png_struct *png, png_alloc_size_t bytes) {
    encoder *e = png_get_mem_ptr(png);
    void *memory = cn__alloc(e->ctx, bytes, 1);
    e->no_memory |= !memory;
    return memory;
}

static void release(png_struct *png, void *memory) {
    encoder *e = png_get_mem_ptr(png);
    cn__free(e->ctx, memory);
}

static void append(png_struct *png, unsigned char *data, size_t bytes) {
    encoder *e = png_get_io_ptr(png);
    if (cn__grow(e->ctx, &e->file, &e->capacity, e->bytes + bytes, 1) != CN_OK) {
        e->no_memory = true;
        png_error(png, "no memory");
    }
    memcpy((unsigned char *)e->file + e->bytes, data, bytes);
    e->bytes += bytes;
}

static void flush(png_struct *png) {
    (void)png;
}

/* Row `y` with its channels side by side. */
static void interleave(const cn_tensor *image, int64_t y, unsigned char *row) {
    int64_t channels = image->shape[1], height = image->shape[2], width = image->shape[3];
    for (int64_t c = 0; c < channels; c++) {
        const uint8_t *from = (const uint8_t *)image->data + (c * height + y) * width;
        for (int64_t x = 0; x < width; x++)
            row[x * channels + c] = from[x];
    }
}

/* False: an error came by longjmp. Nothing here is needed afterwards that changes after setjmp. */
static bool write(encoder *e, png_struct *png, png_info *info, const cn_tensor *image) {
    if (setjmp(png_jmpbuf(png)))
        return false;
    png_set_write_fn(png, e, append, flush);
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_IHDR(png, info, (png_uint_32)image->shape[3], (png_uint_32)image->shape[2], 8,
                 image->shape[1] == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (int64_t y = 0; y < image->shape[2]; y++) {
        interleave(image, y, e->row);
        png_write_row(png, e->row);
    }
    png_write_end(png, info);
    return true;
}

static bool encode(encoder *e, const cn_tensor *image) {
    png_struct *png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, e, stop, ignore, e, allocate, release);
    png_info *info = png ? png_create_info_struct(png) : NULL;
    e->row = cn__alloc(e->ctx, (size_t)image->shape[3], (size_t)image->shape[1]);
    e->no_memory |= !e->row;
    bool done = info && e->row && write(e, png, info, image);
    png_destroy_write_struct(&png, &info);
    cn__free(e->ctx, e->row);
    return done;
}

cn_status cn_image_encode_png(const cn_tensor *image, cn_tensor **png) {
    CN__REQUIRE(png);
    *png = NULL;
    CN__REQUIRE(image);
    CN__TRY(cn__image_check(image, "cn_image_encode_png: image"));
    encoder e = {.ctx = image->ctx};
    cn_status status = encode(&e, image) ? CN_OK : cn__image_failed("picture", "PNG", e.no_memory, e.message);
    const int64_t bytes = (int64_t)e.bytes;
    if (status == CN_OK)
        status = cn_tensor_borrow(e.ctx, CN_DTYPE_UINT8, 1, &bytes, e.file, png);
    if (status == CN_OK)
        (*png)->owned = true;
    else
        cn__free(e.ctx, e.file);
    return status;
}

#else

cn_status cn_image_encode_png(const cn_tensor *image, cn_tensor **png) {
    CN__REQUIRE(png);
    *png = NULL;
    (void)image;
    return cn__image_left_out("PNG");
}

#endif
