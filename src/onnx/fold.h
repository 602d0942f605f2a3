/* SPDX-License-Identifier: MIT */
/* fold.h: computing nodes whose inputs are all known (fold.c; fold_rearrange.c). */
#ifndef CN_ONNX_FOLD_H
#define CN_ONNX_FOLD_H

#include "onnx/importer.h"

typedef struct cn__folding cn__folding;

/* How an operator is computed; what computes a number goes with those that go number by number. */
typedef struct cn__fold_rule {
    const char *op;
    void (*fold)(cn__folding *f);
    double (*binary)(double, double);
    double (*unary)(double);
} cn__fold_rule;

/* A node, whose inputs are all known and the first is there, but for a source. `out` stays NULL: it cannot be computed
 * here, or there is no memory, which whoever wants it later notices. */
struct cn__folding {
    cn__onnx *onnx;
    const cn__onnx_node *node;
    const cn__fold_rule *rule;
    const cn__onnx_constant *in[4]; /* the first ones; NULL: left out */
    int count;
    cn__onnx_constant *out;
};

void cn__fold_gather(cn__folding *f);
void cn__fold_concat(cn__folding *f);
void cn__fold_slice(cn__folding *f);
void cn__fold_transpose(cn__folding *f);
void cn__fold_unsqueeze(cn__folding *f);
void cn__fold_squeeze(cn__folding *f);
void cn__fold_reshape(cn__folding *f);

/* An index of `count`, which may count from the end, no less than `least` and no more than `most`. */
int64_t cn__fold_place(int64_t index, int64_t count, int64_t least, int64_t most);

#endif
