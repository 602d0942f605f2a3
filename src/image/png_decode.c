/* png_decode.c: PNG files (ISO/IEC 15948) of all kinds through libpng: palettes resolved, 1, 2, 4 and 16 bits brought
 * to 8, transparent pixels laid over white. */
#include "image/image.h"

#if CN_WITH_IMAGES
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#define MAX_INFLATED 1032 /* bytes that deflate can make of one */
#define WHITE        255

/* What one file is decoded with; libpng hands it to the functions below. */
typedef struct reader {
    const cn__encoded *file;
    size_t at; /* the next byte */
    png_struct *png;
    png_info *info;
    int passes, samples; /* of an interlaced file; a pixel: colours and alpha */
    size_t row_bytes;
    unsigned char *rows; /* one, or all of an interlaced file */
    cn_tensor *image;
    cn_status status; /* of our own calls */
    bool no_memory;
    char message[128]; /* libpng's, of what ended it */
} reader;

static void stop(png_struct *png, const char *message) {
    reader *r = png_get_error_ptr(png);
    snprintf(r->message, sizeof r->message, "%s", message);
    png_longjmp(png, 1);
}

static void ignore(png_struct *png, const char *message) {
    (void)png;
    (void)message;
}

static void *allocate(png_struct *png, png_alloc_size_t bytes) {
    reader *r = png_get_mem_ptr(png);
    void *memory = cn__alloc(r->file->ctx, bytes, 1);
    r->no_memory |= !memory;
    return memory;
}

static void release(png_struct *png, void *memory) {
    reader *r = png_get_mem_ptr(png);
    cn__free(r->file->ctx, memory);
}

static void read_bytes(png_struct *png, unsigned char *to, size_t bytes) {
    reader *r = png_get_io_ptr(png);
    if (bytes > r->file->bytes - r->at)
        png_error(png, "it ends too early");
    memcpy(to, r->file->data + r->at, bytes);
    r->at += bytes;
}

/* From the header on, each sample is to have 8 bits. */
static void ask_for_bytes(reader *r) {
    png_set_expand(r->png);
    png_set_scale_16(r->png);
    r->passes = png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    r->samples = png_get_channels(r->png, r->info);
    r->row_bytes = png_get_rowbytes(r->png, r->info);
}

/* Makes the picture, and memory for rows. */
static cn_status prepare(reader *r) {
    uint64_t height = png_get_image_height(r->png, r->info), width = png_get_image_width(r->png, r->info);
    uint64_t bits = (uint64_t)png_get_bit_depth(r->png, r->info) * png_get_channels(r->png, r->info);
    uint64_t most_pixels = r->file->bytes * (uint64_t)MAX_INFLATED * 8 / bits;
    ask_for_bytes(r);
    CN__TRY(cn__image_new(r->file, r->samples > 2 ? 3 : 1, height, width, most_pixels, &r->image));
    r->rows = cn__alloc(r->file->ctx, r->passes > 1 ? (size_t)height : 1, r->row_bytes);
    return r->rows ? CN_OK : cn__no_memory("the rows of a PNG");
}

/* A row as libpng gives it into the planes of the picture. */
static void store_row(const reader *r, const unsigned char *row, int64_t y) {
    int64_t channels = r->image->shape[1], height = r->image->shape[2], width = r->image->shape[3];
    bool alpha = r->samples > channels;
    for (int64_t c = 0; c < channels; c++) {
        uint8_t *to = (uint8_t *)r->image->data + (c * height + y) * width;
        const unsigned char *from = row + c;
        for (int64_t x = 0; x < width; x++, from += r->samples) {
            int opaque = alpha ? row[x * r->samples + channels] : 255;
            to[x] = (uint8_t)((from[0] * opaque + WHITE * (255 - opaque) + 127) / 255);
        }
    }
}

/* False: an error came by longjmp, or a call of ours failed. All that changes is in `r`. */
static bool read_picture(reader *r) {
    if (setjmp(png_jmpbuf(r->png)))
        return false;
    png_set_read_fn(r->png, r, read_bytes);
    png_set_user_limits(r->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* cn__image_new has its own */
    png_read_info(r->png, r->info);
    r->status = prepare(r);
    if (r->status != CN_OK)
        return false;
    for (int pass = 0; pass < r->passes; pass++)
        for (int64_t y = 0; y < r->image->shape[2]; y++) {
            unsigned char *row = r->rows + (r->passes > 1 ? (size_t)y * r->row_bytes : 0);
            png_read_row(r->png, row, NULL);
            if (pass == r->passes - 1)
                store_row(r, row, y);
        }
    png_read_end(r->png, NULL);
    return true;
}

cn_status cn__png_decode(const cn__encoded *file, cn_tensor **image) {
    reader r = {.file = file};
    r.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &r, stop, ignore, &r, allocate, release);
    r.info = r.png ? png_create_info_struct(r.png) : NULL;
    bool done = r.info ? read_picture(&r) : false;
    png_destroy_read_struct(&r.png, &r.info, NULL);
    cn__free(file->ctx, r.rows);
    if (done) {
        *image = r.image;
        return CN_OK;
    }
    cn_tensor_free(r.image);
    return r.status != CN_OK ? r.status : cn__image_failed(file->name, "PNG", r.no_memory, r.message);
}

#else

cn_status cn__png_decode(const cn__encoded *file, cn_tensor **image) {
    (void)file;
    (void)image;
    return cn__image_left_out("PNG");
}

#endif
