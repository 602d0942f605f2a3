/* SPDX-License-Identifier: MIT */
/* importer.h: an ONNX graph on its way to a model. */
#ifndef CN_ONNX_IMPORTER_H
#define CN_ONNX_IMPORTER_H

#include "model/model.h"
#include "onnx/proto.h"
#include <math.h>

#define CN__ONNX_FIRST_OPSET 1
#define CN__ONNX_LAST_OPSET  21

/* ---- constants: small tensors whose numbers are known, for shapes, options and factors ---- */

#define CN__ONNX_MAX_CONSTANT  4096      /* numbers; larger ones are weights, which go to layers as they are */
#define CN__ONNX_MAX_CONSTANTS (1 << 22) /* of all together */

/* Stands, among integers, for the number of images, which differs from call to call. What is computed from it is NaN. */
#define CN__ONNX_BATCH ((double)INFINITY)

typedef struct cn__onnx_constant {
    bool integer;
    int dims;
    int64_t shape[CN_MAX_DIMS], count;
    double *numbers;
} cn__onnx_constant;

/* ---- views: a tensor of the graph as an arrangement of what a layer gives ---- */

/* Axes that a layer has, and others. */
typedef enum cn__onnx_axis {
    CN__AXIS_IMAGES,
    CN__AXIS_CHANNELS,
    CN__AXIS_HEIGHT,
    CN__AXIS_WIDTH,
    CN__AXIS_ONE,      /* of one element: any of the three */
    CN__AXIS_REPEATED, /* one element, repeated along it (Expand) */
    CN__AXIS_OTHER     /* part of one of them, or several together */
} cn__onnx_axis;

/* So Transpose, Reshape, Squeeze and Unsqueeze cost nothing until a layer wants the values in another order. */
typedef struct cn__onnx_view {
    int32_t layer;                                  /* of the model; -1: its first input */
    int dims, images;                               /* which axis counts images */
    int64_t size[CN_MAX_DIMS], stride[CN_MAX_DIMS]; /* in values of one image; the axis of images has none */
} cn__onnx_view;

/* ---- the graph ---- */

typedef struct cn__onnx_node {
    cn__bytes attributes, name, op; /* attributes: the message from the first of them on */
    int32_t *inputs, *outputs;      /* values; -1: left out */
    int32_t input_count, output_count;
    bool foreign; /* of another domain than ONNX's own */
    bool needed;
    /* Of a node that patterns.c has written anew, what would be attributes: */
    bool rewritten, transposed; /* transposed: of a MatMul: its matrix is [out, in] */
    double epsilon, alpha, beta, bias, threshold;
    int64_t axis, groups, size, begin[2], end[2];
} cn__onnx_node;

enum { CN__ONNX_NO_LAYER = -2 };

typedef struct cn__onnx_value {
    cn__bytes name;
    int32_t producer;                  /* node; -1: an input or initialiser */
    cn__onnx_tensor *tensor;           /* numbers of the file, or NULL */
    const cn__onnx_constant *constant; /* small ones, once they were wanted, or NULL */
    cn__onnx_view view;                /* .layer is CN__ONNX_NO_LAYER where no layer gives it */
    bool refused;                      /* what makes it is not covered */
    bool needed;                       /* a node that is needed reads it, or it is an output */
    bool channels_last;                /* an input that is [N, H, W, C], or made of one element by element */
    bool written;                      /* it comes of numbers among the nodes, no initialisers */
} cn__onnx_value;

typedef struct cn__onnx_named {
    cn__bytes name;
    int32_t value;
} cn__onnx_named;

/* Numbers for a layer's tensor, once the model is initialised. */
typedef enum cn__onnx_how {
    CN__FILL_PLAIN,
    CN__FILL_TRANSPOSED, /* a matrix */
    CN__FILL_SPREAD,     /* fewer numbers than elements: each for as many one after the other */
    CN__FILL_NEGATIVE,
    CN__FILL_RECIPROCAL,
    CN__FILL_NUMBER /* the same for all */
} cn__onnx_how;

typedef struct cn__onnx_numbers {
    int32_t layer, value;
    int tensor;
    cn__onnx_how how;
    float factor; /* by which all are multiplied, or CN__FILL_NUMBER's number */
} cn__onnx_numbers;

enum { CN__ONNX_REFUSALS = 800 }; /* bytes of all that is said about nodes that are not covered */

typedef struct cn__onnx {
    cn_context *ctx;
    const cn__onnx_folder *folder; /* of the file, where other files may be; NULL: none */
    struct block *memory;          /* all that lives as long as this */
    bool turned;                   /* it has inputs that are [N, H, W, C] */
    bool starved;                  /* some of it was not to be had, where nobody could say so */
    int64_t opset, images;         /* images: how many the file was made with; 0: any number */
    cn__onnx_node *nodes;
    int32_t node_count;
    cn__onnx_value *values;
    int32_t value_count;
    cn__onnx_named *by_name; /* values in the order of their names */
    cn__onnx_info *inputs;
    int32_t *input_values, *outputs; /* values */
    int32_t input_count, output_count;
    cn_model *model;
    cn__onnx_numbers *fills;
    size_t fill_count, fill_capacity;
    int64_t known;         /* numbers of all constants */
    int64_t given, filled; /* elements of the tensors that are present, and of the parameters that they go to */
    size_t name_number;    /* the last that was put behind a name often taken */
    char refusals[CN__ONNX_REFUSALS];
    int refused, refusals_shown;
    cn_status refusal; /* CN_ERR_FORMAT or CN_ERR_UNSUPPORTED */
} cn__onnx;

/* Memory that cn__onnx_drop frees; zeroed; NULL: there is none. */
void *cn__onnx_alloc(cn__onnx *onnx, size_t count, size_t bytes);
/* Reads the file's messages. cn__onnx_drop is due in any case. */
cn_status cn__onnx_read(cn__onnx *onnx, cn__bytes file);
void cn__onnx_drop(cn__onnx *onnx);
/* Marks nodes and values that outputs depend on. */
void cn__onnx_mark_needed(cn__onnx *onnx);

/* A value by its name; -1: there is none. */
int32_t cn__onnx_find(const cn__onnx *onnx, cn__bytes name);

/* ---- what nodes say; errors name what is wrong, the caller adds the node ---- */

bool cn__onnx_op_is(const cn__onnx_node *node, const char *op);
/* Input or output `i`; -1: left out. */
static inline int32_t cn__onnx_input(const cn__onnx_node *node, int i) {
    return i < node->input_count ? node->inputs[i] : -1;
}
int64_t cn__onnx_int(const cn__onnx_node *node, const char *name, int64_t fallback);
float cn__onnx_float(const cn__onnx_node *node, const char *name, float fallback);
cn__bytes cn__onnx_string(const cn__onnx_node *node, const char *name, const char *fallback);
/* Whether a text attribute, or its fallback, is `text`. */
bool cn__onnx_string_is(const cn__onnx_node *node, const char *name, const char *fallback, const char *text);
/* A list of at most CN_MAX_DIMS integers; count 0: there is none. CN_ERR_FORMAT. */
cn_status cn__onnx_ints(const cn__onnx_node *node, const char *name, int64_t to[CN_MAX_DIMS], int *count);
/* The same, which later opsets have as input `input`. CN_ERR_UNSUPPORTED: it is not known beforehand. */
cn_status cn__onnx_list(cn__onnx *onnx, const cn__onnx_node *node, const char *name, int input, int64_t to[CN_MAX_DIMS],
                        int *count);
/* Counts an axis from the first, where it may count from the last. CN_ERR_FORMAT. */
cn_status cn__onnx_axis_of(int64_t axis, int dims, int *out);

/* ---- constants.c, fold.c ---- */

/* Small numbers that are known beforehand, or NULL. */
const cn__onnx_constant *cn__onnx_constant_of(cn__onnx *onnx, int32_t value);
cn__onnx_constant *cn__onnx_constant_new(cn__onnx *onnx, bool integer, int dims, const int64_t *shape);
/* One number. */
bool cn__onnx_scalar(cn__onnx *onnx, int32_t value, double *number);
/* How many numbers a constant of any size has, and its shape; false: it is none. */
bool cn__onnx_constant_shape(const cn__onnx *onnx, int32_t value, int *dims, int64_t shape[CN_MAX_DIMS]);
/* Computes a node from constants, or the shape of what a layer gives; *done: it could. */
cn_status cn__onnx_fold(cn__onnx *onnx, const cn__onnx_node *node, bool *done);

/* ---- patterns.c ---- */

/* What exporters write out in several nodes becomes one of a later opset, or of our own: Silu, Mish, LayerNorm. */
cn_status cn__onnx_find_patterns(cn__onnx *onnx);

/* ---- views.c ---- */

cn__shape cn__onnx_shape(const cn__onnx *onnx, const cn__onnx_view *view); /* of its layer */
cn__onnx_axis cn__onnx_axis_at(const cn__onnx *onnx, const cn__onnx_view *view, int axis);
/* What all axes are; false: one is CN__AXIS_REPEATED or CN__AXIS_OTHER. */
bool cn__onnx_axes(const cn__onnx *onnx, const cn__onnx_view *view, cn__onnx_axis axes[CN_MAX_DIMS]);
/* A layer's output in the usual order: [N], [N, C], [N, C, W] or [N, C, H, W]. */
cn__onnx_view cn__onnx_view_new(const cn__onnx *onnx, int32_t layer, int dims);
/* The same with axes of these kinds, none of them CN__AXIS_OTHER. */
cn__onnx_view cn__onnx_view_by_axes(const cn__onnx *onnx, int32_t layer, int dims, const cn__onnx_axis *axes);
/* The view of an input that a layer gives. CN_ERR_UNSUPPORTED: a constant, or left out. */
cn_status cn__onnx_view_of(cn__onnx *onnx, int32_t value, cn__onnx_view **view);
/* Sees to it, by a layer if need be, that the view is in order: its images first, its values as the layer has them. */
cn_status cn__onnx_ordered(cn__onnx *onnx, const cn__onnx_node *node, cn__onnx_view *view);
/* Sees to it, by a layer if need be, that input `value` of `node` is [N], [N, C], [N, C, W] or [N, C, H, W] of a layer. */
cn_status cn__onnx_image(cn__onnx *onnx, const cn__onnx_node *node, int32_t value, cn__onnx_view **view);
/* Other dimensions for the same values; false: an axis of the view cannot be split or joined so. */
bool cn__onnx_view_reshape(const cn__onnx_view *view, int dims, const int64_t *shape, int images, cn__onnx_view *out);
bool cn__onnx_view_in_order(const cn__onnx_view *view);

/* ---- channels_last.c ---- */

/* Finds values that are turned from [N, H, W, C] to [N, C, H, W]. */
void cn__onnx_find_channels_last(cn__onnx *onnx);
/* Turns the sides of such an input; false: it is none. */
bool cn__onnx_turn_input(const cn__onnx *onnx, const cn__onnx_value *value, cn__onnx_info *info);
/* A layer's output as [N, H, W, C], and whether a view is that. */
cn__onnx_view cn__onnx_turned_view(const cn__onnx *onnx, int32_t layer);
bool cn__onnx_is_turned(const cn__onnx *onnx, const cn__onnx_view *view);

/* ---- names.c ---- */

enum { CN__ONNX_NAME = 201, CN__ONNX_PLAIN_NAME = 180 }; /* bytes; without what is put behind it */
/* What a node's layer is to be called: after its weights' names ("fc" for "fc.weight"), the module that it comes from
 * ("layer1.0.conv1" for "/layer1/layer1.0/conv1/Conv"), its own name, or its output's; values may be -1. */
void cn__onnx_layer_name(cn__onnx *onnx, const cn__onnx_node *node, int32_t weight, int32_t bias,
                         char name[CN__ONNX_NAME]);

/* Puts a number behind a name that is taken, or that a layer of the file's weights is to have. */
void cn__onnx_free_name(cn__onnx *onnx, bool has_weights, char name[CN__ONNX_NAME]);

/* ---- layers (layers.c) ---- */

/* Adds a layer, taken over also on failure, that reads `count` others; *made is its place. `name` NULL: after the node.
 * CN_ERR_UNSUPPORTED: they are more than a model file has. */
cn_status cn__onnx_add(cn__onnx *onnx, const cn__onnx_node *node, const char *name, cn_layer *layer, int count,
                       const int32_t *inputs, int32_t *made);
/* A layer of one input, `*layer`, which then is the new one: `*made`, what a constructor gave with `status`. */
cn_status cn__onnx_chain(cn__onnx *onnx, const cn__onnx_node *node, cn_status status, cn_layer *const *made,
                         int32_t *layer);
/* A layer of one input that is called after its weights, of which one may be -1. */
cn_status cn__onnx_add_after(cn__onnx *onnx, const cn__onnx_node *node, int32_t weight, int32_t bias, cn_layer *layer,
                             int32_t *at);
/* What becomes of a layer's tensor. CN_ERR_FORMAT: not as many numbers; CN_ERR_UNSUPPORTED: parameters that are far more
 * than the file has numbers, which many layers would share. */
cn_status cn__onnx_fill(cn__onnx *onnx, int32_t layer, int tensor, int32_t value, cn__onnx_how how, float factor);
/* Before cn_model_init: numbers that the program had in its code, and those that stand for what the file leaves out, do
 * not train; unless the file has all of its numbers among its nodes. Notes, in the log, parameters that several layers
 * read. */
cn_status cn__onnx_find_constants(cn__onnx *onnx);
cn_status cn__onnx_fill_all(cn__onnx *onnx);
/* A node's output is what a layer gives. */
void cn__onnx_give(cn__onnx *onnx, const cn__onnx_node *node, int output, cn__onnx_view view);
/* y = scale · x + shift, if that is not x. */
cn_status cn__onnx_affine(cn__onnx *onnx, const cn__onnx_node *node, double scale, double shift, int32_t *layer);
/* A border of `value`, or that mode; negative: cut off. Nothing where all are 0. */
cn_status cn__onnx_pad(cn__onnx *onnx, const cn__onnx_node *node, const int64_t top_left[2],
                       const int64_t bottom_right[2], cn_padding_mode mode, float value, int32_t *layer);

/* ---- windows of convolutions and pools (windows.c), by height and width; of one dimension the height is 1 ---- */

typedef struct cn__onnx_window {
    int64_t kernel[2], stride[2], dilation[2], begin[2], end[2]; /* begin, end: padding */
} cn__onnx_window;

/* A list for `sides` spatial dimensions, each at least `least`; where it is missing all are `fallback`. CN_ERR_FORMAT. */
cn_status cn__onnx_sides(const cn__onnx_node *node, const char *name, int sides, int64_t fallback, int64_t least,
                         int64_t to[2]);
/* Reads the attributes of a node that reads `in`; `kernel` is the weights' (NULL: kernel_shape). CN_ERR_FORMAT. */
cn_status cn__onnx_window_read(const cn__onnx_node *node, const cn__onnx_view *in, cn__shape shape,
                               const int64_t *kernel, cn__onnx_window *window);
static inline bool cn__onnx_window_is_even(const cn__onnx_window *window) { /* as much padding on both sides */
    return window->begin[0] == window->end[0] && window->begin[1] == window->end[1];
}

/* ---- operators ---- */

/* Makes layers of a node; fails with what is not covered about it. */
typedef cn_status cn__onnx_convert(cn__onnx *onnx, const cn__onnx_node *node);
/* NULL: none of that name (operators.c). */
cn__onnx_convert *cn__onnx_operator(cn__bytes op);

#endif
