/* SPDX-License-Identifier: MIT */
/* tree.h: sums over the images of a batch. 16 images, in the batch's order, are a *leaf*, whatever lies in the lanes; leaves
 * are added up as a binary tree: neighbours 0 and 1, 2 and 3 …, then pairs 0 and 1, … What is left over at the end goes
 * up by itself. Which images are at hand, and where, plays no part in it: a process that has some of the leaves adds up
 * what it can, which leaves *spans*, and processes that exchange these come to the same sums as one that has all. */
#ifndef CN_TREE_H
#define CN_TREE_H

#include "layers/layers.h"

/* A sum under way, leaf by leaf:
 *
 *     cn__tree tree = cn__tree_begin(pass);
 *     for (size_t leaf = 0; leaf < cn__pass_leaves(pass); leaf++) {
 *         cn__tree_push(&tree);
 *         at[tree.count - 1] = …;
 *         while (cn__tree_merge(&tree))
 *             at[tree.count - 1] += at[tree.count];
 *     }
 *
 * leaves pass->spans sums in `at`, one where the pass has the whole batch. */
typedef struct cn__tree {
    int32_t end, all, count; /* leaves seen, counted from the batch's first; all that it has; spans at hand */
    int32_t begin[CN__TREE_DEPTH];
} cn__tree;

static inline cn__tree cn__tree_begin(const cn__pass *pass) {
    const cn__together *with = pass->together;
    return with ? (cn__tree){.end = with->first_leaf, .all = with->leaves}
                : (cn__tree){.all = (int32_t)cn__pass_leaves(pass)};
}

/* The same over the spans of all processes, each of which is pushed as a whole. */
static inline cn__tree cn__tree_of_spans(const cn__together *with) {
    return (cn__tree){.all = with->leaves};
}
static inline void cn__tree_push_span(cn__tree *tree, const cn__span *span) {
    tree->begin[tree->count++] = span->begin;
    tree->end = span->end;
}

static inline void cn__tree_push(cn__tree *tree) {
    tree->begin[tree->count++] = tree->end++;
}

/* Whether the last two spans are neighbours that belong together; the two are one then. */
static inline bool cn__tree_merge(cn__tree *tree) {
    if (tree->count < 2)
        return false;
    int32_t first = tree->begin[tree->count - 2], size = tree->begin[tree->count - 1] - first;
    int32_t end = first + 2 * size < tree->all ? first + 2 * size : tree->all;
    bool pair = first % (2 * size) == 0 && tree->end == end;
    tree->count -= pair;
    return pair;
}

/* How many spans there are in the end. */
int32_t cn__tree_spans(const cn__pass *pass);
/* Spans that are at hand at most while so many leaves are added up; `part`: of a batch that begins before them. */
int32_t cn__tree_depth(int32_t leaves, bool part);

/* Where a span's sum of a parameter's gradient goes. */
float *cn__span_gradient(const cn__op *op, const cn__pass *pass, int tensor, int32_t span);

/* Elements first … first + count - 1 of a parameter's gradient from what blocks have left at `offset` of their saved
 * memory, which is used up. */
void cn__sum_saved(const cn__op *op, const cn__pass *pass, size_t offset, int tensor, size_t first, size_t count);

/* The same from arrays of the leaves, `stride` floats apart, which are used up. */
void cn__sum_arrays(const cn__op *op, const cn__pass *pass, float *arrays, size_t stride, int tensor, size_t first,
                    size_t count);

/* Element `index` of a parameter's gradient, from what `leaf_sum` says of each leaf. */
typedef double cn__leaf_sum(const cn__op *op, const cn__pass *pass, size_t leaf, size_t index);
void cn__sum_leaves(const cn__op *op, const cn__pass *pass, int tensor, size_t index, cn__leaf_sum *leaf_sum);

/* sums[i] += more[i]. */
static inline void cn__add_floats(float *restrict sums, const float *restrict more, size_t count) {
    for (size_t i = 0; i < count; i++)
        sums[i] += more[i];
}

/* Blocks first … of a leaf: one, or where channels lie in the lanes 16 or as many as there are. */
static inline size_t cn__leaf_blocks(const cn__op *op) {
    return op->out->lane_channels ? CN__LANES : 1;
}

#endif
