/* SPDX-License-Identifier: MIT */
/* png_decode.c: PNG files (ISO/IEC 15948) of all kinds through libpng: palettes resolved, samples of any depth brought
 * to 8 bits, transparent pixels laid over white, turned as Exif says. All memory comes from the context: the picture,
 * and a few rows. */
#include "image/image.h"

#if CN_WITH_IMAGES
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

/* What one file is decoded with; libpng hands it to the functions below. */
typedef struct reader {
    const cn__encoded *file;
    cn__png_outline outline;
    bool values; /* as they are stored, whatever colours they stand for */
    size_t at;   /* the next byte */
    png_struct *png;
    png_info *info;
    int samples;            /* of a pixel: colours and alpha */
    bool alpha, wide;       /* samples of 16 bits */
    uint32_t height, width; /* as stored */
    unsigned char *row;
    cn_tensor *image;
    cn__placement place;
    cn_status status; /* of our own calls */
    bool no_memory;
    char message[128]; /* libpng's, of what ended it */
} reader;

/* ---- what libpng calls ---- */

static void stop(png_struct *png, const char *message) {
    reader *r = png_get_error_ptr(png);
    snprintf(r->message, sizeof r->message, "%s", message);
    png_longjmp(png, 1);
}

/* libpng passes over transparency that it cannot make out; most other warnings are of what no pixel depends on. */
static void on_warning(png_struct *png, const char *message) {
    if (strncmp(message, "tRNS", 4) == 0)
        stop(png, message);
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
    if (bytes > r->outline.end - r->at)
        png_error(png, "it ends too early");
    memcpy(to, r->file->data + r->at, bytes);
    r->at += bytes;
}

/* ---- the picture ---- */

/* Before the first byte is read. Checksums have been looked at, sizes will be; of chunks that pixels do not depend on
 * libpng would keep whatever length they claim. */
static void set_up(reader *r) {
    png_set_read_fn(r->png, r, read_bytes);
    png_set_crc_action(r->png, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);
    png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_user_limits(r->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* cn__image_new's are lower */
}

static cn_status check_values(const reader *r) {
    int type = png_get_color_type(r->png, r->info), depth = png_get_bit_depth(r->png, r->info);
    if ((type == PNG_COLOR_TYPE_GRAY || type == PNG_COLOR_TYPE_PALETTE) && depth <= 8)
        return CN_OK;
    return cn__error(CN_ERR_FORMAT,
                     "'%s' is a PNG %s, wanted grey of up to 8 bits or a palette, whose values are classes",
                     r->file->name, depth > 8 ? "of 16 bits" : "in colours or with transparency");
}

/* From the header on, each sample is to have 8 or 16 bits. libpng has no memory for rows before it is told so. */
static cn_status prepare(reader *r) {
    uint64_t bits = (uint64_t)png_get_bit_depth(r->png, r->info) * png_get_channels(r->png, r->info);
    uint64_t max_pixels = r->outline.compressed * (uint64_t)CN__MAX_INFLATED * 8 / bits;
    bool colour = !r->values && png_get_color_type(r->png, r->info) & PNG_COLOR_MASK_COLOR;
    r->height = png_get_image_height(r->png, r->info);
    r->width = png_get_image_width(r->png, r->info);
    r->place = cn__exif_placement(r->outline.orientation, r->height, r->width);
    bool swapped = r->place.axes_swapped;
    CN__TRY(cn__image_new(r->file, colour ? 3 : 1, swapped ? r->width : r->height, swapped ? r->height : r->width,
                          max_pixels, &r->image));
    if (r->values)
        png_set_packing(r->png);
    else
        png_set_expand(r->png);
    png_read_update_info(r->png, r->info);
    r->samples = png_get_channels(r->png, r->info);
    r->alpha = r->samples > (colour ? 3 : 1);
    r->wide = png_get_bit_depth(r->png, r->info) == 16;
    r->row = cn__alloc(r->file->ctx, 1, png_get_rowbytes(r->png, r->info));
    return r->row ? CN_OK : cn__no_memory("a row of a PNG");
}

/* A sample of `largest` at most, laid over white, as one of 255 at most: rounded once. */
static inline uint8_t over_white(uint64_t value, uint64_t alpha, uint64_t largest) {
    uint64_t sum = value * alpha + largest * (largest - alpha), all = largest * largest;
    return (uint8_t)((sum * 255 + all / 2) / all);
}

static unsigned wide_sample(const unsigned char *from) {
    return (unsigned)from[0] << 8 | from[1];
}

/* The samples of one channel, `count` pixels from one pixel to the next `step` bytes apart in the picture. */
static void store_channel(const reader *r, int channel, uint32_t count, uint8_t *to, int64_t step) {
    int64_t samples = r->samples, last = samples - 1;
    const unsigned char *row = r->row;
    for (int64_t i = 0; r->wide && i < count; i++, row += 2 * samples)
        to[i * step] =
            over_white(wide_sample(row + 2 * channel), r->alpha ? wide_sample(row + 2 * last) : 65535, 65535);
    for (int64_t i = 0; !r->wide && r->alpha && i < count; i++, row += samples)
        to[i * step] = over_white(row[channel], row[last], 255);
    for (int64_t i = 0; !r->wide && !r->alpha && i < count; i++, row += samples)
        to[i * step] = row[channel];
}

/* Some of the pixels: of an interlaced file those of one pass, else all. */
typedef struct grid {
    uint32_t top, left, down, right; /* the first, and from one to the next */
} grid;

static void read_grid(reader *r, grid g) {
    int64_t pixels = (int64_t)r->height * r->width;
    for (int64_t y = g.top; g.left < r->width && y < r->height; y += g.down) {
        png_read_row(r->png, r->row, NULL);
        int64_t first = r->place.origin + y * r->place.row + g.left * r->place.column;
        for (int c = 0; c < r->image->shape[1]; c++)
            store_channel(r, c, (r->width - g.left + g.right - 1) / g.right,
                          (uint8_t *)r->image->data + c * pixels + first, g.right * r->place.column);
    }
}

/* What follows the last row is not read: it cannot make the picture worse. */
static void read_rows(reader *r) {
    if (png_get_interlace_type(r->png, r->info) == PNG_INTERLACE_NONE) {
        read_grid(r, (grid){0, 0, 1, 1});
        return;
    }
    for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; pass++)
        read_grid(r, (grid){PNG_PASS_START_ROW(pass), PNG_PASS_START_COL(pass), PNG_PASS_ROW_OFFSET(pass),
                            PNG_PASS_COL_OFFSET(pass)});
}

/* False: an error came by longjmp, or a call of ours failed. All that changes is in `r`. */
static bool read_picture(reader *r) {
    if (setjmp(png_jmpbuf(r->png)))
        return false;
    set_up(r);
    png_read_info(r->png, r->info);
    r->status = r->values ? check_values(r) : CN_OK;
    if (r->status == CN_OK)
        r->status = prepare(r);
    if (r->status != CN_OK)
        return false;
    read_rows(r);
    return true;
}

static cn_status decode(const cn__encoded *file, bool values, cn_tensor **image) {
    reader r = {.file = file, .values = values};
    CN__TRY(cn__png_outline_read(file, &r.outline));
    r.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &r, stop, on_warning, &r, allocate, release);
    r.info = r.png ? png_create_info_struct(r.png) : NULL;
    bool done = r.info ? read_picture(&r) : false;
    png_destroy_read_struct(&r.png, &r.info, NULL);
    cn__free(file->ctx, r.row);
    if (done) {
        *image = r.image;
        return CN_OK;
    }
    cn_tensor_free(r.image);
    return r.status != CN_OK ? r.status : cn__image_failed(file->name, "PNG", r.no_memory, r.message);
}

#else

static cn_status decode(const cn__encoded *file, bool values, cn_tensor **image) {
    (void)file;
    (void)values;
    (void)image;
    return cn__image_left_out("PNG");
}

#endif

cn_status cn__png_decode(const cn__encoded *file, cn_tensor **image) {
    return decode(file, false, image);
}

cn_status cn__png_decode_values(const cn__encoded *file, cn_tensor **image) {
    return decode(file, true, image);
}
