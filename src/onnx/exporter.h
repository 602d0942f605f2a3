/* SPDX-License-Identifier: MIT */
/* exporter.h: a model on its way to an ONNX graph: nodes layer by layer, and tensors as initialisers. What goes wrong
 * sticks: writers go on, and the end asks. */
#ifndef CN_ONNX_EXPORTER_H
#define CN_ONNX_EXPORTER_H

#include "model/model.h"
#include "onnx/proto.h"

/* A value of the graph. */
typedef struct cn__exported {
    size_t name; /* where it begins in cn__export.names; 0: none */
    int dims;    /* 4, or 2 for flat features; of a constant, whatever */
} cn__exported;

/* A layer's output, and where another layer wanted it with the other number of dimensions, that. */
typedef struct cn__exported_layer {
    cn__exported own, other;
} cn__exported_layer;

/* A tensor of the model as an initialiser: its message up to the numbers, in cn__export.heads. */
typedef struct cn__exported_tensor {
    size_t head, head_bytes;
    const cn_tensor *numbers;
} cn__exported_tensor;

typedef struct cn__export {
    cn_context *ctx;
    const cn_model *model;
    int opset;                  /* the lowest that has all operators so far */
    cn__message nodes;          /* as fields of the graph */
    cn__message names;          /* of values, each with its NUL */
    cn__exported_layer *layers; /* of the first input, then of all layers */
    cn__message heads;
    cn__exported_tensor *tensors;
    size_t tensor_count, tensor_capacity;
    int32_t at; /* the layer whose nodes are being written; -1: the first input */
    int pieces; /* that it has had so far */
    /* The node that is being written. */
    const char *op;
    int dims; /* of its first input; 0: it has none yet */
    cn__message inputs, attributes, part;
    cn_status status; /* the first thing that went wrong, but for want of memory in messages */
} cn__export;

/* Notes what went wrong, unless something did before. */
static inline void cn__export_fail(cn__export *x, cn_status status) {
    x->status = x->status == CN_OK ? status : x->status;
}

/* ---- nodes (save_nodes.c) ---- */

/* A node: its inputs, attributes, end. The last one of a layer has the layer's name. Its output counts as having the
 * dimensions of its first input. */
void cn__export_begin(cn__export *x, const char *op);
void cn__export_reads(cn__export *x, cn__exported value); /* none: left out */
void cn__export_attr_int(cn__export *x, const char *name, int64_t value);
void cn__export_attr_float(cn__export *x, const char *name, float value);
void cn__export_attr_text(cn__export *x, const char *name, const char *value);
void cn__export_attr_ints(cn__export *x, const char *name, int count, const int64_t *values);
typedef enum cn__export_place { CN__EXPORT_PIECE, CN__EXPORT_LAST } cn__export_place;
cn__exported cn__export_end(cn__export *x, cn__export_place place);
/* Nodes without attributes, of one input or two. */
cn__exported cn__export_unary(cn__export *x, const char *op, cn__exported a, cn__export_place place);
cn__exported cn__export_binary(cn__export *x, const char *op, cn__exported a, cn__exported b, cn__export_place place);
const char *cn__export_name(const cn__export *x, cn__exported value); /* "" for none */
/* A value of that name, which no node makes. */
cn__exported cn__export_named(cn__export *x, const char *name, int dims);
/* The operators at hand are of that opset. */
void cn__export_needs_opset(cn__export *x, int opset);

/* Constants; all but tensors of the model, which train. */
cn__exported cn__export_number(cn__export *x, float value); /* a scalar */
cn__exported cn__export_numbers(cn__export *x, int dims, const int64_t *shape, const float *values);
cn__exported cn__export_ints(cn__export *x, int count, const int64_t *values);
/* The same number `count` times. */
cn__exported cn__export_filled(cn__export *x, int64_t count, float value);

/* ---- the layer at hand (save_layer.c) ---- */

/* Its hyper-parameters by name, as in files; a pair is NAME_height, NAME_width. */
int32_t cn__export_int(const cn__export *x, const char *name);
double cn__export_real(const cn__export *x, const char *name);
void cn__export_pair(const cn__export *x, const char *name, int64_t pair[2]);

/* What it reads, as it is, as [N, C, H, W], and as [N, features]; and that one's shape. */
cn__exported cn__export_input(cn__export *x, int32_t input);
cn__exported cn__export_image(cn__export *x, int32_t input);
cn__exported cn__export_flat(cn__export *x, int32_t input);
cn__shape cn__export_shape(const cn__export *x, int32_t input);
cn__shape cn__export_out(const cn__export *x); /* of its output */
/* Begins a node that reads all that the layer reads, with one number of dimensions. */
void cn__export_begin_all(cn__export *x, const char *op);

/* The tensor that is called so as an initialiser, or a constant where it is no parameter, with these dimensions or (0) its
 * own; none, if the layer has none. */
cn__exported cn__export_tensor(cn__export *x, const char *name, int dims, const int64_t *shape);
/* The same of a number for each channel, which meets values of so many dimensions. */
cn__exported cn__export_by_channel(cn__export *x, const char *name, int value_dims);

/* ---- writers ---- */

/* Writes the nodes of the layer at hand, whose output it gives. */
typedef cn__exported cn__export_writer(cn__export *x);
#define WRITER(Type, writer) cn__export_writer cn__export_##writer;
#include "onnx/writers.def"

/* What several share. */
/* kernel_shape, strides, and as pads these, by height and width (save_convolutions.c). */
void cn__export_window(cn__export *x, const int64_t begin[2], const int64_t end[2]);
/* The same values as [N, C, H, W]; elements from `start` to before `end` along an axis; rows and columns around an image,
 * or cut off it: left, right, top, bottom (save_rearrange.c). */
cn__exported cn__export_reshaped(cn__export *x, cn__exported value, cn__shape shape, cn__export_place place);
cn__exported cn__export_slice(cn__export *x, cn__exported value, int64_t axis, int64_t start, int64_t end,
                              cn__export_place place);
cn__exported cn__export_padded(cn__export *x, cn__exported image, const int64_t sides[4], cn_padding_mode mode,
                               float value, cn__export_place place);

#endif
