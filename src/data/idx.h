/* SPDX-License-Identifier: MIT */
/* idx.h: where the files of MNIST and its relatives lie. */
#ifndef CN_IDX_H
#define CN_IDX_H

#include "data/directory.h"

/* The file of a split's images or labels in `directory`, under any of its usual names, in a folder of its own name, or
 * up to two folders below; with DIR/PREFIX, where that is no folder, the one whose name begins so. CN_ERR_IO: there is
 * none; CN_ERR_DATA: there are several sets. */
cn_status cn__idx_find(cn_context *ctx, const char *directory, cn_split split, bool labels, char path[CN__MAX_PATH]);

#endif
