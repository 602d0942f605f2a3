/* nchw16c.h: how layers compute a few images, with channels in the lanes.
 *
 * A map then holds one image: a plane is 16 channels, a line 16 channels of a pixel (oneDNN's layout nChw16c). Lanes
 * that are left in the last plane hold numbers that nobody reads. Layers that compute lane by lane have the same
 * implementation for both layouts; the others have one of their own in this folder. Those only infer, and read
 * parameters in `prepare` alone: passes need nothing but what is packed, which does not depend on the images' size. */
#ifndef CN_NCHW16C_H
#define CN_NCHW16C_H

#include "layers/layers.h"

extern const cn__layer_impl cn__batch_norm_nchw16c, cn__group_norm_nchw16c, cn__layer_norm2d_nchw16c;

static inline size_t cn__nchw16c_planes(int32_t channels) {
    return ((size_t)channels + CN__LANES - 1) / CN__LANES;
}

/* A stage that fills the borders of all planes of op->out, as one item. */
cn__grid cn__nchw16c_border_grid(const cn__op *op, const cn__pass *pass); /* none without a border */
void cn__nchw16c_border(const cn__op *op, const cn__pass *pass, cn__item at);
/* Into how many shares, at most `most`, an image's work of so many multiply-adds is cut: one where threads share out
 * the images. */
size_t cn__nchw16c_shares(const cn__op *op, const cn__pass *pass, int32_t most, int64_t multiply_adds);
/* For stages that are not worth sharing out. */
cn__grid cn__nchw16c_one_item(const cn__op *op, const cn__pass *pass);

#endif
