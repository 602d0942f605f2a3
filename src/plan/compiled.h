/* SPDX-License-Identifier: MIT */
/* compiled.h: the inside of a plan, shared by compile.c (makes one), fusion.c (finds what is computed together),
 * lifetimes.c and arena.c (place memory), execute.c (shares instructions out between threads) and plan_passes.c (runs passes).
 *
 * Values are numbered from 0, the model's first input; value n + 1 is the output of node n, which for a node of type
 * Input the caller writes. Time runs 0 (inputs written),
 * 1 … U (fused ops forward), U + 1 (loss), U + 2 … 2U + 1 (fused ops backward, last first).
 */
#ifndef CN_COMPILED_H
#define CN_COMPILED_H

#include "plan/arena.h"
#include "plan/plan.h"

/* One layer, or one with what follows it, bound to memory: a norm with its add, ReLU and dropout; for inference also a
 * convolution with its norm, add and ReLU. */
typedef struct cn__fused_op {
    cn__op op;
    const cn__layer_impl *impl; /* how the head computes */
    int32_t head, last;         /* nodes: the layer that computes, and the one whose value comes out */
    int32_t skip;               /* value that a fused add reads; -1: none */
    int32_t folded;             /* norm that has gone into the weights; -1: none */
    int32_t pool;               /* max pool behind a convolution; -1: none */
    const cn__fmap **in;
    cn__fmap **d_in;
    bool *accumulate;
    cn__fmap *copies; /* per input: a copy with a border of another kind than the value's; data NULL: none */
    cn__requirements requirements;
    bool backward;                             /* its output's gradient is wanted */
    float *unread;                             /* memory for gradients of frozen parameters */
    size_t first_instruction, end_instruction; /* in the plan's forward list */
    size_t end_backward;                       /* in its backward list */
} cn__fused_op;

/* A stage of a fused op; or, stage NULL, the border of the map `to`, which no layer writes: its interior is first
 * copied from `from`, if that is not NULL. */
typedef struct cn__instruction {
    const cn__stage *stage;
    const cn__op *op;
    const cn__fmap *from, *to;
    const cn__kernels *kernels;
    const cn__node *node; /* for whom; NULL: an input of the model */
    bool serial;          /* not worth sharing out between threads */
    size_t items;         /* of all blocks, while it runs together with others */
} cn__instruction;

typedef struct cn__instructions {
    cn_pass pass;
    cn__instruction *list;
    size_t count, capacity;
} cn__instructions;

/* An input or output as callers know it, with images in the lanes. */
typedef struct cn__end {
    cn__fmap value, gradient;
} cn__end;

struct cn__plan {
    const cn_model *model;
    cn_context *ctx;
    cn__plan_options options;
    uint32_t freezes; /* the model's, by which it was compiled */
    int32_t max_blocks;
    cn__shape *shapes; /* by value */
    cn__fused_op *fused_ops;
    int32_t fused_op_count;
    cn__fmap *values, *gradients; /* by value; data NULL: fused away or not wanted */
    int32_t *inputs, *outputs;    /* values */
    int32_t input_count, output_count;
    cn__end *ends;  /* of inputs, then outputs; NULL: callers see values and gradients themselves */
    void **tensors; /* by place in the model: what the layers read, the model's own memory or a part of `copies` */
    char *copies;   /* NULL: none */
    cn__instructions prepare, forward, backward;
    bool serial; /* all instructions are */
    cn__failure failure;
    float *blocks; /* each block has memory of its own, so that one can be layers ahead of another */
    float *shared;
    float *scratch; /* of each thread */
    size_t block_floats, shared_floats, scratch_floats;
};

/* Of a node's output. */
static inline cn__shape cn__plan_shape(const cn__plan *plan, int32_t node) {
    return plan->shapes[node + 1];
}

/* While it is compiled: whether a node hands on its input as it is. */
static inline bool cn__plan_is_identity(const cn__plan *plan, int32_t node) {
    return plan->model->nodes[node].layer->type->kind == CN__KIND_IDENTITY ||
           (plan->options.bypassed && plan->options.bypassed[node]);
}

/* ---- fusion.c ---- */

/* Finds the fused ops of plan->model, in the order they run; fills head, last, skip and the fused part. `wanted`, by
 * value: its gradient is. */
cn_status cn__fusion_find(cn__plan *plan, const bool *wanted);

/* ---- plan_tensors.c ---- */

/* Fills plan->tensors, and copies as the options say. */
cn_status cn__plan_tensors(cn__plan *plan);

/* ---- ends.c ---- */

/* plan->ends, if the options say so. */
cn_status cn__ends_make(cn__plan *plan);
/* Bring in the inputs, bring out the outputs; the same for gradients. Nothing without ends. */
void cn__ends_read_inputs(const cn__plan *plan, const cn__pass *pass);
void cn__ends_write_outputs(const cn__plan *plan, const cn__pass *pass);
void cn__ends_read_gradients(const cn__plan *plan, const cn__pass *pass);
void cn__ends_write_gradients(const cn__plan *plan, const cn__pass *pass);

/* ---- plan_passes.c ---- */

/* A pass as the plan's blocks are. */
cn__pass cn__plan_own_pass(const cn__plan *plan, const cn__pass *pass);

/* ---- execute.c ---- */

/* Backward stages that run before what the op behind has left for soon: local ones that a global one follows. */
size_t cn__stages_ahead(const cn__layer_impl *impl);

cn_status cn__instructions_make(cn__plan *plan);
void cn__instructions_drop(cn__plan *plan);
/* Runs instructions first … end - 1 of one of the plan's lists, the deferred ones last. */
void cn__instructions_run(const cn__plan *plan, const cn__instructions *instructions, size_t first, size_t end,
                          const cn__pass *pass);

#endif
