/* SPDX-License-Identifier: MIT */
/* reference_layers.h: between reference.c, which runs passes, and reference_layers.c, which knows the layers. */
#ifndef REFERENCE_LAYERS_H
#define REFERENCE_LAYERS_H

#include "reference.h"
#include "tape.h"

/* One pass as it goes on. */
typedef struct net_run {
    tape tape;
    const network *net;
    net_pass *pass;
    number *value[NET_MAX_LAYERS + 1]; /* [N, C, H, W] of each layer; 0: the input */
    number *tensor[NET_MAX_TENSORS];
    net_jumps jumps;
    bool tracks; /* running statistics, as training does */
} net_run;

/* A layer being computed. */
typedef struct net_step {
    net_run *run;
    const net_layer *layer;
    int id;
    net_shape in, out;
    const number *x;
    number *y;
} net_step;

/* ---- what all layers are computed with ---- */

static inline double net_value_of(const net_step *s, number n) {
    return s->run->tape.value[n];
}

static inline size_t net_at(net_shape shape, int n, int c, int y, int x) {
    return (((size_t)n * (size_t)shape.channels + (size_t)c) * (size_t)shape.height + (size_t)y) * (size_t)shape.width +
           (size_t)x;
}

static inline void net_near_jump(net_run *r, double distance) {
    if (distance == 0.0)
        r->jumps.met = true;
    else if (distance < r->jumps.nearest)
        r->jumps.nearest = distance;
}

/* Whether the layer computes as in training. */
static inline bool net_trains(const net_step *s) {
    return s->run->net->training && !s->layer->frozen;
}

static inline const number *net_tensor_of(const net_step *s, int what) {
    for (int t = s->layer->first_tensor; t < s->layer->first_tensor + s->layer->tensors; t++)
        if (s->run->net->tensor[t].what == what)
            return s->run->tensor[t];
    return NULL;
}

/* y = f(x) with f'(x) = slope. */
static inline number net_function(const net_step *s, number x, double value, double slope) {
    tape_term(&s->run->tape, x, slope);
    return tape_number(&s->run->tape, value);
}

/* Adds a · b to a sum that is being made, and returns it. */
static inline double net_product(const net_step *s, number a, number b) {
    double x = net_value_of(s, a), w = net_value_of(s, b);
    tape_term(&s->run->tape, a, w);
    tape_term(&s->run->tape, b, x);
    return x * w;
}

/* ---- one output of a layer with windows, at an image, channel, row and column (reference_windows.c) ---- */

number net_conv2d_at(const net_step *s, int n, int c, int y, int x);
number net_conv_transpose2d_at(const net_step *s, int n, int c, int y, int x);
number net_max_at(const net_step *s, int n, int c, int y, int x);
number net_avg_at(const net_step *s, int n, int c, int y, int x);
number net_adaptive_max_at(const net_step *s, int n, int c, int y, int x);
number net_adaptive_at(const net_step *s, int n, int c, int y, int x);
/* The place in the image that place `i` of the padded one shows; -1: a zero. */
int net_source(int i, int size, int mode);

/* Computes the step's outputs. */
void net_compute(const net_step *s);

#endif
