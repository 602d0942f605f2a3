/* SPDX-License-Identifier: MIT */
/* nchw16c.h: how layers compute with channels in the lanes.
 *
 * A block then is one image: a plane is 16 channels, a line 16 channels of a pixel (oneDNN's layout nChw16c). Lanes
 * that are left in the last plane hold numbers that nobody reads, of whatever kind. Most layers have one implementation
 * for both layouts; the others have one of their own in this folder. Without a backward pass parameters are read in
 * `prepare` alone: passes need nothing but what is packed, which does not depend on the images' size. */
#ifndef CN_NCHW16C_H
#define CN_NCHW16C_H

#include "layers/layers.h"

extern const cn__layer_impl cn__batch_norm_nchw16c; /* of fixed statistics */

/* A stage that fills the borders of all planes of op->out, as one item. */
cn__grid cn__nchw16c_border_grid(const cn__op *op, const cn__pass *pass); /* none without a border */
void cn__nchw16c_border(const cn__op *op, const cn__pass *pass, cn__item at);
/* Into how many shares, at most `most`, an image's work of so many multiply-adds is cut: one where threads share out
 * the images. */
size_t cn__nchw16c_shares(const cn__op *op, const cn__pass *pass, int32_t most, int64_t multiply_adds);
/* For stages that are not worth sharing out. */
cn__grid cn__nchw16c_one_item(const cn__op *op, const cn__pass *pass);

#endif
