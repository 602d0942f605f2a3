/* SPDX-License-Identifier: MIT */
/* plan.h: plans, which run a model: compiled for a largest batch and a mode, with all memory that a pass needs. */
#ifndef CN_PLAN_H
#define CN_PLAN_H

#include "model/model.h"

#define CN__MAX_BATCH (1 << 24) /* images in one pass */

/* ---- plans (compile.c, plan_passes.c) ---- */

typedef struct cn__plan cn__plan;

typedef struct cn__plan_options {
    int32_t images;          /* the largest batch */
    int32_t batch;           /* of which that may be a part: algorithms are chosen for so many; 0: images */
    bool part;               /* it is one, of a batch that several processes share */
    bool training;           /* with a backward pass */
    bool input_gradient;     /* backward goes on to the model's inputs */
    bool copy_tensors;       /* parameters and buffers as they are now; the model may then change */
    bool nchw16c;            /* channels in the lanes, of a model that cn__plan_serves_nchw16c; when prepared it needs
                                the model's parameters no more. With a backward pass cn__plan_trains_nchw16c says so */
    bool ends;               /* with nchw16c: its inputs, outputs and their gradients have images in the lanes all the
                                same (ends.c); always with a backward pass */
    bool one_thread;         /* never run by more than one */
    const cn__shape *inputs; /* sizes of images, copied; NULL: the model's own */
    const bool *bypassed;    /* by node, read by cn__plan_new only: layers that hand on their input as it is, as an
                                Identity does; NULL: none */
    const cn__plan *share;   /* NULL, or a plan like this one that outlives it: its tensors and packed weights serve
                                both. With nchw16c it may be for another size */
    const cn__plan *tensors; /* the same for tensors alone, of a plan for another size */
} cn__plan_options;

/* Compiles the model: one arena, everything allocated. The model must stay as it is and outlive the plan. A plan
 * without a backward pass leaves the model const. */
cn_status cn__plan_new(const cn_model *model, const cn__plan_options *options, cn__plan **plan);
void cn__plan_free(cn__plan *plan);
size_t cn__plan_bytes(const cn__plan *plan);
/* Whether what is frozen is still what it was compiled for. */
bool cn__plan_is_current(const cn__plan *plan);

/* Where a pass reads its images (the caller writes interiors, zeros in unused lanes; forward does the border), leaves
 * its outputs, and reads their gradients (the caller writes the interiors of all, after forward; zeros in unused lanes).
 * By place among the model's inputs or outputs. */
const cn__fmap *cn__plan_input(const cn__plan *plan, int32_t index);
const cn__fmap *cn__plan_output(const cn__plan *plan, int32_t index);
const cn__fmap *cn__plan_output_gradient(const cn__plan *plan, int32_t index);
const cn__fmap *cn__plan_input_gradient(const cn__plan *plan, int32_t index);

/* Of an image's output. */
cn__shape cn__plan_output_shape(const cn__plan *plan, int32_t index);

/* Repacks weights: before a forward pass whenever parameters may have changed. */
void cn__plan_prepare(cn__plan *plan);
/* CN_ERR_SHAPE: a training pass over so many images would give batch norm one value a channel. */
cn_status cn__plan_check_batch(const cn__plan *plan, int32_t images);
/* CN_ERR_SHAPE: as cn__plan_check_batch has it. A function of a layer of the program's own may fail with any status. */
cn_status cn__plan_forward(cn__plan *plan, const cn__pass *pass);
cn_status cn__plan_backward(cn__plan *plan, const cn__pass *pass);
/* The backward pass cut into parts, for who does something with the gradients that are there while the rest still comes:
 * each ends behind ops whose parameters are `floats` or more together, or with the pass. `tensors`, by place in the model,
 * those of the first part first, are what a process has its own images' gradients of: what trains, but for what gives a
 * whole batch's (cn__layer_impl.gives_whole), unless `local`, with batch norm by a process's own images. */
typedef struct cn__backward_part {
    size_t first, end;                 /* instructions */
    size_t first_tensor, tensor_count; /* in `tensors` */
} cn__backward_part;
typedef struct cn__backward_parts {
    cn__backward_part *list;
    size_t count, capacity;
    int32_t *tensors;
    size_t tensor_count;
} cn__backward_parts;
cn_status cn__plan_backward_parts(const cn__plan *plan, size_t floats, bool local, cn__backward_parts *parts);
void cn__backward_parts_drop(cn_context *ctx, cn__backward_parts *parts);
/* cn__plan_backward, with `done` called on this thread as each part has ended. */
cn_status cn__plan_backward_in_parts(cn__plan *plan, const cn__pass *pass, const cn__backward_parts *parts,
                                     void (*done)(void *argument, size_t part), void *argument);
/* How the last pass ended, as an error of the thread that asks; CN_OK also before the first. */
cn_status cn__plan_outcome(const cn__plan *plan);
void cn__plan_forget_outcome(cn__plan *plan);
/* Runs forward again on the same inputs and says where it had the first output that is not finite; INT32_MAX if all are.
 * Of two places the lower one comes first; its layer's name, NULL for INT32_MAX. */
int32_t cn__plan_first_nonfinite(cn__plan *plan, const cn__pass *pass);
const char *cn__plan_place_name(const cn__plan *plan, int32_t place);

/* ---- inference (inference.c): blocks through a plan for each thread ---- */

/* What happens to block `block` of a pass before and after the model: `fill` writes its images for input `index`, and
 * zeros in lanes that spare images leave, into the only block of `input`; `take` reads output `index` from that of
 * `output`. Called for each input and output; blocks run on any threads. A block is 16 images, or one with nchw16c and
 * without ends. */
typedef struct cn__blocks {
    void (*fill)(void *argument, size_t block, int32_t index, const cn__fmap *input);
    void (*take)(void *argument, size_t block, int32_t index, const cn__fmap *output);
    void *argument;
} cn__blocks;

typedef struct cn__inference cn__inference;
typedef struct cn__inference_options {
    const cn__shape *inputs; /* as in cn__plan_options, as are: */
    const bool *bypassed;
    const cn__inference *share;   /* one with the same blocks */
    const cn__inference *tensors; /* one with copies */
    int32_t images;               /* of a pass, at most; where images do not depend on each other more are allowed */
    bool copy_tensors;            /* as in cn__plan_options, as are: */
    bool nchw16c, ends;
} cn__inference_options;
cn__shape cn__inference_output_shape(const cn__inference *inference, int32_t index);
cn_status cn__inference_new(const cn_model *model, const cn__inference_options *options, cn__inference **inference);
/* What an image gives depends on the others of its batch: batch norm without running statistics. */
bool cn__model_joins_images(const cn_model *model);
void cn__inference_free(cn__inference *inference);
void cn__inference_prepare(const cn__inference *inference); /* whenever parameters may have changed */
/* A function of a layer of the program's own may fail with any status. */
cn_status cn__inference_run(const cn__inference *inference, int32_t images, const cn__blocks *blocks);
/* Like cn__plan_first_nonfinite; does not call `take`. */
const char *cn__inference_first_nonfinite(const cn__inference *inference, int32_t images, const cn__blocks *blocks);

/* ---- what lies in the lanes (layout.c) ---- */

/* Whether all of its layers can be computed with channels in the lanes. */
bool cn__plan_serves_nchw16c(const cn_model *model, bool training);
/* Whether a plan with a backward pass for so many images has them there. */
bool cn__plan_trains_nchw16c(const cn_model *model, int32_t images);
/* Up to how many images a pass without a backward pass is done sooner so, one by one; 0: the model cannot. */
int32_t cn__nchw16c_limit(const cn_model *model);
/* Whether whole blocks of images are, too. */
bool cn__plan_tests_nchw16c(const cn_model *model);

/* ---- images of several sizes (size_cache.c) ---- */

#define CN__OTHER_SIZES 4

typedef struct cn__other_size {
    cn__shape *inputs;
    void *made;
} cn__other_size;

/* What has been made to run a model on images of its own size and of the others used last. */
typedef struct cn__size_cache {
    const cn_model *model;
    void (*release)(cn_context *ctx, void *made);
    cn__shape *shapes;                      /* of what is asked for, and of the others */
    void *own;                              /* NULL: not made yet */
    cn__other_size others[CN__OTHER_SIZES]; /* the one used last comes first */
    int32_t count;
} cn__size_cache;

cn_status cn__size_cache_init(cn__size_cache *sizes, const cn_model *model,
                              void (*release)(cn_context *ctx, void *made));
void cn__size_cache_drop(cn__size_cache *sizes);
/* Where the caller writes the inputs' sizes that the following two are about. */
cn__shape *cn__size_cache_asked(const cn__size_cache *sizes);
void *cn__size_cache_find(cn__size_cache *sizes); /* NULL: not made yet */
/* Takes over what has been made for them, releasing what was used the longest ago if there is too much. */
void cn__size_cache_keep(cn__size_cache *sizes, void *made);

/* ---- tensors of a pass (forward_backward.c) ---- */

/* CN_ERR_SHAPE unless `tensor` is what a model may read as input `index` for `images` images, whose size goes to
 * `size`; `what` names it in the message. */
cn_status cn__model_expect_input(const cn_model *model, int32_t index, const cn_tensor *tensor, const char *what,
                                 cn_dtype dtype, int64_t images, cn__shape *size);
/* The same for what it gives as output `index`, of that size. */
cn_status cn__model_expect_output(const cn_model *model, int32_t index, cn__shape size, const cn_tensor *tensor,
                                  const char *what, int64_t images);
/* CN_ERR_SHAPE unless the model has so many inputs and outputs. */
cn_status cn__model_expect_counts(const cn_model *model, const char *function, int64_t inputs, int64_t outputs);

#endif
