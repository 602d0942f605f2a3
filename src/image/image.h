/* SPDX-License-Identifier: MIT */
/* image.h: pictures from files and back. image.c says what a picture is; image_file.c loads and saves through a decoder
 * or encoder of each format: png_decode.c with png_chunks.c, png_encode.c (libpng), jpeg.c (libjpeg), pnm.c; exif.c
 * turns photographs upright; resize.c changes sizes, overlay.c lays a map over a picture in the colours of
 * colour_map.c. Built with CN_WITH_IMAGES=0, PNG and JPEG are left out and say so.
 *
 * A picture is a uint8 tensor [1, C, H, W], C 1 (grey) or 3 (RGB).
 */
#ifndef CN_IMAGE_H
#define CN_IMAGE_H

#include "base/base.h"

#define CN__MAX_PIXELS (1 << 27) /* of a picture: no camera has more; asked before memory is */

/* cn_image_load. `error` is errno of what failed with CN_ERR_IO, 0 of what is not a regular file. */
cn_status cn__image_load(cn_context *ctx, const char *path, int *error, cn_tensor **image);

/* CN_ERR_SHAPE unless `image` is a picture; `what` names it in the message. */
cn_status cn__image_check(const cn_tensor *image, const char *what);

/* A grey picture whose pixels are classes, cut and resized as cn_image_fit does: the nearest pixel (resize.c). */
cn_status cn__image_fit_nearest(const cn_tensor *mask, int height, int width, cn_tensor **fitted);

/* The colour of a value from 0 to 1, dark blue to yellow: red, green, blue, 0 to 255 (colour_map.c). */
void cn__colour_map(float value, float rgb[3]);

/* A colour in grey: the luma of ITU-R BT.601, rounded as Pillow does. */
static inline uint8_t cn__luma(unsigned red, unsigned green, unsigned blue) {
    return (uint8_t)((red * 19595u + green * 38470u + blue * 7471u + 0x8000u) >> 16);
}

/* ---- formats ---- */

/* A file in memory, which is borrowed. */
typedef struct cn__encoded {
    cn_context *ctx;
    const char *name; /* for messages: its path */
    const unsigned char *data;
    size_t bytes;
} cn__encoded;

/* CN_ERR_FORMAT: damaged, cut short, or too large; CN_ERR_UNSUPPORTED: not in this build. */
cn_status cn__png_decode(const cn__encoded *file, cn_tensor **image);
/* Values of grey pixels and indices of a palette as they are stored; of other PNGs CN_ERR_FORMAT. */
cn_status cn__png_decode_values(const cn__encoded *file, cn_tensor **image);
cn_status cn__jpeg_decode(const cn__encoded *file, cn_tensor **image);
cn_status cn__pnm_decode(const cn__encoded *file, cn_tensor **image);

/* The file begins as PBM, PGM and PPM files do. */
bool cn__pnm_begins(const unsigned char *data, size_t bytes);

/* A PGM or PPM file as a tensor of bytes. */
cn_status cn__pnm_encode(const cn_tensor *image, cn_tensor **file);

/* ---- for those who decode ---- */

/* A picture of zeros. `max_pixels` is what the bytes of the file can hold at best: who claims more is cut short.
 * CN_ERR_FORMAT: no pixels, too many, or too many in a row or column. */
cn_status cn__image_new(const cn__encoded *file, int channels, uint64_t height, uint64_t width, uint64_t max_pixels,
                        cn_tensor **image);

/* What is wrong with `name`: CN_ERR_MEMORY if `no_memory`, else CN_ERR_FORMAT with this message, often a library's. */
cn_status cn__image_failed(const char *name, const char *format, bool no_memory, const char *message);

/* CN_ERR_UNSUPPORTED: the format is not in this build. */
cn_status cn__image_left_out(const char *format);

/* Where pixel (y, x) of a stored picture belongs in a shown one: at origin + y · row + x · column. */
typedef struct cn__placement {
    bool axes_swapped; /* height and width change places */
    int64_t origin, row, column;
} cn__placement;

/* As Exif's orientation, 1 to 8, says; anything else is 1. */
cn__placement cn__exif_placement(int orientation, int64_t height, int64_t width);

/* The orientation in Exif data, with or without the "Exif" before them that JPEG files have; 0: they say none, or are
 * no Exif data. */
int cn__exif_orientation(const unsigned char *data, size_t bytes);

/* What the chunks of a PNG file say before it is decoded. */
typedef struct cn__png_outline {
    size_t end;        /* of what is whole and holds all pixels: nothing behind it is wanted */
    size_t compressed; /* bytes of pixels */
    int orientation;   /* as Exif has it, 0 if there is none */
} cn__png_outline;

/* Walks through the chunks. CN_ERR_FORMAT: one that pixels depend on is damaged, or there are no pixels. */
cn_status cn__png_outline_read(const cn__encoded *file, cn__png_outline *outline);

#endif
