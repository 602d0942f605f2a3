/* SPDX-License-Identifier: MIT */
/* onnx.h: models from ONNX files (onnx.ai) and into them: graphs of operators, opsets 1 to 21, become models of our layers
 * that run and train, and these become graphs of opset 13, or the next that has their operators.
 *
 *   proto.h     the file: protobuf's wire format, ONNX's messages, the numbers of its tensors (wire.c, wire_write.c,
 *               messages.c, tensor_data.c)
 *   importer.h  what it says: values and nodes (graph.c), numbers that are known beforehand (constants.c, fold.c,
 *               fold_rearrange.c), what exporters write out in pieces (patterns.c), views of layers' outputs (views.c,
 *               channels_last.c),
 *               names (names.c), and a function for each operator (operators.c lists them, by family: convolutions.c,
 *               norms.c, pools.c, resize.c, activations.c, arithmetic.c, rearrange.c, shapes.c); import.c brings all
 *               together
 *   exporter.h  the way out: nodes (save_nodes.c), what a layer is (save_layer.c), and a function for each layer
 *               (writers.def lists them, by family: save_convolutions.c, save_norms.c, save_pools.c, save_activations.c,
 *               save_rearrange.c); save.c brings all together
 *
 * A file is not believed: every length is held against the bytes that are there, counts are bounded before anything is
 * allocated, what a file asks for without giving its numbers is refused before memory is taken for it, and no part of it
 * is looked through for each of many others: names are sorted, attributes and layers bounded. */
#ifndef CN_ONNX_H
#define CN_ONNX_H

#include "base/base.h"

/* Whether a file that begins with these bytes, of `bytes` 16 are enough, is an ONNX file: its first field is the version
 * of its representation. A model file of ours has a length there, and then '{'. */
bool cn__onnx_recognised(const unsigned char *begin, size_t bytes);

#define CN__ONNX_MAX_FILE ((size_t)INT32_MAX) /* bytes: protobuf's own limit */

/* A file that has been read from `path`, beside which others may be; NULL: from nowhere. CN_ERR_FORMAT: damaged, or it
 * contradicts itself; CN_ERR_UNSUPPORTED names operators, nodes and why; CN_ERR_IO. */
cn_status cn__onnx_load(cn_context *ctx, const void *data, size_t bytes, const char *path, cn_model **model);
/* What the metadata of a file that could be loaded have under a key: a piece of the file; NULL: nothing. */
const char *cn__onnx_metadata_find(const void *data, size_t bytes, const char *key, size_t *length);

/* A line of a file's metadata. */
typedef struct cn__onnx_metadata {
    const char *key, *value;
} cn__onnx_metadata;

/* An initialised model as a file, uint8 [N]. `preprocessing`: its first input takes pixels, 0 to 255, of which the
 * model knows the normalisation. CN_ERR_UNSUPPORTED names a layer. */
cn_status cn__onnx_save(const cn_model *model, bool preprocessing, const cn__onnx_metadata *metadata, size_t count,
                        cn_tensor **file);

#endif
