/* augmentation.h: changes to 8-bit images, with the geometry and the rounding of torchvision on PIL images. */
#ifndef CN_AUGMENTATION_H
#define CN_AUGMENTATION_H

#include "base/base.h"

/* ---- the operations (pixel_ops.c): from one image to another, whose channels are planes of height · width bytes, one
 * after the other; `row` is scratch memory for a row's columns ---- */

#define CN__ROW_BYTES 48 /* for each column, aligned as a double is */

void cn__flip(cn__shape shape, const uint8_t *from, uint8_t *to);
/* ITU-R 601-2 luma in all three channels. */
void cn__grayscale(cn__shape shape, const uint8_t *from, uint8_t *to);
/* The image's own size out of the padded image, from its row `top` and column `left`. */
void cn__crop(cn__shape shape, const uint8_t *from, uint8_t *to, int padding, cn_padding_mode mode, int top, int left,
              void *row);
/* By `degrees` counter-clockwise around the centre; the nearest pixel, 0 outside. */
void cn__rotate(cn__shape shape, const uint8_t *from, uint8_t *to, double degrees, void *row);
/* Pixel (x, y) comes from ((ax + by + c) / (gx + hy + 1), (dx + ey + f) / (gx + hy + 1)), bilinear, 0 outside. */
void cn__perspective(cn__shape shape, const uint8_t *from, uint8_t *to, const double coefficients[8], void *row);
/* The coefficients a … h that move the image's corners (top left, top right, bottom right, bottom left) to `corners`
 * (x and y of each), in single precision as torchvision has them. False: there are none, some corners coincide or lie
 * in line. */
bool cn__perspective_solve(int height, int width, const int corners[8], double coefficients[8]);

/* ---- drawing their parameters (augmentation.c) ---- */

/* Bytes of scratch memory for an image of this shape: a multiple of CN__ALIGN. */
size_t cn__augment_scratch(cn__shape shape);
/* The changed image, in `scratch` or, if nothing changed, `pixels` itself. `turn`: with alternating_flip it is this
 * image's turn to be mirrored. */
const uint8_t *cn__augment(const cn_augmentation *augmentation, cn__shape shape, cn__rng *rng, bool turn,
                           const uint8_t *pixels, void *scratch);

/* Rows top … bottom - 1 and columns left … right - 1. */
typedef struct cn__hole {
    int top, bottom, left, right;
} cn__hole;
/* What cutout takes out of the normalised image; nothing if there is none. */
cn__hole cn__cutout(const cn_augmentation *augmentation, cn__shape shape, cn__rng *rng);

#endif
