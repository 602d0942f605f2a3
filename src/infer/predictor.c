/* predictor.c: a model compiled for inference, with parameters of its own. */
#include "infer/infer.h"

struct cn_predictor {
    const cn_model *model;
    cn_context *ctx;
    cn__inference *batch, *small_batch; /* for many images and for few; NULL: not needed */
    int32_t images;                     /* at a time */
    int32_t limit;                      /* of images that go through small_batch */
    float *levels;                      /* [channels][CN__LEVELS]: what a byte becomes; NULL: the model does not know */
    cn__variants variants;
    float *another;     /* outputs of a further variant; NULL: there is none */
    bool probabilities; /* the model ends in a softmax */
};

/* ---- images on their way in and out ---- */

typedef struct pass {
    const cn_predictor *predictor;
    int32_t images;
    cn__variant variant;
    const float *floats; /* normalised; NULL: bytes */
    const uint8_t *bytes;
    float *output;
    int64_t output_size; /* of an image */
} pass;

/* Pixel x of a row that begins at `row`. */
static float pixel(const pass *p, size_t channel, size_t row, size_t x, size_t width) {
    int from = (int)(p->variant.mirror ? width - 1 - x : x) - p->variant.right;
    size_t at = row + (size_t)cn__reflected(from, (int)width);
    return p->floats ? p->floats[at] : p->predictor->levels[channel * CN__LEVELS + p->bytes[at]];
}

/* Where row y of a plane of the variant begins, whose own begins at `plane`. */
static size_t row_start(const pass *p, size_t plane, size_t y, size_t height, size_t width) {
    return plane + (size_t)cn__reflected((int)y - p->variant.down, (int)height) * width;
}

static void fill_plane(const pass *p, size_t block, size_t channel, const cn__fmap *map) {
    size_t channels = (size_t)map->shape.channels, height = (size_t)map->shape.height;
    size_t width = (size_t)map->shape.width;
    cn__plane plane = cn__fmap_plane(map, 0, channel);
    for (size_t lane = 0; lane < CN__LANES; lane++) {
        size_t image = block * CN__LANES + lane, first = (image * channels + channel) * height * width;
        bool spare = image >= (size_t)p->images;
        for (size_t y = 0; y < height; y++) {
            size_t row = row_start(p, first, y, height, width);
            float *to = plane.data + y * plane.row + lane;
            for (size_t x = 0; x < width; x++)
                to[x * CN__LANES] = spare ? 0.0f : pixel(p, channel, row, x, width);
        }
    }
}

static void fill_block(void *argument, size_t block, const cn__fmap *input) {
    for (size_t channel = 0; channel < (size_t)input->shape.channels; channel++)
        fill_plane(argument, block, channel, input);
}

static void take_block(void *argument, size_t block, const cn__fmap *output) {
    const pass *p = argument;
    int32_t left = p->images - (int32_t)block * CN__LANES;
    cn__fmap_unpack(output, p->output + (int64_t)block * CN__LANES * p->output_size,
                    left < CN__LANES ? left : CN__LANES);
}

/* The same for one image with channels in the lanes. */
static void fill_single(void *argument, size_t image, const cn__fmap *input) {
    const pass *p = argument;
    size_t channels = (size_t)input->lane_channels, width = (size_t)input->shape.width;
    size_t height = (size_t)input->shape.height, first = image * channels * height * width;
    for (size_t channel = 0; channel < channels; channel++, first += height * width)
        for (size_t y = 0; y < height; y++) {
            size_t row = row_start(p, first, y, height, width);
            float *to = cn__nchw16c_row(input, channel, y);
            for (size_t x = 0; x < width; x++)
                to[x * CN__LANES] = pixel(p, channel, row, x, width);
        }
}

static void take_single(void *argument, size_t image, const cn__fmap *output) {
    const pass *p = argument;
    cn__nchw16c_unpack(output, p->output + (int64_t)image * p->output_size);
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
    cn__shape output = cn__model_shape(p->model, (int32_t)p->model->node_count - 1);
    p->variants = variants;
    CN__TRY(cn__variants_check("cn_predictor_options", &variants, p->model->input, output));
    if (cn__variant_count(&variants) == 1)
        return CN_OK;
    p->probabilities = cn__loss_reads(p->model, 0)->layer->type->kind == CN__KIND_SOFTMAX;
    p->another = cn__alloc(p->ctx, (size_t)p->images, (size_t)output.channels * sizeof *p->another);
    return p->another ? CN_OK : cn__no_memory("a predictor");
}

/* The parameters are copied, by the plans for few images in packed form only. */
static cn_status make(cn_predictor *p, const cn_predictor_options *options) {
    int32_t max_batch_size = options->max_batch_size;
    p->images = max_batch_size;
    p->limit = cn__small_batch_limit(p->model);
    if (p->limit > 0) {
        cn__inference_options few = {.images = max_batch_size < p->limit ? max_batch_size : p->limit,
                                     .small_batch = true};
        CN__TRY(cn__inference_new(p->model, &few, &p->small_batch));
        cn__inference_prepare(p->small_batch);
    }
    if (max_batch_size > p->limit) {
        if (!cn__model_joins_images(p->model))
            p->images = (int32_t)cn__whole_lines((size_t)max_batch_size); /* whole blocks */
        cn__inference_options many = {.images = p->images, .copy_tensors = true};
        CN__TRY(cn__inference_new(p->model, &many, &p->batch));
        cn__inference_prepare(p->batch);
    }
    CN__TRY(make_variants(p, (cn__variants){options->flip != 0, options->shift}));
    return make_levels(p);
}

cn_status cn_predictor_new(const cn_model *model, const cn_predictor_options *options, cn_predictor **predictor) {
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
    made->ctx = model->ctx;
    cn_status status = make(made, &known);
    if (status != CN_OK) {
        cn_predictor_free(made);
        return status;
    }
    *predictor = made;
    return CN_OK;
}

void cn_predictor_free(cn_predictor *predictor) {
    if (!predictor)
        return;
    cn_context *ctx = predictor->ctx;
    cn__inference_free(predictor->batch);
    cn__inference_free(predictor->small_batch);
    cn__free(ctx, predictor->levels);
    cn__free(ctx, predictor->another);
    cn__free(ctx, predictor);
}

/* ---- running ---- */

static cn_status run_pass(pass *p) {
    const cn_predictor *predictor = p->predictor;
    if (p->images <= predictor->limit)
        return cn__inference_run(predictor->small_batch, p->images, &(cn__blocks){fill_single, take_single, p});
    return cn__inference_run(predictor->batch, p->images, &(cn__blocks){fill_block, take_block, p});
}

/* A further variant of the same images, joined with the outputs of those before. */
static cn_status run_variant(pass p, int variant) {
    float *output = p.output;
    p.variant = cn__variant_at(&p.predictor->variants, variant);
    p.output = p.predictor->another;
    CN__TRY(run_pass(&p));
    for (int64_t n = 0; n < p.images; n++) {
        cn__row ours = {output + n * p.output_size, 1, p.output_size};
        cn__row theirs = {p.output + n * p.output_size, 1, p.output_size};
        cn__row_join(ours, variant, theirs, p.predictor->probabilities);
    }
    return CN_OK;
}

/* Images first … first + images - 1. */
static cn_status run_piece(const cn_predictor *predictor, const cn_tensor *input, cn_tensor *output, int64_t first,
                           int32_t images) {
    int64_t in_size = input->count / input->shape[0], out_size = output->count / output->shape[0];
    pass p = {.predictor = predictor,
              .images = images,
              .output = (float *)output->data + first * out_size,
              .output_size = out_size};
    if (input->dtype == CN_DTYPE_FLOAT32)
        p.floats = (const float *)input->data + first * in_size;
    else
        p.bytes = (const uint8_t *)input->data + first * in_size;
    CN__TRY(run_pass(&p));
    for (int variant = 1; variant < cn__variant_count(&predictor->variants); variant++)
        CN__TRY(run_variant(p, variant));
    return CN_OK;
}

cn_status cn_predictor_run(cn_predictor *predictor, const cn_tensor *input, cn_tensor *output) {
    CN__REQUIRE(predictor);
    CN__REQUIRE(input);
    CN__REQUIRE(output);
    const cn_model *model = predictor->model;
    int64_t images = cn_tensor_shape(input, 0);
    cn_dtype dtype = input->dtype == CN_DTYPE_UINT8 ? CN_DTYPE_UINT8 : CN_DTYPE_FLOAT32;
    CN__TRY(cn__model_expect_input(model, input, "cn_predictor_run: input", dtype, images));
    CN__TRY(cn__model_expect_output(model, output, "cn_predictor_run: output", images));
    CN__TRY(cn__tensor_writable(output, "cn_predictor_run: output"));
    if (images < 1)
        return cn__error(CN_ERR_SHAPE, "cn_predictor_run: input has no images");
    if (dtype == CN_DTYPE_UINT8 && !predictor->levels)
        return cn__error(CN_ERR_STATE, "cn_predictor_run: input is uint8, and the model does not know how to normalise "
                                       "it (cn_model_set_normalization)");
    for (int64_t first = 0; first < images; first += predictor->images) {
        int64_t left = images - first;
        int32_t count = left < predictor->images ? (int32_t)left : predictor->images;
        CN__TRY(run_piece(predictor, input, output, first, count));
    }
    return CN_OK;
}
