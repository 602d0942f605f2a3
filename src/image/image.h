/* image.h: pictures from files and back. image_file.c loads and saves, one file a format: png_decode.c and
 * png_encode.c (libpng), jpeg.c with exif.c (libjpeg), pnm.c; resize.c changes their size, overlay.c lays a map over
 * one. Built with CN_WITH_IMAGES=0, PNG and JPEG are left out and say so.
 *
 * A picture is a uint8 tensor [1, C, H, W], C 1 (grey) or 3 (RGB).
 */
#ifndef CN_IMAGE_H
#define CN_IMAGE_H

#include "base/base.h"

#define CN__MAX_PIXELS (1 << 27) /* of a picture: no camera has more; asked before memory is */

/* CN_ERR_SHAPE unless `image` is a picture; `what` names it in the message. */
cn_status cn__image_check(const cn_tensor *image, const char *what);

/* The colour of a value from 0 to 1, dark blue to yellow: red, green, blue, 0 to 255 (overlay.c). */
void cn__colour_map(float value, float rgb[3]);

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
cn_status cn__jpeg_decode(const cn__encoded *file, cn_tensor **image);
cn_status cn__pnm_decode(const cn__encoded *file, cn_tensor **image);

/* A PGM or PPM file as a tensor of bytes. */
cn_status cn__pnm_encode(const cn_tensor *image, cn_tensor **file);

/* ---- for those who decode ---- */

/* A picture of zeros. `most_pixels` is what the bytes of the file can hold at best: who claims more is cut short.
 * CN_ERR_FORMAT: no pixels, or too many. */
cn_status cn__image_new(const cn__encoded *file, int channels, uint64_t height, uint64_t width, uint64_t most_pixels,
                        cn_tensor **image);

/* What a library found wrong with `name`: CN_ERR_MEMORY if `no_memory`, else CN_ERR_FORMAT with its own words. */
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

/* The orientation in the content of a JPEG file's APP1 segment; 0: it says none. */
int cn__exif_orientation(const unsigned char *data, size_t bytes);

#endif
