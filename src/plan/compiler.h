/* SPDX-License-Identifier: MIT */
/* compiler.h: what compiling a plan needs while it lasts, shared by compile.c and lifetimes.c. */
#ifndef CN_COMPILER_H
#define CN_COMPILER_H

#include "plan/compiled.h"

/* What compiling needs besides the plan, per value. */
typedef struct cn__compiler {
    cn__plan *plan;
    cn__arena blocks, shared; /* memory of a block, and of all */
    bool *wanted;             /* the value's gradient is */
    bool *unstored;           /* its only reader makes it by itself */
    bool *written;            /* an earlier writer of its gradient is known */
    int32_t *value_last, *value_first, *gradient_first, *gradient_last;
    int32_t *gradient_home; /* the value in whose gradient's memory its own lies */
    int32_t (*pad)[2];
    cn_padding_mode *mode;
} cn__compiler;

static inline void cn__extend(int32_t *last, int32_t time) {
    if (*last < time)
        *last = time;
}

static inline const cn__node *cn__head_node(const cn__plan *plan, const cn__fused_op *fused) {
    return &plan->model->nodes[fused->head];
}

static inline bool cn__wants_border(const cn__fused_op *fused) {
    return fused->requirements.pad[0] > 0 || fused->requirements.pad[1] > 0;
}

/* A reader whose border is of another mode than the value's reads a copy. */
static inline bool cn__needs_copy(const cn__compiler *c, const cn__fused_op *fused, int32_t value) {
    return cn__wants_border(fused) && c->mode[value] != fused->requirements.mode;
}

/* The norm that is the only reader of a convolution's output and may want its moments, or NULL (lifetimes.c). */
cn__fused_op *cn__norm_behind(const cn__plan *plan, const cn__fused_op *fused);

/* Finds when each value and gradient is alive, and gives all of them, and what ops asked for besides, a place (lifetimes.c).
 */
cn_status cn__plan_memory(cn__compiler *compiler);

#endif
