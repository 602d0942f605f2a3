/* model.h: graphs of layers, their parameters, and plans that run them. */
#ifndef CN_MODEL_H
#define CN_MODEL_H

#include "layers/layers.h"

#define CN__MAX_BATCH (1 << 24) /* images in one pass */

/* A layer in a model. Node i reads nodes before it; input -1 is the model's input. */
typedef struct cn__node {
    char *name;
    cn_layer *layer;
    int32_t *inputs;
    int32_t input_count;
    int32_t readers;                    /* nodes that read it */
    cn__shape shape;                    /* of its output */
    int32_t first_tensor, tensor_count; /* in cn_model.tensors, after cn_model_init */
} cn__node;

/* A parameter or buffer. Parameters lie in one flat array, each from a 64-byte line of its own. */
typedef struct cn__slot {
    char *name;         /* "cblock1.0.convlayer.weight" */
    cn_tensor value;    /* borrowed views */
    cn_tensor gradient; /* data NULL: a buffer */
    bool parameter;
} cn__slot;

typedef struct cn__plan cn__plan;

struct cn_model {
    cn_context *ctx;
    cn__shape input;
    cn__node *nodes;
    size_t node_count, node_capacity;
    bool initialized;
    uint64_t seed;
    cn__slot *slots;
    size_t slot_count;
    float *parameters, *gradients; /* flat, flat_count floats, a multiple of 16; gaps are zero */
    size_t flat_count;
    int64_t *counters; /* int64 buffers, counter_count of them */
    float *buffers;    /* float32 buffers, flat like the parameters: buffer_count floats, a multiple of 16 */
    size_t counter_count, buffer_count;
    float *mean, *std; /* per input channel, or NULL */
    char **class_names;
    int64_t class_count;
    cn__plan *plan; /* of cn_model_forward and cn_model_backward */
    int32_t plan_images;
    uint32_t *places; /* 0 … plan_images - 1: what dropout knows images by in a loop of one's own */
    uint32_t passes;  /* training passes so far */
    bool can_go_back; /* the last forward pass was a training one, and backward has not used it up */
    cn__run last_run;
};

/* -1: the input; -2: no such node. */
int32_t cn__model_find(const cn_model *model, const char *name);
const char *cn__model_name(const cn_model *model, int32_t node); /* "input" for -1 */
cn__shape cn__model_shape(const cn_model *model, int32_t node);  /* of node's output; -1: the input */
/* CN_ERR_STATE unless cn_model_init has been called; `function` for the message. */
cn_status cn__model_ready(const cn_model *model, const char *function);
/* Appends layer after the last node under a printf-formatted name; takes the layer over. For zoo/. */
cn_status cn__model_append(cn_model *model, cn_layer *layer, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* CN_ERR_SHAPE unless `tensor` is `images` inputs (outputs) of the model; `what` names it in the message (passes.c). */
cn_status cn__model_expect_input(const cn_model *model, const cn_tensor *tensor, const char *what, cn_dtype dtype,
                                 int64_t images);
cn_status cn__model_expect_output(const cn_model *model, const cn_tensor *tensor, const char *what, int64_t images);

/* ---- descriptions (receptive_field.c, summary.c, columns.c) ---- */

/* What a node sees of the image, by height. */
typedef struct cn__field {
    bool present; /* a convolution or pool, whose window this is; else it only hands on what comes in */
    cn__window window;
    int64_t rf_in, jump_in, rf_out, jump_out;
} cn__field;
/* One for each node; to be freed with cn__free. */
cn_status cn__receptive_fields(const cn_model *model, cn__field **fields);

static inline int64_t cn__add_capped(int64_t a, int64_t b) {
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* Lines of at most 10 cells that end with tabs, the last with a newline, as a table in which each column is as wide as
 * its widest cell. `alignment` has '<' or '>' for each column; a line "-" becomes a rule. Consumes `cells`. */
cn_status cn__columns(cn__text *cells, const char *alignment, char **table);

/* 47818 as "47,818", somewhere in the buffer; value >= 0. */
#define CN__GROUPED_TEXT 32
const char *cn__grouped(char text[CN__GROUPED_TEXT], int64_t value);

/* ---- plans (plan.c, run.c) ---- */

typedef struct cn__plan_options {
    int32_t images;      /* the largest batch */
    bool training;       /* with a backward pass */
    bool input_gradient; /* backward goes on to the model's input */
    bool copy_tensors;   /* parameters and buffers as they are now; the model may then change */
    bool channel_lanes;  /* one image, with channels in the lanes, of a model that cn__plan_serves_channels; when
                            prepared it needs the model's parameters no more */
    const cn__plan
        *share; /* NULL, or a plan like this one that outlives it: its tensors and packed weights serve both */
} cn__plan_options;

/* Compiles the model: one arena, everything allocated. The model must stay as it is and outlive the plan. A plan
 * without a backward pass leaves the model const. */
cn_status cn__plan_new(const cn_model *model, const cn__plan_options *options, cn__plan **plan);
bool cn__plan_serves_channels(const cn_model *model);
void cn__plan_free(cn__plan *plan);
size_t cn__plan_bytes(const cn__plan *plan);

/* Where a pass reads its images (the caller writes interiors, zeros in unused lanes; forward does the border), leaves
 * its output, and reads the output's gradient (the caller writes interiors; zeros in unused lanes). */
const cn__map *cn__plan_input(const cn__plan *plan);
const cn__map *cn__plan_output(const cn__plan *plan);
const cn__map *cn__plan_output_gradient(const cn__plan *plan);
const cn__map *cn__plan_input_gradient(const cn__plan *plan);

/* Repacks weights: before a forward pass whenever parameters may have changed. */
void cn__plan_prepare(cn__plan *plan);
/* CN_ERR_SHAPE: batch norm in training with one value a channel. */
cn_status cn__plan_forward(cn__plan *plan, const cn__run *run);
void cn__plan_backward(cn__plan *plan, const cn__run *run);
/* Runs forward again on the same input and names the first layer whose output is not finite; NULL if all are. */
const char *cn__plan_first_bad(cn__plan *plan, const cn__run *run);

/* ---- inference (inference.c): blocks through plans of one block, on all threads ---- */

/* What happens to block `block` of a pass before and after the model: `fill` writes its images, and zeros in lanes that
 * spare images leave, into the only block of `input`; `take` reads its output from that of `output`. Blocks run on any
 * threads. */
typedef struct cn__blocks {
    void (*fill)(void *argument, size_t block, const cn__map *input);
    void (*take)(void *argument, size_t block, const cn__map *output);
    void *argument;
} cn__blocks;

typedef struct cn__inference cn__inference;
typedef struct cn__inference_options {
    int32_t images;    /* of a pass, about: more are allowed */
    bool copy_tensors; /* as in cn__plan_options */
    bool one_by_one;   /* channels in the lanes, blocks of one image, plans with `channel_lanes` */
} cn__inference_options;
cn_status cn__inference_new(const cn_model *model, const cn__inference_options *options, cn__inference **inference);
/* Up to how many images a pass is done sooner one by one; 0: the model cannot. */
int32_t cn__inference_few(const cn_model *model);
void cn__inference_free(cn__inference *inference);
void cn__inference_prepare(const cn__inference *inference); /* whenever parameters may have changed */
void cn__inference_run(const cn__inference *inference, int32_t images, const cn__blocks *blocks);
/* Like cn__plan_first_bad; does not call `take`. */
const char *cn__inference_first_bad(const cn__inference *inference, int32_t images, const cn__blocks *blocks);

#endif
