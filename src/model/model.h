/* SPDX-License-Identifier: MIT */
/* model.h: graphs of layers and their parameters. */
#ifndef CN_MODEL_H
#define CN_MODEL_H

#include "layers/layers.h"
#include <stdatomic.h>

/* A layer in a model. Node i reads nodes before it; -1 is the model's first input, layers of type Input are the others.
 */
typedef struct cn__node {
    char *name;
    cn_layer *layer;
    int32_t *inputs;
    int32_t input_count;
    int32_t readers;                    /* layers that read it */
    bool output;                        /* one of cn_model.outputs */
    cn__shape shape;                    /* of its output */
    int32_t first_tensor, tensor_count; /* in cn_model.tensors, after cn_model_init */
    bool drawn;                         /* those tensors hold what is to stay */
    bool frozen;                        /* computes as in evaluation when the others train */
    uint32_t constants; /* those tensors, bit by bit, that are numbers of the network and no parameters that it learns:
                           frozen when they come into being, also from a file */
} cn__node;

/* A parameter or buffer. Parameters lie in one flat array, each from a 64-byte line of its own. */
typedef struct cn__model_tensor {
    char *name;         /* "cblock1.0.convlayer.weight" */
    cn_tensor value;    /* borrowed views */
    cn_tensor gradient; /* data NULL: a buffer */
    bool parameter;
    bool frozen; /* of a parameter: stays as it is */
} cn__model_tensor;

/* One input and what the model gave for it (io/self_test.c). */
typedef struct cn__self_test {
    cn_tensor **inputs, **outputs; /* as many as the model has */
    int32_t input_count, output_count;
    uint32_t crc; /* of the tensors that gave those outputs */
    bool stale;   /* the model has been changed otherwise */
} cn__self_test;

typedef struct cn__session cn__session;

#define CN__MAX_LAYERS 16384 /* in a file, which bounds the time that a hostile one takes */

struct cn_model {
    cn_context *ctx;
    cn__shape input;
    cn__node *nodes;
    size_t node_count, node_capacity;
    int32_t *by_name; /* nodes in the order of their names */
    size_t by_name_capacity;
    int32_t input_readers; /* layers that read the first input */
    int32_t *inputs;       /* nodes of type Input, further_inputs of them */
    size_t further_inputs, input_capacity;
    int32_t *outputs; /* nodes, output_count of them; NULL: the last one */
    int32_t output_count;
    bool initialized; /* all nodes are drawn; false again while it is added to */
    uint32_t freezes; /* calls of cn_model_freeze, by which plans and optimizers see that they are out of date */
    uint64_t seed;
    /* Draws anew what the whole begins with otherwise than its layers by themselves; NULL: nothing (zoo_init.c). */
    void (*own_init)(const cn_model *model, cn__initializer *from);
    cn__model_tensor *tensors;
    size_t tensor_count;
    float *parameters, *gradients; /* flat, flat_count floats, a multiple of 16; gaps are zero */
    size_t flat_count;
    int64_t *counters; /* int64 buffers, counter_count of them */
    float *buffers;    /* float32 buffers, flat like the parameters: buffer_count floats, a multiple of 16 */
    size_t counter_count, buffer_count;
    float *mean, *std; /* per input channel, or NULL */
    char **class_names;
    int64_t class_count;
    cn__self_test *self_test; /* NULL: none */
    cn__session *session;     /* of cn_model_forward and cn_model_backward (plan/forward_backward.c); NULL: none yet */
    void (*session_free)(cn_model *model);
    /* Who uses it: of each view others. */
    atomic_int users; /* optimizers and predictors, which point into it */
    atomic_int calls; /* under way, that run it, change it, or read it while functions of the program may be called */
};

/* The model as one of another context: layers and parameters are the model's own, class names and normalisation may be
 * given to the view alone. The model must not change meanwhile (view.c). */
void cn__model_view(const cn_model *model, cn_context *ctx, cn_model *view);
void cn__model_drop_view(const cn_model *model, cn_model *view);

/* ---- who uses it (in_use.c) ---- */

/* An optimizer or predictor points into the model, or no longer does. */
void cn__model_hold(const cn_model *model);
void cn__model_release(const cn_model *model);
/* Before a change of its layers: CN_ERR_STATE if someone points into it. `layer` for the message. */
cn_status cn__model_changeable(const cn_model *model, const char *layer);

/* CN__TAKES(model, function); lets nobody else run the model or change it until the block ends, and makes the function
 * around it return CN_ERR_STATE if somebody does or reads it. CN__READS(model); lets nobody run it or change it; others may
 * read it, too. */
#define CN__TAKES(model, function) CN__TAKES_OR(model, return cn__model_is_taken(function))
#define CN__TAKES_OR(model, otherwise)                                                                                 \
    const cn_model *taken_ __attribute__((cleanup(cn__model_leave))) = cn__model_take(model);                          \
    if (!taken_)                                                                                                       \
    otherwise
#define CN__READS(model) const cn_model *read_ __attribute__((unused, cleanup(cn__model_leave))) = cn__model_read(model)
const cn_model *cn__model_take(const cn_model *model); /* NULL: somebody is at it */
const cn_model *cn__model_read(const cn_model *model);
void cn__model_leave(const cn_model *const *model);
cn_status cn__model_is_taken(const char *function);
/* By any of these: then it cannot be freed. */
bool cn__model_in_use(const cn_model *model);

/* ---- changes ---- */

/* After one, at `node`: it waits for cn_model_init again, and forgets class names that no longer fit. */
void cn__model_changed(cn_model *model, int32_t node);
/* How a layer fits into it: CN_ERR_ARGUMENT, CN_ERR_SHAPE, or the shape of its output. */
cn_status cn__model_fit(const cn_model *model, const cn_layer *layer, const char *name, int32_t count,
                        const int32_t *inputs, cn__shape *out);
/* A node's tensors, in `specs` of CN__MAX_TENSORS; their number. */
int cn__node_specs(const cn__node *node, cn__tensor_spec *specs);
void cn__model_drop_class_names(cn_model *model);
void cn__self_test_free(cn_context *ctx, cn__self_test *test); /* self_test_tensors.c; NULL: nothing */
/* What a self-test expects is no longer what the model gives. */
static inline void cn__model_outdate_self_test(cn_model *model) {
    if (model->self_test)
        model->self_test->stale = true;
}
/* `status`, naming `function`, unless there are as many class names as outputs. */
cn_status cn__model_check_class_count(const cn_model *model, int64_t names, cn_status status, const char *function);
/* Ends a loop of one's own: the next forward pass is the first. */
void cn__model_end_session(cn_model *model);
/* -1: the input; -2: no such node. */
int32_t cn__model_find(const cn_model *model, const char *name);
const char *cn__model_name(const cn_model *model, int32_t node); /* "input" for -1 */
void cn__shape_out(cn__shape shape, int64_t out[3]);             /* channels, height, width */
cn__shape cn__model_shape(const cn_model *model, int32_t node);  /* of node's output; -1: the input */
/* ---- inputs and outputs (inputs_outputs.c) ---- */

static inline bool cn__node_is_input(const cn__node *node) {
    return node->layer->type->kind == CN__KIND_INPUT;
}

int32_t cn__model_input_count(const cn_model *model);
int32_t cn__model_input_node(const cn_model *model, int32_t index);
int32_t cn__model_output_count(const cn_model *model);
int32_t cn__model_output_node(const cn_model *model, int32_t index);
bool cn__model_is_output(const cn_model *model, int32_t node);

/* ---- sizes (shapes.c) ---- */

bool cn__shape_equal(cn__shape a, cn__shape b);
/* A layer's output, checked for size. CN_ERR_SHAPE, and CN_ERR_ARGUMENT if it does not read so many. */
cn_status cn__layer_infer(const cn_layer *layer, const char *name, int32_t count, const cn__shape *in, cn__shape *out);
/* Whether these are the sizes that the model was made for; NULL: yes. */
bool cn__model_own_size(const cn_model *model, const cn__shape *inputs);
/* Shapes of the first input and of all nodes, node_count + 1, for such inputs (NULL: the model's own). CN_ERR_SHAPE: a
 * layer that does not read what it would be given. */
cn_status cn__model_shapes(const cn_model *model, const cn__shape *inputs, cn__shape *shapes);

/* cn_model_init of a new model without drawing: all tensors are zero, to be loaded. */
cn_status cn__model_init_zeros(cn_model *model);
/* CN_ERR_STATE unless cn_model_init has been called; `function` for the message. */
cn_status cn__model_ready(const cn_model *model, const char *function);
/* The tensor that is called so, or NULL. */
cn__model_tensor *cn__model_find_tensor(const cn_model *model, const char *name);
/* Whether a pattern matches a layer, or one of its tensors, by its own name or the layer's (freeze.c). */
bool cn__model_matches(const cn_model *model, const cn__node *node, int32_t tensor, const char *pattern);
/* What is frozen, 1 or 0 for each tensor and then each layer, of which a tensor's counts for parameters, a layer's for
 * computing as in evaluation (freeze.c). */
static inline size_t cn__model_flag_count(const cn_model *model) {
    return model->tensor_count + model->node_count;
}
void cn__model_frozen_flags(const cn_model *model, unsigned char *flags);
void cn__model_set_frozen_flags(cn_model *model, const unsigned char *flags);
/* Gradients of frozen parameters are zero for whoever treats all alike. */
void cn__model_clear_frozen(cn_model *model);
/* A parameter that is not frozen. */
static inline bool cn__model_trains(const cn__model_tensor *entry) {
    return entry->parameter && !entry->frozen;
}
/* Appends layer after the last node under a printf-formatted name; takes the layer over. For zoo/. */
cn_status cn__model_append(cn_model *model, cn_layer *layer, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- all gradients at once (gradients.c) ---- */

/* sum = factor · gradient; sum += factor · gradient; and the last: gradient = sum + factor · gradient. */
void cn__gradients_begin_sum(cn_model *model, float factor, float *sum);
void cn__gradients_add_to_sum(cn_model *model, float factor, float *sum);
void cn__gradients_end_sum(cn_model *model, float factor, float *sum);
/* Adds the gradient of l1 · Σ|parameter|. */
void cn__gradients_add_l1(cn_model *model, float l1);
/* Their L2 norm, all parameters together, summed in double in an order of its own; `sums` has room for so many. */
size_t cn__gradient_pieces(const cn_model *model);
double cn__gradients_norm(cn_model *model, double *sums);
/* Shortens those of that norm to `max_norm`; brings each to ±max_value. */
void cn__gradients_clip_norm(cn_model *model, double norm, double max_norm);
void cn__gradients_clip_value(cn_model *model, float max_value);
/* ---- descriptions (receptive_field.c, summary.c) ---- */

/* What a node sees of the image, by height and width. */
typedef struct cn__receptive_field {
    bool present; /* a convolution or pool, whose window this is; else it only hands on what comes in */
    cn__window window;
    int64_t rf_in[2], jump_in[2], rf_out[2], jump_out[2];
} cn__receptive_field;
/* One for each node; to be freed with cn__free. */
cn_status cn__receptive_fields(const cn_model *model, cn__receptive_field **fields);

#endif
