/* SPDX-License-Identifier: MIT */
/* values.h: numbers as they lie in files, little-endian on any machine, whose types go by safetensors' names, such as
 * "F32". */
#ifndef CN_VALUES_H
#define CN_VALUES_H

#include "base/base.h"

/* Bytes of one value of a type; 0: no such type. */
unsigned cn__value_bytes(const char *dtype);
/* What a tensor's values are in a file as they are. */
const char *cn__value_dtype(cn_dtype dtype);
/* The same for floats that are written as a caller wishes; NULL: there is no such wish. */
const char *cn__weights_dtype(cn_weights weights);

/* Numbers of `width` bytes, 1, 4 or 8, as they lie in memory, as bytes, and back. */
void cn__numbers_store(const void *numbers, unsigned width, size_t count, unsigned char *bytes);
void cn__numbers_load(void *numbers, unsigned width, size_t count, const unsigned char *bytes);

/* A tensor's values from `first` on as bytes of that type: its own or, of floats, F16 or BF16, to the nearest, of two
 * equally near to the even one. */
void cn__values_store(const cn_tensor *tensor, const char *dtype, int64_t first, int64_t count, unsigned char *bytes);
/* CN_ERR_DATA with the first value that is too large for that; infinities and NaN are kept. */
cn_status cn__values_storable(const cn_tensor *tensor, const char *name, const char *dtype);

/* Whether values of a type become such a tensor's: F32, F16, BF16 and F64 float32; any that count, int64. */
bool cn__values_convertible(const char *from, cn_dtype to);
/* What a tensor of such values is by itself: float32; uint8 of U8 and BOOL; int64 of others that count. False: there is
 * none. */
bool cn__value_tensor(const char *dtype, cn_dtype *tensor);
/* CN_ERR_DATA with the first of them that such a tensor cannot hold. `name` is that of the array in its file, `first` the
 * place in it of these. */
cn_status cn__values_loadable(const char *dtype, const unsigned char *bytes, int64_t first, int64_t count,
                              const char *name, cn_dtype to);
/* As many as the tensor has. Cannot fail: the above have passed. */
void cn__values_load(const char *dtype, const unsigned char *bytes, cn_tensor *tensor);

#endif
