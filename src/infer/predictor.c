/* SPDX-License-Identifier: MIT */
/* predictor.c: a model compiled for inference, with parameters of its own; for images of its size at first, for others
 * when they come. */
#include "infer/infer.h"
#include <stdatomic.h>
#include <string.h>

/* For images of one size. */
typedef struct sized sized;
struct sized {
    cn__inference *batch, *nchw16c; /* for many images and for few; NULL: not needed so far */
    sized *parameters;              /* that these use, of the predictor that this one was cloned from; or NULL */
    atomic_int users;               /* of its parameters */
};

struct cn_predictor {
    const cn_model *model;
    cn_context *ctx;
    cn__size_cache sizes;
    sized *own;     /* whose parameters those for other sizes use */
    int32_t images; /* at a time */
    int32_t limit;  /* of images that go through nchw16c */
    float *levels;  /* [channels][CN__LEVELS]: what a byte becomes; NULL: the model does not know */
    cn__variants variants;
    float *another;     /* outputs of a further variant; NULL: there is none */
    bool probabilities; /* the model ends in a softmax */
    atomic_bool running;
};

/* ---- images on their way in and out ---- */

typedef struct pass {
    const cn_predictor *predictor;
    const cn__inference *inference;
    const cn_tensor *const *inputs;
    cn_tensor *const *outputs; /* an entry is NULL where not wanted */
    float *another;            /* NULL, or where the only output goes instead, from its beginning */
    int64_t first;             /* image in the tensors */
    int32_t images;
    cn__variant variant;
} pass;

/* Pixels of an input's images, as floats or as bytes. */
typedef struct pixels {
    const float *floats; /* normalised; NULL: bytes */
    const uint8_t *bytes;
    const float *levels;
} pixels;

static int64_t image_size(const cn_tensor *tensor) {
    return tensor->count / tensor->shape[0];
}

/* From the first image of the pass on. */
static pixels pixels_of(const pass *p, int32_t index) {
    const cn_tensor *input = p->inputs[index];
    int64_t begin = p->first * image_size(input);
    if (input->dtype == CN_DTYPE_FLOAT32)
        return (pixels){.floats = (const float *)input->data + begin};
    return (pixels){.bytes = (const uint8_t *)input->data + begin, .levels = p->predictor->levels};
}

/* Where the output of image `image` of the pass goes; NULL: nowhere. */
static float *output_of(const pass *p, int32_t index, size_t image) {
    const cn_tensor *output = p->outputs[index];
    if (!output)
        return NULL;
    float *first = p->another ? p->another : (float *)output->data + p->first * image_size(output);
    return first + (int64_t)image * image_size(output);
}

/* Pixel x of a row that begins at `row`. */
static float pixel(const pass *p, const pixels *from, size_t channel, size_t row, size_t x, size_t width) {
    int column = (int)(p->variant.mirror ? width - 1 - x : x) - p->variant.right;
    size_t at = row + (size_t)cn__reflected(column, (int)width);
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): one of the two is there */
    return from->floats ? from->floats[at] : from->levels[channel * CN__LEVELS + from->bytes[at]];
}

/* Where row y of a plane of the variant begins, whose own begins at `plane`. */
static size_t row_start(const pass *p, size_t plane, size_t y, size_t height, size_t width) {
    return plane + (size_t)cn__reflected((int)y - p->variant.down, (int)height) * width;
}

/* Row y of a plane that begins at pixel `plane` of what is read, into a lane; floats that stay where they are go straight
 * there. */
static void fill_row(const pass *p, const pixels *from, size_t plane, size_t channel, size_t y, const cn__fmap *map,
                     float *to) {
    size_t width = (size_t)map->shape.width, row = row_start(p, plane, y, (size_t)map->shape.height, width);
    if (from->floats && !p->variant.mirror && p->variant.right == 0)
        for (size_t x = 0; x < width; x++)
            to[x * CN__LANES] = from->floats[row + x];
    else
        for (size_t x = 0; x < width; x++)
            to[x * CN__LANES] = pixel(p, from, channel, row, x, width);
}

static void clear_row(size_t width, float *to) {
    for (size_t x = 0; x < width; x++)
        to[x * CN__LANES] = 0.0f;
}

/* Row by row, which stays in the cache while all images of the block are put into it. */
static void fill_plane(const pass *p, const pixels *from, size_t block, size_t channel, const cn__fmap *map) {
    size_t channels = (size_t)map->shape.channels, height = (size_t)map->shape.height;
    size_t width = (size_t)map->shape.width, first = block * CN__LANES;
    cn__plane plane = cn__fmap_plane(map, 0, channel);
    for (size_t y = 0; y < height; y++)
        for (size_t lane = 0; lane < CN__LANES; lane++) {
            float *to = plane.data + y * plane.row + lane;
            if (first + lane < (size_t)p->images)
                fill_row(p, from, ((first + lane) * channels + channel) * height * width, channel, y, map, to);
            else
                clear_row(width, to);
        }
}

static void fill_block(void *argument, size_t block, int32_t index, const cn__fmap *input) {
    pixels from = pixels_of(argument, index);
    for (size_t channel = 0; channel < (size_t)input->shape.channels; channel++)
        fill_plane(argument, &from, block, channel, input);
}

static void take_block(void *argument, size_t block, int32_t index, const cn__fmap *output) {
    const pass *p = argument;
    int32_t left = p->images - (int32_t)block * CN__LANES;
    float *to = output_of(p, index, block * CN__LANES);
    if (to)
        cn__fmap_unpack(output, to, left < CN__LANES ? left : CN__LANES);
}

/* The same for one image with channels in the lanes: all channels of a row while that is in the cache. */
static void fill_single(void *argument, size_t image, int32_t index, const cn__fmap *input) {
    const pass *p = argument;
    pixels from = pixels_of(p, index);
    size_t channels = (size_t)input->lane_channels, width = (size_t)input->shape.width;
    size_t height = (size_t)input->shape.height, area = height * width, first = image * channels * area;
    for (size_t y = 0; y < height; y++)
        for (size_t channel = 0; channel < channels; channel++)
            fill_row(p, &from, first + channel * area, channel, y, input, cn__nchw16c_row(input, 0, channel, y));
}

static void take_single(void *argument, size_t image, int32_t index, const cn__fmap *output) {
    float *to = output_of(argument, index, image);
    if (to)
        cn__nchw16c_unpack(output, 0, to);
}

/* ---- the handle ---- */

static cn_status make_levels(cn_predictor *p) {
    const cn_model *model = p->model;
    if (!model->mean)
        return CN_OK;
    p->levels = cn__alloc(p->ctx, (size_t)model->input.channels, CN__LEVELS * sizeof *p->levels);
    if (!p->levels)
        return cn__no_memory("a predictor");
    cn__normalization_levels(&(cn__normalization){model->mean, model->std}, model->input.channels, p->levels);
    return CN_OK;
}

/* What it takes to run several variants of an image. */
static cn_status make_variants(cn_predictor *p, cn__variants variants) {
    cn__shape output = cn__model_shape(p->model, cn__model_output_node(p->model, 0));
    p->variants = variants;
    CN__TRY(cn__variants_check("cn_predictor_options", &variants, p->model, p->model->input, output));
    if (cn__variant_count(&variants) == 1)
        return CN_OK;
    p->probabilities = cn__loss_reads(p->model, 0)->layer->type->kind == CN__KIND_SOFTMAX;
    p->another = cn__alloc(p->ctx, (size_t)p->images, (size_t)output.channels * sizeof *p->another);
    return p->another ? CN_OK : cn__no_memory("a predictor");
}

static void release_sized(cn_context *ctx, void *made) {
    for (sized *s = made, *next; s && atomic_fetch_sub(&s->users, 1) == 1; s = next) {
        next = s->parameters;
        cn__inference_free(s->batch);
        cn__inference_free(s->nchw16c);
        cn__free(ctx, s);
    }
}

/* Nothing so far, for the size that is asked for. */
static cn_status add_size(cn_predictor *p, sized **made) {
    *made = cn__alloc(p->ctx, 1, sizeof **made);
    if (!*made)
        return cn__no_memory("a predictor");
    atomic_init(&(*made)->users, 1);
    cn__size_cache_keep(&p->sizes, *made);
    return CN_OK;
}

/* Images that go singly at a time, at most. */
static int32_t few(const cn_predictor *p) {
    return p->images < p->limit ? p->images : p->limit;
}

static bool goes_singly(const cn_predictor *p, int64_t images) {
    return images <= p->limit;
}

/* Of the model's own size. */
static cn_status add_own_size(cn_predictor *p) {
    for (int32_t i = 0; i < cn__model_input_count(p->model); i++)
        cn__size_cache_asked(&p->sizes)[i] = cn__model_shape(p->model, cn__model_input_node(p->model, i));
    return add_size(p, &p->own);
}

/* With a copy of the parameters, for few images in packed form only. */
static cn_status copy_parameters(cn_predictor *p) {
    if (p->limit > 0) {
        CN__TRY(
            cn__inference_new(p->model, &(cn__inference_options){.images = few(p), .nchw16c = true}, &p->own->nchw16c));
        cn__inference_prepare(p->own->nchw16c);
    }
    if (!goes_singly(p, p->images)) {
        CN__TRY(cn__inference_new(p->model, &(cn__inference_options){.images = p->images, .copy_tensors = true},
                                  &p->own->batch));
        cn__inference_prepare(p->own->batch);
    }
    return CN_OK;
}

static cn_status share_parameters(cn_predictor *p, sized *from) {
    p->own->parameters = from->parameters ? from->parameters : from;
    atomic_fetch_add(&p->own->parameters->users, 1);
    if (from->nchw16c)
        CN__TRY(cn__inference_new(p->model,
                                  &(cn__inference_options){.images = few(p), .nchw16c = true, .share = from->nchw16c},
                                  &p->own->nchw16c));
    if (from->batch)
        CN__TRY(cn__inference_new(p->model, &(cn__inference_options){.images = p->images, .share = from->batch},
                                  &p->own->batch));
    return CN_OK;
}

static cn_status make(cn_predictor *p, const cn_predictor_options *options) {
    p->images = options->max_batch_size;
    p->limit = cn__nchw16c_limit(p->model);
    if (!goes_singly(p, p->images) && !cn__model_joins_images(p->model))
        p->images = (int32_t)cn__whole_lines((size_t)p->images); /* whole blocks */
    CN__TRY(cn__size_cache_init(&p->sizes, p->model, release_sized));
    CN__TRY(add_own_size(p));
    CN__TRY(copy_parameters(p));
    CN__TRY(make_variants(p, (cn__variants){options->flip != 0, options->shift}));
    return make_levels(p);
}

static cn_status copy_levels(cn_predictor *p, const float *levels) {
    size_t count = (size_t)p->model->input.channels * CN__LEVELS;
    if (!levels)
        return CN_OK;
    p->levels = cn__alloc(p->ctx, count, sizeof *p->levels);
    if (!p->levels)
        return cn__no_memory("a predictor");
    memcpy(p->levels, levels, count * sizeof *levels);
    return CN_OK;
}

static cn_status make_clone(cn_predictor *p, const cn_predictor *from) {
    p->images = from->images;
    p->limit = from->limit;
    CN__TRY(cn__size_cache_init(&p->sizes, p->model, release_sized));
    CN__TRY(add_own_size(p));
    CN__TRY(share_parameters(p, from->own));
    CN__TRY(make_variants(p, from->variants));
    return copy_levels(p, from->levels);
}

cn_status cn_predictor_new(const cn_model *model, const cn_predictor_options *options, cn_predictor **predictor) {
    CN__COMPUTES;
    cn_predictor_options known = CN_PREDICTOR_OPTIONS_INIT;
    CN__REQUIRE(predictor);
    *predictor = NULL;
    CN__TRY(cn__model_ready(model, "cn_predictor_new"));
    CN__TRY(CN__READ_OPTIONS(&known, cn_predictor_options, options));
    CN__TRY(cn__check_reserved("cn_predictor_options", known.reserved == 0));
    if (known.max_batch_size < 1 || known.max_batch_size > CN__MAX_BATCH)
        return cn__error(CN_ERR_ARGUMENT, "cn_predictor_options: max_batch_size is %d, wanted 1 to %d",
                         known.max_batch_size, CN__MAX_BATCH);
    cn_predictor *made = cn__alloc(model->ctx, 1, sizeof *made);
    if (!made)
        return cn__no_memory("a predictor");
    made->model = model;
    cn__model_hold(model);
    made->ctx = model->ctx;
    cn_status status = make(made, &known);
    if (status != CN_OK) {
        cn_predictor_free(made);
        return status;
    }
    *predictor = made;
    return CN_OK;
}

cn_status cn_predictor_clone(const cn_predictor *predictor, cn_predictor **clone) {
    CN__COMPUTES;
    CN__REQUIRE(clone);
    *clone = NULL;
    CN__REQUIRE(predictor);
    cn_predictor *made = cn__alloc(predictor->ctx, 1, sizeof *made);
    if (!made)
        return cn__no_memory("a predictor");
    made->model = predictor->model;
    cn__model_hold(made->model);
    made->ctx = predictor->ctx;
    cn_status status = make_clone(made, predictor);
    if (status != CN_OK) {
        cn_predictor_free(made);
        return status;
    }
    *clone = made;
    return CN_OK;
}

void cn_predictor_free(cn_predictor *predictor) {
    if (!predictor)
        return;
    cn_context *ctx = predictor->ctx;
    if (predictor->running) {
        cn__log(ctx, CN_LOG_WARNING,
                "cn_predictor_free: the predictor stays, since its cn_predictor_run has not returned");
        return;
    }
    cn__size_cache_drop(&predictor->sizes);
    cn__free(ctx, predictor->levels);
    cn__free(ctx, predictor->another);
    cn__model_release(predictor->model);
    cn__free(ctx, predictor);
}

/* ---- running ---- */

static cn_status run_pass(pass *p) {
    if (goes_singly(p->predictor, p->images))
        return cn__inference_run(p->inference, p->images, &(cn__blocks){fill_single, take_single, p});
    return cn__inference_run(p->inference, p->images, &(cn__blocks){fill_block, take_block, p});
}

/* A further variant of the same images, joined with the outputs of those before. */
static cn_status run_variant(pass p, int variant) {
    int64_t size = image_size(p.outputs[0]);
    float *output = output_of(&p, 0, 0), *another = p.predictor->another;
    p.variant = cn__variant_at(&p.predictor->variants, variant);
    p.another = another;
    CN__TRY(run_pass(&p));
    for (int64_t n = 0; n < p.images; n++)
        cn__row_join((cn__row){output + n * size, 1, size}, variant, (cn__row){another + n * size, 1, size},
                     p.predictor->probabilities);
    return CN_OK;
}

/* Leaves their size as the one that is asked for. */
static cn_status check_inputs(const cn_predictor *predictor, int64_t images, const cn_tensor *const *inputs) {
    const cn_model *model = predictor->model;
    bool bytes = inputs[0] && inputs[0]->dtype == CN_DTYPE_UINT8;
    for (int32_t i = 0; i < cn__model_input_count(model); i++)
        CN__TRY(cn__model_expect_input(model, i, inputs[i], "cn_predictor_run: input",
                                       i == 0 && bytes ? CN_DTYPE_UINT8 : CN_DTYPE_FLOAT32, images,
                                       &cn__size_cache_asked(&predictor->sizes)[i]));
    if (images < 1)
        return cn__error(CN_ERR_SHAPE, "cn_predictor_run: input has no images");
    if (bytes && !predictor->levels)
        return cn__error(CN_ERR_STATE, "cn_predictor_run: input is uint8, and the model does not know how to normalise "
                                       "it (cn_model_set_normalization)");
    return CN_OK;
}

static cn_status check_outputs(const cn_predictor *predictor, const cn__inference *inference, int64_t images,
                               cn_tensor *const *outputs) {
    for (int32_t i = 0; i < cn__model_output_count(predictor->model); i++)
        if (outputs[i]) {
            CN__TRY(cn__model_expect_output(predictor->model, i, cn__inference_output_shape(inference, i), outputs[i],
                                            "cn_predictor_run: output", images));
            CN__TRY(cn__tensor_writable(outputs[i], "cn_predictor_run: output"));
        }
    return cn__variants_check("cn_predictor_run", &predictor->variants, predictor->model,
                              cn__size_cache_asked(&predictor->sizes)[0], cn__inference_output_shape(inference, 0));
}

/* What runs so many images of the size that is asked for. */
static cn_status find_inference(cn_predictor *p, int64_t images, const cn__inference **found) {
    bool singly = goes_singly(p, images);
    sized *s = cn__size_cache_find(&p->sizes);
    if (!s)
        CN__TRY(add_size(p, &s));
    cn__inference **wanted = singly ? &s->nchw16c : &s->batch;
    cn__inference_options options = {.images = singly ? few(p) : p->images,
                                     .inputs = cn__size_cache_asked(&p->sizes),
                                     .share = singly ? p->own->nchw16c : NULL,
                                     .tensors = singly ? NULL : p->own->batch,
                                     .nchw16c = singly};
    if (!*wanted) {
        cn_status status = cn__inference_new(p->model, &options, wanted);
        if (status != CN_OK)
            return cn__error(status, "cn_predictor_run: %s", cn_last_error());
        if (!singly)
            cn__inference_prepare(*wanted);
    }
    *found = *wanted;
    return CN_OK;
}

static cn_status run(cn_predictor *predictor, const cn_tensor *const *inputs, cn_tensor *const *outputs) {
    int64_t images = cn_tensor_shape(inputs[0], 0);
    CN__TRY(check_inputs(predictor, images, inputs));
    for (int64_t first = 0; first < images; first += predictor->images) {
        int64_t left = images - first;
        pass p = {.predictor = predictor, .inputs = inputs, .outputs = outputs, .first = first};
        p.images = left < predictor->images ? (int32_t)left : predictor->images;
        CN__TRY(find_inference(predictor, p.images, &p.inference));
        if (first == 0)
            CN__TRY(check_outputs(predictor, p.inference, images, outputs));
        CN__TRY(run_pass(&p));
        for (int variant = 1; variant < cn__variant_count(&predictor->variants); variant++)
            CN__TRY(run_variant(p, variant));
    }
    return CN_OK;
}

cn_status cn_predictor_run_all(cn_predictor *predictor, int64_t input_count, const cn_tensor *const *inputs,
                               int64_t output_count, cn_tensor *const *outputs) {
    CN__COMPUTES;
    CN__REQUIRE(predictor);
    CN__REQUIRE(inputs);
    CN__REQUIRE(outputs);
    CN__TRY(cn__model_expect_counts(predictor->model, "cn_predictor_run", input_count, output_count));
    if (atomic_exchange(&predictor->running, true))
        return cn__error(CN_ERR_STATE, "cn_predictor_run: called while it runs, by a function that it calls or another "
                                       "thread (cn_predictor_clone makes one for each)");
    cn_status status = run(predictor, inputs, outputs);
    atomic_store(&predictor->running, false);
    return status;
}

cn_status cn_predictor_run(cn_predictor *predictor, const cn_tensor *input, cn_tensor *output) {
    CN__COMPUTES;
    CN__REQUIRE(predictor);
    CN__REQUIRE(input);
    CN__REQUIRE(output);
    return cn_predictor_run_all(predictor, 1, &input, 1, &output);
}
