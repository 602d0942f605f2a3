/* SPDX-License-Identifier: MIT */
/* shape.h: what the layers share that compute nothing and only put values elsewhere.
 *
 * Each is written once for both layouts: what is moved is a value, which is a line where images lie in the lanes, and a
 * float of a line where channels do. */
#ifndef CN_SHAPE_H
#define CN_SHAPE_H

#include "layers/nchw16c/nchw16c.h"

/* The channels of a plane of the map: one, or those in its lanes. */
typedef struct cn__channel_range {
    size_t first, end;
} cn__channel_range;
cn__channel_range cn__plane_channels(const cn__fmap *map, size_t plane);

/* A pixel's value. Its row's next is CN__LANES floats on. */
float *cn__value_at(const cn__fmap *map, size_t block, size_t channel, size_t row, size_t column);

/* `count` values, steps in floats: to (+)= from. */
void cn__copy_values(const cn__op *op, const float *from, size_t from_step, float *to, size_t to_step, size_t count,
                     bool accumulate);

/* All values of a channel, of maps of one height and width. */
void cn__copy_channel(const cn__op *op, size_t block, const cn__fmap *from, size_t from_channel, const cn__fmap *to,
                      size_t to_channel, bool accumulate);

/* Zeros within. */
void cn__clear_plane(cn__plane plane, cn__shape shape);

/* What a layer leaves for its readers when a plane of its output is complete: the border, and zeros in lanes that have
 * no channel. */
void cn__complete_plane(const cn__fmap *map, size_t block, size_t plane);

/* Flatten and Reshape: values stay in their order (reshape.c). */
extern const cn__layer_impl cn__reshape_impl;

#endif
