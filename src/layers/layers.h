/* SPDX-License-Identifier: MIT */
/* layers.h: what a layer is to the rest of the library, and how it computes.
 *
 * One file a layer; each defines a `cn__layer_type`, what the layer is, that registry.c lists, and one or several
 * `cn__layer_impl`, ways to compute it. A layer knows shapes, parameters and mathematics. It does not know about
 * graphs: a plan (plan/compiled.h) binds it to memory through a `cn__op` and runs its stages.
 */
#ifndef CN_LAYERS_H
#define CN_LAYERS_H

#include "base/group.h"
#include "kernels/kernels.h"
#include <stdatomic.h>

/* ---- maps: activations and gradients in lanes (fmap.c) ---- */

/* [block][channel][row][column][16 images], with a border that holds what padding asks for. */
typedef struct cn__fmap {
    cn__shape shape;
    int32_t pad[2];        /* border rows above and below, columns left and right */
    cn_padding_mode mode;  /* what the border holds */
    int32_t lane_channels; /* 0: 16 images in the lanes; else one image, of so many channels, which lie in the lanes */
    float *data;           /* interior pixel (0, 0), channel 0, block 0 */
    size_t row, channel, block; /* strides in floats; in a plan, blocks have more between them */
} cn__fmap;

/* Sets the strides for a shape and border. The channel stride is kept off multiples of 4 KB (odd count of lines), so
 * that the channels of a pixel do not fight for the same cache set. */
void cn__fmap_layout(cn__fmap *map, cn__shape shape, int32_t pad_height, int32_t pad_width, cn_padding_mode mode);
size_t cn__fmap_floats(const cn__fmap *map, int32_t blocks); /* memory it needs */
/* One of its own, without a border, for so many images, 16 in the lanes; its memory is map->data. CN_ERR_MEMORY. */
cn_status cn__fmap_new(cn_context *ctx, cn__shape shape, int32_t images, cn__fmap *map);
size_t cn__fmap_origin(const cn__fmap *map); /* floats from the memory's start to `data` */

/* Lanes of a plane that no channel lies in. */
static inline size_t cn__fmap_spare(const cn__fmap *map, size_t plane) {
    size_t channels = (size_t)map->lane_channels, end = (plane + 1) * CN__LANES;
    return channels && end > channels ? end - channels : 0;
}

static inline cn__plane cn__fmap_plane(const cn__fmap *map, size_t block, size_t channel) {
    return (cn__plane){map->data + block * map->block + channel * map->channel, map->row, cn__fmap_spare(map, channel)};
}

/* The row or column of `size` that number `i`, of those or of the border, repeats; -1: none, it is zero. */
int32_t cn__border_source(int32_t i, int32_t size, cn_padding_mode mode);

/* Fills the border of one plane from its interior. Whoever writes an interior calls this. */
void cn__fmap_border(const cn__fmap *map, size_t block, size_t channel);

/* A block of a map, as a map of one block. */
static inline cn__fmap cn__fmap_block(const cn__fmap *map, size_t block) {
    cn__fmap one = *map;
    one.data = cn__fmap_plane(map, block, 0).data;
    return one;
}

/* Between [N, C, H, W] and lanes. Lanes beyond `images` in the last block become zero. Interior only. */
void cn__fmap_pack(const cn__fmap *map, const float *images_nchw, int32_t images);
void cn__fmap_unpack(const cn__fmap *map, float *images_nchw, int32_t images);
void cn__fmap_zero(const cn__fmap *map, int32_t blocks); /* interior only */

/* Maps of one image with channels in the lanes (nchw16c/nchw16c.c): shape.channels counts planes, each of 16
 * channels. `shape` here is the image's. */
void cn__nchw16c_layout(cn__fmap *map, cn__shape shape, int32_t pad_height, int32_t pad_width, cn_padding_mode mode);
float *cn__nchw16c_row(const cn__fmap *map, size_t image, size_t channel, size_t row); /* pixels: CN__LANES apart */
void cn__nchw16c_pack(const cn__fmap *map, size_t image, const float *image_chw);
void cn__nchw16c_unpack(const cn__fmap *map, size_t image, float *image_chw);

static inline size_t cn__nchw16c_planes(int32_t channels) {
    return ((size_t)channels + CN__LANES - 1) / CN__LANES;
}

/* An image's channels, whichever way they lie. */
static inline int32_t cn__fmap_channels(const cn__fmap *map) {
    return map->lane_channels ? map->lane_channels : map->shape.channels;
}

/* ---- one pass over one batch ---- */

#define CN__TREE_DEPTH 48 /* spans of a part of a batch, at most; see tree.h */

/* Leaves that a process has added up (tree.h): number `place` of those that `rank` has. */
typedef struct cn__span {
    int32_t rank, place, begin, end;
} cn__span;

/* A batch that several processes share, and what this pass's images are among all. */
typedef struct cn__together {
    cn__group *group;
    int32_t images, leaves;   /* of the batch */
    int32_t first_leaf;       /* of this pass */
    const cn__span *spans;    /* of all processes, in the batch's order, span_count of them */
    int32_t span_count, most; /* most: that a process has */
    bool local_batch_norm;    /* else statistics are those of the whole batch, as SyncBatchNorm's */
    double *sent, *received;  /* of a layer that exchanges sums in a pass: [span][numbers], [rank][span][numbers] */
    /* Where spans but the first leave their gradients: [span][gradient_floats], laid out as the model's `gradients`. */
    float *more_gradients;
    const float *gradients;
    size_t gradient_floats;
} cn__together;

typedef struct cn__pass {
    int32_t images, blocks;       /* blocks = ceil(images / 16), or images where channels lie in the lanes */
    int32_t spans;                /* that sums over these images come to (tree.h) */
    const cn__together *together; /* NULL: these images are the whole batch */
    bool training;
    bool alone;            /* this thread alone runs it: others are busy with passes of their own */
    uint64_t seed;         /* dropout: key */
    uint32_t step;         /* dropout: epoch or pass */
    const uint32_t *image; /* dropout: which image each lane holds, or each block where channels lie in the lanes */
    int thread;            /* who runs it */
    float *scratch;        /* requirements.scratch_floats of this thread, for the length of an item */
} cn__pass;

/* Lanes of a block that hold images, where they do: 1 … 16. */
static inline int32_t cn__pass_lanes(const cn__pass *pass, size_t block) {
    int32_t left = pass->images - (int32_t)block * CN__LANES;
    return left < CN__LANES ? left : CN__LANES;
}

/* Leaves, of 16 images whatever lies in the lanes. */
static inline size_t cn__pass_leaves(const cn__pass *pass) {
    return ((size_t)pass->images + CN__LANES - 1) / CN__LANES;
}

/* Threads that share out a pass. */
static inline int32_t cn__pass_threads(const cn__pass *pass, const cn_context *ctx) {
    return pass->alone ? 1 : ctx->threads;
}

/* Whether each thread takes whole blocks, through all local stages: where they go round evenly, or are so many that it
 * does not matter. Else threads share out the items of each stage. */
static inline bool cn__blocks_go_round(const cn__pass *pass, const cn_context *ctx) {
    int32_t threads = cn__pass_threads(pass, ctx);
    return pass->blocks % threads == 0 || pass->blocks >= 4 * threads;
}

/* ---- a layer bound to memory ---- */

typedef struct cn__op cn__op;

/* Kernels cannot fail, but a program's own functions can. The first to do so in a pass is noted here, and the passes of
 * a plan end with its status. */
typedef struct cn__failure {
    atomic_int status;    /* cn_status; CN_OK: none */
    uint32_t id;          /* op->id of where it was */
    const char *function; /* "forward" */
} cn__failure;

/* What a stage reads of blocks other than its own. */
typedef enum cn__scope {
    CN__SCOPE_LOCAL,   /* nothing: a block's items may start when the same block's of the stage before have ended */
    CN__SCOPE_GLOBAL,  /* anything: starts when all before it has ended, and all after it waits for its end */
    CN__SCOPE_SOON,    /* the same; no local stage waits for it, and it may run with the next op's first global one */
    CN__SCOPE_DEFERRED /* what local stages have left in saved memory, or maps that stay (requirements.until_end);
                          nobody waits for it before the pass ends */
} cn__scope;

/* Items of a stage: outer × inner for each block of a local stage, or in all. What the two count, such as channels or
 * rows, and shares of them, is up to the stage. */
typedef struct cn__grid {
    size_t outer, inner;
} cn__grid;

static inline size_t cn__grid_items(cn__grid grid) {
    return grid.outer * grid.inner;
}

typedef struct cn__item {
    size_t block, outer, inner; /* block: 0 unless local */
} cn__item;

/* Item `index` of a block's. */
static inline cn__item cn__grid_item(cn__grid grid, size_t block, size_t index) {
    if (grid.inner == 1) /* as most: divisions would take longer than some items */
        return (cn__item){block, index, 0};
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): a grid with an item has no side of 0 */
    return (cn__item){block, index / grid.inner, index % grid.inner};
}

/* A parallel loop: items are independent and may run on any threads. */
typedef struct cn__stage {
    cn__grid (*grid)(const cn__op *op, const cn__pass *pass);
    void (*run)(const cn__op *op, const cn__pass *pass, cn__item at);
    cn__scope scope;
    /* Unless local: what is exchanged with other processes before its items run, on the calling thread. */
    void (*exchange)(const cn__op *op, const cn__pass *pass);
} cn__stage;

/* Add, ReLU and dropout that follow a norm, or in a plan for inference a convolution, and are computed in its passes:
 * y = dropout(relu(norm(x) + skip)). */
typedef struct cn__post_ops {
    const cn__fmap *skip; /* NULL: none */
    cn__fmap *d_skip;     /* NULL: gradient not wanted */
    bool skip_accumulate; /* d_skip already holds another reader's share */
    bool relu;
    float most;          /* the ReLU's upper bound, where the implementation `takes_relu6`; 0: none */
    float dropout;       /* probability */
    uint32_t dropout_id; /* the dropout layer's place in the model */
} cn__post_ops;

#define CN__MAX_TENSORS 8

struct cn__op {
    const cn_layer *layer;
    cn_context *ctx;
    const cn__kernels *kernels;
    int32_t max_blocks;
    int32_t batch;    /* images that algorithms are chosen for */
    bool training;    /* the plan has a backward pass, and the output's gradient is wanted */
    bool frozen;      /* computes as in evaluation in any pass */
    uint32_t id;      /* the layer's place in the model, */
    const char *name; /* and its name there */
    int32_t input_count;
    const cn__fmap *const *in;
    const cn__fmap *out;
    const cn__fmap *d_out;            /* backward: given */
    cn__fmap *const *d_in;            /* backward: to be written; an entry is NULL where not wanted */
    const bool *accumulate;           /* per input: add to d_in instead of writing it */
    void *tensor[CN__MAX_TENSORS];    /* parameters and buffers in the order of type->tensors */
    float *gradient[CN__MAX_TENSORS]; /* NULL for buffers, and without a backward pass */
    bool unread[CN__MAX_TENSORS];     /* nobody reads that gradient, of a frozen parameter: it need not be computed */
    cn__post_ops post;
    /* The norm whose output this op alone reads, and makes by itself, plane by plane, whenever it needs it: that one's `out` has a
     * shape and strides, but no data. NULL: none. */
    const cn__op *front;
    /* A convolution whose output only a norm reads gathers its moments for that norm, which then need not read it once
     * more: [block][cn__moment_shares][channel][CN__MOMENT_LINES][CN__LANES], in both ops; NULL: it does not. */
    float *moments;
    const cn_layer *norm; /* of a convolution: the norm that will read the moments */
    /* Inference: a norm of fixed statistics behind a convolution goes into its weights; NULL: none. */
    const cn_layer *folded;
    void *folded_tensor[CN__MAX_TENSORS];
    float *packed;           /* requirements.packed_floats: what prepare makes, and passes only read */
    const cn__op *packed_by; /* the same op of the plan whose `packed` this is, maybe for another size; NULL: its own */
    float *shared;           /* requirements.shared_floats, of all blocks */
    float *saved;         /* requirements.saved_floats of block 0, from forward to the end of backward; see cn__saved */
    size_t block;         /* floats from a block's memory to the next one's: maps, moments, kept */
    void *geometry;       /* what bind made */
    cn__failure *failure; /* of the plan */
};

static inline float *cn__saved(const cn__op *op, size_t block) {
    return op->saved + block * op->block;
}

/* ---- what a layer is ---- */

/* A hyper-parameter: how files and messages name it. */
typedef struct cn__attr {
    const char *name; /* PyTorch's */
    /* an int32_t, a float, a double, an int32_t with names */
    enum { CN__ATTR_INT, CN__ATTR_FLOAT, CN__ATTR_DOUBLE, CN__ATTR_ENUM } kind;
    size_t offset;            /* in the layer's struct */
    const char *const *names; /* CN__ATTR_ENUM: NULL-terminated */
    double fallback;          /* PyTorch's default, where a file does not say; 0 also if there is none */
} cn__attr;

typedef struct cn__tensor_spec {
    const char *name; /* "weight" */
    cn_dtype dtype;
    int dims;
    int64_t shape[4];
    bool parameter; /* false: a buffer */
} cn__tensor_spec;

/* What a layer will compute in a plan. */
typedef struct cn__sizes {
    int32_t inputs;
    const cn__shape *in; /* of each input */
    cn__shape out;
    int32_t max_blocks;
    int32_t batch;           /* images that algorithms are chosen for */
    int32_t depth;           /* of sums over the images of a pass: cn__tree_depth */
    bool training;           /* with a backward pass */
    bool part;               /* the images are a part of a batch that several processes share */
    const cn__op *packed_by; /* whose packed weights it will read; NULL: its own */
    bool nchw16c;            /* channels lie in the lanes */
} cn__sizes;

/* Of maps with so many channels. */
static inline size_t cn__sizes_planes(const cn__sizes *sizes, int32_t channels) {
    return sizes->nchw16c ? cn__nchw16c_planes(channels) : (size_t)channels;
}

/* What it wants of the plan for that. */
typedef struct cn__requirements {
    int32_t pad[2]; /* border of its inputs */
    cn_padding_mode mode;
    size_t packed_floats;
    size_t shared_floats;  /* for all blocks together */
    size_t saved_floats;   /* for each block */
    size_t scratch_floats; /* for each thread */
    bool until_end;        /* input and output's gradient stay until the backward pass ends, for deferred stages */
} cn__requirements;

/* Geometry for the receptive field, by height and width. */
typedef struct cn__window {
    int32_t kernel[2], stride[2], padding[2], dilation[2];
} cn__window;

/* Those that others ask about. */
typedef enum cn__layer_kind {
    CN__KIND_OTHER,
    CN__KIND_INPUT,
    CN__KIND_CONV2D,
    CN__KIND_CONV_TRANSPOSE2D,
    CN__KIND_LINEAR,
    CN__KIND_BATCH_NORM,
    CN__KIND_GROUP_NORM,
    CN__KIND_ADD,
    CN__KIND_RELU,
    CN__KIND_RELU6,
    CN__KIND_DROPOUT,
    CN__KIND_MAX_POOL2D,
    CN__KIND_AVG_POOL2D,
    CN__KIND_ADAPTIVE_AVG_POOL2D,
    CN__KIND_ADAPTIVE_MAX_POOL2D,
    CN__KIND_FLATTEN,
    CN__KIND_REARRANGE, /* puts its input's values elsewhere, each once */
    CN__KIND_IDENTITY,
    CN__KIND_SOFTMAX,
    CN__KIND_LOG_SOFTMAX,
    CN__KIND_CUSTOM /* a program's own */
} cn__layer_kind;

#define CN__MAX_STAGES 7

/* A way to compute a layer. Members may be NULL where there is nothing to do. */
typedef struct cn__layer_impl {
    /* Whether it can compute this layer; NULL: always. */
    bool (*serves)(const cn_layer *layer);
    bool infers_only; /* it has no backward stages, though the layer has */
    bool takes_relu6; /* of a layer behind which it can compute a ReLU: it can a ReLU6, too */
    /* Of a way that takes in the max pool behind the layer: whether it does, for images like `in`. */
    bool (*takes_pool)(const cn_layer *layer, const cn_layer *pool, cn__shape in, int32_t max_blocks);
    /* Multiply-adds of an image that it takes; NULL: the type's. */
    int64_t (*multiply_adds)(const cn_layer *layer, cn__shape in, cn__shape out);
    bool (*takes_front)(
        const cn_layer *layer); /* with a backward pass it can take a batch norm as op->front; NULL: no */
    void (*requirements)(const cn_layer *layer, const cn__sizes *sizes, cn__requirements *requirements);
    /* Precomputes index lists into op->geometry; unbind frees it, and is called only if it is not NULL, also when
     * bind failed half-way. */
    cn_status (*bind)(cn__op *op);
    void (*unbind)(cn__op *op);
    cn__stage prepare;                                           /* runs when parameters have changed */
    cn__stage forward[CN__MAX_STAGES], backward[CN__MAX_STAGES]; /* the last has a NULL `run` */
    /* Whether a parameter's gradient is that of a whole batch that processes share, since they have exchanged what it is
     * made of; NULL: it is that of this process's images. */
    bool (*gives_whole)(const cn__op *op, int tensor, bool local_batch_norm);
    bool backward_reads_in, backward_reads_out; /* activations that must live until backward */
    bool backward_in_place;                     /* the first input's gradient may lie where the output's does */
} cn__layer_impl;

/* ---- first values (initializer.c) ---- */

/* Where parameters take their first values from: a stream of the library's own for each layer, so that what a layer
 * draws depends on no other, or PyTorch's one generator, which goes on from layer to layer. */
typedef struct cn__initializer {
    bool as_pytorch;
    uint64_t seed;
    cn__rng rng;               /* the layer's */
    cn__torch_generator torch; /* if as_pytorch */
} cn__initializer;
void cn__initializer_begin(cn__initializer *from, bool as_pytorch, uint64_t seed);
void cn__initializer_layer(cn__initializer *from, size_t place); /* goes to that layer of the model */
void cn__init_constant(float *values, int64_t count, float value);
void cn__init_uniform(cn__initializer *from, float *values, int64_t count, float mean, float bound); /* mean ± bound */
void cn__init_normal(cn__initializer *from, float *values, int64_t count, double std);

/* What a layer is. */
typedef struct cn__layer_type {
    const char *name; /* PyTorch's class name */
    size_t bytes;     /* of its struct, which begins with a cn_layer */
    cn__layer_kind kind;
    int32_t min_inputs, max_inputs;
    const cn__attr *attrs; /* ends with a NULL name; NULL: none */

    /* Turns zeros into defaults and checks every hyper-parameter: values may come from a hostile file. */
    cn_status (*validate)(cn_layer *layer);
    /* Output shape, or CN_ERR_SHAPE naming `name` and the sizes. No extent of a result above CN__MAX_SIDE. */
    cn_status (*infer)(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in, cn__shape *out);
    /* NULL where there are none: */
    int (*tensors)(const cn_layer *layer, cn__tensor_spec *specs);                    /* returns how many */
    void (*init)(const cn_layer *layer, cn__initializer *from, void *const *tensors); /* layer after layer */
    int64_t (*multiply_adds)(const cn_layer *layer, cn__shape in, cn__shape out);     /* of an image */
    bool (*window)(const cn_layer *layer, cn__shape in, cn__window *window);
    /* A training pass wants more than one value a channel. */
    bool wants_batch;
    /* Norms: whether a pass wants the moments of its input; NULL: never. */
    bool (*wants_moments)(const cn_layer *layer, bool training);
    /* Norms that in a pass without moments are y = scale · x + shift, channel by channel; NULL: never. */
    void (*fixed_factors)(const cn_layer *layer, void *const *tensor, size_t channel, double *scale, double *shift);

    /* The ways to compute it. */
    const cn__layer_impl *batch;            /* 16 images in the lanes */
    const cn__layer_impl *nchw16c;          /* one image, 16 channels in the lanes, see nchw16c.h; NULL: it cannot */
    const cn__layer_impl *nchw16c_backward; /* the same in a plan with a backward pass, where nchw16c infers_only */
    const cn__layer_impl *with_pool; /* with the max pool behind it, whose output is then the layer's; NULL: none */
} cn__layer_type;

struct cn_layer {
    const cn__layer_type *type;
    cn_context *ctx;
};

/* Identity, and what a plan takes for one. */
extern const cn__layer_impl cn__identity_impl;

/* Convolutions and linear layers can gather moments, and take in what follows them. */
static inline bool cn__layer_convolves(const cn_layer *layer) {
    return layer->type->kind == CN__KIND_CONV2D || layer->type->kind == CN__KIND_LINEAR;
}

/* NULL: it cannot be computed with channels in the lanes, in a plan with a backward pass or without. */
static inline const cn__layer_impl *cn__layer_nchw16c(const cn_layer *layer, bool backward) {
    const cn__layer_impl *impl = layer->type->nchw16c;
    if (impl && backward && impl->infers_only)
        impl = layer->type->nchw16c_backward;
    return impl && (!impl->serves || impl->serves(layer)) ? impl : NULL;
}

/* Multiply-adds of an image that a way to compute a layer takes. */
static inline int64_t cn__impl_multiply_adds(const cn__layer_impl *impl, const cn_layer *layer, cn__shape in,
                                             cn__shape out) {
    if (impl->multiply_adds)
        return impl->multiply_adds(layer, in, out);
    return layer->type->multiply_adds ? layer->type->multiply_adds(layer, in, out) : 0;
}

/* ---- registry.c ---- */

/* One of the library's or of those that the context was told of; NULL: neither. */
const cn__layer_type *cn__layer_type_find(const cn_context *ctx, const char *name);
/* A layer of that type with its attrs' fallbacks; its caller sets hyper-parameters and calls type->validate. */
cn_status cn__layer_alloc(cn_context *ctx, const cn__layer_type *type, cn_layer **layer);
/* Validates and hands out, or frees and fails: the end of every public constructor. */
cn_status cn__layer_finish(cn_layer *made, cn_layer **layer);
/* A layer with the same hyper-parameters. */
cn_status cn__layer_copy(const cn_layer *layer, cn_layer **copy);
/* The hyper-parameter that its type's attrs name so, of an enumeration the number; NaN: none. */
double cn__layer_attr(const cn_layer *layer, const char *name);

/* An input of a model (input.c). CN_ERR_ARGUMENT, CN_ERR_SHAPE: what no model takes; `function` for the message. */
cn_status cn__input_check(const char *function, int channels, int height, int width);
extern const cn__layer_type cn__input_type;
cn_status cn__input_new(cn_context *ctx, int channels, int height, int width, cn_layer **layer);

/* Whether a max pool's windows are 2×2 and tile images like `in` (pool2d.c). */
bool cn__pool_halves(const cn_layer *pool, cn__shape in);

/* ---- helpers that several layers share (common.c) ---- */

/* Grids of the planes of the output or input: outer is the channel. */
cn__grid cn__out_planes(const cn__op *op, const cn__pass *pass);
cn__grid cn__in_planes(const cn__op *op, const cn__pass *pass);
cn__grid cn__wanted_planes(const cn__op *op, const cn__pass *pass); /* of the input, if its gradient is wanted */
/* A stage that fills the borders of the output's planes, for layers whose items are not planes. */
cn__grid cn__border_planes(const cn__op *op, const cn__pass *pass); /* none without a border */
void cn__border(const cn__op *op, const cn__pass *pass, cn__item at);
/* Notes a failure of a program's function, unless there was one before. */
void cn__op_fail(const cn__op *op, const char *function, cn_status status);
static inline bool cn__op_failed(const cn__op *op) { /* the pass has failed: nothing more needs to be computed */
    return atomic_load_explicit(&op->failure->status, memory_order_relaxed) != CN_OK;
}
/* Output shape = input shape. */
cn_status cn__infer_same(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in, cn__shape *out);
/* The same of several inputs, which must have one shape. */
cn_status cn__infer_equal(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in, cn__shape *out);
/* CN_ERR_ARGUMENT naming type and hyper-parameter unless least <= value <= most. */
cn_status cn__check_range(const char *type, const char *what, int32_t value, int32_t least, int32_t most);
/* Fills args for relu and dropout as the fused part, block and plane say; x, y and the rest are the caller's. */
void cn__pointwise_fill(cn__pointwise_args *args, const cn__op *op, const cn__pass *pass, const cn__post_ops *post,
                        size_t block, size_t plane);
/* Output size of a window along one dimension; 0 or less: it does not fit. */
int64_t cn__window_size(int64_t in, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation, bool ceil_mode);

float cn__dropout_p(const cn_layer *layer); /* of a dropout layer */

/* Rows into which a convolution cuts a plane of its output to gather moments: 192 pixels or more, or half of the plane
 * where that is 7 rows or more; by shape alone, so that their sums do not depend on the number of threads. */
static inline size_t cn__moment_rows(cn__shape shape) {
    size_t rows = (191 + (size_t)shape.width) / (size_t)shape.width, half = ((size_t)shape.height + 1) / 2;
    rows = half >= 7 && half < rows ? half : rows;
    return (rows + CN__WINOGRAD_SIDE - 1) / CN__WINOGRAD_SIDE * CN__WINOGRAD_SIDE;
}
static inline size_t cn__moment_shares(cn__shape shape) {
    return ((size_t)shape.height - 1) / cn__moment_rows(shape) + 1;
}
static inline size_t cn__moment_floats(cn__shape shape) { /* of a block */
    return cn__moment_shares(shape) * (size_t)shape.channels * CN__MOMENT_LINES * CN__LANES;
}
static inline float *cn__moments_of(const cn__op *op, cn__shape shape, size_t block, size_t share, size_t channel) {
    size_t row = share * (size_t)shape.channels + channel;
    return op->moments + block * op->block + row * CN__MOMENT_LINES * CN__LANES;
}

#endif
