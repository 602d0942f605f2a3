/* SPDX-License-Identifier: MIT */
/* network.h: small networks written as text, and one pass through them.
 *
 * One grammar serves golden files, random cases and messages, so that every failure can be repeated from its line:
 *
 *     train 17x3x7x9 | conv2d out=8 kernel=3x3 padding=1 mode=replicate | relu | add @1 @2
 *
 * is a training pass over 17 images of 3×7×9. Layers are counted from 1 and read the one before them, or those after
 * the @ signs; @0 is the input. An option that is a pair may be given as one number. golden/README.md has the list of
 * layers and options, and how inputs and parameters come out of a formula. */
#ifndef NETWORK_H
#define NETWORK_H

#include <convnet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_MAX_LAYERS  64
#define NET_MAX_INPUTS  4
#define NET_MAX_TENSORS (2 * NET_MAX_LAYERS)
#define NET_TEXT        2000

typedef enum net_kind {
#define LAYER(KIND, word) NET_##KIND,
#include "layers.def"
    NET_KINDS
} net_kind;

typedef struct net_shape {
    int channels, height, width;
} net_shape;

typedef struct net_layer {
    net_kind kind;
    int inputs, input[NET_MAX_INPUTS];
    int kernel[2], stride[2], padding[2], dilation[2], out[2]; /* out: channels, features, or the size it pools to */
    int groups, bias, mode, affine, running, ceil, include_pad, divisor;
    int to[3], factor, pad[4], weights; /* to: channels, height, width; pad: left, right, top, bottom */
    int start, length;                  /* narrow */
    int size;                           /* local_response_norm, with alpha, beta and */
    double k;
    int bilinear, corners; /* upsample */
    double by[2];          /* upsample: 0: to the size `out` */
    int output_padding[2]; /* conv_transpose2d */
    double eps, momentum, slope, p, alpha, min_val, max_val, beta, threshold, value, times, plus;
    bool frozen;     /* no part of the grammar: tests set it */
    net_shape shape; /* of its output */
    int first_tensor, tensors;
} net_layer;

/* What a tensor is; also its number in the formula. */
enum { NET_WEIGHT, NET_BIAS, NET_RUNNING_MEAN, NET_RUNNING_VAR, NET_TRACKED };

typedef struct net_tensor {
    char name[40]; /* "1.weight" */
    int layer, what;
    size_t count;
} net_tensor;

typedef struct network {
    char text[NET_TEXT];
    int training, batch;
    double scale, shift; /* of the input */
    int levels;          /* the input has only so many values between 0 and 1; 0: no matter */
    unsigned seed;
    bool no_input_gradient; /* nobody asks for it; no part of the grammar either */
    int layers;             /* layer[0] stands for the input */
    net_layer layer[NET_MAX_LAYERS + 1];
    int tensors;
    net_tensor tensor[NET_MAX_TENSORS];
} network;

/* Reads a text and finds all shapes. 0, or -1 if the sizes do not fit together; a text outside the grammar aborts the
 * test. */
int network_parse(network *net, const char *text);
/* The same; the test fails if they do not fit. */
network network_of(const char *text);

/* Multiply-adds of one image through all windows: what a naive pass costs. */
double network_cost(const network *net);

static inline int net_is_parameter(const net_tensor *tensor) {
    return tensor->what == NET_WEIGHT || tensor->what == NET_BIAS;
}

static inline size_t net_size(net_shape shape) {
    return (size_t)shape.channels * (size_t)shape.height * (size_t)shape.width;
}

/* ---- one pass: what goes in and what comes out, laid out as in PyTorch ---- */

typedef struct net_pass {
    size_t inputs, outputs; /* values of the whole batch */
    double *input, *output, *grad_output, *grad_input;
    double *tensor[NET_MAX_TENSORS];   /* given; running statistics: also changed */
    double *gradient[NET_MAX_TENSORS]; /* of parameters */
    uint64_t seed;                     /* dropout: of the model */
    unsigned step;                     /* dropout: training passes before this one */
} net_pass;

/* Memory for a pass of net->batch images, with all that goes in filled by the formula. */
net_pass *net_pass_new(const network *net);
net_pass *net_pass_copy(const network *net, const net_pass *pass); /* of what goes in */
void net_pass_free(net_pass *pass);

/* The formula: the value in [-1, 1), a multiple of 2^-15, at place `i` of the array called `tag`. */
double net_value(unsigned tag, size_t i);

/* ---- the library's side ---- */

/* A context for one way of computing. */
typedef struct net_way {
    int threads;
    cn_conv_algorithm algorithm;
    cn_isa isa;
    cn_layout layout;
} net_way;
cn_context *net_context_of(net_way way);
cn_context *net_context(int threads, cn_conv_algorithm algorithm, cn_isa isa); /* CN_LAYOUT_AUTO */

/* The layer by itself, and its way into a model, where it is called by its number: for tests of failures. */
cn_status net_layer_new(cn_context *context, const network *net, int layer, cn_layer **made);
cn_status net_layer_add(cn_model *model, const network *net, int layer, cn_layer *made);

/* An initialised model with all its layers; the test fails if the library refuses. */
cn_model *net_make_model(cn_context *context, const network *net, uint64_t seed);

/* Sets the model's tensors as the pass says, runs it forward and, in training, backward, and fetches all results. */
void net_run_model(cn_context *context, cn_model *model, const network *net, net_pass *pass);

/* A model, one pass, and away with it. */
void net_run_library(cn_context *context, const network *net, net_pass *pass);

#endif
