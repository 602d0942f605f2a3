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

/* Computes the step's outputs. */
void net_compute(const net_step *s);

#endif
