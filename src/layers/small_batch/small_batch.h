/* small_batch.h: how layers compute with channels in the lanes.
 *
 * To run a few images, a map holds one image in the lanes of its channels: a plane is 16 channels, a line 16 channels
 * of a pixel. Lanes that are left in the last plane hold numbers that nobody reads. Layers that compute lane by lane
 * run as they always do; the tables below replace those of the others. They only infer, and read parameters in
 * `prepare` alone: passes need nothing but what is packed. */
#ifndef CN_CHANNELS_H
#define CN_CHANNELS_H

#include "layers/layers.h"

extern const cn__layer_ops cn__small_batch_convolution_ops, cn__small_batch_batch_norm_ops,
    cn__small_batch_group_norm_ops, cn__small_batch_flatten_ops, cn__small_batch_softmax_ops,
    cn__small_batch_log_softmax_ops;

static inline size_t cn__small_batch_planes(int32_t channels) {
    return ((size_t)channels + CN__LANES - 1) / CN__LANES;
}

/* Fills the borders of all planes of work->out, as an item of its own: a phase. */
size_t cn__small_batch_border_items(const cn__op *op, const cn__pass *pass); /* 0 without a border */
void cn__small_batch_border(const cn__op *op, const cn__pass *pass, size_t item);
/* Phases that are not worth sharing out. */
size_t cn__small_batch_one_item(const cn__op *op, const cn__pass *pass);

#endif
