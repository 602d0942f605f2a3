/* SPDX-License-Identifier: MIT */
/* convolution_algorithms.c: the ways to compute a convolution, best first; each pass takes the first that applies. */
#include "layers/conv/convolution.h"

static const cn__conv_algorithm *const algorithms[] = {
    &cn__convolution_winograd,
    &cn__convolution_gemm,
    &cn__convolution_direct,
};

const cn__conv_algorithm *cn__convolution_choose(const cn__conv_problem *problem, cn__conv_pass pass) {
    const cn__conv_algorithm *const *next = algorithms;
    if (problem->layer->type->kind == CN__KIND_CONV_TRANSPOSE2D) /* begins with biases where others write */
        return &cn__convolution_direct;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): the last always applies */
    while (!(*next)->applies(problem, pass))
        next++;
    return *next;
}

const char *cn__convolution_algorithm(const cn__op *op, cn__conv_pass pass) {
    const cn__conv_geometry *g = op->geometry;
    return g->algorithm[pass]->name;
}
