/* SPDX-License-Identifier: MIT */
/* onnx_writer.h: ONNX files written field by field, for tests of what no exporter writes. */
#ifndef ONNX_WRITER_H
#define ONNX_WRITER_H

#include "testing.h"
#include <stdint.h>

enum { ONNX_VARINT = 0, ONNX_BYTES = 2, ONNX_FLOAT = 5 }; /* protobuf's wire types */

typedef struct onnx_writer {
    unsigned char data[1 << 15];
    size_t count;
} onnx_writer;

void onnx_put_varint(onnx_writer *w, uint64_t value);
void onnx_put_number(onnx_writer *w, int field, uint64_t value);
void onnx_put_bytes(onnx_writer *w, int field, const void *data, size_t count);
void onnx_put_text(onnx_writer *w, int field, const char *text);
void onnx_put_message(onnx_writer *w, int field, const onnx_writer *message);

/* ---- into a graph ---- */

/* A node "Op in,in out,out attribute=value …", "-" for no inputs; a value is a number, a number with a point, a word, or a list of numbers
 * with commas, the last of which may end it: "2,". */
void onnx_put_node(onnx_writer *graph, const char *text);
/* An input (11) or output (12) of floats; sides of 0 are open. */
void onnx_put_value(onnx_writer *graph, int field, const char *name, int dims, const int64_t *shape);
/* Floats that are all 0; `bytes` of them. */
void onnx_put_tensor(onnx_writer *graph, const char *name, int dims, const int64_t *shape, size_t bytes);
/* Floats of another file; offset and length: texts, or NULL. */
void onnx_put_outside(onnx_writer *graph, const char *name, int dims, const int64_t *shape, const char *location,
                      const char *offset, const char *length);
void onnx_put_integers(onnx_writer *graph, const char *name, int count, const int64_t *numbers);
void onnx_put_floats(onnx_writer *graph, const char *name, int count, const float *numbers);

/* ---- whole files ---- */

void onnx_put_file(onnx_writer *file, const onnx_writer *graph, int opset);
cn_status onnx_load_graph(cn_context *ctx, const onnx_writer *graph, int opset, cn_model **model);
/* Of nodes, up to NULL, that make "y" of "x", N×4×6×5; they may read "w" [4, 4, 3, 3], "m" [3, 2] and "pixels"
 * [4, 6, 5]. */
cn_status onnx_load_nodes(cn_context *ctx, int opset, const char *const *nodes, cn_model **model);
void onnx_put_ends(onnx_writer *graph); /* that x and y */

#endif
