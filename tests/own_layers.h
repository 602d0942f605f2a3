/* SPDX-License-Identifier: MIT */
/* own_layers.h: layers that a program computes itself, for tests of them: y = scale_c · x + shift_c, "test.Affine"; the
 * sum of two or three inputs, "test.Sum"; every second pixel, "test.EverySecond". */
#ifndef OWN_LAYERS_H
#define OWN_LAYERS_H

#include "pieces.h"

typedef struct own_affine {
    int num_channels;
    float scale; /* that it begins with */
    int shifts;
} own_affine;

enum { OWN_AFFINE_OPTIONS = 3 };
extern const cn_layer_option own_affine_options[OWN_AFFINE_OPTIONS];

/* What functions are told by `user`, and what they are to do. */
typedef struct own_orders {
    cn_status forward, backward, shape; /* to return, from the call with an image that begins with `trigger` on */
    float trigger;
    int parameters;   /* to claim; 0: the right number */
    int64_t channels; /* of the output; 0: the right number */
    int released;
} own_orders;
extern own_orders own_given; /* of the running test, which has a process of its own */

cn_layer_definition own_affine_definition(own_orders *given);

/* Tells a context of all three. */
void own_register(cn_context *context);

/* What tests begin with: the orders of before forgotten, and a context that knows all three, or none. */
void own_begin(void);
void own_begin_bare(void);

/* ---- models ---- */

cn_layer *own_layer(cn_context *context, const char *type, const void *options);

/* 3×7×6 → affine "a" → padded convolution "b" → affine without shift "c"; a + b + c "d" → every second pixel of 1×1
 * windows "e" → padded convolution "f". The library's layers in place of all that are not convolutions if not `ours`. */
cn_model *own_network(cn_context *context, bool ours);
enum { OWN_IN = 3 * 7 * 6, OWN_OUT = 2 * 4 * 3 };

/* What the library's layers call a parameter of ours. */
const char *own_library_name(const char *name);
void own_copy_parameters(cn_model *ours, cn_model *library);

/* Batch norm → affine "own" → flatten → linear → log-softmax, for toy data. */
cn_model *own_classifier(void);

/* ---- one pass in both directions: all that goes in and comes out ---- */

typedef struct own_pass {
    cn_tensor *input, *output, *grad_output, *grad_input;
} own_pass;
own_pass own_pass_new(cn_context *context, cn_model *model, int64_t count);
void own_pass_free(own_pass *r);

void own_noise(cn_tensor *tensor, uint32_t seed);
void own_expect_close(const cn_tensor *a, const cn_tensor *b, const char *what);

#endif
