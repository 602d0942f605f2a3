/* SPDX-License-Identifier: MIT */
/* activations.h: the layers that are functions of each element, as layers.def has them. */
#ifndef ACTIVATIONS_H
#define ACTIVATIONS_H

#include "network.h"

#define NO_KERNEL (-1)

typedef struct activation {
    net_kind kind;
    int kernel;            /* a cn__unary, or NO_KERNEL */
    const char *word;      /* in the grammar */
    const char *option[2]; /* there, of its parameters */
    double example[2];     /* values of those; 0: it has none */
    void (*parameters)(const net_layer *layer, double parameter[2]);
    cn_status (*make)(cn_context *ctx, double a, double b, cn_layer **made);
    double (*f)(double x, double a, double b), (*slope)(double x, double a, double b);
    double (*jump)(double x, double a, double b);
    double f_error, slope_error;
    double limits[4];
} activation;

extern const activation activations[];
extern const int activation_count;

/* NULL if it is another kind of layer. */
const activation *activation_of(net_kind kind);

/* Its words in the grammar, with the examples: " slope=0.125" behind. */
typedef struct activation_text {
    char text[64];
} activation_text;
activation_text activation_example(const activation *a);

#endif
