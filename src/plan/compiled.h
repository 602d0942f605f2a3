/* compiled.h: the inside of a plan, shared by plan.c (compiles one), units.c (fuses), arena.c (places) and run.c (runs).
 *
 * Values are numbered from 0, the model's input; value n + 1 is the output of node n. Time runs 0 (input written),
 * 1 … U (units forward), U + 1 (loss), U + 2 … 2U + 1 (units backward, last first).
 */
#ifndef CN_PLAN_H
#define CN_PLAN_H

#include "model/model.h"

/* One layer, or one with what follows it, bound to memory: a norm with its add, ReLU and dropout; for inference also a
 * convolution with its norm, add and ReLU. */
typedef struct cn__unit {
    cn__work work;
    const cn__layer_ops *ops; /* how the head computes */
    int32_t head, last;       /* nodes: the layer that computes, and the one whose value comes out */
    int32_t skip;             /* value that a fused add reads; -1: none */
    int32_t folded;           /* norm that has gone into the weights; -1: none */
    int32_t pool;             /* max pool behind a convolution; -1: none */
    const cn__map **in;
    cn__map **d_in;
    bool *accumulate;
    cn__map *copies; /* per input: a copy with a border of another kind than the value's; data NULL: none */
    cn__demand demand;
    bool backward;               /* its output's gradient is wanted */
    size_t first_step, end_step; /* in the plan's forward list */
} cn__unit;

/* A phase of a unit; or, phase NULL, the border of a map that no layer writes, its interior copied first if `from`. */
typedef struct cn__step {
    const cn__phase *phase;
    const cn__work *work;
    const cn__map *from, *to;
    const cn__kernels *kernels;
    const cn__node *node; /* for whom; NULL: the model's input */
    bool brief;           /* not worth sharing out between threads */
} cn__step;

typedef struct cn__steps {
    cn_pass pass;
    cn__step *list;
    size_t count, capacity;
} cn__steps;

struct cn__plan {
    const cn_model *model;
    cn_context *ctx;
    cn__plan_options options;
    int32_t max_blocks;
    cn__unit *units;
    int32_t unit_count;
    cn__map *values, *gradients; /* by value; data NULL: fused away or not wanted */
    void **tensors;              /* by slot: what the layers read, the model's own memory or a part of `copies` */
    char *copies;                /* NULL: none */
    cn__steps prepare, forward, backward;
    bool brief;    /* all steps are */
    float *blocks; /* each block has memory of its own, so that one can be layers ahead of another */
    float *shared;
    float *scratch; /* of each thread */
    size_t block_floats, shared_floats, scratch_floats;
};

/* ---- units.c ---- */

/* Finds the units of plan->model, in the order they run; fills head, last, skip and the fused part. */
cn_status cn__units_find(cn__plan *plan);

/* ---- plan_tensors.c ---- */

/* Fills plan->tensors, and copies as the options say. */
cn_status cn__plan_tensors(cn__plan *plan);

/* ---- steps.c ---- */

cn_status cn__steps_make(cn__plan *plan);
void cn__steps_drop(cn__plan *plan);
/* Runs steps first … end - 1 of one of the plan's lists, the deferred ones last. */
void cn__steps_run(const cn__plan *plan, const cn__steps *steps, size_t first, size_t end, const cn__run *run);

/* ---- arena.c: memory shared by buffers that are not alive together ---- */

typedef struct cn__buffer {
    size_t floats;
    int32_t first, last; /* times */
    float **target;      /* gets the address + origin; stays as it is if floats is 0 */
    size_t origin;
    size_t offset; /* the result */
} cn__buffer;

typedef struct cn__arena {
    cn_context *ctx;
    cn__buffer *buffers;
    size_t count, capacity;
} cn__arena;

cn_status cn__arena_add(cn__arena *arena, size_t floats, int32_t first, int32_t last, float **target, size_t origin);
/* Places all buffers, allocates `*memory` for `copies` of the whole, `*floats` each, and fills the targets. */
cn_status cn__arena_place(cn__arena *arena, size_t copies, float **memory, size_t *floats);
void cn__arena_drop(cn__arena *arena);

#endif
