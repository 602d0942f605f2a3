/* image.h: pictures from files and back. image_file.c loads and saves, one file a format: png_decode.c and
 * png_encode.c (libpng), jpeg.c with exif.c (libjpeg-turbo), pnm.c; resize.c changes their size, overlay.c lays a map
 * over one. Built with CN_WITH_IMAGES=0, PNG and JPEG are left out and say so.
 *
 * A picture is a uint8 tensor [1, C, H, W], C 1 (grey) or 3 (RGB).
 */
#ifndef CN_IMAGE_H
#define CN_IMAGE_H

#include "base/base.h"

#define CN__MAX_PIXELS (1 << 27) /* of a picture: nobody's camera has more; checked before anything is allocated */

/* CN_ERR_SHAPE unless `image` is a picture; `what` names it in the message. */
cn_status cn__image_check(const cn_tensor *image, const char *what);

/* A picture, with zeros. CN_ERR_FORMAT: no pixels, or more than CN__MAX_PIXELS; `name` is the file's. */
cn_status cn__image_new(cn_context *ctx, const char *name, int channels, uint64_t height, uint64_t width,
                        cn_tensor **image);

/* What a decoder or encoder found wrong: CN_ERR_MEMORY if `no_memory`, else CN_ERR_FORMAT with its own words. */
cn_status cn__image_failed(const char *name, const char *format, bool no_memory, const char *message);

/* CN_ERR_UNSUPPORTED: the format is not in this build. */
cn_status cn__image_left_out(const char *format);

#endif
