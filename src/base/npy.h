/* SPDX-License-Identifier: MIT */
/* npy.h: numpy's arrays in files (npy.c), alone or as members of .npz files. */
#ifndef CN_NPY_H
#define CN_NPY_H

#include "base/base.h"

/* Reads an array as cn_tensor_load_npy does, to the file's end. Messages begin with the file's path. */
cn_status cn__npy_read(cn__file *file, cn_tensor **tensor);

/* Writes all but the numbers, a multiple of 64 bytes, of a tensor whose numbers are little-endian and of that type, such
 * as "F16", for which numpy must have a name. Returns its length. */
#define CN__NPY_HEADER 384
size_t cn__npy_header(const cn_tensor *tensor, const char *dtype, char text[CN__NPY_HEADER]);

#endif
