/* SPDX-License-Identifier: MIT */
/* tree.c: gradients of parameters as sums over the leaves of a batch; see tree.h. */
#include "layers/tree.h"
#include <string.h>

int32_t cn__tree_depth(int32_t leaves, bool part) {
    int32_t levels = 1;
    while (leaves > 1 << (levels - 1) && levels < CN__TREE_DEPTH / 2)
        levels++;
    return part ? 2 * levels : levels;
}

int32_t cn__tree_spans(const cn__pass *pass) {
    cn__tree tree = cn__tree_begin(pass);
    for (size_t leaf = 0; leaf < cn__pass_leaves(pass); leaf++) {
        cn__tree_push(&tree);
        while (cn__tree_merge(&tree))
            ;
    }
    return tree.count;
}

float *cn__span_gradient(const cn__op *op, const cn__pass *pass, int tensor, int32_t span) {
    const cn__together *with = pass->together;
    float *gradient = op->gradient[tensor];
    if (span == 0 || op->unread[tensor])
        return gradient;
    return with->more_gradients + (size_t)(span - 1) * with->gradient_floats + (gradient - with->gradients);
}

/* What a leaf's blocks have left, where the first has. */
static void sum_leaf(const cn__op *op, const cn__pass *pass, size_t leaf, size_t offset, size_t count) {
    size_t blocks = cn__leaf_blocks(op), first = leaf * blocks, end = first + blocks;
    for (size_t block = first + 1; block < end && block < (size_t)pass->blocks; block++)
        cn__add_floats(cn__saved(op, first) + offset, cn__saved(op, block) + offset, count);
}

void cn__sum_arrays(const cn__op *op, const cn__pass *pass, float *arrays, size_t stride, int tensor, size_t first,
                    size_t count) {
    float *at[CN__TREE_DEPTH];
    cn__tree tree = cn__tree_begin(pass);
    for (size_t leaf = 0; leaf < cn__pass_leaves(pass); leaf++) {
        cn__tree_push(&tree);
        at[tree.count - 1] = arrays + leaf * stride;
        while (cn__tree_merge(&tree))
            cn__add_floats(at[tree.count - 1], at[tree.count], count);
    }
    for (int32_t span = 0; span < tree.count; span++)
        /* cppcheck-suppress uninitvar ; each was set when it was pushed */
        memcpy(cn__span_gradient(op, pass, tensor, span) + first, at[span], count * sizeof **at);
}

void cn__sum_saved(const cn__op *op, const cn__pass *pass, size_t offset, int tensor, size_t first, size_t count) {
    for (size_t leaf = 0; leaf < cn__pass_leaves(pass); leaf++)
        sum_leaf(op, pass, leaf, offset, count);
    cn__sum_arrays(op, pass, op->saved + offset, cn__leaf_blocks(op) * op->block, tensor, first, count);
}

void cn__sum_leaves(const cn__op *op, const cn__pass *pass, int tensor, size_t index, cn__leaf_sum *leaf_sum) {
    float at[CN__TREE_DEPTH];
    cn__tree tree = cn__tree_begin(pass);
    for (size_t leaf = 0; leaf < cn__pass_leaves(pass); leaf++) {
        cn__tree_push(&tree);
        at[tree.count - 1] = (float)leaf_sum(op, pass, leaf, index);
        while (cn__tree_merge(&tree))
            at[tree.count - 1] += at[tree.count];
    }
    for (int32_t span = 0; span < tree.count; span++)
        /* cppcheck-suppress uninitvar ; the same */
        cn__span_gradient(op, pass, tensor, span)[index] = at[span];
}
