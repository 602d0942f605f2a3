/* SPDX-License-Identifier: MIT */
/* types.h: what kernels need of base: they know no public types, so that a change of convnet.h does not compile them
 * anew. */
#ifndef CN_TYPES_H
#define CN_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CN__LANES 16 /* images side by side in a block; a pixel of a block is one 64-byte line */
#define CN__ALIGN 64 /* bytes, of every allocation */

#define CN__COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Rounded up to whole lines. */
static inline size_t cn__whole_lines(size_t floats) {
    return (floats + CN__LANES - 1) / CN__LANES * CN__LANES;
}

/* 16 images each, in their order (layers/tree.h), whatever lies in the lanes; of 1 image or more. */
static inline int32_t cn__leaves_of(int32_t images) {
    return (images - 1) / CN__LANES + 1;
}

#endif
