/* SPDX-License-Identifier: MIT */
/* convolution_readers.h: which outputs of a convolution read an input, along one dimension, exact at every border: for
 * the input's gradient, which so multiplies no zeros. */
#ifndef CN_CONVOLUTION_READERS_H
#define CN_CONVOLUTION_READERS_H

#include "layers/conv/convolution.h"

/* Output `out` reads it through tap `tap`. */
typedef struct cn__conv_reader {
    int32_t out, tap;
} cn__conv_reader;

/* Coordinates with the same readers, relative to coordinate / stride, are of one class: some that lie `stride` apart. */
typedef struct cn__conv_readers {
    int32_t size, stride, classes;
    int32_t *first; /* [size + 1]: a coordinate's readers begin here */
    cn__conv_reader *readers;
    int32_t *class_of; /* [size] */
    int32_t *example;  /* [classes]: the first coordinate of the class */
} cn__conv_readers;

/* Of the rows (d = 0) or columns (1) of op->in[0]. Whoever asks drops them, also where it failed. */
cn_status cn__conv_readers_make(const cn__op *op, int d, cn__conv_readers *readers);
void cn__conv_readers_drop(cn_context *ctx, cn__conv_readers *readers);
/* Of all classes together. */
size_t cn__conv_readers_count(const cn__conv_readers *readers);
/* Whether the input is read there itself, not as what the border repeats. */
bool cn__conv_reads_itself(const cn__convolution *c, int d, cn__conv_reader reader, int32_t i);

#endif
